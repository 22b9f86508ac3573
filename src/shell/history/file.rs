//! A copy of the minutes in a file, for those who look months later.
//!
//! Promises: one line for each minute of each line of the link, with the time of day (UTC) at
//! which it ended; the file is appended to, and when it is full it becomes `FILE.1` and a new one
//! is begun, so that the two together hold at least a week of one line and never more than
//! [`MOST_BYTES`] each; a disk that is slow or full holds up nothing but the file, and what it loses is counted
//! and said. Assumes that nobody else writes to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio::sync::mpsc;

use super::Minute;
use crate::shell::error::OpenError;

/// The driver's side: takes minutes and never waits.
#[derive(Debug)]
pub(in crate::shell) struct HistoryFile {
    rows: mpsc::Sender<String>,
    line_names: Vec<String>,
    lost: u64,
}

/// The other side: a task that writes.
#[derive(Debug)]
pub(in crate::shell) struct Writer {
    path: PathBuf,
    rows: mpsc::Receiver<String>,
    has_failed: bool,
}

impl HistoryFile {
    /// Makes sure that the file can be appended to.
    ///
    /// # Errors
    /// When it cannot.
    pub(in crate::shell) fn open(
        path: &Path,
        line_names: Vec<String>,
    ) -> Result<(Self, Writer), OpenError> {
        append_to(path).map_err(|source| OpenError::HistoryFile {
            path: path.to_path_buf(),
            source,
        })?;
        let (rows, to_write) = mpsc::channel(ROWS);
        let file = Self {
            rows,
            line_names,
            lost: 0,
        };
        let writer = Writer {
            path: path.to_path_buf(),
            rows: to_write,
            has_failed: false,
        };
        Ok((file, writer))
    }

    /// Takes a minute that ended now.
    pub(in crate::shell) fn take(&mut self, minute: &Minute) {
        let name = self.line_names.get(minute.line);
        let row = row(SystemTime::now(), name.map_or("", String::as_str), minute);
        if self.rows.try_send(row).is_err() {
            self.lost += 1;
            tracing::warn!(
                "the history file is written too slowly: {} minutes are not in it. Check its disk",
                self.lost
            );
        }
    }
}

impl Writer {
    /// Writes what comes, until the link has ended.
    pub(in crate::shell) async fn run(mut self) {
        while let Some(row) = self.rows.recv().await {
            let path = self.path.clone();
            let written = tokio::task::spawn_blocking(move || write(&path, &row)).await;
            let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
            if let Err(error) = &written
                && !self.has_failed
            {
                tracing::warn!(
                    "the history file {} cannot be written: {error}. Check the disk; each minute \
                     it is tried again",
                    self.path.display()
                );
            }
            self.has_failed = written.is_err();
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn write(path: &Path, row: &str) -> io::Result<()> {
    let mut file = append_to(path)?;
    if file.metadata()?.len() + row.len() as u64 > MOST_BYTES {
        let mut old = path.as_os_str().to_owned();
        old.push(".1");
        fs::rename(path, old)?;
        file = append_to(path)?;
    }
    // One write each: a reader never finds half a line.
    match file.metadata()?.len() {
        0 => file.write_all(format!("{HEADER}{row}").as_bytes()),
        _ => file.write_all(row.as_bytes()),
    }
}

fn row(end: SystemTime, line: &str, minute: &Minute) -> String {
    let (link, period) = (&minute.link, &minute.period);
    // In a name a comma is possible, and a quotation mark.
    let line = format!("\"{}\"", line.replace('"', "\"\""));
    format!(
        "{},{line},{},{},{},{},{},{},{},{},{},{},{},{},{},{:.1}\n",
        humantime::format_rfc3339_seconds(end),
        period.bytes_sent,
        period.bytes_received,
        link.bytes_out,
        link.bytes_in,
        link.dropped,
        link.missing,
        link.queued_bytes,
        period.frames_lost,
        period.frames_bad,
        period.bytes_repaired,
        period.errored,
        period.severely_errored,
        period.unavailable,
        f64::from(period.rtt_us) / 1000.0,
    )
}

const HEADER: &str = "end,line,bytes_sent,bytes_received,channels_out,channels_in,\
    datagrams_dropped,datagrams_missing,most_queued_bytes,frames_lost,frames_bad,bytes_repaired,\
    errored_s,severely_errored_s,unavailable_s,round_trip_ms\n";
/// A row has some 90 bytes: a week of one line.
const MOST_BYTES: u64 = 1 << 20;
/// Rows that may wait for the disk.
const ROWS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::history::series::{LinePeriod, LinkPeriod};

    const MINUTE: Minute = Minute {
        line: 0,
        link: LinkPeriod {
            bytes_out: 3,
            bytes_in: 4,
            dropped: 5,
            missing: 6,
            queued_bytes: 7,
        },
        period: LinePeriod {
            bytes_sent: 1,
            bytes_received: 2,
            frames_lost: 8,
            frames_bad: 9,
            bytes_repaired: 10,
            rtt_us: 14_050,
            errored: 11,
            severely_errored: 12,
            unavailable: 13,
        },
    };

    #[test]
    fn a_row_has_a_cell_for_each_heading() {
        let row = row(SystemTime::UNIX_EPOCH, "tty \"1\"", &MINUTE);
        assert_eq!(
            row,
            "1970-01-01T00:00:00Z,\"tty \"\"1\"\"\",1,2,3,4,5,6,7,8,9,10,11,12,13,14.1\n"
        );
        assert_eq!(row.matches(',').count(), HEADER.matches(',').count());
    }

    #[test]
    fn a_full_file_makes_room_and_the_two_stay_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.csv");
        let row = "x".repeat(99) + "\n";
        for _ in 0..3 * MOST_BYTES / 100 {
            write(&path, &row).unwrap();
        }
        let old = dir.path().join("history.csv.1");
        let sizes = [&path, &old].map(|path| fs::metadata(path).unwrap().len());
        assert!(sizes.iter().all(|&size| size <= MOST_BYTES), "{sizes:?}");
        assert!(sizes[1] > MOST_BYTES - 200, "{sizes:?}");
        assert!(fs::read_to_string(&path).unwrap().starts_with("end,line,"));
        assert!(fs::read_to_string(&old).unwrap().starts_with("end,line,"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn minutes_are_appended_to_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.csv");
        for run in 1..=2 {
            let (mut file, writer) = HistoryFile::open(&path, vec!["east".to_owned()]).unwrap();
            file.take(&MINUTE);
            drop(file);
            writer.run().await;
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.lines().count(), 1 + run);
            assert_eq!(text.matches("end,line").count(), 1);
        }
    }

    #[tokio::test]
    async fn a_disk_that_is_stuck_loses_minutes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.csv");
        let (mut file, writer) = HistoryFile::open(&path, vec![]).unwrap();
        for _ in 0..ROWS + 3 {
            file.take(&MINUTE);
        }
        assert_eq!(file.lost, 3);
        drop((file, writer));
    }

    #[test]
    fn a_file_that_cannot_be_made_is_said_before_anything_runs() {
        let path = Path::new("/proc/no-such/history.csv");
        let error = HistoryFile::open(path, vec![]).unwrap_err().to_string();
        assert!(error.contains("history"), "{error}");
    }
}
