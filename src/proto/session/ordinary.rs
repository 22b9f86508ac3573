//! What goes into an ordinary frame, how long it is, and what interrupts it.
//!
//! A datagram arrives when its whole frame has. So a long frame is cheap, and late: each frame costs
//! some ten bytes, and holds for its line time what is in it and what waits behind it.
//!
//! ```text
//! the line                  never more than a quarter of what arrived in a row, and the best length for
//!                           its error rate (line/quality.rs)
//! control in bulk           up to LONGEST of line time: it has no deadline
//!   beside audio            up to BESIDE_AUDIO: audio interrupts, and makes the frame longer
//!   beside video            three eighths of the shortest deadline, 150 ms when it is 400 ms
//! video                     the same; but one datagram goes whole when no other video waits:
//!                           to cut it makes it no earlier
//! ```
//!
//! A flow that was active does not count at once as gone: a frame may take a quarter of the time for
//! which its equipment has been quiet, and where audio was heard before no more than half a second. So video
//! that begins again waits a quarter of its pause at most; audio interrupts.
//!
//! Whole datagrams are preferred: one is cut only when no frame takes it whole, or when more than
//! half of the frame would stay empty. To cut one costs 13 bytes, and a frame 8 to 11.
//!
//! Urgent are small control messages and RTCP, when few wait. They travel in frames of their own:
//! in a frame of something else they would be as late as that. When the ordinary frame under way
//! takes longer than [`WORTH_IT`], they interrupt it with an express frame, which has the long check.
//! So does video when it begins beside a frame that takes longer than it can wait. Nobody interrupts
//! more often than is his share (the scheduler's account), nor for longer than audio can bear.

use super::Session;
use crate::proto::channel::{Flow, SentSegment};
use crate::proto::config::PortKind;
use crate::proto::framing::check::CheckKind;
use crate::proto::framing::header::FrameKind;
use crate::proto::framing::segment::{MESSAGE_OVERHEAD, Writer};
use crate::proto::line::Line;
use crate::proto::scheduler::FlowSet;
use crate::proto::time::{Duration, Instant};

/// A frame with less room left than this is closed.
const SMALL_REST: usize = 12;
/// The longest ordinary frame. Three datagrams of 1200 bytes at 9600 bit/s take 3.8 seconds.
const LONGEST: Duration = Duration::from_secs(4);
/// The longest ordinary frame while there is audio. At worst audio makes it nine times as long, and
/// more than 128 frames that interrupt it are more than a receiver's memory of numbers.
pub(super) const BESIDE_AUDIO: Duration = Duration::from_millis(250);
/// The longest when audio may begin again: it must not be interrupted too often either.
const BEFORE_TALK: Duration = Duration::from_millis(500);
/// The shortest limit, bytes: a slow line must carry something.
const SHORTEST: usize = 48;
/// Largest urgent message, bytes.
const SMALL: usize = 256;
/// When more messages than these wait, none is urgent.
const FEW: usize = 4;
/// An ordinary frame that ends sooner is waited for.
pub(super) const WORTH_IT: Duration = Duration::from_millis(50);
/// An express frame takes at most this long while there is audio, which cannot interrupt it; and no
/// more than a quarter of this when that is enough for a short one, bytes.
const BEFORE_AUDIO: Duration = Duration::from_millis(20);
const SHORT: usize = 96;
/// There is audio when a packet was handed in since.
const LATELY: Duration = Duration::from_secs(2);
/// Bytes of a frame beside a message: header, check, COBS, delimiters, segment.
const AROUND: usize = 12;

/// How long the next frame of a line may be, bytes of header and segments.
#[derive(Clone, Copy, Debug)]
struct Limits {
    most: usize,
    /// For a frame with one datagram of a flow that has a deadline.
    alone: usize,
}

