//! From the bytes of a line to the flows.

use std::collections::VecDeque;

use super::{MAX_FORMER, Peer, Session, flow_mut};
use crate::proto::channel::{Piece, Place, rtp};
use crate::proto::config::SessionId;
use crate::proto::event::Event;
use crate::proto::framing::check::{CheckKind, digest};
use crate::proto::framing::decoder::{Found, Verdict};
use crate::proto::framing::header::{FrameKind, Service};
use crate::proto::framing::segment::{self, FlowId, Segment};
use crate::proto::line::Opened;
use crate::proto::line::handshake::{Hello, Table, Unusable};
use crate::proto::line::received::Arrival;
use crate::proto::line::watch::Refusal;
use crate::proto::time::Instant;
use bytes::Bytes;

impl Session {
    /// Takes bytes of a line.
    pub(super) fn receive(&mut self, now: Instant, line: usize, bytes: &[u8]) {
        if line >= self.lines.len() {
            return;
        }
        let (mut decoder, unescaped) = self.lines[line].begin_decoding(now, bytes);
        let bytes = unescaped.as_deref().unwrap_or(bytes);
        decoder.feed(bytes, &mut |found| self.judge(now, line, found));
        self.lines[line].end_decoding(now, decoder);
    }

    /// Takes a frame if it is one.
    fn judge(&mut self, now: Instant, line: usize, found: Found<'_>) -> Verdict {
        let Some(opened) = self.lines[line].open(now, found) else {
            return Verdict::Bad;
        };
        match opened.kind {
            FrameKind::Service(service) => {
                let known = match service {
                    Service::Hello => self.on_hello(now, line, opened.content),
                    Service::Table => self.on_table(now, line, opened.content),
                    Service::Text => self.on_text(now, line, opened.content),
                    Service::Heard => self.on_text_heard(now, line, opened.content),
                };
                // Most travel in the express lane. Those of the order wire may do, too, so what was held
                // in front of them stays.
                if known {
                    Verdict::Express
                } else {
                    Verdict::Bad
                }
            }
            _ => self.on_frame(now, line, &opened),
        }
    }

    fn on_hello(&mut self, now: Instant, line: usize, content: &[u8]) -> bool {
        let hello = match Hello::read(content) {
            Ok(hello) => hello,
            Err(Unusable::Version(there)) => {
                self.lines[line].refuse(now, Refusal::Version(there));
                self.lines[line].reply(now);
                return true;
            }
            Err(Unusable::Malformed) => return false,
        };
        let own = self.own;
        if hello.session == own || self.former.contains(&hello.session) {
            self.lines[line].refuse(now, Refusal::Loop);
            return true;
        }
        if self.peer.as_ref().map(|peer| peer.session) != Some(hello.session) {
            self.begin(now, &hello);
        } else if !self.lines[line].has_session() {
            self.lines[line].begin_session(now, self.own, hello.session);
        }
        if hello.digest == self.digest {
            self.lines[line].accept();
        } else {
            let known = match self.lines[line].refusal(now) {
                Some(Refusal::Tables(differences)) => differences.clone(),
                _ => Vec::new(),
            };
            self.lines[line].refuse(now, Refusal::Tables(known));
        }
        self.lines[line].on_hello(now, &hello, self.own);
        true
    }

    /// A session with a far end that was not known begins.
    fn begin(&mut self, now: Instant, hello: &Hello) {
        let own = self.own;
        let before = self.peer.as_ref().map(|peer| peer.session);
        // The far end may remember what it had from us before it was restarted.
        let resume = hello
            .resume
            .as_ref()
            .filter(|resume| resume.peer == own && Some(resume.own) == before);
        for flow in &mut self.flows {
            let delivered = resume.and_then(|resume| {
                let of_flow =
                    |(channel, _): &&_| flow.is_reliable() && *channel == flow.port.channel;
                resume
                    .delivered
                    .iter()
                    .find(of_flow)
                    .map(|(_, delivered)| u64::from(*delivered))
            });
            flow.restart(delivered.unwrap_or(0));
        }
        self.end_session(before, hello.session);
        for line in &mut self.lines {
            line.begin_session(now, self.own, hello.session);
        }
        self.sessions += 1;
        self.peer = Some(Peer {
            session: hello.session,
            name: hello.name.clone(),
        });
        self.event(Event::SessionStarted {
            peer: hello.session,
            name: hello.name.clone(),
            after_restart: before.is_some(),
        });
    }

    /// A session that ended must not go on: its numbers are used up. When its far end comes back,
    /// which knows nothing of that, a new number of our own makes it begin anew, too.
    fn end_session(&mut self, before: Option<SessionId>, next: SessionId) {
        if self.ended.contains(&next) {
            self.ended.retain(|&ended| ended != next);
            remember(&mut self.former, self.own);
            let mut seed = [self.own.0.to_le_bytes(), next.0.to_le_bytes()].concat();
            while self.former.contains(&self.own) || self.own == next || self.own.0 == 0 {
                seed.push(0);
                self.own = SessionId(digest(&seed));
            }
        }
        if let Some(before) = before {
            remember(&mut self.ended, before);
        }
    }

