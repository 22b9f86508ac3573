//! What came when: one entry for each second, or for several of a long test.
//!
//! Promise: bounded. When there are too many entries, each two become one.

use serde::Serialize;

use super::g821::{Grade, Second};

/// The seconds of a test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    /// Seconds for each entry.
    pub seconds_each: u64,
    /// The entries, the first first; the last may have fewer seconds.
    pub entries: Vec<Entry>,
}

/// Some seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// How many.
    pub seconds: u64,
    /// Bits compared.
    pub bits: u64,
    /// Those that were wrong.
    pub errors: u64,
    /// Slips.
    pub slips: u64,
    /// The worst of the seconds.
    pub worst: Grade,
    /// Those of them that were lost.
    pub lost: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            seconds_each: 1,
            entries: Vec::new(),
        }
    }
}

impl Timeline {
    /// Adds a second, and the slips in it.
    pub(super) fn push(&mut self, second: Second, slips: u64) {
        let entry = Entry {
            seconds: 1,
            bits: second.bits,
            errors: second.errors,
            slips,
            worst: second.grade(),
            lost: u64::from(second.is_lost),
        };
        match self.entries.last_mut() {
            Some(last) if last.seconds < self.seconds_each => *last = last.and(&entry),
            _ => self.entries.push(entry),
        }
        if self.entries.len() == MOST && self.entries[MOST - 1].seconds == self.seconds_each {
            let pairs = self.entries.chunks(2);
            self.entries = pairs
                .filter_map(|pair| pair.iter().copied().reduce(|a, b| a.and(&b)))
                .collect();
            self.seconds_each *= 2;
        }
    }
}

impl Entry {
    fn and(&self, other: &Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            bits: self.bits + other.bits,
            errors: self.errors + other.errors,
            slips: self.slips + other.slips,
            worst: self.worst.max(other.worst),
            lost: self.lost + other.lost,
        }
    }
}

const MOST: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_test_keeps_its_sums_in_bounded_memory() {
        let mut timeline = Timeline::default();
        for n in 0..100_000 {
            let second = Second {
                bits: 1000,
                errors: u64::from(n == 77_777),
                is_lost: n == 3,
            };
            timeline.push(second, u64::from(n == 5));
            assert!(timeline.entries.len() <= MOST);
        }
        let sum = |of: fn(&Entry) -> u64| timeline.entries.iter().map(of).sum::<u64>();
        assert_eq!(sum(|e| e.seconds), 100_000);
        assert_eq!(sum(|e| e.bits), 100_000_000);
        assert_eq!(
            (sum(|e| e.errors), sum(|e| e.slips), sum(|e| e.lost)),
            (1, 1, 1)
        );
        assert_eq!(timeline.seconds_each, 256);
        assert_eq!(timeline.entries[77_777 / 256].errors, 1);
        assert_eq!(timeline.entries[0].worst, Grade::SeverelyErrored);
    }

    #[test]
    fn a_short_test_has_each_second() {
        let mut timeline = Timeline::default();
        (0..599).for_each(|_| timeline.push(Second::default(), 0));
        assert_eq!((timeline.seconds_each, timeline.entries.len()), (1, 599));
        timeline.push(Second::default(), 0);
        assert_eq!((timeline.seconds_each, timeline.entries.len()), (2, 300));
    }
}
