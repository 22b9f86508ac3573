//! Which datagrams make a video frame, and which frames are worth the line.
//!
//! Promise: a frame goes whole or not at all, as far as the line lets it; what is begun is expected
//! to arrive within the deadline, counted from the acceptance of the frame's first packet. A packet
//! of a frame that was dropped is dropped as well. Assumed: the equipment's packets come in the
//! order of their frames. Left to others: the packets themselves ([`queue`](super::queue)), whose
//! they are ([`source`](super::source)), the speed of the line ([`service`](super::service)).
//!
//! - A frame is RTP packets of one source and timestamp, in order of their numbers, up to the one
//!   with the marker. What is not RTP is a frame of its own.
//! - When the oldest frame cannot arrive in time any more, the line is behind: it goes on with a
//!   fresh one, so that what is sent is young and a standing queue never builds up.
//! - A frame that could not arrive in time even if it were sent at once may have twice the deadline
//!   if it is known to be a key frame, or if none was begun in time for a whole deadline and none
//!   waits behind it: a late picture is better than none. A frame that cannot make that either is
//!   dropped unsent.
//! - When nothing can be sent in time and the line would stand idle until the next frame comes, the
//!   frame that waits may be late by less than that, and by no more than a quarter of the deadline.

use std::collections::BTreeMap;

use rtp_types::RtpPacket;

use super::key_frame::Picture;
use super::service::Service;
use super::source::Sources;
use crate::proto::time::{Duration, Instant, earliest};

/// The frames of a flow of which packets wait, or may still come.
#[derive(Debug)]
pub(super) struct Frames {
    rules: Rules,
    known: BTreeMap<FrameId, Frame>,
    next: FrameId,
    sources: Sources,
    /// A frame was too late to be begun, and no fresh one was begun since.
    is_behind: bool,
    /// When a frame was begun last that was expected to arrive in time.
    last_in_time: Option<Instant>,
    /// When the last frame came, and the smoothed time between two.
    last_came: Option<Instant>,
    interval: Duration,
    pub(super) service: Service,
}

/// Names a frame; later ones have larger numbers.
pub(super) type FrameId = u64;

#[derive(Clone, Copy, Debug)]
struct Rules {
    deadline: Duration,
    /// RTP packets are put together to frames.
    whole: bool,
    await_key_frame: bool,
}

#[derive(Debug)]
struct Frame {
    /// When its first packet was accepted.
    accepted: Instant,
    /// Its packets in the queue.
    packets: usize,
    source: Option<u32>,
    picture: Picture,
    /// The packet with the marker came, or one of the next frame.
    is_complete: bool,
    is_begun: bool,
    /// It has twice the deadline.
    is_late: bool,
    dropped: Option<Drop>,
}

/// Why a frame was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drop {
    /// It could not arrive in time.
    Late,
    QueueFull,
    /// It needs a picture that was dropped.
    Dependent,
}

/// What to do with a frame whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Send,
    /// Not in this frame of the line, or not before its next packet tells whether it is worth it.
    Wait,
    Drop(Drop),
}

/// What of the queue counts for a verdict.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    /// Bytes of the frame that are still to be sent.
    pub(super) rest: usize,
    /// Room for them in the frame of the line that is filled.
    pub(super) space: usize,
    /// Another frame waits behind it.
    pub(super) more: bool,
}

impl Frames {
    /// Video: RTP packets are put together to frames.
    pub(super) fn of_video(deadline: Duration, await_key_frame: bool) -> Self {
        Self::new(Rules {
            deadline,
            whole: true,
            await_key_frame,
        })
    }

    /// Each datagram for itself. The last one that waits is always tried, and what was begun has
    /// twice the deadline.
    pub(super) fn of_datagrams(deadline: Duration) -> Self {
        Self::new(Rules {
            deadline,
            whole: false,
            await_key_frame: false,
        })
    }

    fn new(rules: Rules) -> Self {
        Self {
            rules,
            known: BTreeMap::new(),
            next: 0,
            sources: Sources::default(),
            is_behind: false,
            last_in_time: None,
            last_came: None,
            interval: Duration::ZERO,
            service: Service::default(),
        }
    }

    /// The frame that a datagram belongs to; [`Frames::join`] comes next.
    pub(super) fn frame_of(&mut self, now: Instant, datagram: &[u8]) -> FrameId {
        let packet = RtpPacket::parse(datagram).ok();
        let Some(packet) = packet.filter(|packet| self.rules.whole && is_media(packet)) else {
            return self.begin(now, None);
        };
        let (known, deadline) = (&self.known, self.rules.deadline);
        let place = self.sources.place(&packet, self.next, |id| {
            let accepted = known.get(&id).map(|frame| frame.accepted);
            accepted.is_some_and(|at| now < at + deadline)
        });
        if place.is_first {
            self.begin(now, Some(packet.ssrc()));
        }
        let id = place.frame;
        if let Some(frame) = self.known.get_mut(&id) {
            frame.picture = frame.picture.max(place.picture);
        }
        for over in place.over {
            if let Some(frame) = self.known.get_mut(&over) {
                frame.is_complete = true;
            }
            // The packet itself is still to join.
            if over != id {
                self.forget(over);
            }
        }
        id
    }

