//! `copperlink test bert`: how many bits a line gets wrong.
//!
//! ```text
//!   waiting for a pattern --> counting --> sending on, so that the far end can finish --> the result
//! ```

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use copperlink::linetest::{Event, Pattern, Polarity, Stats, Tester, TesterConfig};
use copperlink::proto::time::{BitRate, Instant};
use copperlink::shell::line::raw::{RawLine, Transfer};
use copperlink::shell::{Clock, Device, Flow, LineSetup};

use super::super::block_on;
use super::super::line_args::parse_rate;
use super::{failure, open, parse_device};
use crate::outcome::{Failure, Verdict};
use crate::report;
use crate::report::bert::{self, BertReport, Facts};
use crate::report::live::Live;
use crate::stop::StopSignals;

/// Count the wrong bits of a line, and say what it will carry
///
/// Sends a bit pattern of O.150 and counts what is wrong in the one that comes. Run it at both ends at once; the far
/// end may also be another instrument, or a loop. It begins to count when a pattern comes.
#[derive(Debug, Args)]
pub(crate) struct Bert {
    /// The device: a serial port, or tcp://host:port
    #[arg(value_parser = parse_device)]
    device: Device,
    /// Speed of the port, bit/s
    #[arg(long, value_name = "BIT/S", value_parser = parse_rate)]
    baud: BitRate,
    /// What the line carries, bit/s, when that is less than the port's speed: the rate of the modems
    #[arg(long, value_name = "BIT/S", value_parser = parse_rate)]
    rate: Option<BitRate>,
    /// The pattern: 511, 2047, 2^15-1, 2^20-1, qrss or 2^23-1; auto sends 2047 and takes whatever comes
    #[arg(long, default_value = "auto", value_parser = parse_pattern)]
    pattern: Choice,
    /// How the pattern is sent; what comes may be either
    #[arg(long, value_name = "WAY", value_enum, default_value = "standard")]
    polarity: Way,
    /// How long to count, s [default: 60]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=604_800), conflicts_with = "bits")]
    seconds: Option<u64>,
    /// Count until so many bits were compared, for instance 1e7
    #[arg(long, value_parser = parse_bits)]
    bits: Option<u64>,
    /// How long to wait for a pattern, s
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,
    /// Flow control between this host and the terminal
    #[arg(long, value_enum, default_value = "none")]
    flow: FlowArg,
    /// Turn bits over in what is sent, so many of one: the far end must count them
    #[arg(long, value_name = "RATE", value_parser = parse_injection)]
    inject: Option<u64>,
    /// The line comes back in a loop: what is counted is the way there and back
    #[arg(long = "loop")]
    is_loop: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Write a report with pictures to this file (HTML)
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// `--pattern`.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Auto,
    Named(Pattern),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    /// As O.150 has it: 2^15-1 and 2^23-1 are turned over
    Standard,
    /// As the register gives it
    Normal,
    /// Turned over
    Inverted,
}

/// No XON/XOFF: the patterns have these bytes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FlowArg {
    /// None
    None,
    /// RTS/CTS
    Hardware,
}

impl Bert {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let report = block_on(async {
            let mut stop = StopSignals::listen()?;
            let mut line = open(&self.setup()).await?;
            let stats = Run::new(&self, &mut line).measure(&mut stop).await?;
            Ok(BertReport::new(self.facts(&line), stats))
        })?;
        if let Some(path) = &self.report {
            std::fs::write(path, bert::html::page(&report)).map_err(|error| {
                Failure::CannotRun(format!(
                    "the report {} cannot be written: {error}. Choose another file",
                    path.display()
                ))
            })?;
        }
        match self.json {
            true => report::print_json(&report)?,
            false => report::print(&report.text())?,
        }
        Ok(match report.is_bad() {
            true => Verdict::Failed,
            false => Verdict::Done,
        })
    }

    fn setup(&self) -> LineSetup {
        let flow = match self.flow {
            FlowArg::None => Flow::None,
            FlowArg::Hardware => Flow::Hardware,
        };
        LineSetup::new(self.device.clone(), self.baud.bits_per_second(), flow)
    }

    fn rate(&self) -> BitRate {
        self.rate.map_or(self.baud, |rate| rate.min(self.baud))
    }

    fn tester(&self) -> TesterConfig {
        let pattern = match self.pattern {
            Choice::Auto => Pattern::P2047,
            Choice::Named(pattern) => pattern,
        };
        let polarity = match self.polarity {
            Way::Standard => pattern.polarity(),
            Way::Normal => Polarity::Normal,
            Way::Inverted => Polarity::Inverted,
        };
        TesterConfig {
            rate: self.rate(),
            send: (pattern, polarity),
            expect: match self.pattern {
                Choice::Auto => None,
                Choice::Named(pattern) => Some(pattern),
            },
            inject_every: self.inject,
        }
    }

    fn facts(&self, line: &RawLine) -> Facts {
        let (sent, polarity) = self.tester().send;
        Facts {
            device: self.device.to_string(),
            baud: self.baud,
            rate: self.rate(),
            flow: self.setup().flow,
            is_loop: self.is_loop,
            sent_pattern: sent,
            sent_polarity: polarity,
            injected_one_in: self.inject,
            remarks: line.remarks().to_vec(),
        }
    }

    /// How long it takes, as far as that is known.
    fn whole(&self) -> Duration {
        let seconds = match (self.seconds, self.bits) {
            (Some(seconds), _) => seconds,
            (None, Some(bits)) => {
                let bits_per_second = u64::from(self.rate().bits_per_second()) * 8 / 10;
                bits / bits_per_second.max(1) + 1
            }
            (None, None) => DEFAULT_SECONDS,
        };
        Duration::from_secs(seconds)
    }

    /// Whether enough was counted.
    fn is_enough(&self, stats: &Stats) -> bool {
        match self.bits {
            Some(bits) => stats.bits >= bits,
            None => stats.seconds.seconds >= self.whole().as_secs(),
        }
    }

    /// A line that carries nothing must come to an end all the same.
    fn is_hopeless(&self, stats: &Stats) -> bool {
        self.bits.is_some() && stats.seconds.seconds > 4 * self.whole().as_secs() + 60
    }
}

