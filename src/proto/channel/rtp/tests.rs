//! What goes in comes out, byte for byte, whatever is lost on the way.

use std::collections::VecDeque;

use bytes::Bytes;
use proptest::prelude::*;

use super::compress::{Compressor, Keep, Pace, Plan};
use super::restore::{Place, Restorer};
use super::{Head, Header, is_keep};
use crate::proto::channel::{Flow, SentSegment};
use crate::proto::config::{ChannelConfig, Class, PortKind};
use crate::proto::framing::segment::{self, FlowId, Segment, Writer};
use crate::proto::stats::ChannelStats;
use crate::proto::time::{Duration, Instant};

/// A packet with a payload that no other has.
fn packet(ssrc: u32, sequence: u16, timestamp: u32, marker: bool, payload: usize) -> Vec<u8> {
    let mut packet = vec![0x80, u8::from(marker) << 7 | 18];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..payload).map(|i| (i as u16 ^ sequence) as u8));
    packet
}

/// A flow, a line that loses what it is told to, and the flow at the other end.
struct Pair {
    sender: Flow,
    receiver: Flow,
    /// Frames whose fate is not reported yet.
    flying: VecDeque<(bool, SentSegment)>,
    /// Frames that the receiver did not get.
    absent: u64,
    /// An ordinary frame is on its way, and counts as absent.
    interrupted: bool,
    round_trip: usize,
    /// One audio packet comes every 20 ms.
    now: Instant,
    delivered: Vec<Bytes>,
    /// Packets that came when they were sent once more.
    recovered: Vec<Bytes>,
    /// Bytes of segments, and how many of them were steady.
    bytes: usize,
    steady: usize,
}

impl Pair {
    fn new(class: Class, round_trip: usize) -> Self {
        let config = ChannelConfig::new(1, "media", class);
        let flow = || Flow::new(FlowId(1), &config, PortKind::Media, Some(0));
        Self {
            sender: flow(),
            receiver: flow(),
            flying: VecDeque::new(),
            absent: 0,
            interrupted: false,
            round_trip,
            now: Instant::ZERO,
            delivered: Vec::new(),
            recovered: Vec::new(),
            bytes: 0,
            steady: 0,
        }
    }

    fn accept(&mut self, packet: &[u8]) {
        let packet = Bytes::copy_from_slice(packet);
        if self.sender.is_express() {
            self.now += Duration::from_millis(20);
        }
        self.sender.accept(self.now, packet).expect("accepted");
    }

    /// Sends a frame with a segment of what waits. `lost`: it does not arrive.
    fn send(&mut self, lost: bool, certain: bool) -> bool {
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        let Some(sent) = self.sender.write(self.now, 1500, certain, &mut writer) else {
            return false;
        };
        self.bytes += body.len();
        self.steady += usize::from(body[0] & 0x80 != 0);
        if lost {
            self.absent += 1;
        } else {
            self.receive(&body);
        }
        self.fly(lost, sent);
        true
    }

    /// Sends a frame with what goes once more, if anything does.
    fn send_again(&mut self, lost: bool) -> bool {
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        let Some(sent) = self.sender.write_again(200, &mut writer) else {
            return false;
        };
        if lost {
            self.absent += 1;
        } else {
            let segment = segment::Reader::default().next(&mut &*body);
            let Some(Segment::Again { number, data, .. }) = segment else {
                panic!("{segment:?}");
            };
            let Self {
                receiver,
                recovered,
                ..
            } = self;
            receiver.on_again(number, data, &mut |packet| recovered.push(packet));
        }
        self.fly(lost, sent);
        true
    }

    fn fly(&mut self, lost: bool, sent: SentSegment) {
        self.flying.push_back((!lost, sent));
        while self.flying.len() > self.round_trip {
            self.report();
        }
        self.sender.expire(self.now, &mut |_| {});
    }

    fn receive(&mut self, body: &[u8]) {
        let place = Place {
            line: 0,
            absent: self.absent + u64::from(self.interrupted),
        };
        let Self {
            receiver,
            delivered,
            ..
        } = self;
        let mut deliver = |packet| delivered.push(packet);
        match segment::Reader::default()
            .next(&mut &*body)
            .expect("a segment")
        {
            Segment::Packet { number, data, .. } => {
                receiver.on_packet(place, number, data, &mut deliver);
            }
            Segment::Steady { slot, low, payload } => {
                receiver.on_steady(place, usize::from(slot), low, payload, &mut deliver);
            }
            Segment::Message { number, data, .. } => {
                receiver.on_message(Instant::ZERO, place, number, data, &mut deliver);
            }
            other => panic!("{other:?}"),
        }
    }

