//! While there is a call: is there still one?

use crate::modem::failure::Failure;
use crate::modem::profile::Use;
use crate::proto::time::Instant;

use super::{CARRIER_DOUBT, Dialer, Event, HINT_DOUBT, Online, State};

impl Dialer {
    pub(super) fn go_online(&mut self, now: Instant) {
        self.online = Online {
            since: now,
            had_carrier: self.signals.carrier == Some(true),
            link_down: Some(now),
            ..Online::default()
        };
        self.enter(State::Online, None);
        self.say(Event::Connected(self.connection.clone()));
    }

    pub(super) fn on_signals(&mut self, now: Instant) {
        let carrier = self.signals.carrier;
        match self.state {
            State::Online => {
                match carrier {
                    Some(true) => {
                        self.online.had_carrier = true;
                        self.online.carrier_off = None;
                    }
                    // A signal that was never on says nothing.
                    Some(false) if self.online.had_carrier => {
                        let since = self.online.carrier_off;
                        self.online.carrier_off = since.or(Some(now));
                    }
                    _ => {}
                }
                self.watch(now);
            }
            State::WaitingForCarrier if carrier == Some(true) => self.settle(now, ""),
            _ => {}
        }
    }

    /// Ends a call that is none any more.
    pub(super) fn watch(&mut self, now: Instant) {
        if !self.is_online() || self.plan.profile.purpose == Use::Direct {
            return;
        }
        let past =
            |since: Option<Instant>, doubt| since.is_some_and(|since| now.since(since) >= doubt);
        let is_down = self.online.link_down.is_some();
        let is_lost = past(self.online.carrier_off, CARRIER_DOUBT)
            || (is_down && past(self.online.hint.since(), HINT_DOUBT));
        if is_lost {
            self.on_carrier_lost(now);
        } else if past(self.online.link_down, self.plan.dead_after) {
            let seconds = self.plan.dead_after.as_secs();
            self.begin_hang_up(now, Some(Failure::Dead { seconds }));
        }
    }

    fn on_carrier_lost(&mut self, now: Instant) {
        self.reader.forget();
        match self.plan.profile.purpose {
            // They train again by themselves.
            Use::Leased => {
                self.say(Event::Failed(Failure::CarrierLost));
                self.connection = Default::default();
                self.wait_for_carrier(now);
            }
            Use::Dial | Use::Direct => self.fail(now, Failure::CarrierLost),
        }
    }
}
