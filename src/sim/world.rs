//! Two sessions and the lines between them, in virtual time.
//!
//! Promise: the same configuration gives the same run, to the microsecond. The world moves from
//! one deadline to the next; an hour of call takes seconds. Leaves to its caller what equipment
//! sends ([`World::send`], [`World::poll_datagram`]; [`Call`](super::Call) does both).

use std::collections::VecDeque;

use bytes::Bytes;

use super::{LineModel, LineModelConfig, Scenario};
use crate::proto::config::{LineId, LinkConfig, Port};
use crate::proto::error::{ConfigError, Refused};
use crate::proto::event::{Event, TextId};
use crate::proto::listen::Direction;
use crate::proto::time::{Instant, earliest};
use crate::proto::{LineSignals, Session};

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Where the bytes that an end sends on a line arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// At the other end.
    Straight,
    /// At the end that sent them: a loop plug, or a modem's loop test.
    Loop,
}

/// Two ends, and lines between them.
#[derive(Debug)]
pub struct World {
    now: Instant,
    ends: [End; 2],
    lines: Vec<WorldLine>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct End {
    /// `None` while the end is not running.
    session: Option<Session>,
    datagrams: VecDeque<(Instant, Port, Bytes)>,
    events: Vec<(Instant, Event)>,
    /// What moved at this end, once somebody records it.
    tape: Option<Tape>,
}

/// The bytes that moved at an end, with the time and the way that they went.
pub type Tape = Vec<(Instant, Direction, Vec<u8>)>;

/// A line: one model per direction, indexed by the side that sends.
#[derive(Debug)]
struct WorldLine {
    models: [LineModel; 2],
    wiring: [Wiring; 2],
    /// Whether the device takes nothing.
    full: [bool; 2],
    /// Whether the driver tells what waits.
    measured: [bool; 2],
    story: Option<Story>,
}

/// What happens to a line by itself.
#[derive(Debug)]
struct Story {
    scenario: Scenario,
    next_change: Option<Instant>,
}

impl World {
    /// Two ends that start now, joined by lines: what A sends on a line goes through the first
    /// model, what B sends through the second.
    ///
    /// # Errors
    /// When a configuration breaks a rule of the protocol.
    pub fn new(
        a: LinkConfig,
        b: LinkConfig,
        lines: Vec<[LineModelConfig; 2]>,
    ) -> Result<Self, ConfigError> {
        let lines = lines
            .into_iter()
            .map(|models| WorldLine {
                models: models.map(LineModel::new),
                wiring: [Wiring::Straight; 2],
                full: [false; 2],
                measured: [false; 2],
                story: None,
            })
            .collect();
        let end = || End {
            session: None,
            datagrams: VecDeque::new(),
            events: Vec::new(),
            tape: None,
        };
        let mut world = Self {
            now: Instant::ZERO,
            ends: [end(), end()],
            lines,
            scratch: Vec::new(),
        };
        world.start(Side::A, a)?;
        world.start(Side::B, b)?;
        Ok(world)
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The session of an end that runs.
    pub fn session(&self, side: Side) -> Option<&Session> {
        self.ends[side as usize].session.as_ref()
    }

    /// Starts an end, or starts it again: its devices are opened, nothing else is remembered.
    ///
    /// # Errors
    /// When the configuration breaks a rule of the protocol.
    pub fn start(&mut self, side: Side, config: LinkConfig) -> Result<(), ConfigError> {
        let mut session = Session::new(config, self.now)?;
        for line in 0..self.lines.len() {
            session.handle_signals(self.now, LineId(line as u8), LineSignals::OPEN);
        }
        self.ends[side as usize].session = Some(session);
        self.drain();
        Ok(())
    }

    /// Ends an end at once, as a power cut does.
    pub fn kill(&mut self, side: Side) -> Option<Session> {
        self.ends[side as usize].session.take()
    }

    /// Puts a session where none runs, one that [`World::kill`] gave back: the line was joined to
    /// another station meanwhile.
    pub fn put_back(&mut self, side: Side, session: Session) {
        self.ends[side as usize].session = Some(session);
        self.drain();
    }

    /// From now on what moves at an end, on whatever line, is recorded; gives what was recorded before.
    pub fn record(&mut self, side: Side) -> Tape {
        let tape = &mut self.ends[side as usize].tape;
        tape.replace(Vec::new()).unwrap_or_default()
    }

    /// Lets an end say goodbye. It goes on until it is killed.
    pub fn close(&mut self, side: Side) {
        if let Some(session) = &mut self.ends[side as usize].session {
            session.close(self.now);
        }
        self.drain();
    }

    /// Tells an end about the device of a line.
    pub fn set_signals(&mut self, side: Side, line: LineId, signals: LineSignals) {
        if let Some(session) = &mut self.ends[side as usize].session {
            session.handle_signals(self.now, line, signals);
        }
        self.drain();
    }

    /// Changes where the bytes of an end arrive.
    pub fn set_wiring(&mut self, side: Side, line: LineId, wiring: Wiring) {
        self.lines[usize::from(line.0)].wiring[side as usize] = wiring;
    }

    /// The device of an end takes no more bytes, or takes them again. What it has goes on its way.
    pub fn set_full(&mut self, side: Side, line: LineId, full: bool) {
        self.lines[usize::from(line.0)].full[side as usize] = full;
        self.drain();
    }

    /// From now on the driver of an end's device tells the session what waits in the sender's
    /// buffer, each time that something happens.
    pub fn set_measured(&mut self, side: Side, line: LineId, measured: bool) {
        self.lines[usize::from(line.0)].measured[side as usize] = measured;
    }

    /// The model of what `side` sends on a line, to change its weather.
    pub fn line_mut(&mut self, side: Side, line: LineId) -> &mut LineModel {
        &mut self.lines[usize::from(line.0)].models[side as usize]
    }

    /// Cuts a line in both directions, or joins it again.
    pub fn set_cut(&mut self, line: LineId, cut: bool) {
        for model in &mut self.lines[usize::from(line.0)].models {
            model.set_cut(self.now, cut);
        }
    }

    /// From now on the line is what the scenario says of it, at each time. Between its changes it
    /// can still be changed by hand.
    pub fn follow(&mut self, line: LineId, scenario: Scenario) {
        let line = &mut self.lines[usize::from(line.0)];
        line.story = Some(Story {
            scenario,
            next_change: Some(self.now),
        });
        line.follow_story(self.now);
    }

    /// Lets the equipment of an end send a datagram.
    ///
    /// # Errors
    /// Why the session refused it.
    pub fn send(&mut self, side: Side, port: Port, datagram: Bytes) -> Result<(), Refused> {
        let result = match &mut self.ends[side as usize].session {
            Some(session) => session.handle_datagram(self.now, port, datagram),
            None => Ok(()),
        };
        self.drain();
        result
    }

    /// Lets the technician of an end say something.
    ///
    /// # Errors
    /// Why the session refused it.
    pub fn say(&mut self, side: Side, text: &str) -> Result<TextId, Refused> {
        let result = match &mut self.ends[side as usize].session {
            Some(session) => session.handle_text(self.now, text),
            None => Err(Refused::NoSuchPort),
        };
        self.drain();
        result
    }

    /// The next datagram that reached the equipment of an end, and when.
    pub fn poll_datagram(&mut self, side: Side) -> Option<(Instant, Port, Bytes)> {
        self.ends[side as usize].datagrams.pop_front()
    }

    /// What an end told its technician so far.
    pub fn events(&self, side: Side) -> &[(Instant, Event)] {
        &self.ends[side as usize].events
    }

    /// When something happens next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sessions = self
            .ends
            .iter()
            .filter_map(|end| Some(end.session.as_ref()?.poll_timeout()?.0))
            .min();
        let lines = self
            .lines
            .iter()
            .flat_map(|line| &line.models)
            .filter_map(LineModel::poll_timeout)
            .min();
        let stories = self.lines.iter().filter_map(|line| line.story.as_ref());
        let changes = stories.filter_map(|story| story.next_change).min();
        earliest(changes, earliest(sessions, lines))
    }

