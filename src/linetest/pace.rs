//! When the line has room for more: the tester's own clock, as little must wait below it as below a call.
//!
//! Promise: neither faster than the line nor, over any time, slower; a line that was idle gathers no credit.

use crate::proto::time::{BitRate, Duration, Instant};

/// Paces one direction. Times are nanoseconds times the bit rate, in which a byte takes a whole number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    rate: BitRate,
    /// When the line will have sent what it was given.
    idle_at: u128,
    /// Bytes that may wait.
    most: u64,
}

impl Pace {
    pub(super) fn new(rate: BitRate) -> Self {
        Self {
            rate,
            idle_at: 0,
            most: (rate.bytes_in(BOUND) as u64).max(SMALL_WRITE),
        }
    }

    /// Bytes that may be handed over.
    pub(super) fn allowance(&self, now: Instant) -> usize {
        let waiting = self.idle_at.saturating_sub(self.scaled(now));
        let waiting = waiting.div_ceil(BYTE);
        usize::try_from(u128::from(self.most).saturating_sub(waiting)).unwrap_or(0)
    }

    pub(super) fn on_sent(&mut self, now: Instant, bytes: usize) {
        self.idle_at = self.idle_at.max(self.scaled(now)) + bytes as u128 * BYTE;
    }

    /// When half of what may wait has left.
    pub(super) fn next(&self) -> Instant {
        let due = self
            .idle_at
            .saturating_sub(u128::from(self.most) * BYTE / 2);
        let micros = due.div_ceil(u128::from(self.rate.bits_per_second()) * 1000);
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    fn scaled(&self, now: Instant) -> u128 {
        u128::from(now.as_micros()) * 1000 * u128::from(self.rate.bits_per_second())
    }
}

/// Line time that may wait below: a timer may be late by some milliseconds, and the line must not be idle.
const BOUND: Duration = Duration::from_millis(20);
const SMALL_WRITE: u64 = 8;
/// Ten bits, times the nanoseconds of a second.
const BYTE: u128 = 10 * 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_full_and_little_waits() {
        for bits_per_second in [50, 9600, 115_200, 20_000_000] {
            let rate = BitRate::new(bits_per_second).unwrap();
            let mut pace = Pace::new(rate);
            let (mut now, mut sent) = (Instant::ZERO, 0);
            while now < Instant::from_micros(10_000_000) {
                let allowance = pace.allowance(now);
                assert!(allowance > 0);
                pace.on_sent(now, allowance);
                sent += allowance;
                now = pace.next();
            }
            let full = rate.bytes_in(now.since(Instant::ZERO));
            let most = full + rate.bytes_in(BOUND).max(8);
            assert!((full..=most).contains(&sent), "{sent} of {full}");
        }
    }

    #[test]
    fn an_idle_line_gathers_no_credit() {
        let mut pace = Pace::new(BitRate::new(9600).unwrap());
        pace.on_sent(Instant::ZERO, 19);
        assert_eq!(pace.allowance(Instant::ZERO), 0);
        assert_eq!(pace.allowance(Instant::from_micros(60_000_000)), 19);
    }
}
