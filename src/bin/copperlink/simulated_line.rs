//! A line between two pseudo terminals, in real time: what one program writes to its port arrives
//! at the other's, at the line's rate and with the line's faults.
//!
//! ```text
//!   program A -- pty A --> model A to B --> pty B -- program B
//!             <----------- model B to A <-----------
//! ```
//!
//! Promises: bytes are taken from a port only while the line's own buffer has room, so that a
//! program that sends too fast is held up as it would be by a real port; what a program does not
//! fetch is lost, as in a real port. It leaves the damage itself to [`LineModel`].

use std::io::{self, ErrorKind};
use std::path::Path;

use copperlink::proto::time::{BitRate, Duration, Instant, earliest};
use copperlink::shell::Clock;
use copperlink::shell::line::pty::{self, Master};
use copperlink::sim::{Fault, LineModel, LineModelStats, Scenario, Side, Wiring};

/// What a direction of the line did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DirectionStats {
    /// The line itself.
    pub(crate) line: LineModelStats,
    /// Bytes that arrived, and that the program there did not fetch in time.
    pub(crate) not_fetched: u64,
}

/// The line and its two ports.
#[derive(Debug)]
pub(crate) struct SimulatedLine {
    scenario: Scenario,
    clock: Clock,
    ports: [Master; 2],
    /// From the first port to the second, and back.
    models: [LineModel; 2],
    wiring: [Wiring; 2],
    not_fetched: [u64; 2],
    /// What each port is set to, bit/s.
    bauds: [BitRate; 2],
    next_look: Instant,
    next_change: Option<Instant>,
}

impl SimulatedLine {
    /// Makes the two ports. A port that is set to less than the line carries makes it slower.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system has no pseudo terminals left.
    pub(crate) fn open(scenario: Scenario, seed: u64) -> io::Result<Self> {
        Ok(Self {
            models: scenario.models(seed).map(LineModel::new),
            wiring: [Wiring::Straight; 2],
            clock: Clock::start(),
            ports: [Master::open()?, Master::open()?],
            not_fetched: [0; 2],
            // Until they have been looked at.
            bauds: [BitRate::MAX; 2],
            next_look: Instant::ZERO,
            next_change: Some(Instant::ZERO),
            scenario,
        })
    }

    /// What the two programs open as serial ports.
    pub(crate) fn paths(&self) -> [&Path; 2] {
        [self.ports[0].path(), self.ports[1].path()]
    }

    /// What the line did so far, from the first port to the second, and back.
    pub(crate) fn stats(&self) -> [DirectionStats; 2] {
        [0, 1].map(|from| DirectionStats {
            line: self.models[from].stats(),
            not_fetched: self.not_fetched[from],
        })
    }

    /// Carries bytes until it is dropped.
    ///
    /// # Errors
    /// When a port fails.
    pub(crate) async fn run(&mut self) -> io::Result<()> {
        loop {
            let now = self.clock.now();
            self.keep_to_scenario(now)?;
            for from in [0, 1] {
                self.take(now, from)?;
                self.hand_over(now, from)?;
            }
            let [a, b] = &self.ports;
            tokio::select! {
                ready = a.readable(), if self.models[0].room(now) > 0 => ready?,
                ready = b.readable(), if self.models[1].room(now) > 0 => ready?,
                () = self.clock.sleep_until(Some(self.next_wake(now))) => {}
            }
        }
    }

    fn next_wake(&self, now: Instant) -> Instant {
        let mut wake = self.next_look;
        for model in &self.models {
            if model.room(now) == 0 {
                wake = wake.min(now + WAIT_FOR_ROOM);
            }
            wake = earliest(Some(wake), model.poll_timeout()).unwrap_or(wake);
        }
        earliest(Some(wake), self.next_change).unwrap_or(wake)
    }

    /// From a port into the line, as long as there is room.
    fn take(&mut self, now: Instant, from: usize) -> io::Result<()> {
        let mut buffer = [0; 1024];
        loop {
            let room = self.models[from].room(now).min(buffer.len());
            if room == 0 {
                return Ok(());
            }
            match self.ports[from].try_read(&mut buffer[..room]) {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    self.models[from].handle_bytes(now, &buffer[..length]);
                }
                Err(error) if is_passing(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// What has arrived to the port at the other end.
    fn hand_over(&mut self, now: Instant, from: usize) -> io::Result<()> {
        let mut arrived = Vec::new();
        self.models[from].poll_bytes(now, &mut arrived);
        let to = match self.wiring[from] {
            Wiring::Straight => 1 - from,
            Wiring::Loop => from,
        };
        let mut rest = &arrived[..];
        while !rest.is_empty() {
            match self.ports[to].try_write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if is_passing(&error) => {
                    self.not_fetched[from] += rest.len() as u64;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes the line what the scenario and the ports' speeds say, when either has changed.
    fn keep_to_scenario(&mut self, now: Instant) -> io::Result<()> {
        let is_changed = self.next_change.is_some_and(|at| at <= now);
        if !self.look_at_speeds(now)? && !is_changed {
            return Ok(());
        }
        self.next_change = self.scenario.next_change(now);
        for from in Side::BOTH {
            let mut conditions = self.scenario.conditions(from, now);
            let sender_baud = self.bauds[from as usize];
            let receiver_baud = match conditions.wiring {
                Wiring::Straight => self.bauds[from.other() as usize],
                // It hears itself, at its own speed.
                Wiring::Loop => sender_baud,
            };
            conditions.rate = conditions.rate.min(sender_baud);
            if sender_baud != receiver_baud {
                conditions.fault = Fault::SpeedMismatch {
                    sender_baud,
                    receiver_baud,
                };
            }
            conditions.apply(now, &mut self.models[from as usize]);
            self.wiring[from as usize] = conditions.wiring;
        }
        Ok(())
    }

    /// Every now and then: whether the programs have set their ports to other speeds.
    fn look_at_speeds(&mut self, now: Instant) -> io::Result<bool> {
        if now < self.next_look {
            return Ok(false);
        }
        self.next_look = now + LOOK_EVERY;
        let mut bauds = self.bauds;
        for (baud, port) in bauds.iter_mut().zip(&self.ports) {
            // A speed outside of what a line can have is no speed: the last one stays.
            *baud = BitRate::new(pty::slave_baud(port)?).unwrap_or(*baud);
        }
        if bauds == self.bauds {
            return Ok(false);
        }
        self.bauds = bauds;
        let [a, b] = bauds.map(BitRate::bits_per_second);
        if a != b {
            tracing::info!("the ports are set to different speeds: {a} and {b} bit/s");
        }
        Ok(true)
    }
}

/// Nothing to read or no room now, or a moment without a program at the port.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// How often the ports' speeds are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long to wait when the line's buffer is full.
const WAIT_FOR_ROOM: Duration = Duration::from_millis(1);
