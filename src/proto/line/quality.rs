//! How bad a line is, from which frames arrived, and how long a frame should be on it.
//!
//! A frame of `n` bytes with `h` bytes of overhead carries most when `n` is near `sqrt(h / e)`,
//! where `e` is the chance that a byte spoils its frame.

use super::sent::Fate;
use crate::proto::framing::MAX_BODY;
use crate::proto::time::{BitRate, Duration};

/// Error figures of one direction of a line.
#[derive(Debug)]
pub(crate) struct Quality {
    /// Frames, lost frames and bytes, all fading with each new frame.
    frames: f64,
    lost: f64,
    bytes: f64,
    longest: usize,
}

/// What a frame costs beside what it carries: header, check, COBS, delimiter, segment.
const OVERHEAD: f64 = 12.0;
/// What remains of the old figures with each new frame: half of it after some fifty frames.
const FADE: f64 = 0.987;
/// The shortest an ordinary frame is made, bytes of body.
const SHORTEST: usize = 48;
/// The longest an ordinary frame may hold the line: control behind it, and what is in it, wait.
/// Audio that interrupts it makes it twice as long.
const LONGEST_TIME: Duration = Duration::from_millis(150);

impl Quality {
    pub(crate) fn new(rate: BitRate) -> Self {
        let longest = rate.bytes_in(LONGEST_TIME).clamp(SHORTEST, MAX_BODY - 8);
        Self {
            frames: 0.0,
            lost: 0.0,
            bytes: 0.0,
            longest,
        }
    }

    /// Takes a frame's length on the line and its fate.
    pub(crate) fn on_frame(&mut self, wire: usize, fate: Fate) {
        self.frames = self.frames * FADE + 1.0;
        self.lost = self.lost * FADE + f64::from(u8::from(fate == Fate::Lost));
        self.bytes = self.bytes * FADE + wire as f64;
    }

    /// Chance that a byte spoils its frame.
    pub(crate) fn byte_error_rate(&self) -> f64 {
        if self.frames < 1.0 || self.lost == 0.0 {
            return 0.0;
        }
        let lost = (self.lost / self.frames).min(0.98);
        -(1.0 - lost).ln() * self.frames / self.bytes
    }

    /// How long the body of an ordinary frame should be.
    pub(crate) fn frame_length(&self) -> usize {
        let best = (OVERHEAD / self.byte_error_rate()).sqrt();
        (best as usize).clamp(SHORTEST, self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(frames: usize, wire: usize, lost_one_in: usize) -> Quality {
        let mut quality = Quality::new(BitRate::new(115_200).unwrap());
        for i in 0..frames {
            let fate = if i % lost_one_in == 0 {
                Fate::Lost
            } else {
                Fate::Arrived
            };
            quality.on_frame(wire, fate);
        }
        quality
    }

    #[test]
    fn a_clean_line_gets_long_frames_and_a_noisy_one_short() {
        let rate = |rate| Quality::new(BitRate::new(rate).unwrap()).frame_length();
        assert_eq!(rate(921_600), MAX_BODY - 8);
        assert_eq!(rate(38_400), 576);
        assert_eq!(rate(2400), SHORTEST);
        // One byte in a thousand spoils: about 110 bytes.
        let noisy = after(500, 100, 10);
        assert!(
            (80..140).contains(&noisy.frame_length()),
            "{}",
            noisy.frame_length()
        );
        let bad = after(500, 100, 1);
        assert_eq!(bad.frame_length(), SHORTEST);
    }

    #[test]
    fn a_line_on_which_nothing_was_lost_keeps_its_long_frames() {
        let mut quality = Quality::new(BitRate::new(921_600).unwrap());
        for _ in 0..100 {
            quality.on_frame(100, Fate::Arrived);
        }
        assert_eq!(quality.frame_length(), MAX_BODY - 8);
    }

    #[test]
    fn the_line_is_trusted_again_when_the_noise_is_over() {
        let mut quality = after(500, 100, 10);
        for _ in 0..400 {
            quality.on_frame(100, Fate::Arrived);
        }
        assert!(quality.frame_length() > 1000, "{}", quality.frame_length());
    }
}
