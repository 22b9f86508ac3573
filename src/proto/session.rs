//! [`Session`], the only border type of the protocol.

mod again;
mod order_wire;
mod ordinary;
pub(crate) mod receive;
mod transmit;

use std::collections::VecDeque;

use bytes::Bytes;

use super::channel::Flow;
use super::channel::intake::Intake;
use super::config::{LineId, LinkConfig, Port, ResumePoint, SessionId};
use super::error::{ConfigError, Refused};
use super::event::Event;
use super::framing::segment::FlowId;
use super::line::handshake::{Table, table_digest};
use super::line::sent::Settled;
use super::line::{Change, Line};
use super::listen::LineView;
use super::scheduler::Scheduler;
use super::signals::LineSignals;
use super::stats::{ChannelStats, LineState, Stats};
use super::talk::OrderWire;
use super::time::{BitRate, Instant, earliest};
use super::timer::Timer;

/// One end of a link.
///
/// In: the `handle_*` methods. After every input drain, in this order: [`Session::poll_transmit`]
/// of each line, [`Session::poll_datagram`], [`Session::poll_event`], and last
/// [`Session::poll_timeout`], which says when to call [`Session::handle_timeout`].
/// `now` never goes back. Extra calls of `handle_timeout` do no harm.
///
/// A link that remembers across restarts ([`Session::resume_point`]) drains the datagrams before
/// the transmits: what is acknowledged must be remembered first.
#[derive(Debug)]
pub struct Session {
    config: LinkConfig,
    table: Table,
    digest: u32,
    lines: Vec<Line>,
    /// Flow `n` on the wire is at `n - 1`.
    flows: Vec<Flow>,
    /// One for each port.
    intakes: Vec<Intake>,
    scheduler: Scheduler,
    /// This end's session number. It changes when a far end comes back whose session had ended.
    own: SessionId,
    /// Numbers that this end had before.
    former: VecDeque<SessionId>,
    peer: Option<Peer>,
    /// Far ends whose sessions ended because another one came.
    ended: VecDeque<SessionId>,
    /// Sessions begun.
    sessions: u64,
    /// For the equipment: index of the flow, and the datagram.
    datagrams: VecDeque<(usize, Bytes)>,
    events: VecDeque<Event>,
    order_wire: OrderWire,
    closing: Closing,
    now: Instant,
}

/// The far end.
#[derive(Debug)]
struct Peer {
    session: SessionId,
    name: String,
}

/// Whether this end is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    /// The goodbye waits for room on a line.
    Pending,
    Said,
}

/// Session numbers that are remembered, of either end.
const MAX_FORMER: usize = 16;
/// Events that wait; older ones go first.
const MAX_EVENTS: usize = 256;

impl Session {
    /// Begins a session. All lines are taken as closed until [`Session::handle_signals`] says otherwise.
    ///
    /// # Errors
    /// When the configuration breaks a rule of the protocol.
    pub fn new(config: LinkConfig, now: Instant) -> Result<Self, ConfigError> {
        config.validate()?;
        let (flows, intakes) = Intake::of(&config);
        let mut session = Self {
            table: Table::of(&config),
            digest: table_digest(&config),
            lines: config
                .lines
                .iter()
                .map(|line| Line::new(line, now))
                .collect(),
            scheduler: Scheduler::new(flows.len()),
            flows,
            intakes,
            own: config.session,
            former: VecDeque::new(),
            peer: None,
            ended: VecDeque::new(),
            sessions: 0,
            datagrams: VecDeque::new(),
            events: VecDeque::new(),
            order_wire: OrderWire::new(config.session),
            closing: Closing::No,
            now,
            config,
        };
        session.settle(now);
        Ok(session)
    }

