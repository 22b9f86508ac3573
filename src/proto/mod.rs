//! The protocol between two copperlinks. Pure: no clock, no randomness, no sockets.

pub mod config;
pub mod error;
pub mod event;
pub mod session;
pub mod stats;
pub mod time;

pub use session::{LineSignals, Session, Timer};
