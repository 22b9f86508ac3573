//! Lines: the devices that carry bytes, each owned by a task of its own.
//!
//! A line task promises: the device is opened as soon as it is there and again whenever it was
//! lost; nothing blocks the runtime; at most one small chunk waits for the device; and what
//! cannot be carried is said in words, once. It assumes that the driver hands over a chunk only
//! when it was told that there is room. Meaning and pace of the bytes are the core's; for that,
//! the task measures what waits in the kernel, where the driver tells.
//!
//! ```text
//!            chunks (one at a time)          writes
//!   driver ------------------------> task ------------> device
//!          <------------------------      <------------
//!            LineReport (bounded)            reads
//! ```

mod device;
pub mod discover;
#[cfg(test)]
pub(in crate::shell) mod fake_server;
mod holder;
mod latency;
pub mod modem;
mod port_io;
mod port_watch;
mod problem;
pub mod pty;
pub mod raw;
mod reconnect;
mod rfc2217;
mod serial;
mod served_port;
mod signals;
mod task;
mod tcp;
mod uart;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

pub use holder::Holder;
pub use modem::{DeviceProblem, ModemLine, ModemSetup};
pub use port_watch::{PortChange, PortWatch};
pub use signals::ModemLines;
pub use uart::LineErrors;

pub(super) use task::run;

use crate::proto::LineSignals;
use crate::proto::time::BitRate;

/// The device of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSetup {
    /// Which device.
    pub device: Device,
    /// Port rate, bit/s. A TCP line has none of its own: there it is what the far side is set to.
    pub baud: u32,
    /// Flow control between this host and the terminal.
    pub flow: Flow,
    /// Whether a carrier signal (DCD) that is off means that the line is lost.
    pub carrier: CarrierRule,
    /// Whether DTR is dropped when the port is closed, so that a modem hangs up.
    pub hang_up: bool,
    /// Whether an adapter that holds arriving bytes back may be told not to.
    pub low_latency: bool,
    /// The modem at the port; `None` for a direct line.
    pub modem: Option<ModemSetup>,
}

impl LineSetup {
    /// A line with everything else as it is when the settings do not speak of it.
    pub fn new(device: Device, baud: u32, flow: Flow) -> Self {
        Self {
            device,
            baud,
            flow,
            carrier: CarrierRule::Auto,
            hang_up: false,
            low_latency: true,
            modem: None,
        }
    }
}

/// What carries a line's bytes. In settings a path, `tcp://host:port` or `rfc2217://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// A serial port of this host.
    Serial(PathBuf),
    /// A raw TCP port of a terminal server, as `host:port`.
    Tcp(String),
    /// A port of a terminal server that speaks RFC 2217, as `host:port`.
    Rfc2217(String),
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        if let Some((scheme, address)) = text.split_once("://") {
            let whole = address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse().is_ok_and(|p: u16| p > 0)
            });
            let text = text.to_owned();
            return match scheme {
                "tcp" if whole => Ok(Self::Tcp(address.to_owned())),
                "rfc2217" if whole => Ok(Self::Rfc2217(address.to_owned())),
                "tcp" | "rfc2217" => Err(DeviceError::Address { text }),
                _ => Err(DeviceError::Scheme { text }),
            };
        }
        if text.is_empty() {
            return Err(DeviceError::Empty);
        }
        Ok(Self::Serial(text.into()))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(path) => path.display().fmt(f),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Rfc2217(address) => write!(f, "rfc2217://{address}"),
        }
    }
}

/// Why a text names no device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// Nothing at all.
    #[error(
        "the device is empty. Give a path such as /dev/ttyUSB0, tcp://host:port or rfc2217://host:port"
    )]
    Empty,
    /// Not `host:port` behind `tcp://` or `rfc2217://`.
    #[error(
        "'{text}' has no host:port. Give the host and the port number, for instance tcp://192.168.1.9:4001"
    )]
    Address {
        /// The text.
        text: String,
    },
    /// Something other than `tcp://` and `rfc2217://`.
    #[error(
        "'{text}' is neither a path nor tcp://host:port nor rfc2217://host:port. Give one of these"
    )]
    Scheme {
        /// The text.
        text: String,
    },
}

/// Flow control between this host and the terminal (modem) at its port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flow {
    /// None.
    #[default]
    None,
    /// RTS/CTS.
    Hardware,
    /// XON/XOFF. The link must be told to avoid these bytes, too.
    Software,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Hardware => "hardware",
            Self::Software => "software",
        })
    }
}

/// When the carrier signal (DCD) counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CarrierRule {
    /// From when it was seen on: a cable without the wire leaves it off for ever.
    #[default]
    Auto,
    /// Always: while it is off nothing is sent.
    Always,
    /// Never.
    Never,
}

/// The signals of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeviceSignals {
    /// For the core: those on which the settings rely.
    pub(super) relied_on: LineSignals,
    /// For the technician: all of them, where the port has any.
    pub(super) all: Option<ModemLines>,
}

/// What a line task tells the driver.
#[derive(Debug)]
pub(super) enum LineReport {
    /// The device is open.
    Opened {
        /// Its signals.
        signals: DeviceSignals,
        /// What is not as it was asked for, in words.
        remarks: Vec<String>,
        /// What the line carries, where a modem told it.
        rate: Option<BitRate>,
        /// Whether this is worth a word.
        news: bool,
    },
    /// The device is not open, or its modem has no call.
    Waiting {
        /// Why, in words.
        problem: String,
        /// Whether this is worth a word: it was not said yet.
        news: bool,
    },
    /// How the modem is, in words.
    Modem {
        /// The words.
        status: String,
        /// Whether they are worth a word.
        news: bool,
    },
    /// The signals changed.
    Signals(DeviceSignals),
    /// So many errors the device has counted on the line since it was opened.
    Errors(LineErrors),
    /// Bytes from the line.
    Bytes(Vec<u8>),
    /// The chunk was taken: there is room for the next.
    Room {
        /// What waits below, where that is known and it is time to say so, bytes.
        queued: Option<usize>,
    },
    /// The chunk has not been taken yet. So much waits, it included, bytes.
    Queue(usize),
}

/// The largest chunk that the driver hands over at once, bytes: a few milliseconds of a fast line.
pub(super) const CHUNK: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_shown_alike() {
        for text in [
            "/dev/ttyUSB0",
            "ttyS0",
            "tcp://host:4001",
            "tcp://[::1]:4001",
            "tcp://10.0.0.1:65535",
            "rfc2217://[::1]:2217",
        ] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!(
            "tcp://host:4001".parse(),
            Ok(Device::Tcp("host:4001".to_owned()))
        );
        assert_eq!(
            "rfc2217://host:4001".parse(),
            Ok(Device::Rfc2217("host:4001".to_owned()))
        );
    }

    #[test]
    fn what_is_no_device_is_refused() {
        for text in [
            "tcp://",
            "tcp://host",
            "tcp://:1",
            "tcp://host:0",
            "tcp://host:65536",
            "rfc2217://host",
            "rfc2217://:7",
        ] {
            assert!(
                matches!(text.parse::<Device>(), Err(DeviceError::Address { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            "udp://host:1".parse::<Device>(),
            Err(DeviceError::Scheme { .. })
        ));
        assert_eq!("".parse::<Device>(), Err(DeviceError::Empty));
    }
}
