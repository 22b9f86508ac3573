//! What a line really carries, and what waits in it.
//!
//! A port takes bytes faster than the modem behind it sends them: those wait in the modem, 2 to 8 kB of
//! it, and nothing can overtake them there. The port does not tell, but the far end does: each report
//! says when a frame arrived, by a clock that only has to run. A frame that arrives later behind its
//! departure than others did waited that much longer; and as a line never rests while something waits,
//!
//! ```text
//!   departure(frame) = max over k of  begin(k) + bytes from k to the frame / rate
//! ```
//!
//! where `begin(k)` is when byte `k` was handed over, or the frame of the last report left. Solved
//! for the rate this is what the line carries, however traffic came and went, from one report alone.
//!
//! What happens then:
//!
//! ```text
//! nothing waits, the line is full    raise the rate: a little, then more, up to the port rate; by half
//!                                    each time while it is a first guess
//! two in a row waited a little       lower it to what the line carried, by a twentieth at most
//! one waited long                    lower it to what the line carried at once; back when the next ones
//!                                    show that it was a stop (a modem that asked again, a busy machine)
//! it waits though little was sent    the way became longer; the rate stays
//! one waits on a quiet line          a damaged delimiter, found with the next frame; the rate stays
//! ```
//!
//! Promise: whatever waits is told to the pacer, which lets it drain; the rate lies between
//! 1200 bit/s and the rate of the settings, or of the port. How long a frame may wait
//! depends on how much two in a row differ anyway: adapters hold bytes back for up to 16 ms. After a trial
//! in vain the next one comes later: each costs audio some ms.
//! Assumes that reports come in order. Leaves pacing to [`Pacer`](super::pacer), and asking for reports to
//! the line. A fall is noticed with the next report, which itself waits in the line that fell: that takes
//! half a second.

#[cfg(test)]
mod tests;
mod way;

use std::collections::VecDeque;

use way::{Base, FarClock};

use crate::proto::time::{BitRate, Duration, Instant};

/// The estimate for one line.
#[derive(Debug)]
pub(super) struct Delivery {
    /// What the port carries, or the settings say: never more.
    most: f64,
    /// Bytes a second.
    rate: f64,
    /// The rate is a first guess: nothing waited so far.
    is_guess: bool,
    /// It was raised, and no report says yet how that went.
    is_on_trial: bool,
    /// What the rate is raised by next.
    step: f64,
    /// The rate before the line seemed to carry less, until it is raised again.
    fell_from: Option<f64>,
    /// What the line was last found to carry, and how long that is believed.
    found: f64,
    pause: Duration,
    /// When the rate changed last, and before which time it is not raised.
    changed: Instant,
    raise_at: Instant,
    /// Hand-overs since the last mark: when, and how many bytes before.
    handed: VecDeque<(Instant, u64)>,
    last: Option<Judged>,
    /// By how much what frames wait goes to and fro, though nothing waits: adapters and clocks, microseconds.
    jitter: i64,
    /// The line shall be empty for a moment.
    rests: bool,
    base: Base,
    clock: FarClock,
}

/// A frame that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Bytes handed over up to its last one.
    pub(super) bytes: u64,
    /// When its last byte was handed over.
    pub(super) left: Instant,
    /// When it arrived, as far as the report's way back took no time.
    pub(super) heard: Instant,
    /// When it arrived by the far end's clock, low bits, in units of a report.
    pub(super) at: u16,
}

/// A mark, and what was found.
#[derive(Clone, Copy, Debug)]
struct Judged {
    bytes: u64,
    left: Instant,
    /// How long it waited longer than others, microseconds.
    waited: i64,
    /// The same of the one before.
    earlier: i64,
}

impl Judged {
    /// What waits all the time: an adapter holds back a frame, but not each.
    fn stands(&self) -> i64 {
        self.waited.min(self.earlier)
    }

    /// When it left the line, by this end's clock, microseconds.
    fn departure(&self) -> i64 {
        micros(self.left) + self.waited
    }
}