    /// Takes one more packet of a frame into the queue, or says why the frame was dropped.
    pub(super) fn join(&mut self, id: FrameId) -> Result<(), Drop> {
        let Some(frame) = self.known.get_mut(&id) else {
            // It was dropped with its last packet on the doorstep.
            return Err(Drop::QueueFull);
        };
        if let Some(reason) = frame.dropped {
            self.forget(id);
            return Err(reason);
        }
        frame.packets += 1;
        Ok(())
    }

    /// A packet of the frame left the queue.
    pub(super) fn on_left(&mut self, id: FrameId) {
        if let Some(frame) = self.known.get_mut(&id) {
            frame.packets = frame.packets.saturating_sub(1);
        }
        self.forget(id);
    }

    /// Bytes of the frame are sent, in the message with that number.
    pub(super) fn on_sent(&mut self, now: Instant, id: FrameId, number: u64) {
        let Some(frame) = self.known.get_mut(&id).filter(|frame| !frame.is_begun) else {
            return;
        };
        frame.is_begun = true;
        self.is_behind = false;
        if !frame.is_late {
            self.last_in_time = Some(now);
        }
        if frame.picture == Picture::Key {
            self.sources.on_key_frame(frame.source, number);
        }
    }

    /// The frame is given up; `incomplete` when some of it was still to be sent.
    pub(super) fn on_dropped(&mut self, id: FrameId, reason: Drop, incomplete: bool) {
        let Some(frame) = self.known.get_mut(&id) else {
            return;
        };
        frame.dropped = Some(reason);
        if incomplete && frame.picture != Picture::Disposable {
            self.sources.on_missing(frame.source);
        }
        self.forget(id);
    }

    /// Part of a message that is given up did not arrive.
    pub(super) fn on_lost_for_good(&mut self, number: u64) {
        self.sources.on_lost_for_good(number);
    }

    /// A new session: messages are numbered anew, and nothing is begun.
    pub(super) fn restart(&mut self) {
        self.sources.restart();
        for frame in self.known.values_mut() {
            frame.is_begun = false;
        }
        self.service.on_interrupted();
    }

    /// The first frame whose time is over.
    pub(super) fn expired(&self, now: Instant) -> Option<FrameId> {
        self.next_over()
            .filter(|&(at, _)| at <= now)
            .map(|(_, id)| id)
    }

