//! How fast the line takes the data of a flow, and what it will have taken by when.
//!
//! Promise: an estimate that follows the line within a few of its frames. Assumed: data is written
//! when the frame before it has left, so the time from one frame of the line to the next is what
//! the first one took, whatever else was in it or interrupted it. Left to others: what is done
//! with what comes too late ([`video`](super::video)).

use crate::proto::time::{Duration, Instant, earliest};

/// The line as a flow sees it.
#[derive(Debug, Default)]
pub(super) struct Service {
    /// Time and bytes, both fading with each frame of the line.
    time: f64,
    bytes: f64,
    /// How far single frames were off, as a share, smoothed.
    error: f64,
    /// The frame of the line that is being filled, or on its way.
    current: Option<Current>,
    /// Since when something of the flow waits.
    waiting_since: Option<Instant>,
    /// All that waited was taken for hopeless, and nothing was tried since.
    untried: bool,
    /// Half of the round trip.
    delay: Duration,
}

/// Frames of the line that begin at the same time count as one.
#[derive(Clone, Copy, Debug)]
struct Current {
    begun: Instant,
    bytes: usize,
    /// Room that was left in the last frame of the line.
    left: usize,
    /// When what was completed in that frame must have arrived.
    due: Option<Instant>,
}

impl Service {
    /// Something of the flow waits.
    pub(super) fn on_waiting(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
    }

    /// The line takes up to `space` bytes of the flow now.
    pub(super) fn on_turn(&mut self, now: Instant, space: usize) {
        let Some(current) = &mut self.current else {
            return;
        };
        if current.begun == now {
            if space > current.left {
                // The frame was closed, and another is begun.
                current.due = None;
            }
            return;
        }
        let Current { begun, bytes, .. } = *current;
        // What came while the frame must have been on its way, and was not taken at once.
        let expected = begun + self.line_time(bytes);
        let was_busy = |since| since <= begun || since < expected && now.since(since) > AT_ONCE;
        if self.waiting_since.is_some_and(was_busy) {
            self.sample(now.since(begun).as_secs_f64(), bytes as f64);
        }
        self.current = None;
    }

    /// Notes bytes that were written, and whether more of the flow waits. `left` is the room behind
    /// them, `due` when what they complete must have arrived.
    pub(super) fn on_written(
        &mut self,
        now: Instant,
        bytes: usize,
        more: bool,
        left: usize,
        due: Option<Instant>,
    ) {
        self.untried = false;
        if more {
            self.waiting_since.get_or_insert(now);
        } else {
            self.waiting_since = None;
        }
        let before = self.current.filter(|current| current.begun == now);
        self.current = Some(Current {
            begun: now,
            bytes: bytes + before.map_or(0, |current| current.bytes),
            left,
            due: earliest(due, before.and_then(|current| current.due)),
        });
    }

    /// Whether so many bytes more would make late what is complete in the frame that is filled: it
    /// arrives when all of the frame has.
    pub(super) fn would_spoil(&self, now: Instant, bytes: usize) -> bool {
        let due = self.current.and_then(|current| current.due);
        due.is_some_and(|due| self.latest_arrival(now, bytes) > due)
    }

    fn sample(&mut self, time: f64, bytes: f64) {
        let mut time = time;
        if self.bytes > 0.0 {
            // A stall of seconds says that there was a stall, and little of what comes now.
            time = time.min(MOST_SLOWER * bytes * self.time / self.bytes);
            let expected = bytes * self.time / self.bytes;
            let error = ((time - expected) / expected.max(time)).abs();
            self.error += (error - self.error) * NEW_SHARE;
        }
        self.time += time - self.time * NEW_SHARE;
        self.bytes += bytes - self.bytes * NEW_SHARE;
    }

    /// Nothing of the flow waits any more.
    pub(super) fn on_idle(&mut self) {
        self.waiting_since = None;
    }

    /// The line is cut: the pause says nothing of how fast it is.
    pub(super) fn on_interrupted(&mut self) {
        self.current = None;
    }

    /// The line stands idle because all that waited was taken for hopeless. If that happens again,
    /// the estimate may be wrong, and without a trial it would last for ever.
    pub(super) fn on_untried(&mut self) {
        if std::mem::replace(&mut self.untried, true) {
            self.time -= self.time * NEW_SHARE / 2.0;
        }
    }

    /// Takes a measured round trip of the line.
    pub(super) fn on_round_trip(&mut self, measured: Duration) {
        let half = measured / 2;
        self.delay = match self.delay {
            Duration::ZERO => half,
            known => (known * 7 + half) / 8,
        };
    }