    /// Goes on to `until`.
    pub fn run_until(&mut self, until: Instant) {
        while let Some(next) = self.poll_timeout().filter(|&next| next <= until) {
            // A deadline in the past is due now.
            self.advance(next.max(self.now));
        }
        self.now = until.max(self.now);
    }

    /// Goes to `now` and does what is due there.
    pub fn advance(&mut self, now: Instant) {
        self.now = now;
        for index in 0..self.lines.len() {
            let id = LineId(index as u8);
            self.lines[index].follow_story(now);
            for side in Side::BOTH {
                let line = &mut self.lines[index];
                let model = &mut line.models[side as usize];
                if model.poll_timeout().is_none_or(|at| at > now) {
                    continue;
                }
                self.scratch.clear();
                model.poll_bytes(now, &mut self.scratch);
                let to = match line.wiring[side as usize] {
                    Wiring::Straight => side.other(),
                    Wiring::Loop => side,
                };
                let end = &mut self.ends[to as usize];
                if let Some(session) = &mut end.session
                    && !self.scratch.is_empty()
                {
                    if let Some(tape) = &mut end.tape {
                        tape.push((now, Direction::Received, self.scratch.clone()));
                    }
                    session.handle_bytes(now, id, &self.scratch);
                }
            }
        }
        for end in &mut self.ends {
            if let Some(session) = &mut end.session
                && session.poll_timeout().is_some_and(|(at, _)| at <= now)
            {
                session.handle_timeout(now);
            }
        }
        self.drain();
    }

    /// Empties both sessions.
    fn drain(&mut self) {
        let now = self.now;
        for side in Side::BOTH {
            let end = &mut self.ends[side as usize];
            let Some(session) = &mut end.session else {
                continue;
            };
            while let Some((port, datagram)) = session.poll_datagram() {
                end.datagrams.push_back((now, port, datagram));
            }
            for (index, line) in self.lines.iter_mut().enumerate() {
                let model = &mut line.models[side as usize];
                let id = LineId(index as u8);
                self.scratch.clear();
                if line.measured[side as usize] {
                    session.handle_queue(now, id, model.queued(now));
                }
                let room = match line.full[side as usize] {
                    true => 0,
                    false => model.room(now),
                };
                session.poll_transmit(now, id, room, &mut self.scratch);
                if let Some(tape) = &mut end.tape
                    && !self.scratch.is_empty()
                {
                    tape.push((now, Direction::Sent, self.scratch.clone()));
                }
                model.handle_bytes(now, &self.scratch);
            }
            while let Some(event) = session.poll_event() {
                end.events.push((now, event));
            }
        }
    }
}

impl WorldLine {
    /// Does what happens to the line by itself up to now.
    fn follow_story(&mut self, now: Instant) {
        let Some(story) = &mut self.story else {
            return;
        };
        while let Some(at) = story.next_change.filter(|&at| at <= now) {
            for side in Side::BOTH {
                let conditions = story.scenario.conditions(side, at);
                conditions.apply(at, &mut self.models[side as usize]);
                self.wiring[side as usize] = conditions.wiring;
            }
            story.next_change = story.scenario.next_change(at);
        }
    }
}
