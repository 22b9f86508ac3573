//! The order wire: text between the technicians at both ends, while they work on the line.
//!
//! Promise: what was accepted arrives once and in order, as soon as frames get through at all: before a
//! session, while the far end is refused (other channels, another version), in noise, over cuts and a
//! restart of the far end. What arrives is harmless for a terminal. Costs nothing while nobody
//! talks. Assumed of framing: damaged frames do not come. Left to others: on which line, and when audio
//! leaves room for it ([`session`](super::session)).
//!
//! Texts are cut into messages, messages into pieces, a piece a frame. One piece is on its way at a time,
//! until the far end says that it heard it; a piece whose number is not newer than the last of its run is
//! only answered. Each end is known by its run. Who hears the rest of a message without
//! having heard its begin was restarted meanwhile: its answer says so by another run, and the message
//! begins again.
//!
//! ```text
//! sender    free      -- a text waits, its time has come -->  piece sent, waits
//!           waits     -- no answer in time --------------->   piece sent again, later and later
//!           waits     -- heard --------------------------->   free; of the last piece: delivered
//!           waits     -- heard by another run in mid message -> free; the message from its begin
//! ```

pub(crate) mod frames;

use std::collections::VecDeque;

use super::config::SessionId;
use super::error::Refused;
use super::event::{TextId, harmless};
use super::stats::OrderWireStats;
use super::time::{Duration, Instant, earliest};
use frames::{Heard, MAX_PIECE, Piece};

/// One end of the order wire.
#[derive(Debug)]
pub(crate) struct OrderWire {
    run: SessionId,
    next_id: u64,
    next_number: u16,
    messages: VecDeque<Message>,
    /// Bytes of the first message that were heard, and by whom.
    done: usize,
    done_by: Option<SessionId>,
    on_its_way: Option<OnItsWay>,
    /// Nothing new is sent before: the order wire takes a part of the line only.
    not_before: Instant,
    /// What to tell the far end that it was heard, and since when.
    answer: Option<(Heard, Instant)>,
    far_ends: VecDeque<FarEnd>,
    stats: OrderWireStats,
}

/// A message that was not delivered yet.
#[derive(Debug)]
struct Message {
    id: TextId,
    bytes: Vec<u8>,
    /// It is the last of its text.
    ends: bool,
}

/// A piece that was sent and not heard yet.
#[derive(Clone, Copy, Debug)]
struct OnItsWay {
    number: u16,
    len: usize,
    /// When it is sent again.
    again_at: Instant,
    pause: Duration,
    sent: bool,
}

/// What is known of a far end.
#[derive(Debug)]
struct FarEnd {
    run: SessionId,
    /// Of the last piece that was taken.
    number: u16,
    /// The message that is coming.
    partial: Option<Vec<u8>>,
}

/// What is to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Heard,
    Piece,
}

/// What came of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A message is whole.
    Message(String),
    /// Nothing to show yet, or not again.
    Nothing,
    /// It was this end that said it: a loop.
    OwnVoice,
}

/// Longest text that is accepted at once, bytes.
pub const MAX_TEXT: usize = 4096;
/// Longest message; a longer text is cut into several.
const MAX_MESSAGE: usize = 480;
/// Most messages that wait.
const MAX_QUEUED: usize = 64;
/// Far ends that are remembered.
const MAX_FAR_ENDS: usize = 8;
/// A piece is sent again after this, and so many times its line time: audio may interrupt it all
/// the time at both ends.
const FIRST_PAUSE: Duration = Duration::from_millis(1000);
const LINE_TIMES: u32 = 10;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The order wire takes one part in so many of the line.
const SHARE: u32 = 4;

impl OrderWire {
    pub(crate) fn new(run: SessionId) -> Self {
        Self {
            run,
            next_id: 0,
            next_number: 0,
            messages: VecDeque::new(),
            done: 0,
            done_by: None,
            on_its_way: None,
            not_before: Instant::ZERO,
            answer: None,
            far_ends: VecDeque::new(),
            stats: OrderWireStats::default(),
        }
    }

