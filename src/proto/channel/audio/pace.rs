//! When the equipment hands in the next audio packet, by its pace so far.

use crate::proto::time::{Duration, Instant};

/// When the equipment hands in packets.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Instant>,
    interval: Option<Duration>,
}

/// A longer time between two packets is a pause of the talk.
const PAUSE: Duration = Duration::from_millis(200);

impl Pace {
    /// The equipment handed in a packet.
    pub(super) fn on_packet(&mut self, now: Instant) {
        let passed = self.last.replace(now).map(|last| now.since(last));
        if let Some(passed) = passed.filter(|&passed| passed < PAUSE) {
            let smoothed = self.interval.map(|before| (before * 7 + passed) / 8);
            self.interval = Some(smoothed.unwrap_or(passed));
        }
    }

    /// When the next packet comes; and when it is clear that it does not.
    fn next(&self) -> Option<(Instant, Instant)> {
        let (last, interval) = (self.last?, self.interval?);
        Some((last + interval, last + interval * 3 / 2))
    }

    /// How long no packet is expected; `None` when it is clear that none comes.
    pub(super) fn quiet_for(&self, now: Instant) -> Option<Duration> {
        let (next, pause) = self.next()?;
        (now < pause).then(|| next.since(now))
    }

    /// When it is clear that none comes.
    pub(super) fn pause_begins(&self) -> Option<Instant> {
        self.next().map(|(_, pause)| pause)
    }
}
