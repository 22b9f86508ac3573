use super::*;
use crate::linetest::g821::{Evaluator, Second};
use crate::linetest::pattern::{Pattern, Polarity};
use crate::linetest::{Tester, TesterConfig};
use crate::proto::time::Instant;

fn rate(bits_per_second: u32) -> BitRate {
    BitRate::new(bits_per_second).unwrap()
}

/// A test of ten minutes at 38400 bit/s with so many errors.
fn stats(errors: u64) -> Stats {
    let config = TesterConfig {
        rate: rate(38_400),
        send: (Pattern::P2047, Polarity::Normal),
        expect: None,
        inject_every: None,
    };
    let mut stats = Tester::new(config, Instant::ZERO).settled();
    let mut evaluator = Evaluator::new();
    (0..600).for_each(|_| evaluator.push(Second::default()));
    stats.seconds = evaluator.counts();
    stats.bytes_received = 600 * 3840;
    stats.pattern = Some(Pattern::P2047);
    stats.bits = 600 * 30_720;
    stats.errors = errors;
    stats
}

fn verdict(change: impl FnOnce(&mut Stats)) -> Verdict {
    let mut stats = stats(0);
    change(&mut stats);
    Verdict::new(&stats, rate(38_400))
}

#[test]
fn limits_of_the_bit_error_rate_come_in_pairs() {
    let bits = stats(0).bits as f64;
    for (limit, below, above) in [
        (SUFFERS, Grade::Good, Grade::Usable),
        (NO_CALL, Grade::Usable, Grade::Bad),
    ] {
        let at = |share: f64| verdict(|stats| stats.errors = (bits * share) as u64).grade;
        assert_eq!(at(limit * 0.999), below);
        assert_eq!(at(limit * 1.001), above);
    }
}

#[test]
fn a_line_without_a_signal_and_one_without_a_pattern_are_told_apart() {
    let silent = verdict(|stats| (stats.bits, stats.bytes_received) = (0, 0));
    assert_eq!((silent.grade, &silent.carries), (Grade::Bad, &None));
    assert!(silent.reasons[0].contains("nothing came"), "{silent:?}");
    let other = verdict(|stats| (stats.bits, stats.pattern) = (0, None));
    assert!(other.reasons[0].contains("no test pattern"), "{other:?}");
    let another = verdict(|stats| {
        (stats.bits, stats.pattern, stats.other_pattern) = (0, None, Some(Pattern::Qrss));
    });
    assert!(
        another.reasons[0].contains("pattern qrss comes"),
        "{another:?}"
    );
}

#[test]
fn slips_now_and_then_are_a_remark_and_more_are_not() {
    let at = |slips| verdict(|stats| (stats.slips, stats.slipped_bytes_lost) = (slips, slips));
    assert_eq!(at(59).grade, Grade::Good);
    assert!(at(59).remarks[0].contains("slipped 59 times (59 bytes lost, 0 too many)"));
    assert_eq!(at(60).grade, Grade::Usable);
    assert_eq!(at(5999).grade, Grade::Usable);
    assert_eq!(at(6000).grade, Grade::Bad);
}

#[test]
fn a_line_that_was_away_for_a_tenth_of_the_time_is_bad() {
    let at = |seconds| verdict(|stats| stats.seconds.unavailable = seconds).grade;
    assert_eq!(at(59), Grade::Usable);
    assert_eq!(at(60), Grade::Bad);
    assert_eq!(
        verdict(|stats| stats.silent_seconds = 59).grade,
        Grade::Usable
    );
    assert_eq!(verdict(|stats| stats.silent_seconds = 60).grade, Grade::Bad);
}

#[test]
fn what_did_not_happen_is_not_told() {
    let silent = verdict(|stats| stats.silent_seconds = 2);
    assert_eq!(
        silent.reasons,
        ["it was silent for 2 s; a call stands still so long"]
    );
    let both = verdict(|stats| (stats.silent_seconds, stats.synchronisation_losses) = (2, 1));
    assert!(
        both.reasons[0].contains("for 2 s, and the pattern was lost once;"),
        "{both:?}"
    );
}

#[test]
fn a_short_test_says_how_little_it_knows() {
    let short = verdict(|stats| stats.bits = 10_000);
    assert!(short.remarks[0].contains("one bit in 3300"), "{short:?}");
    assert_eq!(verdict(|_| {}).remarks, Vec::<String>::new());
}

#[test]
fn voices_take_the_share_that_was_measured() {
    // Lines and shares of the README's table.
    for (bits_per_second, codec, millis, percent) in [
        (2400, "Codec2 at 1200 bit/s", 160, 78),
        (4800, "Codec2 at 1200 bit/s", 80, 47),
        (9600, "Codec2 at 1200 bit/s", 40, 31),
        (9600, "G.723.1 at 5.3 kbit/s", 60, 80),
        (19_200, "G.723.1 at 5.3 kbit/s", 30, 45),
        (19_200, "G.729", 20, 68),
        (33_600, "G.729", 20, 39),
        (33_600, "Opus at 6 kbit/s", 20, 31),
    ] {
        let carries = Verdict::new(&stats(0), rate(bits_per_second))
            .carries
            .unwrap();
        let voice = carries
            .voices
            .iter()
            .find(|voice| (voice.codec, voice.packet_ms) == (codec, millis))
            .unwrap_or_else(|| panic!("{codec} at {bits_per_second}"));
        assert_eq!((voice.share * 100.0).round() as u32, percent, "{codec}");
    }
    let slow = Verdict::new(&stats(0), rate(9600)).carries.unwrap();
    assert!(!slow.voices.iter().any(|voice| voice.codec == "G.729"));
    let beside = slow
        .voices
        .iter()
        .find(|voice| voice.payload_bytes == 6)
        .unwrap();
    assert_eq!(beside.video_bps, 4500);
}

#[test]
fn noise_leaves_less_of_the_same_line() {
    let at = |errors| Verdict::new(&stats(errors), rate(19_200)).carries.unwrap();
    let (clean, noisy) = (at(0), at(18_432 * 2));
    assert!(clean.usable > 0.99 && noisy.usable < 0.9, "{noisy:?}");
    let best = |fit: &Fit| fit.voices[0].clone();
    assert_eq!(best(&clean).codec, "G.729");
    assert!(best(&noisy).video_bps < best(&clean).video_bps);
    assert!(noisy.voices.len() <= clean.voices.len());
}
