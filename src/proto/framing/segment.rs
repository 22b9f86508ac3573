//! What stands in a frame between header and check.
//!
//! ```text
//! first byte
//!   7   6 5   4 3 2 1 0
//! +---+-----+-----------+
//! | 0 | 0 0 | service   |  of the link: 1 report, 2 probe, 3 close, 4 advance; 8, 9, 10 next message
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
//! next    [length] data: the message behind the one in front of it in this frame, same flow, number
//!         plus one. 8: a length follows; 9: it runs to the end; 10: it is as long as the one in front
//! ```
//!
//! Bulk is datagrams of one size, one behind the other: all but the first cost one byte.
//!
//! A datagram in pieces has its own check (CRC-32, 4 bytes, low byte first) behind its last byte.
//! Flow 0 is the order wire; flows 1 to 31 are given to the channels in order of their ids, a
//! channel's RTCP behind the channel.

use super::report::Report;
use super::varint::{self, take};

/// Names one direction-independent flow of a session, 0 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowId(pub(crate) u8);

/// A segment as it was read. Numbers are still cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment<'a> {
    /// What arrived at the far end.
    Report(Report),
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
const LINK_NEXT: u8 = 8;
const LINK_NEXT_LAST: u8 = 9;
const LINK_NEXT_SAME: u8 = 10;

/// Writes segments one behind the other. A segment gets its length only when another follows.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    body: &'a mut Vec<u8>,
    /// Where the length of the last segment would go, and the byte that says so.
    open: Option<OpenEnd>,
    /// The last segment runs to the end of the frame.
    closed: bool,
    /// The message that ends where the frame ends so far.
    message: Option<Whole>,
}

#[derive(Clone, Copy, Debug)]
struct Whole {
    flow: FlowId,
    number: u64,
    compressed: bool,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct OpenEnd {
    flag_at: usize,
    data_at: usize,
    /// For a next message the length of the one in front of it.
    behind: Option<usize>,
}

impl<'a> Writer<'a> {
    /// Writes behind what `body` holds.
    pub(crate) fn new(body: &'a mut Vec<u8>) -> Self {
        Self {
            body,
            open: None,
            closed: false,
            message: None,
        }
    }

    /// Bytes written so far, header included.
    pub(crate) fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether another segment may follow.
    pub(crate) fn takes_more(&self) -> bool {
        !self.closed
    }

    /// What the next segment costs the one before it.
    pub(crate) fn cost_of_next(&self) -> usize {
        if self.open.is_some() {
            LENGTH_OVERHEAD
        } else {
            0
        }
    }

    /// A report.
    pub(crate) fn report(&mut self, report: &Report) {
        self.begin(KIND_LINK, LINK_REPORT);
        report.write(self.body);
    }

    /// A probe.
    pub(crate) fn probe(&mut self) {
        self.begin(KIND_LINK, LINK_PROBE);
    }

    /// A goodbye.
    pub(crate) fn close(&mut self) {
        self.begin(KIND_LINK, LINK_CLOSE);
    }

    /// An advance of `flow` to `number`.
    pub(crate) fn advance(&mut self, flow: FlowId, number: u64) {
        self.begin(KIND_LINK, LINK_ADVANCE);
        self.body.push(flow.0);
        self.message_number(number);
    }

    /// A packet of an audio flow, as it is.
    pub(crate) fn packet(&mut self, flow: FlowId, number: u64, data: &[u8]) {
        self.begin(KIND_PACKET, flow.0);
        self.body.push(number as u8 & NUMBER_MASK);
        self.data(self.body.len() - 1, data);
    }

    /// Packets of an audio flow with a compressed header; what follows of them is for
    /// [`Writer::more`].
    pub(crate) fn compressed_packet(&mut self, flow: FlowId, number: u64, head: &[u8]) {
        self.begin(KIND_PACKET, flow.0);
        self.body.push(number as u8 & NUMBER_MASK | COMPRESSED_FLAG);
        self.data(self.body.len() - 1, head);
    }

