//! A message on its way out: which of its bytes were sent, lost and acknowledged.

use std::ops::Range;

use bytes::Bytes;

use super::ranges::Ranges;
use super::video::FrameId;

/// A message and how far it is sent. Positions count the datagram and the check behind it.
#[derive(Debug)]
pub(super) struct Message {
    /// Of the flow's frames; control has none.
    pub(super) frame: FrameId,
    pub(super) data: Bytes,
    /// The check behind the data, once it was needed.
    pub(super) check: Option<[u8; 4]>,
    /// First position that was never sent.
    pub(super) unsent: u32,
    pub(super) lost: Ranges,
    pub(super) acked: Ranges,
    /// Its frame was dropped when it was begun.
    pub(super) given_up: bool,
}

impl Message {
    pub(super) fn new(frame: FrameId, data: Bytes) -> Self {
        Self {
            frame,
            data,
            check: None,
            unsent: 0,
            lost: Ranges::default(),
            acked: Ranges::default(),
            given_up: false,
        }
    }

    pub(super) fn end(&self) -> u32 {
        (self.data.len() + CHECK) as u32
    }

    /// Whether all of it is on its way, as far as is known.
    pub(super) fn is_sent(&self) -> bool {
        self.unsent == self.end() && self.lost.is_empty()
    }

    pub(super) fn is_acked(&self) -> bool {
        self.acked.covers(self.end())
    }

    /// The first positions that wait to be sent, and whether they were sent before.
    pub(super) fn waiting(&self) -> Option<(Range<u32>, bool)> {
        match self.lost.first() {
            _ if self.given_up => None,
            Some(lost) => Some((lost, true)),
            None => (self.unsent < self.end()).then(|| (self.unsent..self.end(), false)),
        }
    }

    /// Bytes that wait to be sent, the check not counted.
    pub(super) fn rest(&self) -> usize {
        let unsent = self.data.len().saturating_sub(self.unsent as usize);
        if self.given_up {
            0
        } else {
            unsent + self.lost.len()
        }
    }
}

/// Bytes of the check behind a datagram in pieces.
const CHECK: usize = 4;
