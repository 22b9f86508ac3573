//! How much of a line carries data, and that nothing urgent waits for it.

use std::time::Duration;

use bytes::Bytes;
use copperlink::proto::config::{ChannelConfig, ChannelId, Class, LinkConfig, Port};
use copperlink::proto::time::Instant;
use copperlink::sim::{
    AudioConfig, AudioSource, Call, LineModelConfig, Noise, Rng, Side, Source, Tally, World,
};

use crate::common::{AUDIO, CONTROL, LINE, VIDEO, audio, end, rate, seconds, world_with_chunks};

/// Control of another channel.
const SMALL: Port = Port::media(ChannelId(4));
const RATES: [u32; 4] = [9600, 38_400, 115_200, 921_600];

/// Random datagrams of one size at a steady pace.
struct Steady {
    due: Instant,
    size: usize,
    pause: Duration,
    rng: Rng,
}

impl Steady {
    fn new(size: usize, pause: Duration) -> Self {
        Self {
            due: seconds(1.0),
            size,
            pause,
            rng: Rng::new(size as u64 + 1),
        }
    }

    /// Twice what the line carries.
    fn bulk(size: usize, bits: u32) -> Self {
        let pause = size as f64 * 10.0 / f64::from(bits) / 2.0;
        Self::new(size, Duration::from_secs_f64(pause))
    }
}

impl Source for Steady {
    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.due)
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        if now < self.due {
            return None;
        }
        self.due += self.pause;
        let mut bytes = vec![0; self.size];
        self.rng.fill(&mut bytes);
        Some(bytes.into())
    }
}

/// Both ends with a second control channel, and that long a deadline for video.
fn two_controls(bits: u32, deadline: Duration, noise: Noise, seed: u64) -> World {
    let end = |name, session| {
        let mut end: LinkConfig = end(name, session, bits);
        end.channels[1].deadline = deadline;
        end.channels
            .push(ChannelConfig::new(4, "remote", Class::Control));
        end
    };
    let model = |seed| {
        LineModelConfig::clean(rate(bits))
            .with_delay(Duration::from_millis(5))
            .with_noise(noise)
            .with_chunk(8)
            .with_seed(seed)
    };
    World::new(
        end("room-1", 1),
        end("room-2", 2),
        vec![[model(seed), model(seed + 1)]],
    )
    .expect("a valid configuration")
}

const DEADLINE: Duration = Duration::from_millis(400);

fn tally(call: &Call, port: Port) -> &Tally {
    call.tally(Side::A, port).expect("a stream")
}

/// Share of the line that what arrived between two times takes. Counted from the end of one frame
/// to the end of another: a frame of several datagrams may take seconds.
fn share(tally: &Tally, size: usize, bits: u32, from: Instant, to: Instant) -> f64 {
    let within: Vec<_> = tally
        .arrivals
        .iter()
        .filter(|&&at| at > from && at <= to)
        .collect();
    let (Some(&&first), Some(&&last)) = (within.first(), within.last()) else {
        return 0.0;
    };
    let behind = within.iter().filter(|&&&at| at > first).count();
    (behind * size) as f64 * 10.0 / f64::from(bits) / last.since(first).as_secs_f64()
}

#[test]
fn control_in_bulk_uses_all_of_a_clean_line() {
    for bits in RATES {
        let mut world = world_with_chunks(bits, Noise::NONE, 1, 8);
        let mut call = Call::default();
        call.add(Side::A, CONTROL, Steady::bulk(1200, bits), None);
        // The frames grow with what arrives; the rest is measured.
        let (from, to) = (
            seconds(30.0),
            seconds(if bits < 900_000 { 150.0 } else { 60.0 }),
        );
        call.run_until(&mut world, to);
        let share = share(tally(&call, CONTROL), 1200, bits, from, to);
        println!("{bits}: {:.2} % of the line", share * 100.0);
        assert!(share >= 0.993, "{bits}: {share}");
        let stats = world.session(Side::A).expect("runs").stats();
        assert_eq!((stats.lines[0].cuts, stats.lines[0].frames_lost), (0, 0));
        assert_eq!(tally(&call, CONTROL).wrong + tally(&call, CONTROL).lost, 0);
    }
}

