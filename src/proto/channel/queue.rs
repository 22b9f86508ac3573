//! Messages on their way out: video and RTCP until their deadline, control until they arrived.
//!
//! A message gets its number when its first byte is sent, so what expires in the queue leaves no
//! gap. What the line reports as lost is sent again in new frames. Everything leaves the queue at
//! its front: messages are equal in deadline, and control is in order anyway.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Part;
use super::ranges::Ranges;
use super::rtp::compress::{Compressor, Keep, Pace, Plan};
use super::rtp::{Head, Header, KEEP_OVERHEAD};
use crate::proto::config::ChannelConfig;
use crate::proto::error::Refused;
use crate::proto::framing::check::datagram_check;
use crate::proto::framing::segment::{
    FlowId, MESSAGE_OVERHEAD, MESSAGE_WINDOW, PIECE_OVERHEAD, Writer,
};
use crate::proto::stats::SentStats;
use crate::proto::time::{Duration, Instant};

/// Messages of a flow that are not done with.
#[derive(Debug)]
pub(super) struct Sender {
    queue: VecDeque<Message>,
    bytes: usize,
    most_bytes: usize,
    most_messages: usize,
    /// `None`: kept until acknowledged.
    deadline: Option<Duration>,
    /// Number of the front of the queue.
    first: u64,
    /// How many, from the front, have been begun, and their bytes.
    begun: usize,
    begun_bytes: usize,
    /// Messages with lost parts, oldest first.
    lost: VecDeque<u64>,
    /// The far end must be told that it waits in vain.
    advance: bool,
    service: Service,
    /// For flows that carry RTP.
    compressor: Option<Compressor>,
}

/// How fast the line takes messages of this flow, while more wait than it takes.
#[derive(Debug, Default)]
struct Service {
    /// Smoothed time that the line takes for a byte.
    per_byte: Option<Duration>,
    /// When the last message was sent completely, if another one waited already.
    since: Option<Instant>,
}

impl Service {
    /// Notes that a message of so many bytes was sent completely.
    fn on_sent(&mut self, now: Instant, bytes: usize, more: bool) {
        if let Some(since) = self.since {
            let sample = now.since(since) / bytes.max(1) as u32;
            self.per_byte = Some(
                self.per_byte
                    .map_or(sample, |known| (known * 3 + sample) / 4),
            );
        }
        self.since = more.then_some(now);
    }

    fn time_for(&self, bytes: usize) -> Duration {
        self.per_byte.unwrap_or_default() * bytes as u32
    }
}

/// A message and how far it is sent. Positions count the datagram and the check behind it.
#[derive(Debug)]
struct Message {
    accepted: Instant,
    data: Bytes,
    /// The check behind the data, once it was needed.
    check: Option<[u8; 4]>,
    /// First position that was never sent.
    unsent: u32,
    lost: Ranges,
    acked: Ranges,
}

/// Bytes of the check behind a datagram in pieces.
const CHECK: usize = 4;
/// Most bytes that may be begun and not acknowledged, unless a single message is larger. The
/// receiver has room for twice as many.
pub(super) const WINDOW: usize = 256 << 10;
/// A piece shorter than this is not worth its overhead, unless it is the rest.
const SMALL_PIECE: usize = 32;

impl Message {
    fn new(accepted: Instant, data: Bytes) -> Self {
        Self {
            accepted,
            data,
            check: None,
            unsent: 0,
            lost: Ranges::default(),
            acked: Ranges::default(),
        }
    }

    fn end(&self) -> u32 {
        (self.data.len() + CHECK) as u32
    }

    fn is_acked(&self) -> bool {
        self.acked.covers(self.end())
    }

    /// The first positions that wait to be sent, and whether they were sent before.
    fn waiting(&self) -> Option<(std::ops::Range<u32>, bool)> {
        match self.lost.first() {
            Some(lost) => Some((lost, true)),
            None => (self.unsent < self.end()).then(|| (self.unsent..self.end(), false)),
        }
    }
}

