//! Bytes to frames.
//!
//! Cuts the stream at delimiters, takes each chunk out of parity and COBS, and shows what may be a
//! frame to a judge, who tests check and session. Nobody says how much parity a frame has: what worked
//! last is tried first, and the judge decides. A chunk that fails may be
//!
//! ```text
//! a part      ordi 00 express 00 nary 00    of a frame that express frames interrupted
//! damaged     frXme 00                      the parity repairs it
//! in two      fra 00 e 00                   a byte became a delimiter: joined over any byte (search.rs)
//! two in one  frame X frame 00              a delimiter became a byte: split (search.rs)
//! shifted     frme 00                       a byte was lost or added: put back, and repaired (search.rs)
//! ```
//!
//! So parts are held until a whole ordinary frame arrives (ordinary frames never overlap), and
//! each further failing chunk is tried behind them, from each part on and without any one of them
//! (`held.rs`). What is repaired, split and joined over a gap is looked for only while the line is
//! noisy: on a clean one a part costs no search. The work is bounded for each byte that
//! arrives ([`STEPS_A_BYTE`], [`LOOKS_A_BYTE`], [`WORK_A_BYTE`]), the memory by one frame's length.
//! Beside the parts nothing but hints is carried from chunk to chunk (what worked last, which number comes
//! next): they say what is tried first, never what is taken.

mod held;
mod restored;
mod search;

use super::parity::{Parity, Syndromes};
use super::{MAX_WIRE, cobs, header};
use held::{Held, Way};
use serde::{Deserialize, Serialize};

/// What the judge found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A good ordinary frame; it was taken.
    Ordinary,
    /// A good express or service frame; it was taken. It may have interrupted what stood before it.
    Express,
    /// Not a frame.
    Bad,
}

/// What may be a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    /// Header, segments and check.
    pub(crate) body: &'a [u8],
    /// The parity that it has if it is one.
    pub(crate) parity: Parity,
    /// It is one of many guesses.
    pub(crate) guessed: bool,
}

/// Counters of a decoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DecoderCounts {
    /// Good frames.
    pub(crate) good: u64,
    /// Of these, put together from parts.
    pub(crate) joined: u64,
    /// Of these, found where a delimiter was damaged, or one had come out of nowhere.
    pub(crate) split: u64,
    /// Of these, with a byte too few or too many.
    pub(crate) slips: u64,
    /// Of these, with wrong bytes.
    pub(crate) repaired_frames: u64,
    /// The wrong bytes.
    pub(crate) repaired_bytes: u64,
    /// Bytes on the line of good frames, and the sum of the squares of their lengths.
    pub(crate) good_bytes: u64,
    pub(crate) good_squares: u64,
    /// Sum of `k (k - 1)` over good frames with `k` wrong bytes: with the squares it tells bursts.
    pub(crate) repaired_pairs: u64,
    /// Chunks that belonged to no good frame.
    pub(crate) bad: u64,
    /// Their bytes.
    pub(crate) bad_bytes: u64,
}

/// Finds the frames in a stream of bytes. It can be written down, and goes on elsewhere from there
/// (`restored.rs`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Decoder {
    chunk: Vec<u8>,
    /// The chunk is too long to be a frame; the rest of it is not kept.
    overlong: bool,
    held: Held,
    /// Scratch: a frame that is repaired, and one out of COBS.
    #[serde(skip)]
    wire: Vec<u8>,
    #[serde(skip)]
    decoded: Vec<u8>,
    counts: DecoderCounts,
    /// Code bytes that may be looked at in search of joins.
    steps: usize,
    /// Bytes of guesses that may be shown to the judge.
    looks: usize,
    /// What may be spent on repairs, in looks at a table.
    work: usize,
    /// The parities, the one that worked last first.
    order: [Parity; 6],
    /// Lengths of the last good frames, as they stood between delimiters.
    lengths: [usize; 4],
    /// The line counts as noisy for so many more bytes.
    noisy: usize,
    /// The number that comes next, as far as it travels.
    expected: u64,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            chunk: Vec::new(),
            overlong: false,
            held: Held::default(),
            wire: Vec::new(),
            decoded: Vec::new(),
            counts: DecoderCounts::default(),
            steps: MOST_STEPS,
            looks: MOST_LOOKS,
            work: MOST_WORK,
            order: Parity::ALL,
            lengths: [0; 4],
            // A line that comes up in noise must come up.
            noisy: NOISY,
            expected: 0,
        }
    }
}

impl Decoder {
    /// All counters.
    pub(crate) fn counts(&self) -> DecoderCounts {
        self.counts
    }

