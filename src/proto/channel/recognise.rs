//! Which RTP stream is audio and which is video, on a port where equipment may put either.
//!
//! Promise: every datagram gets an answer at once; that of a stream (an SSRC) is firm within its
//! first second, and is found anew when the stream changes: another payload type, a jump of its
//! numbers, another clock. Only headers are looked at, so encrypted payload (SRTP) makes no
//! difference. Work and memory are bounded, whatever comes: at most [`MOST_STREAMS`] streams, a
//! fixed amount of each. Assumed: `now` is when the datagram came, within some tens of ms.
//! Left to others: what an answer means for the datagram ([`intake`](super::intake)).
//!
//! What is no RTP (STUN, keep-alives) is answered with video: late, in order and sent again is
//! the better choice for what nobody knows. RTCP on the media port (RFC 5761) is answered with
//! audio: it is small, its sender repeats it by the clock, and a request for a key frame would
//! wait behind the very video that it is about, and be dropped with it. Large RTCP must not hold
//! up audio, and goes with video.

mod evidence;

use rtp_types::RtpPacket;

use self::evidence::{Continuity, Evidence, static_type};
use crate::proto::config::{Class, Medium};
use crate::proto::stats::StreamStats;
use crate::proto::time::{Duration, Instant};

/// The streams of one port.
#[derive(Debug, Default)]
pub(super) struct Recogniser {
    streams: Vec<Stream>,
}

impl Recogniser {
    /// What this datagram is to be treated as.
    pub(super) fn judge(&mut self, now: Instant, datagram: &[u8]) -> Medium {
        if is_rtcp(datagram) {
            return match datagram.len() <= SMALL_RTCP {
                true => Medium::Audio,
                false => Medium::Video,
            };
        }
        let Ok(packet) = RtpPacket::parse(datagram) else {
            return Medium::Video;
        };
        let medium = self.stream(now, &packet).take(now, &packet);
        if datagram.len() > Class::Audio.max_datagram() {
            Medium::Video
        } else {
            medium
        }
    }

    /// What is known of each stream, in the order in which they came.
    pub(super) fn streams(&self) -> impl Iterator<Item = StreamStats> {
        self.streams.iter().map(Stream::stats)
    }

    /// The stream of a packet. A new one takes the place of the one that matters least.
    fn stream(&mut self, now: Instant, packet: &RtpPacket<'_>) -> &mut Stream {
        let ssrc = packet.ssrc();
        let known = self.streams.iter().position(|stream| stream.ssrc == ssrc);
        let index = known.unwrap_or_else(|| {
            if self.streams.len() >= MOST_STREAMS {
                // A flood of numbers that come once must not push out what is being heard.
                let least = (0..self.streams.len()).min_by_key(|&i| {
                    let stream = &self.streams[i];
                    let is_live =
                        stream.firm && stream.packets >= FEW && now.since(stream.heard) < LIVE;
                    (is_live, stream.heard)
                });
                self.streams.remove(least.unwrap_or(0));
            }
            self.streams.push(Stream::new(now, packet));
            self.streams.len() - 1
        });
        &mut self.streams[index]
    }
}

/// Whether it has the packet type of RTCP where RTP has its payload type (RFC 5761, section 4).
fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, second, ..] if first >> 6 == 2 && (64..=95).contains(&(second & 0x7f)))
}

/// One SSRC.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    medium: Medium,
    /// Whether `medium` is more than a guess.
    firm: bool,
    /// When it began, or changed.
    began: Instant,
    heard: Instant,
    packets: u64,
    clock_hz: Option<u32>,
    /// Of the payload type that it uses.
    main: Evidence,
    /// Of another one that came in between: comfort noise, digits, or the next codec.
    other: Option<Evidence>,
}

