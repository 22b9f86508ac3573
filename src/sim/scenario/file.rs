//! A scenario as it is written: the keys, and what each may be.
//!
//! Promises: a key that is unknown and a value that no line can have are errors, at their place
//! and in words, where the format knows places. Nothing here has a meaning yet that depends on
//! another key, so there is nothing to check afterwards.

use std::fmt;
use std::ops::RangeInclusive;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Change, Conditions, Directions, ModemChange, Scenario, Weather};
use crate::proto::time::{BitRate, Duration};
use crate::sim::{Bursts, Fault, LineModelConfig, Noise, Side, Wiring};

/// The whole file. What stands in front of the first change holds for both directions from the
/// start.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    description: String,
    rate: Rate,
    delay_ms: Option<Millis>,
    buffer: Option<Bytes>,
    ber: Option<Share>,
    bursts: Option<MaybeBursts>,
    lost: Option<Share>,
    inserted: Option<Share>,
    idle: Option<PerSecond>,
    cut: Option<bool>,
    eats_xon_xoff: Option<bool>,
    loops_back: Option<bool>,
    #[serde(default)]
    change: Vec<FileChange>,
}

/// `[[change]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileChange {
    at: Seconds,
    #[serde(default)]
    direction: Direction,
    rate: Option<Rate>,
    ber: Option<Share>,
    bursts: Option<MaybeBursts>,
    lost: Option<Share>,
    inserted: Option<Share>,
    idle: Option<PerSecond>,
    cut: Option<bool>,
    eats_xon_xoff: Option<bool>,
    loops_back: Option<bool>,
    modems: Option<BothModems>,
    modem_a: Option<OneModem>,
    modem_b: Option<OneModem>,
}

/// What both modems do.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum BothModems {
    Retrain,
    HangUp,
}

/// What is done to a modem.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OneModem {
    On,
    Off,
    PluggedIn,
    Pulled,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Direction {
    #[default]
    Both,
    AToB,
    BToA,
}

impl From<File> for Scenario {
    fn from(file: File) -> Self {
        let mut scenario = Self {
            description: file.description,
            delay: file.delay_ms.map_or(Duration::ZERO, |delay| delay.0),
            buffer: file.buffer.map_or(LineModelConfig::BUFFER, |bytes| bytes.0),
            start: Conditions::clean(file.rate.0),
            changes: Vec::new(),
            modem_changes: Vec::new(),
        };
        scenario.fix(Weather {
            rate: None,
            bit_error_rate: file.ber.map(|share| share.0),
            bursts: file.bursts.map(|bursts| bursts.0),
            lost_byte_rate: file.lost.map(|share| share.0),
            inserted_byte_rate: file.inserted.map(|share| share.0),
            idle_byte_rate: file.idle.map(|rate| rate.0),
            fault: file.eats_xon_xoff.map(fault),
            cut: file.cut,
            wiring: file.loops_back.map(wiring),
        });
        for change in file.change {
            for what in change.of_modems() {
                scenario.add_modem_change(change.at.0, what);
            }
            let change = Change::from(change);
            if change.what != Weather::default() {
                scenario.add(change);
            }
        }
        scenario
    }
}

impl FileChange {
    fn of_modems(&self) -> Vec<ModemChange> {
        let both = self.modems.map(|modems| match modems {
            BothModems::Retrain => ModemChange::Retrain,
            BothModems::HangUp => ModemChange::HangUp,
        });
        let one = |side, modem: Option<OneModem>| {
            modem.map(|modem| match modem {
                OneModem::On => ModemChange::Power(side, true),
                OneModem::Off => ModemChange::Power(side, false),
                OneModem::PluggedIn => ModemChange::Plugged(side, true),
                OneModem::Pulled => ModemChange::Plugged(side, false),
            })
        };
        let changes = [both, one(Side::A, self.modem_a), one(Side::B, self.modem_b)];
        changes.into_iter().flatten().collect()
    }
}

impl From<FileChange> for Change {
    fn from(change: FileChange) -> Self {
        Self {
            at: change.at.0,
            to: match change.direction {
                Direction::Both => Directions::Both,
                Direction::AToB => Directions::From(Side::A),
                Direction::BToA => Directions::From(Side::B),
            },
            what: Weather {
                rate: change.rate.map(|rate| rate.0),
                bit_error_rate: change.ber.map(|share| share.0),
                bursts: change.bursts.map(|bursts| bursts.0),
                lost_byte_rate: change.lost.map(|share| share.0),
                inserted_byte_rate: change.inserted.map(|share| share.0),
                idle_byte_rate: change.idle.map(|rate| rate.0),
                fault: change.eats_xon_xoff.map(fault),
                cut: change.cut,
                wiring: change.loops_back.map(wiring),
            },
        }
    }
}

