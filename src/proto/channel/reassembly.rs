//! Messages that come in: put together from pieces, checked as a whole, given out in order.
//!
//! Control waits for every message. Video and RTCP wait until the sender says that it gave a
//! message up, or as long as a later one may wait for it; then the order goes on without it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Piece;
use super::queue::WINDOW;
use super::ranges::Ranges;
use super::rtp::restore::{Place, Restorer};
use crate::proto::config::Class;
use crate::proto::framing::check::datagram_check;
use crate::proto::framing::segment::{Cut, Data, MESSAGE_WINDOW};
use crate::proto::stats::ReceivedStats;
use crate::proto::time::{Duration, Instant};

/// Messages of a flow that cannot be given out yet.
#[derive(Debug)]
pub(super) struct Receiver {
    /// Number of the next message to give out.
    next: u64,
    pending: BTreeMap<u64, Assembly>,
    /// Bytes held in `pending`.
    bytes: usize,
    /// How long a whole message waits for an earlier one; `None`: for ever.
    hold: Option<Duration>,
    /// Since when the first whole message in `pending` waits.
    blocked_since: Option<Instant>,
    restorer: Restorer,
}

/// A message that is not given out yet.
#[derive(Debug)]
struct Assembly {
    bytes: Vec<u8>,
    have: Ranges,
    /// Length with the check, once the last piece came.
    end: Option<u32>,
    /// The message itself, and since when it is whole.
    whole: Option<(Instant, Bytes)>,
}

/// Most bytes held. The sender begins no more than [`WINDOW`], or a single message.
const ROOM: usize = 2 * WINDOW;
const CHECK: usize = 4;

impl Receiver {
    pub(super) fn new(hold: Option<Duration>) -> Self {
        Self {
            next: 0,
            pending: BTreeMap::new(),
            bytes: 0,
            hold,
            blocked_since: None,
            restorer: Restorer::default(),
        }
    }

    pub(super) fn restart(&mut self) {
        *self = Self::new(self.hold);
    }

