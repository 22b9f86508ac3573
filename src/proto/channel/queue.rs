//! Messages on their way out: video and RTCP until their deadline, control until they arrived.
//!
//! A message gets its number when its first byte is sent, so what is dropped in the queue leaves no
//! gap. What the line reports as lost is sent again in new frames. Which messages are worth the
//! line is for [`video`](super::video): what it drops goes frame by frame, and what of a frame was
//! begun is given up in its place, since it has its number.

mod write;

use std::collections::VecDeque;

use bytes::Bytes;

use super::Part;
use super::message::Message;
use super::rtp::compress::{Compressor, Keep};
use super::video::{Drop, FrameId, Frames};
use crate::proto::config::ChannelConfig;
use crate::proto::error::Refused;
use crate::proto::framing::segment::MESSAGE_WINDOW;
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
    frames: Option<Box<Frames>>,
    /// Number of the front of the queue.
    first: u64,
    /// How many, from the front, have been begun, and their bytes.
    begun: usize,
    begun_bytes: usize,
    /// Messages with lost parts, oldest first.
    lost: VecDeque<u64>,
    /// The far end must be told that it waits in vain.
    advance: bool,
    /// For flows that carry RTP.
    compressor: Option<Compressor>,
    /// Messages in the queue that are given up.
    given_up: usize,
}

/// Most bytes that may be begun and not acknowledged, unless a single message is larger. The
/// receiver has room for twice as many.
pub(super) const WINDOW: usize = 256 << 10;

impl Sender {
    /// For messages that are kept until they are acknowledged, or for frames with a deadline.
    pub(super) fn new(config: &ChannelConfig, frames: Option<Frames>) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            most_bytes: config.queue_bytes,
            most_messages: config.queue_datagrams,
            frames: frames.map(Box::new),
            first: 0,
            begun: 0,
            begun_bytes: 0,
            lost: VecDeque::new(),
            advance: false,
            given_up: 0,
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

