//! What the two modems and the wire between them do to each other: calls, training, carriers, and
//! what the scenario has for them.

use super::exchange::{Call, FROM_RING_TO_RING, Heard, Leads, TO_FIRST_RING};
use super::result::{Agreed, ResultCode};
use super::state::{Modem, Seeking, State};
use super::{Between, Family, ModemEvent, Modems, agree};
use crate::proto::time::{Duration, Instant};
use crate::sim::Side;
use crate::sim::scenario::ModemChange;

impl Modems {
    /// Makes the wire what the scenario says, and does to the modems what it says of them.
    pub(super) fn follow_scenario(&mut self, now: Instant) {
        let Some(due) = self.next_change.filter(|&at| at <= now) else {
            return;
        };
        let changes: Vec<ModemChange> = self.scenario.modem_changes(due, now).collect();
        self.conditions = Side::BOTH.map(|from| self.scenario.conditions(from, now));
        self.next_change = self.scenario.next_change(now);
        for change in changes {
            match change {
                ModemChange::Power(side, on) => self.modems[side as usize].set_power(now, on),
                ModemChange::Plugged(side, plugged) => self.plug(side, plugged),
                ModemChange::Retrain => self.modems[0].wants.retrain = true,
                ModemChange::HangUp => self.clear_call(),
            }
        }
    }

    pub(super) fn plug(&mut self, side: Side, plugged: bool) {
        if self.plugged[side as usize] != plugged {
            self.plugged[side as usize] = plugged;
            self.modems[side as usize].event(ModemEvent::Plugged(plugged));
        }
    }

    pub(super) fn clear_call(&mut self) {
        if let Between::Exchange(_) = self.between {
            self.call = Call::None;
        }
        let now = self.now;
        for modem in &mut self.modems {
            modem.far_end_cleared(now);
        }
    }

    pub(super) fn has_dial_tone(&self, side: Side) -> bool {
        match &self.between {
            Between::Exchange(exchange) => exchange.dial_tone && self.plugged[side as usize],
            Between::LeasedLine => false,
        }
    }

    /// Whether a modem hears that the other one is in the same call.
    pub(super) fn hears(&self, side: Side) -> bool {
        let other = side.other();
        let is_joined = self.is_whole(other);
        is_joined && matches!(self.modems[other as usize].state, State::Online(_))
    }

    /// Whether what `from` says would reach the other one now.
    fn is_whole(&self, from: Side) -> bool {
        self.call == Call::Up && self.plugged == [true; 2] && !self.conditions[from as usize].cut
    }

    /// Lets everything between the two come to rest.
    pub(super) fn settle(&mut self, now: Instant) {
        for side in Side::BOTH {
            if let Some(number) = self.modems[side as usize].wants.number.take() {
                self.connect_call(now, side, &number);
            }
            self.tell_caller(now, side);
        }
        self.keep_call(now);
        self.train(now);
        for side in Side::BOTH {
            if std::mem::take(&mut self.modems[side as usize].wants.cleared) && self.is_whole(side)
            {
                self.modems[side.other() as usize].far_end_cleared(now);
            }
            let hears = self.hears(side);
            self.modems[side as usize].carrier(now, hears);
        }
        self.train_again(now);
    }

    /// A number has come to the exchange.
    fn connect_call(&mut self, now: Instant, from: Side, number: &str) {
        let Between::Exchange(exchange) = &self.between else {
            return;
        };
        // Whoever dials blindly with no line in it reaches nobody.
        if !self.has_dial_tone(from) {
            return;
        }
        let mut leads = exchange.leads(from, number);
        if let Leads::To(side) = leads
            && (self.modems[side as usize].is_off_hook() || self.call != Call::None)
        {
            leads = Leads::Elsewhere(Heard::Busy);
        }
        match leads {
            Leads::To(_) => {
                self.call = Call::Ringing {
                    from,
                    next: now + TO_FIRST_RING,
                    is_told: false,
                };
            }
            Leads::Elsewhere(heard) => {
                self.elsewhere[from as usize] = Some((heard, now + heard.after()));
            }
        }
    }

    /// Whoever has called in vain hears of it, as far as it listens.
    fn tell_caller(&mut self, now: Instant, side: Side) {
        let modem = &mut self.modems[side as usize];
        if !matches!(modem.state, State::Waiting(_)) {
            self.elsewhere[side as usize] = None;
        }
        let Some((heard, _)) = self.elsewhere[side as usize].take_if(|(_, at)| *at <= now) else {
            return;
        };
        if modem.settings.progress < 3 {
            return;
        }
        match heard {
            Heard::Busy => modem.call_fails(now, ResultCode::Busy),
            Heard::RingingTone => modem.hear_ringing(),
            Heard::Voice if modem.config.family == Family::Courier => {
                modem.call_fails(now, ResultCode::Voice);
            }
            Heard::Voice => {}
        }
    }

