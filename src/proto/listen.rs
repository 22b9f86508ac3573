//! Reading a line without being one of its ends: what was recorded of it is decoded again, by the same
//! decoder and the same rules.
//!
//! Promise: from a [`LineView`] on, the bytes that an end got give the same frames and the same counters
//! as they gave that end, however noisy the line was; what left is read as well. Assumed: no bytes
//! are missing. Leaves to others what is made of it.

mod heard;

pub use heard::{Heard, HeardCounts, HeardFrame, Said};

use serde::{Deserialize, Serialize};

use heard::{kind_words, segment_words};

use super::config::SessionId;
use super::framing::cobs;
use super::framing::decoder::{Decoder, DecoderCounts, Found, Verdict};
use super::framing::header::{FrameKind, Service};
use super::framing::parity::Parity;
use super::framing::segment::{self, Segment};
use super::line::handshake::{Hello, Table, Unusable};
use super::line::{Line, Opened};
use super::session::receive::survey;
use super::talk::frames::{Heard as TextHeard, Piece};
use super::talk::{OrderWire, Taken};
use super::time::Instant;

/// Where an end of a line stood at one moment: all that a [`Listener`] needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LineView {
    /// Name of the link.
    pub link: String,
    /// Name of the line.
    pub line: String,
    /// Its rate, bit/s.
    pub rate_bps: u32,
    /// Whether XON and XOFF are kept off it.
    pub avoid_xon_xoff: bool,
    /// This end's session number.
    pub session: SessionId,
    /// The far end's, once known.
    pub peer: Option<SessionId>,
    /// The way here.
    pub received: WayView,
    /// The way there.
    pub sent: WayView,
}

/// One direction of a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WayView {
    /// The number that the next frame has, if none is lost.
    pub(crate) next: u64,
    pub(crate) express_parity: Parity,
    pub(crate) decoder: Decoder,
}

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the far end to the end at which the line was recorded.
    Received,
    /// From the end at which the line was recorded to the far end.
    Sent,
}

impl Direction {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Received, Self::Sent];
}

/// Reads both directions of a line.
#[derive(Debug)]
pub struct Listener {
    own: SessionId,
    peer: Option<SessionId>,
    ways: [Way; 2],
}

#[derive(Debug)]
struct Way {
    line: Line,
    begun: DecoderCounts,
    bytes: u64,
    /// Puts messages of the order wire together.
    ear: OrderWire,
}

/// A run of the order wire that nobody has: what is heard is nobody's own voice.
const NOBODY: SessionId = SessionId(0);

impl Listener {
    /// Goes on from there; `None` when the view is not one that a session gave.
    pub fn new(view: &LineView, now: Instant) -> Option<Self> {
        let (own, peer) = (view.session, view.peer);
        let way = |way, ends| {
            let line = Line::overheard(view, way, ends, now)?;
            Some(Way {
                begun: line.decoder_counts(),
                line,
                bytes: 0,
                ear: OrderWire::new(NOBODY),
            })
        };
        Some(Self {
            own,
            peer,
            ways: [
                way(&view.received, peer.map(|peer| (peer, own)))?,
                way(&view.sent, peer.map(|peer| (own, peer)))?,
            ],
        })
    }

    /// Takes bytes of one direction, and appends what was found in them.
    pub fn handle_bytes(
        &mut self,
        now: Instant,
        direction: Direction,
        bytes: &[u8],
        found: &mut Vec<Heard>,
    ) {
        self.ways[direction as usize].bytes += bytes.len() as u64;
        // One delimiter at a time, so that what was repaired is told with its frame.
        for piece in bytes.split_inclusive(|&byte| byte == 0) {
            self.take(now, direction, piece, found);
        }
    }

