//! What is carried: one flow per channel, and one more for a channel's RTCP.
//!
//! Promise: each class as in [`Class`](super::config::Class); queues bounded, every drop counted with its reason.
//! A channel of class `rtp` is two flows, one as of class audio and one as of class video; [`intake`]
//! says into which a datagram goes.
//! Assumed of the line layer: a segment comes whole or not at all, and its sender learns which.
//! Left to others: which flow goes next ([`scheduler`](super::scheduler)).
//!
//! ```text
//!           equipment                        line
//! audio     Bytes -> audio::Sender    -> packets           -> audio::Receiver        -> Bytes
//! video     Bytes -> queue::Sender    -> messages, pieces  -> reassembly::Receiver   -> Bytes
//!           (video: which frames go; source, key_frame, service: what it goes by)
//! control   the same without a deadline
//! ```

mod audio;
mod flow;
pub(crate) mod intake;
mod key_frame;
mod message;
mod queue;
mod ranges;
mod reassembly;
mod recognise;
pub(crate) mod rtp;
mod service;
mod source;
mod video;

pub(crate) use flow::Flow;
pub(crate) use rtp::restore::Place;

use super::framing::segment::{Cut, FlowId};
use rtp::compress::Keep;

/// What a frame carried of a flow, remembered until the frame's fate is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentSegment {
    pub(crate) flow: FlowId,
    part: Part,
    /// The context that its header became.
    keep: Option<Keep>,
}

impl SentSegment {
    /// Whether it is sent again when it is lost, if there is still time.
    pub(crate) fn is_sent_again(&self) -> bool {
        !matches!(self.part, Part::Packet { .. } | Part::Again { .. })
    }

    /// Whether a header in it became a context: then it needs the long check.
    pub(crate) fn keeps(&self) -> bool {
        self.keep.is_some()
    }
}

/// Which part of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// `count` audio packets from this number on.
    Packet { number: u64, count: u64 },
    /// The same, sent once more.
    Again { number: u64, count: u64 },
    /// Bytes `start..end` of a message and the check behind it.
    Bytes { number: u64, start: u32, end: u32 },
    /// The word that lower numbers will not come.
    Advance,
}

#[cfg(test)]
impl SentSegment {
    pub(crate) fn for_test(number: u64) -> Self {
        Self {
            flow: FlowId(1),
            part: Part::Bytes {
                number,
                start: 0,
                end: 1,
            },
            keep: None,
        }
    }
}

/// A piece of a message as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) number: Cut,
    pub(crate) offset: usize,
    pub(crate) last: bool,
    pub(crate) data: &'a [u8],
}
