//! Comparing what arrives with the pattern that was found, and noticing when the two slip apart.
//!
//! ```text
//!   state       is left when                                 for        and what was not decided
//!   searching   a pattern is found                           tracking   -
//!   tracking    16 of the last 64 bits are wrong             doubting   -
//!   doubting    2 of the last 64 or fewer are                tracking   was a burst: counts
//!   either      what arrives follows the pattern elsewhere   tracking   was a slip: does not count
//!   either      told so; too long in doubt                   searching  does not count
//! ```
//!
//! Promise: a slip costs no bit errors. What arrives is decided 64 bits later, and by then a slip on a
//! line without errors is known; while many bits are wrong nothing is decided until it is known what it is.
//! Memory is bounded: no doubt lasts longer than 2^16 bits.
//! It leaves the seconds, and what is a loss of synchronisation, to [`counter`](super::counter).

use std::collections::VecDeque;

use super::pattern::{Pattern, Polarity};
use super::search::{Found, Search};

/// What became of bits that were compared.
pub(super) trait Sink {
    /// A bit was right, or wrong.
    fn on_bit(&mut self, is_wrong: bool);
    /// So many bits could not be judged.
    fn on_unjudged(&mut self, bits: u64);
}

/// Something other than a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A pattern was found.
    Found(Pattern, Polarity),
    /// The pattern goes on at another place.
    Slipped(Slip),
    /// It was in doubt for too long.
    Lost,
}

/// By how much what arrives slipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    /// So many bits never came.
    Lost(u64),
    /// So many bits too many came.
    Extra(u64),
    /// Too far to say, or the polarity turned.
    Unknown,
}

/// Receives a pattern.
#[derive(Debug)]
pub(super) struct Receiver {
    wanted: Option<Pattern>,
    state: State,
    /// A pattern that comes in place of the wanted one.
    other: Option<Pattern>,
    /// Where the pattern would be if it had gone on as it was, while it is searched.
    before: Option<Found>,
}

#[derive(Debug)]
enum State {
    Searching(Vec<Search>),
    Tracking(Track),
}

impl Receiver {
    /// Looks for that pattern, or for any.
    pub(super) fn new(wanted: Option<Pattern>) -> Self {
        Self {
            wanted,
            state: searching(),
            other: None,
            before: None,
        }
    }

    pub(super) const fn is_synchronised(&self) -> bool {
        matches!(self.state, State::Tracking(_))
    }

    /// Takes the next bit.
    pub(super) fn push(&mut self, bit: u32, sink: &mut impl Sink) -> Option<Change> {
        let change = match &mut self.state {
            State::Tracking(track) => track.push(bit, sink),
            State::Searching(searches) => {
                sink.on_unjudged(1);
                if let Some(before) = &mut self.before {
                    before.register.skip(1);
                }
                searches.iter_mut().for_each(|search| search.push(bit));
                let found = searches
                    .iter()
                    .find_map(|search| Some((search.found()?, *search)));
                found.and_then(|(found, search)| self.on_found(found, search))
            }
        };
        if change == Some(Change::Lost) {
            self.lose(sink);
        }
        change
    }

    /// Bits that are not decided: how many, and those of them that differ.
    pub(super) fn undecided(&self) -> (u64, u64) {
        match &self.state {
            State::Tracking(track) => track.undecided_counts(),
            State::Searching(_) => (0, 0),
        }
    }

    /// What arrives is the pattern no longer.
    pub(super) fn lose(&mut self, sink: &mut impl Sink) {
        if let State::Tracking(track) = &mut self.state {
            track.drop_undecided(sink);
            self.before = Some(track.now);
        }
        self.state = searching();
    }

    /// The pattern that comes in place of the wanted one.
    pub(super) const fn other(&self) -> Option<Pattern> {
        self.other
    }

    fn on_found(&mut self, found: Found, search: Search) -> Option<Change> {
        if self.wanted.is_some_and(|wanted| wanted != found.pattern) {
            self.other = Some(found.pattern);
            self.state = searching();
            return None;
        }
        self.state = State::Tracking(Track::new(found, search));
        Some(match self.before.take() {
            Some(before) if before.pattern == found.pattern && before != found => {
                Change::Slipped(slip(&before, &found))
            }
            _ => Change::Found(found.pattern, found.polarity),
        })
    }
}

