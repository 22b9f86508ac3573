//! A line with a story: what it is like at first, and what happens to it at which time.
//!
//! Promise: pure, and the same for everybody who plays it: a [`World`](super::World) in virtual
//! time follows it to the microsecond, a line behind real devices as well as its clock allows.
//! What does not change keeps its chance: a change touches only what differs.
//! It assumes that times count from the start of the line. Reading the text of a file is left to
//! the caller: any format that serde knows will do; the keys and their bounds are in `file`.

mod file;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::Deserialize;

use super::{Bursts, Fault, LineModel, LineModelConfig, Noise, Side, Wiring};
use crate::proto::time::{BitRate, Duration, Instant, earliest};

/// A line, both directions of it, and what happens to it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "file::File")]
pub struct Scenario {
    /// What a technician would say of it, in one sentence.
    pub description: String,
    /// From one end to the other.
    pub delay: Duration,
    /// Bytes that wait at each end's side of the line.
    pub buffer: usize,
    start: Conditions,
    /// In the order of time.
    changes: Vec<Change>,
    /// What happens to modems at its ends, if it has any; in the order of time.
    modem_changes: Vec<(Duration, ModemChange)>,
}

/// What only a line between two modems can have ([`Modems`](super::Modems)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModemChange {
    /// Both train again, in the middle of the call.
    Retrain,
    /// The call is dropped; on a leased line the carriers fail for a moment.
    HangUp,
    /// The modem of that end is switched on or off.
    Power(Side, bool),
    /// The line is put into the modem of that end, or pulled.
    Plugged(Side, bool),
}

/// What one direction of a line is like at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// What it carries.
    pub rate: BitRate,
    /// Random damage.
    pub noise: Noise,
    /// Systematic damage.
    pub fault: Fault,
    /// Nothing arrives.
    pub cut: bool,
    /// Where what is sent arrives.
    pub wiring: Wiring,
}

/// Something happens to a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// When, from the start of the line.
    pub at: Duration,
    /// To which directions.
    pub to: Directions,
    /// What.
    pub what: Weather,
}

/// One direction of a line, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Directions {
    /// Both.
    #[default]
    Both,
    /// What this end sends.
    From(Side),
}

/// Some of the [`Conditions`]; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// [`Conditions::rate`].
    pub rate: Option<BitRate>,
    /// [`Noise::bit_error_rate`].
    pub bit_error_rate: Option<f64>,
    /// [`Noise::bursts`]; `Some(None)` ends them.
    pub bursts: Option<Option<Bursts>>,
    /// [`Noise::lost_byte_rate`].
    pub lost_byte_rate: Option<f64>,
    /// [`Noise::inserted_byte_rate`].
    pub inserted_byte_rate: Option<f64>,
    /// [`Noise::idle_byte_rate`].
    pub idle_byte_rate: Option<f64>,
    /// [`Conditions::fault`].
    pub fault: Option<Fault>,
    /// [`Conditions::cut`].
    pub cut: Option<bool>,
    /// [`Conditions::wiring`].
    pub wiring: Option<Wiring>,
}

impl Scenario {
    /// What one direction is like at a time.
    pub fn conditions(&self, from: Side, at: Instant) -> Conditions {
        let mut conditions = self.start;
        for change in &self.changes {
            if Instant::ZERO + change.at > at {
                break;
            }
            if change.to.contain(from) {
                change.what.update(&mut conditions);
            }
        }
        conditions
    }

    /// When the first change after `after` comes.
    pub fn next_change(&self, after: Instant) -> Option<Instant> {
        let is_later = |at: &Instant| *at > after;
        let times = self.changes.iter().map(|change| Instant::ZERO + change.at);
        let modem_times = self.modem_changes.iter().map(|(at, _)| Instant::ZERO + *at);
        // Each of the two is in order.
        earliest(
            times.into_iter().find(is_later),
            modem_times.into_iter().find(is_later),
        )
    }

