//! What was sent in one direction of one port, against what arrived there.
//!
//! Promises: a datagram counts as delivered only when every byte of it is one that was sent, and
//! only once. Memory is bounded: what is older than a minute is forgotten, and counts as lost.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use copperlink::proto::time::{Duration, Instant};

/// Compares what arrives with what was sent.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: HashMap<Bytes, Vec<Entry>>,
    /// What to forget next.
    by_age: VecDeque<(Instant, Bytes)>,
    /// The latest index that arrived.
    latest: Option<u64>,
    counts: Counts,
    delays_us: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    index: u64,
    at: Instant,
    is_delivered: bool,
}

/// What became of the datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Datagrams sent.
    pub(crate) sent: u64,
    /// Their bytes.
    pub(crate) sent_bytes: u64,
    /// Datagrams that arrived as they were sent.
    pub(crate) delivered: u64,
    /// Datagrams that arrived a second time.
    pub(crate) repeated: u64,
    /// Datagrams that arrived before one that was sent earlier; each counts when the earlier one
    /// comes.
    pub(crate) out_of_order: u64,
    /// Datagrams that nobody sent.
    pub(crate) wrong: u64,
    /// Datagrams that were sent so recently that they may still be on their way.
    pub(crate) on_the_way: u64,
}

impl Counts {
    /// Datagrams that will not come any more.
    pub(crate) const fn lost(&self) -> u64 {
        self.sent - self.delivered - self.on_the_way
    }
}

impl Ledger {
    /// Takes down a datagram that is being sent.
    pub(super) fn sent(&mut self, now: Instant, datagram: &Bytes) {
        self.forget_old(now);
        let entry = Entry {
            index: self.counts.sent,
            at: now,
            is_delivered: false,
        };
        self.entries
            .entry(datagram.clone())
            .or_default()
            .push(entry);
        self.by_age.push_back((now, datagram.clone()));
        self.counts.sent += 1;
        self.counts.sent_bytes += datagram.len() as u64;
    }

    /// Compares a datagram that arrived. Says how long it took, if it was the right one.
    pub(super) fn arrived(&mut self, now: Instant, datagram: &[u8]) -> Option<Duration> {
        let Some(entries) = self.entries.get_mut(datagram) else {
            self.counts.wrong += 1;
            return None;
        };
        // The same bytes may be sent again; what arrives is most likely the last of them.
        let Some(entry) = entries.iter_mut().rfind(|entry| !entry.is_delivered) else {
            self.counts.repeated += 1;
            return None;
        };
        entry.is_delivered = true;
        self.counts.delivered += 1;
        if self.latest.is_some_and(|latest| entry.index < latest) {
            self.counts.out_of_order += 1;
        }
        self.latest = self.latest.max(Some(entry.index));
        let delay = now.since(entry.at);
        self.delays_us
            .push(u32::try_from(delay.as_micros()).unwrap_or(u32::MAX));
        Some(delay)
    }

    /// The counts, with what is on its way: sent at most `grace` ago. And the delays, sorted, µs.
    pub(super) fn finish(mut self, now: Instant, grace: Duration) -> (Counts, Vec<u32>) {
        let entries = self.entries.values().flatten();
        let on_the_way = entries.filter(|e| !e.is_delivered && now.since(e.at) < grace);
        self.counts.on_the_way = on_the_way.count() as u64;
        self.delays_us.sort_unstable();
        (self.counts, self.delays_us)
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((at, datagram)) = self.by_age.front() {
            if now.since(*at) < REMEMBERED && self.by_age.len() < MOST_REMEMBERED {
                return;
            }
            if let Some(entries) = self.entries.get_mut(datagram) {
                // The oldest of the same bytes stands first.
                entries.remove(0);
                if entries.is_empty() {
                    self.entries.remove(datagram);
                }
            }
            self.by_age.pop_front();
        }
    }
}

/// Longer than any datagram can be on its way in a call that is worth looking at.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Most datagrams that are remembered.
const MOST_REMEMBERED: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn each_fate_is_counted_once() {
        let mut ledger = Ledger::default();
        let datagrams: Vec<Bytes> = (0..6u8).map(|i| Bytes::from(vec![i; 9])).collect();
        for (i, datagram) in datagrams.iter().enumerate() {
            ledger.sent(at(10 * i as u64), datagram);
        }
        assert_eq!(
            ledger.arrived(at(60), &datagrams[0]),
            Some(Duration::from_millis(60))
        );
        assert!(ledger.arrived(at(61), &datagrams[2]).is_some());
        assert!(ledger.arrived(at(62), &datagrams[1]).is_some());
        assert!(ledger.arrived(at(63), &datagrams[1]).is_none());
        assert!(ledger.arrived(at(64), &[7; 9]).is_none());
        let (counts, delays) = ledger.finish(at(70), Duration::from_millis(25));
        let expected = Counts {
            sent: 6,
            sent_bytes: 54,
            delivered: 3,
            repeated: 1,
            out_of_order: 1,
            wrong: 1,
            on_the_way: 1,
        };
        assert_eq!(counts, expected);
        assert_eq!(counts.lost(), 2);
        assert_eq!(delays, [41_000, 52_000, 60_000]);
    }

    #[test]
    fn equal_datagrams_are_kept_apart() {
        let mut ledger = Ledger::default();
        let same = Bytes::from_static(b"same");
        ledger.sent(at(0), &same);
        ledger.sent(at(5000), &same);
        assert_eq!(
            ledger.arrived(at(5010), &same),
            Some(Duration::from_millis(10))
        );
        assert_eq!(ledger.finish(at(6000), Duration::ZERO).0.lost(), 1);
    }

    #[test]
    fn memory_is_bounded_by_time_and_number() {
        let mut ledger = Ledger::default();
        for i in 0..(MOST_REMEMBERED as u32 + 10) {
            ledger.sent(at(0), &Bytes::copy_from_slice(&i.to_be_bytes()));
        }
        assert_eq!(ledger.entries.len(), MOST_REMEMBERED);
        ledger.sent(at(61_000), &Bytes::from_static(b"new"));
        assert_eq!(ledger.entries.len(), 1);
        assert_eq!(ledger.by_age.len(), 1);
        let counts = ledger.finish(at(61_000), Duration::ZERO).0;
        assert_eq!(counts.lost(), MOST_REMEMBERED as u64 + 11);
    }
}
