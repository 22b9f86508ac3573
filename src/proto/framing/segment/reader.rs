//! Bytes to segments.

use super::{
    COMPRESSED_FLAG, Cut, Data, FlowId, KIND_LINK, KIND_MESSAGE, KIND_PACKET, KIND_PIECE,
    LENGTH_FLAG, LINK_ADVANCE, LINK_AGAIN, LINK_CLOSE, LINK_NEXT, LINK_NEXT_LAST, LINK_NEXT_SAME,
    LINK_PARITY, LINK_PROBE, LINK_REPAIRS, LINK_REPORT, MESSAGE_BITS, NUMBER_MASK, PACKET_BITS,
    STEADY_FLAG, Segment,
};
use crate::proto::framing::parity::Parity;
use crate::proto::framing::report::{Repairs, Report};
use crate::proto::framing::varint::{self, take};

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
        LINK_REPAIRS => Repairs::read(bytes).map(Segment::Repairs),
        LINK_PARITY => Parity::of_len(take(bytes, 1)?[0]).map(Segment::ExpressParity),
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
        LINK_AGAIN => read_again(bytes),
        _ => None,
    }
}

fn read_again<'a>(bytes: &mut &'a [u8]) -> Option<Segment<'a>> {
    // Looked at first: a frame full of this must not be read by as many calls inside each other.
    if *bytes.first()? >> 5 != KIND_PACKET {
        return None;
    }
    match read(bytes)? {
        Segment::Packet { flow, number, data } => Some(Segment::Again { flow, number, data }),
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