    /// Number of the next message to give out.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        Some(self.blocked_since? + self.hold?)
    }

    pub(super) fn on_message(
        &mut self,
        now: Instant,
        place: Place,
        number: Cut,
        data: Data<'_>,
        stats: &mut ReceivedStats,
        deliver: &mut dyn FnMut(Bytes),
    ) {
        if !data.compressed {
            let data = Bytes::copy_from_slice(data.bytes);
            self.on_whole(now, number, data, stats, deliver);
            return;
        }
        // First of all: what is acknowledged may be used, whatever becomes of this message.
        let mut restored = None;
        let count = self.restorer.packets(place, data.bytes, &mut |packet| {
            restored = Some(packet);
        });
        match restored {
            Some(packet) if count == Some(1) => {
                self.on_whole(now, number, packet, stats, deliver);
            }
            _ => stats.refused += 1,
        }
    }

    fn on_whole(
        &mut self,
        now: Instant,
        number: Cut,
        data: Bytes,
        stats: &mut ReceivedStats,
        deliver: &mut dyn FnMut(Bytes),
    ) {
        let Some(number) = self.admit(number, stats) else {
            return;
        };
        // The common case holds nothing.
        if number == self.next {
            if let Some(assembly) = self.pending.remove(&number) {
                self.bytes -= assembly.held();
            }
            self.next += 1;
            deliver(data);
            self.deliver_ready(deliver);
            return;
        }
        if !self.has_room(data.len(), stats) {
            return;
        }
        let assembly = self.pending.entry(number).or_insert_with(Assembly::new);
        if assembly.whole.is_some() || assembly.is_skipped() {
            stats.repeated += 1;
            return;
        }
        self.bytes -= assembly.held();
        assembly.finish(now, data);
        self.bytes += assembly.held();
        self.note_blocked();
    }

    pub(super) fn on_piece(
        &mut self,
        now: Instant,
        piece: Piece<'_>,
        stats: &mut ReceivedStats,
        deliver: &mut dyn FnMut(Bytes),
    ) {
        let Some(number) = self.admit(piece.number, stats) else {
            return;
        };
        let end = piece.offset + piece.data.len();
        if end > Class::Video.max_datagram() + CHECK {
            stats.refused += 1;
            return;
        }
        let grows = end.saturating_sub(
            self.pending
                .get(&number)
                .map_or(0, |assembly| assembly.bytes.len()),
        );
        if !self.has_room(grows, stats) {
            return;
        }
        let assembly = self.pending.entry(number).or_insert_with(Assembly::new);
        if assembly.whole.is_some() || assembly.is_skipped() {
            stats.repeated += 1;
            return;
        }
        let before = assembly.held();
        assembly.add(piece, stats);
        let outcome = assembly.complete(now);
        if outcome == Outcome::Damaged {
            // Every frame was good, and yet the whole is not what was sent: never deliver it.
            stats.damaged += 1;
            assembly.skip();
        }
        self.bytes = self.bytes + assembly.held() - before;
        if outcome != Outcome::Incomplete {
            self.deliver_ready(deliver);
        }
    }

    pub(super) fn on_advance(
        &mut self,
        now: Instant,
        number: Cut,
        stats: &mut ReceivedStats,
        deliver: &mut dyn FnMut(Bytes),
    ) {
        let number = number.nearest(self.next);
        // However far ahead: a sender that was not heard for a while has given up all of that.
        if self.hold.is_none() {
            stats.refused += 1;
            return;
        }
        self.give_up_below(number, stats, deliver);
        self.deliver_ready(deliver);
        self.expire(now, stats, deliver);
    }

    /// Goes on without messages that were waited for long enough.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        stats: &mut ReceivedStats,
        deliver: &mut dyn FnMut(Bytes),
    ) {
        let Some(hold) = self.hold else { return };
        while self.next_expiry().is_some_and(|at| at <= now) {
            let overdue = self.pending.iter().filter(|(_, assembly)| {
                assembly
                    .whole
                    .as_ref()
                    .is_some_and(|(since, _)| *since + hold <= now)
            });
            let Some(last) = overdue.map(|(&number, _)| number).max() else {
                break;
            };
            self.give_up_below(last, stats, deliver);
            self.deliver_ready(deliver);
        }
    }

    /// The whole number, unless the message is over or out of bounds.
    fn admit(&self, number: Cut, stats: &mut ReceivedStats) -> Option<u64> {
        let number = number.nearest(self.next);
        if number < self.next {
            stats.repeated += 1;
            return None;
        }
        if number >= self.next + MESSAGE_WINDOW {
            stats.refused += 1;
            return None;
        }
        Some(number)
    }

    fn has_room(&self, more: usize, stats: &mut ReceivedStats) -> bool {
        let fits = self.bytes + more <= ROOM;
        stats.refused += u64::from(!fits);
        fits
    }

    /// Bytes and messages in `pending`.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        let bytes = self.pending.values().map(Assembly::held).sum();
        assert_eq!(self.bytes, bytes);
        (bytes, self.pending.len())
    }

    /// Gives out what is whole below `number`, and counts what is not as missing.
    fn give_up_below(
        &mut self,
        number: u64,
        stats: &mut ReceivedStats,
        deliver: &mut dyn FnMut(Bytes),
    ) {
        while self.next < number {
            match self.pending.first_key_value() {
                Some((&first, _)) if first < number => {
                    stats.missing += first - self.next;
                    self.next = first + 1;
                    if let Some((_, assembly)) = self.pending.pop_first() {
                        self.bytes -= assembly.held();
                        match assembly.whole {
                            Some((_, data)) => deliver(data),
                            None => stats.missing += u64::from(!assembly.is_skipped()),
                        }
                    }
                }
                _ => {
                    stats.missing += number - self.next;
                    self.next = number;
                }
            }
        }
        self.note_blocked();
    }

    /// Gives out what is next in order.
    fn deliver_ready(&mut self, deliver: &mut dyn FnMut(Bytes)) {
        while let Some(first) = self.pending.first_entry() {
            let ready = first.get().whole.is_some() || first.get().is_skipped();
            if *first.key() != self.next || !ready {
                break;
            }
            let assembly = first.remove();
            self.bytes -= assembly.held();
            self.next += 1;
            if let Some((_, data)) = assembly.whole {
                deliver(data);
            }
        }
        self.note_blocked();
    }

    fn note_blocked(&mut self) {
        let since = |assembly: &Assembly| assembly.whole.as_ref().map(|(since, _)| *since);
        self.blocked_since = self.pending.values().filter_map(since).min();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Incomplete,
    Whole,
    Damaged,
}

