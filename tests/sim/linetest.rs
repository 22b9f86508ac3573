//! The line test against lines whose faults are known: what it measures is what was set.

use std::time::Duration;

use copperlink::linetest::{Event, Pattern, Polarity, Stats, Tester, TesterConfig};
use copperlink::proto::time::Instant;
use copperlink::sim::{Bursts, LineModel, LineModelConfig, LineModelStats, Noise};

use super::common::{rate, seconds};

const RATE: u32 = 115_200;

struct Measured {
    stats: Stats,
    line: LineModelStats,
}

/// Both ends of a line, each with a tester of its own; what the second end heard, and what the line did.
fn test(pattern: Pattern, noise: Noise, lasts: f64) -> Measured {
    let config = TesterConfig {
        rate: rate(RATE),
        send: (pattern, pattern.polarity()),
        expect: None,
        inject_every: None,
    };
    let mut line = LineModel::new(
        LineModelConfig::clean(rate(RATE))
            .with_noise(noise)
            .with_delay(Duration::from_millis(15))
            .with_chunk(8)
            .with_seed(7),
    );
    let (mut sender, mut receiver) = (
        Tester::new(config, Instant::ZERO),
        Tester::new(config, Instant::ZERO),
    );
    let (mut now, mut bytes) = (Instant::ZERO, Vec::new());
    while now < seconds(lasts) {
        bytes.clear();
        sender.poll_transmit(now, line.room(now), &mut bytes);
        assert_eq!(line.handle_bytes(now, &bytes), bytes.len());
        bytes.clear();
        line.poll_bytes(now, &mut bytes);
        receiver.handle_bytes(now, &bytes);
        let next = [sender.poll_timeout(), receiver.poll_timeout()];
        now = next
            .into_iter()
            .flatten()
            .chain([now + STEP])
            .min()
            .unwrap()
            .max(now + LEAST);
    }
    Measured {
        stats: receiver.settled(),
        line: line.stats(),
    }
}

const STEP: Duration = Duration::from_millis(5);
const LEAST: Duration = Duration::from_millis(1);

#[test]
fn the_measured_rate_of_errors_is_the_set_one() {
    println!("\n     set  measured      bits  errors  ES   SES  bursts");
    for (set, lasts) in [(1e-5, 120.0), (1e-4, 60.0), (1e-3, 30.0), (1e-2, 20.0)] {
        let Measured { stats, line } = test(Pattern::P15, Noise::bit_errors(set), lasts);
        let got = stats.bit_error_rate().unwrap();
        println!(
            "{set:8.0e}  {got:8.2e}  {:8}  {:6}  {:3}  {:3}  {:.2}",
            stats.bits,
            stats.errors,
            stats.seconds.errored,
            stats.seconds.severely_errored,
            stats.intervals.burstiness().unwrap_or(0.0)
        );
        // Of what the line did: the draw itself is another matter.
        let did = line.bits_flipped as f64 / (line.delivered * 8) as f64;
        assert!(
            (got / did - 1.0).abs() < 0.03,
            "{set}: {got}, the line did {did}"
        );
        assert!((got / set - 1.0).abs() < 0.10, "{set}: {got}");
        assert_eq!((stats.slips, stats.synchronisation_losses), (0, 0), "{set}");
        assert!(stats.intervals.burstiness().is_some_and(|b| b < 1.3));
    }
}

#[test]
fn bursts_are_measured_as_such() {
    let noise = Noise {
        bursts: Some(Bursts {
            mean_burst: Duration::from_millis(20),
            mean_gap: Duration::from_secs(2),
            bit_error_rate: 0.3,
        }),
        ..Noise::NONE
    };
    let Measured { stats, line } = test(Pattern::P15, noise, 300.0);
    let got = stats.bit_error_rate().unwrap();
    let did = line.bits_flipped as f64 / (line.delivered * 8) as f64;
    println!(
        "\nbursts: the line did {did:.2e}, measured {got:.2e} in {} groups, burstiness {:.0}, {} of {} s errored, slips {}, lost {}",
        stats.intervals.groups,
        stats.intervals.burstiness().unwrap(),
        stats.seconds.errored,
        stats.seconds.seconds,
        stats.slips,
        stats.synchronisation_losses,
    );
    assert!((got / did - 1.0).abs() < 0.10, "{got} {did}");
    assert!(stats.intervals.burstiness().unwrap() > 20.0);
    assert_eq!((stats.slips, stats.synchronisation_losses), (0, 0));
    // One burst every two seconds or so.
    assert!((100..200).contains(&stats.intervals.groups), "{stats:?}");
}

