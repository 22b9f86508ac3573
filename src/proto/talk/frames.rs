//! What the two service frames of the order wire say.
//!
//! ```text
//! text   version (1) | run (4) | number (2) | place (1) | text, UTF-8 (1 to 240)
//! heard  version (1) | own run (4) | run of the text (4) | number (2)
//!
//! run     session number with which the program there began; it stays the same when another session does
//! number  of the piece, one more than the one before, modulo 2^16
//! place   bit 0: a message begins with this piece, bit 1: it ends with it; others are passed over
//! ```
//!
//! All numbers low byte first. Both stay as they are in every version of the protocol, so that the
//! technicians of two versions can talk about it; so the version is not looked at.

use crate::proto::config::SessionId;
use crate::proto::framing::varint::take;
use crate::proto::line::handshake::VERSION;

/// A piece of a message, as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) run: SessionId,
    pub(crate) number: u16,
    pub(crate) first: bool,
    pub(crate) last: bool,
    pub(crate) bytes: &'a [u8],
}

/// A piece has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Who heard it.
    pub(crate) by: SessionId,
    pub(crate) run: SessionId,
    pub(crate) number: u16,
}

const FIRST: u8 = 1;
const LAST: u8 = 2;
/// Most bytes of text in a frame.
pub(crate) const MAX_PIECE: usize = 240;

impl Piece<'_> {
    /// Appends what follows the header.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend(self.run.0.to_le_bytes());
        out.extend(self.number.to_le_bytes());
        out.push((u8::from(self.first) * FIRST) | (u8::from(self.last) * LAST));
        out.extend_from_slice(self.bytes);
    }
}

impl<'a> Piece<'a> {
    /// Reads what follows the header.
    pub(crate) fn read(mut bytes: &'a [u8]) -> Option<Self> {
        take(&mut bytes, 1)?;
        let run = read_run(&mut bytes)?;
        let number = read_number(&mut bytes)?;
        let place = take(&mut bytes, 1)?[0];
        (1..=MAX_PIECE).contains(&bytes.len()).then_some(Self {
            run,
            number,
            first: place & FIRST != 0,
            last: place & LAST != 0,
            bytes,
        })
    }
}

impl Heard {
    /// Appends what follows the header.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend(self.by.0.to_le_bytes());
        out.extend(self.run.0.to_le_bytes());
        out.extend(self.number.to_le_bytes());
    }

    /// Reads what follows the header. What a later version has behind it is passed over.
    pub(crate) fn read(mut bytes: &[u8]) -> Option<Self> {
        take(&mut bytes, 1)?;
        Some(Self {
            by: read_run(&mut bytes)?,
            run: read_run(&mut bytes)?,
            number: read_number(&mut bytes)?,
        })
    }
}

fn read_run(bytes: &mut &[u8]) -> Option<SessionId> {
    let run = take(bytes, 4)?;
    let run = u32::from_le_bytes([run[0], run[1], run[2], run[3]]);
    (run != 0).then_some(SessionId(run))
}

fn read_number(bytes: &mut &[u8]) -> Option<u16> {
    let number = take(bytes, 2)?;
    Some(u16::from_le_bytes([number[0], number[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_come_back_whatever_the_version() {
        let piece = Piece {
            run: SessionId(0x1111_0001),
            number: 0x1234,
            first: true,
            last: false,
            bytes: "안녕".as_bytes(),
        };
        let mut bytes = Vec::new();
        piece.write(&mut bytes);
        bytes[0] = 9;
        assert_eq!(Piece::read(&bytes), Some(piece));
        let heard = Heard {
            by: SessionId(1),
            run: SessionId(2),
            number: 3,
        };
        let mut bytes = Vec::new();
        heard.write(&mut bytes);
        bytes.extend([9, 9]);
        assert_eq!(Heard::read(&bytes), Some(heard));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(piece) = Piece::read(&bytes) {
                prop_assert!(piece.bytes.len() <= MAX_PIECE);
            }
            let _ = Heard::read(&bytes);
        }
    }
}
