//! Coming up, and what the technician is told when it does not.

use std::time::Duration;

use copperlink::proto::LineSignals;
use copperlink::proto::config::{ChannelConfig, Class, LinkConfig};
use copperlink::proto::event::Event;
use copperlink::proto::stats::LineState;
use copperlink::sim::{Call, Fault, LineModelConfig, Noise, Side, Wiring, World};

use crate::common::{AUDIO, LINE, audio, end, rate, seconds, world};

fn world_of(a: LinkConfig, b: LinkConfig, rate_a: u32, rate_b: u32) -> World {
    let model = |bits| LineModelConfig::clean(rate(bits)).with_delay(Duration::from_millis(5));
    World::new(a, b, vec![[model(rate_a), model(rate_b)]]).expect("a valid configuration")
}

/// The words for a line that is in trouble.
fn trouble(world: &World, side: Side) -> String {
    world.session(side).expect("runs").stats().lines[0]
        .trouble
        .clone()
        .unwrap_or_default()
}

fn state(world: &World, side: Side) -> LineState {
    world.session(side).expect("runs").stats().lines[0].state
}

/// The first time an event tells of trouble that contains `words`.
fn told_at(world: &World, side: Side, words: &str) -> Duration {
    let told = world.events(side).iter().find(|(_, event)| match event {
        Event::Trouble {
            trouble: Some(trouble),
            ..
        } => trouble.to_string().contains(words),
        _ => false,
    });
    let (at, _) =
        told.unwrap_or_else(|| panic!("nobody was told '{words}': {:?}", world.events(side)));
    at.since(copperlink::proto::time::Instant::ZERO)
}

const FIVE_SECONDS: Duration = Duration::from_secs(5);

#[test]
fn both_ends_come_up_within_a_second_at_any_rate() {
    for (bits, limit) in [
        (1200, 5.0),
        (2400, 3.0),
        (9600, 1.0),
        (38_400, 1.0),
        (921_600, 1.0),
    ] {
        let mut world = world(bits, Noise::NONE, 1);
        world.run_until(seconds(limit));
        for side in Side::BOTH {
            assert_eq!(
                state(&world, side),
                LineState::Up,
                "at {bits}: {}",
                trouble(&world, side)
            );
            let up = world
                .events(side)
                .iter()
                .find(|(_, event)| matches!(event, Event::LineUp { .. }));
            println!(
                "{bits} bit/s {side:?}: up after {:?}",
                up.expect("was told").0
            );
        }
    }
}

#[test]
fn first_audio_arrives_within_a_second_of_a_cold_start() {
    let mut world = world(38_400, Noise::NONE, 1);
    let mut call = Call::default();
    let source = copperlink::sim::AudioSource::new(copperlink::sim::AudioConfig::G729);
    call.add(Side::A, AUDIO, source, None);
    call.run_until(&mut world, seconds(2.0));
    let first = call.tally(Side::A, AUDIO).expect("a stream").arrivals[0];
    println!("first audio after a cold start at 38400: {first:?} (goal 1 s)");
    assert!(first < seconds(1.0), "{first:?}");
}

#[test]
fn the_far_end_is_absent() {
    let mut world = world(38_400, Noise::NONE, 1);
    world.kill(Side::B);
    world.run_until(seconds(5.0));
    assert!(
        trouble(&world, Side::A).contains("nothing heard from the far end"),
        "{}",
        trouble(&world, Side::A)
    );
    assert!(told_at(&world, Side::A, "nothing heard") <= FIVE_SECONDS);
    assert_eq!(state(&world, Side::A), LineState::Calling);
    // It starts much later: the call begins at once, and the word is taken back.
    world.run_until(seconds(60.0));
    world
        .start(Side::B, end("room-2", 5, 38_400))
        .expect("valid");
    world.run_until(seconds(61.0));
    assert_eq!(state(&world, Side::A), LineState::Up);
    assert_eq!(trouble(&world, Side::A), "");
}

