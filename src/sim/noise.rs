//! Random damage: wrong bits, one by one or in bursts, lost bytes and bytes out of nowhere.
//!
//! Promise: costs one draw per error, not per bit, and depends only on the seed and on the times
//! at which bytes pass. It damages the eight data bits; what a hit on a start or stop bit does is
//! covered by lost and inserted bytes. When bytes pass is left to the
//! [`LineModel`](super::LineModel).

use crate::proto::time::{Duration, Instant, micros};

use super::rng::Rng;

/// How noisy a line is. Rates outside 0 to 1 are taken as the nearer end, NaN as 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Probability that a data bit is flipped, outside of bursts.
    pub bit_error_rate: f64,
    /// Bursts of errors; `None` when errors come singly.
    pub bursts: Option<Bursts>,
    /// Probability that a byte is lost.
    pub lost_byte_rate: f64,
    /// Probability that a random byte follows a byte.
    pub inserted_byte_rate: f64,
    /// Stray random bytes per second while nothing is sent, at most
    /// [`Noise::MAX_IDLE_BYTE_RATE`].
    pub idle_byte_rate: f64,
}

impl Noise {
    /// A perfect line.
    pub const NONE: Self = Self {
        bit_error_rate: 0.0,
        bursts: None,
        lost_byte_rate: 0.0,
        inserted_byte_rate: 0.0,
        idle_byte_rate: 0.0,
    };

    /// The most stray bytes per second.
    pub const MAX_IDLE_BYTE_RATE: f64 = 100_000.0;

    /// Single wrong bits with that probability and nothing else.
    pub const fn bit_errors(rate: f64) -> Self {
        Self {
            bit_error_rate: rate,
            ..Self::NONE
        }
    }
}

impl Default for Noise {
    fn default() -> Self {
        Self::NONE
    }
}

/// Bursts of errors: a two-state model (Gilbert and Elliott) in continuous time. Durations of
/// bursts and gaps are exponential. A byte is in a burst when its last bit is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// Mean duration of a burst.
    pub mean_burst: Duration,
    /// Mean duration from the end of a burst to the next.
    pub mean_gap: Duration,
    /// Probability that a data bit is flipped during a burst, in place of
    /// [`Noise::bit_error_rate`].
    pub bit_error_rate: f64,
}

/// What became of a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// The byte; `None` when it was lost.
    pub(super) byte: Option<u8>,
    /// A byte that follows it out of nowhere.
    pub(super) inserted: Option<u8>,
    /// How many of its bits were flipped.
    pub(super) flipped: u32,
}

/// Noise at work on one direction of a line.
#[derive(Clone, Debug)]
pub(super) struct NoiseProcess {
    noise: Noise,
    rng: Rng,
    in_burst: bool,
    /// When `in_burst` is no longer certain.
    state_until: Instant,
    /// Good bits up to the next wrong one.
    bits_to_error: u64,
    /// Bytes that pass up to the next that is lost.
    bytes_to_loss: u64,
    /// Bytes that pass up to the next that another one follows.
    bytes_to_insert: u64,
    /// Idle time up to the next stray byte.
    idle_to_stray: Option<Duration>,
}

impl NoiseProcess {
    pub(super) fn new(noise: Noise, rng: Rng, now: Instant) -> Self {
        let mut process = Self {
            noise,
            rng,
            in_burst: false,
            state_until: now,
            bits_to_error: 0,
            bytes_to_loss: 0,
            bytes_to_insert: 0,
            idle_to_stray: None,
        };
        process.set(noise, now);
        process
    }

    /// From `now` on the noise is this; it starts in a gap between bursts.
    pub(super) fn set(&mut self, noise: Noise, now: Instant) {
        self.noise = noise;
        self.in_burst = false;
        self.state_until = match noise.bursts {
            Some(bursts) if !bursts.mean_burst.is_zero() => now + self.draw(bursts.mean_gap),
            _ => NEVER,
        };
        self.bytes_to_loss = self.rng.geometric(noise.lost_byte_rate);
        self.bytes_to_insert = self.rng.geometric(noise.inserted_byte_rate);
        self.draw_bits_to_error();
        self.draw_idle_to_stray();
    }

    /// Damages a byte whose last bit is on the line at `at`.
    pub(super) fn pass(&mut self, at: Instant, byte: u8) -> Passed {
        if at >= self.state_until {
            self.change_state(at);
        }
        let (byte, flipped) = if self.bytes_to_loss == 0 {
            self.bytes_to_loss = self.rng.geometric(self.noise.lost_byte_rate);
            (None, 0)
        } else {
            self.bytes_to_loss -= 1;
            let damaged = self.flip_bits(byte);
            (Some(damaged), (byte ^ damaged).count_ones())
        };
        let inserted = if self.bytes_to_insert == 0 {
            self.bytes_to_insert = self.rng.geometric(self.noise.inserted_byte_rate);
            Some(self.rng.byte())
        } else {
            self.bytes_to_insert -= 1;
            None
        };
        Passed {
            byte,
            inserted,
            flipped,
        }
    }

