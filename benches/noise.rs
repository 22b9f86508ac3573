//! What the link makes of noise, in virtual time: the share of a noisy line that carries data, what
//! a call loses, how soon the link follows changing weather, and what that costs. Each figure stands
//! beside its goal (design, section 10) or the limit of the channel. Exact and repeatable but for
//! machine time.
//!
//! `cargo bench --bench noise -- NAME…`, where a name is that of a table: bulk, bursts, slips,
//! rates, call, weather, cpu; or `day [HOURS]`, a call of 24 hours or as many. Without a name all
//! tables but `day`.

#[path = "noise/cpu.rs"]
mod cpu;

use std::env;
use std::time::{Duration, Instant as Machine};

use copperlink::proto::stats::OutgoingStats;
use copperlink::proto::time::{BitRate, Instant};
use copperlink::sim::measure::{BulkRun, CallFigures, CallRun, Setup, Weather, limit};
use copperlink::sim::{Bursts, Noise, Side};

/// A table, and the name that asks for it.
type Table = (&'static str, fn());

const TABLES: [Table; 7] = [
    ("bulk", bulk),
    ("bursts", bursts),
    ("slips", slips),
    ("rates", rates),
    ("call", call),
    ("weather", weather),
    ("cpu", cpu::table),
];

/// Bit error rates, and the goal for the share of the line in percent (row 4) where there is one.
const RATES: [(f64, Option<f64>); 6] = [
    (0.0, Some(99.3)),
    (1e-5, Some(95.0)),
    (1e-4, Some(92.0)),
    (3e-4, Some(90.0)),
    (1e-3, Some(86.0)),
    (3e-3, None),
];
/// How much of the line the call takes when there is no noise.
const LOAD: f64 = 0.85;

fn main() {
    // Cargo adds words of its own, all with dashes.
    let words: Vec<String> = env::args()
        .skip(1)
        .filter(|w| !w.starts_with('-'))
        .collect();
    for (name, table) in TABLES {
        if words.is_empty() || words.iter().any(|word| word == name) {
            let started = Machine::now();
            table();
            println!("  [{name}: {:.1?} of machine time]\n", started.elapsed());
        }
    }
    if let Some(place) = words.iter().position(|word| word == "day") {
        let hours = words.get(place + 1).and_then(|hours| hours.parse().ok());
        day(hours.unwrap_or(24.0));
    }
}

fn bulk() {
    println!(
        "goodput / line of control in bulk, 1200 bytes, one way, 38400 bit/s, from a cold start"
    );
    bulk_head();
    for (ber, goal) in RATES {
        bulk_row(
            &format!("BER {ber:.0e}"),
            38_400,
            Noise::bit_errors(ber),
            goal,
            80,
            5,
        );
    }
}

fn rates() {
    println!("the same on other lines");
    bulk_head();
    for bits in [9600, 115_200] {
        for (ber, goal) in RATES {
            let name = format!("{bits}, BER {ber:.0e}");
            bulk_row(&name, bits, Noise::bit_errors(ber), goal, 80, 2);
        }
    }
}

fn bursts() {
    println!("the same in bursts of BER 0.3, clean between, 38400 bit/s");
    bulk_head();
    // Long enough for some fifty bursts.
    for (gap, until, seeds) in [(2, 100, 3), (10, 500, 2), (60, 3000, 1)] {
        for burst in [5, 20, 50] {
            let noise = Noise {
                bursts: Some(Bursts {
                    mean_burst: Duration::from_millis(burst),
                    mean_gap: Duration::from_secs(gap),
                    bit_error_rate: 0.3,
                }),
                ..Noise::NONE
            };
            let name = format!("{burst} ms every {gap} s");
            bulk_row(&name, 38_400, noise, None, until, seeds);
        }
    }
}

fn slips() {
    println!("the same with bytes lost and as many out of nowhere, 38400 bit/s");
    bulk_head();
    for rate in [1e-5, 1e-4] {
        let noise = Noise {
            lost_byte_rate: rate,
            inserted_byte_rate: rate,
            ..Noise::NONE
        };
        bulk_row(
            &format!("{rate:.0e} of the bytes"),
            38_400,
            noise,
            None,
            80,
            5,
        );
    }
}

fn bulk_head() {
    println!(
        "  {:<24} {:>8} {:>8} {:>7} {:>9} {:>9} {:>9}   at the end",
        "noise", "0..20 s", "20..end", "goal", "worst", "limit", "of limit"
    );
}

/// Means over the seeds; `worst` is the worst seed of the steady part.
fn bulk_row(name: &str, bits: u32, noise: Noise, goal: Option<f64>, until: u64, seeds: u64) {
    let (mut cold, mut steady, mut worst, mut wrong) = (0.0, 0.0, 1.0f64, 0);
    let mut frames = OutgoingStats::default();
    for seed in 1..=seeds {
        let mut run = BulkRun::new(&setup(bits, noise, seed), &[Side::A]).expect("valid");
        run.run_until(seconds(until));
        cold += run.share_from_start(Side::A, seconds(20)) / seeds as f64;
        let share = run.share(Side::A, seconds(20), seconds(until));
        steady += share / seeds as f64;
        worst = worst.min(share);
        let tally = run.tally(Side::A).expect("a stream");
        wrong += tally.wrong + tally.lost;
        frames = run.line_stats(Side::A).expect("runs").outgoing;
    }
    let limit = limit(&noise);
    println!(
        "  {name:<24} {:>8.2} {:>8.2} {:>7} {:>9.2} {:>9.2} {:>8.1} %   {}{}",
        cold * 100.0,
        steady * 100.0,
        goal.map_or("-".to_owned(), |goal| format!(">= {goal}")),
        worst * 100.0,
        limit * 100.0,
        steady / limit * 100.0,
        chosen(&frames),
        if wrong > 0 {
            format!("   WRONG OR LOST: {wrong}")
        } else {
            String::new()
        },
    );
}

fn chosen(frames: &OutgoingStats) -> String {
    format!(
        "frame {} parity {} express {}",
        frames.frame_bytes, frames.parity, frames.express_parity
    )
}

fn call() {
    println!(
        "a call both ways, {:.0} % of 38400 bit/s without noise, 2 minutes, 4 seeds",
        LOAD * 100.0
    );
    println!(
        "  {:<10} {:>11} {:>9} {:>12} {:>9} {:>9} {:>9} {:>7} {:>8}   goals",
        "noise",
        "audio lost",
        "in time",
        "whole video",
        "ctl lost",
        "of",
        "wrong",
        "load",
        "worst s"
    );
    for (ber, goal) in [
        (0.0, ""),
        (1e-5, ""),
        (1e-4, ""),
        (3e-4, "audio <= 0.5 %, video >= 99 %, 0, 0"),
        (1e-3, "audio <= 1 %, video >= 98 %, 0, 0"),
        (3e-3, ""),
    ] {
        let (mut all, mut wrong, mut load, mut worst) = (CallFigures::default(), 0, 0.0, 0.0f64);
        let seeds = 4;
        for seed in 1..=seeds {
            let setup = setup(38_400, Noise::bit_errors(ber), seed);
            let mut run = CallRun::new(&setup, LOAD, seconds(121)).expect("valid");
            load += loaded(&mut run) / seeds as f64;
            run.run_until(seconds(140));
            run.finish();
            all += &run.total();
            wrong += run.wrong();
            let losses = run.seconds().iter().map(CallFigures::audio_loss);
            worst = losses.fold(worst, f64::max);
        }
        println!(
            "  {:<10} {:>9.2} % {:>7.2} % {:>10.2} % {:>9} {:>9} {:>9} {:>5.1} % {:>6.0} %   {goal}",
            format!("BER {ber:.0e}"),
            all.audio_loss() * 100.0,
            all.video_in_time() * 100.0,
            all.video_whole() * 100.0,
            all.control_lost,
            all.control,
            wrong,
            load * 100.0,
            worst * 100.0,
        );
    }
    println!("  what such pictures allow without noise, as parity and repeats fill the line");
    for load in [0.9, 0.95, 1.0] {
        let setup = setup(38_400, Noise::NONE, 1);
        let mut run = CallRun::new(&setup, load, seconds(121)).expect("valid");
        run.run_until(seconds(140));
        run.finish();
        let total = run.total();
        println!(
            "  load {:<5.0} {:>9.2} % {:>7.2} %",
            load * 100.0,
            total.audio_loss() * 100.0,
            total.video_in_time() * 100.0,
        );
    }
    println!("  frames over time, bytes + parity / parity of express frames, every 5 s, one seed");
    for (ber, _) in RATES {
        let setup = setup(38_400, Noise::bit_errors(ber), 1);
        let mut run = CallRun::new(&setup, LOAD, seconds(61)).expect("valid");
        print!("  BER {ber:<6.0e}");
        for second in (5..=60).step_by(5) {
            run.run_until(seconds(second));
            print!(" {:>10}", frames(&run));
        }
        println!();
    }
}

/// How the frames of a call are made now.
fn frames(run: &CallRun) -> String {
    let frames = run.line_stats(Side::A).expect("runs").outgoing;
    let OutgoingStats {
        frame_bytes,
        parity,
        express_parity,
        ..
    } = frames;
    format!("{frame_bytes}+{parity}/{express_parity}")
}

/// Runs a call of two minutes and says what share of the line both directions used, from 20 s on.
fn loaded(run: &mut CallRun) -> f64 {
    let mut sent = |until| {
        run.run_until(seconds(until));
        let bytes = |side| run.line_stats(side).expect("runs").bytes_sent;
        bytes(Side::A) + bytes(Side::B)
    };
    let (before, after) = (sent(20), sent(120));
    (after - before) as f64 / 2.0 / 100.0 / 3840.0
}

fn weather() {
    let phases = [Noise::NONE, Noise::bit_errors(1e-3), Noise::NONE];
    let weather = Weather {
        phases: &phases,
        seconds: 30,
    };
    let seeds = 8;
    println!(
        "weather that changes: clean 30 s, BER 1e-3 30 s, clean 30 s; 38400 bit/s, {seeds} seeds"
    );
    let mut bulk = vec![0.0; 90];
    let mut call = vec![CallFigures::default(); 90];
    let mut wrong = 0;
    for seed in 1..=seeds {
        let setup = setup(38_400, Noise::NONE, seed);
        let shares = weather.bulk(&setup).expect("valid");
        bulk.iter_mut()
            .zip(shares)
            .for_each(|(sum, share)| *sum += share / seeds as f64);
        let (figures, damaged) = weather.call(&setup, LOAD).expect("valid");
        call.iter_mut()
            .zip(&figures)
            .for_each(|(sum, figures)| *sum += figures);
        wrong += damaged;
    }
    let audio: Vec<f64> = call
        .iter()
        .map(|second| 1.0 - second.audio_loss())
        .collect();
    let video: Vec<f64> = call.iter().map(CallFigures::video_in_time).collect();
    println!("  seconds until near the steady value (goal: a second or two)");
    println!("  {:<16} {:>10} {:>10}", "", "to noise", "to clean");
    for (name, curve, near) in [
        ("bulk: 90 %", &bulk, 0.9),
        ("audio: 98 %", &audio, 0.98),
        ("video: 95 %", &video, 0.95),
    ] {
        let settled = weather.settled(curve, near);
        println!("  {name:<16} {:>10} {:>10}", settled[0], settled[1]);
    }
    println!("  what the call lost (wrong: {wrong}, goal 0)");
    println!(
        "  {:<16} {:>16} {:>10} {:>18} {:>10} {:>12} {:>12}",
        "seconds", "audio", "", "pictures not in time", "", "control lost", "bulk"
    );
    for (from, to) in [
        (2, 30),
        (30, 32),
        (32, 35),
        (35, 60),
        (60, 62),
        (62, 65),
        (65, 90),
    ] {
        let part: CallFigures = call[from..to].iter().sum();
        let late = part.pictures - part.pictures_in_time;
        println!(
            "  {:<16} {:>16} {:>8.2} % {:>18} {:>8.2} % {:>12} {:>10.2} %",
            format!("{from}..{to}"),
            format!("{} of {}", part.audio_lost, part.audio),
            part.audio_loss() * 100.0,
            format!("{late} of {}", part.pictures),
            (1.0 - part.video_in_time()) * 100.0,
            part.control_lost,
            bulk[from..to].iter().sum::<f64>() / (to - from) as f64 * 100.0,
        );
    }
    println!("  frames of the call, bytes + parity / parity of express frames, one seed");
    let mut run = CallRun::new(&setup(38_400, Noise::NONE, 1), LOAD, seconds(90)).expect("valid");
    for (second, noise) in [(0, phases[0]), (30, phases[1]), (60, phases[2])] {
        run.run_until(seconds(second));
        run.set_noise(noise);
        print!("  ");
        for after in [0, 1, 2, 3, 4, 6, 8, 10, 15, 20, 29] {
            run.run_until(seconds(second + after));
            print!(" {:>2}: {:<10}", second + after, frames(&run));
        }
        println!();
    }
}

fn day(hours: f64) {
    println!(
        "{hours} hours of call both ways at 38400 bit/s, {:.0} % load",
        LOAD * 100.0
    );
    for ber in [1e-4, 1e-3] {
        let started = Machine::now();
        let until = Instant::ZERO + Duration::from_secs_f64(3600.0 * hours);
        let setup = setup(38_400, Noise::bit_errors(ber), 1);
        let mut run = CallRun::new(&setup, LOAD, until).expect("valid");
        run.run_until(until + Duration::from_secs(20));
        run.finish();
        let total = run.total();
        println!(
            "  BER {ber:.0e}: wrong {} (goal 0), control lost {} of {} (goal 0), audio lost {:.3} %, pictures in time {:.3} %, whole {:.3} %; {:.1?} of machine time (goal {:.0} s)",
            run.wrong(),
            total.control_lost,
            total.control,
            total.audio_loss() * 100.0,
            total.video_in_time() * 100.0,
            total.video_whole() * 100.0,
            started.elapsed(),
            10.0 * hours,
        );
    }
}

fn setup(bits: u32, noise: Noise, seed: u64) -> Setup {
    let rate = BitRate::new(bits).expect("a rate that is accepted");
    Setup { rate, noise, seed }
}

fn seconds(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}
