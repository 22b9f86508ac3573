//! THE loop: one task owns the session, and everything else reaches it through here.
//!
//! Promises: the session sees a clock that never goes back and is told of everything in bounded
//! portions, so that no flood delays another source; a line is handed one small chunk and the next
//! only after the device took it, and is told whether the link over it is up; datagrams reach the
//! equipment and the record reaches the state file before anything more is transmitted, so an
//! acknowledgement never leaves ahead of what it acknowledges, and a kill between the two repeats
//! one control message at most; and it sleeps whenever nothing is due. Assumes that sockets, line
//! tasks and state file never block. Leaves every decision about bytes to the session.
//!
//! ```text
//!          +--> wait: line report, datagram, deadline, request, stop
//!          |      | what waits, a bounded number of each
//!          |    handle_*  -> handle_timeout, if due
//!          |      |
//!          |    poll_datagram -> sockets -> state file
//!          |    poll_transmit of each line with room -> line tasks
//!          |    poll_event -> log, snapshot
//!          +--- poll_timeout -> how long to wait
//! ```

mod requests;

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Core;
use super::capture::Tap;
use super::clock::Clock;
use super::error::RunError;
use super::history::file::{HistoryFile, Writer};
use super::line::{self, CHUNK, DeviceSignals, LineReport, LineSetup, ModemSetup};
use super::link::{LinkHandle, Request};
use super::metrics::MetricsServer;
use super::port::{self, UdpPorts};
use super::record::Record;
use super::snapshot::{DeviceState, DeviceStatus};
use super::state::StateFile;
use super::status::StatusSocket;
use super::talk::TalkLog;
use super::words::Words;
use crate::proto::config::LineId;
use crate::proto::event::{Event, Trouble};
use crate::proto::listen::Direction;
use crate::proto::stats::Stats;
use crate::proto::time::{Instant, earliest};
use crate::proto::{LineSignals, Timer};

/// What a link brings along.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) clock: Clock,
    pub(super) session: Core,
    pub(super) lines: Vec<LineSetup>,
    pub(super) line_names: Vec<String>,
    pub(super) ports: UdpPorts,
    pub(super) state: Option<StateFile>,
    pub(super) status: Option<StatusSocket>,
    pub(super) metrics: Option<MetricsServer>,
    pub(super) history_file: Option<(HistoryFile, Writer)>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) handle: LinkHandle,
}

/// The driver of a link that runs.
pub(super) struct Driver {
    clock: Clock,
    session: Core,
    lines: Vec<Line>,
    reports: mpsc::Receiver<(LineId, LineReport)>,
    ports: UdpPorts,
    state: Option<StateFile>,
    requests: mpsc::Receiver<Request>,
    handle: LinkHandle,
    record: Record,
    talk: TalkLog,
    taps: Vec<Tap>,
    next_tap: u64,
    line_tasks: JoinSet<()>,
    /// Those that answer questions.
    status_tasks: JoinSet<()>,
    history_task: JoinSet<()>,
}

/// The driver's side of a line task.
struct Line {
    name: String,
    chunks: mpsc::Sender<Vec<u8>>,
    /// Tells the task whether the link over the line is up.
    is_up: watch::Sender<bool>,
    /// How long the task may take to end.
    ends_within: Duration,
    /// Whether the task has taken the last chunk.
    has_room: bool,
    /// The last word on the line was a trouble.
    has_told: bool,
    status: DeviceStatus,
}

impl Line {
    /// Takes the signals of the device, for the status. `None` while it is not open.
    fn take_signals(&mut self, signals: Option<DeviceSignals>) {
        let status = &mut self.status;
        status.clear_to_send = signals.and_then(|signals| signals.relied_on.clear_to_send);
        status.carrier = signals.and_then(|signals| signals.relied_on.carrier);
        status.signals = signals.and_then(|signals| signals.all);
    }
}

/// After [`LinkHandle::stop`].
struct Farewell {
    until: Instant,
    last_sent: Instant,
}

