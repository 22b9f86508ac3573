//! ONE line: who is at its other end, what was sent on it and what of that arrived.
//!
//! Promise: says which segments arrived and which were lost; keeps to the line's rate; says in
//! words what is wrong. Assumed of framing: damaged frames do not come. Left to others: what the
//! segments mean ([`channel`](super::channel)), and which line they take.
//!
//! ```text
//! state     from where                            what is sent
//! Closed    no device, or no carrier              nothing
//! Calling   open; no proof yet that both hear     hellos, with growing pauses
//! Up        both hear: a good frame came, and     everything; a probe when nothing else was
//!           a proof that ours arrive there        sent for a while
//! Cut       was up; one of the two is missing     hellos and audio: the first packet after the
//!           for some seconds                      cut is heard, nothing that matters is lost
//! Refused   loop, other version, other channels   hellos, the table; no frames
//! ```

pub(crate) mod handshake;
mod pacer;
mod quality;
pub(crate) mod report;
mod rtt;
pub(crate) mod sent;
pub(crate) mod watch;

use handshake::{Hello, Table};
use pacer::Pacer;
use quality::Quality;
use report::{Arrival, Received, Report};
use rtt::Rtt;
use sent::{SentFrames, Settled};
use watch::{Refusal, Watch};

use super::channel::SentSegment;
use super::config::{LineConfig, SessionId};
use super::event::Trouble;
use super::framing::check::Seal;
use super::framing::decoder::{Decoder, Verdict};
use super::framing::encoder::{Outbox, encode};
use super::framing::header::{self, FrameKind, Header, NumberForm, Service};
use super::framing::xonxoff::Unescape;
use super::session::{LineSignals, Timer};
use super::stats::{LineState, LineStats};
use super::time::{BitRate, Duration, Instant};

/// One line.
#[derive(Debug)]
pub(crate) struct Line {
    name: String,
    bound: Duration,
    decoder: Decoder,
    unescape: Option<Unescape>,
    outbox: Outbox,
    pacer: Pacer,
    sent: SentFrames,
    received: Received,
    rtt: Rtt,
    quality: Quality,
    watch: Watch,
    /// The session, once the far end is known.
    seals: Option<Seals>,
    /// A good frame of the far end.
    last_heard: Option<Instant>,
    /// A proof that our frames arrive there.
    last_proof: Option<Instant>,
    was_up: bool,
    up_since: Instant,
    state: LineState,
    trouble: Option<Trouble>,
    /// The last transmit ended because the pacer had enough.
    paced: bool,
    calling: Calling,
    probe: Probe,
    counts: Counts,
}

#[derive(Clone, Copy, Debug)]
struct Seals {
    outgoing: Seal,
    incoming: Seal,
}

/// When hellos and tables go out.
#[derive(Debug)]
struct Calling {
    hello_at: Option<Instant>,
    pause: Duration,
    last_hello: Option<Instant>,
    table_at: Option<Instant>,
}

/// When the far end is asked for a report.
#[derive(Debug, Default)]
struct Probe {
    /// Asked since the last answer.
    unanswered: u32,
    last: Option<Instant>,
}

#[derive(Debug, Default)]
struct Counts {
    bytes_sent: u64,
    bytes_received: u64,
    frames_sent: u64,
    frames_lost: u64,
    reports_sent: u64,
    report_bytes_sent: u64,
    cuts: u64,
    openings: u64,
}

/// A frame whose check is good.
pub(crate) struct Opened<'a> {
    pub(crate) kind: FrameKind,
    pub(crate) number: u64,
    /// Segments, or what a service frame says.
    pub(crate) content: &'a [u8],
}

/// What a change of state means for the flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    WentUp,
    WentDown,
}

