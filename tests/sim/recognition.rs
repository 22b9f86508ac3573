//! Equipment puts either medium on a port: each stream is named rightly, and treated so.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use copperlink::proto::Session;
use copperlink::proto::config::{
    ChannelConfig, ChannelId, Class, LineConfig, LinkConfig, Medium, Port, SessionId,
};
use copperlink::proto::stats::StreamStats;
use copperlink::proto::time::Instant;
use copperlink::sim::{
    AudioConfig, AudioSource, LineModelConfig, Side, Source, VideoConfig, VideoSource, World,
};

use crate::capture::Capture;
use crate::common::{rate, seconds};

const RECORDINGS: [&str; 6] = [
    "baresip_h264-20k_opus-6k",
    "ffmpeg_vp8-30k_speex-4k",
    "gst_h263-16k-qcif_opus-6k-20ms",
    "gst_h264-10k_amr-4.75k",
    "packed_codec2-1200",
    "packed_g723",
];

/// A port on which both media may come.
const BOTH: Port = Port::media(ChannelId(1));

fn link(name: &str, session: u32, line_rate: u32) -> LinkConfig {
    LinkConfig {
        name: name.to_owned(),
        session: SessionId(session),
        lines: vec![LineConfig::new("line", rate(line_rate))],
        channels: vec![ChannelConfig::new(1, "call", Class::Rtp)],
        resume: None,
    }
}

/// An RTP packet as it comes.
#[derive(Clone)]
struct Packet {
    at: Instant,
    ssrc: u32,
    bytes: Bytes,
}

/// A stream of a recording.
#[derive(Clone)]
struct Recorded {
    truth: Medium,
    clock_hz: u32,
    packets: Vec<Packet>,
}

/// The streams of a recording by their SSRC, and what they really are: in these recordings, audio
/// went to port 5004.
fn streams_of(name: &str) -> BTreeMap<u32, Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media");
    let capture = Capture::load(&folder.join(format!("{name}.pcap"))).expect("a recording");
    assert!(!capture.is_cut_short, "{} left out", capture.left_out);
    let mut streams = BTreeMap::new();
    for datagram in capture.datagrams {
        let truth = match datagram.to.port() {
            5004 => Medium::Audio,
            5006 => Medium::Video,
            _ => continue,
        };
        let ssrc = datagram.payload.get(8..12).and_then(|b| b.try_into().ok());
        let Some(ssrc) = ssrc.map(u32::from_be_bytes) else {
            continue;
        };
        let stream = streams.entry(ssrc).or_insert_with(|| Recorded {
            truth,
            clock_hz: clock_of(name, truth),
            packets: Vec::new(),
        });
        stream.packets.push(Packet {
            at: Instant::ZERO + datagram.at,
            ssrc,
            bytes: datagram.payload,
        });
    }
    assert!(streams.len() >= 2, "{name}");
    streams
}

fn clock_of(name: &str, medium: Medium) -> u32 {
    match medium {
        Medium::Video => 90_000,
        Medium::Audio if name.contains("opus") => 48_000,
        Medium::Audio => 8000,
    }
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    packets: u64,
    /// Packets that were treated as the other medium.
    wrong: u64,
    firm_after: Option<Duration>,
    clock_hz: Option<u32>,
}

/// Lets the packets come to a port for both, in this order, and holds each answer against the truth.
fn recognise(packets: &[Packet], truth: &BTreeMap<u32, Recorded>) -> BTreeMap<u32, Outcome> {
    let mut session = Session::new(link("room-1", 1, 38_400), Instant::ZERO).expect("valid");
    let mut outcomes: BTreeMap<u32, Outcome> = BTreeMap::new();
    let mut began = BTreeMap::new();
    for packet in packets {
        let truth = truth[&packet.ssrc].truth;
        let before = accepted(&session, truth);
        let taken = session.handle_datagram(packet.at, BOTH, packet.bytes.clone());
        taken.expect("is taken");
        let outcome = outcomes.entry(packet.ssrc).or_default();
        outcome.packets += 1;
        outcome.wrong += u64::from(accepted(&session, truth) == before);
        let stream = stream(&session, packet.ssrc).expect("is known");
        let age = packet
            .at
            .since(*began.entry(packet.ssrc).or_insert(packet.at));
        if stream.firm {
            outcome.firm_after.get_or_insert(age);
            assert_eq!(stream.medium, truth, "after {age:?}: {stream:?}");
        }
        outcome.clock_hz = stream.clock_hz;
        assert!(stream.firm || age < Duration::from_secs(1), "{stream:?}");
    }
    outcomes
}

