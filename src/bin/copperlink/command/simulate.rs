//! `copperlink simulate`: a bad line between two pseudo terminals, for two programs that take
//! them for serial ports.

use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use copperlink::sim::scenario::{Directions, Weather};
use copperlink::sim::{Bursts, Fault, Modems, Scenario, Side, Wiring};

use super::block_on;
use super::line_args::{LineArgs, no_ports, parse_share, without_modems};
use super::modem_args::{ModemArgs, Plan};
use crate::lines;
use crate::outcome::{Failure, Verdict};
use crate::report;
use crate::report::ways::{self, Way};
use crate::simulated_line::{DirectionStats, SimulatedLine};
use crate::simulated_modems::SimulatedModems;
use crate::stop::StopSignals;

/// Simulate a line between two pseudo terminals
///
/// Prints the two ports, which other programs open as serial ports, and carries bytes between
/// them until ctrl-C or SIGTERM. The times of a line count from there. When the programs set their ports to different speeds, the bytes
/// arrive garbled, as they would over wires. With --modem there is a modem behind each port, and the
/// line is the telephone line between them: its times, rate, noise and cuts are those of --line.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    #[command(flatten)]
    line: LineArgs,
    #[command(flatten)]
    modems: ModemArgs,
    /// Show the lines that have a name, and do nothing else
    #[arg(long)]
    list: bool,
    /// Bursts of errors: mean length in ms, mean gap in s, probability of a wrong bit inside
    #[arg(long, value_name = "MS,GAP_S,BER")]
    burst: Option<Burst>,
    /// Probability that a byte is lost
    #[arg(long, value_name = "RATE", value_parser = parse_share)]
    lost: Option<f64>,
    /// Probability that a stray byte follows a byte
    #[arg(long, value_name = "RATE", value_parser = parse_share)]
    inserted: Option<f64>,
    /// Delay from one end to the other, ms
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=60_000))]
    delay: Option<u64>,
    /// Bytes that wait at each end's side, as in a modem
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    buffer: Option<u32>,
    /// Cut the line AT seconds after the start, FOR seconds; may be given several times
    #[arg(long, value_name = "AT,FOR")]
    cut: Vec<CutArg>,
    /// This end hears itself, the other nothing
    #[arg(long, value_name = "END")]
    loopback: Option<End>,
    /// Carry seven bits only: the top bit of each byte is lost
    #[arg(long)]
    seven_bits: bool,
    /// A link with a stable name for the first port
    #[arg(long, value_name = "PATH")]
    link_a: Option<PathBuf>,
    /// A link with a stable name for the second port
    #[arg(long, value_name = "PATH")]
    link_b: Option<PathBuf>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Print the line's counters as JSON at the end, after the two lines with the ports
    #[arg(long)]
    json: bool,
}

/// `MS,GAP_S,BER`.
#[derive(Clone, Copy, Debug)]
struct Burst(Bursts);

/// `AT,FOR`.
#[derive(Clone, Debug)]
struct CutArg(Range<Duration>);

/// One of the two ends.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum End {
    /// The first.
    A,
    /// The second.
    B,
}

impl Simulate {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        if self.list {
            report::lines::show(&lines::built_in()?, self.json)?;
            return Ok(Verdict::Done);
        }
        let scenario = self.scenario()?;
        match self.modems.plan(&scenario) {
            Some(plan) => self.run_modems(scenario, plan),
            None => self.run_line(without_modems(scenario)?),
        }
    }

    fn run_line(&self, scenario: Scenario) -> Result<Verdict, Failure> {
        block_on(async {
            // Before anything is printed: whoever reads the ports may stop us at once.
            let stop = StopSignals::listen()?;
            let mut line = SimulatedLine::open(scenario, self.line.seed).map_err(no_ports)?;
            let ports = line.paths().map(Path::to_path_buf);
            self.play(stop, &ports, "", line.run()).await?;
            self.report(line.stats())
        })
    }

    fn run_modems(&self, scenario: Scenario, plan: Plan) -> Result<Verdict, Failure> {
        block_on(async {
            let stop = StopSignals::listen()?;
            let words = match self.json {
                true => String::new(),
                false => report::simulated_modems::numbers(&plan.between),
            };
            let facts = report::simulated_modems::Setup::of(&plan.modems, &plan.between);
            let modems = Modems::new(plan.modems, plan.between, scenario, self.line.seed);
            let mut modems = SimulatedModems::open(modems).map_err(no_ports)?;
            let ports = modems.paths().map(Path::to_path_buf);
            let run = modems.run(|at, side, event| {
                if !self.json && report::simulated_modems::tell(at, side, event).is_err() {
                    tracing::debug!("nobody reads what the modems do");
                }
            });
            self.play(stop, &ports, &words, run).await?;
            let connected = Side::BOTH.map(|side| modems.is_connected(side));
            report::simulated_modems::show(&facts, connected, modems.stats(), self.json)?;
            Ok(Verdict::Done)
        })
    }

    /// Prints the ports and `words`, and lets it run until it is told to stop.
    async fn play(
        &self,
        mut stop: StopSignals,
        ports: &[PathBuf; 2],
        words: &str,
        run: impl Future<Output = io::Result<()>>,
    ) -> Result<(), Failure> {
        let wanted = [&self.link_a, &self.link_b];
        let mut links = Vec::new();
        for (port, wanted) in ports.iter().zip(wanted) {
            if let Some(path) = wanted {
                links.push(StableName::make(path, port, ports)?);
            }
        }
        let [a, b] = ports;
        report::print(&format!("A {}\nB {}\n{words}", a.display(), b.display()))?;
        let end = async {
            match self.seconds {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = run => ended.map_err(|error| {
                Failure::Broke(format!("a pseudo terminal failed: {error}"))
            })?,
            () = stop.next() => {}
            () = end => {}
        }
        drop(links);
        Ok(())
    }

    /// The line, with what the options say in place of what it says itself.
    fn scenario(&self) -> Result<Scenario, Failure> {
        let mut scenario = self.line.scenario()?;
        scenario.fix(Weather {
            bursts: self.burst.map(|burst| Some(burst.0)),
            lost_byte_rate: self.lost,
            inserted_byte_rate: self.inserted,
            fault: self.seven_bits.then_some(Fault::SevenBits),
            wiring: self.loopback.map(|_| Wiring::Straight),
            ..Weather::default()
        });
        if let Some(millis) = self.delay {
            scenario.delay = Duration::from_millis(millis);
        }
        if let Some(bytes) = self.buffer {
            scenario.buffer = bytes as usize;
        }
        let looped = self.loopback.map(|end| match end {
            End::A => Side::A,
            End::B => Side::B,
        });
        if looped.is_some() || !self.cut.is_empty() {
            // The end that hears nothing does so to the end.
            let to = looped.map_or(Directions::Both, Directions::From);
            let cuts: Vec<_> = self.cut.iter().map(|cut| cut.0.clone()).collect();
            scenario.set_cuts(to, &cuts);
        }
        if let Some(end) = looped {
            scenario.loop_back(end);
        }
        Ok(scenario)
    }

    fn report(&self, stats: [DirectionStats; 2]) -> Result<Verdict, Failure> {
        let [a_to_b, b_to_a] = stats.map(Way::new);
        let both = BothWays { a_to_b, b_to_a };
        if self.json {
            report::print_json(&both)?;
        } else {
            let table = ways::plain_table([("A to B", &both.a_to_b), ("B to A", &both.b_to_a)]);
            report::print(&format!("\n{table}"))?;
        }
        Ok(Verdict::Done)
    }
}

