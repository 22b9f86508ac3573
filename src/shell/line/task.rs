//! The task that owns one line's device: open it, carry bytes, notice its loss, open it again.

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::device::{self, Memory, Moved, OpenDevice, Opened};
use super::modem::Modem;
use super::problem::Problem;
use super::reconnect::Reconnect;
use super::{DeviceSignals, LineReport, LineSetup};
use crate::modem::Event;
use crate::proto::config::LineId;
use crate::proto::time::BitRate;

/// Runs one line until the driver drops its end of a channel. Then what was handed over gets a
/// moment to leave, and a modem hangs up. `link` says whether the link over the line is up.
pub(in crate::shell) async fn run(
    line: LineId,
    setup: LineSetup,
    reports: mpsc::Sender<(LineId, LineReport)>,
    chunks: mpsc::Receiver<Vec<u8>>,
    link: watch::Receiver<bool>,
) {
    let mut task = LineTask {
        line,
        setup,
        reports,
        chunks,
        link,
        reconnect: Reconnect::default(),
        memory: Memory::default(),
    };
    let Err(Ended) = task.run().await;
}

/// The driver wants the task to end, or has ended itself.
struct Ended;

enum Never {}

/// Why nothing is carried any more.
enum End {
    /// The device is lost.
    Device(Problem),
    /// The modem has no call any more.
    Call,
}

struct LineTask {
    line: LineId,
    setup: LineSetup,
    reports: mpsc::Sender<(LineId, LineReport)>,
    chunks: mpsc::Receiver<Vec<u8>>,
    link: watch::Receiver<bool>,
    reconnect: Reconnect,
    memory: Memory,
}

impl LineTask {
    async fn run(&mut self) -> Result<Never, Ended> {
        loop {
            let opening = device::open(self.setup.clone(), self.memory.clone());
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
            mut remarks,
        } = opened;
        let since = Instant::now();
        self.memory = device.memory();
        let mut modem = Modem::of(&self.setup, self.link.clone());
        let problem = loop {
            let rate = match &mut modem {
                Some(modem) => match self.call(modem, &mut device).await? {
                    Ok(rate) => rate,
                    Err(problem) => break problem,
                },
                None => None,
            };
            let signals = device.signals();
            let news = self.reconnect.is_news(OPENED);
            self.report(LineReport::Opened {
                signals,
                remarks: std::mem::take(&mut remarks),
                rate,
                news,
            })
            .await?;
            match self.carry(&mut device, signals, modem.as_mut()).await? {
                End::Device(problem) => break problem,
                // The modem says why before long.
                End::Call => {
                    let problem = modem.as_ref().map(Modem::status).unwrap_or_default();
                    let news = false;
                    self.report(LineReport::Waiting { problem, news }).await?;
                }
            }
        };
        self.memory = device.memory();
        self.reconnect.was_open(since.elapsed());
        Ok(problem)
    }

    /// Lets the modem go on until there is a call. Gives the rate of the line, where that is known.
    async fn call(
        &mut self,
        modem: &mut Modem,
        device: &mut OpenDevice,
    ) -> Result<Result<Option<BitRate>, Problem>, Ended> {
        modem.start(device).await;
        let mut rate = None;
        loop {
            let event = match modem.next_event(device).await {
                Ok(event) => event,
                Err(error) => return Ok(Err(device.lost(&self.setup.device, error))),
            };
            match event {
                Some(Event::Connected(connection)) => {
                    rate = modem.rate(&connection);
                    self.say_of_modem(modem.status(), true).await?;
                }
                Some(event) => self.take_event(event, modem).await?,
                None if modem.is_online() => return Ok(Ok(rate)),
                None => match self.dropping_chunks(modem.step(device)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Ok(Err(device.lost(&self.setup.device, error))),
                    Err(Ended) => {
                        modem.hang_up(device).await;
                        self.hang_up(device).await;
                        return Err(Ended);
                    }
                },
            }
        }
    }

    async fn take_event(&mut self, event: Event, modem: &Modem) -> Result<(), Ended> {
        match event {
            Event::Changed => self.say_of_modem(modem.status(), false).await,
            Event::Calling(words) => self.say_of_modem(words, true).await,
            Event::Failed(failure) => {
                let problem = failure.to_string();
                let news = self.reconnect.is_news(&problem);
                self.report(LineReport::Waiting { problem, news }).await
            }
            Event::GaveUp => {
                let problem = format!(
                    "{}; nothing more is tried. Start the link again when the fault is found",
                    modem.status()
                );
                let news = true;
                self.report(LineReport::Waiting { problem, news }).await
            }
            Event::Note(note) => {
                let words = note.to_string();
                let news = self.reconnect.is_news(&words);
                self.say_of_modem(words, news).await
            }
            Event::Sent(line) => {
                tracing::debug!("{}: to the modem: {line}", self.setup.device);
                Ok(())
            }
            Event::Heard(line) => {
                tracing::debug!("{}: from the modem: {line}", self.setup.device);
                Ok(())
            }
            Event::Dtr(_) | Event::Connected(_) | Event::HungUp => Ok(()),
        }
    }