/// Datagrams that went into the flow of a medium.
fn accepted(session: &Session, medium: Medium) -> u64 {
    let channels = session.stats().channels;
    let row = channels.iter().find(|row| row.medium == Some(medium));
    row.expect("a row for each medium").sent.accepted
}

fn stream(session: &Session, ssrc: u32) -> Option<StreamStats> {
    let channels = session.stats().channels;
    let mut streams = channels.iter().flat_map(|row| &row.streams);
    streams.find(|stream| stream.ssrc == ssrc).copied()
}

/// All packets of the streams in the order of their times.
fn merged(streams: &BTreeMap<u32, Recorded>) -> Vec<Packet> {
    let all = streams.values().flat_map(|stream| &stream.packets);
    let mut all: Vec<Packet> = all.cloned().collect();
    all.sort_by_key(|packet| packet.at);
    all
}

/// Delays each packet by up to 40 ms. A network either keeps the order or it does not.
fn disturbed(packets: &[Packet], seed: u64, keeps_order: bool) -> Vec<Packet> {
    let mut chance = seed;
    let mut packets = packets.to_vec();
    let mut last = Instant::ZERO;
    for packet in &mut packets {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        packet.at += Duration::from_micros((chance >> 33) % 40_001);
        if keeps_order {
            last = last.max(packet.at);
            packet.at = last;
        }
    }
    packets.sort_by_key(|packet| packet.at);
    packets
}

/// Leaves out what comes before `start`: copperlink is started in the middle of a call.
fn joined(packets: &[Packet], start: Instant) -> Vec<Packet> {
    let later = packets.iter().filter(|packet| packet.at >= start);
    later.cloned().collect()
}

#[test]
fn every_stream_of_real_encoders_is_named_rightly() {
    for name in RECORDINGS {
        let streams = streams_of(name);
        println!("{name}");
        for (ssrc, outcome) in recognise(&merged(&streams), &streams) {
            let Recorded {
                truth, clock_hz, ..
            } = streams[&ssrc];
            println!(
                "  {ssrc:08x} {truth}: firm after {:?}, clock {:?} Hz, {} of {} packets as the other medium",
                outcome.firm_after.expect("firm"),
                outcome.clock_hz.expect("measured"),
                outcome.wrong,
                outcome.packets
            );
            assert_eq!(outcome.clock_hz, Some(clock_hz));
            assert!(outcome.wrong <= 1, "{outcome:?}");
        }
    }
}

#[test]
fn jitter_and_joining_a_call_late_change_no_name() {
    for name in RECORDINGS {
        let streams = streams_of(name);
        let calm = merged(&streams);
        let mut slowest = Duration::ZERO;
        let mut most_wrong = 0;
        for seed in 0..12 {
            for keeps_order in [true, false] {
                let start = seconds(0.37 * seed as f64);
                let packets = joined(&disturbed(&calm, seed, keeps_order), start);
                for (ssrc, outcome) in recognise(&packets, &streams) {
                    slowest = slowest.max(outcome.firm_after.expect("firm"));
                    most_wrong = most_wrong.max(outcome.wrong);
                    let clock_hz = outcome.clock_hz.expect("measured");
                    assert_eq!(clock_hz, streams[&ssrc].clock_hz, "{ssrc:08x}, seed {seed}");
                }
            }
        }
        println!(
            "{name}: firm after at most {slowest:?}, at most {most_wrong} packets as the other"
        );
        assert!(most_wrong <= 4, "{most_wrong}");
    }
}

