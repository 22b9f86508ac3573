//! Systematic damage: what a wrong setting or a broken part does to every byte.
//!
//! Promise: no chance in it. Random damage is in [`noise`](super::noise); when bytes pass is left
//! to the [`LineModel`](super::LineModel).

use crate::proto::time::BitRate;

/// Something that is wrong with a line for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is wrong.
    #[default]
    None,
    /// The path carries seven bits: the top bit arrives as zero.
    SevenBits,
    /// The receiver samples at another rate than the sender sends.
    SpeedMismatch {
        /// What the sender is set to.
        sender_baud: BitRate,
        /// What the receiver is set to.
        receiver_baud: BitRate,
    },
    /// Every byte arrives as this one.
    StuckAt(u8),
    /// The path takes 0x11 and 0x13 for XON and XOFF and removes them.
    EatsXonXoff,
}

/// A receiver that samples a line at its own rate.
///
/// A falling edge is a start bit; one half bit later the line must still be low, then eight data
/// bits and the stop bit are sampled in their middle by the receiver's clock. A byte whose stop
/// bit is low is handed on as well, and then the next falling edge counts.
///
/// Durations are in units of 1 / (2 * sender's rate * receiver's rate) seconds, in which
/// the half bits of both ends are whole numbers.
#[derive(Clone, Debug)]
pub(super) struct Resampler {
    sender_bit: u64,
    receiver_bit: u64,
    /// The level that was last on the line; idle is high.
    high: bool,
    receiving: Option<Receiving>,
}

/// A character of which the start bit was seen.
#[derive(Clone, Copy, Debug)]
struct Receiving {
    /// Units up to the next sample.
    next_sample: u64,
    /// Samples taken: start, eight data.
    samples: u32,
    byte: u8,
}

impl Resampler {
    pub(super) fn new(sender: BitRate, receiver: BitRate) -> Self {
        Self {
            sender_bit: 2 * u64::from(receiver.bits_per_second()),
            receiver_bit: 2 * u64::from(sender.bits_per_second()),
            high: true,
            receiving: None,
        }
    }

    /// A byte goes over the line; the bytes the receiver makes of it go to `emit`.
    pub(super) fn byte(&mut self, byte: u8, emit: &mut impl FnMut(u8)) {
        self.level(false, self.sender_bit, emit);
        for bit in 0..8 {
            self.level(byte >> bit & 1 == 1, self.sender_bit, emit);
        }
        self.level(true, self.sender_bit, emit);
    }

    /// The line is idle for so many bits of the sender.
    pub(super) fn idle(&mut self, bits: u64, emit: &mut impl FnMut(u8)) {
        self.level(true, bits.saturating_mul(self.sender_bit), emit);
    }

    /// How many idle bits of the sender complete the character that is being received.
    pub(super) const fn idle_bits_to_complete(&self) -> Option<u64> {
        match self.receiving {
            None => None,
            Some(receiving) => {
                let samples = (STOP_SAMPLE - receiving.samples) as u64;
                let units = receiving.next_sample + samples * self.receiver_bit;
                // One more, since a sample on the boundary belongs to what comes after.
                Some(units / self.sender_bit + 1)
            }
        }
    }

    fn level(&mut self, high: bool, mut duration: u64, emit: &mut impl FnMut(u8)) {
        loop {
            let Some(receiving) = &mut self.receiving else {
                let falling = self.high && !high;
                self.high = high;
                if !falling {
                    return;
                }
                self.receiving = Some(Receiving {
                    next_sample: self.receiver_bit / 2,
                    samples: 0,
                    byte: 0,
                });
                continue;
            };
            self.high = high;
            if receiving.next_sample >= duration {
                receiving.next_sample -= duration;
                return;
            }
            duration -= receiving.next_sample;
            receiving.next_sample = self.receiver_bit;
            match receiving.samples {
                // A start bit that is over in its middle was none.
                0 if high => self.receiving = None,
                0 => receiving.samples = 1,
                STOP_SAMPLE => {
                    emit(receiving.byte);
                    self.receiving = None;
                }
                n => {
                    receiving.byte |= u8::from(high) << (n - 1);
                    receiving.samples += 1;
                }
            }
        }
    }
}

/// Samples before that of the stop bit.
const STOP_SAMPLE: u32 = 9;
