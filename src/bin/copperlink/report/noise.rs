//! What noise does to one direction of a line, in words: how many bytes are wrong before repair, what
//! is lost after it, and whether that matters to a call.
//!
//! Promise: the words follow from the figures of [`QualityStats`](copperlink::proto::stats::QualityStats)
//! by the limits that stand here, and by nothing else. It leaves the figures to the core, and what
//! became of a call to [`verdict`](super::verdict).

use serde::Deserialize;

use copperlink::proto::stats::{OutgoingStats, QualityStats};

use super::number;

/// The way to the far end, and how frames are made for it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Outgoing {
    frame_bytes: u64,
    parity: u64,
    express_parity: u64,
    quality: Quality,
}

/// One direction of a line. The rates are of the last seconds, the counters of all the time.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Quality {
    error_rate: f64,
    loss_rate: f64,
    burstiness: f64,
    frames_repaired: u64,
    slips: u64,
}

/// How much a call suffers, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Clean,
    Good,
    Repaired,
    Crowded,
    NoVideo,
    NoCall,
}

/// Of two moments, the worse has the higher one. The lowest is a clean line.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Rank(Grade, f64);

/// Shares from which on each grade holds.
type Limits = [(Grade, f64); 4];

impl Outgoing {
    /// Of frames that were sent, `lost` did not arrive.
    pub(crate) fn words(&self, lost: u64) -> String {
        let quality = &self.quality;
        // What bursts spoil is lost, and not counted as wrong.
        let shapes = [" wrong, at random", " wrong, and bursts beside"];
        let grade = quality.grade(&LOST, lost);
        let mut words = format!("{}: {}", grade.words(), quality.errors(lost, shapes));
        words += &match quality.loss_rate > LEAST_SHOWN {
            true => format!(
                "; {} of frames lost",
                number::percent(quality.loss_rate, 1.0)
            ),
            false => "; no frames lost".to_owned(),
        };
        words += &quality.slips_mended();
        let parity = |bytes: u64| match bytes {
            0 => "no parity".to_owned(),
            bytes => format!("parity {bytes}"),
        };
        words += &format!(
            "; frames to {} bytes with {}, express {}",
            self.frame_bytes,
            parity(self.parity),
            parity(self.express_parity)
        );
        words
    }

    /// The way itself.
    pub(crate) const fn quality(&self) -> &Quality {
        &self.quality
    }

    /// The longest frame, and the parity of ordinary and of express frames, bytes.
    pub(crate) const fn shape(&self) -> (u64, u64, u64) {
        (self.frame_bytes, self.parity, self.express_parity)
    }

    /// How bad it is, when `lost` frames did not arrive.
    pub(crate) fn rank(&self, lost: u64) -> Rank {
        let Quality {
            error_rate,
            loss_rate,
            ..
        } = self.quality;
        Rank(self.quality.grade(&LOST, lost), error_rate + loss_rate)
    }
}

impl Default for Rank {
    fn default() -> Self {
        Self(Grade::Clean, 0.0)
    }
}

impl From<&OutgoingStats> for Outgoing {
    fn from(stats: &OutgoingStats) -> Self {
        Self {
            frame_bytes: stats.frame_bytes,
            parity: stats.parity,
            express_parity: stats.express_parity,
            quality: Quality::from(&stats.quality),
        }
    }
}

impl From<&QualityStats> for Quality {
    fn from(stats: &QualityStats) -> Self {
        Self {
            error_rate: stats.error_rate,
            loss_rate: stats.loss_rate,
            burstiness: stats.burstiness,
            frames_repaired: stats.frames_repaired,
            slips: stats.slips,
        }
    }
}

impl Quality {
    /// How much a call suffers, in one or a few words, when `lost` frames are of no use.
    pub(crate) fn verdict(&self, lost: u64) -> &'static str {
        self.grade(&LOST, lost).words()
    }

    /// The share of wrong bytes before repair, and of frames lost in spite of it, 0 to 1.
    pub(crate) const fn rates(&self) -> (f64, f64) {
        (self.error_rate, self.loss_rate)
    }

    /// Frames repaired, and slips mended.
    pub(crate) const fn repairs(&self) -> (u64, u64) {
        (self.frames_repaired, self.slips)
    }

    /// Of what arrived, `bad` pieces were of no use.
    pub(crate) fn words(&self, bad: u64) -> String {
        let lost = frames_of(bad);
        let grade = self.grade(&LOST, lost);
        // Nobody knows how many are wrong in a piece that cannot be read.
        let shapes = [" wrong, at random", " or more wrong, in bursts"];
        let errors = self.errors(lost, shapes);
        let mut words = format!("{}: {errors}", grade.words());
        words += &match self.loss_rate > LEAST_SHOWN {
            true => format!("; {} of frames lost", number::percent(self.loss_rate, 1.0)),
            false => "; no frames lost".to_owned(),
        };
        words + &self.slips_mended()
    }

    /// With the words for errors at random, and in bursts.
    fn errors(&self, lost: u64, [random, bursts]: [&str; 2]) -> String {
        if self.error_rate <= 0.0 {
            return "no byte wrong".to_owned();
        }
        let shape = match self.is_in_bursts(lost) {
            true => bursts,
            false => random,
        };
        format!("1 byte in {}{shape}", number::one_in(self.error_rate))
    }

    fn slips_mended(&self) -> String {
        match self.slips {
            0 => String::new(),
            1 => "; 1 slip mended".to_owned(),
            slips => format!("; {slips} slips mended"),
        }
    }

    /// A burst leaves nothing to repair: frames go as a whole that single errors would only have
    /// damaged.
    fn is_in_bursts(&self, lost: u64) -> bool {
        self.burstiness > BURSTY || (lost >= FEW && lost > self.frames_repaired)
    }

    fn grade(&self, limits: &Limits, lost: u64) -> Grade {
        let of = |limits: &Limits, share: f64| {
            let reached = limits.iter().rev().find(|(_, least)| share >= *least);
            reached.map(|(grade, _)| *grade)
        };
        let clean = match self.error_rate > 0.0 || self.loss_rate > LEAST_SHOWN {
            true => Grade::Good,
            false => Grade::Clean,
        };
        // Of the first frames of a link one is a large share.
        let lossy = of(limits, self.loss_rate).filter(|_| lost >= FEW);
        of(&WRONG, self.error_rate).max(lossy).unwrap_or(clean)
    }
}

