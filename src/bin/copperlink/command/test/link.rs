//! `copperlink test link`: how good a link is while it carries its call.

use std::time::Duration;

use clap::Args;
use tokio::time::{MissedTickBehavior, interval};

use copperlink::shell::status;

use super::super::block_on;
use super::super::running;
use super::super::status::not_understood;
use crate::outcome::{Failure, Verdict};
use crate::report;
use crate::report::link_test::{LinkReport, Sample};
use crate::report::live::Live;
use crate::stop::StopSignals;

/// Watch a link that runs, and say how good it is; the call goes on
#[derive(Debug, Args)]
pub(crate) struct Link {
    /// The link's name; may be left out when only one runs
    name: Option<String>,
    /// How long to watch, s
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Link {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let path = status::socket_path(&running::choose(self.name.as_deref())?);
        let report = block_on(async {
            let mut stop = StopSignals::listen()?;
            let whole = Duration::from_secs(self.seconds);
            let mut live = report::is_drawing_possible().then(|| Live::new(whole));
            let mut ticks = interval(SAMPLE_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut link: Option<LinkReport> = None;
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = stop.next() => break,
                }
                let answer = status::query(&path).await;
                let document = match (answer, &link) {
                    (Ok(document), _) => document,
                    (Err(error), None) => return Err(Failure::cannot_run(error)),
                    (Err(error), Some(_)) => return Err(Failure::Broke(error.to_string())),
                };
                let sample: Sample = serde_json::from_str(&document).map_err(not_understood)?;
                let so_far = match &mut link {
                    Some(link) => {
                        link.add(sample);
                        link
                    }
                    None => link.insert(LinkReport::begin(sample)),
                };
                if let Some(live) = &mut live {
                    live.show(so_far.watched(), &so_far.progress());
                }
                if so_far.watched() >= whole {
                    break;
                }
            }
            if let Some(live) = live {
                live.finish();
            }
            link.ok_or_else(|| Failure::Broke("the test was ended before it was done".to_owned()))
        })?;
        let facts = report.facts();
        match self.json {
            true => report::print_json(&facts)?,
            false => report::print(&facts.text())?,
        }
        Ok(match facts.is_good() {
            true => Verdict::Done,
            false => Verdict::Failed,
        })
    }
}

/// A status is a few kilobytes over a local socket: the link does not notice.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);
