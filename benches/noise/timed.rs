//! Two sessions over a line in virtual time, with a stopwatch around every call of a session: the
//! time of the line's model and of the equipment does not count.

use std::time::{Duration, Instant as Machine};

use copperlink::proto::config::LineId;
use copperlink::proto::time::{Instant, earliest};
use copperlink::proto::{LineSignals, Session};
use copperlink::sim::measure::Setup;
use copperlink::sim::{LineModel, Side, Source, Steady};

/// What an end has used and carried up to now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Within calls of the session.
    pub(crate) time: Duration,
    /// How many there were.
    pub(crate) calls: u64,
    /// Bytes that it put on the line.
    pub(crate) sent: u64,
    /// Bytes that it delivered to the equipment.
    pub(crate) delivered: u64,
}

/// Both ends, and bulk control from some of them.
pub(crate) struct Timed {
    now: Instant,
    sessions: [Session; 2],
    /// What each end sends goes through its own.
    models: [LineModel; 2],
    sources: [Option<Steady>; 2],
    used: [Used; 2],
    /// What the stopwatch itself takes, each time.
    stopwatch: Duration,
    scratch: Vec<u8>,
}

impl Timed {
    pub(crate) fn new(setup: &Setup, from: &[Side]) -> Self {
        let session = |side| Session::new(setup.end(side), Instant::ZERO).expect("valid");
        let source = |side: Side| {
            let bulk = Steady::bulk(Instant::ZERO, 1200, setup.rate, setup.seed + side as u64);
            from.contains(&side).then_some(bulk)
        };
        let mut timed = Self {
            now: Instant::ZERO,
            sessions: Side::BOTH.map(session),
            models: Side::BOTH.map(|side| LineModel::new(setup.line(side, USB_CHUNK))),
            sources: Side::BOTH.map(source),
            used: [Used::default(); 2],
            stopwatch: stopwatch(),
            scratch: Vec::new(),
        };
        for side in 0..2 {
            timed.session(side, |session| {
                session.handle_signals(Instant::ZERO, LINE, LineSignals::OPEN);
            });
        }
        timed.drain();
        timed
    }

    /// Goes on to that time.
    pub(crate) fn run_until(&mut self, until: Instant) {
        while let Some(next) = self.next().filter(|&next| next <= until) {
            self.now = next.max(self.now);
            self.advance();
        }
        self.now = until;
    }

    /// By side.
    pub(crate) const fn used(&self) -> [Used; 2] {
        self.used
    }

    fn next(&mut self) -> Option<Instant> {
        let sources = self.sources.iter().flatten();
        let source = sources.filter_map(Source::poll_timeout).min();
        let line = self.models.iter().filter_map(LineModel::poll_timeout).min();
        let ends = [0, 1].map(|side| self.session(side, |session| session.poll_timeout()));
        let end = ends.into_iter().flatten().map(|(at, _)| at).min();
        earliest(end, earliest(source, line))
    }

    fn advance(&mut self) {
        let now = self.now;
        for side in 0..2 {
            let mut bytes = std::mem::take(&mut self.scratch);
            bytes.clear();
            self.models[side].poll_bytes(now, &mut bytes);
            if !bytes.is_empty() {
                self.session(1 - side, |session| session.handle_bytes(now, LINE, &bytes));
            }
            self.scratch = bytes;
            let source = self.sources[side].as_mut();
            if let Some(datagram) = source.and_then(|source| source.poll_datagram(now)) {
                // Refused while its queue is full, which counts as a call as well.
                let _ = self.session(side, |session| {
                    session.handle_datagram(now, Setup::CONTROL, datagram)
                });
            }
            let due = self.session(side, |session| session.poll_timeout());
            if due.is_some_and(|(at, _)| at <= now) {
                self.session(side, |session| session.handle_timeout(now));
            }
        }
        self.drain();
    }

    fn drain(&mut self) {
        let now = self.now;
        for side in 0..2 {
            let room = self.models[side].room(now);
            let mut bytes = std::mem::take(&mut self.scratch);
            bytes.clear();
            self.session(side, |session| {
                session.poll_transmit(now, LINE, room, &mut bytes)
            });
            self.models[side].handle_bytes(now, &bytes);
            self.used[side].sent += bytes.len() as u64;
            self.scratch = bytes;
            while let Some((_, datagram)) = self.session(side, Session::poll_datagram) {
                self.used[side].delivered += datagram.len() as u64;
            }
            while self.session(side, Session::poll_event).is_some() {}
        }
    }

    /// Calls a session by the stopwatch.
    fn session<T>(&mut self, side: usize, call: impl FnOnce(&mut Session) -> T) -> T {
        let started = Machine::now();
        let result = call(&mut self.sessions[side]);
        let took = started.elapsed();
        self.used[side].time += took.saturating_sub(self.stopwatch);
        self.used[side].calls += 1;
        result
    }
}

/// The time of a call that does nothing.
fn stopwatch() -> Duration {
    let times = 100_000;
    let mut sum = Duration::ZERO;
    for _ in 0..times {
        let started = Machine::now();
        sum += std::hint::black_box(started).elapsed();
    }
    sum / times
}

const LINE: LineId = LineId(0);
/// An adapter for USB hands over so many at once: a packet of 64 bytes, two of them status.
const USB_CHUNK: usize = 62;
