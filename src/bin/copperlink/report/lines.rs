//! The lines that have a name.

use serde::Serialize;

use copperlink::proto::time::Instant;
use copperlink::sim::{Scenario, Side};

use super::Table;
use crate::outcome::Failure;

/// A line as it is at the start. Where the directions differ: what A sends, what B sends.
#[derive(Debug, Serialize)]
struct Line<'a> {
    name: &'a str,
    description: &'a str,
    rate_bps: [u32; 2],
    bit_error_rate: [f64; 2],
    delay_ms: f64,
    /// How often something happens to it, and until when.
    changes: usize,
    last_change_s: f64,
}

/// Prints them, as a table or as JSON.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn show(lines: &[(&str, Scenario)], json: bool) -> Result<(), Failure> {
    let lines = lines.iter().map(|(name, scenario)| {
        let start = Side::BOTH.map(|side| scenario.conditions(side, Instant::ZERO));
        Line {
            name,
            description: &scenario.description,
            rate_bps: start.map(|way| way.rate.bits_per_second()),
            bit_error_rate: start.map(|way| way.noise.bit_error_rate),
            delay_ms: scenario.delay.as_secs_f64() * 1000.0,
            changes: scenario.changes(),
            last_change_s: scenario.last_change().as_secs_f64(),
        }
    });
    let lines: Vec<Line<'_>> = lines.collect();
    if json {
        return super::print_json(&lines);
    }
    let mut table = Table::new(&["line", ">bit/s", "what it is like"]);
    for line in lines {
        let [a, b] = line.rate_bps;
        let rate = match a == b {
            true => a.to_string(),
            false => format!("{a}/{b}"),
        };
        table.row([line.name.to_owned(), rate, line.description.to_owned()]);
    }
    super::print(&table.to_string())
}