/// What the line carried from one frame to the other, bytes a second, when it certainly never rested: the
/// later one was there before the earlier one had left.
fn never_rested(last: &Judged, new: &Judged) -> Option<f64> {
    if micros(new.left) > last.departure() {
        return None;
    }
    let took = (new.departure() - last.departure()).max(1) as f64 / 1e6;
    Some(new.bytes.saturating_sub(last.bytes) as f64 / took)
}

/// What is found now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) rate: BitRate,
    /// Bytes that wait below.
    pub(super) waits: usize,
}

/// Part of the port rate to begin with when nobody knows what the line carries, and what is never too much.
const FIRST: f64 = 0.25;
const SLOW: f64 = 1600.0;
/// A longer wait than this, and than so many bytes take, is no accident of clocks, adapters (16 ms) and chunks.
const ACCIDENT: Duration = Duration::from_millis(20);
const CHUNKS: f64 = 40.0;
/// The same for a line that carries less than its port: there each wait costs, and a wrong word little.
const BEARABLE: Duration = Duration::from_millis(4);
const MOST_JITTER: i64 = 10_000;
/// A wait that grew by so little, microseconds, did not grow.
const FLAT: i64 = 5_000;
/// The line counts as used in full from here.
const FULL: f64 = 0.85;
/// Below this part of the rate a frame that came late says nothing of the line by itself.
const USED: f64 = 0.1;
/// The first step makes a line that carries no more fall behind by so many seconds until the next report.
const LITTLE: f64 = 0.005;
const SMALLEST_STEP: f64 = 0.01;
const SMALL_STEP: f64 = 0.02;
const STEP_GROWS: f64 = 2.0;
const LARGE_STEP: f64 = 0.25;
const GUESS_STEP: f64 = 0.5;
/// After the rate fell nothing is tried for so long; longer when that was in vain, until so much more was
/// found.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
const NEWS: f64 = 1.1;
/// The estimate never falls below this where the port carries more, bytes a second: no modem of today is
/// slower, and from less it would take minutes to come up again.
const LEAST: f64 = 120.0;
/// Marks that are nearer together say little of how much was sent.
const NEAR: Duration = Duration::from_millis(40);
/// What at least is left of the rate in one step: after a short wait, one that is no accident, and one of
/// [`LONG`] microseconds.
const SMALL_PART: f64 = 0.95;
const LEAST_PART: f64 = 0.5;
const LEAST_PART_LONG: f64 = 0.1;
const LONG: i64 = 100_000;
/// Each time the rate was too high, more than what waits is let out, as much as the line carries in this
/// time. What waits forever would be taken for the way, where the far end's clock is slower.
const REST: f64 = 0.005;
/// Hand-overs within this time count as one.
const SLOT: Duration = Duration::from_millis(8);
const MOST_HANDED: usize = 256;

impl Delivery {
    /// For a line that carries at most `most`; `is_known` says that it carries that.
    pub(super) fn new(most: BitRate, is_known: bool, now: Instant) -> Self {
        let most = f64::from(most.bits_per_second()) / 10.0;
        let rate = match is_known {
            true => most,
            false => (most * FIRST).max(SLOW).min(most),
        };
        Self {
            most,
            rate,
            is_guess: !is_known,
            is_on_trial: false,
            step: 0.0,
            fell_from: None,
            found: rate,
            pause: PAUSE,
            changed: now,
            raise_at: now,
            handed: VecDeque::new(),
            last: None,
            jitter: 0,
            rests: false,
            base: Base::default(),
            clock: FarClock::default(),
        }
    }

    /// A modem said what it carries. Where it strips start and stop bits that is less than the truth: the
    /// rate is tried from there.
    pub(super) fn on_told(&mut self, now: Instant, rate: BitRate) {
        self.rate = (f64::from(rate.bits_per_second()) / 10.0).min(self.most);
        self.is_guess = false;
        self.is_on_trial = false;
        self.step = 0.0;
        self.fell_from = None;
        self.found = self.rate;
        self.pause = PAUSE;
        (self.changed, self.raise_at) = (now, now);
    }

