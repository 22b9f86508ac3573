//! The last seconds and minutes, as rings in memory and as columns for those who draw them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// What happened on a link in a second or a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::shell) struct LinkPeriod {
    /// Bytes of all channels put on the lines.
    pub(super) bytes_out: u32,
    /// Bytes delivered to the equipment here.
    pub(super) bytes_in: u32,
    /// Datagrams dropped here, for whatever reason.
    pub(super) dropped: u32,
    /// Datagrams that did not arrive from there.
    pub(super) missing: u32,
    /// Most bytes that waited in all channels at the end of a second.
    pub(super) queued_bytes: u32,
}

/// What happened on a line in a second or a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::shell) struct LinePeriod {
    pub(super) bytes_sent: u32,
    pub(super) bytes_received: u32,
    /// On the way there.
    pub(super) frames_lost: u32,
    /// On the way here.
    pub(super) frames_bad: u32,
    /// On the way here.
    pub(super) bytes_repaired: u32,
    /// The longest at the end of a second; 0 when unknown.
    pub(super) rtt_us: u32,
    /// Seconds, as [`InService`](super::InService) counts them.
    pub(super) errored: u32,
    pub(super) severely_errored: u32,
    pub(super) unavailable: u32,
}

/// Seconds become minutes.
pub(super) trait Period: Copy + Default {
    /// Takes a later one in.
    fn add(&mut self, later: &Self);
}

impl Period for LinkPeriod {
    fn add(&mut self, later: &Self) {
        self.bytes_out = self.bytes_out.saturating_add(later.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(later.bytes_in);
        self.dropped = self.dropped.saturating_add(later.dropped);
        self.missing = self.missing.saturating_add(later.missing);
        self.queued_bytes = self.queued_bytes.max(later.queued_bytes);
    }
}

impl Period for LinePeriod {
    fn add(&mut self, later: &Self) {
        self.bytes_sent = self.bytes_sent.saturating_add(later.bytes_sent);
        self.bytes_received = self.bytes_received.saturating_add(later.bytes_received);
        self.frames_lost = self.frames_lost.saturating_add(later.frames_lost);
        self.frames_bad = self.frames_bad.saturating_add(later.frames_bad);
        self.bytes_repaired = self.bytes_repaired.saturating_add(later.bytes_repaired);
        self.rtt_us = self.rtt_us.max(later.rtt_us);
        self.errored += later.errored;
        self.severely_errored += later.severely_errored;
        self.unavailable += later.unavailable;
    }
}

/// The last seconds and minutes of one thing, newest last.
#[derive(Debug)]
pub(super) struct Recent<P> {
    pub(super) seconds: VecDeque<P>,
    pub(super) minutes: VecDeque<P>,
    minute: P,
    seconds_in_minute: u32,
}

impl<P: Period> Default for Recent<P> {
    fn default() -> Self {
        Self {
            seconds: VecDeque::new(),
            minutes: VecDeque::new(),
            minute: P::default(),
            seconds_in_minute: 0,
        }
    }
}

impl<P: Period> Recent<P> {
    /// Takes a second. Gives the minute, when it is over.
    pub(super) fn push(&mut self, second: P) -> Option<P> {
        push(&mut self.seconds, second, SECONDS_KEPT);
        self.minute.add(&second);
        self.seconds_in_minute += 1;
        if self.seconds_in_minute < 60 {
            return None;
        }
        self.seconds_in_minute = 0;
        let minute = std::mem::take(&mut self.minute);
        push(&mut self.minutes, minute, MINUTES_KEPT);
        Some(minute)
    }
}

fn push<P>(ring: &mut VecDeque<P>, period: P, kept: usize) {
    if ring.len() == kept {
        ring.pop_front();
    }
    ring.push_back(period);
}

/// The last periods of a link, each figure a column, oldest first. The columns of one series are
/// equally long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// How long each period is, s.
    pub period_s: u64,
    /// When the newest one ended, s since the link was opened.
    pub until_s: u64,
    /// The link.
    pub link: LinkColumns,
    /// One entry per line.
    pub lines: Vec<LineColumns>,
}

/// The columns of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkColumns {
    /// Bytes of all channels put on the lines.
    pub bytes_out: Vec<u32>,
    /// Bytes delivered to the equipment here.
    pub bytes_in: Vec<u32>,
    /// Datagrams dropped here.
    pub dropped: Vec<u32>,
    /// Datagrams from there that did not arrive.
    pub missing: Vec<u32>,
    /// Most bytes that waited for the lines at the end of a second.
    pub queued_bytes: Vec<u32>,
}

/// The columns of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LineColumns {
    /// Bytes handed to the line.
    pub bytes_sent: Vec<u32>,
    /// Bytes that came from it.
    pub bytes_received: Vec<u32>,
    /// Our frames that the far end did not get.
    pub frames_lost: Vec<u32>,
    /// Received frames of no use.
    pub frames_bad: Vec<u32>,
    /// Received bytes that were wrong and repaired.
    pub bytes_repaired: Vec<u32>,
    /// The longest smoothed round trip at the end of a second, µs; 0 when unknown.
    pub rtt_us: Vec<u32>,
    /// Errored seconds.
    pub errored: Vec<u32>,
    /// Severely errored seconds.
    pub severely_errored: Vec<u32>,
    /// Unavailable seconds, as far as it was known at their end.
    pub unavailable: Vec<u32>,
}

impl Series {
    pub(super) fn new<'a>(
        period_s: u64,
        until_s: u64,
        link: &VecDeque<LinkPeriod>,
        lines: impl Iterator<Item = &'a Recent<LinePeriod>>,
        ring: impl Fn(&'a Recent<LinePeriod>) -> &'a VecDeque<LinePeriod>,
    ) -> Self {
        Self {
            period_s,
            until_s,
            link: LinkColumns {
                bytes_out: column(link, |p| p.bytes_out),
                bytes_in: column(link, |p| p.bytes_in),
                dropped: column(link, |p| p.dropped),
                missing: column(link, |p| p.missing),
                queued_bytes: column(link, |p| p.queued_bytes),
            },
            lines: lines.map(|line| LineColumns::new(ring(line))).collect(),
        }
    }
}

impl LineColumns {
    fn new(ring: &VecDeque<LinePeriod>) -> Self {
        Self {
            bytes_sent: column(ring, |p| p.bytes_sent),
            bytes_received: column(ring, |p| p.bytes_received),
            frames_lost: column(ring, |p| p.frames_lost),
            frames_bad: column(ring, |p| p.frames_bad),
            bytes_repaired: column(ring, |p| p.bytes_repaired),
            rtt_us: column(ring, |p| p.rtt_us),
            errored: column(ring, |p| p.errored),
            severely_errored: column(ring, |p| p.severely_errored),
            unavailable: column(ring, |p| p.unavailable),
        }
    }
}

fn column<P>(ring: &VecDeque<P>, figure: impl Fn(&P) -> u32) -> Vec<u32> {
    ring.iter().map(figure).collect()
}

/// Ten minutes.
pub(super) const SECONDS_KEPT: usize = 600;
/// A day.
pub(super) const MINUTES_KEPT: usize = 1440;
