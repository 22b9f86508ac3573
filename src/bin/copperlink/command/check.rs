//! `copperlink check`: is a settings file good, and does this machine have what it asks for?
//!
//! Nothing is opened for longer than it takes to try: a UDP port is bound and let go, a device is
//! only looked at.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use clap::Args;
use rustix::fs::Access;
use serde::Serialize;

use copperlink::shell::{Deliver, Device, LinkSetup, ModemLine};

use super::block_on;
use crate::outcome::{Failure, Verdict};
use crate::report::{self, modem::ReadReport, setup::SetupReport};
use crate::settings::{self, ProblemFacts};

/// Check a settings file, and what it needs of this machine
///
/// Says what it would open and who can reach it; warns of devices and addresses that are not
/// there now.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The settings file
    file: PathBuf,
    /// Also read the settings of each modem, and name those that are not as in its profile; the link
    /// must not run
    #[arg(long)]
    modem: bool,
    /// Print the facts as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let setup = match settings::load(&self.file) {
            Ok(setup) => setup,
            Err(error) if self.json => {
                report::print_json(&Problems {
                    file: self.file.display().to_string(),
                    good: false,
                    problems: error.facts(),
                })?;
                return Err(Failure::Reported);
            }
            Err(error) => return Err(error.into()),
        };
        let file = self.file.display().to_string();
        let mut report = SetupReport::new(file, &setup, warnings(&setup));
        if self.modem {
            report.modems = Some(block_on(read_modems(&setup))?);
        }
        if self.json {
            report::print_json(&report)?;
        } else {
            report::print(&report.text())?;
        }
        let modems = report.modems.iter().flatten();
        Ok(match modems.map(|modem| modem.differ).sum() {
            0 => Verdict::Done,
            _ => Verdict::Failed,
        })
    }
}

/// Reads the settings of the modems.
async fn read_modems(setup: &LinkSetup) -> Result<Vec<ReadReport>, Failure> {
    let mut reports = Vec::new();
    for line in setup.lines.iter() {
        let Some(modem) = &line.modem else {
            continue;
        };
        let device = line.device.to_string();
        let profile = modem.profile.description.clone();
        let mut line = ModemLine::open(line.clone())
            .await
            .map_err(Failure::cannot_run)?;
        let findings = line.read_settings().await.map_err(Failure::cannot_run)?;
        let findings =
            findings.map_err(|failure| Failure::CannotRun(format!("{device}: {failure}")))?;
        reports.push(ReadReport::new(device, profile, findings));
    }
    Ok(reports)
}

/// What is wrong with a settings file; beside [`SetupReport`], which says what is in a good one.
#[derive(Debug, Serialize)]
struct Problems {
    file: String,
    good: bool,
    problems: Vec<ProblemFacts>,
}

/// What will not work on this machine as it is now.
fn warnings(setup: &LinkSetup) -> Vec<String> {
    let devices = setup.lines.iter().filter_map(|line| device(&line.device));
    let sockets = setup.ports.iter().filter_map(|port| socket(port.listen));
    let mut warnings: Vec<String> = devices.chain(sockets).collect();
    warnings.extend(crossed(setup));
    warnings.extend(setup.instruments.metrics.and_then(metrics));
    warnings
}

fn device(device: &Device) -> Option<String> {
    let Device::Serial(path) = device else {
        return None;
    };
    let shown = path.display();
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Some(format!(
            "{shown} is not there now; `run` waits for it. `copperlink ports` shows what is there"
        )),
        Err(error) => Some(format!("{shown} cannot be looked at: {error}")),
        Ok(metadata) if !metadata.file_type().is_char_device() => Some(format!(
            "{shown} is no serial port. `copperlink ports` shows those of this host"
        )),
        Ok(_) => match rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK) {
            Ok(()) => None,
            Err(_) => Some(format!(
                "no permission to open {shown}; `copperlink ports` shows who may"
            )),
        },
    }
}

fn socket(listen: SocketAddr) -> Option<String> {
    not_bound(listen, UdpSocket::bind(listen).err()?.kind())
}

/// Nobody is asked who he is, so the address alone decides who reads.
fn metrics(address: SocketAddr) -> Option<String> {
    if let Err(error) = TcpListener::bind(address) {
        return not_bound(address, error.kind());
    }
    (!address.ip().is_loopback()).then(|| {
        format!(
            "metrics at {address} can be read by everybody who reaches that address, without a \
             password; 127.0.0.1 is this host alone"
        )
    })
}

fn not_bound(listen: SocketAddr, why: ErrorKind) -> Option<String> {
    Some(match why {
        ErrorKind::AddrInUse => {
            format!("{listen} is in use now, by another program or a link that runs")
        }
        ErrorKind::AddrNotAvailable => format!(
            "{} is not an address of this host; `ip address` shows those it has",
            listen.ip()
        ),
        ErrorKind::PermissionDenied => {
            format!("no permission to listen on {listen}; ports below 1024 need root")
        }
        kind => format!("{listen} cannot be listened on: {kind}"),
    })
}

/// Channels that deliver to the listening port of another.
fn crossed(setup: &LinkSetup) -> Vec<String> {
    let mut warnings = Vec::new();
    for from in &setup.ports {
        let Deliver::To(deliver) = &from.deliver else {
            continue;
        };
        for to in &setup.ports {
            if from.port.channel != to.port.channel && settings::reaches(*deliver, to.listen) {
                warnings.push(format!(
                    "channel {} delivers to {deliver}, where channel {} listens: what arrives \
                     would go back over the line",
                    from.port.channel, to.port.channel
                ));
            }
        }
    }
    warnings
}
