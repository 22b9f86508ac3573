//! Control in bulk: more of it than the line carries.

use super::{Setup, line_stats, set_noise};
use crate::proto::error::ConfigError;
use crate::proto::stats::LineStats;
use crate::proto::time::{BitRate, Instant};
use crate::sim::{Call, Noise, Side, Steady, Tally, World};

/// A link that is cold at first, with bulk to carry from the first moment on.
pub struct BulkRun {
    world: World,
    call: Call,
    rate: BitRate,
}

impl BulkRun {
    /// Bytes of a datagram.
    pub const DATAGRAM: usize = 1200;

    /// Bulk from these ends.
    ///
    /// # Errors
    /// When the protocol refuses the configuration.
    pub fn new(setup: &Setup, from: &[Side]) -> Result<Self, ConfigError> {
        let mut call = Call::default();
        for &side in from {
            let seed = setup.seed + side as u64;
            let bulk = Steady::bulk(Instant::ZERO, Self::DATAGRAM, setup.rate, seed);
            call.add(side, Setup::CONTROL, bulk, None);
        }
        Ok(Self {
            world: setup.world()?,
            call,
            rate: setup.rate,
        })
    }

    /// Goes on to that time.
    pub fn run_until(&mut self, until: Instant) {
        self.call.run_until(&mut self.world, until);
    }

    /// Changes the weather.
    pub fn set_noise(&mut self, noise: Noise) {
        set_noise(&mut self.world, noise);
    }

    /// Share of the line that carried data from one arrival to another, the first and the last of
    /// that time: a frame of several datagrams may take seconds, and a lost one holds up others.
    /// Right to within a datagram.
    pub fn share(&self, side: Side, from: Instant, to: Instant) -> f64 {
        let within = || self.arrivals(side).filter(|&at| at > from && at <= to);
        let (Some(first), Some(last)) = (within().next(), within().last()) else {
            return 0.0;
        };
        if first == last {
            return 0.0;
        }
        let behind = within().filter(|&at| at > first).count();
        self.of_line(behind, first, last)
    }

    /// Share of the line that carried data from the cold start to the last arrival up to `to`.
    pub fn share_from_start(&self, side: Side, to: Instant) -> f64 {
        let last = self.arrivals(side).filter(|&at| at <= to).last();
        last.map_or(0.0, |last| self.arrived(side, Instant::ZERO, last))
    }

    /// Share of the line's time that the data which arrived within it takes.
    pub fn arrived(&self, side: Side, from: Instant, to: Instant) -> f64 {
        let within = self
            .arrivals(side)
            .filter(|&at| at > from && at <= to)
            .count();
        self.of_line(within, from, to)
    }

    /// What became of what an end sent.
    pub fn tally(&self, side: Side) -> Option<&Tally> {
        self.call.tally(side, Setup::CONTROL)
    }

    /// The counters of the line at one end.
    pub fn line_stats(&self, side: Side) -> Option<LineStats> {
        line_stats(&self.world, side)
    }

    fn arrivals(&self, side: Side) -> impl Iterator<Item = Instant> {
        let tally = self.tally(side).into_iter();
        tally.flat_map(|tally| tally.arrivals.iter().copied())
    }

    fn of_line(&self, datagrams: usize, from: Instant, to: Instant) -> f64 {
        let bits = (datagrams * Self::DATAGRAM) as f64 * 10.0;
        bits / f64::from(self.rate.bits_per_second()) / to.since(from).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::time::Duration;

    #[test]
    fn a_share_is_that_of_the_line() {
        let setup = Setup {
            rate: BitRate::new(38_400).unwrap(),
            noise: Noise::NONE,
            seed: 1,
        };
        let mut run = BulkRun::new(&setup, &[Side::A]).unwrap();
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        run.run_until(at(10));
        let share = run.share(Side::A, at(2), at(10));
        // Within a datagram: 4 % of this short time.
        assert!((0.94..=1.04).contains(&share), "{share}");
        assert!((run.arrived(Side::A, at(2), at(10)) - share).abs() < 0.2);
        assert_eq!(run.share(Side::B, at(2), at(10)), 0.0);
        let cold = run.share_from_start(Side::A, at(10));
        assert!(cold > 0.8 && cold < share, "{cold}");
        assert_eq!(run.arrived(Side::A, at(10), at(12)), 0.0);
        assert_eq!(run.tally(Side::A).unwrap().wrong, 0);
    }
}