impl Session {
    /// Puts the next ordinary frame on its way.
    pub(super) fn send_ordinary(&mut self, now: Instant, index: usize) {
        if !self
            .flows
            .iter()
            .any(|flow| !flow.is_express() && flow.has_data())
        {
            return;
        }
        let kind = FrameKind::Ordinary;
        let mut body = Vec::new();
        let Some(number) = self.lines[index].start_frame(now, kind, &mut body) else {
            return;
        };
        let limits = self.limits(now, &self.lines[index]);
        let urgent = self.urgent(now, &self.lines[index]);
        let mut frame = Filling {
            writer: Writer::new(&mut body),
            segments: Vec::new(),
            urgent: None,
            has_control: false,
            full: FlowSet::default(),
        };
        // In a frame that is over soon nothing is late.
        let is_short = self.lines[index].rate().time_for(limits.most) <= WORTH_IT;
        loop {
            let flows = &self.flows;
            let may = |flow: usize| {
                !frame.full.has(flow)
                    // Control does not wait until video has filled its frame.
                    && (!frame.has_control || flows[flow].is_reliable())
                    && (is_short || frame.urgent.is_none_or(|is| is == urgent.has(flow)))
            };
            let Some(chosen) = self.scheduler.next_ordinary(flows, may) else {
                break;
            };
            let flow = &self.flows[chosen];
            let most = frame.most(flow, limits);
            let used = frame.writer.len() + frame.writer.cost_of_next();
            let space = most.saturating_sub(used);
            if space < SMALL_REST {
                break;
            }
            let waits = flow.next_whole().is_some_and(|len| {
                let whole = len + MESSAGE_OVERHEAD;
                whole > space && whole + HEADER <= most && 2 * used >= most
            });
            if waits || !self.add(now, chosen, space, &mut frame) {
                frame.full.insert(chosen);
                continue;
            }
            frame.urgent.get_or_insert(urgent.has(chosen));
            frame.has_control |= self.flows[chosen].is_reliable();
        }
        let segments = frame.segments;
        if !segments.is_empty() {
            self.finish(now, index, kind, number, &mut body, segments);
        }
    }

    /// Interrupts the ordinary frame under way with what is urgent; says whether it did.
    pub(super) fn send_urgent(&mut self, now: Instant, index: usize) -> bool {
        let kind = FrameKind::Express(CheckKind::Long);
        let line = &self.lines[index];
        let Some((left, under_way)) = under_way(line) else {
            return false;
        };
        let (urgent, late) = (self.urgent(now, line), self.late(now, line, left));
        let space = self.longest_express(now, line, LONGEST) + MESSAGE_OVERHEAD;
        if urgent.is_empty() && late.is_empty() {
            return false;
        }
        let may = |flow: usize| (urgent.has(flow) || late.has(flow)) && !under_way.has(flow);
        let mut body = Vec::new();
        let Some(number) = line.start_frame(now, kind, &mut body) else {
            return false;
        };
        let Some(chosen) = self.scheduler.next_urgent(&self.flows, may, under_way) else {
            return false;
        };
        let mut writer = Writer::new(&mut body);
        let from = writer.len();
        // What was looked at may be too late by now, and what stands behind it longer.
        let Some(segment) = self.flows[chosen].write(now, space, true, &mut writer) else {
            return false;
        };
        let segments = vec![(segment, writer.len() - from)];
        let wire = self.finish(now, index, kind, number, &mut body, segments);
        self.scheduler.begin_frame(chosen);
        self.scheduler.on_sent(chosen, &self.flows[chosen], wire);
        self.lines[index].on_others(wire);
        true
    }

    /// Writes a segment of a flow; says whether it fitted.
    fn add(&mut self, now: Instant, chosen: usize, space: usize, frame: &mut Filling<'_>) -> bool {
        let from = frame.writer.len();
        let Some(segment) = self.flows[chosen].write(now, space, true, &mut frame.writer) else {
            return false;
        };
        let bytes = frame.writer.len() - from;
        if frame.segments.is_empty() {
            self.scheduler.begin_frame(chosen);
        }
        self.scheduler.on_sent(chosen, &self.flows[chosen], bytes);
        frame.segments.push((segment, bytes));
        true
    }

    /// How long the next ordinary frame of a line may be.
    fn limits(&self, now: Instant, line: &Line) -> Limits {
        // At worst each byte is escaped.
        let longest = if line.escapes() { LONGEST / 2 } else { LONGEST };
        let (mut most, mut alone) = (longest, longest);
        let mut videos = 0;
        for flow in &self.flows {
            let (Some(deadline), Some(quiet)) = (flow.deadline(), flow.quiet_for(now)) else {
                continue;
            };
            if flow.is_express() {
                let bearable = (quiet / 4).clamp(BESIDE_AUDIO, BEFORE_TALK);
                most = most.min(bearable);
                alone = alone.min(bearable);
            } else if flow.port.kind == PortKind::Media {
                let bearable = bearable(deadline).max(quiet / 4);
                most = most.min(bearable);
                videos += u32::from(quiet < deadline);
                alone = alone.min(deadline.max(quiet / 4));
            }
        }
        if videos > 1 {
            alone = most;
        }
        let proven = line.frame_length();
        let bytes = |time| line.content_in(time).clamp(SHORTEST, proven);
        Limits {
            most: bytes(most),
            alone: bytes(alone),
        }
    }

