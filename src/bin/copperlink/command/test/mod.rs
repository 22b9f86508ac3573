//! `copperlink test …`: is this line, this port, this link any good?

use clap::{Args, Subcommand};

use copperlink::shell::line::raw::{LineError, RawLine};
use copperlink::shell::{Device, LineSetup};

use crate::outcome::{Failure, Verdict};

mod bert;
mod link;
mod port;

/// Test a line, a port, or a link that runs
#[derive(Debug, Args)]
pub(crate) struct Test {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Bert(bert::Bert),
    Port(port::Port),
    Link(link::Link),
}

impl Test {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        match self.what {
            What::Bert(bert) => bert.run(),
            What::Port(port) => port.run(),
            What::Link(link) => link.run(),
        }
    }
}

/// Opens a device for a test, and says what is not as it was asked for.
async fn open(setup: &LineSetup) -> Result<RawLine, Failure> {
    let line = RawLine::open(setup).await.map_err(failure)?;
    for remark in line.remarks() {
        tracing::warn!("{remark}");
    }
    Ok(line)
}

fn failure(error: LineError) -> Failure {
    match error.is_absent() {
        true => Failure::cannot_run(error),
        false => Failure::Broke(error.to_string()),
    }
}

fn parse_device(text: &str) -> Result<Device, String> {
    text.parse()
        .map_err(|error: copperlink::shell::DeviceError| error.to_string())
}
