//! How many bytes a line may get now, so that little waits below the core.
//!
//! What has been handed over can no longer be overtaken. The pacer keeps the time at which the
//! line will have sent everything it was given, and allows more only within the bound.

use crate::proto::time::{BitRate, Duration, Instant};

/// Paces one line.
#[derive(Debug)]
pub(crate) struct Pacer {
    rate: BitRate,
    /// The bound in bytes.
    most: u64,
    /// When the line will be idle, in nanoseconds: whole microseconds would lose 0.02 % of a line.
    idle_at: u64,
}

/// Even the slowest line gets this many bytes at once.
const SMALL_WRITE: u64 = 4;

impl Pacer {
    /// For a line of that rate, on which at most `bound` of line time may wait.
    pub(crate) fn new(rate: BitRate, bound: Duration) -> Self {
        let most = (rate.bytes_in(bound) as u64).max(SMALL_WRITE);
        Self {
            rate,
            most,
            idle_at: 0,
        }
    }

    /// The rate in use.
    pub(crate) fn rate(&self) -> BitRate {
        self.rate
    }

    /// Bytes that may be handed over now.
    pub(crate) fn allowance(&self, now: Instant) -> usize {
        let queued = self
            .idle_at
            .saturating_sub(nanos(now))
            .div_ceil(self.byte_time());
        self.most.saturating_sub(queued) as usize
    }

    /// Notes that `bytes` were handed over.
    pub(crate) fn on_sent(&mut self, now: Instant, bytes: usize) {
        self.idle_at = self.idle_at.max(nanos(now)) + bytes as u64 * self.byte_time();
    }

    /// When it is worth asking again: at half of the bound.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        let half = self.most / 2 * self.byte_time();
        Instant::from_micros(self.idle_at.saturating_sub(half).div_ceil(1000)).max(now)
    }

    /// Line time that still waits.
    pub(crate) fn queued(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.idle_at.saturating_sub(nanos(now)))
    }

    /// How long the line has been idle.
    pub(crate) fn idle_for(&self, now: Instant) -> Duration {
        Duration::from_nanos(nanos(now).saturating_sub(self.idle_at))
    }

    /// Line time of a byte in nanoseconds.
    fn byte_time(&self) -> u64 {
        10 * 1_000_000_000 / u64::from(self.rate.bits_per_second())
    }
}

fn nanos(now: Instant) -> u64 {
    now.as_micros().saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send_for(rate: u32, duration: Duration) -> u64 {
        let mut pacer = Pacer::new(BitRate::new(rate).unwrap(), Duration::from_millis(4));
        let (mut now, mut sent) = (Instant::ZERO, 0);
        while now < Instant::ZERO + duration {
            let allowance = pacer.allowance(now);
            pacer.on_sent(now, allowance);
            sent += allowance as u64;
            assert!(pacer.queued(now) <= Duration::from_millis(4).max(pacer.rate.time_for(4)));
            now = pacer.next(now).max(now + Duration::from_micros(1));
        }
        sent
    }

    #[test]
    fn a_busy_line_is_kept_full_and_its_queue_short() {
        for rate in [300, 2400, 9600, 38_400, 115_200, 921_600] {
            let sent = send_for(rate, Duration::from_secs(10)) as f64;
            let full = f64::from(rate);
            assert!(
                sent >= full && sent <= full * 1.001 + 400.0,
                "{sent} of {full} at {rate}"
            );
        }
    }

    #[test]
    fn an_idle_line_gathers_no_credit() {
        let mut pacer = Pacer::new(BitRate::new(38_400).unwrap(), Duration::from_millis(4));
        let later = Instant::from_micros(10_000_000);
        assert_eq!(pacer.allowance(later), 15);
        pacer.on_sent(later, 15);
        assert_eq!(pacer.allowance(later), 0);
        assert_eq!(pacer.idle_for(later), Duration::ZERO);
    }
}
