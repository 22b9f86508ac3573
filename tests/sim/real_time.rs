//! Audio never waits: rows 1, 3, 7 and 10 of the numbers to reach. Each test prints its figures
//! beside the goal; all of them are exact and repeat from their seeds.

use std::time::Duration;

use copperlink::proto::time::Instant;
use copperlink::sim::{AudioConfig, AudioSource, Call, Noise, Side, Tally, World};

use crate::common::{AUDIO, CONTROL, VIDEO, control, rate, seconds, video, world};

/// The line's own delay in these scenarios; it is not part of the figures.
const LINE_DELAY: Duration = Duration::from_millis(5);

/// Codec2 at 1200 bit/s: 6 bytes every 40 ms.
const CODEC2: AudioConfig = AudioConfig {
    interval: Duration::from_millis(40),
    payload: 6,
    payload_type: 97,
    ..AudioConfig::G729
};

fn voice(config: AudioConfig) -> AudioSource {
    AudioSource::new(AudioConfig {
        start: seconds(1.0),
        ..config
    })
}

/// Wire bytes of a packet between two times, from the flow's own account.
fn wire_bytes(world: &mut World, call: &mut Call, from: Instant, until: Instant) -> f64 {
    let mut at = |time| {
        call.run_until(world, time);
        let stats = world.session(Side::A).expect("runs").stats();
        (
            stats.channels[0].sent.wire_bytes,
            stats.channels[0].sent.sent,
        )
    };
    let (before, after) = (at(from), at(until));
    (after.0 - before.0) as f64 / (after.1 - before.1) as f64
}

#[test]
fn a_steady_audio_packet_costs_six_bytes_beside_its_payload() {
    let rows = [
        ("G.729: 20 bytes every 20 ms", AudioConfig::G729, 26.0),
        (
            "Opus: 45 bytes every 60 ms",
            AudioConfig {
                interval: Duration::from_millis(60),
                payload: 45,
                payload_type: 96,
                clock_rate: 48_000,
                ..AudioConfig::G729
            },
            51.0,
        ),
        ("Codec2: 6 bytes every 40 ms", CODEC2, 12.0),
    ];
    for (name, config, goal) in rows {
        for line_rate in [19_200, 38_400, 115_200] {
            let mut world = world(line_rate, Noise::NONE, 1);
            let mut call = Call::default();
            call.add(Side::A, AUDIO, voice(config), None);
            let wire = wire_bytes(&mut world, &mut call, seconds(10.0), seconds(60.0));
            println!("{name} at {line_rate}: {wire:.2} wire bytes a packet (goal <= {goal})");
            assert!(wire <= goal, "{wire}");
            let tally = call.tally(Side::A, AUDIO).expect("a stream");
            assert_eq!((tally.lost, tally.wrong), (0, 0));
        }
    }
}

/// Audio beside video that is offered at so many percent of the line, both ways, with control now
/// and then.
fn beside_video(line_rate: u32, audio: AudioConfig, percent: u32) -> [Tally; 2] {
    let mut world = world(line_rate, Noise::NONE, 1);
    let mut call = Call::default();
    let until = Some(seconds(60.0));
    for side in Side::BOTH {
        let seed = side as u64 + 1;
        call.add(side, AUDIO, voice(AudioConfig { seed, ..audio }), until);
        call.add(side, VIDEO, video(line_rate / 100 * percent, seed), until);
        call.add(side, CONTROL, control(2000, 300, seed), until);
    }
    call.run_until(&mut world, seconds(75.0));
    for side in Side::BOTH {
        let control = call.tally(side, CONTROL).expect("a stream");
        assert_eq!((control.delivered, control.wrong), (control.offered, 0));
        let video = call.tally(side, VIDEO).expect("a stream");
        assert_eq!(video.wrong, 0);
    }
    Side::BOTH.map(|side| call.tally(side, AUDIO).expect("a stream").clone())
}

