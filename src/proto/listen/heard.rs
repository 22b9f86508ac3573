//! What a [`Listener`](super::Listener) finds, in words and figures.

use serde::Serialize;

use crate::proto::config::SessionId;
use crate::proto::framing::check::CheckKind;
use crate::proto::framing::header::{FrameKind, Service};
use crate::proto::framing::segment::Segment;

/// What was found among the bytes of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A good frame.
    Frame(HeardFrame),
    /// Bytes between delimiters that belong to no frame.
    Noise(Vec<u8>),
}

/// A good frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardFrame {
    /// Its kind in words: `ordinary`, `express`, `express short`, `hello`, `table`, `text` or `heard`.
    pub kind: &'static str,
    /// Its whole number, where it has one.
    pub number: Option<u64>,
    /// Bytes of parity of a codeword.
    pub parity: u8,
    /// As it was sent: COBS, parity, no delimiter.
    pub wire: Vec<u8>,
    /// Session numbers over which its check runs: the sender's and the receiver's, 0 of a service frame.
    pub sessions: [u32; 2],
    /// Wrong bytes that were repaired. Where several frames came out of one run of bytes, those of all
    /// are told with the first.
    pub repaired: u64,
    /// It was put together from pieces.
    pub joined: bool,
    /// What it carries, in words, each once.
    pub carries: Vec<&'static str>,
    /// What it tells a technician.
    pub said: Option<Said>,
}

/// What a frame tells a technician.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Who is there.
    Hello {
        /// Its session.
        session: SessionId,
        /// Its name; made harmless for a terminal.
        name: String,
        /// It hears the other end.
        hears: bool,
    },
    /// A hello of another version of the protocol.
    OtherVersion(u8),
    /// A hello of the very end that received it.
    OwnVoice,
    /// A message of the order wire; made harmless for a terminal.
    Text(String),
    /// The far end stops.
    Close,
}

/// Counters of one direction, since the listener began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeardCounts {
    /// Bytes.
    pub bytes: u64,
    /// Good frames.
    pub frames: u64,
    /// Of these, put together from pieces.
    pub frames_joined: u64,
    /// Of these, found where a delimiter was damaged.
    pub frames_split: u64,
    /// Of these, with wrong bytes.
    pub frames_repaired: u64,
    /// The wrong bytes.
    pub bytes_repaired: u64,
    /// Frames repaired in spite of a byte too few or too many.
    pub slips: u64,
    /// Pieces that belonged to no frame.
    pub frames_bad: u64,
    /// Bytes of good frames on the line.
    pub good_bytes: u64,
    /// Bytes that belonged to no frame.
    pub bad_bytes: u64,
    /// Sum of the squares of the lengths of good frames.
    #[serde(skip)]
    pub good_squares: u64,
    /// Sum of `k (k - 1)` over good frames with `k` wrong bytes.
    #[serde(skip)]
    pub repaired_pairs: u64,
}

impl HeardCounts {
    /// Share of the bytes that arrived wrong, before repair; what is beyond repair has one wrong byte at
    /// least.
    pub fn error_rate(&self) -> f64 {
        let bytes = (self.good_bytes + self.bad_bytes).max(1) as f64;
        (self.bytes_repaired + self.frames_bad) as f64 / bytes
    }

    /// How far repaired errors come together: 1 when they are spread at random, more in bursts; 0 when
    /// there are none.
    pub fn burstiness(&self) -> f64 {
        let rate = self.bytes_repaired as f64 / self.good_bytes.max(1) as f64;
        let expected = self.good_squares as f64 * rate * rate;
        if expected > 0.0 {
            self.repaired_pairs as f64 / expected
        } else {
            0.0
        }
    }
}

pub(super) const fn kind_words(kind: FrameKind) -> &'static str {
    match kind {
        FrameKind::Ordinary => "ordinary",
        FrameKind::Express(CheckKind::Long) => "express",
        FrameKind::Express(CheckKind::Short) => "express short",
        FrameKind::Service(Service::Hello) => "hello",
        FrameKind::Service(Service::Table) => "table",
        FrameKind::Service(Service::Text) => "text",
        FrameKind::Service(Service::Heard) => "heard",
    }
}

pub(super) const fn segment_words(segment: &Segment<'_>) -> &'static str {
    match segment {
        Segment::Report(_) => "report",
        Segment::Repairs(_) => "repairs",
        Segment::ExpressParity(_) => "parity",
        Segment::Probe => "probe",
        Segment::Close => "close",
        Segment::Advance { .. } => "advance",
        Segment::Packet { .. } => "packet",
        Segment::Again { .. } => "again",
        Segment::Steady { .. } => "steady",
        Segment::Message { .. } => "message",
        Segment::Piece { .. } => "piece",
    }
}
