//! The commands, one file each: its flags, and what it does with the library.

use std::future::Future;

use clap::Subcommand;

use crate::outcome::{Failure, Verdict};

mod capture;
mod check;
mod completions;
mod demo;
mod dial;
mod line_args;
mod man;
mod modem_args;
mod monitor;
mod ports;
mod replay;
mod run;
mod running;
mod simulate;
mod status;
mod talk;
mod test;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(run::Run),
    Check(check::Check),
    Ports(ports::Ports),
    Status(status::Status),
    Monitor(monitor::Monitor),
    Talk(talk::Talk),
    Capture(capture::Capture),
    Replay(replay::Replay),
    Dial(dial::Dial),
    Simulate(Box<simulate::Simulate>),
    Demo(demo::Demo),
    Test(test::Test),
    Completions(completions::Completions),
    #[command(name = "man")]
    ManPages(man::ManPages),
}

impl Command {
    /// What is logged when nobody says it.
    pub(crate) const fn default_log(&self) -> &'static str {
        match self {
            Self::Run(_) => "info",
            // It says itself what comes of the call; its two links also warn of the end.
            Self::Demo(_) => "error",
            // A word in the middle of its screen would spoil it.
            Self::Monitor(_) => "off",
            _ => "warn",
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// Why it could not be done.
    pub(crate) fn run(self) -> Result<Verdict, Failure> {
        match self {
            Self::Run(run) => run.run(),
            Self::Check(check) => check.run(),
            Self::Ports(ports) => ports.run(),
            Self::Status(status) => status.run(),
            Self::Monitor(monitor) => monitor.run(),
            Self::Talk(talk) => talk.run(),
            Self::Capture(capture) => capture.run(),
            Self::Replay(replay) => replay.run(),
            Self::Dial(dial) => dial.run(),
            Self::Simulate(simulate) => simulate.run(),
            Self::Demo(demo) => demo.run(),
            Self::Test(test) => test.run(),
            Self::Completions(completions) => completions.run(),
            Self::ManPages(man) => man.run(),
        }
    }
}

/// Runs on a runtime of one thread: one line is slow, and one task owns the link.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::CannotRun(format!("the runtime could not start: {error}")))?
        .block_on(work)
}
