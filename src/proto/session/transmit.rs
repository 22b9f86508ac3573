//! From the flows to the bytes of a line. Frames are built when the line has room, not before.

use std::ops::RangeInclusive;

use super::{Closing, Session};
use crate::proto::channel::SentSegment;
use crate::proto::framing::check::CheckKind;
use crate::proto::framing::header::FrameKind;
use crate::proto::framing::segment::Writer;
use crate::proto::line::handshake::Hello;
use crate::proto::line::{Contents, Line};
use crate::proto::stats::LineState;
use crate::proto::time::{Duration, Instant};

/// Audio frames up to this many bytes of header and segments have the short check.
pub(super) const SHORT_FRAME: usize = 96;
/// When several audio packets wait, as many share a frame as fit into this time, and these bounds.
const AUDIO_FRAME_TIME: Duration = Duration::from_millis(120);
const AUDIO_FRAME: RangeInclusive<usize> = 48..=240;
/// An audio frame with a single packet may be this long.
pub(super) const LONGEST_AUDIO: usize = 1200;

impl Session {
    /// Appends bytes for a line.
    pub(super) fn transmit(
        &mut self,
        now: Instant,
        line: usize,
        room: usize,
        buf: &mut Vec<u8>,
    ) -> usize {
        if line >= self.lines.len() {
            return 0;
        }
        if !self.lines[line].begin_transmit(now, room > 0) {
            // The caller comes back when there is room, or at the pacer's time.
            return 0;
        }
        let before = buf.len();
        let mut paced = false;
        loop {
            let room = room - (buf.len() - before);
            let allowance = self.lines[line].allowance(now, room);
            if allowance == 0 {
                paced = room > 0;
                break;
            }
            self.fill(now, line);
            if self.lines[line].transmit(now, allowance, buf) == 0 {
                break;
            }
        }
        self.lines[line].set_paced(paced);
        buf.len() - before
    }

    /// Puts the next frames on their way to the line.
    fn fill(&mut self, now: Instant, line: usize) {
        if self.closing == Closing::Said {
            // After the goodbye there is nothing to say, or the far end would hear us again.
            return;
        }
        if self.lines[line].takes_express() {
            // What the far end waits for goes before audio, a report by the clock behind it.
            let _ = self.send_service(now, line)
                || (self.lines[line].report_is_urgent() && self.send_link_segments(now, line))
                || (self.lines[line].takes_audio() && self.send_audio(now, line))
                || self.send_link_segments(now, line)
                || (self.lines[line].takes_audio() && self.send_again(now, line))
                || (self.carries(line) && self.send_urgent(now, line))
                || self.interrupt_with_text(now, line);
        }
        if self.lines[line].takes_ordinary() && !self.send_text(now, line) && self.carries(line) {
            self.send_ordinary(now, line);
        }
        if self.lines[line].is_idle() {
            self.lines[line].forgive();
            let _ = self.send_audio(now, line) || self.send_again(now, line);
        }
    }

    pub(super) fn carries(&self, line: usize) -> bool {
        self.lines[line].state() == LineState::Up && self.closing == Closing::No
    }

    fn send_service(&mut self, now: Instant, line: usize) -> bool {
        let own = self.own;
        let Self {
            lines,
            config,
            peer,
            digest,
            ..
        } = self;
        let hello = |line: &Line, hears: bool| {
            let (next, expected) = line.next_numbers();
            Hello {
                session: own,
                heard: peer.as_ref().map(|peer| peer.session),
                hears,
                is_up: line.state() == LineState::Up,
                digest: *digest,
                next: next as u32,
                expected: expected as u32,
                name: config.name.clone(),
                resume: config.resume.clone(),
            }
        };
        if lines[line].send_hello(now, hello) {
            if lines[line].state() == LineState::Cut {
                // Audio goes on into the cut; nobody will report on it.
                let settled = lines[line].give_up();
                self.on_settled(&settled);
            }
            return true;
        }
        lines[line].send_table(now, own, &self.table)
    }

    /// Sends what the lines have to tell each other: report, probe, goodbye.
    fn send_link_segments(&mut self, now: Instant, index: usize) -> bool {
        let kind = FrameKind::Express(CheckKind::Long);
        let line = &mut self.lines[index];
        if !line.carries_frames() {
            return false;
        }
        let mut body = Vec::new();
        let Some(number) = line.start_frame(now, kind, &mut body) else {
            return false;
        };
        let mut writer = Writer::new(&mut body);
        let header = writer.len();
        let report = line.due_report(now);
        if let Some(report) = &report {
            // In front: both together say how good the line is.
            if let Some(repairs) = line.due_repairs() {
                writer.repairs(repairs);
            }
            writer.report(report);
        }
        let probes = line.probe_is_due(now);
        if probes {
            writer.probe();
            line.on_probe_sent(now);
        }
        let closes = self.closing == Closing::Pending;
        if closes {
            writer.close();
            self.closing = Closing::Said;
        }
        if writer.len() == header {
            return false;
        }
        let untold = line.untold_parity();
        if let Some(parity) = untold {
            writer.express_parity(parity);
        }
        let contents = Contents {
            eliciting: probes || closes,
            tells: untold.is_some(),
            ..Contents::default()
        };
        let wire = line.finish_frame(now, kind, number, &mut body, contents);
        if report.is_some() {
            line.on_report_sent(now, wire);
        }
        true
    }

