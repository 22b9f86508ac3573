//! The sending half of a line: frames on their way, hellos, reports, probes, and when.

use super::handshake::{Hello, Table};
use super::sent::Built;
use super::{HELLO_FRAME, Line, received};
use crate::proto::channel::SentSegment;
use crate::proto::config::SessionId;
use crate::proto::framing::check::Seal;
use crate::proto::framing::encoder::encode;
use crate::proto::framing::header::{self, FrameKind, NumberForm, Service};
use crate::proto::framing::parity::Parity;
use crate::proto::framing::report::{Repairs, Report};
use crate::proto::framing::segment::FlowId;
use crate::proto::stats::LineState;
use crate::proto::time::{Duration, Instant, earliest};
use crate::proto::timer::Timer;

/// Longest pause while calling, and while the line is cut.
const LONGEST_PAUSE: Duration = Duration::from_millis(2000);
const LONGEST_PAUSE_CUT: Duration = Duration::from_millis(500);
/// Pause between two tables while they differ.
const TABLE_PAUSE: Duration = Duration::from_secs(2);
/// Without a proof, and nothing sent that wants an answer, for so long, something is: both ends
/// must know that the line is there.
const KEEPALIVE: Duration = Duration::from_millis(700);
/// When nothing at all was sent for so long, a report is.
const HEARTBEAT: Duration = Duration::from_millis(1000);
/// An end that sends nothing but reports asks for one when so many are not settled.
const MANY_UNSETTLED: usize = 256;
/// A line that was idle for so long may have gathered noise in front of the next frame. Who speaks every
/// 20 ms makes no such pause, or each packet would cost a byte more; but see [`Line::loses_much`].
const NOISY_PAUSE: Duration = Duration::from_millis(30);
/// How often a line that is not up is looked at for trouble.
const WATCH: Duration = Duration::from_millis(500);

/// Bytes of audio for each byte that the others may send.
const AUDIO_TO_OTHERS: usize = 8;
/// A receiver tells apart the last 128 numbers. When so many frames were begun behind an ordinary
/// one, it must go on, so that it has ended when there are this many.
const EARLY: usize = 60;
const MOST_LATER: usize = 120;
/// Audio waits when it owes so many bytes.
const MOST_OWED: usize = 32;

/// What a numbered frame is about.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// It wants a report.
    pub(crate) eliciting: bool,
    /// It tells the parity of express frames.
    pub(crate) tells: bool,
    /// Something in it must arrive by a time.
    pub(crate) has_deadline: bool,
    pub(crate) segments: Vec<SentSegment>,
}

impl Line {
    /// Bytes that the line takes now.
    pub(crate) fn allowance(&self, now: Instant, room: usize) -> usize {
        if self.watch.is_held_off() {
            return 0;
        }
        room.min(self.pacer.allowance(now))
    }

    /// Whether numbered frames go out.
    pub(crate) fn carries_frames(&self) -> bool {
        self.seals.is_some() && matches!(self.state, LineState::Up | LineState::Cut)
    }

    pub(crate) fn takes_express(&self) -> bool {
        self.outbox.takes_express()
    }

