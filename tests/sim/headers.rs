//! RTP headers of real encoders over a line: what they cost, and that they come out as they were.

use std::path::Path;

use copperlink::proto::config::{
    ChannelConfig, ChannelId, Class, LineConfig, LinkConfig, Port, SessionId,
};
use copperlink::proto::time::{Duration, Instant};
use copperlink::sim::{LineModelConfig, Noise, Side, World};

use crate::capture::{Capture, Datagram};
use crate::common::{rate, seconds};

const LINE_RATE: u32 = 115_200;

/// A recording's channels: what went to port 5004, and to 5006.
const PORTS: [(u16, ChannelId); 2] = [(5004, ChannelId(1)), (5006, ChannelId(2))];

fn world(noise: Noise, seed: u64) -> World {
    let end = |name: &str, session| LinkConfig {
        name: name.to_owned(),
        session: SessionId(session),
        lines: vec![LineConfig::new("line", rate(LINE_RATE))],
        channels: vec![
            ChannelConfig::new(1, "audio", Class::Audio),
            // A picture of 4051 bytes takes 350 ms of this line.
            ChannelConfig {
                deadline: Duration::from_secs(5),
                ..ChannelConfig::new(2, "video", Class::Video)
            },
        ],
        resume: None,
    };
    let model = |seed| {
        LineModelConfig::clean(rate(LINE_RATE))
            .with_delay(Duration::from_millis(5))
            .with_noise(noise)
            .with_chunk(8)
            .with_seed(seed)
    };
    let line = [model(seed), model(seed + 1000)];
    World::new(end("room-1", 1), end("room-2", 2), vec![line]).expect("valid")
}

/// The RTP datagrams of a recording that one end sent, with their times.
fn recorded(name: &str) -> Vec<Datagram> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media");
    let capture = Capture::load(&folder.join(format!("{name}.pcap"))).expect("a recording");
    let mut datagrams = capture.datagrams;
    let from = |datagram: &Datagram| datagram.from.ip();
    let is_media = |datagram: &Datagram| PORTS.iter().any(|(port, _)| *port == datagram.to.port());
    let first = datagrams
        .iter()
        .find(|&datagram| is_media(datagram))
        .map(from);
    datagrams.retain(|datagram| is_media(datagram) && Some(from(datagram)) == first);
    datagrams
}

fn channel(datagram: &Datagram) -> Port {
    let id = PORTS.iter().find(|(port, _)| *port == datagram.to.port());
    Port::media(id.expect("one of both").1)
}

/// Plays a recording; says how many datagrams arrived. Each must be one that was sent, once, and in
/// order but for audio that was lost at first.
fn play(world: &mut World, datagrams: &[Datagram]) -> usize {
    let start = seconds(1.0);
    let first = datagrams.first().expect("datagrams").at;
    let mut sent: [Vec<&Datagram>; 2] = Default::default();
    let mut passed: [Vec<bytes::Bytes>; 2] = Default::default();
    let (mut next, mut arrived) = ([0; 2], 0);
    let mut collect = |world: &mut World, sent: &[Vec<&Datagram>; 2]| {
        while let Some((_, port, bytes)) = world.poll_datagram(Side::B) {
            let index = usize::from(port.channel.0) - 1;
            arrived += 1;
            let is_this = |datagram: &&Datagram| datagram.payload == bytes;
            let late = passed[0].iter().position(|passed| *passed == bytes);
            if let Some(late) = late.filter(|_| port == Port::media(PORTS[0].1)) {
                passed[0].remove(late);
                continue;
            }
            let open = &sent[index][next[index]..];
            let place = open.iter().position(is_this);
            let place = place.expect("one that was sent, in order");
            passed[index].extend(open[..place].iter().map(|passed| passed.payload.clone()));
            next[index] += place + 1;
        }
    };
    for datagram in datagrams {
        let at: Instant = start + (datagram.at - first);
        world.run_until(at);
        let port = channel(datagram);
        let taken = world.send(Side::A, port, datagram.payload.clone());
        taken.expect("is taken");
        sent[usize::from(port.channel.0) - 1].push(datagram);
        collect(world, &sent);
    }
    world.run_until(world.now() + Duration::from_secs(6));
    collect(world, &sent);
    arrived
}

#[test]
fn headers_of_real_encoders_cost_little_and_come_out_as_they_were() {
    // Most bytes in front of a payload on average, from the first packet on: segment, and what
    // stands in place of the header.
    let rows = [
        ("baresip_h264-20k_opus-6k", [1.5, 8.0]),
        ("ffmpeg_vp8-30k_speex-4k", [6.0, 7.0]),
        ("gst_h263-16k-qcif_opus-6k-20ms", [1.5, 7.0]),
        ("gst_h264-10k_amr-4.75k", [3.0, 8.0]),
        ("packed_codec2-1200", [1.5, 0.0]),
        ("packed_g723", [1.5, 0.0]),
    ];
    for (name, limits) in rows {
        let datagrams = recorded(name);
        let mut world = world(Noise::NONE, 1);
        let arrived = play(&mut world, &datagrams);
        assert_eq!(arrived, datagrams.len(), "{name}");
        let stats = world.session(Side::A).expect("runs").stats();
        for (channel, limit) in stats.channels.iter().zip(limits) {
            let sent = channel.sent;
            if sent.sent == 0 {
                continue;
            }
            // The segment of a packet takes two bytes, that of a message three.
            let plain = if channel.class == Class::Audio {
                14.0
            } else {
                15.0
            };
            let bytes = plain - sent.saved_bytes as f64 / sent.sent as f64;
            println!(
                "{name}, {}: {} of {} headers compressed, {bytes:.2} bytes in place of {plain} (limit {limit}); \
                 {:.1} wire bytes a datagram of {:.1}",
                channel.class,
                sent.compressed,
                sent.sent,
                sent.wire_bytes as f64 / sent.sent as f64,
                sent.accepted_bytes as f64 / sent.sent as f64,
            );
            assert!(bytes <= limit, "{bytes}");
        }
    }
}

#[test]
fn headers_of_real_encoders_survive_a_noisy_line() {
    for ber in [1e-4, 1e-3] {
        for seed in 1..4 {
            let datagrams = recorded("baresip_h264-20k_opus-6k");
            let mut world = world(Noise::bit_errors(ber), seed);
            let arrived = play(&mut world, &datagrams);
            println!("BER {ber:.0e}: {arrived} of {}", datagrams.len());
            assert!(arrived * 10 > datagrams.len() * 6);
        }
    }
}