#[test]
fn bulk_both_ways_uses_both_directions() {
    for bits in [9600, 38_400] {
        let mut world = world_with_chunks(bits, Noise::NONE, 1, 8);
        let mut call = Call::default();
        for side in Side::BOTH {
            call.add(side, CONTROL, Steady::bulk(1200, bits), None);
        }
        call.run_until(&mut world, seconds(150.0));
        for side in Side::BOTH {
            let tally = call.tally(side, CONTROL).expect("a stream");
            let share = share(tally, 1200, bits, seconds(30.0), seconds(150.0));
            println!("{bits} {side:?}: {:.2} % of the line", share * 100.0);
            // Each carries the other's reports, too.
            assert!(share >= 0.985, "{bits}: {share}");
            let line = &world.session(side).expect("runs").stats().lines[0];
            assert_eq!((line.cuts, line.frames_lost), (0, 0));
        }
    }
}

#[test]
fn video_uses_what_its_deadline_allows() {
    // (bit/s, deadline, least share). 1200 bytes take 1.26 s at 9600: with 400 ms none can arrive.
    let long = Duration::from_secs(5);
    let rows = [
        (9600, long, 0.985),
        (38_400, DEADLINE, 0.984),
        (38_400, long, 0.993),
        (115_200, DEADLINE, 0.985),
        (115_200, long, 0.993),
        (921_600, DEADLINE, 0.993),
    ];
    for (bits, deadline, least) in rows {
        let mut world = two_controls(bits, deadline, Noise::NONE, 1);
        let mut call = Call::default();
        call.add(Side::A, VIDEO, Steady::bulk(1200, bits), None);
        let (from, to) = (seconds(30.0), seconds(90.0));
        call.run_until(&mut world, to);
        let video = tally(&call, VIDEO);
        let share = share(video, 1200, bits, from, to);
        println!(
            "{bits}, deadline {deadline:?}: {:.2} %, max {:?}",
            share * 100.0,
            video.delay(1.0)
        );
        assert!(share >= least, "{bits}: {share}");
        let bound = deadline * 11 / 8 + Duration::from_millis(100);
        assert!(video.delay(1.0) < bound, "{:?}", video.delay(1.0));
    }
}

/// The delay of small control messages beside other traffic.
fn small_beside(bits: u32, other: Port, with_audio: bool) -> Call {
    let mut world = two_controls(bits, DEADLINE, Noise::NONE, 1);
    let mut call = Call::default();
    let size = if other == VIDEO {
        bits as usize / 100
    } else {
        1200
    };
    call.add(Side::A, other, Steady::bulk(size, bits), None);
    let every = Duration::from_millis(1370);
    call.add(Side::A, SMALL, Steady::new(64, every), Some(seconds(118.0)));
    if with_audio {
        call.add(Side::A, AUDIO, audio(1), Some(seconds(118.0)));
    }
    call.run_until(&mut world, seconds(120.0));
    let small = tally(&call, SMALL);
    println!(
        "{bits}, 64 bytes beside {other:?}, audio {with_audio}: p50 {:?} p99 {:?} max {:?}",
        small.delay(0.5),
        small.delay(0.99),
        small.delay(1.0)
    );
    assert_eq!(
        (small.delivered, small.lost, small.wrong),
        (small.offered, 0, 0)
    );
    call
}

#[test]
fn a_small_control_message_does_not_wait_for_a_long_frame() {
    // Its own line time, 50 ms of a frame that ends soon, 5 ms of delay, a few for the pacer.
    for (bits, limit) in [(9600, 150), (38_400, 85), (115_200, 75)] {
        for other in [CONTROL, VIDEO] {
            let call = small_beside(bits, other, false);
            let small = tally(&call, SMALL);
            assert!(
                small.delay(1.0) < Duration::from_millis(limit),
                "{:?}",
                small.delay(1.0)
            );
        }
        // And the bulk goes on: all of this line but the small messages and what they cost.
        let call = small_beside(bits, CONTROL, false);
        let bulk = share(
            tally(&call, CONTROL),
            1200,
            bits,
            seconds(30.0),
            seconds(118.0),
        );
        let small = 78.0 * 10.0 / 1.37 / f64::from(bits);
        assert!(bulk >= 0.992 - small, "{bits}: {bulk}");
    }
}

