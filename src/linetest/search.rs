//! Finding a pattern in what arrives, whatever its phase.
//!
//! Promise: a pattern is found as soon as enough bits on end follow its law, each bit being the sum of two
//! before it; other data does that once in 2^40 bits, and one pattern never looks like another: what
//! follows two laws for longer than both registers follows both for ever, and no register does. A line
//! that is stuck is no pattern.
//! It leaves to [`track`](super::track) to count what is wrong once the pattern is known.

use super::pattern::{Pattern, Polarity, Register};

/// Bits on end that follow a pattern's law before it is believed.
pub(super) const ENOUGH: u32 = 40;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) pattern: Pattern,
    pub(super) polarity: Polarity,
    /// Goes on with the next bit.
    pub(super) register: Register,
}

/// Looks for one pattern, either way round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    pattern: Pattern,
    /// The last bits, the last of them lowest.
    bits: u32,
    /// How many came.
    seen: u32,
    /// Bits on end that were as foreseen, and that were not.
    runs: [u32; 2],
}

impl Search {
    pub(super) const fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            bits: 0,
            seen: 0,
            runs: [0; 2],
        }
    }

    /// Takes the next bit.
    pub(super) fn push(&mut self, bit: u32) {
        let differs = (bit ^ Register::foreseen(self.pattern, self.bits)) as usize & 1;
        self.bits = self.bits << 1 | bit;
        if self.seen < self.pattern.stages() {
            self.seen += 1;
            return;
        }
        self.runs[differs] = self.runs[differs].saturating_add(1);
        self.runs[1 - differs] = 0;
    }

    /// What the last bits follow, if they do.
    pub(super) fn found(&self) -> Option<Found> {
        // The sum of two bits that are both turned over is that of the bits themselves: so what always
        // differs is the pattern turned over.
        let (polarity, bits) = match self.runs {
            [same, _] if same >= ENOUGH => (Polarity::Normal, self.bits),
            [_, differing] if differing >= ENOUGH => (Polarity::Inverted, !self.bits),
            _ => return None,
        };
        let register = Register::after(self.pattern, bits)?;
        Some(Found {
            pattern: self.pattern,
            polarity,
            register,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Generator;
    use super::*;

    fn search_all(bits: impl Iterator<Item = u32>) -> Option<(u64, Found)> {
        let mut searches = Pattern::ALL.map(Search::new);
        for (at, bit) in bits.enumerate() {
            searches.iter_mut().for_each(|search| search.push(bit));
            if let Some(found) = searches.iter().find_map(Search::found) {
                return Some((at as u64, found));
            }
        }
        None
    }

    #[test]
    fn every_pattern_is_found_either_way_round_from_any_place() {
        for pattern in Pattern::ALL {
            for polarity in [Polarity::Normal, Polarity::Inverted] {
                for phase in [0, 1, 77, 5000, 123_457] {
                    let mut generator = Generator::new(pattern, polarity);
                    for _ in 0..phase {
                        generator.bit();
                    }
                    let mut sent = generator;
                    let bits = std::iter::from_fn(|| Some(u32::from(sent.bit()))).take(1000);
                    let (at, found) = search_all(bits).expect("found");
                    assert_eq!((found.pattern, found.polarity), (pattern, polarity));
                    assert!(at < 200, "{pattern} {phase}: {at}");
                    let mut goes_on = found.register;
                    for _ in 0..=at {
                        generator.bit();
                    }
                    for _ in 0..100 {
                        let expected = u32::from(generator.bit());
                        assert_eq!(goes_on.next() ^ polarity.bit(), expected, "{pattern}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_stuck_line_or_a_repeated_byte_is_no_pattern() {
        for byte in 0..=255u8 {
            let bits = (0..20_000).map(|at| u32::from(byte >> (at % 8) & 1));
            assert_eq!(search_all(bits), None, "{byte:02x}");
        }
    }

    #[test]
    fn other_data_is_no_pattern() {
        let mut state = 0x1234_5678_9abc_def1u64;
        let bits = (0..2_000_000).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 63) as u32
        });
        assert_eq!(search_all(bits), None);
    }
}
