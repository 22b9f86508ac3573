//! A line's device that is open, whichever kind it is.
//!
//! Promises the line task one face for all of them: bytes both ways, what waits below, the signals
//! by the settings' rules, DTR. What a kind does not have is `None`, or an error of kind
//! `Unsupported`. Assumes the settings as they were checked; leaves trying again to the line task.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::problem::Problem;
use super::serial::{self, SerialLine};
use super::served_port::ServedPort;
use super::signals::{ModemLines, SignalRules};
use super::uart::LineErrors;
use super::{Device, DeviceSignals, LineSetup, discover, tcp};

/// A device that was just opened.
pub(super) struct Opened {
    pub(super) device: OpenDevice,
    /// What is not as it was asked for, in words.
    pub(super) remarks: Vec<String>,
}

/// What is remembered of a device from one opening to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// A name of the device that is still right when it was plugged in again.
    stable: Option<PathBuf>,
    carrier_seen: bool,
}

/// A device that is open.
pub(super) struct OpenDevice {
    kind: Kind,
    rules: SignalRules,
    stable: Option<PathBuf>,
}

enum Kind {
    Serial(Box<SerialLine>),
    Tcp(TcpStream),
    Served(Box<ServedPort>),
}

/// What went over the border to the device.
pub(super) enum Moved {
    In(usize),
    Out(usize),
    /// No bytes, but the signals may have changed.
    Signals,
}

/// Opens the device of a line.
///
/// # Errors
/// Why it cannot be opened.
pub(super) async fn open(setup: LineSetup, memory: Memory) -> Result<Opened, Problem> {
    let rules = SignalRules::new(&setup, memory.carrier_seen);
    let (kind, remarks, stable) = match &setup.device {
        Device::Tcp(address) => {
            let stream = tcp::connect(&setup.device.to_string(), address).await?;
            (Kind::Tcp(stream), Vec::new(), None)
        }
        Device::Rfc2217(address) => {
            let (port, remarks) = ServedPort::open(address, &setup).await?;
            (Kind::Served(Box::new(port)), remarks, None)
        }
        Device::Serial(path) => {
            // Opening talks to the hardware, and a bad adapter takes seconds to answer.
            let path = path.clone();
            let device = path.display().to_string();
            let opening =
                tokio::task::spawn_blocking(move || open_serial(&path, memory.stable, &setup));
            opening.await.unwrap_or_else(|error| {
                Err(Problem::Failed {
                    device,
                    source: error.into(),
                })
            })?
        }
    };
    Ok(Opened {
        device: OpenDevice {
            kind,
            rules,
            stable,
        },
        remarks,
    })
}

fn open_serial(
    path: &Path,
    stable: Option<PathBuf>,
    setup: &LineSetup,
) -> Result<(Kind, Vec<String>, Option<PathBuf>), Problem> {
    // The kernel may have given another number to an adapter that was plugged in again.
    let path = match &stable {
        Some(stable) if stable.exists() => stable,
        _ => path,
    };
    let (device, remarks) = SerialLine::open(path, setup)?;
    // A link is the user's own choice; it is followed anew each time.
    let stable = match path.is_symlink() {
        true => stable,
        false => discover::stable_links(path).into_iter().next(),
    };
    Ok((Kind::Serial(Box::new(device)), remarks, stable))
}

impl OpenDevice {
    /// What to remember for the next opening.
    pub(super) fn memory(&self) -> Memory {
        Memory {
            stable: self.stable.clone(),
            carrier_seen: self.rules.carrier_seen(),
        }
    }

    /// Whether its signals can change, so that they must be looked at now and then.
    pub(super) fn watches_signals(&self) -> bool {
        match &self.kind {
            Kind::Serial(port) => port.has_signals(),
            // Those of a server come by themselves.
            Kind::Tcp(_) | Kind::Served(_) => false,
        }
    }

    /// Asks for the signals: those for the core, and all of them.
    pub(super) fn signals(&mut self) -> DeviceSignals {
        let all = self.modem_lines();
        DeviceSignals {
            relied_on: self.rules.apply(all),
            all,
        }
    }

    /// The signals of the port, relied on or not. `None` where it has none, as a pseudo terminal
    /// or a raw TCP connection.
    pub(super) fn modem_lines(&mut self) -> Option<ModemLines> {
        match &mut self.kind {
            Kind::Serial(port) => port.modem_lines(),
            Kind::Served(port) => port.modem_lines(),
            Kind::Tcp(_) => None,
        }
    }

