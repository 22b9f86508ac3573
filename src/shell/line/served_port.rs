//! A serial port behind a terminal server that speaks RFC 2217.
//!
//! Promises: the port is set up before anything is carried, and what the server set otherwise is said
//! in words; every byte value both ways; what the server tells of the port's signals is known at
//! once; a server that speaks something else is named after a few seconds. At most one small chunk
//! waits here for the network, and none while the server wants none. Assumes a connection as
//! [`tcp`](super::tcp) makes it, which notices a server that vanished. Leaves connecting again to the line task.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::device::Moved;
use super::problem::Problem;
use super::rfc2217::codec::{self, Decoder};
use super::rfc2217::negotiate::{Negotiation, Stage, Wanted};
use super::signals::ModemLines;
use super::uart::LineErrors;
use super::{LineSetup, tcp};

/// A port that is open at its server.
pub(super) struct ServedPort {
    stream: TcpStream,
    decoder: Decoder,
    dialogue: Negotiation,
    /// Data from the server that was not taken yet.
    input: Vec<u8>,
    /// How much of it was.
    taken: usize,
    /// Bytes for the server, escaped.
    output: Vec<u8>,
}

impl ServedPort {
    /// Connects to `host:port` and sets the port up. Returns it with what is not as it was asked
    /// for, in words.
    ///
    /// # Errors
    /// Why there is no port.
    pub(super) async fn open(
        address: &str,
        setup: &LineSetup,
    ) -> Result<(Self, Vec<String>), Problem> {
        let device = setup.device.to_string();
        let mut port = Self {
            stream: tcp::connect(&device, address).await?,
            decoder: Decoder::default(),
            dialogue: Negotiation::new(Wanted {
                baud: setup.baud,
                flow: setup.flow,
            }),
            input: Vec::new(),
            taken: 0,
            output: Vec::new(),
        };
        // What the server does not answer in time is judged by how far it came.
        if let Ok(Err(source)) = timeout(DIALOGUE_TIME, port.negotiate()).await {
            return Err(match source.kind() {
                io::ErrorKind::UnexpectedEof => Problem::Closed { device },
                _ => Problem::NotConnected { device, source },
            });
        }
        match port.dialogue.stage() {
            Stage::Ready | Stage::Settings => {}
            Stage::Silence | Stage::NoComPort => return Err(no_rfc2217(device, address)),
            Stage::Options if port.dialogue.has_com_port() => {
                return Err(Problem::NotBinary { device });
            }
            Stage::Options => return Err(no_rfc2217(device, address)),
            Stage::NotBinary => return Err(Problem::NotBinary { device }),
        }
        tracing::debug!("{device}: the server is '{}'", port.dialogue.signature());
        // What came before it was set up is nothing of the line's.
        port.input.clear();
        port.taken = 0;
        let remarks = port.dialogue.remarks();
        let remarks = remarks.into_iter().map(|it| format!("{device}: {it}"));
        Ok((port, remarks.collect()))
    }

    /// Talks with the server until the port is set up, or is refused.
    async fn negotiate(&mut self) -> io::Result<()> {
        loop {
            std::future::poll_fn(|cx| self.poll_flush(cx)).await?;
            match self.dialogue.stage() {
                Stage::Ready | Stage::NoComPort | Stage::NotBinary => return Ok(()),
                Stage::Silence | Stage::Options | Stage::Settings => {}
            }
            std::future::poll_fn(|cx| self.poll_receive(cx)).await?;
            self.input.clear();
        }
    }

    /// The port's signals, once the server has told them.
    pub(super) fn modem_lines(&self) -> Option<ModemLines> {
        self.dialogue.lines()
    }

    /// Errors on the line, as far as the server tells.
    pub(super) fn errors(&self) -> LineErrors {
        self.dialogue.errors()
    }

    /// Switches DTR.
    ///
    /// # Errors
    /// Of kind `WouldBlock` when the server takes no orders.
    pub(super) fn set_dtr(&mut self, on: bool) -> io::Result<()> {
        match self.dialogue.set_dtr(on) {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Switches RTS.
    ///
    /// # Errors
    /// As [`ServedPort::set_dtr`].
    pub(super) fn set_rts(&mut self, on: bool) -> io::Result<()> {
        match self.dialogue.set_rts(on) {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Takes bytes that arrived, or says that the signals may have changed.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<Moved>> {
        loop {
            // What is left to say wakes the task when it can be said.
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            let waiting = &self.input[self.taken..];
            if !waiting.is_empty() {
                let length = waiting.len().min(buffer.len());
                buffer[..length].copy_from_slice(&waiting[..length]);
                self.taken += length;
                return Poll::Ready(Ok(Moved::In(length)));
            }
            self.input.clear();
            self.taken = 0;
            let before = self.news();
            ready!(self.poll_receive(cx))?;
            match self.dialogue.stage() {
                Stage::NoComPort | Stage::NotBinary => {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                _ if self.news() != before => return Poll::Ready(Ok(Moved::Signals)),
                _ => {}
            }
        }
    }

    /// Takes bytes for the line, unless earlier ones wait or the server wants none.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        if self.dialogue.is_suspended() {
            // The word that it goes on is read like any other.
            return Poll::Pending;
        }
        let length = bytes.len().min(MOST_AT_ONCE);
        codec::escape(&bytes[..length], &mut self.output);
        match self.poll_flush(cx)? {
            // Taken, whether it has left or not: it waits here, and nothing comes on top of it.
            Poll::Ready(()) | Poll::Pending => Poll::Ready(Ok(length)),
        }
    }

    /// Hands everything that waits here to the network.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.append(self.dialogue.output());
        while !self.output.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn news(&self) -> (Option<ModemLines>, bool) {
        (self.dialogue.lines(), self.dialogue.is_suspended())
    }

    /// Reads once, and takes apart what came.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut buffer = [0; LARGEST_READ];
        let mut buffer = ReadBuf::new(&mut buffer);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let mut bytes = buffer.filled();
        if bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        while !bytes.is_empty() {
            if let Some(item) = self.decoder.next(&mut bytes, &mut self.input) {
                self.dialogue.handle(item);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for ServedPort {
    fn drop(&mut self) {
        let unsaid = self.dialogue.unsaid();
        if unsaid > 0 {
            tracing::debug!(
                "{unsaid} answers to a terminal server were left out: it asked too much"
            );
        }
    }
}

fn no_rfc2217(device: String, address: &str) -> Problem {
    let raw = format!("tcp://{address}");
    Problem::NoRfc2217 { device, raw }
}

/// Connecting has a limit of its own.
const DIALOGUE_TIME: Duration = Duration::from_secs(3);
const LARGEST_READ: usize = 1024;
/// Bytes of the line that are escaped at once.
const MOST_AT_ONCE: usize = 512;

#[cfg(test)]
#[path = "served_port_tests.rs"]
mod tests;
