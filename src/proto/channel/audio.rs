//! Audio: packets go as they come, interrupt others, and are dropped when late.
//!
//! On a line that carries a frame for each packet in time, a packet in the steady form costs one
//! byte beside its payload. When the line is too slow for that, packets gather while the line is
//! busy, and those that wait share the next frame; none waits longer than its deadline.
//!
//! What the line lost may go once more ([`cover`]).

mod cover;
mod losses;
mod pace;
mod receiver;

use std::collections::VecDeque;

use bytes::Bytes;

use cover::Cover;
pub(super) use receiver::Receiver;

use super::Part;
use super::rtp::compress::{Compressor, Keep, Pace, Plan};
use super::rtp::steady::Steady;
use super::rtp::{Difference, Head, Header, KEEP_OVERHEAD, MOST_IN_RUN, Time};
use crate::proto::config::ChannelConfig;
use crate::proto::framing::segment::{
    AGAIN_OVERHEAD, FlowId, PACKET_OVERHEAD, STEADY_OVERHEAD, Writer,
};
use crate::proto::stats::SentStats;
use crate::proto::time::{Duration, Instant, earliest};

/// Packets on their way out.
#[derive(Debug)]
pub(super) struct Sender {
    queue: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    most_bytes: usize,
    most_packets: usize,
    deadline: Duration,
    next_number: u64,
    compressor: Compressor,
    steady: Steady,
    cover: Box<Cover>,
}

