//! From an open port to a call, and back: [`Dialer`].
//!
//! ```text
//!   state         | on                                  | then
//!   --------------+-------------------------------------+---------------------------------------------
//!   Resetting     | DTR was off, and on again           | Waking (a port without DTR begins there)
//!   Waking        | the modem answers                   | Setting
//!                 | silent, garbage, echo only          | failed (modem)
//!                 | the same on a leased line, no DCD   | Online: it may be connected
//!   Setting       | OK to each setting of the profile   | Dialling, WaitingForCall or WaitingForCarrier
//!                 | ERROR                               | next one if it may be refused, else failed (modem)
//!   Dialling      | CONNECT                             | Settling
//!                 | BUSY, NO CARRIER, …, or its time    | failed (line)
//!   WaitingForCall| RING, often enough                  | Answering
//!                 | a minute without a word: AT, no OK  | failed (modem)
//!   Answering     | as Dialling                         |
//!   WaitingFor-   | CONNECT, or DCD goes on             | Settling
//!   Carrier       | its time                            | failed (line)
//!   Settling      | a moment for what the modem says    | Online
//!   Online        | DCD off for two seconds             | failed (call)
//!                 | NO CARRIER, then silence, link down | failed (call)
//!                 | the link is down for too long       | HangingUp, failed (call)
//!   HangingUp     | DTR off and on, or escape and ATH   | Pausing, or Ended when asked to
//!   Pausing       | its time                            | Resetting
//!   GaveUp        | too many calls failed               |
//!
//!   failed: Pausing, or GaveUp. On a leased line a carrier that is lost is waited for: the modems train again by themselves.
//! ```
//!
//! A retrain is no event: the link is silent for a while, and nothing is done. `Direct` begins Online.

mod call;
mod event;
mod hang_up;
mod online;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::proto::time::{Duration, Instant, earliest};

use super::command::Command;
use super::connection::Connection;
use super::failure::{Blame, Failure};
use super::hint::Hint;
use super::plan::{Dtr, Plan, PortSignals, Redial, Way};
use super::profile::Use;
use super::response::Reader;
use super::wake::Wake;
pub use event::{Event, Note, Timer};
use hang_up::HangUp;

/// Makes calls with one modem.
///
/// In: the `handle_*` methods, [`Dialer::start`] first. After every input drain
/// [`Dialer::poll_transmit`], [`Dialer::poll_event`] and [`Dialer::poll_timeout`], in this order.
/// While [`Dialer::is_online`] the bytes of the port belong to the link, and are only shown to the
/// dialer, which sends nothing. `now` never goes back.
#[derive(Debug)]
pub struct Dialer {
    plan: Plan,
    signals: PortSignals,
    state: State,
    /// When the state has lasted too long.
    at: Option<Instant>,
    reader: Reader,
    output: Vec<u8>,
    events: VecDeque<Event>,
    unsaid: u64,
    connection: Connection,
    online: Online,
    /// Calls in a row that failed.
    failed: u32,
    /// Times in a row that the modem was at fault.
    faults: u32,
    is_stopping: bool,
}

#[derive(Debug)]
enum State {
    Resetting(Dtr),
    Waking(Wake),
    Setting {
        index: usize,
        is_again: bool,
    },
    Dialling {
        commands: Vec<Command>,
        index: usize,
        rang: bool,
    },
    WaitingForCall {
        rings: u8,
        is_asked: bool,
    },
    Answering,
    WaitingForCarrier,
    Settling,
    Online,
    HangingUp(HangUp),
    Pausing(Duration),
    GaveUp,
    Ended,
}

/// What is known of a call.
#[derive(Debug, Default)]
struct Online {
    since: Instant,
    /// DCD was on in this call, so its going off means something.
    had_carrier: bool,
    carrier_off: Option<Instant>,
    link_down: Option<Instant>,
    /// The link was up in this call.
    was_up: bool,
    hint: Hint,
}

