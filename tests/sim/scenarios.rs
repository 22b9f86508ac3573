//! A call over each of the named lines: what a technician meets, the link lives through.

use std::fmt::Write;
use std::time::Duration;

use copperlink::proto::time::Instant;
use copperlink::sim::scenario::{Change, Directions, Weather};
use copperlink::sim::{
    AudioConfig, AudioSource, Call, Fault, Noise, Scenario, Side, Tally, Wiring, World,
};

use crate::common::{AUDIO, CONTROL, LINE, VIDEO, call, control, end, rate, seconds, video};
use crate::lines::{self, NamedLine};

#[test]
fn each_named_line_says_what_it_is_in_one_sentence() {
    let lines = lines::all();
    assert!(lines.len() >= 10, "{}", lines.len());
    for NamedLine { name, scenario } in lines {
        let words = &scenario.description;
        assert!(words.len() > 20, "{name}: {words}");
        // It has to fit beside its name.
        assert!(words.chars().count() < 100, "{name}: {words}");
        assert!(!words.contains('\n') && !words.ends_with('.'), "{name}");
        let plain = name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(plain, "{name}");
    }
}

#[test]
fn no_named_line_delivers_a_wrong_byte_or_loses_a_control_message() {
    let mut failures = String::new();
    println!(
        "{:20} {:>11} {:>11} {:>11} {:>11} {:>9} {:>9}",
        "2 min over", "audio A", "audio B", "video A", "video B", "audio p99", "control"
    );
    for NamedLine { name, scenario } in lines::all() {
        let (mut world, mut call) = fitting_call(&scenario, 1);
        call.run_until(&mut world, seconds(END));
        // What waits at the end still goes.
        call.run_until(&mut world, seconds(END + 60.0));
        let of = |port| Side::BOTH.map(|side| call.tally(side, port).expect("a stream"));
        let lost = |tally: &Tally| format!("{:.2} %", tally.loss() * 100.0);
        let longest = |tallies: [&Tally; 2], share| {
            let [a, b] = tallies.map(|tally| tally.delay(share).as_millis());
            format!("{} ms", a.max(b))
        };
        let (audio, video, control) = (of(AUDIO), of(VIDEO), of(CONTROL));
        println!(
            "{name:20} {:>11} {:>11} {:>11} {:>11} {:>9} {:>9}",
            lost(audio[0]),
            lost(audio[1]),
            lost(video[0]),
            lost(video[1]),
            longest(audio, 0.99),
            longest(control, 1.0),
        );
        for tally in [audio, video, control].concat() {
            if tally.wrong > 0 {
                let _ = writeln!(failures, "{name}: {} wrong", tally.wrong);
            }
        }
        for tally in control {
            if (tally.delivered, tally.lost, tally.refused) != (tally.offered, 0, 0) {
                let _ = writeln!(
                    failures,
                    "{name}: {} of {} control messages",
                    tally.delivered, tally.offered
                );
            }
        }
        for tally in audio {
            // Even the worst of them is a call, not silence.
            if tally.delivered < tally.offered / 3 {
                let _ = writeln!(
                    failures,
                    "{name}: {} of {} audio packets",
                    tally.delivered, tally.offered
                );
            }
        }
    }
    assert_eq!(failures, "");
}

#[test]
fn a_change_comes_at_its_microsecond_and_to_its_direction_only() {
    let mut scenario = clean(38_400);
    scenario.add(Change {
        at: Duration::from_micros(2_000_003),
        to: Directions::From(Side::B),
        what: Weather {
            rate: Some(rate(9600)),
            bit_error_rate: Some(0.25),
            wiring: Some(Wiring::Loop),
            fault: Some(Fault::SevenBits),
            ..Weather::default()
        },
    });
    let (mut world, mut call) = fitting_call(&scenario, 1);
    let change = Instant::from_micros(2_000_003);
    call.run_until(&mut world, change - Duration::from_micros(1));
    let before = scenario.models(1);
    for side in Side::BOTH {
        assert_eq!(*world.line_mut(side, LINE).config(), before[side as usize]);
    }
    assert_eq!(scenario.next_change(world.now()), Some(change));
    assert!(world.poll_timeout().is_some_and(|next| next <= change));
    call.run_until(&mut world, change);
    assert_eq!(*world.line_mut(Side::A, LINE).config(), before[0]);
    let after = world.line_mut(Side::B, LINE).config();
    assert_eq!(after.rate, rate(9600));
    assert_eq!(after.noise, Noise::bit_errors(0.25));
    assert_eq!(after.fault, Fault::SevenBits);
    assert_eq!(scenario.next_change(change), None);
}