    fn take(&mut self, now: Instant, direction: Direction, piece: &[u8], found: &mut Vec<Heard>) {
        let index = direction as usize;
        let before = self.ways[index].line.decoder_counts();
        let (mut decoder, unescaped) = self.ways[index].line.begin_decoding(now, piece);
        let mut frames = Vec::new();
        decoder.feed(unescaped.as_deref().unwrap_or(piece), &mut |chunk| {
            self.judge(now, direction, chunk, &mut frames)
        });
        self.ways[index].line.end_decoding(now, decoder);
        let line = &mut self.ways[index].line;
        let counts = line.decoder_counts();
        if let Some(first) = frames.first_mut() {
            first.repaired = counts.repaired_bytes - before.repaired_bytes;
            first.joined = counts.joined > before.joined;
        }
        let noise = line.take_given_up().into_iter().map(Heard::Noise);
        found.extend(noise);
        found.extend(frames.into_iter().map(Heard::Frame));
    }

    fn judge(
        &mut self,
        now: Instant,
        direction: Direction,
        chunk: Found<'_>,
        frames: &mut Vec<HeardFrame>,
    ) -> Verdict {
        let Some(opened) = self.ways[direction as usize].line.open(now, chunk) else {
            return Verdict::Bad;
        };
        let mut frame = HeardFrame {
            kind: kind_words(opened.kind),
            number: None,
            parity: u8::from(chunk.parity),
            wire: Vec::new(),
            sessions: [0; 2],
            repaired: 0,
            joined: false,
            carries: Vec::new(),
            said: None,
        };
        let verdict = match opened.kind {
            FrameKind::Service(service) => {
                self.on_service(now, direction, service, opened.content, &mut frame)
            }
            _ => self.on_numbered(now, direction, &opened, &mut frame),
        };
        if verdict != Verdict::Bad {
            cobs::encode(chunk.body, &mut frame.wire);
            chunk.parity.append(&mut frame.wire);
            frames.push(frame);
        }
        verdict
    }

    fn on_numbered(
        &mut self,
        now: Instant,
        direction: Direction,
        opened: &Opened<'_>,
        frame: &mut HeardFrame,
    ) -> Verdict {
        let line = &mut self.ways[direction as usize].line;
        let Some(eliciting) = survey(opened.kind, opened.content) else {
            return Verdict::Bad;
        };
        if !line.believes(opened) {
            return Verdict::Bad;
        }
        let (verdict, _) = line.on_frame(now, opened, eliciting);
        let (mut rest, mut reader) = (opened.content, segment::Reader::default());
        while let Some(segment) = reader.next(&mut rest) {
            match segment {
                Segment::ExpressParity(parity) => line.on_express_parity(parity),
                Segment::Close => frame.said = Some(Said::Close),
                _ => {}
            }
            let words = segment_words(&segment);
            if !frame.carries.contains(&words) {
                frame.carries.push(words);
            }
        }
        frame.number = Some(opened.number);
        let ends = [Some(self.own), self.peer].map(|end| end.map_or(0, |end| end.0));
        frame.sessions = match direction {
            Direction::Sent => ends,
            Direction::Received => [ends[1], ends[0]],
        };
        verdict
    }

    /// Takes a service frame by the rules of [`Session`](super::Session).
    fn on_service(
        &mut self,
        now: Instant,
        direction: Direction,
        service: Service,
        content: &[u8],
        frame: &mut HeardFrame,
    ) -> Verdict {
        let known = match service {
            Service::Hello => match Hello::read(content) {
                Ok(hello) => {
                    frame.said = Some(self.on_hello(now, direction, hello));
                    true
                }
                Err(Unusable::Version(version)) => {
                    frame.said = Some(Said::OtherVersion(version));
                    true
                }
                Err(Unusable::Malformed) => false,
            },
            Service::Table => Table::read(content).is_ok(),
            Service::Text => match Piece::read(content) {
                Some(piece) => {
                    let way = &mut self.ways[direction as usize];
                    if let Taken::Message(text) = way.ear.on_piece(now, piece) {
                        frame.said = Some(Said::Text(text));
                    }
                    true
                }
                None => false,
            },
            Service::Heard => TextHeard::read(content).is_some(),
        };
        match known {
            true => Verdict::Express,
            false => Verdict::Bad,
        }
    }

