//! How a call went: a table, the same as JSON, and a verdict.

use std::fmt::Write;

use serde::Serialize;

use copperlink::proto::config::{Class, PortKind};
use copperlink::proto::stats::{ChannelStats, Stats};
use copperlink::proto::time::{BitRate, Duration};

use super::Table;
use super::number;
use crate::call::FlowResult;

/// How a call went.
#[derive(Debug, Serialize)]
pub(crate) struct CallReport {
    /// The line, by the name it was asked for with.
    line: String,
    /// What the line carries at the start, bit/s.
    rate_bps: u32,
    /// From the first packet to the last.
    seconds: f64,
    /// It was ended before its time.
    interrupted: bool,
    /// From opening the devices until both ends were up.
    up_after_ms: u64,
    flows: Vec<Flow>,
    /// Why it failed; empty when it did not.
    failures: Vec<String>,
}

/// One direction of one port.
#[derive(Debug, Serialize)]
struct Flow {
    channel: String,
    class: Class,
    rtcp: bool,
    from: &'static str,
    sent: u64,
    delivered: u64,
    lost: u64,
    damaged: u64,
    repeated: u64,
    out_of_order: u64,
    on_the_way: u64,
    delay_ms: Option<Delay>,
    wire_bytes_per_datagram: Option<f64>,
    share_of_line: f64,
}

/// One-way delay, ms.
#[derive(Clone, Copy, Debug, Serialize)]
struct Delay {
    p50: f64,
    p99: f64,
    max: f64,
}

/// The call as a whole.
#[derive(Clone, Debug)]
pub(crate) struct CallFacts {
    /// The line, by the name it was asked for with.
    pub(crate) line: String,
    /// What the line carries at the start.
    pub(crate) rate: BitRate,
    /// From opening the devices until both ends were up.
    pub(crate) up_after: Duration,
    /// How long it was.
    pub(crate) times: CallTimes,
}

/// How long a call was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallTimes {
    /// From the first packet to the last.
    pub(crate) lasted: Duration,
    /// The same, and until the last of them had arrived.
    pub(crate) observed: Duration,
    /// It was ended before its time.
    pub(crate) interrupted: bool,
}

impl CallReport {
    /// Sums up a call. `stats` are those of the two ends.
    pub(crate) fn new(facts: CallFacts, results: Vec<FlowResult>, stats: [&Stats; 2]) -> Self {
        let mut flows: Vec<Flow> = results
            .into_iter()
            .map(|result| Flow::new(&facts, result, stats))
            .collect();
        flows.sort_by_key(|flow| flow.from);
        Self {
            line: facts.line,
            rate_bps: facts.rate.bits_per_second(),
            seconds: facts.times.lasted.as_secs_f64(),
            interrupted: facts.times.interrupted,
            up_after_ms: u64::try_from(facts.up_after.as_millis()).unwrap_or(u64::MAX),
            failures: flows.iter().flat_map(Flow::failures).collect(),
            flows,
        }
    }

    /// Whether the call was as it should be.
    pub(crate) const fn is_good(&self) -> bool {
        self.failures.is_empty()
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new(&[
            "from",
            "channel",
            ">sent",
            ">delivered",
            ">lost",
            ">damaged",
            ">p50 ms",
            ">p99 ms",
            ">max ms",
            ">wire bytes",
            ">of the line",
        ]);
        let tenths = |number: Option<f64>| number.map_or("-".to_owned(), |n| format!("{n:.1}"));
        for flow in &self.flows {
            let delay = |part: fn(Delay) -> f64| tenths(flow.delay_ms.map(part));
            table.row([
                flow.from.to_owned(),
                flow.channel.clone(),
                flow.sent.to_string(),
                flow.delivered.to_string(),
                flow.lost.to_string(),
                flow.damaged.to_string(),
                delay(|d| d.p50),
                delay(|d| d.p99),
                delay(|d| d.max),
                tenths(flow.wire_bytes_per_datagram),
                number::percent(flow.share_of_line, 1.0),
            ]);
        }
        let ended = match self.interrupted {
            true => " (ended early)",
            false => "",
        };
        let mut out = format!(
            "{:.0} s of call{ended} over the line {} ({} bit/s), up after {} ms\n\n{table}\n",
            self.seconds, self.line, self.rate_bps, self.up_after_ms
        );
        if self.is_good() {
            out.push_str(
                "The call was good: every byte that was delivered is one that was sent, and no \
                 control message was lost.\n",
            );
        }
        let on_the_way: u64 = self.flows.iter().map(|flow| flow.on_the_way).sum();
        if on_the_way > 0 {
            let _ = writeln!(
                out,
                "{on_the_way} datagrams were still on their way at the end."
            );
        }
        for failure in &self.failures {
            let _ = writeln!(out, "The call FAILED: {failure}");
        }
        for flow in self.flows.iter().filter(|flow| flow.is_poor_video()) {
            let lost = number::percent(flow.lost as f64, flow.sent as f64);
            let _ = writeln!(
                out,
                "Note: {lost} of {} from {} did not get through in time; audio and control go first.",
                flow.channel, flow.from
            );
        }
        out
    }
}

