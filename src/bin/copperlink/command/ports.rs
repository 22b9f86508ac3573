//! `copperlink ports`: the serial ports of this host.

use clap::Args;

use copperlink::shell::discover::{self, Access, Kind, PortInfo};

use crate::outcome::{Failure, Verdict};
use crate::report::{self, Table};

/// Show the serial ports of this host, and whether they can be used
#[derive(Debug, Args)]
pub(crate) struct Ports {
    /// Print the facts as JSON
    #[arg(long)]
    json: bool,
}

impl Ports {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let ports = discover::ports();
        if self.json {
            report::print_json(&ports)?;
        } else {
            report::print(&text(&ports))?;
        }
        Ok(Verdict::Done)
    }
}

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