impl Dialer {
    /// A dialer that waits for [`Dialer::start`].
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            signals: PortSignals::default(),
            state: State::Ended,
            at: None,
            reader: Reader::default(),
            output: Vec::new(),
            events: VecDeque::new(),
            unsaid: 0,
            connection: Connection::default(),
            online: Online::default(),
            failed: 0,
            faults: 0,
            is_stopping: false,
        }
    }

    /// The port is open, with these signals.
    pub fn start(&mut self, now: Instant, signals: PortSignals) {
        self.signals = signals;
        self.begin(now);
    }

    /// Takes bytes of the port, any bytes in pieces of any size.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        if self.is_online() {
            self.online.hint.take(now, bytes);
            self.watch(now);
            return;
        }
        for byte in bytes {
            if let Some(line) = self.reader.take(*byte) {
                self.on_line(now, &line);
            }
        }
    }

    /// Takes the signals of the port.
    pub fn handle_signals(&mut self, now: Instant, signals: PortSignals) {
        self.signals = signals;
        self.on_signals(now);
    }

    /// Takes whether the link over the line is up.
    pub fn handle_link(&mut self, now: Instant, is_up: bool) {
        self.online.was_up |= is_up;
        self.online.link_down = match (is_up, self.online.link_down) {
            (true, _) => None,
            (false, since) => since.or(Some(now)),
        };
        self.watch(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_online() {
            self.watch(now);
        } else if self.at.is_some_and(|at| at <= now) {
            self.at = None;
            self.on_timeout(now);
        }
    }

    /// Ends what is under way. [`Event::HungUp`] says when that is done.
    pub fn hang_up(&mut self, now: Instant) {
        self.is_stopping = true;
        self.on_stop(now);
    }

    /// Appends the bytes for the modem to `buf`, and says how many.
    pub fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> usize {
        let length = self.output.len();
        buf.append(&mut self.output);
        length
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Dialer::handle_timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let timer = match &self.state {
            State::Online => return self.doubt_at().map(|at| (at, Timer::Doubt)),
            State::Resetting(_) => Timer::Signal,
            State::Waking(_) | State::Setting { .. } | State::HangingUp(_) => Timer::Answer,
            State::Dialling { .. } | State::Answering | State::WaitingForCarrier => Timer::Call,
            State::WaitingForCall { .. } => Timer::Check,
            State::Settling => Timer::Settle,
            State::Pausing(_) => Timer::Pause,
            State::GaveUp | State::Ended => return None,
        };
        self.at.map(|at| (at, timer))
    }

    /// Whether there is a call, so that the bytes of the port belong to the link.
    pub fn is_online(&self) -> bool {
        matches!(self.state, State::Online)
    }

    /// Lines of the modem for which there was no room among the events.
    pub fn unsaid(&self) -> u64 {
        self.unsaid
    }

    /// The state in words.
    pub fn status(&self) -> String {
        match &self.state {
            State::Resetting(_) => "resetting the modem (DTR)".to_owned(),
            State::Waking(wake) if wake.is_escaping() => {
                "getting the modem out of an old call".to_owned()
            }
            State::Waking(_) => "asking the modem whether it is there".to_owned(),
            State::Setting { index, .. } => {
                let of = self.plan.profile.settings_for(self.plan.role, self.signals);
                format!("setting the modem up, {} of {}", index + 1, of.count())
            }
            State::Dialling { rang, .. } => {
                let rings = if *rang { "; it rings there" } else { "" };
                format!("{}{rings}", self.dialling_words())
            }
            State::WaitingForCall { rings: 0, .. } => "waiting for a call".to_owned(),
            State::WaitingForCall { rings, .. } => format!("a call comes in, ring {rings}"),
            State::Answering => "answering a call".to_owned(),
            State::WaitingForCarrier => "waiting for the carrier on the leased line".to_owned(),
            State::Settling | State::Online => match self.plan.profile.purpose {
                Use::Direct => "no modem to be asked".to_owned(),
                _ if self.connection == Connection::default() => "connected".to_owned(),
                _ => format!("connected at {}", self.connection),
            },
            State::HangingUp(_) => "hanging up".to_owned(),
            State::Pausing(pause) => format!("trying again after {} s", pause.as_secs()),
            State::GaveUp => match self.failed {
                1 => "gave up after a call that failed".to_owned(),
                failed => format!("gave up after {failed} calls that failed"),
            },
            State::Ended => "idle".to_owned(),
        }
    }

    fn dialling_words(&self) -> String {
        let Way::Dial(number) = &self.plan.way else {
            return "dialling".to_owned();
        };
        let attempt = self.failed + 1;
        match self.plan.redial.attempts {
            Some(1) => format!("dialling {number}"),
            Some(of) => format!("dialling {number}, attempt {attempt} of {of}"),
            None => format!("dialling {number}, attempt {attempt}"),
        }
    }

    /// Begins with whatever comes first.
    fn begin(&mut self, now: Instant) {
        self.connection = Connection::default();
        self.reader.forget();
        let profile = &self.plan.profile;
        match (profile.purpose, self.signals.carrier) {
            (Use::Direct, _) => self.go_online(now),
            (Use::Leased, Some(true)) => {
                self.say(Event::Note(Note::WasConnected));
                self.go_online(now);
            }
            (Use::Leased, None) if !profile.takes_commands => self.go_online(now),
            (Use::Leased, _) if !profile.takes_commands => self.wait_for_carrier(now),
            _ if self.signals.has_dtr => {
                self.say(Event::Dtr(Dtr::Off));
                self.enter(State::Resetting(Dtr::Off), Some(now + DTR_OFF));
            }
            _ => self.wake(now),
        }
    }

    fn enter(&mut self, state: State, at: Option<Instant>) {
        self.state = state;
        self.at = at;
        self.say(Event::Changed);
    }

    /// It did not work: a pause, or the end of it.
    fn fail(&mut self, now: Instant, failure: Failure) {
        let blame = failure.blame();
        match blame {
            Blame::Modem => self.faults = self.faults.saturating_add(1),
            Blame::Call if self.was_real(now) => self.failed = 0,
            Blame::Line | Blame::Call => self.failed = self.failed.saturating_add(1),
        }
        if blame != Blame::Modem {
            self.faults = 0;
        }
        let is_final = failure == Failure::Blacklisted;
        self.say(Event::Failed(failure.clone()));
        let is_too_often = blame != Blame::Modem
            && self
                .plan
                .redial
                .attempts
                .is_some_and(|most| self.failed >= most);
        if is_final || is_too_often {
            self.enter(State::GaveUp, None);
            self.say(Event::GaveUp);
            return;
        }
        let pause = match (blame, failure) {
            (Blame::Modem, _) => Redial::FREE.pause(self.faults),
            (_, Failure::Delayed) => self.plan.redial.longest_pause,
            _ => self.plan.redial.pause(self.failed),
        };
        self.enter(State::Pausing(pause), Some(now + pause));
    }

    /// Whether the call was none of those that fail in a row. One to a far end without copperlink
    /// costs as much as one that does not come about.
    fn was_real(&self, now: Instant) -> bool {
        self.online.was_up && now.since(self.online.since) >= A_REAL_CALL
    }

    /// The silence around the escape: longer than any that a link leaves, where the port has no other
    /// way to hang up and the modem listens to it.
    fn guard(&self) -> Duration {
        match self.signals.has_dtr {
            true => SHORT_GUARD,
            false => LONG_GUARD,
        }
    }

    fn say(&mut self, event: Event) {
        let is_detail = matches!(event, Event::Heard(_) | Event::Sent(_) | Event::Changed);
        if is_detail && self.events.len() >= MOST_EVENTS {
            self.unsaid += 1;
            return;
        }
        self.events.push_back(event);
    }

    fn send(&mut self, command: &Command) {
        let line = command.line();
        self.output.extend(line.bytes());
        self.output.push(b'\r');
        self.say(Event::Sent(line));
    }

    /// Says in words what was sent in another way.
    fn trace_output(&mut self) {
        let sent = String::from_utf8_lossy(&self.output);
        let lines: Vec<String> = sent
            .split('\r')
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        for line in lines {
            self.say(Event::Sent(line));
        }
    }

    /// When the first of the doubts about a call becomes certain.
    fn doubt_at(&self) -> Option<Instant> {
        if self.plan.profile.purpose == Use::Direct {
            return None;
        }
        let carrier = self.online.carrier_off.map(|since| since + CARRIER_DOUBT);
        let hint = self.online.hint.since().map(|since| since + HINT_DOUBT);
        // A hint counts for nothing while the link is up: whatever comes then asks again.
        let hint = hint.filter(|_| self.online.link_down.is_some());
        let dead = self
            .online
            .link_down
            .map(|since| since + self.plan.dead_after);
        earliest(earliest(carrier, hint), dead)
    }
}

/// `S25` of most modems asks for 50 ms, some look only twice a second.
const DTR_OFF: Duration = Duration::from_secs(1);
/// Modems that reset with DTR need a while before they listen.
const DTR_ON: Duration = Duration::from_millis(1500);
const SHORT_GUARD: Duration = Duration::from_millis(1200);
/// The longest that `S12` can ask for is 255 times 20 ms.
const LONG_GUARD: Duration = Duration::from_millis(5300);
/// DCD may blink in a retrain.
const CARRIER_DOUBT: Duration = Duration::from_secs(2);
/// A far end that lives says something within that.
const HINT_DOUBT: Duration = Duration::from_secs(2);
/// Shorter ones may be the line's fault.
const A_REAL_CALL: Duration = Duration::from_secs(60);
/// A dialer is drained after every input, and no piece of a read has more lines.
const MOST_EVENTS: usize = 64;
