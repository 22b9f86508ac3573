//! Hostile input for the receiving side, as much as one wants: real streams, damaged in every way, to
//! ends that must not fall over, deliver nothing that was not sent, and take neither memory nor time
//! beyond bounds. Inputs that do something new are kept, and damaged further.
//!
//! `cargo bench --bench hostile -- [INPUTS | SECONDS s] [seed SEED]`, for instance `-- 1000000` or
//! `-- 600 s seed 7`; 20 s without. Ends with exit code 1 at the first input that does harm, made as
//! small as possible.

#[path = "../tests/shared/hostile/mod.rs"]
mod hostile;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant as Machine};
use std::{env, fs};

use hostile::replay::Outcome;
use hostile::{Attack, Damager, Input, Recording, Replay, recordings};

/// Inputs that are kept.
const KEPT: usize = 500;
/// The process may grow by so much beyond what it has when a tenth of the run is over, KiB.
const MOST_GROWTH: u64 = 16 << 10;
const LONGEST_KEPT: usize = 16 << 10;
const ATTACK_SECONDS: u64 = 30;
/// Shorter inputs say nothing about time by the byte.
const LONG: usize = 500;

fn main() -> ExitCode {
    let words: Vec<String> = env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let has = |name: &str| words.iter().any(|word| word == name);
    let first = numbers.first().copied();
    let (inputs, seconds) = match (first, has("s")) {
        (None, _) => (u64::MAX, 20),
        (Some(inputs), false) => (inputs, u64::MAX),
        (Some(seconds), true) => (u64::MAX, seconds),
    };
    let seed = numbers.get(1).copied().unwrap_or(1);
    let recordings = recordings();
    for recording in &recordings {
        let lists = recording.parities.each_ref().map(|parities| {
            let mut list: Vec<_> = parities.iter().copied().collect();
            list.sort_unstable();
            list
        });
        println!(
            "{:>14}: {:6} bytes, parities {:?}, of express frames {:?}",
            recording.name,
            recording.left.bytes.len(),
            lists[0],
            lists[1]
        );
    }
    let mut run = Run::new(&recordings, seed);
    let begin = Machine::now();
    let mut told = Machine::now();
    while run.replays.inputs < inputs && begin.elapsed().as_secs() < seconds {
        // Half of the time each.
        let fine = if run.attacks.machine < run.replays.machine {
            run.attack()
        } else {
            run.replay()
        };
        if !fine {
            run.tell(begin.elapsed());
            return ExitCode::FAILURE;
        }
        let parts = 10 * begin.elapsed().as_secs() / seconds.max(1);
        if run.early_memory == 0 && (parts > 0 || run.replays.inputs > inputs / 10) {
            run.early_memory = resident();
        }
        if told.elapsed() > Duration::from_secs(60) {
            told = Machine::now();
            run.tell(begin.elapsed());
        }
    }
    run.tell(begin.elapsed());
    let grown = resident().saturating_sub(run.early_memory);
    if run.early_memory > 0 && grown > MOST_GROWTH {
        println!("the process grew by {grown} KiB");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

struct Run<'a> {
    recordings: &'a [Recording],
    damager: Damager<'a>,
    seed: u64,
    kept: Vec<Input>,
    features: HashSet<u64>,
    replays: Sums,
    attacks: Sums,
    /// Seconds of call in attacks.
    seconds: u64,
    wrong_header: u64,
    /// Microseconds a byte of the worst input, and the longest time for one piece.
    worst: f64,
    longest: Duration,
    early_memory: u64,
}

/// What one way of testing came to.
#[derive(Default)]
struct Sums {
    /// Inputs; of attacks, blocks that were damaged.
    inputs: u64,
    bytes: u64,
    right: u64,
    wrong_audio: u64,
    frames: [u64; 5],
    machine: Duration,
}

impl<'a> Run<'a> {
    fn new(recordings: &'a [Recording], seed: u64) -> Self {
        Self {
            recordings,
            damager: Damager::new(recordings, seed),
            seed: seed << 32,
            kept: Vec::new(),
            features: HashSet::new(),
            replays: Sums::default(),
            attacks: Sums::default(),
            seconds: 0,
            wrong_header: 0,
            worst: 0.0,
            longest: Duration::ZERO,
            early_memory: 0,
        }
    }

    /// One call under attack; false when it comes to harm.
    fn attack(&mut self) -> bool {
        let begin = Machine::now();
        self.seed += 1;
        let seed = self.seed;
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let mut attack = Attack::new(self.recordings, seed);
            let mut bytes = 0;
            for _ in 0..ATTACK_SECONDS * 1000 {
                bytes += attack.step();
                if attack.wrong.is_some() {
                    break;
                }
            }
            (bytes, attack)
        }));
        let Ok((bytes, attack)) = ran else {
            println!("panic in the attack with seed {seed}");
            return false;
        };
        let sums = &mut self.attacks;
        sums.machine += begin.elapsed();
        sums.bytes += bytes as u64;
        sums.add(
            attack.blocks,
            attack.right,
            attack.wrong_audio,
            attack.frames(),
        );
        self.seconds += ATTACK_SECONDS;
        if let Some(words) = &attack.wrong {
            println!("in the attack with seed {seed}: {words}");
        }
        attack.wrong.is_none()
    }

    /// One more input; false when it does harm.
    fn replay(&mut self) -> bool {
        let begin = Machine::now();
        let input = self.damager.input(&self.kept);
        let piece = 1 + self.damager.rng.below(64) as usize;
        let ran = catch_unwind(AssertUnwindSafe(|| self.run(&input, piece)));
        self.replays.machine += begin.elapsed();
        let Ok(outcome) = ran else {
            println!("panic");
            self.minimise(input);
            return false;
        };
        let sums = &mut self.replays;
        sums.bytes += input.bytes.len() as u64;
        sums.add(1, outcome.right, outcome.wrong_audio, outcome.frames);
        self.wrong_header += outcome.wrong_header;
        if let Some(words) = outcome.wrong {
            println!("{words}");
            self.minimise(input);
            return false;
        }
        if input.bytes.len() < LONGEST_KEPT && self.features.insert(outcome.features) {
            if self.kept.len() < KEPT {
                self.kept.push(input);
            } else {
                let place = self.damager.rng.below(KEPT as u64) as usize;
                self.kept[place] = input;
            }
        }
        true
    }

    /// Runs an input with an eye on the clock. What seems to be the slowest so far runs three times:
    /// the machine has other things to do.
    fn run(&mut self, input: &Input, piece: usize) -> Outcome {
        let (outcome, mut by_byte, mut longest) = self.run_once(input, piece);
        for _ in 0..2 {
            if by_byte > self.worst || longest > self.longest {
                let (_, again, longest_again) = self.run_once(input, piece);
                by_byte = by_byte.min(again);
                longest = longest.min(longest_again);
            }
        }
        self.worst = self.worst.max(by_byte);
        self.longest = self.longest.max(longest);
        outcome
    }

    /// The outcome, microseconds a byte, and the longest time for a piece.
    fn run_once(&self, input: &Input, piece: usize) -> (Outcome, f64, Duration) {
        let mut replay = Replay::new(self.recordings, input);
        let (mut spent, mut longest) = (Duration::ZERO, Duration::ZERO);
        while let Some(len) = replay.wait(piece) {
            let begin = Machine::now();
            replay.feed(len);
            let took = begin.elapsed();
            spent += took;
            longest = longest.max(took);
            replay.judge();
        }
        let bytes = input.bytes.len().max(LONG);
        let by_byte = spent.as_secs_f64() * 1e6 / bytes as f64;
        (replay.end(), by_byte, longest)
    }

    fn tell(&self, elapsed: Duration) {
        println!("after {:.0} s", elapsed.as_secs_f64());
        println!(
            "  {} inputs replayed, {} kinds of outcome; {} by a lost context",
            self.replays.inputs,
            self.features.len(),
            self.wrong_header,
        );
        self.replays.tell();
        println!(
            "  {:.1} hours of call attacked, {} blocks damaged",
            self.seconds as f64 / 3600.0,
            self.attacks.inputs
        );
        self.attacks.tell();
        println!(
            "  worst input {:.2} us a byte, longest piece {:.1?}; memory {} KiB, early {} KiB",
            self.worst,
            self.longest,
            resident(),
            self.early_memory
        );
    }

    /// Takes away what does not matter for the harm, and prints the rest.
    fn minimise(&self, input: Input) {
        std::panic::set_hook(Box::new(|_| {}));
        let harms = |input: &Input| {
            let ran = catch_unwind(AssertUnwindSafe(|| {
                Replay::new(self.recordings, input).run(16)
            }));
            ran.map_or(Some("panic".to_owned()), |outcome| outcome.wrong)
        };
        let mut least = input;
        let mut words = harms(&least);
        let mut block = least.bytes.len() / 2;
        while block > 0 && words.is_some() {
            let mut at = 0;
            while at + block <= least.bytes.len() {
                let mut less = least.clone();
                less.remove(at, at + block);
                if let Some(why) = harms(&less) {
                    (least, words) = (less, Some(why));
                } else {
                    at += block;
                }
            }
            block /= 2;
        }
        println!("{}", words.unwrap_or("only by the piece".to_owned()));
        println!("of the recording {:?}", self.recordings[least.base].name);
        println!("pauses {:?}", least.pauses);
        println!("bytes {:02x?}", least.bytes);
    }
}

impl Sums {
    fn add(&mut self, inputs: u64, right: u64, wrong_audio: u64, frames: [u64; 5]) {
        self.inputs += inputs;
        self.right += right;
        self.wrong_audio += wrong_audio;
        for (sum, more) in self.frames.iter_mut().zip(frames) {
            *sum += more;
        }
    }

    fn tell(&self) {
        let [good, bad, joined, repaired, slips] = self.frames;
        println!(
            "    {:.1} MB, {:.2} us of machine time a byte; {} datagrams right, {} of audio wrong",
            self.bytes as f64 / 1e6,
            self.machine.as_secs_f64() * 1e6 / self.bytes.max(1) as f64,
            self.right,
            self.wrong_audio
        );
        println!(
            "    frames: {good} good, {bad} bad, {joined} joined, {repaired} repaired, {slips} slips"
        );
    }
}

/// What the process has in memory, KiB; 0 where that is not told.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
