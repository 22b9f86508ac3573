//! What two simulated modems are, what they do, and what they did.

use serde::Serialize;

use copperlink::proto::time::Instant;
use copperlink::sim::modem::{Between, ModemEvent, ModemStats};
use copperlink::sim::{ModemConfig, Side};

use super::Table;
use super::ways::{self, Way};
use crate::outcome::Failure;
use crate::simulated_line::DirectionStats;

/// What is known of them from the start.
#[derive(Debug)]
pub(crate) struct Setup {
    kinds: [String; 2],
    /// `None` on a leased line.
    numbers: [Option<String>; 2],
}

#[derive(Debug, Serialize)]
struct Report {
    modems: [Modem; 2],
    a_to_b: Way,
    b_to_a: Way,
}

#[derive(Debug, Serialize)]
struct Modem {
    end: &'static str,
    kind: String,
    number: Option<String>,
    connected: bool,
    commands: u64,
    errors: u64,
    rings: u64,
    connections: u64,
    retrains: u64,
    carrier_lost: u64,
    aborted: u64,
    from_terminal: u64,
    unheard: u64,
    overrun: u64,
    unsent: u64,
    not_taken: u64,
    blocks_again: u64,
}

impl Setup {
    /// Of these modems.
    pub(crate) fn of(modems: &[ModemConfig; 2], between: &Between) -> Self {
        Self {
            kinds: modems
                .each_ref()
                .map(|modem| format!("{:?}", modem.family).to_lowercase()),
            numbers: match between {
                Between::Exchange(exchange) => exchange.numbers.clone().map(Some),
                Between::LeasedLine => [None, None],
            },
        }
    }
}

/// Who has which number, in a line or two.
pub(crate) fn numbers(between: &Between) -> String {
    match between {
        Between::LeasedLine => "A and B are on a leased line; they train by themselves\n".into(),
        Between::Exchange(exchange) => {
            let [a, b] = &exchange.numbers;
            let tone = if exchange.dial_tone {
                ""
            } else {
                "; there is no dial tone"
            };
            format!(
                "A has the number {a}, B {b}; {} is busy, {} does not answer, {} is no modem{tone}\n",
                exchange.busy, exchange.no_answer, exchange.voice
            )
        }
    }
}

/// Says what a modem does, while it does it.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn tell(at: Instant, side: Side, event: &ModemEvent) -> Result<(), Failure> {
    let seconds = at.since(Instant::ZERO).as_secs_f64();
    super::print(&format!("{seconds:8.1} s  {side:?} {event}\n"))
}

/// Prints what they did, as a table or as JSON.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn show(
    setup: &Setup,
    connected: [bool; 2],
    stats: [(ModemStats, DirectionStats); 2],
    json: bool,
) -> Result<(), Failure> {
    let modems = Side::BOTH.map(|side| {
        let at = side as usize;
        Modem::new(side, setup, connected[at], &stats[at].0)
    });
    let [a_to_b, b_to_a] = stats.map(|(_, way)| Way::new(way));
    let report = Report {
        modems,
        a_to_b,
        b_to_a,
    };
    if json {
        return super::print_json(&report);
    }
    let mut table = Table::new(&[
        "modem",
        "",
        ">connections",
        ">retrains",
        ">carrier lost",
        ">given up",
        ">unheard",
        ">overrun",
    ]);
    for modem in &report.modems {
        let count = |number: u64| number.to_string();
        table.row([
            modem.end.to_owned(),
            if modem.connected { "online" } else { "idle" }.to_owned(),
            count(modem.connections),
            count(modem.retrains),
            count(modem.carrier_lost),
            count(modem.aborted),
            count(modem.unheard),
            count(modem.overrun),
        ]);
    }
    let ways = ways::plain_table([("A to B", &report.a_to_b), ("B to A", &report.b_to_a)]);
    super::print(&format!("\n{table}\n{ways}"))
}

impl Modem {
    fn new(side: Side, setup: &Setup, connected: bool, stats: &ModemStats) -> Self {
        let at = side as usize;
        Self {
            end: match side {
                Side::A => "A",
                Side::B => "B",
            },
            kind: setup.kinds[at].clone(),
            number: setup.numbers[at].clone(),
            connected,
            commands: stats.commands,
            errors: stats.errors,
            rings: stats.rings,
            connections: stats.connections,
            retrains: stats.retrains,
            carrier_lost: stats.carrier_lost,
            aborted: stats.aborted,
            from_terminal: stats.from_terminal,
            unheard: stats.unheard,
            overrun: stats.overrun,
            unsent: stats.unsent,
            not_taken: stats.not_taken,
            blocks_again: stats.blocks_again,
        }
    }
}