    /// The far end reports on the oldest frame.
    fn report(&mut self) {
        if let Some((arrived, sent)) = self.flying.pop_front() {
            if arrived {
                self.sender.on_acked(sent);
            } else {
                self.sender.on_lost(sent);
            }
        }
    }

    /// One packet, one frame; says how many bytes its segment took.
    fn carry(&mut self, packet: &[u8], lost: bool) -> usize {
        let before = self.bytes;
        self.accept(packet);
        assert!(self.send(lost, true));
        if !lost {
            assert_eq!(self.delivered.last().map(AsRef::as_ref), Some(packet));
        }
        self.bytes - before
    }
}

#[test]
fn a_steady_stream_costs_one_byte_beside_its_payload() {
    let mut pair = Pair::new(Class::Audio, 5);
    let mut cost = Vec::new();
    for i in 0..200u16 {
        let sequence = 65_500u16.wrapping_add(i);
        let timestamp = 0xFFFF_F000u32.wrapping_add(u32::from(i) * 160);
        cost.push(pair.carry(&packet(7, sequence, timestamp, i == 0, 20), false));
    }
    println!("{cost:?}");
    assert_eq!(cost[0], 2 + 32, "as it is");
    assert_eq!(cost[1], 2 + 1 + 2 + 32, "kept, with the stride");
    assert!(cost[30..].iter().all(|&cost| cost == 1 + 20));
    assert!(cost.iter().sum::<usize>() < 200 * 21 + 150);
}

#[test]
fn a_talk_spurt_goes_on_compressed_and_is_steady_again_soon() {
    let mut pair = Pair::new(Class::Audio, 4);
    let mut timestamp = 0;
    for i in 0..300u16 {
        let starts = i % 100 == 0;
        timestamp += if starts { 12_345 * 160 } else { 160 };
        let cost = pair.carry(&packet(7, i, timestamp, starts, 20), false);
        assert!(i < 30 || cost <= 20 + 20, "{cost}");
        assert!(i % 100 < 30 || cost == 21, "packet {i}: {cost}");
    }
}

#[test]
fn lost_packets_do_no_harm_to_those_behind_them() {
    for burst in 1..40u16 {
        let mut pair = Pair::new(Class::Audio, 3);
        for i in 0..60 {
            pair.carry(&packet(7, i, u32::from(i) * 160, false, 20), false);
        }
        assert!(pair.steady > 30);
        for i in 60..60 + burst {
            pair.accept(&packet(7, i, u32::from(i) * 160, false, 20));
            pair.send(true, true);
        }
        let before = pair.delivered.len();
        for i in 60 + burst..100 + burst {
            let sent = packet(7, i, u32::from(i) * 160, false, 20);
            pair.accept(&sent);
            pair.send(false, true);
            if pair.delivered.len() > before {
                assert_eq!(pair.delivered.last().map(AsRef::as_ref), Some(&sent[..]));
            }
        }
        assert!(
            pair.delivered.len() >= before + 39,
            "after {burst} lost ones"
        );
    }
}

#[test]
fn two_streams_on_one_port_keep_their_headers() {
    let mut pair = Pair::new(Class::Audio, 5);
    let mut last = 0;
    for i in 0..200u16 {
        last = pair.carry(&packet(7, i, u32::from(i) * 160, false, 20), false)
            + pair.carry(
                &packet(9, 5000 + i, 99 + u32::from(i) * 480, true, 30),
                false,
            );
    }
    assert_eq!(last, 20 + 30 + 2 * 5, "both by their contexts");
}

#[test]
fn packets_that_wait_share_a_segment() {
    let mut pair = Pair::new(Class::Audio, 2);
    for i in 0..30 {
        pair.carry(&packet(7, i, u32::from(i) * 320, false, 6), false);
    }
    for i in 30..34 {
        pair.accept(&packet(7, i, u32::from(i) * 320, false, 6));
    }
    let before = pair.bytes;
    assert!(pair.send(false, true));
    assert!(!pair.send(false, true), "all four went");
    assert_eq!(pair.bytes - before, 2 + 3 + 4 * 6);
    let sequences: Vec<_> = pair.delivered[30..].iter().map(|p| p[3]).collect();
    assert_eq!(sequences, [30, 31, 32, 33]);
}