/// First pause between hellos; it grows by half each time.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
/// Longest pause while calling, and while the line is cut.
const LONGEST_PAUSE: Duration = Duration::from_millis(2000);
const LONGEST_PAUSE_CUT: Duration = Duration::from_millis(500);
/// Shortest pause between hellos while nothing is carried.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// Bytes on the line of a hello with a name.
const HELLO_FRAME: usize = 42;
/// Pause between two tables while they differ.
const TABLE_PAUSE: Duration = Duration::from_secs(2);
/// When nothing that wants an answer was sent for so long, something is: both ends must know that
/// the line is there.
const KEEPALIVE: Duration = Duration::from_millis(700);
/// A line that was idle for so long may have gathered noise in front of the next frame.
const NOISY_PAUSE: Duration = Duration::from_millis(250);
/// Without a frame, or a proof, for this long and a report interval the line is cut.
const SILENCE: Duration = Duration::from_millis(1700);

impl Line {
    pub(crate) fn new(config: &LineConfig, now: Instant) -> Self {
        Self {
            name: config.name.clone(),
            bound: config.queue_bound,
            decoder: Decoder::default(),
            unescape: config.avoid_xon_xoff.then(Unescape::default),
            outbox: Outbox::new(config.avoid_xon_xoff),
            pacer: Pacer::new(config.rate, config.queue_bound),
            sent: SentFrames::default(),
            received: Received::new(now),
            rtt: Rtt::default(),
            quality: Quality::new(config.rate),
            watch: Watch::new(now),
            seals: None,
            last_heard: None,
            last_proof: None,
            was_up: false,
            up_since: now,
            state: LineState::Closed,
            trouble: None,
            paced: false,
            calling: Calling {
                hello_at: None,
                pause: FIRST_PAUSE,
                last_hello: None,
                table_at: None,
            },
            probe: Probe::default(),
            counts: Counts::default(),
        }
    }

    pub(crate) fn state(&self) -> LineState {
        self.state
    }

    pub(crate) fn rate(&self) -> BitRate {
        self.pacer.rate()
    }

    pub(crate) fn has_session(&self) -> bool {
        self.seals.is_some()
    }

    /// The device came, went, or changed its signals.
    pub(crate) fn on_signals(&mut self, now: Instant, signals: LineSignals) {
        let was_open = self.watch.signals().open;
        self.watch.on_signals(now, signals);
        if signals.open && !was_open {
            self.counts.openings += 1;
            self.decoder.clear();
            self.outbox.clear();
            self.pacer = Pacer::new(self.pacer.rate(), self.bound);
            self.call(now);
        }
    }

    /// Begins to call: a hello at once, and then with growing pauses.
    fn call(&mut self, now: Instant) {
        self.calling.pause = FIRST_PAUSE.max(self.rate().time_for(4 * HELLO_FRAME));
        self.calling.hello_at = Some(now);
    }

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
    pub(crate) fn end_decoding(&mut self, decoder: Decoder) {
        self.decoder = decoder;
    }

