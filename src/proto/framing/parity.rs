//! Reed-Solomon parity behind a frame: repairs wrong bytes without asking for them again.
//!
//! Codewords over GF(256) with the field polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11D), primitive
//! element 2 and the roots 2^0 .. 2^(n-1), as in QR codes (ISO/IEC 18004, Annex A) and without
//! anything added: the first byte is the highest coefficient. `n` parity bytes repair `n / 2` wrong
//! ones.
//!
//! ```text
//! stuffed frame (COBS)                parity        L bytes in all, b = ceil(L / 255) codewords
//! 0 1 2 0 1 2 0 1 2 0 1 2 0 1 2 0 1 | 2 0 1 2 0 1   byte i belongs to codeword i mod b
//! ```
//!
//! Interleaved, so that a burst is shared by all codewords. The parity covers the stuffed bytes: were
//! it inside COBS, one wrong code byte would spoil several symbols, and one of a full block would shift
//! the rest of the frame; so it is a wrong byte like any other. A parity byte must not be zero
//! either: zero is sent as [`ZERO`], one wrong byte that the receiver repairs with the others. That
//! happens to one in 256; a code byte in front of the parity would cost every frame one.

use serde::{Deserialize, Serialize};

/// How much parity a codeword has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub(crate) struct Parity(u8);

impl From<Parity> for u8 {
    fn from(parity: Parity) -> Self {
        parity.0
    }
}

impl TryFrom<u8> for Parity {
    type Error = &'static str;

    fn try_from(len: u8) -> Result<Self, Self::Error> {
        Self::of_len(len).ok_or("no frame has such a parity")
    }
}

/// Most bytes of a codeword.
pub(crate) const CODEWORD: usize = 255;
/// Travels in place of a parity byte of zero.
pub(crate) const ZERO: u8 = 0xFF;
const MOST: usize = 24;

impl Parity {
    pub(crate) const NONE: Self = Self(0);
    /// Of hellos and tables, which must arrive on any line.
    pub(crate) const SERVICE: Self = Self(16);
    /// All that a frame may have.
    pub(crate) const ALL: [Self; 6] = [Self(0), Self(2), Self(4), Self(8), Self(16), Self(24)];

    /// The one of that length, if there is one.
    pub(crate) fn of_len(len: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|parity| parity.0 == len)
    }

    /// Parity bytes of a codeword.
    pub(crate) const fn len(self) -> usize {
        self.0 as usize
    }

    /// How many wrong bytes a codeword can have.
    pub(crate) const fn repairs(self) -> usize {
        self.len() / 2
    }

    /// Bytes of `stuffed` bytes with their parity.
    pub(crate) const fn wire_len(self, stuffed: usize) -> usize {
        stuffed + stuffed.div_ceil(CODEWORD - self.len()) * self.len()
    }

    /// Of `wire` bytes with parity those before the parity; `None` when there are none.
    pub(crate) const fn stuffed_len(self, wire: usize) -> Option<usize> {
        match wire.checked_sub(blocks(wire) * self.len()) {
            Some(0) | None => None,
            stuffed => stuffed,
        }
    }

    /// Appends its parity to a stuffed frame.
    pub(crate) fn append(self, wire: &mut Vec<u8>) {
        let Some(rows) = generator(self) else { return };
        let stuffed = wire.len();
        let len = self.wire_len(stuffed);
        let blocks = blocks(len);
        wire.resize(len, 0);
        for block in 0..blocks {
            let mut register = [0; MOST];
            for at in (block..stuffed).step_by(blocks) {
                let row = &rows[usize::from(wire[at] ^ register[0])];
                register.copy_within(1.., 0);
                register[self.len() - 1] = 0;
                for (byte, term) in register.iter_mut().zip(row).take(self.len()) {
                    *byte ^= term;
                }
            }
            // The parity bytes stand at the same remainders, wherever the frame ends.
            let first = stuffed + (block + blocks - stuffed % blocks) % blocks;
            for (at, &byte) in (first..len).step_by(blocks).zip(&register) {
                wire[at] = if byte == 0 { ZERO } else { byte };
            }
        }
    }

    /// Repairs `wire`, a stuffed frame with this parity. Says how many bytes were wrong; `None` when
    /// they are too many, and then `wire` may be repaired in part. What is `known` must be of the
    /// same bytes. Adds to `work` what it takes at most, in multiplications.
    pub(crate) fn repair(
        self,
        wire: &mut [u8],
        known: &mut Syndromes,
        work: &mut usize,
    ) -> Option<u32> {
        let stuffed = self.stuffed_len(wire.len())?;
        let blocks = blocks(wire.len());
        let mut wrong = 0;
        for block in 0..blocks {
            let len = (wire.len() - block).div_ceil(blocks);
            *work += len * self.len();
            let syndromes = known.of(wire, block, self.len());
            if syndromes.iter().all(|&syndrome| syndrome == 0) {
                continue;
            }
            *work += len * self.repairs();
            let errors = Errors::find(&syndromes[..self.len()], len)?;
            for &(place, value) in errors.all() {
                let at = block + place * blocks;
                let right = wire[at] ^ value;
                if at < stuffed && right == 0 {
                    // No stuffed byte is zero.
                    return None;
                }
                wrong += u32::from(at < stuffed || right != 0 || wire[at] != ZERO);
                wire[at] = right;
            }
        }
        Some(wrong)
    }
}

