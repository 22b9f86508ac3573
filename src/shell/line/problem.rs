//! What can be wrong with a device, in words: what happened, then what to try.

use std::io;

use thiserror::Error;

use super::holder::Holder;

/// Why a device is not open.
#[derive(Debug, Error)]
pub(super) enum Problem {
    #[error("{device} is not there; waiting for it. `copperlink ports` shows what is there")]
    Missing { device: String },
    #[error(
        "{device} is {what}, not a serial port. `copperlink ports` shows the serial ports of this host"
    )]
    NotSerial { device: String, what: &'static str },
    #[error("{device} has no hardware behind it. `copperlink ports` shows the ports that have")]
    NoHardware { device: String },
    #[error("no permission to open {device}. {}", permission_hint(group.as_deref()))]
    Denied {
        device: String,
        group: Option<String>,
    },
    #[error("{device} is in use by {}. Stop it; waiting until the device is free", holder_words(holder.as_ref()))]
    Busy {
        device: String,
        holder: Option<Holder>,
    },
    #[error(
        "{device} did not take its settings ({baud} bit/s, flow {flow}): {reason}. Try another speed or flow control"
    )]
    Settings {
        device: String,
        baud: u32,
        flow: super::Flow,
        reason: String,
    },
    #[error("{device} is gone (unplugged, or its other side was closed); waiting for it")]
    Gone { device: String },
    #[error("{device} failed: {source}; trying it again. Check its cable and power")]
    Failed { device: String, source: io::Error },
    #[error(
        "{device}: the name was not found: {source}; trying again. Check the name, or give the address"
    )]
    NameNotFound { device: String, source: io::Error },
    #[error(
        "{device} does not answer: {source}; trying again. Check its address, port and network cable"
    )]
    NotConnected { device: String, source: io::Error },
    #[error(
        "{device} closed the connection; connecting again. Check that nobody else uses that port of the terminal server"
    )]
    Closed { device: String },
}

impl Problem {
    /// The words for whoever tries it once and does not wait.
    pub(super) fn once(&self) -> String {
        match self {
            Self::Missing { device } => {
                format!("{device} is not there. `copperlink ports` shows what is there")
            }
            Self::Busy { device, holder } => format!(
                "{device} is in use by {}. Stop it first",
                holder_words(holder.as_ref())
            ),
            Self::Gone { device } => format!(
                "{device} is gone (unplugged, or its other side was closed). Plug it in, and begin again"
            ),
            Self::Failed { device, source } => {
                format!("{device} failed: {source}. Check its cable and power")
            }
            Self::NameNotFound { device, source } => format!(
                "{device}: the name was not found: {source}. Check the name, or give the address"
            ),
            Self::NotConnected { device, source } => format!(
                "{device} does not answer: {source}. Check its address, port and network cable"
            ),
            Self::Closed { device } => format!(
                "{device} closed the connection. Check that nobody else uses that port of the terminal server"
            ),
            Self::NotSerial { .. }
            | Self::NoHardware { .. }
            | Self::Denied { .. }
            | Self::Settings { .. } => self.to_string(),
        }
    }
}

/// How to get the permission to open a device of that group.
pub(super) fn permission_hint(group: Option<&str>) -> String {
    match group {
        Some(group) => format!(
            "Join its group with `sudo usermod -aG {group} $USER`, then log out and in again"
        ),
        None => "Give your user the right to read and write it".to_owned(),
    }
}

fn holder_words(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another program".to_owned(), Holder::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_who_and_what_to_try() {
        let device = "/dev/ttyUSB0".to_owned();
        let busy = Problem::Busy {
            device: device.clone(),
            holder: Some(Holder {
                pid: 812,
                name: "minicom".to_owned(),
            }),
        };
        assert_eq!(
            busy.to_string(),
            "/dev/ttyUSB0 is in use by process 812 (minicom). Stop it; waiting until the device is free"
        );
        let denied = Problem::Denied {
            device,
            group: Some("dialout".to_owned()),
        };
        assert_eq!(
            denied.to_string(),
            "no permission to open /dev/ttyUSB0. Join its group with `sudo usermod -aG dialout $USER`, then log out and in again"
        );
    }
}
