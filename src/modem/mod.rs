//! The dialogue with AT modems. Pure: no port, no clock.
//!
//! Promises: whatever a modem says, in words or in numbers, with echo or without, at the wrong speed
//! or not at all, ends in a state with words for the technician; nothing is sent to a modem before its
//! carrier where it would take that for an abort; and bytes of a call never end the call. Assumes that the
//! caller passes on what comes from the port, its signals and the time. Leaves the port itself, and
//! everything that is sent once the modems are connected, to others.
//!
//! ```text
//!   profile   what a family of modems needs, as data
//!   command   what may be said to a modem            response  what it says
//!   dialer    from a port that is open to a call, and back        inspect  reading settings back
//! ```
//!
//! The border has the verbs of [`Session`](crate::proto::Session): `handle_bytes`, `handle_signals`,
//! `handle_timeout` in, `poll_transmit`, `poll_event`, `poll_timeout` out, drained after every input.

pub mod command;
pub mod connection;
pub mod dialer;
pub mod failure;
mod hint;
pub mod inspect;
pub mod plan;
pub mod profile;
pub mod response;
mod wake;

pub use command::{Command, CommandError, DialError, DialString, Dialling};
pub use connection::{Compression, Connection, ErrorControl};
pub use dialer::{Dialer, Event, Note, Timer};
pub use failure::Failure;
pub use inspect::{Finding, Inspector, Match};
pub use plan::{Dtr, Plan, PortSignals, Redial, Way};
pub use profile::{Profile, Role, Setting, Use};
pub use response::{Reader, ResultCode};
