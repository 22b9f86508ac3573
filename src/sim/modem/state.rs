//! One modem: its states, what its terminal sends, and what time brings.
//!
//! ```text
//!   Off -> Starting -> Idle -- D --> Dialling --> Waiting -- carrier --> Training --> Online
//!                       | ^            A, S0 --------^                      |           |
//!     leased: Paused <--+ +---- S7, a key, H, no carrier for S10 -----------+-----------+
//!                |
//!                +-------------------> Waiting, for as long as it takes
//! ```
//!
//! Promise: it never talks while it dials and trains, and takes nothing then. It assumes that
//! whoever joins two of them ([`Modems`](super::Modems)) tells it what the line does: rings,
//! carrier, the end of training. What commands mean is in `execute`.

use std::collections::VecDeque;

use super::ModemStats;
use super::config::{Family, ModemConfig, Role, Start};
use super::dial::Dialling;
use super::editor::Editor;
use super::escape::EscapeWatch;
use super::event::ModemEvent;
use super::port::Port;
use super::result::{Agreed, ResultCode};
use super::settings::{Flow, Settings};
use crate::proto::time::{BitRate, Duration, Instant};

#[derive(Clone, Debug)]
pub(super) struct Modem {
    pub(super) config: ModemConfig,
    pub(super) settings: Settings,
    /// What `&W` kept; outlives the power.
    pub(super) stored: Settings,
    pub(super) stored_number: String,
    pub(super) last_number: String,
    /// The first part of a number, while the receiver is off (`;`).
    pub(super) dialled: String,
    pub(super) state: State,
    pub(super) port: Port,
    pub(super) editor: Editor,
    /// For `A/`.
    pub(super) last_line: Vec<u8>,
    /// The register that was named last.
    pub(super) pointed_at: u8,
    /// An answer that is not said yet; meanwhile it hears nothing.
    pub(super) thinking: Option<(Instant, Vec<u8>)>,
    /// Waits for the line.
    pub(super) tx: VecDeque<u8>,
    /// CTS is off, or XOFF was said, because `tx` is full.
    pub(super) is_full: bool,
    /// A key does not abort before.
    pub(super) grace: Instant,
    /// Since when DTR is off.
    pub(super) dtr_off: Option<Instant>,
    /// DTR was off for long enough, and that has been acted on.
    pub(super) dtr_done: bool,
    pub(super) rings: u8,
    pub(super) ring_over: Instant,
    /// What `Modems` has to do for it.
    pub(super) wants: Wants,
    pub(super) stats: ModemStats,
    pub(super) events: VecDeque<ModemEvent>,
}

/// What a modem wants of the line; taken by whoever joins two of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Wants {
    /// It has dialled.
    pub(super) number: Option<String>,
    /// It has hung up, and said so to the other one.
    pub(super) cleared: bool,
    /// Both have to train again.
    pub(super) retrain: bool,
}