    /// Tests header and check of a frame.
    pub(crate) fn open<'a>(&self, frame: &'a [u8]) -> Option<Opened<'a>> {
        let mut rest = frame;
        let header: Header = header::read(&mut rest)?;
        let header_len = frame.len() - rest.len();
        let (seal, number) = match header.kind {
            FrameKind::Service(_) => (Seal::SERVICE, 0),
            _ => (
                self.seals?.incoming,
                header.number(self.received.expected()),
            ),
        };
        let content = seal
            .open(header.kind.check(), number, frame)?
            .get(header_len..)?;
        Some(Opened {
            kind: header.kind,
            number,
            content,
        })
    }

    /// Notes a good numbered frame.
    pub(crate) fn on_frame(
        &mut self,
        now: Instant,
        number: u64,
        kind: FrameKind,
        eliciting: bool,
    ) -> (Verdict, Arrival) {
        self.on_heard(now);
        let (verdict, overtakes) = match kind {
            FrameKind::Express(_) => (Verdict::Express, true),
            _ => (Verdict::Ordinary, false),
        };
        (
            verdict,
            self.received.on_frame(now, number, eliciting, overtakes),
        )
    }

    /// The far end is there: a good frame came that is not our own.
    pub(crate) fn on_heard(&mut self, now: Instant) {
        self.last_heard = Some(now);
        self.watch.on_good_frame();
        if self.state == LineState::Cut
            && self
                .last_proof
                .is_none_or(|proof| self.is_silent(now, proof))
        {
            // It may not know that we hear it again: say so soon.
            self.reply(now);
        }
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
            self.last_proof = Some(now);
        }
        // The far end lacks something: that it is heard, or the proof that we know that it hears.
        if !hears_us || !hello.is_up {
            self.reply(now);
        }
    }

    /// Sends a hello soon, but not more often than the line can bear.
    pub(crate) fn reply(&mut self, now: Instant) {
        let least = if self.state == LineState::Refused {
            REFUSED_PAUSE
        } else {
            Duration::from_millis(50)
        };
        let gap = least.max(self.rate().time_for(3 * HELLO_FRAME));
        let at = self
            .calling
            .last_hello
            .map_or(now, |last| now.max(last + gap));
        self.calling.hello_at = Some(self.calling.hello_at.map_or(at, |planned| planned.min(at)));
    }

    /// A session begins: frame numbers start again.
    pub(crate) fn begin_session(&mut self, now: Instant, own: SessionId, peer: SessionId) {
        self.seals = Some(Seals {
            outgoing: Seal::new(own, peer),
            incoming: Seal::new(peer, own),
        });
        self.sent = SentFrames::default();
        self.received = Received::new(now);
        self.outbox.clear();
        self.probe = Probe::default();
        self.last_proof = None;
        self.was_up = false;
    }

    /// The far end said goodbye.
    pub(crate) fn on_close(&mut self) {
        self.last_heard = None;
        self.last_proof = None;
    }

    pub(crate) fn refuse(&mut self, now: Instant, refusal: Refusal) {
        if matches!(refusal, Refusal::Tables(_)) && self.calling.table_at.is_none() {
            self.calling.table_at = Some(now);
        }
        self.watch.refuse(now, refusal);
    }

    pub(crate) fn accept(&mut self) {
        self.watch.accept();
        self.calling.table_at = None;
    }

    pub(crate) fn refusal(&self, now: Instant) -> Option<&Refusal> {
        self.watch.refusal(now)
    }

    /// The far end asks for a report.
    pub(crate) fn on_probe(&mut self) {
        self.received.on_probe();
    }

    /// Takes a report of the far end.
    pub(crate) fn on_report(&mut self, now: Instant, report: &Report) -> Settled {
        let settled = self.sent.on_report(now, report);
        if settled.progress {
            self.last_proof = Some(now);
            self.probe.unanswered = 0;
        }
        if let Some(rtt) = settled.rtt {
            self.rtt.on_sample(rtt);
        }
        self.note_settled(&settled);
        settled
    }

    fn note_settled(&mut self, settled: &Settled) {
        for &(wire, fate) in &settled.frames {
            self.quality.on_frame(wire, fate);
            self.counts.frames_lost += u64::from(fate == sent::Fate::Lost);
        }
    }

    /// Settles the state. When the line went down, [`Line::give_up`] tells what was lost with it.
    pub(crate) fn update(&mut self, now: Instant) -> Option<Change> {
        let state = self.state_at(now);
        let before = std::mem::replace(&mut self.state, state);
        match (before == LineState::Up, state == LineState::Up) {
            (false, true) => {
                self.was_up = true;
                self.up_since = now;
                self.calling.hello_at = None;
                // The far end may not know yet that we hear it.
                self.reply(now);
                Some(Change::WentUp)
            }
            (true, false) => {
                self.counts.cuts += 1;
                self.watch.restart(now);
                self.call(now);
                Some(Change::WentDown)
            }
            _ => None,
        }
    }

    fn state_at(&self, now: Instant) -> LineState {
        let signals = self.watch.signals();
        let sounds = |last: Option<Instant>| last.is_some_and(|last| !self.is_silent(now, last));
        if !signals.open || signals.carrier == Some(false) {
            LineState::Closed
        } else if self.watch.refusal(now).is_some() {
            LineState::Refused
        } else if self.seals.is_some() && sounds(self.last_heard) && sounds(self.last_proof) {
            LineState::Up
        } else if self.was_up {
            LineState::Cut
        } else {
            LineState::Calling
        }
    }

    /// Gives up all frames on their way: the line is cut.
    pub(crate) fn give_up(&mut self) -> Settled {
        let settled = self.sent.give_up();
        self.note_settled(&settled);
        settled
    }

    /// The trouble of the line, when it changed since the last call.
    pub(crate) fn trouble_change(&mut self, now: Instant) -> Option<Option<Trouble>> {
        let hears = self
            .last_heard
            .is_some_and(|last| !self.is_silent(now, last));
        let trouble =
            self.watch
                .trouble(now, handshake::VERSION, self.state == LineState::Up, hears);
        let is_news = match (&self.trouble, &trouble) {
            // A growing silence is the same trouble; other tables are not.
            (
                Some(Trouble::TablesDiffer { differences: a }),
                Some(Trouble::TablesDiffer { differences: b }),
            ) => a != b,
            (a, b) => {
                a.as_ref().map(std::mem::discriminant) != b.as_ref().map(std::mem::discriminant)
            }
        };
        self.trouble = trouble;
        is_news.then(|| self.trouble.clone())
    }

    fn is_silent(&self, now: Instant, last: Instant) -> bool {
        now.since(last) >= self.silence()
    }

    fn silence(&self) -> Duration {
        SILENCE + report::interval(self.rate()) + self.rtt.patience()
    }
}

