//! The task that owns one line's device: open it, carry bytes, notice its loss, open it again.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::problem::Problem;
use super::raw::{Drive, ModemLines};
use super::reconnect::Reconnect;
use super::serial::{self, SerialLine};
use super::{Device, LineReport, LineSetup, discover, tcp};
use crate::proto::LineSignals;
use crate::proto::config::LineId;

/// Runs one line until the driver drops its end of a channel. Then what was handed over gets a
/// moment to leave.
pub(in crate::shell) async fn run(
    line: LineId,
    setup: LineSetup,
    reports: mpsc::Sender<(LineId, LineReport)>,
    chunks: mpsc::Receiver<Vec<u8>>,
) {
    let mut task = LineTask {
        line,
        setup,
        reports,
        chunks,
        reconnect: Reconnect::default(),
        stable: None,
    };
    let Err(Ended) = task.run().await;
}

/// The driver wants the task to end, or has ended itself.
struct Ended;

enum Never {}

struct LineTask {
    line: LineId,
    setup: LineSetup,
    reports: mpsc::Sender<(LineId, LineReport)>,
    chunks: mpsc::Receiver<Vec<u8>>,
    reconnect: Reconnect,
    /// A name of the device that is still right when it was plugged in again.
    stable: Option<PathBuf>,
}

impl LineTask {
    async fn run(&mut self) -> Result<Never, Ended> {
        loop {
            let opening = open(self.setup.clone(), self.stable.clone());
            let problem = match self.dropping_chunks(opening).await? {
                Ok(opened) => self.use_device(opened).await?,
                Err(problem) => problem,
            };
            let problem = problem.to_string();
            let news = self.reconnect.is_news(&problem);
            self.report(LineReport::Waiting { problem, news }).await?;
            let pause = self.reconnect.pause();
            self.dropping_chunks(sleep(pause)).await?;
        }
    }

    async fn report(&self, report: LineReport) -> Result<(), Ended> {
        let sent = self.reports.send((self.line, report)).await;
        sent.map_err(|_driver_is_gone| Ended)
    }

    /// Waits for `future` while there is no device: chunks that still come are taken and dropped.
    async fn dropping_chunks<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Ended> {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return Ok(output),
                chunk = self.chunks.recv() => chunk.ok_or(Ended)?,
            };
            self.report(LineReport::Room { queued: None }).await?;
        }
    }

    async fn use_device(&mut self, opened: Opened) -> Result<Problem, Ended> {
        let Opened {
            mut device,
            remarks,
            stable,
        } = opened;
        let since = Instant::now();
        self.stable = stable.or(self.stable.take());
        let signals = device.signals();
        let news = self.reconnect.is_news(OPENED);
        self.report(LineReport::Opened {
            signals,
            remarks,
            news,
        })
        .await?;
        let problem = self.carry(device, signals).await?;
        self.reconnect.was_open(since.elapsed());
        Ok(problem)
    }

    /// Carries bytes until the device is lost.
    async fn carry(
        &mut self,
        mut device: OpenDevice,
        mut signals: LineSignals,
    ) -> Result<Problem, Ended> {
        let mut output: Vec<u8> = Vec::new();
        let mut input = [0; LARGEST_READ];
        let mut look = interval(LOOK_AT_SIGNALS);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut gauge = Gauge::default();
        loop {
            let (writable, hold) = match device.room() {
                _ if output.is_empty() => (0, None),
                Ok(room) => (room.min(output.len()), None),
                Err(hold) => (0, Some(hold)),
            };
            let moved = tokio::select! {
                moved = device.moves(&mut input, &output[..writable]) => moved,
                chunk = self.chunks.recv() => match chunk {
                    Some(chunk) => {
                        output.extend(chunk);
                        continue;
                    }
                    None => {
                        finish(device, &output).await;
                        return Err(Ended);
                    }
                },
                () = sleep(hold.unwrap_or_default()), if hold.is_some() => {
                    if let Some(queued) = gauge.read(&device) {
                        let queued = queued + output.len();
                        self.report(LineReport::Queue(queued)).await?;
                    }
                    continue;
                }
                _ = look.tick(), if device.watches_signals() => {
                    let before = std::mem::replace(&mut signals, device.signals());
                    if before != signals {
                        self.report(LineReport::Signals(signals)).await?;
                    }
                    if signals.clear_to_send == Some(false) {
                        look.reset_after(LOOK_WHILE_HELD_OFF);
                    }
                    continue;
                }
            };
            match moved {
                Ok(Moved::In(length)) => {
                    let bytes = input[..length].to_vec();
                    self.report(LineReport::Bytes(bytes)).await?;
                }
                Ok(Moved::Out(length)) => {
                    output.drain(..length);
                    if output.is_empty() {
                        let queued = gauge.read(&device);
                        self.report(LineReport::Room { queued }).await?;
                    }
                }
                Err(error) => {
                    if !output.is_empty() {
                        self.report(LineReport::Room { queued: None }).await?;
                    }
                    return Ok(device.lost(&self.setup.device, error));
                }
            }
        }
    }
}

/// Gives what was handed over, a goodbye most of all, a moment to leave.
async fn finish(mut device: OpenDevice, mut output: &[u8]) {
    let leaving = async {
        while !output.is_empty() {
            match std::future::poll_fn(|cx| device.poll_write(cx, output)).await {
                Ok(0) | Err(_) => return,
                Ok(length) => output = &output[length..],
            }
        }
        while device.queued().is_some_and(|bytes| bytes > 0) {
            sleep(LOOK_AT_QUEUE).await;
        }
    };
    if timeout(FAREWELL, leaving).await.is_err() {
        tracing::debug!("the device did not take the last bytes in time");
    }
}

