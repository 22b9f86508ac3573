//! The receiving half of a line: bytes to frames whose check is good, hellos, reports.

use super::handshake::Hello;
use super::quality::SEARCHED;
use super::received::Arrival;
use super::sent::{self, Settled};
use super::{Line, Opened};
use crate::proto::config::SessionId;
use crate::proto::framing::check::{CheckKind, Seal};
use crate::proto::framing::decoder::{Decoder, Found, Verdict};
use crate::proto::framing::header::{self, FrameKind, Header};
use crate::proto::framing::parity::Parity;
use crate::proto::framing::report::{Repairs, Report};
use crate::proto::stats::LineState;
use crate::proto::time::Instant;

impl Line {
    /// Takes bytes of the line; `judge` gets what may be a frame.
    ///
    /// The decoder is handed out so that the judge may use the line meanwhile.
    pub(crate) fn begin_decoding(
        &mut self,
        now: Instant,
        bytes: &[u8],
    ) -> (Decoder, Option<Vec<u8>>) {
        self.counts.bytes_received += bytes.len() as u64;
        self.watch.on_bytes(now, bytes);
        let unescaped = self.unescape.as_mut().map(|unescape| {
            let mut unescaped = Vec::with_capacity(bytes.len());
            unescape.feed(bytes, &mut unescaped);
            unescaped
        });
        (std::mem::take(&mut self.decoder), unescaped)
    }

    /// Takes the decoder back.
    pub(crate) fn end_decoding(&mut self, now: Instant, decoder: Decoder) {
        self.decoder = decoder;
        if std::mem::take(&mut self.session_begins) {
            self.decoder.begin_session();
            self.incoming.begin_session(self.decoder.counts());
        }
        self.incoming
            .on_bytes(now, self.decoder.counts(), self.received.absent());
    }