#[derive(Clone, Debug)]
pub(super) enum State {
    /// No power.
    Off,
    /// The power has come.
    Starting(Instant),
    /// Commands, no call.
    Idle { off_hook: bool },
    /// Commands, and a leased line that it will train on then.
    Paused(Instant),
    /// Digits go out; the step ends then.
    Dialling(Dialling, Instant),
    /// For a carrier of the other role, until then if at all.
    Waiting(Seeking),
    /// With the other modem.
    Training(Seeking),
    /// Connected, or believes so.
    Online(Online),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Seeking {
    pub(super) role: Role,
    /// S7; `None` on a leased line.
    pub(super) until: Option<Instant>,
    pub(super) quiet_answer: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Online {
    pub(super) agreed: Agreed,
    /// `+++` was sent: bytes are commands.
    pub(super) command: bool,
    pub(super) retraining: Option<Instant>,
    pub(super) lost_since: Option<Instant>,
    pub(super) cleared_at: Option<Instant>,
    pub(super) escape: EscapeWatch,
}

impl Modem {
    pub(super) fn new(config: ModemConfig) -> Self {
        let stored = Settings::delivered(&config);
        // Until it has heard its terminal.
        let port_rate = config.port_rate.unwrap_or(USUAL_PORT_RATE);
        let mut modem = Self {
            port: Port::new(port_rate, config.buffer),
            settings: stored,
            stored,
            stored_number: String::new(),
            last_number: String::new(),
            dialled: String::new(),
            state: State::Off,
            editor: Editor::default(),
            last_line: Vec::new(),
            pointed_at: 0,
            thinking: None,
            tx: VecDeque::new(),
            is_full: false,
            grace: Instant::ZERO,
            dtr_off: None,
            dtr_done: false,
            rings: 0,
            ring_over: Instant::ZERO,
            wants: Wants::default(),
            stats: ModemStats::default(),
            events: VecDeque::new(),
            config,
        };
        match modem.config.start {
            Start::Off => {}
            Start::StuckInData => modem.go_online(Instant::ZERO, STALE),
            Start::Idle | Start::Silent => modem.enter_idle(Instant::ZERO),
        }
        modem
    }

    /// A byte has come from the terminal.
    pub(super) fn handle_byte(&mut self, now: Instant, byte: u8) {
        self.stats.from_terminal += 1;
        match &mut self.state {
            State::Off | State::Starting(_) => self.stats.unheard += 1,
            _ if self.thinking.is_some() => self.stats.unheard += 1,
            State::Waiting(seeking) | State::Training(seeking)
                if seeking.until.is_none() && self.config.family != Family::Courier =>
            {
                self.stats.unheard += 1;
            }
            State::Dialling(..) | State::Waiting(_) | State::Training(_) => self.key(now),
            State::Online(online) if !online.command => self.data(now, byte),
            State::Paused(_) => {
                self.type_in(now, byte);
                // Somebody types; what a link sends is no command.
                if let State::Paused(until) = &mut self.state
                    && self.editor.is_in_line()
                {
                    *until = (*until).max(now + self.config.leased_pause());
                }
            }
            State::Idle { .. } | State::Online(_) => self.type_in(now, byte),
        }
    }

    /// A byte while it dials or trains.
    fn key(&mut self, now: Instant) {
        if now < self.grace || !self.config.key_aborts {
            self.stats.unheard += 1;
            return;
        }
        self.stats.aborted += 1;
        self.event(ModemEvent::Aborted);
        self.hang_up(now);
        self.result(ResultCode::NoCarrier);
    }

    fn data(&mut self, now: Instant, byte: u8) {
        let (guard, escape) = (self.settings.guard(), self.settings.escape());
        if let State::Online(online) = &mut self.state {
            online.escape.byte(now, byte, escape, guard);
        }
        if self.settings.flow == Flow::Software && matches!(byte, XON | XOFF) {
            self.port.hold(byte == XOFF);
            return;
        }
        if self.tx.len() >= self.config.buffer {
            self.stats.overrun += 1;
            return;
        }
        self.tx.push_back(byte);
        self.look_at_room();
    }

    /// Holds the terminal off when the buffer fills, and lets it go on when it has emptied.
    pub(super) fn look_at_room(&mut self) {
        let (waiting, buffer) = (self.tx.len(), self.config.buffer);
        let is_full = match self.is_full {
            true => waiting > buffer / 2,
            false => waiting >= buffer - buffer / 8,
        };
        if is_full != self.is_full && self.settings.flow == Flow::Software {
            self.port.say(&[if is_full { XOFF } else { XON }]);
        }
        self.is_full = is_full;
    }

    /// The line rings, once.
    pub(super) fn ring(&mut self, now: Instant) {
        if !matches!(self.state, State::Idle { off_hook: false }) {
            return;
        }
        let is_first = now.since(self.ring_over) > RINGS_APART;
        self.rings = if is_first {
            1
        } else {
            self.rings.saturating_add(1)
        };
        self.ring_over = now + RING_TIME;
        self.stats.rings += 1;
        self.event(ModemEvent::Rings);
        if self.settings.quiet < 2 {
            self.result(ResultCode::Ring);
        }
        let after = self.settings.answer_after();
        let is_terminal_ready = self.settings.dtr < 2 || self.dtr_off.is_none();
        if after > 0 && self.rings >= after && is_terminal_ready {
            self.seek(now, Role::Answer, false);
        }
    }

    /// Off the hook, for a carrier.
    pub(super) fn seek(&mut self, now: Instant, role: Role, quiet_answer: bool) {
        self.rings = 0;
        self.grace = now + GRACE;
        self.state = State::Waiting(Seeking {
            role,
            until: Some(now + self.settings.wait_for_carrier()),
            quiet_answer,
        });
    }

    /// The call came to nothing, as the exchange says.
    pub(super) fn call_fails(&mut self, now: Instant, why: ResultCode) {
        self.hang_up(now);
        self.result(why);
    }

    /// It has trained, and agreed with the other one.
    pub(super) fn connected(&mut self, now: Instant, role: Role, agreed: Agreed) {
        self.go_online(now, agreed);
        self.stats.connections += 1;
        self.event(ModemEvent::Connected(agreed));
        if self.settings.quiet < 2 || role == Role::Originate {
            self.result(ResultCode::Connect(agreed));
        }
    }

    fn go_online(&mut self, now: Instant, agreed: Agreed) {
        self.tx.clear();
        self.is_full = false;
        self.state = State::Online(Online {
            agreed,
            command: false,
            retraining: None,
            lost_since: None,
            cleared_at: None,
            escape: EscapeWatch::new(now),
        });
    }

    /// What it hears of the other one: a carrier or none.
    pub(super) fn carrier(&mut self, now: Instant, heard: bool) {
        let State::Online(online) = &mut self.state else {
            return;
        };
        match (heard, online.lost_since) {
            (false, None) => online.lost_since = Some(now),
            (true, Some(since)) => {
                online.lost_since = None;
                if now.since(since) >= RIDDEN_OUT && online.retraining.is_none() {
                    self.wants.retrain = true;
                }
            }
            _ => {}
        }
    }

    /// Both train again, until then.
    pub(super) fn retrain(&mut self, until: Instant, agreed: Agreed) {
        if let State::Online(online) = &mut self.state {
            online.retraining = Some(until);
            online.agreed = agreed;
            self.stats.retrains += 1;
            self.event(ModemEvent::Retrains(agreed));
        }
    }

    /// The other one says that it hangs up.
    pub(super) fn far_end_cleared(&mut self, now: Instant) {
        if let State::Online(online) = &mut self.state {
            online.cleared_at.get_or_insert(now + CLEAR_DOWN);
        }
    }

    /// Puts the receiver down. What has not gone over the line is lost.
    pub(super) fn hang_up(&mut self, now: Instant) {
        if let State::Online(_) = self.state {
            self.wants.cleared = true;
            self.event(ModemEvent::HangsUp);
        }
        self.wants.retrain = false;
        self.stats.unsent += self.tx.len() as u64;
        self.tx.clear();
        self.look_at_room();
        self.port.end_of_data();
        self.enter_idle(now);
    }

    /// On the hook, where a leased line is tried again after a pause.
    pub(super) fn enter_idle(&mut self, now: Instant) {
        self.wants.number = None;
        self.dialled.clear();
        let is_terminal_ready = self.settings.dtr < 2 || self.dtr_off.is_none();
        self.state = match self.leased_role() {
            Some(_) if is_terminal_ready => State::Paused(now + self.config.leased_pause()),
            _ => State::Idle { off_hook: false },
        };
    }

    /// Says a result, unless it was told to be quiet.
    pub(super) fn result(&mut self, result: ResultCode) {
        if self.settings.quiet == 1 {
            return;
        }
        let text = self.result_text(result);
        self.port.say(&text);
    }

    pub(super) fn result_text(&self, result: ResultCode) -> Vec<u8> {
        let port_bps = self.port.speed().bits_per_second();
        result.text(self.config.family, &self.settings, port_bps)
    }

    pub(super) fn event(&mut self, event: ModemEvent) {
        // Whoever does not fetch them does not want them.
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }

    pub(super) fn is_data_mode(&self) -> bool {
        matches!(&self.state, State::Online(online) if !online.command)
    }
}

/// Until its terminal says something.
const USUAL_PORT_RATE: BitRate = match BitRate::new(115_200) {
    Some(rate) => rate,
    None => BitRate::MAX,
};
/// Of a call that is over.
const STALE: Agreed = Agreed {
    sends: 28_800,
    hears: 28_800,
    reliable: false,
    compressed: false,
};
/// A byte that comes so soon after a command belongs to it: a line feed.
pub(super) const GRACE: Duration = Duration::from_millis(125);
/// A ring, of a ring and a pause.
const RING_TIME: Duration = Duration::from_secs(2);
/// From the end of a ring: longer, and it is another call.
const RINGS_APART: Duration = Duration::from_secs(8);
/// A carrier that is away for less needs no new training.
const RIDDEN_OUT: Duration = Duration::from_millis(100);
/// From hanging up to the other one's knowing.
const CLEAR_DOWN: Duration = Duration::from_millis(500);
const MAX_EVENTS: usize = 256;
const XON: u8 = 0x11;
const XOFF: u8 = 0x13;
