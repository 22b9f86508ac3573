//! Audio on lines that lose more of it than anything can repair.

use std::time::Duration;

use copperlink::proto::config::{ChannelConfig, Class};
use copperlink::proto::stats::Stats;
use copperlink::sim::{
    AudioConfig, AudioSource, Bursts, Call, LineModelConfig, Noise, Side, Tally, World,
};

use crate::common::{AUDIO, CONTROL, LINE, VIDEO, audio, call, end, rate, seconds};

/// Bursts in which nothing survives.
fn bursts(mean_burst: u64, mean_gap: u64) -> Noise {
    Noise {
        bursts: Some(Bursts {
            mean_burst: Duration::from_millis(mean_burst),
            mean_gap: Duration::from_millis(mean_gap),
            bit_error_rate: 0.3,
        }),
        ..Noise::NONE
    }
}

struct Setup {
    line_rate: u32,
    delay: u64,
    video_rate: u32,
    /// Time for a packet to be there; one of 1 ms leaves none to cover it.
    deadline: u64,
}

const CALL: Setup = Setup {
    line_rate: 38_400,
    delay: 5,
    video_rate: 5_000,
    deadline: 150,
};

struct Outcome {
    audio: Tally,
    video: Tally,
    control: Tally,
    stats: [Stats; 2],
}

impl Outcome {
    /// Bytes on the line for each packet.
    fn cost(&self) -> f64 {
        let sent = self.stats[0].channels[0].sent;
        sent.wire_bytes as f64 / sent.sent as f64
    }

    fn print(&self, name: &str) {
        let (sent, received) = (
            self.stats[0].channels[0].sent,
            self.stats[1].channels[0].received,
        );
        println!(
            "{name}: audio lost {:.2} %, p50 {:?} p95 {:?} p99 {:?}, {:.2} bytes a packet; {} repeated, \
             {} again, {} recovered, {} came twice, {} refused; video lost {:.1} %, {} kB; control {}/{}",
            self.audio.loss() * 100.0,
            self.audio.delay(0.5),
            self.audio.delay(0.95),
            self.audio.delay(0.99),
            self.cost(),
            sent.repeated,
            sent.resent,
            received.recovered,
            received.repeated,
            received.refused,
            self.video.loss() * 100.0,
            self.video.delivered_bytes / 1000,
            self.control.delivered,
            self.control.offered,
        );
    }
}

fn world(setup: &Setup, noise: Noise, seed: u64) -> World {
    let model = |seed| {
        LineModelConfig::clean(rate(setup.line_rate))
            .with_delay(Duration::from_millis(setup.delay))
            .with_noise(noise)
            .with_seed(seed)
    };
    let end = |name, session| {
        let mut end = end(name, session, setup.line_rate);
        end.channels[0] = ChannelConfig {
            deadline: Duration::from_millis(setup.deadline),
            ..ChannelConfig::new(1, "audio", Class::Audio)
        };
        end
    };
    World::new(
        end("room-1", 0x1111_0001),
        end("room-2", 0x2222_0001),
        vec![[model(seed), model(seed + 1000)]],
    )
    .expect("a valid configuration")
}

fn run(setup: &Setup, noise: Noise, seed: u64) -> Outcome {
    let mut world = world(setup, Noise::NONE, seed);
    let until = seconds(63.0);
    let mut call = call(setup.video_rate, until, seed);
    call.run_until(&mut world, seconds(3.0));
    set_noise(&mut world, noise);
    call.run_until(&mut world, until);
    set_noise(&mut world, Noise::NONE);
    call.run_until(&mut world, seconds(80.0));
    outcome(&world, &call)
}

fn set_noise(world: &mut World, noise: Noise) {
    let now = world.now();
    for side in Side::BOTH {
        world.line_mut(side, LINE).set_noise(now, noise);
    }
}