#[test]
fn audio_and_control_wait_little_for_each_other_beside_bulk() {
    let call = small_beside(38_400, CONTROL, true);
    let (audio, small) = (tally(&call, AUDIO), tally(&call, SMALL));
    println!(
        "audio p50 {:?} p99 {:?} max {:?}",
        audio.delay(0.5),
        audio.delay(0.99),
        audio.delay(1.0)
    );
    assert_eq!((audio.lost, audio.wrong), (0, 0));
    assert!(
        audio.delay(0.99) < Duration::from_millis(35),
        "{:?}",
        audio.delay(0.99)
    );
    assert!(
        audio.delay(1.0) < Duration::from_millis(50),
        "{:?}",
        audio.delay(1.0)
    );
    assert!(
        small.delay(1.0) < Duration::from_millis(200),
        "{:?}",
        small.delay(1.0)
    );
}

#[test]
fn control_in_bulk_does_not_make_video_late() {
    // Half of the line is video of small datagrams; control wants all the rest, and more.
    for (bits, size) in [(9600, 120), (38_400, 480)] {
        let video = |world: &mut World, bulk: bool| {
            let mut call = Call::default();
            let pause = Duration::from_secs_f64(size as f64 * 10.0 / f64::from(bits) / 0.45);
            call.add(
                Side::A,
                VIDEO,
                Steady::new(size, pause),
                Some(seconds(118.0)),
            );
            if bulk {
                call.add(Side::A, CONTROL, Steady::bulk(1200, bits), None);
            }
            call.run_until(world, seconds(120.0));
            let video = tally(&call, VIDEO).clone();
            println!(
                "{bits}, control in bulk {bulk}: video {}/{}, p50 {:?} p99 {:?} max {:?}",
                video.delivered,
                video.offered,
                video.delay(0.5),
                video.delay(0.99),
                video.delay(1.0)
            );
            if bulk {
                let share = share(
                    tally(&call, CONTROL),
                    1200,
                    bits,
                    seconds(30.0),
                    seconds(118.0),
                );
                println!("  control {:.2} % of the line", share * 100.0);
                assert!(share > 0.35, "{share}");
            }
            video
        };
        let world = || two_controls(bits, DEADLINE, Noise::NONE, 1);
        let alone = video(&mut world(), false);
        let beside = video(&mut world(), true);
        for video in [&alone, &beside] {
            assert_eq!((video.delivered, video.lost), (video.offered, 0));
        }
        assert!(beside.delay(1.0) < DEADLINE, "{:?}", beside.delay(1.0));
        let added = Duration::from_millis(200);
        assert!(
            beside.delay(0.99) < alone.delay(0.99) + added,
            "{:?}",
            beside.delay(0.99)
        );
    }
}

#[test]
fn video_that_begins_beside_a_long_frame_is_in_time() {
    let mut world = two_controls(9600, DEADLINE, Noise::NONE, 1);
    let mut call = Call::default();
    call.add(Side::A, CONTROL, Steady::bulk(1200, 9600), None);
    call.run_until(&mut world, seconds(60.0));
    let mut video = Steady::new(120, Duration::from_millis(250));
    video.due = seconds(60.0);
    call.add(Side::A, VIDEO, video, Some(seconds(118.0)));
    call.run_until(&mut world, seconds(120.0));
    let video = tally(&call, VIDEO);
    let late = video.arrivals.first().expect("some").since(seconds(60.0));
    println!(
        "first video after {late:?}, {} lost of {}",
        video.lost, video.offered
    );
    assert!(late < DEADLINE / 2, "{late:?}");
    assert_eq!((video.delivered, video.lost), (video.offered, 0));
}