#[test]
fn a_cut_of_a_scenario_is_heard_as_a_cut_and_the_call_comes_back() {
    let mut scenario = clean(38_400);
    let cut = Duration::from_secs(10)..Duration::from_secs(13);
    scenario.set_cuts(Directions::Both, std::slice::from_ref(&cut));
    let (mut world, mut call) = fitting_call(&scenario, 1);
    call.run_until(&mut world, seconds(20.0));
    for side in Side::BOTH {
        let arrivals = &call.tally(side, AUDIO).expect("a stream").arrivals;
        let within = |from: f64, to: f64| {
            let times = seconds(from)..seconds(to);
            arrivals.iter().filter(|at| times.contains(at)).count()
        };
        assert_eq!(within(10.0, 13.0), 0);
        assert!(within(9.0, 10.0) >= 49 && within(14.0, 20.0) >= 290);
    }
}

#[test]
fn a_loop_of_a_scenario_is_recognised_and_over_when_it_is_opened() {
    let all = lines::all();
    let stuck = all.iter().find(|line| line.name == "stuck-loop");
    let scenario = &stuck.expect("is there").scenario;
    let (mut world, mut call) = fitting_call(scenario, 1);
    call.run_until(&mut world, seconds(7.0));
    let trouble = |world: &World| {
        let session = world.session(Side::A).expect("runs");
        session.stats().lines[0].trouble.clone()
    };
    let words = trouble(&world).expect("a loop is a trouble").to_string();
    assert!(words.contains("loop"), "{words}");
    call.run_until(&mut world, seconds(12.0));
    assert!(trouble(&world).is_none());
}

#[test]
fn the_same_scenario_and_seed_give_the_same_call() {
    let all = lines::all();
    let rural = all.iter().find(|line| line.name == "rural-pair");
    let scenario = &rural.expect("is there").scenario;
    let run = |seed| {
        let (mut world, mut call) = fitting_call(scenario, seed);
        call.run_until(&mut world, seconds(30.0));
        Side::BOTH.map(|side| call.tally(side, AUDIO).expect("a stream").clone())
    };
    assert!(run(1) == run(1), "the same seed gave another call");
    assert!(run(1) != run(2));
}

fn clean(bits: u32) -> Scenario {
    let text = format!("description = \"of one test\"\nrate = {bits}");
    toml::from_str(&text).expect("a good scenario")
}

/// Both ends, told what a technician would tell them of the line, and the standard call with the
/// voice that such a line has room for.
fn fitting_call(scenario: &Scenario, seed: u64) -> (World, Call) {
    let [a, b] = Side::BOTH.map(|side| {
        let start = scenario.conditions(side, Instant::ZERO);
        let names = [("room-1", 0x1111_0001), ("room-2", 0x2222_0001)];
        let (name, session) = names[side as usize];
        let mut config = end(name, session, start.rate.bits_per_second());
        config.lines[0].avoid_xon_xoff = start.fault == Fault::EatsXonXoff;
        config
    });
    let slowest = a.lines[0].rate.min(b.lines[0].rate).bits_per_second();
    let models = scenario.models(seed);
    let mut world = World::new(a, b, vec![models]).expect("a valid configuration");
    world.follow(LINE, scenario.clone());
    let until = seconds(END);
    if slowest >= 28_800 {
        return (world, call(slowest / 5, until, seed));
    }
    let (interval, payload, pictures) = match slowest {
        ..4800 => (160, 24, slowest / 20),
        4800..16_000 => (40, 6, slowest / 5),
        _ => (40, 20, slowest / 5),
    };
    let mut call = Call::default();
    for side in Side::BOTH {
        let seed = seed + side as u64 * 100;
        let voice = AudioConfig {
            start: seconds(1.0),
            interval: Duration::from_millis(interval),
            payload,
            seed,
            ..AudioConfig::G729
        };
        call.add(side, AUDIO, AudioSource::new(voice), Some(until));
        call.add(side, VIDEO, video(pictures, seed), Some(until));
        // A tenth of the line.
        let pause = 26_000_000 / u64::from(slowest);
        call.add(side, CONTROL, control(pause, 512, seed), Some(until));
    }
    (world, call)
}

/// s.
const END: f64 = 120.0;