/// The codewords of some bytes, as polynomials at the roots. They are the same whatever the parity, so who
/// tries several keeps this.
#[derive(Debug, Default)]
pub(crate) struct Syndromes {
    /// Of the first codewords, at all roots.
    all: Vec<[u8; MOST]>,
}

impl Syndromes {
    /// Of a codeword at the first `count` roots at least; zero at those that were not looked at. Codewords
    /// are asked for one after the other.
    fn of(&mut self, wire: &[u8], block: usize, count: usize) -> [u8; MOST] {
        if let Some(syndromes) = self.all.get(block) {
            let mut syndromes = *syndromes;
            syndromes[count..].fill(0);
            return syndromes;
        }
        let blocks = blocks(wire.len());
        let mut word = [0; CODEWORD];
        let mut len = 0;
        for (byte, from) in word.iter_mut().zip(wire[block..].iter().step_by(blocks)) {
            *byte = *from;
            len += 1;
        }
        let word = &word[..len];
        let mut syndromes = [0; MOST];
        match count {
            2 => syndromes[..2].copy_from_slice(&at_roots::<2>(word)),
            4 => syndromes[..4].copy_from_slice(&at_roots::<4>(word)),
            _ => {
                // The remainder has the same values at the roots, and only 24 bytes.
                syndromes = at_roots(&remainder(word));
                self.all.push(syndromes);
                syndromes[count..].fill(0);
            }
        }
        syndromes
    }
}

/// A polynomial, highest coefficient first, at the first `N` roots.
fn at_roots<const N: usize>(word: &[u8]) -> [u8; N] {
    let mut values = [0; N];
    for &byte in word {
        for (value, table) in values.iter_mut().zip(&TIMES_ROOT) {
            *value = table[usize::from(*value)] ^ byte;
        }
    }
    values
}

/// What is left of a polynomial when it is divided by the generator of all 24 roots. The register is
/// three words, its first byte the highest of the first: all of its bytes move at once, which takes
/// much less time than a look at a table for each root.
fn remainder(word: &[u8]) -> [u8; MOST] {
    let mut register = [0u64; 3];
    for &byte in word {
        let row = &REDUCE[(register[0] >> 56) as usize];
        let [first, second, third] = register;
        register = [
            (first << 8 | second >> 56) ^ row[0],
            (second << 8 | third >> 56) ^ row[1],
            (third << 8 | u64::from(byte)) ^ row[2],
        ];
    }
    let mut remainder = [0; MOST];
    for (bytes, word) in remainder.chunks_exact_mut(8).zip(register) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    remainder
}

