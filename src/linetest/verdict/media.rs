//! Which voice and which pictures fit a line.
//!
//! A voice packet costs its payload, 6 bytes and its parity; voice may take eight ninths of what noise leaves
//! of the line, pictures get the rest. What noise leaves was measured: bulk transfer over a simulated
//! line of 38400 bit/s, wrong bits at random (`cargo bench --bench noise`).

use serde::Serialize;

use super::Bound;
use crate::linetest::counter::Stats;
use crate::proto::time::BitRate;

/// What one direction of a line carries.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Bytes that the line carries in a second.
    pub line_bytes_per_second: f64,
    /// Share of them that is left for a call after repair, 0 to 1.
    pub usable: f64,
    /// Voices that fit, the best first.
    pub voices: Vec<VoiceFit>,
    /// Share of the voice packets that bursts and slips take before anything is sent again, 0 to 1.
    pub packets_hit: f64,
}

/// A voice, and what it leaves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VoiceFit {
    /// The codec.
    pub codec: &'static str,
    /// Bytes of a packet, and how often one comes, ms.
    pub payload_bytes: u32,
    /// Milliseconds of voice in it.
    pub packet_ms: u32,
    /// Share of the line that it takes, 0 to 1.
    pub share: f64,
    /// What is left for pictures beside it, bit/s.
    pub video_bps: u64,
    /// What such pictures are like.
    pub pictures: Pictures,
}

/// Pictures that a rate is enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pictures {
    /// None.
    None,
    /// A still picture now and then, text.
    Stills,
    /// 128 x 96, a few a second.
    Small,
    /// 176 x 144, five to ten a second.
    Qcif,
    /// 176 x 144 that moves, or 352 x 288, some a second.
    Cif,
}

impl Pictures {
    const fn of(bits_per_second: u64) -> Self {
        match bits_per_second {
            0..1500 => Self::None,
            1500..4000 => Self::Stills,
            4000..10_000 => Self::Small,
            10_000..48_000 => Self::Qcif,
            48_000.. => Self::Cif,
        }
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::None => "no pictures; text and control",
            Self::Stills => "still pictures, text and control",
            Self::Small => "small pictures (128x96), a few a second",
            Self::Qcif => "pictures of 176x144, 5 to 10 a second",
            Self::Cif => "pictures of 176x144 at full speed, or of 352x288",
        }
    }
}

impl Fit {
    /// Of a line of that rate with so many errors.
    pub(super) fn new(rate: BitRate, bound: &Bound, stats: &Stats) -> Self {
        let line = f64::from(rate.bits_per_second()) / 10.0;
        // Errors in bursts spoil fewer frames than as many single ones, but take them whole.
        let burstiness = stats.intervals.burstiness().unwrap_or(1.0).max(1.0);
        let single = bound.rate / burstiness;
        let usable = usable(single) * (1.0 - out_of_service(stats));
        let parity = parity(single);
        let voices = VOICES
            .iter()
            .filter_map(|voice| voice.fit(line, usable, parity))
            .collect();
        Self {
            line_bytes_per_second: line,
            usable,
            voices,
            packets_hit: packets_hit(line, stats),
        }
    }
}

/// A voice codec in packets of some size.
struct Voice {
    codec: &'static str,
    payload: u32,
    millis: u32,
}

const fn voice(codec: &'static str, payload: u32, millis: u32) -> Voice {
    Voice {
        codec,
        payload,
        millis,
    }
}

/// The best first: how it sounds, then how soon it is there.
const VOICES: [Voice; 11] = [
    voice("G.711", 160, 20),
    voice("G.729", 20, 20),
    voice("G.729", 40, 40),
    voice("Opus at 6 kbit/s", 15, 20),
    voice("G.723.1 at 6.3 kbit/s", 24, 30),
    voice("G.723.1 at 5.3 kbit/s", 20, 30),
    voice("G.723.1 at 5.3 kbit/s", 40, 60),
    voice("Codec2 at 3200 bit/s", 16, 40),
    voice("Codec2 at 1200 bit/s", 6, 40),
    voice("Codec2 at 1200 bit/s", 12, 80),
    voice("Codec2 at 1200 bit/s", 24, 160),
];

impl Voice {
    fn fit(&self, line: f64, usable: f64, parity: u32) -> Option<VoiceFit> {
        let packet = f64::from(self.payload + HEADERS + parity);
        let takes = packet * 1000.0 / f64::from(self.millis);
        let share = takes / line;
        if share > usable * MOST_VOICE {
            return None;
        }
        let left = (line * usable - takes).max(0.0) * 8.0 * PAYLOAD;
        let video_bps = (left / 100.0).floor() as u64 * 100;
        Some(VoiceFit {
            codec: self.codec,
            payload_bytes: self.payload,
            packet_ms: self.millis,
            share,
            video_bps,
            pictures: Pictures::of(video_bps),
        })
    }
}

/// What is left of a line when one bit in so many is wrong, as a share.
fn usable(rate: f64) -> f64 {
    let known = USABLE.windows(2).find(|pair| rate <= pair[1].0);
    let Some([(low, much), (high, little)]) = known.and_then(|pair| <[_; 2]>::try_from(pair).ok())
    else {
        return 0.5;
    };
    let place = ((rate.max(low).ln() - low.ln()) / (high.ln() - low.ln())).clamp(0.0, 1.0);
    much + (little - much) * place
}

/// Parity of a voice packet, bytes.
const fn parity(rate: f64) -> u32 {
    match rate {
        ..1e-5 => 0,
        1e-5..1e-4 => 2,
        1e-4..1e-3 => 4,
        _ => 8,
    }
}

/// Share of the time in which there is no line.
fn out_of_service(stats: &Stats) -> f64 {
    let lost = stats.seconds.unavailable + stats.silent_seconds;
    (lost as f64 / stats.seconds.seconds.max(1) as f64).min(1.0)
}

/// Bursts and slips come at any time: each takes the packets that it meets.
fn packets_hit(line: f64, stats: &Stats) -> f64 {
    let bursts = match super::is_in_bursts(stats) {
        true => stats.intervals.groups,
        false => 0,
    };
    let hits = (bursts + stats.slips) as f64 / stats.seconds.seconds.max(1) as f64;
    (hits * A_PACKET / line).min(1.0)
}

/// Wrong bits, and the share of the line that bulk transfer had beside them.
const USABLE: [(f64, f64); 7] = [
    (1e-7, 0.995),
    (1e-5, 0.982),
    (1e-4, 0.965),
    (3e-4, 0.945),
    (1e-3, 0.899),
    (3e-3, 0.768),
    (6e-3, 0.5),
];
/// What stands around the payload of a packet: compressed RTP, segment, check, delimiter.
const HEADERS: u32 = 6;
/// Voice leaves a ninth to the others.
const MOST_VOICE: f64 = 8.0 / 9.0;
/// Of what is left, headers and control take the rest.
const PAYLOAD: f64 = 0.87;
/// Bytes of a voice packet on the line.
const A_PACKET: f64 = 26.0;
