//! The RTP sources of a video channel: whose packet a datagram is, and whether a picture is missing.
//!
//! Promise: a packet is of the same frame as the one before it when source and timestamp are the
//! same, its number is a little higher, and no marker stood between. Left to others: what becomes of
//! the frames ([`video`](super::video)).

use rtp_types::RtpPacket;

use super::key_frame::{Picture, Reader};
use super::video::FrameId;

/// The sources, the one that sent last at the end.
#[derive(Debug, Default)]
pub(super) struct Sources {
    list: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    reader: Reader,
    /// The frame whose packets come.
    open: Option<Open>,
    /// A picture that others need did not go, and no key frame was begun since.
    is_broken: bool,
    /// Messages with lower numbers went before the last key frame.
    key_from: u64,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    frame: FrameId,
    timestamp: u32,
    sequence: u16,
}

/// Where a packet belongs.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) frame: FrameId,
    /// It is the frame's first packet.
    pub(super) is_first: bool,
    /// What it tells of the picture.
    pub(super) picture: Picture,
    /// Frames of which no packet will come any more; this one may be among them.
    pub(super) over: Vec<FrameId>,
}

impl Sources {
    /// Finds the frame of a packet: one that `may_grow`, or else `next`.
    pub(super) fn place(
        &mut self,
        packet: &RtpPacket<'_>,
        next: FrameId,
        may_grow: impl Fn(FrameId) -> bool,
    ) -> Place {
        let mut over = Vec::new();
        let mut source = self.take(packet.ssrc(), &mut over);
        let (timestamp, sequence) = (packet.timestamp(), packet.sequence_number());
        let joined = source.open.filter(|open| {
            let ahead = sequence.wrapping_sub(open.sequence);
            timestamp == open.timestamp && (1..=MOST_AHEAD).contains(&ahead) && may_grow(open.frame)
        });
        if joined.is_none() {
            over.extend(source.open.map(|open| open.frame));
        }
        let frame = joined.map_or(next, |open| open.frame);
        let is_first = joined.is_none();
        let picture = source
            .reader
            .on_packet(packet.payload_type(), packet.payload(), is_first);
        source.open = Some(Open {
            frame,
            timestamp,
            sequence,
        });
        if packet.marker_bit() {
            over.push(frame);
            source.open = None;
        }
        self.list.push(source);
        Place {
            frame,
            is_first,
            picture,
            over,
        }
    }

    /// Takes a source out of the list, or makes it.
    fn take(&mut self, ssrc: u32, over: &mut Vec<FrameId>) -> Source {
        if let Some(place) = self.list.iter().position(|source| source.ssrc == ssrc) {
            return self.list.remove(place);
        }
        if self.list.len() >= MOST_SOURCES {
            let oldest = self.list.remove(0);
            over.extend(oldest.open.map(|open| open.frame));
        }
        Source {
            ssrc,
            reader: Reader::default(),
            open: None,
            is_broken: false,
            key_from: 0,
        }
    }

    /// A picture did not go that others of the source need.
    pub(super) fn on_missing(&mut self, ssrc: Option<u32>) {
        if let Some(source) = self.find(ssrc) {
            source.is_broken = true;
        }
    }

    /// A key frame of the source is begun, in messages from that number on.
    pub(super) fn on_key_frame(&mut self, ssrc: Option<u32>, number: u64) {
        if let Some(source) = self.find(ssrc) {
            source.is_broken = false;
            source.key_from = number;
        }
    }

    /// A message did not arrive; whose it was is not known any more.
    pub(super) fn on_lost_for_good(&mut self, number: u64) {
        for source in &mut self.list {
            source.is_broken |= number >= source.key_from;
        }
    }

    /// Messages are numbered anew.
    pub(super) fn restart(&mut self) {
        for source in &mut self.list {
            source.key_from = 0;
        }
    }

    /// Whether pictures of the source lack one that they need.
    pub(super) fn is_broken(&self, ssrc: Option<u32>) -> bool {
        let mut broken = self.list.iter().filter(|source| source.is_broken);
        broken.any(|source| Some(source.ssrc) == ssrc)
    }

    pub(super) fn is_any_broken(&self) -> bool {
        self.list.iter().any(|source| source.is_broken)
    }

    fn find(&mut self, ssrc: Option<u32>) -> Option<&mut Source> {
        let mut list = self.list.iter_mut();
        list.find(|source| Some(source.ssrc) == ssrc)
    }
}

/// Sources that are told apart; more would be no video.
const MOST_SOURCES: usize = 4;
/// The equipment's own network may lose packets of a frame.
const MOST_AHEAD: u16 = 64;
