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

pub(crate) mod alive;
mod delivery;
mod express;
pub(crate) mod handshake;
mod incoming;
mod overhear;
mod pacer;
mod quality;
mod receive;
pub(crate) mod received;
mod room;
mod rtt;
pub(crate) mod sent;
mod transmit;
pub(crate) mod watch;

use alive::Alive;
use delivery::Delivery;
use express::ExpressParity;
use incoming::Incoming;
use pacer::Pacer;
use quality::Quality;
use received::Received;
use room::AudioRoom;
use rtt::Rtt;
use sent::{SentFrames, Settled};
pub(crate) use transmit::Contents;
use watch::{Refusal, Watch};

use super::config::{LineConfig, SessionId};
use super::event::Trouble;
use super::framing::check::Seal;
use super::framing::decoder::Decoder;
use super::framing::encoder::Outbox;
use super::framing::header::FrameKind;
use super::framing::parity::Parity;
use super::framing::report::Repairs;
use super::framing::xonxoff::Unescape;
use super::signals::LineSignals;
use super::stats::{LineState, LineStats};
use super::time::{BitRate, Duration, Instant};

/// One line.
#[derive(Debug)]
pub(crate) struct Line {
    name: String,
    /// What the settings say that it carries.
    rate_set: Option<BitRate>,
    bound: Duration,
    decoder: Decoder,
    unescape: Option<Unescape>,
    outbox: Outbox,
    pacer: Pacer,
    delivery: Delivery,
    sent: SentFrames,
    received: Received,
    rtt: Rtt,
    quality: Quality,
    incoming: Incoming,
    /// A session began with what is being decoded.
    session_begins: bool,
    /// What the far end said last of its repairs.
    repairs_there: Repairs,
    express: ExpressParity,
    /// Parity of the far end's frames with the short check, as it told.
    express_there: Parity,
    /// More than it was when frames were lost lately.
    losses: u32,
    watch: Watch,
    /// The session, once the far end is known.
    seals: Option<Seals>,
    alive: Alive,
    /// When the last byte was handed over.
    last_sent: Option<Instant>,
    was_up: bool,
    up_since: Instant,
    state: LineState,
    trouble: Option<Trouble>,
    /// The last transmit ended because the pacer had enough.
    paced: bool,
    /// Bytes that the ordinary lane may send before more audio does.
    owed: usize,
    audio_room: AudioRoom,
    calling: Calling,
    probe: Probe,
    /// The estimate of the rate waits for a report.
    wants_report: bool,
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
    /// The number is not the one to be expected.
    is_guessed: bool,
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
/// Shortest pause between hellos while nothing is carried.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// Bytes on the line of a hello with a name, parity included.
const HELLO_FRAME: usize = 58;
/// Without a frame, or a proof, for this long, a report interval and a round trip the line is cut.
const SILENCE: Duration = Duration::from_millis(1700);

impl Line {
    pub(crate) fn new(config: &LineConfig, now: Instant) -> Self {
        let delivery = Delivery::new(config.rate, config.is_rate_known, now);
        Self {
            name: config.name.clone(),
            rate_set: config.is_rate_known.then_some(config.rate),
            bound: config.queue_bound,
            decoder: Decoder::default(),
            unescape: config.avoid_xon_xoff.then(Unescape::default),
            outbox: Outbox::new(config.avoid_xon_xoff),
            pacer: Pacer::new(delivery.rate(), config.queue_bound),
            sent: SentFrames::default(),
            received: Received::new(now),
            rtt: Rtt::default(),
            quality: Quality::new(delivery.rate()),
            delivery,
            incoming: Incoming::new(now),
            session_begins: false,
            repairs_there: Repairs::default(),
            express: ExpressParity::default(),
            express_there: Parity::NONE,
            losses: 0,
            watch: Watch::new(now),
            seals: None,
            alive: Alive::default(),
            last_sent: None,
            was_up: false,
            up_since: now,
            state: LineState::Closed,
            trouble: None,
            paced: false,
            owed: 0,
            audio_room: AudioRoom::default(),
            calling: Calling {
                hello_at: None,
                pause: FIRST_PAUSE,
                last_hello: None,
                table_at: None,
            },
            probe: Probe::default(),
            wants_report: false,
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
    /// Says what was lost with it.
    pub(crate) fn on_signals(&mut self, now: Instant, signals: LineSignals) -> Settled {
        let was_open = self.watch.signals().open;
        self.watch.on_signals(now, signals);
        if signals.open && !was_open {
            self.counts.openings += 1;
            self.decoder.clear();
            self.outbox.clear();
            self.pacer = Pacer::new(self.pacer.rate(), self.bound);
            self.delivery.on_cut();
            self.call(now);
            // The rest of a frame on its way went with the device.
            return self.sent.give_up_all();
        }
        Settled::default()
    }

    /// A modem says that the line carries so much from now on.
    pub(crate) fn on_rate(&mut self, now: Instant, rate: BitRate) {
        self.delivery.on_told(now, rate);
        self.pacer = Pacer::new(self.delivery.rate(), self.bound);
    }

    /// So many bytes of what was handed over still wait below.
    pub(crate) fn on_queue(&mut self, now: Instant, bytes: usize) {
        self.pacer.on_measured(now, bytes);
    }

    /// Begins to call: a hello at once, and then with growing pauses.
    fn call(&mut self, now: Instant) {
        self.calling.pause = FIRST_PAUSE.max(self.rate().time_for(4 * HELLO_FRAME));
        self.calling.hello_at = Some(now);
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
        self.delivery.begin_session();
        self.express.restart();
        // The decoder is out: a hello is just being judged.
        self.session_begins = true;
        self.repairs_there = Repairs::default();
        self.express_there = Parity::NONE;
        self.probe = Probe::default();
        self.alive.forget_proof();
        self.was_up = false;
    }

    /// The far end said goodbye.
    pub(crate) fn on_close(&mut self) {
        self.alive.forget();
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
        if !signals.open || signals.carrier == Some(false) {
            LineState::Closed
        } else if self.watch.refusal(now).is_some() {
            LineState::Refused
        } else if self.seals.is_some() && self.hears(now) && self.is_heard_there(now) {
            LineState::Up
        } else if self.was_up {
            LineState::Cut
        } else {
            LineState::Calling
        }
    }

    /// Gives up all frames on their way: the line is cut.
    pub(crate) fn give_up(&mut self) -> Settled {
        self.quality.on_cut();
        self.delivery.on_cut();
        self.sent.give_up()
    }

    /// The trouble of the line, when it changed since the last call.
    pub(crate) fn trouble_change(&mut self, now: Instant) -> Option<Option<Trouble>> {
        let hears = self.hears(now);
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

    pub(crate) fn stats(&self, now: Instant) -> LineStats {
        let decoded = self.decoder.counts();
        LineStats {
            name: self.name.clone(),
            state: self.state,
            trouble: self.trouble.as_ref().map(ToString::to_string),
            rate_bps: u64::from(self.rate().bits_per_second()),
            rate_set_bps: self.rate_set.map(|rate| rate.bits_per_second().into()),
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
            outgoing: self.quality.stats(),
            incoming: self.incoming.stats(decoded, self.received.absent()),
        }
    }

    /// Whether the far end was heard lately.
    fn hears(&self, now: Instant) -> bool {
        self.heard_until().is_some_and(|until| now < until)
    }

    /// Whether it was proved lately that our frames arrive.
    fn is_heard_there(&self, now: Instant) -> bool {
        self.proof_until().is_some_and(|until| now < until)
    }

    fn heard_until(&self) -> Option<Instant> {
        let received = self.counts.bytes_received;
        self.alive
            .heard_until(received, self.rate(), self.silence())
    }

    fn proof_until(&self) -> Option<Instant> {
        let received = self.counts.bytes_received;
        self.alive
            .proof_until(received, self.rate(), self.silence())
    }

    fn silence(&self) -> Duration {
        SILENCE + received::interval(self.rate()) + self.rtt.patience()
    }
}