fn outcome(world: &World, call: &Call) -> Outcome {
    let tally = |port| call.tally(Side::A, port).expect("a stream").clone();
    let (audio, video, control) = (tally(AUDIO), tally(VIDEO), tally(CONTROL));
    for tally in [&audio, &video, &control] {
        assert_eq!(tally.wrong, 0);
    }
    assert_eq!((control.delivered, control.lost), (control.offered, 0));
    let stats = Side::BOTH.map(|side| world.session(side).expect("runs").stats());
    Outcome {
        audio,
        video,
        control,
        stats,
    }
}

/// Runs a call with what covers it, and without; says which part of the loss remains.
fn remains(name: &str, setup: &Setup, noise: Noise) -> f64 {
    let mut losses = [0.0; 2];
    for seed in [3, 4] {
        let covered = run(setup, noise, seed);
        covered.print(&format!("{name}, covered"));
        // No time for anything but to be sent once.
        let bare = Setup {
            deadline: setup.delay + 25,
            ..*setup
        };
        let bare = run(&bare, noise, seed);
        bare.print(&format!("{name}, bare"));
        assert_eq!(bare.audio.overtaken, 0);
        losses[0] += covered.audio.loss();
        losses[1] += bare.audio.loss();
        // What is recovered is late; all else is as soon as without it.
        let prompt = |of: &Outcome| of.audio.delay(0.75);
        assert!(prompt(&covered) < prompt(&bare) + Duration::from_millis(5));
        let most = f64::from(setup.line_rate) / 10.0 * 0.62 * 62.0;
        assert!((covered.stats[0].channels[0].sent.wire_bytes as f64) < most);
        assert!(covered.video.delivered_bytes * 5 > bare.video.delivered_bytes * 2);
    }
    let share = losses[0] / losses[1];
    println!(
        "{name}: {:.2} % of {:.2} %",
        losses[0] * 50.0,
        losses[1] * 50.0
    );
    share
}

#[test]
fn what_a_burst_took_is_sent_again_while_there_is_time() {
    for (name, noise, most) in [
        ("bursts of 5 ms", bursts(5, 2000), 0.3),
        ("bursts of 20 ms", bursts(20, 2000), 0.2),
        ("bursts of 50 ms", bursts(50, 2000), 0.45),
    ] {
        let share = remains(name, &CALL, noise);
        assert!(share <= most, "{name}: {share:.2} remains");
    }
}

/// Parity leaves so little that it is no matter of what part of it remains.
#[test]
fn of_single_errors_little_remains() {
    let losses = (3..15).map(|seed| run(&CALL, Noise::bit_errors(1e-3), seed).audio.loss());
    let mean = losses.sum::<f64>() / 12.0;
    assert!(mean <= 0.003, "{:.2} % lost", mean * 100.0);
}

#[test]
fn packets_are_repeated_where_sending_them_again_comes_too_late() {
    let setup = Setup {
        line_rate: 57_600,
        delay: 80,
        ..CALL
    };
    for (name, noise, most) in [
        ("far away, bursts of 20 ms", bursts(20, 2000), 0.85),
        ("far away, bursts of 50 ms", bursts(50, 2000), 0.8),
        // Parity leaves little to cover.
        ("far away, BER 1e-3", Noise::bit_errors(1e-3), 1.1),
    ] {
        let share = remains(name, &setup, noise);
        assert!(share <= most, "{name}: {share:.2} remains");
    }
}

#[test]
fn on_a_clean_line_nothing_goes_twice() {
    let mut world = world(&CALL, Noise::NONE, 1);
    let mut call = call(CALL.video_rate, seconds(60.0), 1);
    call.run_until(&mut world, seconds(5.0));
    let before = outcome(&world, &call).stats[0].channels[0].sent;
    call.run_until(&mut world, seconds(62.0));
    let outcome = outcome(&world, &call);
    let sent = outcome.stats[0].channels[0].sent;
    let cost = (sent.wire_bytes - before.wire_bytes) as f64 / (sent.sent - before.sent) as f64;
    println!("{cost:.2} bytes a packet");
    assert_eq!((sent.repeated, sent.resent), (0, 0));
    assert_eq!(outcome.audio.overtaken, 0);
    assert!((cost - 26.0).abs() < 0.01, "{cost}");
}

