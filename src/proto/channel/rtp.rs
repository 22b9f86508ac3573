//! RTP headers as differences against a context that the far end has acknowledged.
//!
//! Promise: what [`restore`] gives back is the packet that [`compress`] took, byte for byte, or
//! nothing. A difference holds all that changes, so no packet depends on another that may be lost;
//! only the steady form of audio (four bits of the sequence number) needs the packets before it,
//! and its sender and its receiver both keep within what four bits can tell apart. Assumed of the
//! line: it never reorders, and says of each frame whether it arrived. Left to others: in which
//! segment the bytes travel.
//!
//! The data of a packet or message with the compressed flag (RTP: RFC 3550 section 5.1):
//!
//! ```text
//!   7 6   5   4   3 2 1 0
//! +-----+---+---+---------+
//! | 0 0 | s | 0 |  share  |  keep:   stride (varint), the whole packet; context s is its header
//! | 0 1 | s | M | count-1 |  linear: sequence number (2), payloads
//! | 1 0 | s | M | 0 0 0 0 |  steps:  sequence number (2), steps (varint), payload
//! | 1 1 | s | M | 0 0 0 0 |  full:   sequence number (2), timestamp (4), payload
//! +-----+---+---+---------+
//!
//! context    first byte, payload type, SSRC, CSRC list, sequence number and timestamp of the
//!            packet that was kept, and the stride
//! share      one less than the packets that a steady frame by this context may hold; if it is
//!            not 0, they all have the length of the packet that was kept
//! M          marker
//! linear     timestamp = context's + (sequence number - context's) * stride; several packets of
//!            equal length with following sequence numbers, the marker on the first
//! steps      timestamp = context's + steps * stride
//! payload    all behind the CSRC list: extension and padding stay in it
//! ```

pub(super) mod compress;
pub(super) mod restore;
pub(super) mod steady;

use rtp_types::RtpPacket;

use crate::proto::framing::varint::{self, take};

/// Contexts of a flow.
pub(super) const CONTEXTS: usize = 2;
/// Most packets in one linear form.
pub(super) const MOST_IN_RUN: usize = 16;
/// Packets that a steady frame holds on a line that is too slow for a frame a packet.
const MOST_SHARE: usize = 4;
/// So many packets of a stream may be missing behind the last, and four bits still say which came.
const MOST_MISSING: u64 = 15;
/// Most bytes in front of a packet that is kept.
pub(super) const KEEP_OVERHEAD: usize = 4;

/// The part of an RTP header that a context holds or a difference tells: all up to the end of the
/// CSRC list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    fixed: &'a [u8],
    pub(super) marker: bool,
    pub(super) sequence: u16,
    timestamp: u32,
}

impl<'a> Header<'a> {
    /// The header of a packet that is RTP.
    pub(super) fn of(packet: &'a [u8]) -> Option<Self> {
        let read = RtpPacket::parse(packet).ok()?;
        // RTCP on the media port (RFC 5761 section 4).
        if (64..96).contains(&read.payload_type()) {
            return None;
        }
        Some(Self {
            fixed: packet.get(..FIXED + 4 * usize::from(read.n_csrcs()))?,
            marker: read.marker_bit(),
            sequence: read.sequence_number(),
            timestamp: read.timestamp(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.fixed.len()
    }

    /// Whether only what a difference tells may differ.
    fn is_like(&self, other: &[u8]) -> bool {
        self.fixed.len() == other.len()
            && self.fixed[0] == other[0]
            && (self.fixed[1] ^ other[1]) & !MARKER == 0
            && self.fixed[8..] == other[8..]
    }

    fn payload_type(&self) -> u8 {
        self.fixed[1] & !MARKER
    }

    fn ssrc(&self) -> &[u8] {
        &self.fixed[8..12]
    }
}

/// What both ends keep of a packet.
#[derive(Clone, Debug)]
struct Context {
    header: Vec<u8>,
    sequence: u16,
    timestamp: u32,
    stride: u32,
    /// Length of the payload of the packet that was kept.
    payload: usize,
    /// Packets that a steady frame may hold.
    share: usize,
}

impl Context {
    fn new(packet: &[u8], stride: u32, share: usize) -> Option<Self> {
        let header = Header::of(packet)?;
        Some(Self {
            header: header.fixed.to_vec(),
            sequence: header.sequence,
            timestamp: header.timestamp,
            stride,
            payload: packet.len() - header.len(),
            share,
        })
    }

    /// How many packets of equal length a steady frame with that many bytes holds.
    fn packets_in(&self, payloads: usize) -> Option<usize> {
        if self.share == 1 {
            return Some(1);
        }
        let count = payloads.checked_div(self.payload)?;
        (count * self.payload == payloads && (1..=self.share).contains(&count)).then_some(count)
    }

    /// The timestamp that belongs to a sequence number in a steady stream.
    fn linear(&self, sequence: u16) -> u32 {
        let packets = u32::from(sequence.wrapping_sub(self.sequence));
        self.timestamp
            .wrapping_add(packets.wrapping_mul(self.stride))
    }

    /// How the timestamp of a header like the context's travels.
    fn time_of(&self, header: &Header<'_>) -> Time {
        let passed = header.timestamp.wrapping_sub(self.timestamp);
        match passed.checked_div(self.stride) {
            _ if header.timestamp == self.linear(header.sequence) => Time::Linear,
            Some(steps) if steps * self.stride == passed && steps <= varint::MAX => {
                Time::Steps(steps)
            }
            _ => Time::Full(header.timestamp),
        }
    }

    fn timestamp(&self, sequence: u16, time: Time) -> u32 {
        match time {
            Time::Linear => self.linear(sequence),
            Time::Steps(steps) => self.timestamp.wrapping_add(steps.wrapping_mul(self.stride)),
            Time::Full(timestamp) => timestamp,
        }
    }

    /// Writes a packet: the header, and all behind it.
    fn packet(&self, sequence: u16, time: Time, marker: bool, payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::with_capacity(self.header.len() + payload.len());
        packet.extend_from_slice(&self.header);
        packet[1] = packet[1] & !MARKER | u8::from(marker) << 7;
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&self.timestamp(sequence, time).to_be_bytes());
        packet.extend_from_slice(payload);
        packet
    }
}

/// How a timestamp travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    Linear,
    Steps(u32),
    Full(u32),
}

/// A difference: all of a packet but its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) slot: usize,
    pub(super) marker: bool,
    pub(super) sequence: u16,
    pub(super) time: Time,
}