impl Stream {
    /// A stream of which the first packet is still to be taken.
    fn new(now: Instant, packet: &RtpPacket<'_>) -> Self {
        let main = Evidence::new(now, packet);
        Self {
            ssrc: packet.ssrc(),
            medium: main.guess(None),
            firm: false,
            began: now,
            heard: now,
            packets: 0,
            clock_hz: None,
            main,
            other: None,
        }
    }

    /// Takes a packet and says what it is.
    fn take(&mut self, now: Instant, packet: &RtpPacket<'_>) -> Medium {
        self.packets = self.packets.saturating_add(1);
        self.heard = now;
        if packet.payload_type() != self.main.payload_type() {
            return self.visit(now, packet);
        }
        if self.packets > 1 && self.main.take(now, packet) == Continuity::Broken {
            self.begin_anew(now);
        }
        self.conclude(now);
        self.medium
    }

    /// Takes a packet with another payload type than the others. Comfort noise and digits come and
    /// go; a codec that follows another one stays.
    fn visit(&mut self, now: Instant, packet: &RtpPacket<'_>) -> Medium {
        let kind = packet.payload_type();
        let mut other = match self.other.take() {
            Some(mut other) if other.payload_type() == kind => {
                other.take(now, packet);
                other
            }
            _ => Evidence::new(now, packet),
        };
        let verdict = other.verdict();
        if kind == COMFORT_NOISE {
            self.other = Some(other);
            return Medium::Audio;
        }
        let silence = now.since(self.main.heard());
        let differs = verdict.is_some_and(|medium| medium != self.medium) && silence > PAUSING;
        let is_certain = static_type(kind).is_some();
        if differs || is_certain || silence > SILENT {
            std::mem::swap(&mut self.main, &mut other);
            self.begin_anew(now);
            self.conclude(now);
            return self.medium;
        }
        let answer = if other.is_too_large_for_voice() {
            Medium::Video
        } else {
            self.medium
        };
        self.other = Some(other);
        answer
    }

    /// What was known is a guess from now on.
    fn begin_anew(&mut self, now: Instant) {
        self.firm = false;
        self.began = now;
        self.clock_hz = None;
    }

    fn conclude(&mut self, now: Instant) {
        if let Some(medium) = self.main.verdict() {
            let changes = self.medium != medium;
            if self.firm && changes && !self.main.is_long() {
                return;
            }
            if self.clock_hz.is_none() || changes || self.main.is_long() {
                self.clock_hz = self.main.clock_hz(medium).or(self.clock_hz);
            }
            self.medium = medium;
            self.firm = true;
        } else if !self.firm {
            let prior = (self.packets > 1).then_some(self.medium);
            self.medium = self.main.guess(prior);
            self.firm = now.since(self.began) >= FIRST_SECOND;
        }
    }

    fn stats(&self) -> StreamStats {
        StreamStats {
            ssrc: self.ssrc,
            payload_type: self.main.payload_type(),
            medium: self.medium,
            firm: self.firm,
            clock_hz: self.clock_hz,
            packets: self.packets,
        }
    }
}

/// Most streams that are told apart on a port.
pub(super) const MOST_STREAMS: usize = 16;
/// A stream with fewer packets than this hardly is one.
const FEW: u64 = 10;
/// A stream heard within this time is live.
const LIVE: Duration = Duration::from_secs(10);
/// After this time the best guess is the answer.
const FIRST_SECOND: Duration = Duration::from_secs(1);
/// When the payload type of a stream was not heard for this time, another one of which more is
/// known may have replaced it.
const PAUSING: Duration = Duration::from_millis(100);
/// When the payload type of a stream was not heard for this time, another one has replaced it.
const SILENT: Duration = Duration::from_secs(1);
/// RFC 3389; it speaks for audio, but never in place of a codec.
const COMFORT_NOISE: u8 = 13;
/// RTCP up to this size travels with audio, bytes: a report with names, or feedback.
const SMALL_RTCP: usize = 256;

#[cfg(test)]
mod tests;
