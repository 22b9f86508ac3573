//! What no code, however long and clever, can exceed on a line with that noise.

use crate::sim::Noise;

/// The share of a line that can carry data at all, by Shannon. The parts count as independent,
/// and stray bytes on an idle line cost nothing:
///
/// - single wrong bits: the binary symmetric channel, `1 - H(rate)`;
/// - bursts: all that falls into them is lost and both ends know it, `1 - burst / (burst + gap)`;
///   what little a burst lets through is not counted;
/// - bytes that are lost or come out of nowhere: the lost ones, and what it takes to say where
///   both happened, `1 - lost - (H(lost) + H(inserted)) / 8`. The exact capacity is not known;
///   at the rates of real lines this is near.
pub fn limit(noise: &Noise) -> f64 {
    let errors = 1.0 - entropy(noise.bit_error_rate);
    let bursts = noise.bursts.map_or(1.0, |bursts| {
        let burst = bursts.mean_burst.as_secs_f64();
        let both = burst + bursts.mean_gap.as_secs_f64();
        if both > 0.0 { 1.0 - burst / both } else { 1.0 }
    });
    let (lost, inserted) = (noise.lost_byte_rate, noise.inserted_byte_rate);
    let slips = 1.0 - lost - (entropy(lost) + entropy(inserted)) / 8.0;
    errors * bursts * slips.max(0.0)
}

/// Of an event with that probability, in bits.
fn entropy(p: f64) -> f64 {
    if p > 0.0 && p < 1.0 {
        -p * p.log2() - (1.0 - p) * (1.0 - p).log2()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::time::Duration;
    use crate::sim::Bursts;

    #[test]
    fn limits_are_those_of_the_textbook() {
        for (rate, known) in [
            (0.0, 1.0),
            (1e-5, 0.999_82),
            (1e-4, 0.998_53),
            (1e-3, 0.988_59),
            (0.11, 0.500_09),
            (0.5, 0.0),
        ] {
            let limit = limit(&Noise::bit_errors(rate));
            assert!((limit - known).abs() < 1e-5, "{rate}: {limit}");
        }
        let bursts = Noise {
            bursts: Some(Bursts {
                mean_burst: Duration::from_millis(20),
                mean_gap: Duration::from_millis(1980),
                bit_error_rate: 0.3,
            }),
            ..Noise::NONE
        };
        assert!((limit(&bursts) - 0.99).abs() < 1e-9);
        let slips = Noise {
            lost_byte_rate: 1e-4,
            inserted_byte_rate: 1e-4,
            ..Noise::NONE
        };
        assert!((limit(&slips) - 0.999_531_7).abs() < 1e-6);
    }
}