    fn on_table(&mut self, now: Instant, line: usize, content: &[u8]) -> bool {
        let Ok((session, there)) = Table::read(content) else {
            return false;
        };
        if self.peer.as_ref().map(|peer| peer.session) == Some(session) {
            let differences = self.table.differences(&there);
            if !differences.is_empty() {
                self.lines[line].refuse(now, Refusal::Tables(differences));
            }
        }
        true
    }

    fn on_frame(&mut self, now: Instant, line: usize, frame: &Opened<'_>) -> Verdict {
        let Some(eliciting) = survey(frame.kind, frame.content) else {
            return Verdict::Bad;
        };
        if !self.lines[line].believes(frame) {
            return Verdict::Bad;
        }
        let (verdict, arrival) = self.lines[line].on_frame(now, frame, eliciting);
        if arrival == Arrival::New {
            let (mut rest, mut reader) = (frame.content, segment::Reader::default());
            while let Some(segment) = reader.next(&mut rest) {
                self.on_segment(now, line, segment);
            }
        }
        verdict
    }

    fn on_segment(&mut self, now: Instant, line: usize, segment: Segment<'_>) {
        match segment {
            Segment::Report(report) => {
                let settled = self.lines[line].on_report(now, &report);
                self.on_settled(&settled);
            }
            Segment::Repairs(repairs) => self.lines[line].on_repairs(repairs),
            Segment::ExpressParity(parity) => self.lines[line].on_express_parity(parity),
            Segment::Probe => self.lines[line].on_probe(),
            Segment::Close => {
                for line in &mut self.lines {
                    line.on_close();
                }
                self.event(Event::PeerClosed);
            }
            Segment::Advance { flow, number } => {
                self.with_flow(flow, |flow, deliver| flow.on_advance(now, number, deliver));
            }
            Segment::Packet { flow, number, data } => {
                let place = self.place(line);
                let missing = self.with_flow(flow, |flow, deliver| {
                    flow.on_packet(place, number, data, deliver)
                });
                self.lines[line].on_audio_missing(missing == Some(true));
            }
            Segment::Again { flow, number, data } => {
                self.with_flow(flow, |flow, deliver| flow.on_again(number, data, deliver));
            }
            Segment::Steady { slot, low, payload } => {
                let place = self.place(line);
                let (flow, context) = (usize::from(slot / 2), usize::from(slot % 2));
                // A slot without a flow cannot be in a table that both ends agreed on.
                if let Some(flow) = self.flows.iter().filter(|flow| flow.is_express()).nth(flow) {
                    let missing = self.with_flow(flow.id, |flow, deliver| {
                        flow.on_steady(place, context, low, payload, deliver)
                    });
                    self.lines[line].on_audio_missing(missing == Some(true));
                }
            }
            Segment::Message { flow, number, data } => {
                let place = self.place(line);
                self.with_flow(flow, |flow, deliver| {
                    flow.on_message(now, place, number, data, deliver);
                });
            }
            Segment::Piece {
                flow,
                number,
                offset,
                last,
                data,
            } => {
                let piece = Piece {
                    number,
                    offset,
                    last,
                    data,
                };
                self.with_flow(flow, |flow, deliver| flow.on_piece(now, piece, deliver));
            }
        }
    }

    fn place(&self, line: usize) -> Place {
        Place {
            line,
            absent: self.lines[line].absent(),
        }
    }

    /// Hands a flow and the way to the equipment to `take`.
    fn with_flow<T>(
        &mut self,
        id: FlowId,
        take: impl FnOnce(&mut crate::proto::channel::Flow, &mut dyn FnMut(Bytes)) -> T,
    ) -> Option<T> {
        let Self {
            flows, datagrams, ..
        } = self;
        let index = usize::from(id.0).wrapping_sub(1);
        let flow = flow_mut(flows, id)?;
        Some(take(flow, &mut |data| {
            datagrams.push_back((index, data));
        }))
    }
}

/// Keeps the last numbers.
fn remember(numbers: &mut VecDeque<SessionId>, number: SessionId) {
    if numbers.len() >= MAX_FORMER {
        numbers.pop_front();
    }
    numbers.push_back(number);
}

/// Whether all of `content` is segments that such a frame may carry, and whether they want a report.
pub(crate) fn survey(kind: FrameKind, content: &[u8]) -> Option<bool> {
    let (mut rest, mut reader) = (content, segment::Reader::default());
    let mut eliciting = false;
    while !rest.is_empty() {
        let segment = reader.next(&mut rest)?;
        if let Segment::Again { data, .. } = &segment
            && data.compressed
            && rtp::is_keep(data.bytes)
        {
            return None;
        }
        // A short check is good enough for audio, and for nothing else.
        let is_audio = match &segment {
            Segment::Packet { data, .. } => !(data.compressed && rtp::is_keep(data.bytes)),
            Segment::Steady { .. } | Segment::Again { .. } => true,
            _ => false,
        };
        if kind == FrameKind::Express(CheckKind::Short) && !is_audio {
            return None;
        }
        eliciting |= !matches!(
            segment,
            Segment::Report(_) | Segment::Repairs(_) | Segment::ExpressParity(_)
        );
    }
    Some(eliciting)
}

#[cfg(test)]
mod far_end;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod other_version;
#[cfg(test)]
mod undetected;