    /// Whether it tells of errors on the line.
    pub(super) fn counts_errors(&self) -> bool {
        match &self.kind {
            Kind::Serial(port) => port.counts_errors(),
            Kind::Tcp(_) => false,
            Kind::Served(_) => true,
        }
    }

    /// Errors that the port counted on the line while it was open, where the device tells.
    pub(super) fn errors(&self) -> Option<LineErrors> {
        match &self.kind {
            Kind::Serial(port) => port.errors(),
            Kind::Served(port) => Some(port.errors()),
            Kind::Tcp(_) => None,
        }
    }

    /// Whether it has DTR.
    pub(super) fn has_dtr(&self) -> bool {
        match &self.kind {
            Kind::Serial(port) => port.has_signals(),
            Kind::Served(_) => true,
            Kind::Tcp(_) => false,
        }
    }

    /// Switches DTR on or off: off makes most modems hang up.
    ///
    /// # Errors
    /// Of kind `Unsupported` where the device has no such signal, as a pseudo terminal or a raw TCP
    /// connection.
    pub(super) fn set_dtr(&mut self, on: bool) -> io::Result<()> {
        match &mut self.kind {
            Kind::Serial(port) => port.set_dtr(on),
            Kind::Served(port) => port.set_dtr(on),
            Kind::Tcp(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Switches RTS on or off.
    ///
    /// # Errors
    /// As [`OpenDevice::set_dtr`].
    pub(super) fn set_rts(&mut self, on: bool) -> io::Result<()> {
        match &mut self.kind {
            Kind::Serial(port) => port.set_rts(on),
            Kind::Served(port) => port.set_rts(on),
            Kind::Tcp(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// How many bytes may be written now, or how long to wait before asking again.
    pub(super) fn room(&self) -> Result<usize, Duration> {
        match &self.kind {
            Kind::Serial(port) => port.room(),
            // Its send buffer is small, and a write to a full one waits.
            Kind::Tcp(_) | Kind::Served(_) => Ok(usize::MAX),
        }
    }

    /// Bytes that wait in the kernel, where it tells. Of a connection it would (`SIOCOUTQ`), but
    /// not without unsafe code.
    pub(super) fn queued(&self) -> Option<usize> {
        match &self.kind {
            Kind::Serial(port) => port.queued(),
            Kind::Tcp(_) | Kind::Served(_) => None,
        }
    }

    /// Moves bytes either way, whichever is possible first. Can be dropped at any time.
    pub(super) async fn moves(&mut self, input: &mut [u8], output: &[u8]) -> io::Result<Moved> {
        std::future::poll_fn(|cx| {
            // Output first: it is little, and a flood of input must not hold it back.
            if !output.is_empty()
                && let Poll::Ready(written) = self.poll_write(cx, output)
            {
                return Poll::Ready(match written? {
                    0 => Err(io::ErrorKind::WriteZero.into()),
                    length => Ok(Moved::Out(length)),
                });
            }
            self.poll_read(cx, input)
        })
        .await
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<Moved>> {
        let length = match &mut self.kind {
            Kind::Serial(port) => ready!(port.poll_read(cx, buffer))?,
            Kind::Tcp(stream) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
                buffer.filled().len()
            }
            Kind::Served(port) => return port.poll_read(cx, buffer),
        };
        Poll::Ready(match length {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => Ok(Moved::In(length)),
        })
    }

    /// Writes as much as there is room for.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Serial(port) => port.poll_write(cx, bytes),
            Kind::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Kind::Served(port) => port.poll_write(cx, bytes),
        }
    }

    /// Gives what was taken but still waits in this process to the system.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Serial(_) | Kind::Tcp(_) => Poll::Ready(Ok(())),
            Kind::Served(port) => port.poll_flush(cx),
        }
    }

    /// Sorts what a read or a write answered into a reason for the device not being open any more.
    pub(super) fn lost(&self, device: &Device, error: io::Error) -> Problem {
        let device = device.to_string();
        let ended = error.kind() == io::ErrorKind::UnexpectedEof;
        match &self.kind {
            Kind::Serial(_) if ended => Problem::Gone { device },
            Kind::Serial(_) => serial::lost(device, error),
            Kind::Tcp(_) | Kind::Served(_) if ended => Problem::Closed { device },
            Kind::Tcp(_) | Kind::Served(_) => Problem::NotConnected {
                device,
                source: error,
            },
        }
    }
}
