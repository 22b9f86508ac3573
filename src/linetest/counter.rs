//! The tester: sends a pattern, receives one, counts what is wrong second by second.
//!
//! ```text
//!   Tester::poll_transmit --> pattern at the line's pace, errors put in on demand --> the line
//!   Tester::handle_bytes  <-- any pattern, any phase, either polarity            <-- the line
//!                             seconds begin with the first that has a pattern from end to end
//! ```
//!
//! Promise: a slip is no bit error, and a second of which a fifth is wrong is no second of bit errors but a
//! loss of synchronisation. In a second that is lost no bit is judged. Memory is bounded.
//! It assumes that `now` never goes back, and that it is asked at [`Tester::poll_timeout`] at the latest.
//! It leaves to others how long a test lasts, and what the counts are good for.

mod stats;

use std::collections::VecDeque;

pub use stats::Stats;

use super::g821::{Evaluator, Second};
use super::intervals::Intervals;
use super::pace::Pace;
use super::pattern::{Generator, Pattern, Polarity};
use super::track::{Change, Receiver, Sink, Slip};
use crate::proto::time::{BitRate, Duration, Instant, earliest};

/// What a tester does.
#[derive(Clone, Copy, Debug)]
pub struct TesterConfig {
    /// What the line carries.
    pub rate: BitRate,
    /// What is sent, and how.
    pub send: (Pattern, Polarity),
    /// What is expected; `None` for whatever comes. Polarity is found in any case.
    pub expect: Option<Pattern>,
    /// Every so many bits sent one is turned over; `None` for none.
    pub inject_every: Option<u64>,
}

/// Something that a technician wants to know at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A pattern is received: which, and whether it is turned over.
    Synchronised(Pattern, Polarity),
    /// Bits were lost, or too many came.
    Slipped(Slip),
    /// What arrives is no pattern any more.
    SynchronisationLost,
    /// Nothing came for a second.
    SignalLost,
    /// Something comes again.
    SignalBack,
}

/// One end of a bit error test, or both ends of a loop.
#[derive(Debug)]
pub struct Tester {
    config: TesterConfig,
    started: Instant,
    sender: Sender,
    receiver: Receiver,
    tally: Tally,
    /// When the second that is being counted ends; `None` before the first synchronisation.
    second_ends: Option<Instant>,
    evaluator: Evaluator,
    stats: Stats,
    has_signal: bool,
    /// What came was lost for a while: that it goes on elsewhere is no slip.
    was_away: bool,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct Sender {
    generator: Generator,
    pace: Pace,
    /// Bits up to the next that is turned over.
    to_injection: u64,
}

/// The second that is being counted.
#[derive(Debug, Default)]
struct Tally {
    bits: u64,
    errors: u64,
    unjudged: u64,
    bytes: u64,
    slips: u64,
    intervals: Intervals,
    /// Bits of the second before that were decided in this one, and those of them that differed.
    carried: (u64, u64),
}

impl Sink for Tally {
    fn on_bit(&mut self, is_wrong: bool) {
        self.bits += 1;
        self.errors += u64::from(is_wrong);
        self.intervals.push(is_wrong);
    }

    fn on_unjudged(&mut self, bits: u64) {
        self.unjudged += bits;
        self.intervals.interrupt();
    }
}

impl Tester {
    /// A tester that begins to send now.
    pub fn new(config: TesterConfig, now: Instant) -> Self {
        let (pattern, polarity) = config.send;
        Self {
            started: now,
            sender: Sender {
                generator: Generator::new(pattern, polarity),
                pace: Pace::new(config.rate),
                to_injection: config.inject_every.unwrap_or(u64::MAX),
            },
            receiver: Receiver::new(config.expect),
            tally: Tally::default(),
            second_ends: None,
            evaluator: Evaluator::new(),
            stats: Stats::new(),
            has_signal: true,
            was_away: false,
            events: VecDeque::new(),
            config,
        }
    }

    /// Takes bytes from the line.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.handle_timeout(now);
        let length = bytes.len() as u64;
        self.stats.bytes_received += length;
        self.tally.bytes += length;
        if length > 0 && !self.has_signal {
            self.has_signal = true;
            self.was_away = true;
            self.say(Event::SignalBack);
        }
        for &byte in bytes {
            for place in 0..8 {
                let bit = u32::from(byte >> place & 1);
                if let Some(change) = self.receiver.push(bit, &mut self.tally) {
                    self.on_change(now, change);
                }
            }
        }
    }

    /// Appends what the line has room for to `buf`, at most `room` bytes, and says how many.
    pub fn poll_transmit(&mut self, now: Instant, room: usize, buf: &mut Vec<u8>) -> usize {
        let bytes = self.sender.pace.allowance(now).min(room);
        for _ in 0..bytes {
            let byte = self.sender.byte(&self.config, &mut self.stats.injected);
            buf.push(byte);
        }
        if bytes > 0 {
            self.sender.pace.on_sent(now, bytes);
        }
        self.stats.bytes_sent += bytes as u64;
        bytes
    }

