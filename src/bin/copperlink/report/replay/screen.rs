//! A capture that was decoded, for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{LinkCounts, Replayed, Slice};
use crate::report::Table;

/// Rows of the table over time.
const ROWS: usize = 20;

impl Replayed {
    /// For people.
    pub(crate) fn screen(&self) -> String {
        let mut text = format!(
            "Line {} of link {}, {} bit/s, {:.1} s\n\n{}\n",
            self.line,
            self.link,
            self.rate_bps,
            self.seconds,
            self.ways()
        );
        // Writing to a string does not fail.
        for (name, way) in [("received", &self.received), ("sent", &self.sent)] {
            let list = |counts: &BTreeMap<&str, u64>| {
                let counts = counts.iter().map(|(kind, count)| format!("{kind} {count}"));
                counts.collect::<Vec<_>>().join(", ")
            };
            match way.kinds.is_empty() {
                true => {
                    let _ = writeln!(text, "Frames {name}: none");
                }
                false => {
                    let _ = writeln!(text, "Frames {name}: {}", list(&way.kinds));
                    let _ = writeln!(text, "  with: {}", list(&way.carries));
                }
            }
            for silence in &way.silences {
                let _ = writeln!(
                    text,
                    "  after {:.1} s nothing {name} for {:.1} s",
                    silence.at_s, silence.seconds
                );
            }
        }
        if self.received.counts.bytes > 0 {
            let _ = write!(text, "\nThe way here over time\n{}", self.time_table());
        }
        for told in &self.events {
            let _ = writeln!(text, "After {:.1} s: {}", told.at_s, told.words);
        }
        if !self.talk.is_empty() {
            text += "\nSaid on the order wire\n";
        }
        for spoken in &self.talk {
            let _ = writeln!(
                text,
                "  {:.1} s, {}: {}",
                spoken.at_s, spoken.from, spoken.text
            );
        }
        if let Some(why) = &self.cut_short {
            let _ = writeln!(text, "\nThe file could not be read to its end: {why}");
        }
        if let Some(link) = self.link_counted.filter(|link| *link != self.counted()) {
            let _ = writeln!(
                text,
                "\nThe link itself counted {} frames, {} bad, {} bytes repaired: the capture is not complete",
                link.frames, link.frames_bad, link.bytes_repaired
            );
        }
        let _ = writeln!(text, "\n{}.", self.likely_cause);
        text
    }

    fn counted(&self) -> LinkCounts {
        let counts = &self.received.counts;
        LinkCounts {
            bytes: counts.bytes,
            frames: counts.frames,
            frames_joined: counts.frames_joined,
            frames_bad: counts.frames_bad,
            bytes_repaired: counts.bytes_repaired,
            frames_repaired: counts.frames_repaired,
            slips: counts.slips,
        }
    }

    fn ways(&self) -> String {
        let mut table = Table::new(&[
            "way",
            ">bytes",
            ">frames",
            ">joined",
            ">repaired bytes",
            ">in frames",
            ">slips",
            ">bad",
            ">wrong bytes",
        ]);
        for (name, way) in [("received", &self.received), ("sent", &self.sent)] {
            let counts = &way.counts;
            let mut row = vec![name.to_owned()];
            row.extend(
                [
                    counts.bytes,
                    counts.frames,
                    counts.frames_joined,
                    counts.bytes_repaired,
                    counts.frames_repaired,
                    counts.slips,
                    counts.frames_bad,
                ]
                .map(|count| count.to_string()),
            );
            row.push(share(way.error_rate));
            table.row(row);
        }
        table.to_string()
    }

    fn time_table(&self) -> String {
        let mut table = Table::new(&[
            ">from s",
            ">bytes",
            ">frames",
            ">repaired",
            ">bad",
            ">wrong bytes",
        ]);
        let rows = self.over_time.len().div_ceil(ROWS).max(1);
        for slices in self.over_time.chunks(rows) {
            let sum = |of: fn(&Slice) -> u64| slices.iter().map(of).sum::<u64>();
            let bytes = sum(|slice| slice.bytes);
            let (repaired, bad) = (
                sum(|slice| slice.bytes_repaired),
                sum(|slice| slice.frames_bad),
            );
            table.row(vec![
                format!("{:.0}", slices[0].at_s),
                bytes.to_string(),
                sum(|slice| slice.frames).to_string(),
                repaired.to_string(),
                bad.to_string(),
                share((repaired + bad) as f64 / bytes.max(1) as f64),
            ]);
        }
        table.to_string()
    }
}

fn share(rate: f64) -> String {
    if rate > 0.0 {
        format!("1 in {:.0}", 1.0 / rate)
    } else {
        "none".to_owned()
    }
}
