//! Audio: packets go as they come, interrupt others, and are dropped when late.
//!
//! On a line that carries a frame for each packet in time, a packet in the steady form costs one
//! byte beside its payload. When the line is too slow for that, packets gather while the line is
//! busy, and those that wait share the next frame; none waits longer than its deadline.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Part;
use super::rtp::compress::{Compressor, Keep, Pace, Plan};
use super::rtp::restore::{Place, Restorer};
use super::rtp::steady::Steady;
use super::rtp::{Difference, Head, Header, KEEP_OVERHEAD, MOST_IN_RUN, Time};
use crate::proto::config::ChannelConfig;
use crate::proto::framing::segment::{Cut, Data, FlowId, PACKET_OVERHEAD, STEADY_OVERHEAD, Writer};
use crate::proto::stats::{ReceivedStats, SentStats};
use crate::proto::time::{Duration, Instant};

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
        }
    }

    /// Takes a packet; says how many old ones had to go for it.
    pub(super) fn accept(&mut self, now: Instant, packet: Bytes) -> u64 {
        self.bytes += packet.len();
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
        let mut dropped = 0;
        while self.next_expiry().is_some_and(|at| at <= now) {
            self.pop();
            dropped += 1;
        }
        dropped
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
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
        let number = self.next_number - 1;
        Some((Part::Packet { number }, keep))
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

    /// The first packets left the queue, and so many bytes of headers were saved.
    fn sent(&mut self, count: usize, saved: usize, stats: &mut SentStats) {
        for _ in 0..count {
            self.pop();
        }
        self.next_number += count as u64;
        stats.sent += count as u64;
        if saved > 0 {
            stats.compressed += count as u64;
            stats.saved_bytes += saved as u64;
        }
    }

    pub(super) fn on_acked(&mut self, part: Part, keep: Option<Keep>) {
        if let Part::Packet { number } = part {
            self.steady.on_acked(number);
        }
        if let Some(keep) = keep {
            self.compressor.on_settled(keep, true);
        }
    }

    pub(super) fn on_lost(&mut self, keep: Option<Keep>) {
        let share = self.compressor.share(self.steady.last_slot());
        self.steady.on_lost(self.next_number, share);
        if let Some(keep) = keep {
            self.compressor.on_settled(keep, false);
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        let (_, packet) = self.queue.pop_front()?;
        self.bytes -= packet.len();
        Some(packet)
    }
}

/// Packets that come in. A line never reorders, so each is given out at once.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    /// Number of the next packet; the numbers count what is missing, and nothing else.
    expected: u64,
    restorer: Restorer,
}

impl Receiver {
    pub(super) fn on_packet(
        &mut self,
        place: Place,
        number: Cut,
        data: Data<'_>,
        stats: &mut ReceivedStats,
        deliver: &mut dyn FnMut(Bytes),
    ) {
        let number = number.at_least(self.expected);
        let count = if data.compressed {
            self.restorer.packets(place, data.bytes, deliver)
        } else {
            deliver(Bytes::copy_from_slice(data.bytes));
            Some(1)
        };
        let Some(count) = count else {
            stats.refused += 1;
            return;
        };
        stats.missing += number - self.expected;
        self.expected = number + count;
    }

    pub(super) fn on_steady(
        &mut self,
        place: Place,
        slot: usize,
        low: u8,
        payloads: &[u8],
        stats: &mut ReceivedStats,
        deliver: &mut dyn FnMut(Bytes),
    ) {
        let restored = self.restorer.steady(place, slot, low, payloads, deliver);
        let Some((count, lost)) = restored else {
            stats.refused += 1;
            return;
        };
        stats.missing += lost;
        self.expected += lost + count;
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

    #[test]
    fn losses_are_counted() {
        let mut receiver = Receiver::default();
        let mut stats = ReceivedStats::default();
        let place = Place { line: 0, absent: 0 };
        let mut delivered = 0;
        for low in [0, 3, 4, 2] {
            let data = Data {
                compressed: false,
                bytes: b"x",
            };
            let number = Cut::for_packet(low);
            receiver.on_packet(place, number, data, &mut stats, &mut |_| delivered += 1);
        }
        // The last one: the numbers have gone round.
        assert_eq!((delivered, stats.missing), (4, 2 + 61));
    }
}
