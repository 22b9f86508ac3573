//! A set of byte positions, kept as sorted ranges that do not touch.

use std::ops::Range;

/// Byte positions of a datagram: those received, acknowledged or lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    sorted: Vec<Range<u32>>,
}

impl Ranges {
    pub(super) const EMPTY: Self = Self { sorted: Vec::new() };

    pub(super) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// How many positions are in the set.
    pub(super) fn len(&self) -> usize {
        self.sorted.iter().map(ExactSizeIterator::len).sum()
    }

    /// Whether every position below `end` is in the set.
    pub(super) fn covers(&self, end: u32) -> bool {
        end == 0
            || self
                .sorted
                .first()
                .is_some_and(|first| first.start == 0 && first.end >= end)
    }

    /// Adds a range; false when all of it was there already.
    pub(super) fn insert(&mut self, range: Range<u32>) -> bool {
        if range.is_empty() {
            return false;
        }
        let from = self.sorted.partition_point(|known| known.end < range.start);
        let to = self
            .sorted
            .partition_point(|known| known.start <= range.end);
        let mut merged = range.clone();
        if let Some(touched) = self
            .sorted
            .get(from..to)
            .filter(|touched| !touched.is_empty())
        {
            let (first, last) = (&touched[0], &touched[touched.len() - 1]);
            if first.start <= range.start && first.end >= range.end {
                return false;
            }
            merged = first.start.min(range.start)..last.end.max(range.end);
        }
        self.sorted.splice(from..to, [merged]);
        true
    }

    /// Takes a range out.
    pub(super) fn remove(&mut self, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        let from = self
            .sorted
            .partition_point(|known| known.end <= range.start);
        let to = self.sorted.partition_point(|known| known.start < range.end);
        let Some(touched) = self
            .sorted
            .get(from..to)
            .filter(|touched| !touched.is_empty())
        else {
            return;
        };
        let left = touched[0].start..range.start;
        let right = range.end..touched[touched.len() - 1].end;
        let rest: Vec<_> = [left, right]
            .into_iter()
            .filter(|rest| !rest.is_empty())
            .collect();
        self.sorted.splice(from..to, rest);
    }

    /// Takes out everything that is in `other`.
    pub(super) fn remove_all(&mut self, other: &Self) {
        for range in &other.sorted {
            self.remove(range.clone());
        }
    }

    /// The first range.
    pub(super) fn first(&self) -> Option<Range<u32>> {
        self.sorted.first().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn does_what_a_plain_set_does(
            steps in prop::collection::vec((any::<bool>(), 0u32..60, 0u32..20), 0..40),
        ) {
            let mut ranges = Ranges::default();
            let mut plain = BTreeSet::new();
            for (insert, start, len) in steps {
                let range = start..start + len;
                if insert {
                    let grew = range.clone().any(|position| !plain.contains(&position));
                    prop_assert_eq!(ranges.insert(range.clone()), grew);
                    plain.extend(range);
                } else {
                    ranges.remove(range.clone());
                    plain.retain(|position| !range.contains(position));
                }
                let listed: Vec<u32> = ranges.sorted.iter().cloned().flatten().collect();
                prop_assert_eq!(ranges.len(), plain.len());
                prop_assert_eq!(&listed, &plain.iter().copied().collect::<Vec<_>>());
                prop_assert!(ranges.sorted.windows(2).all(|pair| pair[0].end < pair[1].start));
                for end in 0..80 {
                    prop_assert_eq!(ranges.covers(end), (0..end).all(|p| plain.contains(&p)));
                }
            }
        }
    }
}
