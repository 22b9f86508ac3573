//! Audio that the line lost: which packets are sent once more, and when.
//!
//! Promise: a packet travels once more only while it can still be of use, at most once because it
//! was lost, and ahead of a report only while losses stay high. On a line without losses nothing
//! is repeated. Assumed of the line: it never reorders, and says of each frame whether it
//! arrived. Left to others: whether the line has room, and that newer audio is not made late by it
//! ([`session`](crate::proto::Session), repeats of audio).
//!
//! ```text
//! sent again   a packet whose loss is known, once, while it can be there before its deadline
//! repeated     a packet whose fate is not known yet, while too many would remain lost after that:
//!              from when lately more than MANY would, or for long more than SOME, until lately less
//!              than FEW would
//! ```
//!
//! Both stand in frames of their own, behind the newest packet, and not with it in one frame: at
//! 38400 bit/s a frame with a second G.729 payload would make every packet 7 ms later and be lost
//! nearly twice as often by single errors, for four bytes less. So what was lost
//! comes behind packets that are newer. RTP has numbers for that (RFC 3550 section 5.1); what is
//! not RTP goes once only, nor what only looks like it: a stream is what goes by a context.
//!
//! What is repeated stands as far behind the newest packet as losses are long, so one repeat covers a
//! burst of that length, and not every packet must travel three times.
//!
//! For the receiver to complete six bits of a number, none is sent once more that is not among the
//! last [`REACH`], nor while more than [`UNKNOWN`] are not known to have arrived.

use std::collections::VecDeque;

use bytes::Bytes;

use super::losses::Losses;
use super::pace::Pace;
use crate::proto::time::{Duration, Instant};

/// What a flow remembers of the packets it sent.
#[derive(Debug)]
pub(super) struct Cover {
    deadline: Duration,
    /// The last packets, the oldest first.
    recent: VecDeque<Recent>,
    /// Number of the first of them.
    first: u64,
    /// The fates of the packets below this number are counted.
    counted: u64,
    /// One more than the largest number that is known to have arrived, and that is known to be lost.
    arrived: u64,
    lost: u64,
    lately: Losses,
    for_long: Losses,
    /// Losses stay high: packets are repeated.
    repeats: bool,
    /// Those to repeat behind the last packet, from the first that was not yet.
    turn: (u64, u64),
    round_trip: Option<Duration>,
    pace: Pace,
    now: Instant,
}

/// A packet that was sent.
#[derive(Debug)]
struct Recent {
    accepted: Instant,
    /// `None` when it did not go as one of a stream of RTP, or is out of reach.
    packet: Option<Bytes>,
    fate: Fate,
    /// Repeats of it whose fate is open.
    on_their_way: u8,
    /// A repeat of it arrived.
    is_there: bool,
    /// It was sent again because it was lost.
    was_sent_again: bool,
}

/// What became of a packet when it was sent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Arrived,
    Lost,
}

/// So many of the last packets may be sent once more.
const REACH: u64 = 24;
/// And when no more are not known to have arrived.
const UNKNOWN: u64 = 32;
/// The fates of so many of the last packets are counted: where reports are rare they come late.
const REMEMBERED: usize = 256;
/// Share of packets that would remain lost: of the last hundred or so, where one alone is not yet
/// many, and of the last some hundreds.
const MANY: f64 = 0.0225;
const SOME: f64 = 0.01;
const FEW: f64 = 0.0035;
/// Repeated twice when more than this share is lost.
const TWICE: f64 = 0.12;
/// What a packet that is sent again may be late beside half of the round trip.
const MARGIN: Duration = Duration::from_millis(10);

impl Cover {
    pub(super) fn new(deadline: Duration) -> Self {
        Self {
            deadline,
            recent: VecDeque::new(),
            first: 0,
            counted: 0,
            arrived: 0,
            lost: 0,
            lately: Losses::lately(),
            for_long: Losses::for_long(),
            repeats: false,
            turn: (0, 0),
            round_trip: None,
            pace: Pace::default(),
            now: Instant::ZERO,
        }
    }

    /// The equipment handed in a packet.
    pub(super) fn on_accepted(&mut self, now: Instant) {
        self.pace.on_packet(now);
    }