/// What a compressed packet or message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form<'a> {
    Keep {
        slot: usize,
        stride: u32,
        share: usize,
        packet: &'a [u8],
    },
    /// `count` payloads of equal length.
    Difference(Difference, usize, &'a [u8]),
}

/// Bytes in front of the payload.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    bytes: [u8; 7],
    len: usize,
}

impl Head {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// In front of a packet that is kept.
    pub(super) fn keep(slot: usize, stride: u32, share: usize) -> Self {
        let mut head = Self::default();
        head.push(&[KEEP << 6 | (slot as u8) << 5 | (share - 1) as u8]);
        let (bytes, len) = varint::encoded(stride);
        head.push(&bytes[..len]);
        head
    }

    /// In front of `count` payloads.
    pub(super) fn difference(difference: &Difference, count: usize) -> Self {
        let form = match difference.time {
            Time::Linear => LINEAR,
            Time::Steps(_) => STEPS,
            Time::Full(_) => FULL,
        };
        let flags = (difference.slot as u8) << 5 | u8::from(difference.marker) << 4;
        let mut head = Self::default();
        head.push(&[form << 6 | flags | (count - 1) as u8]);
        head.push(&difference.sequence.to_le_bytes());
        match difference.time {
            Time::Linear => {}
            Time::Steps(steps) => {
                let (bytes, len) = varint::encoded(steps);
                head.push(&bytes[..len]);
            }
            Time::Full(timestamp) => head.push(&timestamp.to_le_bytes()),
        }
        head
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Whether compressed data makes a context: then a short check is not good enough for it.
pub(crate) fn is_keep(data: &[u8]) -> bool {
    data.first().is_some_and(|first| first >> 6 == KEEP)
}

fn read(mut data: &[u8]) -> Option<Form<'_>> {
    let first = take(&mut data, 1)?[0];
    let slot = usize::from(first >> 5 & 1);
    let marker = first & 0x10 != 0;
    let low = first & 0x0F;
    if first >> 6 == KEEP {
        if marker {
            return None;
        }
        let stride = varint::read(&mut data)?;
        return Some(Form::Keep {
            slot,
            stride,
            share: usize::from(low) + 1,
            packet: data,
        });
    }
    let sequence = u16::from_le_bytes(take(&mut data, 2)?.try_into().ok()?);
    let time = match first >> 6 {
        LINEAR => Time::Linear,
        STEPS => Time::Steps(varint::read(&mut data)?),
        _ => Time::Full(u32::from_le_bytes(take(&mut data, 4)?.try_into().ok()?)),
    };
    let count = usize::from(low) + 1;
    let several = count > 1;
    if several && (time != Time::Linear || data.is_empty()) || !data.len().is_multiple_of(count) {
        return None;
    }
    let difference = Difference {
        slot,
        marker,
        sequence,
        time,
    };
    Some(Form::Difference(difference, count, data))
}

const FIXED: usize = 12;
const MARKER: u8 = 0x80;
const KEEP: u8 = 0;
const LINEAR: u8 = 1;
const STEPS: u8 = 2;
const FULL: u8 = 3;

#[cfg(test)]
mod tests;
