//! Seconds as ITU-T G.821 counts them: errored, severely errored, available.
//!
//! ```text
//!   second            is                                            counted
//!   errored           one bit wrong or more, or lost                in available time only
//!   severely errored  one bit in 1000 wrong or more, or lost        in available time only
//!   unavailable       from the first of ten severely errored        always
//!                     seconds on end
//!   available         again from the first of ten on end that       always
//!                     are not severely errored
//! ```
//!
//! Promise: each second is counted once, and what was counted never changes. So a second that may turn out
//! to be the first of ten waits: at most nine are pending, and each is decided ten seconds later at most.
//! It assumes that its caller cuts the time into whole seconds, and says of each what came.
//! It leaves to others what a bit error is, and what the counts are good for.

use serde::Serialize;

/// Seconds on end that change from available to unavailable time, and back.
pub const DECISION: u64 = 10;

/// A second is severely errored when one bit in this many is wrong.
pub const SEVERE: u64 = 1000;

/// What came in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Second {
    /// Bits that were compared, or whose frames were checked. With none, and not lost, the line was idle:
    /// a second without an error.
    pub bits: u64,
    /// Those that were wrong.
    pub errors: u64,
    /// No signal, or no synchronisation, for any part of it that matters.
    pub is_lost: bool,
}

/// How a second counts by itself, whatever its neighbours are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// No bit was wrong.
    ErrorFree,
    /// Some were, fewer than one in 1000.
    Errored,
    /// One in 1000 or more, or the second was lost.
    SeverelyErrored,
}

impl Second {
    /// How this second counts by itself.
    pub const fn grade(&self) -> Grade {
        if self.is_lost {
            Grade::SeverelyErrored
        } else if self.errors == 0 {
            Grade::ErrorFree
        } else if self.errors.saturating_mul(SEVERE) >= self.bits {
            Grade::SeverelyErrored
        } else {
            Grade::Errored
        }
    }
}

/// The counts so far. `available + unavailable + pending = seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Seconds that were pushed.
    pub seconds: u64,
    /// Seconds of available time.
    pub available: u64,
    /// Seconds of unavailable time.
    pub unavailable: u64,
    /// Seconds not yet decided, 0 to 9.
    pub pending: u64,
    /// Errored seconds in available time; the severely errored ones are among them.
    pub errored: u64,
    /// Severely errored seconds in available time.
    pub severely_errored: u64,
    /// Bits in available time.
    pub bits: u64,
    /// Wrong bits in available time.
    pub errors: u64,
    /// Times that the line became unavailable.
    pub outages: u64,
    /// Whether the line was available in the last second that is decided.
    pub is_available: bool,
}

impl Counts {
    /// Seconds of available time without an error.
    pub const fn error_free(&self) -> u64 {
        self.available.saturating_sub(self.errored)
    }

    /// Share of available time that is errored, 0 to 1; `None` when there was no such time.
    pub fn errored_ratio(&self) -> Option<f64> {
        ratio(self.errored, self.available)
    }

    /// Share of available time that is severely errored, 0 to 1; `None` when there was no such time.
    pub fn severely_errored_ratio(&self) -> Option<f64> {
        ratio(self.severely_errored, self.available)
    }

    fn add(&mut self, run: &Run, is_available: bool) {
        if is_available {
            self.available += run.seconds;
            self.errored += run.errored;
            self.severely_errored += run.severely_errored;
            self.bits = self.bits.saturating_add(run.bits);
            self.errors = self.errors.saturating_add(run.errors);
        } else {
            self.unavailable += run.seconds;
        }
    }
}

/// Counts seconds as they come.
#[derive(Clone, Debug)]
pub struct Evaluator {
    counts: Counts,
    /// The seconds on end that speak for a change; fewer than [`DECISION`].
    run: Run,
}

/// Seconds on end of which it is open whether they are available time.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    seconds: u64,
    errored: u64,
    severely_errored: u64,
    bits: u64,
    errors: u64,
}

