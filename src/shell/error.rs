//! Errors of the shell, sorted by who must act. Each says what happened, then what to try.
//!
//! A device that is not there is no error: the link waits for it and says so in its events.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use super::port::{self, PortSetup};
use crate::proto::error::ConfigError;

/// Why a link could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The configuration breaks a rule of the protocol.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The caller describes another number of devices than of lines.
    #[error(
        "{configured} lines are configured, but {devices} devices are given. Give one device for each line"
    )]
    DeviceCount {
        /// Lines in the configuration.
        configured: usize,
        /// Devices in the setup.
        devices: usize,
    },
    /// A link of that name runs already.
    #[error(
        "a link named '{name}' is already running{}. Stop it, or give this one another name",
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    AlreadyRunning {
        /// The link's name.
        name: String,
        /// The process that runs it, where the system tells.
        pid: Option<i32>,
    },
    /// The directory of the status socket cannot be used.
    #[error("the directory {} for status sockets cannot be used: {source}. Set COPPERLINK_RUN_DIR to a directory of your own", path.display())]
    RunDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory of the status socket belongs to another user, or others may write to it.
    #[error("the directory {} for status sockets is not yours alone. Set COPPERLINK_RUN_DIR to a directory of your own", path.display())]
    RunDirNotPrivate {
        /// The directory.
        path: PathBuf,
    },
    /// The status socket could not be made.
    #[error("the status socket {} could not be made: {source}. Set COPPERLINK_RUN_DIR to a directory of your own with a short name", path.display())]
    StatusSocket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A UDP port is taken.
    #[error("{port}: {listen} is in use by another program. `ss -ulpn 'sport = :{}'` shows which; stop it, or use another port", listen.port())]
    AddressInUse {
        /// Which port of the link.
        port: String,
        /// Its address.
        listen: SocketAddr,
    },
    /// A UDP port is to listen on an address that the host does not have.
    #[error("{port}: {} is not an address of this host. `ip address` shows those it has; use one of them, or add this one as an alias", listen.ip())]
    AddressNotHere {
        /// Which port of the link.
        port: String,
        /// Its address.
        listen: SocketAddr,
    },
    /// A UDP port below 1024 needs privileges.
    #[error("{port}: no permission to listen on {listen}. Use a port from 1024 up, or run as root")]
    AddressDenied {
        /// Which port of the link.
        port: String,
        /// Its address.
        listen: SocketAddr,
    },
    /// A UDP port could not be bound for another reason.
    #[error("{port}: cannot listen on {listen}: {source}. Use another address or port")]
    Bind {
        /// Which port of the link.
        port: String,
        /// Its address.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// One address is IPv4 and the other IPv6.
    #[error(
        "{port}: listens on {listen}, so it cannot deliver to {deliver}. Use IPv4 for both, or IPv6 for both"
    )]
    FamiliesDiffer {
        /// Which port of the link.
        port: String,
        /// Where it listens.
        listen: SocketAddr,
        /// Where it should deliver to.
        deliver: SocketAddr,
    },
    /// The address for metrics cannot be listened on.
    #[error(
        "metrics cannot be served on {address}: {source}. Give `metrics` in [status] another address or port"
    )]
    Metrics {
        /// Its address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The history file cannot be opened.
    #[error("the history file {} cannot be opened: {source}. Check its directory and permissions", path.display())]
    HistoryFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state file cannot be opened.
    #[error("the state file {} cannot be opened: {source}. Check its directory and permissions", path.display())]
    StateFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OpenError {
    /// Sorts the system's answer to a bind.
    pub(super) fn bind(setup: &PortSetup, source: io::Error) -> Self {
        let port = port::name(setup.port);
        let listen = setup.listen;
        match source.kind() {
            ErrorKind::AddrInUse => Self::AddressInUse { port, listen },
            ErrorKind::AddrNotAvailable => Self::AddressNotHere { port, listen },
            ErrorKind::PermissionDenied => Self::AddressDenied { port, listen },
            _ => Self::Bind {
                port,
                listen,
                source,
            },
        }
    }
}

/// Why a running link ended without being told to.
#[derive(Debug, Error)]
pub enum RunError {
    /// A part of copperlink itself gave up.
    #[error(
        "a part of copperlink ended on its own, which is a fault in copperlink. Start it again, and report what the log says"
    )]
    TaskEnded,
}

/// Why the status of a running link could not be had.
#[derive(Debug, Error)]
pub enum StatusError {
    /// Nothing answers there.
    #[error("no link answers at {}. `copperlink status` without a name lists those that run", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The link is there, but gave no whole answer in time.
    #[error("the link at {} gave no answer within {seconds} s. It may be stopping; try again", path.display())]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The link does not do that.
    #[error("the link refuses: {why}")]
    Refused {
        /// Why.
        why: String,
    },
    /// The socket belongs to someone else.
    #[error("no permission to ask the link at {}. Ask as the user who runs it, or as root", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
    },
    /// The system refused.
    #[error("asking the link at {} failed: {source}. Check that it still runs", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