    /// A steady packet. Nothing can follow it in its frame.
    pub(crate) fn steady(&mut self, slot: u8, low: u8, payload: &[u8]) {
        debug_assert!(slot < 8 && low < 16);
        self.end_last();
        self.closed = true;
        self.body.push(STEADY_FLAG | slot << 4 | low);
        self.body.extend_from_slice(payload);
    }

    /// A whole datagram, as it is.
    pub(crate) fn message(&mut self, flow: FlowId, number: u64, data: &[u8]) {
        self.whole(flow, number, false, [data, &[]]);
    }

    /// A whole datagram with a compressed header.
    pub(crate) fn compressed_message(
        &mut self,
        flow: FlowId,
        number: u64,
        head: &[u8],
        payload: &[u8],
    ) {
        self.whole(flow, number, true, [head, payload]);
    }

    fn whole(&mut self, flow: FlowId, number: u64, compressed: bool, data: [&[u8]; 2]) {
        let follows = |before: &Whole| {
            before.flow == flow && before.number + 1 == number && before.compressed == compressed
        };
        let behind = self.message.filter(follows).map(|before| before.len);
        if behind.is_some() {
            self.begin(KIND_LINK, LINK_NEXT_LAST);
            self.data(self.body.len() - 1, data[0]);
        } else {
            self.begin(KIND_MESSAGE, flow.0);
            let flag_at = self.message_number(number);
            self.body[flag_at] |= if compressed { COMPRESSED_FLAG } else { 0 };
            self.data(flag_at, data[0]);
        }
        self.more(data[1]);
        self.open = self.open.map(|open| OpenEnd { behind, ..open });
        self.message = Some(Whole {
            flow,
            number,
            compressed,
            len: data[0].len() + data[1].len(),
        });
    }

    /// Goes on with the data of the last segment.
    pub(crate) fn more(&mut self, data: &[u8]) {
        self.body.extend_from_slice(data);
    }

    /// A piece of a datagram, made of two parts that stand one behind the other.
    pub(crate) fn piece(
        &mut self,
        flow: FlowId,
        number: u64,
        offset: usize,
        last: bool,
        data: [&[u8]; 2],
    ) {
        self.begin(KIND_PIECE, flow.0);
        let flag_at = self.message_number(number);
        varint::write((offset as u32) << 1 | u32::from(last), self.body);
        self.data(flag_at, data[0]);
        self.body.extend_from_slice(data[1]);
    }

    fn begin(&mut self, kind: u8, low: u8) {
        debug_assert!(low < 32 && !self.closed);
        self.end_last();
        self.body.push(kind << 5 | low);
    }

    /// Another segment follows.
    fn end_last(&mut self) {
        self.message = None;
        if let Some(open) = self.open.take() {
            self.end(open);
        }
    }

    /// Says where the last segment ends: another one follows.
    fn end(&mut self, open: OpenEnd) {
        let len = self.body.len() - open.data_at;
        let flag = &mut self.body[open.flag_at];
        match open.behind {
            Some(before) if before == len => {
                *flag = KIND_LINK << 5 | LINK_NEXT_SAME;
                return;
            }
            Some(_) => *flag = KIND_LINK << 5 | LINK_NEXT,
            None => *flag |= LENGTH_FLAG,
        }
        let (bytes, count) = varint::encoded(len as u32);
        self.body
            .splice(open.data_at..open.data_at, bytes[..count].iter().copied());
    }

    /// Returns where the byte with the length flag is.
    fn message_number(&mut self, number: u64) -> usize {
        self.body.push(number as u8);
        self.body.push((number >> 8) as u8 & NUMBER_MASK);
        self.body.len() - 1
    }

    fn data(&mut self, flag_at: usize, data: &[u8]) {
        self.open = Some(OpenEnd {
            flag_at,
            data_at: self.body.len(),
            behind: None,
        });
        self.body.extend_from_slice(data);
    }
}

/// Reads the segments of one frame, from first to last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reader {
    /// The message that was read last, if nothing stands behind it: flow, number, whether it is
    /// compressed, length.
    message: Option<(FlowId, Cut, bool, usize)>,
}

