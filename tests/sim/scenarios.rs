//! A call over each of the named lines: what a technician meets, the link lives through.

use std::fmt::Write;
use std::time::Duration;

use copperlink::proto::time::Instant;
use copperlink::sim::scenario::{Change, Directions, Weather};
use copperlink::sim::{Call, Fault, Noise, Scenario, Side, Tally, Wiring, World};

use crate::common::{LINE, rate, seconds};
use crate::lines::{self, AUDIO, CONTROL, NamedLine, VIDEO, fitting_call};

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
        let (mut world, mut call) = two_minutes(&scenario, 1);
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
    let (mut world, mut call) = two_minutes(&scenario, 1);
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
    let (mut world, mut call) = two_minutes(&scenario, 1);
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
    let (mut world, mut call) = two_minutes(scenario, 1);
    call.run_until(&mut world, seconds(7.0));
    let trouble = |world: &World| {
        let session = world.session(Side::A).expect("runs");
        session.stats().lines[0].trouble.clone()
    };
    let words = trouble(&world).expect("a loop is a trouble");
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
        let (mut world, mut call) = two_minutes(scenario, seed);
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

fn two_minutes(scenario: &Scenario, seed: u64) -> (World, Call) {
    fitting_call(scenario, seconds(END), seed)
}

/// s.
const END: f64 = 120.0;