#[test]
fn the_line_is_looped_back() {
    let mut world = world(38_400, Noise::NONE, 1);
    for side in Side::BOTH {
        world.set_wiring(side, LINE, Wiring::Loop);
    }
    world.run_until(seconds(5.0));
    assert!(
        trouble(&world, Side::A).contains("loop on the line"),
        "{}",
        trouble(&world, Side::A)
    );
    assert!(told_at(&world, Side::A, "loop on the line") <= FIVE_SECONDS);
    assert_eq!(state(&world, Side::A), LineState::Refused);
    for side in Side::BOTH {
        world.set_wiring(side, LINE, Wiring::Straight);
    }
    world.run_until(seconds(20.0));
    assert_eq!(
        state(&world, Side::A),
        LineState::Up,
        "{}",
        trouble(&world, Side::A)
    );
}

#[test]
fn a_loop_in_the_middle_of_a_call_is_named_too() {
    let mut world = world(38_400, Noise::NONE, 1);
    world.run_until(seconds(10.0));
    assert_eq!(state(&world, Side::A), LineState::Up);
    for side in Side::BOTH {
        world.set_wiring(side, LINE, Wiring::Loop);
    }
    world.run_until(seconds(15.0));
    for side in Side::BOTH {
        assert!(
            trouble(&world, side).contains("loop on the line"),
            "{}",
            trouble(&world, side)
        );
    }
    for side in Side::BOTH {
        world.set_wiring(side, LINE, Wiring::Straight);
    }
    world.run_until(seconds(30.0));
    for side in Side::BOTH {
        assert_eq!(
            state(&world, side),
            LineState::Up,
            "{}",
            trouble(&world, side)
        );
        assert_eq!(world.session(side).expect("runs").stats().sessions, 1);
    }
}

#[test]
fn the_far_end_runs_at_another_speed() {
    for (here, there) in [
        (38_400, 9600),
        (9600, 38_400),
        (115_200, 57_600),
        (19_200, 38_400),
    ] {
        let mut world = world_of(end("a", 1, here), end("b", 2, there), here, there);
        let now = world.now();
        let mismatch = |sender, receiver| Fault::SpeedMismatch {
            sender_baud: rate(sender),
            receiver_baud: rate(receiver),
        };
        world
            .line_mut(Side::A, LINE)
            .set_fault(now, mismatch(here, there));
        world
            .line_mut(Side::B, LINE)
            .set_fault(now, mismatch(there, here));
        world.run_until(seconds(5.0));
        for side in Side::BOTH {
            let words = trouble(&world, side);
            assert!(
                words.contains("but no whole frame"),
                "{here}/{there} {side:?}: {words}"
            );
            assert!(told_at(&world, side, "but no whole frame") <= FIVE_SECONDS);
        }
    }
}

#[test]
fn a_path_with_seven_bits_is_named() {
    let mut world = world(38_400, Noise::NONE, 1);
    let now = world.now();
    world
        .line_mut(Side::B, LINE)
        .set_fault(now, Fault::SevenBits);
    world.run_until(seconds(5.0));
    assert!(
        trouble(&world, Side::A).contains("7 bits"),
        "{}",
        trouble(&world, Side::A)
    );
    assert!(
        trouble(&world, Side::B).contains("does not hear this end"),
        "{}",
        trouble(&world, Side::B)
    );
}