    /// Tests header and check of a frame.
    pub(crate) fn open<'a>(&self, now: Instant, found: Found<'a>) -> Option<Opened<'a>> {
        let frame = found.body;
        let mut rest = frame;
        let header: Header = header::read(&mut rest)?;
        let header_len = frame.len() - rest.len();
        let (kind, expected) = (header.kind, self.received.expected());
        let (seal, first) = match kind {
            FrameKind::Service(_) => (Seal::SERVICE, 0),
            _ => (self.seals?.incoming, header.number(expected)),
        };
        if kind == FrameKind::Express(CheckKind::Short) && !self.trusts(found) {
            return None;
        }
        let open = |number| Some((number, seal.open(kind.check(), number, frame)?));
        let (number, checked) = open(first).or_else(|| {
            if found.guessed {
                // One guess on top of another is one too many.
                return None;
            }
            let missed = self.received.most_missed(now, self.rate());
            header.later_numbers(expected, missed).find_map(open)
        })?;
        Some(Opened {
            kind,
            number,
            is_guessed: number != first,
            content: checked.get(header_len..)?,
        })
    }

    /// Whether a frame with the short check may be one. One guess in 65536 passes that check, and a
    /// noisy line makes many guesses: so the far end says first, in a frame with the long check, which
    /// parity these frames have, and where there is little nothing but a whole chunk is believed.
    pub(crate) fn trusts(&self, found: Found<'_>) -> bool {
        found.parity == self.express_there && (!found.guessed || found.parity.len() >= SEARCHED)
    }

    /// How many frames of the far end did not arrive so far.
    pub(crate) fn absent(&self) -> u64 {
        self.received.absent()
    }

    /// The number that comes next if nothing is lost.
    #[cfg(test)]
    pub(crate) fn received_next(&self) -> u64 {
        self.received.expected()
    }

    /// Whether the number of a good frame can be right.
    pub(crate) fn believes(&mut self, frame: &Opened<'_>) -> bool {
        frame.kind != FrameKind::Express(CheckKind::Short)
            || self.received.believes(frame.number, frame.is_guessed)
    }

    /// Notes a good numbered frame.
    pub(crate) fn on_frame(
        &mut self,
        now: Instant,
        frame: &Opened<'_>,
        eliciting: bool,
    ) -> (Verdict, Arrival) {
        self.on_heard(now);
        let number = frame.number;
        let (verdict, overtakes) = match frame.kind {
            FrameKind::Express(_) => (Verdict::Express, true),
            _ => (Verdict::Ordinary, false),
        };
        if verdict == Verdict::Ordinary && number >= self.received.announced() {
            // Nobody begins such a frame without hearing us.
            self.on_proof(now);
        }
        (
            verdict,
            self.received.on_frame(now, number, eliciting, overtakes),
        )
    }

    /// The far end is there: a good frame came that is not our own.
    pub(crate) fn on_heard(&mut self, now: Instant) {
        let was_heard = self.hears(now);
        self.alive.on_heard(now, self.counts.bytes_received);
        self.watch.on_good_frame(now);
        if self.state == LineState::Cut && !was_heard {
            // It does not know that we hear it again: say so now, and soon again.
            self.call(now);
        }
    }

    /// Somebody there talks: what came before was no noise.
    pub(crate) fn on_voice(&mut self, now: Instant) {
        self.watch.on_good_frame(now);
    }

    /// Our frames arrive there.
    fn on_proof(&mut self, now: Instant) {
        let under_way = self.outbox.under_way().map_or(0, |frame| frame.wire);
        self.alive
            .on_proof(now, self.counts.bytes_received, under_way);
    }

    /// Notes a hello of the session's far end.
    pub(crate) fn on_hello(&mut self, now: Instant, hello: &Hello, own: SessionId) {
        self.on_heard(now);
        let next = nearest(hello.next, self.received.expected());
        self.received.on_announced(next);
        let hears_us = hello.heard == Some(own) && hello.hears;
        if hello.heard == Some(own) {
            self.sent
                .on_expected(nearest(hello.expected, self.sent.next_number()));
        }
        if hears_us {
            self.on_proof(now);
        } else {
            self.alive.forget_proof();
        }
        // The far end lacks something: that it is heard, or the proof that we know that it hears.
        if !hears_us || !hello.is_up {
            self.reply(now);
        }
    }

    /// The far end asks for a report.
    pub(crate) fn on_probe(&mut self) {
        self.received.on_probe();
    }

    /// From here on the far end's frames with the short check have that parity.
    pub(crate) fn on_express_parity(&mut self, parity: Parity) {
        self.express_there = parity;
    }

    /// Takes what the far end repaired.
    pub(crate) fn on_repairs(&mut self, repairs: Repairs) {
        let news = repairs.since(self.repairs_there);
        self.repairs_there = repairs;
        self.quality.on_repairs(news);
    }

    /// Takes a report of the far end.
    pub(crate) fn on_report(&mut self, now: Instant, report: &Report) -> Settled {
        let settled = self.sent.on_report(now, report);
        if settled.progress {
            self.on_proof(now);
            self.probe.unanswered = 0;
        }
        if let Some(rtt) = settled.rtt {
            self.rtt.on_sample(rtt);
        }
        if let Some(mark) = settled.mark {
            let found = self.delivery.on_arrived(now, mark, self.counts.bytes_sent);
            if found.rate != self.pacer.rate() {
                self.pacer.set_rate(now, found.rate);
            }
            self.pacer.on_reported(now, found.waits);
        }
        self.note_settled(&settled);
        settled
    }

    /// Whether more than one frame in [`LOSS`] was lost lately. Noise between frames may be the reason,
    /// or damaged delimiters: a frame that begins on an idle line has a delimiter of its own then.
    pub(super) fn loses_much(&self) -> bool {
        self.losses > 2 * LOSS
    }

    /// Lets express frames have the parity that is best now.
    pub(super) fn choose_parity(&mut self) {
        let next = self.sent.next_number();
        self.express.change(self.quality.express_parity(), next);
    }

    fn note_settled(&mut self, settled: &Settled) {
        self.quality.on_settled(&settled.frames);
        self.choose_parity();
        for frame in &settled.frames {
            self.losses = match frame.fate {
                sent::Fate::Lost => (self.losses + LOSS).min(MOST_LOSSES),
                _ => self.losses.saturating_sub(1),
            };
            self.counts.frames_lost += u64::from(frame.fate != sent::Fate::Arrived);
        }
        if let Some(number) = settled.told {
            self.express.on_told(number);
        }
    }
}

/// A loss counts as much as so many frames that arrived.
const LOSS: u32 = 64;
const MOST_LOSSES: u32 = 8 * LOSS;

/// The number whose low 32 bits are these and that is nearest to `near`.
pub(super) fn nearest(low: u32, near: u64) -> u64 {
    let ahead = low.wrapping_sub(near as u32);
    if ahead <= u32::MAX / 2 {
        near + u64::from(ahead)
    } else {
        near.saturating_sub(u64::from(ahead.wrapping_neg()))
    }
}
