//! What speaks for audio and for video in the packets of one payload type.
//!
//! The strongest evidence is the RTP clock. For each clock that is in use, the difference between
//! the time by the packets' timestamps and their arrival is followed; by the right clock it stays within
//! the jitter (and the length of the bursts in which some senders send), by a wrong one it runs
//! away. Video has 90 kHz, audio less. A verdict needs twice the spread and a distance besides:
//! packets that all arrive at once, whatever their timestamps say, look 90/48 times better by the clock of
//! video than by that of audio, and never twice.
//!
//! A camera whose timestamps count pictures instead of time, and that sends each in a single small
//! packet, can so be taken for audio.
//!
//! The second evidence are several packets with one timestamp: parts of a picture. Size and
//! marker make a first guess. All of it counts from the beginning of a window of
//! [`WINDOW`]; a jump begins a new one, so each change is seen.

use rtp_types::RtpPacket;

use crate::proto::config::Medium;
use crate::proto::time::{Duration, Instant};

/// Evidence of one payload type of one stream.
#[derive(Debug)]
pub(super) struct Evidence {
    payload_type: u8,
    /// When the window began.
    since: Instant,
    /// The packet before, and when it came.
    last: Header,
    heard: Instant,
    packets: u32,
    /// Ticks from the window's first timestamp to the last one.
    ticks: i64,
    /// Of each of [`CLOCKS`].
    spreads: [Spread; CLOCKS.len()],
    /// Largest payload, bytes.
    largest: usize,
    /// Timestamps that several packets had.
    pictures: u32,
    /// The last timestamp is among them.
    is_picture: bool,
    /// The timestamp changed and the packet before had no marker: it was no end of a picture.
    changes_unmarked: bool,
    /// The first packet of the window had the marker.
    began_marked: bool,
}

/// Whether a packet goes on where the one before stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// It does.
    Kept,
    /// Its sequence number or timestamp jumps: the sender began again.
    Broken,
}

/// What of a packet's header counts.
#[derive(Clone, Copy, Debug)]
struct Header {
    sequence: u16,
    timestamp: u32,
    marker: bool,
    payload: usize,
}

impl Header {
    fn of(packet: &RtpPacket<'_>) -> Self {
        Self {
            sequence: packet.sequence_number(),
            timestamp: packet.timestamp(),
            marker: packet.marker_bit(),
            payload: packet.payload().len(),
        }
    }
}

/// Smallest and largest difference between arrival and timestamp, µs.
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    least: i64,
    most: i64,
}

impl Spread {
    fn add(&mut self, difference: i64) {
        self.least = self.least.min(difference);
        self.most = self.most.max(difference);
    }

    fn width(self) -> i64 {
        self.most.saturating_sub(self.least)
    }
}

impl Evidence {
    /// What the first packet says.
    pub(super) fn new(now: Instant, packet: &RtpPacket<'_>) -> Self {
        Self::from_header(now, packet.payload_type(), Header::of(packet))
    }

    fn from_header(now: Instant, payload_type: u8, first: Header) -> Self {
        Self {
            payload_type,
            since: now,
            last: first,
            heard: now,
            packets: 1,
            ticks: 0,
            spreads: [Spread::default(); CLOCKS.len()],
            largest: first.payload,
            pictures: 0,
            is_picture: false,
            changes_unmarked: false,
            began_marked: first.marker,
        }
    }

    pub(super) fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// When the last packet came.
    pub(super) fn heard(&self) -> Instant {
        self.heard
    }

    /// Whether the window is so long that a network that stood still for a moment is no evidence,
    /// and clocks can be told apart that are close to each other.
    pub(super) fn is_long(&self) -> bool {
        self.heard.since(self.since) >= WINDOW / 2
    }

    /// Takes a packet of the same payload type.
    pub(super) fn take(&mut self, now: Instant, packet: &RtpPacket<'_>) -> Continuity {
        let next = Header::of(packet);
        let pause = now.since(self.heard);
        let step = i64::from(next.timestamp.wrapping_sub(self.last.timestamp) as i32);
        let sequence_step = next.sequence.wrapping_sub(self.last.sequence) as i16;
        if is_jump(pause, step, sequence_step) {
            *self = Self::from_header(now, self.payload_type, next);
            return Continuity::Broken;
        }
        if now.since(self.since) >= WINDOW {
            *self = Self::from_header(now, self.payload_type, next);
            return Continuity::Kept;
        }
        self.heard = now;
        if sequence_step != 0 {
            self.compare(next, step, sequence_step);
            self.measure(now, step);
            self.packets = self.packets.saturating_add(1);
            self.largest = self.largest.max(next.payload);
            self.last = next;
        }
        Continuity::Kept
    }

    /// Looks at the packet beside the one before.
    fn compare(&mut self, next: Header, step: i64, sequence_step: i16) {
        if step != 0 {
            self.is_picture = false;
            // Both without one: packets that overtook each other tell as well.
            let follows = sequence_step == 1 || !next.marker;
            self.changes_unmarked |= follows && !self.last.marker;
        } else if !self.is_picture && next.payload.max(self.last.payload) > LARGEST_EVENT {
            // A long tone keeps its timestamp, too (RFC 4733), but its packets are tiny.
            self.is_picture = true;
            self.pictures = self.pictures.saturating_add(1);
        }
    }

