//! What came of a call by hand, and of reading a modem's settings.

use std::fmt::Write;

use serde::Serialize;

use copperlink::modem::{Connection, Failure, Finding, Match};

use super::Table;

/// A call that was made by hand.
#[derive(Debug, Serialize)]
pub(crate) struct CallReport {
    pub(crate) device: String,
    pub(crate) profile: String,
    pub(crate) connected: bool,
    /// What the modems agreed on.
    pub(crate) connection: Option<Connection>,
    /// The last failure.
    pub(crate) failure: Option<FailureFacts>,
    /// Calls that were made, or answered.
    pub(crate) calls: u32,
    /// From the first byte to the result, s.
    pub(crate) seconds: f64,
    pub(crate) notes: Vec<String>,
}

/// A failure for programs.
#[derive(Debug, Serialize)]
pub(crate) struct FailureFacts {
    what: &'static str,
    words: String,
}

impl From<&Failure> for FailureFacts {
    fn from(failure: &Failure) -> Self {
        Self {
            what: failure.word(),
            words: failure.to_string(),
        }
    }
}

impl CallReport {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        match (&self.connection, &self.failure) {
            (Some(connection), _) => {
                let _ = writeln!(out, "connected at {connection}");
                for line in &connection.said {
                    let _ = writeln!(out, "  the modem said: {line}");
                }
            }
            (None, Some(failure)) => {
                let _ = writeln!(out, "not connected: {}", failure.words);
            }
            (None, None) => out.push_str("not connected: stopped\n"),
        }
        for note in &self.notes {
            let _ = writeln!(out, "note: {note}");
        }
        out
    }
}

/// The settings of a modem, held against its profile.
#[derive(Debug, Serialize)]
pub(crate) struct ReadReport {
    pub(crate) device: String,
    pub(crate) profile: String,
    /// Settings that are not as the profile wants them.
    pub(crate) differ: usize,
    pub(crate) settings: Vec<Finding>,
}

impl ReadReport {
    pub(crate) fn new(device: String, profile: String, settings: Vec<Finding>) -> Self {
        let differ = |finding: &&Finding| matches!(finding.is, Match::Differs(_));
        Self {
            device,
            profile,
            differ: settings.iter().filter(differ).count(),
            settings,
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new(&["setting", "modem", "read with", "why"]);
        let mut unknown = Vec::new();
        for finding in &self.settings {
            let is = match &finding.is {
                Match::Same => "the same".to_owned(),
                Match::Differs(found) => format!("DIFFERS: {found}"),
                Match::Unknown => {
                    unknown.push(finding.command.as_str());
                    continue;
                }
            };
            let read = finding.read.clone().unwrap_or_default();
            table.row([finding.command.clone(), is, read, finding.reason.clone()]);
        }
        let mut out = format!(
            "MODEM at {}, profile {}\n{table}",
            self.device, self.profile
        );
        if !unknown.is_empty() {
            let _ = writeln!(out, "\nThe modem does not show: {}", unknown.join(", "));
        }
        let _ = match self.differ {
            0 => writeln!(out, "\nNothing that it shows differs."),
            1 => writeln!(out, "\n1 setting differs; a link sets it when it starts."),
            n => writeln!(
                out,
                "\n{n} settings differ; a link sets them when it starts."
            ),
        };
        out
    }
}
