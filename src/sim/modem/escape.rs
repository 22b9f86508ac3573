//! The escape from data to commands: `+++` between two silences.
//!
//! Promise: only three escape characters with a guard time before them, less than that between
//! them and a guard time after them count; the same three inside of data never do.

use crate::proto::time::{Duration, Instant};

/// Watches what the terminal sends as data.
#[derive(Clone, Copy, Debug)]
pub(super) struct EscapeWatch {
    last: Instant,
    /// Escape characters in a row after a silence.
    seen: u8,
}

impl EscapeWatch {
    /// Data begin now.
    pub(super) const fn new(now: Instant) -> Self {
        Self { last: now, seen: 0 }
    }

    /// The terminal sent a byte.
    pub(super) fn byte(&mut self, now: Instant, byte: u8, escape: Option<u8>, guard: Duration) {
        let silence = now.since(self.last) >= guard;
        self.last = now;
        self.seen = match (escape == Some(byte), self.seen) {
            (true, 0) if silence => 1,
            (true, seen @ 1..=2) if !silence => seen + 1,
            _ => 0,
        };
    }

    /// When the escape counts, if nothing comes before.
    pub(super) fn due(&self, guard: Duration) -> Option<Instant> {
        (self.seen == 3).then(|| self.last + guard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Duration = Duration::from_secs(1);

    /// Whether bytes at these milliseconds escape.
    fn escapes(bytes: &[(u64, u8)]) -> bool {
        let mut watch = EscapeWatch::new(Instant::ZERO);
        for &(at, byte) in bytes {
            watch.byte(Instant::from_micros(at * 1000), byte, Some(b'+'), GUARD);
        }
        watch.due(GUARD).is_some()
    }

    #[test]
    fn three_between_two_silences_escape_and_nothing_else() {
        assert!(escapes(&[(1000, b'+'), (1100, b'+'), (1999, b'+')]));
        assert!(!escapes(&[(999, b'+'), (1100, b'+'), (1200, b'+')]));
        assert!(!escapes(&[(1000, b'+'), (2000, b'+'), (2100, b'+')]));
        assert!(!escapes(&[(1000, b'+'), (1100, b'+')]));
        let four = [(1000, b'+'), (1100, b'+'), (1200, b'+'), (1300, b'+')];
        assert!(!escapes(&four));
        assert!(!escapes(&[
            (1000, b'+'),
            (1100, b'+'),
            (1200, b'+'),
            (1300, 0)
        ]));
        assert!(!escapes(&[
            (1000, b'x'),
            (1100, b'+'),
            (1200, b'+'),
            (1300, b'+')
        ]));
    }

    #[test]
    fn an_escape_counts_a_guard_time_after_the_last_and_not_when_it_is_forbidden() {
        let at = Instant::from_micros;
        let mut watch = EscapeWatch::new(Instant::ZERO);
        let mut forbidden = watch;
        for at in [at(1_000_000), at(1_100_000), at(1_200_000)] {
            watch.byte(at, b'+', Some(b'+'), GUARD);
            forbidden.byte(at, b'+', None, GUARD);
        }
        assert_eq!(watch.due(GUARD), Some(at(2_200_000)));
        assert_eq!(forbidden.due(GUARD), None);
    }
}
