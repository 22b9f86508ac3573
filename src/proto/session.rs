//! [`Session`], the only border type of the protocol.

use bytes::Bytes;

use super::config::ResumePoint;
use super::config::{LineId, LinkConfig, Port};
use super::error::{ConfigError, Refused};
use super::event::Event;
use super::stats::Stats;
use super::time::Instant;

/// One end of a link.
///
/// In: the `handle_*` methods. After every input drain, in this order: [`Session::poll_transmit`]
/// of each line, [`Session::poll_datagram`], [`Session::poll_event`], and last
/// [`Session::poll_timeout`], which says when to call [`Session::handle_timeout`].
/// `now` never goes back. Extra calls of `handle_timeout` do no harm.
#[derive(Debug)]
pub struct Session {
    config: LinkConfig,
}

impl Session {
    /// Begins a session. All lines are taken as closed until [`Session::handle_signals`] says otherwise.
    ///
    /// # Errors
    /// When the configuration breaks a rule of the protocol.
    pub fn new(config: LinkConfig, _now: Instant) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self { config })
    }

    /// Takes a datagram of the equipment.
    ///
    /// # Errors
    /// Why it was not accepted; counted as well.
    pub fn handle_datagram(
        &mut self,
        _now: Instant,
        _port: Port,
        _datagram: Bytes,
    ) -> Result<(), Refused> {
        Ok(())
    }

    /// Takes bytes that came from a line, any bytes in pieces of any size.
    pub fn handle_bytes(&mut self, _now: Instant, _line: LineId, _bytes: &[u8]) {}

    /// Takes what is known of a line's device and its signals.
    pub fn handle_signals(&mut self, _now: Instant, _line: LineId, _signals: LineSignals) {}

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// Says goodbye: the far end is told, and the next transmits carry it. Queued control
    /// messages stay queued.
    pub fn close(&mut self, _now: Instant) {}

    /// Appends bytes for a line to `buf`, at most `room`, and says how many. The pacer decides
    /// how many are given, so that little waits below the core; zero means "not now".
    pub fn poll_transmit(
        &mut self,
        _now: Instant,
        _line: LineId,
        _room: usize,
        _buf: &mut Vec<u8>,
    ) -> usize {
        0
    }

    /// The next datagram for the equipment.
    pub fn poll_datagram(&mut self) -> Option<(Port, Bytes)> {
        None
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// When to call [`Session::handle_timeout`] and poll again, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        None
    }

    /// How far control was delivered: what to hand to the next run as
    /// [`LinkConfig::resume`]. `None` before the first session; changes only when a control
    /// message is delivered or a session begins.
    pub fn resume_point(&self) -> Option<ResumePoint> {
        None
    }

    /// All counters.
    pub fn stats(&self) -> Stats {
        todo!("{}", self.config.name)
    }
}

/// What is known of a line's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineSignals {
    /// The device is open and usable.
    pub open: bool,
    /// DCD, where the port has it and the settings rely on it.
    pub carrier: Option<bool>,
    /// CTS, where the port has it and the settings rely on it.
    pub clear_to_send: Option<bool>,
}

impl LineSignals {
    /// An open device without modem lines.
    pub const OPEN: Self = Self {
        open: true,
        carrier: None,
        clear_to_send: None,
    };
    /// No device.
    pub const CLOSED: Self = Self {
        open: false,
        carrier: None,
        clear_to_send: None,
    };
}

/// Why [`Session::handle_timeout`] wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// When the line can take more bytes.
    Pace,
    /// When the next hello is due.
    Hello,
    /// When a report to the far end is due.
    Report,
    /// When to ask the far end for a report, because the last frames may be lost.
    Probe,
    /// When a datagram is no longer worth sending, or waiting for.
    Expiry,
    /// When a silence becomes worth a word to the technician.
    Watch,
}
