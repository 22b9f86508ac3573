//! The bit patterns of ITU-T O.150, which every line tester knows.
//!
//! ```text
//!         +---> 1 --> 2 --> … --> k --> … --> n ---> out
//!         |                       |           |
//!         +----------- (+) <------+-----------+          a bit is the sum of those k and n before it
//! ```
//!
//! Promise: bit for bit what the standard says; on an asynchronous line the low bit of a byte goes first,
//! and start and stop bits are not part of the pattern.
//! It leaves to others to find a pattern in what arrives.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// One of the patterns. Its name says the length of its period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// 511 bits (V.52): slow data circuits.
    P511,
    /// 2047 bits (O.152): data circuits; most instruments know it.
    P2047,
    /// 2^15-1 bits (O.151).
    P15,
    /// 2^20-1 bits (O.153).
    P20,
    /// 2^20-1 bits, never more than 14 zeros on end (O.151).
    Qrss,
    /// 2^23-1 bits (O.151).
    P23,
}

/// Whether the bits go as the register gives them. Instruments differ in the longer patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Polarity {
    /// As the register gives them.
    Normal,
    /// Each bit turned over.
    Inverted,
}

/// A text that names no pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{0}' is no pattern. Take one of 511, 2047, 2^15-1, 2^20-1, qrss, 2^23-1")]
pub struct NoPattern(String);

impl Pattern {
    /// All of them, the shortest first.
    pub const ALL: [Self; 6] = [
        Self::P511,
        Self::P2047,
        Self::P15,
        Self::P20,
        Self::Qrss,
        Self::P23,
    ];

    /// Stages of the register.
    pub const fn stages(self) -> u32 {
        match self {
            Self::P511 => 9,
            Self::P2047 => 11,
            Self::P15 => 15,
            Self::P20 | Self::Qrss => 20,
            Self::P23 => 23,
        }
    }

    /// The other stage that is fed back.
    const fn tap(self) -> u32 {
        match self {
            Self::P511 => 5,
            Self::P2047 => 9,
            Self::P15 => 14,
            Self::P20 => 3,
            Self::Qrss => 17,
            Self::P23 => 18,
        }
    }

    /// Bits after which it begins again.
    pub const fn period(self) -> u64 {
        (1 << self.stages()) - 1
    }

    /// How the standard sends it.
    pub const fn polarity(self) -> Polarity {
        match self {
            Self::P15 | Self::P23 => Polarity::Inverted,
            _ => Polarity::Normal,
        }
    }

    /// Its name, which [`FromStr`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P511 => "511",
            Self::P2047 => "2047",
            Self::P15 => "2^15-1",
            Self::P20 => "2^20-1",
            Self::Qrss => "qrss",
            Self::P23 => "2^23-1",
        }
    }
}

impl FromStr for Pattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        let found = Self::ALL
            .into_iter()
            .find(|pattern| pattern.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| NoPattern(text.to_owned()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Polarity {
    /// 1 when bits are turned over.
    pub(super) const fn bit(self) -> u32 {
        match self {
            Self::Normal => 0,
            Self::Inverted => 1,
        }
    }
}

/// The shift register of a pattern: stage 1 is the lowest bit. It knows nothing of polarity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Register {
    pattern: Pattern,
    stages: u32,
}

impl Register {
    /// Preset to all ones, as the standard has it.
    pub(super) const fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            stages: mask(pattern),
        }
    }

    /// One that goes on after these bits, the last of them lowest. `None` when they are all zero, which no
    /// register ever is.
    pub(super) fn after(pattern: Pattern, bits: u32) -> Option<Self> {
        let mut register = Self {
            pattern,
            stages: bits & mask(pattern),
        };
        if register.stages == 0 {
            return None;
        }
        // The last bits that left are, seen from the register, those that are fed in n steps later.
        (0..pattern.stages()).for_each(|_| register.step());
        Some(register)
    }

    /// What a register whose last bits out were these gives next, the last of them lowest.
    pub(super) const fn foreseen(pattern: Pattern, bits: u32) -> u32 {
        (bits >> (pattern.tap() - 1) ^ bits >> (pattern.stages() - 1)) & 1
    }

    /// The bit that leaves next; the register moves on.
    pub(super) fn next(&mut self) -> u32 {
        let n = self.pattern.stages();
        let mut out = self.stages >> (n - 1) & 1;
        if matches!(self.pattern, Pattern::Qrss) && self.stages & QRSS_ZEROS == 0 {
            out = 1;
        }
        self.step();
        out
    }

    /// Moves on by so many bits.
    pub(super) fn skip(&mut self, bits: u64) {
        (0..bits).for_each(|_| self.step());
    }

    fn step(&mut self) {
        let fed_back = Self::foreseen(self.pattern, self.stages);
        self.stages = (self.stages << 1 | fed_back) & mask(self.pattern);
    }
}

/// A pattern as it is sent, byte by byte.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    register: Register,
    polarity: Polarity,
}

impl Generator {
    /// From its beginning, the register preset to all ones.
    pub const fn new(pattern: Pattern, polarity: Polarity) -> Self {
        Self {
            register: Register::new(pattern),
            polarity,
        }
    }

    /// The next bit.
    pub fn bit(&mut self) -> bool {
        self.register.next() ^ self.polarity.bit() == 1
    }

