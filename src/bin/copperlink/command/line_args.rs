//! Which line, for the commands that make one.

use std::io;

use clap::Args;

use copperlink::proto::time::BitRate;
use copperlink::sim::Scenario;
use copperlink::sim::scenario::Weather;

use crate::lines;
use crate::outcome::Failure;

/// A line by name, and what is to be different about it.
#[derive(Debug, Args)]
pub(crate) struct LineArgs {
    /// A line by its name (`copperlink simulate --list` shows them), or a file of your own whose
    /// name ends with .toml. What other options say counts in place of what the line says
    #[arg(long, value_name = "NAME|FILE", default_value = "clean")]
    pub(crate) line: String,
    /// What the line carries, bit/s
    #[arg(long, value_name = "BIT/S", value_parser = parse_rate)]
    rate: Option<BitRate>,
    /// Probability that a bit is wrong
    #[arg(long, value_name = "RATE", value_parser = parse_share)]
    ber: Option<f64>,
    /// Where chance begins: the same seed, the same accidents
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

impl LineArgs {
    /// The line.
    ///
    /// # Errors
    /// When there is none of that name, or its file is wrong.
    pub(super) fn scenario(&self) -> Result<Scenario, Failure> {
        let mut scenario = lines::find(&self.line)?;
        scenario.fix(Weather {
            rate: self.rate,
            bit_error_rate: self.ber,
            ..Weather::default()
        });
        Ok(scenario)
    }
}

/// A line for programs or links without modems between them.
///
/// # Errors
/// When something happens to it that only modems can have.
pub(super) fn without_modems(scenario: Scenario) -> Result<Scenario, Failure> {
    if scenario.needs_modems() {
        return Err(Failure::CannotRun(
            "something happens to this line that only modems can have (`modems`, `modem_a`, \
             `modem_b`). Use it with `copperlink simulate --modem`, or take these changes out"
                .into(),
        ));
    }
    Ok(scenario)
}

/// The two ports of a line could not be made.
pub(super) fn no_ports(error: io::Error) -> Failure {
    Failure::CannotRun(format!("no pseudo terminals can be had: {error}"))
}

/// A bit rate that a line can have.
pub(super) fn parse_rate(text: &str) -> Result<BitRate, String> {
    let rate = text.parse().ok().and_then(BitRate::new);
    rate.ok_or_else(|| {
        let (least, most) = (BitRate::MIN, BitRate::MAX);
        let (least, most) = (least.bits_per_second(), most.bits_per_second());
        format!("expected {least} to {most} bit/s")
    })
}

/// A probability.
pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok();
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a probability from 0 to 1, for instance 1e-4".to_owned())
}
