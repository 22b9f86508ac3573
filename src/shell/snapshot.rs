//! What a running link tells of itself, once and as a whole.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde::Serialize;

use super::history::{InService, Series};
use super::line::{Flow, LineErrors, ModemLines};
use crate::proto::config::ChannelId;
use crate::proto::stats::Stats;
use crate::proto::time::Instant;

/// A link at one moment. Counters count since the link was opened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// Everything the protocol counts.
    pub stats: Stats,
    /// Time since the link was opened, µs.
    pub uptime_us: u64,
    /// The process that runs the link.
    pub pid: u32,
    /// One entry per line, in their order.
    pub devices: Vec<DeviceStatus>,
    /// One entry per UDP port.
    pub ports: Vec<PortStatus>,
    /// The last events, oldest first, each with the uptime at which it happened.
    pub events: Vec<String>,
    /// The seconds in service of the way here, one entry per line.
    pub in_service: Vec<InService>,
    /// How it has been.
    pub history: Recent,
}

/// The last seconds and minutes of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recent {
    /// Ten minutes, second by second.
    pub seconds: Series,
    /// A day, minute by minute.
    pub minutes: Series,
}

/// The device of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceStatus {
    /// Its name in the settings.
    pub device: String,
    /// Port rate, bit/s.
    pub baud: u32,
    /// Flow control.
    pub flow: Flow,
    /// Whether it is open.
    pub state: DeviceState,
    /// Clear to send, where the port has the signal and the settings rely on it.
    pub clear_to_send: Option<bool>,
    /// Carrier (DCD), where the port has the signal and it counts.
    pub carrier: Option<bool>,
    /// All signals of the port, relied on or not, where it has any.
    pub signals: Option<ModemLines>,
    /// Errors that the port counted on the line since it was opened, where it tells.
    pub errors: Option<LineErrors>,
    /// The last problem with it, in words. Kept when it is over: the state says how it is now.
    pub problem: Option<String>,
    /// How its modem is, in words; `None` on a direct line.
    pub modem: Option<String>,
}

/// Whether a device is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    /// Not open; it is tried again and again.
    Waiting,
    /// Open, and its modem has no call yet.
    Calling,
    /// Open.
    Open,
}

/// A UDP port: where it listens and delivers, and what could not be handed on. Datagrams that
/// the core refused are counted with their channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortStatus {
    /// The channel.
    pub channel: ChannelId,
    /// `media` or `rtcp`.
    pub kind: &'static str,
    /// The address it listens on.
    pub listen: SocketAddr,
    /// Where it delivers: an address, or `auto`.
    pub deliver: String,
    /// Who sent the last datagram to it.
    pub last_sender: Option<SocketAddr>,
    /// Datagrams of the far end dropped, because nobody has sent to this port yet (`auto`).
    pub no_destination: u64,
    /// Times the equipment's host answered that nothing listens there (ICMP).
    pub send_refused: u64,
    /// Datagrams of the far end dropped, because the socket's buffer was full.
    pub send_full: u64,
    /// Datagrams of the far end dropped, because the system refused to send them or answered that
    /// the equipment cannot be reached.
    pub send_failed: u64,
    /// Times receiving failed.
    pub receive_failed: u64,
    /// Datagrams of the equipment that the kernel dropped, because they came faster than they
    /// were taken. Always zero where the kernel does not tell.
    pub inbound_overflow: u64,
}

/// The last events of a link. Bounded: the oldest goes first.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    events: VecDeque<String>,
}

impl EventLog {
    /// Remembers what happened at `now`.
    pub(super) fn push(&mut self, now: Instant, words: &str) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        let seconds = now.as_micros() / 1_000_000;
        let millis = now.as_micros() / 1000 % 1000;
        self.events
            .push_back(format!("{seconds}.{millis:03} s: {words}"));
    }

    /// Those that are remembered, oldest first.
    pub(super) fn to_vec(&self) -> Vec<String> {
        self.events.iter().cloned().collect()
    }
}

const EVENTS_KEPT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_events_are_kept() {
        let mut log = EventLog::default();
        for i in 0..EVENTS_KEPT as u64 + 1 {
            log.push(Instant::from_micros(i * 1_001_000), &format!("event {i}"));
        }
        let events = log.to_vec();
        assert_eq!(events.len(), EVENTS_KEPT);
        assert_eq!(events[0], "1.001 s: event 1");
        assert_eq!(events[EVENTS_KEPT - 1], "32.032 s: event 32");
    }
}