impl Assembly {
    const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            have: Ranges::EMPTY,
            end: None,
            whole: None,
        }
    }

    /// Bytes of memory that count against the room.
    fn held(&self) -> usize {
        self.bytes.len() + self.whole.as_ref().map_or(0, |(_, data)| data.len())
    }

    /// Leaves the message out of the order, as if it had been given out.
    fn skip(&mut self) {
        *self = Self {
            end: Some(0),
            ..Self::new()
        };
    }

    fn is_skipped(&self) -> bool {
        self.end == Some(0)
    }

    fn add(&mut self, piece: Piece<'_>, stats: &mut ReceivedStats) {
        let end = piece.offset + piece.data.len();
        let (start32, end32) = (piece.offset as u32, end as u32);
        let contradicts = self
            .end
            .is_some_and(|known| end32 > known || (piece.last && end32 != known));
        let too_short = piece.last && (end < CHECK || end < self.bytes.len());
        if contradicts || too_short {
            stats.refused += 1;
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[piece.offset..end].copy_from_slice(piece.data);
        stats.repeated += u64::from(!self.have.insert(start32..end32) && !piece.data.is_empty());
        if piece.last {
            self.end = Some(end32);
        }
    }

    fn complete(&mut self, now: Instant) -> Outcome {
        let Some(end) = self.end.filter(|&end| self.have.covers(end)) else {
            return Outcome::Incomplete;
        };
        let (data, check) = self.bytes.split_at(end as usize - CHECK);
        if check != datagram_check(data) {
            return Outcome::Damaged;
        }
        let data = Bytes::copy_from_slice(data);
        self.finish(now, data);
        Outcome::Whole
    }

    fn finish(&mut self, now: Instant, data: Bytes) {
        self.bytes = Vec::new();
        self.have = Ranges::EMPTY;
        self.whole = Some((now, data));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    #[derive(Default)]
    struct Out {
        given: Vec<Vec<u8>>,
        stats: ReceivedStats,
    }

    impl Out {
        fn message(&mut self, receiver: &mut Receiver, ms: u64, number: u64) {
            let data = number.to_le_bytes();
            let given = &mut self.given;
            receiver.on_whole(
                at(ms),
                Cut::for_message(number),
                data.to_vec().into(),
                &mut self.stats,
                &mut |data| {
                    given.push(data.to_vec());
                },
            );
        }

        fn piece(
            &mut self,
            receiver: &mut Receiver,
            number: u64,
            offset: usize,
            last: bool,
            data: &[u8],
        ) {
            let piece = Piece {
                number: Cut::for_message(number),
                offset,
                last,
                data,
            };
            let given = &mut self.given;
            receiver.on_piece(at(0), piece, &mut self.stats, &mut |data| {
                given.push(data.to_vec());
            });
        }

        fn numbers(&self) -> Vec<u8> {
            self.given.iter().map(|data| data[0]).collect()
        }
    }

    fn with_check(data: &[u8]) -> Vec<u8> {
        [data, &datagram_check(data)].concat()
    }

    #[test]
    fn control_comes_in_order_once() {
        let (mut receiver, mut out) = (Receiver::new(None), Out::default());
        for number in [0, 2, 2, 3, 1, 1, 0] {
            out.message(&mut receiver, 0, number);
        }
        assert_eq!(out.numbers(), [0, 1, 2, 3]);
        assert_eq!(out.stats.repeated, 3);
        assert_eq!(receiver.bytes, 0);
    }

    #[test]
    fn video_goes_on_when_it_waited_long_enough_or_waits_in_vain() {
        let hold = Duration::from_millis(400);
        let (mut receiver, mut out) = (Receiver::new(Some(hold)), Out::default());
        out.message(&mut receiver, 0, 1);
        out.message(&mut receiver, 100, 3);
        assert_eq!(receiver.next_expiry(), Some(at(400)));
        let given = &mut out.given;
        receiver.expire(at(399), &mut out.stats, &mut |data| {
            given.push(data.to_vec());
        });
        receiver.expire(at(400), &mut out.stats, &mut |data| {
            given.push(data.to_vec());
        });
        assert_eq!(out.numbers(), [1]);
        assert_eq!(receiver.next_expiry(), Some(at(500)));
        let given = &mut out.given;
        receiver.on_advance(at(401), Cut::for_message(3), &mut out.stats, &mut |data| {
            given.push(data.to_vec());
        });
        assert_eq!(out.numbers(), [1, 3]);
        assert_eq!(out.stats.missing, 2);
        assert_eq!((receiver.next_expiry(), receiver.next()), (None, 4));
    }

    #[test]
    fn a_datagram_that_fits_its_pieces_but_not_its_check_is_never_given_out() {
        let (mut receiver, mut out) = (Receiver::new(None), Out::default());
        let mut data = with_check(b"hello");
        data[1] ^= 1;
        out.piece(&mut receiver, 0, 0, true, &data);
        out.message(&mut receiver, 0, 1);
        assert_eq!(out.numbers(), [1]);
        assert_eq!((out.stats.damaged, receiver.bytes), (1, 0));
    }

    #[test]
    fn contradicting_pieces_are_refused() {
        let (mut receiver, mut out) = (Receiver::new(None), Out::default());
        out.piece(&mut receiver, 0, 0, false, &[0; 20]);
        out.piece(&mut receiver, 0, 4, true, &[0; 10]);
        out.piece(&mut receiver, 0, 30, true, &[0; 10]);
        out.piece(&mut receiver, 0, 40, false, &[0; 1]);
        out.piece(&mut receiver, 0, 65_507, true, &[0; 5]);
        out.piece(&mut receiver, 0, 0, true, &[0; 3]);
        assert_eq!(out.stats.refused, 4);
        assert!(out.given.is_empty());
    }

    #[test]
    fn memory_is_bounded_whatever_is_announced() {
        let (mut receiver, mut out) = (Receiver::new(None), Out::default());
        for number in 1..20_000 {
            out.piece(&mut receiver, number, 60_000, false, &[0; 1000]);
        }
        assert!(receiver.bytes <= ROOM);
        assert!(receiver.pending.len() <= MESSAGE_WINDOW as usize);
        assert!(out.stats.refused > 19_000);
    }

    proptest! {
        #[test]
        fn pieces_in_any_order_and_overlap_give_the_datagram_once(
            size in 0usize..3000,
            mut cuts in prop::collection::vec((any::<prop::sample::Index>(), 1usize..900), 1..60),
            seed in any::<u8>(),
        ) {
            let data: Vec<u8> = (0..size).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect();
            let stream = with_check(&data);
            let (mut receiver, mut out) = (Receiver::new(None), Out::default());
            let mut ranges: Vec<(usize, usize)> = cuts
                .drain(..)
                .map(|(at, len)| (at.index(stream.len()), len))
                .map(|(start, len)| (start, (start + len).min(stream.len())))
                .collect();
            // At the end everything once more, so that it becomes whole.
            ranges.push((0, stream.len()));
            for (start, end) in ranges {
                out.piece(&mut receiver, 0, start, end == stream.len(), &stream[start..end]);
            }
            prop_assert_eq!(out.given, vec![data]);
            prop_assert_eq!(receiver.bytes, 0);
        }
    }
}
