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
    /// The same, and the path says XON and XOFF itself: what noise inserts is one of the two.
    SaysXonXoff,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What a receiver makes of bytes sent without a gap, and of the silence after them.
    fn receive(sender: u32, receiver: u32, sent: &[u8]) -> Vec<u8> {
        let (sender, receiver) = (
            BitRate::new(sender).unwrap(),
            BitRate::new(receiver).unwrap(),
        );
        let mut resampler = Resampler::new(sender, receiver);
        let mut received = Vec::new();
        for &byte in sent {
            resampler.byte(byte, &mut |byte| received.push(byte));
        }
        if let Some(bits) = resampler.idle_bits_to_complete() {
            resampler.idle(bits, &mut |byte| received.push(byte));
        }
        assert_eq!(resampler.idle_bits_to_complete(), None);
        received
    }

    fn every_byte() -> Vec<u8> {
        (0..=255).chain((0..=255).rev()).collect()
    }

    #[test]
    fn equal_speeds_change_nothing() {
        assert_eq!(receive(9600, 9600, &every_byte()), every_byte());
        assert_eq!(receive(50, 50, &every_byte()), every_byte());
        assert_eq!(receive(20_000_000, 20_000_000, &every_byte()), every_byte());
    }

    #[test]
    fn a_receiver_bears_four_percent_and_not_seven() {
        // The stop bit is sampled at 9.5 bit times: 5 % faster or slower is the limit.
        for (sender, receiver) in [(10_000, 10_400), (10_400, 10_000)] {
            assert_eq!(receive(sender, receiver, &every_byte()), every_byte());
        }
        for (sender, receiver) in [(10_000, 10_700), (10_700, 10_000)] {
            assert_ne!(receive(sender, receiver, &every_byte()), every_byte());
        }
    }

    #[test]
    fn a_receiver_at_twice_the_speed_sees_each_bit_twice() {
        // Start bit 00, then 11 …: a start bit, a zero and seven ones, and a high stop bit.
        assert_eq!(receive(9600, 19_200, &[0xff]), [0xfe]);
        // Nine low bits are eighteen: one byte, and no falling edge after it.
        assert_eq!(receive(9600, 19_200, &[0x00]), [0x00]);
    }

    #[test]
    fn a_receiver_at_half_the_speed_needs_the_silence_after_a_byte() {
        // Low for nine bits are four and a half; a start bit, three zeros, then ones.
        assert_eq!(receive(19_200, 9600, &[0x00]), [0xf8]);
        // A start bit that ends in its middle is none.
        assert_eq!(receive(19_200, 9600, &[0xff]), [0u8; 0]);
    }

    #[test]
    fn extreme_speeds_end() {
        assert!(receive(50, 20_000_000, &every_byte()).len() <= 5 * 512);
        assert!(receive(20_000_000, 50, &every_byte()).len() <= 1);
    }
}
