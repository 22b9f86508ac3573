//! Hanging up: by DTR where the port has it, else by the escape with its guard times.

use crate::modem::failure::Failure;
use crate::modem::plan::Dtr;
use crate::modem::profile::Use;
use crate::modem::response::ResultCode;
use crate::modem::wake::{ESCAPE, HANG_UP};
use crate::proto::time::{Duration, Instant};

use super::{DTR_OFF, Dialer, Event, Note, State};

/// A call that is being ended.
#[derive(Debug)]
pub(super) struct HangUp {
    stage: Stage,
    /// Why; `None` when it was asked for.
    failure: Option<Failure>,
}

/// ```text
///   DtrOff -> DtrOn -> done
///   Guard -> Escaped -> Asked -> done      a call, on a port without DTR
///   Aborted -> Asked -> done               an attempt: any character has ended it
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    DtrOff,
    DtrOn,
    Guard,
    Escaped,
    Aborted,
    Asked,
}

impl HangUp {
    /// An attempt that was ended by a character.
    pub(super) fn aborted(failure: Failure) -> Self {
        Self {
            stage: Stage::Aborted,
            failure: Some(failure),
        }
    }
}

impl Dialer {
    /// Ends a call.
    pub(super) fn begin_hang_up(&mut self, now: Instant, failure: Option<Failure>) {
        self.reader.forget();
        // A leased line has nobody to hang up on; the modem is reset at the next try.
        if self.plan.profile.purpose != Use::Dial {
            return self.hung_up(now, failure);
        }
        let (stage, time) = match self.signals.has_dtr {
            true => {
                self.say(Event::Dtr(Dtr::Off));
                (Stage::DtrOff, DTR_OFF)
            }
            false => (Stage::Guard, self.guard()),
        };
        let hang_up = HangUp { stage, failure };
        self.enter(State::HangingUp(hang_up), Some(now + time));
    }

    /// The caller wants it to end.
    pub(super) fn on_stop(&mut self, now: Instant) {
        match &mut self.state {
            State::Online | State::Settling => self.begin_hang_up(now, None),
            State::Dialling { .. } | State::Answering if self.signals.has_dtr => {
                self.begin_hang_up(now, None);
            }
            State::Dialling { .. } | State::Answering => {
                self.output.push(b'\r');
                let hang_up = HangUp {
                    stage: Stage::Aborted,
                    failure: None,
                };
                self.enter(State::HangingUp(hang_up), Some(now + ANSWER_TIME));
            }
            // Under way already; now it was asked for.
            State::HangingUp(hang_up) => hang_up.failure = None,
            State::Resetting(Dtr::Off) => {
                self.say(Event::Dtr(Dtr::On));
                self.end();
            }
            _ => self.end(),
        }
    }

    pub(super) fn on_hang_up_result(&mut self, now: Instant, code: &ResultCode) {
        let State::HangingUp(hang_up) = &self.state else {
            return;
        };
        match (hang_up.stage, code) {
            (Stage::Escaped, ResultCode::Ok) | (Stage::Aborted, _) => self.ask_to_hang_up(now),
            (Stage::Asked, ResultCode::Ok) => self.finish_hang_up(now),
            _ => {}
        }
    }

    pub(super) fn on_hang_up_timeout(&mut self, now: Instant) {
        let guard = self.guard();
        let State::HangingUp(hang_up) = &mut self.state else {
            return;
        };
        match hang_up.stage {
            Stage::DtrOff => {
                hang_up.stage = Stage::DtrOn;
                self.at = Some(now + DTR_SETTLES);
                self.say(Event::Dtr(Dtr::On));
            }
            Stage::DtrOn => self.finish_hang_up(now),
            Stage::Guard => {
                hang_up.stage = Stage::Escaped;
                self.at = Some(now + guard + ANSWER_TIME);
                self.output.extend(ESCAPE);
                self.trace_output();
            }
            Stage::Escaped | Stage::Aborted => self.ask_to_hang_up(now),
            Stage::Asked => {
                self.say(Event::Note(Note::MayNotHaveHungUp));
                self.finish_hang_up(now);
            }
        }
    }

    fn ask_to_hang_up(&mut self, now: Instant) {
        if let State::HangingUp(hang_up) = &mut self.state {
            hang_up.stage = Stage::Asked;
        }
        self.at = Some(now + ANSWER_TIME);
        self.output.extend(HANG_UP);
        self.trace_output();
    }

    fn finish_hang_up(&mut self, now: Instant) {
        let State::HangingUp(hang_up) = &mut self.state else {
            return;
        };
        let failure = hang_up.failure.take();
        self.hung_up(now, failure);
    }

    fn hung_up(&mut self, now: Instant, failure: Option<Failure>) {
        match failure {
            Some(failure) if !self.is_stopping => self.fail(now, failure),
            _ => self.end(),
        }
    }

    fn end(&mut self) {
        self.output.clear();
        self.enter(State::Ended, None);
        self.say(Event::HungUp);
    }
}

const DTR_SETTLES: Duration = Duration::from_millis(300);
const ANSWER_TIME: Duration = Duration::from_secs(3);