#[test]
fn slips_are_counted_and_are_no_errors() {
    let noise = Noise {
        lost_byte_rate: 2e-5,
        inserted_byte_rate: 2e-5,
        ..Noise::NONE
    };
    for pattern in [Pattern::P2047, Pattern::P23] {
        let Measured { stats, line } = test(pattern, noise, 120.0);
        println!(
            "\nslips ({pattern}): the line lost {} bytes and added {}; measured {} slips, {} lost, {} too many, {} wrong bits",
            line.bytes_lost,
            line.bytes_inserted,
            stats.slips,
            stats.slipped_bytes_lost,
            stats.slipped_bytes_extra,
            stats.errors,
        );
        let did = line.bytes_lost + line.bytes_inserted;
        assert!(did > 30, "{line:?}");
        // Two within eight bytes are one.
        assert!((did - 2..=did).contains(&stats.slips), "{did} {stats:?}");
        assert_eq!(stats.errors, 0);
        assert_eq!(stats.synchronisation_losses, 0);
    }
}

#[test]
fn slips_amid_noise_do_not_spoil_the_rate_of_errors() {
    let noise = Noise {
        bit_error_rate: 1e-3,
        lost_byte_rate: 1e-4,
        ..Noise::NONE
    };
    let Measured { stats, line } = test(Pattern::P2047, noise, 60.0);
    let got = stats.bit_error_rate().unwrap();
    println!(
        "\nslips amid noise: set 1e-3, measured {got:.2e}; the line lost {} bytes, {} slips",
        line.bytes_lost, stats.slips
    );
    assert!((got / 1e-3 - 1.0).abs() < 0.10, "{got}");
    assert!(stats.slips * 10 >= line.bytes_lost * 9, "{stats:?}");
}

#[test]
fn a_cut_is_silence_and_unavailable_when_it_lasts() {
    for (lasts, unavailable) in [(8, 0), (14, 14)] {
        let config = TesterConfig {
            rate: rate(RATE),
            send: (Pattern::P15, Polarity::Inverted),
            expect: Some(Pattern::P15),
            inject_every: None,
        };
        let mut line = LineModel::new(LineModelConfig::clean(rate(RATE)));
        let mut tester = Tester::new(config, Instant::ZERO);
        let (mut now, mut bytes, mut said) = (Instant::ZERO, Vec::new(), Vec::new());
        while now < seconds(60.5) {
            let second = now.as_micros() / 1_000_000;
            line.set_cut(now, (10..10 + lasts).contains(&second));
            bytes.clear();
            tester.poll_transmit(now, line.room(now), &mut bytes);
            line.handle_bytes(now, &bytes);
            bytes.clear();
            line.poll_bytes(now, &mut bytes);
            tester.handle_bytes(now, &bytes);
            said.extend(std::iter::from_fn(|| tester.poll_event()));
            now += STEP;
        }
        let stats = tester.settled();
        assert!(said.contains(&Event::SignalLost) && said.contains(&Event::SignalBack));
        let seconds = &stats.seconds;
        println!("\ncut of {lasts} s: {seconds:?}");
        // The edges fall into seconds that are half good.
        assert!(stats.silent_seconds.abs_diff(lasts) <= 1, "{stats:?}");
        assert!(
            seconds.unavailable.abs_diff(unavailable) <= 1,
            "{seconds:?}"
        );
        assert!(seconds.is_available);
        assert_eq!(stats.errors, 0);
        assert_eq!(stats.slips, 0, "what a cut took is no slip");
    }
}
