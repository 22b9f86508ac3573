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
