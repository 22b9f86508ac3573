//! The protocol between two copperlinks. Pure: no clock, no randomness, no sockets.
//!
//! From the equipment to the wire: [`channel`] takes datagrams into flows, [`scheduler`] says
//! which flow goes next, [`line`] numbers frames and learns what arrived, [`framing`] makes bytes.
//! [`session`] ties them together and is the only way in.

mod channel;
pub mod config;
pub mod error;
pub mod event;
mod framing;
mod line;
pub mod listen;
mod scheduler;
pub mod session;
pub mod signals;
pub mod stats;
mod talk;
pub mod time;
pub mod timer;

#[cfg(test)]
mod vectors;

pub use session::Session;
pub use signals::LineSignals;
pub use talk::MAX_TEXT;
pub use timer::Timer;
