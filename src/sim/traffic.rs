//! What conference equipment sends: voice, video and control messages.
//!
//! Promise: pure and seeded; RTP headers are valid (RFC 3550), sizes and times are those of real
//! encoders, payloads are random bytes and so cannot be compressed. It leaves to the caller when
//! to ask, and where a datagram goes.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use crate::proto::time::{Duration, Instant, micros};

use super::rng::Rng;

/// Something that sends datagrams by the clock, for ever.
pub trait Source {
    /// When the next datagram is due.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The next datagram, if it is due at `now`. Call it until there is none.
    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes>;

    /// Whether who gets the datagrams puts them in order, as it must with RTP: then one that comes
    /// behind newer ones is late, and not wrong.
    fn may_be_overtaken(&self) -> bool {
        false
    }
}

/// What a voice encoder is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioConfig {
    /// When the first packet is due.
    pub start: Instant,
    /// From packet to packet; at least a microsecond.
    pub interval: Duration,
    /// Bytes of codec data in a packet; the RTP header comes on top.
    pub payload: usize,
    /// RTP payload type, below 128.
    pub payload_type: u8,
    /// RTP clock, Hz.
    pub clock_rate: u32,
    /// RTP source.
    pub ssrc: u32,
    /// Where chance begins.
    pub seed: u64,
}

impl AudioConfig {
    /// G.729: 20 bytes every 20 ms.
    pub const G729: Self = Self {
        start: Instant::ZERO,
        interval: Duration::from_millis(20),
        payload: 20,
        payload_type: 18,
        clock_rate: 8000,
        ssrc: 0x0a0d_0001,
        seed: 1,
    };
}

/// A voice encoder: one RTP packet per interval.
#[derive(Clone, Debug)]
pub struct AudioSource {
    config: AudioConfig,
    rtp: RtpWriter,
    rng: Rng,
    sent: u64,
}

impl AudioSource {
    /// An encoder that has not sent anything.
    pub const fn new(config: AudioConfig) -> Self {
        let mut rng = Rng::new(config.seed);
        Self {
            rtp: RtpWriter::new(config.payload_type, config.ssrc, &mut rng),
            rng,
            sent: 0,
            config,
        }
    }

    fn due(&self) -> Instant {
        let interval = micros(self.config.interval).max(1);
        self.config.start + Duration::from_micros(interval.saturating_mul(self.sent))
    }
}

impl Source for AudioSource {
    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.due())
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        let due = self.due();
        if due > now {
            return None;
        }
        let ticks = u128::from(micros(due.since(self.config.start)))
            * u128::from(self.config.clock_rate)
            / 1_000_000;
        // The marker stands on the first packet of a talk spurt (RFC 3551, 4.1).
        let marker = self.sent == 0;
        let mut packet = self.rtp.header(ticks as u32, marker, self.config.payload);
        put_random(&mut packet, self.config.payload, &mut self.rng);
        self.sent += 1;
        Some(packet.freeze())
    }

    fn may_be_overtaken(&self) -> bool {
        true
    }
}

/// What a video encoder is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoConfig {
    /// When the first frame is due.
    pub start: Instant,
    /// Frames per second, at least one.
    pub frames_per_second: u32,
    /// Mean rate, bit/s, RTP headers among them.
    pub bits_per_second: u32,
    /// Every how many frames a key frame comes; the first is one. At 0 no other is.
    pub key_every: u32,
    /// How many times larger than others a key frame is, at least one.
    pub key_factor: u32,
    /// Largest datagram, bytes; at least [`VideoConfig::MIN_DATAGRAM`].
    pub max_datagram: usize,
    /// RTP payload type, below 128.
    pub payload_type: u8,
    /// RTP source.
    pub ssrc: u32,
    /// Where chance begins.
    pub seed: u64,
}

impl VideoConfig {
    /// Smallest [`VideoConfig::max_datagram`]: headers and some picture.
    pub const MIN_DATAGRAM: usize = 32;

    /// H.263 at that rate: 10 frames per second, a key frame every 10 s and 6 times larger,
    /// datagrams of up to 1200 bytes.
    pub const fn h263(bits_per_second: u32) -> Self {
        Self {
            start: Instant::ZERO,
            frames_per_second: 10,
            bits_per_second,
            key_every: 100,
            key_factor: 6,
            max_datagram: 1200,
            payload_type: 96,
            ssrc: 0x0a0d_0002,
            seed: 2,
        }
    }
}