    /// Flows whose next message is urgent on a line.
    fn urgent(&self, now: Instant, line: &Line) -> FlowSet {
        let most = self.longest_express(now, line, LONGEST);
        let mut urgent = FlowSet::default();
        for (i, flow) in self.flows.iter().enumerate() {
            let is_small = flow.next_whole().is_some_and(|len| len <= SMALL.min(most));
            let is_kind = flow.is_reliable() || flow.port.kind == PortKind::Rtcp;
            if is_small && is_kind && flow.waiting() <= FEW {
                urgent.insert(i);
            }
        }
        urgent
    }

    /// Flows with a deadline whose next datagram would come late behind an ordinary frame that still
    /// takes so long.
    fn late(&self, now: Instant, line: &Line, left: Duration) -> FlowSet {
        let mut late = FlowSet::default();
        for (i, flow) in self.flows.iter().enumerate() {
            let Some(deadline) = flow.deadline().filter(|_| !flow.is_express()) else {
                continue;
            };
            let bearable = bearable(deadline);
            let most = self.longest_express(now, line, bearable);
            if left > bearable && flow.next_whole().is_some_and(|len| len <= most) {
                late.insert(i);
            }
        }
        late
    }

    /// Whether there is audio that must not wait.
    pub(super) fn has_audio(&self, now: Instant) -> bool {
        self.flows.iter().any(|flow| {
            flow.is_express() && flow.quiet_for(now).is_some_and(|quiet| quiet < LATELY)
        })
    }

    /// Largest datagram that may interrupt, when an express frame may take so long.
    fn longest_express(&self, now: Instant, line: &Line, time: Duration) -> usize {
        let most = line.rate().bytes_in(time).min(line.frame_length());
        let most = if self.has_audio(now) {
            let short = line.rate().bytes_in(BEFORE_AUDIO / 4).max(SHORT);
            most.min(line.rate().bytes_in(BEFORE_AUDIO)).min(short)
        } else {
            most
        };
        most.saturating_sub(AROUND)
    }
}

/// How long a flow with that deadline can wait for a frame of others, or for its own.
fn bearable(deadline: Duration) -> Duration {
    deadline.min(LONGEST) * 3 / 8
}

/// An ordinary frame that is being filled.
struct Filling<'a> {
    writer: Writer<'a>,
    segments: Vec<(SentSegment, usize)>,
    /// Whether what is in it is urgent.
    urgent: Option<bool>,
    has_control: bool,
    /// Flows whose next segment does not fit any more.
    full: FlowSet,
}

impl Filling<'_> {
    /// How long the frame may become with something of a flow.
    fn most(&self, flow: &Flow, limits: Limits) -> usize {
        let whole = flow
            .next_whole()
            .map_or(0, |len| len + MESSAGE_OVERHEAD + HEADER);
        // Behind an advance it is alone, too.
        let is_alone = self.writer.len() <= ALMOST_EMPTY && flow.deadline().is_some();
        if is_alone && whole + ALMOST_EMPTY <= limits.alone {
            limits.most.max(whole + ALMOST_EMPTY)
        } else {
            limits.most
        }
    }
}

/// A frame with no more than this has no datagram in it.
const ALMOST_EMPTY: usize = 16;
/// Bytes of an ordinary frame's header.
const HEADER: usize = 2;

/// What the ordinary frame under way still takes, and the flows in it, when it is worth interrupting.
fn under_way(line: &Line) -> Option<(Duration, FlowSet)> {
    let (left, flows) = line.under_way()?;
    if left <= WORTH_IT {
        return None;
    }
    let mut set = FlowSet::default();
    for flow in flows {
        // Flow n on the wire is at n - 1; flow 0 carries nothing.
        if let Some(index) = usize::from(flow.0).checked_sub(1) {
            set.insert(index);
        }
    }
    Some((left, set))
}
