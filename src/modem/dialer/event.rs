//! What a dialer tells: events, notes, and why it wants to be called.

use std::fmt;

use crate::modem::command::Command;
use crate::modem::connection::Connection;
use crate::modem::failure::Failure;
use crate::modem::plan::Dtr;

/// Something to know or to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Set DTR.
    Dtr(Dtr),
    /// [`Dialer::status`] says something else now.
    Changed,
    /// A call is being made, or answered: in words.
    Calling(String),
    /// A line was said to the modem.
    Sent(String),
    /// A line came from the modem.
    Heard(String),
    /// Worth knowing.
    Note(Note),
    /// A call: the bytes of the port belong to the link now.
    Connected(Connection),
    /// No call, or none any more: the bytes of the port belong to the dialer now.
    Failed(Failure),
    /// Nothing more is tried. Comes behind the last failure.
    GaveUp,
    /// Done, as [`Dialer::hang_up`] asked.
    HungUp,
}

/// Worth knowing about a modem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// It refuses a setting that it may refuse.
    Refused {
        /// The setting.
        command: Command,
        /// What it is for.
        reason: String,
    },
    /// The carrier was there before anything was done.
    WasConnected,
    /// It takes no commands, on a leased line: it may be connected.
    MayBeConnected,
    /// It did not say that it hung up.
    MayNotHaveHungUp,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { command, reason } => write!(
                f,
                "the modem refuses {}, which may be missing: {reason}",
                command.line()
            ),
            Self::WasConnected => f.write_str("the carrier is on already; the modem is left alone"),
            Self::MayBeConnected => f.write_str(
                "the modem takes no commands. It may be connected already; the line is used as it is",
            ),
            Self::MayNotHaveHungUp => f.write_str(
                "the modem did not say that it hung up. Listen to the line; switch the modem off if the call goes on",
            ),
        }
    }
}

/// Why a dialer wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// When the modem should have answered.
    Answer,
    /// When DTR has been at its level for long enough.
    Signal,
    /// When a call should have come about.
    Call,
    /// When to ask a waiting modem whether it is still there.
    Check,
    /// When everything that a modem says of a call has been said.
    Settle,
    /// When a doubt about a call becomes certain.
    Doubt,
    /// When to try again.
    Pause,
}