#[test]
fn audio_that_begins_beside_a_long_frame_does_not_wait_and_control_goes_on() {
    let mut world = two_controls(9600, DEADLINE, Noise::NONE, 1);
    let mut call = Call::default();
    call.add(Side::A, CONTROL, Steady::bulk(1200, 9600), None);
    call.run_until(&mut world, seconds(60.0));
    // Five sixths of this line.
    let source = AudioSource::new(AudioConfig {
        start: seconds(60.0),
        interval: Duration::from_millis(30),
        payload: 5,
        ..AudioConfig::G729
    });
    call.add(Side::A, AUDIO, source, Some(seconds(238.0)));
    call.run_until(&mut world, seconds(240.0));
    let (audio, control) = (tally(&call, AUDIO), tally(&call, CONTROL));
    let share = share(control, 1200, 9600, seconds(100.0), seconds(238.0));
    println!(
        "audio p99 {:?} max {:?}, {} lost of {}; control {:.1} %",
        audio.delay(0.99),
        audio.delay(1.0),
        audio.lost,
        audio.offered,
        share * 100.0
    );
    assert_eq!((audio.delivered, audio.lost), (audio.offered, 0));
    // The frame of five seconds under way must end before it is forgotten: audio gives way a little.
    assert!(
        audio.delay(1.0) < Duration::from_millis(120),
        "{:?}",
        audio.delay(1.0)
    );
    assert_eq!((control.lost, control.wrong), (0, 0));
    assert!(share > 0.08, "{share}");
    for side in Side::BOTH {
        assert_eq!(world.session(side).expect("runs").stats().lines[0].cuts, 0);
    }
}

#[test]
fn a_flood_of_small_control_leaves_video_its_share() {
    let mut world = two_controls(38_400, DEADLINE, Noise::NONE, 1);
    let mut call = Call::default();
    call.add(Side::A, VIDEO, Steady::bulk(400, 38_400), None);
    // 64 bytes every 10 ms: twice the line.
    call.add(
        Side::A,
        SMALL,
        Steady::new(64, Duration::from_millis(10)),
        None,
    );
    call.run_until(&mut world, seconds(60.0));
    let of = |port, size| {
        share(
            tally(&call, port),
            size,
            38_400,
            seconds(30.0),
            seconds(60.0),
        )
    };
    let (video, small) = (of(VIDEO, 400), of(SMALL, 64));
    println!(
        "video {:.1} %, small control {:.1} %",
        video * 100.0,
        small * 100.0
    );
    // Shares are 4 to 3.
    assert!(video > 0.45, "{video}");
    assert!(small > 0.3, "{small}");
}

#[test]
fn a_long_frame_that_is_lost_is_sent_again_soon() {
    let mut world = world_with_chunks(9600, Noise::NONE, 1, 8);
    let mut call = Call::default();
    call.add(Side::A, CONTROL, Steady::bulk(1200, 9600), None);
    call.run_until(&mut world, seconds(40.0));
    let lost = |world: &World| world.session(Side::A).expect("runs").stats().lines[0].frames_lost;
    // One hit, in the middle of a frame of five seconds.
    let noise = |world: &mut World, noise| {
        let now = world.now();
        world.line_mut(Side::A, LINE).set_noise(now, noise);
    };
    noise(&mut world, Noise::bit_errors(0.3));
    call.run_until(&mut world, seconds(40.02));
    noise(&mut world, Noise::NONE);
    assert_eq!(lost(&world), 0);
    let mut at = 40.0;
    while lost(&world) == 0 && at < 60.0 {
        at += 0.1;
        call.run_until(&mut world, seconds(at));
    }
    println!("noticed {:.1} s after the hit", at - 40.0);
    // The rest of its five seconds, a report interval and a half, and a round trip.
    assert!(at < 47.5, "{at}");
    call.run_until(&mut world, seconds(120.0));
    let tally = tally(&call, CONTROL);
    assert_eq!((tally.lost, tally.wrong), (0, 0));
    for side in Side::BOTH {
        assert_eq!(world.session(side).expect("runs").stats().lines[0].cuts, 0);
    }
}