/// A video encoder. All packets of a frame are due at once, as encoders send them; the last one
/// has the marker. Payloads begin like those of H.263 (RFC 4629).
#[derive(Clone, Debug)]
pub struct VideoSource {
    config: VideoConfig,
    rtp: RtpWriter,
    rng: Rng,
    /// Frames begun.
    frames: u64,
    /// What is left of the frame that is being sent; at most one frame.
    packets: VecDeque<Bytes>,
    /// When the frame that is being sent was due.
    due: Instant,
}

impl VideoSource {
    /// An encoder that has not sent anything.
    pub const fn new(config: VideoConfig) -> Self {
        let mut rng = Rng::new(config.seed);
        Self {
            rtp: RtpWriter::new(config.payload_type, config.ssrc, &mut rng),
            rng,
            frames: 0,
            packets: VecDeque::new(),
            due: config.start,
            config,
        }
    }

    fn next_frame_due(&self) -> Instant {
        let elapsed = u128::from(self.frames) * 1_000_000 / u128::from(self.frame_rate());
        self.config.start + Duration::from_micros(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    fn encode_frame(&mut self) {
        let largest = self.config.max_datagram.max(VideoConfig::MIN_DATAGRAM) - RTP_HEADER;
        let ticks = u128::from(self.frames) * VIDEO_CLOCK / u128::from(self.frame_rate());
        let mut left = self.frame_bytes();
        let mut first = true;
        while left > 0 {
            // The rest of a frame may be too short for its headers: it is then a bit longer.
            let payload = left
                .saturating_sub(RTP_HEADER)
                .clamp(H263_HEADER + 1, largest);
            left = left.saturating_sub(payload + RTP_HEADER);
            let mut packet = self.rtp.header(ticks as u32, left == 0, payload);
            packet.put_slice(if first {
                &PICTURE_START
            } else {
                &PICTURE_GOES_ON
            });
            put_random(&mut packet, payload - H263_HEADER, &mut self.rng);
            self.packets.push_back(packet.freeze());
            first = false;
        }
        self.frames += 1;
    }

    /// Size of the next frame, RTP headers included: evenly within a quarter of the mean of
    /// its kind.
    fn frame_bytes(&mut self) -> usize {
        let mean = f64::from(self.config.bits_per_second) / 8.0 / f64::from(self.frame_rate());
        let (every, factor) = (self.config.key_every, self.config.key_factor.max(1));
        let is_key = self.frames.checked_rem(u64::from(every)) == Some(0) || self.frames == 0;
        let keys = if every == 0 {
            0.0
        } else {
            1.0 / f64::from(every)
        };
        let other = mean / (1.0 + keys * f64::from(factor - 1));
        let size = if is_key {
            other * f64::from(factor)
        } else {
            other
        };
        ((size * (0.75 + 0.5 * self.rng.uniform())).round() as usize).max(1)
    }

    fn frame_rate(&self) -> u32 {
        self.config.frames_per_second.max(1)
    }
}

impl Source for VideoSource {
    fn poll_timeout(&self) -> Option<Instant> {
        if self.packets.is_empty() {
            return Some(self.next_frame_due());
        }
        Some(self.due)
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        if self.packets.is_empty() {
            let due = self.next_frame_due();
            if due > now {
                return None;
            }
            self.due = due;
            self.encode_frame();
        }
        self.packets.pop_front()
    }
}

/// What a source of control messages is set to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ControlConfig {
    /// When the first pause begins.
    pub start: Instant,
    /// Mean time from message to message; pauses are exponential.
    pub mean_interval: Duration,
    /// Smallest message, bytes; at least [`ControlConfig::INDEX`] are sent.
    pub min: usize,
    /// Largest message, bytes.
    pub max: usize,
    /// Where chance begins.
    pub seed: u64,
}

impl ControlConfig {
    /// Each message begins with its index, so many bytes, big-endian.
    pub const INDEX: usize = 8;

    /// The message of that index, counted from zero: the same at each call.
    pub fn message(&self, index: u64) -> Bytes {
        // Indices are neighbours: one draw apart, two messages would share their bytes.
        let mut rng = Rng::new(Rng::new(self.seed).next_u64() ^ Rng::new(index).next_u64());
        let min = self.min.max(Self::INDEX);
        let size = rng.between(min as u64, self.max as u64) as usize;
        let mut message = BytesMut::with_capacity(size);
        message.put_u64(index);
        put_random(&mut message, size - Self::INDEX, &mut rng);
        message.freeze()
    }

