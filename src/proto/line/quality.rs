//! How bad a line is, from which frames arrived, and how long a frame should be on it.
//!
//! A frame of `n` bytes with `h` bytes of overhead carries most when `n` is near `sqrt(h / e)`,
//! where `e` is the chance that a byte spoils its frame. A line of which little is known yet begins
//! with frames of [`FIRST_TIME`]: a frame is never longer than a quarter of what arrived in
//! a row, so little is sent into noise. How long a frame may be for the sake of what waits
//! behind it is decided where it is built ([`session`](crate::proto::Session), ordinary frames).

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
    /// Bytes that arrived in a row; a loss leaves an eighth of it.
    run: usize,
    /// Frames are this long without any proof.
    first: usize,
}

/// What a frame costs beside what it carries: header, check, COBS, delimiter, segment.
const OVERHEAD: f64 = 12.0;
/// What remains of the old figures with each new frame: half of it after some fifty frames.
const FADE: f64 = 0.987;
/// The shortest an ordinary frame is made, bytes of body.
const SHORTEST: usize = 48;
/// Line time of the frames that a line begins with.
const FIRST_TIME: Duration = Duration::from_millis(150);
/// And their most bytes.
const FIRST_BYTES: usize = 2040;
/// The longest that a frame is made, header and segments; the check comes behind.
const LONGEST: usize = MAX_BODY - 8;

impl Quality {
    pub(crate) fn new(rate: BitRate) -> Self {
        Self {
            frames: 0.0,
            lost: 0.0,
            bytes: 0.0,
            run: 0,
            first: rate.bytes_in(FIRST_TIME).clamp(SHORTEST, FIRST_BYTES),
        }
    }

    /// Takes a frame's length on the line and its fate.
    pub(crate) fn on_frame(&mut self, wire: usize, fate: Fate) {
        if fate == Fate::Unknown {
            return;
        }
        self.frames = self.frames * FADE + 1.0;
        self.lost = self.lost * FADE + f64::from(u8::from(fate == Fate::Lost));
        self.bytes = self.bytes * FADE + wire as f64;
        self.run = match fate {
            Fate::Arrived => (self.run + wire).min(4 * LONGEST),
            Fate::Lost | Fate::Unknown => self.run / 8,
        };
    }

    /// The line was cut: what will arrive behind it is not known.
    pub(crate) fn on_cut(&mut self) {
        self.run = 0;
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
        let proven = (self.run / 4).clamp(self.first, LONGEST);
        (best as usize).clamp(SHORTEST, proven)
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
    fn a_noisy_line_gets_short_frames() {
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
    fn a_line_begins_moderately_and_frames_grow_with_what_arrives() {
        let new = |rate| Quality::new(BitRate::new(rate).unwrap());
        assert_eq!(new(921_600).frame_length(), FIRST_BYTES);
        assert_eq!(new(38_400).frame_length(), 576);
        assert_eq!(new(2400).frame_length(), SHORTEST);
        let mut quality = new(9600);
        let mut sent = 0;
        for (length, least, most) in [(288, 1100, 1500), (4800, 19_000, 22_000)] {
            while quality.frame_length() < length {
                sent += quality.frame_length();
                quality.on_frame(quality.frame_length(), Fate::Arrived);
            }
            assert!((least..most).contains(&sent), "{length} after {sent}");
        }
    }

    #[test]
    fn a_line_that_becomes_noisy_gets_short_frames_after_three_losses() {
        let mut quality = Quality::new(BitRate::new(9600).unwrap());
        for _ in 0..100 {
            quality.on_frame(4800, Fate::Arrived);
        }
        assert_eq!(quality.frame_length(), LONGEST);
        for most in [2046, 300, 144] {
            quality.on_frame(quality.frame_length(), Fate::Lost);
            assert!(quality.frame_length() <= most, "{}", quality.frame_length());
        }
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
