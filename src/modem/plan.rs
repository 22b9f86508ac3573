//! What is to be done with a modem.

use crate::proto::time::Duration;

use super::command::DialString;
use super::profile::{Profile, Role};

/// Everything that a [`Dialer`](super::Dialer) must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the modem needs.
    pub profile: Profile,
    /// How the call comes about.
    pub way: Way,
    /// On a leased line, which end this is, where the profile needs to know.
    pub role: Option<Role>,
    /// What to do after a call that did not come about, or has ended.
    pub redial: Redial,
    /// The rate of the port, bit/s.
    pub baud: u32,
    /// How long a call may carry nothing before it is ended and begun again.
    pub dead_after: Duration,
}

impl Plan {
    /// Default of [`Plan::dead_after`]: two retrains.
    pub const DEAD_AFTER: Duration = Duration::from_secs(60);
}

/// How the call comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// This end dials.
    Dial(DialString),
    /// This end waits to be called.
    Answer {
        /// Rings before it answers, at least one.
        rings: u8,
    },
    /// Nobody dials: the pair is always there.
    Leased,
    /// There is no modem to be asked.
    Direct,
}

/// How often, and how soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redial {
    /// Calls in a row that may fail; `None` for no end.
    pub attempts: Option<u32>,
    /// The first pause. Each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Redial {
    /// Ten calls; many exchanges and modems refuse a number that fails more often.
    pub const DEFAULT: Self = Self {
        attempts: Some(10),
        first_pause: Duration::from_secs(5),
        longest_pause: Duration::from_secs(120),
    };
    /// Where a try costs nothing: a leased line, a call that others make.
    pub const FREE: Self = Self {
        attempts: None,
        first_pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(30),
    };

    /// The pause after so many calls that failed.
    pub(super) fn pause(&self, failed: u32) -> Duration {
        let doublings = failed.saturating_sub(1).min(16);
        let pause = self.first_pause.saturating_mul(1 << doublings);
        pause.min(self.longest_pause)
    }
}

/// What the port can tell and do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortSignals {
    /// DCD, where the port has it.
    pub carrier: Option<bool>,
    /// Whether the port has DTR: a modem hangs up when it drops.
    pub has_dtr: bool,
}

/// The level of DTR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtr {
    /// This end is ready.
    On,
    /// Hang up, and reset.
    Off,
}