    /// Looks at the packet by each clock.
    fn measure(&mut self, now: Instant, step: i64) {
        self.ticks = self.ticks.saturating_add(step);
        let arrival = i64::try_from(now.since(self.since).as_micros()).unwrap_or(i64::MAX);
        for (spread, clock) in self.spreads.iter_mut().zip(CLOCKS) {
            let time = self.ticks.saturating_mul(1_000_000) / i64::from(clock);
            spread.add(arrival.saturating_sub(time));
        }
    }

    /// What the stream is, once that is beyond doubt.
    pub(super) fn verdict(&self) -> Option<Medium> {
        if let Some((medium, _)) = static_type(self.payload_type) {
            return Some(medium);
        }
        if self.pictures >= 2 {
            return Some(Medium::Video);
        }
        self.by_clock()
    }

    fn by_clock(&self) -> Option<Medium> {
        if self.packets < FEW_PACKETS && self.heard.since(self.since) < WINDOW / 4 {
            return None;
        }
        let (audio, video) = (self.best_audio().1, self.spreads[VIDEO].width());
        let is_clear = |right: i64, wrong: i64| {
            wrong > right.saturating_mul(2) && wrong.saturating_sub(right) > DISTANCE_US
        };
        if is_clear(audio, video) {
            Some(Medium::Audio)
        } else if is_clear(video, audio) {
            Some(Medium::Video)
        } else {
            None
        }
    }

    /// The clock, when it is known by the payload type or by measurement.
    pub(super) fn clock_hz(&self, medium: Medium) -> Option<u32> {
        if let Some((_, clock)) = static_type(self.payload_type) {
            return Some(clock);
        }
        (self.by_clock()? == medium).then(|| match medium {
            Medium::Audio => self.best_audio().0,
            Medium::Video => CLOCKS[VIDEO],
        })
    }

    /// The clock of audio that fits best, and its spread in µs.
    fn best_audio(&self) -> (u32, i64) {
        let widths = self.spreads.iter().map(|spread| spread.width());
        let audio = CLOCKS.into_iter().zip(widths).take(VIDEO);
        audio
            .min_by_key(|(_, width)| *width)
            .unwrap_or((CLOCKS[0], i64::MAX))
    }

    /// What the stream probably is. `prior` is what was known of it before.
    pub(super) fn guess(&self, prior: Option<Medium>) -> Medium {
        if self.pictures > 0 || self.is_too_large_for_voice() {
            return Medium::Video;
        }
        if self.changes_unmarked {
            return Medium::Audio;
        }
        // The marker stands on the first packet of a talk spurt (RFC 3551, 4.1), and on the last
        // one of a picture.
        prior.unwrap_or(if self.began_marked {
            Medium::Audio
        } else {
            Medium::Video
        })
    }

    /// Whether there was a packet that no usual voice codec with a dynamic type sends.
    pub(super) fn is_too_large_for_voice(&self) -> bool {
        self.largest > LARGEST_VOICE
    }
}

/// Whether a sender that goes on cannot have sent this packet next. `step` is in ticks of a clock
/// of at most 90 kHz.
fn is_jump(pause: Duration, step: i64, sequence_step: i16) -> bool {
    let tick = |time: Duration| i64::try_from(time.as_micros() * 90_000 / 1_000_000);
    let forth = tick(pause.saturating_add(JUMP)).unwrap_or(i64::MAX);
    let back = tick(JUMP / 2).unwrap_or(i64::MAX);
    step > forth || step < -back || !SEQUENCE_STEPS.contains(&sequence_step)
}

/// Medium and clock (Hz) of a payload type with a fixed meaning (RFC 3551, tables 4 and 5).
pub(super) fn static_type(payload_type: u8) -> Option<(Medium, u32)> {
    Some(match payload_type {
        0 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 13 | 15 | 18 => (Medium::Audio, 8_000),
        6 => (Medium::Audio, 16_000),
        10 | 11 => (Medium::Audio, 44_100),
        // MPEG audio has the clock of video.
        14 => (Medium::Audio, 90_000),
        16 => (Medium::Audio, 11_025),
        17 => (Medium::Audio, 22_050),
        // 33 is a transport stream of both: it needs what video gets.
        25 | 26 | 28 | 31..=34 => (Medium::Video, 90_000),
        _ => return None,
    })
}

/// The clocks that are tried, Hz: those of audio, then that of video. Others, such as 11.025 or
/// 22.05 kHz, are closer to one of these than to 90 kHz.
const CLOCKS: [u32; 7] = [8_000, 16_000, 24_000, 32_000, 44_100, 48_000, 90_000];
/// Where the clock of video stands.
const VIDEO: usize = CLOCKS.len() - 1;
/// How much worse a wrong clock must be, µs, beside twice: more than the jitter of a local network.
const DISTANCE_US: i64 = 100_000;
/// Fewer packets, in a short time, tell nothing: one of them may have been held up.
const FEW_PACKETS: u32 = 5;
/// After this time the evidence is taken anew.
const WINDOW: Duration = Duration::from_secs(2);
/// A timestamp so far ahead of the clock jumps; half as far back, as pictures are not always sent in
/// the order of their times.
const JUMP: Duration = Duration::from_secs(2);
/// Sequence numbers so far apart may be losses, and packets that overtook each other.
const SEQUENCE_STEPS: std::ops::RangeInclusive<i16> = -16..=512;
/// A packet of a tone has 4 bytes of payload (RFC 4733), and the tag of SRTP.
const LARGEST_EVENT: usize = 16;
/// Largest payload that is still taken for voice, bytes: 60 ms at 50 kbit/s, 20 ms at 160 kbit/s.
const LARGEST_VOICE: usize = 400;
