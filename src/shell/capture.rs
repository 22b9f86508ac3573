//! The bytes of a line of a running link, as they go to the device and come from it, for whoever records
//! them.
//!
//! Over the link's socket ([`status`](super::status)): a reader asks for `capture`, or `capture LINE`,
//! and gets a line of JSON, the [`CaptureHead`], and then records until it sends a line, or goes:
//!
//! ```text
//! record   kind (1) | at (8) | length (4) | payload          numbers lowest byte first
//! kind     0 received, 1 sent: bytes; 2 gap: chunks (8) | bytes (8); 3 end: the line's counters, JSON
//! at       microseconds since the link was opened
//! ```
//!
//! Promises: while nobody records, nothing is done for it; who records is handed every chunk in the
//! order in which it moved; one that is too slow costs the link a bounded queue, and is told what it
//! missed.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::error::StatusError;
use super::lines::Lines;
use super::link::LinkHandle;
use super::status;
use crate::proto::config::LineId;
use crate::proto::listen::{Direction, LineView};
use crate::proto::stats::LineStats;
use crate::proto::time::Instant;

/// What a capture begins with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaptureHead {
    /// Where the line stands: from here on everything can be decoded.
    pub view: LineView,
    /// The line's counters ([`LineStats`]).
    pub stats: serde_json::Value,
    /// When that was, µs since the link was opened.
    pub at_us: u64,
    /// When the link was opened, ms since 1970.
    pub opened_ms: u64,
}

/// What comes next of a capture.
#[derive(Clone, Debug, PartialEq)]
pub enum CaptureRecord {
    /// Bytes that moved.
    Bytes {
        /// When.
        at: Instant,
        /// Which way.
        direction: Direction,
        /// Which.
        bytes: Vec<u8>,
    },
    /// Something is missing here: this reader was too slow.
    Gap {
        /// Until when.
        at: Instant,
        /// How many chunks.
        chunks: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// The end, with the line's counters ([`LineStats`]) at that moment.
    End {
        /// When.
        at: Instant,
        /// The counters.
        stats: serde_json::Value,
    },
}

/// A recording of a line of a running link.
#[derive(Debug)]
pub struct Capture {
    head: CaptureHead,
    reader: OwnedReadHalf,
    buffer: Vec<u8>,
    writer: OwnedWriteHalf,
}

impl Capture {
    /// Begins to record a line of the link behind the socket at `path`: the one of that name, else the
    /// first.
    ///
    /// # Errors
    /// When nobody answers there, or there is no such line.
    pub async fn start(path: impl AsRef<Path>, line: Option<&str>) -> Result<Self, StatusError> {
        let path = path.as_ref();
        let request = match line {
            Some(line) => format!("capture {line}"),
            None => "capture".to_owned(),
        };
        let (reader, writer) = status::ask(path, &request).await?.into_split();
        let mut lines = Lines::new(reader, LONGEST_HEAD);
        let failed = |source| StatusError::Io {
            path: path.to_path_buf(),
            source,
        };
        let no_answer = || StatusError::NoAnswer {
            path: path.to_path_buf(),
            seconds: HEAD_TIME.as_secs(),
        };
        let head = match timeout(HEAD_TIME, lines.next()).await {
            Ok(head) => head.map_err(failed)?.ok_or_else(no_answer)?,
            Err(_elapsed) => return Err(no_answer()),
        };
        let head = match serde_json::from_str(&head) {
            Ok(Answer::Head(head)) => *head,
            Ok(Answer::Refused(why)) => return Err(StatusError::Refused { why }),
            Err(error) => return Err(failed(error.into())),
        };
        let (reader, buffer) = lines.into_parts();
        Ok(Self {
            head,
            reader,
            buffer,
            writer,
        })
    }

    /// Where the line stood at the begin.
    pub const fn head(&self) -> &CaptureHead {
        &self.head
    }

    /// Asks for the end: what has moved until then still comes, and [`CaptureRecord::End`].
    ///
    /// # Errors
    /// When the link has gone.
    pub async fn stop(&mut self) -> io::Result<()> {
        self.writer.write_all(b"stop\n").await
    }