#[test]
fn audio_does_not_wait_for_video_at_any_rate() {
    let g729 = AudioConfig::G729;
    // At 9600 a packet every 20 ms is more than the line carries: 20 bytes every 40 ms.
    let g729_40 = AudioConfig {
        interval: Duration::from_millis(40),
        ..g729
    };
    // The goal of 15 ms at 38400 is the packet's own time on the line (6.8 ms), the 4 ms that may
    // wait below, and a report of 18 bytes (4.7 ms) that has just begun. At other rates the bytes
    // are the same, and so are the 4 ms.
    let rows = [
        (9600, g729_40, 60.0),
        (19_200, g729, 32.0),
        (38_400, g729, 15.0),
        (115_200, g729, 9.0),
    ];
    for (line_rate, audio, goal) in rows {
        let limit = rate(line_rate).time_for(audio.payload + 6).as_secs_f64() * 1e3;
        for percent in [85, 150, 400] {
            for tally in beside_video(line_rate, audio, percent) {
                let ms = |share| (tally.delay(share) - LINE_DELAY).as_secs_f64() * 1e3;
                println!(
                    "{line_rate}, video at {percent} %: audio p50 {:.1} p99 {:.1} max {:.1} ms, \
                     lost {} (serialisation {limit:.1} ms, goal p99 <= {goal} ms)",
                    ms(0.5),
                    ms(0.99),
                    ms(1.0),
                    tally.lost
                );
                assert_eq!((tally.lost, tally.wrong), (0, 0));
                // At 400 % one packet in a hundred meets a message of control that has just begun.
                let most = if percent > 150 { goal * 1.1 } else { goal };
                assert!(ms(0.99) <= most, "{}", ms(0.99));
            }
        }
    }
}

#[test]
fn codec2_fits_on_a_line_of_2400() {
    let mut world = world(2400, Noise::NONE, 1);
    let mut call = Call::default();
    let until = Some(seconds(120.0));
    for side in Side::BOTH {
        let seed = side as u64 + 1;
        let start = seconds(5.0);
        let audio = AudioSource::new(AudioConfig {
            seed,
            start,
            ..CODEC2
        });
        call.add(side, AUDIO, audio, until);
        call.add(side, CONTROL, control(20_000, 40, seed), until);
    }
    call.run_until(&mut world, seconds(140.0));
    for side in Side::BOTH {
        let audio = call.tally(side, AUDIO).expect("a stream");
        let stats = world.session(side).expect("runs").stats();
        let sent = stats.channels[0].sent;
        println!(
            "2400, Codec2 6 bytes every 40 ms, {side:?}: {} of {} packets lost ({:.2} %, goal < 1 %), \
             {} dropped late; {:.1} wire bytes a packet; delay p50 {:?} p99 {:?} max {:?}",
            audio.offered - audio.delivered,
            audio.offered,
            (audio.offered - audio.delivered) as f64 * 100.0 / audio.offered as f64,
            sent.dropped_late,
            sent.wire_bytes as f64 / sent.sent as f64,
            audio.delay(0.5),
            audio.delay(0.99),
            audio.delay(1.0),
        );
        assert_eq!(audio.wrong, 0);
        assert!((audio.offered - audio.delivered) * 100 < audio.offered);
        let control = call.tally(side, CONTROL).expect("a stream");
        println!(
            "control {}/{} p99 {:?}",
            control.delivered,
            control.offered,
            control.delay(0.99)
        );
        assert_eq!((control.delivered, control.wrong), (control.offered, 0));
    }
}

#[test]
fn codec2_and_a_small_picture_share_a_line_of_9600() {
    for bits_per_second in [5000, 7000] {
        let mut world = world(9600, Noise::NONE, 1);
        let mut call = Call::default();
        let until = Some(seconds(120.0));
        for side in Side::BOTH {
            let seed = side as u64 + 1;
            call.add(side, AUDIO, voice(AudioConfig { seed, ..CODEC2 }), until);
            call.add(side, VIDEO, video(bits_per_second, seed), until);
            call.add(side, CONTROL, control(20_000, 100, seed), until);
        }
        call.run_until(&mut world, seconds(140.0));
        for side in Side::BOTH {
            let audio = call.tally(side, AUDIO).expect("a stream");
            let video = call.tally(side, VIDEO).expect("a stream");
            let stats = world.session(side).expect("runs").stats();
            println!(
                "9600, Codec2 and video of {bits_per_second} bit/s: audio lost {}, p99 {:?}; video {} of {} \
                 datagrams ({:.0} bit/s), p50 {:?} max {:?}; wire bytes {:.1} and {:.1} a packet",
                audio.lost,
                audio.delay(0.99),
                video.delivered,
                video.offered,
                video.delivered_bytes as f64 * 8.0 / 119.0,
                video.delay(0.5),
                video.delay(1.0),
                stats.channels[0].sent.wire_bytes as f64 / stats.channels[0].sent.sent as f64,
                stats.channels[1].sent.wire_bytes as f64 / stats.channels[1].sent.sent as f64,
            );
            assert_eq!((audio.lost, audio.wrong, video.wrong), (0, 0, 0));
            assert!(
                audio.delay(0.99) < Duration::from_millis(60),
                "{:?}",
                audio.delay(0.99)
            );
        }
    }
}
