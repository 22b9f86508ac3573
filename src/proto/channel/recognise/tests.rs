//! Streams as equipment sends them, and as nobody should.

use super::*;
use proptest::prelude::*;

const SSRC: u32 = 0x0a0d_0001;

fn at_ms(ms: u64) -> Instant {
    Instant::from_micros(ms * 1000)
}

/// A sender of one stream. Its numbers wrap soon.
#[derive(Clone)]
struct Sender {
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
}

impl Sender {
    fn new(payload_type: u8) -> Self {
        Self {
            ssrc: SSRC,
            payload_type,
            sequence: u16::MAX - 20,
            timestamp: u32::MAX - 5000,
        }
    }

    /// The next packet; the timestamp is that many ticks further than the one before.
    fn packet(&mut self, step: u32, marker: bool, payload: usize) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(step);
        let mut packet = vec![0x80, (u8::from(marker) << 7) | self.payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.resize(12 + payload, 0x55);
        packet
    }

    /// Another run of the program that sends: everything but the SSRC is new.
    fn begins_again(&mut self, payload_type: u8) {
        self.payload_type = payload_type;
        self.sequence = self.sequence.wrapping_add(12_345);
        self.timestamp = self.timestamp.wrapping_add(1_234_567_890);
    }
}

/// A recogniser, and a clock for it.
#[derive(Default)]
struct Port {
    recogniser: Recogniser,
    ms: u64,
}

impl Port {
    fn take(&mut self, packet: &[u8]) -> Medium {
        self.recogniser.judge(at_ms(self.ms), packet)
    }

    /// Plays voice; says how many packets were taken for video.
    fn voice(&mut self, sender: &mut Sender, clock: u32, every_ms: u64, ms: u64) -> usize {
        let end = self.ms + ms;
        let mut wrong = 0;
        while self.ms < end {
            let packet = sender.packet(clock / 1000 * every_ms as u32, false, 30);
            wrong += usize::from(self.take(&packet) == Medium::Video);
            self.ms += every_ms;
        }
        wrong
    }

    /// Plays pictures of several packets each; says how many packets were taken for audio.
    fn pictures(&mut self, sender: &mut Sender, parts: usize, every_ms: u64, ms: u64) -> usize {
        let end = self.ms + ms;
        let mut wrong = 0;
        while self.ms < end {
            for part in 1..=parts {
                let step = if part == 1 { 90 * every_ms as u32 } else { 0 };
                let packet = sender.packet(step, part == parts, 60);
                wrong += usize::from(self.take(&packet) == Medium::Audio);
            }
            self.ms += every_ms;
        }
        wrong
    }

    fn only(&self) -> StreamStats {
        let streams: Vec<StreamStats> = self.recogniser.streams().collect();
        assert_eq!(streams.len(), 1, "{streams:?}");
        streams[0]
    }

    #[track_caller]
    fn assert_firm(&self, medium: Medium) {
        let stream = self.only();
        assert_eq!((stream.medium, stream.firm), (medium, true), "{stream:?}");
    }
}

#[test]
fn payload_types_with_a_fixed_meaning_are_known_at_once() {
    for payload_type in [0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18] {
        let mut port = Port::default();
        // No marker and large: without the type it would be taken for video.
        let packet = Sender::new(payload_type).packet(0, false, 900);
        assert_eq!(port.take(&packet), Medium::Audio, "{payload_type}");
        port.assert_firm(Medium::Audio);
    }
    for payload_type in [25, 26, 28, 31, 32, 33, 34] {
        let mut port = Port::default();
        let packet = Sender::new(payload_type).packet(0, true, 20);
        assert_eq!(port.take(&packet), Medium::Video, "{payload_type}");
        port.assert_firm(Medium::Video);
        assert_eq!(port.only().clock_hz, Some(90_000));
    }
    // MPEG audio has 90 kHz, and is audio for ever.
    let (mut port, mut sender) = (Port::default(), Sender::new(14));
    assert_eq!(port.voice(&mut sender, 90_000, 24, 5000), 0);
    port.assert_firm(Medium::Audio);
}