/// Codewords of a frame of so many bytes, parity included.
pub(crate) const fn blocks(wire: usize) -> usize {
    wire.div_ceil(CODEWORD)
}

/// The wrong bytes of a codeword: where, and what to add.
struct Errors {
    list: [(usize, u8); MOST / 2],
    count: usize,
}

impl Errors {
    fn all(&self) -> &[(usize, u8)] {
        &self.list[..self.count]
    }

    /// Solves the key equation (Berlekamp and Massey), searches the roots (Chien), and computes the
    /// values (Forney). `None` when no few enough errors explain the syndromes.
    fn find(syndromes: &[u8], len: usize) -> Option<Self> {
        let (locator, degree) = locator(syndromes)?;
        // The evaluator: syndromes times locator, modulo x^n.
        let mut evaluator = [0; MOST];
        for (i, term) in evaluator.iter_mut().enumerate().take(degree) {
            for j in 0..=i {
                *term ^= multiply(locator[j], syndromes[i - j]);
            }
        }
        let mut errors = Self {
            list: [(0, 0); MOST / 2],
            count: 0,
        };
        if degree == 1 {
            // The locator says where.
            if locator[1] == 0 {
                return None;
            }
            let power = usize::from(LOG[usize::from(locator[1])]);
            let place = len.checked_sub(1 + power)?;
            errors.list[0] = (place, value(&locator, &evaluator, degree, power)?);
            errors.count = 1;
            return Some(errors);
        }
        let mut terms = locator;
        for power in 0..len {
            // Here the terms are those of the locator at 2^-power.
            if terms[..=degree].iter().fold(0, |sum, term| sum ^ term) == 0 {
                let value = value(&locator, &evaluator, degree, power)?;
                *errors.list.get_mut(errors.count)? = (len - 1 - power, value);
                errors.count += 1;
                if errors.count == degree {
                    return Some(errors);
                }
            }
            for (term, table) in terms[1..=degree].iter_mut().zip(&BY_ROOT[1..]) {
                *term = table[usize::from(*term)];
            }
        }
        None
    }
}

/// The shortest register that makes the syndromes, and its length; `None` when it is longer than
/// what can be repaired.
fn locator(syndromes: &[u8]) -> Option<([u8; MOST + 1], usize)> {
    let mut current = [0; MOST + 1];
    let mut previous = [0; MOST + 1];
    (current[0], previous[0]) = (1, 1);
    let (mut degree, mut degree_before, mut gap, mut scale) = (0, 0, 1, 1);
    for (i, &syndrome) in syndromes.iter().enumerate() {
        let mut discrepancy = syndrome;
        for j in 1..=degree {
            discrepancy ^= multiply(current[j], syndromes[i - j]);
        }
        if discrepancy == 0 {
            gap += 1;
            continue;
        }
        let before = current;
        let factor = divide(discrepancy, scale);
        for (term, other) in current[gap..].iter_mut().zip(&previous[..=degree_before]) {
            *term ^= multiply(factor, *other);
        }
        if 2 * degree <= i {
            (previous, scale, gap) = (before, discrepancy, 1);
            (degree, degree_before) = (i + 1 - degree, degree);
            if 2 * degree > syndromes.len() {
                return None;
            }
        } else {
            gap += 1;
        }
    }
    Some((current, degree))
}

/// The value of the error whose locator is 2^`power`.
fn value(
    locator: &[u8; MOST + 1],
    evaluator: &[u8; MOST],
    degree: usize,
    power: usize,
) -> Option<u8> {
    let inverse = (GROUP - power % GROUP) % GROUP;
    let at = |i: usize| EXP[inverse * i % GROUP];
    let mut numerator = 0;
    for (i, &term) in evaluator.iter().enumerate().take(degree) {
        numerator ^= multiply(term, at(i));
    }
    // The derivative has the odd terms, each one lower.
    let mut slope = 0;
    for i in (1..=degree).step_by(2) {
        slope ^= multiply(locator[i], at(i - 1));
    }
    let value = multiply(EXP[power % GROUP], numerator);
    (slope != 0 && value != 0).then(|| divide(value, slope))
}