    /// The estimate.
    pub(super) fn rate(&self) -> BitRate {
        let bits = (self.rate * 10.0).round() as u32;
        BitRate::new(bits).unwrap_or(BitRate::MIN)
    }

    /// Whether a report would tell something now, when `sent` bytes were handed over: the last one raised
    /// a suspicion, or the first guess holds the line back.
    pub(super) fn wants_report(&self, now: Instant, sent: u64) -> bool {
        let Some(last) = self.last else { return false };
        let since = now.since(last.left);
        if last.waited > self.bearable() || self.is_on_trial {
            return since >= NEAR && now.since(self.changed) >= NEAR;
        }
        let sending = sent.saturating_sub(last.bytes) as f64 / since.as_secs_f64().max(1e-6);
        self.is_guess && self.rate < self.most && since >= NEAR * 2 && sending >= FULL * self.rate
    }

    /// What was handed over before says nothing any more: the device was opened, or the line cut.
    /// The way may be another when it comes back.
    pub(super) fn on_cut(&mut self) {
        self.handed.clear();
        self.last = None;
        self.base = Base::default();
    }

    /// Another far end: with a clock of its own.
    pub(super) fn begin_session(&mut self) {
        self.on_cut();
        self.clock = FarClock::default();
    }

    /// Notes that bytes are handed over; `before` were before.
    pub(super) fn on_sent(&mut self, now: Instant, before: u64) {
        if self
            .handed
            .back()
            .is_some_and(|&(at, _)| now.since(at) < SLOT)
        {
            return;
        }
        if self.handed.len() >= MOST_HANDED {
            self.handed.pop_front();
        }
        self.handed.push_back((now, before));
    }

    /// Takes a frame that arrived; `sent` bytes were handed over so far.
    pub(super) fn on_arrived(&mut self, now: Instant, mark: Mark, sent: u64) -> Finding {
        let there = self.clock.unwrap(mark.at, mark.heard);
        let late = there - micros(mark.left);
        let mut judged = Judged {
            bytes: mark.bytes,
            left: mark.left,
            waited: late - self.base.take(now, late),
            earlier: self.last.map_or(0, |last| last.waited),
        };
        match self.last {
            Some(last) if mark.left.since(last.left) >= NEAR => self.judge(now, last, &mut judged),
            // The next one is held against the same.
            Some(last) => return self.finding(now, &last, sent),
            None => {}
        }
        self.handed.retain(|&(at, _)| at > mark.left);
        self.last = Some(judged);
        self.finding(now, &judged, sent)
    }

    fn judge(&mut self, now: Instant, last: Judged, new: &mut Judged) {
        let sent = new.bytes.saturating_sub(last.bytes) as f64;
        let sending = sent / new.left.since(last.left).as_secs_f64();
        let is_full = sending >= FULL * self.rate;
        let is_used = sending >= USED * self.rate;
        self.is_on_trial &= new.left < self.changed;
        let grew = new.waited - last.waited;
        if new.waited <= self.accident() {
            // What goes to and fro: a queue only grows, or drains.
            let before = last.waited - last.earlier;
            let turned = (grew > 0) != (before > 0);
            let back = if turned {
                grew.abs().min(before.abs())
            } else {
                0
            };
            self.jitter += (back.min(MOST_JITTER) - self.jitter) / 8;
        }
        if let Some(before) = self.fell_from
            && let Some(carried) = never_rested(&last, new)
            && carried > self.rate
        {
            // What looked like a slower line was a stop.
            self.rate = carried.min(before);
            self.changed = now;
        }
        if new.waited <= self.bearable() {
            let may = self.is_bottleneck() && last.left >= self.changed && now >= self.raise_at;
            if may && is_full && new.waited <= self.bearable() / 2 {
                self.raise(now, new.left.since(last.left));
            }
            return;
        }
        if new.waited > self.accident() {
            let jumped = last.earlier < self.accident() / 2;
            if !is_full && grew.abs() <= FLAT && jumped {
                // It jumped and stays, though there was little to send: the way became longer.
                self.base.raise(new.waited);
                new.waited = 0;
            } else if is_full || (grew > FLAT && (is_used || new.stands() > self.accident())) {
                let least = match new.waited > LONG {
                    true => LEAST_PART_LONG,
                    false => LEAST_PART,
                };
                let carried = self.carried(&last, new);
                self.lower(now, carried.max(self.rate * least));
            }
        } else if new.stands() > self.bearable() && (is_full || grew > 0) {
            let carried = self.carried(&last, new);
            self.lower(now, carried.max(self.rate * SMALL_PART));
        }
    }