    async fn say_of_modem(&mut self, status: String, news: bool) -> Result<(), Ended> {
        self.report(LineReport::Modem { status, news }).await
    }

    /// Carries bytes until the device is lost, or the modem's call is over.
    async fn carry(
        &mut self,
        device: &mut OpenDevice,
        mut signals: DeviceSignals,
        mut modem: Option<&mut Modem>,
    ) -> Result<End, Ended> {
        let mut output: Vec<u8> = Vec::new();
        let mut input = [0; LARGEST_READ];
        let mut look = interval(LOOK_AT_SIGNALS);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut count = interval(COUNT_ERRORS);
        count.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut errors = None;
        let mut gauge = Gauge::default();
        loop {
            if modem.as_ref().is_some_and(|modem| !modem.is_online()) {
                if !output.is_empty() {
                    self.report(LineReport::Room { queued: None }).await?;
                }
                return Ok(End::Call);
            }
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
                        if let Some(modem) = modem {
                            modem.hang_up(device).await;
                        }
                        self.hang_up(device).await;
                        return Err(Ended);
                    }
                },
                () = sleep(hold.unwrap_or_default()), if hold.is_some() => {
                    if let Some(queued) = gauge.read(device) {
                        let queued = queued + output.len();
                        self.report(LineReport::Queue(queued)).await?;
                    }
                    continue;
                }
                _ = look.tick(), if device.watches_signals() => Ok(Moved::Signals),
                () = wake(modem.as_deref_mut()) => continue,
                _ = count.tick(), if device.counts_errors() => {
                    let before = errors;
                    errors = device.errors();
                    if let Some(errors) = errors.filter(|_| errors != before) {
                        self.report(LineReport::Errors(errors)).await?;
                    }
                    continue;
                }
            };
            match moved {
                Ok(Moved::In(length)) => {
                    let bytes = input[..length].to_vec();
                    if let Some(modem) = &mut modem {
                        modem.heard(&bytes);
                    }
                    self.report(LineReport::Bytes(bytes)).await?;
                }
                Ok(Moved::Out(length)) => {
                    output.drain(..length);
                    if output.is_empty() {
                        let queued = gauge.read(device);
                        self.report(LineReport::Room { queued }).await?;
                    }
                }
                Ok(Moved::Signals) => {
                    let before = std::mem::replace(&mut signals, device.signals());
                    if before != signals {
                        if let Some(modem) = &mut modem {
                            modem.look(device);
                        }
                        self.report(LineReport::Signals(signals)).await?;
                    }
                    if signals.relied_on.clear_to_send == Some(false) {
                        look.reset_after(LOOK_WHILE_HELD_OFF);
                    }
                }
                Err(error) => {
                    if !output.is_empty() {
                        self.report(LineReport::Room { queued: None }).await?;
                    }
                    return Ok(End::Device(device.lost(&self.setup.device, error)));
                }
            }
        }
    }

    /// Drops DTR, where the settings want that. Closing the port does so too, where it can; here it
    /// is also done for a port of a terminal server.
    async fn hang_up(&self, device: &mut OpenDevice) {
        if !self.setup.hang_up {
            return;
        }
        let drops = async {
            device.set_dtr(false)?;
            std::future::poll_fn(|cx| device.poll_flush(cx)).await
        };
        match timeout(FAREWELL, drops).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("{}: DTR stays on: {error}", self.setup.device),
            Err(_elapsed) => tracing::debug!("{}: DTR stays on", self.setup.device),
        }
    }
}

/// Waits for what a modem in a call wants; for ever, where there is none.
async fn wake(modem: Option<&mut Modem>) {
    match modem {
        Some(modem) => modem.wake().await,
        None => std::future::pending().await,
    }
}

/// Gives what was handed over, a goodbye most of all, a moment to leave.
async fn finish(device: &mut OpenDevice, mut output: &[u8]) {
    let leaving = async {
        while !output.is_empty() {
            match std::future::poll_fn(|cx| device.poll_write(cx, output)).await {
                Ok(0) | Err(_) => return,
                Ok(length) => output = &output[length..],
            }
        }
        if std::future::poll_fn(|cx| device.poll_flush(cx))
            .await
            .is_err()
        {
            return;
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

const OPENED: &str = "open";
const LARGEST_READ: usize = 1024;
const LOOK_AT_SIGNALS: Duration = Duration::from_millis(250);
const COUNT_ERRORS: Duration = Duration::from_secs(5);
/// A modem whose buffer is full holds us off for a few milliseconds: that must not become a
/// quarter of a second.
const LOOK_WHILE_HELD_OFF: Duration = Duration::from_millis(20);
/// The pacer needs no more, and each measurement is a call.
const MEASURE_EVERY: Duration = Duration::from_millis(3);
const LOOK_AT_QUEUE: Duration = Duration::from_millis(5);
const FAREWELL: Duration = Duration::from_millis(200);
