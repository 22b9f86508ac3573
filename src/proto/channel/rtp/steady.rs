//! When a packet may go in the steady form: four bits of its sequence number.
//!
//! Promise: the receiver can complete them, whatever was lost, or knows that it cannot
//! ([`restore`](super::restore)). Assumed: what was sent and acknowledged is told in order.

use super::{Difference, MOST_SHARE, Time};

/// Whether the receiver can complete four bits of a sequence number.
#[derive(Debug, Default)]
pub(in super::super) struct Steady {
    /// The flow's place among those that may send steady packets.
    place: Option<u8>,
    /// Slot and sequence number of the last packet.
    last: Option<(usize, u16)>,
    /// Number of the packet behind which each frame held no more packets than a steady one may,
    /// and each packet followed the one before it.
    regular_from: u64,
    /// One more than the largest packet number that arrived.
    acked: u64,
    /// Frames lost since one arrived.
    lost: u64,
    /// How often packets had to share a frame lately.
    crowded: u32,
    /// Frames since one told the whole sequence number.
    since_explicit: u32,
    /// Packets are repeated now.
    repeats: bool,
}

/// After so many regular packets four bits say how many of them were lost.
const REGULAR: u64 = 16;
/// So many lost packets in a row are too many.
const MANY_LOST: u64 = 8;
/// So often packets shared a frame: the line is too slow for a frame a packet.
const CROWDED: u32 = 4;
const MOST_CROWDED: u32 = 8;
/// Where frames hold several packets few lost ones are too many, and reports are rare: one in so
/// many frames tells the whole sequence number.
const REFRESH: u32 = 8;
/// The same where packets are repeated: the far end does not know which of the absent frames held
/// repeats, and gives up after half as many packets.
const REFRESH_REPEATED: u32 = 3;

impl Steady {
    /// `place`: the flow's place among those that may send steady packets, if it has one.
    pub(in super::super) fn new(place: Option<u8>) -> Self {
        Self {
            place,
            ..Self::default()
        }
    }

    /// The slot of the last packet that went by a context.
    pub(in super::super) fn last_slot(&self) -> usize {
        self.last.map_or(0, |(slot, _)| slot)
    }

    /// Whether the far end got what was sent is not known: packet `number` tells all.
    pub(in super::super) fn doubt(&mut self, number: u64) {
        self.regular_from = number;
    }

    /// Whether packets are repeated now.
    pub(in super::super) fn set_repeats(&mut self, repeats: bool) {
        self.repeats = repeats;
    }

    /// The last frame told the whole sequence number.
    pub(in super::super) fn on_explicit(&mut self) {
        self.since_explicit = 0;
    }

    /// Packets that a steady frame should hold.
    pub(in super::super) fn wanted_share(&self) -> usize {
        if self.crowded >= CROWDED {
            MOST_SHARE
        } else {
            1
        }
    }

    /// Notes how many packets wait as a frame is made.
    pub(in super::super) fn on_waiting(&mut self, packets: usize) {
        self.crowded = match packets {
            0 | 1 => self.crowded.saturating_sub(1),
            _ => (self.crowded + 1).min(MOST_CROWDED),
        };
    }

    pub(in super::super) fn follows(&self, difference: &Difference) -> bool {
        self.last == Some((difference.slot, difference.sequence.wrapping_sub(1)))
    }

    /// The flow's place, if packet `number` may go in the steady form, by a context for frames of
    /// `share` packets.
    pub(in super::super) fn place(
        &self,
        number: u64,
        difference: &Difference,
        share: usize,
    ) -> Option<u8> {
        let is_sure =
            self.acked > self.regular_from || number.saturating_sub(self.regular_from) >= REGULAR;
        let may = self.follows(difference)
            && is_sure
            && !difference.marker
            && difference.time == Time::Linear
            && (share == 1 || self.since_explicit < REFRESH)
            && (!self.repeats || self.since_explicit < REFRESH_REPEATED);
        self.place.filter(|_| may)
    }

    /// Notes a frame: number, slot and sequence number of its last packet.
    pub(in super::super) fn on_sent(
        &mut self,
        number: u64,
        last: Option<(usize, u16)>,
        is_regular: bool,
    ) {
        if !is_regular {
            self.regular_from = number;
        }
        self.last = last;
        self.since_explicit = self.since_explicit.saturating_add(1);
    }

    pub(in super::super) fn on_acked(&mut self, number: u64) {
        self.acked = self.acked.max(number + 1);
        self.lost = 0;
    }

    pub(in super::super) fn on_lost(&mut self, next_number: u64, share: usize) {
        self.lost += 1;
        if self.lost * share as u64 >= MANY_LOST {
            self.regular_from = next_number;
        }
    }

    pub(in super::super) fn restart(&mut self) {
        *self = Self::new(self.place);
    }
}
