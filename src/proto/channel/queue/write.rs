//! From the queue into the frames of a line: which message, how much of it, in which form.

use super::Sender;
use crate::proto::channel::Part;
use crate::proto::channel::message::Message;
use crate::proto::channel::rtp::compress::{Compressor, Keep, Pace, Plan};
use crate::proto::channel::rtp::{Head, Header, KEEP_OVERHEAD};
use crate::proto::channel::video::{FrameId, Outlook, Verdict};
use crate::proto::framing::check::datagram_check;
use crate::proto::framing::segment::{FlowId, MESSAGE_OVERHEAD, PIECE_OVERHEAD, Writer};
use crate::proto::stats::SentStats;
use crate::proto::time::Instant;

/// A piece shorter than this is not worth its overhead, unless it is the rest.
const SMALL_PIECE: usize = 32;

impl Sender {
    /// Index of the message that is sent from now, after those that are not worth the line were
    /// dropped.
    fn select(&mut self, now: Instant, space: usize, stats: &mut SentStats) -> Option<usize> {
        if let Some(frames) = &mut self.frames {
            frames.service.on_turn(now, space);
        }
        loop {
            let index = self.next_message()?;
            let frame = self.queue[index].frame;
            let outlook = Outlook {
                rest: self.rest_of(frame),
                space,
                more: self.queue.back().is_some_and(|last| last.frame > frame),
            };
            let Some(frames) = &mut self.frames else {
                return Some(index);
            };
            match frames.verdict(now, frame, outlook) {
                Verdict::Send => return Some(index),
                Verdict::Wait => return None,
                Verdict::Drop(reason) => self.drop_frame(frame, reason, stats),
            }
            if let (None, Some(frames)) = (self.next_message(), &mut self.frames) {
                frames.service.on_untried();
            }
        }
    }

    /// Bytes of a frame that are still to be sent.
    fn rest_of(&self, frame: FrameId) -> usize {
        // Control has no frames.
        let packets = self
            .frames
            .as_ref()
            .map_or(0, |frames| frames.packets(frame));
        let of_frame = self.queue.iter().filter(|message| message.frame == frame);
        of_frame.take(packets).map(Message::rest).sum()
    }

    /// Writes one segment of at most `space` bytes.
    pub(in super::super) fn write(
        &mut self,
        now: Instant,
        flow: FlowId,
        space: usize,
        writer: &mut Writer<'_>,
        stats: &mut SentStats,
    ) -> Option<(Part, Option<Keep>)> {
        if self.advance {
            if space < 4 {
                return None;
            }
            writer.advance(flow, self.first);
            self.advance = false;
            return Some((Part::Advance, None));
        }
        let index = self.select(now, space, stats)?;
        let from = writer.len();
        let number = self.first + index as u64;
        let message = &mut self.queue[index];
        let (waiting, again) = message.waiting()?;
        let whole = waiting == (0..message.end());
        let mut keep = None;
        // A difference is never longer than the header it stands for; a context has its word in front.
        let most = message.data.len() + MESSAGE_OVERHEAD + KEEP_OVERHEAD;
        let sent = if whole && message.data.len() + MESSAGE_OVERHEAD <= space {
            let compressor = self.compressor.as_mut().filter(|_| most <= space);
            let data = &message.data;
            keep = write_whole(compressor, flow, number, data, writer, stats);
            waiting
        } else {
            let room = space.checked_sub(PIECE_OVERHEAD)?;
            if room < SMALL_PIECE.min(waiting.len()) {
                return None;
            }
            let sent = waiting.start..waiting.start + room.min(waiting.len()) as u32;
            let check = *message
                .check
                .get_or_insert_with(|| datagram_check(&message.data));
            let last = sent.end == message.end();
            let (start, end) = (sent.start as usize, sent.end as usize);
            let len = message.data.len();
            let data = &message.data[start.min(len)..end.min(len)];
            let check = &check[start.saturating_sub(len)..end.saturating_sub(len)];
            writer.piece(flow, number, start, last, [data, check]);
            sent
        };
        self.note_sent(index, sent.clone(), again, stats);
        // A compressed header leaves more room than the message was long.
        let left = space.saturating_sub(writer.len() - from);
        self.note_service(now, index, sent.len(), left);
        let part = Part::Bytes {
            number,
            start: sent.start,
            end: sent.end,
        };
        Some((part, keep))
    }

    fn note_sent(
        &mut self,
        index: usize,
        sent: std::ops::Range<u32>,
        again: bool,
        stats: &mut SentStats,
    ) {
        let message = &mut self.queue[index];
        if again {
            stats.resent += 1;
            message.lost.remove(sent);
            if message.lost.is_empty() {
                self.lost.pop_front();
            }
        } else {
            message.unsent = sent.end;
            stats.sent += u64::from(message.unsent == message.end());
            if index == self.begun {
                self.begun += 1;
                self.begun_bytes += message.data.len();
            }
        }
    }

    /// Tells the estimate what the line got.
    fn note_service(&mut self, now: Instant, index: usize, bytes: usize, left: usize) {
        let frame = self.queue[index].frame;
        let is_complete = self.rest_of(frame) == 0;
        let more = self.next_message().is_some();
        let number = self.first + index as u64;
        if let Some(frames) = &mut self.frames {
            frames.on_sent(now, frame, number);
            let due = is_complete.then(|| frames.due(frame)).flatten();
            frames.service.on_written(now, bytes, more, left, due);
        }
    }
}

/// Writes a whole message, with its RTP header compressed if that can be.
fn write_whole(
    compressor: Option<&mut Compressor>,
    flow: FlowId,
    number: u64,
    data: &[u8],
    writer: &mut Writer<'_>,
    stats: &mut SentStats,
) -> Option<Keep> {
    let Some(compressor) = compressor else {
        writer.message(flow, number, data);
        return None;
    };
    match compressor.plan(data, Pace::Frames, 1) {
        Plan::Raw => writer.message(flow, number, data),
        Plan::Keep {
            slot,
            stride,
            share,
        } => {
            let head = Head::keep(slot, stride, share);
            writer.compressed_message(flow, number, head.as_slice(), data);
            return Some(compressor.on_kept(slot, stride, share, data));
        }
        Plan::Difference(difference) => {
            let header = Header::of(data).map_or(0, |header| header.len());
            let head = Head::difference(&difference, 1);
            writer.compressed_message(flow, number, head.as_slice(), &data[header..]);
            stats.compressed += 1;
            stats.saved_bytes += (header - head.as_slice().len()) as u64;
        }
    }
    None
}