#[test]
fn noise_costs_what_it_must_and_never_the_line() {
    // What is delivered from a cold start on, in the mean of three lines.
    for (bits, ber, least) in [
        (9600, 1e-5, 0.90),
        (9600, 1e-4, 0.77),
        (38_400, 1e-5, 0.90),
        (38_400, 1e-4, 0.77),
        (38_400, 3e-4, 0.64),
        (38_400, 1e-3, 0.44),
        (115_200, 1e-5, 0.90),
        (115_200, 1e-4, 0.77),
        (115_200, 3e-4, 0.64),
        (115_200, 1e-3, 0.44),
    ] {
        let mut shares = Vec::new();
        for seed in [7, 14, 21] {
            let mut world = world_with_chunks(bits, Noise::bit_errors(ber), seed, 8);
            let mut call = Call::default();
            call.add(Side::A, CONTROL, Steady::bulk(1200, bits), None);
            call.run_until(&mut world, seconds(121.0));
            let control = tally(&call, CONTROL);
            assert_eq!((control.lost, control.wrong), (0, 0));
            shares.push(control.delivered_bytes as f64 * 10.0 / f64::from(bits) / 120.0);
            for side in Side::BOTH {
                assert_eq!(world.session(side).expect("runs").stats().lines[0].cuts, 0);
            }
        }
        println!("{bits} at BER {ber:.0e}: {shares:.3?}");
        let mean = shares.iter().sum::<f64>() / 3.0;
        assert!(mean >= least, "{bits} at BER {ber:.0e}: {mean}");
    }
}

/// Audio as people talk: four seconds of it, and ten of silence.
struct Talk {
    audio: AudioSource,
    start: Instant,
}

impl Source for Talk {
    fn poll_timeout(&self) -> Option<Instant> {
        self.audio.poll_timeout()
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        loop {
            let due = self.audio.poll_timeout()?;
            let packet = self.audio.poll_datagram(now)?;
            if due.since(self.start).as_micros() % 14_000_000 < 4_000_000 {
                return Some(packet);
            }
        }
    }
}

#[test]
fn a_long_frame_is_over_before_talk_has_interrupted_it_too_often() {
    for (bits, interval) in [(9600, 40), (19_200, 20), (38_400, 20)] {
        let mut world = two_controls(bits, DEADLINE, Noise::NONE, 1);
        let mut call = Call::default();
        call.add(Side::A, CONTROL, Steady::bulk(1200, bits), None);
        let start = seconds(20.0);
        let audio = AudioSource::new(AudioConfig {
            start,
            interval: Duration::from_millis(interval),
            ..AudioConfig::G729
        });
        call.add(Side::A, AUDIO, Talk { audio, start }, Some(seconds(140.0)));
        call.run_until(&mut world, seconds(150.0));
        let stats = world.session(Side::A).expect("runs").stats();
        let (audio, control) = (tally(&call, AUDIO), tally(&call, CONTROL));
        let resent: u64 = stats
            .channels
            .iter()
            .map(|channel| channel.sent.resent)
            .sum();
        // The first spurt of all meets a frame of five seconds, and gives way to it a little.
        let later = audio.arrivals.iter().zip(&audio.delays);
        let later = later.filter(|(at, _)| at.since(start) > Duration::from_secs(14));
        let mut later: Vec<_> = later.map(|(_, delay)| *delay).collect();
        later.sort_unstable();
        let p99 = later[later.len() * 99 / 100];
        println!(
            "{bits}: {resent} resent, {} frames lost; audio p99 {p99:?}, max {:?}, of the first spurt {:?}, lost {}; control {}",
            stats.lines[0].frames_lost,
            later.last(),
            audio.delay(1.0),
            audio.lost,
            control.delivered
        );
        assert_eq!((resent, stats.lines[0].frames_lost), (0, 0));
        assert_eq!((audio.wrong, control.wrong), (0, 0));
        assert!(
            audio.lost <= 2 && p99 < Duration::from_millis(80),
            "{p99:?}"
        );
    }
}