impl Sender {
    /// `place`: the flow's place among those that may send steady packets, if it has one.
    pub(super) fn new(config: &ChannelConfig, place: Option<u8>) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            most_bytes: config.queue_bytes,
            most_packets: config.queue_datagrams,
            deadline: config.deadline,
            next_number: 0,
            compressor: Compressor::default(),
            steady: Steady::new(place),
            cover: Box::new(Cover::new(config.deadline)),
        }
    }

    /// Takes a packet; says how many old ones had to go for it.
    pub(super) fn accept(&mut self, now: Instant, packet: Bytes) -> u64 {
        self.bytes += packet.len();
        self.cover.on_accepted(now);
        self.queue.push_back((now, packet));
        let mut dropped = 0;
        while self.queue.len() > self.most_packets.max(1)
            || (self.bytes > self.most_bytes && self.queue.len() > 1)
        {
            self.pop();
            dropped += 1;
        }
        dropped
    }

    pub(super) fn expire(&mut self, now: Instant) -> u64 {
        self.cover.update(now);
        self.steady.set_repeats(self.cover.repeats());
        let mut dropped = 0;
        while self.first_expiry().is_some_and(|at| at <= now) {
            self.pop();
            dropped += 1;
        }
        dropped
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        earliest(self.first_expiry(), self.cover.wakes_at())
    }

    fn first_expiry(&self) -> Option<Instant> {
        self.queue
            .front()
            .map(|(accepted, _)| *accepted + self.deadline)
    }

    pub(super) fn has_data(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) fn queued(&self) -> (usize, usize) {
        (self.queue.len(), self.bytes)
    }

    pub(super) fn restart(&mut self) {
        self.next_number = 0;
        self.compressor = Compressor::default();
        self.steady.restart();
        self.cover.restart();
    }

    /// Writes one segment with a packet, or with several that wait. `certain`: the far end is
    /// known to have got what was sent a while ago.
    pub(super) fn write(
        &mut self,
        flow: FlowId,
        space: usize,
        certain: bool,
        writer: &mut Writer<'_>,
        stats: &mut SentStats,
    ) -> Option<(Part, Option<Keep>)> {
        let (_, packet) = self.queue.front()?;
        self.steady.on_waiting(self.queue.len());
        let share = self.steady.wanted_share();
        let plan = self.compressor.plan(packet, Pace::Packets, share);
        let number = self.next_number;
        let mut keep = None;
        match plan {
            Plan::Raw => {
                if packet.len() + PACKET_OVERHEAD > space {
                    return None;
                }
                writer.packet(flow, number, packet);
                self.steady.on_sent(number, None, false);
                self.sent(1, 0, stats);
            }
            Plan::Keep {
                slot,
                stride,
                share,
            } => {
                if packet.len() + PACKET_OVERHEAD + KEEP_OVERHEAD > space {
                    return None;
                }
                let head = Head::keep(slot, stride, share);
                writer.compressed_packet(flow, number, head.as_slice());
                writer.more(packet);
                keep = Some(self.compressor.on_kept(slot, stride, share, packet));
                self.steady.on_sent(number, None, false);
                self.sent(1, 0, stats);
            }
            Plan::Difference(difference) => {
                if !certain {
                    self.steady.doubt(number);
                }
                self.write_difference(flow, space, difference, writer, stats)?;
            }
        }
        let count = self.next_number - number;
        Some((Part::Packet { number, count }, keep))
    }

    /// Whether a packet should go once more; if so, whether because it was lost.
    pub(super) fn wants_again(&self) -> Option<bool> {
        self.cover.next().map(|number| self.cover.is_lost(number))
    }

    /// How long no packet of the equipment is expected; `None` when it pauses.
    pub(super) fn quiet_until_next(&self, now: Instant) -> Option<Duration> {
        self.cover.quiet_for(now)
    }

    /// Writes one segment with packets that go once more.
    pub(super) fn write_again(
        &mut self,
        flow: FlowId,
        space: usize,
        writer: &mut Writer<'_>,
        stats: &mut SentStats,
    ) -> Option<Part> {
        let number = self.cover.next()?;
        let packet = self.cover.packet(number)?;
        let space = space.checked_sub(AGAIN_OVERHEAD + PACKET_OVERHEAD)?;
        let mut count = 1;
        // Never as a packet whose header is kept: what the far end has must not change.
        if let Some(difference) = self.compressor.difference(packet) {
            let header = Header::of(packet)?.len();
            let payload = packet.len() - header;
            let head = Head::difference(&difference, 1).as_slice().len();
            let room = space.checked_sub(head + payload)?;
            if difference.time == Time::Linear {
                count = self.again_run(number, &difference, packet.len(), payload, room);
            }
            let head = Head::difference(&difference, count as usize);
            writer.again(flow, number, true, head.as_slice());
            for packet in (number..number + count).filter_map(|number| self.cover.packet(number)) {
                writer.more(&packet[header..]);
            }
        } else {
            space.checked_sub(packet.len())?;
            writer.again(flow, number, false, packet);
        }
        let lost = self.cover.on_again(number, count);
        stats.resent += lost;
        stats.repeated += count - lost;
        Some(Part::Again { number, count })
    }

    /// How many of the packets that go once more, from `first` on, can share a segment.
    fn again_run(
        &self,
        first: u64,
        difference: &Difference,
        length: usize,
        payload: usize,
        room: usize,
    ) -> u64 {
        let most = room.checked_div(payload).unwrap_or(0).min(MOST_IN_RUN - 1) as u64;
        let goes_on = |&number: &u64| {
            let sequence = difference.sequence.wrapping_add((number - first) as u16);
            self.cover.is_wanted(number)
                && self.cover.packet(number).is_some_and(|packet| {
                    packet.len() == length
                        && self.compressor.continues(difference.slot, sequence, packet)
                })
        };
        1 + (first + 1..=first + most).take_while(goes_on).count() as u64
    }

    /// Writes the first packet by its difference, and with it those that go on from there.
    fn write_difference(
        &mut self,
        flow: FlowId,
        space: usize,
        difference: Difference,
        writer: &mut Writer<'_>,
        stats: &mut SentStats,
    ) -> Option<()> {
        let (_, packet) = self.queue.front()?;
        let header = Header::of(packet)?.len();
        let payload = packet.len() - header;
        let slot = difference.slot;
        let head = Head::difference(&difference, 1).as_slice().len();
        let room = space.checked_sub(PACKET_OVERHEAD + head + payload)?;
        let count = match difference.time {
            Time::Linear => self.run_length(&difference, packet.len(), payload, room),
            _ => 1,
        };
        let (number, share) = (self.next_number, self.compressor.share(slot));
        if let Some(place) = self.steady.place(number, &difference, share)
            && self
                .compressor
                .shares(slot, count.min(share), payload * count.min(share))
            && (share > 1 || count == 1)
        {
            let count = count.min(share);
            let low = difference.sequence as u8 & 0x0F;
            writer.steady(place * 2 + slot as u8, low, &packet[header..]);
            for (_, packet) in self.queue.iter().take(count).skip(1) {
                writer.more(&packet[header..]);
            }
            let saved = (header + PACKET_OVERHEAD) * count - STEADY_OVERHEAD;
            self.differences_sent(count, &difference, true, saved, stats);
            return Some(());
        }
        let head = Head::difference(&difference, count);
        writer.compressed_packet(flow, number, head.as_slice());
        for (_, packet) in self.queue.iter().take(count) {
            writer.more(&packet[header..]);
        }
        let is_regular = self.steady.follows(&difference) && count <= share;
        let saved = header * count - head.as_slice().len();
        self.differences_sent(count, &difference, is_regular, saved, stats);
        self.steady.on_explicit();
        Some(())
    }

    /// Notes a frame with packets by their difference.
    fn differences_sent(
        &mut self,
        count: usize,
        first: &Difference,
        is_regular: bool,
        saved: usize,
        stats: &mut SentStats,
    ) {
        let last = first.sequence.wrapping_add(count as u16 - 1);
        let number = self.next_number + count as u64 - 1;
        self.steady
            .on_sent(number, Some((first.slot, last)), is_regular);
        self.sent(count, saved, stats);
    }

    /// How many of the packets that wait can share a segment: those of that length and payload.
    fn run_length(
        &self,
        first: &Difference,
        length: usize,
        payload: usize,
        mut room: usize,
    ) -> usize {
        let goes_on = |&(i, (_, packet)): &(usize, &(Instant, Bytes))| {
            let sequence = first.sequence.wrapping_add(i as u16);
            packet.len() == length && self.compressor.continues(first.slot, sequence, packet)
        };
        let others = self.queue.iter().enumerate().skip(1).take(MOST_IN_RUN - 1);
        let mut count = 1;
        for _ in others.take_while(goes_on) {
            // Empty payloads would not say how many they are.
            if payload > room || payload == 0 {
                break;
            }
            room -= payload;
            count += 1;
        }
        count
    }

    /// The first packets left the queue, and so many bytes of headers were saved: some if they went by
    /// a context.
    fn sent(&mut self, count: usize, saved: usize, stats: &mut SentStats) {
        let alone = self.steady.wanted_share() == 1;
        for _ in 0..count {
            if let Some((accepted, packet)) = self.pop() {
                let of_stream = (saved > 0).then_some(packet);
                self.cover.on_sent(accepted, of_stream, alone);
            }
        }
        self.next_number += count as u64;
        stats.sent += count as u64;
        if saved > 0 {
            stats.compressed += count as u64;
            stats.saved_bytes += saved as u64;
        }
    }

    pub(super) fn on_acked(&mut self, part: Part, keep: Option<Keep>) {
        match part {
            Part::Packet { number, count } => {
                self.steady.on_acked(number + count - 1);
                self.cover.on_settled(number, count, true);
            }
            Part::Again { number, count } => self.cover.on_repeats_settled(number, count, true),
            Part::Bytes { .. } | Part::Advance => {}
        }
        if let Some(keep) = keep {
            self.compressor.on_settled(keep, true);
        }
    }

    pub(super) fn on_lost(&mut self, part: Part, keep: Option<Keep>) {
        match part {
            Part::Packet { number, count } => self.cover.on_settled(number, count, false),
            Part::Again { number, count } => self.cover.on_repeats_settled(number, count, false),
            Part::Bytes { .. } | Part::Advance => {}
        }
        self.on_frame_lost();
        if let Some(keep) = keep {
            self.compressor.on_settled(keep, false);
        }
    }

    /// A frame of the line was lost, of whichever flow: the far end knows only that one is absent.
    pub(super) fn on_frame_lost(&mut self) {
        let share = self.compressor.share(self.steady.last_slot());
        self.steady.on_lost(self.next_number, share);
    }

    pub(super) fn on_round_trip(&mut self, measured: Duration) {
        self.cover.on_round_trip(measured);
    }

    fn pop(&mut self) -> Option<(Instant, Bytes)> {
        let (accepted, packet) = self.queue.pop_front()?;
        self.bytes -= packet.len();
        Some((accepted, packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::config::Class;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn sender() -> Sender {
        Sender::new(&ChannelConfig::new(1, "audio", Class::Audio), Some(0))
    }

    #[test]
    fn late_packets_are_dropped_at_the_sender() {
        let mut sender = sender();
        sender.accept(at(0), Bytes::from_static(b"a"));
        sender.accept(at(100), Bytes::from_static(b"b"));
        assert_eq!(sender.next_expiry(), Some(at(150)));
        assert_eq!(sender.expire(at(149)), 0);
        assert_eq!(sender.expire(at(150)), 1);
        assert_eq!(sender.queued(), (1, 1));
    }

    #[test]
    fn a_full_queue_drops_the_oldest() {
        let mut sender = sender();
        let dropped: u64 = (0..100)
            .map(|_| sender.accept(at(0), Bytes::from_static(b"x")))
            .sum();
        assert_eq!((dropped, sender.queued().0), (36, 64));
        assert_eq!(
            sender.accept(at(0), Bytes::from(vec![0; 1 << 20])),
            64,
            "the new one stays"
        );
    }
}
