//! A line without a link: the bytes as they are, for tests of the line itself.
//!
//! Promise: the device is opened with the same care as for a link (nobody else uses it, the settings are read
//! back, what came before is gone), little waits in the kernel, and nothing blocks. It is opened once: what is
//! not there is an error and not waited for.
//! It leaves pace and meaning of the bytes to its user.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::device::{self, Memory, Moved, OpenDevice};
use super::problem::Problem;
use super::{LineSetup, ModemLines};

/// Why a line could not be opened, or was lost: what happened, then what to try.
#[derive(Debug, Error)]
#[error("{words}")]
pub struct LineError {
    words: String,
    /// Whether the device is not to be had at all; otherwise it was lost in use.
    is_absent: bool,
}

impl LineError {
    fn absent(problem: &Problem) -> Self {
        Self {
            words: problem.at_once(),
            is_absent: true,
        }
    }

    fn lost(problem: &Problem) -> Self {
        Self {
            words: problem.at_once(),
            is_absent: false,
        }
    }

    /// Whether nothing could be done at all. Otherwise the device had been open.
    pub const fn is_absent(&self) -> bool {
        self.is_absent
    }
}

/// The signals that this side drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// Request to send.
    Rts(bool),
    /// Data terminal ready.
    Dtr(bool),
}

/// What a [`RawLine`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// So many bytes came; they are at the beginning of the buffer.
    Received(usize),
    /// The first so many bytes were taken.
    Sent(usize),
    /// Nothing moved: there was no room for more just now, or only a signal changed.
    Held,
}

/// A line that is open.
pub struct RawLine {
    setup: LineSetup,
    device: OpenDevice,
    remarks: Vec<String>,
}

impl RawLine {
    /// Opens the device. Needs a tokio runtime.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub async fn open(setup: &LineSetup) -> Result<Self, LineError> {
        let opened = device::open(setup.clone(), Memory::default()).await;
        let opened = opened.map_err(|problem| LineError::absent(&problem))?;
        Ok(Self {
            setup: setup.clone(),
            device: opened.device,
            remarks: opened.remarks,
        })
    }

    /// What is not as it was asked for, in words.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Moves bytes either way, whichever is possible first; with no `output`, waits for input. May be dropped at
    /// any time.
    ///
    /// # Errors
    /// When the device is gone.
    pub async fn transfer(
        &mut self,
        input: &mut [u8],
        output: &[u8],
    ) -> Result<Transfer, LineError> {
        let room = match self.device.room() {
            _ if output.is_empty() => 0,
            Ok(room) => room.min(output.len()),
            Err(hold) => return self.hold(input, hold).await,
        };
        let moved = self.device.moves(input, &output[..room]).await;
        self.moved(moved)
    }

    /// Reads until there is room again.
    async fn hold(&mut self, input: &mut [u8], hold: Duration) -> Result<Transfer, LineError> {
        match tokio::time::timeout(hold, self.device.moves(input, &[])).await {
            Ok(moved) => self.moved(moved),
            Err(_elapsed) => Ok(Transfer::Held),
        }
    }

    fn moved(&self, moved: io::Result<Moved>) -> Result<Transfer, LineError> {
        match moved {
            Ok(Moved::In(length)) => Ok(Transfer::Received(length)),
            Ok(Moved::Out(length)) => Ok(Transfer::Sent(length)),
            Ok(Moved::Signals) => Ok(Transfer::Held),
            Err(error) => {
                let problem = self.device.lost(&self.setup.device, error);
                Err(LineError::lost(&problem))
            }
        }
    }

    /// Bytes that wait in the kernel; `None` where the driver does not tell.
    pub fn queued(&self) -> Option<usize> {
        self.device.queued()
    }

    /// The signals that the other side drives; `None` where there are none, as on a pseudo terminal or behind a
    /// raw TCP port.
    pub fn modem_lines(&mut self) -> Option<ModemLines> {
        self.device.modem_lines()
    }

    /// Drives a signal; says whether the port has it.
    pub fn drive(&mut self, signal: Drive) -> bool {
        let driven = match signal {
            Drive::Rts(on) => self.device.set_rts(on),
            Drive::Dtr(on) => self.device.set_dtr(on),
        };
        driven.is_ok()
    }
}

impl std::fmt::Debug for RawLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawLine")
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Device, Flow, pty};
    use super::*;

    fn setup(device: Device) -> LineSetup {
        LineSetup::new(device, 38_400, Flow::None)
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_there_are_no_signals_on_a_pseudo_terminal() {
        let master = pty::Master::open().unwrap();
        let setup = setup(Device::Serial(master.path().into()));
        let mut line = RawLine::open(&setup).await.unwrap();
        assert_eq!(line.remarks(), Vec::<String>::new());
        let mut input = [0; 16];
        assert_eq!(
            line.transfer(&mut input, b"there").await.unwrap(),
            Transfer::Sent(5)
        );
        assert_eq!(master.read_exactly(5).await, b"there");
        master.write_all(b"here").await;
        assert_eq!(
            line.transfer(&mut input, &[]).await.unwrap(),
            Transfer::Received(4)
        );
        assert_eq!(&input[..4], b"here");
        assert_eq!(line.modem_lines(), None);
        assert!(!line.drive(Drive::Rts(true)));
    }

    #[tokio::test]
    async fn a_device_that_is_not_there_is_not_waited_for() {
        let missing = setup(Device::Serial("/dev/no-such-port".into()));
        let error = RawLine::open(&missing).await.unwrap_err();
        assert!(error.is_absent());
        let words = error.to_string();
        assert!(words.contains("/dev/no-such-port is not there"), "{words}");
        assert!(!words.contains("waiting"), "{words}");
    }

    #[tokio::test]
    async fn a_device_that_goes_is_lost() {
        let master = pty::Master::open().unwrap();
        let mut line = RawLine::open(&setup(Device::Serial(master.path().into())))
            .await
            .unwrap();
        drop(master);
        let error = line.transfer(&mut [0; 4], &[]).await.unwrap_err();
        assert!(!error.is_absent());
        assert!(!error.to_string().contains("waiting"), "{error}");
    }
}
