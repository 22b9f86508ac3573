//! When the operator has had enough: ctrl-C, SIGTERM, or the terminal is closed.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::outcome::Failure;

/// Waits for a signal to stop. From its making on, these signals no longer end the program.
#[derive(Debug)]
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl StopSignals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::CannotRun(format!("signals cannot be received: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. May be dropped and called again without missing one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
