//! What a measured line will carry, in words.
//!
//! Promise: the words follow from the figures by the limits and tables that stand here, and by nothing else.
//! It leaves measuring to [`counter`](super::counter).

mod bound;
mod media;

use serde::Serialize;

use super::counter::Stats;
use crate::proto::time::BitRate;

pub use bound::Bound;
pub use media::{Fit, Pictures, VoiceFit};

/// How good a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// A call is as good as the line is fast.
    Good,
    /// A call goes, and suffers.
    Usable,
    /// No call.
    Bad,
}

/// A line as it was measured, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// How good it is.
    pub grade: Grade,
    /// Why it is not good; empty when it is.
    pub reasons: Vec<String>,
    /// What is worth knowing beside.
    pub remarks: Vec<String>,
    /// The share of wrong bits, and how certain it is; `None` when no bit was compared.
    pub bit_error_rate: Option<Bound>,
    /// What the line will carry, each direction; `None` when it carries no call.
    pub carries: Option<Fit>,
}

impl Verdict {
    /// Of a line that carries `rate`.
    pub fn new(stats: &Stats, rate: BitRate) -> Self {
        let mut verdict = Self {
            grade: Grade::Good,
            reasons: Vec::new(),
            remarks: Vec::new(),
            bit_error_rate: Bound::new(stats.errors, stats.bits),
            carries: None,
        };
        let Some(bound) = verdict.bit_error_rate else {
            verdict.lower(Grade::Bad, nothing_measured(stats));
            return verdict;
        };
        verdict.judge_errors(stats, &bound);
        verdict.judge_seconds(stats);
        verdict.judge_slips(stats);
        verdict.remark(stats, &bound);
        if verdict.grade < Grade::Bad {
            verdict.carries = Some(Fit::new(rate, &bound, stats));
        }
        verdict
    }

    fn lower(&mut self, grade: Grade, reason: String) {
        self.grade = self.grade.max(grade);
        self.reasons.push(reason);
    }

    fn judge_errors(&mut self, stats: &Stats, bound: &Bound) {
        // Inside a burst all is lost whatever the rate is, and beside it nothing.
        let no_call = match is_in_bursts(stats) {
            true => NO_CALL_IN_BURSTS,
            false => NO_CALL,
        };
        let words = |is: &str| format!("one bit in {} is wrong: {is}", one_in(bound.rate));
        if bound.rate >= no_call {
            self.lower(Grade::Bad, words("more than can be repaired"));
        } else if bound.rate >= SUFFERS {
            let is = "repairing them takes room from the pictures";
            self.lower(Grade::Usable, words(is));
        }
    }

    fn judge_seconds(&mut self, stats: &Stats) {
        let seconds = &stats.seconds;
        if seconds.unavailable > 0 {
            let words = format!(
                "it was unavailable for {} of {} seconds",
                seconds.unavailable, seconds.seconds
            );
            let grade = match seconds.unavailable * MOST_OUT_ONE_IN >= seconds.seconds {
                true => Grade::Bad,
                false => Grade::Usable,
            };
            self.lower(grade, words);
        }
        let lost = stats.silent_seconds + stats.synchronisation_losses;
        if lost * MOST_OUT_ONE_IN >= seconds.seconds.max(1) {
            let words = format!(
                "in {lost} of {} seconds it was silent, or garbled",
                seconds.seconds
            );
            self.lower(Grade::Bad, words);
        } else if lost > 0 {
            let mut ways = Vec::new();
            if stats.silent_seconds > 0 {
                ways.push(format!("it was silent for {} s", stats.silent_seconds));
            }
            if stats.synchronisation_losses > 0 {
                let losses = times(stats.synchronisation_losses);
                ways.push(format!("the pattern was lost {losses}"));
            }
            let words = ways.join(", and ") + "; a call stands still so long";
            self.lower(Grade::Usable, words);
        }
    }

