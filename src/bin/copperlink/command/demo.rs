//! `copperlink demo`: a whole call on one machine.
//!
//! ```text
//!   equipment A --UDP-- link A -- pty ~~ simulated line ~~ pty -- link B --UDP-- equipment B
//! ```
//!
//! Everything but the copper is real: sockets, serial ports, both links.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use copperlink::proto::config::{Class, LineConfig, PortKind};
use copperlink::proto::stats::LineState;
use copperlink::proto::time::Instant as LinkInstant;
use copperlink::shell::Snapshot;
use copperlink::sim::{Fault, Scenario, Side};

use super::block_on;
use super::line_args::{LineArgs, no_ports, without_modems};
use crate::call::{
    ChannelPlan, Flow, FlowResult, Phase, Progress, Site, plan_generated, plan_recorded,
};
use crate::hints;
use crate::media::Recording;
use crate::outcome::{Failure, Verdict};
use crate::report::call::{CallFacts, CallReport, CallTimes};
use crate::report::ways::{RepairedWay, Worst};
use crate::report::{self, live::Live};
use crate::simulated_line::{DirectionStats, SimulatedLine};
use crate::stop::StopSignals;
use copperlink::shell::Clock;

/// Show a call over a simulated line, both ends on this machine
///
/// Generated voice, video and control messages go both ways; each that arrives is compared byte
/// for byte with what was sent.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    line: LineArgs,
    /// How long the call is [default: 20, or 10 more than the line needs for all its changes]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Play a recorded call (pcap with RTP) in place of generated media
    #[arg(long, value_name = "FILE")]
    media: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let recording = match &self.media {
            Some(file) => Some(Recording::load(file).map_err(|error| {
                Failure::CannotRun(format!("{} cannot be played: {error}", file.display()))
            })?),
            None => None,
        };
        let scenario = without_modems(self.line.scenario()?)?;
        let told = told(&scenario);
        let whole = self.whole(&scenario);
        block_on(async {
            let mut stop = StopSignals::listen()?;
            let plans = match &recording {
                Some(recording) => plan_recorded(recording, told.rate, self.line.seed),
                None => plan_generated(told.rate, self.line.seed),
            };
            let started = Instant::now();
            let line = SimulatedLine::open(scenario, self.line.seed).map_err(no_ports)?;
            let ends = Ends::open(line, &told, &plans).await?;
            tokio::select! {
                up = ends.wait_until_up() => up?,
                () = stop.next() => {
                    return Err(Failure::Broke("ended before the link was up".to_owned()));
                }
            }
            let up_after = started.elapsed();
            let call = Call::start(plans, &ends);
            let mut worst = Worst::default();
            let (times, results) = call.hold(whole, &ends, &mut worst, &mut stop).await?;
            let facts = CallFacts {
                line: self.line.line.clone(),
                rate: told.rate,
                up_after,
                times,
            };
            let [a, b] = ends.snapshots().await?;
            let line = ends.close().await;
            let stats = [&a.stats, &b.stats];
            let ways = line.map(|line| RepairedWay::both(line, stats, worst));
            let ways = ways.unwrap_or_default();
            self.report(&CallReport::new(facts, results, stats, ways))
        })
    }

    fn whole(&self, scenario: &Scenario) -> Duration {
        match (self.seconds, scenario.last_change()) {
            (Some(seconds), _) => Duration::from_secs(seconds),
            (None, Duration::ZERO) => SHORT_CALL,
            (None, last_change) => last_change + AFTER_CHANGES,
        }
    }

    fn report(&self, report: &CallReport) -> Result<Verdict, Failure> {
        if self.json {
            report::print_json(report)?;
        } else {
            report::print(&report.text())?;
        }
        Ok(match report.is_failed() {
            false => Verdict::Done,
            true => Verdict::Failed,
        })
    }
}

/// What a technician tells both ends of a line.
fn told(scenario: &Scenario) -> LineConfig {
    let start = Side::BOTH.map(|side| scenario.conditions(side, LinkInstant::ZERO));
    let [a, b] = &start;
    LineConfig {
        avoid_xon_xoff: start.iter().any(|way| way.fault == Fault::EatsXonXoff),
        ..LineConfig::new("line", a.rate.min(b.rate))
    }
}

/// The line and what is at its two ends.
struct Ends {
    sites: [Site; 2],
    line: JoinHandle<[DirectionStats; 2]>,
    /// Dropped, it ends the line.
    line_end: oneshot::Sender<()>,
}

