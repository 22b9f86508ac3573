//! `copperlink capture`: what goes over the line of a running link, into a file.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use copperlink::proto::listen::{Direction, Heard, Listener};
use copperlink::proto::time::Instant as LinkTime;
use copperlink::shell::capture::{Capture as Recording, CaptureRecord};
use copperlink::shell::status;

use super::{block_on, running};
use crate::outcome::{Failure, Verdict};
use crate::pcapng::CaptureWriter;
use crate::report;
use crate::stop::StopSignals;

/// Record what goes over the line of a running link
///
/// Writes every byte both ways, and the frames among them, into a pcapng file: for `copperlink replay`, and
/// for Wireshark with firmware-notes/copperlink.lua. Ends with ctrl-C. The link goes on undisturbed; what a
/// slow disk does not take is left out and counted.
#[derive(Debug, Args)]
pub(crate) struct Capture {
    /// The link's name
    name: String,
    /// The file; one that is there is replaced
    file: PathBuf,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Which of the link's lines; otherwise the first
    #[arg(long, value_name = "NAME")]
    line: Option<String>,
    /// Print what was recorded as JSON
    #[arg(long)]
    json: bool,
}

/// What was recorded.
#[derive(Debug, Default, Serialize)]
struct Recorded {
    file: PathBuf,
    seconds: f64,
    bytes_received: u64,
    bytes_sent: u64,
    frames_received: u64,
    frames_sent: u64,
    noise: u64,
    bytes_missing: u64,
    chunks_missing: u64,
}

impl Capture {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let path = status::socket_path(&running::choose(Some(&self.name))?);
        block_on(async {
            let mut stop = StopSignals::listen()?;
            let recording = Recording::start(path, self.line.as_deref()).await;
            let mut recording = recording.map_err(Failure::cannot_run)?;
            let mut desk = Desk::open(&self.file, &recording)?;
            let until = self
                .seconds
                .map(|seconds| Instant::now() + Duration::from_secs(seconds));
            let mut asked = false;
            loop {
                let over = async {
                    match until {
                        Some(until) => sleep_until(until).await,
                        None => std::future::pending().await,
                    }
                };
                let record = tokio::select! {
                    record = recording.next() => record,
                    () = over, if !asked => {
                        asked = true;
                        recording.stop().await.map_err(broken)?;
                        continue;
                    }
                    () = stop.next(), if !asked => {
                        asked = true;
                        recording.stop().await.map_err(broken)?;
                        continue;
                    }
                };
                match record.map_err(broken)? {
                    Some(record) => {
                        if desk.take(record)? {
                            break;
                        }
                    }
                    None => {
                        report::complain(
                            "copperlink: the link has ended, and the capture with it\n",
                        );
                        break;
                    }
                }
            }
            let recorded = desk.close()?;
            recorded.show(self.json)
        })
    }
}

fn broken(error: std::io::Error) -> Failure {
    Failure::Broke(format!(
        "what the link tells is not understood: {error}. Use the same copperlink for `run` and `capture`"
    ))
}

/// Where the records are decoded and written down.
struct Desk {
    writer: CaptureWriter,
    listener: Listener,
    found: Vec<Heard>,
    recorded: Recorded,
    begun: LinkTime,
    last: LinkTime,
}

impl Desk {
    fn open(file: &std::path::Path, recording: &Recording) -> Result<Self, Failure> {
        let head = recording.head();
        let begun = LinkTime::from_micros(head.at_us);
        let listener = Listener::new(&head.view, begun);
        let listener = listener.ok_or_else(|| {
            Failure::CannotRun(
                "where the line stands is not understood. Use the same copperlink for `run` and \
                 `capture`"
                    .to_owned(),
            )
        })?;
        let writer = CaptureWriter::create(file, head).map_err(|error| {
            Failure::CannotRun(format!("{} cannot be made: {error}", file.display()))
        })?;
        Ok(Self {
            writer,
            listener,
            found: Vec::new(),
            recorded: Recorded {
                file: file.to_path_buf(),
                ..Recorded::default()
            },
            begun,
            last: begun,
        })
    }

    /// Writes a record down; says whether it was the last.
    fn take(&mut self, record: CaptureRecord) -> Result<bool, Failure> {
        let (at, over) = match &record {
            CaptureRecord::Bytes { at, .. } | CaptureRecord::Gap { at, .. } => (*at, false),
            CaptureRecord::End { at, .. } => (*at, true),
        };
        self.last = at;
        self.write(at, record).map_err(|error| {
            Failure::Broke(format!(
                "{} cannot be written: {error}. What was recorded until now is in it",
                self.recorded.file.display()
            ))
        })?;
        Ok(over)
    }

    fn write(&mut self, at: LinkTime, record: CaptureRecord) -> Result<(), pcap_file::PcapError> {
        match record {
            CaptureRecord::Bytes {
                direction, bytes, ..
            } => {
                let count = match direction {
                    Direction::Received => &mut self.recorded.bytes_received,
                    Direction::Sent => &mut self.recorded.bytes_sent,
                };
                *count += bytes.len() as u64;
                self.writer.chunk(at, direction, &bytes)?;
                self.listener
                    .handle_bytes(at, direction, &bytes, &mut self.found);
                for heard in self.found.drain(..) {
                    match heard {
                        Heard::Frame(frame) => self.writer.frame(at, direction, &frame)?,
                        Heard::Noise(bytes) => {
                            self.recorded.noise += 1;
                            self.writer.noise(at, direction, &bytes)?;
                        }
                    }
                }
                Ok(())
            }
            CaptureRecord::Gap { chunks, bytes, .. } => {
                self.recorded.chunks_missing += chunks;
                self.recorded.bytes_missing += bytes;
                self.writer.gap(at, chunks, bytes)
            }
            CaptureRecord::End { stats, .. } => self.writer.end(at, stats),
        }
    }

    fn close(self) -> Result<Recorded, Failure> {
        let file = self.recorded.file.display().to_string();
        self.writer
            .finish()
            .map_err(|error| Failure::Broke(format!("{file} cannot be written: {error}")))?;
        Ok(Recorded {
            seconds: self.last.since(self.begun).as_secs_f64(),
            frames_received: self.listener.counts(Direction::Received).frames,
            frames_sent: self.listener.counts(Direction::Sent).frames,
            ..self.recorded
        })
    }
}

impl Recorded {
    fn show(&self, json: bool) -> Result<Verdict, Failure> {
        if json {
            report::print_json(self)?;
            return Ok(Verdict::Done);
        }
        let mut text = format!(
            "{:.1} s in {}: received {} bytes in {} frames, sent {} bytes in {} frames; {} pieces of noise\n",
            self.seconds,
            self.file.display(),
            self.bytes_received,
            self.frames_received,
            self.bytes_sent,
            self.frames_sent,
            self.noise,
        );
        if self.bytes_missing > 0 {
            text += &format!(
                "{} bytes are missing: the disk was too slow. Choose a faster one\n",
                self.bytes_missing
            );
        }
        report::print(&text)?;
        Ok(Verdict::Done)
    }
}