#[test]
fn video_headers_shrink_too() {
    let mut pair = Pair::new(Class::Video, 5);
    let mut last = 0;
    for i in 0..300u16 {
        let frame = u32::from(i / 3);
        let sent = packet(7, i, 1234 + frame * 6006, i % 3 == 2, 100);
        last = pair.carry(&sent, false);
    }
    assert_eq!(
        last,
        3 + 4 + 100,
        "form, sequence number, one byte of steps"
    );
}

#[test]
fn what_is_not_rtp_goes_as_it_is() {
    let mut pair = Pair::new(Class::Audio, 2);
    for i in 0..50u8 {
        for sent in [
            &b"x"[..],
            b"",
            &[0x80; 11],
            &[0x40; 30],
            // RTCP: a sender report.
            &[0x80, 200, 0, 6, i, i, i, i, 1, 2, 3, 4, 5, 6, 7, 8],
            // More sources than there are bytes.
            &[0x8F, 0, 0, i, 0, 0, 0, i, 1, 1, 1, 1, 2, 2, 2, 2],
        ] {
            assert_eq!(pair.carry(sent, false), sent.len() + 2);
        }
    }
}

#[test]
fn any_bytes_in_place_of_a_difference_do_no_harm() {
    let mut restorer = Restorer::default();
    let place = Place { line: 0, absent: 0 };
    let mut none = |_| panic!("there is no context");
    assert_eq!(restorer.packets(place, &[], &mut none), None);
    assert_eq!(restorer.packets(place, &[0x40, 1, 2, 3], &mut none), None);
    assert_eq!(restorer.packets(place, &[0x00, 1, 2, 3], &mut none), None);
    assert!(restorer.steady(place, 0, 1, b"x", &mut none).is_none());
    assert!(restorer.steady(place, 7, 1, b"x", &mut none).is_none());
    assert!(is_keep(&[0x3F]) && !is_keep(&[0x40]) && !is_keep(&[]));
}

/// Changes from one packet to the next.
#[derive(Clone, Debug)]
enum Turn {
    Steady(u8),
    Spurt(u32),
    Gap(u16),
    Back(u16),
    Source(u8),
    Marker,
    Type(u8),
    Sources(u8),
    Extension,
    Padding,
    Size(u8),
    NotRtp(Vec<u8>),
    LostFromHere(u8),
    /// From here on so many frames of 255 are lost.
    Noise(u8),
    Uncertain,
    Gather(u8),
    /// So many times three packets share a frame.
    Crowd(u8),
    /// An ordinary frame is interrupted, or goes on and arrives.
    Ordinary,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        12 => (1..60u8).prop_map(Turn::Steady),
        2 => any::<u32>().prop_map(Turn::Spurt),
        1 => (0..100_000u32).prop_map(Turn::Spurt),
        2 => any::<u16>().prop_map(Turn::Gap),
        1 => (0..10u16).prop_map(Turn::Back),
        1 => (0..3u8).prop_map(Turn::Source),
        1 => Just(Turn::Marker),
        1 => any::<u8>().prop_map(Turn::Type),
        1 => (0..16u8).prop_map(Turn::Sources),
        1 => Just(Turn::Extension),
        1 => Just(Turn::Padding),
        2 => any::<u8>().prop_map(Turn::Size),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Turn::NotRtp),
        5 => (1..60u8).prop_map(Turn::LostFromHere),
        3 => (0..200u8).prop_map(Turn::Noise),
        1 => Just(Turn::Uncertain),
        2 => (1..20u8).prop_map(Turn::Gather),
        6 => (1..30u8).prop_map(Turn::Crowd),
        2 => Just(Turn::Ordinary),
    ];
    prop::collection::vec(turn, 1..60)
}

/// A sender that follows the turns.
#[derive(Default)]
struct Source {
    ssrc: u8,
    payload_type: u8,
    sources: u8,
    extension: bool,
    padding: bool,
    size: u8,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    count: u32,
}