    /// When so many bytes that go out from now on will have arrived.
    pub(super) fn arrival(&self, now: Instant, bytes: usize) -> Instant {
        now + self.time_for(now, bytes) + self.delay
    }

    /// The same, if the estimate is as wrong as it was lately.
    pub(super) fn latest_arrival(&self, now: Instant, bytes: usize) -> Instant {
        let margin = 1.0 + (LEAST_MARGIN + self.error / 2.0).min(MOST_MARGIN);
        now + self.time_for(now, bytes).mul_f64(margin) + self.delay + BELOW
    }

    /// Line time of what is in the frame that is filled, and of so many bytes behind it.
    fn time_for(&self, now: Instant, bytes: usize) -> Duration {
        let before = self.current.filter(|current| current.begun == now);
        self.line_time(bytes + before.map_or(0, |current| current.bytes))
    }

    fn line_time(&self, bytes: usize) -> Duration {
        if self.bytes <= 0.0 {
            return Duration::ZERO;
        }
        let seconds = bytes as f64 * self.time / self.bytes;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// What waits for less was taken at once.
const AT_ONCE: Duration = Duration::from_millis(1);
/// What a frame of the line counts against all before it.
const NEW_SHARE: f64 = 0.25;
/// One frame of the line counts as at most so many times slower than those before it.
const MOST_SLOWER: f64 = 4.0;
/// Margin for what nobody knows: a control message, an error on the line.
const LEAST_MARGIN: f64 = 0.1;
const MOST_MARGIN: f64 = 0.3;
/// What waits below the core, and the grain of the clock at the far end.
const BELOW: Duration = Duration::from_millis(8);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn write(service: &mut Service, ms: u64, bytes: usize, more: bool) {
        service.on_turn(at(ms), 1000);
        service.on_written(at(ms), bytes, more, 1000 - bytes, None);
    }

    #[test]
    fn the_estimate_is_what_frames_of_the_line_took() {
        let mut service = Service::default();
        assert_eq!(service.arrival(at(0), 1000), at(0), "nothing is known");
        for i in 0..20 {
            // Two segments of each frame are of this flow.
            write(&mut service, 100 * i, 150, true);
            write(&mut service, 100 * i, 50, true);
        }
        assert_eq!(service.arrival(at(5000), 400), at(5200));
        assert!(service.latest_arrival(at(5000), 400) > at(5220));
        service.on_round_trip(Duration::from_millis(60));
        assert_eq!(service.arrival(at(5000), 400), at(5230));
        assert_eq!(
            service.arrival(at(1900), 200),
            at(2130),
            "behind the other 200"
        );
    }

    #[test]
    fn idle_time_is_not_the_lines() {
        let mut service = Service::default();
        write(&mut service, 0, 100, true);
        write(&mut service, 50, 100, false);
        service.on_waiting(at(5000));
        write(&mut service, 5000, 100, true);
        service.on_idle();
        service.on_waiting(at(9000));
        write(&mut service, 9000, 100, true);
        service.on_interrupted();
        write(&mut service, 9500, 100, false);
        assert_eq!(service.arrival(at(20_000), 100), at(20_050));
        // It came while the last was on its way.
        service.on_waiting(at(9520));
        write(&mut service, 9560, 100, false);
        assert!(service.arrival(at(20_000), 100) > at(20_052));
    }

    #[test]
    fn an_estimate_without_trial_does_not_last() {
        let mut service = Service::default();
        write(&mut service, 0, 100, true);
        write(&mut service, 1000, 100, false);
        service.on_untried();
        assert_eq!(service.arrival(at(9000), 100), at(10_000));
        for _ in 0..30 {
            service.on_untried();
        }
        assert!(service.arrival(at(9000), 100) < at(9030));
    }

    #[test]
    fn what_is_complete_does_not_wait_for_more_than_it_can() {
        let mut service = Service::default();
        for i in 0..20 {
            write(&mut service, 100 * i, 100, true);
        }
        service.on_turn(at(2000), 1000);
        service.on_written(at(2000), 200, true, 800, Some(at(2400)));
        assert!(!service.would_spoil(at(2000), 100));
        assert!(service.would_spoil(at(2000), 200));
        // The next frame of the line does not hold it up.
        service.on_turn(at(2000), 1000);
        assert!(!service.would_spoil(at(2000), 1000));
    }
}
