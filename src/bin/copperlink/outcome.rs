//! How a command ends: with an exit code, and with words when it did not go well.

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use thiserror::Error;

use crate::report;
use crate::settings::SettingsError;

/// A command that could do its work. What it found is already on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All is well.
    Done,
    /// The line or the call failed.
    Failed,
}

/// Why a command could not do its work.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The settings file.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// It could not begin. The words say what happened, then what to try.
    #[error("{0}")]
    CannotRun(String),
    /// It had begun, and something gave up. The words say what happened, then what to try.
    #[error("{0}")]
    Broke(String),
    /// Standard output does not take what is written.
    #[error("standard output cannot be written: {0}")]
    Output(#[source] io::Error),
    /// The result is on standard output already, only the exit code is left to give.
    #[error("could not run")]
    Reported,
}

impl Failure {
    /// It could not begin because of `error`.
    pub(crate) fn cannot_run(error: impl std::fmt::Display) -> Self {
        Self::CannotRun(error.to_string())
    }
}

/// Says what is to be said and gives the exit code.
pub(crate) fn finish(outcome: Result<Verdict, Failure>) -> ExitCode {
    let failure = match outcome {
        Ok(Verdict::Done) => return ExitCode::SUCCESS,
        Ok(Verdict::Failed) => return ExitCode::from(LINE_OR_CALL_FAILED),
        Err(failure) => failure,
    };
    match &failure {
        // Whoever read the output has enough.
        Failure::Output(error) if error.kind() == ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Failure::Reported => {}
        Failure::Settings(error @ SettingsError::Wrong { .. }) if report::is_drawing_possible() => {
            report::complain(&error.drawn(report::is_colour_wanted()));
        }
        Failure::Settings(error @ SettingsError::Wrong { .. }) => {
            report::complain(&format!("{error}\n"));
        }
        other => report::complain(&format!("copperlink: {other}\n")),
    }
    match failure {
        Failure::Broke(_) => ExitCode::from(LINE_OR_CALL_FAILED),
        _ => ExitCode::from(COULD_NOT_RUN),
    }
}

const LINE_OR_CALL_FAILED: u8 = 1;
const COULD_NOT_RUN: u8 = 2;
