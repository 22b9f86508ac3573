//! Repeats of audio: when the line has room for what a flow wants to send once more.
//!
//! They go in frames of their own, behind all audio that waits, and only when they are over before
//! the equipment hands in the next packet, by its pace so far; so they make no newer audio late.
//! With them audio takes no more than three fifths of the line
//! ([`line`](crate::proto::line), room): the rest is for the others.

use super::Session;
use super::transmit::{LONGEST_AUDIO, SHORT_FRAME};
use crate::proto::channel::Flow;
use crate::proto::framing::check::CheckKind;
use crate::proto::framing::header::FrameKind;
use crate::proto::framing::segment::Writer;
use crate::proto::time::Instant;

/// Bytes of a frame around its segments, without parity: header, check, COBS, delimiter.
const AROUND: usize = 8;

impl Session {
    /// Sends packets of a flow once more; says whether it did.
    pub(super) fn send_again(&mut self, now: Instant, index: usize) -> bool {
        let audio = || self.flows.iter().filter(|flow| flow.is_express());
        if !self.carries(index) || audio().any(|flow| flow.has_data()) {
            return false;
        }
        let wants = |flow: &Flow| {
            let lost = flow.wants_again();
            lost.is_some_and(|lost| self.lines[index].has_audio_room(now, lost))
        };
        let is_lost = |flow: &Flow| flow.wants_again() == Some(true) && wants(flow);
        let lost = self.flows.iter().position(is_lost);
        let Some(chosen) = lost.or_else(|| self.flows.iter().position(wants)) else {
            return false;
        };
        let quiet = audio().filter_map(|flow| flow.quiet_until_next(now)).min();
        let space = quiet.map_or(LONGEST_AUDIO, |quiet| {
            let bytes = self.lines[index].rate().bytes_in(quiet);
            let around = AROUND + self.lines[index].express_parity();
            bytes.saturating_sub(around).min(LONGEST_AUDIO)
        });
        // What is written counts as on its way: there must be a number for it.
        let long = FrameKind::Express(CheckKind::Long);
        if self.lines[index]
            .start_frame(now, long, &mut Vec::new())
            .is_none()
        {
            return false;
        }
        let mut content = Vec::new();
        let mut writer = Writer::new(&mut content);
        let mut segments = Vec::new();
        loop {
            let from = writer.len();
            let most = if segments.is_empty() {
                space
            } else {
                space.min(SHORT_FRAME - 2)
            };
            let room = most.saturating_sub(from + writer.cost_of_next());
            let Some(segment) = self.flows[chosen].write_again(room, &mut writer) else {
                break;
            };
            segments.push((segment, writer.len() - from));
        }
        if segments.is_empty() {
            return false;
        }
        let is_short = content.len() + 2 <= SHORT_FRAME;
        let has_number = |kind| {
            self.lines[index]
                .start_frame(now, kind, &mut Vec::new())
                .is_some()
        };
        let check = if is_short
            && self.lines[index].untold_parity().is_none()
            && has_number(FrameKind::Express(CheckKind::Short))
        {
            CheckKind::Short
        } else {
            CheckKind::Long
        };
        let kind = FrameKind::Express(check);
        let mut body = Vec::new();
        let Some(number) = self.lines[index].start_frame(now, kind, &mut body) else {
            return false;
        };
        if let Some(parity) = self.lines[index].untold_parity() {
            Writer::new(&mut body).express_parity(parity);
        }
        body.extend_from_slice(&content);
        let wire = self.finish(now, index, kind, number, &mut body, segments);
        self.lines[index].on_audio(wire);
        self.lines[index].use_audio_room(now, wire);
        true
    }
}
