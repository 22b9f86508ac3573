//! How good a running link was while it was watched.
//!
//! Promise: figures are differences between the first and the last status of the watched time; delays are of each
//! status in between.

mod sample;

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

pub(crate) use sample::Sample;
use sample::{Channel, Line, Sent};

use super::{Table, number};

/// A link that is being watched.
#[derive(Debug)]
pub(crate) struct LinkReport {
    first: Sample,
    last: Sample,
    lines: Vec<Watched>,
    /// Whether the link was started again meanwhile: then it counts from there.
    restarted: bool,
}

/// What each status tells anew, of one line.
#[derive(Clone, Debug, Default)]
struct Watched {
    round_trips_us: Vec<u64>,
    longest_queue_us: u64,
    error_rates_here: Mean,
    error_rates_there: Mean,
    down: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn value(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

/// The result.
#[derive(Debug, Serialize)]
pub(crate) struct LinkFacts {
    link: String,
    watched_s: f64,
    restarted: bool,
    lines: Vec<LineFacts>,
    channels: Vec<ChannelFacts>,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct LineFacts {
    name: String,
    state: String,
    rate_bps: u64,
    round_trip_ms: Option<Delays>,
    longest_queue_ms: f64,
    /// Share of the line in use, 0 to 1.
    used_there: f64,
    used_here: f64,
    there: Way,
    here: Way,
    cuts: u64,
}

/// Smoothed round trips, ms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Delays {
    min: f64,
    mean: f64,
    max: f64,
    /// Mean change from one to the next, half a second later.
    change: f64,
}

/// One direction.
#[derive(Debug, Serialize)]
struct Way {
    frames: u64,
    /// Share of the bytes that were wrong before repair, 0 to 1.
    wrong_before_repair: f64,
    /// Share of the frames that were lost after it.
    lost_after_repair: f64,
}

#[derive(Debug, Serialize)]
struct ChannelFacts {
    id: u8,
    name: String,
    sent_bps: u64,
    received_bps: u64,
    /// Datagrams of the equipment here, and those dropped before they were sent.
    taken: u64,
    dropped: u64,
    /// Datagrams delivered here, and those that never came.
    delivered: u64,
    missing: u64,
}

impl LinkReport {
    /// From this status on.
    pub(crate) fn begin(sample: Sample) -> Self {
        let mut report = Self {
            lines: vec![Watched::default(); sample.stats.lines.len()],
            first: sample.clone(),
            last: sample,
            restarted: false,
        };
        report.look();
        report
    }

    /// The next status.
    pub(crate) fn add(&mut self, sample: Sample) {
        if sample.uptime_us < self.last.uptime_us
            || sample.stats.lines.len() != self.lines.len()
            || sample.stats.channels.len() != self.first.stats.channels.len()
        {
            *self = Self::begin(sample);
            self.restarted = true;
            return;
        }
        self.last = sample;
        self.look();
    }

    fn look(&mut self) {
        for (watched, line) in self.lines.iter_mut().zip(&self.last.stats.lines) {
            // A day of it is some 170 000.
            watched.round_trips_us.extend(line.rtt_us);
            watched.longest_queue_us = watched.longest_queue_us.max(line.queue_us);
            watched.error_rates_here.add(line.incoming.error_rate);
            watched
                .error_rates_there
                .add(line.outgoing.quality.error_rate);
            watched.down += u64::from(line.state != "up");
        }
    }

    /// For how long it was watched.
    pub(crate) fn watched(&self) -> Duration {
        Duration::from_micros(self.last.uptime_us - self.first.uptime_us)
    }

    /// How it is, in a few words.
    pub(crate) fn progress(&self) -> String {
        let line = self.last.stats.lines.first();
        line.map_or_else(String::new, |line| {
            let rtt = line.rtt_us.map_or("-".to_owned(), number::millis);
            format!(
                "{}: round trip {rtt}, {} frames lost",
                line.state, line.frames_lost
            )
        })
    }

    /// The result.
    pub(crate) fn facts(&self) -> LinkFacts {
        let seconds = self.watched().as_secs_f64();
        let (first, last) = (&self.first.stats, &self.last.stats);
        let lines = first.lines.iter().zip(&last.lines).zip(&self.lines);
        let lines: Vec<LineFacts> = lines
            .map(|((first, last), watched)| line_facts(first, last, watched, seconds))
            .collect();
        let channels = first.channels.iter().zip(&last.channels);
        LinkFacts {
            link: last.name.clone(),
            watched_s: seconds,
            restarted: self.restarted,
            problems: self.problems(),
            lines,
            channels: channels
                .map(|(first, last)| channel_facts(first, last, seconds))
                .collect(),
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.restarted {
            problems.push("the link was started again meanwhile: counted from there".to_owned());
        }
        let lines = self.first.stats.lines.iter().zip(&self.last.stats.lines);
        for ((first, last), watched) in lines.zip(&self.lines) {
            if last.state != "up" {
                let trouble = last.trouble.as_deref().unwrap_or("no trouble known");
                problems.push(format!("{}: not up ({}): {trouble}", last.name, last.state));
            } else if watched.down > 0 || last.cuts > first.cuts {
                problems.push(format!(
                    "{}: was cut {}; look at the events of `copperlink status`",
                    last.name,
                    number::times(last.cuts.saturating_sub(first.cuts).max(1))
                ));
            }
        }
        problems
    }
}

fn line_facts(first: &Line, last: &Line, watched: &Watched, seconds: f64) -> LineFacts {
    let used = |bytes: u64| {
        let line_bytes = last.rate_bps as f64 / 10.0 * seconds;
        if line_bytes > 0.0 {
            bytes as f64 / line_bytes
        } else {
            0.0
        }
    };
    let sent = last.frames_sent.saturating_sub(first.frames_sent);
    let good = last.frames_received.saturating_sub(first.frames_received);
    let bad = last.frames_bad.saturating_sub(first.frames_bad);
    let lost = last.frames_lost.saturating_sub(first.frames_lost);
    LineFacts {
        name: last.name.clone(),
        state: last.state.clone(),
        rate_bps: last.rate_bps,
        round_trip_ms: Delays::of(&watched.round_trips_us),
        longest_queue_ms: watched.longest_queue_us as f64 / 1000.0,
        used_there: used(last.bytes_sent.saturating_sub(first.bytes_sent)),
        used_here: used(last.bytes_received.saturating_sub(first.bytes_received)),
        there: Way {
            frames: sent,
            wrong_before_repair: watched.error_rates_there.value(),
            lost_after_repair: share(lost, sent),
        },
        here: Way {
            frames: good,
            wrong_before_repair: wrong_here(first, last).max(watched.error_rates_here.value()),
            lost_after_repair: share(bad, good + bad),
        },
        cuts: last.cuts.saturating_sub(first.cuts),
    }
}

/// What was repaired in that time, of what came.
fn wrong_here(first: &Line, last: &Line) -> f64 {
    let repaired = last
        .incoming
        .bytes_repaired
        .saturating_sub(first.incoming.bytes_repaired);
    share(
        repaired,
        last.bytes_received.saturating_sub(first.bytes_received),
    )
}

fn channel_facts(first: &Channel, last: &Channel, seconds: f64) -> ChannelFacts {
    let rate = |bytes: u64| match seconds > 0.0 {
        true => (bytes as f64 * 8.0 / seconds).round() as u64,
        false => 0,
    };
    let dropped = |sent: &Sent| sent.dropped_late + sent.dropped_queue_full;
    let delivered_bytes = last.received.delivered_bytes;
    ChannelFacts {
        id: last.id,
        name: last.name.clone(),
        sent_bps: rate(
            last.sent
                .accepted_bytes
                .saturating_sub(first.sent.accepted_bytes),
        ),
        received_bps: rate(delivered_bytes.saturating_sub(first.received.delivered_bytes)),
        taken: last.sent.accepted.saturating_sub(first.sent.accepted),
        dropped: dropped(&last.sent).saturating_sub(dropped(&first.sent)),
        delivered: last
            .received
            .delivered
            .saturating_sub(first.received.delivered),
        missing: last.received.missing.saturating_sub(first.received.missing),
    }
}

fn share(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    }
}

impl Delays {
    fn of(micros: &[u64]) -> Option<Self> {
        let millis = |micros: u64| micros as f64 / 1000.0;
        let (min, max) = (micros.iter().min()?, micros.iter().max()?);
        let sum: u64 = micros.iter().sum();
        let changes: u64 = micros
            .windows(2)
            .map(|pair| pair[0].abs_diff(pair[1]))
            .sum();
        Some(Self {
            min: millis(*min),
            mean: millis(sum) / micros.len() as f64,
            max: millis(*max),
            change: millis(changes) / (micros.len() - 1).max(1) as f64,
        })
    }
}

impl LinkFacts {
    /// Whether the line was there all the time.
    pub(crate) fn is_good(&self) -> bool {
        self.lines
            .iter()
            .all(|line| line.state == "up" && line.cuts == 0)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("{}: watched for {:.1} s\n", self.link, self.watched_s);
        for problem in &self.problems {
            let _ = writeln!(out, "  {problem}");
        }
        for line in &self.lines {
            line.write(&mut out);
        }
        let mut table = Table::new(&[
            ">id",
            "channel",
            ">to the line",
            ">taken",
            ">dropped",
            ">from the line",
            ">delivered",
            ">missing",
        ]);
        for channel in &self.channels {
            table.row([
                channel.id.to_string(),
                channel.name.clone(),
                number::bit_rate(channel.sent_bps),
                channel.taken.to_string(),
                channel.dropped.to_string(),
                number::bit_rate(channel.received_bps),
                channel.delivered.to_string(),
                channel.missing.to_string(),
            ]);
        }
        let _ = write!(out, "\n{table}");
        out
    }
}

impl LineFacts {
    fn write(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "\nLINE {}: {}, {} bit/s; {:.0} % of it in use there, {:.0} % here",
            self.name,
            self.state,
            self.rate_bps,
            self.used_there * 100.0,
            self.used_here * 100.0
        );
        let _ = match &self.round_trip_ms {
            Some(Delays {
                min,
                mean,
                max,
                change,
            }) => writeln!(
                out,
                "  round trip   {min:.1} / {mean:.1} / {max:.1} ms (least, mean, most), changing by {change:.1} ms; at \
                 most {:.1} ms waiting below",
                self.longest_queue_ms
            ),
            None => writeln!(out, "  round trip   not known"),
        };
        for (name, way) in [("there", &self.there), ("here", &self.here)] {
            let before = match way.wrong_before_repair {
                rate if rate > 0.0 => format!("1 byte in {} wrong", number::one_in(rate)),
                _ => "no byte wrong".to_owned(),
            };
            let _ = writeln!(
                out,
                "  {name:<11}  {before} before repair; {:.1} % of {} frames lost after it",
                way.lost_after_repair * 100.0,
                way.frames
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: u64, state: &str, cuts: u64) -> Sample {
        let (n, rtt) = (at / 1_000_000, 20_000 + at / 1_000_000 % 2 * 4000);
        serde_json::from_value(serde_json::json!({
            "uptime_us": at,
            "stats": {
                "name": "room-1",
                "lines": [{
                    "name": "line", "state": state, "trouble": null, "rate_bps": 9600, "rtt_us": rtt,
                    "queue_us": 3000, "bytes_sent": 480 * n, "bytes_received": 240 * n, "frames_sent": 100 * n,
                    "frames_received": 50 * n, "frames_bad": n, "frames_lost": 2 * n, "cuts": cuts,
                    "incoming": { "error_rate": 0.001 }, "outgoing": { "quality": { "error_rate": 0.002 } },
                }],
                "channels": [{
                    "id": 1, "name": "audio",
                    "sent": { "accepted": 10 * n, "accepted_bytes": 100 * n, "dropped_queue_full": 0, "dropped_late": n },
                    "received": { "delivered": 9 * n, "delivered_bytes": 90 * n, "missing": n },
                }],
            },
        }))
        .unwrap()
    }

    fn watched(samples: impl IntoIterator<Item = Sample>) -> LinkFacts {
        let mut samples = samples.into_iter();
        let mut report = LinkReport::begin(samples.next().unwrap());
        samples.for_each(|sample| report.add(sample));
        report.facts()
    }

    #[test]
    fn figures_are_those_of_the_watched_time() {
        let facts = watched((5..=15).map(|n| sample(n * 1_000_000, "up", 3)));
        assert!(facts.is_good(), "{facts:?}");
        let line = &facts.lines[0];
        let delays = line.round_trip_ms.unwrap();
        assert_eq!((delays.min, delays.max, delays.change), (20.0, 24.0, 4.0));
        assert!((line.used_there - 0.5).abs() < 1e-9 && (line.used_here - 0.25).abs() < 1e-9);
        assert_eq!(line.there.lost_after_repair, 0.02);
        let audio = &facts.channels[0];
        assert_eq!((audio.sent_bps, audio.received_bps), (800, 720));
        assert_eq!((audio.dropped, audio.missing), (10, 10));
        let text = facts.text();
        assert!(
            text.contains("1 byte in 500 wrong before repair; 2.0 % of 1000 frames"),
            "{text}"
        );
    }

    #[test]
    fn a_cut_and_a_line_that_is_down_fail() {
        assert!(!watched([sample(1_000_000, "up", 0), sample(2_000_000, "up", 1)]).is_good());
        let down = watched([sample(1_000_000, "up", 0), sample(2_000_000, "cut", 1)]);
        assert!(
            !down.is_good() && down.text().contains("not up (cut)"),
            "{}",
            down.text()
        );
    }

    #[test]
    fn a_link_that_starts_again_counts_from_there() {
        let facts = watched([9, 2, 3].map(|n| sample(n * 1_000_000, "up", 0)));
        assert!(facts.restarted && facts.text().contains("started again"));
        assert_eq!(facts.channels[0].taken, 10);
    }
}
