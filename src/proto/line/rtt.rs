//! Round trip of a line: smoothed, with its variation (RFC 6298 section 2).

use crate::proto::time::Duration;

/// Estimates the round trip from single measurements.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
}

/// Taken before the first measurement.
const INITIAL: Duration = Duration::from_millis(300);

impl Rtt {
    /// Takes a measurement.
    pub(crate) fn on_sample(&mut self, sample: Duration) {
        match self.smoothed {
            None => {
                self.smoothed = Some(sample);
                self.variation = sample / 2;
            }
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(sample)) / 4;
                self.smoothed = Some((smoothed * 7 + sample) / 8);
            }
        }
    }

    /// The smoothed round trip, once measured.
    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// A time within which an answer has come, if it comes at all.
    pub(crate) fn patience(&self) -> Duration {
        match self.smoothed {
            None => INITIAL,
            Some(smoothed) => smoothed + self.variation * 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_steady_round_trip() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.smoothed(), None);
        assert_eq!(rtt.patience(), INITIAL);
        for _ in 0..50 {
            rtt.on_sample(Duration::from_millis(80));
        }
        assert_eq!(rtt.smoothed(), Some(Duration::from_millis(80)));
        assert!(rtt.patience() < Duration::from_millis(82));
    }
}
