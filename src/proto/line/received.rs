//! What arrived: the receiver's memory of frame numbers, and when it reports of them.
//!
//! A report describes the same number several times, so that a lost report costs nothing.

use crate::proto::framing::report::{HOLD_UNIT, MAX_COVER, Report, all};
use crate::proto::time::{BitRate, Duration, Instant};

/// Bytes on the line of a frame that carries nothing but a report, while nothing is lost.
const REPORT_FRAME: usize = 17;

/// The receiver's memory of one line, and the decision when to report.
#[derive(Debug)]
pub(crate) struct Received {
    /// Largest number received and when.
    largest: Option<(u64, Instant)>,
    /// Bit i: frame `largest - 1 - i` was received.
    map: u128,
    /// The far end said that its next frame has this number.
    announced: u64,
    /// Frames since the last report that want one.
    unreported: u32,
    /// When the first of them arrived.
    unreported_since: Instant,
    /// A gap was seen, or the far end asks.
    urgent: bool,
    /// First number of a gap before a frame that interrupts: an ordinary frame on its way, or a loss.
    interrupted: Option<u64>,
    /// The far end asks.
    asked: bool,
    /// Lowest number that was news since the last report.
    lowest_news: u64,
    /// Frames that arrived.
    arrived: u64,
    /// A number that was too far ahead to be believed.
    doubtful: Option<u64>,
    /// The same of the reports before, newest first.
    reported: [u64; 2],
    last_report: Instant,
    /// Line bytes that reports may use now; grows with time.
    budget: f64,
    budget_at: Instant,
}

/// What became of a numbered frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    New,
    /// Came before, or is too old to tell.
    Repeated,
}

/// Reports use at most this share of the line.
const SHARE: f64 = 0.03;
/// So many frames are lost in a row only when the line is cut.
const FAR_AHEAD: u64 = 64;
/// Who hears nothing for so long counts on a cut, in which the numbers ran away. On a slow line that
/// is half of the short numbers.
const LONG_SILENCE: Duration = Duration::from_millis(250);
/// Bytes on the line of the shortest frames of a call.
const SHORTEST_FRAME: usize = 8;
/// Reports by the clock take one part in so many: somewhat less than two thirds of the share.
const ONE_IN: u64 = 56;
/// Without losses a report waits at least this long.
const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// Frames after which a report does not wait any longer.
const MAX_UNREPORTED: u32 = 32;

