//! A serial port behind a network: Telnet with the COM-PORT option (RFC 2217).
//!
//! The pure half, without clock and sockets: bytes to items and back in [`codec`], the dialogue in
//! [`negotiate`]. The connection is in [`served_port`](super::served_port).

pub(super) mod codec;
pub(super) mod negotiate;