#[test]
fn every_clock_of_voice_is_measured() {
    for clock in [8_000, 16_000, 24_000, 32_000, 44_100, 48_000] {
        for every_ms in [10, 20, 40, 60, 80] {
            let (mut port, mut sender) = (Port::default(), Sender::new(96));
            while port.ms < 3000 {
                let packet = sender.packet((clock * every_ms) / 1000, true, 30);
                let answer = port.take(&packet);
                // The first says nothing, and the marker on all of them no more.
                assert_eq!(answer, Medium::Audio);
                port.ms += u64::from(every_ms);
                assert!(port.only().firm || port.ms < 600, "{clock} {}", port.ms);
            }
            port.assert_firm(Medium::Audio);
            assert_eq!(port.only().clock_hz, Some(clock));
        }
    }
}

#[test]
fn pictures_are_video_at_any_rate() {
    for every_ms in [16, 33, 40, 66, 100, 125, 200, 400, 900] {
        for parts in [1, 2, 5] {
            let (mut port, mut sender) = (Port::default(), Sender::new(96));
            let wrong = port.pictures(&mut sender, parts, every_ms, 1000 + every_ms);
            // A single small packet with a marker could begin a talk spurt.
            let open = if parts == 1 { 600 / every_ms + 1 } else { 0 };
            assert!(wrong <= open.min(8) as usize, "{every_ms} {parts} {wrong}");
            port.assert_firm(Medium::Video);
            let wrong = port.pictures(&mut sender, parts, every_ms, 20_000);
            assert_eq!((wrong, port.only().clock_hz), (0, Some(90_000)));
        }
    }
}

#[test]
fn voice_that_pauses_stays_audio() {
    for clock in [8_000, 48_000] {
        for clock_stops in [false, true] {
            let (mut port, mut sender) = (Port::default(), Sender::new(111));
            let first = sender.packet(0, true, 30);
            assert_eq!(port.take(&first), Medium::Audio);
            port.ms += 20;
            for spurt in 0..40 {
                let wrong = port.voice(&mut sender, clock, 20, 100 + spurt * 37 % 900);
                assert_eq!(wrong, 0, "spurt {spurt}");
                let pause = 80 + spurt * 211 % 3000;
                port.ms += pause;
                if !clock_stops {
                    let ticks = u64::from(clock) * pause / 1000;
                    sender.timestamp = sender.timestamp.wrapping_add(ticks as u32);
                }
            }
            port.assert_firm(Medium::Audio);
        }
    }
}

#[test]
fn voice_in_bursts_is_audio() {
    // 13 packets at once, as media servers send.
    for clock in [8_000, 48_000] {
        let (mut port, mut sender) = (Port::default(), Sender::new(97));
        while port.ms < 10_000 {
            for _ in 0..13 {
                let packet = sender.packet(clock / 50, true, 20);
                assert_eq!(port.take(&packet), Medium::Audio);
            }
            port.ms += 260;
            assert!(port.only().firm || port.ms < 1300, "{}", port.ms);
        }
        port.assert_firm(Medium::Audio);
    }
}

#[test]
fn a_network_that_stands_still_changes_nothing() {
    for (clock, every_ms, medium) in [(48_000, 20, Medium::Audio), (90_000, 125, Medium::Video)] {
        for stall in [200, 400, 600, 800] {
            for first in 1..40 {
                let (mut port, mut sender) = (Port::default(), Sender::new(96));
                let mut held_until = 0;
                for i in 0..400 {
                    let sent = i * every_ms;
                    // From time to time all that is sent within the stall comes at its end.
                    let phase = (sent + first * 50) % 2900;
                    if phase < stall && sent > 1500 {
                        held_until = held_until.max(sent + stall - phase);
                    }
                    port.ms = sent.max(held_until);
                    let packet = sender.packet(clock / 1000 * every_ms as u32, true, 60);
                    let answer = port.take(&packet);
                    assert!(answer == medium || sent < 700, "{stall} {first} {sent}");
                }
                port.assert_firm(medium);
            }
        }
    }
}

