//! What stands in a frame between header and check.
//!
//! ```text
//! first byte
//!   7   6 5   4 3 2 1 0
//! +---+-----+-----------+
//! | 0 | 0 0 | service   |  of the link: 1 report, 2 probe, 3 close, 4 advance, 5 repairs,
//! |   |     |           |  6 parity; 8, 9, 10 next message; 11 again
//! | 0 | 0 1 | flow      |  packet:  P C nnnnnn            [length] data
//! | 0 | 1 0 | flow      |  message: nnnnnnnn P C nnnnnn   [length] data
//! | 0 | 1 1 | flow      |  piece:   nnnnnnnn P 0 nnnnnn   place [length] data
//! | 1 | slot  | q q q q |  steady packet: payload to the end of the frame
//! +---+-----------------+
//!
//! P       a length follows; without it the data runs to the end of the frame
//! C       the data has a compressed RTP header (see `channel/rtp.rs`)
//! n       number of the packet or message within its flow, low byte first
//! slot    twice the place of an audio flow among the first four of the link, plus a context
//! q       low bits of the RTP sequence number
//! length  varint, bytes of data
//! place   varint: twice the offset of the data in its datagram; plus one on the last piece
//! advance flow (1), number (2): nothing with a lower number will come any more
//! probe   nothing follows: the far end reports at once
//! close   nothing follows: the far end stops on purpose
//! repairs what the sender of this segment repaired (see `report.rs`)
//! parity  n (1): express frames with the short check have so much from here on
//! next    [length] data: the message behind the one in front of it in this frame, same flow, number
//!         plus one. 8: a length follows; 9: it runs to the end; 10: it is as long as the one in front
//! again   a packet follows that was sent before: its number is the nearest, not the next
//! ```
//!
//! Bulk is datagrams of one size, one behind the other: all but the first cost one byte.
//!
//! A datagram in pieces has its own check (CRC-32, 4 bytes, low byte first) behind its last byte.
//! Flow 0 is the order wire; flows 1 to 31 are given to the channels in order of their ids, a
//! channel's RTCP behind the channel.

mod reader;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

use super::parity::Parity;
use super::report::{Repairs, Report};

/// Names one direction-independent flow of a session, 0 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowId(pub(crate) u8);

/// A segment as it was read. Numbers are still cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment<'a> {
    /// What arrived at the far end.
    Report(Report),
    /// What the far end repaired.
    Repairs(Repairs),
    /// Parity of the express frames with the short check, from here on.
    ExpressParity(Parity),
    /// Report at once.
    Probe,
    /// The far end stops.
    Close,
    /// Nothing below this message number will come.
    Advance { flow: FlowId, number: Cut },
    /// A whole datagram of an audio flow, or several.
    Packet {
        flow: FlowId,
        number: Cut,
        data: Data<'a>,
    },
    /// Datagrams of an audio flow that were sent before.
    Again {
        flow: FlowId,
        number: Cut,
        data: Data<'a>,
    },
    /// A datagram of an audio flow that goes on as the ones before it did.
    Steady {
        slot: u8,
        low: u8,
        payload: &'a [u8],
    },
    /// A whole datagram.
    Message {
        flow: FlowId,
        number: Cut,
        data: Data<'a>,
    },
    /// A piece of a datagram.
    Piece {
        flow: FlowId,
        number: Cut,
        offset: usize,
        last: bool,
        data: &'a [u8],
    },
}

/// What stands for a whole datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Data<'a> {
    /// Its RTP header is compressed.
    pub(crate) compressed: bool,
    pub(crate) bytes: &'a [u8],
}

/// The low bits of a number within a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    low: u64,
    bits: u32,
}

impl Cut {
    /// The first number that ends in these bits and is not below `expected`.
    pub(crate) fn at_least(self, expected: u64) -> u64 {
        expected + (self.low.wrapping_sub(expected) & ((1u64 << self.bits) - 1))
    }

    /// The number that ends in these bits and is nearest to `expected`.
    pub(crate) fn nearest(self, expected: u64) -> u64 {
        let span = 1u64 << self.bits;
        let number = self.at_least(expected);
        if number - expected >= span / 2 && number >= span {
            number - span
        } else {
            number
        }
    }
}

impl Cut {
    /// The number behind this one.
    fn next(self) -> Self {
        Self {
            low: (self.low + 1) & ((1u64 << self.bits) - 1),
            ..self
        }
    }
}

#[cfg(test)]
impl Cut {
    pub(crate) fn for_packet(low: u64) -> Self {
        Self {
            low,
            bits: PACKET_BITS,
        }
    }

    pub(crate) fn for_message(number: u64) -> Self {
        Self {
            low: number & ((1 << MESSAGE_BITS) - 1),
            bits: MESSAGE_BITS,
        }
    }
}

