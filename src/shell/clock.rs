//! The one place where the machine's clock becomes the core's time.
//!
//! Promises an [`Instant`] that starts near zero and never goes back. Assumes that
//! `std::time::Instant` is monotonic.

use std::time::{Duration, Instant as MachineInstant};

use crate::proto::time::Instant;

/// The clock of one run.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: MachineInstant,
}

impl Clock {
    /// A clock that reads zero now.
    pub fn start() -> Self {
        Self {
            start: MachineInstant::now(),
        }
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    /// Waits until that time; for ever, when there is none.
    pub async fn sleep_until(&self, at: Option<Instant>) {
        match at {
            Some(at) => tokio::time::sleep_until(self.to_machine(at)).await,
            None => std::future::pending().await,
        }
    }

    /// The same moment for the runtime's timer. A moment too far away to be named is a year away.
    fn to_machine(self, at: Instant) -> tokio::time::Instant {
        let since_start = Duration::from_micros(at.as_micros());
        let machine = self
            .start
            .checked_add(since_start.min(self.start.elapsed() + YEAR));
        tokio::time::Instant::from_std(machine.unwrap_or(self.start))
    }
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_the_way_to_the_timer() {
        let clock = Clock::start();
        let later = clock.now() + Duration::from_secs(3);
        let machine = clock.to_machine(later).into_std();
        let back = Instant::ZERO + machine.duration_since(clock.start);
        assert_eq!(back, later);
    }

    #[test]
    fn a_moment_out_of_reach_is_far_away() {
        let clock = Clock::start();
        let machine = clock.to_machine(Instant::from_micros(u64::MAX)).into_std();
        assert!(machine > MachineInstant::now() + YEAR / 2);
    }
}