impl Flow {
    fn new(facts: &CallFacts, result: FlowResult, stats: [&Stats; 2]) -> Self {
        let rtcp = result.port.kind == PortKind::Rtcp;
        let of_flow = |c: &&ChannelStats| c.id == result.port.channel && c.rtcp == rtcp;
        let channel = stats[result.from].channels.iter().find(of_flow);
        let wire_bytes = channel.map_or(0, |c| c.sent.wire_bytes);
        let on_line = channel.map_or(0, |c| c.sent.sent);
        let line_bytes =
            f64::from(facts.rate.bits_per_second()) / 10.0 * facts.times.observed.as_secs_f64();
        let counts = result.counts;
        Self {
            channel: channel.map_or_else(|| "?".to_owned(), |c| c.name.clone()),
            class: result.class,
            rtcp,
            from: ["A", "B"][result.from],
            sent: counts.sent,
            delivered: counts.delivered,
            lost: counts.lost(),
            damaged: counts.wrong,
            repeated: counts.repeated,
            out_of_order: counts.out_of_order,
            on_the_way: counts.on_the_way,
            delay_ms: Delay::of(&result.delays_us),
            wire_bytes_per_datagram: (on_line > 0).then(|| wire_bytes as f64 / on_line as f64),
            share_of_line: match line_bytes > 0.0 {
                true => wire_bytes as f64 / line_bytes,
                false => 0.0,
            },
        }
    }

    fn is_poor_video(&self) -> bool {
        self.class == Class::Video
            && !self.rtcp
            && self.lost as f64 > VIDEO_LOST_NOTED * self.sent as f64
    }

    fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let of = format!("{} from {}", self.channel, self.from);
        let mut fail = |failed: bool, words: String| {
            if failed {
                failures.push(format!("{of}: {words}"));
            }
        };
        let expected = self.sent - self.on_the_way;
        fail(
            self.damaged > 0,
            format!("{} datagrams with wrong bytes", self.damaged),
        );
        fail(
            expected > 0 && self.delivered == 0 && !self.rtcp,
            "nothing was delivered".to_owned(),
        );
        if self.class == Class::Control {
            fail(self.lost > 0, format!("{} messages lost", self.lost));
            fail(
                self.repeated > 0,
                format!("{} messages came twice", self.repeated),
            );
            fail(
                self.out_of_order > 0,
                format!("{} messages out of order", self.out_of_order),
            );
        }
        if self.class == Class::Audio && !self.rtcp {
            fail(
                self.lost as f64 > AUDIO_LOST_MOST * expected as f64,
                format!(
                    "{} of its packets lost; the line is too slow or too bad for this call",
                    number::percent(self.lost as f64, expected as f64)
                ),
            );
        }
        failures
    }
}

impl Delay {
    /// Of sorted microseconds.
    fn of(sorted: &[u32]) -> Option<Self> {
        let last = sorted.len().checked_sub(1)?;
        // The value that so many percent do not exceed.
        let at = |percent: usize| f64::from(sorted[(last * percent).div_ceil(100)]) / 1000.0;
        Some(Self {
            p50: at(50),
            p99: at(99),
            max: at(100),
        })
    }
}

/// Share of audio packets that may be lost in a good call.
const AUDIO_LOST_MOST: f64 = 0.02;
/// Share of video datagrams from which on their loss is worth a word.
const VIDEO_LOST_NOTED: f64 = 0.02;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Counts;
    use copperlink::proto::config::{ChannelId, Port, SessionId};

    fn report(class: Class, counts: Counts) -> CallReport {
        let result = FlowResult {
            port: Port::media(ChannelId(1)),
            class,
            from: 0,
            counts,
            delays_us: (1..=100).map(|ms| ms * 1000).collect(),
        };
        let stats = Stats {
            name: "a".into(),
            session: SessionId(1),
            peer: None,
            peer_name: None,
            sessions: 0,
            lines: Vec::new(),
            channels: Vec::new(),
        };
        let facts = CallFacts {
            line: "clean".into(),
            rate: BitRate::new(38_400).unwrap(),
            up_after: Duration::from_millis(300),
            times: CallTimes {
                lasted: Duration::from_secs(10),
                observed: Duration::from_secs(11),
                interrupted: false,
            },
        };
        CallReport::new(facts, vec![result], [&stats, &stats])
    }

    #[test]
    fn a_good_call_is_called_so_and_each_fault_is_named() {
        let good = Counts {
            sent: 100,
            delivered: 98,
            ..Counts::default()
        };
        assert!(report(Class::Audio, good).is_good());
        assert!(report(Class::Video, good).is_good());
        let lost = Counts {
            delivered: 97,
            ..good
        };
        assert_eq!(report(Class::Audio, lost).failures.len(), 1);
        assert!(
            report(Class::Control, good)
                .text()
                .contains("2 messages lost")
        );
        for bad in [
            Counts { wrong: 1, ..good },
            Counts {
                delivered: 0,
                ..good
            },
        ] {
            assert!(!report(Class::Video, bad).is_good());
        }
        for bad in [
            Counts {
                repeated: 1,
                delivered: 100,
                ..good
            },
            Counts {
                out_of_order: 1,
                delivered: 100,
                ..good
            },
        ] {
            assert_eq!(report(Class::Control, bad).failures.len(), 1);
            assert!(report(Class::Video, bad).is_good());
        }
        let underway = Counts {
            on_the_way: 2,
            ..good
        };
        assert!(report(Class::Control, underway).is_good());
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let sorted: Vec<u32> = (1..=100).map(|ms| ms * 1000).collect();
        let delay = Delay::of(&sorted).unwrap();
        assert_eq!((delay.p50, delay.p99, delay.max), (51.0, 100.0, 100.0));
        assert_eq!(Delay::of(&[7000]).unwrap().p99, 7.0);
        assert!(Delay::of(&[]).is_none());
    }
}
