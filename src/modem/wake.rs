//! Getting a modem to listen: it may echo, answer in numbers, not at all, or be in a call.
//!
//! ```text
//!   stage    | on                         | then
//!   ---------+----------------------------+------------------------------------------
//!   Trying   | OK                         | awake
//!            | no answer, three times     | Guard: it may be in a call
//!            | no answer, twice after it  | the failure that fits what was heard
//!   Guard    | the guard time has passed  | `+++`, Escaped
//!   Escaped  | OK, or the guard time      | `ATH`, Trying
//! ```

use std::collections::BTreeMap;

use crate::proto::time::{Duration, Instant};

use super::failure::Failure;
use super::response::{Numbers, Reader, ResultCode};

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not known yet.
    Going,
    /// The modem listens, echoes nothing and answers in words.
    Awake,
    /// It does not.
    Failed(Failure),
}

/// Wakes one modem.
#[derive(Clone, Debug)]
pub(super) struct Wake {
    stage: Stage,
    tries: u32,
    has_echo: bool,
    strange: Option<String>,
    /// `None` when there is no escape, or none any more.
    guard: Option<Duration>,
    at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Trying,
    Guard,
    Escaped,
}

impl Wake {
    /// Begins. `guard` is the silence around the escape; without one a call is left alone.
    pub(super) fn begin(now: Instant, guard: Option<Duration>, out: &mut Vec<u8>) -> Self {
        let mut wake = Self {
            stage: Stage::Trying,
            tries: 0,
            has_echo: false,
            strange: None,
            guard,
            at: now,
        };
        wake.attempt(now, out);
        wake
    }

    /// When to call [`Wake::on_timeout`].
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Whether the modem is taken out of a call.
    pub(super) fn is_escaping(&self) -> bool {
        self.stage != Stage::Trying
    }

    pub(super) fn on_line(&mut self, now: Instant, line: &str, out: &mut Vec<u8>) -> Progress {
        if is_echo(line) {
            self.has_echo = true;
            return Progress::Going;
        }
        let code = ResultCode::of(line, Numbers::AreResults, &BTreeMap::new());
        match (self.stage, code) {
            (Stage::Trying, Some(ResultCode::Ok)) => return Progress::Awake,
            (Stage::Escaped, Some(ResultCode::Ok)) => self.hang_up(now, out),
            // Of a call that ends, or comes in.
            (_, Some(ResultCode::NoCarrier | ResultCode::Ring)) => {}
            _ => self.strange = Some(line.to_owned()),
        }
        Progress::Going
    }

    /// `heard` is what came since the beginning, `baud` the rate of the port.
    pub(super) fn on_timeout(
        &mut self,
        now: Instant,
        heard: &Reader,
        baud: u32,
        out: &mut Vec<u8>,
    ) -> Progress {
        if now < self.at {
            return Progress::Going;
        }
        match self.stage {
            Stage::Trying if self.tries < TRIES => self.attempt(now, out),
            Stage::Trying => match self.guard {
                Some(guard) => {
                    self.stage = Stage::Guard;
                    self.at = now + guard;
                }
                None => return Progress::Failed(self.failure(heard, baud)),
            },
            Stage::Guard => {
                out.extend(ESCAPE);
                self.stage = Stage::Escaped;
                self.at = now + self.guard.unwrap_or_default();
            }
            Stage::Escaped => self.hang_up(now, out),
        }
        Progress::Going
    }

    fn attempt(&mut self, now: Instant, out: &mut Vec<u8>) {
        self.tries += 1;
        out.extend(ATTENTION.bytes());
        out.push(b'\r');
        self.at = now + ANSWER;
    }

    fn hang_up(&mut self, now: Instant, out: &mut Vec<u8>) {
        out.extend(HANG_UP);
        self.stage = Stage::Trying;
        self.guard = None;
        self.tries = 1;
        self.at = now + ANSWER;
    }

    fn failure(&self, heard: &Reader, baud: u32) -> Failure {
        match &self.strange {
            _ if heard.hears_garbage() => Failure::WrongSpeed { baud },
            Some(said) => Failure::Strange { said: said.clone() },
            None if self.has_echo || is_echo(heard.rest()) => Failure::OnlyEcho,
            None => Failure::Silent,
        }
    }
}

/// Whether a line is what was said to the modem; the escape has no line end.
fn is_echo(line: &str) -> bool {
    let said = line.trim_start_matches('+');
    said.eq_ignore_ascii_case(ATTENTION) || said.eq_ignore_ascii_case("ATH")
}

/// No echo, results, in words: understood by every modem that understands AT.
pub(super) const ATTENTION: &str = "ATE0Q0V1";
pub(super) const ESCAPE: &[u8] = b"+++";
pub(super) const HANG_UP: &[u8] = b"ATH\r";
/// A modem answers within a fraction of it.
const ANSWER: Duration = Duration::from_millis(1500);
const TRIES: u32 = 3;