impl Driver {
    /// Starts the tasks around the driver.
    pub(super) fn start(parts: Parts) -> Self {
        let (reporter, reports) = mpsc::channel(REPORTS);
        let mut line_tasks = JoinSet::new();
        let mut lines = Vec::new();
        for ((id, setup), name) in (0..).map(LineId).zip(parts.lines).zip(parts.line_names) {
            let (chunks, to_task) = mpsc::channel(1);
            let (is_up, link) = watch::channel(false);
            let hang_up = setup.modem.as_ref().map(ModemSetup::hang_up_time);
            lines.push(Line {
                name,
                chunks,
                is_up,
                ends_within: LINES_END + hang_up.unwrap_or_default(),
                has_room: true,
                has_told: false,
                status: DeviceStatus {
                    device: setup.device.to_string(),
                    baud: setup.baud,
                    flow: setup.flow,
                    state: DeviceState::Waiting,
                    clear_to_send: None,
                    carrier: None,
                    signals: None,
                    errors: None,
                    problem: None,
                    modem: None,
                },
            });
            line_tasks.spawn(line::run(id, setup, reporter.clone(), to_task, link));
        }
        let mut status_tasks = JoinSet::new();
        if let Some(status) = parts.status {
            status_tasks.spawn(status.serve(parts.handle.clone()));
        }
        if let Some(metrics) = parts.metrics {
            status_tasks.spawn(metrics.serve(parts.handle.clone()));
        }
        let mut history_task = JoinSet::new();
        let history_file = parts.history_file.map(|(file, writer)| {
            history_task.spawn(writer.run());
            file
        });
        Self {
            record: Record::new(lines.len(), parts.clock.now(), history_file),
            history_task,
            clock: parts.clock,
            session: parts.session,
            lines,
            reports,
            ports: parts.ports,
            state: parts.state,
            requests: parts.requests,
            handle: parts.handle,
            talk: TalkLog::default(),
            taps: Vec::new(),
            next_tap: 0,
            line_tasks,
            status_tasks,
        }
    }

    /// Runs until the link is stopped.
    pub(super) async fn run(mut self) -> Result<Stats, RunError> {
        let mut farewell: Option<Farewell> = None;
        loop {
            let now = self.clock.now();
            self.record.account(now, &self.session);
            if self.session.poll_timeout().is_some_and(|(at, _)| at <= now) {
                self.session.handle_timeout(now);
            }
            let sent = self.drain(now);
            if let Some(farewell) = &mut farewell {
                if sent {
                    farewell.last_sent = now;
                }
                if self.is_over(farewell, now) {
                    break;
                }
            }
            if self.wait(now, farewell.as_ref()).await? && farewell.is_none() {
                farewell = Some(self.say_goodbye());
            }
            if self.take_waiting() {
                // A flood: the line tasks get their turn in between.
                tokio::task::yield_now().await;
            }
        }
        Ok(self.end().await)
    }

    /// Empties the session. Says whether bytes were handed to a line.
    fn drain(&mut self, now: Instant) -> bool {
        while let Some((port, datagram)) = self.session.poll_datagram() {
            self.ports.send(port, &datagram);
            // At once: what a killed program had no time to remember comes again.
            self.remember();
        }
        self.remember();
        let sent = self.transmit(now);
        while let Some(event) = self.session.poll_event() {
            self.tell_line(&event);
            if let Event::Trouble { line, trouble } = &event
                && !self.is_news(*line, trouble.as_ref())
            {
                continue;
            }
            if self.is_talk(&event) {
                continue;
            }
            let words = Words::of(&event, |line| match self.line(line) {
                Some(line) => line.name.clone(),
                None => format!("line {}", line.0),
            });
            self.record.tell(now, &words);
        }
        sent
    }

    /// Tells the task of a line that the link over it has come or gone: a modem wants to know.
    fn tell_line(&mut self, event: &Event) {
        let (line, is_up) = match event {
            Event::LineUp { line } => (line, true),
            Event::LineDown { line } => (line, false),
            _ => return,
        };
        if let Some(line) = self.lines.get(usize::from(line.0)) {
            line.is_up.send_replace(is_up);
        }
    }

