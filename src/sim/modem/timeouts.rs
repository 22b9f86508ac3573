//! What time brings to a modem: digits that are dialled, guard times, S7 and S10.
//!
//! Promise: nothing happens before its time, and [`Modem::poll_timeout`] tells of everything that
//! will. What the other modem and the exchange do is left to `story`.

use super::config::Role;
use super::dial::Step;
use super::editor::Editor;
use super::event::ModemEvent;
use super::result::ResultCode;
use super::state::{Modem, Online, Seeking, State};
use crate::proto::time::{Duration, Instant, earliest};

impl Modem {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let thinking = self.thinking.as_ref().map(|(at, _)| *at);
        let dtr = match self.dtr_off {
            Some(since) if !self.dtr_done => Some(since + self.settings.dtr_delay()),
            _ => None,
        };
        earliest(earliest(thinking, dtr), self.state_timeout())
    }

    fn state_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Off | State::Idle { .. } => None,
            State::Starting(at) | State::Paused(at) | State::Dialling(_, at) => Some(*at),
            State::Waiting(seeking) | State::Training(seeking) => seeking.until,
            State::Online(online) => {
                let escape = online.escape.due(self.settings.guard());
                let escape = escape.filter(|_| !online.command);
                earliest(
                    earliest(online.cleared_at, online.retraining),
                    earliest(escape, self.hangs_up_at(online)),
                )
            }
        }
    }

    /// When it has been without carrier for S10.
    fn hangs_up_at(&self, online: &Online) -> Option<Instant> {
        Some(online.lost_since? + self.settings.loss_of_carrier()?)
    }

    /// What is due now. `dial_tone` is whether it would hear one.
    pub(super) fn handle_timeout(&mut self, now: Instant, dial_tone: bool) {
        if let Some((_, answer)) = self.thinking.take_if(|(at, _)| *at <= now) {
            self.port.say(&answer);
        }
        self.look_at_dtr(now);
        match &self.state {
            State::Starting(at) if *at <= now => self.enter_idle(now),
            State::Paused(at) if *at <= now => self.seek_leased(),
            State::Dialling(_, at) if *at <= now => self.dial_on(now, dial_tone),
            State::Waiting(seeking) | State::Training(seeking)
                if seeking.until.is_some_and(|at| at <= now) =>
            {
                let why = match seeking.quiet_answer {
                    true => ResultCode::NoAnswer,
                    false => ResultCode::NoCarrier,
                };
                self.call_fails(now, why);
            }
            State::Online(online) => {
                let online = *online;
                self.online_timeout(now, online);
            }
            _ => {}
        }
    }

    fn online_timeout(&mut self, now: Instant, online: Online) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(online.cleared_at) || is_due(self.hangs_up_at(&online)) {
            self.stats.carrier_lost += 1;
            self.event(ModemEvent::CarrierLost);
            self.hang_up(now);
            self.result(ResultCode::NoCarrier);
            if self.leased_role().is_some() {
                self.seek_leased();
            }
            return;
        }
        let State::Online(state) = &mut self.state else {
            return;
        };
        state.retraining.take_if(|at| *at <= now);
        if is_due(online.escape.due(self.settings.guard())) && !online.command {
            state.command = true;
            self.editor = Editor::default();
            self.result(ResultCode::Ok);
        }
    }

    /// Tries the leased line, for as long as it takes.
    fn seek_leased(&mut self) {
        match self.leased_role() {
            Some(role) => {
                self.state = State::Waiting(Seeking {
                    role,
                    until: None,
                    quiet_answer: false,
                });
            }
            None => self.state = State::Idle { off_hook: false },
        }
    }

    /// The next step of dialling.
    fn dial_on(&mut self, now: Instant, dial_tone: bool) {
        let progress = self.settings.progress;
        let State::Dialling(dialling, until) = &mut self.state else {
            return;
        };
        match dialling.steps.pop_front() {
            None if dialling.stay => {
                self.dialled = std::mem::take(&mut dialling.number);
                self.state = State::Idle { off_hook: true };
                self.result(ResultCode::Ok);
            }
            None => {
                let (number, quiet) = (dialling.number.clone(), dialling.quiet_answer);
                self.event(ModemEvent::Dials(number.clone()));
                self.wants.number = Some(number);
                let grace = self.grace;
                self.seek(now, Role::Originate, quiet);
                self.grace = grace;
            }
            Some(Step::Take(time)) => *until = now + time,
            Some(Step::Begin) if !matches!(progress, 2 | 4..) => {
                *until = now + self.settings.wait_for_dial_tone();
            }
            Some(_) if dial_tone => *until = now + HEAR_DIAL_TONE,
            Some(Step::Listened) => self.call_fails(now, ResultCode::NoDialTone),
            Some(step) => {
                dialling.steps.push_front(Step::Listened);
                *until = now
                    + match step {
                        Step::Wait => self.settings.wait_for_carrier(),
                        _ => LISTEN_FOR_DIAL_TONE,
                    };
            }
        }
    }
}

/// It takes so long to know a dial tone.
const HEAR_DIAL_TONE: Duration = Duration::from_secs(1);
const LISTEN_FOR_DIAL_TONE: Duration = Duration::from_secs(4);
