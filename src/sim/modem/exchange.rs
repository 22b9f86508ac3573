//! What becomes of a number that is dialled, and of a line that rings.
//!
//! ```text
//!   None -- a number of ours, on the hook --> Ringing -- answered --> Up -- either hangs up --> None
//! ```
//!
//! Promise: who calls a number that is in use, that nobody answers or that is nobody's hears what
//! one hears then, and the other modem nothing of it. It leaves the ringing itself, and training,
//! to [`Modems`](super::Modems).

use super::config::Exchange;
use crate::proto::time::{Duration, Instant};
use crate::sim::Side;

/// The call between the two modems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// There is none.
    None,
    /// The bell of the other one rings, next then.
    Ringing {
        from: Side,
        next: Instant,
        /// The caller has been told.
        is_told: bool,
    },
    /// The two are joined.
    Up,
}

/// What a caller hears who has not reached the other modem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Busy,
    RingingTone,
    Voice,
}

/// Where a number leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// To that modem.
    To(Side),
    /// Elsewhere.
    Elsewhere(Heard),
}

impl Exchange {
    /// Where a number leads that `from` dials.
    pub(super) fn leads(&self, from: Side, number: &str) -> Leads {
        let other = from.other();
        if number == self.numbers[other as usize] {
            return Leads::To(other);
        }
        if number == self.busy || number == self.numbers[from as usize] {
            return Leads::Elsewhere(Heard::Busy);
        }
        if number == self.no_answer {
            return Leads::Elsewhere(Heard::RingingTone);
        }
        Leads::Elsewhere(Heard::Voice)
    }
}

impl Heard {
    /// How long until a caller knows.
    pub(super) const fn after(self) -> Duration {
        match self {
            Self::Busy => Duration::from_secs(2),
            Self::RingingTone => Duration::from_secs(1),
            Self::Voice => Duration::from_secs(4),
        }
    }
}

/// From a number to the first ring.
pub(super) const TO_FIRST_RING: Duration = Duration::from_millis(500);
/// From ring to ring: two seconds, and a pause of four.
pub(super) const FROM_RING_TO_RING: Duration = Duration::from_secs(6);
