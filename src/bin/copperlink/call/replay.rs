//! Recorded equipment: sends what it sent then, at the same intervals, over and over.

use std::sync::Arc;

use bytes::Bytes;

use copperlink::proto::config::PortKind;
use copperlink::proto::time::{Duration, Instant};
use copperlink::sim::Source;

use crate::media::Packet;

/// One port of one end of a recording.
#[derive(Debug)]
pub(super) struct Replay {
    packets: Arc<[Packet]>,
    /// How long the recording is; then it begins again.
    length: Duration,
    next: usize,
    round_began: Instant,
}

impl Replay {
    /// Plays those of the packets that are of that kind.
    pub(super) fn new(packets: &[Packet], kind: PortKind, length: Duration) -> Self {
        let packets = packets.iter().filter(|packet| packet.kind == kind);
        Self {
            packets: packets.cloned().collect(),
            length,
            next: 0,
            round_began: Instant::ZERO,
        }
    }
}

impl Source for Replay {
    fn poll_timeout(&self) -> Option<Instant> {
        let packet = self.packets.get(self.next)?;
        Some(self.round_began + packet.at)
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        if self.poll_timeout()? > now {
            return None;
        }
        let payload = self.packets[self.next].payload.clone();
        self.next += 1;
        if self.next == self.packets.len() {
            self.next = 0;
            self.round_began += self.length;
        }
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_begins_again_when_it_is_over() {
        let packet = |ms, kind| Packet {
            at: Duration::from_millis(ms),
            kind,
            payload: Bytes::copy_from_slice(&[ms as u8]),
        };
        let packets = [
            packet(10, PortKind::Media),
            packet(20, PortKind::Rtcp),
            packet(30, PortKind::Media),
        ];
        let mut replay = Replay::new(&packets, PortKind::Media, Duration::from_millis(50));
        let mut sent = Vec::new();
        for _ in 0..5 {
            let due = replay.poll_timeout().unwrap();
            assert_eq!(
                replay.poll_datagram(Instant::from_micros(due.as_micros() - 1)),
                None
            );
            let payload = replay.poll_datagram(due).unwrap();
            sent.push((due.as_micros() / 1000, payload[0]));
        }
        assert_eq!(sent, [(10, 10), (30, 30), (60, 10), (80, 30), (110, 10)]);
        let empty = Replay::new(&[], PortKind::Rtcp, Duration::from_millis(50));
        assert_eq!(empty.poll_timeout(), None);
    }
}
