//! Reading the settings of a modem back, and holding them against its profile.
//!
//! Promises: nothing is changed but echo and the form of results, which every profile sets alike; a
//! call is left alone. What a modem shows differs from family to family, so a setting that cannot be
//! found is said to be unknown, and never to be wrong.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::proto::time::{Duration, Instant};

use super::command::Command;
use super::failure::Failure;
use super::plan::PortSignals;
use super::profile::{Profile, Role, Setting};
use super::response::{Numbers, Reader, ResultCode};
use super::wake::{Progress, Wake};

/// Reads the settings of one modem. The border is that of [`Dialer`](super::Dialer); it is done when
/// [`Inspector::outcome`] has something.
#[derive(Debug)]
pub struct Inspector {
    settings: Vec<Setting>,
    baud: u32,
    has_carrier: bool,
    state: State,
    reader: Reader,
    output: Vec<u8>,
    /// What is still to be asked.
    queries: VecDeque<Command>,
    /// What was answered, line by line.
    answers: BTreeMap<Command, Vec<String>>,
    at: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Waking(Wake),
    Asking { query: Command, lines: Vec<String> },
    Done,
    Failed(Failure),
}

/// One setting, and what the modem says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The setting, `AT` in front.
    pub command: String,
    /// What it is for.
    pub reason: String,
    /// The command that shows it; `None` when none is known.
    pub read: Option<String>,
    /// What the modem says.
    #[serde(flatten)]
    pub is: Match,
}

/// How a setting compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "is", content = "found")]
pub enum Match {
    /// As the profile wants it.
    Same,
    /// Otherwise; what it is.
    Differs(String),
    /// The modem does not show it.
    Unknown,
}

impl Inspector {
    /// Begins to read on an open port of `baud` bit/s with these signals.
    pub fn start(
        now: Instant,
        profile: &Profile,
        role: Option<Role>,
        baud: u32,
        signals: PortSignals,
    ) -> Self {
        let settings: Vec<Setting> = profile.settings_for(role, signals).cloned().collect();
        let mut queries: VecDeque<Command> = VecDeque::new();
        for query in settings.iter().filter_map(|setting| setting.read.as_ref()) {
            if !queries.contains(query) {
                queries.push_back(query.clone());
            }
        }
        let mut output = Vec::new();
        let wake = Wake::begin(now, None, &mut output);
        Self {
            settings,
            baud,
            has_carrier: signals.carrier == Some(true),
            at: Some(wake.at()),
            state: State::Waking(wake),
            reader: Reader::default(),
            output,
            queries,
            answers: BTreeMap::new(),
        }
    }

    /// Takes bytes of the port, any bytes in pieces of any size.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        for byte in bytes {
            if let Some(line) = self.reader.take(*byte) {
                self.on_line(now, line);
            }
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.at.is_none_or(|at| now < at) {
            return;
        }
        match &mut self.state {
            State::Waking(wake) => {
                let progress = wake.on_timeout(now, &self.reader, self.baud, &mut self.output);
                self.on_progress(now, progress);
            }
            // It is no answer; the next one may have one.
            State::Asking { .. } => self.ask(now),
            State::Done | State::Failed(_) => {}
        }
    }

    /// Appends the bytes for the modem to `buf`, and says how many.
    pub fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> usize {
        let length = self.output.len();
        buf.append(&mut self.output);
        length
    }

    /// When to call [`Inspector::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.at
    }

    /// What came of it; `None` while it is under way.
    ///
    /// # Errors
    /// Why nothing could be read.
    pub fn outcome(&self) -> Option<Result<Vec<Finding>, Failure>> {
        match &self.state {
            State::Done => Some(Ok(self.settings.iter().map(|s| self.finding(s)).collect())),
            State::Failed(failure) => Some(Err(failure.clone())),
            State::Waking(_) | State::Asking { .. } => None,
        }
    }

    fn on_line(&mut self, now: Instant, line: String) {
        match &mut self.state {
            State::Waking(wake) => {
                let progress = wake.on_line(now, &line, &mut self.output);
                self.on_progress(now, progress);
            }
            State::Asking { query, lines } => {
                match ResultCode::of(&line, Numbers::AreValues, &BTreeMap::new()) {
                    Some(ResultCode::Ok) => {
                        let answer = std::mem::take(lines);
                        self.answers.insert(query.clone(), answer);
                        self.ask(now);
                    }
                    Some(ResultCode::Error) => self.ask(now),
                    _ if lines.len() < MOST_LINES => {
                        lines.push(line);
                        self.at = Some(now + ANSWER);
                    }
                    _ => {}
                }
            }
            State::Done | State::Failed(_) => {}
        }
    }

    fn on_progress(&mut self, now: Instant, progress: Progress) {
        match progress {
            Progress::Going => {
                if let State::Waking(wake) = &self.state {
                    self.at = Some(wake.at());
                }
            }
            Progress::Awake => self.ask(now),
            Progress::Failed(failure) => {
                let failure = match (failure, self.has_carrier) {
                    (Failure::Silent, true) => Failure::InCall,
                    (failure, _) => failure,
                };
                self.state = State::Failed(failure);
                self.at = None;
            }
        }
    }

    fn ask(&mut self, now: Instant) {
        let Some(query) = self.queries.pop_front() else {
            self.state = State::Done;
            self.at = None;
            return;
        };
        self.output.extend(query.line().bytes());
        self.output.push(b'\r');
        self.at = Some(now + ANSWER);
        self.state = State::Asking {
            query,
            lines: Vec::new(),
        };
    }

    fn finding(&self, setting: &Setting) -> Finding {
        let read = setting.read.as_ref();
        let answer = read.and_then(|query| Some((query, self.answers.get(query)?)));
        Finding {
            command: setting.command.line(),
            reason: setting.reason.clone(),
            read: read.map(Command::line),
            is: answer.map_or(Match::Unknown, |(query, lines)| {
                compare(setting.command.as_str(), query.as_str(), lines)
            }),
        }
    }
}