impl Source {
    fn next(&mut self) -> Vec<u8> {
        self.count += 1;
        let (x, p) = (u8::from(self.extension), u8::from(self.padding));
        let mut packet = vec![0x80 | p << 5 | x << 4 | self.sources];
        packet.push(u8::from(self.marker) << 7 | self.payload_type);
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend([0, 0, 0, self.ssrc]);
        for i in 0..self.sources {
            packet.extend([i; 4]);
        }
        if self.extension {
            packet.extend([0xBE, 0xDE, 0, 1, 1, 2, 3, self.count as u8]);
        }
        packet.extend(self.count.to_be_bytes());
        packet.resize(packet.len() + usize::from(self.size), self.count as u8);
        if self.padding {
            packet.extend([0, 0, 0, 4]);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.marker = false;
        packet
    }

    fn turn(&mut self, turn: &Turn) {
        match turn {
            Turn::Spurt(by) => self.timestamp = self.timestamp.wrapping_add(*by),
            Turn::Gap(by) => self.sequence = self.sequence.wrapping_add(*by),
            Turn::Back(by) => self.sequence = self.sequence.wrapping_sub(*by),
            Turn::Source(ssrc) => self.ssrc = *ssrc,
            Turn::Marker => self.marker = true,
            Turn::Type(number) => self.payload_type = number & 0x7F,
            Turn::Sources(count) => self.sources = *count,
            Turn::Extension => self.extension ^= true,
            Turn::Padding => self.padding ^= true,
            Turn::Size(size) => self.size = *size,
            _ => {}
        }
    }
}

/// Sends by the turns, and what goes once more behind it; every packet delivered must be one that
/// was sent, once and in order but for what is recovered, and without losses all must be.
fn follow(turns: &[Turn], class: Class, round_trip: usize) -> ChannelStats {
    let mut pair = Pair::new(class, round_trip);
    let measured = Duration::from_millis(7 * round_trip as u64);
    pair.sender.on_round_trip(measured);
    let mut noise = Rng(round_trip as u64);
    let mut level = 0;
    let mut source = Source::default();
    let (mut sent, mut passed) = (VecDeque::new(), VecDeque::new());
    let mut losing = 0u8;
    let mut checked = 0;
    for turn in turns {
        source.turn(turn);
        pair.interrupted ^= matches!(turn, Turn::Ordinary);
        if let Turn::Noise(to) = turn {
            level = *to;
        }
        let (count, at_once) = match turn {
            Turn::Steady(count) => (*count, 1),
            Turn::Gather(count) => (*count, *count),
            Turn::Crowd(count) => (*count * 3, 3),
            Turn::LostFromHere(count) => {
                losing = *count;
                (1, 1)
            }
            _ => (1, 1),
        };
        for i in 0..count {
            let packet = match turn {
                Turn::NotRtp(bytes) => bytes.clone(),
                _ => source.next(),
            };
            pair.accept(&packet);
            sent.push_back(packet);
            if (i + 1) % at_once != 0 {
                continue;
            }
            let certain = !matches!(turn, Turn::Uncertain);
            while {
                // Video is sent again and goes on in order: the line loses nothing then.
                let lost = (losing > 0 || noise.byte() < level) && class == Class::Audio;
                pair.send(lost, certain)
            } {
                losing = losing.saturating_sub(1);
            }
            while pair.send_again(losing > 0 || noise.byte() < level) {
                losing = losing.saturating_sub(1);
            }
        }
        for packet in &pair.delivered[checked..] {
            let place = sent.iter().position(|sent| sent == packet);
            let place = place.unwrap_or_else(|| panic!("never sent: {packet:02x?}"));
            assert!(class == Class::Audio || place == 0, "video is complete");
            passed.extend(sent.drain(..=place).take(place));
        }
        checked = pair.delivered.len();
        for packet in pair.recovered.drain(..) {
            // What nothing newer came of yet is not passed over.
            let sent = [&mut passed, &mut sent].into_iter().find_map(|those| {
                let place = those.iter().position(|sent| *sent == packet)?;
                those.remove(place)
            });
            assert!(sent.is_some(), "never sent, or twice: {packet:02x?}");
        }
    }
    let stats = pair.receiver.stats();
    let received = stats.received;
    assert!(received.missing + received.recovered <= pair.sender.stats().sent.sent);
    ChannelStats {
        sent: pair.sender.stats().sent,
        ..stats
    }
}

/// Enough chance for a line that loses frames.
struct Rng(u64);

impl Rng {
    fn byte(&mut self) -> u8 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }
}

