//! Audio: packets go as they come, interrupt others, and are dropped when late.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Part;
use crate::proto::config::ChannelConfig;
use crate::proto::framing::segment::{Cut, FlowId, PACKET_OVERHEAD, Writer};
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
}

impl Sender {
    pub(super) fn new(config: &ChannelConfig) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            most_bytes: config.queue_bytes,
            most_packets: config.queue_datagrams,
            deadline: config.deadline,
            next_number: 0,
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
    }

    pub(super) fn write(
        &mut self,
        flow: FlowId,
        space: usize,
        writer: &mut Writer<'_>,
        stats: &mut SentStats,
    ) -> Option<Part> {
        let (_, packet) = self.queue.front()?;
        if packet.len() + PACKET_OVERHEAD > space {
            return None;
        }
        let packet = self.pop()?;
        writer.packet(flow, self.next_number, &packet);
        self.next_number += 1;
        stats.sent += 1;
        Some(Part::Packet)
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
    expected: u64,
    last: Option<Instant>,
}

/// After such a pause any number may come: seven bits cannot tell how many were lost.
const FORGET: Duration = Duration::from_millis(500);

impl Receiver {
    pub(super) fn on_packet(
        &mut self,
        now: Instant,
        number: Cut,
        data: &[u8],
        stats: &mut ReceivedStats,
    ) -> Option<Bytes> {
        let fresh = self.last.is_none_or(|last| now.since(last) > FORGET);
        let number = if fresh {
            number.at_least(self.expected)
        } else {
            number.nearest(self.expected)
        };
        if number < self.expected {
            stats.repeated += 1;
            return None;
        }
        stats.missing += number - self.expected;
        self.expected = number + 1;
        self.last = Some(now);
        Some(Bytes::copy_from_slice(data))
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
        Sender::new(&ChannelConfig::new(1, "audio", Class::Audio))
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
    fn losses_are_counted_and_old_packets_not_given_out() {
        let mut receiver = Receiver::default();
        let mut stats = ReceivedStats::default();
        let mut take = |ms, low| {
            receiver
                .on_packet(at(ms), Cut::for_packet(low), b"x", &mut stats)
                .is_some()
        };
        assert!(take(0, 0));
        assert!(take(20, 3));
        assert!(!take(40, 2));
        assert!(take(60, 4));
        // A cut of many seconds: the numbers have gone round.
        assert!(take(9000, 2));
        assert_eq!((stats.missing, stats.repeated), (2 + 125, 1));
    }
}
