//! The equipment of a call: sends at one end, receives at the other, and compares.
//!
//! Promises: each port of each direction is a task of its own with real UDP sockets, as
//! conference equipment has them; what arrives is compared byte for byte with what was sent.
//! Assumes that both ends are in this process, so one clock times both. The link between the ends
//! is not its affair.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio::sync::watch;

use copperlink::proto::config::{Class, Port};
use copperlink::proto::time::{Duration, Instant};
use copperlink::sim::Source;

pub(crate) use ledger::Counts;
pub(crate) use plan::{ChannelPlan, plan_generated, plan_recorded};
pub(crate) use site::Site;

use copperlink::shell::Clock;
use ledger::Ledger;

mod ledger;
mod plan;
mod replay;
mod site;

/// One direction of one port: who sends, where it goes in, and where it must come out.
pub(crate) struct Flow {
    /// Which port of the link.
    pub(crate) port: Port,
    /// Its class.
    pub(crate) class: Class,
    /// The end that sends, 0 or 1.
    pub(crate) from: usize,
    /// What is sent.
    pub(crate) source: Box<dyn Source + Send>,
    /// The sending equipment's socket.
    pub(crate) sender: Arc<UdpSocket>,
    /// The receiving equipment's socket.
    pub(crate) receiver: Arc<UdpSocket>,
    /// The link's port at the sending end.
    pub(crate) goes_in: SocketAddr,
    /// The link's port at the receiving end: from there it must come.
    pub(crate) comes_from: SocketAddr,
    /// How it is going.
    pub(crate) progress: Arc<Progress>,
}

/// What the equipment does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Talks and listens.
    Talking,
    /// Only listens: for what is still on its way.
    Listening,
    /// Hangs up.
    Over,
}

/// How a flow is going, for whoever watches.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Datagrams sent.
    pub(crate) sent: AtomicU64,
    /// Datagrams that arrived as they were sent.
    pub(crate) delivered: AtomicU64,
    /// How long the last one took, µs.
    pub(crate) last_delay_us: AtomicU64,
}

/// What became of a flow.
#[derive(Clone, Debug)]
pub(crate) struct FlowResult {
    /// Which port of the link.
    pub(crate) port: Port,
    /// Its class.
    pub(crate) class: Class,
    /// The end that sent, 0 or 1.
    pub(crate) from: usize,
    /// What became of its datagrams.
    pub(crate) counts: Counts,
    /// The delays of those that arrived, sorted, µs.
    pub(crate) delays_us: Vec<u32>,
}

impl Flow {
    /// Talks, listens and compares until the call is over.
    pub(crate) async fn run(
        mut self,
        clock: Clock,
        mut phase: watch::Receiver<Phase>,
    ) -> FlowResult {
        let mut ledger = Ledger::default();
        let mut buffer = vec![0; LARGEST_DATAGRAM];
        loop {
            let talks = match *phase.borrow_and_update() {
                Phase::Talking => true,
                Phase::Listening => false,
                Phase::Over => break,
            };
            if talks {
                self.send_due(clock, &mut ledger).await;
            }
            let due = self.source.poll_timeout().filter(|_| talks);
            tokio::select! {
                changed = phase.changed() => if changed.is_err() {
                    break;
                },
                arrived = self.receiver.recv_from(&mut buffer) => {
                    self.receive(arrived, &buffer, clock.now(), &mut ledger);
                }
                () = clock.sleep_until(due) => {}
            }
        }
        let (counts, delays_us) = ledger.finish(clock.now(), self.grace());
        FlowResult {
            port: self.port,
            class: self.class,
            from: self.from,
            counts,
            delays_us,
        }
    }

    async fn send_due(&mut self, clock: Clock, ledger: &mut Ledger) {
        while let Some(datagram) = self.source.poll_datagram(clock.now()) {
            // Taken down before it leaves: it may arrive before this task goes on.
            ledger.sent(clock.now(), &datagram);
            self.progress.sent.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = self.sender.send_to(&datagram, self.goes_in).await {
                // It counts as lost then, which it is.
                tracing::debug!("the equipment could not send to {}: {error}", self.goes_in);
            }
        }
    }

    fn receive(
        &self,
        arrived: io::Result<(usize, SocketAddr)>,
        buffer: &[u8],
        now: Instant,
        ledger: &mut Ledger,
    ) {
        match arrived {
            Ok((length, from)) if from == self.comes_from => {
                if let Some(delay) = ledger.arrived(now, &buffer[..length]) {
                    let delay = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
                    self.progress.delivered.fetch_add(1, Ordering::Relaxed);
                    self.progress.last_delay_us.store(delay, Ordering::Relaxed);
                }
            }
            Ok((_, from)) => tracing::debug!("a datagram of a stranger, {from}"),
            // The host's word that nothing listens where this socket sends to.
            Err(error) => tracing::debug!("the equipment could not receive: {error}"),
        }
    }

    /// How long a datagram of this class may be on its way.
    fn grace(&self) -> Duration {
        match self.class {
            Class::Control => Duration::from_secs(2),
            Class::Audio | Class::Video | Class::Rtp => Duration::from_millis(500),
        }
    }
}

/// The largest payload of UDP over IPv4, bytes.
const LARGEST_DATAGRAM: usize = 65_507;