    /// Rings; joins when somebody answers; parts when somebody hangs up.
    fn keep_call(&mut self, now: Instant) {
        if self.between == Between::LeasedLine {
            return;
        }
        let off_hook = Side::BOTH
            .map(|side| self.modems[side as usize].is_off_hook() && self.plugged[side as usize]);
        match &mut self.call {
            Call::None => {}
            Call::Up => {
                if Side::BOTH
                    .iter()
                    .any(|&side| !self.modems[side as usize].is_off_hook())
                {
                    // The one that is left hears that the other is gone before the line is dead.
                    self.tell_of_end(now);
                    self.call = Call::None;
                }
            }
            Call::Ringing {
                from,
                next,
                is_told,
            } => {
                let (from, to) = (*from, from.other());
                if !off_hook[from as usize] {
                    self.call = Call::None;
                } else if off_hook[to as usize] {
                    self.call = Call::Up;
                } else if *next <= now {
                    *next = now + FROM_RING_TO_RING;
                    if !std::mem::replace(is_told, true)
                        && self.modems[from as usize].settings.progress >= 3
                    {
                        self.modems[from as usize].hear_ringing();
                    }
                    if self.plugged[to as usize] {
                        self.modems[to as usize].ring(now);
                    }
                }
            }
        }
    }

    fn tell_of_end(&mut self, now: Instant) {
        for side in Side::BOTH {
            if std::mem::take(&mut self.modems[side as usize].wants.cleared) && self.is_whole(side)
            {
                self.modems[side.other() as usize].far_end_cleared(now);
            }
        }
    }

    /// Begins training when both are there, and ends it.
    fn train(&mut self, now: Instant) {
        let is_whole = Side::BOTH.iter().all(|&side| self.is_whole(side));
        let [a, b] = &mut self.modems;
        match (&a.state, &b.state, self.training_until) {
            (State::Waiting(seeking_a), State::Waiting(seeking_b), None)
                if is_whole && seeking_a.role != seeking_b.role =>
            {
                let [seeking_a, seeking_b] = [*seeking_a, *seeking_b];
                a.begin_training(seeking_a);
                b.begin_training(seeking_b);
                self.training_until = Some(now + a.config.training.max(b.config.training));
            }
            (State::Training(seeking_a), State::Training(seeking_b), Some(until)) if is_whole => {
                if until > now {
                    return;
                }
                self.training_until = None;
                let roles = [seeking_a.role, seeking_b.role];
                match agree_on(&self.modems, self.conditions.map(|way| way.rate)) {
                    Some(agreed) => {
                        for ((modem, role), agreed) in self.modems.iter_mut().zip(roles).zip(agreed)
                        {
                            modem.connected(now, role, agreed);
                        }
                        for way in &mut self.ways {
                            way.begin(now, agreed[0].reliable);
                        }
                    }
                    None => {
                        for modem in &mut self.modems {
                            modem.call_fails(now, ResultCode::NoCarrier);
                        }
                    }
                }
            }
            (State::Training(_), ..) | (_, State::Training(_), _) => {
                self.training_until = None;
                for modem in &mut self.modems {
                    if let State::Training(seeking) = modem.state {
                        modem.state = State::Waiting(seeking);
                    }
                }
            }
            _ => self.training_until = None,
        }
    }

    /// Trains again in the middle of a call, when a modem or the wire wants it.
    fn train_again(&mut self, now: Instant) {
        let mut wanted = false;
        for modem in &mut self.modems {
            wanted |= std::mem::take(&mut modem.wants.retrain);
        }
        if !Side::BOTH.iter().all(|&side| self.hears(side)) {
            return;
        }
        let before = self.modems.each_ref().map(Modem::agreed);
        let [Some((a, false)), Some((_, is_training))] = before else {
            return;
        };
        if is_training {
            return;
        }
        let Some(agreed) = agree_on(&self.modems, self.conditions.map(|way| way.rate)) else {
            // There is no rate for this wire any more.
            return self.clear_call();
        };
        if !wanted && (agreed[0].sends, agreed[0].hears) == (a.sends, a.hears) {
            return;
        }
        let [first, second] = self.modems.each_ref().map(|modem| modem.config.retraining);
        let until: Duration = first.max(second);
        for (modem, mut agreed) in self.modems.iter_mut().zip(agreed) {
            // Error control was agreed on at the beginning.
            (agreed.reliable, agreed.compressed) = (a.reliable, a.compressed);
            modem.retrain(now + until, agreed);
        }
    }
}

fn agree_on(modems: &[Modem; 2], carries: [crate::proto::time::BitRate; 2]) -> Option<[Agreed; 2]> {
    agree(
        modems
            .each_ref()
            .map(|modem| (&modem.config, &modem.settings)),
        carries,
    )
}

impl Modem {
    /// Whether the exchange sees its receiver off the hook.
    pub(super) const fn is_off_hook(&self) -> bool {
        !matches!(
            self.state,
            State::Off | State::Starting(_) | State::Idle { off_hook: false } | State::Paused(_)
        )
    }

    fn begin_training(&mut self, seeking: Seeking) {
        self.state = State::Training(seeking);
        self.event(ModemEvent::Trains);
    }

    /// What was agreed, and whether it trains at present.
    fn agreed(&self) -> Option<(Agreed, bool)> {
        match &self.state {
            State::Online(online) => Some((online.agreed, online.retraining.is_some())),
            _ => None,
        }
    }

    fn hear_ringing(&mut self) {
        if self.config.family == Family::Courier {
            self.result(ResultCode::Ringing);
        }
    }
}
