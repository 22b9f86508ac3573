//! The call itself.

use std::time::Duration;

use copperlink::sim::{AudioConfig, AudioSource, Noise, Side, Source};

use crate::common::{AUDIO, CONTROL, VIDEO, call, seconds, world};

#[test]
fn a_clean_line_carries_everything_in_time() {
    let mut world = world(38_400, Noise::NONE, 1);
    let mut call = call(5000, seconds(60.0), 1);
    call.run_until(&mut world, seconds(62.0));
    for side in Side::BOTH {
        for port in [AUDIO, VIDEO, CONTROL] {
            let tally = call.tally(side, port).expect("a stream");
            println!(
                "{side:?} channel {}: {} offered, {} delivered, delay p50 {:?} p99 {:?} max {:?}",
                port.channel,
                tally.offered,
                tally.delivered,
                tally.delay(0.5),
                tally.delay(0.99),
                tally.delay(1.0)
            );
            assert_eq!((tally.wrong, tally.refused), (0, 0));
            if port == VIDEO {
                // A key frame behind control may be late: audio takes half of this line.
                assert!(tally.loss() < 0.02, "{}", tally.loss());
            } else {
                assert_eq!((tally.delivered, tally.lost), (tally.offered, 0));
            }
        }
        let audio = call.tally(side, AUDIO).expect("a stream");
        assert!(
            audio.delay(0.99) < Duration::from_millis(30),
            "{:?}",
            audio.delay(0.99)
        );
        assert_eq!(
            world.session(side).expect("runs").stats().lines[0].frames_bad,
            0
        );
    }
}

#[test]
fn audio_does_not_wait_for_video_that_is_more_than_the_line_carries() {
    let mut world = world(38_400, Noise::NONE, 1);
    let mut call = call(58_000, seconds(60.0), 1);
    call.run_until(&mut world, seconds(62.0));
    for side in Side::BOTH {
        let audio = call.tally(side, AUDIO).expect("a stream");
        println!(
            "audio p99 {:?} max {:?}, lost {}",
            audio.delay(0.99),
            audio.delay(1.0),
            audio.lost
        );
        assert_eq!((audio.lost, audio.wrong), (0, 0));
        assert!(
            audio.delay(0.99) < Duration::from_millis(40),
            "{:?}",
            audio.delay(0.99)
        );
        let control = call.tally(side, CONTROL).expect("a stream");
        assert_eq!((control.delivered, control.wrong), (control.offered, 0));
        let video = call.tally(side, VIDEO).expect("a stream");
        assert_eq!(video.wrong, 0);
        println!(
            "video: {} of {} datagrams, {:.0} byte/s, delay p50 {:?} max {:?}",
            video.delivered,
            video.offered,
            video.delivered_bytes as f64 / 59.0,
            video.delay(0.5),
            video.delay(1.0)
        );
        assert!(
            video.delay(1.0) < Duration::from_millis(850),
            "{:?}",
            video.delay(1.0)
        );
        let stats = world.session(side).expect("runs").stats();
        assert!(
            stats.channels[1].sent.dropped_late > 0,
            "the drops have their counter"
        );
        let line = &stats.lines[0];
        assert!(line.interruptions > 1000, "{}", line.interruptions);
        let share = line.report_bytes_sent as f64 / line.bytes_sent as f64;
        assert!(share < 0.03, "reports took {share}");
    }
}

#[test]
fn a_flood_of_audio_does_not_starve_the_others() {
    let mut world = world(38_400, Noise::NONE, 1);
    let mut call = call(4000, seconds(60.0), 1);
    let flood = AudioConfig {
        start: seconds(5.0),
        interval: Duration::from_millis(2),
        ..AudioConfig::G729
    };
    let mut source = AudioSource::new(flood);
    call.run_until(&mut world, seconds(5.0));
    while let Some(due) = source.poll_timeout().filter(|&due| due < seconds(60.0)) {
        call.run_until(&mut world, due);
        while let Some(packet) = source.poll_datagram(due) {
            let _ = world.send(Side::A, AUDIO, packet);
        }
    }
    call.run_until(&mut world, seconds(70.0));
    let control = call.tally(Side::A, CONTROL).expect("a stream");
    let video = call.tally(Side::A, VIDEO).expect("a stream");
    println!(
        "audio offered at 700 %: control {}/{} p99 {:?}, video {}/{}",
        control.delivered,
        control.offered,
        control.delay(0.99),
        video.delivered,
        video.offered
    );
    assert_eq!((control.delivered, control.wrong), (control.offered, 0));
    assert!(
        control.delay(0.99) < Duration::from_secs(8),
        "{:?}",
        control.delay(0.99)
    );
    assert!(video.delivered > video.offered / 5, "{}", video.delivered);
    // The other direction, and the far end's channels, notice nothing.
    let back = call.tally(Side::B, AUDIO).expect("a stream");
    assert_eq!((back.delivered, back.lost), (back.offered, 0));
    assert!(
        back.delay(0.99) < Duration::from_millis(30),
        "{:?}",
        back.delay(0.99)
    );
}

#[test]
fn a_noisy_line_delivers_no_wrong_byte_and_loses_no_control() {
    for ber in [1e-5, 1e-4, 3e-4, 1e-3] {
        let mut world = world(38_400, Noise::bit_errors(ber), 7);
        let mut call = call(3_000, seconds(60.0), 3);
        call.run_until(&mut world, seconds(80.0));
        for side in Side::BOTH {
            let [audio, video, control] =
                [AUDIO, VIDEO, CONTROL].map(|port| call.tally(side, port).expect("a stream"));
            println!(
                "BER {ber:.0e} {side:?}: audio lost {:.2} %, video lost {:.2} %, control {}/{}, p99 {:?}",
                audio.loss() * 100.0,
                video.loss() * 100.0,
                control.delivered,
                control.offered,
                control.delay(0.99),
            );
            assert_eq!((audio.wrong, video.wrong, control.wrong), (0, 0, 0));
            assert_eq!((control.delivered, control.lost), (control.offered, 0));
            // A 34-byte audio frame without parity: what the bits allow, and nothing on top.
            let expected = 1.0 - (1.0 - ber).powi(8 * 42);
            assert!(
                audio.loss() < expected * 1.3 + 0.01,
                "{} of {expected}",
                audio.loss()
            );
            // Half of this line is audio, so what is lost can be sent again once or twice.
            let limit = if ber <= 1e-4 { 0.1 } else { 0.4 };
            assert!(video.loss() < limit, "{}", video.loss());
        }
    }
}