/// The number whose low 32 bits are these and that is nearest to `near`.
fn nearest(low: u32, near: u64) -> u64 {
    let ahead = low.wrapping_sub(near as u32);
    if ahead <= u32::MAX / 2 {
        near + u64::from(ahead)
    } else {
        near.saturating_sub(u64::from(ahead.wrapping_neg()))
    }
}

/// Sending.
impl Line {
    /// Bytes that the line takes now.
    pub(crate) fn allowance(&self, now: Instant, room: usize) -> usize {
        let signals = self.watch.signals();
        if !signals.open || signals.carrier == Some(false) || signals.clear_to_send == Some(false) {
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

    /// How long the body of an ordinary frame should be.
    pub(crate) fn frame_length(&self) -> usize {
        self.quality.frame_length()
    }

    /// Starts a numbered frame: its number, with the header written to `body`; `None` when too
    /// many are on their way.
    pub(crate) fn start_frame(&self, kind: FrameKind, body: &mut Vec<u8>) -> Option<u64> {
        let (number, form): (u64, NumberForm) = self.sent.next(kind)?;
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
        eliciting: bool,
        segments: Vec<SentSegment>,
    ) -> usize {
        let Some(seals) = self.seals else { return 0 };
        let wire = encode(kind, number, seals.outgoing, body);
        let len = self.offer(now, kind, Some(number), wire);
        self.sent.on_built(len, eliciting, segments);
        len
    }

    fn offer(
        &mut self,
        now: Instant,
        kind: FrameKind,
        number: Option<u64>,
        wire: Vec<u8>,
    ) -> usize {
        if self.outbox.is_empty() && self.pacer.idle_for(now) >= NOISY_PAUSE {
            self.outbox.delimit();
        }
        self.counts.frames_sent += 1;
        match kind {
            FrameKind::Ordinary => self.outbox.offer_ordinary(number, wire),
            FrameKind::Service(_) | FrameKind::Express(_) => {
                self.outbox.offer_express(number, wire)
            }
        }
    }

    /// Moves bytes to the line, at most `room`.
    pub(crate) fn transmit(&mut self, now: Instant, room: usize, buf: &mut Vec<u8>) -> usize {
        let before = buf.len();
        let completed = self.outbox.transmit(room, buf);
        let sent = buf.len() - before;
        self.pacer.on_sent(now, sent);
        self.counts.bytes_sent += sent as u64;
        if let Some(number) = completed.and_then(|completed| completed.number) {
            self.sent.on_completed(now, number);
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
        let hears = self
            .last_heard
            .is_some_and(|last| !self.is_silent(now, last));
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
        let kind = FrameKind::Service(service);
        let mut body = Vec::new();
        header::write(kind, 0, NumberForm::Long, &mut body);
        write(&mut body);
        let wire = encode(kind, 0, Seal::SERVICE, &mut body);
        self.offer(now, kind, None, wire)
    }

    /// The report that is due now, if one is.
    pub(crate) fn due_report(&mut self, now: Instant) -> Option<Report> {
        if self.received.due(self.rate()).is_none_or(|due| due > now) {
            return None;
        }
        self.received
            .report(now, self.counts.bytes_received, self.decoder.counts().bad)
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
        // Nobody answers a report: without frames that want an answer there is no proof either.
        let quiet_since = self.sent.last_eliciting().unwrap_or(self.up_since);
        let idle_at = quiet_since + KEEPALIVE;
        let answer_at = self.sent.waiting_since().map(|since| {
            let patience = self.rtt.patience() + report::interval(self.rate()) * 3 / 2;
            since + patience * 2u32.pow(self.probe.unanswered.clamp(1, 5) - 1)
        });
        let wanted = answer_at.map_or(idle_at, |at| at.min(idle_at));
        // Never more than one on its way in a round trip.
        Some(
            self.probe
                .last
                .map_or(wanted, |last| wanted.max(last + self.rtt.patience())),
        )
    }

    /// Notes whether more would have been sent now if the pacer had let it.
    pub(crate) fn set_paced(&mut self, paced: bool) {
        self.paced = paced;
    }

    /// When this line wants to be looked at again, and why. `is_over` says that the goodbye was
    /// said: only what is on its way still leaves.
    pub(crate) fn next_timeout(&self, now: Instant, is_over: bool) -> Option<(Instant, Timer)> {
        let signals = self.watch.signals();
        if !signals.open {
            return None;
        }
        let mut next: Option<(Instant, Timer)> = None;
        let mut add = |at: Option<Instant>, timer| {
            next = super::time::earliest(next, at.map(|at| (at, timer)));
        };
        // Held off by CTS or carrier: the next signal wakes us, not the clock.
        let can_send = signals.carrier != Some(false) && signals.clear_to_send != Some(false);
        if can_send {
            let pace = self.pacer.next(now);
            add(self.paced.then_some(pace), Timer::Pace);
            if is_over {
                return next;
            }
            let later = |at: Option<Instant>| at.map(|at| at.max(pace));
            add(later(self.calling.hello_at), Timer::Hello);
            add(later(self.calling.table_at), Timer::Hello);
            if self.carries_frames() {
                add(later(self.received.due(self.rate())), Timer::Report);
                add(later(self.probe_at()), Timer::Probe);
            }
        }
        let silent_at = |last: Option<Instant>| last.map(|last| last + self.silence());
        if self.state == LineState::Up {
            add(silent_at(self.last_heard), Timer::Watch);
            add(silent_at(self.last_proof), Timer::Watch);
        } else {
            add(Some(now + WATCH), Timer::Watch);
        }
        next
    }

    pub(crate) fn stats(&self, now: Instant) -> LineStats {
        let decoded = self.decoder.counts();
        LineStats {
            name: self.name.clone(),
            state: self.state,
            trouble: self.trouble.as_ref().map(ToString::to_string),
            rate_bps: u64::from(self.rate().bits_per_second()),
            rtt_us: self.rtt.smoothed().map(super::time::micros),
            queue_us: super::time::micros(self.pacer.queued(now)),
            bytes_sent: self.counts.bytes_sent,
            bytes_received: self.counts.bytes_received,
            frames_sent: self.counts.frames_sent,
            frames_received: decoded.good,
            frames_bad: decoded.bad,
            frames_joined: decoded.joined,
            interruptions: self.outbox.interruptions(),
            frames_lost: self.counts.frames_lost,
            reports_sent: self.counts.reports_sent,
            report_bytes_sent: self.counts.report_bytes_sent,
            cuts: self.counts.cuts,
            openings: self.counts.openings,
        }
    }
}

/// How often a line that is not up is looked at for trouble.
const WATCH: Duration = Duration::from_millis(500);
