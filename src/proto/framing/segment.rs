//! What stands in a frame between header and check.
//!
//! ```text
//! first byte
//!   7   6 5   4 3 2 1 0
//! +---+-----+-----------+
//! | 0 | 0 0 | service   |  of the link: 1 report, 2 probe, 3 close, 4 advance; 8, 9, 10 next message
//! | 0 | 0 1 | flow      |  packet:  P nnnnnnn             [length] data
//! | 0 | 1 0 | flow      |  message: nnnnnnnn P nnnnnnn    [length] data
//! | 0 | 1 1 | flow      |  piece:   nnnnnnnn P nnnnnnn    place [length] data
//! | 1 |  reserved       |  packets with a compressed header
//! +---+-----+-----------+
//!
//! P       a length follows; without it the data runs to the end of the frame
//! n       number of the packet or message within its flow, low byte first
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
    /// A whole datagram of an audio flow.
    Packet {
        flow: FlowId,
        number: Cut,
        data: &'a [u8],
    },
    /// A whole datagram.
    Message {
        flow: FlowId,
        number: Cut,
        data: &'a [u8],
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

const PACKET_BITS: u32 = 7;
const MESSAGE_BITS: u32 = 15;
const LENGTH_FLAG: u8 = 0x80;

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
    /// The message that ends where the frame ends so far: flow, number, length.
    message: Option<(FlowId, u64, usize)>,
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
            message: None,
        }
    }

    /// Bytes written so far, header included.
    pub(crate) fn len(&self) -> usize {
        self.body.len()
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

    /// A packet of an audio flow.
    pub(crate) fn packet(&mut self, flow: FlowId, number: u64, data: &[u8]) {
        self.begin(KIND_PACKET, flow.0);
        let flag_at = self.body.len();
        self.body.push(number as u8 & !LENGTH_FLAG);
        self.data(flag_at, data);
    }

    /// A whole datagram.
    pub(crate) fn message(&mut self, flow: FlowId, number: u64, data: &[u8]) {
        match self.message {
            Some((before, last, len)) if before == flow && last + 1 == number => {
                self.begin(KIND_LINK, LINK_NEXT_LAST);
                self.data(self.body.len() - 1, data);
                self.open = self.open.map(|open| OpenEnd {
                    behind: Some(len),
                    ..open
                });
            }
            _ => {
                self.begin(KIND_MESSAGE, flow.0);
                let flag_at = self.message_number(number);
                self.data(flag_at, data);
            }
        }
        self.message = Some((flow, number, data.len()));
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
        debug_assert!(low < 32);
        self.message = None;
        if let Some(open) = self.open.take() {
            self.end(open);
        }
        self.body.push(kind << 5 | low);
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
        self.body.push((number >> 8) as u8 & !LENGTH_FLAG);
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
    /// Flow, number and length of the message that was read last, if nothing stands behind it.
    message: Option<(FlowId, Cut, usize)>,
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
            Segment::Message { flow, number, data } => Some((flow, number, data.len())),
            _ => None,
        };
        Some(segment)
    }

    fn next_message<'a>(&self, service: u8, bytes: &mut &'a [u8]) -> Option<Segment<'a>> {
        let (flow, number, before) = self.message?;
        let len = match service {
            LINK_NEXT => varint::read(bytes)? as usize,
            LINK_NEXT_LAST => bytes.len(),
            _ => before,
        };
        Some(Segment::Message {
            flow,
            number: number.next(),
            data: take(bytes, len)?,
        })
    }
}

/// Takes a segment that stands for itself off the front.
fn read<'a>(bytes: &mut &'a [u8]) -> Option<Segment<'a>> {
    let first = take(bytes, 1)?[0];
    let low = first & 0x1F;
    let flow = FlowId(low);
    match first >> 5 {
        KIND_LINK => read_link(low, bytes),
        KIND_PACKET => {
            let byte = take(bytes, 1)?[0];
            let number = Cut {
                low: u64::from(byte & !LENGTH_FLAG),
                bits: PACKET_BITS,
            };
            let data = read_data(byte, bytes)?;
            Some(Segment::Packet { flow, number, data })
        }
        KIND_MESSAGE => {
            let (number, flag) = read_message_number(bytes)?;
            let data = read_data(flag, bytes)?;
            Some(Segment::Message { flow, number, data })
        }
        KIND_PIECE => {
            let (number, flag) = read_message_number(bytes)?;
            let place = varint::read(bytes)?;
            let data = read_data(flag, bytes)?;
            let (offset, last) = ((place >> 1) as usize, place & 1 == 1);
            Some(Segment::Piece {
                flow,
                number,
                offset,
                last,
                data,
            })
        }
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
            let (number, flag) = read_message_number(bytes)?;
            (flow < 32 && flag & LENGTH_FLAG == 0).then_some(Segment::Advance {
                flow: FlowId(flow),
                number,
            })
        }
        _ => None,
    }
}

fn read_message_number(bytes: &mut &[u8]) -> Option<(Cut, u8)> {
    let number = take(bytes, 2)?;
    let low = u64::from(number[0]) | u64::from(number[1] & !LENGTH_FLAG) << 8;
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
                &[0x64, 0xFF, 0xFF, 0xD9, 0x04, 2, b'c', b'd'],
                &[0x21, 0x01, b'e'],
            ]
            .concat()
        );
        let segments = read_all(&body).expect("well formed");
        assert!(matches!(&segments[0], Segment::Message { data: b"ab", .. }));
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
            matches!(&segments[2], Segment::Packet { flow: FlowId(1), number, data: b"e" }
            if number.nearest(0x101) == 0x101)
        );
    }

    #[test]
    fn messages_in_a_row_cost_a_byte_each_and_their_length_when_it_changes() {
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        let data: [&[u8]; 5] = [b"ab", b"cd", b"e", b"f", b"ghi"];
        for (number, data) in (0x7FFE..).zip(data) {
            writer.message(FlowId(3), number, data);
        }
        assert_eq!(
            body,
            [
                [0x43, 0xFE, 0xFF, 2, b'a', b'b'].as_slice(),
                &[10, b'c', b'd'],
                &[8, 1, b'e'],
                &[10, b'f'],
                &[9, b'g', b'h', b'i'],
            ]
            .concat()
        );
        let segments = read_all(&body).expect("well formed");
        for ((expected, sent), segment) in (0x7FFE..).zip(data).zip(segments) {
            let Segment::Message { flow, number, data } = segment else {
                panic!("{segment:?}");
            };
            assert_eq!((flow, data), (FlowId(3), sent));
            assert_eq!(number.nearest(0x7FF0), expected);
        }
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
        assert!(read_all(&[0x80]).is_none(), "reserved");
        assert!(read_all(&[0x00]).is_none(), "no such service");
        assert!(read_all(&[0x04, 32, 0, 0]).is_none(), "no such flow");
    }

    #[test]
    fn a_number_is_completed_to_the_nearest() {
        let cut = Cut { low: 5, bits: 15 };
        assert_eq!(cut.nearest(0), 5);
        assert_eq!(cut.nearest(0x8000), 0x8005);
        assert_eq!(cut.nearest(0x7FF0), 0x8005);
        assert_eq!(cut.nearest(0xC004), 0x8005);
        assert_eq!(cut.nearest(0xC006), 0x10005);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read_all(&bytes);
        }
    }
}