/// No message may be sent further ahead than this of the first that is not finished.
pub(crate) const MESSAGE_WINDOW: u64 = 1 << (MESSAGE_BITS - 2);

/// Bytes in front of the data of a message.
pub(crate) const MESSAGE_OVERHEAD: usize = 3;
/// Bytes in front of the data of a packet.
pub(crate) const PACKET_OVERHEAD: usize = 2;
/// Bytes in front of a packet that was sent before.
pub(crate) const AGAIN_OVERHEAD: usize = 1;
/// Most bytes in front of the data of a piece.
pub(crate) const PIECE_OVERHEAD: usize = 6;
/// Most bytes that a length adds to a segment.
pub(crate) const LENGTH_OVERHEAD: usize = 2;

/// Bytes in front of the payload of a steady packet.
pub(crate) const STEADY_OVERHEAD: usize = 1;
/// Audio flows that may send steady packets.
pub(crate) const STEADY_FLOWS: usize = 4;

const PACKET_BITS: u32 = 6;
const MESSAGE_BITS: u32 = 14;
const LENGTH_FLAG: u8 = 0x80;
const COMPRESSED_FLAG: u8 = 0x40;
const NUMBER_MASK: u8 = 0x3F;
const STEADY_FLAG: u8 = 0x80;

const KIND_LINK: u8 = 0;
const KIND_PACKET: u8 = 1;
const KIND_MESSAGE: u8 = 2;
const KIND_PIECE: u8 = 3;