    /// What happens to modems from the one moment to the other, both included.
    pub fn modem_changes(
        &self,
        from: Instant,
        to: Instant,
    ) -> impl Iterator<Item = ModemChange> + '_ {
        let changes = self.modem_changes.iter();
        let due = changes.filter(move |(at, _)| (from..=to).contains(&(Instant::ZERO + *at)));
        due.map(|(_, what)| *what)
    }

    /// Whether something happens to it that only modems can have.
    pub const fn needs_modems(&self) -> bool {
        !self.modem_changes.is_empty()
    }

    /// Something more happens to modems.
    pub fn add_modem_change(&mut self, at: Duration, what: ModemChange) {
        let place = self
            .modem_changes
            .partition_point(|(other, _)| *other <= at);
        self.modem_changes.insert(place, (at, what));
    }

    /// When the last change comes; zero when there is none.
    pub fn last_change(&self) -> Duration {
        let last = self.changes.last().map_or(Duration::ZERO, |last| last.at);
        let of_modems = self.modem_changes.last().map(|(at, _)| *at);
        last.max(of_modems.unwrap_or_default())
    }

    /// How many changes there are.
    pub const fn changes(&self) -> usize {
        self.changes.len() + self.modem_changes.len()
    }

    /// The two directions as they are at the start: what A sends, what B sends. They have their
    /// own accidents.
    pub fn models(&self, seed: u64) -> [LineModelConfig; 2] {
        Side::BOTH.map(|from| {
            let start = self.conditions(from, Instant::ZERO);
            LineModelConfig::clean(start.rate)
                .with_delay(self.delay)
                .with_buffer(self.buffer)
                .with_noise(start.noise)
                .with_fault(start.fault)
                .with_seed(match from {
                    Side::A => seed,
                    Side::B => seed ^ OTHER_DIRECTION,
                })
        })
    }

    /// From the start to the end the line has these values, whatever the scenario says of them.
    pub fn fix(&mut self, values: Weather) {
        values.update(&mut self.start);
        for change in &mut self.changes {
            change.what.leave_out(&values);
        }
        self.changes
            .retain(|change| change.what != Weather::default());
    }

    /// Something more happens; after what happens at the same time already.
    pub fn add(&mut self, change: Change) {
        let place = self.changes.partition_point(|other| other.at <= change.at);
        self.changes.insert(place, change);
    }

    /// The line is cut in these times, whatever the scenario says of cuts.
    pub fn set_cuts(&mut self, to: Directions, cuts: &[Range<Duration>]) {
        self.fix(Weather::cut(false));
        for at in cuts.iter().flat_map(|cut| [cut.start, cut.end]) {
            // Cuts may overlap.
            let what = Weather::cut(cuts.iter().any(|cut| cut.contains(&at)));
            self.add(Change { at, to, what });
        }
    }

    /// From the start on an end hears itself, and the other hears nothing.
    pub fn loop_back(&mut self, end: Side) {
        let own = Weather {
            wiring: Some(Wiring::Loop),
            ..Weather::default()
        };
        for (from, what) in [(end, own), (end.other(), Weather::cut(true))] {
            self.add(Change {
                at: Duration::ZERO,
                to: Directions::From(from),
                what,
            });
        }
    }
}

impl Conditions {
    /// Nothing wrong at that rate.
    pub const fn clean(rate: BitRate) -> Self {
        Self {
            rate,
            noise: Noise::NONE,
            fault: Fault::None,
            cut: false,
            wiring: Wiring::Straight,
        }
    }

    /// Makes a model like this. The wiring is outside of it.
    pub fn apply(&self, now: Instant, model: &mut LineModel) {
        // A noise that is set again begins again, with other accidents.
        if model.config().noise != self.noise {
            model.set_noise(now, self.noise);
        }
        if model.config().fault != self.fault {
            model.set_fault(now, self.fault);
        }
        if model.config().rate != self.rate {
            model.set_rate(now, self.rate);
        }
        model.set_cut(now, self.cut);
    }
}

impl Directions {
    fn contain(self, from: Side) -> bool {
        match self {
            Self::Both => true,
            Self::From(side) => side == from,
        }
    }
}

impl Weather {
    /// The line is cut or not, and all else stays.
    pub fn cut(cut: bool) -> Self {
        Self {
            cut: Some(cut),
            ..Self::default()
        }
    }

    fn update(&self, conditions: &mut Conditions) {
        let Conditions {
            rate,
            noise,
            fault,
            cut,
            wiring,
        } = conditions;
        set(rate, self.rate);
        set(&mut noise.bit_error_rate, self.bit_error_rate);
        set(&mut noise.bursts, self.bursts);
        set(&mut noise.lost_byte_rate, self.lost_byte_rate);
        set(&mut noise.inserted_byte_rate, self.inserted_byte_rate);
        set(&mut noise.idle_byte_rate, self.idle_byte_rate);
        set(fault, self.fault);
        set(cut, self.cut);
        set(wiring, self.wiring);
    }

    /// Says nothing any more of what `other` says something of.
    fn leave_out(&mut self, other: &Self) {
        leave_out(&mut self.rate, other.rate);
        leave_out(&mut self.bit_error_rate, other.bit_error_rate);
        leave_out(&mut self.bursts, other.bursts);
        leave_out(&mut self.lost_byte_rate, other.lost_byte_rate);
        leave_out(&mut self.inserted_byte_rate, other.inserted_byte_rate);
        leave_out(&mut self.idle_byte_rate, other.idle_byte_rate);
        leave_out(&mut self.fault, other.fault);
        leave_out(&mut self.cut, other.cut);
        leave_out(&mut self.wiring, other.wiring);
    }
}

fn set<T>(value: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *value = new;
    }
}

fn leave_out<T>(value: &mut Option<T>, other: Option<T>) {
    if other.is_some() {
        *value = None;
    }
}

/// Makes another seed of a seed.
const OTHER_DIRECTION: u64 = 0x9e37_79b9_7f4a_7c15;
