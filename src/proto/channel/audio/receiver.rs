//! Audio packets that come in.
//!
//! A line never reorders, so each is given out at once. What is sent once more comes behind
//! newer packets; it is given out when it was missing, and changes nothing for those that come.

use bytes::Bytes;

use crate::proto::channel::rtp::restore::{Place, Restorer};
use crate::proto::framing::segment::{Cut, Data};
use crate::proto::stats::ReceivedStats;

/// Packets that come in.
#[derive(Debug, Default)]
pub(in super::super) struct Receiver {
    /// Number of the next packet, without those sent once more.
    expected: u64,
    restorer: Restorer,
    seen: Seen,
    /// Packets were refused, and nobody knows how many: `expected` may be behind.
    adrift: bool,
}

impl Receiver {
    /// Takes packets; says whether some are missing in front of them.
    pub(in super::super) fn on_packet(
        &mut self,
        place: Place,
        number: Cut,
        data: Data<'_>,
        stats: &mut ReceivedStats,
        deliver: &mut dyn FnMut(Bytes),
    ) -> bool {
        let number = number.at_least(self.expected);
        let count = if data.compressed {
            self.restorer.packets(place, data.bytes, deliver)
        } else {
            deliver(Bytes::copy_from_slice(data.bytes));
            Some(1)
        };
        let Some(count) = count else {
            stats.refused += 1;
            return false;
        };
        self.came(number, count, stats)
    }

    /// The same with a steady packet.
    pub(in super::super) fn on_steady(
        &mut self,
        place: Place,
        slot: usize,
        low: u8,
        payloads: &[u8],
        stats: &mut ReceivedStats,
        deliver: &mut dyn FnMut(Bytes),
    ) -> bool {
        let restored = self.restorer.steady(place, slot, low, payloads, deliver);
        let Some((count, lost)) = restored else {
            stats.refused += 1;
            self.adrift = true;
            return false;
        };
        self.came(self.expected + lost, count, stats)
    }

    /// Takes packets that were sent before.
    pub(in super::super) fn on_again(
        &mut self,
        number: Cut,
        data: Data<'_>,
        stats: &mut ReceivedStats,
        deliver: &mut dyn FnMut(Bytes),
    ) {
        if self.adrift {
            // Which of them came is not known.
            stats.repeated += 1;
            return;
        }
        let first = number.nearest(self.expected);
        let mut take = |index: u64, packet: &mut dyn FnMut() -> Bytes| {
            let number = first + index;
            if self.seen.has(number) {
                stats.repeated += 1;
                return;
            }
            self.seen.mark(number);
            stats.recovered += 1;
            if number < self.expected {
                stats.missing = stats.missing.saturating_sub(1);
            }
            deliver(packet());
        };
        if data.compressed {
            if self.restorer.again(data.bytes, &mut take).is_none() {
                stats.refused += 1;
            }
        } else {
            take(0, &mut || Bytes::copy_from_slice(data.bytes));
        }
    }

    /// Notes packets that were not sent before; says whether some are missing in front of them.
    fn came(&mut self, number: u64, count: u64, stats: &mut ReceivedStats) -> bool {
        let missing = (self.expected..number).filter(|&number| !self.seen.has(number));
        let missing = missing.count() as u64;
        stats.missing += missing;
        (number..number + count).for_each(|number| self.seen.mark(number));
        self.expected = number + count;
        self.adrift = false;
        missing > 0
    }
}

/// Which of the last packets came.
#[derive(Debug, Default)]
struct Seen {
    /// One more than the largest number.
    end: u64,
    /// Bit i: packet `end - 1 - i` came.
    map: u64,
}

impl Seen {
    /// Whether a packet came. Of those long ago that is taken for granted.
    fn has(&self, number: u64) -> bool {
        let Some(below) = self.end.checked_sub(number + 1) else {
            return false;
        };
        below >= u64::from(u64::BITS) || self.map >> below & 1 == 1
    }

    fn mark(&mut self, number: u64) {
        if number >= self.end {
            let by = u32::try_from(number - self.end + 1).unwrap_or(u64::BITS);
            self.map = self.map.checked_shl(by).unwrap_or(0) | 1;
            self.end = number + 1;
        } else if self.end - 1 - number < u64::from(u64::BITS) {
            self.map |= 1 << (self.end - 1 - number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(bytes: &[u8]) -> Data<'_> {
        Data {
            compressed: false,
            bytes,
        }
    }

    #[test]
    fn losses_are_counted() {
        let mut receiver = Receiver::default();
        let mut stats = ReceivedStats::default();
        let place = Place { line: 0, absent: 0 };
        let mut delivered = 0;
        for low in [0, 3, 4, 2] {
            let number = Cut::for_packet(low);
            receiver.on_packet(place, number, raw(b"x"), &mut stats, &mut |_| {
                delivered += 1;
            });
        }
        // The last one: the numbers have gone round.
        assert_eq!((delivered, stats.missing), (4, 2 + 61));
    }

    #[test]
    fn what_was_missing_is_recovered_and_what_came_is_not_delivered_twice() {
        let mut receiver = Receiver::default();
        let mut stats = ReceivedStats::default();
        let place = Place { line: 0, absent: 0 };
        let mut delivered = Vec::new();
        let mut deliver = |packet: Bytes| delivered.push(packet[0]);
        let mut packet = |number: u8, again: bool| {
            let (cut, data) = (Cut::for_packet(u64::from(number)), [number]);
            if again {
                receiver.on_again(cut, raw(&data), &mut stats, &mut deliver);
            } else {
                receiver.on_packet(place, cut, raw(&data), &mut stats, &mut deliver);
            }
        };
        for (number, again) in [
            (0, false),
            (3, false),
            (2, true),
            (2, true),
            (3, true),
            // Nothing new arrived since; then number 6 tells that 4 is missing.
            (5, true),
            (5, true),
            (6, false),
            (5, true),
        ] {
            packet(number, again);
        }
        assert_eq!(delivered, [0, 3, 2, 5, 6]);
        assert_eq!(
            (stats.missing, stats.recovered, stats.repeated),
            (2, 2, 4),
            "1 and 4 never came"
        );
    }

    #[test]
    fn behind_refused_packets_nothing_is_taken_again_until_a_whole_number_comes() {
        let mut receiver = Receiver::default();
        let mut stats = ReceivedStats::default();
        let place = Place { line: 0, absent: 0 };
        let mut delivered = 0;
        let mut deliver = |_| delivered += 1;
        // No context: how many of these there were is not known.
        let (number, later) = (Cut::for_packet(3), Cut::for_packet(5));
        receiver.on_steady(place, 0, 1, b"x", &mut stats, &mut deliver);
        receiver.on_again(number, raw(b"x"), &mut stats, &mut deliver);
        receiver.on_packet(place, later, raw(b"y"), &mut stats, &mut deliver);
        receiver.on_again(number, raw(b"x"), &mut stats, &mut deliver);
        assert_eq!((delivered, stats.refused), (2, 1));
        assert_eq!((stats.repeated, stats.recovered), (1, 1));
    }

    #[test]
    fn the_memory_of_what_came_goes_round() {
        let mut seen = Seen::default();
        for number in (0..1000).filter(|number| number % 3 != 0) {
            seen.mark(number);
        }
        for number in 936..1000 {
            assert_eq!(seen.has(number), number % 3 != 0, "{number}");
        }
        assert!(seen.has(0) && !seen.has(1000));
        seen.mark(5000);
        assert!(seen.has(5000) && !seen.has(4999) && !seen.has(4937) && seen.has(4936));
    }
}