impl Sender {
    pub(super) fn new(config: &ChannelConfig, deadline: Option<Duration>) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            most_bytes: config.queue_bytes,
            most_messages: config.queue_datagrams,
            deadline,
            first: 0,
            begun: 0,
            begun_bytes: 0,
            lost: VecDeque::new(),
            advance: false,
            service: Service::default(),
            compressor: None,
        }
    }

    /// With RTP headers compressed.
    pub(super) fn compressing(self) -> Self {
        Self {
            compressor: Some(Compressor::default()),
            ..self
        }
    }

    /// Takes a message; says how many old ones had to go for it.
    pub(super) fn accept(&mut self, now: Instant, data: Bytes) -> Result<u64, Refused> {
        let is_full = |queue: &Self| {
            queue.queue.len() >= queue.most_messages.max(1)
                || (queue.bytes + data.len() > queue.most_bytes && !queue.queue.is_empty())
        };
        if self.deadline.is_none() && is_full(self) {
            return Err(Refused::QueueFull);
        }
        let mut dropped = 0;
        while is_full(self) {
            dropped += u64::from(self.drop_front());
        }
        self.bytes += data.len();
        self.queue.push_back(Message::new(now, data));
        Ok(dropped)
    }

    /// Drops what is late; counts those that were not sent completely.
    pub(super) fn expire(&mut self, now: Instant) -> u64 {
        let mut late = 0;
        while self.next_expiry().is_some_and(|at| at <= now) {
            late += u64::from(self.drop_front());
        }
        late
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let front = self.queue.front()?;
        let deadline = self.deadline?;
        // What was begun in time is finished, or its first part would have been sent in vain.
        let begun = self.begun > 0 && front.unsent < front.end();
        Some(
            front.accepted
                + if begun {
                    deadline.saturating_mul(2)
                } else {
                    deadline
                },
        )
    }

    pub(super) fn queued(&self) -> (usize, usize) {
        (self.queue.len(), self.bytes)
    }

    pub(super) fn has_data(&self) -> bool {
        self.advance || self.next_message().is_some()
    }

    /// Length of the message that goes next, when all of it waits.
    pub(super) fn next_whole(&self) -> Option<usize> {
        let message = &self.queue[self.next_message()?];
        let (waiting, _) = message.waiting()?;
        (waiting == (0..message.end())).then_some(message.data.len())
    }

    /// Messages that wait and were not begun.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len() - self.begun
    }

    /// Index of the message that is sent from next.
    fn next_message(&self) -> Option<usize> {
        if let Some(&number) = self.lost.front() {
            return Some((number - self.first) as usize);
        }
        if let Some(last) = self.begun.checked_sub(1)
            && self.queue[last].unsent < self.queue[last].end()
        {
            return Some(last);
        }
        let next = self.queue.get(self.begun)?;
        let fits =
            self.begun_bytes + next.data.len() <= WINDOW && (self.begun as u64) < MESSAGE_WINDOW;
        (fits || self.begun == 0).then_some(self.begun)
    }

    /// Drops messages that would be late even if they were begun now: what is begun in vain takes
    /// the line from those that can still make it. Says how many.
    pub(super) fn drop_hopeless(&mut self, now: Instant) -> u64 {
        let Some(deadline) = self.deadline else {
            return 0;
        };
        let mut dropped = 0;
        // One may always be tried, or a wrong estimate would last for ever.
        while self.queue.len() > self.begun + 1 {
            let message = &self.queue[self.begun];
            if now + self.service.time_for(message.data.len()) <= message.accepted + deadline {
                break;
            }
            if let Some(message) = self.queue.remove(self.begun) {
                self.bytes -= message.data.len();
                dropped += 1;
            }
        }
        dropped
    }

    /// Writes one segment of at most `space` bytes.
    pub(super) fn write(
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
        let index = self.next_message()?;
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
            let sent = waiting.start..waiting.end.min(waiting.start + room as u32);
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
        self.note_sent(now, index, sent.clone(), again, stats);
        let part = Part::Bytes {
            number,
            start: sent.start,
            end: sent.end,
        };
        Some((part, keep))
    }

    fn note_sent(
        &mut self,
        now: Instant,
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
            return;
        }
        message.unsent = sent.end;
        if message.unsent == message.end() {
            stats.sent += 1;
            let bytes = message.data.len();
            let more = self.queue.len() > index + 1;
            self.service.on_sent(now, bytes, more);
        }
        let message = &self.queue[index];
        if index == self.begun {
            self.begun += 1;
            self.begun_bytes += message.data.len();
        }
    }

    /// What became of a header that the far end was to keep.
    pub(super) fn on_keep(&mut self, keep: Keep, arrived: bool) {
        if let Some(compressor) = &mut self.compressor {
            compressor.on_settled(keep, arrived);
        }
    }

    pub(super) fn on_acked(&mut self, part: Part) {
        let Part::Bytes { number, start, end } = part else {
            return;
        };
        let Some(message) = self.begun_message(number) else {
            return;
        };
        message.acked.insert(start..end);
        message.lost.remove(start..end);
        let nothing_lost = message.lost.is_empty();
        if nothing_lost {
            self.lost.retain(|&lost| lost != number);
        }
        while self.queue.front().is_some_and(Message::is_acked) {
            self.pop_front();
        }
    }

    pub(super) fn on_lost(&mut self, part: Part) {
        match part {
            Part::Packet { .. } => {}
            Part::Advance => self.advance = true,
            Part::Bytes { number, start, end } => {
                let Some(message) = self.begun_message(number) else {
                    return;
                };
                let had_lost = !message.lost.is_empty();
                message.lost.insert(start..end);
                let acked = message.acked.clone();
                message.lost.remove_all(&acked);
                match (had_lost, message.lost.is_empty()) {
                    (false, false) => {
                        let at = self.lost.partition_point(|&lost| lost < number);
                        self.lost.insert(at, number);
                    }
                    (true, true) => self.lost.retain(|&lost| lost != number),
                    _ => {}
                }
            }
        }
    }

    /// The line is cut: the pause says nothing of how fast it is.
    pub(super) fn on_interrupted(&mut self) {
        self.service.since = None;
    }

    /// A new session: nothing is begun. The first `delivered` messages of the old one have arrived.
    pub(super) fn restart(&mut self, delivered: u64) {
        while self.begun > 0 && self.first < delivered {
            self.pop_front();
        }
        for message in self.queue.iter_mut().take(self.begun) {
            *message = Message::new(message.accepted, message.data.clone());
        }
        self.lost.clear();
        self.on_interrupted();
        self.advance = false;
        self.first = 0;
        self.begun = 0;
        self.begun_bytes = 0;
        self.compressor = self.compressor.take().map(|_| Compressor::default());
    }

    fn begun_message(&mut self, number: u64) -> Option<&mut Message> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.queue.get_mut(index).filter(|_| index < self.begun)
    }

    /// Gives up the oldest message; says whether some of it was still to be sent.
    fn drop_front(&mut self) -> bool {
        let incomplete = self
            .queue
            .front()
            .is_some_and(|message| message.waiting().is_some());
        let in_doubt = self
            .queue
            .front()
            .is_some_and(|message| !message.is_acked());
        self.advance |= self.begun > 0 && in_doubt;
        self.pop_front();
        incomplete
    }

    fn pop_front(&mut self) {
        let Some(message) = self.queue.pop_front() else {
            return;
        };
        self.bytes -= message.data.len();
        if self.begun > 0 {
            self.lost.retain(|&lost| lost != self.first);
            self.first += 1;
            self.begun -= 1;
            self.begun_bytes -= message.data.len();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::config::Class;
    use crate::proto::framing::segment::{self, Segment};

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn control() -> Sender {
        Sender::new(&ChannelConfig::new(1, "control", Class::Control), None)
    }

    fn video() -> Sender {
        Sender::new(
            &ChannelConfig::new(1, "video", Class::Video),
            Some(Duration::from_millis(400)),
        )
    }

    /// Sends one segment; says what it is and which part it was.
    fn send(sender: &mut Sender, space: usize) -> Option<(String, Part)> {
        let mut body = Vec::new();
        let mut stats = SentStats::default();
        let (part, _) = sender.write(
            at(0),
            FlowId(1),
            space,
            &mut Writer::new(&mut body),
            &mut stats,
        )?;
        assert!(body.len() <= space, "{} bytes in {space}", body.len());
        let mut rest = body.as_slice();
        let words = match segment::Reader::default().next(&mut rest)? {
            Segment::Message { number, data, .. } => {
                format!("message {} {}", number.nearest(0), data.bytes.len())
            }
            Segment::Piece {
                number,
                offset,
                last,
                data,
                ..
            } => {
                format!(
                    "piece {} {offset}+{}{}",
                    number.nearest(0),
                    data.len(),
                    if last { " last" } else { "" }
                )
            }
            Segment::Advance { number, .. } => format!("advance {}", number.nearest(0)),
            other => panic!("{other:?}"),
        };
        Some((words, part))
    }

    #[test]
    fn a_message_that_fits_goes_whole_and_a_larger_one_in_pieces() {
        let mut sender = control();
        sender.accept(at(0), Bytes::from(vec![1; 97])).unwrap();
        sender.accept(at(0), Bytes::from(vec![2; 150])).unwrap();
        assert_eq!(send(&mut sender, 100).unwrap().0, "message 0 97");
        assert_eq!(send(&mut sender, 100).unwrap().0, "piece 1 0+94");
        assert_eq!(send(&mut sender, 100).unwrap().0, "piece 1 94+60 last");
        assert!(send(&mut sender, 100).is_none());
    }

    #[test]
    fn lost_parts_go_first_and_only_they_go_again() {
        let mut sender = control();
        sender.accept(at(0), Bytes::from(vec![2; 250])).unwrap();
        let parts: Vec<_> = (0..2).map(|_| send(&mut sender, 100).unwrap().1).collect();
        sender.on_lost(parts[0]);
        sender.on_acked(parts[1]);
        let (words, again) = send(&mut sender, 60).unwrap();
        assert_eq!(words, "piece 0 0+54");
        assert_eq!(send(&mut sender, 60).unwrap().0, "piece 0 54+40");
        assert_eq!(send(&mut sender, 100).unwrap().0, "piece 0 188+66 last");
        // What was taken for lost arrives all the same.
        sender.on_acked(parts[0]);
        sender.on_lost(again);
        assert!(send(&mut sender, 100).is_none());
    }

    #[test]
    fn control_refuses_when_full_and_video_drops_its_oldest() {
        let config = ChannelConfig {
            queue_datagrams: 2,
            ..ChannelConfig::new(1, "x", Class::Control)
        };
        let mut sender = Sender::new(&config, None);
        for _ in 0..2 {
            assert_eq!(sender.accept(at(0), Bytes::from_static(b"a")), Ok(0));
        }
        assert_eq!(
            sender.accept(at(0), Bytes::from_static(b"a")),
            Err(Refused::QueueFull)
        );
        let mut sender = Sender::new(&config, Some(Duration::from_secs(1)));
        for dropped in [0, 0, 1, 1] {
            assert_eq!(sender.accept(at(0), Bytes::from_static(b"a")), Ok(dropped));
        }
        assert_eq!(sender.queued(), (2, 2));
    }

    #[test]
    fn what_expires_unsent_leaves_no_gap_and_what_was_begun_is_announced() {
        let mut sender = video();
        for ms in [0, 10] {
            sender.accept(at(ms), Bytes::from(vec![0; 80])).unwrap();
        }
        assert_eq!(sender.expire(at(399)), 0);
        assert_eq!(sender.expire(at(400)), 1);
        assert_eq!(
            send(&mut sender, 60).unwrap().0,
            "piece 0 0+54",
            "the second got number 0"
        );
        assert_eq!(sender.expire(at(809)), 0, "begun in time");
        assert_eq!(sender.expire(at(810)), 1);
        sender.accept(at(810), Bytes::from(vec![0; 80])).unwrap();
        assert_eq!(send(&mut sender, 100).unwrap().0, "advance 1");
        assert_eq!(send(&mut sender, 100).unwrap().0, "message 1 80");
        assert_eq!(sender.expire(at(1300)), 0, "was sent completely");
        let (words, advance) = send(&mut sender, 100).unwrap();
        assert_eq!(words, "advance 2");
        sender.on_lost(advance);
        assert_eq!(send(&mut sender, 100).unwrap().0, "advance 2");
        assert!(!sender.has_data());
    }

    #[test]
    fn a_new_session_begins_with_what_did_not_arrive() {
        let mut sender = control();
        for size in [10, 20, 30, 40] {
            sender.accept(at(0), Bytes::from(vec![0; size])).unwrap();
        }
        let parts: Vec<_> = (0..3).map(|_| send(&mut sender, 100).unwrap().1).collect();
        sender.on_acked(parts[0]);
        sender.on_lost(parts[1]);
        // The far end remembers that it had delivered numbers 0 and 1.
        sender.restart(2);
        assert_eq!(send(&mut sender, 100).unwrap().0, "message 0 30");
        assert_eq!(send(&mut sender, 100).unwrap().0, "message 1 40");
        assert!(send(&mut sender, 100).is_none());
    }

    #[test]
    fn no_more_is_begun_than_the_receiver_has_room_for() {
        let mut sender = control();
        for _ in 0..10 {
            sender.accept(at(0), Bytes::from(vec![0; 60_000])).unwrap();
        }
        let mut sent = 0;
        while send(&mut sender, 2000).is_some() {
            sent += 1;
        }
        assert!(
            sent * 1900 <= WINDOW && sender.begun == 4,
            "{sent} {}",
            sender.begun
        );
    }
}
