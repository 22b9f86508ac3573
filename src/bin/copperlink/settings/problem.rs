//! What is wrong with a settings file, where, and what was expected instead.
//!
//! All problems of a file are shown together: with the lines of the file on a terminal, and as
//! one plain line each (`file:line:column: …`) everywhere else.

use std::ops::Range;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource};
use serde::Serialize;
use thiserror::Error;

/// One thing that is wrong, with its place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What is wrong.
    pub(crate) what: String,
    /// What was expected, or what to try.
    pub(crate) expected: String,
    /// Where, in bytes of the text.
    pub(crate) at: Range<usize>,
    /// The other place that has to do with it, and what it is.
    pub(crate) other: Option<(Range<usize>, String)>,
}

impl Problem {
    /// A problem at one place.
    pub(crate) fn new(
        at: Range<usize>,
        what: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            expected: expected.into(),
            at,
            other: None,
        }
    }

    /// The same, with the other place that it has to do with.
    pub(crate) fn with_other(mut self, at: Range<usize>, what: impl Into<String>) -> Self {
        self.other = Some((at, what.into()));
        self
    }
}

/// Why a settings file cannot be used.
#[derive(Debug, Error)]
pub(crate) enum SettingsError {
    /// The file could not be read at all.
    #[error("cannot read the {kind} file {path}: {why}")]
    Unreadable {
        /// What it is for.
        kind: &'static str,
        /// The file.
        path: String,
        /// Why, in words.
        why: String,
    },
    /// It was read, and is wrong.
    #[error("{}", plain(path, text, problems))]
    Wrong {
        /// The file.
        path: String,
        /// What stands in it.
        text: String,
        /// What is wrong, by place; never empty.
        problems: Vec<Problem>,
    },
}

impl SettingsError {
    /// The same as facts for programs.
    pub(crate) fn facts(&self) -> Vec<ProblemFacts> {
        match self {
            Self::Unreadable { .. } => vec![ProblemFacts {
                line: None,
                column: None,
                what: self.to_string(),
                expected: None,
            }],
            Self::Wrong { text, problems, .. } => problems
                .iter()
                .map(|problem| {
                    let (line, column) = place(text, problem.at.start);
                    ProblemFacts {
                        line: Some(line),
                        column: Some(column),
                        what: problem.what.clone(),
                        expected: Some(problem.expected.clone()),
                    }
                })
                .collect(),
        }
    }

    /// The problems between the lines of the file that they are about, for a terminal.
    pub(crate) fn drawn(&self, colour: bool) -> String {
        let Self::Wrong {
            path,
            text,
            problems,
        } = self
        else {
            return format!("{self}\n");
        };
        let theme = if colour {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme);
        let text = harmless(text);
        let mut out = String::new();
        for problem in shown(problems) {
            let mut labels = vec![LabeledSpan::new_primary_with_span(
                Some("here".to_owned()),
                drawable(&problem.at),
            )];
            if let Some((at, what)) = &problem.other {
                labels.push(LabeledSpan::new_with_span(Some(what.clone()), drawable(at)));
            }
            let diagnostic = MietteDiagnostic::new(problem.what.clone())
                .with_help(problem.expected.clone())
                .with_labels(labels);
            let report = miette::Report::new(diagnostic)
                .with_source_code(NamedSource::new(path, text.clone()));
            if handler.render_report(&mut out, report.as_ref()).is_err() {
                // A String takes everything; should the drawing fail, the plain words stay.
                return format!("{self}\n");
            }
            out.push('\n');
        }
        out.push_str(&summary(problems));
        out.push('\n');
        out
    }
}

/// A problem for programs.
#[derive(Debug, Serialize)]
pub(crate) struct ProblemFacts {
    /// From one; `None` when the file could not be read.
    line: Option<usize>,
    /// From one, in characters.
    column: Option<usize>,
    what: String,
    expected: Option<String>,
}

fn plain(path: &str, text: &str, problems: &[Problem]) -> String {
    let mut out = String::new();
    for problem in shown(problems) {
        let (line, column) = place(text, problem.at.start);
        out.push_str(&format!("{path}:{line}:{column}: {}", problem.what));
        if let Some((at, what)) = &problem.other {
            let (line, _) = place(text, at.start);
            out.push_str(&format!(" ({what}, line {line})"));
        }
        out.push_str(&format!("; {}\n", problem.expected));
    }
    out.push_str(&summary(problems));
    out
}

fn shown(problems: &[Problem]) -> &[Problem] {
    &problems[..problems.len().min(MOST_SHOWN)]
}

fn summary(problems: &[Problem]) -> String {
    let hidden = match problems.len().saturating_sub(MOST_SHOWN) {
        0 => String::new(),
        n => format!(" ({n} of them not shown)"),
    };
    match problems.len() {
        1 => "1 problem; nothing was opened".to_owned(),
        n => format!("{n} problems{hidden}; nothing was opened"),
    }
}

/// Line and column of a byte, both from one; the column counts characters.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before[start..].chars().count() + 1)
}

/// Never empty and never over several lines: a table's place is the line of its header.
fn drawable(at: &Range<usize>) -> (usize, usize) {
    (at.start, at.len().max(1))
}

/// Control characters become `?`, byte for byte, so that places stay right.
fn harmless(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let strange = c.is_control() && !matches!(c, '\n' | '\r' | '\t');
            let shown = if strange { '?' } else { c };
            let times = if strange { c.len_utf8() } else { 1 };
            std::iter::repeat_n(shown, times)
        })
        .collect()
}

/// More would scroll the first away, and the first is the one to begin with.
const MOST_SHOWN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "a = 1\nname = \"\u{e4}\u{f6}\" x\n";
        assert_eq!(place(text, 0), (1, 1));
        assert_eq!(place(text, text.find('x').unwrap()), (2, 13));
        assert_eq!(place(text, 999), (3, 1));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal_and_keep_places() {
        let text = "a\u{1b}[31m\u{85}b";
        let safe = harmless(text);
        assert_eq!(safe, "a?[31m??b");
        assert_eq!(safe.len(), text.len());
    }

    #[test]
    fn many_problems_are_cut_short() {
        let problems = vec![Problem::new(0..1, "x", "y"); 12];
        let error = SettingsError::Wrong {
            path: "f".into(),
            text: "abc".into(),
            problems,
        };
        let words = error.to_string();
        assert_eq!(words.lines().count(), 11);
        assert!(words.contains("12 problems (2 of them not shown)"));
        assert!(error.drawn(false).contains("12 problems"));
    }
}