    /// The index of a message that arrived; `None` when any of its bytes is wrong.
    pub fn verify(&self, message: &[u8]) -> Option<u64> {
        let index = u64::from_be_bytes(*message.first_chunk()?);
        (self.message(index) == message).then_some(index)
    }
}

/// Equipment that sends control messages at random times, numbered from zero.
#[derive(Clone, Debug)]
pub struct ControlSource {
    config: ControlConfig,
    rng: Rng,
    sent: u64,
    due: Instant,
}

impl ControlSource {
    /// A source that has not sent anything.
    pub fn new(config: ControlConfig) -> Self {
        let mut source = Self {
            config,
            rng: Rng::new(config.seed),
            sent: 0,
            due: config.start,
        };
        source.pause();
        source
    }

    /// How many messages were sent.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    fn pause(&mut self) {
        let pause = self
            .rng
            .exponential(micros(self.config.mean_interval) as f64);
        // At least the clock's step, so that it is silent some time.
        self.due += Duration::from_micros((pause as u64).max(1));
    }
}

impl Source for ControlSource {
    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.due)
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        if self.due > now {
            return None;
        }
        let message = self.config.message(self.sent);
        self.sent += 1;
        self.pause();
        Some(message)
    }
}

/// Writes the RTP headers of one source (RFC 3550, 5.1).
#[derive(Clone, Debug)]
struct RtpWriter {
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    first_timestamp: u32,
}

impl RtpWriter {
    /// Sequence numbers and timestamps begin at random.
    const fn new(payload_type: u8, ssrc: u32, rng: &mut Rng) -> Self {
        Self {
            payload_type: payload_type & 0x7f,
            ssrc,
            sequence: rng.next_u64() as u16,
            first_timestamp: rng.next_u64() as u32,
        }
    }

    /// The header of the next packet, with room for so many bytes of payload behind it.
    fn header(&mut self, ticks: u32, marker: bool, payload: usize) -> BytesMut {
        let mut packet = BytesMut::with_capacity(RTP_HEADER + payload);
        packet.put_u8(RTP_VERSION_2);
        packet.put_u8(u8::from(marker) << 7 | self.payload_type);
        packet.put_u16(self.sequence);
        packet.put_u32(self.first_timestamp.wrapping_add(ticks));
        packet.put_u32(self.ssrc);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }
}

fn put_random(packet: &mut BytesMut, bytes: usize, rng: &mut Rng) {
    let start = packet.len();
    packet.resize(start + bytes, 0);
    rng.fill(&mut packet[start..]);
}