impl Ends {
    async fn open(
        mut line: SimulatedLine,
        told: &LineConfig,
        plans: &[ChannelPlan],
    ) -> Result<Self, Failure> {
        let [a, b] = line.paths().map(std::path::Path::to_path_buf);
        let (line_end, ended) = oneshot::channel();
        let line = tokio::spawn(async move {
            tokio::select! {
                // Both ends then find their device gone, and the call fails.
                failed = line.run() => if let Err(error) = failed {
                    tracing::error!("a pseudo terminal failed: {error}");
                },
                // Dropped: nothing is ever sent.
                _ = ended => {}
            }
            line.stats()
        });
        let sites = [
            Site::open("demo-a", &a, told, plans).await?,
            Site::open("demo-b", &b, told, plans).await?,
        ];
        Ok(Self {
            sites,
            line,
            line_end,
        })
    }

    async fn wait_until_up(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + UP_WITHIN;
        loop {
            let snapshots = self.snapshots().await?;
            let is_up = |s: &Snapshot| s.stats.lines.iter().all(|l| l.state == LineState::Up);
            if snapshots.iter().all(is_up) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Failure::Broke(hints::not_up(UP_WITHIN, &snapshots)));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn snapshots(&self) -> Result<[Snapshot; 2], Failure> {
        let gone = || Failure::Broke("one end of the link ended on its own".to_owned());
        let [a, b] = &self.sites;
        Ok([
            a.handle.snapshot().await.ok_or_else(gone)?,
            b.handle.snapshot().await.ok_or_else(gone)?,
        ])
    }

    /// Ends all, and says what the line did.
    async fn close(self) -> Option<[DirectionStats; 2]> {
        for site in &self.sites {
            site.handle.stop();
        }
        for site in self.sites {
            match timeout(CLOSE_WITHIN, site.task).await {
                Ok(Ok(Ok(_))) => {}
                Ok(Ok(Err(error))) => tracing::warn!("a link ended with: {error}"),
                Ok(Err(error)) => tracing::warn!("a link ended badly: {error}"),
                Err(_) => tracing::warn!("a link took too long to end"),
            }
        }
        drop(self.line_end);
        let line = self.line.await;
        line.inspect_err(|error| tracing::error!("the line ended badly: {error}"))
            .ok()
    }
}

/// The equipment at work.
struct Call {
    clock: Clock,
    phase: watch::Sender<Phase>,
    flows: Vec<JoinHandle<FlowResult>>,
    /// In the order of the channels; both directions of a class stand side by side.
    progress: Vec<(Class, Arc<Progress>)>,
}

impl Call {
    fn start(plans: Vec<ChannelPlan>, ends: &Ends) -> Self {
        let (phase, watcher) = watch::channel(Phase::Talking);
        let clock = Clock::start();
        let mut flows = Vec::new();
        let mut progress = Vec::new();
        let ports = plans.into_iter().flat_map(|plan| {
            let class = plan.config.class;
            plan.ports
                .into_iter()
                .map(move |(port, sources)| (class, port, sources))
        });
        for (i, (class, port, sources)) in ports.enumerate() {
            for (from, source) in sources.into_iter().enumerate() {
                let here = &ends.sites[from].equipment[i];
                let there = &ends.sites[1 - from].equipment[i];
                let flow = Flow {
                    port,
                    class,
                    from,
                    source,
                    sender: Arc::clone(&here.socket),
                    receiver: Arc::clone(&there.socket),
                    goes_in: here.link_port,
                    comes_from: there.link_port,
                    progress: Arc::default(),
                };
                if port.kind == PortKind::Media {
                    progress.push((class, Arc::clone(&flow.progress)));
                }
                flows.push(tokio::spawn(flow.run(clock, watcher.clone())));
            }
        }
        Self {
            clock,
            phase,
            flows,
            progress,
        }
    }

