//! Hours of call in seconds.

use std::time::Instant as Machine;

use copperlink::sim::{Noise, Side, Tally};

use crate::common::{AUDIO, CONTROL, VIDEO, call, seconds, world_with_chunks};

fn an_hour(seed: u64, hours: f64) -> Vec<Tally> {
    let until = seconds(3600.0 * hours);
    let mut world = world_with_chunks(38_400, Noise::bit_errors(1e-4), seed, 8);
    let mut call = call(5_000, until, seed);
    call.run_until(&mut world, until);
    Side::BOTH
        .iter()
        .flat_map(|&side| {
            [AUDIO, VIDEO, CONTROL].map(|port| call.tally(side, port).expect("a stream").clone())
        })
        .collect()
}

#[test]
fn an_hour_of_call_on_a_noisy_line_runs_in_seconds() {
    let started = Machine::now();
    let tallies = an_hour(1, 1.0);
    let took = started.elapsed();
    println!("an hour of call at BER 1e-4: {took:.1?} (goal 10 s, release)");
    for tally in &tallies {
        println!(
            "  {} offered, {} delivered, {} lost, {} wrong",
            tally.offered, tally.delivered, tally.lost, tally.wrong
        );
        assert_eq!(tally.wrong, 0);
    }
    // A shared machine, and this may be a debug build: wide.
    assert!(took.as_secs() < 120, "{took:?}");
}

#[test]
fn a_run_repeats_exactly_from_its_seed() {
    let (first, again, other) = (an_hour(5, 0.1), an_hour(5, 0.1), an_hour(6, 0.1));
    assert!(first == again, "the same seed gave another run");
    assert!(first != other);
}
