//! Two modems that misbehave like real ones, with a telephone exchange or a leased line between.
//!
//! ```text
//!   terminal A -- port --> Modem --> Direction --> Modem -- port --> terminal B
//!             <----------- Modem <-- Direction <-- Modem <----------
//!                             \--- exchange: numbers, rings ---/
//! ```
//!
//! Promise: they speak AT as their families do, train for seconds in which nothing passes, retrain,
//! lose the carrier and the power, and what they carry in between has the line's rate and the
//! line's faults. A run depends on the configuration, its seed and the times of the calls alone.
//! It assumes that `now` never goes back, and that a terminal gives no more than there is
//! [`room`](Modems::room) for: that is CTS, for a terminal without that wire as well. It leaves
//! real ports to its caller; what is known about real families is in `settings` and `result`.

mod agreement;
mod command;
mod config;
mod dial;
mod editor;
mod escape;
mod event;
mod exchange;
mod execute;
mod line;
mod pins;
mod port;
mod result;
mod settings;
mod state;
mod story;
#[cfg(test)]
mod tests;
mod timeouts;

use std::collections::VecDeque;

pub use config::{Between, Exchange, Family, ModemConfig, Role, Start};
pub use event::ModemEvent;
pub use result::Agreed;

use agreement::agree;
use exchange::{Call, Heard};
use line::Direction;
use state::{Modem, State};

use super::scenario::Conditions;
use super::{LineModelStats, Scenario, Side, Wiring};
use crate::proto::time::{BitRate, Duration, Instant, earliest};

/// What a modem tells its terminal by the pins of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModemSignals {
    /// The power is on.
    pub dsr: bool,
    /// It takes bytes.
    pub cts: bool,
    /// It hears the other modem.
    pub dcd: bool,
    /// The bell rings now.
    pub ri: bool,
}

/// What a modem did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModemStats {
    /// Command lines.
    pub commands: u64,
    /// Of them, those that ended with `ERROR` because of a command that it does not have.
    pub errors: u64,
    /// Rings.
    pub rings: u64,
    /// Calls, or trainings of a leased line, that came to a connection.
    pub connections: u64,
    /// Trainings in the middle of a connection.
    pub retrains: u64,
    /// Connections that ended because the far end was not heard any more.
    pub carrier_lost: u64,
    /// Times that a byte came from the terminal while it dialled or trained, and it gave up.
    pub aborted: u64,
    /// Bytes that came from the terminal.
    pub from_terminal: u64,
    /// Of them, those that came when it does not listen.
    pub unheard: u64,
    /// Of them, data that found no room, for want of flow control.
    pub overrun: u64,
    /// Of them, data that had not left when the connection ended.
    pub unsent: u64,
    /// Bytes for the terminal that found no room.
    pub not_taken: u64,
    /// Blocks that error control had to send again.
    pub blocks_again: u64,
    /// What the line did with what it sent.
    pub line: LineModelStats,
}

/// Two modems and what is between them.
#[derive(Clone, Debug)]
pub struct Modems {
    now: Instant,
    scenario: Scenario,
    next_change: Option<Instant>,
    between: Between,
    modems: [Modem; 2],
    /// What each terminal's port is set to.
    terminals: [BitRate; 2],
    plugged: [bool; 2],
    /// What each sends goes through its own.
    ways: [Direction; 2],
    conditions: [Conditions; 2],
    call: Call,
    /// What a caller hears from then on who has reached neither.
    elsewhere: [Option<(Heard, Instant)>; 2],
    training_until: Option<Instant>,
    events: VecDeque<(Instant, Side, ModemEvent)>,
}

impl Modems {
    /// Both as they are configured, and a wire like the scenario.
    pub fn new(modems: [ModemConfig; 2], between: Between, scenario: Scenario, seed: u64) -> Self {
        let modems = modems.map(Modem::new);
        let call = match between {
            Between::Exchange(_) => Call::None,
            Between::LeasedLine => Call::Up,
        };
        Self {
            now: Instant::ZERO,
            next_change: scenario.next_change(Instant::ZERO),
            between,
            terminals: [0, 1].map(|side: usize| modems[side].port.speed()),
            modems,
            plugged: [true; 2],
            ways: scenario.models(seed).map(Direction::new),
            conditions: Side::BOTH.map(|from| scenario.conditions(from, Instant::ZERO)),
            call,
            elsewhere: [None; 2],
            training_until: None,
            events: VecDeque::new(),
            scenario,
        }
    }

    /// How many bytes a modem takes from its terminal now; 0 while CTS is off.
    pub fn room(&mut self, now: Instant, side: Side) -> usize {
        self.advance(now);
        self.modems[side as usize].room(self.now)
    }

    /// A terminal sends bytes; says how many were taken, always the first ones.
    pub fn handle_bytes(&mut self, now: Instant, side: Side, bytes: &[u8]) -> usize {
        let room = self.room(now, side).min(bytes.len());
        self.modems[side as usize]
            .port
            .give(self.now, &bytes[..room])
    }

    /// A terminal sets its port to another speed.
    pub fn handle_speed(&mut self, now: Instant, side: Side, speed: BitRate) {
        self.advance(now);
        self.terminals[side as usize] = speed;
        self.step(self.now);
    }

    /// A terminal says that it is ready (DTR), and that it takes bytes (RTS). Both are on until
    /// it says otherwise.
    pub fn handle_signals(&mut self, now: Instant, side: Side, dtr: bool, rts: bool) {
        self.advance(now);
        self.modems[side as usize].handle_signals(self.now, dtr, rts);
        self.step(self.now);
    }