/// For all of them, also when one is wanted: what comes in its place is worth knowing.
fn searching() -> State {
    State::Searching(Pattern::ALL.map(Search::new).to_vec())
}

/// A pattern that was found.
#[derive(Debug)]
struct Track {
    now: Found,
    /// Goes on looking, for the same pattern at another place.
    search: Search,
    /// Whether each bit was wrong, the oldest first; as long as it is not decided.
    undecided: VecDeque<bool>,
    /// The same of the last 64, the last lowest.
    last: u64,
    is_in_doubt: bool,
}

impl Track {
    fn new(now: Found, search: Search) -> Self {
        Self {
            now,
            search,
            undecided: VecDeque::with_capacity(2 * WINDOW),
            last: 0,
            is_in_doubt: false,
        }
    }

    fn push(&mut self, bit: u32, sink: &mut impl Sink) -> Option<Change> {
        let expected = self.now.register.next() ^ self.now.polarity.bit();
        let is_wrong = bit != expected;
        self.search.push(bit);
        self.undecided.push_back(is_wrong);
        self.last = self.last << 1 | u64::from(is_wrong);
        if self.last != 0
            && let Some(found) = self.search.found()
            && found != self.now
        {
            let slip = slip(&self.now, &found);
            self.now = found;
            self.last = 0;
            self.is_in_doubt = false;
            self.drop_undecided(sink);
            return Some(Change::Slipped(slip));
        }
        match self.last.count_ones() {
            DOUBT.. => self.is_in_doubt = true,
            0..=TRUST => self.is_in_doubt = false,
            _ => {}
        }
        if !self.is_in_doubt {
            while self.undecided.len() > WINDOW {
                self.undecided
                    .pop_front()
                    .into_iter()
                    .for_each(|is_wrong| sink.on_bit(is_wrong));
            }
        }
        (self.undecided.len() > LONGEST_DOUBT).then_some(Change::Lost)
    }

    fn undecided_counts(&self) -> (u64, u64) {
        let wrong = self.undecided.iter().filter(|is_wrong| **is_wrong).count();
        (self.undecided.len() as u64, wrong as u64)
    }

    fn drop_undecided(&mut self, sink: &mut impl Sink) {
        sink.on_unjudged(self.undecided.len() as u64);
        self.undecided.clear();
    }
}

/// How far it is from where the pattern should be to where it is.
fn slip(expected: &Found, found: &Found) -> Slip {
    if expected.polarity != found.polarity {
        return Slip::Unknown;
    }
    let (mut ahead, mut behind) = (expected.register, found.register);
    for bits in 1..=FARTHEST_SLIP {
        ahead.skip(1);
        if ahead == found.register {
            return Slip::Lost(bits);
        }
        behind.skip(1);
        if behind == expected.register {
            return Slip::Extra(bits);
        }
    }
    Slip::Unknown
}

/// Bits after which one is decided: more than a search needs on a line without errors.
const WINDOW: usize = 64;
/// Wrong ones of them that raise a doubt: after a slip half are wrong.
const DOUBT: u32 = 16;
/// Wrong ones that lay it.
const TRUST: u32 = 2;
/// Bits in doubt for which nobody waits any longer.
const LONGEST_DOUBT: usize = 1 << 16;
/// Some seconds of a slow line.
const FARTHEST_SLIP: u64 = 1 << 17;

#[cfg(test)]
mod tests {
    use super::super::pattern::Generator;
    use super::*;

    #[derive(Debug, Default)]
    struct Tally {
        bits: u64,
        wrong: u64,
        unjudged: u64,
        changes: Vec<Change>,
    }

    impl Sink for Tally {
        fn on_bit(&mut self, is_wrong: bool) {
            self.bits += 1;
            self.wrong += u64::from(is_wrong);
        }
        fn on_unjudged(&mut self, bits: u64) {
            self.unjudged += bits;
        }
    }