#[test]
fn the_channel_tables_differ() {
    let mut other = end("room-2", 2, 38_400);
    other.channels[2] = ChannelConfig::new(3, "slides", Class::Video);
    other
        .channels
        .push(ChannelConfig::new(7, "door", Class::Control));
    let mut world = world_of(end("room-1", 1, 38_400), other, 38_400, 38_400);
    world.run_until(seconds(5.0));
    let here = trouble(&world, Side::A);
    assert!(
        here.contains("channel 3: here control 'control', there video 'slides'"),
        "{here}"
    );
    assert!(
        here.contains("channel 7: here none, there control 'door'"),
        "{here}"
    );
    let there = trouble(&world, Side::B);
    assert!(
        there.contains("channel 3: here video 'slides', there control 'control'"),
        "{there}"
    );
    for side in Side::BOTH {
        assert_eq!(state(&world, side), LineState::Refused);
        assert!(told_at(&world, side, "channel 3") <= FIVE_SECONDS);
    }
    // Nothing is carried until they agree.
    let mut call = Call::default();
    call.add(Side::A, AUDIO, audio(1), None);
    call.run_until(&mut world, seconds(10.0));
    assert_eq!(call.tally(Side::A, AUDIO).expect("a stream").delivered, 0);
    world.kill(Side::B);
    world
        .start(Side::B, end("room-2", 3, 38_400))
        .expect("valid");
    call.run_until(&mut world, seconds(12.0));
    assert_eq!(
        state(&world, Side::A),
        LineState::Up,
        "{}",
        trouble(&world, Side::A)
    );
    assert!(call.tally(Side::A, AUDIO).expect("a stream").delivered > 40);
}

#[test]
fn the_names_of_channels_may_differ() {
    let mut other = end("room-2", 2, 38_400);
    other.channels[0].name = "Mikrofon".to_owned();
    let mut world = world_of(end("room-1", 1, 38_400), other, 38_400, 38_400);
    world.run_until(seconds(1.0));
    assert_eq!(state(&world, Side::A), LineState::Up);
}

#[test]
fn only_one_direction_of_the_pair_is_broken() {
    let mut world = world(38_400, Noise::NONE, 1);
    world.run_until(seconds(10.0));
    let now = world.now();
    world.line_mut(Side::A, LINE).set_cut(now, true);
    world.run_until(seconds(16.0));
    assert!(
        trouble(&world, Side::A).contains("does not hear this end"),
        "{}",
        trouble(&world, Side::A)
    );
    assert!(
        trouble(&world, Side::B).contains("nothing heard"),
        "{}",
        trouble(&world, Side::B)
    );
    assert_eq!(
        (state(&world, Side::A), state(&world, Side::B)),
        (LineState::Cut, LineState::Cut)
    );
    let now = world.now();
    world.line_mut(Side::A, LINE).set_cut(now, false);
    world.run_until(seconds(18.0));
    assert_eq!(
        (state(&world, Side::A), state(&world, Side::B)),
        (LineState::Up, LineState::Up)
    );
}

#[test]
fn an_idle_noisy_line_that_was_taken_for_cut_comes_back() {
    for seed in 1..=5 {
        let noise = Noise {
            bit_error_rate: 2e-3,
            ..Noise::NONE
        };
        let mut world = world(38_400, noise, seed);
        world.run_until(seconds(1000.0));
        let now = world.now();
        for side in Side::BOTH {
            world.line_mut(side, LINE).set_noise(now, Noise::NONE);
        }
        world.run_until(seconds(1002.0));
        for side in Side::BOTH {
            let cuts = world.session(side).expect("runs").stats().lines[0].cuts;
            println!(
                "seed {seed} {side:?}: idle at BER 2e-3 for 1000 s, taken for cut {cuts} times"
            );
            assert_eq!(
                state(&world, side),
                LineState::Up,
                "{}",
                trouble(&world, side)
            );
        }
    }
}

