//! Chance from a seed.
//!
//! Promise: the same seed gives the same draws on every machine. It is good enough for noise and
//! test data, and useless for secrets. Where the seed comes from is left to the caller.

/// A small random generator: `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom
/// number generators", 2014). A counter that steps by an odd constant goes through a mixing
/// function; the period is 2^64.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator whose draws depend on `seed` only.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random byte.
    pub const fn byte(&mut self) -> u8 {
        (self.next_u64() >> 56) as u8
    }

    /// Evenly in `[0, 1)`, in steps of 2^-53.
    pub const fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly in `0..bound`; zero when `bound` is zero. The bias is below `bound` / 2^64.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }

    /// Evenly in `low..=high`; `low` when the range is empty.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low);
        low + self.below(span.saturating_add(1))
    }

    /// True with the probability `p`: never at 0 (or NaN), always at 1.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Exponential with that mean: the time to the next event of a Poisson process.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (-self.uniform()).ln_1p()
    }

    /// How many trials fail before the first that succeeds, each with the probability `p`:
    /// how far it is to the next error, in one draw. `u64::MAX` stands for never.
    pub fn geometric(&mut self, p: f64) -> u64 {
        if p >= 1.0 {
            return 0;
        }
        if p > 0.0 {
            // A float cast saturates, so a tiny `p` ends at u64::MAX as well.
            ((-self.uniform()).ln_1p() / (-p).ln_1p()) as u64
        } else {
            u64::MAX
        }
    }

    /// Fills `bytes` with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 200_000;

    fn mean(mut draw: impl FnMut() -> f64) -> f64 {
        (0..DRAWS).map(|_| draw()).sum::<f64>() / f64::from(DRAWS)
    }

    #[test]
    fn the_first_draws_are_those_of_the_published_generator() {
        // Reference output of SplitMix64 for the seed 1234567.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn draws_have_the_mean_they_should() {
        let mut rng = Rng::new(1);
        assert!((mean(|| rng.uniform()) - 0.5).abs() < 0.005);
        assert!((mean(|| rng.exponential(3.0)) - 3.0).abs() < 0.05);
        // Failures before the first success: (1 - p) / p.
        assert!((mean(|| rng.geometric(0.2) as f64) - 4.0).abs() < 0.1);
        assert!((mean(|| rng.geometric(1e-4) as f64) / 9_999.0 - 1.0).abs() < 0.02);
        assert!((mean(|| f64::from(rng.byte())) - 127.5).abs() < 1.0);
    }

    #[test]
    fn the_ends_of_each_range() {
        let mut rng = Rng::new(2);
        assert_eq!(rng.geometric(1.0), 0);
        assert_eq!(rng.geometric(0.0), u64::MAX);
        assert_eq!(rng.geometric(-1.0), u64::MAX);
        assert_eq!(rng.geometric(f64::NAN), u64::MAX);
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
        assert_eq!(rng.between(7, 7), 7);
        assert_eq!(rng.between(7, 3), 7);
        assert!(!rng.chance(0.0) && !rng.chance(f64::NAN) && rng.chance(1.0));
        let seen: std::collections::BTreeSet<u64> = (0..100).map(|_| rng.between(3, 5)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
    }

    #[test]
    fn fill_reaches_every_byte_of_any_length() {
        for length in 0..40 {
            let mut sum = vec![0u8; length];
            let mut rng = Rng::new(3);
            for _ in 0..10 {
                let mut bytes = vec![0; length];
                rng.fill(&mut bytes);
                sum.iter_mut().zip(&bytes).for_each(|(s, b)| *s |= b);
            }
            assert!(sum.iter().all(|&s| s != 0), "length {length}");
        }
    }
}