#[test]
fn a_call_on_a_bad_line_is_covered() {
    // A round trip of five frames of 20 ms; a fifth of the frames is lost.
    let turns = [Turn::Steady(60), Turn::Noise(50), Turn::Steady(240)];
    let turns = [&turns[..], &[Turn::Steady(240), Turn::Steady(240)]].concat();
    for round_trip in [3, 12] {
        let stats = follow(&turns, Class::Audio, round_trip);
        let (sent, received) = (stats.sent, stats.received);
        assert!(received.recovered > 100, "{received:?}");
        assert!(received.missing < 40, "{received:?}");
        assert!(sent.repeated > 300);
        assert_eq!(received.refused, 0);
    }
}

#[test]
fn packets_are_restored_as_the_vectors_say() {
    let hex = |text: &str| -> Vec<u8> {
        let digits: Vec<_> = text.bytes().collect();
        let byte = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).expect("digits");
            u8::from_str_radix(pair, 16).expect("hex")
        };
        digits.chunks(2).map(byte).collect()
    };
    let vectors = include_str!("../../../../firmware-notes/vectors/packets.txt");
    let mut restorer = Restorer::default();
    let mut count = 0;
    for paragraph in vectors
        .split("\n\n")
        .filter(|text| text.starts_with("name: "))
    {
        let field = |key: &str| {
            let mut fields = paragraph.lines().filter_map(|line| line.split_once(": "));
            fields
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value)
        };
        let name = field("name").expect("a name");
        let data = field("data").map(hex).expect("data");
        let packets = field("packets").expect("packets");
        let mut restored = Vec::new();
        if let Some(steady) = field("steady") {
            let numbers: Vec<u64> = steady
                .split(' ')
                .map(|n| n.parse().expect("a number"))
                .collect();
            let [slot, low, absent] = numbers[..] else {
                panic!("{name}")
            };
            let place = Place { line: 0, absent };
            restorer.steady(place, slot as usize, low as u8, &data, &mut |packet| {
                restored.push(packet);
            });
        } else if field("again").is_some() {
            restorer.again(&data, &mut |_, packet| restored.push(packet()));
        } else {
            let place = Place { line: 0, absent: 0 };
            restorer.packets(place, &data, &mut |packet| restored.push(packet));
        }
        let expected: Vec<_> = match packets {
            "-" => Vec::new(),
            packets => packets.split(' ').map(hex).collect(),
        };
        assert_eq!(restored, expected, "{name}");
        count += 1;
    }
    assert!(count >= 30, "{count}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_audio_packet_delivered_is_one_that_was_sent(
        turns in turns(),
        round_trip in 0..40usize,
    ) {
        follow(&turns, Class::Audio, round_trip);
    }

    #[test]
    fn every_video_packet_is_delivered_as_it_was_sent(
        turns in turns(),
        round_trip in 0..40usize,
    ) {
        follow(&turns, Class::Video, round_trip);
    }

    #[test]
    fn any_compressed_data_is_restored_or_refused(
        datas in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20),
    ) {
        let mut restorer = Restorer::default();
        let place = Place { line: 0, absent: 0 };
        for data in &datas {
            restorer.packets(place, data, &mut |_| {});
            restorer.steady(place, data.len() % 3, 5, data, &mut |_| {});
        }
    }

    #[test]
    fn a_difference_is_never_longer_than_the_header(
        headers in prop::collection::vec((any::<u16>(), any::<u32>(), any::<bool>()), 1..50),
    ) {
        let mut compressor = Compressor::default();
        for (sequence, timestamp, marker) in headers {
            let packet = packet(1, sequence, timestamp, marker, 5);
            match compressor.plan(&packet, Pace::Packets, 1) {
                Plan::Raw => {}
                Plan::Keep { slot, stride, share } => {
                    let keep: Keep = compressor.on_kept(slot, stride, share, &packet);
                    compressor.on_settled(keep, true);
                }
                Plan::Difference(difference) => {
                    let header = Header::of(&packet).expect("RTP").len();
                    prop_assert!(Head::difference(&difference, 1).as_slice().len() < header);
                }
            }
        }
    }
}