const LINK_REPORT: u8 = 1;
const LINK_PROBE: u8 = 2;
const LINK_CLOSE: u8 = 3;
const LINK_ADVANCE: u8 = 4;
const LINK_REPAIRS: u8 = 5;
const LINK_PARITY: u8 = 6;
const LINK_NEXT: u8 = 8;
const LINK_NEXT_LAST: u8 = 9;
const LINK_NEXT_SAME: u8 = 10;
const LINK_AGAIN: u8 = 11;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_all(mut bytes: &[u8]) -> Option<Vec<Segment<'_>>> {
        let mut segments = Vec::new();
        let mut reader = Reader::default();
        while !bytes.is_empty() {
            segments.push(reader.next(&mut bytes)?);
        }
        Some(segments)
    }

    #[test]
    fn only_the_last_segment_goes_without_a_length() {
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        writer.message(FlowId(3), 0x0102, b"ab");
        writer.piece(FlowId(4), 0x7FFF, 300, true, [b"c", b"d"]);
        writer.packet(FlowId(1), 0x81, b"e");
        assert_eq!(
            body,
            [
                [0x43, 0x02, 0x81, 2, b'a', b'b'].as_slice(),
                &[0x64, 0xFF, 0xBF, 0xD9, 0x04, 2, b'c', b'd'],
                &[0x21, 0x01, b'e'],
            ]
            .concat()
        );
        let segments = read_all(&body).expect("well formed");
        assert!(matches!(&segments[0], Segment::Message { data, .. } if data.bytes == b"ab"));
        assert!(matches!(
            &segments[1],
            Segment::Piece {
                offset: 300,
                last: true,
                data: b"cd",
                ..
            }
        ));
        assert!(
            matches!(&segments[2], Segment::Packet { flow: FlowId(1), number, data }
            if number.nearest(0x101) == 0x101 && data.bytes == b"e")
        );
    }

    #[test]
    fn messages_in_a_row_cost_a_byte_each_and_their_length_when_it_changes() {
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        let data: [&[u8]; 5] = [b"ab", b"cd", b"e", b"f", b"ghi"];
        for (number, data) in (0x3FFE..).zip(data) {
            writer.message(FlowId(3), number, data);
        }
        assert_eq!(
            body,
            [
                [0x43, 0xFE, 0xBF, 2, b'a', b'b'].as_slice(),
                &[10, b'c', b'd'],
                &[8, 1, b'e'],
                &[10, b'f'],
                &[9, b'g', b'h', b'i'],
            ]
            .concat()
        );
        let segments = read_all(&body).expect("well formed");
        for ((expected, sent), segment) in (0x3FFE..).zip(data).zip(segments) {
            let Segment::Message { flow, number, data } = segment else {
                panic!("{segment:?}");
            };
            assert_eq!((flow, data.bytes), (FlowId(3), sent));
            assert_eq!(number.nearest(0x3FF0), expected);
        }
    }

    #[test]
    fn compressed_messages_in_a_row_are_short_too_and_no_other_follows_them() {
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        writer.compressed_message(FlowId(3), 7, b"h", b"ab");
        writer.compressed_message(FlowId(3), 8, b"i", b"cd");
        writer.message(FlowId(3), 9, b"e");
        let expected: [&[u8]; 3] = [
            &[0x43, 7, 0xC0, 3, b'h', b'a', b'b'],
            &[10, b'i', b'c', b'd'],
            &[0x43, 9, 0, b'e'],
        ];
        assert_eq!(body, expected.concat());
        let compressed: Vec<_> = read_all(&body)
            .expect("well formed")
            .iter()
            .map(|segment| match segment {
                Segment::Message { data, .. } => data.compressed,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(compressed, [true, true, false]);
    }

    #[test]
    fn only_the_next_message_of_the_same_flow_is_written_short() {
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        writer.message(FlowId(3), 7, b"a");
        writer.message(FlowId(4), 8, b"b");
        writer.message(FlowId(4), 10, b"c");
        writer.probe();
        writer.message(FlowId(4), 11, b"d");
        assert_eq!(
            body,
            [
                [0x43, 7, 0x80, 1, b'a'].as_slice(),
                &[0x44, 8, 0x80, 1, b'b'],
                &[0x44, 10, 0x80, 1, b'c'],
                &[2],
                &[0x44, 11, 0, b'd'],
            ]
            .concat()
        );
        assert!(read_all(&body).is_some());
    }

    #[test]
    fn a_next_message_without_a_message_in_front_is_refused() {
        let message = [0x43, 7, 0x80, 1, b'a'];
        let is_read = |bytes: &[u8]| read_all(bytes).is_some();
        let behind = |middle: &[u8], next: &[u8]| is_read(&[&message, middle, next].concat());
        for next in [[8u8, 1, b'b'].as_slice(), &[9, b'b'], &[10, b'b']] {
            assert!(behind(&[], next));
            assert!(!behind(&[2], next), "a probe between");
            assert!(!is_read(next), "nothing in front");
        }
        assert!(!behind(&[], &[8, 2, b'b']), "too short");
        assert!(!behind(&[], &[10]), "too short");
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        assert!(read_all(&[0x41, 0, 0x80, 3, 1, 2, 3]).is_some());
        assert!(read_all(&[0x41, 0, 0x80, 4, 1, 2, 3]).is_none());
        assert!(read_all(&[0x41, 0]).is_none());
        assert!(
            read_all(&[0x61, 0, 0x40, 1, 1]).is_none(),
            "no compressed piece"
        );
        assert!(read_all(&[0x00]).is_none(), "no such service");
        assert!(read_all(&[0x04, 32, 0, 0]).is_none(), "no such flow");
    }

    #[test]
    fn a_steady_packet_runs_to_the_end_of_the_frame() {
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        writer.compressed_packet(FlowId(2), 0x45, &[0x41]);
        writer.more(b"ab");
        writer.steady(5, 9, b"cd");
        assert_eq!(body, [0x22, 0xC5, 3, 0x41, b'a', b'b', 0xD9, b'c', b'd']);
        let segments = read_all(&body).expect("well formed");
        let [
            Segment::Packet { data, .. },
            Segment::Steady { slot, low, payload },
        ] = &segments[..]
        else {
            panic!("{segments:?}");
        };
        assert_eq!((data.compressed, data.bytes), (true, b"\x41ab".as_slice()));
        assert_eq!((*slot, *low, *payload), (5, 9, b"cd".as_slice()));
    }

    #[test]
    fn a_packet_that_was_sent_before_says_so_and_nothing_else_does() {
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        writer.again(FlowId(2), 0x45, true, &[0x41]);
        writer.more(b"ab");
        writer.again(FlowId(2), 0x47, false, b"c");
        assert_eq!(
            body,
            [
                0x0B, 0x22, 0xC5, 3, 0x41, b'a', b'b', 0x0B, 0x22, 0x07, b'c'
            ]
        );
        let segments = read_all(&body).expect("well formed");
        let [
            Segment::Again { data, number, .. },
            Segment::Again { flow, .. },
        ] = &segments[..]
        else {
            panic!("{segments:?}");
        };
        assert_eq!((data.compressed, data.bytes), (true, b"\x41ab".as_slice()));
        assert_eq!((number.nearest(0x48), *flow), (0x45, FlowId(2)));
        for other in [
            &[][..],
            &[0x0B],
            &[0x0B, 0x0B, 0x22, 7, b'c'],
            &[0x42, 0, 0, b'c'],
            &[0x82, b'c'],
        ] {
            let body = [&[0x0B], other].concat();
            assert!(read_all(&body).is_none(), "{body:?}");
        }
    }

    #[test]
    fn a_number_is_completed_to_the_nearest() {
        let cut = Cut { low: 5, bits: 14 };
        assert_eq!(cut.nearest(0), 5);
        assert_eq!(cut.nearest(0x4000), 0x4005);
        assert_eq!(cut.nearest(0x3FF0), 0x4005);
        assert_eq!(cut.nearest(0x6004), 0x4005);
        assert_eq!(cut.nearest(0x6006), 0x8005);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read_all(&bytes);
        }
    }
}