    /// Holds the call for so long, or until the operator ends it.
    async fn hold(
        self,
        whole: Duration,
        ends: &Ends,
        worst: &mut Worst,
        stop: &mut StopSignals,
    ) -> Result<(CallTimes, Vec<FlowResult>), Failure> {
        let mut live = Live::new(whole);
        let talk = async {
            let mut look_at = NOISE_LOOK_EVERY;
            while self.elapsed() < whole {
                if self.elapsed() >= look_at {
                    look_at += NOISE_LOOK_EVERY;
                    // An end that has ended is found when the call is summed up.
                    if let Ok([a, b]) = ends.snapshots().await {
                        worst.look(self.elapsed().as_secs_f64(), [&a.stats, &b.stats]);
                    }
                }
                live.show(self.elapsed(), &self.words());
                sleep(LOOK_EVERY.min(whole.saturating_sub(self.elapsed()))).await;
            }
            let lasted = self.elapsed();
            self.phase.send_replace(Phase::Listening);
            let patience = Instant::now() + LISTEN_AT_MOST;
            sleep(LISTEN_AT_LEAST).await;
            while self.is_control_missing() && Instant::now() < patience {
                sleep(LOOK_EVERY).await;
            }
            lasted
        };
        let (lasted, interrupted) = tokio::select! {
            lasted = talk => (lasted, false),
            () = stop.next() => (self.elapsed().min(whole), true),
        };
        live.finish();
        let times = CallTimes {
            lasted,
            observed: self.elapsed(),
            interrupted,
        };
        self.phase.send_replace(Phase::Over);
        let mut results = Vec::new();
        for flow in self.flows {
            let ended = flow.await;
            results.push(ended.map_err(|error| Failure::Broke(format!("the equipment: {error}")))?);
        }
        Ok((times, results))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.clock.now().as_micros())
    }

    fn of_class(&self, class: Class) -> impl Iterator<Item = &Progress> {
        let of_class = self.progress.iter().filter(move |(c, _)| *c == class);
        of_class.map(|(_, progress)| progress.as_ref())
    }

    fn is_control_missing(&self) -> bool {
        self.of_class(Class::Control).any(|progress| {
            progress.delivered.load(Ordering::Relaxed) < progress.sent.load(Ordering::Relaxed)
        })
    }

    fn words(&self) -> String {
        let mut words = Vec::new();
        for class in [Class::Audio, Class::Video, Class::Control] {
            let sum =
                |counter: fn(&Progress) -> u64| self.of_class(class).map(counter).sum::<u64>();
            let sent = sum(|p| p.sent.load(Ordering::Relaxed));
            let delivered = sum(|p| p.delivered.load(Ordering::Relaxed));
            let delay = self
                .of_class(class)
                .map(|p| p.last_delay_us.load(Ordering::Relaxed));
            let delay = delay.max().unwrap_or(0) as f64 / 1000.0;
            if sent > 0 {
                words.push(format!("{class} {delivered}/{sent}, {delay:.0} ms"));
            }
        }
        words.join("; ")
    }
}

/// Without `--seconds`: on a line that stays as it is, and after the last change of another.
const SHORT_CALL: Duration = Duration::from_secs(20);
const AFTER_CHANGES: Duration = Duration::from_secs(10);
/// A link that is not up by then will not come up.
const UP_WITHIN: Duration = Duration::from_secs(10);
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const NOISE_LOOK_EVERY: Duration = Duration::from_secs(1);
/// What is on its way at the end: time for media to arrive, and for control to be sent again.
const LISTEN_AT_LEAST: Duration = Duration::from_millis(600);
const LISTEN_AT_MOST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        demo: Demo,
    }

    #[test]
    fn a_call_lasts_as_long_as_the_line_has_something_to_show() {
        let whole = |args: &[&str], line| {
            let cli = Cli::try_parse_from([&["demo"], args].concat());
            let demo = cli.unwrap_or_else(|error| panic!("{error}")).demo;
            demo.whole(&lines::find(line).unwrap()).as_secs()
        };
        assert_eq!(whole(&[], "clean"), 20);
        assert_eq!(whole(&[], "noisy-one-way"), 20);
        assert_eq!(whole(&[], "changing-weather"), 70);
        assert_eq!(whole(&["--seconds", "7"], "changing-weather"), 7);
    }

    #[test]
    fn both_ends_are_told_what_the_line_is_like_at_the_start() {
        for (line, rate, avoids) in [
            ("clean", 38_400, false),
            ("uneven-modems", 16_800, false),
            ("eats-xon-xoff", 28_800, true),
        ] {
            let told = told(&lines::find(line).unwrap());
            assert_eq!(told.rate.bits_per_second(), rate);
            assert_eq!(told.avoid_xon_xoff, avoids, "{line}");
        }
    }
}
