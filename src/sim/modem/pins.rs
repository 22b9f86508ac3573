//! The pins of a modem's port, its speed, and its power switch.
//!
//! Promise: a terminal that obeys CTS loses nothing to a full buffer; DTR does what `&D` says.

use super::ModemSignals;
use super::config::Family;
use super::editor::Editor;
use super::event::ModemEvent;
use super::result::ResultCode;
use super::settings::{CTS_AFTER_CARRIER, Flow};
use super::state::{Modem, State, Wants};
use crate::proto::time::{BitRate, Duration, Instant};

impl Modem {
    /// What it tells its terminal by the pins of the port.
    pub(super) fn signals(&self, now: Instant) -> ModemSignals {
        let on = !matches!(self.state, State::Off);
        let waits = self.config.family == Family::Courier
            && self.settings.dsr == CTS_AFTER_CARRIER
            && self.settings.leased > 0
            && matches!(self.state, State::Waiting(_) | State::Training(_));
        let carrier = match &self.state {
            State::Online(online) => {
                let is_blinking = online.retraining.is_some() && self.config.retraining_drops_dcd;
                !is_blinking && online.cleared_at.is_none()
            }
            _ => false,
        };
        ModemSignals {
            dsr: on,
            cts: on && !waits && !(self.settings.flow == Flow::Hardware && self.is_full),
            dcd: on && (carrier || !self.settings.true_dcd),
            ri: on && now < self.ring_over,
        }
    }

    /// The speed that its port has now, for a terminal at that one.
    pub(super) fn port_speed(&self, now: Instant, terminal: BitRate) -> BitRate {
        match (&self.state, self.config.port_rate) {
            (_, Some(fixed)) => fixed,
            // It says `CONNECT` at the old one.
            _ if self.port.is_saying(now) => self.port.speed(),
            // Outside of a call it takes the speed of what it is told.
            (State::Online(online), None) if !online.command => {
                match BitRate::new(online.agreed.hears) {
                    Some(line) if self.settings.port_follows_line => line,
                    _ => self.port.speed(),
                }
            }
            _ => terminal,
        }
    }

    /// How many bytes it takes from its terminal now.
    pub(super) fn room(&self, now: Instant) -> usize {
        let room = self.port.room(now);
        if matches!(self.state, State::Off) || self.settings.flow != Flow::Hardware {
            return room;
        }
        if !self.signals(now).cts {
            return 0;
        }
        let free = self.config.buffer.saturating_sub(self.tx.len());
        room.min(free.saturating_sub(self.port.on_the_way(now)))
    }

    /// The terminal says whether it is ready (DTR), and whether it takes bytes (RTS).
    pub(super) fn handle_signals(&mut self, now: Instant, dtr: bool, rts: bool) {
        if self.settings.flow == Flow::Hardware {
            self.port.hold(!rts);
        }
        match (dtr, self.dtr_off) {
            (false, None) => {
                self.dtr_off = Some(now);
                self.dtr_done = false;
            }
            (true, Some(_)) => {
                self.dtr_off = None;
                if let State::Idle { off_hook: false } = self.state {
                    self.enter_idle(now);
                }
            }
            _ => {}
        }
    }

    /// What `&D` says, when DTR has been off for long enough.
    pub(super) fn look_at_dtr(&mut self, now: Instant) {
        let delay = self.settings.dtr_delay();
        if self.dtr_done || self.dtr_off.is_none_or(|since| now < since + delay) {
            return;
        }
        self.dtr_done = true;
        let is_reset = self.settings.dtr == 3 || self.settings.s(13).unwrap_or(0) & 1 == 1;
        match self.settings.dtr {
            0 => return,
            1 => {
                if let State::Online(online) = &mut self.state
                    && !online.command
                {
                    online.command = true;
                    self.editor = Editor::default();
                    self.result(ResultCode::Ok);
                }
                return;
            }
            _ => {}
        }
        if !matches!(
            self.state,
            State::Off | State::Starting(_) | State::Idle { .. }
        ) {
            self.hang_up(now);
            self.result(ResultCode::NoCarrier);
        }
        if is_reset && !matches!(self.state, State::Off) {
            self.settings = self.stored;
        }
    }

    /// Switches it on or off. What `&W` kept is kept.
    pub(super) fn set_power(&mut self, now: Instant, on: bool) {
        match (on, matches!(self.state, State::Off)) {
            (true, true) => {
                self.settings = self.stored;
                self.state = State::Starting(now + STARTING);
            }
            (false, false) => {
                self.stats.unsent += self.tx.len() as u64;
                self.tx.clear();
                self.is_full = false;
                self.port.clear();
                self.editor = Editor::default();
                self.thinking = None;
                self.wants = Wants::default();
                self.rings = 0;
                self.ring_over = now;
                self.state = State::Off;
            }
            _ => return,
        }
        self.event(ModemEvent::Power(on));
    }
}

/// From the power to the first command that is heard.
const STARTING: Duration = Duration::from_secs(1);
