//! The time of a call: starts at zero when the equipment begins to talk.

use tokio::time::Instant as MachineInstant;

use copperlink::proto::time::{Duration, Instant};

/// The clock of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: MachineInstant,
}

impl Clock {
    /// A clock that reads zero now.
    pub(crate) fn start() -> Self {
        Self {
            start: MachineInstant::now(),
        }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    /// Waits until that time; for ever, when there is none.
    pub(crate) async fn sleep_until(&self, at: Option<Instant>) {
        match at {
            Some(at) => {
                let since_start = Duration::from_micros(at.as_micros());
                // A moment too far away to be named is as good as never.
                match self.start.checked_add(since_start) {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            }
            None => std::future::pending().await,
        }
    }
}