#[test]
fn repeats_end_soon_after_the_noise() {
    let setup = Setup { delay: 80, ..CALL };
    let mut world = world(&setup, Noise::NONE, 5);
    let mut call = call(setup.video_rate, seconds(60.0), 5);
    call.run_until(&mut world, seconds(3.0));
    set_noise(&mut world, bursts(20, 500));
    call.run_until(&mut world, seconds(20.0));
    set_noise(&mut world, Noise::NONE);
    let mut repeated = Vec::new();
    for second in 20..60 {
        call.run_until(&mut world, seconds(f64::from(second)));
        let stats = world.session(Side::A).expect("runs").stats();
        repeated.push(stats.channels[0].sent.repeated);
    }
    assert!(repeated[0] > 300, "{repeated:?}");
    assert_eq!(repeated[8], repeated[39], "{repeated:?}");
}

#[test]
fn audio_goes_on_behind_bursts_that_take_many_short_frames() {
    // The far end counts frames that are absent, whichever flow they carried.
    let setup = Setup {
        line_rate: 115_200,
        video_rate: 90_000,
        ..CALL
    };
    let noise = Noise {
        bit_error_rate: 3e-3,
        ..bursts(60, 500)
    };
    let outcome = run(&setup, noise, 9);
    outcome.print("bursts of 60 ms, BER 3e-3");
    let refused = outcome.stats[1].channels[0].received.refused;
    assert!(refused < 40, "{refused}");
}

#[test]
fn a_lost_packet_before_a_pause_comes_too() {
    // Nobody hands in a packet behind which it could go.
    let mut world = world(&CALL, Noise::NONE, 1);
    let mut call = Call::default();
    call.add(Side::A, AUDIO, audio(1), Some(seconds(5.0)));
    call.run_until(&mut world, seconds(4.955));
    // The last but one, and the last tells that it is missing.
    set_noise(&mut world, Noise::bit_errors(0.3));
    call.run_until(&mut world, seconds(4.963));
    set_noise(&mut world, Noise::NONE);
    call.run_until(&mut world, seconds(6.0));
    let tally = call.tally(Side::A, AUDIO).expect("a stream");
    println!(
        "{} lost, {} overtaken, {:?}",
        tally.lost,
        tally.overtaken,
        tally.delays.last()
    );
    assert_eq!((tally.lost, tally.overtaken, tally.wrong), (0, 1, 0));
    let last = tally.delays.last().expect("the last to come");
    assert!(*last < Duration::from_millis(150), "{last:?}");
}

#[test]
fn a_slow_line_with_shared_frames_repeats_nothing() {
    let setup = Setup {
        line_rate: 2400,
        video_rate: 100,
        ..CALL
    };
    let mut world = world(&setup, Noise::NONE, 4);
    let mut call = Call::default();
    let codec2 = AudioConfig {
        start: seconds(3.0),
        interval: Duration::from_millis(40),
        payload: 6,
        ..AudioConfig::G729
    };
    call.add(
        Side::A,
        AUDIO,
        AudioSource::new(codec2),
        Some(seconds(63.0)),
    );
    call.run_until(&mut world, seconds(10.0));
    set_noise(&mut world, Noise::bit_errors(3e-4));
    call.run_until(&mut world, seconds(65.0));
    let sent = world.session(Side::A).expect("runs").stats().channels[0].sent;
    let tally = call.tally(Side::A, AUDIO).expect("a stream");
    println!("{sent:?}, lost {:.2} %", tally.loss() * 100.0);
    assert_eq!(sent.repeated, 0);
    assert_eq!(tally.wrong, 0);
}