    /// The next eight bits in the order of an asynchronous line: the first is the lowest.
    pub fn byte(&mut self) -> u8 {
        (0..8).fold(0, |byte, place| byte | u8::from(self.bit()) << place)
    }
}

const fn mask(pattern: Pattern) -> u32 {
    (1 << pattern.stages()) - 1
}

/// The stages of the 14 bits after the one that leaves: 19 to 6.
const QRSS_ZEROS: u32 = 0x7_ffe0;

#[cfg(test)]
mod tests {
    use super::*;

    fn standard(pattern: Pattern) -> Generator {
        Generator::new(pattern, pattern.polarity())
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_pattern_begins_as_the_standard_says_in_both_bit_orders() {
        for (pattern, high_first, low_first) in [
            (
                Pattern::P511,
                "ff83df1732094ed1e7cd8a91c6d5c4c4",
                "ffc1fbe84c90728be7b3518963ab2323",
            ),
            (
                Pattern::P2047,
                "ffe00c078331fec0b84b2cf3e78f367d",
                "ff0730e0c18c7f031dd234cfe7f16cbe",
            ),
            (
                Pattern::P15,
                "0001fffbffe7ffaffe1ffbbfe67faafe",
                "0080ffdfffe7fff57ff8dffd67fe557f",
            ),
            (
                Pattern::P20,
                "fffff1c71c8dc8d28d282d7d26157dda",
                "ffff8fe338b1134bb114b4be64a8be5b",
            ),
            (
                Pattern::Qrss,
                "fffffe00070003f001c700fff070073f",
                "ffff7f00e000c00f80e300ff0f0ee0fc",
            ),
            (
                Pattern::P23,
                "000001ffff83ffe007f83e0e000063ff",
                "000080ffffc1ff07e01f7c700000c6ff",
            ),
        ] {
            let mut generator = standard(pattern);
            let bytes: Vec<u8> = (0..16).map(|_| generator.byte()).collect();
            assert_eq!(hex(&bytes), low_first, "{pattern}");
            let turned: Vec<u8> = bytes.iter().map(|byte| byte.reverse_bits()).collect();
            assert_eq!(hex(&turned), high_first, "{pattern}");
        }
    }

    /// Ones, and the longest run of zeros and of ones, of a whole period and a bit of the next.
    fn whole_period(pattern: Pattern) -> (u64, u64, u64) {
        let mut generator = standard(pattern);
        let mut ones = 0;
        let (mut run, mut of, mut longest) = (0, false, [0, 0]);
        for at in 0..pattern.period() + 64 {
            let bit = generator.bit();
            ones += u64::from(bit && at < pattern.period());
            run = if bit == of { run + 1 } else { 1 };
            of = bit;
            longest[usize::from(of)] = run.max(longest[usize::from(of)]);
        }
        (ones, longest[0], longest[1])
    }

    #[test]
    fn a_whole_period_has_the_ones_and_runs_of_the_standard() {
        assert_eq!(whole_period(Pattern::P511), (256, 8, 9));
        assert_eq!(whole_period(Pattern::P2047), (1024, 10, 11));
        assert_eq!(whole_period(Pattern::P15), (16_383, 15, 14));
        assert_eq!(whole_period(Pattern::P20), (524_288, 19, 20));
        assert_eq!(whole_period(Pattern::Qrss).1, 14);
        let (ones, zeros, _) = whole_period(Pattern::P23);
        assert_eq!((ones, zeros), (Pattern::P23.period() / 2, 23));
    }

    #[test]
    fn a_pattern_begins_again_after_its_period_and_not_before() {
        for pattern in [Pattern::P511, Pattern::P2047, Pattern::P15] {
            let start = Register::new(pattern);
            let mut register = start;
            let mut steps = 0;
            loop {
                register.step();
                steps += 1;
                if register == start {
                    break;
                }
            }
            assert_eq!(steps, pattern.period(), "{pattern}");
        }
    }

    #[test]
    fn a_register_loaded_with_what_arrived_gives_what_comes_next() {
        for pattern in Pattern::ALL {
            let mut sent = Register::new(pattern);
            // Where the forced ones of QRSS are far away.
            sent.skip(1000);
            let mut bits = 0;
            for _ in 0..pattern.stages() {
                bits = bits << 1 | sent.next();
            }
            assert_eq!(Register::after(pattern, bits), Some(sent), "{pattern}");
            assert_eq!(Register::foreseen(pattern, bits), sent.next(), "{pattern}");
        }
        assert_eq!(Register::after(Pattern::P511, 0xffff_fe00), None);
    }

    #[test]
    fn turned_over_each_bit_differs() {
        for pattern in Pattern::ALL {
            let mut normal = Generator::new(pattern, Polarity::Normal);
            let mut inverted = Generator::new(pattern, Polarity::Inverted);
            for _ in 0..100 {
                assert_eq!(normal.byte(), !inverted.byte());
            }
        }
    }

    #[test]
    fn names_are_read_and_shown_alike() {
        for pattern in Pattern::ALL {
            assert_eq!(pattern.name().parse(), Ok(pattern));
        }
        assert_eq!("QRSS".parse(), Ok(Pattern::Qrss));
        let error = "1023".parse::<Pattern>().unwrap_err().to_string();
        assert!(
            error.contains("'1023'") && error.contains("2047"),
            "{error}"
        );
    }
}
