//! Which length and parity carry most over a line with that damage.

use super::{LONGEST, SHORTEST};
use crate::proto::framing::parity::{Parity, blocks};

/// What a byte of a line meets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Damage {
    /// Chance that a byte is wrong.
    pub(super) errors: f64,
    /// Chance that something begins at a byte that no parity repairs: a burst, a slip.
    pub(super) bursts: f64,
}

impl Damage {
    pub(super) const NONE: Self = Self {
        errors: 0.0,
        bursts: 0.0,
    };

    /// Chance that a frame of `wire` bytes with that parity arrives.
    fn arrives(self, wire: usize, parity: Parity) -> f64 {
        let blocks = blocks(wire).max(1);
        let word = wire.div_ceil(blocks);
        let whole = repaired(self.errors, word, parity.repairs());
        whole.powi(blocks as i32) * (-self.bursts * wire as f64).exp()
    }
}

/// What a frame costs beside what it carries: header, check, COBS, delimiter, segment.
const OVERHEAD: usize = 12;
/// Frames with parity are not made longer: sixteen codewords.
const LONGEST_WITH_PARITY: usize = 16 * 255;
/// So many losses a lost frame with a deadline counts for.
const LATE: i32 = 5;
/// A packet of audio may be lost this often for want of parity; with little parity less often, as there
/// damaged delimiters are not searched for ([`line`](crate::proto::line), receiving half).
const BEARABLE: f64 = 0.004;
const BEARABLE_WITH_LITTLE: f64 = 0.001;
/// With less parity than it has when it would be lost by this much less often.
const EASY: f64 = 0.5;
/// From this parity on, bytes, short checks come out of a search, too.
pub(crate) const SEARCHED: usize = 4;
/// Lengths on the line that are looked at.
const LENGTHS: [usize; 20] = [
    64, 80, 96, 128, 160, 192, 224, 255, 320, 384, 448, 510, 765, 1020, 1530, 2040, 3060, 4080,
    6000, 8192,
];

/// Chance that at most `most` of `length` bytes are wrong.
pub(super) fn repaired(errors: f64, length: usize, most: usize) -> f64 {
    if errors <= 0.0 {
        return 1.0;
    }
    let errors = errors.min(0.5);
    let odds = errors / (1.0 - errors);
    let mut term = (1.0 - errors).powi(length as i32);
    let mut sum = term;
    for wrong in 1..=most.min(length) {
        term *= odds * (length + 1 - wrong) as f64 / wrong as f64;
        sum += term;
    }
    sum.min(1.0)
}

/// The length of body, header and segments, that carries most.
pub(super) fn best_length(damage: Damage) -> usize {
    let mut best = (0.0, SHORTEST);
    for parity in Parity::ALL {
        for wire in LENGTHS {
            if parity != Parity::NONE && wire > LONGEST_WITH_PARITY {
                continue;
            }
            let content = wire.saturating_sub(blocks(wire) * parity.len() + OVERHEAD);
            let carried = content as f64 / wire as f64 * damage.arrives(wire, parity);
            if carried > best.0 {
                let stuffing = wire / 254 + 2;
                let body = wire - blocks(wire) * parity.len();
                best = (carried, body.saturating_sub(stuffing + 4));
            }
        }
    }
    best.1.clamp(SHORTEST, LONGEST)
}

/// The parity with which a frame of `stuffed` bytes carries most. What has a deadline is often late when
/// it is sent again: then a loss counts as [`LATE`] of them.
pub(super) fn best_parity(damage: Damage, stuffed: usize, has_deadline: bool) -> Parity {
    let mut best = (0.0, Parity::NONE);
    for parity in Parity::ALL {
        let wire = parity.wire_len(stuffed);
        let arrives = damage.arrives(wire, parity);
        let weight = if has_deadline { LATE } else { 1 };
        let carried = stuffed as f64 / wire as f64 * arrives.powi(weight);
        if carried > best.0 && (parity == Parity::NONE || wire <= LONGEST_WITH_PARITY) {
            best = (carried, parity);
        }
    }
    best.1
}

/// The least parity with which few enough frames of `wire` bytes are lost. Less than there is `now`
/// only when that is plainly enough.
pub(super) fn surest(damage: Damage, wire: usize, now: Parity) -> Parity {
    let stuffed = wire.saturating_sub(now.len()).max(1);
    for parity in Parity::ALL {
        let errors = Damage {
            bursts: 0.0,
            ..damage
        };
        let lost = 1.0 - errors.arrives(parity.wire_len(stuffed), parity);
        let most = if parity.len() < SEARCHED {
            BEARABLE_WITH_LITTLE
        } else {
            BEARABLE
        };
        if lost <= if parity < now { EASY * most } else { most } {
            return parity;
        }
    }
    Parity::ALL[Parity::ALL.len() - 1]
}
