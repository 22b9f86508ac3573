//! The way to the far end, by its clock: how long it takes when nothing waits.
//!
//! Nobody knows what the two clocks differ by, and nobody has to: only how much later one frame came than
//! another counts. They may drift apart: the shortest way is that of the last seconds.

use super::micros;
use crate::proto::framing::report::HOLD_UNIT;
use crate::proto::time::{Duration, Instant};

/// The shortest way of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Base {
    /// In this window and in the one before, microseconds.
    least: [Option<i64>; 2],
    since: Instant,
}

/// Two of these are looked at.
const WINDOW: Duration = Duration::from_secs(8);

impl Base {
    /// Takes the way of a frame; says which is the shortest.
    pub(super) fn take(&mut self, now: Instant, late: i64) -> i64 {
        if now.since(self.since) >= WINDOW {
            self.least = [None, self.least[0]];
            self.since = now;
        }
        let least = self.least[0].map_or(late, |least| least.min(late));
        self.least[0] = Some(least);
        self.least[1].map_or(least, |before| before.min(least))
    }

    /// The way became longer.
    pub(super) fn raise(&mut self, by: i64) {
        for least in self.least.iter_mut().flatten() {
            *least += by;
        }
    }
}

/// The far end's clock, of which the low bits travel.
#[derive(Debug, Default)]
pub(super) struct FarClock {
    last: Option<(u16, Instant, i64)>,
}

impl FarClock {
    /// Microseconds by that clock, from anywhere. Between two reports it runs about as ours.
    pub(super) fn unwrap(&mut self, at: u16, heard: Instant) -> i64 {
        let unit = HOLD_UNIT.as_micros() as i64;
        let there = match self.last {
            None => i64::from(at) * unit,
            Some((last, last_heard, there)) => {
                let turn = (1 << 16) * unit;
                let short = i64::from(at.wrapping_sub(last)) * unit;
                let expected = micros(heard) - micros(last_heard);
                let turns = (expected - short + turn / 2).div_euclid(turn);
                there + short + turns * turn
            }
        };
        self.last = Some((at, heard, there));
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports with such pauses between them, by a far end's clock that is wrong by so many parts of a
    /// million.
    fn unwraps(drift: f64, pauses: impl Iterator<Item = f64>) {
        let mut clock = FarClock::default();
        let (mut now, mut begun) = (1.0, None);
        for (n, pause) in pauses.enumerate() {
            now += pause;
            let there = 7_777.0 + now * (1.0 + drift / 1e6);
            let at = (there * 4000.0) as u64 as u16;
            // The report's own way is not always as long.
            let heard = now + 0.02 * (n % 7) as f64;
            let found = clock.unwrap(at, Instant::from_micros((heard * 1e6) as u64));
            let (first, first_there) = *begun.get_or_insert((found, there));
            let wrong = (found - first) as f64 / 1e6 - (there - first_there);
            assert!(wrong.abs() < 0.001, "report {n} at {now:.1} s: {wrong} s");
        }
    }

    #[test]
    fn sixteen_bits_tell_the_far_clock_for_hours() {
        for drift in [-200.0, 0.0, 200.0] {
            unwraps(drift, (0..4 * 3600 * 4).map(|_| 0.25));
            unwraps(drift, (0..500).map(|n| f64::from(n) * 0.1));
            // An hour without a word.
            unwraps(
                drift,
                [0.1, 3600.0, 0.1, 16.384, 8.0, 8.2]
                    .into_iter()
                    .cycle()
                    .take(100),
            );
        }
    }

    #[test]
    fn the_shortest_way_is_that_of_the_last_seconds() {
        let mut base = Base::default();
        let at = |ms: u64| Instant::from_micros(ms * 1000);
        assert_eq!(base.take(at(0), 40_000), 40_000);
        assert_eq!(base.take(at(100), 45_000), 40_000);
        assert_eq!(base.take(at(200), 39_000), 39_000);
        assert_eq!(base.take(at(8_100), 60_000), 39_000);
        assert_eq!(base.take(at(16_200), 60_000), 60_000);
        base.raise(5_000);
        assert_eq!(base.take(at(16_300), 70_000), 65_000);
    }
}
