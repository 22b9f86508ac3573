//! One link as the dashboard knows it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::report::status::Status;

/// A link that is shown.
#[derive(Debug)]
pub(super) struct LinkView {
    pub(super) name: String,
    pub(super) state: State,
    looks: VecDeque<Look>,
}

/// What is known of a link.
#[derive(Debug)]
pub(super) enum State {
    /// Not asked yet.
    Asking,
    /// It runs: the last answer.
    Runs(Box<Status>),
    /// It gives no answer, in words. With how long it had been up, when it ran before.
    Absent {
        why: String,
        was_up: Option<Duration>,
    },
}

/// Rates of one channel over the last seconds, kbit/s.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    /// On the line, towards the far end.
    pub(super) out: f64,
    /// Delivered to the equipment here.
    pub(super) in_: f64,
}

/// The counters of all channels at one moment, for the rates.
#[derive(Debug)]
struct Look {
    uptime_us: u64,
    pid: u32,
    channels: Vec<(u64, u64)>,
}

impl LinkView {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            state: State::Asking,
            looks: VecDeque::new(),
        }
    }

    /// Takes what the link answered, or why it did not.
    pub(super) fn take(&mut self, answer: Result<Box<Status>, String>) {
        match answer {
            Ok(status) => {
                self.look(&status);
                self.state = State::Runs(status);
            }
            Err(why) => {
                let was_up = match &self.state {
                    State::Asking => None,
                    State::Runs(status) => Some(Duration::from_micros(status.uptime_us)),
                    State::Absent { was_up, .. } => *was_up,
                };
                self.looks.clear();
                self.state = State::Absent { why, was_up };
            }
        }
    }

    /// The last answer of a link that runs.
    pub(super) fn status(&self) -> Option<&Status> {
        match &self.state {
            State::Runs(status) => Some(status),
            _ => None,
        }
    }

    /// The rates of the channel at `index`. `None` before there are two answers.
    pub(super) fn rates(&self, index: usize) -> Option<Rates> {
        let (first, last) = (self.looks.front()?, self.looks.back()?);
        let micros = last.uptime_us.checked_sub(first.uptime_us)?;
        let (before, now) = (first.channels.get(index)?, last.channels.get(index)?);
        let rate = |before: u64, now: u64| {
            now.saturating_sub(before) as f64 * 8.0 * 1000.0 / micros as f64
        };
        (micros > 0).then(|| Rates {
            out: rate(before.0, now.0),
            in_: rate(before.1, now.1),
        })
    }

    fn look(&mut self, status: &Status) {
        // Another run of the link counts from zero.
        if (self.looks.back())
            .is_some_and(|last| last.pid != status.pid || last.uptime_us > status.uptime_us)
        {
            self.looks.clear();
        }
        if self.looks.len() == LOOKS_KEPT {
            self.looks.pop_front();
        }
        let channels = status.stats.channels.iter();
        self.looks.push_back(Look {
            uptime_us: status.uptime_us,
            pid: status.pid,
            channels: channels
                .map(|channel| (channel.sent.wire_bytes, channel.received.delivered_bytes))
                .collect(),
        });
    }
}

/// Rates are of two seconds, at two answers a second.
const LOOKS_KEPT: usize = 5;
