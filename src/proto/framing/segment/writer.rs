//! Segments to bytes.

use super::{
    COMPRESSED_FLAG, FlowId, KIND_LINK, KIND_MESSAGE, KIND_PACKET, KIND_PIECE, LENGTH_FLAG,
    LENGTH_OVERHEAD, LINK_ADVANCE, LINK_AGAIN, LINK_CLOSE, LINK_NEXT, LINK_NEXT_LAST,
    LINK_NEXT_SAME, LINK_PARITY, LINK_PROBE, LINK_REPAIRS, LINK_REPORT, NUMBER_MASK, STEADY_FLAG,
};
use crate::proto::framing::parity::Parity;
use crate::proto::framing::report::{Repairs, Report};
use crate::proto::framing::varint;

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

    /// What was repaired.
    pub(crate) fn repairs(&mut self, repairs: Repairs) {
        self.begin(KIND_LINK, LINK_REPAIRS);
        repairs.write(self.body);
    }

    /// The parity of express frames with the short check from here on.
    pub(crate) fn express_parity(&mut self, parity: Parity) {
        self.begin(KIND_LINK, LINK_PARITY);
        self.body.push(parity.len() as u8);
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

    /// Packets of an audio flow that were sent before; what follows of them is for
    /// [`Writer::more`].
    pub(crate) fn again(&mut self, flow: FlowId, number: u64, compressed: bool, data: &[u8]) {
        self.begin(KIND_LINK, LINK_AGAIN);
        self.body.push(KIND_PACKET << 5 | flow.0);
        let flag = if compressed { COMPRESSED_FLAG } else { 0 };
        self.body.push(number as u8 & NUMBER_MASK | flag);
        self.data(self.body.len() - 1, data);
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
