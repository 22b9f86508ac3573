//! How bad a line is, from what became of the frames, and how frames should be made for it.
//!
//! Two things spoil frames: single wrong bytes, against which parity helps, and bursts, against which
//! short frames do. What the far end repaired and lost says how much there is of each
//! (`belief.rs`); then the length and the parity that carry most are computed (`choice.rs`). Audio wants
//! a low loss rate in place of the most goodput: its parity is the least that reaches that.
//!
//! A line of which little is known yet begins with frames of [`FIRST_TIME`]: a frame is never longer
//! than a quarter of what arrived in a row, so little is sent into noise. How long a frame may be
//! for the sake of what waits behind it is decided where it is built
//! ([`session`](crate::proto::Session), ordinary frames).

mod belief;
mod choice;

use super::sent::{Fate, SettledFrame};
use crate::proto::framing::header::FrameKind;
use crate::proto::framing::parity::Parity;
use crate::proto::framing::report::Repairs;
use crate::proto::stats::{OutgoingStats, QualityStats};
use crate::proto::time::{BitRate, Duration};
use belief::Belief;
use choice::Damage;
pub(crate) use choice::SEARCHED;

/// Error figures of one direction of a line.
#[derive(Debug)]
pub(crate) struct Quality {
    belief: Belief,
    /// What is believed now.
    damage: Damage,
    /// The longest body that is worth sending with it.
    best: usize,
    /// Bytes that arrived in a row; a loss leaves an eighth of it.
    run: usize,
    /// Frames are this long without any proof.
    first: usize,
    /// Bytes whose fate is known.
    seen: usize,
    /// Share of wrong bytes on the way here.
    way_here: f64,
    /// Fading mean of the length of express frames, bytes on the line.
    express_length: f64,
    express: Parity,
    /// Frames and those of them that were lost, fading.
    frames: f64,
    lost: f64,
    /// What the far end repaired: bytes, frames, and frames that had slipped.
    repaired: [u64; 3],
    /// Fading mean of the length of all frames.
    length: f64,
}

/// The shortest an ordinary frame is made, bytes of body.
const SHORTEST: usize = 48;
/// Line time of the frames that a line begins with.
const FIRST_TIME: Duration = Duration::from_millis(150);
/// And their most bytes.
const FIRST_BYTES: usize = 2040;
/// Until so much is known of a line, ordinary frames have this parity at least.
const UNKNOWN: usize = 2000;
const FIRST_PARITY: Parity = Parity::ALL[3];
/// The longest that a frame is made, header and segments; the check comes behind. Twice that would carry
/// 0.16 % more of a clean line, and when noise begins twice as much is lost before the far end can
/// say so: at 38400 bit/s two seconds in place of one.
const LONGEST: usize = 4080;
/// What remains of the shares with each new frame: half of it after some fifty frames.
const FADE: f64 = 0.987;
/// Bytes on the line of a packet of audio, before one was sent.
const USUAL_EXPRESS: f64 = 32.0;

impl Quality {
    pub(crate) fn new(rate: BitRate) -> Self {
        Self {
            belief: Belief::new(rate),
            damage: Damage::NONE,
            best: LONGEST,
            run: 0,
            first: rate.bytes_in(FIRST_TIME).clamp(SHORTEST, FIRST_BYTES),
            seen: 0,
            way_here: 0.0,
            express_length: USUAL_EXPRESS,
            express: Parity::NONE,
            frames: 0.0,
            lost: 0.0,
            repaired: [0; 3],
            length: USUAL_EXPRESS,
        }
    }

    /// Takes what became of frames, in the order in which they left.
    pub(crate) fn on_settled(&mut self, frames: &[SettledFrame]) {
        let mut is_news = false;
        for frame in frames {
            if frame.fate != Fate::Unknown {
                self.on_frame(frame);
                is_news = true;
            }
        }
        if is_news {
            self.decide();
        }
    }

