//! When each byte of a line's queue has left, without rounding drift.
//!
//! Promise: the n-th byte of an unbroken run ends exactly 10 n bit times after the run began,
//! told in the first microsecond that is not earlier. What the bytes are is left to others.

use crate::proto::time::{BitRate, Duration, Instant};

/// The end of the byte that is on the line, or of the last one that was.
#[derive(Clone, Debug)]
pub(super) struct LineClock {
    rate: u64,
    micros: u64,
    /// What is left over, in 1 / `rate` microseconds; below `rate`.
    fraction: u64,
}

impl LineClock {
    pub(super) fn new(rate: BitRate) -> Self {
        Self {
            rate: u64::from(rate.bits_per_second()),
            micros: 0,
            fraction: 0,
        }
    }

    /// A byte begins on an idle line. In the very microsecond in which the last one ended it
    /// follows it without a gap, so a caller that is never late loses no line time.
    pub(super) fn begin(&mut self, now: Instant) {
        if now > self.end() {
            self.micros = now.as_micros();
            self.fraction = 0;
        }
        self.follow();
    }

    /// The next byte begins where the last one ended.
    pub(super) const fn follow(&mut self) {
        self.micros = self.micros.saturating_add(BYTE / self.rate);
        self.fraction += BYTE % self.rate;
        if self.fraction >= self.rate {
            self.fraction -= self.rate;
            self.micros = self.micros.saturating_add(1);
        }
    }

    /// When the byte on the line has left.
    pub(super) fn end(&self) -> Instant {
        Instant::from_micros(self.micros.saturating_add(u64::from(self.fraction > 0)))
    }

    /// When the `n`-th byte has left; the first is the one on the line.
    pub(super) fn end_of(&self, n: usize) -> Instant {
        let later = (n as u64).saturating_sub(1).saturating_mul(BYTE);
        let micros = self.fraction.saturating_add(later).div_ceil(self.rate);
        Instant::from_micros(self.micros.saturating_add(micros))
    }

    /// How many of the bytes have left at `now`, at most `most`.
    pub(super) fn ended_by(&self, now: Instant, most: usize) -> usize {
        if self.end() > now {
            return 0;
        }
        let elapsed = u128::from(now.as_micros() - self.micros) * u128::from(self.rate);
        let more = (elapsed - u128::from(self.fraction)) / u128::from(BYTE);
        usize::try_from(more).map_or(most, |more| more.saturating_add(1).min(most))
    }

    /// The bytes after the one on the line go at this rate.
    pub(super) fn set_rate(&mut self, rate: BitRate) {
        self.micros = self.end().as_micros();
        self.fraction = 0;
        self.rate = u64::from(rate.bits_per_second());
    }

    /// Time of so many bits.
    pub(super) fn bits(&self, bits: u64) -> Duration {
        Duration::from_micros(bits.saturating_mul(1_000_000).div_ceil(self.rate))
    }

    /// Whole bits in that time.
    pub(super) fn bits_in(&self, duration: Duration) -> u64 {
        let bits = duration.as_micros() * u128::from(self.rate) / 1_000_000;
        u64::try_from(bits).unwrap_or(u64::MAX)
    }
}

/// Ten bits, in 1 / `rate` microseconds.
const BYTE: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(rate: u32) -> LineClock {
        LineClock::new(BitRate::new(rate).unwrap())
    }

    #[test]
    fn steps_and_leaps_agree_and_do_not_drift() {
        for rate in [50, 2400, 33_600, 38_400, 115_200, 921_601, 19_999_999] {
            let start = Instant::from_micros(17);
            let mut stepped = clock(rate);
            stepped.begin(start);
            let leaping = stepped.clone();
            for n in 1..=10_000usize {
                let exact = (n as u128 * 10_000_000).div_ceil(u128::from(rate));
                let exact = start + Duration::from_micros(exact as u64);
                assert_eq!(stepped.end(), exact, "byte {n} at {rate} bit/s");
                assert_eq!(leaping.end_of(n), exact);
                stepped.follow();
                assert!(leaping.ended_by(exact, 1 << 20) >= n);
                let before = exact - Duration::from_micros(1);
                assert!(leaping.ended_by(before, n) < n);
            }
        }
    }

    #[test]
    fn a_sender_that_is_never_late_loses_nothing() {
        let mut clock = clock(38_400);
        for n in 1..=38_400u64 {
            clock.begin(clock.end());
            assert_eq!(clock.end().as_micros(), (n * BYTE).div_ceil(38_400));
        }
    }

    #[test]
    fn time_without_end_does_no_harm() {
        let mut clock = clock(50);
        clock.begin(Instant::from_micros(u64::MAX));
        clock.follow();
        assert_eq!(clock.end(), Instant::from_micros(u64::MAX));
        assert_eq!(clock.end_of(usize::MAX), Instant::from_micros(u64::MAX));
        assert_eq!(clock.ended_by(Instant::from_micros(u64::MAX), 5), 1);
        assert_eq!(
            self::clock(50).ended_by(Instant::from_micros(u64::MAX), 5),
            5
        );
    }
}