#[test]
fn the_port_says_nothing() {
    // Two ports for both media. What went to one of them goes to the other the second time.
    let second = Port::media(ChannelId(2));
    for name in RECORDINGS {
        let streams = streams_of(name);
        for ports in [[BOTH, second], [second, BOTH]] {
            let mut config = link("room-1", 1, 38_400);
            let channel = ChannelConfig::new(2, "call-2", Class::Rtp);
            config.channels.push(channel);
            let mut session = Session::new(config, Instant::ZERO).expect("valid");
            for packet in merged(&streams) {
                let port = ports[streams[&packet.ssrc].truth as usize];
                let taken = session.handle_datagram(packet.at, port, packet.bytes);
                taken.expect("is taken");
            }
            for row in session.stats().channels {
                let truth = match row.id == ports[0].channel {
                    true => Medium::Audio,
                    false => Medium::Video,
                };
                let here = streams.iter().filter(|(_, stream)| stream.truth == truth);
                let expected = match row.medium == Some(truth) {
                    true => here.count(),
                    false => 0,
                };
                assert_eq!(row.streams.len(), expected, "{name} {row:?}");
                assert!(row.streams.iter().all(|stream| stream.firm));
            }
        }
    }
}

/// What came out at the far end: when it was sent, when it came, and the datagram.
type Arrived = Vec<(Instant, Instant, Bytes)>;

/// Plays the sources into the port for both of room 1, and notes what comes out of that of room 2.
fn carry(world: &mut World, sources: &mut [Box<dyn Source>], until: Instant) -> (usize, Arrived) {
    let mut sent: BTreeMap<Bytes, Instant> = BTreeMap::new();
    let mut arrived = Arrived::new();
    loop {
        let due = sources.iter().filter_map(|source| source.poll_timeout());
        let due = due.min().filter(|&due| due < until);
        world.run_until(due.unwrap_or(until + Duration::from_secs(3)));
        while let Some((at, port, datagram)) = world.poll_datagram(Side::B) {
            assert_eq!(port, BOTH, "one port for both media");
            let sent = *sent.get(&datagram).expect("what was sent, byte for byte");
            arrived.push((sent, at, datagram));
        }
        let Some(due) = due else {
            return (sent.len(), arrived);
        };
        for source in sources.iter_mut() {
            while let Some(datagram) = source.poll_datagram(due) {
                sent.insert(datagram.clone(), due);
                world.send(Side::A, BOTH, datagram).expect("is taken");
            }
        }
    }
}

fn ssrc_of(datagram: &[u8]) -> u32 {
    u32::from_be_bytes(datagram[8..12].try_into().expect("an RTP header"))
}