    /// Takes bytes, in pieces of any size, and shows the judge every chunk that may be a frame.
    pub(crate) fn feed(&mut self, bytes: &[u8], judge: &mut impl FnMut(Found<'_>) -> Verdict) {
        let mut pieces = bytes.split(|&byte| byte == 0).peekable();
        while let Some(piece) = pieces.next() {
            self.allow(piece.len() + 1);
            if self.chunk.len() + piece.len() > MAX_WIRE {
                self.overlong = true;
            } else if !self.overlong {
                self.chunk.extend_from_slice(piece);
            }
            if pieces.peek().is_some() {
                self.end_of_chunk(judge);
            }
        }
    }

    /// So many bytes arrived: so much more may be done.
    fn allow(&mut self, bytes: usize) {
        self.steps = MOST_STEPS.min(self.steps + bytes * STEPS_A_BYTE);
        self.looks = MOST_LOOKS.min(self.looks + bytes * LOOKS_A_BYTE);
        self.work = MOST_WORK.min(self.work + bytes * WORK_A_BYTE);
        self.noisy = self.noisy.saturating_sub(bytes);
    }

    /// A session begins: numbers begin at zero.
    pub(crate) fn begin_session(&mut self) {
        self.expected = 0;
    }

    /// Forgets a half received frame.
    pub(crate) fn clear(&mut self) {
        self.chunk.clear();
        self.overlong = false;
        self.give_up_parts();
    }

    fn end_of_chunk(&mut self, judge: &mut impl FnMut(Found<'_>) -> Verdict) {
        if std::mem::take(&mut self.overlong) {
            self.bad(1, self.chunk.len());
            self.held.note_given_up(&self.chunk);
            self.chunk.clear();
            self.give_up_parts();
            return;
        }
        if self.chunk.is_empty() {
            return;
        }
        let chunk = std::mem::take(&mut self.chunk);
        self.take(&chunk, 0, judge);
        self.chunk = chunk;
        self.chunk.clear();
    }

    /// Takes a chunk, or what was left of one when a frame was split off.
    fn take(&mut self, chunk: &[u8], depth: usize, judge: &mut impl FnMut(Found<'_>) -> Verdict) {
        let verdict = self.whole(chunk, judge);
        if verdict != Verdict::Bad {
            self.on_good(verdict, chunk.len());
            return;
        }
        if self.join(chunk, judge)
            || (self.is_noisy() && self.is_damaged() && self.search(chunk, depth, judge))
        {
            return;
        }
        let begins = header::begins(chunk, self.expected);
        let (given_up, bytes) = self.held.push(chunk, begins);
        self.bad(given_up, bytes);
    }

    /// Does something with a part of the work that may be done, so that there is always some left.
    fn with_a_part<T>(&mut self, part: usize, what: impl FnOnce(&mut Self) -> T) -> T {
        let (looks, work) = (self.looks / part, self.work / part);
        let kept = (self.looks - looks, self.work - work);
        (self.looks, self.work) = (looks, work);
        let done = what(self);
        self.looks += kept.0;
        self.work += kept.1;
        done
    }

    fn is_noisy(&self) -> bool {
        self.noisy > 0
    }

    /// Whether anything was damaged yet: on a line that just came up a part may look like it.
    fn is_damaged(&self) -> bool {
        self.counts.bad + self.counts.repaired_frames > 0
    }

    /// A good frame was taken that filled so many bytes between two delimiters.
    fn on_good(&mut self, verdict: Verdict, wire: usize) {
        self.counts.good += 1;
        self.counts.good_bytes += wire as u64;
        self.counts.good_squares += (wire * wire) as u64;
        // Two of each lane, the last first.
        let (first, second) = if verdict == Verdict::Ordinary {
            self.give_up_parts();
            (0, 1)
        } else {
            (2, 3)
        };
        if self.lengths[first] != wire {
            self.lengths[second] = std::mem::replace(&mut self.lengths[first], wire);
        }
    }

    /// Notes wrong bytes of a good frame.
    fn on_repaired(&mut self, wrong: u32) {
        let wrong = u64::from(wrong);
        self.counts.repaired_frames += 1;
        self.counts.repaired_bytes += wrong;
        self.counts.repaired_pairs += wrong * wrong.saturating_sub(1);
        self.noisy = NOISY;
    }

    /// Notes chunks that belong to no good frame.
    fn bad(&mut self, chunks: usize, bytes: usize) {
        if chunks > 0 {
            self.counts.bad += chunks as u64;
            self.counts.bad_bytes += bytes as u64;
            self.noisy = NOISY;
        }
    }

    fn give_up_parts(&mut self) {
        let (parts, bytes) = self.held.clear();
        self.bad(parts, bytes);
    }

    /// Tries a chunk as a whole frame.
    fn whole(&mut self, chunk: &[u8], judge: &mut impl FnMut(Found<'_>) -> Verdict) -> Verdict {
        // What stands between two delimiters is always looked at.
        let mut steps = chunk.len();
        let fitting = Fit::of(chunk, 0, chunk.len(), &mut steps);
        let verdict = self.exact(chunk, fitting, Allowed::whole(), judge);
        if verdict != Verdict::Bad {
            return verdict;
        }
        // A quiet line knows what it has; while it is noisy the sender may change it at any time.
        let tries = if self.is_noisy() { MOST_PARITIES } else { 2 };
        let parities = self.order.into_iter().take(tries);
        self.repaired(chunk, parities, Allowed::whole(), judge)
    }

    /// Tries a failing chunk behind the parts that are held; says whether that gave a frame.
    fn join(&mut self, chunk: &[u8], judge: &mut impl FnMut(Found<'_>) -> Verdict) -> bool {
        let mut ways = self.held.ways(chunk, self.is_noisy(), &mut self.steps);
        // Small code bytes fit by chance: what has the parity that worked last is the best guess.
        let order = self.order;
        let rank = |fitting: Fit| order.iter().position(|&parity| fitting.has(parity));
        let held = &self.held;
        // A frame whose parity is divided looks whole without a part of it, too: with less parity.
        ways.sort_by_key(|&(way, fit)| {
            let worse = (way.gap.is_some(), !held.begins(way), way.leaves_out());
            (worse, rank(fit))
        });
        let exact = |this: &mut Self| this.join_ways(&ways, chunk, false, judge);
        if self.with_a_part(4, exact) {
            return true;
        }
        let repaired = |this: &mut Self| this.join_ways(&ways, chunk, true, judge);
        self.with_a_part(8, repaired)
    }

    /// Tries these ways, as they are or by repair.
    fn join_ways(
        &mut self,
        ways: &[(Way, Fit)],
        chunk: &[u8],
        repairing: bool,
        judge: &mut impl FnMut(Found<'_>) -> Verdict,
    ) -> bool {
        for &(way, fitting) in ways {
            if repairing && self.work == 0 || !repairing && way.gap.is_some() {
                continue;
            }
            let wire = self.held.wire(way, chunk);
            let allowed = way.allowed(&self.held);
            let verdict = if repairing {
                let parities = self.order.into_iter();
                let parities = parities.filter(|&parity| fitting.has(parity));
                self.repaired(&wire, parities, allowed, judge)
            } else {
                self.exact(&wire, fitting, allowed, judge)
            };
            if verdict != Verdict::Bad {
                self.on_joined(way, verdict, wire.len());
                return true;
            }
        }
        false
    }

    /// A frame was put together in that way.
    fn on_joined(&mut self, way: Way, verdict: Verdict, wire: usize) {
        self.counts.joined += 1;
        self.counts.split += u64::from(way.gap.is_some());
        // What it is made of is good; what was left out is bad.
        let (parts, bytes) = self.held.clear_but(way, verdict == Verdict::Ordinary);
        self.bad(parts, bytes);
        self.on_good(verdict, wire);
    }

    /// Tries a frame with those parities that fit, as it is.
    fn exact(
        &mut self,
        wire: &[u8],
        fitting: Fit,
        allowed: Allowed,
        judge: &mut impl FnMut(Found<'_>) -> Verdict,
    ) -> Verdict {
        for parity in self.order {
            let Some(stuffed) = parity
                .stuffed_len(wire.len())
                .filter(|_| fitting.has(parity))
            else {
                continue;
            };
            let verdict = if parity != Parity::NONE && header::is_short_express(wire) {
                // A damaged frame would pass the short check too often: the parity must fit as well.
                self.repaired(wire, [parity], allowed, judge)
            } else {
                self.judge(&wire[..stuffed], parity, allowed, judge)
            };
            if verdict != Verdict::Bad {
                return verdict;
            }
        }
        Verdict::Bad
    }

    /// Tries a frame with each of these parities, and repairs it.
    fn repaired(
        &mut self,
        wire: &[u8],
        parities: impl IntoIterator<Item = Parity>,
        allowed: Allowed,
        judge: &mut impl FnMut(Found<'_>) -> Verdict,
    ) -> Verdict {
        let mut known = Syndromes::default();
        let mut scratch = std::mem::take(&mut self.wire);
        let mut verdict = Verdict::Bad;
        for parity in parities {
            if parity == Parity::NONE || self.work == 0 {
                continue;
            }
            scratch.clear();
            scratch.extend_from_slice(wire);
            let mut taken = 0;
            let wrong = parity.repair(&mut scratch, &mut known, &mut taken);
            self.work = self.work.saturating_sub(taken);
            if let (Some(wrong), Some(stuffed)) = (wrong, parity.stuffed_len(wire.len())) {
                verdict = self.judge(&scratch[..stuffed], parity, allowed, judge);
                if verdict != Verdict::Bad {
                    if wrong > 0 {
                        self.on_repaired(wrong);
                    }
                    break;
                }
            }
        }
        self.wire = scratch;
        verdict
    }

    /// Takes a frame out of COBS, and asks the judge.
    fn judge(
        &mut self,
        stuffed: &[u8],
        parity: Parity,
        allowed: Allowed,
        judge: &mut impl FnMut(Found<'_>) -> Verdict,
    ) -> Verdict {
        if allowed.guessed {
            let Some(left) = self.looks.checked_sub(stuffed.len()) else {
                return Verdict::Bad;
            };
            self.looks = left;
        }
        if !cobs::decode(stuffed, &mut self.decoded) {
            return Verdict::Bad;
        }
        let interruptible = self
            .decoded
            .first()
            .is_some_and(|&first| header::may_be_interrupted(first));
        if allowed.only_interruptible && !interruptible {
            return Verdict::Bad;
        }
        let verdict = judge(Found {
            body: &self.decoded,
            parity,
            guessed: allowed.guessed,
        });
        if verdict == Verdict::Bad {
            return verdict;
        }
        if let Some(place) = self.order.iter().position(|&known| known == parity) {
            self.order[..=place].rotate_right(1);
        }
        if let Some(header) = header::read(&mut self.decoded.as_slice())
            && !matches!(header.kind, header::FrameKind::Service(_))
        {
            let next = header.number(self.expected) + 1;
            // A frame that was interrupted comes behind later ones; a session begins at zero.
            if next > self.expected || self.expected - next > MOST_LATER {
                self.expected = next;
            }
        }
        verdict
    }
}

/// What may come out of a try.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    only_interruptible: bool,
    guessed: bool,
}

impl Allowed {
    /// A chunk as it stands between two delimiters.
    const fn whole() -> Self {
        Self {
            only_interruptible: false,
            guessed: false,
        }
    }
}

/// With which parities the COBS code bytes end where the parity begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fit(u8);

impl Fit {
    /// Of a frame of `total` bytes whose last bytes are `piece`, when the first code byte in there
    /// stands at `skip`. Takes the code bytes looked at from `steps`.
    fn of(piece: &[u8], skip: usize, total: usize, steps: &mut usize) -> Self {
        // Where the stuffed frame ends, counted from the begin of the piece.
        let ends = Parity::ALL.map(|parity| {
            let parity_bytes = total - parity.stuffed_len(total).unwrap_or(0);
            piece.len().checked_sub(parity_bytes)
        });
        let mut fit = 0;
        let mut at = skip;
        while at <= piece.len() {
            if piece.len() - at <= MOST_PARITY * super::parity::blocks(total) {
                for (place, &end) in ends.iter().enumerate() {
                    fit |= u8::from(end == Some(at)) << place;
                }
            }
            *steps = steps.saturating_sub(1);
            // A code of zero does not stand on a line; whatever it is, go on.
            at += piece.get(at).map_or(1, |&code| usize::from(code).max(1));
        }
        Self(fit)
    }

    fn has(self, parity: Parity) -> bool {
        let place = Parity::ALL.iter().position(|&known| known == parity);
        place.is_some_and(|place| self.0 >> place & 1 == 1)
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// So many numbers may an ordinary frame come behind those that interrupted it.
const MOST_LATER: u64 = 256;
/// Parities that are tried on a damaged frame.
const MOST_PARITIES: usize = Parity::ALL.len();
const MOST_PARITY: usize = 24;
/// A line counts as noisy for so many bytes behind the last damage: frames of the longest kind, twice.
const NOISY: usize = 2 * MAX_WIRE;
/// Code bytes that are looked at for each byte that arrives, in search of joins: bytes that are nothing
/// but small code bytes would take the machine otherwise.
const STEPS_A_BYTE: usize = 128;
const MOST_STEPS: usize = 8 * MAX_WIRE;
/// Bytes of guesses that are taken out of COBS and checked for each byte that arrives.
const LOOKS_A_BYTE: usize = 256;
const MOST_LOOKS: usize = 32 * MAX_WIRE;
/// What may be spent on repairs for each byte that arrives. To repair a frame takes some
/// 30 of it; chunks that fail in every way would take the machine otherwise.
const WORK_A_BYTE: usize = 512;
/// What may be saved for a hard case.
const MOST_WORK: usize = 1 << 21;

#[cfg(test)]
mod tests;
