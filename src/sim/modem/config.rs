//! What a modem and the wire between two of them are told to be. Values only: any of them makes
//! a modem, none is refused.

use crate::proto::time::{BitRate, Duration};

/// Which way of speaking a modem has. What they have in common is most of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// A common chip set: `\N`, `W`, `+MS`, flow control by `&K`, leased line by `&L1` and `&L2`.
    #[default]
    Chipset,
    /// A Courier: `&M`, `&A`, `&N`, `&H`, several `&F`, `RINGING` and `VOICE`; on a leased line
    /// `&L1` at both ends, and a switch says which of them originates.
    Courier,
    /// A MultiTech: as a chip set, with `&Q` for error control, `LAPM` in `CONNECT`, and half a
    /// minute before a leased line begins.
    MultiTech,
}

/// Who begins on a leased line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// This one.
    Originate,
    /// The other one.
    Answer,
}

/// What a modem is like at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Switched on and idle.
    #[default]
    Idle,
    /// Switched off.
    Off,
    /// Told to say nothing, neither echo nor results (`E0Q1`), by its stored settings.
    Silent,
    /// It still believes in a call that is over, and takes every byte for data.
    StuckInData,
}

/// One modem.
#[derive(Clone, Debug, PartialEq)]
pub struct ModemConfig {
    /// Its way of speaking.
    pub family: Family,
    /// The most it can do on the line, bit/s.
    pub top_rate: BitRate,
    /// Training at the beginning of a connection. The longer one of the two counts.
    pub training: Duration,
    /// Training in the middle of a connection.
    pub retraining: Duration,
    /// Whether DCD goes off while it trains in the middle of a connection.
    pub retraining_drops_dcd: bool,
    /// Bytes that wait in it for the line, and as many for the port.
    pub buffer: usize,
    /// Whether a byte from the port while it dials or trains makes it hang up; on a leased line only
    /// a Courier does.
    pub key_aborts: bool,
    /// The only speed its port has; `None` when it takes the terminal's.
    pub port_rate: Option<BitRate>,
    /// What the switch says of a leased line, where there is one; and what it was set up for, if
    /// [`ModemConfig::leased`].
    pub role: Role,
    /// Whether it was set up for a leased line before, and `&W` kept that.
    pub leased: bool,
    /// From power-up to the first training on a leased line; `None` as is usual in its family.
    pub leased_pause: Option<Duration>,
    /// What it is like at first.
    pub start: Start,
}

impl ModemConfig {
    /// A V.34 modem that trains for 7 s.
    pub const fn new(family: Family) -> Self {
        Self {
            family,
            top_rate: match BitRate::new(33_600) {
                Some(rate) => rate,
                None => BitRate::MAX,
            },
            training: Duration::from_secs(7),
            retraining: Duration::from_secs(5),
            retraining_drops_dcd: false,
            buffer: 4096,
            key_aborts: true,
            port_rate: None,
            role: Role::Originate,
            leased: false,
            leased_pause: None,
            start: Start::Idle,
        }
    }

    /// From power-up to the first training on a leased line.
    pub(super) fn leased_pause(&self) -> Duration {
        self.leased_pause.unwrap_or(match self.family {
            Family::MultiTech => Duration::from_secs(30),
            Family::Chipset | Family::Courier => Duration::from_secs(2),
        })
    }
}

/// What is between the two modems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Between {
    /// A telephone exchange.
    Exchange(Exchange),
    /// A pair of wires, with nothing on it but the two modems.
    LeasedLine,
}

/// A telephone exchange, and who has which number there. Who is not named does not exist, and a
/// voice says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Of the two modems.
    pub numbers: [String; 2],
    /// Always in a call.
    pub busy: String,
    /// Nobody at home.
    pub no_answer: String,
    /// A person answers.
    pub voice: String,
    /// Whether one hears a dial tone.
    pub dial_tone: bool,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            numbers: ["1001".into(), "1002".into()],
            busy: "1003".into(),
            no_answer: "1004".into(),
            voice: "1005".into(),
            dial_tone: true,
        }
    }
}