    /// How many bytes will pass before the next that is lost or that another one follows.
    pub(super) fn bytes_undisturbed(&self) -> u64 {
        self.bytes_to_loss.min(self.bytes_to_insert)
    }

    /// Idle time up to the next stray byte.
    pub(super) const fn idle_to_stray(&self) -> Option<Duration> {
        self.idle_to_stray
    }

    /// The line was idle for `duration`, less than up to the next stray byte.
    pub(super) fn pass_idle(&mut self, duration: Duration) {
        if let Some(left) = &mut self.idle_to_stray {
            *left = left.saturating_sub(duration);
        }
    }

    /// The stray byte that was due.
    pub(super) fn stray(&mut self) -> u8 {
        self.draw_idle_to_stray();
        self.rng.byte()
    }

    fn flip_bits(&mut self, byte: u8) -> u8 {
        let mut damaged = byte;
        let mut next = self.bits_to_error;
        while next < 8 {
            damaged ^= 1 << next;
            let skip = self.rng.geometric(self.bit_error_rate());
            next = next.saturating_add(1).saturating_add(skip);
        }
        self.bits_to_error = next - 8;
        damaged
    }

    fn bit_error_rate(&self) -> f64 {
        match self.noise.bursts {
            Some(bursts) if self.in_burst => bursts.bit_error_rate,
            _ => self.noise.bit_error_rate,
        }
    }

    /// At `state_until` the state changed. What it is at `at`, any time later, follows from the
    /// transition probability of a two-state Markov chain, so a long silence costs no more than
    /// a short one. How long it stays so from then on does not depend on the past.
    fn change_state(&mut self, at: Instant) {
        let Some(bursts) = self.noise.bursts else {
            self.state_until = NEVER;
            return;
        };
        let burst = bursts.mean_burst.as_secs_f64();
        let gap = bursts.mean_gap.as_secs_f64();
        if gap == 0.0 {
            self.in_burst = true;
            self.state_until = NEVER;
        } else {
            let started = if self.in_burst { 0.0 } else { 1.0 };
            let share = burst / (burst + gap);
            let age = at.since(self.state_until).as_secs_f64();
            let fade = (-age * (1.0 / burst + 1.0 / gap)).exp();
            self.in_burst = self.rng.chance(share + (started - share) * fade);
            let mean = if self.in_burst {
                bursts.mean_burst
            } else {
                bursts.mean_gap
            };
            self.state_until = at + self.draw(mean);
        }
        self.draw_bits_to_error();
    }

    fn draw_bits_to_error(&mut self) {
        self.bits_to_error = self.rng.geometric(self.bit_error_rate());
    }

    fn draw_idle_to_stray(&mut self) {
        let rate = self.noise.idle_byte_rate.min(Noise::MAX_IDLE_BYTE_RATE);
        self.idle_to_stray = (rate > 0.0).then(|| {
            let seconds = self.rng.exponential(1.0 / rate);
            // At least the clock's step, or two strays could share a moment for ever.
            Duration::from_micros(((seconds * 1e6) as u64).max(1))
        });
    }

    fn draw(&mut self, mean: Duration) -> Duration {
        Duration::from_micros(self.rng.exponential(micros(mean) as f64) as u64)
    }
}