impl Received {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            largest: None,
            map: 0,
            announced: 0,
            unreported: 0,
            unreported_since: now,
            urgent: false,
            interrupted: None,
            asked: false,
            arrived: 0,
            doubtful: None,
            lowest_news: 0,
            reported: [0; 2],
            last_report: now,
            budget: (4 * REPORT_FRAME) as f64,
            budget_at: now,
        }
    }

    /// The number that comes next if nothing is lost.
    pub(crate) fn expected(&self) -> u64 {
        self.largest
            .map_or(0, |(largest, _)| largest + 1)
            .max(self.announced)
    }

    /// How many frames up to the largest did not arrive, those on their way included.
    pub(crate) fn absent(&self) -> u64 {
        let upto = self.largest.map_or(0, |(largest, _)| largest + 1);
        upto.saturating_sub(self.arrived)
    }

    /// The far end's next frame has this number: frames before it will not come any more.
    pub(crate) fn on_announced(&mut self, next: u64) {
        self.announced = next;
    }

    /// Whether to believe the number of a frame with the short check. One bad frame in 65536 passes
    /// that, and a number far ahead would make all that comes look old for minutes. So it takes
    /// two frames in a row, as they come behind a long cut.
    pub(crate) fn believes(&mut self, number: u64, is_guessed: bool) -> bool {
        if !is_guessed && number <= self.expected() + FAR_AHEAD {
            return true;
        }
        let before = self.doubtful.replace(number);
        before.is_some_and(|before| (before..=before + FAR_AHEAD).contains(&number))
    }

    /// How many frames the far end may have sent since the last one that came, when that is long ago.
    pub(crate) fn most_missed(&self, now: Instant, rate: BitRate) -> u64 {
        let silence = self.largest.map_or(Duration::ZERO, |(_, at)| now.since(at));
        if silence < LONG_SILENCE {
            return 0;
        }
        (rate.bytes_in(silence) / SHORTEST_FRAME) as u64
    }

    /// Frames below this number were begun before the far end's last hello.
    pub(crate) fn announced(&self) -> u64 {
        self.announced
    }

    /// When a report may say that we are there, if it should go out at `wanted`; `None` while
    /// there is nothing that it could describe.
    pub(crate) fn heartbeat_at(&self, wanted: Instant, rate: BitRate) -> Option<Instant> {
        self.largest?;
        Some(wanted.max(self.affordable_at(rate)))
    }

    /// Notes a frame. `eliciting` frames want a report, `overtakes` says that the frame may have
    /// interrupted one with a lower number, which is then not missing.
    pub(crate) fn on_frame(
        &mut self,
        now: Instant,
        number: u64,
        eliciting: bool,
        overtakes: bool,
    ) -> Arrival {
        let largest = self.largest.map(|(largest, _)| largest);
        if largest.is_none_or(|largest| number > largest) {
            self.urgent |= number > self.expected() + u64::from(overtakes);
            if overtakes && number > self.expected() {
                self.interrupted = self.interrupted.or(Some(self.expected()));
            }
            let ahead = largest.map_or(u64::MAX, |largest| number - largest - 1);
            self.map = if ahead < 127 {
                (self.map << 1 | 1) << ahead
            } else {
                0
            };
            self.largest = Some((number, now));
        } else {
            let below = largest.unwrap_or(number) - number;
            if below == 0 || below > 128 {
                return Arrival::Repeated;
            }
            let bit = 1u128 << (below - 1);
            if self.map & bit != 0 {
                return Arrival::Repeated;
            }
            self.map |= bit;
        }
        if !overtakes {
            // Ordinary frames do not overlap: one with a lower number will not come any more.
            self.urgent |= self.interrupted.take().is_some_and(|gap| gap < number);
        }
        self.arrived += 1;
        self.lowest_news = self.lowest_news.min(number);
        if eliciting {
            if self.unreported == 0 {
                self.unreported_since = now;
            }
            self.unreported += 1;
        }
        Arrival::New
    }

    /// The far end asks for a report at once.
    pub(crate) fn on_probe(&mut self) {
        self.asked = true;
        self.urgent = true;
        self.unreported = self.unreported.max(1);
    }

    /// What a frame carried is known to be lost.
    pub(crate) fn on_missing(&mut self) {
        self.urgent = true;
    }

    /// Whether a report should not wait for its interval.
    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// When a report should go out.
    pub(crate) fn due(&self, rate: BitRate) -> Option<Instant> {
        if self.unreported == 0 {
            return None;
        }
        let wanted = if self.urgent || self.unreported >= MAX_UNREPORTED {
            self.unreported_since
        } else {
            self.unreported_since.max(self.last_report) + interval(rate)
        };
        Some(wanted.max(self.affordable_at(rate)))
    }

    /// When the budget holds a report.
    fn affordable_at(&self, rate: BitRate) -> Instant {
        // Who asks gets an answer on credit: it asks seldom, and media waits for the answer.
        let credit = if self.asked { 2 * REPORT_FRAME } else { 0 };
        let short_of = REPORT_FRAME as f64 - self.budget - credit as f64;
        if short_of <= 0.0 {
            return self.budget_at;
        }
        let per_second = SHARE * bytes_per_second(rate);
        self.budget_at + Duration::from_secs_f64(short_of / per_second) + Duration::from_micros(1)
    }

    /// Makes the report that goes out now.
    pub(crate) fn report(&mut self, now: Instant) -> Option<Report> {
        let (largest, at) = self.largest?;
        // Describe again what was news in the last reports: they may be lost.
        let lowest = self
            .reported
            .iter()
            .fold(self.lowest_news, |a, &b| a.min(b));
        let cover = (largest - lowest.min(largest)).min(MAX_COVER) as u8;
        let report = Report {
            largest: largest as u16,
            hold: u32::try_from(now.since(at).as_micros() / HOLD_UNIT.as_micros())
                .unwrap_or(u32::MAX),
            at: (u128::from(at.as_micros()) / HOLD_UNIT.as_micros()) as u16,
            cover,
            map: self.map & all(cover),
        };
        self.reported = [self.lowest_news, self.reported[0]];
        self.lowest_news = largest;
        self.unreported = 0;
        self.urgent = false;
        self.asked = false;
        self.last_report = now;
        Some(report)
    }

    /// Charges a report's bytes on the line to the budget.
    pub(crate) fn charge(&mut self, now: Instant, rate: BitRate, bytes: usize) {
        let earned = now.since(self.budget_at).as_secs_f64() * SHARE * bytes_per_second(rate);
        let most = (4 * REPORT_FRAME) as f64;
        self.budget = (self.budget + earned).min(most) - bytes as f64;
        self.budget_at = now;
    }
}

/// How long a report waits for more to report on a line without losses.
pub(crate) fn interval(rate: BitRate) -> Duration {
    // Two thirds of its share of the line, in whole numbers: this is asked for at every turn.
    let line_time = REPORT_FRAME as u64 * 10 * 1_000_000 / u64::from(rate.bits_per_second());
    MIN_INTERVAL.max(Duration::from_micros(line_time * ONE_IN))
}

