//! Weather that changes while a link works, and how soon the link has found its feet again.

use super::{BulkRun, CallFigures, CallRun, Setup};
use crate::proto::error::ConfigError;
use crate::proto::time::{Duration, Instant};
use crate::sim::{Noise, Side};

/// One noise after the other, each for so many whole seconds.
#[derive(Clone, Copy, Debug)]
pub struct Weather<'a> {
    /// What comes, in this order.
    pub phases: &'a [Noise],
    /// How long each of them takes, s.
    pub seconds: u64,
}

impl Weather<'_> {
    /// Bulk one way through it, from a cold start: for each second the share of the line that the
    /// data which arrived in it takes.
    ///
    /// # Errors
    /// When the protocol refuses the configuration.
    pub fn bulk(&self, setup: &Setup) -> Result<Vec<f64>, ConfigError> {
        let mut run = BulkRun::new(setup, &[Side::A])?;
        for (begin, noise) in (0..).zip(self.phases) {
            run.set_noise(*noise);
            run.run_until(at((begin + 1) * self.seconds));
        }
        let total = self.phases.len() as u64 * self.seconds;
        let share = |second| run.arrived(Side::A, at(second), at(second + 1));
        Ok((0..total).map(share).collect())
    }

    /// A call through it, from a cold start: what became of what was sent in each second.
    ///
    /// # Errors
    /// When the protocol refuses the configuration.
    pub fn call(&self, setup: &Setup, load: f64) -> Result<(Vec<CallFigures>, u64), ConfigError> {
        let end = at(self.phases.len() as u64 * self.seconds);
        let mut run = CallRun::new(setup, load, end)?;
        for (begin, noise) in (0..).zip(self.phases) {
            run.set_noise(*noise);
            run.run_until(at((begin + 1) * self.seconds));
        }
        run.run_until(end + Duration::from_secs(10));
        run.finish();
        Ok((run.seconds().to_vec(), run.wrong()))
    }

    /// After how many seconds of each phase but the first what a curve shows is within `share` (0
    /// to 1) of what the second half of that phase shows: as a mean of that second and the two
    /// behind it, since frames may take long.
    pub fn settled(&self, curve: &[f64], share: f64) -> Vec<usize> {
        let phases = curve.chunks(self.seconds.max(1) as usize).skip(1);
        let settled = |phase: &[f64]| {
            let steady = mean(&phase[phase.len() / 2..]);
            let mut windows = phase.windows(WINDOW);
            windows
                .position(|window| mean(window) >= share * steady)
                .unwrap_or(phase.len())
        };
        phases.map(settled).collect()
    }
}

fn at(second: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(second)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Seconds that are looked at together.
const WINDOW: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_settled_where_it_stays_near_its_end() {
        let weather = Weather {
            phases: &[Noise::NONE; 4],
            seconds: 12,
        };
        let up = [0.0, 0.0, 0.0, 0.5, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        let down = [2.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        let uneven = [0.0, 0.0, 3.0, 0.0, 0.0, 3.0, 0.0, 0.0, 3.0, 0.0, 0.0, 3.0];
        let curve = [up, up, down, uneven].concat();
        assert_eq!(weather.settled(&curve, 0.9), [4, 0, 0]);
    }
}