impl Grade {
    const fn words(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Good => "good",
            Self::Repaired => "noisy, repaired",
            Self::Crowded => "noisy, takes room from video",
            Self::NoVideo => "too noisy for video",
            Self::NoCall => "too noisy for a call",
        }
    }
}

/// How many frames the pieces of no use were.
pub(crate) const fn frames_of(pieces: u64) -> u64 {
    pieces / PIECES_A_FRAME
}

/// Wrong bytes before repair. A codeword has 255 bytes, and the most parity repairs 12 of them:
/// from one wrong byte in each on there is something to repair all the time, and pictures of a
/// full line begin to be late; with 7 the most parity is too little for some of the codewords, with 12
/// for half of them.
const WRONG: Limits = [
    (Grade::Repaired, 1.0 / 1000.0),
    (Grade::Crowded, 1.3 / 255.0),
    (Grade::NoVideo, 7.5 / 255.0),
    (Grade::NoCall, 12.0 / 255.0),
];
/// Frames lost on the way there. Voice goes twice where many are lost: of 3 in 10 one in ten is lost
/// both times. A picture has several frames, and each that is lost costs it a round trip.
const LOST: Limits = [
    (Grade::Repaired, 0.03),
    (Grade::Crowded, 0.05),
    (Grade::NoVideo, 0.15),
    (Grade::NoCall, 0.3),
];
/// Bad pieces are what express frames cut lost ones into, and noise.
const PIECES_A_FRAME: u64 = 3;
/// Errors come together that often more than at random: bursts.
const BURSTY: f64 = 3.0;
/// Fewer lost frames than that say nothing of how errors come, and little of how many.
const FEW: u64 = 5;
/// A smaller share is shown as none: it fades, and never becomes zero.
const LEAST_SHOWN: f64 = 0.0005;

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(error_rate: f64, loss_rate: f64) -> Quality {
        Quality {
            error_rate,
            loss_rate,
            burstiness: 1.0,
            frames_repaired: 1000,
            slips: 0,
        }
    }

    #[test]
    fn a_technician_reads_how_bad_it_is_before_the_figures() {
        // The figures of calls at 38400 bit/s with so many wrong bits.
        for (error_rate, lost, words) in [
            (0.0, 0.0, "clean: no byte wrong;"),
            (6e-5, 0.0, "good: 1 byte in 17000 wrong,"),
            (6.5e-4, 0.001, "good: 1 byte in 1500 wrong,"),
            (2.3e-3, 0.004, "noisy, repaired: 1 byte in 430 wrong,"),
            (7.8e-3, 0.002, "noisy, takes room from video: 1 byte in 130"),
            (2.2e-2, 0.02, "noisy, takes room from video: 1 byte in 45"),
            (3.5e-2, 0.17, "too noisy for video: 1 byte in 29"),
            (5.3e-2, 0.45, "too noisy for a call: 1 byte in 19"),
        ] {
            let quality = quality(error_rate, lost);
            let there = Outgoing {
                quality,
                ..Outgoing::default()
            };
            assert!(there.words(900).starts_with(words), "{}", there.words(900));
            let here = quality.words(900);
            assert!(here.starts_with(words), "{here}");
        }
        // What is lost tells, also where too little arrives to count its wrong bytes.
        let there = Outgoing {
            quality: quality(2e-3, 0.47),
            ..Outgoing::default()
        };
        assert!(there.words(900).starts_with("too noisy for a call"));
        // Two of the first three frames.
        assert!(
            there.words(2).starts_with("noisy, repaired"),
            "{}",
            there.words(2)
        );
    }

    #[test]
    fn bursts_are_told_from_errors_at_random() {
        let mut noise = quality(1e-3, 0.02);
        assert!(noise.words(0).contains("wrong, at random"));
        noise.burstiness = 4.0;
        assert!(
            noise
                .words(0)
                .contains("1 byte in 1000 or more wrong, in bursts")
        );
        // Each burst takes its frame, and nothing is left to repair.
        noise.burstiness = 1.0;
        noise.frames_repaired = 2;
        let there = |lost| {
            let quality = noise;
            let outgoing = Outgoing {
                quality,
                ..Outgoing::default()
            };
            outgoing.words(lost)
        };
        assert!(
            there(60).contains("1 byte in 1000 wrong, and bursts beside"),
            "{}",
            there(60)
        );
        assert!(there(4).contains("wrong, at random"), "{}", there(4));
    }

    #[test]
    fn what_is_done_about_it_is_said() {
        let there = Outgoing {
            frame_bytes: 946,
            parity: 16,
            express_parity: 8,
            quality: Quality {
                slips: 2,
                ..quality(7.8e-3, 0.019)
            },
        };
        assert!(
            there.words(9).ends_with(
                "1.9 % of frames lost; 2 slips mended; frames to 946 bytes with parity 16, express parity 8"
            ),
            "{}",
            there.words(9)
        );
        assert_eq!(
            Outgoing::default().words(0),
            "clean: no byte wrong; no frames lost; frames to 0 bytes with no parity, express no parity"
        );
    }
}