    pub(crate) fn takes_ordinary(&self) -> bool {
        self.outbox.takes_ordinary()
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Whether audio may go now: it leaves a ninth of the line to the others when they want it.
    pub(crate) fn takes_audio(&self) -> bool {
        self.owed < MOST_OWED
    }

    /// Notes that audio took so many bytes of the line.
    pub(crate) fn on_audio(&mut self, wire: usize) {
        self.owed += wire / AUDIO_TO_OTHERS + self.hurry();
    }

    /// Bytes of the ordinary frame under way that must leave before the next packet, so that it
    /// ends before the far end forgets its number.
    fn hurry(&self) -> usize {
        let Some(frame) = self.outbox.under_way() else {
            return 0;
        };
        let later = frame.number.map_or(0, |number| {
            self.sent.next_number().saturating_sub(number + 1) as usize
        });
        if later < EARLY {
            return 0;
        }
        frame.left.div_ceil(MOST_LATER.saturating_sub(later).max(1))
    }

    /// Whether bytes are escaped, so that a frame may take twice its length.
    pub(crate) fn escapes(&self) -> bool {
        self.unescape.is_some()
    }

    /// Notes that others took so many bytes of the express lane.
    pub(crate) fn on_others(&mut self, wire: usize) {
        self.owed = self.owed.saturating_sub(wire);
    }

    /// Line time that the ordinary frame under way still takes, and the flows in it; `None`
    /// without one.
    pub(crate) fn under_way(&self) -> Option<(Duration, impl Iterator<Item = FlowId>)> {
        let frame = self.outbox.under_way()?;
        let flows = frame.number.map(|number| self.sent.flows_in(number));
        Some((
            self.rate().time_for(frame.left),
            flows.into_iter().flatten(),
        ))
    }

    /// Nobody else wants the line: audio owes nothing.
    pub(crate) fn forgive(&mut self) {
        self.owed = 0;
    }

    /// Whether the far end is known to get what is sent: nothing has waited for a report longer
    /// than one takes.
    pub(crate) fn is_certain(&self, now: Instant) -> bool {
        let oldest = self.sent.oldest_waiting();
        self.state == LineState::Up && oldest.is_none_or(|at| now.since(at) <= self.patience())
    }

    /// How long a report on a frame may take.
    fn patience(&self) -> Duration {
        self.rtt.patience() + received::interval(self.rate()) * 3 / 2
    }

    /// How long the body of an ordinary frame should be.
    pub(crate) fn frame_length(&self) -> usize {
        self.quality.frame_length()
    }

    /// Bytes of an ordinary frame that takes so long, without its parity.
    pub(crate) fn content_in(&self, time: Duration) -> usize {
        (self.rate().bytes_in(time) as f64 * self.quality.content_share()) as usize
    }

    /// Bytes of parity of an express frame.
    pub(crate) fn express_parity(&self) -> usize {
        self.express.parity().len()
    }

    /// The parity of express frames that the far end does not know yet: until then audio has the long
    /// check, and tells it.
    pub(crate) fn untold_parity(&self) -> Option<Parity> {
        (!self.express.is_told()).then(|| self.express.parity())
    }

    /// Starts a numbered frame: its number, with the header written to `body`; `None` when too
    /// many are on their way.
    pub(crate) fn start_frame(
        &self,
        now: Instant,
        kind: FrameKind,
        body: &mut Vec<u8>,
    ) -> Option<u64> {
        let (number, form): (u64, NumberForm) = self.sent.next(kind, self.is_certain(now))?;
        header::write(kind, number, form, body);
        Some(number)
    }

    /// Puts a numbered frame on its way; says how many bytes it takes on the line.
    pub(crate) fn finish_frame(
        &mut self,
        now: Instant,
        kind: FrameKind,
        number: u64,
        body: &mut Vec<u8>,
        contents: Contents,
    ) -> usize {
        let Contents {
            eliciting,
            tells,
            has_deadline,
            segments,
        } = contents;
        let Some(seals) = self.seals else { return 0 };
        let parity = match kind {
            FrameKind::Ordinary => {
                let body = body.len() + kind.check().len();
                self.quality.parity(body, has_deadline)
            }
            FrameKind::Express(_) => self.express.parity(),
            FrameKind::Service(_) => Parity::SERVICE,
        };
        let wire = encode(kind, number, seals.outgoing, parity, body);
        let len = self.offer(now, kind, Some(number), parity, wire);
        self.sent.on_built(Built {
            kind,
            wire: len,
            parity,
            tells,
            eliciting,
            segments,
        });
        self.alive.on_sent(len);
        len
    }

    fn offer(
        &mut self,
        now: Instant,
        kind: FrameKind,
        number: Option<u64>,
        parity: Parity,
        wire: Vec<u8>,
    ) -> usize {
        let idle = self.pacer.idle_for(now);
        if self.outbox.is_empty() && (idle >= NOISY_PAUSE || (self.loses_much() && !idle.is_zero()))
        {
            self.outbox.delimit();
        }
        self.counts.frames_sent += 1;
        match kind {
            FrameKind::Ordinary => self.outbox.offer_ordinary(number, parity, wire),
            FrameKind::Service(_) | FrameKind::Express(_) => {
                self.outbox.offer_express(number, wire)
            }
        }
    }

    /// Puts a frame of the order wire on its way, into the lane of the ordinary frames, where audio
    /// interrupts it, or in front of them; says how many bytes it takes on the line.
    pub(crate) fn send_text(
        &mut self,
        now: Instant,
        service: Service,
        express: bool,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let wire = service_frame(service, write);
        let kind = match express {
            true => FrameKind::Service(service),
            false => FrameKind::Ordinary,
        };
        let len = self.offer(now, kind, None, Parity::SERVICE, wire);
        self.alive.on_sent(len);
        len
    }

    /// Moves bytes to the line, at most `room`.
    pub(crate) fn transmit(&mut self, now: Instant, room: usize, buf: &mut Vec<u8>) -> usize {
        let before = buf.len();
        let is_ordinary = !self.outbox.has_express();
        let completed = self.outbox.transmit(room, buf);
        let sent = buf.len() - before;
        if is_ordinary {
            self.owed = self.owed.saturating_sub(sent);
        }
        self.pacer.on_sent(now, sent);
        if sent > 0 {
            self.delivery.on_sent(now, self.counts.bytes_sent);
            self.last_sent = Some(now);
        }
        self.counts.bytes_sent += sent as u64;
        if let Some(number) = completed.and_then(|completed| completed.number) {
            self.sent.on_completed(now, number, self.counts.bytes_sent);
        }
        sent
    }

    /// Numbers of the next frame to send and of the next to come.
    pub(crate) fn next_numbers(&self) -> (u64, u64) {
        (self.sent.next_number(), self.received.expected())
    }

    /// Puts a hello on its way if one is due.
    pub(crate) fn send_hello(
        &mut self,
        now: Instant,
        hello: impl FnOnce(&Self, bool) -> Hello,
    ) -> bool {
        if self.calling.hello_at.is_none_or(|at| at > now) {
            return false;
        }
        let hears = self.hears(now);
        let hello = hello(self, hears);
        self.send_service(now, Service::Hello, |body| hello.write(body));
        self.calling.last_hello = Some(now);
        self.calling.hello_at = (self.state != LineState::Up).then_some(now + self.calling.pause);
        let longest = if self.state == LineState::Cut {
            LONGEST_PAUSE_CUT
        } else {
            LONGEST_PAUSE
        };
        let bearable = self.rate().time_for(4 * HELLO_FRAME);
        self.calling.pause = (self.calling.pause * 3 / 2).min(longest.max(bearable));
        true
    }

    /// Puts the table on its way if it is due.
    pub(crate) fn send_table(&mut self, now: Instant, own: SessionId, table: &Table) -> bool {
        if self.calling.table_at.is_none_or(|at| at > now) {
            return false;
        }
        let wire = self.send_service(now, Service::Table, |body| table.write(own, body));
        self.calling.table_at = Some(now + TABLE_PAUSE.max(self.rate().time_for(4 * wire)));
        true
    }

    fn send_service(
        &mut self,
        now: Instant,
        service: Service,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let wire = service_frame(service, write);
        let kind = FrameKind::Service(service);
        self.offer(now, kind, None, Parity::SERVICE, wire)
    }

    /// When a report should go out.
    fn report_at(&self) -> Option<Instant> {
        earliest(self.received.due(self.rate()), self.heartbeat_at())
    }

    /// When the far end must hear that we are there, though there is nothing to tell.
    fn heartbeat_at(&self) -> Option<Instant> {
        if self.state != LineState::Up {
            return None;
        }
        let wanted = self.last_sent.unwrap_or(self.up_since) + HEARTBEAT;
        self.received.heartbeat_at(wanted, self.rate())
    }

    /// The report that is due now, if one is.
    pub(crate) fn due_report(&mut self, now: Instant) -> Option<Report> {
        if self.report_at().is_none_or(|due| due > now) {
            return None;
        }
        let incoming = self
            .incoming
            .stats(self.decoder.counts(), self.received.absent());
        self.quality.on_incoming(incoming.error_rate);
        self.choose_parity();
        self.received.report(now)
    }

    /// What was repaired, to be told beside a report.
    pub(crate) fn due_repairs(&mut self) -> Option<Repairs> {
        self.incoming.tell(self.decoder.counts())
    }

    /// Whether the far end waits for a report: it asked, or something was lost.
    pub(crate) fn report_is_urgent(&self) -> bool {
        self.received.is_urgent()
    }

    /// Notes what a report cost.
    pub(crate) fn on_report_sent(&mut self, now: Instant, wire: usize) {
        let rate = self.rate();
        self.received.charge(now, rate, wire);
        self.counts.reports_sent += 1;
        self.counts.report_bytes_sent += wire as u64;
    }

    /// Whether the far end must be asked for a report now, or must hear that we are there.
    pub(crate) fn probe_is_due(&self, now: Instant) -> bool {
        self.probe_at().is_some_and(|at| at <= now)
    }

    pub(crate) fn on_probe_sent(&mut self, now: Instant) {
        self.probe.unanswered += 1;
        self.probe.last = Some(now);
    }

    fn probe_at(&self) -> Option<Instant> {
        if self.state != LineState::Up {
            return None;
        }
        let answer_at = self
            .sent
            .waiting_since()
            .map(|since| since + self.patience() * 2u32.pow(self.probe.unanswered.clamp(1, 5) - 1));
        let wanted = earliest(answer_at, self.keepalive_at());
        let wanted = match self.wants_report {
            true => self.last_sent,
            false => wanted,
        }?;
        // Never more than one on its way in a round trip.
        Some(
            self.probe
                .last
                .map_or(wanted, |last| wanted.max(last + self.rtt.patience())),
        )
    }

    /// When a proof is wanted that the far end still hears us. Nobody answers a report, and only a
    /// far end with ordinary frames gives proofs unasked.
    fn keepalive_at(&self) -> Option<Instant> {
        if self.sent.unsettled() >= MANY_UNSETTLED && self.sent.waiting_since().is_none() {
            return Some(self.up_since);
        }
        if self.outbox.under_way().is_some() {
            // It wants a report itself.
            return None;
        }
        let proved = self
            .alive
            .proof_holds(self.counts.bytes_received, self.rate());
        let quiet_since = self.sent.last_eliciting().unwrap_or(self.up_since);
        Some(quiet_since.max(proved.unwrap_or(quiet_since)) + KEEPALIVE)
    }

    /// Notes whether more would have been sent now if the pacer had let it.
    pub(crate) fn set_paced(&mut self, paced: bool) {
        self.paced = paced;
    }

    /// Notes whether the device below has room. Says whether it is worth sending now.
    pub(crate) fn begin_transmit(&mut self, now: Instant, has_room: bool) -> bool {
        self.watch.on_room(now, has_room);
        self.wants_report = self.delivery.wants_report(now, self.counts.bytes_sent);
        let is_due = self.pacer.is_due(now);
        self.paced = !is_due;
        is_due && has_room
    }

    /// When this line wants to be looked at again, and why. `is_over` says that the goodbye was
    /// said: only what is on its way still leaves. `text_at` is when the order wire wants this line.
    pub(crate) fn next_timeout(
        &self,
        now: Instant,
        is_over: bool,
        text_at: Option<Instant>,
    ) -> Option<(Instant, Timer)> {
        if !self.watch.signals().open {
            return None;
        }
        let mut next: Option<(Instant, Timer)> = None;
        let mut add = |at: Option<Instant>, timer| {
            next = earliest(next, at.map(|at| (at, timer)));
        };
        // Held off: the next signal or room wakes us, not the clock.
        if !self.watch.is_held_off() {
            let pace = self.pacer.next(now);
            add(self.paced.then_some(pace), Timer::Pace);
            if is_over {
                return next;
            }
            let later = |at: Option<Instant>| at.map(|at| at.max(pace));
            add(later(self.calling.hello_at), Timer::Hello);
            add(later(self.calling.table_at), Timer::Hello);
            add(later(text_at), Timer::Text);
            if self.carries_frames() {
                add(later(self.report_at()), Timer::Report);
                add(later(self.probe_at()), Timer::Probe);
            }
        }
        add(self.watch.next_word(now), Timer::Watch);
        if self.state == LineState::Up {
            add(self.heard_until(), Timer::Watch);
            add(self.proof_until(), Timer::Watch);
        } else {
            add(Some(now + WATCH), Timer::Watch);
        }
        next
    }
}

/// A whole service frame.
fn service_frame(service: Service, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let kind = FrameKind::Service(service);
    let mut body = Vec::new();
    header::write(kind, 0, NumberForm::Long, &mut body);
    write(&mut body);
    encode(kind, 0, Seal::SERVICE, Parity::SERVICE, &mut body)
}