    /// Somebody switches a modem on or off.
    pub fn set_power(&mut self, now: Instant, side: Side, on: bool) {
        self.advance(now);
        self.modems[side as usize].set_power(self.now, on);
        self.step(self.now);
    }

    /// Somebody pulls the line out of a modem, or puts it in.
    pub fn set_plugged(&mut self, now: Instant, side: Side, plugged: bool) {
        self.advance(now);
        self.plug(side, plugged);
        self.step(self.now);
    }

    /// Both train again, if they are connected.
    pub fn retrain(&mut self, now: Instant) {
        self.advance(now);
        self.modems[0].wants.retrain = true;
        self.step(self.now);
    }

    /// The exchange drops the call; a leased line fails for a moment.
    pub fn drop_call(&mut self, now: Instant) {
        self.advance(now);
        self.clear_call();
        self.step(self.now);
    }

    /// Appends what has arrived at a terminal to `buf` and says how many bytes.
    pub fn poll_bytes(&mut self, now: Instant, side: Side, buf: &mut Vec<u8>) -> usize {
        self.advance(now);
        self.modems[side as usize].port.poll_bytes(self.now, buf)
    }

    /// What happened, for people. At most some hundred wait to be fetched; later ones are lost.
    pub fn poll_event(&mut self) -> Option<(Instant, Side, ModemEvent)> {
        self.events.pop_front()
    }

    /// When something will happen by itself. Any call with that time lets it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let mut next = earliest(self.next_change, self.training_until);
        for side in Side::BOTH {
            let modem = &self.modems[side as usize];
            next = earliest(next, modem.poll_timeout());
            next = earliest(next, modem.port.poll_timeout());
            next = earliest(next, self.ways[side as usize].poll_timeout());
            next = earliest(next, self.elsewhere[side as usize].map(|(_, at)| at));
        }
        match self.call {
            Call::Ringing { next: ring, .. } => earliest(next, Some(ring)),
            Call::None | Call::Up => next,
        }
    }

    /// Lets everything happen up to now.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    /// What a modem's pins say.
    pub fn signals(&self, side: Side) -> ModemSignals {
        self.modems[side as usize].signals(self.now)
    }

    /// Whether a modem is connected with the other one, as far as it knows.
    pub fn is_connected(&self, side: Side) -> bool {
        matches!(self.modems[side as usize].state, State::Online(_))
    }

    /// What a modem did so far.
    pub fn stats(&self, side: Side) -> ModemStats {
        let modem = &self.modems[side as usize];
        ModemStats {
            not_taken: modem.port.lost,
            blocks_again: self.ways[side as usize].again,
            line: self.ways[side as usize].stats(),
            ..modem.stats
        }
    }

    fn advance(&mut self, now: Instant) {
        let now = now.max(self.now);
        let mut at_once = 0;
        while let Some(next) = self.poll_timeout().filter(|&next| next <= now) {
            // What one thing brings about at the same moment comes to an end; if not, time goes on.
            at_once = if next > self.now { 0 } else { at_once + 1 };
            let pause = Duration::from_micros(u64::from(at_once > MOST_AT_ONCE));
            self.now = (next.max(self.now) + pause).min(now);
            if at_once > MOST_AT_ONCE && self.now == now {
                break;
            }
            self.step(self.now);
        }
        self.now = now;
        self.step(now);
    }

    /// Everything that is due at this moment.
    fn step(&mut self, now: Instant) {
        self.follow_scenario(now);
        let mut bytes = Vec::new();
        for side in Side::BOTH {
            let dial_tone = self.has_dial_tone(side);
            let terminal = self.terminals[side as usize];
            let modem = &mut self.modems[side as usize];
            bytes.clear();
            modem.port.take(now, &mut bytes);
            bytes.iter().for_each(|&byte| modem.handle_byte(now, byte));
            modem.handle_timeout(now, dial_tone);
            let speed = modem.port_speed(now, terminal);
            modem.port.set_speeds(now, terminal, speed);
        }
        self.settle(now);
        self.carry(now);
        for (modem, side) in self.modems.iter_mut().zip(Side::BOTH) {
            let is_data = modem.is_data_mode();
            modem.port.send(now, is_data);
            for event in modem.events.drain(..) {
                if self.events.len() < MAX_EVENTS {
                    self.events.push_back((now, side, event));
                }
            }
        }
    }

    /// Bytes go over the line.
    fn carry(&mut self, now: Instant) {
        let is_quiet = !Side::BOTH.iter().all(|&side| self.hears(side))
            || self.modems.iter().any(|modem| match &modem.state {
                State::Online(online) => online.retraining.is_some(),
                _ => true,
            });
        for from in Side::BOTH {
            let conditions = self.conditions[from as usize];
            let modem = &mut self.modems[from as usize];
            let way = &mut self.ways[from as usize];
            let sends = match &modem.state {
                State::Online(online) => BitRate::new(online.agreed.sends),
                _ => None,
            };
            let rate = sends.unwrap_or(conditions.rate);
            way.apply(now, conditions, rate, is_quiet);
            let mut arrived = Vec::new();
            way.send(now, &mut modem.tx);
            way.poll(now, &mut arrived);
            // What has come through made room.
            way.send(now, &mut modem.tx);
            modem.look_at_room();
            let to = match conditions.wiring {
                Wiring::Straight => from.other(),
                Wiring::Loop => from,
            };
            let receiver = &mut self.modems[to as usize];
            if let State::Online(_) = receiver.state {
                receiver.port.receive(&arrived);
            }
        }
    }
}

/// Steps in the same microsecond.
const MOST_AT_ONCE: u32 = 64;
const MAX_EVENTS: usize = 512;
