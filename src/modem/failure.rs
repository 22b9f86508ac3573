//! What can go wrong with a call or a modem: what happened, then what to try.

use serde::Serialize;
use thiserror::Error;

use super::command::Command;

/// Why there is no call, or none any more.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// Nothing comes back from the modem.
    #[error(
        "the modem does not answer. Check that it is on, its cable, and `baud`; a modem in dumb mode answers nothing: its switches end that"
    )]
    Silent,
    /// What comes back is no text.
    #[error(
        "what the modem answers at {baud} bit/s cannot be read. Set `baud` to the rate that it is stored at, 8 data bits, no parity"
    )]
    WrongSpeed {
        /// The rate of the port, bit/s.
        baud: u32,
    },
    /// Everything comes back as it was sent, and nothing else.
    #[error(
        "what is sent to the modem comes back, but no result. A modem with results switched off (Q1, or a switch), or a loop plug instead of a modem"
    )]
    OnlyEcho,
    /// It talks, but makes no sense.
    #[error(
        "the modem says '{said}', which is no answer to a command. Check that there is a modem at this port, and no login of a terminal server"
    )]
    Strange {
        /// Its last line, in plain letters.
        said: String,
    },
    /// A setting that the profile needs.
    #[error(
        "the modem refuses {}, which is needed: {reason}. Check that the profile is that of this modem",
        command.line()
    )]
    Refused {
        /// The setting.
        command: Command,
        /// What it is for.
        reason: String,
    },
    /// The modem stopped answering while it was set up.
    #[error("the modem does not answer to {}. Switch it off and on again", command.line())]
    Stuck {
        /// The command without an answer.
        command: Command,
    },
    /// It is in a call.
    #[error(
        "the modem is in a call, so it takes no commands. End the call first: stop the link that uses it"
    )]
    InCall,
    /// The modem refuses to dial.
    #[error(
        "the modem refuses to dial. Check the number, and that the profile is that of this modem"
    )]
    CannotDial,
    /// No dial tone.
    #[error(
        "no dial tone. Check the telephone cord and the pair; behind an exchange of the house dial its prefix, with a comma"
    )]
    NoDialtone,
    /// Another telephone has the line.
    #[error("the line is in use by another telephone. Hang that one up")]
    LineInUse,
    /// Busy.
    #[error("the far end is busy. It may still be in a call: try again later")]
    Busy,
    /// It rang, and nobody answered.
    #[error("nobody answers. Check that the far end's modem is on and waits for a call")]
    NoAnswer,
    /// A person answered.
    #[error("a person answers, not a modem. Check the number")]
    Voice,
    /// The modems did not understand each other, or the call was ended.
    #[error(
        "no carrier: the modems did not come together. Check the number, and that a modem answers there; a lower rate helps on a bad pair"
    )]
    NoCarrier,
    /// The modem said nothing for too long.
    #[error(
        "no connection within {seconds} s. Check the number and the far end, and listen to the line"
    )]
    NoConnection {
        /// How long it was waited for, s.
        seconds: u64,
    },
    /// No carrier on a leased line.
    #[error(
        "no carrier on the leased line for {seconds} s. Check the pair, that one end originates and the other answers, and that both are set to leased operation"
    )]
    NoLeasedCarrier {
        /// How long it was waited for, s.
        seconds: u64,
    },
    /// The modem protects the exchange from us.
    #[error(
        "the modem has blacklisted the number after too many tries. Switch it off and on again, and check the number"
    )]
    Blacklisted,
    /// For a while.
    #[error("the modem refuses to dial this number again so soon. Wait some minutes")]
    Delayed,
    /// A call ended.
    #[error("the call has ended: the carrier is gone. The far end hung up, or the line was cut")]
    CarrierLost,
    /// A call carried nothing.
    #[error(
        "the call was ended: nothing came through for {seconds} s. Check that copperlink runs at the far end"
    )]
    Dead {
        /// For how long, s.
        seconds: u64,
    },
}

impl Failure {
    /// Who is to blame.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Silent
            | Self::WrongSpeed { .. }
            | Self::OnlyEcho
            | Self::Strange { .. }
            | Self::Refused { .. }
            | Self::Stuck { .. }
            | Self::InCall => Blame::Modem,
            Self::CarrierLost | Self::Dead { .. } => Blame::Call,
            _ => Blame::Line,
        }
    }

    /// One word, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::WrongSpeed { .. } => "wrong-speed",
            Self::OnlyEcho => "only-echo",
            Self::Strange { .. } => "strange",
            Self::Refused { .. } => "refused",
            Self::Stuck { .. } => "stuck",
            Self::InCall => "in-call",
            Self::CannotDial => "cannot-dial",
            Self::NoDialtone => "no-dialtone",
            Self::LineInUse => "line-in-use",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Voice => "voice",
            Self::NoCarrier => "no-carrier",
            Self::NoConnection { .. } => "no-connection",
            Self::NoLeasedCarrier { .. } => "no-leased-carrier",
            Self::Blacklisted => "blacklisted",
            Self::Delayed => "delayed",
            Self::CarrierLost => "carrier-lost",
            Self::Dead { .. } => "dead",
        }
    }
}

/// Where to look for the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The modem, its cable, its settings: no call was made.
    Modem,
    /// The line, the number or the far end: the call did not come about.
    Line,
    /// A call that had come about.
    Call,
}