    fn send_audio(&mut self, now: Instant, index: usize) -> bool {
        if !self.lines[index].carries_frames() || self.closing != Closing::No {
            return false;
        }
        let mut body = Vec::new();
        // The kind decides the check, and the length of the body the kind: try the short one.
        let short = FrameKind::Express(CheckKind::Short);
        let Some(number) = self.lines[index].start_frame(now, short, &mut body) else {
            return false;
        };
        let header = body.len();
        let (mut front, mut content) = (Vec::new(), Vec::new());
        let segments = self.write_audio(now, index, &mut content);
        if segments.is_empty() {
            return false;
        }
        let keeps = segments.iter().any(|(segment, _)| segment.keeps());
        if keeps {
            // Until the far end says that it has the header, each packet carries its own.
            Writer::new(&mut front).probe();
        }
        let untold = self.lines[index].untold_parity();
        if let Some(parity) = untold {
            Writer::new(&mut front).express_parity(parity);
        }
        let is_short = header + content.len() <= SHORT_FRAME;
        // The first packet behind a cut is alone with a number that nobody expects.
        let is_cut = self.lines[index].state() == LineState::Cut;
        let may = untold.is_none() && !is_cut;
        let kind = if is_short && !keeps && may {
            short
        } else {
            let long = FrameKind::Express(CheckKind::Long);
            body.clear();
            if self.lines[index]
                .start_frame(now, long, &mut body)
                .is_none()
            {
                return false;
            }
            long
        };
        body.extend_from_slice(&front);
        body.extend_from_slice(&content);
        let wire = self.finish(now, index, kind, number, &mut body, segments);
        self.lines[index].on_audio(wire);
        self.lines[index].use_audio_room(now, wire);
        true
    }

    /// Writes the audio packets that wait, one of each flow in turn.
    fn write_audio(
        &mut self,
        now: Instant,
        line: usize,
        content: &mut Vec<u8>,
    ) -> Vec<(SentSegment, usize)> {
        let certain = self.lines[line].is_certain(now);
        let fitting = self.lines[line].rate().bytes_in(AUDIO_FRAME_TIME);
        let shared = fitting.clamp(*AUDIO_FRAME.start(), *AUDIO_FRAME.end());
        let mut writer = Writer::new(content);
        let mut segments = Vec::new();
        while let Some(index) = self.scheduler.next_express(&self.flows) {
            let from = writer.len();
            let most = if segments.is_empty() {
                LONGEST_AUDIO
            } else {
                shared
            };
            let space = most.saturating_sub(from + writer.cost_of_next());
            let Some(segment) = self.flows[index].write(now, space, certain, &mut writer) else {
                break;
            };
            segments.push((segment, writer.len() - from));
            if !writer.takes_more() {
                break;
            }
        }
        segments
    }

    /// Puts a frame with segments of flows on its way, and charges the flows for it; says how many
    /// bytes it takes on the line.
    pub(super) fn finish(
        &mut self,
        now: Instant,
        line: usize,
        kind: FrameKind,
        number: u64,
        body: &mut Vec<u8>,
        segments: Vec<(SentSegment, usize)>,
    ) -> usize {
        let carried: usize = segments.iter().map(|(_, bytes)| bytes).sum();
        let (mut has_deadline, mut is_audio) = (false, false);
        for (segment, _) in &segments {
            if let Some(flow) = super::flow_mut(&mut self.flows, segment.flow) {
                has_deadline |= flow.deadline().is_some();
                is_audio |= flow.is_express();
            }
        }
        // Audio with the long check tells it (see `send_audio`); so do reports.
        let tells = kind == FrameKind::Express(CheckKind::Long)
            && is_audio
            && self.lines[line].untold_parity().is_some();
        let contents = Contents {
            eliciting: true,
            tells,
            has_deadline,
            segments: segments.iter().map(|(segment, _)| *segment).collect(),
        };
        let wire = self.lines[line].finish_frame(now, kind, number, body, contents);
        // Header, check and stuffing are paid by the first; in the long run all pay their share.
        let mut overhead = wire.saturating_sub(carried);
        for (segment, bytes) in segments {
            if let Some(flow) = super::flow_mut(&mut self.flows, segment.flow) {
                flow.charge(bytes + std::mem::take(&mut overhead));
            }
        }
        wire
    }
}
