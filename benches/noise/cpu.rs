//! What a fast and bad line costs: two sessions in virtual time, with a stopwatch around every call
//! of a session. The time of the line's model and of the equipment does not count.

use std::time::{Duration, Instant as Machine};

use copperlink::proto::config::LineId;
use copperlink::proto::time::{Instant, earliest};
use copperlink::proto::{LineSignals, Session};
use copperlink::sim::measure::Setup;
use copperlink::sim::{LineModel, Noise, Side, Source, Steady};

use crate::{seconds, setup};

pub(crate) fn table() {
    println!(
        "processor time of each end for a second of line, 921600 bit/s, full of bulk (goal < 25 %)"
    );
    println!(
        "  {:<10} {:<10} {:>10} {:>10} {:>10} {:>12} {:>14}",
        "noise", "direction", "A", "B", "goodput", "calls / s", "us / KiB"
    );
    for ber in [0.0, 1e-3, 3e-3] {
        for (name, from) in [("one way", &[Side::A][..]), ("both ways", &Side::BOTH)] {
            let setup = setup(921_600, Noise::bit_errors(ber), 1);
            // Others use the machine as well: the quickest of a few runs, which are all the same.
            let runs = (0..3).map(|_| steady(&setup, from));
            let quickest = runs.min_by_key(|[a, b]| a.time + b.time);
            let [a, b] = quickest.expect("some runs");
            let share = |time: Duration| time.as_secs_f64() / SPAN as f64 * 100.0;
            // Each byte is sent by one end and received by the other.
            let passed = (a.sent + b.sent) as f64 / 1024.0;
            println!(
                "  {:<10} {name:<10} {:>8.2} % {:>8.2} % {:>8.2} % {:>12} {:>14.1}",
                format!("BER {ber:.0e}"),
                share(a.time),
                share(b.time),
                b.delivered as f64 / SPAN as f64 / 92_160.0 * 100.0,
                a.calls / SPAN,
                (a.time + b.time).as_secs_f64() * 1e6 / passed,
            );
        }
    }
}

/// What both ends use in [`SPAN`] seconds, after five in which the link comes up.
fn steady(setup: &Setup, from: &[Side]) -> [Used; 2] {
    let mut run = Timed::new(setup, from);
    run.run_until(seconds(5));
    let before = run.used;
    run.run_until(seconds(5 + SPAN));
    [0, 1].map(|side| run.used[side].since(before[side]))
}

/// What an end has used and carried up to now.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// Within calls of the session.
    time: Duration,
    /// How many there were.
    calls: u64,
    /// Bytes that it put on the line.
    sent: u64,
    /// Bytes that it delivered to the equipment.
    delivered: u64,
}

impl Used {
    fn since(self, before: Self) -> Self {
        Self {
            time: self.time - before.time,
            calls: self.calls - before.calls,
            sent: self.sent - before.sent,
            delivered: self.delivered - before.delivered,
        }
    }
}

/// Both ends, and bulk control from some of them.
struct Timed {
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
    fn new(setup: &Setup, from: &[Side]) -> Self {
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
    fn run_until(&mut self, until: Instant) {
        while let Some(next) = self.next().filter(|&next| next <= until) {
            self.now = next.max(self.now);
            self.advance();
        }
        self.now = until;
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

/// Seconds of line that are measured.
const SPAN: u64 = 20;
const LINE: LineId = LineId(0);
/// An adapter for USB hands over so many at once: a packet of 64 bytes, two of them status.
const USB_CHUNK: usize = 62;
