//! The sender's memory of one line: which frame carried what, and what became of it.
//!
//! A line never reorders. So a frame is lost when a frame that left *completely* after it has
//! arrived and it has not; an ordinary frame that was interrupted leaves after the express frames
//! with higher numbers. Lost segments are handed back; numbers are never used again.

use std::collections::VecDeque;

use super::delivery::Mark;
use crate::proto::channel::SentSegment;
use crate::proto::framing::check::CheckKind;
use crate::proto::framing::header::{FrameKind, NumberForm, SHORT_WINDOW};
use crate::proto::framing::parity::Parity;
use crate::proto::framing::report::{HOLD_UNIT, Report};
use crate::proto::framing::segment::FlowId;
use crate::proto::time::{Duration, Instant};

/// Most frames that are remembered. A line at 1 Mbit/s with nothing but audio sends some hundred
/// between two reports.
const MAX_UNSETTLED: usize = 2048;
/// So many more may be reports and probes.
const RESERVE: usize = 64;

/// On a slow line reports are rare. While they come in time, express frames keep the short number
/// up to this many: a wrong guess at the far end is a bad frame, and only a cut that is longer than
/// the short number and shorter than the wait for a report makes one.
const CERTAIN_WINDOW: u64 = 256;

/// A frame that is remembered until its fate is known.
#[derive(Debug)]
struct SentFrame {
    /// `None` while on its way.
    completed: Option<Completed>,
    wire: usize,
    parity: Parity,
    kind: FrameKind,
    /// It tells the parity of express frames.
    tells: bool,
    eliciting: bool,
    segments: Vec<SentSegment>,
    settled: bool,
}

/// The last byte of a frame was handed over.
#[derive(Clone, Copy, Debug)]
struct Completed {
    at: Instant,
    /// Its place in that order.
    place: u64,
    /// Bytes that were handed over up to there.
    bytes: u64,
}

/// A frame that was built.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) kind: FrameKind,
    /// Its bytes on the line.
    pub(crate) wire: usize,
    pub(crate) parity: Parity,
    /// It tells the parity of express frames.
    pub(crate) tells: bool,
    /// It wants a report.
    pub(crate) eliciting: bool,
    pub(crate) segments: Vec<SentSegment>,
}

/// A frame whose fate was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SettledFrame {
    /// Its bytes on the line.
    pub(crate) wire: usize,
    pub(crate) parity: Parity,
    pub(crate) kind: FrameKind,
    pub(crate) fate: Fate,
    /// Its place in the order in which frames left.
    pub(crate) place: u64,
}

impl SentFrame {
    fn with_fate(&self, fate: Fate) -> SettledFrame {
        SettledFrame {
            wire: self.wire,
            parity: self.parity,
            kind: self.kind,
            fate,
            place: self.completed.map_or(0, |completed| completed.place),
        }
    }
}

/// What a report, or the end of patience, settled.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Settled {
    pub(crate) acked: Vec<SentSegment>,
    pub(crate) lost: Vec<SentSegment>,
    /// The frames that arrived and that were lost, in the order in which they left.
    pub(crate) frames: Vec<SettledFrame>,
    /// Of the frames that tell the parity of express frames, the last that arrived.
    pub(crate) told: Option<u64>,
    /// Round trip, when the report gave one.
    pub(crate) rtt: Option<Duration>,
    /// The last frame that arrived, when that is news.
    pub(crate) mark: Option<Mark>,
    /// A frame arrived that was not known to have arrived.
    pub(crate) progress: bool,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrived,
    Lost,
    /// It counts as lost. No report described it, so it says nothing of the line.
    Unknown,
}

/// All frames of a line that are not settled.
#[derive(Debug, Default)]
pub(crate) struct SentFrames {
    frames: VecDeque<SentFrame>,
    /// Number of the first of `frames`.
    first: u64,
    /// The next place in the order of completion.
    next_place: u64,
    /// Numbers below this were acknowledged, or given up: the far end may expect this one.
    acknowledged: u64,
    /// When the first frame was completed that wants a report and has none, and when the last one
    /// that wanted one.
    waiting_since: Option<Instant>,
    last_eliciting: Option<Instant>,
}