    /// What the line carried, bytes a second, if it never rested while something waited.
    fn carried(&self, last: &Judged, new: &Judged) -> f64 {
        let departure = new.departure();
        let begins = self.handed.iter().map(|&(at, before)| (micros(at), before));
        let begins = begins.filter(|&(at, before)| at <= micros(new.left) && before >= last.bytes);
        let first = (last.departure(), last.bytes);
        let rates = begins.chain([first]).map(|(begin, before)| {
            let took = (departure - begin).max(1) as f64 / 1e6;
            new.bytes.saturating_sub(before) as f64 / took
        });
        rates.fold(0.0, f64::max)
    }

    fn raise(&mut self, now: Instant, between_marks: Duration) {
        let small = LITTLE / between_marks.as_secs_f64();
        self.step = self.step.max(small.clamp(SMALLEST_STEP, SMALL_STEP));
        let step = if self.is_guess { GUESS_STEP } else { self.step };
        self.rate = (self.rate * (1.0 + step)).min(self.most);
        self.step = (self.step * STEP_GROWS).min(LARGE_STEP);
        self.changed = now;
        self.is_on_trial = true;
        self.fell_from = None;
        if self.rate >= self.found * NEWS {
            self.pause = PAUSE;
        }
        if self.rate >= self.most {
            self.is_guess = false;
        }
    }

    fn lower(&mut self, now: Instant, carried: f64) {
        let carried = carried.max(LEAST);
        if carried >= self.rate {
            return;
        }
        if now >= self.raise_at {
            // Tried again in vain: later next time.
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        self.fell_from = self.fell_from.or(Some(self.rate));
        self.rate = carried;
        self.found = self.rate;
        self.is_guess = false;
        self.is_on_trial = false;
        self.step = 0.0;
        self.changed = now;
        self.raise_at = now + self.pause;
        self.rests = true;
    }

    /// Whether the line is known, or guessed, to carry less than the port.
    fn is_bottleneck(&self) -> bool {
        self.rate < self.most
    }

    /// What waits now: what was handed over behind the mark, less what the line carried since it left
    /// the line's near end.
    fn finding(&mut self, now: Instant, mark: &Judged, sent: u64) -> Finding {
        let since = (micros(now) - micros(mark.left) - mark.waited).max(0) as f64 / 1e6;
        let behind = sent.saturating_sub(mark.bytes) as f64;
        let stands = match mark.waited <= self.accident() {
            true => mark.stands(),
            false => mark.waited,
        };
        let rest = match std::mem::take(&mut self.rests) {
            true => REST * self.rate,
            false => 0.0,
        };
        let waits = match stands > self.bearable() {
            true => (behind - since * self.rate).max(0.0),
            false => 0.0,
        };
        Finding {
            rate: self.rate(),
            waits: (waits + rest) as usize,
        }
    }

    /// Microseconds that a frame may wait before something is done.
    fn bearable(&self) -> i64 {
        match self.is_bottleneck() && !self.is_guess {
            true => BEARABLE.as_micros() as i64 + 3 * self.jitter,
            false => self.accident(),
        }
    }

    /// Microseconds that a frame may wait without saying anything of a line that never was slow.
    fn accident(&self) -> i64 {
        ACCIDENT.as_micros() as i64 + (CHUNKS / self.rate * 1e6) as i64
    }
}

fn micros(at: Instant) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}
