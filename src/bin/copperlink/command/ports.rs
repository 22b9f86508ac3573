//! `copperlink ports`: the serial ports of this host.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use tokio::time::sleep;

use copperlink::shell::discover::{self, Access, Kind, PortInfo};
use copperlink::shell::{PortChange, PortWatch};

use super::block_on;
use crate::outcome::{Failure, Verdict};
use crate::report::{self, Table};
use crate::stop::StopSignals;

/// Show the serial ports of this host, and whether they can be used
#[derive(Debug, Args)]
pub(crate) struct Ports {
    /// Go on, and print what comes and goes until ctrl-C
    #[arg(long)]
    watch: bool,
    /// Print the facts as JSON; with --watch one object a line
    #[arg(long)]
    json: bool,
}

/// A port that is there, came or went.
#[derive(Debug, Serialize)]
struct News<'a> {
    /// Time since the watch began, ms.
    at_ms: u64,
    change: &'static str,
    port: &'a PortInfo,
}

impl Ports {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        if self.watch {
            return block_on(self.watch());
        }
        let ports = discover::ports();
        if self.json {
            report::print_json(&ports)?;
        } else {
            report::print(&text(&ports))?;
        }
        Ok(Verdict::Done)
    }
}

impl Ports {
    async fn watch(&self) -> Result<Verdict, Failure> {
        let mut stop = StopSignals::listen()?;
        let start = Instant::now();
        let mut watch = PortWatch::begin();
        for port in watch.ports() {
            self.tell(start, "there", port)?;
        }
        report::complain("waiting for ports to come and go; ctrl-C ends it\n");
        loop {
            tokio::select! {
                () = sleep(LOOK) => {}
                () = stop.next() => return Ok(Verdict::Done),
            }
            for change in watch.look() {
                match change {
                    PortChange::Came(port) => self.tell(start, "came", &port)?,
                    PortChange::Went(port) => self.tell(start, "went", &port)?,
                }
            }
        }
    }

    fn tell(&self, start: Instant, change: &'static str, port: &PortInfo) -> Result<(), Failure> {
        let at = start.elapsed();
        let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        match self.json {
            true => report::print_json_line(&News {
                at_ms,
                change,
                port,
            }),
            false => report::print(&news(at, change, port)),
        }
    }
}

/// A line of the watch.
fn news(at: Duration, change: &str, port: &PortInfo) -> String {
    let stable = port.stable.first();
    let stable = stable.map_or(String::new(), |path| {
        format!("; always the same name: {}", path.display())
    });
    let state = match change {
        "went" => String::new(),
        _ => format!(", {}", state(port)),
    };
    format!(
        "{:8.1} s  {change:5}  {}  {}{state}{stable}\n",
        at.as_secs_f64(),
        port.path.display(),
        what(port)
    )
}

/// Ports are plugged in by people.
const LOOK: Duration = Duration::from_millis(500);

fn text(ports: &[PortInfo]) -> String {
    if ports.is_empty() {
        return "This host has no serial port. If an adapter is plugged in, `dmesg` says what \
                became of it.\n"
            .to_owned();
    }
    let mut table = Table::new(&["port", "what", "state", "always the same name"]);
    for port in ports {
        table.row([
            port.path.display().to_string(),
            what(port),
            state(port),
            port.stable
                .first()
                .map_or("-".to_owned(), |path| path.display().to_string()),
        ]);
    }
    let mut out = table.to_string();
    for port in ports {
        if let Access::No { hint, .. } = &port.access {
            out.push_str(&format!("\n{}: {hint}\n", port.path.display()));
        }
    }
    out
}

fn what(port: &PortInfo) -> String {
    let kind = match &port.kind {
        Kind::Usb {
            manufacturer,
            product,
            ..
        } => {
            let names = [manufacturer.as_deref(), product.as_deref()];
            let names: Vec<&str> = names.into_iter().flatten().collect();
            match names.is_empty() {
                true => "USB adapter".to_owned(),
                false => format!("USB: {}", names.join(" ")),
            }
        }
        Kind::Uart => "port of this host".to_owned(),
        Kind::Bluetooth => "Bluetooth".to_owned(),
        Kind::Other => "other".to_owned(),
    };
    match &port.driver {
        Some(driver) => format!("{kind} ({driver})"),
        None => kind,
    }
}

fn state(port: &PortInfo) -> String {
    let access = match (&port.busy, &port.access) {
        (Some(holder), _) => format!("in use by {holder}"),
        (None, Access::Yes) => "free".to_owned(),
        (
            None,
            Access::No {
                group: Some(group), ..
            },
        ) => format!("only for group {group}"),
        (None, Access::No { group: None, .. }) => "no permission".to_owned(),
    };
    match port.latency_timer_ms {
        Some(ms) if ms > 1 => format!("{access}; holds bytes back for {ms} ms"),
        _ => access,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_watch_says_what_and_its_lasting_name() {
        let port = PortInfo {
            path: "/dev/ttyUSB0".into(),
            stable: vec!["/dev/serial/by-id/usb-FTDI_A1".into()],
            kind: Kind::Usb {
                vendor_id: 0x403,
                product_id: 0x6001,
                manufacturer: Some("FTDI".into()),
                product: Some("UT232R".into()),
                serial: None,
            },
            driver: Some("ftdi_sio".into()),
            access: Access::Yes,
            busy: None,
            latency_timer_ms: Some(16),
        };
        assert_eq!(
            news(Duration::from_millis(12_340), "came", &port),
            "    12.3 s  came   /dev/ttyUSB0  USB: FTDI UT232R (ftdi_sio), free; holds bytes back \
             for 16 ms; always the same name: /dev/serial/by-id/usb-FTDI_A1\n"
        );
        let went = news(Duration::from_secs(20), "went", &port);
        assert!(went.contains("went   /dev/ttyUSB0") && !went.contains("free"));
    }
}
