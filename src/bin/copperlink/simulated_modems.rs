//! Two modems behind two pseudo terminals, in real time: what one program writes to its port goes
//! to its modem, as commands or as data.
//!
//! ```text
//!   program A -- pty A --> modem A --- telephone --- modem B <-- pty B -- program B
//! ```
//!
//! Promises: bytes are taken from a port only while its modem takes them, which is CTS for a port
//! that has no such wire; a port's speed is what the program has set, and a modem of another speed
//! hears garble. A pseudo terminal has no DCD either: the programs see `CONNECT` and `NO CARRIER`.
//! It leaves all else to [`Modems`].

use std::io;
use std::path::Path;

use copperlink::proto::time::{BitRate, Duration, Instant, earliest};
use copperlink::shell::Clock;
use copperlink::shell::line::pty::{self, Master};
use copperlink::sim::modem::{ModemEvent, ModemStats};
use copperlink::sim::{Modems, Side};

use crate::simulated_line::{DirectionStats, LOOK_EVERY, is_passing};

/// The modems and the two ports in front of them.
#[derive(Debug)]
pub(crate) struct SimulatedModems {
    clock: Clock,
    ports: [Master; 2],
    modems: Modems,
    not_fetched: [u64; 2],
    next_look: Instant,
}

impl SimulatedModems {
    /// Makes the two ports. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system has no pseudo terminals left.
    pub(crate) fn open(modems: Modems) -> io::Result<Self> {
        Ok(Self {
            ports: [Master::open()?, Master::open()?],
            clock: Clock::start(),
            modems,
            not_fetched: [0; 2],
            next_look: Instant::ZERO,
        })
    }

    /// What the two programs open as serial ports.
    pub(crate) fn paths(&self) -> [&Path; 2] {
        [self.ports[0].path(), self.ports[1].path()]
    }

    /// What each modem did so far, and what its program did not fetch in time.
    pub(crate) fn stats(&self) -> [(ModemStats, DirectionStats); 2] {
        Side::BOTH.map(|side| {
            let stats = self.modems.stats(side);
            let way = DirectionStats {
                line: stats.line,
                not_fetched: self.not_fetched[side as usize],
            };
            (stats, way)
        })
    }

    /// Whether a modem is connected.
    pub(crate) fn is_connected(&self, side: Side) -> bool {
        self.modems.is_connected(side)
    }

    /// Carries bytes until it is dropped, and tells what happens.
    ///
    /// # Errors
    /// When a port fails.
    pub(crate) async fn run(
        &mut self,
        mut tell: impl FnMut(Instant, Side, &ModemEvent),
    ) -> io::Result<()> {
        loop {
            let now = self.clock.now();
            self.look_at_speeds(now)?;
            self.modems.handle_timeout(now);
            for side in Side::BOTH {
                self.take(now, side)?;
                self.hand_over(now, side)?;
            }
            while let Some((at, side, event)) = self.modems.poll_event() {
                tell(at, side, &event);
            }
            let [room_a, room_b] = Side::BOTH.map(|side| self.modems.room(now, side) > 0);
            // A modem that takes nothing begins to when something happens in it.
            let wake = earliest(Some(self.next_look), self.modems.poll_timeout());
            let [a, b] = &self.ports;
            tokio::select! {
                ready = a.readable(), if room_a => ready?,
                ready = b.readable(), if room_b => ready?,
                () = self.clock.sleep_until(wake) => {}
            }
        }
    }

    /// From a port into its modem, as long as it takes bytes.
    fn take(&mut self, now: Instant, side: Side) -> io::Result<()> {
        let mut buffer = [0; 1024];
        loop {
            let room = self.modems.room(now, side).min(buffer.len());
            if room == 0 {
                return Ok(());
            }
            match self.ports[side as usize].try_read(&mut buffer[..room]) {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    self.modems.handle_bytes(now, side, &buffer[..length]);
                }
                Err(error) if is_passing(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// What a modem says, or has received, to its port.
    fn hand_over(&mut self, now: Instant, side: Side) -> io::Result<()> {
        let mut arrived = Vec::new();
        self.modems.poll_bytes(now, side, &mut arrived);
        let mut rest = &arrived[..];
        while !rest.is_empty() {
            match self.ports[side as usize].try_write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if is_passing(&error) => {
                    // It came over the line from the other one, if it is no result.
                    self.not_fetched[side.other() as usize] += rest.len() as u64;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Every now and then: whether the programs have set their ports to other speeds.
    fn look_at_speeds(&mut self, now: Instant) -> io::Result<()> {
        if now < self.next_look {
            return Ok(());
        }
        self.next_look = now + LOOK_EVERY.min(Duration::from_millis(20));
        for side in Side::BOTH {
            // A speed outside of what a port can have is no speed: the last one stays.
            if let Some(speed) = BitRate::new(pty::slave_baud(&self.ports[side as usize])?) {
                self.modems.handle_speed(now, side, speed);
            }
        }
        Ok(())
    }
}
