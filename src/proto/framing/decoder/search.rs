//! The search for frames in what noise left of them: without their code bytes, without their delimiters,
//! with a byte too few or too many.
//!
//! Every try costs a repair, and the judge has the last word, so wrong guesses cost time and nothing
//! else. What most often stands behind the damage is tried first.

use super::super::header;
use super::super::parity::{Parity, blocks};
use super::{Allowed, Decoder, Fit, Found, MOST_WORK, Verdict};

/// So many frames are looked for in one chunk.
const DEEPEST: usize = 3;
/// Parities that are tried in each place when work is short: those of the last frames.
const PARITIES: usize = 3;

/// A guess, behind which the check decides.
const GUESS: Allowed = Allowed {
    only_interruptible: false,
    guessed: true,
};

impl Decoder {
    /// Looks for a frame in a chunk that fails in every simpler way; says whether there was one.
    pub(super) fn search(
        &mut self,
        chunk: &[u8],
        depth: usize,
        judge: &mut impl FnMut(Found<'_>) -> Verdict,
    ) -> bool {
        self.with_a_part(8, |this| this.join_blindly(chunk, judge))
            || (depth < DEEPEST && self.with_a_part(4, |this| this.split(chunk, depth, judge)))
            || self.with_a_part(4, |this| this.shift(chunk, judge))
    }

    /// Puts parts together whose code bytes are damaged.
    fn join_blindly(&mut self, chunk: &[u8], judge: &mut impl FnMut(Found<'_>) -> Verdict) -> bool {
        for way in self.held.blind_ways() {
            let wire = self.held.wire(way, chunk);
            let allowed = way.allowed(&self.held);
            let verdict = self.repaired(&wire, self.likely(), allowed, judge);
            if verdict != Verdict::Bad {
                self.on_joined(way, verdict, wire.len());
                return true;
            }
        }
        false
    }

    /// Looks for a byte that was lost, or came out of nowhere, in a frame that nothing interrupted. Where it
    /// was need not be known but for as many bytes as are repaired.
    fn shift(&mut self, chunk: &[u8], judge: &mut impl FnMut(Found<'_>) -> Verdict) -> bool {
        if self.held.parts() > 0 || !header::begins(chunk, self.expected) {
            return false;
        }
        for parity in self.likely().filter(|parity| parity.repairs() > 1) {
            let step = parity.repairs() * blocks(chunk.len());
            for place in (step / 2..chunk.len()).step_by(step) {
                for is_lost in [true, false] {
                    let (front, back) = chunk.split_at(place);
                    let wire = if is_lost {
                        [front, &[1], back].concat()
                    } else {
                        [front, &back[1..]].concat()
                    };
                    let verdict = self.repaired(&wire, [parity], GUESS, judge);
                    if verdict != Verdict::Bad {
                        self.counts.slips += 1;
                        self.on_good(verdict, chunk.len());
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Looks for a delimiter that was damaged, with a good frame in front of it or behind it.
    fn split(
        &mut self,
        chunk: &[u8],
        depth: usize,
        judge: &mut impl FnMut(Found<'_>) -> Verdict,
    ) -> bool {
        let places = self.places(chunk);
        for repairing in [false, true] {
            for &place in &places {
                let (front, back) = (&chunk[..place], &chunk[place + 1..]);
                let verdict = self.part(front, repairing, judge);
                if verdict != Verdict::Bad {
                    self.counts.split += 1;
                    self.on_good(verdict, front.len());
                    self.rest(back, depth, judge);
                    return true;
                }
                let verdict = self.part(back, repairing, judge);
                if verdict != Verdict::Bad {
                    self.counts.split += 1;
                    // What stands in front came first, and may end a frame that was interrupted.
                    self.rest(front, depth, judge);
                    self.on_good(verdict, back.len());
                    return true;
                }
            }
        }
        // The end of an interrupted frame in front, and the begin of one behind: neither is whole.
        let begins =
            |&&place: &&usize| place > 0 && header::begins(&chunk[place + 1..], self.expected);
        let Some(&place) = places.iter().find(begins) else {
            return false;
        };
        let front = &chunk[..place];
        if !self.join(front, judge) {
            // A part may look like that by chance.
            return false;
        }
        self.counts.split += 1;
        self.rest(&chunk[place + 1..], depth, judge);
        true
    }

    /// What stands on the other side of a frame that was split off.
    fn rest(&mut self, rest: &[u8], depth: usize, judge: &mut impl FnMut(Found<'_>) -> Verdict) {
        if !rest.is_empty() {
            self.take(rest, depth + 1, judge);
        }
    }

    /// Tries one side of a split.
    fn part(
        &mut self,
        wire: &[u8],
        repairing: bool,
        judge: &mut impl FnMut(Found<'_>) -> Verdict,
    ) -> Verdict {
        if wire.len() < SHORTEST_FRAME || self.looks == 0 || self.steps == 0 {
            return Verdict::Bad;
        }
        if !repairing {
            let fitting = Fit::of(wire, 0, wire.len(), &mut self.steps);
            return self.exact(wire, fitting, GUESS, judge);
        }
        self.repaired(wire, self.likely(), GUESS, judge)
    }

    /// Where a damaged delimiter may stand: where the last frames ended, and wherever one wrong bit
    /// makes what is there of a zero.
    fn places(&self, chunk: &[u8]) -> Vec<usize> {
        let mut places = Vec::new();
        for length in self.lengths {
            places.push(length);
            places.extend(chunk.len().checked_sub(length + 1));
        }
        places.retain(|&place| place < chunk.len());
        let ends = places.len();
        for (place, byte) in chunk.iter().enumerate() {
            if byte.count_ones() == 1 && !places[..ends].contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// The parities that worked last.
    fn likely(&self) -> impl Iterator<Item = Parity> + use<> {
        let is_plenty = self.work > MOST_WORK / 16;
        let most = if is_plenty {
            self.order.len()
        } else {
            PARITIES
        };
        self.order.into_iter().take(most)
    }
}

/// COBS code byte, header, one byte and the short check.
const SHORTEST_FRAME: usize = 5;
