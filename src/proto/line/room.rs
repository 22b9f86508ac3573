//! How much of a line audio may take together with its repeats.
//!
//! An account of line time: audio adds to it, three fifths of what passes is taken off. Packets that
//! were not sent before always go; repeats only while the account is low, and those of packets that
//! are known to be lost while it is not high. So on a line that has no room for all repeats as many
//! go as there is room for, and first those that help for certain.

use super::Line;
use crate::proto::time::{Duration, Instant};

/// Line time that audio took beyond its share.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AudioRoom {
    used: Duration,
    at: Instant,
}

/// Audio with its repeats may take so many parts of [`PARTS`].
const SHARE: u32 = 3;
const PARTS: u32 = 5;
/// Repeats go while the account is below this, and below that those of what was lost.
const LOW: Duration = Duration::from_millis(20);
const HIGH: Duration = Duration::from_millis(100);

impl AudioRoom {
    fn used(self, now: Instant) -> Duration {
        self.used.saturating_sub(now.since(self.at) * SHARE / PARTS)
    }
}

impl Line {
    /// Whether there is room for audio that was sent before, and perhaps is known to be lost.
    pub(crate) fn has_audio_room(&self, now: Instant, lost: bool) -> bool {
        self.audio_room.used(now) < if lost { HIGH } else { LOW }
    }

    /// Whether audio is missing in front of what came. Only a frame that nothing can interrupt carries
    /// it, so that frame is lost, even if its number is just the one before: it can be
    /// sent again if the far end hears of it soon.
    pub(crate) fn on_audio_missing(&mut self, missing: bool) {
        if missing {
            self.received.on_missing();
        }
    }

    /// Notes that audio took so many bytes.
    pub(crate) fn use_audio_room(&mut self, now: Instant, wire: usize) {
        let used = self.audio_room.used(now) + self.rate().time_for(wire);
        // What was taken long ago is not held against the repeats of today.
        let used = used.min(2 * HIGH);
        self.audio_room = AudioRoom { used, at: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::time::micros;

    #[test]
    fn three_fifths_of_the_time_pass_off_the_account() {
        let room = AudioRoom {
            used: Duration::from_millis(30),
            at: Instant::from_micros(1000),
        };
        let at = |us| micros(room.used(Instant::from_micros(us)));
        assert_eq!((at(0), at(1000), at(6000)), (30_000, 30_000, 27_000));
        assert_eq!((at(50_000), at(51_000), at(u64::MAX)), (600, 0, 0));
    }
}