    /// Takes a datagram of the equipment.
    ///
    /// # Errors
    /// Why it was not accepted; counted as well.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        port: Port,
        datagram: Bytes,
    ) -> Result<(), Refused> {
        self.now = now;
        let intake = self
            .intakes
            .iter_mut()
            .find(|intake| intake.port == port)
            .ok_or(Refused::NoSuchPort)?;
        let index = intake.flow_for(now, &datagram);
        self.flows[index].accept(now, datagram)
    }

    /// Takes what is known of a line's device and its signals.
    pub fn handle_signals(&mut self, now: Instant, line: LineId, signals: LineSignals) {
        if let Some(line) = self.lines.get_mut(usize::from(line.0)) {
            let settled = line.on_signals(now, signals);
            self.on_settled(&settled);
        }
        self.settle(now);
    }

    /// Takes what a line carries from now on, where a modem told it. To be called while the device is
    /// closed, before it is open again.
    pub fn handle_rate(&mut self, now: Instant, line: LineId, rate: BitRate) {
        self.now = now;
        if let Some(line) = self.lines.get_mut(usize::from(line.0)) {
            line.on_rate(now, rate);
        }
    }

    /// Takes bytes that came from a line, any bytes in pieces of any size.
    pub fn handle_bytes(&mut self, now: Instant, line: LineId, bytes: &[u8]) {
        self.receive(now, usize::from(line.0), bytes);
        self.settle(now);
    }

    /// Takes what the driver of a line's device says still waits below, in bytes, of everything that
    /// [`Session::poll_transmit`] has given. Only to be called where the driver knows: the report
    /// corrects the pacer's reckoning, and a report of less than that is not believed.
    pub fn handle_queue(&mut self, now: Instant, line: LineId, bytes: usize) {
        self.now = now;
        if let Some(line) = self.lines.get_mut(usize::from(line.0)) {
            line.on_queue(now, bytes);
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle(now);
    }

    /// Says goodbye: the far end is told, and the next transmits carry it. Queued control
    /// messages stay queued.
    pub fn close(&mut self, now: Instant) {
        self.closing = Closing::Pending;
        self.settle(now);
    }

    /// Appends bytes for a line to `buf`, at most `room`, and says how many. The pacer decides
    /// how many are given, so that little waits below the core; zero means "not now". A `room` of
    /// zero says that the device takes nothing: a word to the technician when that lasts.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        line: LineId,
        room: usize,
        buf: &mut Vec<u8>,
    ) -> usize {
        self.now = now;
        self.transmit(now, usize::from(line.0), room, buf)
    }

    /// The next datagram for the equipment.
    pub fn poll_datagram(&mut self) -> Option<(Port, Bytes)> {
        let (index, datagram) = self.datagrams.pop_front()?;
        let flow = &mut self.flows[index];
        flow.on_delivered(datagram.len());
        Some((flow.port, datagram))
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Session::handle_timeout`] and poll again, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let lines = self.lines.iter().enumerate().map(|(index, line)| {
            let text_at = self.text_at(index);
            line.next_timeout(self.now, self.closing == Closing::Said, text_at)
        });
        let expiry = self.flows.iter().filter_map(Flow::next_expiry).min();
        lines.fold(expiry.map(|at| (at, Timer::Expiry)), earliest)
    }

    /// How far control was delivered: what to hand to the next run as
    /// [`LinkConfig::resume`]. `None` before the first session; changes only when a control
    /// message is delivered or a session begins.
    pub fn resume_point(&self) -> Option<ResumePoint> {
        let reliable = self.flows.iter().filter(|flow| flow.is_reliable());
        Some(ResumePoint {
            own: self.own,
            peer: self.peer.as_ref()?.session,
            delivered: reliable
                .map(|flow| (flow.port.channel, flow.delivered_in_session() as u32))
                .collect(),
        })
    }

    /// All counters.
    pub fn stats(&self) -> Stats {
        Stats {
            name: self.config.name.clone(),
            session: self.own,
            peer: self.peer.as_ref().map(|peer| peer.session),
            peer_name: self.peer.as_ref().map(|peer| peer.name.clone()),
            sessions: self.sessions,
            order_wire: self.order_wire.stats(),
            lines: self.lines.iter().map(|line| line.stats(self.now)).collect(),
            channels: self
                .flows
                .iter()
                .map(|flow| self.channel_stats(flow))
                .collect(),
        }
    }

    /// What somebody else needs to go on reading a line from this moment: see
    /// [`Listener`](super::listen::Listener). `None` when there is no such line.
    pub fn line_view(&self, line: LineId) -> Option<LineView> {
        let line = self.lines.get(usize::from(line.0))?;
        let peer = self.peer.as_ref().map(|peer| peer.session);
        Some(line.view(self.config.name.clone(), self.own, peer))
    }

    fn channel_stats(&self, flow: &Flow) -> ChannelStats {
        let mut stats = flow.stats();
        if let Some(medium) = flow.medium() {
            let mut intakes = self.intakes.iter();
            let intake = intakes.find(|intake| intake.port == flow.port);
            stats.streams = intake.map_or_else(Vec::new, |intake| intake.streams(medium));
        }
        stats
    }

    /// Brings everything up to `now`: states of the lines, troubles, expiries.
    fn settle(&mut self, now: Instant) {
        self.now = now;
        for i in 0..self.lines.len() {
            let id = LineId(i as u8);
            let before = self.lines[i].state();
            let change = self.lines[i].update(now);
            let state = self.lines[i].state();
            if state != before && matches!(state, LineState::Up | LineState::Refused) {
                // Somebody is there who may not have heard what was said.
                self.order_wire.hurry(now);
            }
            match change {
                Some(Change::WentUp) => self.event(Event::LineUp { line: id }),
                Some(Change::WentDown) => {
                    let settled = self.lines[i].give_up();
                    self.on_settled(&settled);
                    self.flows.iter_mut().for_each(Flow::on_interrupted);
                    self.event(Event::LineDown { line: id });
                }
                None => {}
            }
            if let Some(trouble) = self.lines[i].trouble_change(now) {
                self.event(Event::Trouble { line: id, trouble });
            }
        }
        let Self {
            flows, datagrams, ..
        } = self;
        for (i, flow) in flows.iter_mut().enumerate() {
            flow.expire(now, &mut |data| datagrams.push_back((i, data)));
        }
    }

    /// Tells the flows what became of their segments.
    fn on_settled(&mut self, settled: &Settled) {
        if let Some(round_trip) = settled.rtt {
            let flows = self.flows.iter_mut();
            flows.for_each(|flow| flow.on_round_trip(round_trip));
        }
        for segment in &settled.acked {
            if let Some(flow) = flow_mut(&mut self.flows, segment.flow) {
                flow.on_acked(*segment);
            }
        }
        for segment in &settled.lost {
            for flow in &mut self.flows {
                if flow.id == segment.flow {
                    flow.on_lost(*segment);
                } else {
                    flow.on_other_lost();
                }
            }
        }
    }

    fn event(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

/// The flow with that number on the wire.
fn flow_mut(flows: &mut [Flow], id: FlowId) -> Option<&mut Flow> {
    flows.get_mut(usize::from(id.0).checked_sub(1)?)
}
