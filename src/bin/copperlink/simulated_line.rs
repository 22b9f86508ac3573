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
use copperlink::shell::line::pty::{self, Master};
use copperlink::sim::{Fault, LineModel, LineModelConfig, LineModelStats, Noise};

use copperlink::shell::Clock;

/// What the line is like.
#[derive(Clone, Debug)]
pub(crate) struct LineOptions {
    /// What the line carries at most, bit/s of ten-bit characters. A port that is set to less
    /// makes it slower.
    pub(crate) rate: BitRate,
    /// Random damage in each direction.
    pub(crate) noise: Noise,
    /// From one end to the other.
    pub(crate) delay: Duration,
    /// Bytes that wait at each end's side of the line.
    pub(crate) buffer: usize,
    /// The path carries seven bits only.
    pub(crate) seven_bits: bool,
    /// When the line is cut, both ways.
    pub(crate) cuts: Vec<Cut>,
    /// This end hears itself, and the other nothing.
    pub(crate) loopback: Option<End>,
    /// Where chance begins.
    pub(crate) seed: u64,
}

impl LineOptions {
    /// A perfect line.
    pub(crate) const fn clean(rate: BitRate) -> Self {
        Self {
            rate,
            noise: Noise::NONE,
            delay: Duration::ZERO,
            buffer: LineModelConfig::BUFFER,
            seven_bits: false,
            cuts: Vec::new(),
            loopback: None,
            seed: 1,
        }
    }
}

/// A time without line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cut {
    /// From the start of the line.
    pub(crate) at: Duration,
    /// How long.
    pub(crate) lasts: Duration,
}

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum End {
    /// The first.
    A,
    /// The second.
    B,
}

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
    options: LineOptions,
    clock: Clock,
    ports: [Master; 2],
    /// From the first port to the second, and back.
    models: [LineModel; 2],
    not_fetched: [u64; 2],
    /// What each port is set to, bit/s.
    bauds: [BitRate; 2],
    next_look: Instant,
}

impl SimulatedLine {
    /// Makes the two ports. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system has no pseudo terminals left.
    pub(crate) fn open(options: LineOptions) -> io::Result<Self> {
        let model = |seed| {
            LineModel::new(LineModelConfig {
                delay: options.delay,
                buffer: options.buffer,
                noise: options.noise,
                seed,
                ..LineModelConfig::clean(options.rate)
            })
        };
        let mut line = Self {
            // The two directions have their own accidents.
            models: [model(options.seed), model(options.seed ^ OTHER_DIRECTION)],
            clock: Clock::start(),
            ports: [Master::open()?, Master::open()?],
            not_fetched: [0; 2],
            bauds: [options.rate; 2],
            next_look: Instant::ZERO,
            options,
        };
        line.look_at_speeds(Instant::ZERO)?;
        Ok(line)
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
            self.look_at_speeds(now)?;
            self.cut_or_join(now);
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
        for cut in &self.options.cuts {
            for at in [Instant::ZERO + cut.at, Instant::ZERO + cut.at + cut.lasts] {
                if at > now {
                    wake = wake.min(at);
                }
            }
        }
        wake
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
        let to = match self.options.loopback {
            None => 1 - from,
            Some(end) if end as usize == from => from,
            Some(_) => return Ok(()),
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

    fn cut_or_join(&mut self, now: Instant) {
        let time = now.since(Instant::ZERO);
        let is_cut = |cut: &Cut| (cut.at..cut.at + cut.lasts).contains(&time);
        let cut = self.options.cuts.iter().any(is_cut);
        for model in &mut self.models {
            model.set_cut(now, cut);
        }
    }

    /// Every now and then: what the programs have set their ports to.
    fn look_at_speeds(&mut self, now: Instant) -> io::Result<()> {
        if now < self.next_look {
            return Ok(());
        }
        self.next_look = now + LOOK_EVERY;
        let mut bauds = self.bauds;
        for (baud, port) in bauds.iter_mut().zip(&self.ports) {
            // A speed outside of what a line can have is no speed: the last one stays.
            *baud = BitRate::new(pty::slave_baud(port)?).unwrap_or(*baud);
        }
        if now > Instant::ZERO && bauds == self.bauds {
            return Ok(());
        }
        self.bauds = bauds;
        for (from, model) in self.models.iter_mut().enumerate() {
            let (sender_baud, receiver_baud) = (bauds[from], bauds[1 - from]);
            let fault = if sender_baud != receiver_baud {
                tracing::info!(
                    "the ports are set to different speeds: {} and {} bit/s",
                    sender_baud.bits_per_second(),
                    receiver_baud.bits_per_second()
                );
                Fault::SpeedMismatch {
                    sender_baud,
                    receiver_baud,
                }
            } else if self.options.seven_bits {
                Fault::SevenBits
            } else {
                Fault::None
            };
            model.set_rate(now, self.options.rate.min(sender_baud));
            model.set_fault(now, fault);
        }
        Ok(())
    }
}

/// Nothing to read or no room now, or a moment without a program at the port.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// How often the ports' speeds are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long to wait when the line's buffer is full.
const WAIT_FOR_ROOM: Duration = Duration::from_millis(1);
/// Makes another seed of a seed.
const OTHER_DIRECTION: u64 = 0x9e37_79b9_7f4a_7c15;