impl Run {
    fn push(&mut self, second: Second) {
        let grade = second.grade();
        self.seconds += 1;
        self.errored += u64::from(grade >= Grade::Errored);
        self.severely_errored += u64::from(grade >= Grade::SeverelyErrored);
        self.bits = self.bits.saturating_add(second.bits);
        self.errors = self.errors.saturating_add(second.errors);
    }
}

impl Default for Evaluator {
    fn default() -> Self {
        Self::new()
    }
}

impl Evaluator {
    /// Nothing counted. The line is taken for available until ten seconds on end say otherwise.
    pub const fn new() -> Self {
        Self {
            counts: Counts {
                seconds: 0,
                available: 0,
                unavailable: 0,
                pending: 0,
                errored: 0,
                severely_errored: 0,
                bits: 0,
                errors: 0,
                outages: 0,
                is_available: true,
            },
            run: Run {
                seconds: 0,
                errored: 0,
                severely_errored: 0,
                bits: 0,
                errors: 0,
            },
        }
    }

    /// Counts one more second.
    pub fn push(&mut self, second: Second) {
        self.counts.seconds += 1;
        self.run.push(second);
        let is_severe = second.grade() == Grade::SeverelyErrored;
        let speaks_for_change = is_severe == self.counts.is_available;
        if !speaks_for_change {
            // The run is broken: it and this second are time as before.
            self.settle(self.counts.is_available);
        } else if self.run.seconds == DECISION {
            self.counts.outages += u64::from(is_severe);
            self.counts.is_available = !is_severe;
            self.settle(!is_severe);
        }
        self.counts.pending = self.run.seconds;
    }

    /// What is decided so far; the seconds that are not, as [`Counts::pending`].
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The counts if nothing came after this: seconds that never became ten on end are time as before.
    pub fn final_counts(&self) -> Counts {
        let mut ended = self.clone();
        ended.settle(ended.counts.is_available);
        ended.counts.pending = 0;
        ended.counts
    }

