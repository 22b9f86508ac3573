//! Errors of the core, sorted by who must act. Noise on a line is never an error.

use thiserror::Error;

use super::config::ChannelId;

/// The caller's configuration breaks a rule of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Two channels have the same id.
    #[error("channel id {id} is used twice")]
    DuplicateChannel {
        /// The id.
        id: ChannelId,
    },
    /// More flows than the wire format can name.
    #[error("{flows} flows (channels, and their RTCP) are configured, at most {most} are possible")]
    TooManyFlows {
        /// How many are asked for.
        flows: usize,
        /// How many are possible.
        most: usize,
    },
    /// No line, or too many.
    #[error("a link needs 1 to 255 lines, {count} are configured")]
    LineCount {
        /// How many are asked for.
        count: usize,
    },
    /// A name does not fit into the hello.
    #[error("the name '{name}' is too long, at most {most} bytes are possible")]
    NameTooLong {
        /// The name.
        name: String,
        /// Most bytes.
        most: usize,
    },
    /// A session number of zero means "none" on the wire.
    #[error("the session number must not be zero")]
    ZeroSession,
}

/// Why a datagram of the equipment, or a text of the technician, was not accepted. Each is also a
/// counter in [`ChannelStats`](super::stats::ChannelStats) or
/// [`OrderWireStats`](super::stats::OrderWireStats).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// No such channel, or the channel has no RTCP.
    #[error("there is no such port")]
    NoSuchPort,
    /// Larger than its class carries.
    #[error("the datagram has {size} bytes, the channel carries at most {most}")]
    TooLarge {
        /// Its size, bytes.
        size: usize,
        /// The limit, bytes.
        most: usize,
    },
    /// The queue is full; only control refuses for this reason, the others drop their oldest.
    #[error("the queue is full")]
    QueueFull,
    /// A text of the order wire with nothing in it.
    #[error("there is nothing in it")]
    Empty,
}
