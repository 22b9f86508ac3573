//! Why a session wants to be called again.

/// Why [`Session::handle_timeout`](super::Session::handle_timeout) wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// When the line can take more bytes.
    Pace,
    /// When the next hello is due.
    Hello,
    /// When a report to the far end is due.
    Report,
    /// When to ask the far end for a report, because the last frames may be lost.
    Probe,
    /// When a text of the order wire is sent, or sent again.
    Text,
    /// When a datagram is no longer worth sending, or waiting for.
    Expiry,
    /// When a silence becomes worth a word to the technician.
    Watch,
}