#[test]
fn a_device_that_is_not_there_and_a_modem_without_carrier() {
    let mut world = world(38_400, Noise::NONE, 1);
    world.set_signals(Side::A, LINE, LineSignals::CLOSED);
    assert!(trouble(&world, Side::A).contains("the device is not there"));
    world.set_signals(
        Side::A,
        LINE,
        LineSignals {
            carrier: Some(false),
            ..LineSignals::OPEN
        },
    );
    assert!(trouble(&world, Side::A).contains("no carrier"));
    let before = world.session(Side::A).expect("runs").stats().lines[0].bytes_sent;
    world.run_until(seconds(3.0));
    let after = world.session(Side::A).expect("runs").stats().lines[0].bytes_sent;
    assert_eq!(before, after, "not a byte before the carrier");
    world.set_signals(
        Side::A,
        LINE,
        LineSignals {
            carrier: Some(true),
            ..LineSignals::OPEN
        },
    );
    world.run_until(seconds(5.0));
    assert_eq!(state(&world, Side::A), LineState::Up);
}

#[test]
fn a_goodbye_is_told_and_the_line_waits_for_the_next_start() {
    let mut world = world(38_400, Noise::NONE, 1);
    world.run_until(seconds(5.0));
    world.close(Side::B);
    world.run_until(seconds(5.3));
    world.kill(Side::B);
    assert!(
        world
            .events(Side::A)
            .iter()
            .any(|(_, event)| *event == Event::PeerClosed)
    );
    assert_ne!(state(&world, Side::A), LineState::Up);
    world
        .start(Side::B, end("room-2", 77, 38_400))
        .expect("valid");
    world.run_until(seconds(6.3));
    assert_eq!(state(&world, Side::A), LineState::Up);
    let restarted = |event: &Event| {
        matches!(
            event,
            Event::SessionStarted {
                after_restart: true,
                ..
            }
        )
    };
    assert!(
        world
            .events(Side::A)
            .iter()
            .any(|(_, event)| restarted(event))
    );
}

#[test]
fn audio_is_back_at_once_when_a_cut_ends() {
    for long in [0.1, 1.0, 3.0, 30.0, 100.0] {
        let mut world = world(38_400, Noise::NONE, 1);
        let mut call = Call::default();
        call.add(Side::A, AUDIO, audio(1), None);
        call.run_until(&mut world, seconds(10.0));
        world.set_cut(LINE, true);
        let back = seconds(10.0 + long);
        call.run_until(&mut world, back);
        world.set_cut(LINE, false);
        call.run_until(&mut world, back + Duration::from_secs(5));
        let arrivals = &call.tally(Side::A, AUDIO).expect("a stream").arrivals;
        let first = arrivals
            .iter()
            .find(|&&at| at > back)
            .expect("audio came back");
        println!(
            "cut of {long} s: first audio {:?} after its end (goal 100 ms up to 3 s)",
            first.since(back)
        );
        let limit = if long <= 3.0 { 100 } else { 700 };
        assert!(
            first.since(back) <= Duration::from_millis(limit),
            "{:?}",
            first.since(back)
        );
    }
}

#[test]
fn a_line_that_eats_xon_and_xoff_works_when_the_settings_say_so() {
    for avoid in [false, true] {
        let [mut a, mut b] = [end("a", 1, 38_400), end("b", 2, 38_400)];
        for config in [&mut a, &mut b] {
            config.lines[0].avoid_xon_xoff = avoid;
        }
        let model = LineModelConfig::clean(rate(38_400)).with_fault(Fault::EatsXonXoff);
        let mut world = World::new(a, b, vec![[model.clone(), model]]).expect("valid");
        let mut call = crate::common::call(8000, seconds(20.0), 1);
        call.run_until(&mut world, seconds(21.0));
        if avoid {
            for side in Side::BOTH {
                let line = world.session(side).expect("runs").stats().lines[0].clone();
                assert!(line.interruptions > 20, "{}", line.interruptions);
                assert_eq!(
                    (line.frames_lost, line.frames_bad),
                    (0, 0),
                    "escapes were divided"
                );
            }
        }
        let lost: u64 = Side::BOTH
            .iter()
            .map(|&side| call.tally(side, AUDIO).expect("a stream").lost)
            .sum();
        assert_eq!(lost == 0, avoid, "{lost} packets lost");
    }
}