    /// Whether a trouble is worth a word. That a device is absent the line task has said already, and
    /// why; so its end is none either.
    fn is_news(&mut self, line: LineId, trouble: Option<&Trouble>) -> bool {
        let Some(line) = self.lines.get_mut(usize::from(line.0)) else {
            return true;
        };
        let was_told = line.has_told;
        line.has_told = trouble.is_some_and(|trouble| *trouble != Trouble::DeviceAbsent);
        line.has_told || was_told
    }

    /// Saves how far control was delivered, where that has changed.
    fn remember(&mut self) {
        if let Some(state) = &mut self.state
            && let Some(point) = self.session.resume_point()
        {
            state.save(point);
        }
    }

    fn transmit(&mut self, now: Instant) -> bool {
        let mut sent = false;
        for (id, line) in (0..).map(LineId).zip(&mut self.lines) {
            let mut chunk = Vec::new();
            if !line.has_room {
                // The session wants to know how long that lasts.
                self.session.poll_transmit(now, id, 0, &mut chunk);
                continue;
            }
            while chunk.len() < CHUNK {
                let room = CHUNK - chunk.len();
                if self.session.poll_transmit(now, id, room, &mut chunk) == 0 {
                    break;
                }
            }
            if chunk.is_empty() {
                continue;
            }
            line.has_room = false;
            sent = true;
            self.taps
                .retain_mut(|tap| tap.put(now, id, Direction::Sent, &chunk));
            if let Err(error) = line.chunks.try_send(chunk) {
                // The task has ended; waiting for the next input tells.
                tracing::debug!("{}: a chunk could not be handed over: {error}", line.name);
            }
        }
        sent
    }

    /// Waits until there is something to do, and handles the first. Says whether that was the
    /// order to stop.
    async fn wait(&mut self, now: Instant, farewell: Option<&Farewell>) -> Result<bool, RunError> {
        let wake = self.wake_at(now, farewell);
        let clock = self.clock;
        tokio::select! {
            Some((line, report)) = self.reports.recv() => self.take_report(line, report),
            () = self.ports.readable() => {}
            () = clock.sleep_until(wake) => {}
            Some(request) = self.requests.recv() => self.answer(request),
            () = self.handle.stopped() => return Ok(true),
            Some(ended) = self.line_tasks.join_next() => {
                tracing::error!("the task of a line ended: {ended:?}");
                return Err(RunError::TaskEnded);
            }
        }
        Ok(false)
    }

    /// When to go on although nothing came.
    fn wake_at(&self, now: Instant, farewell: Option<&Farewell>) -> Option<Instant> {
        let session = self.session.poll_timeout().map(|(at, timer)| {
            if at > now {
                return at;
            }
            // Due, although the session has just been asked: it waits for something else, most
            // likely for room. That comes with a report; meanwhile this must not become a busy loop.
            match timer {
                Timer::Pace if !self.lines.iter().any(|line| line.has_room) => now + NO_ROOM_PAUSE,
                _ => now + SHORTEST_PAUSE,
            }
        });
        let farewell = farewell.map(|farewell| {
            let quiet = farewell.last_sent + QUIET;
            if quiet > now {
                quiet.min(farewell.until)
            } else {
                farewell.until
            }
        });
        earliest(earliest(session, self.ports.resume_at()), farewell)
    }

    /// Handles a bounded number of what else has come. Says whether more may wait.
    fn take_waiting(&mut self) -> bool {
        let mut reports = 0;
        while reports < REPORTS
            && let Ok((line, report)) = self.reports.try_recv()
        {
            self.take_report(line, report);
            reports += 1;
        }
        let now = self.clock.now();
        let session = &mut self.session;
        let datagrams = self.ports.receive(now, |from, datagram| {
            let datagram = Bytes::copy_from_slice(datagram);
            // Counted by the session, with the reason.
            if let Err(refused) = session.handle_datagram(now, from, datagram) {
                tracing::trace!("{}: {refused}", port::name(from));
            }
        });
        datagrams || reports == REPORTS
    }

