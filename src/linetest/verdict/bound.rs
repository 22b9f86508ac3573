//! How certain a measured rate of errors is.

use serde::Serialize;

/// A rate of errors with what it may be in truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// Bits that were compared.
    pub bits: u64,
    /// Those that were wrong.
    pub errors: u64,
    /// Their share.
    pub rate: f64,
    /// With a certainty of 95 % the true rate is not above this. Errors in bursts are fewer independent events than
    /// errors; then it is less certain.
    pub upper: f64,
}

impl Bound {
    /// `None` when no bit was compared.
    pub fn new(errors: u64, bits: u64) -> Option<Self> {
        (bits > 0).then(|| Self {
            bits,
            errors,
            rate: errors as f64 / bits as f64,
            upper: (most_errors(errors) / bits as f64).min(1.0),
        })
    }
}

/// The mean of which so few errors, or fewer, come by chance in 5 % of all tests (Poisson).
fn most_errors(errors: u64) -> f64 {
    if errors == 0 {
        // -ln 0.05, the rule of three.
        return 3.0;
    }
    // Wilson and Hilferty's approximation of the chi-squared distribution.
    let n = errors as f64 + 1.0;
    n * (1.0 - 1.0 / (9.0 * n) + ONE_SIDED_95 / (3.0 * n.sqrt())).powi(3)
}

const ONE_SIDED_95: f64 = 1.644_854;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_in_n_bits_means_less_than_three_in_n() {
        let bound = Bound::new(0, 3_000_000).unwrap();
        assert_eq!((bound.rate, bound.upper), (0.0, 1e-6));
        assert_eq!(Bound::new(0, 0), None);
    }

    #[test]
    fn the_bound_is_that_of_the_tables() {
        // Upper 95 % limits of a Poisson mean.
        for (errors, most) in [
            (1, 4.744),
            (2, 6.296),
            (5, 10.513),
            (10, 16.962),
            (100, 118.08),
        ] {
            let got = most_errors(errors);
            assert!((got - most).abs() < most * 0.005, "{errors}: {got}");
        }
    }

    #[test]
    fn a_bound_is_a_share() {
        assert_eq!(Bound::new(10, 10).unwrap().upper, 1.0);
    }
}
