//! What a capture says of the line: facts, and what they most likely come from.

mod cause;
mod screen;

use std::collections::BTreeMap;

use serde::Serialize;

use copperlink::proto::event::harmless;
use copperlink::proto::listen::{Direction, HeardCounts, HeardFrame, Listener, Said};
use copperlink::proto::time::{Duration, Instant};
use copperlink::shell::capture::CaptureHead;

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
}

const SLICE: Duration = Duration::from_secs(1);
/// A day.
const MOST_SLICES: usize = 86_400;
const SILENCE: Duration = Duration::from_secs(2);
const MOST_SILENCES: usize = 1000;
const MOST_EVENTS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

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