impl Reader {
    /// Takes a segment off the front; `None` when it is not one: then the whole frame is refused.
    pub(crate) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Segment<'a>> {
        let segment = match *bytes.first()? {
            service @ LINK_NEXT..=LINK_NEXT_SAME => {
                *bytes = &bytes[1..];
                self.next_message(service, bytes)?
            }
            _ => read(bytes)?,
        };
        self.message = match segment {
            Segment::Message { flow, number, data } => {
                Some((flow, number, data.compressed, data.bytes.len()))
            }
            _ => None,
        };
        Some(segment)
    }

    fn next_message<'a>(&self, service: u8, bytes: &mut &'a [u8]) -> Option<Segment<'a>> {
        let (flow, number, compressed, before) = self.message?;
        let len = match service {
            LINK_NEXT => varint::read(bytes)? as usize,
            LINK_NEXT_LAST => bytes.len(),
            _ => before,
        };
        Some(Segment::Message {
            flow,
            number: number.next(),
            data: Data {
                compressed,
                bytes: take(bytes, len)?,
            },
        })
    }
}

/// Takes a segment that stands for itself off the front.
fn read<'a>(bytes: &mut &'a [u8]) -> Option<Segment<'a>> {
    let first = take(bytes, 1)?[0];
    if first & STEADY_FLAG != 0 {
        return Some(Segment::Steady {
            slot: first >> 4 & 7,
            low: first & 0x0F,
            payload: std::mem::take(bytes),
        });
    }
    let low = first & 0x1F;
    let flow = FlowId(low);
    match first >> 5 {
        KIND_LINK => read_link(low, bytes),
        KIND_PACKET => {
            let byte = take(bytes, 1)?[0];
            let number = Cut {
                low: u64::from(byte & NUMBER_MASK),
                bits: PACKET_BITS,
            };
            let data = Data {
                compressed: byte & COMPRESSED_FLAG != 0,
                bytes: read_data(byte, bytes)?,
            };
            Some(Segment::Packet { flow, number, data })
        }
        KIND_MESSAGE => {
            let (number, flags) = read_message_number(bytes)?;
            let data = Data {
                compressed: flags & COMPRESSED_FLAG != 0,
                bytes: read_data(flags, bytes)?,
            };
            Some(Segment::Message { flow, number, data })
        }
        KIND_PIECE => {
            let (number, flags) = read_message_number(bytes)?;
            let place = varint::read(bytes)?;
            if flags & COMPRESSED_FLAG != 0 {
                return None;
            }
            let data = read_data(flags, bytes)?;
            let (offset, last) = ((place >> 1) as usize, place & 1 == 1);
            Some(Segment::Piece {
                flow,
                number,
                offset,
                last,
                data,
            })
        }
        // The first bit is clear.
        _ => None,
    }
}

fn read_link<'a>(service: u8, bytes: &mut &'a [u8]) -> Option<Segment<'a>> {
    match service {
        LINK_REPORT => Report::read(bytes).map(Segment::Report),
        LINK_PROBE => Some(Segment::Probe),
        LINK_CLOSE => Some(Segment::Close),
        LINK_ADVANCE => {
            let flow = take(bytes, 1)?[0];
            let (number, flags) = read_message_number(bytes)?;
            (flow < 32 && flags & !NUMBER_MASK == 0).then_some(Segment::Advance {
                flow: FlowId(flow),
                number,
            })
        }
        _ => None,
    }
}

fn read_message_number(bytes: &mut &[u8]) -> Option<(Cut, u8)> {
    let number = take(bytes, 2)?;
    let low = u64::from(number[0]) | u64::from(number[1] & NUMBER_MASK) << 8;
    Some((
        Cut {
            low,
            bits: MESSAGE_BITS,
        },
        number[1],
    ))
}

fn read_data<'a>(flag: u8, bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = if flag & LENGTH_FLAG == 0 {
        bytes.len()
    } else {
        varint::read(bytes)? as usize
    };
    take(bytes, len)
}

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
