//! What of a status is looked at. Read leniently: a link of another version may tell more.

use serde::Deserialize;

/// What of a status is looked at.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Sample {
    pub(super) stats: Stats,
    pub(super) uptime_us: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Stats {
    pub(super) name: String,
    pub(super) lines: Vec<Line>,
    pub(super) channels: Vec<Channel>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) trouble: Option<String>,
    pub(super) rate_bps: u64,
    pub(super) rtt_us: Option<u64>,
    pub(super) queue_us: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) frames_sent: u64,
    pub(super) frames_received: u64,
    pub(super) frames_bad: u64,
    pub(super) frames_lost: u64,
    pub(super) cuts: u64,
    #[serde(default)]
    pub(super) incoming: Quality,
    #[serde(default)]
    pub(super) outgoing: Outgoing,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Outgoing {
    pub(super) quality: Quality,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Quality {
    pub(super) error_rate: f64,
    pub(super) bytes_repaired: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Channel {
    pub(super) id: u8,
    pub(super) name: String,
    pub(super) sent: Sent,
    pub(super) received: Received,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Sent {
    pub(super) accepted: u64,
    pub(super) accepted_bytes: u64,
    pub(super) dropped_queue_full: u64,
    pub(super) dropped_late: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Received {
    pub(super) delivered: u64,
    pub(super) delivered_bytes: u64,
    pub(super) missing: u64,
}