/// Measures what waits in the kernel, now and then.
#[derive(Default)]
struct Gauge {
    last: Option<Instant>,
}

impl Gauge {
    /// What waits, where the device tells, and when the last time was not just now.
    fn read(&mut self, device: &OpenDevice) -> Option<usize> {
        if self.last.is_some_and(|last| last.elapsed() < MEASURE_EVERY) {
            return None;
        }
        let queued = device.queued()?;
        self.last = Some(Instant::now());
        Some(queued)
    }
}

pub(super) struct Opened {
    pub(super) device: OpenDevice,
    pub(super) remarks: Vec<String>,
    stable: Option<PathBuf>,
}

/// Opens a device, if need be by a name of it that is still right.
///
/// # Errors
/// Why it cannot be opened.
pub(super) async fn open(setup: LineSetup, stable: Option<PathBuf>) -> Result<Opened, Problem> {
    match &setup.device {
        Device::Tcp(address) => Ok(Opened {
            device: OpenDevice::Tcp(tcp::connect(address).await?),
            remarks: Vec::new(),
            stable: None,
        }),
        Device::Serial(path) => {
            // Opening talks to the hardware, and a bad adapter takes seconds to answer.
            let path = path.clone();
            let device = path.display().to_string();
            let opening = tokio::task::spawn_blocking(move || open_serial(&path, stable, &setup));
            opening.await.unwrap_or_else(|error| {
                Err(Problem::Failed {
                    device,
                    source: error.into(),
                })
            })
        }
    }
}

fn open_serial(path: &Path, stable: Option<PathBuf>, setup: &LineSetup) -> Result<Opened, Problem> {
    // The kernel may have given another number to an adapter that was plugged in again.
    let path = match &stable {
        Some(stable) if stable.exists() => stable,
        _ => path,
    };
    let (device, remarks) = SerialLine::open(path, setup)?;
    Ok(Opened {
        device: OpenDevice::Serial(device),
        remarks,
        // A link is the user's own choice; it is followed anew each time.
        stable: match path.is_symlink() {
            true => None,
            false => discover::stable_links(path).into_iter().next(),
        },
    })
}

pub(super) enum OpenDevice {
    Serial(SerialLine),
    Tcp(TcpStream),
}

pub(super) enum Moved {
    In(usize),
    Out(usize),
}

impl OpenDevice {
    fn watches_signals(&self) -> bool {
        matches!(self, Self::Serial(port) if port.watches_cts())
    }

    fn signals(&mut self) -> LineSignals {
        let clear_to_send = match self {
            Self::Serial(port) if port.watches_cts() => port.clear_to_send(),
            _ => None,
        };
        LineSignals {
            clear_to_send,
            ..LineSignals::OPEN
        }
    }

    /// How many bytes may be written now, or how long to wait before asking again.
    pub(super) fn room(&self) -> Result<usize, Duration> {
        match self {
            Self::Serial(port) => port.room(),
            // Its send buffer is small, and a write to a full one waits.
            Self::Tcp(_) => Ok(usize::MAX),
        }
    }

    /// Bytes that wait in the kernel, where it tells. Of a connection it would (`SIOCOUTQ`), but
    /// not without unsafe code.
    pub(super) fn queued(&self) -> Option<usize> {
        match self {
            Self::Serial(port) => port.queued(),
            Self::Tcp(_) => None,
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
            Poll::Ready(match ready!(self.poll_read(cx, input))? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                length => Ok(Moved::In(length)),
            })
        })
        .await
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Serial(port) => port.poll_read(cx, buffer),
            Self::Tcp(stream) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Serial(port) => port.poll_write(cx, bytes),
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// The signals that the other side drives, where there are any.
    pub(super) fn modem_lines(&mut self) -> Option<ModemLines> {
        match self {
            Self::Serial(port) => port.modem_lines(),
            Self::Tcp(_) => None,
        }
    }

    /// Drives a signal; says whether the port has it.
    pub(super) fn drive(&mut self, signal: Drive) -> bool {
        match self {
            Self::Serial(port) => port.drive(signal),
            Self::Tcp(_) => false,
        }
    }

    pub(super) fn lost(&self, device: &Device, error: io::Error) -> Problem {
        let device = device.to_string();
        let ended = error.kind() == io::ErrorKind::UnexpectedEof;
        match self {
            Self::Serial(_) if ended => Problem::Gone { device },
            Self::Serial(_) => serial::lost(device, error),
            Self::Tcp(_) if ended => Problem::Closed { device },
            Self::Tcp(_) => Problem::NotConnected {
                device,
                source: error,
            },
        }
    }
}

const OPENED: &str = "open";
const LARGEST_READ: usize = 1024;
const LOOK_AT_SIGNALS: Duration = Duration::from_millis(250);
/// A modem whose buffer is full holds us off for a few milliseconds: that must not become a
/// quarter of a second.
const LOOK_WHILE_HELD_OFF: Duration = Duration::from_millis(20);
/// The pacer needs no more, and each measurement is a call.
const MEASURE_EVERY: Duration = Duration::from_millis(3);
const LOOK_AT_QUEUE: Duration = Duration::from_millis(5);
const FAREWELL: Duration = Duration::from_millis(200);