    fn on_hello(&mut self, now: Instant, direction: Direction, hello: Hello) -> Said {
        let came_back = direction == Direction::Received && hello.session == self.own;
        if came_back {
            return Said::OwnVoice;
        }
        match direction {
            Direction::Received if self.peer != Some(hello.session) => {
                self.peer = Some(hello.session);
                self.begin(now);
            }
            Direction::Sent if self.own != hello.session => {
                self.own = hello.session;
                self.begin(now);
            }
            _ => {}
        }
        let line = &mut self.ways[direction as usize].line;
        line.overhear_hello(now, &hello);
        Said::Hello {
            session: hello.session,
            name: hello.name,
            hears: hello.hears,
        }
    }

    /// A session begins.
    fn begin(&mut self, now: Instant) {
        let Some(peer) = self.peer else { return };
        let [received, sent] = &mut self.ways;
        received.line.begin_session(now, self.own, peer);
        sent.line.begin_session(now, peer, self.own);
    }

    /// The counters of a direction.
    pub fn counts(&self, direction: Direction) -> HeardCounts {
        let way = &self.ways[direction as usize];
        let (now, begun) = (way.line.decoder_counts(), way.begun);
        HeardCounts {
            bytes: way.bytes,
            frames: now.good - begun.good,
            frames_joined: now.joined - begun.joined,
            frames_split: now.split - begun.split,
            frames_repaired: now.repaired_frames - begun.repaired_frames,
            bytes_repaired: now.repaired_bytes - begun.repaired_bytes,
            slips: now.slips - begun.slips,
            frames_bad: now.bad - begun.bad,
            good_bytes: now.good_bytes - begun.good_bytes,
            bad_bytes: now.bad_bytes - begun.bad_bytes,
            good_squares: now.good_squares - begun.good_squares,
            repaired_pairs: now.repaired_pairs - begun.repaired_pairs,
        }
    }

    /// The two session numbers: of the end at which the line was recorded, and of the far end.
    pub const fn sessions(&self) -> (SessionId, Option<SessionId>) {
        (self.own, self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> serde_json::Value {
        let line = Line::new(
            &super::super::config::LineConfig::new(
                "line",
                super::super::time::BitRate::new(9600).expect("a rate"),
            ),
            Instant::ZERO,
        );
        let view = line.view("room-1".into(), SessionId(1), Some(SessionId(2)));
        serde_json::to_value(view).expect("JSON")
    }

    fn listener(view: serde_json::Value) -> Option<Listener> {
        let view: LineView = serde_json::from_value(view).ok()?;
        Listener::new(&view, Instant::ZERO)
    }

    #[test]
    fn a_view_that_nobody_gave_is_refused_and_does_no_harm() {
        assert!(listener(view()).is_some());
        for (place, value) in [
            ("/rate_bps", serde_json::json!(0)),
            ("/received/next", serde_json::json!(u64::MAX)),
            ("/received/express_parity", serde_json::json!(5)),
            ("/received/decoder/expected", serde_json::json!(u64::MAX)),
            (
                "/received/decoder/order",
                serde_json::json!([0, 0, 0, 0, 0, 0]),
            ),
            ("/received/decoder/counts/bad", serde_json::json!(u64::MAX)),
            ("/received/decoder/chunk", serde_json::json!(vec![1; 9000])),
            ("/sent/decoder/held/bytes", serde_json::json!([1, 2])),
            (
                "/sent/decoder/held/parts",
                serde_json::json!([{ "end": 5, "begins": true }]),
            ),
            ("/sent/decoder/work", serde_json::json!(1u64 << 40)),
        ] {
            let mut wrong = view();
            *wrong.pointer_mut(place).expect(place) = value;
            assert!(listener(wrong).is_none(), "{place}");
        }
    }
}