    fn take_report(&mut self, id: LineId, report: LineReport) {
        let now = self.clock.now();
        self.record.account(now, &self.session);
        let Some(line) = self.lines.get_mut(usize::from(id.0)) else {
            return;
        };
        match report {
            LineReport::Bytes(bytes) => {
                self.taps
                    .retain_mut(|tap| tap.put(now, id, Direction::Received, &bytes));
                self.session.handle_bytes(now, id, &bytes);
            }
            LineReport::Room { queued } => {
                line.has_room = true;
                if let Some(queued) = queued {
                    self.session.handle_queue(now, id, queued);
                }
            }
            LineReport::Queue(queued) => self.session.handle_queue(now, id, queued),
            LineReport::Signals(signals) => {
                line.take_signals(Some(signals));
                self.session.handle_signals(now, id, signals.relied_on);
            }
            LineReport::Errors(errors) => line.status.errors = Some(errors),
            LineReport::Opened {
                signals,
                remarks,
                rate,
                news,
            } => {
                line.status.state = DeviceState::Open;
                line.take_signals(Some(signals));
                if !remarks.is_empty() {
                    line.status.problem = Some(remarks.join("; "));
                }
                let opened = format!("{} is open", line.status.device);
                if let Some(rate) = rate {
                    self.session.handle_rate(now, id, rate);
                }
                self.session.handle_signals(now, id, signals.relied_on);
                if news {
                    self.record.tell(now, &Words::info(opened).of_line(id));
                    for remark in remarks {
                        self.record.tell(now, &Words::trouble(remark).of_line(id));
                    }
                }
            }
            LineReport::Modem { status, news } => {
                let words = format!("{}: modem: {status}", line.name);
                line.status.modem = Some(status);
                if line.status.state == DeviceState::Waiting {
                    line.status.state = DeviceState::Calling;
                }
                if news {
                    self.record.tell(now, &Words::info(words).of_line(id));
                }
            }
            LineReport::Waiting { problem, news } => {
                line.take_signals(None);
                line.status.problem = Some(problem.clone());
                if std::mem::replace(&mut line.status.state, DeviceState::Waiting)
                    == DeviceState::Open
                {
                    self.session.handle_signals(now, id, LineSignals::CLOSED);
                }
                if news {
                    self.record.tell(now, &Words::trouble(problem).of_line(id));
                }
            }
        }
    }

    fn line(&self, id: LineId) -> Option<&Line> {
        self.lines.get(usize::from(id.0))
    }

    fn say_goodbye(&mut self) -> Farewell {
        let now = self.clock.now();
        self.session.close(now);
        Farewell {
            until: now + FAREWELL,
            last_sent: now,
        }
    }

    /// Whether the goodbye has left, or cannot.
    fn is_over(&self, farewell: &Farewell, now: Instant) -> bool {
        let open = |line: &&Line| line.status.state == DeviceState::Open;
        let mut open_lines = self.lines.iter().filter(open);
        let is_quiet = now.since(farewell.last_sent) >= QUIET;
        now >= farewell.until || open_lines.all(|line| is_quiet && line.has_room)
    }

    /// Ends the tasks: the lines get a moment for what they were handed.
    async fn end(mut self) -> Stats {
        self.status_tasks.shutdown().await;
        let within = self.lines.iter().map(|line| line.ends_within).max();
        self.lines.clear();
        self.record.close_file();
        self.reports.close();
        let lines_end = async { while self.line_tasks.join_next().await.is_some() {} };
        if timeout(within.unwrap_or(LINES_END), lines_end)
            .await
            .is_err()
        {
            tracing::warn!("a device did not close in time; leaving it as it is");
        }
        self.line_tasks.shutdown().await;
        // A minute is written in no time, or the disk is stuck.
        let written = async { while self.history_task.join_next().await.is_some() {} };
        if timeout(WRITTEN, written).await.is_err() {
            tracing::warn!("the history file was not written in time; its last minute is lost");
        }
        self.session.stats()
    }
}

/// Reports of lines that may wait, and how many are handled at a turn.
const REPORTS: usize = 16;
/// A timer of the runtime is no finer.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const NO_ROOM_PAUSE: Duration = Duration::from_millis(20);
/// The most that a goodbye may take, and the silence after which it has surely been said.
const FAREWELL: Duration = Duration::from_millis(300);
const QUIET: Duration = Duration::from_millis(100);
const LINES_END: Duration = Duration::from_millis(400);
const WRITTEN: Duration = Duration::from_millis(100);

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
