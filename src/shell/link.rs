//! A link of this host: what it is made of, opening it, and the handle on one that runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};

use super::Core;
use super::capture::{Ended, Tapped};
use super::clock::Clock;
use super::driver::{Driver, Parts};
use super::error::{OpenError, RunError};
use super::history::file::HistoryFile;
use super::line::LineSetup;
use super::metrics::MetricsServer;
use super::port::{PortSetup, UdpPorts};
use super::snapshot::Snapshot;
use super::state::StateFile;
use super::status::StatusSocket;
use super::talk::Joined;
use crate::proto::config::{LinkConfig, SessionId};
use crate::proto::error::Refused;
use crate::proto::event::TextId;
use crate::proto::stats::Stats;

/// What a link is made of.
#[derive(Clone, Debug)]
pub struct LinkSetup {
    /// What the core must know.
    pub config: LinkConfig,
    /// The device of each of the configuration's lines, in the same order.
    pub lines: Vec<LineSetup>,
    /// The local UDP ports.
    pub ports: Vec<PortSetup>,
    /// Where to answer questions for the status: see [`status`](super::status).
    pub status_socket: Option<PathBuf>,
    /// Where to remember what was delivered. Used for
    /// [`LinkConfig::resume`] when the configuration has nothing there.
    pub state_file: Option<PathBuf>,
    /// What else looks at the link.
    pub instruments: Instruments,
}

/// Ways to look at a running link, beside its status socket. None by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instruments {
    /// Where Prometheus may ask for the counters.
    pub metrics: Option<SocketAddr>,
    /// A file to which each minute is appended.
    pub history_file: Option<PathBuf>,
}

/// A link that has its sockets and is ready to run.
#[derive(Debug)]
pub struct Link {
    parts: Parts,
}

impl Link {
    /// Takes the status socket and the UDP ports, and reads the state file. Devices come later:
    /// [`Link::run`] waits for those that are not there. Needs a tokio runtime.
    ///
    /// # Errors
    /// The first thing that cannot be had; what was taken before is given back.
    pub async fn open(setup: LinkSetup) -> Result<(Self, LinkHandle), OpenError> {
        let mut config = setup.config;
        config.validate()?;
        if config.lines.len() != setup.lines.len() {
            return Err(OpenError::DeviceCount {
                configured: config.lines.len(),
                devices: setup.lines.len(),
            });
        }
        let status = match &setup.status_socket {
            Some(path) => Some(StatusSocket::bind(path, &config.name).await?),
            None => None,
        };
        let ports = UdpPorts::bind(&setup.ports)?;
        let state = setup.state_file.as_deref().map(StateFile::open);
        let state = state.transpose()?;
        if config.resume.is_none() {
            config.resume = state.as_ref().and_then(StateFile::resume_point).cloned();
        }
        let metrics = match setup.instruments.metrics {
            Some(address) => Some(MetricsServer::bind(address).await?),
            None => None,
        };
        let line_names: Vec<String> = config.lines.iter().map(|line| line.name.clone()).collect();
        let history_file = setup.instruments.history_file.as_deref();
        let history_file = history_file.map(|path| HistoryFile::open(path, line_names.clone()));
        let history_file = history_file.transpose()?;
        let clock = Clock::start();
        let session = Core::new(config, clock.now())?;
        let (requests, incoming) = mpsc::channel(REQUESTS);
        let handle = LinkHandle {
            requests,
            stop: Arc::default(),
        };
        let parts = Parts {
            clock,
            session,
            lines: setup.lines,
            line_names,
            ports,
            state,
            status,
            metrics,
            history_file,
            requests: incoming,
            handle: handle.clone(),
        };
        Ok((Self { parts }, handle))
    }

    /// Runs the link until [`LinkHandle::stop`]; then says goodbye to the far end and gives the
    /// final counters, within a second.
    ///
    /// # Errors
    /// Only when a part of the link ended through a fault of its own.
    pub async fn run(self) -> Result<Stats, RunError> {
        Driver::start(self.parts).run().await
    }
}

/// A handle on a link that runs, or is about to.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    requests: mpsc::Sender<Request>,
    stop: Arc<Notify>,
}

impl LinkHandle {
    /// How the link is now. `None` when it has ended. Waits for one that does not run yet.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        let (reply, snapshot) = oneshot::channel();
        self.requests.send(Request::Snapshot(reply)).await.ok()?;
        snapshot.await.ok()
    }

    /// A place on the order wire. `None` when the link has ended.
    pub(super) async fn join_talk(&self) -> Option<Joined> {
        let (reply, joined) = oneshot::channel();
        self.requests.send(Request::Join(reply)).await.ok()?;
        joined.await.ok()
    }

    /// Says something on the order wire, to the technician at the far end. `None` when the link has
    /// ended.
    pub async fn say(&self, text: String) -> Option<Result<TextId, Refused>> {
        let (reply, taken) = oneshot::channel();
        self.requests.send(Request::Say(text, reply)).await.ok()?;
        taken.await.ok()
    }

    /// The bytes of the line of that name, or of the first, from now on; or why not. `None` when the link
    /// has ended.
    pub(super) async fn tap(&self, line: String) -> Option<Result<Tapped, String>> {
        let (reply, tapped) = oneshot::channel();
        self.requests.send(Request::Tap(line, reply)).await.ok()?;
        tapped.await.ok()
    }

    /// Ends that; gives the line's counters.
    pub(super) async fn untap(&self, id: u64) -> Option<Ended> {
        let (reply, ended) = oneshot::channel();
        self.requests.send(Request::Untap(id, reply)).await.ok()?;
        ended.await.ok()
    }

    /// Ends the link. Counts also when it does not run yet.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    /// Waits for [`LinkHandle::stop`].
    pub(super) async fn stopped(&self) {
        self.stop.notified().await;
    }
}

/// What the driver is asked for, with the way for the answer.
#[derive(Debug)]
pub(super) enum Request {
    Snapshot(oneshot::Sender<Snapshot>),
    Join(oneshot::Sender<Joined>),
    Say(String, oneshot::Sender<Result<TextId, Refused>>),
    Tap(String, oneshot::Sender<Result<Tapped, String>>),
    Untap(u64, oneshot::Sender<Ended>),
}

/// A number for one run of one end: random, never zero.
pub fn random_session() -> SessionId {
    loop {
        // Without the system's randomness the time and the process still tell two runs apart.
        let number = getrandom::u32().unwrap_or_else(|_no_randomness| time_and_process());
        if number != 0 {
            return SessionId(number);
        }
    }
}

fn time_and_process() -> u32 {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = time.unwrap_or_default().as_nanos() as u32;
    nanos ^ std::process::id().rotate_left(16)
}

const REQUESTS: usize = 8;
