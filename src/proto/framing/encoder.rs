//! Frames to bytes, and what is on its way to the line.
//!
//! An ordinary frame in progress can be interrupted at any byte by express frames:
//!
//! ```text
//! one frame after the other   ordinary 00 express 00
//! interrupted                 ordi 00 express 00 nary 00      one byte more
//! ```
//!
//! Both lanes hold one frame at most, so what is chosen is chosen late.

use super::check::Seal;
use super::header::FrameKind;
use super::parity::Parity;
use super::{cobs, xonxoff};

/// Makes the bytes for the line, with the delimiter, of a frame whose header and segments are
/// `body`. The check is appended to `body` on the way.
pub(crate) fn encode(
    kind: FrameKind,
    number: u64,
    seal: Seal,
    parity: Parity,
    body: &mut Vec<u8>,
) -> Vec<u8> {
    seal.append(kind.check(), number, body);
    let stuffed = body.len() + body.len() / 254 + 1;
    let mut wire = Vec::with_capacity(parity.wire_len(stuffed) + 1);
    cobs::encode(body, &mut wire);
    parity.append(&mut wire);
    wire.push(0);
    wire
}

/// A frame that is ready for the line, or on its way.
#[derive(Debug)]
struct Outgoing {
    number: Option<u64>,
    wire: Vec<u8>,
    /// Where its parity begins, without the escapes.
    stuffed: Option<usize>,
    escaped: bool,
    /// Bytes of `wire` that have left.
    at: usize,
    started: bool,
}

impl Outgoing {
    /// Whether what has left looks like a whole frame with less parity.
    fn looks_whole(&self) -> bool {
        let left = &self.wire[..self.at];
        let escapes = if self.escaped {
            xonxoff::escapes_in(left)
        } else {
            0
        };
        // It may have a delimiter of its own in front.
        let delimiter = usize::from(left.first() == Some(&0));
        let frame = left.len() - escapes - delimiter;
        let whole = |parity: &Parity| parity.stuffed_len(frame) == self.stuffed;
        self.stuffed.is_some() && self.at + 1 < self.wire.len() && Parity::ALL.iter().any(whole)
    }
}

/// What left the line's end completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completed {
    /// The frame's number; `None` for a service frame.
    pub(crate) number: Option<u64>,
}

/// The ordinary frame that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnderWay {
    pub(crate) number: Option<u64>,
    /// Its bytes on the line.
    pub(crate) wire: usize,
    /// Those that have not left.
    pub(crate) left: usize,
}

/// The two lanes of a line: an ordinary frame, and an express frame that may interrupt it.
#[derive(Debug)]
pub(crate) struct Outbox {
    ordinary: Option<Outgoing>,
    express: Option<Outgoing>,
    escape: bool,
    /// Send a delimiter before the next frame: what stands before it is not known.
    delimit: bool,
    interruptions: u64,
}

impl Outbox {
    /// An empty outbox. With `avoid_xon_xoff` the bytes are escaped for such a line.
    pub(crate) fn new(avoid_xon_xoff: bool) -> Self {
        Self {
            ordinary: None,
            express: None,
            escape: avoid_xon_xoff,
            delimit: true,
            interruptions: 0,
        }
    }

    /// Whether there is room for an ordinary frame.
    pub(crate) fn takes_ordinary(&self) -> bool {
        self.ordinary.is_none() && self.express.is_none()
    }

    /// Whether there is room for an express frame.
    pub(crate) fn takes_express(&self) -> bool {
        self.express.is_none()
    }

    /// Whether the next bytes are those of an express frame.
    pub(crate) fn has_express(&self) -> bool {
        self.express.is_some()
    }