#[test]
fn digits_and_comfort_noise_are_part_of_the_voice() {
    let (mut port, mut sender) = (Port::default(), Sender::new(111));
    port.voice(&mut sender, 48_000, 20, 1000);
    for digit in 0..5 {
        // RFC 4733: one timestamp for the whole digit, the last packet three times.
        sender.payload_type = 101;
        let packets = if digit == 4 { 200 } else { 8 };
        for i in 0..packets {
            let step = if i == 0 { 960 } else { 0 };
            let packet = sender.packet(step, i == 0, 4);
            assert_eq!(port.take(&packet), Medium::Audio, "digit {digit}");
            port.ms += if i + 3 > packets { 0 } else { 20 };
        }
        sender.timestamp = sender.timestamp.wrapping_add(packets * 960);
        sender.payload_type = 111;
        assert_eq!(port.voice(&mut sender, 48_000, 20, 300), 0);
        sender.payload_type = 13;
        for _ in 0..10 {
            let packet = sender.packet(9600, false, 1);
            assert_eq!(port.take(&packet), Medium::Audio);
            port.ms += 200;
        }
        sender.payload_type = 111;
        assert_eq!(port.voice(&mut sender, 48_000, 20, 1500), 0);
    }
    port.assert_firm(Medium::Audio);
    assert_eq!(port.only().payload_type, 111);
}

#[test]
fn another_type_in_between_changes_nothing_while_the_voice_goes_on() {
    let (mut port, mut sender) = (Port::default(), Sender::new(111));
    for i in 0..500 {
        let wrong = port.voice(&mut sender, 48_000, 20, 20);
        assert!(wrong == 0 || i == 0, "{i}");
        // Repair packets: in pairs, with timestamps of their own.
        let mut repair = Sender::new(120);
        repair.timestamp = 90 * 20 * i;
        repair.sequence = 2 * i as u16;
        for _ in 0..2 {
            let packet = repair.packet(0, false, 60);
            assert!(port.take(&packet) == Medium::Audio || i == 0, "{i}");
        }
    }
    port.assert_firm(Medium::Audio);
    assert_eq!(port.only().payload_type, 111);
}

#[test]
fn packets_that_overtake_each_other_begin_no_new_stream() {
    let (mut port, mut sender) = (Port::default(), Sender::new(111));
    port.voice(&mut sender, 48_000, 20, 1000);
    for _ in 0..100 {
        let mut packets: Vec<_> = (0..4).map(|_| sender.packet(960, false, 30)).collect();
        packets.reverse();
        for packet in packets {
            assert_eq!(port.take(&packet), Medium::Audio);
            port.ms += 20;
            port.assert_firm(Medium::Audio);
        }
    }
}

#[test]
fn two_streams_on_one_port_are_told_apart() {
    let mut port = Port::default();
    let (mut voice, mut camera) = (Sender::new(96), Sender::new(96));
    camera.ssrc = 7;
    // A voice that began before copperlink did: no marker tells where it begins.
    let first = voice.packet(0, false, 30);
    port.take(&first);
    for i in 0..500 {
        port.ms = 20 * (i + 1);
        let packet = voice.packet(960, false, 30);
        assert_eq!(port.take(&packet), Medium::Audio);
        if i % 5 == 0 {
            for part in 1..=3 {
                let step = if part == 1 { 9000 } else { 0 };
                let packet = camera.packet(step, part == 3, 40);
                assert_eq!(port.take(&packet), Medium::Video);
            }
        }
    }
    let streams: Vec<_> = port.recogniser.streams().collect();
    let facts = |s: &StreamStats| (s.ssrc, s.medium, s.firm, s.clock_hz);
    let expected = [
        (SSRC, Medium::Audio, true, Some(48_000)),
        (7, Medium::Video, true, Some(90_000)),
    ];
    assert_eq!(streams.iter().map(facts).collect::<Vec<_>>(), expected);
    assert_eq!((streams[0].packets, streams[1].packets), (501, 300));
}

#[test]
fn another_codec_in_the_same_stream_is_recognised_anew() {
    // With a payload type of its own, with the same one, and each as a sender that was started again.
    for (next_type, anew) in [(97, false), (97, true), (96, true)] {
        for pause in [0, 300, 5000] {
            let (mut port, mut sender) = (Port::default(), Sender::new(96));
            for round in 0..3 {
                port.voice(&mut sender, 48_000, 20, 3000);
                port.assert_firm(Medium::Audio);
                change(&mut sender, next_type, anew);
                port.ms += pause;
                port.pictures(&mut sender, 2, 100, 1000);
                port.assert_firm(Medium::Video);
                assert_eq!(port.pictures(&mut sender, 2, 100, 3000), 0, "{round}");
                change(&mut sender, 96, anew);
                port.ms += pause;
                port.voice(&mut sender, 48_000, 20, 1000);
                port.assert_firm(Medium::Audio);
            }
        }
    }
}