impl SentFrames {
    /// The number of the next frame, and in which form it travels; `None` when too many frames
    /// are not settled. While a line is cut the numbers may run away from what the far end
    /// expects; the next hello brings the two together again. `certain`: what was sent a while ago
    /// is known to have arrived, so far fewer than are not acknowledged may be lost in a row.
    pub(crate) fn next(&self, kind: FrameKind, certain: bool) -> Option<(u64, NumberForm)> {
        let number = self.next_number();
        // What the lines tell each other goes on when media must wait.
        let most = match kind {
            FrameKind::Express(CheckKind::Long) => MAX_UNSETTLED + RESERVE,
            _ => MAX_UNSETTLED,
        };
        if self.frames.len() >= most {
            return None;
        }
        let window = if certain {
            CERTAIN_WINDOW
        } else {
            SHORT_WINDOW
        };
        let is_short = number - self.acknowledged < window && kind != FrameKind::Ordinary;
        Some((
            number,
            if is_short {
                NumberForm::Short
            } else {
                NumberForm::Long
            },
        ))
    }

    /// The number of the next frame.
    pub(crate) fn next_number(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// The far end said which number it expects: the low bits that travel count from there.
    pub(crate) fn on_expected(&mut self, expected: u64) {
        if expected <= self.next_number() {
            self.acknowledged = self.acknowledged.max(expected);
        }
    }

    /// Remembers the frame with the number that [`SentFrames::next`] gave.
    pub(crate) fn on_built(&mut self, built: Built) {
        self.frames.push_back(SentFrame {
            completed: None,
            wire: built.wire,
            parity: built.parity,
            kind: built.kind,
            tells: built.tells,
            eliciting: built.eliciting,
            segments: built.segments,
            settled: false,
        });
    }

    /// Notes that the last byte of a frame was handed over, and how many were up to there.
    pub(crate) fn on_completed(&mut self, now: Instant, number: u64, bytes: u64) {
        let place = self.next_place;
        self.next_place += 1;
        if let Some(frame) = self.frame_mut(number) {
            frame.completed = Some(Completed {
                at: now,
                place,
                bytes,
            });
            if frame.eliciting {
                self.last_eliciting = Some(now);
                self.waiting_since.get_or_insert(now);
            }
        }
    }

    /// Frames whose fate is open.
    pub(crate) fn unsettled(&self) -> usize {
        self.frames.len()
    }

    /// The flows of which a frame carries something.
    pub(crate) fn flows_in(&self, number: u64) -> impl Iterator<Item = FlowId> {
        let index = number
            .checked_sub(self.first)
            .and_then(|index| usize::try_from(index).ok());
        let frame = index.and_then(|index| self.frames.get(index));
        let segments = frame.map_or(&[][..], |frame| &frame.segments);
        segments.iter().map(|segment| segment.flow)
    }

    /// When the last frame that wants a report was completed.
    pub(crate) fn last_eliciting(&self) -> Option<Instant> {
        self.last_eliciting
    }

    /// Since when a frame that wants a report has none; `None` when none waits.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since
    }

    /// Since when the first frame that wants a report, and was not settled, has none.
    pub(crate) fn oldest_waiting(&self) -> Option<Instant> {
        let mut waiting = self
            .frames
            .iter()
            .filter(|frame| frame.eliciting && !frame.settled);
        waiting.find_map(|frame| frame.completed.map(|completed| completed.at))
    }

