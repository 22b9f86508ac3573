//! Results on standard output: tables for people, JSON for programs, of the same facts.
//!
//! Promise: a reader who goes away early is no error of the command (see
//! [`Failure::Output`]). Tables are plain text without frames, so that they can be read on any
//! terminal and cut up with the usual tools.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::outcome::Failure;

pub(crate) mod bert;
pub(crate) mod call;
pub(crate) mod lines;
pub(crate) mod link_test;
pub(crate) mod live;
pub(crate) mod modem;
pub(crate) mod noise;
pub(crate) mod number;
pub(crate) mod port_test;
pub(crate) mod replay;
pub(crate) mod setup;
pub(crate) mod simulated_modems;
pub(crate) mod status;
mod table;
pub(crate) mod verdict;
pub(crate) mod ways;

pub(crate) use table::Table;

/// Writes to standard output.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// Writes facts to standard output as JSON.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn print_json(facts: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(facts)
        .map_err(|error| Failure::Output(io::Error::other(error)))?;
    print(&(text + "\n"))
}

/// Writes one fact to standard output as a line of JSON.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn print_json_line(fact: &impl Serialize) -> Result<(), Failure> {
    let text =
        serde_json::to_string(fact).map_err(|error| Failure::Output(io::Error::other(error)))?;
    print(&(text + "\n"))
}

/// Writes to standard error, as far as that is possible: if it is closed, nobody can be told.
pub(crate) fn complain(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// Whether standard error shows drawings.
pub(crate) fn is_drawing_possible() -> bool {
    io::stderr().is_terminal()
}

/// Whether colours are welcome where they are possible (see no-color.org).
pub(crate) fn is_colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