/// What `lines`, the answer to `query`, say of the setting that `command` makes.
fn compare(command: &str, query: &str, lines: &[String]) -> Match {
    match query.ends_with('?') {
        true => compare_value(command, lines),
        false => compare_page(command, lines),
    }
}

/// The answer is the value: `001`, or `+MS: 11,0,16800,16800`.
fn compare_value(command: &str, lines: &[String]) -> Match {
    let Some((_, wanted)) = command.split_once('=') else {
        return Match::Unknown;
    };
    let value = |line: &String| {
        let value = line.rsplit(':').next().unwrap_or(line);
        value.replace(' ', "").to_ascii_uppercase()
    };
    // An echo may stand in front.
    let Some(found) = lines.last().map(value).filter(|value| !value.is_empty()) else {
        return Match::Unknown;
    };
    let wanted = wanted.replace(' ', "").to_ascii_uppercase();
    let is_same = match (wanted.parse::<u32>(), found.parse::<u32>()) {
        (Ok(wanted), Ok(found)) => wanted == found,
        // Modems may show more values than were set.
        _ => found == wanted || found.starts_with(&(wanted + ",")),
    };
    match is_same {
        true => Match::Same,
        false => Match::Differs(found),
    }
}

/// The answer is a page of settings: `E0 Q0 &C1 S07:060`.
fn compare_page(command: &str, lines: &[String]) -> Match {
    let Some((name, wanted)) = named_value(command) else {
        return Match::Unknown;
    };
    let words = lines
        .iter()
        .flat_map(|line| line.split([' ', ',', ';', '\t']));
    let found = words
        .filter_map(named_value)
        .find(|(found, _)| *found == name);
    match found {
        None => Match::Unknown,
        Some((_, found)) if found == wanted => Match::Same,
        Some((name, found)) if name.starts_with('S') => Match::Differs(format!("{name}={found}")),
        Some((name, found)) => Match::Differs(format!("{name}{found}")),
    }
}

/// A setting as name and value: `&K3`, `S13=1`, `S13:001`.
fn named_value(word: &str) -> Option<(String, u32)> {
    let word = word.to_ascii_uppercase();
    let register = word
        .strip_prefix('S')
        .and_then(|rest| rest.split_once(['=', ':']));
    if let Some((number, value)) = register {
        let number: u32 = number.parse().ok()?;
        return Some((format!("S{number}"), value.parse().ok()?));
    }
    let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let value = &word[name.len()..];
    let sign = name.trim_start_matches(['&', '\\', '%', '-', '*', '#']);
    let is_setting = sign.len() == 1 && sign.chars().all(|c| c.is_ascii_alphabetic());
    (is_setting && !value.is_empty()).then(|| Some((name.to_owned(), value.parse().ok()?)))?
}

const ANSWER: Duration = Duration::from_secs(3);
const MOST_LINES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn registers_and_parameters_are_values() {
        let compare = |command, query, text| compare(command, query, &lines(text));
        assert_eq!(compare("S13=1", "S13?", "001"), Match::Same);
        assert_eq!(
            compare("S13=1", "S13?", "ATS13?\n000"),
            Match::Differs("000".into())
        );
        assert_eq!(
            compare("+MS=11,0", "+MS?", "+MS: 11, 0, 300, 33600"),
            Match::Same
        );
        assert_eq!(
            compare("+MS=11,0", "+MS?", "+MS: 11,01"),
            Match::Differs("11,01".into())
        );
        assert_eq!(compare("S13=1", "S13?", ""), Match::Unknown);
        assert_eq!(compare("&F1", "S13?", "001"), Match::Unknown);
    }

    #[test]
    fn pages_are_searched() {
        let page = "USRobotics Courier Settings...\n B0  E0  F1  M1  Q0  V1  X4  Y0\n \
                    BAUD=115200  PARITY=N  WORDLEN=8\n &A3  &B1  &C1  &H1\n S00=000  S02=255  S013=001";
        let compare = |command| compare(command, "I4", &lines(page));
        assert_eq!(compare("E0"), Match::Same);
        assert_eq!(compare("&B1"), Match::Same);
        assert_eq!(compare("&C0"), Match::Differs("&C1".into()));
        assert_eq!(compare("S2=43"), Match::Differs("S2=255".into()));
        assert_eq!(compare("S13=1"), Match::Same);
        assert_eq!(compare("&K3"), Match::Unknown);
        assert_eq!(compare("+MS=11"), Match::Unknown);
    }

    proptest! {
        #[test]
        fn any_answer_is_compared_without_harm(
            command in "[ -~]{0,20}", query in "[ -~]{0,9}", answer in proptest::collection::vec("[ -~]{0,80}", 0..9)
        ) {
            compare(&command, &query, &answer);
        }
    }
}