/// Order of the multiplicative group.
const GROUP: usize = 255;

/// Powers of 2, twice around, and behind them zeros, for products with zero.
static EXP: [u8; 2 * LOG_OF_ZERO as usize + 1] = powers();
/// The exponent of each byte; that of zero is one whose sum with any other is behind all powers.
static LOG: [u16; 256] = logarithms();
const LOG_OF_ZERO: u16 = 2 * GROUP as u16;
/// Byte times 2^j, for the roots.
static TIMES_ROOT: [[u8; 256]; MOST] = times_powers(1);
/// Byte divided by 2^j.
static BY_ROOT: [[u8; 256]; MOST] = times_powers(GROUP - 1);
/// What a byte that leaves the register of [`remainder`] puts back.
static REDUCE: [[u64; 3]; 256] = reductions();
/// For each parity: what a byte that leaves the register puts back.
static GENERATORS: [[[u8; MOST]; 256]; 5] = [
    generator_rows(2),
    generator_rows(4),
    generator_rows(8),
    generator_rows(16),
    generator_rows(24),
];

fn generator(parity: Parity) -> Option<&'static [[u8; MOST]; 256]> {
    let place = Parity::ALL.iter().position(|&known| known == parity)?;
    GENERATORS.get(place.checked_sub(1)?)
}

fn multiply(a: u8, b: u8) -> u8 {
    EXP[usize::from(LOG[usize::from(a)]) + usize::from(LOG[usize::from(b)])]
}

/// `b` is not zero.
fn divide(a: u8, b: u8) -> u8 {
    EXP[usize::from(LOG[usize::from(a)]) + GROUP - usize::from(LOG[usize::from(b)])]
}

const fn powers() -> [u8; 2 * LOG_OF_ZERO as usize + 1] {
    let mut powers = [0; 2 * LOG_OF_ZERO as usize + 1];
    let (mut value, mut i) = (1u16, 0);
    while i < 2 * GROUP {
        powers[i] = value as u8;
        value <<= 1;
        if value > 0xFF {
            value ^= 0x11D;
        }
        i += 1;
    }
    powers
}

const fn logarithms() -> [u16; 256] {
    let powers = powers();
    let mut logarithms = [LOG_OF_ZERO; 256];
    let mut i = 0;
    while i < GROUP {
        logarithms[powers[i] as usize] = i as u16;
        i += 1;
    }
    logarithms
}

/// Byte times 2^(`step` j).
const fn times_powers(step: usize) -> [[u8; 256]; MOST] {
    let (powers, logarithms) = (powers(), logarithms());
    let mut tables = [[0; 256]; MOST];
    let mut j = 0;
    while j < MOST {
        let mut byte = 1;
        while byte < 256 {
            tables[j][byte] = powers[logarithms[byte] as usize + step * j % GROUP];
            byte += 1;
        }
        j += 1;
    }
    tables
}

const fn reductions() -> [[u64; 3]; 256] {
    let rows = generator_rows(MOST);
    let mut reductions = [[0; 3]; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut i = 0;
        while i < MOST {
            reductions[byte][i / 8] |= (rows[byte][i] as u64) << (56 - i % 8 * 8);
            i += 1;
        }
        byte += 1;
    }
    reductions
}

