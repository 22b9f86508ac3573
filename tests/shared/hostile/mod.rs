//! Hostile input for the receiving side: streams of real calls over noisy lines, damaged further in
//! every way that a line or a bad far end can, and held against what the far end really sent.
//!
//! Promise: depends on its seeds alone. All recordings are of different far ends that talk to the same
//! end, so what is spliced in from another call is a far end that comes between. It judges what
//! reaches the equipment; time and memory are left to the caller.
//!
//! ```text
//! Replay   a recording, with any damage, to a fresh end      no panic, control and video right
//! Attack   a call that goes on, with what a line may do:     all that is delivered is right
//!          bytes wrong, lost, added, never overtaken
//! ```

mod attack;
mod damage;
mod recording;
pub(crate) mod replay;

pub(crate) use attack::Attack;
pub(crate) use damage::Damager;
pub(crate) use recording::{Recording, recordings};
pub(crate) use replay::Replay;

/// What arrives at an end, byte after byte, and the pauses between.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    /// Of which recording it is made: its line, and what the equipment of this end sends.
    pub(crate) base: usize,
    pub(crate) bytes: Vec<u8>,
    /// In front of which byte, and how long, microseconds; sorted.
    pub(crate) pauses: Vec<(usize, u64)>,
}

impl Input {
    /// Takes a block out; its time becomes a pause.
    pub(crate) fn cut(&mut self, from: usize, to: usize, byte_us: f64) {
        let lasted: u64 = self.pauses_in(from, to).iter().map(|&(_, us)| us).sum();
        let pause = lasted + ((to - from) as f64 * byte_us) as u64;
        self.remove(from, to);
        let place = self.pauses.partition_point(|&(at, _)| at <= from);
        self.pauses.insert(place, (from, pause));
    }

    /// Takes a block out as if it had never been.
    pub(crate) fn remove(&mut self, from: usize, to: usize) {
        self.bytes.drain(from..to);
        self.pauses.retain(|&(at, _)| at < from || at >= to);
        for (at, _) in &mut self.pauses {
            if *at >= to {
                *at -= to - from;
            }
        }
    }

    /// Puts a block in.
    pub(crate) fn insert(&mut self, place: usize, bytes: &[u8]) {
        self.bytes.splice(place..place, bytes.iter().copied());
        for (at, _) in &mut self.pauses {
            if *at > place {
                *at += bytes.len();
            }
        }
    }

    /// Ends it there.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
        self.pauses.retain(|&(at, _)| at <= len);
    }

    fn pauses_in(&self, from: usize, to: usize) -> &[(usize, u64)] {
        let first = self.pauses.partition_point(|&(at, _)| at < from);
        let end = self.pauses.partition_point(|&(at, _)| at < to);
        &self.pauses[first..end]
    }
}