    /// Settles what a report says.
    pub(crate) fn on_report(&mut self, now: Instant, report: &Report) -> Settled {
        let mut settled = Settled::default();
        let Some(largest) = complete(report.largest, self.next_number()) else {
            return settled;
        };
        if self
            .frame_mut(largest)
            .is_none_or(|frame| frame.completed.is_none())
            && largest >= self.first
        {
            // Names a frame that never left: not our report.
            return settled;
        }
        self.acknowledged = self.acknowledged.max(largest + 1);
        let mut last_place = None;
        for i in 0..self.frames.len() {
            let number = self.first + i as u64;
            if number > largest {
                break;
            }
            let frame = &mut self.frames[i];
            let Some(completed) = frame.completed else {
                continue;
            };
            if report.received(largest - number) != Some(true) {
                continue;
            }
            last_place = last_place.max(Some(completed.place));
            if frame.settled {
                continue;
            }
            if number == largest {
                let heard = now - HOLD_UNIT * report.hold;
                settled.rtt = Some(heard.since(completed.at));
                settled.mark = Some(Mark {
                    bytes: completed.bytes,
                    left: completed.at,
                    heard,
                    at: report.at,
                });
            }
            settled.progress = true;
            frame.settled = true;
            settled.acked.append(&mut frame.segments);
            settled.frames.push(frame.with_fate(Fate::Arrived));
            if frame.tells {
                settled.told = settled.told.max(Some(number));
            }
        }
        if let Some(last) = last_place {
            self.lose_before(last, largest, report, &mut settled);
        }
        settled.frames.sort_by_key(|frame| frame.place);
        self.forget_settled();
        settled
    }

    /// Gives up all completed frames: the line is cut. Whether they arrived is not known.
    pub(crate) fn give_up(&mut self) -> Settled {
        self.give_up_those(|frame| frame.completed.is_some())
    }

    /// Gives up all frames, also those that have not left completely: the rest of them is gone.
    pub(crate) fn give_up_all(&mut self) -> Settled {
        self.give_up_those(|_| true)
    }

    fn give_up_those(&mut self, which: impl Fn(&SentFrame) -> bool) -> Settled {
        let mut settled = Settled::default();
        for frame in self
            .frames
            .iter_mut()
            .filter(|frame| !frame.settled && which(frame))
        {
            frame.settled = true;
            settled.lost.append(&mut frame.segments);
        }
        self.forget_settled();
        settled
    }

    /// Loses what left completely before the frame at that place and did not arrive.
    fn lose_before(&mut self, last: u64, largest: u64, report: &Report, settled: &mut Settled) {
        for (number, frame) in (self.first..).zip(&mut self.frames) {
            let before = frame
                .completed
                .is_some_and(|completed| completed.place < last);
            if frame.settled || !before {
                continue;
            }
            frame.settled = true;
            let below = largest.checked_sub(number);
            let fate = match below.and_then(|below| report.received(below)) {
                Some(false) => Some(Fate::Lost),
                // Audio and reports may have arrived; what is sent again counts.
                _ => frame
                    .segments
                    .iter()
                    .any(SentSegment::is_sent_again)
                    .then_some(Fate::Unknown),
            };
            settled
                .frames
                .extend(fate.map(|fate| frame.with_fate(fate)));
            settled.lost.append(&mut frame.segments);
        }
    }

    fn forget_settled(&mut self) {
        let waiting = |frame: &SentFrame| match frame.completed {
            Some(completed) if frame.eliciting && !frame.settled => Some(completed.at),
            _ => None,
        };
        self.waiting_since = self.frames.iter().filter_map(waiting).min();
        while self.frames.front().is_some_and(|frame| frame.settled) {
            self.frames.pop_front();
            self.first += 1;
        }
    }

    fn frame_mut(&mut self, number: u64) -> Option<&mut SentFrame> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.frames.get_mut(index)
    }
}