const fn generator_rows(parity: usize) -> [[u8; MOST]; 256] {
    let (powers, logarithms) = (powers(), logarithms());
    // The product of (x - 2^j), highest coefficient first, which is 1.
    let mut generator = [0u8; MOST + 1];
    generator[0] = 1;
    let mut root = 0;
    while root < parity {
        let mut i = root + 1;
        while i > 0 {
            let before = generator[i - 1];
            if before != 0 {
                generator[i] ^= powers[logarithms[before as usize] as usize + root];
            }
            i -= 1;
        }
        root += 1;
    }
    let mut rows = [[0; MOST]; 256];
    let mut byte = 1;
    while byte < 256 {
        let mut i = 0;
        while i < parity {
            let term = generator[i + 1];
            if term != 0 {
                rows[byte][i] =
                    powers[logarithms[byte] as usize + logarithms[term as usize] as usize];
            }
            i += 1;
        }
        byte += 1;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with_parity(parity: Parity, stuffed: &[u8]) -> Vec<u8> {
        let mut wire = stuffed.to_vec();
        parity.append(&mut wire);
        wire
    }

    /// Slow arithmetic from the definition, to hold the tables against.
    fn slow_multiply(mut a: u16, mut b: u16) -> u16 {
        let mut product = 0;
        while b > 0 {
            if b & 1 == 1 {
                product ^= a;
            }
            a <<= 1;
            if a > 0xFF {
                a ^= 0x11D;
            }
            b >>= 1;
        }
        product
    }

    #[test]
    fn the_tables_are_those_of_the_field() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                let product = slow_multiply(a.into(), b.into());
                assert_eq!(u16::from(multiply(a, b)), product);
                if b != 0 {
                    assert_eq!(divide(product as u8, b), a);
                }
            }
        }
    }

    #[test]
    fn the_published_example_of_a_qr_code() {
        // ISO/IEC 18004 Annex I, "01234567" as version 1-M: sixteen data and ten parity bytes. Ten is
        // none of ours, but its roots are the first ten of ours.
        let data = [
            0x10, 0x20, 0x0C, 0x56, 0x61, 0x80, 0xEC, 0x11, 0xEC, 0x11, 0xEC, 0x11, 0xEC, 0x11,
            0xEC, 0x11,
        ];
        let published = [0xA5, 0x24, 0xD4, 0xC1, 0xED, 0x36, 0xC7, 0x87, 0x2C, 0x55];
        let word = [&data[..], &published].concat();
        let syndromes = Syndromes::default().of(&word, 0, 24);
        assert!(syndromes[..10].iter().all(|&syndrome| syndrome == 0));
        assert_ne!(syndromes[10], 0);
    }

    #[test]
    fn the_remainder_has_the_values_of_the_whole_at_the_roots() {
        let mut byte = 1u8;
        for len in 0..=CODEWORD {
            let word: Vec<u8> = (0..len)
                .map(|_| {
                    byte = byte.wrapping_mul(77).wrapping_add(13);
                    byte
                })
                .collect();
            assert_eq!(
                at_roots::<MOST>(&remainder(&word)),
                at_roots(&word),
                "{len}"
            );
            if len < MOST {
                assert!(remainder(&word).ends_with(&word), "{len}");
            }
        }
    }

    #[test]
    fn lengths_there_and_back() {
        for parity in Parity::ALL {
            for stuffed in 1..9000 {
                let wire = parity.wire_len(stuffed);
                assert_eq!(parity.stuffed_len(wire), Some(stuffed), "{parity:?}");
            }
            assert_eq!(parity.stuffed_len(0), None);
            assert_eq!(parity.stuffed_len(parity.len()), None);
        }
    }

    #[test]
    fn a_burst_is_shared_by_the_codewords() {
        let stuffed: Vec<u8> = (0..2000).map(|i| (i % 255 + 1) as u8).collect();
        let wire = with_parity(Parity(24), &stuffed);
        assert_eq!(blocks(wire.len()), 9);
        // Eleven of the twelve in each: one may be a zero of the parity.
        for at in (0..wire.len() - 99).step_by(37) {
            let mut damaged = wire.clone();
            for byte in &mut damaged[at..at + 99] {
                *byte ^= 0x5A;
            }
            assert!(
                Parity(24)
                    .repair(&mut damaged, &mut Syndromes::default(), &mut 0)
                    .is_some(),
                "{at}"
            );
            assert_eq!(damaged[..2000], stuffed);
        }
    }

    #[test]
    fn a_zero_in_the_parity_is_no_zero_on_the_line_and_no_error() {
        let mut seen = 0;
        for i in 1..=255u8 {
            for j in 1..=255u8 {
                let mut wire = with_parity(Parity(4), &[i, j, 77]);
                assert!(!wire.contains(&0));
                seen += usize::from(wire[3..].contains(&ZERO));
                assert_eq!(
                    Parity(4).repair(&mut wire, &mut Syndromes::default(), &mut 0),
                    Some(0)
                );
            }
        }
        assert!(seen > 500);
    }

    #[test]
    fn garbage_is_mostly_refused() {
        // What a wrong guess of the parity looks like: how often does the code accept it?
        let mut chance = 1u32;
        let mut random = || {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (chance >> 24) as u8
        };
        for (parity, most) in [(2, 0.2), (4, 0.02), (8, 0.002), (16, 0.0), (24, 0.0)] {
            let mut accepted = 0;
            for _ in 0..4000 {
                let mut word: Vec<u8> = (0..40).map(|_| random()).collect();
                accepted += usize::from(
                    Parity(parity)
                        .repair(&mut word, &mut Syndromes::default(), &mut 0)
                        .is_some(),
                );
            }
            println!("{parity} parity bytes accept {accepted} of 4000");
            assert!(accepted as f64 <= most * 4000.0, "{parity}: {accepted}");
        }
    }

    proptest! {
        #[test]
        fn as_many_wrong_bytes_as_promised_are_repaired(
            stuffed in prop::collection::vec(1u8.., 1..1200),
            parity in prop::sample::select(&Parity::ALL[1..]),
            errors in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 0..12),
        ) {
            let wire = with_parity(parity, &stuffed);
            prop_assert!(!wire.contains(&0));
            prop_assert_eq!(wire.len(), parity.wire_len(stuffed.len()));
            prop_assert_eq!(&wire[..stuffed.len()], &stuffed[..]);
            let blocks = blocks(wire.len());
            let mut damaged = wire.clone();
            // A parity byte of zero is a wrong one already.
            let room = |block: usize| {
                let mut clean = wire.clone();
                parity.repair(&mut clean, &mut Syndromes::default(), &mut 0).expect("whole");
                let zeros = clean.iter().skip(block).step_by(blocks).filter(|&&byte| byte == 0);
                parity.repairs().saturating_sub(zeros.count())
            };
            let mut wrong = std::collections::BTreeSet::new();
            for (at, value) in errors {
                let at = at.index(wire.len());
                let block = at % blocks;
                let there = wrong.iter().filter(|&&other| other % blocks == block).count();
                if there < room(block) && wrong.insert(at) {
                    damaged[at] ^= value;
                }
            }
            // What other parities would make of it is in nobody's way.
            let mut known = Syndromes::default();
            for other in Parity::ALL {
                other.repair(&mut damaged.clone(), &mut known, &mut 0);
            }
            let found = parity.repair(&mut damaged, &mut known, &mut 0);
            prop_assert!(found.is_some_and(|found| found as usize <= wrong.len()), "{found:?}");
            prop_assert_eq!(&damaged[..stuffed.len()], &stuffed[..]);
        }

        #[test]
        fn any_bytes_neither_panic_nor_get_a_zero(
            wire in prop::collection::vec(any::<u8>(), 0..700),
            parity in prop::sample::select(&Parity::ALL[..]),
        ) {
            let mut repaired = wire.clone();
            if parity.repair(&mut repaired, &mut Syndromes::default(), &mut 0).is_some_and(|wrong| wrong > 0) {
                let stuffed = parity.stuffed_len(wire.len()).expect("it has parity");
                let is_new = |(&new, &old): (&u8, &u8)| new == 0 && old != 0;
                prop_assert!(!repaired[..stuffed].iter().zip(&wire).any(is_new));
            }
        }
    }
}