#[derive(Debug, Serialize)]
struct BothWays {
    a_to_b: Way,
    b_to_a: Way,
}

/// A symbolic link to a port. Removed when it is dropped, if it still leads there.
#[derive(Debug)]
struct StableName {
    path: PathBuf,
    port: PathBuf,
}

impl StableName {
    /// Makes it, in place of one that leads nowhere or, from an earlier run, to one of our ports.
    fn make(path: &Path, port: &Path, ours: &[PathBuf; 2]) -> Result<Self, Failure> {
        let fails = |error: io::Error| {
            Failure::CannotRun(format!("{} cannot be made: {error}", path.display()))
        };
        match fs::read_link(path) {
            Ok(target) if target.exists() && !ours.contains(&target) => {
                return Err(Failure::CannotRun(format!(
                    "{} leads to {}, which is there: another simulation may be using it. Stop \
                     it, or choose another name",
                    path.display(),
                    target.display()
                )));
            }
            Ok(_) => fs::remove_file(path).map_err(fails)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) if path.symlink_metadata().is_ok() => {
                return Err(Failure::CannotRun(format!(
                    "{} is there already, and no link that could be replaced. Choose another name",
                    path.display()
                )));
            }
            Err(error) => return Err(fails(error)),
        }
        symlink(port, path).map_err(fails)?;
        Ok(Self {
            path: path.to_path_buf(),
            port: port.to_path_buf(),
        })
    }
}

impl Drop for StableName {
    fn drop(&mut self) {
        if fs::read_link(&self.path).is_ok_and(|target| target == self.port)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!("{} could not be removed: {error}", self.path.display());
        }
    }
}

impl FromStr for Burst {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected three numbers: mean length in ms, mean gap in s, probability of a \
                        wrong bit inside, for instance 20,5,0.3";
        let [ms, gap, ber] = numbers(text).ok_or(expected)?;
        let seconds = [ms / 1000.0, gap];
        if !seconds.iter().all(|s| (0.0..=A_DAY).contains(s)) || ms <= 0.0 || ber > 1.0 {
            return Err(expected.to_owned());
        }
        Ok(Self(Bursts {
            mean_burst: Duration::from_secs_f64(seconds[0]),
            mean_gap: Duration::from_secs_f64(seconds[1]),
            bit_error_rate: ber,
        }))
    }
}

impl FromStr for CutArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match numbers(text) {
            Some([at, lasts]) if at <= A_DAY && lasts <= A_DAY => {
                let [at, end] = [at, at + lasts].map(Duration::from_secs_f64);
                Ok(Self(at..end))
            }
            _ => {
                Err("expected two numbers of seconds: when and how long, for instance 10,3".into())
            }
        }
    }
}

/// So many numbers that are not negative, with commas between them.
fn numbers<const N: usize>(text: &str) -> Option<[f64; N]> {
    let numbers: Vec<f64> = text
        .split(',')
        .map(|number| number.trim().parse().ok())
        .collect::<Option<_>>()?;
    let good = numbers.iter().all(|n: &f64| n.is_finite() && *n >= 0.0);
    numbers.try_into().ok().filter(|_| good)
}

/// In seconds; no simulation waits longer for anything.
const A_DAY: f64 = 86_400.0;
