//! Lines by name: those that come with the program, and files of the user's own.
//!
//! Promise: a wrong name and a wrong file are said before anything is opened. What is in a file
//! is known to [`Scenario`].

use std::path::Path;

use copperlink::sim::Scenario;

use crate::hints;
use crate::outcome::Failure;
use crate::settings::{self, SettingsError};

/// The line that is meant by a name, or by the path of a file that ends with `.toml`.
///
/// # Errors
/// When there is none, or when the file is wrong.
pub(crate) fn find(wanted: &str) -> Result<Scenario, Failure> {
    if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == wanted) {
        return Ok(parse(name, text)?);
    }
    let path = Path::new(wanted);
    if path
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        let text = settings::read_text("line", path)?;
        return Ok(settings::parse_as(wanted, text)?);
    }
    let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    Err(Failure::CannotRun(hints::no_such_line(wanted, &names)))
}

/// Those that come with the program, each with its name.
///
/// # Errors
/// None in a program that was tested.
pub(crate) fn built_in() -> Result<Vec<(&'static str, Scenario)>, Failure> {
    let parsed = BUILT_IN
        .iter()
        .map(|&(name, text)| Ok((name, parse(name, text)?)));
    parsed.collect()
}

fn parse(name: &str, text: &str) -> Result<Scenario, SettingsError> {
    settings::parse_as(&format!("{name}.toml"), text.to_owned())
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../tests/scenarios/", $name, ".toml")))),*]
    };
}

/// From the harmless to the worst, the gentle of a kind first.
const BUILT_IN: &[(&str, &str)] = built_in![
    "clean",
    "good",
    "poor",
    "rural-pair",
    "oldest-modems",
    "impulse-noise",
    "changing-weather",
    "noisy-one-way",
    "slipping-uart",
    "stray-bytes",
    "cut-short",
    "cut-long",
    "cut-one-way",
    "retraining-modem",
    "slower-than-told",
    "uneven-modems",
    "long-way",
    "eats-xon-xoff",
    "stuck-loop",
];
