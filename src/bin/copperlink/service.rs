//! Words with the service manager, when `run` was started by one that listens (systemd,
//! `Type=notify`): ready, still alive, stopping.
//!
//! Promises: without a NOTIFY_SOCKET nothing is done and nobody is woken; the watchdog is fed
//! only while the link itself answers, so that one that hangs is started again. Assumes that the
//! socket takes a datagram at once. A manager that does not listen any more is no reason to stop.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, timeout};

use copperlink::proto::stats::LineState;
use copperlink::shell::{LinkHandle, Snapshot};

/// The link is open.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The link is being stopped.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the manager that the link is alive, as often as it wants to know, and how it is. For
/// ever, when it does not want to know.
pub(crate) async fn keep_alive(link: LinkHandle) -> Infallible {
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    // Half of it, as the manager's manual says; a third leaves room for a busy machine.
    let period = (patience / 3).max(SHORTEST);
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match timeout(period, link.snapshot()).await {
            Ok(Some(snapshot)) => {
                let words = words(&snapshot);
                tell(&[NotifyState::Watchdog, NotifyState::Status(&words)]);
            }
            // It has ended, and who runs it knows.
            Ok(None) => return std::future::pending().await,
            Err(_elapsed) => {
                tracing::warn!("the link did not answer for {} s", period.as_secs());
            }
        }
    }
}

/// What `systemctl status` shows.
fn words(snapshot: &Snapshot) -> String {
    let lines = &snapshot.stats.lines;
    let up = lines.iter().filter(|line| line.state == LineState::Up);
    let up = up.count();
    let far_end = snapshot.stats.peer_name.as_deref().unwrap_or("nobody yet");
    format!("far end: {far_end}; {up} of {} lines up", lines.len())
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("the service manager cannot be told: {error}");
    }
}

const SHORTEST: Duration = Duration::from_millis(100);
