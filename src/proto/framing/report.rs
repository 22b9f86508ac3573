//! The report of what arrived, as it travels.
//!
//! ```text
//! largest (2) | hold | at (2) | C ccccccc | [map, ceil(c / 8) bytes]
//!
//! largest  low 16 bits of the largest frame number received, low byte first
//! hold     varint: time since it arrived, in units of 250 us
//! at       when it arrived by the receiver's clock, which began anywhere: low 16 bits, in the same units
//! c        how many numbers below the largest are described; none of them is missing when C is 0
//! map      when C is 1: bit i (low bit first) is set when frame largest - 1 - i was received
//! ```

use super::varint::{self, take};
use crate::proto::time::Duration;

/// A report as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Low bits of the largest number received.
    pub(crate) largest: u16,
    /// In units of [`HOLD_UNIT`].
    pub(crate) hold: u32,
    /// When it arrived by the receiver's clock, in units of [`HOLD_UNIT`], low bits.
    pub(crate) at: u16,
    /// Numbers below the largest that are described, at most 127.
    pub(crate) cover: u8,
    /// Bit i: frame `largest - 1 - i` was received.
    pub(crate) map: u128,
}

/// What was repaired so far in this session, as it travels: low bits of three counters.
///
/// ```text
/// bytes (2) | frames (1) | slips (1)
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Repairs {
    /// Wrong bytes.
    pub(crate) bytes: u16,
    /// Frames with some.
    pub(crate) frames: u8,
    /// Frames with a byte too few or too many.
    pub(crate) slips: u8,
}

impl Repairs {
    /// Appends them.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend([self.frames, self.slips]);
    }

    /// Takes them off the front.
    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let fixed = take(bytes, 4)?;
        Some(Self {
            bytes: u16::from_le_bytes([fixed[0], fixed[1]]),
            frames: fixed[2],
            slips: fixed[3],
        })
    }

    /// What came since.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            bytes: self.bytes.wrapping_sub(before.bytes),
            frames: self.frames.wrapping_sub(before.frames),
            slips: self.slips.wrapping_sub(before.slips),
        }
    }
}

/// Unit of [`Report::hold`] and [`Report::at`].
pub(crate) const HOLD_UNIT: Duration = Duration::from_micros(250);

const MAP_FLAG: u8 = 0x80;
pub(crate) const MAX_COVER: u64 = 127;

impl Report {
    /// Appends the report.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.largest.to_le_bytes());
        varint::write(self.hold.min(varint::MAX), out);
        out.extend_from_slice(&self.at.to_le_bytes());
        if self.map == all(self.cover) {
            out.push(self.cover);
        } else {
            out.push(self.cover | MAP_FLAG);
            out.extend_from_slice(&self.map.to_le_bytes()[..map_len(self.cover)]);
        }
    }

    /// Takes a report off the front.
    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let largest = take(bytes, 2)?;
        let largest = u16::from_le_bytes([largest[0], largest[1]]);
        let hold = varint::read(bytes)?;
        let fixed = take(bytes, 3)?;
        let at = u16::from_le_bytes([fixed[0], fixed[1]]);
        let cover = fixed[2] & !MAP_FLAG;
        let map = if fixed[2] & MAP_FLAG == 0 {
            all(cover)
        } else {
            let mut map = [0; 16];
            let taken = take(bytes, map_len(cover))?;
            map[..taken.len()].copy_from_slice(taken);
            u128::from_le_bytes(map) & all(cover)
        };
        Some(Self {
            largest,
            hold,
            at,
            cover,
            map,
        })
    }

    /// Whether the frame `below` numbers under the largest was received; `None` when the report
    /// does not say.
    pub(crate) fn received(&self, below: u64) -> Option<bool> {
        match below {
            0 => Some(true),
            _ if below <= u64::from(self.cover) => Some(self.map >> (below - 1) & 1 == 1),
            _ => None,
        }
    }
}

/// A map in which all of `cover` frames were received.
pub(crate) const fn all(cover: u8) -> u128 {
    if cover >= 128 {
        u128::MAX
    } else {
        (1 << cover) - 1
    }
}

const fn map_len(cover: u8) -> usize {
    (cover as usize).div_ceil(8)
}
