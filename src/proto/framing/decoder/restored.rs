//! A decoder that was written down, and goes on elsewhere: what is read back is not trusted.

use super::{Decoder, DecoderCounts, MAX_WIRE, MOST_LOOKS, MOST_STEPS, MOST_WORK, NOISY, Parity};

/// No counter and no number comes as far in practice, and nothing overflows.
const MOST: u64 = 1 << 48;

impl Decoder {
    /// The decoder if it can be one that was written down.
    pub(crate) fn restored(mut self) -> Option<Self> {
        let mut order = self.order;
        order.sort_unstable();
        let DecoderCounts {
            good,
            joined,
            split,
            slips,
            repaired_frames,
            repaired_bytes,
            good_bytes,
            good_squares,
            repaired_pairs,
            bad,
            bad_bytes,
        } = self.counts;
        let numbers = [good, joined, split, slips, repaired_frames, repaired_bytes];
        let more = [good_bytes, repaired_pairs, bad, bad_bytes, self.expected];
        let is_small = |number: &u64| *number < MOST;
        let is_sound = order == Parity::ALL
            && numbers.iter().all(is_small)
            && more.iter().all(is_small)
            && good_squares < u64::MAX / 2
            && self.chunk.len() <= MAX_WIRE
            && !self.chunk.contains(&0)
            && self.lengths.iter().all(|&length| length <= MAX_WIRE)
            && self.steps <= MOST_STEPS
            && self.looks <= MOST_LOOKS
            && self.work <= MOST_WORK
            && self.noisy <= NOISY;
        (is_sound && self.held.restore()).then_some(self)
    }

    /// From now on what belongs to no frame is kept for [`Decoder::take_given_up`].
    pub(crate) fn keep_given_up(&mut self) {
        self.held.keep_given_up();
    }

    /// What was found to belong to no frame since the last call.
    pub(crate) fn take_given_up(&mut self) -> Vec<Vec<u8>> {
        self.held.take_given_up()
    }
}
