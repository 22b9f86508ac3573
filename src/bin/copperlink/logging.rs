//! The log on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::outcome::Failure;
use crate::report;

/// Accepts a filter that can be understood.
pub(crate) fn parse_filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{error}; expected error, warn, info, debug, trace or a filter such as copperlink=debug"
        )),
    }
}

/// Begins to log what `asked` says, else the variable RUST_LOG, else `default`.
///
/// # Errors
/// When RUST_LOG is not understood.
pub(crate) fn start(asked: Option<&str>, default: &str) -> Result<(), Failure> {
    let from_environment = std::env::var("RUST_LOG").ok().filter(|v| !v.is_empty());
    let filter = asked.or(from_environment.as_deref()).unwrap_or(default);
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::CannotRun(format!("RUST_LOG is not understood: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && report::is_colour_wanted())
        // Standard error may be closed, and then there is nobody to tell.
        .log_internal_errors(false)
        .init();
    Ok(())
}
