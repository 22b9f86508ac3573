//! `copperlink test port`: does this port work, by itself, with a loopback plug on it?

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep, timeout};

use copperlink::proto::time::BitRate;
use copperlink::shell::line::ModemLines;
use copperlink::shell::line::raw::{Drive, RawLine, Transfer};
use copperlink::shell::{Device, Flow, LineSetup};

use super::super::block_on;
use super::super::line_args::parse_rate;
use super::{failure, open, parse_device};
use crate::outcome::{Failure, Verdict};
use crate::report;
use crate::report::port_test::{PortReport, Signal};
use crate::stop::StopSignals;

/// Test a port with a loopback plug on it: bytes, speed, signals
///
/// The plug joins transmit to receive (2 and 3), RTS to CTS (7 and 8), DTR to DSR and DCD (4 to 6 and 1; numbers of a
/// 9-pin plug).
#[derive(Debug, Args)]
pub(crate) struct Port {
    /// The device: a serial port, or tcp://host:port
    #[arg(value_parser = parse_device)]
    device: Device,
    /// Speed of the port, bit/s
    #[arg(long, value_name = "BIT/S", value_parser = parse_rate, default_value = "38400")]
    baud: BitRate,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Port {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let report = block_on(async {
            let mut stop = StopSignals::listen()?;
            tokio::select! {
                report = self.test() => report,
                () = stop.next() => Err(Failure::Broke("the test was ended before it was done".to_owned())),
            }
        })?;
        match self.json {
            true => report::print_json(&report)?,
            false => report::print(&report.text())?,
        }
        Ok(match report.is_good() {
            true => Verdict::Done,
            false => Verdict::Failed,
        })
    }

    async fn test(&self) -> Result<PortReport, Failure> {
        let baud = self.baud.bits_per_second();
        let setup = LineSetup::new(self.device.clone(), baud, Flow::None);
        let mut line = open(&setup).await?;
        let is_quiet = quiet(&mut line).await?;
        let sent: Vec<u8> = (0..=255).collect();
        let echo = self.echo(&mut line, &sent).await?;
        let speed = match echo.bytes == sent {
            true => self.speed(&mut line).await?,
            false => None,
        };
        let signals = signals(&mut line).await;
        let device = self.device.to_string();
        let mut report = PortReport::new(device, self.baud, echo.bytes, speed, signals);
        if !is_quiet {
            report.note_talking();
        }
        Ok(report)
    }

    /// What comes back of `sent`, and when.
    async fn echo(&self, line: &mut RawLine, sent: &[u8]) -> Result<Echo, Failure> {
        let mut echo = Echo::default();
        let mut rest = sent;
        let mut input = [0; 1024];
        let patience = 3 * self.baud.time_for(sent.len()) + AT_LEAST;
        let deadline = Instant::now() + patience;
        // Bytes too many are of interest, a flood is not.
        while echo.bytes.len() < 2 * sent.len() && Instant::now() < deadline {
            let wait = match echo.bytes.len() < sent.len() {
                true => deadline - Instant::now(),
                false => AFTER_THE_LAST,
            };
            let Ok(moved) = timeout(wait, line.transfer(&mut input, rest)).await else {
                break;
            };
            match moved.map_err(failure)? {
                Transfer::Received(length) => echo.add(&input[..length]),
                Transfer::Sent(length) => rest = &rest[length..],
                Transfer::Held => {}
            }
        }
        Ok(echo)
    }

    /// What the port really carries, bit/s: how fast a block comes back.
    async fn speed(&self, line: &mut RawLine) -> Result<Option<f64>, Failure> {
        let block = self.baud.bytes_in(SPEED_TIME).clamp(64, LARGEST_BLOCK);
        let sent: Vec<u8> = (0..block).map(|n| n as u8).collect();
        let echo = self.echo(line, &sent).await?;
        let (Some((first, begin)), Some(end)) = (echo.first, echo.last) else {
            return Ok(None);
        };
        let (bytes, time) = (echo.bytes.len().saturating_sub(first), end - begin);
        if echo.bytes.len() != block || bytes == 0 || time.is_zero() {
            return Ok(None);
        }
        Ok(Some(bytes as f64 * 10.0 / time.as_secs_f64()))
    }
}

/// Waits until nothing comes any more: what an earlier program sent may still be on its way. Says whether that
/// came to be.
async fn quiet(line: &mut RawLine) -> Result<bool, Failure> {
    let mut input = [0; 1024];
    let deadline = Instant::now() + LONGEST_UNREST;
    while Instant::now() < deadline {
        match timeout(AFTER_THE_LAST, line.transfer(&mut input, &[])).await {
            Ok(moved) => {
                moved.map_err(failure)?;
            }
            Err(_elapsed) => return Ok(true),
        }
    }
    Ok(false)
}

/// What came back.
#[derive(Debug, Default)]
struct Echo {
    bytes: Vec<u8>,
    /// How many came at first, and when.
    first: Option<(usize, Instant)>,
    last: Option<Instant>,
}

impl Echo {
    fn add(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        self.bytes.extend_from_slice(bytes);
        self.first.get_or_insert((bytes.len(), now));
        self.last = Some(now);
    }
}

/// Drives each signal of this side and looks whether it is heard; nothing where the port has none.
async fn signals(line: &mut RawLine) -> Vec<Signal> {
    let mut signals = Vec::new();
    if line.modem_lines().is_none() {
        return signals;
    }
    for Pair {
        drives,
        drive,
        hears,
        is_on,
    } in PAIRS
    {
        let mut works = true;
        for on in [true, false, true] {
            works &= line.drive(drive(on));
            sleep(SETTLES).await;
            works &= line.modem_lines().is_some_and(|lines| is_on(&lines) == on);
        }
        signals.push(Signal {
            drives,
            hears,
            works,
        });
    }
    signals
}

/// A signal of this side, and one that the plug joins to it.
struct Pair {
    drives: &'static str,
    drive: fn(bool) -> Drive,
    hears: &'static str,
    is_on: fn(&ModemLines) -> bool,
}

const PAIRS: [Pair; 3] = [
    Pair {
        drives: "RTS",
        drive: Drive::Rts,
        hears: "CTS",
        is_on: |lines| lines.clear_to_send,
    },
    Pair {
        drives: "DTR",
        drive: Drive::Dtr,
        hears: "DSR",
        is_on: |lines| lines.data_set_ready,
    },
    Pair {
        drives: "DTR",
        drive: Drive::Dtr,
        hears: "DCD",
        is_on: |lines| lines.carrier,
    },
];
/// A driver, an adapter and a slow machine take their time.
const AT_LEAST: Duration = Duration::from_millis(1500);
const AFTER_THE_LAST: Duration = Duration::from_millis(300);
const LONGEST_UNREST: Duration = Duration::from_secs(3);
const SPEED_TIME: Duration = Duration::from_secs(2);
const LARGEST_BLOCK: usize = 32_768;
const SETTLES: Duration = Duration::from_millis(50);
