//! How a link has been: each of the last seconds and minutes, and the seconds in service that
//! were good, errored or unavailable.
//!
//! Promises: memory is bounded, however long a link runs; a second is accounted for when the next
//! thing happens after its end, so that an idle link is not woken for it; and nothing is lost by
//! that, as in a second in which the driver did not wake nothing was counted either. Assumes that
//! it is asked before anything is handled ([`History::is_due`]), and that counters never go
//! back. Leaves the rules of the seconds to [`InService`], and a copy on disk to
//! [`file`](self::file).

pub(super) mod file;
mod in_service;
mod series;

pub use in_service::InService;
pub use series::{LineColumns, LinkColumns, Series};

use crate::proto::stats::{LineState, LineStats, Stats};
use crate::proto::time::Instant;

use in_service::{Tally, What};
use series::{LinePeriod, LinkPeriod, Recent};

/// The history of one link.
#[derive(Debug)]
pub struct History {
    /// The second that is not over, counted from the start of the link.
    second: u64,
    link: Recent<LinkPeriod>,
    /// What was counted when the open second began.
    carried: LinkCounters,
    lines: Vec<LineHistory>,
}

#[derive(Debug)]
struct LineHistory {
    recent: Recent<LinePeriod>,
    tally: Tally,
    before: LineCounters,
}

/// A minute that is over, of one line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Minute {
    /// Which line.
    pub(super) line: usize,
    pub(super) link: LinkPeriod,
    pub(super) period: LinePeriod,
}

/// Of the counters of a link those of which a history is kept.
#[derive(Clone, Copy, Debug, Default)]
struct LinkCounters {
    bytes_out: u64,
    bytes_in: u64,
    dropped: u64,
    missing: u64,
}

/// Of the counters of a line those of which a history is kept.
#[derive(Clone, Copy, Debug, Default)]
struct LineCounters {
    is_up: bool,
    bytes_sent: u64,
    bytes_received: u64,
    frames_lost: u64,
    frames_received: u64,
    frames_bad: u64,
    bytes_repaired: u64,
    slips: u64,
    cuts: u64,
    rtt_us: u64,
}

impl History {
    /// The history of a link with so many lines, from now on.
    pub fn new(lines: usize, now: Instant) -> Self {
        let line = || LineHistory {
            recent: Recent::default(),
            tally: Tally::default(),
            before: LineCounters::default(),
        };
        Self {
            second: second_of(now),
            link: Recent::default(),
            carried: LinkCounters::default(),
            lines: std::iter::repeat_with(line).take(lines).collect(),
        }
    }

    /// Whether a second is over that is not accounted for. To be asked before anything is
    /// handled that happens at `now`.
    pub fn is_due(&self, now: Instant) -> bool {
        second_of(now) > self.second
    }

    /// Accounts for the seconds that are over. `stats` are the counters before anything of `now`
    /// is handled: what they gained belongs to the first of these seconds, and the others were
    /// silent.
    pub fn record(&mut self, now: Instant, stats: &Stats) {
        self.record_telling(now, stats, &mut |_| {});
    }

    /// The same, and tells each minute that is over.
    pub(super) fn record_telling(
        &mut self,
        now: Instant,
        stats: &Stats,
        tell: &mut impl FnMut(Minute),
    ) {
        let end = second_of(now);
        let counters = LinkCounters::of(stats);
        let mut link = counters.since(&self.carried, queued(stats));
        self.carried = counters;
        while self.second < end {
            self.second += 1;
            let minute = self.link.push(link);
            for (line, (history, stats)) in self.lines.iter_mut().zip(&stats.lines).enumerate() {
                let period = history.push(stats);
                if let (Some(period), Some(link)) = (period, minute) {
                    tell(Minute { line, link, period });
                }
            }
            // The seconds behind it were silent; what waits still waits.
            link = LinkPeriod {
                queued_bytes: link.queued_bytes,
                ..LinkPeriod::default()
            };
        }
    }

    /// The seconds in service of each line.
    pub fn in_service(&self) -> Vec<InService> {
        self.lines.iter().map(|line| line.tally.count()).collect()
    }