const fn fault(eats_xon_xoff: bool) -> Fault {
    match eats_xon_xoff {
        true => Fault::EatsXonXoff,
        false => Fault::None,
    }
}

const fn wiring(loops_back: bool) -> Wiring {
    match loops_back {
        true => Wiring::Loop,
        false => Wiring::Straight,
    }
}

/// bit/s.
#[derive(Debug)]
struct Rate(BitRate);

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let range = BitRate::MIN.bits_per_second()..=BitRate::MAX.bits_per_second();
        let bits = whole(from, range, "a whole number of 50 to 20000000 bit/s")?;
        // Of its own range, so it is one.
        Ok(Self(BitRate::new(bits).unwrap_or(BitRate::MAX)))
    }
}

/// A probability.
#[derive(Debug)]
struct Share(f64);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        number(from, 0.0..=1.0, "a probability from 0 to 1").map(Self)
    }
}

/// Events per second.
#[derive(Debug)]
struct PerSecond(f64);

impl<'de> Deserialize<'de> for PerSecond {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let range = 0.0..=Noise::MAX_IDLE_BYTE_RATE;
        number(from, range, "0 to 100000 bytes a second").map(Self)
    }
}

/// s.
#[derive(Debug)]
struct Seconds(Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let seconds = number(from, 0.0..=86_400.0, "0 to 86400 seconds")?;
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

/// ms.
#[derive(Debug)]
struct Millis(Duration);

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let millis = number(from, 0.0..=60_000.0, "0 to 60000 milliseconds")?;
        Ok(Self(Duration::from_secs_f64(millis / 1000.0)))
    }
}

/// How many bytes find room.
#[derive(Debug)]
struct Bytes(usize);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = whole(from, 1..=1 << 20, "a whole number of 1 to 1048576 bytes")?;
        // The range fits everywhere.
        Ok(Self(usize::try_from(bytes).unwrap_or(usize::MAX)))
    }
}

/// A table, or `false` for none.
#[derive(Debug)]
struct MaybeBursts(Option<Bursts>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileBursts {
    mean_burst_ms: Millis,
    mean_gap_s: Seconds,
    ber: Share,
}

impl<'de> Deserialize<'de> for MaybeBursts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(BurstsVisitor)
    }
}

struct BurstsVisitor;

impl<'de> Visitor<'de> for BurstsVisitor {
    type Value = MaybeBursts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ mean_burst_ms = …, mean_gap_s = …, ber = … }, or false for none")
    }

    fn visit_bool<E: Error>(self, some: bool) -> Result<MaybeBursts, E> {
        match some {
            true => Err(E::invalid_value(Unexpected::Bool(true), &self)),
            false => Ok(MaybeBursts(None)),
        }
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<MaybeBursts, M::Error> {
        let bursts = FileBursts::deserialize(MapAccessDeserializer::new(map))?;
        Ok(MaybeBursts(Some(Bursts {
            mean_burst: bursts.mean_burst_ms.0,
            mean_gap: bursts.mean_gap_s.0,
            bit_error_rate: bursts.ber.0,
        })))
    }
}

/// A number in a range; so never NaN.
fn number<'de, D: Deserializer<'de>>(
    from: D,
    range: RangeInclusive<f64>,
    expected: &'static str,
) -> Result<f64, D::Error> {
    from.deserialize_any(NumberVisitor {
        range,
        whole: false,
        expected,
    })
}

fn whole<'de, D: Deserializer<'de>>(
    from: D,
    range: RangeInclusive<u32>,
    expected: &'static str,
) -> Result<u32, D::Error> {
    let number = from.deserialize_any(NumberVisitor {
        range: f64::from(*range.start())..=f64::from(*range.end()),
        whole: true,
        expected,
    });
    // Whole, and in a range of 32 bits.
    number.map(|number| number as u32)
}

struct NumberVisitor {
    range: RangeInclusive<f64>,
    whole: bool,
    expected: &'static str,
}

impl NumberVisitor {
    fn take<E: Error>(self, number: f64, found: Unexpected<'_>) -> Result<f64, E> {
        let fits = self.range.contains(&number) && !(self.whole && number.fract() != 0.0);
        match fits {
            true => Ok(number),
            false => Err(E::invalid_value(found, &self)),
        }
    }
}

impl Visitor<'_> for NumberVisitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        self.take(number, Unexpected::Float(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
        self.take(number as f64, Unexpected::Signed(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        self.take(number as f64, Unexpected::Unsigned(number))
    }
}
