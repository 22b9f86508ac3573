//! The settings file: from text to a [`LinkSetup`], or to all that is wrong with it.
//!
//! Promises: nothing is opened, bound or created here; every problem has a line and a column and
//! says what was expected. Whether the devices and addresses exist on this machine is for `check`
//! and `run`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::de::DeserializeOwned;

use copperlink::shell::LinkSetup;

use conflicts::find_conflicts;
pub(crate) use conflicts::reaches;
use problem::Problem;
pub(crate) use problem::{ProblemFacts, SettingsError};

mod conflicts;
mod modem;
mod problem;
mod raw;
mod resolve;

/// Reads a settings file.
///
/// # Errors
/// When it cannot be read, or with everything that is wrong in it.
pub(crate) fn load(path: &Path) -> Result<LinkSetup, SettingsError> {
    let text = read_text("settings", path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&text, folder).map_err(|problems| SettingsError::Wrong {
        path: path.display().to_string(),
        text,
        problems,
    })
}

/// Understands a text that describes a `T`. `path` is where it is from.
///
/// # Errors
/// What is wrong in it.
pub(crate) fn parse_as<T: DeserializeOwned>(path: &str, text: String) -> Result<T, SettingsError> {
    raw::read_as(&text).map_err(|problems| SettingsError::Wrong {
        path: path.to_owned(),
        text,
        problems,
    })
}

/// The text of a file; `kind` says what for.
///
/// # Errors
/// When it cannot be read, or is no text.
pub(crate) fn read_text(kind: &'static str, path: &Path) -> Result<String, SettingsError> {
    let unreadable = |why: String| SettingsError::Unreadable {
        kind,
        path: path.display().to_string(),
        why,
    };
    let bytes = read_bounded(path).map_err(|error| unreadable(in_words(&error)))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(unreadable(format!(
            "it is larger than {MOST_BYTES} bytes, so it is something else"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        unreadable(format!("it is no text: byte {} is not UTF-8", at + 1))
    })
}

/// Understands the text of a settings file that lies in `folder`.
///
/// # Errors
/// Everything that is wrong, in the order of the text.
fn parse(text: &str, folder: &Path) -> Result<LinkSetup, Vec<Problem>> {
    let mut problems = Vec::new();
    let file = raw::read(text, &mut problems);
    let plan = resolve::resolve(&file, folder, &mut problems);
    find_conflicts(&plan, &mut problems);
    problems.sort_by_key(|problem| problem.at.start);
    match plan.finish() {
        Some(setup) if problems.is_empty() => Ok(setup),
        _ => Err(problems),
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        _ => error.to_string(),
    }
}

/// Far more than any settings file has.
const MOST_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests;