    /// What comes next; `None` when the link has ended. Can be dropped at any time.
    ///
    /// # Errors
    /// When what comes is not understood.
    pub async fn next(&mut self) -> io::Result<Option<CaptureRecord>> {
        loop {
            if let Some(record) = take_record(&mut self.buffer)? {
                return Ok(Some(record));
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Head(Box<CaptureHead>),
    Refused(String),
}

/// Takes a whole record off the front.
fn take_record(buffer: &mut Vec<u8>) -> io::Result<Option<CaptureRecord>> {
    let Some(head) = buffer.first_chunk::<HEAD>() else {
        return Ok(None);
    };
    let [kind, a, b, c, d, e, f, g, h, i, j, k, l] = *head;
    let at = Instant::from_micros(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    let length = u32::from_le_bytes([i, j, k, l]) as usize;
    if length > LONGEST_RECORD {
        return Err(ErrorKind::InvalidData.into());
    }
    if buffer.len() < HEAD + length {
        return Ok(None);
    }
    let payload: Vec<u8> = buffer.drain(..HEAD + length).skip(HEAD).collect();
    Ok(Some(match kind {
        RECEIVED | SENT => CaptureRecord::Bytes {
            at,
            direction: match kind {
                RECEIVED => Direction::Received,
                _ => Direction::Sent,
            },
            bytes: payload,
        },
        GAP => {
            let number = |from: usize| {
                let bytes = payload.get(from..)?.first_chunk::<8>()?;
                Some(u64::from_le_bytes(*bytes))
            };
            match (number(0), number(8)) {
                (Some(chunks), Some(bytes)) => CaptureRecord::Gap { at, chunks, bytes },
                _ => return Err(ErrorKind::InvalidData.into()),
            }
        }
        END => CaptureRecord::End {
            at,
            stats: serde_json::from_slice(&payload)?,
        },
        _ => return Err(ErrorKind::InvalidData.into()),
    }))
}

fn put_record(kind: u8, at: Instant, payload: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend(at.as_micros().to_le_bytes());
    out.extend((payload.len() as u32).to_le_bytes());
    out.extend_from_slice(payload);
}

/// One who records. The driver's side.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) id: u64,
    line: LineId,
    moves: mpsc::Sender<Move>,
    /// What it could not take, since the last that it took.
    missed: (u64, u64),
}

/// Bytes that moved, or are missing.
#[derive(Debug)]
pub(super) enum Move {
    Bytes(Instant, Direction, Vec<u8>),
    Gap(Instant, u64, u64),
}

/// What who records is given to begin with.
#[derive(Debug)]
pub(super) struct Tapped {
    pub(super) id: u64,
    pub(super) head: CaptureHead,
    pub(super) moves: mpsc::Receiver<Move>,
}

impl Tap {
    pub(super) fn new(id: u64, line: LineId) -> (Self, mpsc::Receiver<Move>) {
        let (moves, taken) = mpsc::channel(MOVES);
        let tap = Self {
            id,
            line,
            moves,
            missed: (0, 0),
        };
        (tap, taken)
    }

    pub(super) const fn line(&self) -> LineId {
        self.line
    }

    /// Bytes moved on a line. Says whether somebody still records.
    pub(super) fn put(
        &mut self,
        now: Instant,
        line: LineId,
        direction: Direction,
        bytes: &[u8],
    ) -> bool {
        if line != self.line {
            return true;
        }
        self.tell_missed(now);
        if self.missed == (0, 0) {
            let moved = Move::Bytes(now, direction, bytes.to_vec());
            match self.moves.try_send(moved) {
                Ok(()) => return true,
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
                Err(mpsc::error::TrySendError::Full(_)) => {}
            }
        }
        self.missed.0 += 1;
        self.missed.1 += bytes.len() as u64;
        !self.moves.is_closed()
    }

    /// Says what is missing, when there is room for that.
    pub(super) fn tell_missed(&mut self, now: Instant) {
        let (chunks, bytes) = self.missed;
        if chunks > 0 && self.moves.try_send(Move::Gap(now, chunks, bytes)).is_ok() {
            self.missed = (0, 0);
        }
    }
}

/// Serves one who records, until it has enough, or goes, or the link ends.
pub(super) async fn serve(stream: UnixStream, behind: Vec<u8>, line: String, link: &LinkHandle) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = Lines::behind(behind, reader, SHORT);
    let Some(tapped) = link.tap(line).await else {
        return;
    };
    let mut tapped = match tapped {
        Ok(tapped) => tapped,
        Err(why) => {
            answer(&mut writer, &Answer::Refused(why)).await;
            return;
        }
    };
    let head = Answer::Head(Box::new(tapped.head));
    if !answer(&mut writer, &head).await {
        return;
    }
    let mut records = Vec::new();
    loop {
        tokio::select! {
            moved = tapped.moves.recv() => match moved {
                Some(moved) => write_move(&moved, &mut records),
                None => break,
            },
            // A word, or the end: enough.
            _ = lines.next() => break,
        }
        // A call of the system for each chunk would cost as much as the link itself.
        sleep(TOGETHER).await;
        while records.len() < AT_ONCE
            && let Ok(moved) = tapped.moves.try_recv()
        {
            write_move(&moved, &mut records);
        }
        // However slow: the queue is bounded, and what does not fit in is counted.
        if writer.write_all(&records).await.is_err() {
            return;
        }
        records.clear();
    }
    if let Some((at, stats)) = link.untap(tapped.id).await {
        while let Some(moved) = tapped.moves.recv().await {
            write_move(&moved, &mut records);
        }
        let stats = serde_json::to_vec(&stats).unwrap_or_default();
        put_record(END, at, &stats, &mut records);
    }
    if let Err(error) = writer.write_all(&records).await {
        tracing::debug!("who recorded went away: {error}");
    }
}

fn write_move(moved: &Move, out: &mut Vec<u8>) {
    match moved {
        Move::Bytes(at, Direction::Received, bytes) => put_record(RECEIVED, *at, bytes, out),
        Move::Bytes(at, Direction::Sent, bytes) => put_record(SENT, *at, bytes, out),
        Move::Gap(at, chunks, bytes) => {
            let payload = [chunks.to_le_bytes(), bytes.to_le_bytes()].concat();
            put_record(GAP, *at, &payload, out);
        }
    }
}

async fn answer(writer: &mut OwnedWriteHalf, answer: &Answer) -> bool {
    let Ok(mut line) = serde_json::to_string(answer) else {
        return false;
    };
    line.push('\n');
    let written = timeout(HEAD_TIME, writer.write_all(line.as_bytes())).await;
    matches!(written, Ok(Ok(())))
}

/// The counters of a line at the end, and when that was.
pub(super) type Ended = (Instant, Option<LineStats>);

const RECEIVED: u8 = 0;
const SENT: u8 = 1;
const GAP: u8 = 2;
const END: u8 = 3;
/// Bytes in front of a payload.
const HEAD: usize = 13;
/// Chunks that may wait for who records: half a MiB.
const MOVES: usize = 512;
/// What moves within this time is written together.
const TOGETHER: Duration = Duration::from_millis(50);
/// Bytes that are written at once.
const AT_ONCE: usize = 64 << 10;
const LONGEST_RECORD: usize = 64 << 10;
/// A decoder with all that it may hold, as JSON.
const LONGEST_HEAD: usize = 512 << 10;
const SHORT: usize = 64;
const HEAD_TIME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_pieces_of_any_size() {
        let at = Instant::from_micros(7);
        let moves = [
            Move::Bytes(at, Direction::Received, vec![1, 2, 3]),
            Move::Bytes(at, Direction::Sent, vec![]),
            Move::Gap(at, 4, 5),
        ];
        let mut wire = Vec::new();
        for moved in &moves {
            write_move(moved, &mut wire);
        }
        put_record(END, at, b"null", &mut wire);
        let (mut buffer, mut records) = (Vec::new(), Vec::new());
        for byte in wire {
            buffer.push(byte);
            records.extend(take_record(&mut buffer).unwrap());
        }
        let direction = Direction::Received;
        let bytes = vec![1, 2, 3];
        assert_eq!(
            records[0],
            CaptureRecord::Bytes {
                at,
                direction,
                bytes
            }
        );
        let gap = CaptureRecord::Gap {
            at,
            chunks: 4,
            bytes: 5,
        };
        assert_eq!((records.len(), &records[2]), (4, &gap));
        assert!(take_record(&mut vec![9; 20]).is_err());
    }

    #[test]
    fn who_is_too_slow_misses_something_and_is_told_how_much() {
        let (mut tap, mut moves) = Tap::new(0, LineId(0));
        for _ in 0..MOVES + 10 {
            assert!(tap.put(Instant::ZERO, LineId(0), Direction::Sent, &[0; 3]));
        }
        for _ in 0..MOVES {
            assert!(matches!(moves.try_recv(), Ok(Move::Bytes(..))));
        }
        assert!(tap.put(Instant::ZERO, LineId(0), Direction::Sent, &[1]));
        assert!(matches!(moves.try_recv(), Ok(Move::Gap(_, 10, 30))));
        assert!(matches!(moves.try_recv(), Ok(Move::Bytes(_, _, bytes)) if bytes == [1]));
        drop(moves);
        assert!(!tap.put(Instant::ZERO, LineId(0), Direction::Sent, &[1]));
    }
}