    /// Takes a message, if need be in the place of old ones. A packet of a frame that was dropped
    /// is dropped.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        data: Bytes,
        stats: &mut SentStats,
    ) -> Result<(), Refused> {
        let mut frame = 0;
        if let Some(frames) = &mut self.frames {
            frame = frames.frame_of(now, &data);
        } else if self.is_full_for(&data) {
            return Err(Refused::QueueFull);
        }
        while self.is_full_for(&data)
            && let Some(oldest) = self.queue.front().map(|message| message.frame)
        {
            self.drop_frame(oldest, Drop::QueueFull, stats);
        }
        if let Some(Err(reason)) = self.frames.as_mut().map(|frames| frames.join(frame)) {
            count(stats, reason, 1);
            return Ok(());
        }
        self.bytes += data.len();
        self.queue.push_back(Message::new(frame, data));
        if let Some(frames) = &mut self.frames {
            frames.service.on_waiting(now);
        }
        Ok(())
    }

    fn is_full_for(&self, data: &Bytes) -> bool {
        self.queue.len() >= self.most_messages.max(1)
            || (self.bytes + data.len() > self.most_bytes && !self.queue.is_empty())
    }

    /// Drops what is late, or waits for a picture that did not go.
    pub(super) fn expire(&mut self, now: Instant, stats: &mut SentStats) {
        while let Some(late) = self.frames.as_ref().and_then(|frames| frames.expired(now)) {
            self.drop_frame(late, Drop::Late, stats);
        }
        while let Some(frame) = self.frames.as_deref().and_then(Frames::dependent) {
            self.drop_frame(frame, Drop::Dependent, stats);
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.frames.as_ref()?.next_expiry()
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
            && self.queue[last].waiting().is_some()
        {
            return Some(last);
        }
        let next = self.queue.get(self.begun)?;
        let fits =
            self.begun_bytes + next.data.len() <= WINDOW && (self.begun as u64) < MESSAGE_WINDOW;
        (fits || self.begun == 0).then_some(self.begun)
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
        self.clear_front();
    }

    pub(super) fn on_lost(&mut self, part: Part) {
        match part {
            Part::Packet { .. } | Part::Again { .. } => {}
            Part::Advance => self.advance = true,
            Part::Bytes { number, .. } if number < self.first => {
                // Its time was over before that was known: whoever waits for it waits in vain.
                if let Some(frames) = &mut self.frames {
                    frames.on_lost_for_good(number);
                    self.advance = true;
                }
            }
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
        if let Some(frames) = &mut self.frames {
            frames.service.on_interrupted();
        }
    }

    /// A round trip of the line was measured.
    pub(super) fn on_round_trip(&mut self, measured: Duration) {
        if let Some(frames) = &mut self.frames {
            frames.service.on_round_trip(measured);
        }
    }

    /// A new session: nothing is begun. The first `delivered` messages of the old one have arrived.
    pub(super) fn restart(&mut self, delivered: u64) {
        while self.begun > 0 && self.first < delivered {
            self.pop_front();
        }
        let waiting = self.queue.split_off(self.begun);
        for message in std::mem::replace(&mut self.queue, waiting)
            .into_iter()
            .rev()
        {
            if message.given_up {
                self.forget(&message);
            } else {
                let again = Message::new(message.frame, message.data);
                self.queue.push_front(again);
            }
        }
        if let Some(frames) = &mut self.frames {
            frames.restart();
        }
        self.given_up = 0;
        self.lost.clear();
        self.advance = false;
        self.first = 0;
        self.begun = 0;
        self.begun_bytes = 0;
        self.compressor = self.compressor.take().map(|_| Compressor::default());
    }

    /// A message that is begun and not given up.
    fn begun_message(&mut self, number: u64) -> Option<&mut Message> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let message = self.queue.get_mut(index).filter(|_| index < self.begun)?;
        (!message.given_up).then_some(message)
    }

    /// Drops a frame: what is not begun goes, and what is begun is given up. Counts the messages of
    /// which something was still to be sent.
    fn drop_frame(&mut self, frame: FrameId, reason: Drop, stats: &mut SentStats) {
        let Some(frames) = &mut self.frames else {
            return;
        };
        // Frames stand one behind the other, more or less: nobody looks through the whole queue.
        let packets = frames.packets(frame);
        let from = if frames.is_begun(frame) {
            0
        } else {
            self.begun
        };
        let behind = self.queue.range(from.min(self.queue.len())..);
        let of_frame = behind
            .filter(|message| message.frame == frame)
            .take(packets);
        let incomplete = of_frame
            .filter(|message| message.waiting().is_some())
            .count();
        count(stats, reason, incomplete as u64);
        frames.on_dropped(frame, reason, incomplete > 0);
        let mut left = packets;
        if from < self.begun {
            left -= self.give_up(frame).min(left);
        }
        let mut index = self.begun;
        while left > 0 && index < self.queue.len() {
            if self.queue[index].frame != frame {
                index += 1;
            } else if let Some(message) = self.queue.remove(index) {
                self.forget(&message);
                left -= 1;
            }
        }
        self.clear_front();
        if let (None, Some(frames)) = (self.next_message(), &mut self.frames) {
            frames.service.on_idle();
        }
    }

    /// Gives up what of a frame is begun; says how many messages that are.
    fn give_up(&mut self, frame: FrameId) -> usize {
        let mut messages = 0;
        for message in self.queue.range_mut(..self.begun) {
            if message.frame == frame {
                messages += 1;
                self.given_up += usize::from(!message.given_up);
                message.given_up = true;
            }
        }
        let (first, queue) = (self.first, &self.queue);
        self.lost.retain(|number| {
            let message = queue.get((number - first) as usize);
            message.is_some_and(|message| !message.given_up)
        });
        messages
    }

    /// Takes away what is done with at the front: what arrived, what is given up, and what was sent
    /// before it. A line never reorders, so that has arrived or is lost when the advance comes.
    fn clear_front(&mut self) {
        while let Some(front) = self.queue.front().filter(|_| self.begun > 0) {
            let is_sent = front.waiting().is_none();
            if !(front.is_acked() || is_sent && self.given_up > 0) {
                break;
            }
            self.advance |= !front.is_sent();
            self.pop_front();
        }
    }

    fn pop_front(&mut self) {
        let Some(message) = self.queue.pop_front() else {
            return;
        };
        if self.begun > 0 {
            self.lost.retain(|&lost| lost != self.first);
            self.first += 1;
            self.begun -= 1;
            self.begun_bytes -= message.data.len();
            self.given_up -= usize::from(message.given_up);
        }
        self.forget(&message);
    }

    /// A message has left the queue.
    fn forget(&mut self, message: &Message) {
        self.bytes -= message.data.len();
        if let Some(frames) = &mut self.frames {
            frames.on_left(message.frame);
        }
    }
}