fn change(sender: &mut Sender, payload_type: u8, anew: bool) {
    sender.payload_type = payload_type;
    if anew {
        sender.begins_again(payload_type);
    }
}

#[test]
fn another_codec_with_a_fixed_type_is_known_at_once() {
    let (mut port, mut sender) = (Port::default(), Sender::new(0));
    assert_eq!(port.voice(&mut sender, 8_000, 20, 500), 0);
    sender.payload_type = 34;
    assert_eq!(port.pictures(&mut sender, 1, 100, 500), 0);
    assert_eq!(port.only().payload_type, 34);
    sender.payload_type = 8;
    assert_eq!(port.voice(&mut sender, 8_000, 20, 500), 0);
}

#[test]
fn other_behaviour_without_any_sign_is_noticed_within_seconds() {
    let (mut port, mut sender) = (Port::default(), Sender::new(96));
    port.voice(&mut sender, 48_000, 20, 4000);
    port.pictures(&mut sender, 1, 100, 4000);
    port.assert_firm(Medium::Video);
    port.voice(&mut sender, 48_000, 20, 4000);
    port.assert_firm(Medium::Audio);
}

#[test]
fn timestamps_that_stand_still_get_the_best_guess() {
    for (payload, marker, medium) in [
        (10, true, Medium::Audio),
        (10, false, Medium::Video),
        (300, true, Medium::Video),
        (500, true, Medium::Video),
    ] {
        let (mut port, mut sender) = (Port::default(), Sender::new(96));
        while port.ms <= 10_000 {
            let packet = sender.packet(0, marker, payload);
            port.take(&packet);
            port.ms += 20;
        }
        port.assert_firm(medium);
        assert_eq!(port.only().clock_hz, None);
    }
}

#[test]
fn what_is_too_large_for_audio_goes_with_video() {
    let (mut port, mut sender) = (Port::default(), Sender::new(0));
    let most = Class::Audio.max_datagram() - 12;
    let packet = sender.packet(160, false, most);
    assert_eq!(port.take(&packet), Medium::Audio);
    let packet = sender.packet(160, false, most + 1);
    assert_eq!(port.take(&packet), Medium::Video);
    port.assert_firm(Medium::Audio);
}

#[test]
fn a_flood_of_numbers_does_not_push_out_what_is_heard() {
    let (mut port, mut sender) = (Port::default(), Sender::new(96));
    port.voice(&mut sender, 48_000, 20, 1000);
    for ssrc in 0..20_000 {
        // Some claim to be audio by their payload type.
        let mut stranger = Sender::new(if ssrc % 2 == 0 { 0 } else { 120 });
        stranger.ssrc = ssrc;
        let packet = stranger.packet(0, true, 50);
        port.take(&packet);
        if ssrc % 100 == 0 {
            assert_eq!(port.voice(&mut sender, 48_000, 20, 20), 0);
        }
    }
    let streams: Vec<_> = port.recogniser.streams().collect();
    assert_eq!(streams.len(), MOST_STREAMS);
    assert_eq!((streams[0].ssrc, streams[0].packets), (SSRC, 250));
}

fn any_packets() -> impl Strategy<Value = Vec<(u64, Vec<u8>)>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    // Near to real ones, so that streams go on: a few SSRCs and types, any numbers.
    let near = (0u8..3, 90u8..98, any::<[u8; 6]>(), 0usize..600).prop_map(|(ssrc, pt, n, len)| {
        let mut packet = vec![0x80, pt];
        packet.extend(n);
        packet.extend([0, 0, 0, ssrc]);
        packet.resize(12 + len, 0);
        packet
    });
    let pause = prop_oneof![0u64..50_000, 0u64..5_000_000, Just(u64::MAX / 1000)];
    prop::collection::vec((pause, prop_oneof![bytes, near]), 0..200)
}

proptest! {
    #[test]
    fn any_bytes_at_any_time_are_answered(packets in any_packets()) {
        let mut recogniser = Recogniser::default();
        let mut now = Instant::ZERO;
        for (pause, packet) in packets {
            now += Duration::from_micros(pause);
            let answer = recogniser.judge(now, &packet);
            if packet.len() > Class::Audio.max_datagram() {
                prop_assert_eq!(answer, Medium::Video);
            }
            prop_assert!(recogniser.streams.len() <= MOST_STREAMS);
        }
    }
}
