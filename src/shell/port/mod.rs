//! The local sockets that equipment is pointed at.

mod udp;

use std::fmt;
use std::net::SocketAddr;

pub(super) use udp::UdpPorts;

use crate::proto::config::{Port, PortKind};

/// One local UDP port.
#[derive(Clone, Debug)]
pub struct PortSetup {
    /// Which port of which channel.
    pub port: Port,
    /// Equipment sends here. Any address of this host, also an alias.
    pub listen: SocketAddr,
    /// Where datagrams of the far end go.
    pub deliver: Deliver,
}

/// Where datagrams of the far end go. They leave from the socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliver {
    /// To this address.
    To(SocketAddr),
    /// To whoever sent a datagram to the listening socket last.
    Auto,
}

impl fmt::Display for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(address) => address.fmt(f),
            Self::Auto => f.write_str("auto"),
        }
    }
}

/// How messages name a port: `channel 3`, or `channel 3 (rtcp)`.
pub(super) fn name(port: Port) -> String {
    match port.kind {
        PortKind::Media => format!("channel {}", port.channel),
        PortKind::Rtcp => format!("channel {} (rtcp)", port.channel),
    }
}