/// RTP header without CSRC and extension, bytes.
const RTP_HEADER: usize = 12;
/// Version 2, no padding, no extension, no CSRC.
const RTP_VERSION_2: u8 = 0x80;
/// RTP clock of video, Hz.
const VIDEO_CLOCK: u128 = 90_000;
/// Payload header of H.263 (RFC 4629, 5.1), bytes.
const H263_HEADER: usize = 2;
/// The P bit: a picture begins, and its first two zero bytes are left out.
const PICTURE_START: [u8; H263_HEADER] = [0x04, 0x00];
const PICTURE_GOES_ON: [u8; H263_HEADER] = [0x00, 0x00];

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything a source sends before `end`, and when.
    fn run(source: &mut impl Source, end: Instant) -> Vec<(Instant, Bytes)> {
        let mut sent = Vec::new();
        while let Some(now) = source.poll_timeout().filter(|&at| at < end) {
            while let Some(datagram) = source.poll_datagram(now) {
                sent.push((now, datagram));
            }
        }
        sent
    }

    fn seconds(seconds: u64) -> Instant {
        Instant::from_micros(1_000_000 * seconds)
    }

    fn sequence(packet: &[u8]) -> u16 {
        u16::from_be_bytes([packet[2], packet[3]])
    }

    fn timestamp(packet: &[u8]) -> u32 {
        u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]])
    }

    fn has_marker(packet: &[u8]) -> bool {
        packet[1] & 0x80 != 0
    }

    #[test]
    fn voice_is_valid_rtp_by_the_clock() {
        let config = AudioConfig {
            start: Instant::from_micros(123),
            ..AudioConfig::G729
        };
        let sent = run(&mut AudioSource::new(config), seconds(20));
        assert_eq!(sent.len(), 1000);
        let first = &sent[0].1;
        assert!(has_marker(first) && !sent[1..].iter().any(|(_, packet)| has_marker(packet)));
        for (i, (at, packet)) in sent.iter().enumerate() {
            assert_eq!(at.as_micros(), 123 + 20_000 * i as u64);
            assert_eq!(packet.len(), 32);
            assert_eq!((packet[0], packet[1] & 0x7f), (0x80, 18));
            assert_eq!(sequence(packet), sequence(first).wrapping_add(i as u16));
            assert_eq!(
                timestamp(packet),
                timestamp(first).wrapping_add(160 * i as u32)
            );
            assert_eq!(packet[8..12], config.ssrc.to_be_bytes());
        }
        assert_ne!(sent[0].1[12..], sent[1].1[12..]);
    }

    #[test]
    fn video_keeps_its_rate_and_its_frames() {
        let config = VideoConfig::h263(64_000);
        let sent = run(&mut VideoSource::new(config), seconds(200));
        let bytes: usize = sent.iter().map(|(_, packet)| packet.len()).sum();
        let rate = 8.0 * bytes as f64 / 200.0;
        assert!((rate / 64_000.0 - 1.0).abs() < 0.05, "{rate} bit/s");

        let frames: Vec<_> = sent.chunk_by(|a, b| a.0 == b.0).collect();
        assert_eq!(frames.len(), 2000);
        let first = timestamp(&sent[0].1);
        for (i, frame) in frames.iter().enumerate() {
            assert_eq!(frame[0].0.as_micros(), 100_000 * i as u64);
            let (last, others) = frame.split_last().unwrap();
            assert!(has_marker(&last.1) && !others.iter().any(|(_, packet)| has_marker(packet)));
            for (n, (_, packet)) in frame.iter().enumerate() {
                assert!(packet.len() <= 1200);
                assert_eq!(timestamp(packet), first.wrapping_add(9000 * i as u32));
                assert_eq!(packet[12], if n == 0 { 0x04 } else { 0x00 });
            }
        }
        for pair in sent.windows(2) {
            assert_eq!(sequence(&pair[1].1), sequence(&pair[0].1).wrapping_add(1));
        }
        let size = |frame: &&[(Instant, Bytes)]| frame.iter().map(|(_, p)| p.len()).sum::<usize>();
        let keys: usize = frames.iter().step_by(100).map(size).sum();
        let others: usize = frames.iter().map(size).sum::<usize>() - keys;
        let factor = (keys as f64 / 20.0) / (others as f64 / 1980.0);
        assert!((4.8..7.2).contains(&factor), "{factor}");
    }

    #[test]
    fn odd_video_settings_still_send_whole_frames() {
        for (bits_per_second, max_datagram, frames_per_second) in [(0, 0, 0), (8, 33, 60)] {
            let config = VideoConfig {
                max_datagram,
                frames_per_second,
                key_every: 0,
                key_factor: 0,
                ..VideoConfig::h263(bits_per_second)
            };
            let sent = run(&mut VideoSource::new(config), seconds(5));
            assert_eq!(sent.len(), 5 * frames_per_second.max(1) as usize);
            assert!(
                sent.iter()
                    .all(|(_, packet)| packet.len() == 15 && has_marker(packet))
            );
        }
    }

    const CONTROL: ControlConfig = ControlConfig {
        start: Instant::ZERO,
        mean_interval: Duration::from_millis(250),
        min: 4,
        max: 90,
        seed: 5,
    };

    #[test]
    fn control_messages_come_at_their_rate_and_can_be_verified() {
        let mut source = ControlSource::new(CONTROL);
        let sent = run(&mut source, seconds(2000));
        assert!((7600..8400).contains(&sent.len()), "{}", sent.len());
        assert_eq!(source.sent(), sent.len() as u64);
        for (i, (_, message)) in sent.iter().enumerate() {
            assert_eq!(CONTROL.verify(message), Some(i as u64));
        }
        let sizes = || sent.iter().map(|(_, message)| message.len());
        assert_eq!((sizes().min(), sizes().max()), (Some(8), Some(90)));
    }

    #[test]
    fn a_changed_message_is_not_verified() {
        let message = CONTROL.message(7);
        assert!(message.len() > 8);
        for i in 0..message.len() {
            let mut changed = message.to_vec();
            changed[i] ^= 1;
            assert_eq!(CONTROL.verify(&changed), None, "byte {i}");
        }
        for end in 0..message.len() {
            assert_eq!(CONTROL.verify(&message[..end]), None);
        }
        let other = ControlConfig { seed: 6, ..CONTROL };
        assert_eq!(other.verify(&message), None);
    }

    #[test]
    fn the_same_seed_sends_the_same() {
        let video = |seed| {
            let config = VideoConfig {
                seed,
                ..VideoConfig::h263(20_000)
            };
            run(&mut VideoSource::new(config), seconds(5))
        };
        assert_eq!(video(1), video(1));
        assert_ne!(video(1), video(2));
    }
}
