//! The log on standard error.

use std::fmt;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

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

/// Begins to log what `asked` says, else the variable RUST_LOG, else `default`. With `journal`, or
/// where standard error is the journal, in its form.
///
/// # Errors
/// When RUST_LOG is not understood.
pub(crate) fn start(asked: Option<&str>, default: &str, journal: bool) -> Result<(), Failure> {
    let from_environment = std::env::var("RUST_LOG").ok().filter(|v| !v.is_empty());
    let filter = asked.or(from_environment.as_deref()).unwrap_or(default);
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::CannotRun(format!("RUST_LOG is not understood: {error}")))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && report::is_colour_wanted())
        // Standard error may be closed, and then there is nobody to tell.
        .log_internal_errors(false);
    match journal || is_journal() {
        true => log.event_format(JournalLine).init(),
        false => log.init(),
    }
    Ok(())
}

/// Whether standard error is the journal: then the variable names its device and inode.
fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    rustix::fs::fstat(io::stderr().as_fd())
        .is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// A line of the journal: the urgency as systemd reads it (sd-daemon(3)), and the words. The
/// journal has its own clock.
struct JournalLine;

impl<S, N> FormatEvent<S, N> for JournalLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let urgency = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        let mut words = String::new();
        context
            .field_format()
            .format_fields(Writer::new(&mut words), event)?;
        write!(out, "<{urgency}>")?;
        // One event, one line.
        for part in words.split_inclusive('\n') {
            out.write_str(part.trim_end_matches('\n'))?;
            if part.ends_with('\n') {
                out.write_char(' ')?;
            }
        }
        out.write_char('\n')
    }
}
