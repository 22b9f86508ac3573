//! What a link remembers of itself: what happened, and how it has been.
//!
//! Promises: bounded memory; words that repeat are counted instead of said; nobody is woken for
//! any of it ([`Record::account`] is called when the driver is awake anyway, before it handles
//! anything).

use super::Core;
use super::history::file::HistoryFile;
use super::history::{History, InService};
use super::repeats::Repeats;
use super::snapshot::{EventLog, Recent};
use super::words::Words;
use crate::proto::time::Instant;

/// The memory of one link.
#[derive(Debug)]
pub(super) struct Record {
    events: EventLog,
    repeats: Repeats,
    history: History,
    file: Option<HistoryFile>,
}

impl Record {
    /// That of a link with so many lines, from now on.
    pub(super) fn new(lines: usize, now: Instant, file: Option<HistoryFile>) -> Self {
        Self {
            events: EventLog::default(),
            repeats: Repeats::default(),
            history: History::new(lines, now),
            file,
        }
    }

    /// Accounts for the seconds that are over.
    pub(super) fn account(&mut self, now: Instant, session: &Core) {
        if !self.history.is_due(now) {
            return;
        }
        let file = &mut self.file;
        self.history
            .record_telling(now, &session.stats(), &mut |minute| {
                if let Some(file) = file {
                    file.take(&minute);
                }
            });
        for words in self.repeats.overdue(now) {
            self.say(now, &words);
        }
    }

    /// Tells what happened, unless it was told often enough.
    pub(super) fn tell(&mut self, now: Instant, words: &Words) {
        if self.repeats.admit(now, words) {
            self.say(now, words);
        }
    }

    fn say(&mut self, now: Instant, words: &Words) {
        if words.is_trouble {
            tracing::warn!("{}", words.text);
        } else {
            tracing::info!("{}", words.text);
        }
        self.events.push(now, &words.text);
    }

    /// The last events, oldest first.
    pub(super) fn events(&self) -> Vec<String> {
        self.events.to_vec()
    }

    /// The seconds in service of each line.
    pub(super) fn in_service(&self) -> Vec<InService> {
        self.history.in_service()
    }

    /// The last seconds and minutes.
    pub(super) fn recent(&self) -> Recent {
        Recent {
            seconds: self.history.seconds(),
            minutes: self.history.minutes(),
        }
    }

    /// Nothing more is written to the file.
    pub(super) fn close_file(&mut self) {
        self.file = None;
    }
}
