//! What terminals and their UARTs do to bytes: breaks, XON and XOFF, noise while nothing is sent.

use std::time::Duration;

use copperlink::proto::event::Event;
use copperlink::sim::{AudioConfig, AudioSource, Call, Fault, LineModelConfig, Noise, Side, World};

use crate::common::{AUDIO, CONTROL, LINE, VIDEO, call, end, rate, seconds, world};

const RATE: u32 = 38_400;

/// Nothing wrong, nothing twice, no control lost.
fn check(call: &Call) {
    for side in Side::BOTH {
        for port in [AUDIO, VIDEO, CONTROL] {
            assert_eq!(call.tally(side, port).map_or(0, |tally| tally.wrong), 0);
        }
        let control = call.tally(side, CONTROL).expect("a stream");
        assert_eq!((control.delivered, control.lost), (control.offered, 0));
    }
}

#[test]
fn a_break_in_the_middle_of_a_frame_costs_a_frame_at_most() {
    for bytes in [1, 3, 40] {
        let breaks = 200u32;
        let mut world = world(RATE, Noise::NONE, 1);
        let mut call = call(8000, seconds(60.0), 1);
        for n in 0..breaks {
            let at = seconds(5.0 + f64::from(n) * 0.2531);
            call.run_until(&mut world, at);
            // The bytes go between those of the frame that is on its way.
            let line = world.line_mut(Side::A, LINE);
            assert_eq!(line.handle_bytes(at, &vec![0; bytes]), bytes);
        }
        call.run_until(&mut world, seconds(90.0));
        check(&call);
        let lost = |side| world.session(side).expect("runs").stats().lines[0].frames_lost;
        let audio = call.tally(Side::A, AUDIO).expect("a stream").lost;
        println!(
            "{breaks} breaks of {bytes} bytes: {} frames lost, of these {audio} of audio",
            lost(Side::A)
        );
        assert!(lost(Side::A) + audio <= u64::from(breaks));
        assert_eq!(lost(Side::B), 0);
    }
}

fn on_a_path(fault: Fault, noise: Noise, avoid: bool) -> (World, Call) {
    let [mut a, mut b] = [end("a", 1, RATE), end("b", 2, RATE)];
    for config in [&mut a, &mut b] {
        config.lines[0].avoid_xon_xoff = avoid;
    }
    let model = |seed| {
        LineModelConfig::clean(rate(RATE))
            .with_fault(fault)
            .with_noise(noise)
            .with_seed(seed)
    };
    let mut world = World::new(a, b, vec![[model(1), model(2)]]).expect("valid");
    let mut call = call(5000, seconds(60.0), 1);
    call.run_until(&mut world, seconds(75.0));
    (world, call)
}

#[test]
fn a_path_that_says_xon_and_xoff_costs_nothing_when_they_are_avoided() {
    for said in [1e-4, 1e-2] {
        for ber in [0.0, 1e-4] {
            let loss = |fault, said| {
                let noise = Noise {
                    inserted_byte_rate: said,
                    ..Noise::bit_errors(ber)
                };
                let (world, call) = on_a_path(fault, noise, true);
                check(&call);
                let bad = Side::BOTH
                    .map(|side| world.session(side).expect("runs").stats().lines[0].frames_lost);
                let audio =
                    Side::BOTH.map(|side| call.tally(side, AUDIO).expect("a stream").loss());
                (audio[0].max(audio[1]), bad[0] + bad[1])
            };
            let (with, without) = (loss(Fault::SaysXonXoff, said), loss(Fault::None, 0.0));
            println!(
                "XON or XOFF every {:.0} bytes at BER {ber:.0e}: audio lost {:.3} % and {} frames, \
                 without them {:.3} % and {}",
                1.0 / said,
                with.0 * 100.0,
                with.1,
                without.0 * 100.0,
                without.1
            );
            assert!(with.0 <= without.0 * 1.25 + 0.003, "{with:?} {without:?}");
            assert!(ber > 0.0 || with == (0.0, 0), "{with:?}");
        }
    }
}

#[test]
fn a_path_that_eats_a_byte_of_every_hello_is_named() {
    // Session numbers with 0x11 in them.
    let ends = [end("a", 0x1111_0001, RATE), end("b", 0x1313_0002, RATE)];
    let [a, b] = ends;
    let model = LineModelConfig::clean(rate(RATE)).with_fault(Fault::EatsXonXoff);
    let mut world = World::new(a, b, vec![[model.clone(), model]]).expect("valid");
    world.run_until(seconds(10.0));
    for side in Side::BOTH {
        let said = world.events(side).iter().any(|(_, event)| match event {
            Event::Trouble { trouble, .. } => trouble
                .as_ref()
                .is_some_and(|trouble| trouble.to_string().contains("XON/XOFF")),
            _ => false,
        });
        assert!(said, "{:?}", world.events(side));
    }
}

/// Packets a second and a half apart: each is the first behind a pause.
const SELDOM: AudioConfig = AudioConfig {
    interval: Duration::from_millis(1531),
    ..AudioConfig::G729
};

#[test]
fn noise_while_nothing_is_sent_does_not_spoil_the_first_frame_behind_it() {
    for strays in [1.0, 10.0, 100.0] {
        let noise = Noise {
            idle_byte_rate: strays,
            ..Noise::NONE
        };
        let mut world = world(RATE, noise, 1);
        let mut call = Call::default();
        for side in Side::BOTH {
            let source = AudioSource::new(AudioConfig {
                start: seconds(5.0 + side as u64 as f64 * 0.4),
                ..SELDOM
            });
            call.add(side, AUDIO, source, Some(seconds(1000.0)));
        }
        call.run_until(&mut world, seconds(1010.0));
        for side in Side::BOTH {
            let tally = call.tally(side, AUDIO).expect("a stream");
            println!(
                "{strays} stray bytes a second {side:?}: {} of {} packets lost",
                tally.lost, tally.offered
            );
            assert_eq!(tally.wrong, 0);
            // Strays come while nothing is sent: a frame with its own delimiter meets none.
            assert!(tally.loss() <= 0.02, "{}", tally.loss());
        }
    }
}

#[test]
fn noise_between_the_packets_of_a_call_does_not_spoil_them() {
    for strays in [1.0, 10.0, 100.0] {
        let noise = Noise {
            idle_byte_rate: strays,
            ..Noise::NONE
        };
        let mut world = world(RATE, noise, 1);
        let mut call = call(3000, seconds(120.0), 1);
        call.run_until(&mut world, seconds(130.0));
        check(&call);
        for side in Side::BOTH {
            let tally = call.tally(side, AUDIO).expect("a stream");
            println!(
                "{strays} stray bytes a second in a call, {side:?}: {:.2} % of audio lost",
                tally.loss() * 100.0
            );
            assert!(tally.loss() <= 0.03, "{}", tally.loss());
        }
    }
}