/// The number nearest below `next` that ends in these bits.
fn complete(low: u16, next: u64) -> Option<u64> {
    let back = (next as u16).wrapping_sub(low);
    let back = if back == 0 { 1 << 16 } else { u64::from(back) };
    next.checked_sub(back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::line::received::Received;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn segment(tag: u64) -> SentSegment {
        SentSegment::for_test(tag)
    }

    fn built(segments: Vec<SentSegment>) -> Built {
        Built {
            kind: FrameKind::Ordinary,
            wire: 30,
            parity: Parity::NONE,
            tells: false,
            eliciting: true,
            segments,
        }
    }

    /// Builds `count` frames that leave one per millisecond in order.
    fn sent(count: u64) -> SentFrames {
        let mut sent = SentFrames::default();
        for number in 0..count {
            assert_eq!(
                sent.next(FrameKind::Ordinary, false)
                    .map(|(number, _)| number),
                Some(number)
            );
            sent.on_built(built(vec![segment(number)]));
            sent.on_completed(at(number), number, 0);
        }
        sent
    }

    fn report_of(numbers: &[u64]) -> Report {
        let mut received = Received::new(at(0));
        for &number in numbers {
            received.on_frame(at(0), number, true, true);
        }
        received.report(at(0)).unwrap()
    }

    #[test]
    fn a_gap_is_a_loss_as_soon_as_it_is_reported() {
        let mut sent = sent(5);
        let settled = sent.on_report(at(50), &report_of(&[0, 1, 3]));
        assert_eq!(settled.acked, [segment(0), segment(1), segment(3)]);
        assert_eq!(settled.lost, [segment(2)]);
        assert_eq!(settled.rtt, Some(Duration::from_millis(47)));
        assert_eq!(sent.waiting_since(), Some(at(4)));
        let settled = sent.on_report(at(60), &report_of(&[0, 1, 3, 4]));
        assert_eq!(settled.acked, [segment(4)]);
        assert_eq!(sent.waiting_since(), None);
    }

    #[test]
    fn an_interrupted_frame_is_not_lost_when_the_express_frame_has_arrived() {
        let mut sent = SentFrames::default();
        for number in 0..3 {
            sent.on_built(built(vec![segment(number)]));
        }
        // Frame 0 is ordinary; 1 interrupts it and leaves first; 2 follows.
        sent.on_completed(at(1), 1, 0);
        let settled = sent.on_report(at(5), &report_of(&[1]));
        assert_eq!(settled.acked, [segment(1)]);
        assert!(settled.lost.is_empty());
        sent.on_completed(at(6), 0, 0);
        sent.on_completed(at(7), 2, 0);
        let settled = sent.on_report(at(9), &report_of(&[1, 2]));
        assert_eq!(settled.lost, [segment(0)]);
    }

    #[test]
    fn a_report_of_frames_that_never_left_is_ignored() {
        let mut sent = sent(2);
        let settled = sent.on_report(at(5), &report_of(&[0, 1, 2]));
        assert!(settled.acked.is_empty() && !settled.progress);
        sent.on_built(built(vec![segment(2)]));
        let settled = sent.on_report(at(5), &report_of(&[0, 1, 2]));
        assert!(settled.acked.is_empty(), "frame 2 has not left completely");
    }

    #[test]
    fn the_form_of_the_number_follows_what_is_unacknowledged() {
        let express = FrameKind::Express(CheckKind::Short);
        let mut sent = SentFrames::default();
        for number in 0..SHORT_WINDOW {
            assert_eq!(sent.next(express, false), Some((number, NumberForm::Short)));
            assert_eq!(
                sent.next(FrameKind::Ordinary, false),
                Some((number, NumberForm::Long))
            );
            sent.on_built(built(Vec::new()));
        }
        assert_eq!(
            sent.next(express, false),
            Some((SHORT_WINDOW, NumberForm::Long))
        );
        assert_eq!(
            sent.next(express, true),
            Some((SHORT_WINDOW, NumberForm::Short))
        );
        for _ in SHORT_WINDOW..MAX_UNSETTLED as u64 {
            assert!(sent.next(express, false).is_some());
            sent.on_built(built(Vec::new()));
        }
        assert_eq!(sent.next(express, false), None);
    }

    #[test]
    fn a_cut_gives_everything_back() {
        let mut sent = sent(3);
        sent.on_built(built(vec![segment(3)]));
        let settled = sent.give_up();
        assert_eq!(settled.lost, [segment(0), segment(1), segment(2)]);
        assert_eq!(sent.waiting_since(), None);
        // What was on its way at the cut still completes, unless its rest is gone.
        sent.on_completed(at(9), 3, 0);
        assert_eq!(sent.give_up().lost, [segment(3)]);
        sent.on_built(built(vec![segment(4)]));
        assert!(sent.give_up().lost.is_empty());
        assert_eq!(sent.give_up_all().lost, [segment(4)]);
        assert!(sent.frames.is_empty());
    }
}