    fn settle(&mut self, is_available: bool) {
        let run = std::mem::take(&mut self.run);
        self.counts.add(&run, is_available);
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BITS: u64 = 64_000;
    const CLEAN: Second = errors(0);
    const ERRORED: Second = errors(1);
    const SEVERE_SECOND: Second = errors(64);
    const LOST: Second = Second {
        bits: 0,
        errors: 0,
        is_lost: true,
    };

    const fn errors(errors: u64) -> Second {
        Second {
            bits: BITS,
            errors,
            is_lost: false,
        }
    }

    fn after(seconds: &[(usize, Second)]) -> Evaluator {
        let mut evaluator = Evaluator::new();
        for &(times, second) in seconds {
            for _ in 0..times {
                evaluator.push(second);
                let counts = evaluator.counts();
                assert_eq!(
                    counts.available + counts.unavailable + counts.pending,
                    counts.seconds
                );
                assert!(counts.pending < DECISION);
            }
        }
        evaluator
    }

    #[test]
    fn one_wrong_bit_makes_an_errored_second_and_none_does_not() {
        assert_eq!(errors(0).grade(), Grade::ErrorFree);
        assert_eq!(errors(1).grade(), Grade::Errored);
    }

    #[test]
    fn one_bit_in_a_thousand_is_severe_and_a_bit_less_is_not() {
        assert_eq!(errors(63).grade(), Grade::Errored);
        assert_eq!(errors(64).grade(), Grade::SeverelyErrored);
        // The ratio is rounded up to whole bits: at 1200 bit/s two of them.
        let slow = |errors| Second {
            bits: 1200,
            errors,
            is_lost: false,
        };
        assert_eq!(slow(1).grade(), Grade::Errored);
        assert_eq!(slow(2).grade(), Grade::SeverelyErrored);
    }

    #[test]
    fn a_lost_second_is_severe_and_an_idle_one_is_free_of_errors() {
        let idle = Second::default();
        assert_eq!(idle.grade(), Grade::ErrorFree);
        assert_eq!(LOST.grade(), Grade::SeverelyErrored);
        let counts = after(&[(1, LOST), (1, idle)]).counts();
        assert_eq!((counts.errored, counts.severely_errored), (1, 1));
    }

    #[test]
    fn nine_severe_seconds_are_available_time_and_ten_are_not() {
        let nine = after(&[(5, CLEAN), (9, SEVERE_SECOND), (1, CLEAN)]).counts();
        assert_eq!((nine.available, nine.unavailable), (15, 0));
        assert_eq!((nine.errored, nine.severely_errored), (9, 9));
        assert!(nine.is_available);

        let ten = after(&[(5, CLEAN), (10, SEVERE_SECOND)]).counts();
        assert_eq!((ten.available, ten.unavailable), (5, 10));
        assert_eq!((ten.errored, ten.severely_errored), (0, 0));
        assert_eq!(ten.outages, 1);
        assert!(!ten.is_available);
    }

    #[test]
    fn nine_good_seconds_do_not_end_unavailable_time_and_ten_do() {
        let out = [(10, LOST), (9, ERRORED), (1, LOST)];
        let nine = after(&out).counts();
        assert_eq!((nine.available, nine.unavailable), (0, 20));
        assert_eq!(nine.errored, 0);

        let ten = after(&[(10, LOST), (10, ERRORED)]).counts();
        assert_eq!((ten.available, ten.unavailable), (10, 10));
        assert_eq!(
            (ten.errored, ten.severely_errored),
            (10, 0),
            "the ten that end it are available time, with their errors"
        );
        assert!(ten.is_available);
    }

    #[test]
    fn a_second_is_decided_ten_seconds_later_at_most_and_not_sooner() {
        let waiting = after(&[(9, SEVERE_SECOND)]).counts();
        assert_eq!(
            (waiting.pending, waiting.available, waiting.unavailable),
            (9, 0, 0)
        );
        let decided = after(&[(10, SEVERE_SECOND)]).counts();
        assert_eq!((decided.pending, decided.unavailable), (0, 10));
        // What speaks for no change is decided at once.
        assert_eq!(after(&[(3, ERRORED)]).counts().pending, 0);
        assert_eq!(
            after(&[(10, LOST), (3, LOST)]).counts(),
            after(&[(13, LOST)]).counts()
        );
    }

    #[test]
    fn seconds_left_pending_at_the_end_are_time_as_before() {
        let available = after(&[(9, SEVERE_SECOND)]).final_counts();
        assert_eq!(
            (
                available.available,
                available.severely_errored,
                available.pending
            ),
            (9, 9, 0)
        );
        let unavailable = after(&[(10, LOST), (9, CLEAN)]).final_counts();
        assert_eq!((unavailable.available, unavailable.unavailable), (0, 19));
    }

    #[test]
    fn bits_are_counted_in_available_time_only() {
        let counts = after(&[(2, ERRORED), (10, SEVERE_SECOND), (10, ERRORED)]).counts();
        assert_eq!((counts.bits, counts.errors), (12 * BITS, 12));
    }

    #[test]
    fn shares_of_no_time_are_not_known() {
        let counts = Evaluator::new().counts();
        assert_eq!(counts.errored_ratio(), None);
        let counts = after(&[(3, CLEAN), (1, ERRORED)]).counts();
        assert_eq!(counts.errored_ratio(), Some(0.25));
        assert_eq!(counts.severely_errored_ratio(), Some(0.0));
        assert_eq!(counts.error_free(), 3);
    }

    #[test]
    fn counts_too_large_for_the_ratio_are_no_overflow() {
        let full = Second {
            bits: u64::MAX,
            errors: u64::MAX,
            is_lost: false,
        };
        assert_eq!(full.grade(), Grade::SeverelyErrored);
        assert_eq!(after(&[(2, full), (1, CLEAN)]).counts().bits, u64::MAX);
    }
}
