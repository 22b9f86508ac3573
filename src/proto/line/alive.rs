//! Whether the far end is there, and whether it hears us.
//!
//! Two signs, each good for some time: a good frame of the far end, and a proof that ours arrive
//! there. A long frame says nothing until its end, and may take seconds on a slow line. So while
//! bytes arrive that may be such a frame, the age of a sign stands still; and a proof may be late by
//! the time of the longest frame that was sent. Bytes that are nothing but noise hold off the end
//! for [`LONGEST_FRAME`] at most.

use crate::proto::framing::MAX_WIRE;
use crate::proto::time::{BitRate, Duration, Instant};

/// The last signs of life of a line.
#[derive(Debug, Default)]
pub(super) struct Alive {
    heard: Option<Sign>,
    proof: Option<Sign>,
    /// Line bytes of the longest frame that was on its way since the proof.
    longest: usize,
}

/// A sign, and how many bytes had been received on the line then.
#[derive(Clone, Copy, Debug)]
struct Sign {
    at: Instant,
    received: u64,
}

/// Most line time of a frame. What a sender makes longer would be taken for a cut.
pub(crate) const LONGEST_FRAME: Duration = Duration::from_secs(8);

impl Sign {
    /// Until when the sign does not age, because bytes came behind it.
    fn holds(self, received: u64, rate: BitRate) -> Instant {
        let bytes = received.saturating_sub(self.received).min(MAX_WIRE as u64);
        self.at + rate.time_for(bytes as usize).min(LONGEST_FRAME)
    }
}

impl Alive {
    /// A good frame of the far end came.
    pub(super) fn on_heard(&mut self, at: Instant, received: u64) {
        self.heard = Some(Sign { at, received });
    }

    /// The far end proved that our frames arrive; one of so many bytes is still on its way.
    pub(super) fn on_proof(&mut self, at: Instant, received: u64, under_way: usize) {
        self.proof = Some(Sign { at, received });
        self.longest = under_way;
    }

    /// A frame of so many bytes is on its way.
    pub(super) fn on_sent(&mut self, wire: usize) {
        self.longest = self.longest.max(wire);
    }

    /// The far end says that it does not hear us.
    pub(super) fn forget_proof(&mut self) {
        self.proof = None;
        self.longest = 0;
    }

    /// Forgets both signs.
    pub(super) fn forget(&mut self) {
        self.heard = None;
        self.forget_proof();
    }

    /// Until when the far end counts as heard, when a sign is good for `usual`.
    pub(super) fn heard_until(
        &self,
        received: u64,
        rate: BitRate,
        usual: Duration,
    ) -> Option<Instant> {
        Some(self.heard?.holds(received, rate) + usual)
    }

    /// Until when our frames count as arriving there.
    pub(super) fn proof_until(
        &self,
        received: u64,
        rate: BitRate,
        usual: Duration,
    ) -> Option<Instant> {
        let sent = self.proof?.at + rate.time_for(self.longest).min(LONGEST_FRAME);
        Some(self.proof_holds(received, rate)?.max(sent) + usual)
    }

    /// Until when nobody needs to ask for a proof.
    pub(super) fn proof_holds(&self, received: u64, rate: BitRate) -> Option<Instant> {
        Some(self.proof?.holds(received, rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: BitRate = BitRate::new(9600).unwrap();
    const USUAL: Duration = Duration::from_secs(2);

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    #[test]
    fn silence_is_noticed_at_once_and_a_long_frame_is_waited_for() {
        let mut alive = Alive::default();
        alive.on_heard(at(1000), 500);
        alive.on_proof(at(1000), 500, 0);
        for received in [500, 0] {
            assert_eq!(alive.heard_until(received, RATE, USUAL), Some(at(3000)));
            assert_eq!(alive.proof_until(received, RATE, USUAL), Some(at(3000)));
        }
        // 4800 bytes came: five seconds of this line.
        assert_eq!(alive.heard_until(5300, RATE, USUAL), Some(at(8000)));
        assert_eq!(alive.proof_until(5300, RATE, USUAL), Some(at(8000)));
        alive.on_sent(1920);
        assert_eq!(alive.heard_until(500, RATE, USUAL), Some(at(3000)));
        assert_eq!(alive.proof_until(500, RATE, USUAL), Some(at(5000)));
    }

    #[test]
    fn noise_does_not_pass_for_a_far_end_for_ever() {
        let mut alive = Alive::default();
        alive.on_heard(at(0), 0);
        assert_eq!(alive.heard_until(u64::MAX, RATE, USUAL), Some(at(10_000)));
        let fast = BitRate::new(921_600).unwrap();
        let until = alive.heard_until(u64::MAX, fast, USUAL).unwrap();
        assert!(until < at(2100), "{until:?}");
    }

    #[test]
    fn a_far_end_that_says_so_does_not_hear_us() {
        let mut alive = Alive::default();
        alive.on_heard(at(0), 0);
        alive.on_proof(at(0), 0, 5000);
        alive.forget_proof();
        assert_eq!(alive.proof_until(0, RATE, USUAL), None);
        assert!(alive.heard_until(0, RATE, USUAL).is_some());
        alive.forget();
        assert_eq!(alive.heard_until(0, RATE, USUAL), None);
    }
}