fn bytes_per_second(rate: BitRate) -> f64 {
    f64::from(rate.bits_per_second()) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: BitRate = BitRate::new(38_400).unwrap();

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn received(numbers: &[u64]) -> Received {
        let mut received = Received::new(at(0));
        for &number in numbers {
            received.on_frame(at(0), number, true, false);
        }
        received
    }

    #[test]
    fn a_report_without_losses_takes_six_bytes() {
        let mut received = received(&[0, 1, 2, 3]);
        let report = received.report(at(1)).unwrap();
        let mut bytes = Vec::new();
        report.write(&mut bytes);
        assert_eq!(bytes, [3, 0, 4, 0, 0, 3]);
        assert_eq!(Report::read(&mut bytes.as_slice()), Some(report));
    }

    #[test]
    fn a_report_names_what_is_missing() {
        let mut received = received(&[0, 1, 4, 5, 7]);
        let report = received.report(at(0)).unwrap();
        let mut bytes = Vec::new();
        report.write(&mut bytes);
        let read = Report::read(&mut bytes.as_slice()).unwrap();
        let seen: Vec<_> = (0..9).map(|below| read.received(below)).collect();
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(seen, [yes, no, yes, yes, no, no, yes, yes, None]);
    }

    #[test]
    fn repeated_frames_are_noticed() {
        let mut received = received(&[0, 1, 4]);
        assert_eq!(received.on_frame(at(0), 4, true, false), Arrival::Repeated);
        assert_eq!(received.on_frame(at(0), 1, true, false), Arrival::Repeated);
        assert_eq!(received.on_frame(at(0), 3, true, false), Arrival::New);
        assert_eq!(received.on_frame(at(0), 3, true, false), Arrival::Repeated);
        assert_eq!(received.on_frame(at(0), 1000, true, false), Arrival::New);
        assert_eq!(
            received.on_frame(at(0), 4, true, false),
            Arrival::Repeated,
            "too old to tell"
        );
        assert_eq!(received.on_frame(at(0), 873, true, false), Arrival::New);
    }

    #[test]
    fn one_frame_alone_is_not_believed_to_be_far_ahead() {
        let mut received = received(&[0, 1, 2, 3]);
        assert!(received.believes(4, false) && received.believes(68, false));
        assert!(
            !received.believes(69, false)
                && !received.believes(4000, false)
                && !received.believes(300, false)
        );
        assert!(received.believes(301, false), "behind a cut");
        assert!(!received.believes(5, true), "a guess is no better");
        assert!(received.believes(6, true));
    }

    #[test]
    fn a_gap_is_reported_at_once_and_an_interruption_is_no_gap() {
        let mut received = received(&[0, 1]);
        received.on_frame(at(10), 3, true, true);
        assert_eq!(received.due(RATE), Some(at(0) + interval(RATE)));
        received.on_frame(at(11), 6, true, true);
        assert_eq!(received.due(RATE), Some(at(0)));
    }

    #[test]
    fn the_next_ordinary_frame_tells_that_an_interrupted_one_was_lost() {
        let mut received = received(&[0]);
        received.on_frame(at(10), 2, true, true);
        received.on_frame(at(11), 1, true, false);
        received.on_frame(at(12), 3, true, false);
        assert!(!received.is_urgent());
        received.on_frame(at(13), 5, true, true);
        assert!(!received.is_urgent());
        received.on_frame(at(14), 7, true, true);
        received.on_frame(at(15), 6, true, false);
        assert!(received.is_urgent());
    }

    #[test]
    fn reports_keep_to_their_share_of_the_line() {
        let mut received = Received::new(at(0));
        let (mut now, mut number, mut spent) = (at(0), 0, 0);
        while now < at(60_000) {
            // Every other frame is lost: each arrival is a gap.
            number += 2;
            received.on_frame(now, number, true, false);
            if received.due(RATE).is_some_and(|due| due <= now) {
                received.report(now).unwrap();
                received.charge(now, RATE, REPORT_FRAME);
                spent += REPORT_FRAME;
            }
            now += Duration::from_millis(5);
        }
        let share = spent as f64 / (60.0 * 3840.0);
        assert!((0.025..=0.0304).contains(&share), "{share}");
    }

    #[test]
    fn cut_reports_are_refused() {
        let mut received = received(&[0, 2]);
        let mut bytes = Vec::new();
        received.report(at(0)).unwrap().write(&mut bytes);
        for len in 0..bytes.len() {
            assert_eq!(Report::read(&mut &bytes[..len]), None);
        }
        assert!(Report::read(&mut bytes.as_slice()).is_some());
    }
}
