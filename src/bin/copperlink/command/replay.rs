//! `copperlink replay`: what a capture says of the line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use copperlink::proto::listen::{Direction, Heard, Listener};
use copperlink::proto::time::Instant;
use copperlink::shell::capture::CaptureHead;

use crate::outcome::{Failure, Verdict};
use crate::pcapng::{CaptureReader, Info, Packet};
use crate::report;
use crate::report::replay::Replayed;

/// Decode a capture again, and say what was wrong with the line
///
/// By the same decoder as a running link, so the counters are those that the link had.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The file that `copperlink capture` wrote
    file: PathBuf,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let replayed = replay(&self.file)?;
        match self.json {
            true => report::print_json(&replayed)?,
            false => report::print(&replayed.screen())?,
        }
        Ok(Verdict::Done)
    }
}

fn replay(path: &Path) -> Result<Replayed, Failure> {
    let not_ours = |why: &str| {
        Failure::CannotRun(format!(
            "{} is no capture of copperlink: {why}. `copperlink capture` makes one",
            path.display()
        ))
    };
    let mut file = CaptureReader::open(path).map_err(|error| not_ours(&error.to_string()))?;
    let first = file.next().map_err(|error| not_ours(&error.to_string()))?;
    let Some((_, Packet::Info(Info::Begin(head)))) = first else {
        return Err(not_ours("it does not begin with where the line stood"));
    };
    let begun = Instant::from_micros(head.at_us);
    let listener = Listener::new(&head.view, begun);
    let listener = listener.ok_or_else(|| not_ours("where the line stood is not understood"))?;
    let mut desk = Desk {
        opened: Duration::from_millis(head.opened_ms),
        replayed: Replayed::begin(&head, begun),
        found: Vec::new(),
        listener,
        now: begun,
    };
    loop {
        match file.next() {
            Ok(Some((at, packet))) => desk.take(at, packet, &head),
            Ok(None) => break,
            Err(error) => {
                // What was read so far says something, too.
                desk.replayed.cut_short = Some(error.to_string());
                break;
            }
        }
    }
    desk.replayed.end(desk.now, &desk.listener);
    Ok(desk.replayed)
}

struct Desk {
    /// When the link was opened, since 1970.
    opened: Duration,
    listener: Listener,
    replayed: Replayed,
    found: Vec<Heard>,
    now: Instant,
}

impl Desk {
    fn take(&mut self, at: Duration, packet: Packet, head: &CaptureHead) {
        let at = Instant::ZERO + at.saturating_sub(self.opened);
        // A file that was put together by hand may go back; the core's time does not.
        self.now = self.now.max(at);
        match packet {
            Packet::Chunk(direction, bytes) => {
                self.replayed
                    .on_time(self.now, &self.listener.counts(Direction::Received));
                self.listener
                    .handle_bytes(self.now, direction, &bytes, &mut self.found);
                self.replayed.on_bytes(self.now, direction, &bytes);
                for heard in self.found.drain(..) {
                    if let Heard::Frame(frame) = heard {
                        self.replayed.on_frame(self.now, direction, &frame);
                    }
                }
            }
            Packet::Gap { chunks, bytes } => self.replayed.on_gap(chunks, bytes),
            Packet::Info(Info::End(stats)) => self.replayed.on_end(&head.stats, &stats),
            Packet::Info(Info::Begin(_)) => {}
        }
    }
}
