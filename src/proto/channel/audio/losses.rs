//! How many audio packets the line loses, and how many in a row.
//!
//! Promise: figures that fade with each packet, so they follow the line. Assumed: the fates of the
//! packets come in the order in which they were sent. Left to others: what follows from it.

/// What is lost, of packets when they are sent first. All fades with each packet.
#[derive(Debug)]
pub(super) struct Losses {
    /// What remains with each new packet.
    fade: f64,
    packets: f64,
    lost: f64,
    /// Of these, known too late for sending them again.
    too_late: f64,
    /// Losses in a row count once.
    runs: f64,
    in_run: bool,
}

impl Losses {
    /// Of the last hundred packets or so.
    pub(super) fn lately() -> Self {
        Self::new(LATELY)
    }

    /// Of the last some hundreds.
    pub(super) fn for_long() -> Self {
        Self::new(FOR_LONG)
    }

    fn new(fade: f64) -> Self {
        Self {
            fade,
            // As if none had been lost before.
            packets: 1.0 / (1.0 - fade),
            lost: 0.0,
            too_late: 0.0,
            runs: 0.0,
            in_run: false,
        }
    }

    /// Counts a packet.
    pub(super) fn count(&mut self, is_lost: bool, too_late: bool) {
        let one_if = |is: bool| f64::from(u8::from(is));
        self.packets = self.packets * self.fade + 1.0;
        self.lost = self.lost * self.fade + one_if(is_lost);
        self.too_late = self.too_late * self.fade + one_if(too_late);
        self.runs = self.runs * self.fade + one_if(is_lost && !self.in_run);
        self.in_run = is_lost;
    }

    /// Share of the packets that are lost.
    pub(super) fn share(&self) -> f64 {
        self.lost / self.packets
    }

    /// The share that remains when what is known in time is sent again, and lost again as often.
    pub(super) fn left(&self) -> f64 {
        let again = (self.lost - self.too_late).max(0.0) * self.share();
        (self.too_late + again) / self.packets
    }

    /// Packets that a burst takes on average. Single errors make runs, too, when there are many.
    pub(super) fn run(&self) -> u64 {
        let mean = self.lost / self.runs * (1.0 - self.share());
        if mean.is_finite() {
            ((mean + 0.3).round() as u64).clamp(1, FARTHEST)
        } else {
            1
        }
    }
}

/// What of the losses remains with each new packet: half after 46, and after 277.
const LATELY: f64 = 0.985;
const FOR_LONG: f64 = 0.9975;
/// Most packets between the newest and what is repeated behind it, and one.
const FARTHEST: u64 = 3;