    /// Takes a text.
    pub(crate) fn accept(&mut self, text: &str) -> Result<TextId, Refused> {
        let text = one_line(text);
        if text.is_empty() {
            return Err(Refused::Empty);
        }
        let refused = if text.len() > MAX_TEXT {
            Some(Refused::TooLarge {
                size: text.len(),
                most: MAX_TEXT,
            })
        } else if self.messages.len() + text.len().div_ceil(MAX_MESSAGE / 2) > MAX_QUEUED {
            // A message may be cut at half its length, where a word ends.
            Some(Refused::QueueFull)
        } else {
            None
        };
        if let Some(refused) = refused {
            self.stats.refused += 1;
            return Err(refused);
        }
        let id = TextId(self.next_id);
        self.next_id += 1;
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (message, behind) = rest.split_at(message_len(rest));
            rest = behind;
            self.messages.push_back(Message {
                id,
                bytes: message.as_bytes().to_vec(),
                ends: rest.is_empty(),
            });
        }
        self.stats.accepted += 1;
        Ok(id)
    }

    /// When something is to be sent.
    pub(crate) fn due(&self) -> Option<Instant> {
        let piece = match self.on_its_way {
            Some(piece) => Some(piece.again_at),
            None => (!self.messages.is_empty()).then_some(self.not_before),
        };
        earliest(piece, self.answer.map(|(_, since)| since))
    }

    /// What is to be sent now.
    pub(crate) fn due_now(&self, now: Instant) -> Option<Due> {
        if self.answer.is_some() {
            return Some(Due::Heard);
        }
        (self.due()? <= now).then_some(Due::Piece)
    }

    /// Takes the answer.
    pub(crate) fn take_answer(&mut self) -> Option<Heard> {
        self.answer.take().map(|(heard, _)| heard)
    }

    /// The piece that is due; a new one has at most so many bytes. [`OrderWire::on_sent`] follows.
    pub(crate) fn piece(&mut self, most: usize) -> Option<Piece<'_>> {
        let message = self.messages.front()?;
        let left = message.bytes.len() - self.done;
        let piece = self.on_its_way.get_or_insert_with(|| {
            let number = self.next_number;
            self.next_number = number.wrapping_add(1);
            OnItsWay {
                number,
                len: left.min(most.clamp(1, MAX_PIECE)),
                again_at: Instant::ZERO,
                pause: Duration::ZERO,
                sent: false,
            }
        });
        Some(Piece {
            run: self.run,
            number: piece.number,
            first: self.done == 0,
            last: piece.len == left,
            bytes: &message.bytes[self.done..self.done + piece.len],
        })
    }

    /// The piece left, and takes so long on the line.
    pub(crate) fn on_sent(&mut self, now: Instant, takes: Duration) {
        self.not_before = now + takes * SHARE;
        let Some(piece) = &mut self.on_its_way else {
            return;
        };
        let first = FIRST_PAUSE + takes * LINE_TIMES;
        piece.pause = match piece.sent {
            true => (piece.pause * 3 / 2).min(LONGEST_PAUSE.max(first)),
            false => first,
        };
        self.stats.repeats += u64::from(std::mem::replace(&mut piece.sent, true));
        piece.again_at = now + piece.pause;
    }

    /// The far end is there (again): what it may not have heard goes at once.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if let Some(piece) = &mut self.on_its_way {
            piece.again_at = piece.again_at.min(now.max(self.not_before));
            piece.pause = FIRST_PAUSE;
        }
    }

    /// The far end heard a piece; says which text was delivered with it.
    pub(crate) fn on_heard(&mut self, heard: Heard) -> Option<TextId> {
        let piece = self.on_its_way.filter(|piece| piece.number == heard.number);
        let piece = piece.filter(|_| heard.run == self.run && heard.by != self.run)?;
        let message = self.messages.front()?;
        self.on_its_way = None;
        if self.done > 0 && self.done_by != Some(heard.by) {
            // Restarted, or another station: it has not heard what came before.
            (self.done, self.done_by) = (0, None);
            return None;
        }
        self.done += piece.len;
        self.done_by = Some(heard.by);
        if self.done < message.bytes.len() {
            return None;
        }
        (self.done, self.done_by) = (0, None);
        let message = self.messages.pop_front()?;
        self.stats.delivered += u64::from(message.ends);
        message.ends.then_some(message.id)
    }

    /// Takes a piece of the far end.
    pub(crate) fn on_piece(&mut self, now: Instant, piece: Piece<'_>) -> Taken {
        if piece.run == self.run {
            self.stats.own_voice += 1;
            return Taken::OwnVoice;
        }
        let heard = Heard {
            by: self.run,
            run: piece.run,
            number: piece.number,
        };
        self.answer = Some((heard, now));
        let Some(far_end) = self.newer(piece.run, piece.number) else {
            self.stats.twice += 1;
            return Taken::Nothing;
        };
        if piece.first {
            far_end.partial = Some(Vec::new());
        }
        let Some(message) = &mut far_end.partial else {
            // The begin was for an earlier run of this end. By the answer the far end sees that.
            return Taken::Nothing;
        };
        let room = MAX_MESSAGE.saturating_sub(message.len());
        message.extend_from_slice(&piece.bytes[..piece.bytes.len().min(room)]);
        if !piece.last {
            return Taken::Nothing;
        }
        let message = far_end.partial.take().unwrap_or_default();
        self.stats.received += 1;
        Taken::Message(harmless(&message))
    }

    /// The far end of that run, when the number is newer than the last that was taken from it.
    fn newer(&mut self, run: SessionId, number: u16) -> Option<&mut FarEnd> {
        let place = self.far_ends.iter().position(|known| known.run == run);
        let mut far_end = match place.and_then(|place| self.far_ends.remove(place)) {
            Some(known) => known,
            None => FarEnd {
                run,
                number: number.wrapping_sub(1),
                partial: None,
            },
        };
        let ahead = number.wrapping_sub(far_end.number);
        let is_newer = (1..1 << 15).contains(&ahead);
        if is_newer {
            far_end.number = number;
        }
        if self.far_ends.len() >= MAX_FAR_ENDS {
            self.far_ends.pop_front();
        }
        self.far_ends.push_back(far_end);
        self.far_ends.back_mut().filter(|_| is_newer)
    }

    pub(crate) fn stats(&self) -> OrderWireStats {
        OrderWireStats {
            queued: self.messages.len() as u64,
            ..self.stats
        }
    }
}

/// A text on one line, with single spaces where lines ended.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ").replace('\t', " ")
}

/// How much of a text the next message takes: all, or up to the end of a word, or of a letter.
fn message_len(text: &str) -> usize {
    if text.len() <= MAX_MESSAGE {
        return text.len();
    }
    let ends = (0..=MAX_MESSAGE).rev();
    let fits = ends.into_iter().find(|&end| text.is_char_boundary(end));
    let fits = fits.unwrap_or(text.len());
    let word = text[..fits].rfind(' ').map(|space| space + 1);
    word.filter(|&end| end >= MAX_MESSAGE / 2).unwrap_or(fits)
}

#[cfg(test)]
mod tests;