    /// The far end repaired so many more. Counts with the frames that are settled next: they are told
    /// in the same frame, and either alone would mislead.
    pub(crate) fn on_repairs(&mut self, news: Repairs) {
        self.belief.on_repaired(f64::from(news.bytes));
        self.repaired[0] += u64::from(news.bytes);
        self.repaired[1] += u64::from(news.frames);
        self.repaired[2] += u64::from(news.slips);
    }

    fn on_frame(&mut self, frame: &SettledFrame) {
        let is_ordinary = frame.kind == FrameKind::Ordinary;
        if !is_ordinary {
            self.express_length += (frame.wire as f64 - self.express_length) / 16.0;
        }
        self.belief
            .on_frame(frame.wire, frame.parity, frame.fate, is_ordinary);
        self.seen = self.seen.saturating_add(frame.wire);
        self.length += (frame.wire as f64 - self.length) * (1.0 - FADE);
        self.frames = self.frames * FADE + 1.0;
        self.lost *= FADE;
        if frame.fate == Fate::Arrived {
            self.run = (self.run + frame.wire).min(4 * LONGEST);
        } else {
            self.lost += 1.0;
            // A lost packet of audio says less than a lost frame of its length in bulk.
            self.run /= if is_ordinary { 8 } else { 2 };
        }
    }

    /// So many bytes are wrong on the way here. Where little of our own is reported on, the way there is
    /// taken to be no better: an end that sends nothing but reports must not lose them.
    pub(crate) fn on_incoming(&mut self, error_rate: f64) {
        self.way_here = error_rate;
        self.decide();
    }

    fn decide(&mut self) {
        let mut damage = self.belief.damage();
        if !self.belief.is_informed() {
            damage.errors = damage.errors.max(self.way_here);
        }
        if damage != self.damage {
            self.damage = damage;
            self.best = choice::best_length(damage);
        }
        let wire = self.express_length.ceil() as usize;
        self.express = choice::surest(damage, wire, self.express);
    }

    /// The line was cut: what will arrive behind it is not known.
    pub(crate) fn on_cut(&mut self) {
        self.run = 0;
    }

    /// How long the body of an ordinary frame should be.
    pub(crate) fn frame_length(&self) -> usize {
        let proven = (self.run / 4).clamp(self.first, LONGEST);
        self.best.clamp(SHORTEST, proven)
    }

    /// Parity of an ordinary frame with so many bytes of header, segments and check.
    pub(crate) fn parity(&self, body: usize, has_deadline: bool) -> Parity {
        let best = choice::best_parity(self.damage, body + body / 254 + 1, has_deadline);
        if self.seen < UNKNOWN {
            best.max(FIRST_PARITY)
        } else {
            best
        }
    }

    /// Parity of express frames.
    pub(crate) fn express_parity(&self) -> Parity {
        self.express
    }

    /// Share of a frame that is not parity.
    pub(crate) fn content_share(&self) -> f64 {
        let body = self.frame_length();
        body as f64 / self.parity(body, false).wire_len(body) as f64
    }

    /// Wrong bytes in a frame that has some, as many times as when they are spread at random.
    fn burstiness(&self) -> f64 {
        let [bytes, frames, _] = self.repaired;
        let expected = self.damage.errors * self.length;
        if frames == 0 || expected <= 0.0 {
            return 0.0;
        }
        bytes as f64 / frames as f64 * (1.0 - (-expected).exp()) / expected
    }

    pub(crate) fn stats(&self) -> OutgoingStats {
        let [bytes_repaired, frames_repaired, slips] = self.repaired;
        OutgoingStats {
            frame_bytes: self.frame_length() as u64,
            parity: self.parity(self.frame_length(), false).len() as u64,
            express_parity: self.express.len() as u64,
            quality: QualityStats {
                error_rate: self.damage.errors,
                loss_rate: self.lost / self.frames.max(1.0),
                burstiness: self.burstiness(),
                bytes_repaired,
                frames_repaired,
                slips,
            },
        }
    }
}

#[cfg(test)]
mod tests;
