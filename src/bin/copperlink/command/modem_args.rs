//! Which modems, and what is between them, for `simulate`.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use copperlink::proto::time::BitRate;
use copperlink::sim::modem::{Between, Exchange, Family, Role, Start};
use copperlink::sim::{ModemConfig, Scenario, Side};

/// Modems at the ends of the line, and what is odd about them.
#[derive(Debug, Args)]
pub(super) struct ModemArgs {
    /// A modem behind each port, and a telephone exchange between them: 1001 is A, 1002 is B, 1003
    /// is busy, 1004 does not answer, 1005 is no modem. Of one kind, or of two (A,B)
    #[arg(
        long,
        value_name = "KIND",
        num_args = 0..=2,
        value_delimiter = ',',
        require_equals = true,
        default_missing_value = "chipset"
    )]
    modem: Option<Vec<Kind>>,
    /// A leased line in place of the exchange, and modems that are set up for it: they train by
    /// themselves; A originates
    #[arg(long, requires = "modem")]
    leased: bool,
    /// The exchange gives no dial tone
    #[arg(long, requires = "modem", conflicts_with = "leased")]
    no_dial_tone: bool,
    /// How long the modems train at the beginning of a connection
    #[arg(long, requires = "modem", value_name = "SECONDS", default_value = "7", value_parser = parse_seconds)]
    training: Duration,
    /// How long they train again in the middle of one
    #[arg(long, requires = "modem", value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    retraining: Duration,
    /// What is odd about the modem of an end: off, silent (no echo, no results), stuck (it takes all for
    /// data), a port speed that is its only one, or patient (a byte while it trains does not make it
    /// give up); for instance a=stuck; may be given several times
    #[arg(long, requires = "modem", value_name = "END=WHAT")]
    odd: Vec<Odd>,
}

/// How a modem speaks.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// As a common chip set.
    Chipset,
    /// As a Courier.
    Courier,
    /// As a MultiTech.
    Multitech,
}

/// `END=WHAT`.
#[derive(Clone, Copy, Debug)]
struct Odd(Side, Oddness);

#[derive(Clone, Copy, Debug)]
enum Oddness {
    Starts(Start),
    Speed(BitRate),
    Patient,
}

/// What is made of the flags.
pub(super) struct Plan {
    pub(super) modems: [ModemConfig; 2],
    pub(super) between: Between,
}

impl ModemArgs {
    /// The modems; `None` when none are wanted.
    pub(super) fn plan(&self, scenario: &Scenario) -> Option<Plan> {
        let kinds = self.modem.as_ref()?;
        let first = *kinds.first()?;
        let kinds = [first, *kinds.get(1).unwrap_or(&first)];
        let mut modems = kinds.map(|kind| ModemConfig {
            training: self.training,
            retraining: self.retraining,
            buffer: scenario.buffer,
            leased: self.leased,
            ..ModemConfig::new(kind.family())
        });
        modems[Side::B as usize].role = Role::Answer;
        for Odd(side, what) in &self.odd {
            let modem = &mut modems[*side as usize];
            match *what {
                Oddness::Starts(start) => modem.start = start,
                Oddness::Speed(speed) => modem.port_rate = Some(speed),
                Oddness::Patient => modem.key_aborts = false,
            }
        }
        let between = match self.leased {
            true => Between::LeasedLine,
            false => Between::Exchange(Exchange {
                dial_tone: !self.no_dial_tone,
                ..Exchange::default()
            }),
        };
        Some(Plan { modems, between })
    }
}

impl Kind {
    const fn family(self) -> Family {
        match self {
            Self::Chipset => Family::Chipset,
            Self::Courier => Family::Courier,
            Self::Multitech => Family::MultiTech,
        }
    }
}

impl FromStr for Odd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a= or b=, and off, silent, stuck, patient or a speed: a=stuck";
        let (end, what) = text.split_once('=').ok_or(expected)?;
        let side = match end {
            "a" => Side::A,
            "b" => Side::B,
            _ => return Err(expected.into()),
        };
        let what = match what {
            "off" => Oddness::Starts(Start::Off),
            "silent" => Oddness::Starts(Start::Silent),
            "stuck" => Oddness::Starts(Start::StuckInData),
            "patient" => Oddness::Patient,
            speed => {
                let speed = speed.parse().ok().and_then(BitRate::new);
                Oddness::Speed(speed.ok_or(expected)?)
            }
        };
        Ok(Self(side, what))
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (0.0..=600.0).contains(seconds));
    let seconds: f64 = seconds.ok_or("expected 0 to 600 seconds")?;
    Ok(Duration::from_secs_f64(seconds))
}