    fn receive(bits: &[u32]) -> Tally {
        let mut receiver = Receiver::new(None);
        let mut tally = Tally::default();
        for &bit in bits {
            if let Some(change) = receiver.push(bit, &mut tally) {
                tally.changes.push(change);
            }
        }
        let (undecided, _) = receiver.undecided();
        assert_eq!(tally.bits + tally.unjudged + undecided, bits.len() as u64);
        tally
    }

    fn sent(pattern: Pattern, length: usize) -> Vec<u32> {
        let mut generator = Generator::new(pattern, pattern.polarity());
        (0..length).map(|_| u32::from(generator.bit())).collect()
    }

    #[test]
    fn each_wrong_bit_is_counted_once() {
        for pattern in Pattern::ALL {
            let mut bits = sent(pattern, 20_000);
            for at in (1000..19_000).step_by(997) {
                bits[at] ^= 1;
            }
            let tally = receive(&bits);
            assert_eq!(tally.wrong, 19, "{pattern}");
            assert_eq!(
                tally.changes,
                [Change::Found(pattern, pattern.polarity())],
                "{pattern}"
            );
            assert!(tally.unjudged < 200, "{pattern}: {tally:?}");
        }
    }

    #[test]
    fn lost_and_added_bits_and_bytes_are_slips_and_no_errors() {
        for pattern in Pattern::ALL {
            for lost in [1, 3, 8, 16, 80] {
                let mut bits = sent(pattern, 20_000);
                bits.drain(9000..9000 + lost);
                let tally = receive(&bits);
                assert_eq!(tally.wrong, 0, "{pattern} {lost}");
                assert_eq!(
                    tally.changes[1..],
                    [Change::Slipped(Slip::Lost(lost as u64))]
                );

                let mut bits = sent(pattern, 20_000);
                bits.splice(
                    9000..9000,
                    (0..lost as u32).map(|at| u32::from(at % 3 == 1)),
                );
                let tally = receive(&bits);
                assert_eq!(tally.wrong, 0, "{pattern} {lost}");
                assert_eq!(
                    tally.changes[1..],
                    [Change::Slipped(Slip::Extra(lost as u64))]
                );
            }
        }
    }

    #[test]
    fn a_burst_is_counted_bit_by_bit_and_is_no_slip() {
        for pattern in [Pattern::P2047, Pattern::P23] {
            let mut bits = sent(pattern, 20_000);
            let mut wrong = 0;
            for (at, bit) in bits[9000..9400].iter_mut().enumerate() {
                if at % 7 < 3 {
                    *bit ^= 1;
                    wrong += 1;
                }
            }
            let tally = receive(&bits);
            assert_eq!(tally.wrong, wrong, "{pattern}");
            assert_eq!(tally.changes.len(), 1, "{pattern}: {:?}", tally.changes);
        }
    }

    #[test]
    fn a_slip_amid_errors_is_found_when_they_are_over() {
        let mut bits = sent(Pattern::P15, 30_000);
        bits.drain(9000..9008);
        for at in (8900..9500).step_by(5) {
            bits[at] ^= 1;
        }
        let tally = receive(&bits);
        assert_eq!(tally.changes[1..], [Change::Slipped(Slip::Lost(8))]);
        assert!(tally.wrong <= 30, "no flood: {tally:?}");
    }

    #[test]
    fn a_doubt_that_never_ends_is_a_loss() {
        let mut bits = sent(Pattern::P15, 2000);
        bits.extend(std::iter::repeat_n(0, 100_000));
        let tally = receive(&bits);
        assert_eq!(tally.changes.last(), Some(&Change::Lost));
        assert!(tally.wrong <= 16, "{tally:?}");
        bits.extend(sent(Pattern::P15, 2000));
        assert!(matches!(
            receive(&bits).changes.last(),
            Some(Change::Slipped(_))
        ));
    }

    #[test]
    fn the_pattern_turned_over_in_mid_course_is_seen() {
        let mut bits = sent(Pattern::P20, 20_000);
        bits[9000..].iter_mut().for_each(|bit| *bit ^= 1);
        let tally = receive(&bits);
        assert_eq!(tally.wrong, 0);
        assert_eq!(tally.changes[1..], [Change::Slipped(Slip::Unknown)]);
    }
}
