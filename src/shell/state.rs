//! The state file: how far control messages were delivered, for the next run of this end.
//!
//! Promises that a record is read back whole or not at all, also after the program was killed in
//! the middle of anything, and that nothing is written while nothing changes. Assumes that the
//! machine itself does not lose power at that moment: nothing is synced to the disk. Leaves what
//! the record means to the core.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crc::{CRC_32_ISO_HDLC, Crc};

use super::error::OpenError;
use crate::proto::config::{ChannelId, LinkConfig, ResumePoint, SessionId};

/// A state file that is open.
#[derive(Debug)]
pub(super) struct StateFile {
    file: File,
    path: PathBuf,
    saved: Option<ResumePoint>,
    failed: bool,
}

impl StateFile {
    /// Opens the file, or makes an empty one, and reads what is in it. What is not a record is
    /// said in the log and counts as nothing.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let fails = |source| OpenError::StateFile {
            path: path.to_path_buf(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(fails)?;
        let saved = read(&file, path).map_err(fails)?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
            saved,
            failed: false,
        })
    }

    /// What is in the file.
    pub(super) fn resume_point(&self) -> Option<&ResumePoint> {
        self.saved.as_ref()
    }

    /// Writes `point`, unless the file holds it already.
    pub(super) fn save(&mut self, point: ResumePoint) {
        if self.saved.as_ref() == Some(&point) {
            return;
        }
        // One write within one page: a reader finds the old record or the new one.
        let result = self.file.write_all_at(&encode(&point), 0);
        if let Err(error) = &result
            && !self.failed
        {
            tracing::warn!(
                "the state file {} cannot be written: {error}. If this end is killed, control \
                 messages may be delivered twice; check the disk",
                self.path.display()
            );
        }
        self.failed = result.is_err();
        if !self.failed {
            self.saved = Some(point);
        }
    }
}

fn read(file: &File, path: &Path) -> io::Result<Option<ResumePoint>> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(None);
    }
    let mut record = [0; RECORD];
    let point = if length == RECORD as u64 {
        file.read_exact_at(&mut record, 0)?;
        decode(&record)
    } else {
        None
    };
    if point.is_none() {
        tracing::warn!(
            "the state file {} holds no record of copperlink; starting without it",
            path.display()
        );
        file.set_len(0)?;
    }
    Ok(point)
}

/// ```text
/// 0     4         5     8         12         16                     RECORD - 4
/// "CLst" | version | n | 00 00 | own session | peer session | 31 x (channel, delivered) | CRC-32
///   4        1       1    2          4              4              31 x (1, 4)              4
/// ```
/// Numbers are little-endian, and what is beyond the `n` entries is zero.
fn encode(point: &ResumePoint) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..4].copy_from_slice(MAGIC);
    record[4] = VERSION;
    record[8..12].copy_from_slice(&point.own.0.to_le_bytes());
    record[12..16].copy_from_slice(&point.peer.0.to_le_bytes());
    // There are never more channels than flows, and never more flows than entries.
    for (entry, (channel, delivered)) in record[HEAD..RECORD - 4]
        .chunks_exact_mut(ENTRY)
        .zip(&point.delivered)
    {
        entry[0] = channel.0;
        entry[1..].copy_from_slice(&delivered.to_le_bytes());
    }
    record[5] = u8::try_from(point.delivered.len().min(LinkConfig::MAX_FLOWS)).unwrap_or(0);
    let check = CRC.checksum(&record[..RECORD - 4]);
    record[RECORD - 4..].copy_from_slice(&check.to_le_bytes());
    record
}

fn decode(record: &[u8; RECORD]) -> Option<ResumePoint> {
    let word = |at: usize| {
        let bytes = record.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    if &record[..4] != MAGIC || record[4] != VERSION {
        return None;
    }
    if word(RECORD - 4)? != CRC.checksum(&record[..RECORD - 4]) {
        return None;
    }
    let count = usize::from(record[5]);
    if count > LinkConfig::MAX_FLOWS {
        return None;
    }
    let delivered = (0..count)
        .map(|i| HEAD + i * ENTRY)
        .map(|at| Some((ChannelId(record[at]), word(at + 1)?)))
        .collect::<Option<_>>()?;
    Some(ResumePoint {
        own: SessionId(word(8)?),
        peer: SessionId(word(12)?),
        delivered,
    })
}

const MAGIC: &[u8; 4] = b"CLst";
const VERSION: u8 = 1;
const HEAD: usize = 16;
const ENTRY: usize = 5;
const RECORD: usize = HEAD + LinkConfig::MAX_FLOWS * ENTRY + 4;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

#[cfg(test)]
mod tests {
    use super::*;

    fn point(delivered: u32) -> ResumePoint {
        ResumePoint {
            own: SessionId(0x0102_0304),
            peer: SessionId(0xfffe_fdfc),
            delivered: (1..=LinkConfig::MAX_FLOWS as u8)
                .map(|id| (ChannelId(id), delivered + u32::from(id)))
                .collect(),
        }
    }

    fn saved_in(path: &Path) -> Option<ResumePoint> {
        StateFile::open(path).unwrap().resume_point().cloned()
    }

    #[test]
    fn the_last_record_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut state = StateFile::open(&path).unwrap();
        assert_eq!(state.resume_point(), None);
        for delivered in [7, 70_000, 3] {
            state.save(point(delivered));
            assert_eq!(saved_in(&path), Some(point(delivered)));
        }
    }

    #[test]
    fn nothing_is_written_while_nothing_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut state = StateFile::open(&path).unwrap();
        state.save(point(1));
        std::fs::write(&path, b"").unwrap();
        state.save(point(1));
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        state.save(point(2));
        assert_eq!(saved_in(&path), Some(point(2)));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        let whole = encode(&point(5));
        assert_eq!(decode(&whole), Some(point(5)));
        for bit in 0..RECORD * 8 {
            let mut damaged = whole;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged), None, "bit {bit}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        for length in 0..RECORD {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(saved_in(&path), None, "{length} bytes");
        }
    }

    #[test]
    fn garbage_is_ignored_and_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        for length in [1, RECORD - 1, RECORD, RECORD + 1, 100_000] {
            std::fs::write(&path, vec![b'x'; length]).unwrap();
            let mut state = StateFile::open(&path).unwrap();
            assert_eq!(state.resume_point(), None);
            state.save(point(1));
            assert_eq!(saved_in(&path), Some(point(1)), "{length} bytes before");
        }
    }

    #[test]
    fn a_state_file_that_cannot_be_opened_is_said_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let words = StateFile::open(dir.path()).unwrap_err().to_string();
        assert!(words.contains("cannot be opened"), "{words}");
    }
}
