//! One direction of a copper line, in bytes at a bit rate.
//!
//! ```text
//!   handle_bytes                                                        poll_bytes
//!        |                                                                   ^
//!   sender's buffer --> bit rate --> noise --> fault --> delay --> receiving UART --> cut?
//!   (bounded)           10 bits      random    always    constant  hands over in chunks
//! ```
//!
//! Promise: what arrives, and when, depends on the configuration, its seed and the times of the
//! calls that change something; not on how input is cut into calls, nor on how often it is
//! asked (up to 10 Mbit/s, where a byte takes the clock's microsecond). Timing has no drift. A
//! call costs a constant time per byte that moved.
//! It assumes that `now` never goes back. Joining two directions, and two ends, is left to others.

mod config;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use config::LineModelConfig;

use crate::proto::time::{BitRate, Duration, Instant, earliest};

use super::fault::{Fault, Resampler};
use super::line_clock::LineClock;
use super::noise::{Noise, NoiseProcess};
use super::rng::Rng;

/// What a line did so far. At any time `accepted + bytes_inserted = delivered + bytes_lost +
/// bytes_cut + bytes_overrun +` [`LineModel::queued`] `+` [`LineModel::in_flight`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineModelStats {
    /// Bytes that the sender's buffer took.
    pub accepted: u64,
    /// Bytes that found no room there.
    pub refused: u64,
    /// Bytes that [`LineModel::poll_bytes`] gave.
    pub delivered: u64,
    /// Bits flipped by noise.
    pub bits_flipped: u64,
    /// Bytes with such bits.
    pub bytes_flipped: u64,
    /// Bytes lost by noise or a fault. Of differing speeds, characters that came to nothing.
    pub bytes_lost: u64,
    /// Bytes out of nowhere, by noise or a fault. Of differing speeds, what a receiver saw
    /// beyond one byte per character.
    pub bytes_inserted: u64,
    /// Bytes that came to the place of the cut while the line was cut.
    pub bytes_cut: u64,
    /// Bytes lost because nobody fetched what had arrived.
    pub bytes_overrun: u64,
}

/// One direction of a line.
///
/// In: [`handle_bytes`](Self::handle_bytes) and the `set_*` methods. Out:
/// [`poll_bytes`](Self::poll_bytes), at the latest at [`poll_timeout`](Self::poll_timeout).
#[derive(Clone, Debug)]
pub struct LineModel {
    config: LineModelConfig,
    noise: NoiseProcess,
    resampler: Option<Resampler>,
    stats: LineModelStats,
    cut: bool,
    /// How far everything below has come.
    now: Instant,

    /// The sender's buffer. The first byte is on the line, and ends with `clock`.
    queue: VecDeque<u8>,
    clock: LineClock,
    /// While the queue is empty: how far stray bytes have been accounted for.
    idle_since: Instant,

    /// Bytes past noise and fault: those of `groups`, then those of the open group.
    wire: VecDeque<u8>,
    groups: VecDeque<Group>,
    /// How many bytes the receiving UART will have collected.
    open: usize,
    /// When the last of them came, without the delay.
    open_last: Instant,
    /// Handed over by the receiving UART; at most [`LineModel::MAX_READY`].
    ready: Vec<u8>,
}

/// Bytes that the receiving UART hands over together.
#[derive(Clone, Copy, Debug)]
struct Group {
    due: Instant,
    bytes: usize,
}

impl LineModel {
    /// Most bytes that wait for [`LineModel::poll_bytes`]; more are lost and counted.
    pub const MAX_READY: usize = 1 << 20;

    /// A line at rest.
    pub fn new(config: LineModelConfig) -> Self {
        Self {
            noise: NoiseProcess::new(config.noise, Rng::new(config.seed), Instant::ZERO),
            resampler: resampler(config.fault),
            stats: LineModelStats::default(),
            cut: false,
            now: Instant::ZERO,
            queue: VecDeque::new(),
            clock: LineClock::new(config.rate),
            idle_since: Instant::ZERO,
            wire: VecDeque::new(),
            groups: VecDeque::new(),
            open: 0,
            open_last: Instant::ZERO,
            ready: Vec::new(),
            config,
        }
    }

