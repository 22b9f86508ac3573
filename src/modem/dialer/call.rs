//! Up to the call: waking the modem, setting it up, dialling, waiting.

use crate::modem::command::Command;
use crate::modem::connection::Connection;
use crate::modem::failure::Failure;
use crate::modem::plan::{Dtr, Way};
use crate::modem::profile::Use;
use crate::modem::response::{Numbers, ResultCode};
use crate::modem::wake::{Progress, Wake};
use crate::proto::time::{Duration, Instant};

use super::hang_up::HangUp;
use super::{DTR_ON, Dialer, Event, Note, State};

impl Dialer {
    pub(super) fn wake(&mut self, now: Instant) {
        // A leased line is not to be brought out of a connection that it has.
        let guard = match self.plan.profile.purpose {
            Use::Leased => None,
            Use::Dial | Use::Direct => Some(self.guard()),
        };
        let wake = Wake::begin(now, guard, &mut self.output);
        self.trace_output();
        let at = wake.at();
        self.enter(State::Waking(wake), Some(at));
    }

    pub(super) fn on_line(&mut self, now: Instant, line: &str) {
        self.say(Event::Heard(line.to_owned()));
        if let State::Waking(wake) = &mut self.state {
            let progress = wake.on_line(now, line, &mut self.output);
            return self.on_progress(now, progress);
        }
        let numbers = &self.plan.profile.numbers;
        let Some(code) = ResultCode::of(line, Numbers::AreResults, numbers) else {
            self.connection.take_report(line);
            return;
        };
        match &mut self.state {
            State::Setting { .. } => self.on_setting_result(now, &code),
            State::Dialling { .. } | State::Answering => self.on_call_result(now, code),
            State::WaitingForCarrier => {
                if let ResultCode::Connect(words) = &code {
                    self.settle(now, words);
                }
            }
            State::WaitingForCall { rings, is_asked } => match code {
                ResultCode::Ring => {
                    *rings = rings.saturating_add(1);
                    let enough =
                        matches!(self.plan.way, Way::Answer { rings: most } if *rings >= most);
                    self.on_ring(now, enough);
                }
                ResultCode::Ok if *is_asked => self.wait_for_call(now),
                // It answers by itself (S0).
                ResultCode::Connect(words) => self.settle(now, &words),
                _ => {}
            },
            State::HangingUp(_) => self.on_hang_up_result(now, &code),
            _ => {}
        }
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Resetting(Dtr::Off) => {
                self.say(Event::Dtr(Dtr::On));
                self.reader.forget();
                self.enter(State::Resetting(Dtr::On), Some(now + DTR_ON));
            }
            State::Resetting(Dtr::On) => self.wake(now),
            State::Waking(wake) => {
                let baud = self.plan.baud;
                let progress = wake.on_timeout(now, &self.reader, baud, &mut self.output);
                self.on_progress(now, progress);
            }
            State::Setting { index, is_again } => {
                let (index, is_again) = (*index, *is_again);
                self.on_setting_silence(now, index, is_again);
            }
            State::Dialling { .. } | State::Answering => {
                let seconds = self.call_time().as_secs();
                // Any character ends the attempt.
                self.begin_abort(now, Failure::NoConnection { seconds });
            }
            State::WaitingForCarrier => {
                let seconds = self.plan.profile.carrier_time.get().as_secs();
                self.fail(now, Failure::NoLeasedCarrier { seconds });
            }
            State::WaitingForCall { rings, is_asked } => match (*rings, *is_asked) {
                (0, true) => self.fail(now, Failure::Silent),
                (0, false) => self.ask(now),
                // Whoever called has given up.
                _ => self.wait_for_call(now),
            },
            State::Settling => self.go_online(now),
            State::HangingUp(_) => self.on_hang_up_timeout(now),
            State::Pausing(_) => self.begin(now),
            State::Online | State::GaveUp | State::Ended => {}
        }
    }

    fn on_progress(&mut self, now: Instant, progress: Progress) {
        self.trace_output();
        match progress {
            Progress::Going => {
                if let State::Waking(wake) = &self.state {
                    self.at = Some(wake.at());
                }
                self.say(Event::Changed);
            }
            Progress::Awake => self.set(now, 0),
            Progress::Failed(
                Failure::Silent | Failure::WrongSpeed { .. } | Failure::Strange { .. },
            ) if self.may_be_connected() => {
                self.say(Event::Note(Note::MayBeConnected));
                self.go_online(now);
            }
            Progress::Failed(failure) => self.fail(now, failure),
        }
    }

    /// A modem on a leased line whose escape is off takes no commands once it is connected, and what
    /// comes from it is the far end's. A port without DCD does not tell.
    fn may_be_connected(&self) -> bool {
        self.plan.profile.purpose == Use::Leased && self.signals.carrier.is_none()
    }

    /// Sends the setting of that index, or goes on when there is none.
    fn set(&mut self, now: Instant, index: usize) {
        let Some((command, _, _)) = self.setting(index) else {
            self.faults = 0;
            return self.call(now);
        };
        self.send(&command);
        let state = State::Setting {
            index,
            is_again: false,
        };
        self.enter(state, Some(now + SETTING_TIME));
    }

    /// Command, reason, and whether it may be refused.
    fn setting(&self, index: usize) -> Option<(Command, String, bool)> {
        let mut settings = self.plan.profile.settings_for(self.plan.role, self.signals);
        let setting = settings.nth(index)?;
        let (command, reason) = (setting.command.clone(), setting.reason.clone());
        Some((command, reason, setting.optional))
    }

    fn on_setting_result(&mut self, now: Instant, code: &ResultCode) {
        let State::Setting { index, .. } = self.state else {
            return;
        };
        match code {
            ResultCode::Ok => self.set(now, index + 1),
            // Some train at once when they are told of the leased line.
            ResultCode::Connect(words) if self.plan.profile.purpose == Use::Leased => {
                self.settle(now, words);
            }
            ResultCode::Error => match self.setting(index) {
                Some((command, reason, true)) => {
                    self.say(Event::Note(Note::Refused { command, reason }));
                    self.set(now, index + 1);
                }
                Some((command, reason, false)) => {
                    self.fail(now, Failure::Refused { command, reason });
                }
                None => {}
            },
            _ => {}
        }
    }

    fn on_setting_silence(&mut self, now: Instant, index: usize, is_again: bool) {
        let Some((command, _, _)) = self.setting(index) else {
            return;
        };
        let is_last = self.setting(index + 1).is_none();
        if self.plan.profile.silent_until_carrier && is_last {
            // It may be training already.
            return self.call(now);
        }
        if is_again {
            return self.fail(now, Failure::Stuck { command });
        }
        self.send(&command);
        self.at = Some(now + SETTING_TIME);
        self.state = State::Setting {
            index,
            is_again: true,
        };
    }

    /// The modem is set up.
    fn call(&mut self, now: Instant) {
        self.connection = Connection::default();
        match &self.plan.way {
            Way::Dial(number) => {
                let profile = &self.plan.profile;
                let commands = number.commands(profile.dialling, profile.longest_command.get());
                let Some(first) = commands.first().cloned() else {
                    return self.fail(now, Failure::CannotDial);
                };
                let state = State::Dialling {
                    commands,
                    index: 0,
                    rang: false,
                };
                self.send(&first);
                self.enter(state, Some(now + self.call_time()));
                self.say(Event::Calling(self.status()));
            }
            Way::Answer { .. } => self.wait_for_call(now),
            Way::Leased => self.wait_for_carrier(now),
            Way::Direct => self.go_online(now),
        }
    }

    /// How long a call may take to come about.
    fn call_time(&self) -> Duration {
        let dialling = match &self.plan.way {
            Way::Dial(number) => number.longest_time(),
            _ => Duration::ZERO,
        };
        // The modem's own limit (S7) should come first, as it says why.
        self.plan.profile.carrier_time.get() + dialling + BEYOND_S7
    }

    fn on_call_result(&mut self, now: Instant, code: ResultCode) {
        if let State::Dialling {
            commands,
            index,
            rang,
        } = &mut self.state
        {
            let is_part = *index + 1 < commands.len();
            match code {
                ResultCode::Ok if is_part => {
                    *index += 1;
                    let next = commands.get(*index).cloned();
                    if let Some(next) = next {
                        self.send(&next);
                    }
                    return;
                }
                ResultCode::Ringing => {
                    *rang = true;
                    return self.say(Event::Changed);
                }
                _ => {}
            }
        }
        let failure = match code {
            ResultCode::Connect(words) => return self.settle(now, &words),
            ResultCode::Ringing | ResultCode::Ring => return,
            ResultCode::Busy => Failure::Busy,
            ResultCode::NoCarrier | ResultCode::Ok => Failure::NoCarrier,
            ResultCode::NoAnswer => Failure::NoAnswer,
            ResultCode::NoDialtone => Failure::NoDialtone,
            ResultCode::LineInUse => Failure::LineInUse,
            ResultCode::Voice => Failure::Voice,
            ResultCode::Blacklisted => Failure::Blacklisted,
            ResultCode::Delayed => Failure::Delayed,
            ResultCode::Error => Failure::CannotDial,
        };
        self.fail(now, failure);
    }

    fn begin_abort(&mut self, now: Instant, failure: Failure) {
        self.output.push(b'\r');
        let hang_up = HangUp::aborted(failure);
        self.enter(State::HangingUp(hang_up), Some(now + ABORT_TIME));
    }

    pub(super) fn wait_for_call(&mut self, now: Instant) {
        let state = State::WaitingForCall {
            rings: 0,
            is_asked: false,
        };
        self.enter(state, Some(now + CHECK_EVERY));
    }

    fn on_ring(&mut self, now: Instant, enough: bool) {
        if !enough {
            self.at = Some(now + BETWEEN_RINGS);
            return self.say(Event::Changed);
        }
        if let Ok(answer) = "A".parse() {
            self.send(&answer);
        }
        self.connection = Connection::default();
        self.enter(State::Answering, Some(now + self.call_time()));
        self.say(Event::Calling(self.status()));
    }

    /// Whether a modem that waits is still there: one that was switched off and on has other settings.
    fn ask(&mut self, now: Instant) {
        self.output.extend(b"AT\r");
        self.at = Some(now + ASK_TIME);
        self.state = State::WaitingForCall {
            rings: 0,
            is_asked: true,
        };
    }

    pub(super) fn wait_for_carrier(&mut self, now: Instant) {
        let at = now + self.plan.profile.carrier_time.get();
        self.enter(State::WaitingForCarrier, Some(at));
        if self.signals.carrier == Some(true) {
            self.settle(now, "");
        }
    }

    /// There is a carrier. What the modem says of it may still come.
    pub(super) fn settle(&mut self, now: Instant, words: &str) {
        if !words.is_empty() {
            self.connection.take_connect(words, self.plan.baud);
        }
        let time = match words.is_empty() {
            true => UNTIL_CONNECT,
            false => BEHIND_CONNECT,
        };
        self.enter(State::Settling, Some(now + time));
    }
}

/// A modem that resets (`Z`, `&F`) or writes its memory (`&W`) takes the longest.
const SETTING_TIME: Duration = Duration::from_secs(4);
const BEYOND_S7: Duration = Duration::from_secs(15);
const ABORT_TIME: Duration = Duration::from_secs(3);
const CHECK_EVERY: Duration = Duration::from_secs(60);
const ASK_TIME: Duration = Duration::from_secs(3);
/// Rings of one call are at most 6 s apart.
const BETWEEN_RINGS: Duration = Duration::from_secs(8);
/// DCD goes on before the modem says `CONNECT`.
const UNTIL_CONNECT: Duration = Duration::from_secs(1);
const BEHIND_CONNECT: Duration = Duration::from_millis(200);