    /// When the next frame's time is over.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.next_over().map(|(at, _)| at)
    }

    fn next_over(&self) -> Option<(Instant, FrameId)> {
        let mut next = None;
        for (&id, frame) in self.known.iter().filter(|(_, frame)| frame.is_waiting()) {
            next = earliest(next, Some((self.expiry(frame), id)));
            if !self.has_twice(frame) {
                // Those behind it came later.
                break;
            }
        }
        next
    }

    /// When all of the frame must have arrived.
    pub(super) fn due(&self, id: FrameId) -> Option<Instant> {
        self.known.get(&id).map(|frame| self.expiry(frame))
    }

    fn expiry(&self, frame: &Frame) -> Instant {
        let times = if self.has_twice(frame) { 2 } else { 1 };
        frame.accepted + self.rules.deadline.saturating_mul(times)
    }

    fn has_twice(&self, frame: &Frame) -> bool {
        frame.is_late || frame.is_begun && !self.rules.whole
    }

    /// Packets of the frame in the queue.
    pub(super) fn packets(&self, id: FrameId) -> usize {
        self.known.get(&id).map_or(0, |frame| frame.packets)
    }

    /// Whether some of the frame was sent.
    pub(super) fn is_begun(&self, id: FrameId) -> bool {
        self.known.get(&id).is_none_or(|frame| frame.is_begun)
    }

    /// A frame that waits for a picture which did not go.
    pub(super) fn dependent(&self) -> Option<FrameId> {
        if !self.rules.await_key_frame || !self.sources.is_any_broken() {
            return None;
        }
        let needs = |(_, frame): &(&FrameId, &Frame)| {
            frame.is_waiting() && !frame.is_begun && self.misses(frame) == Some(true)
        };
        self.known.iter().find(needs).map(|(&id, _)| id)
    }

    /// Whether the frame needs a picture that did not go; `None` while that cannot be told.
    fn misses(&self, frame: &Frame) -> Option<bool> {
        if !self.rules.await_key_frame || !self.sources.is_broken(frame.source) {
            return Some(false);
        }
        match frame.picture {
            Picture::Unknown | Picture::Key => Some(false),
            Picture::Undecided => frame.is_complete.then_some(true),
            Picture::Dependent | Picture::Disposable => Some(true),
        }
    }

    /// Whether the frame whose turn it is goes.
    pub(super) fn verdict(&mut self, now: Instant, id: FrameId, outlook: Outlook) -> Verdict {
        let Some(frame) = self.known.get(&id) else {
            return Verdict::Drop(Drop::Late);
        };
        match self.misses(frame) {
            _ if frame.is_begun => {}
            None => return Verdict::Wait,
            Some(true) => return Verdict::Drop(Drop::Dependent),
            Some(false) => {
                let more = outlook.rest.min(outlook.space);
                if self.rules.whole && self.service.would_spoil(now, more) {
                    return Verdict::Wait;
                }
            }
        }
        let verdict = if !self.rules.whole {
            self.verdict_on_datagram(now, frame, outlook)
        } else if frame.is_begun {
            self.verdict_on_begun(now, frame, outlook)
        } else {
            self.verdict_on_fresh(now, frame, outlook)
        };
        match verdict {
            Some(is_late) => {
                if let Some(frame) = self.known.get_mut(&id) {
                    frame.is_late |= is_late;
                }
                Verdict::Send
            }
            None => {
                self.is_behind |= !self.known.get(&id).is_some_and(|frame| frame.is_begun);
                Verdict::Drop(Drop::Late)
            }
        }
    }

    /// `Some`: it goes, and whether it has twice the deadline.
    fn verdict_on_datagram(&self, now: Instant, frame: &Frame, outlook: Outlook) -> Option<bool> {
        let in_time = self.service.arrival(now, outlook.rest) <= self.expiry(frame);
        (frame.is_begun || in_time || !outlook.more).then_some(false)
    }

    fn verdict_on_begun(&self, now: Instant, frame: &Frame, outlook: Outlook) -> Option<bool> {
        let arrival = self.service.arrival(now, outlook.rest);
        if arrival <= self.expiry(frame) {
            return Some(false);
        }
        // It grew while it was on its way.
        let allowed = frame.accepted + self.rules.deadline.saturating_mul(2);
        (self.is_too_large(now, outlook.rest) && arrival <= allowed).then_some(true)
    }

    fn verdict_on_fresh(&self, now: Instant, frame: &Frame, outlook: Outlook) -> Option<bool> {
        let (deadline, service) = (self.rules.deadline, &self.service);
        let due = frame.accepted + deadline;
        let latest = service.latest_arrival(now, outlook.rest);
        if latest <= due {
            let is_old = now.since(frame.accepted) > deadline / FRESH;
            return (!(self.is_behind && is_old && outlook.more)).then_some(false);
        }
        let arrival = service.arrival(now, outlook.rest);
        if !outlook.more && arrival <= due {
            // The line would stand idle.
            return Some(false);
        }
        let idle = self.next_comes().since(now);
        if !outlook.more && idle > deadline / 8 && arrival <= due + idle.min(deadline / 4) {
            return Some(true);
        }
        let starves = self.last_in_time.is_none_or(|at| now.since(at) > deadline);
        let may = frame.picture == Picture::Key || starves && !outlook.more;
        let can = latest <= due + deadline && self.is_too_large(now, outlook.rest);
        (may && can).then_some(true)
    }

    /// When another frame is expected.
    fn next_comes(&self) -> Instant {
        let last = self.last_came.unwrap_or_default();
        last + self.interval.min(self.rules.deadline)
    }

    /// Whether so much could not arrive in time even if it were just accepted.
    fn is_too_large(&self, now: Instant, bytes: usize) -> bool {
        self.service.latest_arrival(now, bytes) > now + self.rules.deadline
    }

    fn begin(&mut self, now: Instant, source: Option<u32>) -> FrameId {
        let id = self.next;
        self.next += 1;
        if let Some(last) = self.last_came.replace(now) {
            self.interval = (self.interval * 7 + now.since(last).min(self.rules.deadline)) / 8;
        }
        self.known.insert(
            id,
            Frame {
                accepted: now,
                packets: 0,
                source,
                picture: Picture::Unknown,
                is_complete: source.is_none(),
                is_begun: false,
                is_late: false,
                dropped: None,
            },
        );
        id
    }

    /// Forgets a frame that is over.
    fn forget(&mut self, id: FrameId) {
        let is_over = |frame: &Frame| frame.packets == 0 && frame.is_complete;
        if self.known.get(&id).is_some_and(is_over) {
            self.known.remove(&id);
        }
    }
}

impl Frame {
    fn is_waiting(&self) -> bool {
        self.packets > 0 && self.dropped.is_none()
    }
}

/// RTCP on the same port (RFC 5761, 4) is no frame of its neighbours.
fn is_media(packet: &RtpPacket<'_>) -> bool {
    !(64..=95).contains(&packet.payload_type())
}

/// What is older than this share of the deadline is left out when the line is behind.
const FRESH: u32 = 4;

#[cfg(test)]
mod tests;
