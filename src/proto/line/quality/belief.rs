//! What the fates of frames say about a line: how many single errors, how many bursts.
//!
//! A lost frame with parity `n` had more than `n / 2` wrong bytes in a codeword, or met a burst; one
//! that arrived had as many as were repaired. So each outcome makes some pairs of rates more
//! likely than others. A grid of pairs keeps the logarithm of that likelihood; old outcomes fade within
//! [`MEMORY`] of line time, so a change is seen in a second or two. That is too short to tell a line
//! with an error a minute from a clean one: slow counters do, and the grid bounds what they
//! say.

use super::choice::{Damage, repaired};
use crate::proto::framing::parity::{Parity, blocks};
use crate::proto::line::sent::Fate;
use crate::proto::time::{BitRate, Duration};

/// What is believed of one direction of a line.
#[derive(Debug)]
pub(super) struct Belief {
    /// Logarithms of the likelihoods, by errors and bursts.
    log: [[f64; BURSTS]; ERRORS],
    /// The rates of its places.
    errors: [f64; ERRORS],
    bursts: [f64; BURSTS],
    /// Outcomes fade by a factor e in so many bytes.
    memory: f64,
    /// Bytes whose fate was seen, fading with it.
    recent: f64,
    slow: Slow,
    /// The last ordinary frame was lost, too.
    in_burst: bool,
}

/// Counters that fade slowly.
#[derive(Debug, Default)]
struct Slow {
    bytes: f64,
    errors: f64,
    bursts: f64,
}

/// Outcomes fade by a factor e in this line time, slowly in that.
const MEMORY: Duration = Duration::from_millis(1500);
const LEAST_MEMORY: f64 = 2500.0;
const SLOW: f64 = 40.0;

/// Rates of errors a byte: none, then six a decade from 2e-6 on.
const ERRORS: usize = 31;
/// Rates of bursts a byte: none, then two a decade from 1e-6 on.
const BURSTS: usize = 10;
/// A line is good until it shows otherwise; and what is lost is lost to single errors.
const NO_ERRORS: f64 = 0.6;
const NO_BURSTS: f64 = 0.7;
/// No lost frame rules anything out for good, and nothing does for ever.
const IMPOSSIBLE: f64 = -40.0;
const LOWEST: f64 = -200.0;
/// A line without errors has one now and then.
const NOTHING: f64 = 1e-8;
/// The belief is told as the rate below which this share of it lies.
const LIKELY: f64 = 0.5;
const AT_MOST: f64 = 0.98;

fn error_rate(i: usize) -> f64 {
    match i {
        0 => 0.0,
        _ => 2e-6 * 10f64.powf((i - 1) as f64 / 6.0),
    }
}

fn burst_rate(j: usize) -> f64 {
    match j {
        0 => 0.0,
        _ => 1e-6 * 10f64.powf((j - 1) as f64 / 2.0),
    }
}

impl Belief {
    pub(super) fn new(rate: BitRate) -> Self {
        Self {
            log: [[0.0; BURSTS]; ERRORS],
            errors: std::array::from_fn(error_rate),
            bursts: std::array::from_fn(burst_rate),
            memory: (rate.bytes_in(MEMORY) as f64).max(LEAST_MEMORY),
            recent: 0.0,
            slow: Slow::default(),
            in_burst: false,
        }
    }

