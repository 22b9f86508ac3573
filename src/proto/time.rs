//! Time as the core sees it: a number that the caller passes in.
//!
//! Promise: an [`Instant`] cannot read a clock, so a run repeats exactly from its seed and a
//! capture can be replayed. The shell converts from the machine's clock in one place.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

pub use std::time::Duration;

/// A point in time, in microseconds since the run began. It never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The moment the run began.
    pub const ZERO: Self = Self(0);

    /// The instant `micros` microseconds after the run began.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the run began.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Time since `earlier`; zero when `earlier` lies in the future.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(micros(rhs)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(micros(rhs)))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A duration in whole microseconds, rounded up: when a deadline made of it has come, the whole
/// duration has passed. Saturates after half a million years.
pub(crate) fn micros(duration: Duration) -> u64 {
    // In 64 bits: each step of a deadline comes through here.
    let below = u64::from(duration.subsec_nanos().div_ceil(1000));
    duration
        .as_secs()
        .saturating_mul(1_000_000)
        .saturating_add(below)
}

/// The earlier of two deadlines, where `None` means "no deadline" and so never wins.
pub fn earliest<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A bit rate in bit/s on an asynchronous line, where a byte takes ten bits: start, eight data, stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(u32);

impl BitRate {
    /// The slowest line that is accepted, bit/s.
    pub const MIN: Self = Self(50);
    /// The fastest line that is accepted, bit/s.
    pub const MAX: Self = Self(20_000_000);

    /// A rate of `bits_per_second`, or `None` outside [`BitRate::MIN`] to [`BitRate::MAX`].
    pub const fn new(bits_per_second: u32) -> Option<Self> {
        if bits_per_second < Self::MIN.0 || bits_per_second > Self::MAX.0 {
            return None;
        }
        Some(Self(bits_per_second))
    }

    /// The rate in bit/s.
    pub const fn bits_per_second(self) -> u32 {
        self.0
    }

    /// Line time of `bytes` bytes.
    pub const fn time_for(self, bytes: usize) -> Duration {
        Duration::from_micros((bytes as u64 * BITS_PER_BYTE * 1_000_000).div_ceil(self.0 as u64))
    }

    /// Whole bytes that the line carries in `duration`.
    pub fn bytes_in(self, duration: Duration) -> usize {
        let bits = u128::from(self.0) * duration.as_micros() / 1_000_000;
        usize::try_from(bits / u128::from(BITS_PER_BYTE)).unwrap_or(usize::MAX)
    }
}

/// Start bit, eight data bits, stop bit.
const BITS_PER_BYTE: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_never_wins_over_a_deadline() {
        let at = Instant::from_micros(5);
        assert_eq!(earliest(None, Some(at)), Some(at));
        assert_eq!(earliest(Some(at), None), Some(at));
        assert_eq!(earliest::<Instant>(None, None), None);
        assert_eq!(earliest(Some(at), Some(Instant::ZERO)), Some(Instant::ZERO));
    }

    #[test]
    fn at_its_deadline_a_duration_has_passed() {
        let start = Instant::from_micros(7);
        let duration = Duration::from_nanos(1_234_567);
        assert!((start + duration).since(start) >= duration);
    }

    #[test]
    fn a_byte_takes_ten_bits() {
        let rate = BitRate::new(38_400).unwrap();
        assert_eq!(rate.time_for(26), Duration::from_micros(6771));
        assert_eq!(rate.bytes_in(Duration::from_secs(1)), 3840);
    }

    #[test]
    fn rates_outside_the_range_are_refused() {
        assert_eq!(BitRate::new(49), None);
        assert!(BitRate::new(50).is_some());
        assert!(BitRate::new(20_000_000).is_some());
        assert_eq!(BitRate::new(20_000_001), None);
    }
}
