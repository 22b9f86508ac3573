//! What a capture says of the line: facts, and what they most likely come from.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use copperlink::proto::event::harmless;
use copperlink::proto::listen::{Direction, HeardCounts, HeardFrame, Listener, Said};
use copperlink::proto::time::{Duration, Instant};
use copperlink::shell::capture::CaptureHead;

use super::Table;

/// A capture that was decoded.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Replayed {
    link: String,
    line: String,
    rate_bps: u32,
    seconds: f64,
    /// From the far end.
    received: WayFacts,
    /// To the far end.
    sent: WayFacts,
    /// What happened, with the time since the begin.
    events: Vec<Told>,
    /// What was said on the order wire.
    talk: Vec<Spoken>,
    chunks_missing: u64,
    bytes_missing: u64,
    /// The way here, second by second.
    over_time: Vec<Slice>,
    /// What the link itself counted meanwhile of the way here.
    link_counted: Option<LinkCounts>,
    /// Why the file could not be read to its end.
    pub(crate) cut_short: Option<String>,
    /// What it most likely comes from, in words.
    likely_cause: String,
    #[serde(skip)]
    begun: Instant,
    #[serde(skip)]
    looks: Looks,
}

/// One direction.
#[derive(Debug, Default, Serialize)]
struct WayFacts {
    #[serde(flatten)]
    counts: HeardCounts,
    error_rate: f64,
    burstiness: f64,
    /// Frames by kind.
    kinds: BTreeMap<&'static str, u64>,
    /// Frames by what they carry; one may carry several things.
    carries: BTreeMap<&'static str, u64>,
    /// Times without a byte.
    silences: Vec<Silence>,
    #[serde(skip)]
    last: Option<Instant>,
}

#[derive(Debug, Serialize)]
struct Told {
    at_s: f64,
    words: String,
}