    /// The next packet went. `packet`: `None` when it is not of a stream of RTP. `alone`: the line
    /// carries a frame for each packet in time.
    pub(super) fn on_sent(&mut self, accepted: Instant, packet: Option<Bytes>, alone: bool) {
        self.recent.push_back(Recent {
            accepted,
            packet,
            fate: Fate::Open,
            on_their_way: 0,
            is_there: false,
            was_sent_again: false,
        });
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
            self.first += 1;
            self.counted = self.counted.max(self.first);
        }
        let out_of_reach = self.next_number().checked_sub(REACH + 1);
        if let Some(old) = out_of_reach.and_then(|number| self.recent_mut(number)) {
            old.packet = None;
        }
        self.turn = if self.repeats && alone && self.can_repeat_behind(1) {
            let copies = if self.lately.share() > TWICE { 2 } else { 1 };
            let end = self.next_number().saturating_sub(self.distance());
            (end.saturating_sub(copies), end)
        } else {
            (0, 0)
        };
    }

    /// How far behind the newest packet the repeats stand: as far as losses are long, if they can be
    /// in time then.
    fn distance(&self) -> u64 {
        let mut distances = (2..=self.lately.run()).rev();
        distances
            .find(|&distance| self.can_repeat_behind(distance))
            .unwrap_or(1)
    }

    /// Whether repeats that stand so far behind the newest packet can be in time.
    fn can_repeat_behind(&self, distance: u64) -> bool {
        let number = self.next_number().checked_sub(distance + 1);
        let recent = number.and_then(|number| self.recent(number));
        recent.is_some_and(|recent| self.can_be_in_time(recent, 2 * MARGIN))
    }

    pub(super) fn on_round_trip(&mut self, measured: Duration) {
        let smoothed = self.round_trip.map(|before| (before * 7 + measured) / 8);
        self.round_trip = Some(smoothed.unwrap_or(measured));
    }

    /// What became of `count` packets from `number` on.
    pub(super) fn on_settled(&mut self, number: u64, count: u64, arrived: bool) {
        for number in number..number + count {
            let end = if arrived {
                &mut self.arrived
            } else {
                &mut self.lost
            };
            *end = (*end).max(number + 1);
            if let Some(recent) = self.recent_mut(number) {
                recent.fate = if arrived { Fate::Arrived } else { Fate::Lost };
            }
        }
    }

    /// What became of a segment with repeats.
    pub(super) fn on_repeats_settled(&mut self, number: u64, count: u64, arrived: bool) {
        for number in number..number + count {
            if let Some(recent) = self.recent_mut(number) {
                recent.on_their_way = recent.on_their_way.saturating_sub(1);
                recent.is_there |= arrived;
            }
        }
    }

    /// Brings everything up to `now`.
    pub(super) fn update(&mut self, now: Instant) {
        self.now = now;
        while let Some(recent) = self.recent(self.counted)
            && recent.fate != Fate::Open
        {
            let is_lost = recent.fate == Fate::Lost;
            let too_late = is_lost && !self.can_be_in_time(recent, MARGIN);
            self.lately.count(is_lost, too_late);
            self.for_long.count(is_lost, too_late);
            self.counted += 1;
            let left = self.lately.left();
            self.repeats = if self.repeats {
                left > FEW
            } else {
                left > MANY || (is_lost && self.for_long.left() > SOME)
            };
        }
    }

    /// Whether packets are repeated before it is known whether they arrived.
    pub(super) fn repeats(&self) -> bool {
        self.turn.1 > 0
    }

    /// The first packet that should go once more now.
    pub(super) fn next(&self) -> Option<u64> {
        let next = self.next_number();
        let nothing_lost = self.lost + REACH < next && self.turn.0 >= self.turn.1;
        if nothing_lost || next.saturating_sub(self.arrived) > UNKNOWN {
            return None;
        }
        let within_reach = next.saturating_sub(REACH)..next;
        let mut wanted = within_reach.filter(|&number| self.is_wanted(number));
        let first = wanted.next()?;
        // What is known to be lost goes first.
        let is_lost = |&number: &u64| self.is_lost(number);
        Some(if is_lost(&first) {
            first
        } else {
            wanted.find(is_lost).unwrap_or(first)
        })
    }

    /// Whether a packet is known to be lost.
    pub(super) fn is_lost(&self, number: u64) -> bool {
        self.recent(number).is_some_and(Recent::is_due)
    }

    /// Whether a packet should go once more now.
    pub(super) fn is_wanted(&self, number: u64) -> bool {
        let Some(recent) = self.recent(number) else {
            return false;
        };
        let is_wanted = recent.is_due() || (self.is_turn(number) && recent.fate != Fate::Arrived);
        is_wanted
            && !recent.is_there
            && recent.packet.is_some()
            && self.can_be_in_time(recent, MARGIN)
    }

    /// A packet among the last, if it is one of a stream of RTP.
    pub(super) fn packet(&self, number: u64) -> Option<&Bytes> {
        self.recent(number)?.packet.as_ref()
    }

    /// Notes that packets go once more; says how many of them because they were lost.
    pub(super) fn on_again(&mut self, number: u64, count: u64) -> u64 {
        let mut lost = 0;
        for number in number..number + count {
            if let Some(recent) = self.recent_mut(number) {
                recent.on_their_way = recent.on_their_way.saturating_add(1);
                if recent.fate == Fate::Lost {
                    lost += u64::from(!recent.was_sent_again);
                    recent.was_sent_again = true;
                }
            }
        }
        self.turn.0 = self.turn.0.max(number + count);
        lost
    }

    /// How long no packet of the equipment is expected; `None` when it pauses.
    pub(super) fn quiet_for(&self, now: Instant) -> Option<Duration> {
        self.pace.quiet_for(now)
    }

    /// When a lost packet may go once more that waits for the next of the equipment, and that does
    /// not come.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let pause = self.pace.pause_begins().filter(|&at| at > self.now)?;
        let mut within_reach = self.recent.iter().rev().take(REACH as usize);
        within_reach.any(Recent::is_due).then_some(pause)
    }

    pub(super) fn restart(&mut self) {
        let (round_trip, now) = (self.round_trip, self.now);
        *self = Self {
            round_trip,
            now,
            ..Self::new(self.deadline)
        };
    }

    fn is_turn(&self, number: u64) -> bool {
        (self.turn.0..self.turn.1).contains(&number)
    }

    fn can_be_in_time(&self, recent: &Recent, margin: Duration) -> bool {
        let one_way = self.round_trip.map(|round_trip| round_trip / 2);
        one_way.is_some_and(|one_way| self.now + one_way + margin < recent.accepted + self.deadline)
    }

    fn next_number(&self) -> u64 {
        self.first + self.recent.len() as u64
    }

    fn recent(&self, number: u64) -> Option<&Recent> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.recent.get(index)
    }

    fn recent_mut(&mut self, number: u64) -> Option<&mut Recent> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.recent.get_mut(index)
    }
}