#[test]
fn both_media_on_one_port_are_treated_each_as_it_needs() {
    let line_rate = 38_400;
    let model = |seed| {
        let clean = LineModelConfig::clean(rate(line_rate)).with_seed(seed);
        clean.with_delay(Duration::from_millis(5))
    };
    let ends = [link("room-1", 1, line_rate), link("room-2", 2, line_rate)];
    let [a, b] = ends;
    let mut world = World::new(a, b, vec![[model(1), model(2)]]).expect("valid");
    let (audio, video) = (0x0a0d_0001, 0x0a0d_0002);
    let voice = AudioConfig {
        start: seconds(1.0),
        payload_type: 96,
        ssrc: audio,
        ..AudioConfig::G729
    };
    let picture = VideoConfig {
        start: seconds(1.0),
        ssrc: video,
        ..VideoConfig::h263(line_rate * 3 / 2)
    };
    let mut sources: [Box<dyn Source>; 2] = [
        Box::new(AudioSource::new(voice)),
        Box::new(VideoSource::new(picture)),
    ];
    let (_, arrived) = carry(&mut world, &mut sources, seconds(61.0));

    let of = |ssrc| arrived.iter().filter(move |(_, _, d)| ssrc_of(d) == ssrc);
    let mut delays: Vec<Duration> = of(audio).map(|(sent, at, _)| at.since(*sent)).collect();
    delays.sort_unstable();
    let share = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    let numbers: Vec<u16> = of(video)
        .map(|(_, _, d)| u16::from_be_bytes([d[2], d[3]]))
        .collect();
    let longest = of(video).map(|(sent, at, _)| at.since(*sent)).max();
    println!(
        "audio: {} of 3000, delay p50 {:?}, p99 {:?}, max {:?}; video: {} datagrams, at most {longest:?}",
        delays.len(),
        share(0.5),
        share(0.99),
        share(1.0),
        numbers.len()
    );
    assert_eq!(delays.len(), 3000, "no audio is lost");
    assert!(share(0.99) < Duration::from_millis(25), "{:?}", share(0.99));
    assert!(numbers.len() > 100, "video gets what is left");
    let is_next = |pair: &[u16]| (1..0x8000).contains(&pair[1].wrapping_sub(pair[0]));
    assert!(numbers.windows(2).all(is_next), "video is in order");

    let stats = world.session(Side::A).expect("runs").stats();
    for (row, name, medium) in [
        (0, "call/audio", Medium::Audio),
        (1, "call/video", Medium::Video),
    ] {
        let row = &stats.channels[row];
        assert_eq!((row.id, row.class), (BOTH.channel, Class::Rtp));
        assert_eq!((row.name.as_str(), row.medium), (name, Some(medium)));
        assert_eq!(row.streams.len(), 1, "{row:?}");
        assert_eq!((row.streams[0].medium, row.streams[0].firm), (medium, true));
    }
    assert!(
        stats.channels[1].sent.dropped_late > 0,
        "at 150 % of the line"
    );
    // Video was video from its first packet on; a later one would have overtaken it.
    assert_eq!(stats.channels[0].sent.accepted, 3000);
}

#[test]
fn what_is_no_stream_goes_where_it_does_no_harm() {
    let mut config = link("room-1", 1, 38_400);
    config.channels[0].rtcp = true;
    let mut session = Session::new(config, Instant::ZERO).expect("valid");
    let mut take = |port, datagram: Vec<u8>| {
        let before: Vec<u64> = accepted_of(&session);
        let taken = session.handle_datagram(seconds(0.0), port, datagram.into());
        taken.expect("is taken");
        let after = accepted_of(&session);
        (0..after.len()).find(|&row| after[row] > before[row])
    };
    let (audio, video, rtcp) = (Some(0), Some(1), Some(2));
    // STUN (RFC 8489), an empty keep-alive, half a header.
    let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    assert_eq!(take(BOTH, stun), video);
    assert_eq!(take(BOTH, Vec::new()), video);
    assert_eq!(take(BOTH, vec![0x80, 96, 0]), video);
    // RTCP on the media port (RFC 5761), as feedback and as a large report.
    let feedback = [&[0x81, 206, 0, 2][..], &[1; 8]].concat();
    assert_eq!(take(BOTH, feedback.clone()), audio);
    let report = [&[0x80, 200, 0, 99][..], &[1; 396]].concat();
    assert_eq!(take(BOTH, report), video);
    // RTCP on its own port.
    assert_eq!(take(Port::rtcp(BOTH.channel), feedback), rtcp);
    // Too large for the class audio, though its payload type (G.711) says audio.
    let voice = |length| {
        [
            &[0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9][..],
            &vec![1; length],
        ]
        .concat()
    };
    assert_eq!(take(BOTH, voice(160)), audio);
    assert_eq!(take(BOTH, voice(1024)), video);
}

fn accepted_of(session: &Session) -> Vec<u64> {
    let channels = session.stats().channels;
    channels.iter().map(|row| row.sent.accepted).collect()
}