    fn judge_slips(&mut self, stats: &Stats) {
        if stats.slips == 0 {
            return;
        }
        let bytes = stats.slipped_bytes_lost + stats.slipped_bytes_extra;
        let mut words = format!("what arrived slipped {}", times(stats.slips));
        if bytes > 0 {
            words += &format!(
                " ({} bytes lost, {} too many)",
                stats.slipped_bytes_lost, stats.slipped_bytes_extra
            );
        }
        words += match stats.slips_of_bits * 2 > stats.slips {
            true => ": the clocks of the modems, or of what carries the line, do not agree",
            false => {
                ": a port that is too slow (try flow control, or a lower speed), or hits on start and stop bits"
            }
        };
        let per_minute = stats.slips * 60 / stats.seconds.seconds.max(1);
        match per_minute {
            MANY_SLIPS.. => self.lower(Grade::Bad, words),
            SOME_SLIPS..MANY_SLIPS => self.lower(Grade::Usable, words),
            _ => self.remarks.push(words),
        }
    }

    fn remark(&mut self, stats: &Stats, bound: &Bound) {
        if let Some(burstiness) = stats.intervals.burstiness() {
            self.remarks.push(match burstiness >= IN_BURSTS {
                true => format!(
                    "the errors come in bursts, {:.0} at once and up to {} bits long: look for what they come with \
                     (relays, motors, ringing, crossed pairs). What a burst takes is sent again",
                    (bound.errors as f64 / stats.intervals.groups as f64).max(2.0),
                    stats.intervals.longest_group
                ),
                false => "the errors come singly, at random: a bad joint, a long or damp pair, or too high a \
                          modem rate. Parity repairs them"
                    .to_owned(),
            });
        }
        if bound.upper >= SUFFERS && bound.rate < SUFFERS {
            self.remarks.push(format!(
                "the test was short: the rate of errors may still be one bit in {}. Test for longer to be certain",
                one_in(bound.upper)
            ));
        }
    }
}

fn is_in_bursts(stats: &Stats) -> bool {
    let burstiness = stats.intervals.burstiness();
    burstiness.is_some_and(|burstiness| burstiness >= IN_BURSTS)
}

fn nothing_measured(stats: &Stats) -> String {
    if let (None, Some(other)) = (stats.pattern, stats.other_pattern) {
        return format!(
            "the pattern {other} comes, not the one that is expected. Name the same at both ends, or let this end \
             take any"
        );
    }
    match (stats.bytes_received, stats.pattern) {
        (0, _) => "nothing came from the line. Start the test at the far end, too; check the pair and the cable, \
                   and that transmit and receive are crossed"
            .to_owned(),
        (bytes, None) => format!(
            "{bytes} bytes came, but no test pattern. Set both ends to the same speed, 8 data bits, no parity and \
             no XON/XOFF; see that the far end sends a pattern of O.150"
        ),
        (_, Some(_)) => {
            "a pattern came, but in no whole second could it be followed. Check the speed at both ends; the line \
             may be too noisy"
                .to_owned()
        }
    }
}

/// A rate as one in how many, with two digits that count. The rate is above zero.
pub fn one_in(rate: f64) -> String {
    let many = (1.0 / rate).max(1.0);
    let unit = 10f64.powf(many.log10().floor() - 1.0).max(1.0);
    format!("{:.0}", (many / unit).round() * unit)
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}

/// Of one bit in 10 000 wrong nobody notices; above, pictures begin to be late.
const SUFFERS: f64 = 2e-4;
/// One wrong byte in 21: the most parity is too little.
const NO_CALL: f64 = 6e-3;
/// With a third of the bits wrong inside, bursts are there for a tenth of the time.
const NO_CALL_IN_BURSTS: f64 = 3e-2;
/// One second in so many without a line, and it is no line.
const MOST_OUT_ONE_IN: u64 = 10;
/// Slips in a minute that nobody notices no longer, and that nobody bears.
const SOME_SLIPS: u64 = 6;
const MANY_SLIPS: u64 = 600;
const IN_BURSTS: f64 = 2.0;

#[cfg(test)]
mod tests;