fn count(stats: &mut SentStats, reason: Drop, messages: u64) {
    *match reason {
        Drop::Late => &mut stats.dropped_late,
        Drop::QueueFull => &mut stats.dropped_queue_full,
        Drop::Dependent => &mut stats.dropped_dependent,
    } += messages;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::config::Class;
    use crate::proto::framing::segment::{self, FlowId, Segment, Writer};

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn control() -> Sender {
        Sender::new(&ChannelConfig::new(1, "control", Class::Control), None)
    }

    fn video() -> Sender {
        Sender::new(
            &ChannelConfig::new(1, "video", Class::Video),
            Some(Frames::of_video(Duration::from_millis(400), false)),
        )
    }

    fn accept(sender: &mut Sender, ms: u64, size: usize) -> Result<(), Refused> {
        let data = Bytes::from(vec![0; size]);
        sender.accept(at(ms), data, &mut SentStats::default())
    }

    /// How many were dropped as late until then.
    fn expire(sender: &mut Sender, ms: u64) -> u64 {
        let mut stats = SentStats::default();
        sender.expire(at(ms), &mut stats);
        stats.dropped_late
    }

    impl Sender {
        /// No frame that was dropped has anything to send, and all sums are right.
        pub(in crate::proto::channel) fn assert_sound(&self) {
            let bytes = |messages: &mut dyn Iterator<Item = &Message>| -> usize {
                messages.map(|message| message.data.len()).sum()
            };
            assert_eq!(self.bytes, bytes(&mut self.queue.iter()));
            assert_eq!(self.begun_bytes, bytes(&mut self.queue.range(..self.begun)));
            let given_up = self.queue.iter().filter(|message| message.given_up);
            assert_eq!(self.given_up, given_up.count());
            let lost = self.queue.iter().enumerate();
            let lost = lost.filter(|(_, message)| !message.given_up && !message.lost.is_empty());
            let lost: Vec<u64> = lost.map(|(i, _)| self.first + i as u64).collect();
            assert_eq!(self.lost, lost);
            assert!(self.queue.front().is_none_or(|front| !front.given_up));
            let frames = self.frames.as_ref().expect("video");
            frames.assert_sound(|frame| {
                let of_frame = self.queue.iter().filter(|message| message.frame == frame);
                of_frame.map(|message| message.given_up).collect()
            });
        }
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
        accept(&mut sender, 0, 97).unwrap();
        accept(&mut sender, 0, 150).unwrap();
        assert_eq!(send(&mut sender, 100).unwrap().0, "message 0 97");
        assert_eq!(send(&mut sender, 100).unwrap().0, "piece 1 0+94");
        assert_eq!(send(&mut sender, 100).unwrap().0, "piece 1 94+60 last");
        assert!(send(&mut sender, 100).is_none());
    }

    #[test]
    fn a_rest_goes_whole_however_much_room_there_is() {
        let mut sender = control();
        accept(&mut sender, 0, 250).unwrap();
        let first = send(&mut sender, 100).unwrap().1;
        let second = send(&mut sender, 100).unwrap().1;
        let rest = send(&mut sender, usize::MAX).unwrap().0;
        assert_eq!(rest, "piece 0 188+66 last");
        sender.on_acked(first);
        sender.on_lost(second);
        let again = send(&mut sender, usize::MAX).unwrap().0;
        assert_eq!(again, "piece 0 94+94");
    }

    #[test]
    fn lost_parts_go_first_and_only_they_go_again() {
        let mut sender = control();
        accept(&mut sender, 0, 250).unwrap();
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
            assert_eq!(accept(&mut sender, 0, 1), Ok(()));
        }
        assert_eq!(accept(&mut sender, 0, 1), Err(Refused::QueueFull));
        let frames = Frames::of_video(Duration::from_secs(1), false);
        let mut sender = Sender::new(&config, Some(frames));
        let mut stats = SentStats::default();
        for dropped in [0, 0, 1, 2] {
            let data = Bytes::from_static(b"a");
            assert_eq!(sender.accept(at(0), data, &mut stats), Ok(()));
            assert_eq!(stats.dropped_queue_full, dropped);
        }
        assert_eq!(sender.queued(), (2, 2));
    }

    #[test]
    fn what_expires_unsent_leaves_no_gap_and_what_was_begun_is_announced() {
        let mut sender = video();
        for ms in [0, 10] {
            accept(&mut sender, ms, 80).unwrap();
        }
        assert_eq!(expire(&mut sender, 399), 0);
        assert_eq!(expire(&mut sender, 400), 1);
        assert_eq!(
            send(&mut sender, 60).unwrap().0,
            "piece 0 0+54",
            "the second got number 0"
        );
        assert_eq!(expire(&mut sender, 409), 0);
        assert_eq!(expire(&mut sender, 410), 1, "its rest");
        accept(&mut sender, 410, 80).unwrap();
        assert_eq!(send(&mut sender, 100).unwrap().0, "advance 1");
        let (words, last) = send(&mut sender, 100).unwrap();
        assert_eq!(words, "message 1 80");
        assert_eq!(expire(&mut sender, 900), 0, "was sent completely");
        assert!(!sender.has_data(), "it may well have arrived");
        sender.on_lost(last);
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
            accept(&mut sender, 0, size).unwrap();
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
            accept(&mut sender, 0, 60_000).unwrap();
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