/// A moment that does not come.
const NEVER: Instant = Instant::from_micros(u64::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    fn process(noise: Noise, seed: u64) -> NoiseProcess {
        NoiseProcess::new(noise, Rng::new(seed), Instant::ZERO)
    }

    fn assert_near(measured: f64, set: f64, tolerance: f64) {
        let error = (measured / set - 1.0).abs();
        assert!(error < tolerance, "measured {measured}, set {set}");
    }

    /// Bytes that pass 100 us apart: what became of each.
    fn pass(noise: Noise, bytes: u64) -> impl Iterator<Item = Passed> {
        let mut process = process(noise, 7);
        (0..bytes).map(move |i| process.pass(Instant::from_micros(100 * i), 0))
    }

    #[test]
    fn the_measured_bit_error_rate_is_the_one_set() {
        for (rate, bytes) in [(1e-4, 10_000_000), (1e-3, 1_000_000), (0.5, 100_000)] {
            let mut flipped = 0;
            let mut by_bit = [0u32; 8];
            for passed in pass(Noise::bit_errors(rate), bytes) {
                let byte = passed.byte.unwrap();
                assert_eq!(byte.count_ones(), passed.flipped);
                flipped += u64::from(passed.flipped);
                (0..8).for_each(|bit| by_bit[bit] += u32::from(byte >> bit & 1));
            }
            assert_near(flipped as f64 / (8 * bytes) as f64, rate, 0.05);
            // No bit of a byte is safer than the others.
            for hits in by_bit {
                assert_near(f64::from(hits), flipped as f64 / 8.0, 0.15);
            }
        }
    }

    #[test]
    fn the_ends_of_the_bit_error_rate() {
        assert!(pass(Noise::bit_errors(0.0), 1000).all(|p| p.byte == Some(0)));
        assert!(pass(Noise::bit_errors(f64::NAN), 1000).all(|p| p.byte == Some(0)));
        assert!(pass(Noise::bit_errors(1.0), 1000).all(|p| p.byte == Some(0xff)));
        assert!(pass(Noise::bit_errors(9.0), 1000).all(|p| p.byte == Some(0xff)));
    }

    #[test]
    fn bytes_are_lost_and_inserted_at_the_rates_set() {
        let noise = Noise {
            lost_byte_rate: 0.01,
            inserted_byte_rate: 0.002,
            ..Noise::NONE
        };
        let bytes = 2_000_000;
        let (mut lost, mut inserted) = (0, 0);
        for passed in pass(noise, bytes) {
            lost += u64::from(passed.byte.is_none());
            inserted += u64::from(passed.inserted.is_some());
        }
        assert_near(lost as f64 / bytes as f64, 0.01, 0.05);
        assert_near(inserted as f64 / bytes as f64, 0.002, 0.05);
    }

    #[test]
    fn every_byte_may_be_lost_or_followed_by_another() {
        let noise = Noise {
            lost_byte_rate: 1.0,
            inserted_byte_rate: 1.0,
            ..Noise::NONE
        };
        assert!(pass(noise, 1000).all(|p| p.byte.is_none() && p.inserted.is_some()));
    }

    const BURSTS: Bursts = Bursts {
        mean_burst: Duration::from_millis(10),
        mean_gap: Duration::from_millis(100),
        bit_error_rate: 0.3,
    };

    #[test]
    fn bursts_and_gaps_have_the_mean_durations_set() {
        let noise = Noise {
            bursts: Some(BURSTS),
            ..Noise::NONE
        };
        let mut process = process(noise, 8);
        let (mut in_burst, mut bursts, mut bad, mut flipped) = (false, 0u32, 0u32, 0u32);
        let samples = 11_000_000;
        for i in 0..samples {
            let passed = process.pass(Instant::from_micros(100 * i), 0);
            bursts += u32::from(process.in_burst && !in_burst);
            in_burst = process.in_burst;
            bad += u32::from(in_burst);
            flipped += passed.flipped;
            assert!(in_burst || passed.flipped == 0);
        }
        let (bad, bursts) = (f64::from(bad), f64::from(bursts));
        assert_near(bad / bursts, 100.0, 0.05);
        assert_near((samples as f64 - bad) / bursts, 1000.0, 0.05);
        assert_near(f64::from(flipped) / (8.0 * bad), 0.3, 0.05);
    }

    #[test]
    fn after_a_long_silence_the_share_of_bursts_is_right() {
        let noise = Noise {
            bursts: Some(BURSTS),
            ..Noise::NONE
        };
        let mut process = process(noise, 9);
        let hits = (0..50_000).filter(|i| {
            process.pass(Instant::from_micros(60_000_000 * i), 0);
            process.in_burst
        });
        assert_near(hits.count() as f64 / 50_000.0, 10.0 / 110.0, 0.05);
    }

    #[test]
    fn a_burst_without_length_never_comes_and_one_without_gap_never_ends() {
        let bursts = |mean_burst, mean_gap| Noise {
            bursts: Some(Bursts {
                mean_burst,
                mean_gap,
                bit_error_rate: 1.0,
            }),
            ..Noise::NONE
        };
        let never = bursts(Duration::ZERO, Duration::ZERO);
        assert!(pass(never, 1000).all(|p| p.flipped == 0));
        let always = bursts(Duration::from_millis(1), Duration::ZERO);
        assert!(pass(always, 1000).all(|p| p.flipped == 8));
        let for_ever = bursts(Duration::MAX, Duration::from_micros(1));
        assert!(pass(for_ever, 1000).skip(1).all(|p| p.flipped == 8));
    }

    #[test]
    fn stray_bytes_come_at_the_rate_set() {
        let noise = Noise {
            idle_byte_rate: 50.0,
            ..Noise::NONE
        };
        let mut strays = process(noise, 10);
        let mut idle = Duration::ZERO;
        for _ in 0..20_000 {
            idle += strays.idle_to_stray().unwrap();
            strays.stray();
        }
        assert_near(20_000.0 / idle.as_secs_f64(), 50.0, 0.05);
        assert_eq!(process(Noise::NONE, 10).idle_to_stray(), None);
    }
}