    /// Takes bytes to send and says how many found room, always the first ones.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> usize {
        self.advance(now);
        let taken = bytes.len().min(self.room(self.now));
        self.stats.accepted += taken as u64;
        self.stats.refused += (bytes.len() - taken) as u64;
        if taken > 0 && self.queue.is_empty() {
            self.end_idle();
        }
        self.queue.extend(&bytes[..taken]);
        taken
    }

    /// How many bytes find room.
    pub fn room(&self, now: Instant) -> usize {
        self.config.buffer.saturating_sub(self.queued(now))
    }

    /// How many bytes have not left the sender's side.
    pub fn queued(&self, now: Instant) -> usize {
        let waiting = self.queue.len();
        waiting - self.clock.ended_by(now.max(self.now), waiting)
    }

    /// How many bytes have left the sender's side and have not been given out, lost or counted
    /// as cut.
    pub fn in_flight(&self, now: Instant) -> usize {
        self.queue.len() - self.queued(now) + self.wire.len() + self.ready.len()
    }

    /// Appends what has arrived to `buf` and says how many bytes.
    pub fn poll_bytes(&mut self, now: Instant, buf: &mut Vec<u8>) -> usize {
        self.advance(now);
        let arrived = self.ready.len();
        buf.append(&mut self.ready);
        self.stats.delivered += arrived as u64;
        arrived
    }

    /// When to call [`LineModel::poll_bytes`]: the next arrival, or earlier where noise leaves
    /// that open, never later. After a `poll_bytes` it lies in the future.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.ready.is_empty() {
            return Some(self.now);
        }
        if let Some(group) = self.groups.front() {
            return Some(group.due);
        }
        self.next_on_line().map(|at| at + self.config.delay)
    }

    /// Cuts the line at the receiver, or joins it. What would be handed over while it is cut is
    /// lost; so the first byte to arrive after that was sent, at the earliest, a delay before.
    pub fn set_cut(&mut self, now: Instant, cut: bool) {
        self.advance(now);
        self.cut = cut;
    }

    /// From now on bytes that leave the sender meet this noise.
    pub fn set_noise(&mut self, now: Instant, noise: Noise) {
        self.advance(now);
        self.config.noise = noise;
        self.noise.set(noise, self.now);
        self.idle_since = self.now;
    }

    /// From now on bytes that leave the sender meet this fault.
    pub fn set_fault(&mut self, now: Instant, fault: Fault) {
        self.advance(now);
        self.config.fault = fault;
        self.resampler = resampler(fault);
    }

    /// Changes the bit rate. A byte that is on the line keeps its old rate.
    pub fn set_rate(&mut self, now: Instant, rate: BitRate) {
        self.advance(now);
        self.config.rate = rate;
        self.clock.set_rate(rate);
    }

    /// What the line did up to the last call that moved it.
    pub const fn stats(&self) -> LineModelStats {
        self.stats
    }

    /// What the line is like now.
    pub const fn config(&self) -> &LineModelConfig {
        &self.config
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        while self.clock.end() <= self.now {
            let Some(byte) = self.queue.pop_front() else {
                break;
            };
            let at = self.clock.end();
            if self.queue.is_empty() {
                self.idle_since = at;
            } else {
                self.clock.follow();
            }
            self.pass_noise(at, byte);
        }
        if self.queue.is_empty() {
            self.pass_idle();
        }
        if let Some(at) = self.silence_at()
            && at <= self.now
        {
            self.close_group(at);
        }
        self.hand_over();
    }

    /// The first byte after a silence begins now.
    fn end_idle(&mut self) {
        self.noise.pass_idle(self.now.since(self.idle_since));
        let gap = self.clock.bits_in(self.now.since(self.clock.end()));
        if let Some(resampler) = &mut self.resampler {
            // Whatever could still come of it, `pass_idle` has fetched.
            resampler.idle(gap, &mut |_| {});
        }
        self.clock.begin(self.now);
    }

    /// What happens on an idle line up to now, in the order of time.
    fn pass_idle(&mut self) {
        loop {
            let (stray, last) = (self.stray_at(), self.last_character_at());
            let Some(at) = earliest(stray, last).filter(|&at| at <= self.now) else {
                return;
            };
            if last == Some(at) {
                self.complete_character(at);
            } else {
                self.idle_since = at;
                let byte = self.noise.stray();
                self.stats.bytes_inserted += 1;
                // A random byte at the wrong speed is as random a byte.
                if self.resampler.is_some() {
                    self.arrive(at, byte);
                } else {
                    self.pass_fault(at, byte);
                }
            }
        }
    }

    fn pass_noise(&mut self, at: Instant, byte: u8) {
        let passed = self.noise.pass(at, byte);
        self.stats.bits_flipped += u64::from(passed.flipped);
        self.stats.bytes_flipped += u64::from(passed.flipped > 0);
        match passed.byte {
            Some(byte) => self.pass_fault(at, byte),
            None => self.stats.bytes_lost += 1,
        }
        if let Some(byte) = passed.inserted {
            self.stats.bytes_inserted += 1;
            if self.config.fault == Fault::SaysXonXoff {
                self.arrive(at, if byte & 1 == 0 { XON } else { XOFF });
            } else {
                self.pass_fault(at, byte);
            }
        }
    }

    fn pass_fault(&mut self, at: Instant, byte: u8) {
        match self.config.fault {
            Fault::None => self.arrive(at, byte),
            Fault::SevenBits => self.arrive(at, byte & 0x7f),
            Fault::StuckAt(stuck) => self.arrive(at, stuck),
            Fault::EatsXonXoff | Fault::SaysXonXoff if matches!(byte, XON | XOFF) => {
                self.stats.bytes_lost += 1;
            }
            Fault::EatsXonXoff | Fault::SaysXonXoff => self.arrive(at, byte),
            Fault::SpeedMismatch { .. } => {
                let mut made = Vec::new();
                if let Some(resampler) = &mut self.resampler {
                    resampler.byte(byte, &mut |byte| made.push(byte));
                }
                self.stats.bytes_lost += u64::from(made.is_empty());
                self.stats.bytes_inserted += made.len().saturating_sub(1) as u64;
                made.into_iter().for_each(|byte| self.arrive(at, byte));
            }
        }
    }

    /// The sender is silent, which completes the character that a slower receiver is still in.
    fn complete_character(&mut self, at: Instant) {
        let mut made = None;
        if let Some(resampler) = &mut self.resampler
            && let Some(bits) = resampler.idle_bits_to_complete()
        {
            resampler.idle(bits, &mut |byte| made = Some(byte));
        }
        if let Some(byte) = made {
            self.stats.bytes_inserted += 1;
            self.arrive(at, byte);
        }
    }

    /// A byte comes to the receiving UART, a delay after `at`.
    fn arrive(&mut self, at: Instant, byte: u8) {
        if let Some(silence) = self.silence_at()
            && silence <= at
        {
            self.close_group(silence);
        }
        self.wire.push_back(byte);
        self.open += 1;
        self.open_last = at;
        if self.open >= self.config.chunk {
            self.close_group(at);
        }
    }

    fn close_group(&mut self, at: Instant) {
        self.groups.push_back(Group {
            due: at + self.config.delay,
            bytes: self.open,
        });
        self.open = 0;
    }

    /// The receiving UART hands over what is due.
    fn hand_over(&mut self) {
        let mut due = 0;
        while let Some(group) = self.groups.front()
            && group.due <= self.now
        {
            due += group.bytes;
            self.groups.pop_front();
        }
        let due = self.wire.drain(..due);
        if self.cut {
            self.stats.bytes_cut += due.len() as u64;
            return;
        }
        let (before, all) = (self.ready.len(), due.len());
        self.ready.extend(due.take(Self::MAX_READY - before));
        self.stats.bytes_overrun += (before + all - self.ready.len()) as u64;
    }

    /// When, without the delay, the open group will be handed over, or something comes between.
    fn next_on_line(&self) -> Option<Instant> {
        let silence = self.silence_at();
        if self.queue.is_empty() {
            let idle = earliest(self.stray_at(), self.last_character_at());
            return earliest(silence, idle);
        }
        if let Some(silence) = silence
            && silence <= self.clock.end()
        {
            return Some(silence);
        }
        let missing = self.config.chunk.saturating_sub(self.open).max(1);
        let foreseen = match self.config.fault {
            Fault::SpeedMismatch { .. } | Fault::EatsXonXoff | Fault::SaysXonXoff => 1,
            Fault::None | Fault::SevenBits | Fault::StuckAt(_) => {
                let undisturbed = self.noise.bytes_undisturbed().saturating_add(1);
                usize::try_from(undisturbed).unwrap_or(usize::MAX)
            }
        };
        let queued = self.queue.len();
        let at = self.clock.end_of(missing.min(foreseen).min(queued));
        if queued < missing.min(foreseen) {
            let stray = self.noise.idle_to_stray().map(|left| at + left);
            return earliest(stray, Some(at + self.silence()));
        }
        Some(at)
    }

    /// When the next stray byte comes if the line stays idle.
    fn stray_at(&self) -> Option<Instant> {
        self.noise
            .idle_to_stray()
            .map(|left| self.idle_since + left)
    }

    /// When a slower receiver has the last character whole if the line stays idle.
    fn last_character_at(&self) -> Option<Instant> {
        let bits = self.resampler.as_ref()?.idle_bits_to_complete()?;
        Some(self.clock.end() + self.clock.bits(bits))
    }

    /// When the receiving UART hands over what it has if nothing more comes.
    fn silence_at(&self) -> Option<Instant> {
        (self.open > 0).then(|| self.open_last + self.silence())
    }

    fn silence(&self) -> Duration {
        self.config.rate.time_for(SILENCE_BYTES)
    }
}

fn resampler(fault: Fault) -> Option<Resampler> {
    match fault {
        Fault::SpeedMismatch {
            sender_baud,
            receiver_baud,
        } => Some(Resampler::new(sender_baud, receiver_baud)),
        _ => None,
    }
}

/// A UART with a FIFO waits so many byte times for more.
const SILENCE_BYTES: usize = 4;

const XON: u8 = 0x11;
const XOFF: u8 = 0x13;
