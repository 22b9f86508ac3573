//! The order wire on the lines: which one, in which lane, and what comes of what arrives.
//!
//! A piece goes where ordinary frames do, in front of them, so audio interrupts it and never waits for it. Without
//! audio it may interrupt itself, so that it does not wait seconds for a long frame of bulk.

use super::ordinary::{BESIDE_AUDIO, WORTH_IT};
use super::{Closing, Session};
use crate::proto::error::Refused;
use crate::proto::event::{Event, TextId};
use crate::proto::framing::header::Service;
use crate::proto::line::watch::Refusal;
use crate::proto::stats::LineState;
use crate::proto::talk::frames::{Heard, Piece};
use crate::proto::talk::{Due, Taken};
use crate::proto::time::Instant;

/// Bytes of a frame around its text: header, head, check, COBS, parity, delimiter.
const AROUND: usize = 32;
/// Fewer bytes of text are not worth a frame.
const SHORTEST: usize = 32;

impl Session {
    /// Takes a text for the technician at the far end. It goes as soon as frames get through, whatever the
    /// state of the line; [`Event::TextDelivered`] says when it was heard. Line ends become
    /// spaces; a text of more than some hundred bytes arrives as several.
    ///
    /// # Errors
    /// [`Refused::Empty`], [`Refused::TooLarge`] above [`MAX_TEXT`](crate::proto::MAX_TEXT), or
    /// [`Refused::QueueFull`].
    pub fn handle_text(&mut self, now: Instant, text: &str) -> Result<TextId, Refused> {
        self.now = now;
        self.order_wire.accept(text)
    }

    /// When the order wire wants a line.
    pub(super) fn text_at(&self, index: usize) -> Option<Instant> {
        let at = self.order_wire.due()?;
        self.talks_over(self.now, index).then_some(at)
    }

    /// Whether the order wire uses a line: one that is up, else any that is open and not a loop.
    fn talks_over(&self, now: Instant, index: usize) -> bool {
        if self.closing != Closing::No {
            return false;
        }
        let is_up = |line: &crate::proto::line::Line| line.state() == LineState::Up;
        let line = &self.lines[index];
        if is_up(line) {
            return true;
        }
        line.state() != LineState::Closed
            && !matches!(line.refusal(now), Some(Refusal::Loop))
            && !self.lines.iter().any(is_up)
    }

    /// Puts what the order wire has on its way, in the lane of the ordinary frames; says whether there
    /// was something.
    pub(super) fn send_text(&mut self, now: Instant, index: usize) -> bool {
        self.say(now, index, false)
    }

    /// Interrupts an ordinary frame that takes long yet, while there is no audio.
    pub(super) fn interrupt_with_text(&mut self, now: Instant, index: usize) -> bool {
        let left = self.lines[index].under_way().map(|(left, _)| left);
        left.is_some_and(|left| left > WORTH_IT)
            && !self.has_audio(now)
            && self.say(now, index, true)
    }

    fn say(&mut self, now: Instant, index: usize, express: bool) -> bool {
        let Some(due) = self.order_wire.due_now(now) else {
            return false;
        };
        if !self.talks_over(now, index) {
            return false;
        }
        let line = &mut self.lines[index];
        match due {
            Due::Heard => {
                let Some(heard) = self.order_wire.take_answer() else {
                    return false;
                };
                line.send_text(now, Service::Heard, express, |body| heard.write(body));
            }
            Due::Piece => {
                let most = line.rate().bytes_in(BESIDE_AUDIO).saturating_sub(AROUND);
                let Some(piece) = self.order_wire.piece(most.max(SHORTEST)) else {
                    return false;
                };
                let wire = line.send_text(now, Service::Text, express, |body| piece.write(body));
                let takes = line.rate().time_for(wire);
                self.order_wire.on_sent(now, takes);
            }
        }
        true
    }

    /// A piece of text arrived; says whether it is one.
    pub(super) fn on_text(&mut self, now: Instant, line: usize, content: &[u8]) -> bool {
        let Some(piece) = Piece::read(content) else {
            return false;
        };
        match self.order_wire.on_piece(now, piece) {
            Taken::Message(text) => {
                let from = self.peer.as_ref().map(|peer| peer.name.clone());
                self.event(Event::Text {
                    from: from.unwrap_or_default(),
                    text,
                });
            }
            Taken::Nothing => {}
            Taken::OwnVoice => {
                self.lines[line].refuse(now, Refusal::Loop);
                return true;
            }
        }
        self.lines[line].on_voice(now);
        true
    }

    /// The far end heard a piece; says whether this is such an answer.
    pub(super) fn on_text_heard(&mut self, now: Instant, line: usize, content: &[u8]) -> bool {
        let Some(heard) = Heard::read(content) else {
            return false;
        };
        if let Some(id) = self.order_wire.on_heard(heard) {
            self.event(Event::TextDelivered { id });
        }
        if heard.by != self.config.session {
            self.lines[line].on_voice(now);
        }
        true
    }
}