#[derive(Debug, Serialize)]
struct Spoken {
    at_s: f64,
    from: &'static str,
    text: String,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Silence {
    at_s: f64,
    seconds: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Slice {
    at_s: f64,
    seconds: f64,
    bytes: u64,
    frames: u64,
    bytes_repaired: u64,
    frames_bad: u64,
    error_rate: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct LinkCounts {
    bytes: u64,
    frames: u64,
    frames_joined: u64,
    frames_bad: u64,
    bytes_repaired: u64,
    frames_repaired: u64,
    slips: u64,
}

impl LinkCounts {
    /// What was counted between two states of a line's counters.
    fn between(begin: &serde_json::Value, end: &serde_json::Value) -> Option<Self> {
        let since = |place: &str| {
            let number = |stats: &serde_json::Value| stats.pointer(place)?.as_u64();
            number(end)?.checked_sub(number(begin)?)
        };
        Some(Self {
            bytes: since("/bytes_received")?,
            frames: since("/frames_received")?,
            frames_joined: since("/frames_joined")?,
            frames_bad: since("/frames_bad")?,
            bytes_repaired: since("/incoming/bytes_repaired")?,
            frames_repaired: since("/incoming/frames_repaired")?,
            slips: since("/incoming/slips")?,
        })
    }
}

/// What is looked at for the cause.
#[derive(Debug, Default)]
struct Looks {
    slice: HeardCounts,
    slice_begun: Instant,
    own_voice: u64,
    other_version: Option<u8>,
    peer: Option<u32>,
    /// The bytes that came: whether all are the same, and whether any has its top bit set.
    first: Option<u8>,
    varied: bool,
    top_bit: bool,
}

impl Replayed {
    pub(crate) fn begin(head: &CaptureHead, begun: Instant) -> Self {
        Self {
            link: harmless(head.view.link.as_bytes()),
            line: harmless(head.view.line.as_bytes()),
            rate_bps: head.view.rate_bps,
            seconds: 0.0,
            received: WayFacts::default(),
            sent: WayFacts::default(),
            events: Vec::new(),
            talk: Vec::new(),
            chunks_missing: 0,
            bytes_missing: 0,
            over_time: Vec::new(),
            link_counted: None,
            cut_short: None,
            likely_cause: String::new(),
            begun,
            looks: Looks {
                slice_begun: begun,
                peer: head.view.peer.map(|peer| peer.0),
                ..Looks::default()
            },
        }
    }

    fn since_begin(&self, at: Instant) -> f64 {
        at.since(self.begun).as_secs_f64()
    }

    fn way(&mut self, direction: Direction) -> &mut WayFacts {
        match direction {
            Direction::Received => &mut self.received,
            Direction::Sent => &mut self.sent,
        }
    }

    /// Time goes on; so much was received until now.
    pub(crate) fn on_time(&mut self, now: Instant, counts: &HeardCounts) {
        if now.since(self.looks.slice_begun) >= SLICE {
            self.end_slice(now, counts);
        }
    }

    fn end_slice(&mut self, now: Instant, counts: &HeardCounts) {
        let (before, begun) = (self.looks.slice, self.looks.slice_begun);
        let (repaired, bad) = (
            counts.bytes_repaired - before.bytes_repaired,
            counts.frames_bad - before.frames_bad,
        );
        let bytes = counts.bytes - before.bytes;
        let slice = Slice {
            at_s: self.since_begin(begun),
            seconds: now.since(begun).as_secs_f64(),
            bytes,
            frames: counts.frames - before.frames,
            bytes_repaired: repaired,
            frames_bad: bad,
            error_rate: (repaired + bad) as f64 / bytes.max(1) as f64,
        };
        if self.over_time.len() < MOST_SLICES {
            self.over_time.push(slice);
        }
        (self.looks.slice, self.looks.slice_begun) = (*counts, now);
    }

    pub(crate) fn on_bytes(&mut self, now: Instant, direction: Direction, bytes: &[u8]) {
        let begun = self.begun;
        let way = self.way(direction);
        let last = way.last.replace(now).unwrap_or(begun);
        let silence = now.since(last);
        if silence >= SILENCE && way.silences.len() < MOST_SILENCES {
            way.silences.push(Silence {
                at_s: last.since(begun).as_secs_f64(),
                seconds: silence.as_secs_f64(),
            });
        }
        if direction == Direction::Received {
            let looks = &mut self.looks;
            for &byte in bytes {
                let first = *looks.first.get_or_insert(byte);
                looks.varied |= byte != first;
                looks.top_bit |= byte & 0x80 != 0;
            }
        }
    }

    pub(crate) fn on_frame(&mut self, now: Instant, direction: Direction, frame: &HeardFrame) {
        let at_s = self.since_begin(now);
        let way = self.way(direction);
        *way.kinds.entry(frame.kind).or_default() += 1;
        for words in &frame.carries {
            *way.carries.entry(words).or_default() += 1;
        }
        let (who, from) = match direction {
            Direction::Received => ("the far end", "there"),
            Direction::Sent => ("this end", "here"),
        };
        match &frame.said {
            Some(Said::Text(text)) if self.talk.len() < MOST_EVENTS => self.talk.push(Spoken {
                at_s,
                from,
                text: text.clone(),
            }),
            Some(Said::Hello { session, name, .. })
                if direction == Direction::Received && self.looks.peer != Some(session.0) =>
            {
                self.looks.peer = Some(session.0);
                self.tell(at_s, format!("session {session} of '{name}' begins"));
            }
            Some(Said::OtherVersion(version)) if self.looks.other_version != Some(*version) => {
                self.looks.other_version = Some(*version);
                let words = format!("{who} speaks version {version} of the protocol");
                self.tell(at_s, words);
            }
            Some(Said::OwnVoice) => {
                self.looks.own_voice += 1;
                if self.looks.own_voice == 1 {
                    self.tell(at_s, "what this end sent came back: a loop".to_owned());
                }
            }
            Some(Said::Close) => self.tell(at_s, format!("{who} was stopped")),
            _ => {}
        }
    }

    pub(crate) fn on_gap(&mut self, chunks: u64, bytes: u64) {
        self.chunks_missing = self.chunks_missing.saturating_add(chunks);
        self.bytes_missing = self.bytes_missing.saturating_add(bytes);
    }

    /// The capture ended as it should; the link's counters then, and at the begin.
    pub(crate) fn on_end(&mut self, begin: &serde_json::Value, end: &serde_json::Value) {
        self.link_counted = LinkCounts::between(begin, end);
    }

    fn tell(&mut self, at_s: f64, words: String) {
        if self.events.len() < MOST_EVENTS {
            self.events.push(Told { at_s, words });
        }
    }

    /// All was read.
    pub(crate) fn end(&mut self, now: Instant, listener: &Listener) {
        self.seconds = self.since_begin(now);
        let counts = listener.counts(Direction::Received);
        self.end_slice(now, &counts);
        for direction in Direction::BOTH {
            let counts = listener.counts(direction);
            let (begun, way) = (self.begun, self.way(direction));
            way.counts = counts;
            (way.error_rate, way.burstiness) = (counts.error_rate(), counts.burstiness());
            let last = way.last.unwrap_or(begun);
            if now.since(last) >= SILENCE {
                way.silences.push(Silence {
                    at_s: last.since(begun).as_secs_f64(),
                    seconds: now.since(last).as_secs_f64(),
                });
            }
        }
        self.likely_cause = self.cause();
    }

    fn cause(&self) -> String {
        let (way, looks) = (&self.received, &self.looks);
        let counts = &way.counts;
        let mut words = Vec::new();
        if self.bytes_missing > 0 {
            words.push(format!(
                "The capture lacks {} bytes, so more looks wrong than was: record on a faster disk",
                self.bytes_missing
            ));
        }
        if counts.bytes == 0 {
            words.push(
                "Nothing came from the far end: check that copperlink runs there, the pair, and that \
                 transmit and receive are crossed"
                    .to_owned(),
            );
        } else if looks.own_voice > 0 {
            words.push("A loop: remove the loop plug, or end the modem's loop test".to_owned());
        } else if counts.frames == 0 {
            words.push(self.no_frames().to_owned());
        } else {
            words.push(self.damage());
        }
        let long = way
            .silences
            .iter()
            .filter(|silence| silence.seconds < self.seconds);
        let count = long.count();
        if count > 0 && counts.bytes > 0 {
            words.push(format!(
                "{count} times nothing came for {} s or more: cuts of the line, retrains of a modem, or the far end was \
                 stopped",
                SILENCE.as_secs()
            ));
        }
        words.join(". ")
    }

    fn no_frames(&self) -> &'static str {
        match (self.looks.varied, self.looks.top_bit) {
            (false, _) => "Always the same byte: a stuck line, a break, or a modem in a test loop",
            (true, false) => {
                "No byte has its top bit set: the path carries 7 bits only. Set 8 data bits and no parity \
                 on every terminal of the line"
            }
            (true, true) => {
                "Bytes, but no frame among them: most likely the speed (baud) differs between the two ends, or \
                 one has parity or 7 data bits set, or XON/XOFF on the way eats bytes"
            }
        }
    }

    fn damage(&self) -> String {
        let way = &self.received;
        let counts = &way.counts;
        let wrong = counts.bytes_repaired + counts.frames_bad;
        if wrong == 0 {
            return "The way here was clean".to_owned();
        }
        let each = format!(
            "1 byte in {:.0} arrived wrong",
            1.0 / way.error_rate.max(1e-12)
        );
        if counts.slips > 0 && 10 * counts.slips > counts.frames_repaired {
            format!(
                "{each}, and bytes were lost or came out of nowhere ({} times): a port that is not emptied in \
                 time, clocks of modems that slip, or XON/XOFF on the way. Check flow control at both ends",
                counts.slips
            )
        } else if way.burstiness > BURSTY || counts.frames_bad > counts.bytes_repaired {
            format!(
                "{each}, in bursts: impulses (ringing, switching, motors), a joint that opens, or a modem that loses \
                 its train. A lower modem speed helps little; look for the source"
            )
        } else {
            format!(
                "{each}, spread evenly: noise or a level that is too low. A lower modem speed helps, or another pair"
            )
        }
    }

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
            let _ = writeln!(text, "Frames {name}: {}", list(&way.kinds));
            let _ = writeln!(text, "  with: {}", list(&way.carries));
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

const SLICE: Duration = Duration::from_secs(1);
/// A day.
const MOST_SLICES: usize = 86_400;
/// Rows of the table over time.
const ROWS: usize = 20;
const SILENCE: Duration = Duration::from_secs(2);
const MOST_SILENCES: usize = 1000;
const MOST_EVENTS: usize = 10_000;
/// Errors come together more than chance would have it.
const BURSTY: f64 = 2.5;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a way here with these bytes and counters.
    fn cause(bytes: &[u8], counts: HeardCounts) -> String {
        let mut replayed = Replayed::default();
        if !bytes.is_empty() {
            replayed.on_bytes(Instant::ZERO, Direction::Received, bytes);
        }
        let way = &mut replayed.received;
        way.counts = HeardCounts {
            bytes: bytes.len() as u64,
            good_bytes: 100_000,
            good_squares: 10_000_000,
            ..counts
        };
        (way.error_rate, way.burstiness) = (way.counts.error_rate(), way.counts.burstiness());
        replayed.cause()
    }

    #[test]
    fn the_cause_is_named() {
        let none = HeardCounts::default();
        let some = HeardCounts {
            frames: 1000,
            ..none
        };
        let even = HeardCounts {
            bytes_repaired: 100,
            frames_repaired: 95,
            repaired_pairs: 10,
            ..some
        };
        let bursts = HeardCounts {
            repaired_pairs: 500,
            ..even
        };
        let slips = HeardCounts { slips: 20, ..even };
        for (bytes, counts, words) in [
            (&b""[..], none, "Nothing came"),
            (b"xxxxxxxxx", none, "Always the same byte"),
            (b"seven bits", none, "7 bits only"),
            (b"any\xff\x80\x00bits", none, "the speed (baud) differs"),
            (b"\x01\xff", some, "The way here was clean"),
            (b"\x01\xff", even, "spread evenly"),
            (b"\x01\xff", bursts, "in bursts"),
            (b"\x01\xff", slips, "bytes were lost or came out of nowhere"),
        ] {
            let said = cause(bytes, counts);
            assert!(said.contains(words), "{said} instead of {words}");
        }
    }

    #[test]
    fn what_is_missing_is_said_first() {
        let mut replayed = Replayed::default();
        replayed.on_gap(2, 900);
        assert!(replayed.cause().starts_with("The capture lacks 900 bytes"));
    }

    #[test]
    fn a_silence_is_noticed_and_the_time_before_the_first_byte_counts() {
        let mut replayed = Replayed::default();
        for at in [3_000_000, 3_500_000, 9_000_000] {
            replayed.on_bytes(Instant::from_micros(at), Direction::Received, &[1]);
        }
        let silences = replayed.received.silences.iter();
        let silences: Vec<_> = silences.map(|s| (s.at_s, s.seconds)).collect();
        assert_eq!(silences, [(0.0, 3.0), (3.5, 5.5)]);
    }
}
