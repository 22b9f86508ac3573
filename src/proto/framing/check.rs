//! The check at the end of a frame.
//!
//! CRC-32/ISCSI (Castagnoli) for everything that is reliable or long, CRC-16/IBM-SDLC (X.25) for
//! short audio frames; both lowest byte first. The CRC runs over
//!
//! ```text
//! sender's session (4) | receiver's session (4) | frame number (4) | header and segments
//! ```
//!
//! all lowest byte first, of which only the last part travels. So a frame of an earlier session,
//! one's own frame coming back over a loop, or a frame whose cut number was completed wrongly, is
//! a bad frame. An AEAD tag of 8 or 4 bytes takes this place when the link is encrypted.

use crc::{CRC_16_IBM_SDLC, CRC_32_ISCSI, Crc};

use crate::proto::config::SessionId;

/// Which check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckKind {
    /// Two bytes: audio.
    Short,
    /// Four bytes.
    Long,
}

impl CheckKind {
    /// Its length in bytes.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Short => 2,
            Self::Long => 4,
        }
    }
}

/// Makes and tests the checks of one direction of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    sender: u32,
    receiver: u32,
}

impl Seal {
    /// For service frames, which need no session.
    pub(crate) const SERVICE: Self = Self {
        sender: 0,
        receiver: 0,
    };

    /// For frames from `sender` to `receiver`.
    pub(crate) const fn new(sender: SessionId, receiver: SessionId) -> Self {
        Self {
            sender: sender.0,
            receiver: receiver.0,
        }
    }

    /// Appends the check to a frame that consists of all of `frame`.
    pub(crate) fn append(self, kind: CheckKind, number: u64, frame: &mut Vec<u8>) {
        let check = self.compute(kind, number, frame);
        frame.extend_from_slice(&check[..kind.len()]);
    }

    /// The frame without its check, or `None` when the check fails.
    pub(crate) fn open(self, kind: CheckKind, number: u64, frame: &[u8]) -> Option<&[u8]> {
        let (frame, check) = frame.split_at_checked(frame.len().checked_sub(kind.len())?)?;
        (self.compute(kind, number, frame)[..kind.len()] == *check).then_some(frame)
    }

    fn compute(self, kind: CheckKind, number: u64, frame: &[u8]) -> [u8; 4] {
        let mut unsent = [0; 12];
        unsent[..4].copy_from_slice(&self.sender.to_le_bytes());
        unsent[4..8].copy_from_slice(&self.receiver.to_le_bytes());
        unsent[8..].copy_from_slice(&(number as u32).to_le_bytes());
        match kind {
            CheckKind::Short => {
                let mut digest = CRC16.digest();
                digest.update(&unsent);
                digest.update(frame);
                u32::from(digest.finalize()).to_le_bytes()
            }
            CheckKind::Long => {
                let mut digest = CRC32.digest();
                digest.update(&unsent);
                digest.update(frame);
                digest.finalize().to_le_bytes()
            }
        }
    }
}

/// The check over a whole datagram that travels in pieces.
pub(crate) fn datagram_check(datagram: &[u8]) -> [u8; 4] {
    CRC32.checksum(datagram).to_le_bytes()
}

/// A fingerprint of settings, to compare them with few bytes.
pub(crate) fn digest(bytes: &[u8]) -> u32 {
    CRC32.checksum(bytes)
}

static CRC16: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_SDLC);
static CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

#[cfg(test)]
mod tests {
    use super::*;

    const SEAL: Seal = Seal::new(SessionId(1), SessionId(2));

    #[test]
    fn the_catalogue_values() {
        assert_eq!(CRC16.checksum(b"123456789"), 0x906E);
        assert_eq!(CRC32.checksum(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn only_the_same_frame_in_the_same_session_opens() {
        for kind in [CheckKind::Short, CheckKind::Long] {
            let mut frame = b"frame".to_vec();
            SEAL.append(kind, 7, &mut frame);
            assert_eq!(SEAL.open(kind, 7, &frame), Some(b"frame".as_slice()));
            assert_eq!(SEAL.open(kind, 8, &frame), None, "another number");
            assert_eq!(
                Seal::new(SessionId(2), SessionId(1)).open(kind, 7, &frame),
                None,
                "a loop"
            );
            assert_eq!(
                Seal::new(SessionId(3), SessionId(2)).open(kind, 7, &frame),
                None,
                "restarted"
            );
            frame[2] ^= 0x10;
            assert_eq!(SEAL.open(kind, 7, &frame), None, "a flipped bit");
        }
    }

    #[test]
    fn a_frame_shorter_than_its_check_does_not_open() {
        assert_eq!(SEAL.open(CheckKind::Long, 0, &[1, 2, 3]), None);
        assert_eq!(SEAL.open(CheckKind::Short, 0, &[]), None);
    }
}
