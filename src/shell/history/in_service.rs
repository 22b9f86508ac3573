//! The seconds of a line in service, as G.821 counts them, of the way here.
//!
//! Promises that what is counted never goes back: a second counts as errored or unavailable once
//! it is decided, ten seconds later at most. A line is in service from the second on in which it
//! first came up. Leaves the ten seconds to [`g821`](crate::linetest::g821).
//!
//! A line that carries a call is not compared bit by bit, as one under test is. What is known:
//!
//! - a repaired byte had one wrong bit at least, and so had a piece of a frame beyond repair, and
//!   a slip;
//! - of how many bits: those that came. What was wrong between frames nobody saw;
//! - a second in which three in ten frames or more are of no use is severely errored, whatever
//!   the share of bits: of a piece beyond repair nobody knows how many were wrong. Two bad pieces
//!   alone do not make it so, as an idle line has few frames;
//! - a second in which the line was closed, cut or refused for a part is lost.

use serde::{Deserialize, Serialize};

use crate::linetest::g821::{Evaluator, Grade, Second};

/// The seconds in service of one line, on the way here. `available + unavailable + pending =
/// seconds`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InService {
    /// Since the line first came up.
    pub seconds: u64,
    /// Of available time.
    pub available: u64,
    /// Of available time, with one error or more; the severely errored ones are among them.
    pub errored: u64,
    /// Of available time, with one bit in 1000 wrong or more, or the line down.
    pub severely_errored: u64,
    /// From the first of ten severely errored seconds on end to the first of ten that are not.
    pub unavailable: u64,
    /// Not decided yet, 0 to 9.
    pub pending: u64,
    /// Times that the line became unavailable.
    pub outages: u64,
}

/// What happened on a line in one second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct What {
    /// The line is up at the end.
    pub(super) is_up: bool,
    pub(super) was_up_throughout: bool,
    pub(super) bytes: u64,
    pub(super) bytes_repaired: u64,
    pub(super) frames_good: u64,
    pub(super) frames_bad: u64,
    pub(super) slips: u64,
}

/// How one second counts by itself, and whether the line is unavailable as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) errored: bool,
    pub(super) severely_errored: bool,
    pub(super) unavailable: bool,
}

/// Counts the seconds of a line.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// `None` before the line first came up.
    evaluator: Option<Evaluator>,
}

impl Tally {
    /// Takes the next second.
    pub(super) fn push(&mut self, what: &What) -> Class {
        let evaluator = match &mut self.evaluator {
            Some(evaluator) => evaluator,
            // The second in which it came up is no second without a signal.
            None if what.is_up => {
                self.evaluator = Some(Evaluator::new());
                return Class::default();
            }
            None => return Class::default(),
        };
        let second = Second {
            bits: what.bytes * 8,
            errors: what.bytes_repaired + what.frames_bad + what.slips,
            is_lost: !what.was_up_throughout || what.is_mostly_bad(),
        };
        evaluator.push(second);
        let grade = second.grade();
        Class {
            errored: grade >= Grade::Errored,
            severely_errored: grade == Grade::SeverelyErrored,
            unavailable: !evaluator.counts().is_available,
        }
    }

    /// The seconds so far.
    pub(super) fn count(&self) -> InService {
        let Some(evaluator) = &self.evaluator else {
            return InService::default();
        };
        let counts = evaluator.counts();
        InService {
            seconds: counts.seconds,
            available: counts.available,
            errored: counts.errored,
            severely_errored: counts.severely_errored,
            unavailable: counts.unavailable,
            pending: counts.pending,
            outages: counts.outages,
        }
    }
}

impl What {
    fn is_mostly_bad(&self) -> bool {
        let frames = self.frames_good + self.frames_bad;
        self.frames_bad > FEW && self.frames_bad * 10 >= frames * 3
    }
}

const FEW: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: What = What {
        is_up: true,
        was_up_throughout: true,
        bytes: 3000,
        bytes_repaired: 0,
        frames_good: 20,
        frames_bad: 0,
        slips: 0,
    };

    fn class_of(what: What) -> Class {
        let mut tally = Tally::default();
        tally.push(&CLEAN);
        tally.push(&what)
    }

    #[test]
    fn seconds_count_from_when_the_line_first_came_up() {
        let mut tally = Tally::default();
        for _ in 0..100 {
            tally.push(&What::default());
        }
        assert_eq!(tally.count(), InService::default());
        tally.push(&CLEAN);
        tally.push(&CLEAN);
        assert_eq!(tally.count().seconds, 1);
        assert_eq!(tally.count().errored, 0);
    }

    #[test]
    fn a_repaired_byte_a_bad_piece_and_a_slip_each_make_an_errored_second() {
        assert!(!class_of(CLEAN).errored);
        for what in [
            What {
                bytes_repaired: 1,
                ..CLEAN
            },
            What {
                frames_bad: 1,
                ..CLEAN
            },
            What { slips: 1, ..CLEAN },
        ] {
            let class = class_of(what);
            assert!(class.errored && !class.severely_errored, "{what:?}");
        }
    }

    #[test]
    fn one_bit_in_a_thousand_is_severe_and_one_fewer_is_not() {
        let with = |bytes_repaired| {
            class_of(What {
                bytes_repaired,
                ..CLEAN
            })
        };
        assert!(!with(23).severely_errored);
        assert!(with(24).severely_errored);
    }

    #[test]
    fn three_frames_in_ten_of_no_use_are_severe_but_two_alone_are_not() {
        let with = |frames_good, frames_bad| {
            let what = What {
                frames_good,
                frames_bad,
                ..CLEAN
            };
            class_of(what).severely_errored
        };
        assert!(with(7, 3));
        assert!(!with(8, 3));
        assert!(!with(0, 2));
    }

    #[test]
    fn ten_seconds_of_a_cut_line_are_unavailable_and_nine_are_severe() {
        let down = What {
            is_up: false,
            was_up_throughout: false,
            ..What::default()
        };
        for (length, unavailable, severe) in [(9, 0, 9), (10, 10, 0)] {
            let mut tally = Tally::default();
            tally.push(&CLEAN);
            for _ in 0..length {
                tally.push(&down);
            }
            for _ in 0..10 {
                tally.push(&CLEAN);
            }
            let count = tally.count();
            assert_eq!(count.unavailable, unavailable);
            assert_eq!(count.severely_errored, severe);
            assert_eq!(count.seconds, length + 10);
        }
    }
}