    /// Whether anything waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.ordinary.is_none() && self.express.is_none()
    }

    /// The ordinary frame that an express frame would interrupt.
    pub(crate) fn under_way(&self) -> Option<UnderWay> {
        self.ordinary.as_ref().map(|ordinary| UnderWay {
            number: ordinary.number,
            wire: ordinary.wire.len(),
            left: ordinary.wire.len() - ordinary.at,
        })
    }

    /// What has left of the frames that are on their way, in the order in which it did.
    pub(crate) fn begun(&self) -> Vec<u8> {
        let lanes = [&self.ordinary, &self.express];
        let begun = lanes.into_iter().flatten();
        begun
            .flat_map(|frame| &frame.wire[..frame.at])
            .copied()
            .collect()
    }

    /// Times that an express frame interrupted an ordinary one.
    pub(crate) fn interruptions(&self) -> u64 {
        self.interruptions
    }

    /// Puts a frame into the ordinary lane; says how many bytes it takes on the line.
    pub(crate) fn offer_ordinary(
        &mut self,
        number: Option<u64>,
        parity: Parity,
        wire: Vec<u8>,
    ) -> usize {
        debug_assert!(self.takes_ordinary());
        let outgoing = self.outgoing(number, parity, wire);
        self.ordinary.insert(outgoing).wire.len()
    }

    /// Puts a frame into the express lane; says how many bytes it takes on the line.
    pub(crate) fn offer_express(&mut self, number: Option<u64>, wire: Vec<u8>) -> usize {
        debug_assert!(self.takes_express());
        let outgoing = self.outgoing(number, Parity::NONE, wire);
        self.express.insert(outgoing).wire.len()
    }

    fn outgoing(&self, number: Option<u64>, parity: Parity, mut wire: Vec<u8>) -> Outgoing {
        // Without the delimiter.
        let stuffed = parity.stuffed_len(wire.len().saturating_sub(1));
        if self.escape {
            xonxoff::escape(&mut wire);
        }
        Outgoing {
            number,
            wire,
            stuffed,
            escaped: self.escape,
            at: 0,
            started: false,
        }
    }

    /// The next frame begins behind a delimiter of its own: call it when the line has been idle
    /// for a while, so that noise in the pause does not spoil the frame.
    pub(crate) fn delimit(&mut self) {
        self.delimit = true;
    }

    /// Forgets everything; what was in progress ends at a delimiter.
    pub(crate) fn clear(&mut self) {
        self.ordinary = None;
        self.express = None;
        self.delimit = true;
    }

    /// An escape and its byte are not divided by an interruption; nor is a frame interrupted where what
    /// has left is a whole one with less parity: sends a byte first. Says how many bytes that were.
    fn finish_byte(&mut self, room: usize, buf: &mut Vec<u8>) -> usize {
        let begins = self
            .express
            .as_ref()
            .is_some_and(|express| !express.started);
        match &mut self.ordinary {
            Some(ordinary)
                if begins
                    && room > 0
                    && (self.escape
                        && xonxoff::ends_with_escape(&ordinary.wire[..ordinary.at])
                        || ordinary.looks_whole()) =>
            {
                buf.push(ordinary.wire[ordinary.at]);
                ordinary.at += 1;
                1
            }
            _ => 0,
        }
    }

    /// Appends at most `room` bytes to `buf`, up to the end of one frame. Says which frame ended.
    pub(crate) fn transmit(&mut self, room: usize, buf: &mut Vec<u8>) -> Option<Completed> {
        let room = room - self.finish_byte(room, buf);
        if room == 0 {
            return None;
        }
        let interrupted = self
            .ordinary
            .as_ref()
            .is_some_and(|ordinary| ordinary.at > 0);
        let is_express = self.express.is_some();
        let lane = if is_express {
            &mut self.express
        } else {
            &mut self.ordinary
        };
        let outgoing = lane.as_mut()?;
        if !outgoing.started {
            outgoing.started = true;
            let interrupts = is_express && interrupted;
            self.interruptions += u64::from(interrupts);
            if interrupts || self.delimit {
                outgoing.wire.insert(0, 0);
            }
            self.delimit = false;
        }
        let end = outgoing.wire.len().min(outgoing.at + room);
        buf.extend_from_slice(&outgoing.wire[outgoing.at..end]);
        outgoing.at = end;
        if end < outgoing.wire.len() {
            return None;
        }
        let number = outgoing.number;
        *lane = None;
        Some(Completed { number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDINARY: [u8; 5] = [5, 1, 2, 3, 0];
    const EXPRESS: [u8; 3] = [2, 9, 0];

    fn outbox() -> Outbox {
        let mut outbox = Outbox::new(false);
        outbox.delimit = false;
        outbox
    }

    fn drain(outbox: &mut Outbox) -> (Vec<u8>, Vec<Option<u64>>) {
        let (mut buf, mut ended) = (Vec::new(), Vec::new());
        while !outbox.is_empty() {
            ended.extend(
                outbox
                    .transmit(1, &mut buf)
                    .map(|completed| completed.number),
            );
        }
        (buf, ended)
    }

    #[test]
    fn an_interruption_costs_one_byte_at_any_place() {
        for at in 0..ORDINARY.len() {
            let mut outbox = outbox();
            outbox.offer_ordinary(Some(1), Parity::NONE, ORDINARY.to_vec());
            let mut buf = Vec::new();
            outbox.transmit(at, &mut buf);
            outbox.offer_express(Some(2), EXPRESS.to_vec());
            let (rest, ended) = drain(&mut outbox);
            buf.extend(rest);
            let mut expected = ORDINARY.to_vec();
            let between = if at == 0 { &EXPRESS[..] } else { &[0, 2, 9, 0] };
            expected.splice(at..at, between.iter().copied());
            assert_eq!(buf, expected);
            assert_eq!(ended, [Some(2), Some(1)]);
            assert_eq!(outbox.interruptions(), u64::from(at > 0));
        }
    }

    #[test]
    fn nothing_interrupts_where_a_frame_looks_whole_already_also_behind_its_own_delimiter() {
        let parity = Parity::of_len(16).unwrap();
        let mut frame: Vec<u8> = (1..=60).collect();
        parity.append(&mut frame);
        frame.push(0);
        for delimits in [false, true] {
            for at in 1..frame.len() {
                let mut outbox = outbox();
                outbox.delimit = delimits;
                outbox.offer_ordinary(Some(1), parity, frame.clone());
                let mut left = Vec::new();
                outbox.transmit(usize::from(delimits) + at, &mut left);
                outbox.offer_express(Some(2), EXPRESS.to_vec());
                left.extend(drain(&mut outbox).0);
                let first = left[usize::from(delimits)..].iter().position(|&b| b == 0);
                // 60 bytes, and 60 with 2, 4 or 8 of parity.
                let one_more = usize::from([60, 62, 64, 68].contains(&at));
                assert_eq!(first, Some(at + one_more), "{delimits}");
            }
        }
    }

    #[test]
    fn after_a_pause_a_frame_brings_its_own_delimiter() {
        let mut outbox = outbox();
        outbox.delimit();
        outbox.offer_ordinary(None, Parity::NONE, ORDINARY.to_vec());
        outbox.offer_express(None, EXPRESS.to_vec());
        assert_eq!(drain(&mut outbox).0, [0, 2, 9, 0, 5, 1, 2, 3, 0]);
    }

    #[test]
    fn what_was_cleared_half_way_ends_at_a_delimiter() {
        let mut outbox = outbox();
        outbox.offer_ordinary(Some(1), Parity::NONE, ORDINARY.to_vec());
        let mut buf = Vec::new();
        outbox.transmit(2, &mut buf);
        outbox.clear();
        outbox.offer_ordinary(Some(1), Parity::NONE, EXPRESS.to_vec());
        buf.extend(drain(&mut outbox).0);
        assert_eq!(buf, [5, 1, 0, 2, 9, 0]);
    }
}
