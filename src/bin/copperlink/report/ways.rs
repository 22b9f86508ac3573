//! What a simulated line did to the bytes in each direction, beside what the links made of it.

use serde::Serialize;

use copperlink::proto::stats::Stats;

use super::Table;
use super::noise::{Outgoing, Rank};
use super::number;
use crate::simulated_line::DirectionStats;

/// What a direction of a line did, in bytes.
#[derive(Debug, Serialize)]
pub(crate) struct Way {
    taken: u64,
    arrived: u64,
    lost: u64,
    inserted: u64,
    cut_off: u64,
    not_fetched: u64,
    wrong_bytes: u64,
    wrong_bits: u64,
}

/// The same, and what the links at its ends made of it.
#[derive(Debug, Serialize)]
pub(crate) struct RepairedWay {
    from: &'static str,
    line: Way,
    /// Wrong bytes that the receiver repaired, frames in which they were, and frames with a byte
    /// too few or too many.
    bytes_repaired: u64,
    frames_repaired: u64,
    slips_mended: u64,
    frames: u64,
    /// In spite of that; the sender knows.
    frames_lost: u64,
    worst: Option<Moment>,
}

/// How a direction was at its worst, as the sender saw it.
#[derive(Clone, Debug, Serialize)]
struct Moment {
    after_s: f64,
    words: String,
    #[serde(skip)]
    rank: Rank,
}

/// Watches for the worst of each direction.
#[derive(Debug, Default)]
pub(crate) struct Worst([Option<Moment>; 2]);

impl Way {
    /// Sums up a direction.
    pub(crate) fn new(stats: DirectionStats) -> Self {
        Self {
            taken: stats.line.accepted,
            arrived: stats.line.delivered - stats.not_fetched,
            lost: stats.line.bytes_lost,
            inserted: stats.line.bytes_inserted,
            cut_off: stats.line.bytes_cut,
            not_fetched: stats.not_fetched + stats.line.bytes_overrun,
            wrong_bytes: stats.line.bytes_flipped,
            wrong_bits: stats.line.bits_flipped,
        }
    }

    /// How many bytes are wrong, and which share of all that is.
    fn wrong(&self) -> String {
        match self.wrong_bytes {
            0 => "0".to_owned(),
            wrong => {
                let rate = wrong as f64 / self.taken.max(wrong) as f64;
                format!("{wrong}, 1 in {}", number::one_in(rate))
            }
        }
    }
}

impl Worst {
    /// Looks at the two ends, so long after the start.
    pub(crate) fn look(&mut self, after_s: f64, ends: [&Stats; 2]) {
        for (worst, stats) in self.0.iter_mut().zip(ends) {
            let Some(line) = stats.lines.first() else {
                continue;
            };
            let there = Outgoing::from(&line.outgoing);
            let rank = there.rank(line.frames_lost);
            let is_worse = match worst {
                Some(worst) => rank > worst.rank,
                None => rank > Rank::default(),
            };
            if is_worse {
                *worst = Some(Moment {
                    after_s,
                    words: there.words(line.frames_lost),
                    rank,
                });
            }
        }
    }
}

impl RepairedWay {
    /// Both directions. `ends` are the links.
    pub(crate) fn both(lines: [DirectionStats; 2], ends: [&Stats; 2], worst: Worst) -> Vec<Self> {
        let ways = lines.into_iter().zip(worst.0).enumerate();
        ways.map(|(from, (line, worst))| {
            let sender = ends[from].lines.first();
            let repaired = ends[1 - from].lines.first().map(|line| line.incoming);
            let repaired = repaired.unwrap_or_default();
            Self {
                from: ["A", "B"][from],
                line: Way::new(line),
                bytes_repaired: repaired.bytes_repaired,
                frames_repaired: repaired.frames_repaired,
                slips_mended: repaired.slips,
                frames: sender.map_or(0, |line| line.frames_sent),
                frames_lost: sender.map_or(0, |line| line.frames_lost),
                worst,
            }
        })
        .collect()
    }
}

/// What a line did, without a link at its ends.
pub(crate) fn plain_table(ways: [(&str, &Way); 2]) -> Table {
    let mut table = Table::new(&[
        "bytes",
        ">taken",
        ">arrived",
        ">lost",
        ">stray",
        ">cut off",
        ">not fetched",
        ">wrong",
        ">wrong bits",
    ]);
    for (name, way) in ways {
        table.row([
            name.to_owned(),
            way.taken.to_string(),
            way.arrived.to_string(),
            way.lost.to_string(),
            way.inserted.to_string(),
            way.cut_off.to_string(),
            way.not_fetched.to_string(),
            way.wrong(),
            way.wrong_bits.to_string(),
        ]);
    }
    table
}

