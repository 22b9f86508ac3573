//! The settings file as it is written: keys, types and places, no meaning yet.
//!
//! Promises: every entry that can be read is read, so that the problems of one entry do not hide
//! those of another. Assumes nothing of the text. What the values mean is for
//! [`resolve`](super::resolve).

use std::ops::Range;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::problem::Problem;

/// A settings file.
#[derive(Debug, Default)]
pub(super) struct RawFile {
    pub(super) link: Option<RawLink>,
    pub(super) status: Option<RawStatus>,
    pub(super) lines: Vec<RawLine>,
    pub(super) channels: Vec<RawChannel>,
    /// Entries that were there but could not be read.
    pub(super) unreadable: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLink {
    pub(super) name: Spanned<String>,
    #[serde(default = "yes")]
    pub(super) status: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStatus {
    pub(super) metrics: Option<Spanned<String>>,
    pub(super) history: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLine {
    pub(super) device: Spanned<String>,
    pub(super) baud: Spanned<i64>,
    pub(super) rate: Option<Spanned<i64>>,
    pub(super) flow: Option<Spanned<String>>,
    pub(super) modem: Option<Spanned<String>>,
    pub(super) dial: Option<Spanned<String>>,
    pub(super) answer: Option<Spanned<toml::Value>>,
    pub(super) role: Option<Spanned<String>>,
    pub(super) redial: Option<Spanned<i64>>,
    pub(super) hang_up_after: Option<Spanned<i64>>,
    pub(super) carrier: Option<Spanned<toml::Value>>,
    pub(super) hang_up: Option<Spanned<bool>>,
    pub(super) low_latency: Option<Spanned<bool>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawChannel {
    pub(super) id: Spanned<i64>,
    pub(super) name: Spanned<String>,
    pub(super) class: Spanned<String>,
    pub(super) listen: Spanned<String>,
    pub(super) deliver: Spanned<String>,
    #[serde(default)]
    pub(super) rtcp: bool,
    pub(super) deadline_ms: Option<Spanned<i64>>,
    pub(super) await_key_frame: Option<Spanned<bool>>,
    pub(super) queue_bytes: Option<Spanned<i64>>,
    pub(super) queue_datagrams: Option<Spanned<i64>>,
}

fn yes() -> bool {
    true
}

/// Reads the text as far as it can be read.
pub(super) fn read(text: &str, problems: &mut Vec<Problem>) -> RawFile {
    let mut file = RawFile::default();
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What stands behind a slip of the pen is guesswork; only the slips are reported.
        problems.extend(errors.iter().map(slip_of_the_pen));
        file.unreadable = 1;
        return file;
    }
    for (key, value) in root.into_inner() {
        match key.get_ref().as_ref() {
            "link" => match table(value) {
                Ok((at, table)) => file.link = entry(at, table, problems),
                Err(at) => problems.push(wrong_shape(at, "link", "[link]")),
            },
            "status" => match table(value) {
                Ok((at, table)) => file.status = entry(at, table, problems),
                Err(at) => problems.push(wrong_shape(at, "status", "[status]")),
            },
            "line" => file.lines = entries(value, "line", problems, &mut file.unreadable),
            "channel" => file.channels = entries(value, "channel", problems, &mut file.unreadable),
            other => problems.push(Problem::new(
                key.span(),
                format!("unknown key `{other}`"),
                "expected [link], [status], [[line]] or [[channel]]",
            )),
        }
    }
    file
}

/// Reads the whole text as one `T`, up to the first thing that is wrong.
pub(super) fn read_as<T: DeserializeOwned>(text: &str) -> Result<T, Vec<Problem>> {
    let (_, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(slip_of_the_pen).collect());
    }
    toml::from_str(text).map_err(|error| {
        let at = error.span().unwrap_or(0..0);
        vec![in_words(at.clone(), key_at(text, at), error.message())]
    })
}

/// The key at a place, or that of the value at it.
fn key_at(text: &str, at: Range<usize>) -> &str {
    let before = text.get(..at.start).unwrap_or_default().trim_end();
    let key = match before.strip_suffix('=') {
        Some(before) => before.trim_end().rsplit([' ', '\t', '\n', '{', ',']).next(),
        None => text.get(at),
    };
    key.unwrap_or_default()
}

fn table(value: Spanned<DeValue<'_>>) -> Result<(Range<usize>, DeTable<'_>), Range<usize>> {
    let at = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Ok((at, table)),
        _ => Err(at),
    }
}

fn entries<T: DeserializeOwned>(
    value: Spanned<DeValue<'_>>,
    key: &str,
    problems: &mut Vec<Problem>,
    unreadable: &mut usize,
) -> Vec<T> {
    let at = value.span();
    let DeValue::Array(array) = value.into_inner() else {
        problems.push(wrong_shape(at, key, &format!("[[{key}]]")));
        *unreadable += 1;
        return Vec::new();
    };
    let mut read = Vec::new();
    for value in array {
        let one = match table(value) {
            Ok((at, table)) => entry(at, table, problems),
            Err(at) => {
                problems.push(wrong_shape(at, key, &format!("[[{key}]]")));
                None
            }
        };
        match one {
            Some(one) => read.push(one),
            None => *unreadable += 1,
        }
    }
    read
}

fn wrong_shape(at: Range<usize>, key: &str, header: &str) -> Problem {
    Problem::new(
        at,
        format!("`{key}` is not written as it must be"),
        format!("expected a table that begins with {header}"),
    )
}

/// Reads one table. A key that cannot be read is reported and left out, and the rest is read
/// again, so that one table can have several problems.
fn entry<T: DeserializeOwned>(
    at: Range<usize>,
    mut table: DeTable<'_>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let mut left_out: Vec<String> = Vec::new();
    loop {
        let value = Spanned::new(at.clone(), DeValue::Table(table.clone()));
        let error = match T::deserialize(ValueDeserializer::from(value)) {
            Ok(entry) => return Some(entry),
            Err(error) => error,
        };
        let place = error.span().unwrap_or_else(|| at.clone());
        let key = table
            .iter()
            .find(|(key, value)| key.span() == place || value.span() == place)
            .map(|(key, _)| key.get_ref().to_string());
        match key {
            Some(key) => {
                problems.push(in_words(place, &key, error.message()));
                table.remove(key.as_str());
                left_out.push(key);
            }
            None => {
                let key = missing(error.message());
                if !left_out.iter().any(|left| key == Some(left)) {
                    problems.push(in_words(place, "", error.message()));
                }
                return None;
            }
        }
    }
}

fn slip_of_the_pen(error: &toml::de::Error) -> Problem {
    let at = error.span().unwrap_or(0..0);
    Problem::new(at, error.message(), "expected TOML: key = value")
}

/// The key that serde misses.
fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// Serde's words, in those of this file.
fn in_words(at: Range<usize>, key: &str, message: &str) -> Problem {
    if let Some(key) = missing(message) {
        return Problem::new(
            at,
            format!("the key `{key}` is missing"),
            format!("expected {key} = …"),
        );
    }
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let expected = match expected {
        "i64" => "a whole number",
        "a string" => "text in quotes",
        "a boolean" => "true or false",
        "" => "another value",
        other => other,
    };
    if what.starts_with("unknown field") {
        return Problem::new(
            at,
            format!("unknown key `{key}`"),
            format!("expected {expected}"),
        );
    }
    let what = match what.strip_prefix("invalid type: ") {
        Some(found) => format!("`{key}` has the wrong type: {found}"),
        None => {
            let found = what.strip_prefix("invalid value: ").unwrap_or(what);
            format!("`{key}` cannot be this: {found}")
        }
    };
    Problem::new(at, what, format!("expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(text: &str) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        read(text, &mut problems);
        problems
            .into_iter()
            .map(|p| (p.what + "; " + &p.expected, text[p.at].to_owned()))
            .collect()
    }

    #[test]
    fn one_table_can_have_several_problems() {
        let text = "[[line]]\ndevice = 7\nbaud = \"fast\"\ncolour = 1\n";
        let problems = problems_of(text);
        assert_eq!(problems.len(), 3, "{problems:?}");
        let all = format!("{problems:?}");
        assert!(all.contains("`device` has the wrong type: integer `7`; expected text in quotes"));
        assert!(all.contains("`baud` has the wrong type"));
        assert!(all.contains("expected a whole number"));
        assert!(all.contains("unknown key `colour`"));
    }

    #[test]
    fn a_missing_key_is_named_at_its_table() {
        let problems = problems_of("[link]\nname = \"a\"\n[[line]]\ndevice = \"/dev/x\"\n");
        assert_eq!(problems.len(), 1);
        assert_eq!(
            problems[0].0,
            "the key `baud` is missing; expected baud = …"
        );
        assert_eq!(problems[0].1, "[[line]]");
    }

    #[test]
    fn a_table_in_the_wrong_brackets_is_explained() {
        let problems = problems_of("[line]\ndevice = \"/dev/x\"\nbaud = 9600\n");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].0.contains("[[line]]"));
    }

    #[test]
    fn what_is_no_toml_is_a_problem_with_a_place() {
        let problems = problems_of("[link\nname = ");
        assert!(!problems.is_empty());
    }
}