/// A test that runs.
struct Run<'a> {
    bert: &'a Bert,
    line: &'a mut RawLine,
    tester: Tester,
    clock: Clock,
    live: Option<Live>,
    output: Vec<u8>,
    shown: u64,
}

/// What ended a wait.
enum Step {
    Go,
    Stopped,
}

impl<'a> Run<'a> {
    fn new(bert: &'a Bert, line: &'a mut RawLine) -> Self {
        let clock = Clock::start();
        Self {
            tester: Tester::new(bert.tester(), clock.now()),
            clock,
            // Results are for the end; a log of hours would bury them.
            live: report::is_drawing_possible().then(|| Live::new(bert.whole())),
            output: Vec::new(),
            shown: 0,
            bert,
            line,
        }
    }

    /// Until enough was counted, nothing came, or the operator has had enough.
    async fn measure(mut self, stop: &mut StopSignals) -> Result<Stats, Failure> {
        let give_up = Instant::ZERO + Duration::from_secs(self.bert.wait);
        self.show("waiting for a pattern from the far end");
        let is_whole = loop {
            let is_stopped = matches!(self.step(stop, give_up).await?, Step::Stopped);
            self.tell();
            let is_in_vain = !self.tester.has_begun() && self.clock.now() >= give_up;
            if is_stopped || is_in_vain {
                break false;
            }
            if self.tester.counted() == self.shown {
                continue;
            }
            self.shown = self.tester.counted();
            let stats = self.tester.stats();
            self.show(&bert::progress(&stats));
            if self.bert.is_enough(&stats) || self.bert.is_hopeless(&stats) {
                break true;
            }
        };
        let stats = self.tester.settled();
        if is_whole {
            self.let_the_far_end_finish(stop).await?;
        }
        if let Some(live) = self.live {
            live.finish();
        }
        Ok(stats)
    }

    /// It began a moment later than we did, and must not hear silence.
    async fn let_the_far_end_finish(&mut self, stop: &mut StopSignals) -> Result<(), Failure> {
        if self.bert.is_loop {
            return Ok(());
        }
        let end = self.clock.now() + LINGER;
        while self.clock.now() < end {
            if matches!(self.step(stop, end).await?, Step::Stopped) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends, receives, or waits, once.
    async fn step(&mut self, stop: &mut StopSignals, until: Instant) -> Result<Step, Failure> {
        let now = self.clock.now();
        self.tester.handle_timeout(now);
        if self.output.is_empty() {
            self.tester.poll_transmit(now, CHUNK, &mut self.output);
        }
        let wake = self.tester.poll_timeout().map(|at| match now < until {
            true => at.min(until),
            false => at,
        });
        // What is held off is waited for, not asked for again and again.
        let wake = wake.filter(|_| self.output.is_empty()).or(Some(now + TICK));
        let mut input = [0; LARGEST_READ];
        tokio::select! {
            moved = self.line.transfer(&mut input, &self.output) => match moved.map_err(failure)? {
                Transfer::Received(length) => {
                    self.tester.handle_bytes(self.clock.now(), &input[..length]);
                }
                Transfer::Sent(length) => drop(self.output.drain(..length)),
                Transfer::Held => {}
            },
            () = self.clock.sleep_until(wake) => {}
            () = stop.next() => return Ok(Step::Stopped),
        }
        Ok(Step::Go)
    }

    /// Says what happened.
    fn tell(&mut self) {
        while let Some(event) = self.tester.poll_event() {
            match event {
                // A bad line has thousands of them.
                Event::Slipped(_) => tracing::debug!("{}", bert::event_words(&event)),
                Event::Synchronised(..) => tracing::info!("{}", bert::event_words(&event)),
                _ => tracing::warn!("{}", bert::event_words(&event)),
            }
        }
    }

    fn show(&mut self, words: &str) {
        if let Some(live) = &mut self.live {
            live.show(Duration::from_secs(self.shown), words);
        }
    }
}

fn parse_pattern(text: &str) -> Result<Choice, String> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(Choice::Auto);
    }
    let named = text.parse().map(Choice::Named);
    named.map_err(|error: copperlink::linetest::pattern::NoPattern| format!("{error}, or auto"))
}

fn parse_bits(text: &str) -> Result<u64, String> {
    let bits = text.parse().ok();
    let bits = bits.filter(|bits: &f64| (1.0..=1e15).contains(bits));
    bits.map(|bits| bits as u64)
        .ok_or_else(|| "expected a number of bits, for instance 1e7".to_owned())
}

/// A rate as one in how many.
fn parse_injection(text: &str) -> Result<u64, String> {
    let rate = text.parse().ok();
    let rate = rate.filter(|rate: &f64| (1e-9..=0.1).contains(rate));
    rate.map(|rate| (1.0 / rate).round() as u64)
        .ok_or_else(|| "expected a share of the bits up to 0.1, for instance 1e-4".to_owned())
}

const DEFAULT_SECONDS: u64 = 60;
/// How long the pattern goes on when this end has counted enough.
const LINGER: Duration = Duration::from_secs(2);
const CHUNK: usize = 512;
const LARGEST_READ: usize = 4096;
const TICK: Duration = Duration::from_millis(100);
