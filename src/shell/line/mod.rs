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

pub mod discover;
mod holder;
mod port_io;
mod problem;
pub mod pty;
pub mod raw;
mod reconnect;
mod serial;
mod task;
mod tcp;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

pub use holder::Holder;
pub(super) use task::run;

use crate::proto::LineSignals;

/// The device of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSetup {
    /// Which device.
    pub device: Device,
    /// Port rate, bit/s. A TCP line has none of its own: there it is what the far side is set to.
    pub baud: u32,
    /// Flow control between this host and the terminal.
    pub flow: Flow,
}

/// What carries a line's bytes. In settings a path, or `tcp://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// A serial port of this host.
    Serial(PathBuf),
    /// A raw TCP port of a terminal server, as `host:port`.
    Tcp(String),
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        if let Some(address) = text.strip_prefix("tcp://") {
            let whole = address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse().is_ok_and(|p: u16| p > 0)
            });
            return match whole {
                true => Ok(Self::Tcp(address.to_owned())),
                false => Err(DeviceError::Address {
                    text: text.to_owned(),
                }),
            };
        }
        if text.contains("://") {
            return Err(DeviceError::Scheme {
                text: text.to_owned(),
            });
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
        }
    }
}

/// Why a text names no device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// Nothing at all.
    #[error("the device is empty. Give a path such as /dev/ttyUSB0, or tcp://host:port")]
    Empty,
    /// Not `host:port` behind `tcp://`.
    #[error(
        "'{text}' is not tcp://host:port. Give the host and the port number, for instance tcp://192.168.1.9:4001"
    )]
    Address {
        /// The text.
        text: String,
    },
    /// Something other than `tcp://`.
    #[error("'{text}' is neither a path nor tcp://host:port. Give one of these")]
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

/// What a line task tells the driver.
#[derive(Debug)]
pub(super) enum LineReport {
    /// The device is open.
    Opened {
        /// Its signals.
        signals: LineSignals,
        /// What is not as it was asked for, in words.
        remarks: Vec<String>,
        /// Whether this is worth a word.
        news: bool,
    },
    /// The device is not open.
    Waiting {
        /// Why, in words.
        problem: String,
        /// Whether this is worth a word: it was not said yet.
        news: bool,
    },
    /// The signals changed.
    Signals(LineSignals),
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
        ] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!(
            "tcp://host:4001".parse(),
            Ok(Device::Tcp("host:4001".to_owned()))
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