    /// Ends the seconds that are over.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(end) = self.second_ends
            && end <= now
        {
            self.second_ends = Some(end + A_SECOND);
            self.end_second();
        }
    }

    /// When to ask again: the end of a second, or when the line has room.
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.second_ends, Some(self.sender.pace.next()))
    }

    /// What happened, the oldest first. Of more than 64 that nobody asked for the oldest are gone; the counters
    /// have them.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether a pattern came, and seconds are counted.
    pub const fn has_begun(&self) -> bool {
        self.second_ends.is_some()
    }

    /// How long it has been counting, in whole seconds.
    pub fn counted(&self) -> u64 {
        self.stats.seconds.seconds
    }

    /// Everything that was counted, up to the end of the last whole second.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.is_synchronised = self.receiver.is_synchronised();
        stats.other_pattern = self.receiver.other();
        stats.seconds = self.evaluator.counts();
        stats.intervals = self.tally.intervals.clone();
        stats
    }

    /// The same if nothing came after this: seconds that are not decided are time as before. What is left of a
    /// second does not count.
    pub fn settled(&self) -> Stats {
        Stats {
            seconds: self.evaluator.final_counts(),
            ..self.stats()
        }
    }

    fn on_change(&mut self, now: Instant, change: Change) {
        match change {
            Change::Found(pattern, polarity) => {
                self.stats.pattern = Some(pattern);
                self.stats.polarity = Some(polarity);
                if self.second_ends.is_none() {
                    self.second_ends = Some(now + A_SECOND);
                    let after = now.since(self.started).as_micros();
                    self.stats.synchronised_after_us = u64::try_from(after).ok();
                    // What came before the test began is none of it.
                    self.tally = Tally {
                        bytes: self.tally.bytes,
                        ..Tally::default()
                    };
                }
                self.say(Event::Synchronised(pattern, polarity));
            }
            Change::Slipped(_) if self.was_away => self.was_away = false,
            Change::Slipped(slip) => {
                self.tally.slips += 1;
                self.stats.slips += 1;
                match slip {
                    Slip::Lost(bits) if bits % 8 == 0 => self.stats.slipped_bytes_lost += bits / 8,
                    Slip::Extra(bits) if bits % 8 == 0 => {
                        self.stats.slipped_bytes_extra += bits / 8;
                    }
                    _ => self.stats.slips_of_bits += 1,
                }
                self.say(Event::Slipped(slip));
            }
            Change::Lost => self.on_lost(),
        }
    }

    fn on_lost(&mut self) {
        self.was_away = true;
        self.stats.synchronisation_losses += 1;
        self.say(Event::SynchronisationLost);
    }

    fn end_second(&mut self) {
        let (open_bits, open_errors) = self.receiver.undecided();
        let (carried_bits, carried_errors) = self.tally.carried;
        let bits = (self.tally.bits + open_bits).saturating_sub(carried_bits);
        let errors = (self.tally.errors + open_errors).saturating_sub(carried_errors);
        let is_silent = self.tally.bytes == 0;
        // A few bits say nothing: that is a slow line, or the edge of a second.
        let is_garbled = bits >= FEW_BITS && errors * LOSS_ONE_IN >= bits;
        if is_garbled && self.receiver.is_synchronised() {
            self.receiver.lose(&mut self.tally);
            self.on_lost();
        }
        if is_silent {
            self.stats.silent_seconds += 1;
            if self.has_signal {
                self.has_signal = false;
                self.say(Event::SignalLost);
            }
        }
        if !is_silent && self.receiver.is_synchronised() {
            self.was_away = false;
        }
        let is_unjudged = self.tally.unjudged > self.tally.bits;
        let second = Second {
            bits: self.tally.bits,
            errors: self.tally.errors,
            is_lost: is_silent || is_garbled || is_unjudged,
        };
        if second.is_lost && self.stats.seconds.seconds == 0 {
            self.begin_again();
        } else {
            self.count(second);
        }
    }

    /// What came for less than a second was no test: it is waited for the next.
    fn begin_again(&mut self) {
        self.second_ends = None;
        self.receiver = Receiver::new(self.config.expect);
        self.tally = Tally::default();
        self.stats = Stats {
            bytes_sent: self.stats.bytes_sent,
            injected: self.stats.injected,
            bytes_received: self.stats.bytes_received,
            ..Stats::new()
        };
    }

    fn count(&mut self, mut second: Second) {
        let tally = std::mem::take(&mut self.tally);
        self.tally.intervals = tally.intervals;
        self.tally.carried = self.receiver.undecided();
        self.stats.unjudged_bits += tally.unjudged;
        if second.is_lost {
            self.stats.unjudged_bits += second.bits;
            second.bits = 0;
            second.errors = 0;
        }
        self.stats.bits += second.bits;
        self.stats.errors += second.errors;
        self.evaluator.push(second);
        self.stats.seconds = self.evaluator.counts();
        self.stats.timeline.push(second, tally.slips);
    }

    fn say(&mut self, event: Event) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

impl Sender {
    fn byte(&mut self, config: &TesterConfig, injected: &mut u64) -> u8 {
        let mut byte = self.generator.byte();
        let Some(every) = config.inject_every else {
            return byte;
        };
        for place in 0..8 {
            self.to_injection -= 1;
            if self.to_injection == 0 {
                byte ^= 1 << place;
                *injected += 1;
                self.to_injection = every.max(1);
            }
        }
        byte
    }
}

const A_SECOND: Duration = Duration::from_secs(1);
/// A second of which one bit in so many is wrong is a loss of synchronisation.
const LOSS_ONE_IN: u64 = 5;
const FEW_BITS: u64 = 20;
const EVENTS_KEPT: usize = 64;

#[cfg(test)]
mod tests;
