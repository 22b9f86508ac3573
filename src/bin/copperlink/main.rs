//! The copperlink program: flags and settings become calls of the library, results become words.
//!
//! Promises: exit code 0 when it is done, 1 when a line or a call failed, 2 when it could not run
//! (settings, device, usage); results on standard output, everything else on standard error.
//! It sees only the public library; the rules of the protocol and of the devices are there.

use std::process::ExitCode;

use clap::Parser;

use command::Command;

mod call;
mod command;
mod dashboard;
mod hints;
mod lines;
mod logging;
mod media;
mod outcome;
mod pcapng;
mod profiles;
mod report;
mod service;
mod settings;
mod simulated_line;
mod simulated_modems;
mod stop;

/// Carries a video conference over old wire: audio, video and control channels between local UDP
/// ports, over a serial or modem line. Runs at both ends of the line.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    /// What is logged to standard error: error, warn, info, debug, trace, or a filter such as
    /// copperlink=debug. Otherwise the variable RUST_LOG says it
    #[arg(long, global = true, value_name = "LEVEL", value_parser = logging::parse_filter)]
    log: Option<String>,
    /// Log as the journal of systemd wants it: no times, and the urgency as <4> in front. Is
    /// chosen by itself where standard error is the journal
    #[arg(long, global = true)]
    journal: bool,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = logging::start(cli.log.as_deref(), cli.command.default_log(), cli.journal)
        .and_then(|()| cli.command.run());
    outcome::finish(outcome)
}
