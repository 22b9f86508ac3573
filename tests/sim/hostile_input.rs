//! Some of what `cargo bench --bench hostile` does for as long as one wants.

use crate::hostile::{Attack, Damager, Replay, recordings};

#[test]
fn recorded_calls_with_any_damage_give_nothing_that_was_not_sent() {
    let recordings = recordings();
    let used = |of: usize, parity: u64| {
        let mut recordings = recordings.iter();
        recordings.any(|recording| recording.parities[of].contains(&parity))
    };
    assert!(
        [0, 2, 4, 8, 16, 24]
            .into_iter()
            .all(|parity| used(0, parity))
    );
    assert!([0, 2, 4, 8, 16].into_iter().all(|parity| used(1, parity)));
    let mut damager = Damager::new(&recordings, 1);
    let (mut kept, mut seen) = (Vec::new(), std::collections::HashSet::new());
    let mut frames = [0; 5];
    for index in 0..150 {
        let input = damager.input(&kept);
        let outcome = Replay::new(&recordings, &input).run(1 + index % 64);
        let of = recordings[input.base].name;
        assert_eq!(outcome.wrong, None, "input {index}, {of}");
        assert!(
            outcome.wrong_audio <= 1,
            "input {index}: audio that nobody sent"
        );
        for (sum, more) in frames.iter_mut().zip(outcome.frames) {
            *sum += more;
        }
        if seen.insert(outcome.features) {
            kept.push(input);
        }
    }
    let [good, bad, joined, repaired, _] = frames;
    assert!(
        good > 1000 && bad > 100 && joined > 20 && repaired > 50,
        "{frames:?}"
    );
}

#[test]
fn a_call_over_a_line_that_does_its_worst_gets_nothing_that_was_not_sent() {
    let (mut right, mut blocks, mut joined) = (0, 0, 0);
    for seed in 0..8 {
        let mut attack = Attack::new(&[], seed);
        for _ in 0..10_000 {
            attack.step();
            assert_eq!(attack.wrong, None, "seed {seed}");
        }
        assert!(
            attack.wrong_audio <= 1,
            "seed {seed}: audio that nobody sent"
        );
        right += attack.right;
        blocks += attack.blocks;
        joined += attack.frames()[2];
    }
    let enough = right > 1000 && blocks > 100 && joined > 20;
    assert!(enough, "{right} right, {blocks} damaged, {joined} joined");
}
