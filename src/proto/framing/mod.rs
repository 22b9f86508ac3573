//! Bytes to frames and back.
//!
//! ```text
//! frame  =  COBS( header | segments | check ) 00
//! ```
//!
//! Promise: what comes out of the decoder is what went into the far end's encoder, or nothing;
//! a damaged frame costs that frame. Assumed of the line: bytes may be wrong, missing or added,
//! but never overtake each other. Left to others: which segments go into a frame
//! ([`scheduler`](super::scheduler)), and what is done about a lost one ([`line`](super::line)).

pub(crate) mod check;
pub(crate) mod cobs;
pub(crate) mod decoder;
pub(crate) mod encoder;
pub(crate) mod header;
pub(crate) mod parity;
pub(crate) mod report;
pub(crate) mod segment;
pub(crate) mod varint;
pub(crate) mod xonxoff;

/// Longest frame body (header, segments, check) in bytes: six datagrams of 1200 bytes, so that
/// what a frame costs is a tenth of a percent of it.
pub(crate) const MAX_BODY: usize = 8192;

/// Longest run of bytes between two delimiters that can still be a frame: the body, one COBS
/// code byte for each 254 bytes and one to begin with, and room for 24 bytes of parity.
pub(crate) const MAX_WIRE: usize = MAX_BODY + 24 + (MAX_BODY + 24).div_ceil(254) + 1;
