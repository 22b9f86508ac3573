//! What a settings file asks for, as a table and as JSON.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Serialize;

use copperlink::modem::{Role, Way};
use copperlink::proto::config::{ChannelConfig, PortKind};
use copperlink::shell::{Deliver, LinkSetup, ModemSetup, PortSetup};

use super::Table;
use super::modem::ReadReport;

/// A setup and what is noteworthy about it.
#[derive(Debug, Serialize)]
pub(crate) struct SetupReport {
    file: String,
    good: bool,
    link: String,
    lines: Vec<Line>,
    channels: Vec<Channel>,
    status: Status,
    warnings: Vec<String>,
    /// What the modems say of their settings, where they were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) modems: Option<Vec<ReadReport>>,
}

#[derive(Debug, Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Line {
    device: String,
    baud: u32,
    /// Bit/s; `None` where it is measured.
    rate: Option<u32>,
    flow: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    modem: Option<String>,
}

#[derive(Debug, Serialize)]
struct Channel {
    id: u8,
    name: String,
    class: &'static str,
    rtcp: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u64>,
    await_key_frame: bool,
    queue_bytes: usize,
    queue_datagrams: usize,
    ports: Vec<Port>,
}

#[derive(Debug, Serialize)]
struct Port {
    kind: &'static str,
    listen: SocketAddr,
    deliver: String,
    open_to: &'static str,
}

impl SetupReport {
    /// What the file asks for, with warnings.
    pub(crate) fn new(file: String, setup: &LinkSetup, warnings: Vec<String>) -> Self {
        let lines = setup.lines.iter().zip(&setup.config.lines);
        let lines = lines.map(|(line, config)| Line {
            device: line.device.to_string(),
            baud: line.baud,
            rate: config
                .is_rate_known
                .then_some(config.rate.bits_per_second()),
            flow: line.flow.to_string(),
            modem: line.modem.as_ref().map(modem_words),
        });
        let channels = setup.config.channels.iter();
        Self {
            file,
            good: true,
            link: setup.config.name.clone(),
            lines: lines.collect(),
            channels: channels.map(|c| Channel::new(c, &setup.ports)).collect(),
            status: Status {
                metrics: setup.instruments.metrics,
                history: setup.instruments.history_file.clone(),
            },
            warnings,
            modems: None,
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut lines = Table::new(&["device", ">port rate", ">line rate", "flow"]);
        for line in &self.lines {
            lines.row([
                line.device.clone(),
                line.baud.to_string(),
                line.rate
                    .map_or("measured".to_owned(), |rate| rate.to_string()),
                line.flow.clone(),
            ]);
        }
        let mut channels = Table::new(&[
            ">id",
            "name",
            "class",
            "listens on",
            "delivers to",
            "open to",
        ]);
        for channel in &self.channels {
            for (i, port) in channel.ports.iter().enumerate() {
                let first = |text: &str| match i {
                    0 => text.to_owned(),
                    _ => String::new(),
                };
                let class = match i {
                    0 => channel.class,
                    _ => port.kind,
                };
                channels.row([
                    first(&channel.id.to_string()),
                    first(&channel.name),
                    match (i, channel.await_key_frame) {
                        (0, true) => format!("{class}, awaits key frames"),
                        _ => class.to_owned(),
                    },
                    port.listen.to_string(),
                    port.deliver.clone(),
                    port.open_to.to_owned(),
                ]);
            }
        }
        let mut out = format!("{}: good\n\nLINK {}\n{lines}", self.file, self.link);
        for line in &self.lines {
            if let Some(modem) = &line.modem {
                let _ = writeln!(out, " {}: {modem}", line.device);
            }
        }
        let _ = write!(out, "\nCHANNELS\n{channels}");
        out.push_str(&self.status.text());
        if !self.warnings.is_empty() {
            out.push_str("\nWARNINGS\n");
        }
        for warning in &self.warnings {
            let _ = writeln!(out, "  {warning}");
        }
        for modem in self.modems.iter().flatten() {
            let _ = write!(out, "\n{}", modem.text());
        }
        out
    }
}

impl Channel {
    fn new(config: &ChannelConfig, ports: &[PortSetup]) -> Self {
        let ports = ports.iter().filter(|port| port.port.channel == config.id);
        let deadline = u64::try_from(config.deadline.as_millis()).ok();
        Self {
            id: config.id.0,
            name: config.name.clone(),
            class: config.class.word(),
            rtcp: config.rtcp,
            // Control has none.
            deadline_ms: deadline.filter(|ms| *ms < DEADLINE_LIMIT_MS),
            await_key_frame: config.await_key_frame,
            queue_bytes: config.queue_bytes,
            queue_datagrams: config.queue_datagrams,
            ports: ports.map(Port::new).collect(),
        }
    }
}

impl Status {
    fn text(&self) -> String {
        let mut out = String::new();
        if let Some(metrics) = self.metrics {
            let open_to = open_to(metrics.ip());
            let _ = writeln!(
                out,
                "  metrics at http://{metrics}/metrics, open to {open_to}"
            );
        }
        if let Some(history) = &self.history {
            let _ = writeln!(out, "  a line each minute to {}", history.display());
        }
        match out.is_empty() {
            true => out,
            false => format!("\nSTATUS\n{out}"),
        }
    }
}

impl Port {
    fn new(setup: &PortSetup) -> Self {
        Self {
            kind: match setup.port.kind {
                PortKind::Media => "media",
                PortKind::Rtcp => "rtcp",
            },
            listen: setup.listen,
            deliver: match &setup.deliver {
                Deliver::To(to) => to.to_string(),
                Deliver::Auto => "auto: who sent last".to_owned(),
            },
            open_to: open_to(setup.listen.ip()),
        }
    }
}

/// The modem of a line, and how its call comes about.
fn modem_words(modem: &ModemSetup) -> String {
    let way = match &modem.way {
        Way::Dial(number) => match modem.redial.attempts {
            Some(attempts) => format!("dials {number}, {attempts} times at most"),
            None => format!("dials {number}"),
        },
        Way::Answer { rings: 1 } => "answers a call".to_owned(),
        Way::Answer { rings } => format!("answers a call after {rings} rings"),
        Way::Leased => match modem.role {
            Some(Role::Originate) => "originates".to_owned(),
            Some(Role::Answer) => "answers".to_owned(),
            None => "waits for the carrier".to_owned(),
        },
        Way::Direct => "is not asked".to_owned(),
    };
    format!("{}; {way}", modem.profile.description)
}

/// Who can send to a socket that listens on this address.
fn open_to(listen: IpAddr) -> &'static str {
    if listen.is_loopback() {
        "this host only"
    } else if listen.is_unspecified() {
        "every network of this host"
    } else {
        "the networks that reach it"
    }
}

/// No settings file can ask for so long a deadline.
const DEADLINE_LIMIT_MS: u64 = 1 << 40;