/// What a line did, what was repaired, what was lost, and how it was at its worst.
pub(crate) fn text(ways: &[RepairedWay]) -> String {
    let mut table = Table::new(&[
        "from",
        ">line bytes",
        ">wrong",
        ">repaired",
        ">lost",
        ">stray",
        ">slips mended",
        ">cut off",
        ">frames",
        ">lost after repair",
    ]);
    for way in ways {
        let lost = number::percent(way.frames_lost as f64, way.frames as f64);
        table.row([
            way.from.to_owned(),
            way.line.taken.to_string(),
            way.line.wrong(),
            way.bytes_repaired.to_string(),
            way.line.lost.to_string(),
            way.line.inserted.to_string(),
            way.slips_mended.to_string(),
            way.line.cut_off.to_string(),
            way.frames.to_string(),
            format!("{}, {lost}", way.frames_lost),
        ]);
    }
    let mut text = table.to_string();
    for way in ways {
        if let Some(worst) = &way.worst {
            text += &format!(
                "From {}, at its worst (after {:.0} s): {}\n",
                way.from, worst.after_s, worst.words
            );
        }
    }
    if ways.iter().any(|way| way.line.cut_off > 0) {
        text += "While the line was cut, audio and video came too late, and control waited.\n";
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use copperlink::proto::config::SessionId;
    use copperlink::proto::stats::{
        LineState, LineStats, OrderWireStats, OutgoingStats, QualityStats,
    };
    use copperlink::sim::LineModelStats;

    /// An end whose line sent and lost so many frames, and repaired 58 bytes and 2 slips.
    fn end(error_rate: f64, frames_lost: u64) -> Stats {
        let quality = QualityStats {
            error_rate,
            ..QualityStats::default()
        };
        let line = LineStats {
            name: "line".into(),
            state: LineState::Up,
            trouble: None,
            rate_bps: 9600,
            rate_set_bps: None,
            rtt_us: None,
            queue_us: 0,
            bytes_sent: 0,
            bytes_received: 0,
            frames_sent: 1000,
            frames_received: 0,
            frames_bad: 0,
            frames_joined: 0,
            interruptions: 0,
            frames_lost,
            reports_sent: 0,
            report_bytes_sent: 0,
            cuts: 0,
            openings: 0,
            outgoing: OutgoingStats {
                frame_bytes: 220,
                parity: 8,
                express_parity: 4,
                quality,
            },
            incoming: QualityStats {
                bytes_repaired: 58,
                slips: 2,
                ..QualityStats::default()
            },
        };
        Stats {
            name: "a".into(),
            session: SessionId(1),
            peer: None,
            peer_name: None,
            sessions: 1,
            lines: vec![line],
            order_wire: OrderWireStats::default(),
            channels: Vec::new(),
        }
    }

    fn direction(bytes_flipped: u64) -> DirectionStats {
        DirectionStats {
            line: LineModelStats {
                accepted: 48_000,
                delivered: 48_000,
                bytes_flipped,
                bits_flipped: bytes_flipped,
                bytes_lost: 3,
                ..LineModelStats::default()
            },
            not_fetched: 0,
        }
    }

    #[test]
    fn what_the_line_did_stands_beside_what_was_repaired_and_lost() {
        let mut worst = Worst::default();
        let (noisy, clean) = (end(0.008, 21), end(0.0, 0));
        worst.look(1.0, [&end(0.0, 0), &clean]);
        worst.look(2.0, [&noisy, &clean]);
        worst.look(3.0, [&end(1e-5, 21), &clean]);
        let ways = RepairedWay::both([direction(60), direction(0)], [&noisy, &clean], worst);
        let text = text(&ways);
        for words in [
            " A          48000  60, 1 in 800        58     3      0             2        0    1000          21, 2.1 %\n",
            " B          48000             0        58     3      0             2        0    1000           0, 0.0 %\n",
            "From A, at its worst (after 2 s): noisy, takes room from video: 1 byte in 130 wrong",
        ] {
            assert!(text.contains(words), "{words}\nis not in\n{text}");
        }
        assert!(!text.contains("From B"), "{text}");
        let json = serde_json::to_value(&ways).unwrap();
        assert_eq!(json[0]["line"]["wrong_bytes"], 60);
        assert_eq!(json[0]["worst"]["after_s"], 2.0);
    }
}
