//! How errors are spread: the stretches without one between them.
//!
//! Promise: a few counters, however long the test is. At random the stretches are of all lengths; errors in
//! bursts leave many short ones and few long ones, and little between.

use serde::Serialize;

/// Decades of [`Intervals::decades`].
pub const DECADES: usize = 10;

/// The stretches without an error, so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Intervals {
    /// How many had 0 to 9 bits, 10 to 99, 100 to 999 and so on; the last has all longer ones.
    pub decades: [u64; DECADES],
    /// Bits of the longest, the one that lasts still among them.
    pub longest: u64,
    /// Groups of errors: those with fewer than 64 good bits between them are one.
    pub groups: u64,
    /// Bits of the longest group, from its first error to its last.
    pub longest_group: u64,
    /// Errors in all of them.
    #[serde(skip)]
    errors: u64,
    #[serde(skip)]
    bits: u64,
    /// Bits since the last error.
    #[serde(skip)]
    good: u64,
    /// Bits of the group that may go on.
    #[serde(skip)]
    group: u64,
}

impl Intervals {
    /// Takes the next bit.
    pub(super) fn push(&mut self, is_wrong: bool) {
        self.bits += 1;
        if !is_wrong {
            self.good += 1;
            self.longest = self.longest.max(self.good);
            return;
        }
        if self.errors > 0 {
            let decade = self.good.max(1).ilog10() as usize;
            self.decades[decade.min(DECADES - 1)] += 1;
        }
        if self.errors > 0 && self.good < GROUP {
            self.group += self.good + 1;
        } else {
            self.groups += 1;
            self.group = 1;
        }
        self.longest_group = self.longest_group.max(self.group);
        self.errors += 1;
        self.good = 0;
    }

    /// The stretch ends without an error: what comes next was not seen to follow.
    pub(super) fn interrupt(&mut self) {
        self.good = 0;
    }

    /// How far errors come together: 1 when they are spread at random, more in bursts. `None` while there are too
    /// few to tell.
    pub fn burstiness(&self) -> Option<f64> {
        if self.errors < FEW || self.groups == 0 {
            return None;
        }
        let rate = self.errors as f64 / self.bits as f64;
        // At random a group goes on with the chance that one of the next 64 bits is wrong.
        let at_random = (1.0 - rate).powi(-(GROUP as i32));
        Some(self.errors as f64 / self.groups as f64 / at_random)
    }
}

const GROUP: u64 = 64;
/// Below, chance alone makes pairs.
const FEW: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(wrong: impl IntoIterator<Item = u64>, bits: u64) -> Intervals {
        let wrong: std::collections::BTreeSet<u64> = wrong.into_iter().collect();
        let mut intervals = Intervals::default();
        (0..bits).for_each(|at| intervals.push(wrong.contains(&at)));
        intervals
    }

    #[test]
    fn a_stretch_counts_in_the_decade_of_its_length() {
        // 0, 9, 10, 99 and 100 good bits between them.
        let intervals = of([50, 51, 61, 72, 172, 273], 1000);
        assert_eq!(intervals.decades[..4], [2, 2, 1, 0]);
        assert_eq!(intervals.longest, 726);
    }

    #[test]
    fn a_group_ends_with_the_64th_good_bit() {
        let near = of([100, 164], 1000);
        assert_eq!((near.groups, near.longest_group), (1, 65));
        let far = of([100, 165], 1000);
        assert_eq!((far.groups, far.longest_group), (2, 1));
    }

    #[test]
    fn spread_errors_are_not_in_bursts_and_bunched_ones_are() {
        let spread = of((0..100).map(|n| n * 1009), 101_000);
        assert!(spread.burstiness().is_some_and(|b| b < 1.1));
        let bunched = of((0..100).map(|n| n / 20 * 20_000 + n % 20 * 3), 101_000);
        assert!(bunched.burstiness().is_some_and(|b| b > 10.0));
        assert_eq!(of([5, 50], 1000).burstiness(), None);
    }
}