impl Recent {
    /// Lost, and nothing was done about it.
    fn is_due(&self) -> bool {
        self.fate == Fate::Lost && !self.was_sent_again && self.on_their_way == 0 && !self.is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_millis(150);
    const INTERVAL: Duration = Duration::from_millis(20);

    /// A flow with a packet every 20 ms, whose fates are known `late` after they were sent.
    struct Run {
        cover: Cover,
        now: Instant,
        number: u64,
        fates: VecDeque<(Instant, u64, bool)>,
        late: Duration,
        repeated: u64,
        sent_again: u64,
    }

    impl Run {
        fn new(round_trip: Duration) -> Self {
            Self::with(DEADLINE, round_trip)
        }

        fn with(deadline: Duration, round_trip: Duration) -> Self {
            let mut cover = Cover::new(deadline);
            cover.on_round_trip(round_trip);
            Self {
                cover,
                now: Instant::ZERO,
                number: 0,
                fates: VecDeque::new(),
                late: round_trip + INTERVAL,
                repeated: 0,
                sent_again: 0,
            }
        }

        /// Sends a packet; all repeats arrive.
        fn send(&mut self, lost: bool) {
            self.now += INTERVAL;
            while let Some(&(at, number, arrived)) = self.fates.front()
                && at <= self.now
            {
                self.cover.on_settled(number, 1, arrived);
                self.fates.pop_front();
            }
            self.cover.update(self.now);
            self.cover.on_accepted(self.now);
            let packet = [&[0x80, 18][..], &[0; 20]].concat();
            self.cover.on_sent(self.now, Some(packet.into()), true);
            self.fates
                .push_back((self.now + self.late, self.number, !lost));
            self.number += 1;
            while let Some(number) = self.cover.next() {
                assert!(number + 1 < self.number, "a packet repeats an older one");
                let lost = self.cover.on_again(number, 1);
                self.sent_again += lost;
                self.repeated += 1 - lost;
            }
        }
    }

    #[test]
    fn without_losses_nothing_is_repeated() {
        let mut run = Run::new(Duration::from_millis(200));
        (0..1000).for_each(|_| run.send(false));
        assert_eq!((run.repeated, run.sent_again), (0, 0));
    }

    #[test]
    fn a_lost_packet_is_sent_again_once_if_it_can_be_in_time() {
        for (round_trip, sent_again) in [(40, 4), (70, 4), (100, 0), (300, 0)] {
            let mut run = Run::new(Duration::from_millis(round_trip));
            (0..1000).for_each(|i| run.send(i % 250 == 50));
            assert_eq!(
                (run.sent_again, run.repeated),
                (sent_again, 0),
                "{round_trip} ms"
            );
        }
    }

    #[test]
    fn packets_are_repeated_while_losses_cannot_be_made_good_otherwise_and_soon_no_more() {
        let mut run = Run::new(Duration::from_millis(200));
        (0..500).for_each(|i| run.send(i % 20 == 7));
        assert!(run.repeated > 400, "{}", run.repeated);
        let before = run.repeated;
        (0..270).for_each(|_| run.send(false));
        let after = run.repeated;
        (0..500).for_each(|_| run.send(false));
        assert!(after > before);
        assert_eq!(run.repeated, after, "five seconds are enough");
    }

    #[test]
    fn what_can_be_sent_again_is_not_repeated_until_many_are_lost() {
        let mut run = Run::new(Duration::from_millis(40));
        (0..500).for_each(|i| run.send(i % 12 == 7));
        assert_eq!((run.repeated, run.sent_again), (0, 41));
        (0..500).for_each(|i| run.send(i % 5 == 2));
        assert!(run.repeated > 300, "{}", run.repeated);
    }

    #[test]
    fn a_repeat_stands_behind_the_burst_that_hit_the_packet() {
        // Time for three packets, and then for one.
        for (deadline, turn) in [(300, (497, 497)), (160, (499, 499))] {
            let deadline = Duration::from_millis(deadline);
            let mut run = Run::with(deadline, Duration::from_millis(200));
            // Three in a row, twice a second.
            (0..500).for_each(|i| run.send(i % 25 < 3));
            assert_eq!(run.cover.lately.run(), 3);
            assert_eq!(run.cover.turn, turn, "deadline {deadline:?}");
        }
    }

    #[test]
    fn what_waits_for_the_next_packet_goes_when_that_does_not_come() {
        let mut run = Run::new(Duration::from_millis(40));
        (0..100).for_each(|i| run.send(i == 98));
        let last = run.now;
        assert_eq!(run.cover.wakes_at(), None);
        run.cover.on_settled(98, 1, false);
        run.cover.update(last + Duration::from_millis(5));
        let pause = last + Duration::from_millis(30);
        assert_eq!(run.cover.wakes_at(), Some(pause));
        let quiet = |ms| run.cover.quiet_for(last + Duration::from_millis(ms));
        assert_eq!(quiet(5), Some(Duration::from_millis(15)));
        assert_eq!(quiet(25), Some(Duration::ZERO));
        assert_eq!(quiet(30), None);
        run.cover.update(pause);
        assert_eq!((run.cover.wakes_at(), run.cover.next()), (None, Some(98)));
    }

    #[test]
    fn what_is_not_rtp_goes_once() {
        let mut run = Run::new(Duration::from_millis(40));
        run.cover.on_sent(run.now, None, true);
        run.cover.on_settled(0, 1, false);
        run.cover.update(run.now);
        assert_eq!(run.cover.next(), None);
    }
}