    /// The last seconds, in columns.
    pub fn seconds(&self) -> Series {
        Series::new(
            1,
            self.second,
            &self.link.seconds,
            self.recent(),
            |recent| &recent.seconds,
        )
    }

    /// The last minutes, in columns.
    pub fn minutes(&self) -> Series {
        Series::new(
            60,
            self.second / 60 * 60,
            &self.link.minutes,
            self.recent(),
            |recent| &recent.minutes,
        )
    }

    fn recent(&self) -> impl Iterator<Item = &Recent<LinePeriod>> {
        self.lines.iter().map(|line| &line.recent)
    }
}

impl LineHistory {
    /// Accounts for one second. Gives the minute, when it is over.
    fn push(&mut self, stats: &LineStats) -> Option<LinePeriod> {
        let now = LineCounters::of(stats);
        let gained = now.since(&self.before);
        let class = self.tally.push(&What {
            is_up: now.is_up,
            was_up_throughout: self.before.is_up && now.is_up && gained.cuts == 0,
            bytes: gained.bytes_received,
            bytes_repaired: gained.bytes_repaired,
            frames_good: gained.frames_received,
            frames_bad: gained.frames_bad,
            slips: gained.slips,
        });
        self.before = now;
        self.recent.push(LinePeriod {
            bytes_sent: small(gained.bytes_sent),
            bytes_received: small(gained.bytes_received),
            frames_lost: small(gained.frames_lost),
            frames_bad: small(gained.frames_bad),
            bytes_repaired: small(gained.bytes_repaired),
            rtt_us: small(now.rtt_us),
            errored: u32::from(class.errored),
            severely_errored: u32::from(class.severely_errored),
            unavailable: u32::from(class.unavailable),
        })
    }
}

impl LinkCounters {
    fn of(stats: &Stats) -> Self {
        let mut sum = Self::default();
        for channel in &stats.channels {
            let (sent, received) = (&channel.sent, &channel.received);
            sum.bytes_out += sent.wire_bytes;
            sum.bytes_in += received.delivered_bytes;
            sum.dropped += sent.dropped_too_large
                + sent.dropped_queue_full
                + sent.dropped_late
                + sent.dropped_dependent;
            sum.missing += received.missing;
        }
        sum
    }

    fn since(&self, before: &Self, queued_bytes: u64) -> LinkPeriod {
        LinkPeriod {
            bytes_out: small(self.bytes_out.saturating_sub(before.bytes_out)),
            bytes_in: small(self.bytes_in.saturating_sub(before.bytes_in)),
            dropped: small(self.dropped.saturating_sub(before.dropped)),
            // An audio packet that comes after all is no longer missing.
            missing: small(self.missing.saturating_sub(before.missing)),
            queued_bytes: small(queued_bytes),
        }
    }
}

impl LineCounters {
    fn of(stats: &LineStats) -> Self {
        Self {
            is_up: stats.state == LineState::Up,
            bytes_sent: stats.bytes_sent,
            bytes_received: stats.bytes_received,
            frames_lost: stats.frames_lost,
            frames_received: stats.frames_received,
            frames_bad: stats.frames_bad,
            bytes_repaired: stats.incoming.bytes_repaired,
            slips: stats.incoming.slips,
            cuts: stats.cuts,
            rtt_us: stats.rtt_us.unwrap_or(0),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            is_up: self.is_up,
            bytes_sent: self.bytes_sent.saturating_sub(before.bytes_sent),
            bytes_received: self.bytes_received.saturating_sub(before.bytes_received),
            frames_lost: self.frames_lost.saturating_sub(before.frames_lost),
            frames_received: self.frames_received.saturating_sub(before.frames_received),
            frames_bad: self.frames_bad.saturating_sub(before.frames_bad),
            bytes_repaired: self.bytes_repaired.saturating_sub(before.bytes_repaired),
            slips: self.slips.saturating_sub(before.slips),
            cuts: self.cuts.saturating_sub(before.cuts),
            rtt_us: self.rtt_us,
        }
    }
}

fn queued(stats: &Stats) -> u64 {
    let channels = stats.channels.iter();
    channels.map(|channel| channel.sent.queued_bytes).sum()
}

fn second_of(now: Instant) -> u64 {
    now.as_micros() / 1_000_000
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
