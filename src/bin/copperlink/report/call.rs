//! How a call went: a table, the same as JSON, and a verdict.

use std::fmt::Write;

use serde::Serialize;

use copperlink::proto::config::{Class, PortKind};
use copperlink::proto::stats::{ChannelStats, Stats};
use copperlink::proto::time::{BitRate, Duration};

use super::Table;
use super::number;
use super::verdict::Verdict;
use super::ways::{self, RepairedWay};
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
    /// What the line did, and what was made of it.
    ways: Vec<RepairedWay>,
    #[serde(flatten)]
    verdict: Verdict,
}

/// One direction of one port.
#[derive(Debug, Serialize)]
pub(super) struct Flow {
    pub(super) channel: String,
    pub(super) class: Class,
    pub(super) rtcp: bool,
    pub(super) from: &'static str,
    sent: u64,
    pub(super) delivered: u64,
    pub(super) lost: u64,
    pub(super) damaged: u64,
    pub(super) repeated: u64,
    pub(super) out_of_order: u64,
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
    /// Sums up a call. `stats` are those of the two ends, `ways` the line between them.
    pub(crate) fn new(
        facts: CallFacts,
        results: Vec<FlowResult>,
        stats: [&Stats; 2],
        ways: Vec<RepairedWay>,
    ) -> Self {
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
            verdict: Verdict::new(&flows),
            flows,
            ways,
        }
    }

    /// Whether the call failed.
    pub(crate) fn is_failed(&self) -> bool {
        self.verdict.is_failed()
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
            "{:.0} s of call{ended} over the line {} ({} bit/s), up after {} ms\n\n{table}\n{}\n{}",
            self.seconds,
            self.line,
            self.rate_bps,
            self.up_after_ms,
            ways::text(&self.ways),
            self.verdict.text(&self.flows)
        );
        let on_the_way: u64 = self.flows.iter().map(|flow| flow.on_the_way).sum();
        if on_the_way > 0 {
            let _ = writeln!(
                out,
                "{on_the_way} datagrams were still on their way at the end."
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

    /// Datagrams that should have been delivered by now.
    pub(super) const fn expected(&self) -> u64 {
        self.sent - self.on_the_way
    }

    /// Which share of them was not.
    pub(super) fn lost_share(&self) -> f64 {
        self.lost as f64 / self.expected().max(1) as f64
    }

    /// The delay that one in a hundred exceeds.
    pub(super) fn p99_ms(&self) -> Option<f64> {
        self.delay_ms.map(|delay| delay.p99)
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

#[cfg(test)]
impl Flow {
    /// A flow from A of which so many datagrams were sent and lost.
    pub(super) fn of(class: Class, sent: u64, lost: u64) -> Self {
        Self {
            channel: class.to_string(),
            class,
            rtcp: false,
            from: "A",
            sent,
            delivered: sent - lost,
            lost,
            damaged: 0,
            repeated: 0,
            out_of_order: 0,
            on_the_way: 0,
            delay_ms: None,
            wire_bytes_per_datagram: None,
            share_of_line: 0.0,
        }
    }

    /// The same with that delay.
    pub(super) fn with_delay(mut self, ms: f64) -> Self {
        self.delay_ms = Some(Delay {
            p50: ms,
            p99: ms,
            max: ms,
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Counts;
    use copperlink::proto::config::{ChannelId, Port, SessionId};
    use copperlink::proto::stats::OrderWireStats;

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
            order_wire: OrderWireStats::default(),
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
        CallReport::new(facts, vec![result], [&stats, &stats], Vec::new())
    }

    #[test]
    fn a_call_fails_of_each_fault_and_names_it() {
        let good = Counts {
            sent: 100,
            delivered: 98,
            ..Counts::default()
        };
        let failures = |class, counts| {
            let json = serde_json::to_value(report(class, counts)).unwrap();
            json["failures"].as_array().unwrap().len()
        };
        assert!(!report(Class::Audio, good).is_failed());
        assert!(!report(Class::Video, good).is_failed());
        let lost = Counts {
            delivered: 97,
            ..good
        };
        assert_eq!(failures(Class::Audio, lost), 1);
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
            assert!(report(Class::Video, bad).is_failed());
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
            assert_eq!(failures(Class::Control, bad), 1);
            assert!(!report(Class::Video, bad).is_failed());
        }
        let underway = Counts {
            on_the_way: 2,
            ..good
        };
        assert!(!report(Class::Control, underway).is_failed());
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