    /// Takes what became of a frame. How many of its bytes were wrong is told apart.
    pub(super) fn on_frame(&mut self, wire: usize, parity: Parity, fate: Fate, ordinary: bool) {
        let bytes = wire as f64;
        self.fade(bytes);
        if fate == Fate::Arrived {
            for (errors, row) in self.errors.iter().zip(&mut self.log) {
                for (bursts, log) in self.bursts.iter().zip(row) {
                    *log -= (errors + bursts) * bytes;
                }
            }
            self.in_burst &= !ordinary;
            return;
        }
        let before = self.damage();
        let spoilt = |errors: f64| {
            let blocks = blocks(wire).max(1);
            1.0 - repaired(errors, wire.div_ceil(blocks), parity.repairs()).powi(blocks as i32)
        };
        for (&errors, row) in self.errors.iter().zip(&mut self.log) {
            let spoilt = spoilt(errors);
            for (bursts, log) in self.bursts.iter().zip(row) {
                let burst = if ordinary {
                    1.0 - (-bursts * bytes).exp()
                } else {
                    // One burst takes several packets of audio.
                    SHORT_BURST
                };
                *log += (spoilt + (1.0 - spoilt) * burst).ln().max(IMPOSSIBLE);
            }
        }
        let single = spoilt(before.errors.max(1.0 / self.memory));
        let burst = before.bursts.max(0.1 / self.memory) * bytes;
        let share = single / (single + burst);
        self.slow.errors += share * (parity.repairs() + 1) as f64;
        if ordinary && !self.in_burst {
            self.slow.bursts += 1.0 - share;
        }
        self.in_burst |= ordinary;
    }

    /// So many wrong bytes were repaired in frames that arrived.
    pub(super) fn on_repaired(&mut self, bytes: f64) {
        if bytes <= 0.0 {
            return;
        }
        self.slow.errors += bytes;
        for (&rate, row) in self.errors.iter().zip(&mut self.log) {
            let factor = rate.max(NOTHING).ln() * bytes;
            row.iter_mut().for_each(|log| *log += factor);
        }
        // Only differences count; and no outcome rules anything out for good.
        let highest = self.log.iter().flatten().fold(f64::MIN, |a, &b| a.max(b));
        for log in self.log.iter_mut().flatten() {
            *log = (*log - highest).max(LOWEST);
        }
    }

    fn fade(&mut self, bytes: f64) {
        let factor = (-bytes / self.memory).exp();
        self.log.iter_mut().flatten().for_each(|log| *log *= factor);
        self.recent = self.recent * factor + bytes;
        let factor = (-bytes / (SLOW * self.memory)).exp();
        self.slow.bytes = self.slow.bytes * factor + bytes;
        self.slow.errors *= factor;
        self.slow.bursts *= factor;
    }

    /// Whether enough was seen lately to say something of the line.
    pub(super) fn is_informed(&self) -> bool {
        self.recent > self.memory / 4.0
    }

    /// The rates that explain what was seen.
    pub(super) fn damage(&self) -> Damage {
        let highest = self.log.iter().flatten().fold(f64::MIN, |a, &b| a.max(b));
        let mut errors = [0.0; ERRORS];
        let mut bursts = [0.0; BURSTS];
        for (i, row) in self.log.iter().enumerate() {
            for (j, log) in row.iter().enumerate() {
                let prior = prior(i, NO_ERRORS, ERRORS) * prior(j, NO_BURSTS, BURSTS);
                let likely = (log - highest).exp() * prior;
                errors[i] += likely;
                bursts[j] += likely;
            }
        }
        let slow = |events: f64| events / self.slow.bytes.max(self.memory);
        let within = |likely: &[f64], rates: &[f64], slow: f64| {
            let low = rates[quantile(likely, LIKELY)];
            slow.clamp(low, rates[quantile(likely, AT_MOST)].max(low))
        };
        Damage {
            errors: within(&errors, &self.errors, slow(self.slow.errors)),
            bursts: within(&bursts, &self.bursts, slow(self.slow.bursts)),
        }
    }
}

/// What is believed of a rate before anything is seen.
fn prior(place: usize, none: f64, places: usize) -> f64 {
    if place == 0 {
        none
    } else {
        (1.0 - none) / (places - 1) as f64
    }
}

/// The first place up to which that share of the whole stands.
fn quantile(likely: &[f64], share: f64) -> usize {
    let wanted = likely.iter().sum::<f64>() * share;
    let mut sum = 0.0;
    for (place, part) in likely.iter().enumerate() {
        sum += part;
        if sum >= wanted {
            return place;
        }
    }
    likely.len() - 1
}

/// Chance that a burst takes a packet of audio, whatever the rate of bursts.
const SHORT_BURST: f64 = 0.02;
