//! `copperlink talk`: the order wire, for the technician.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use copperlink::proto::event::harmless;
use copperlink::shell::status;
use copperlink::shell::talk::{Talk as OrderWire, TalkEvent, TalkText};

use super::{block_on, running};
use crate::outcome::{Failure, Verdict};
use crate::report;

/// Talk with the technician at the far end, over the line itself
///
/// Works as soon as frames get through: before the call, while the two ends refuse each other, and in noise.
/// Each line that is typed is sent; ctrl-D ends. When standard input is not a terminal, its lines are
/// sent, and the command waits until they were heard.
#[derive(Debug, Args)]
pub(crate) struct Talk {
    /// The link's name; may be left out when only one runs
    name: Option<String>,
    /// Say this, wait until the far end has heard it, and end
    #[arg(long, value_name = "TEXT")]
    send: Option<String>,
    /// Longest to wait until all was heard, s
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Print everything that is told as JSON, one document a line
    #[arg(long)]
    json: bool,
    /// Do not ring when something arrives
    #[arg(long)]
    quiet: bool,
}

impl Talk {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let path = status::socket_path(&running::choose(self.name.as_deref())?);
        block_on(async {
            let wire = OrderWire::join(path).await.map_err(Failure::cannot_run)?;
            let (keyboard, typed) = mpsc::channel(TYPED);
            let source = match self.send {
                Some(text) => Source::Given(text),
                None if io::stdin().is_terminal() && io::stdout().is_terminal() => Source::Keyboard,
                None => Source::Pipe,
            };
            let paper = Paper {
                json: self.json,
                rings: !self.quiet && io::stdout().is_terminal(),
                shows_past: !matches!(source, Source::Given(_)),
                printer: None,
            };
            let talk = Conversation {
                wire,
                paper,
                next_tag: 0,
                unheard: BTreeMap::new(),
                refused: false,
                is_live: matches!(source, Source::Keyboard),
            };
            let patience = Duration::from_secs(self.timeout);
            // Whoever reads the keyboard changes it, and may still wait for a key when this ends.
            let before = talk.is_live.then(|| tcgetattr(io::stdin()).ok()).flatten();
            let ended = talk.hold(source.open(keyboard), typed, patience).await;
            if let Some(before) = before {
                // If that fails, there is no terminal any more.
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
            }
            ended
        })
    }
}

/// Where what is said comes from.
enum Source {
    Given(String),
    Keyboard,
    Pipe,
}

type Printer = Box<dyn ExternalPrinter + Send>;

impl Source {
    /// Begins to read; gives what prints beside a line that is being typed.
    fn open(self, to: mpsc::Sender<String>) -> Result<Option<Printer>, Failure> {
        match self {
            Self::Given(text) => {
                // Room for one there is.
                drop(to.try_send(text));
                Ok(None)
            }
            Self::Pipe => {
                std::thread::spawn(move || {
                    let lines = io::stdin().lines().map_while(Result::ok);
                    for line in lines.filter(|line| !line.trim().is_empty()) {
                        if to.blocking_send(line).is_err() {
                            return;
                        }
                    }
                });
                Ok(None)
            }
            Self::Keyboard => {
                let failed = |error: ReadlineError| {
                    Failure::CannotRun(format!(
                        "this terminal cannot be used for typing: {error}. Use --send, or pipe lines in"
                    ))
                };
                let mut editor = DefaultEditor::new().map_err(failed)?;
                let printer = editor.create_external_printer().map_err(failed)?;
                std::thread::spawn(move || {
                    while let Ok(line) = editor.readline("> ") {
                        if line.trim().is_empty() {
                            continue;
                        }
                        // What cannot be remembered cannot be called up again, and no more.
                        drop(editor.add_history_entry(&line));
                        if to.blocking_send(line).is_err() {
                            return;
                        }
                    }
                });
                Ok(Some(Box::new(printer)))
            }
        }
    }
}

/// A talk that is going on.
struct Conversation {
    wire: OrderWire,
    paper: Paper,
    next_tag: u64,
    /// What was said here and not heard yet: the text by tag, and by id once it has one.
    unheard: BTreeMap<Said, String>,
    refused: bool,
    /// Somebody sits here: the end does not wait.
    is_live: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Tag(u64),
    Id(u64),
}

impl Conversation {
    async fn hold(
        mut self,
        printer: Result<Option<Printer>, Failure>,
        mut typed: mpsc::Receiver<String>,
        patience: Duration,
    ) -> Result<Verdict, Failure> {
        self.paper.printer = printer?;
        let mut ends_at = None;
        loop {
            if ends_at.is_some() && (self.unheard.is_empty() || self.is_live) {
                return Ok(match self.refused {
                    true => Verdict::Failed,
                    false => Verdict::Done,
                });
            }
            let until = ends_at.unwrap_or_else(|| Instant::now() + patience);
            tokio::select! {
                line = typed.recv(), if ends_at.is_none() => match line {
                    Some(line) => self.say(line).await?,
                    None => ends_at = Some(Instant::now() + patience),
                },
                event = self.wire.next() => match event {
                    Ok(Some(event)) => self.take(event)?,
                    Ok(None) => return Err(Failure::Broke(LINK_ENDED.to_owned())),
                    Err(error) => return Err(Failure::Broke(format!(
                        "what the link tells is not understood: {error}. Use the same copperlink for `run` and `talk`"
                    ))),
                },
                () = sleep_until(until), if ends_at.is_some() => {
                    return Err(Failure::Broke(format!(
                        "not heard at the far end within {} s. The link keeps it and goes on trying; \
                         `copperlink status` says what is wrong with the line",
                        patience.as_secs()
                    )));
                }
            }
        }
    }

    async fn say(&mut self, text: String) -> Result<(), Failure> {
        let tag = self.next_tag;
        self.next_tag += 1;
        let said = self.wire.say(tag, &text).await;
        said.map_err(|_gone| Failure::Broke(LINK_ENDED.to_owned()))?;
        self.unheard.insert(Said::Tag(tag), text);
        Ok(())
    }

    fn take(&mut self, event: TalkEvent) -> Result<(), Failure> {
        let mut heard = None;
        match &event {
            TalkEvent::Accepted { tag, id } => {
                if let Some(text) = self.unheard.remove(&Said::Tag(*tag)) {
                    self.unheard.insert(Said::Id(*id), text);
                }
            }
            TalkEvent::Delivered { id, .. } => heard = self.unheard.remove(&Said::Id(*id)),
            TalkEvent::Refused { tag, .. } => {
                self.unheard.remove(&Said::Tag(*tag));
                self.refused = true;
            }
            TalkEvent::Hello { .. } | TalkEvent::Text(_) | TalkEvent::Missed { .. } => {}
        }
        self.paper.put(&event, heard.as_deref())
    }
}

/// Where the talk is written down.
struct Paper {
    json: bool,
    rings: bool,
    shows_past: bool,
    printer: Option<Printer>,
}

impl Paper {
    fn put(&mut self, event: &TalkEvent, heard: Option<&str>) -> Result<(), Failure> {
        if self.json {
            let line = serde_json::to_string(event).map_err(Failure::cannot_run)?;
            return self.print(line + "\n");
        }
        let rings = matches!(event, TalkEvent::Text(text) if text.id.is_none() && !text.past);
        match words(event, heard, self.shows_past) {
            Some(line) if rings && self.rings => self.print(format!("{line}\x07\n")),
            Some(line) => self.print(line + "\n"),
            None => Ok(()),
        }
    }

    fn print(&mut self, line: String) -> Result<(), Failure> {
        match &mut self.printer {
            Some(printer) => printer
                .print(line)
                .map_err(|error| Failure::Output(io::Error::other(error))),
            None => report::print(&line),
        }
    }
}

/// An event as a line; `None` when it is nothing to show. What came from the line is made harmless once
/// more: this is where it would do harm.
fn words(event: &TalkEvent, heard: Option<&str>, shows_past: bool) -> Option<String> {
    let clean = |text: &str| harmless(text.as_bytes());
    Some(match event {
        TalkEvent::Hello { here, there } if shows_past => format!(
            "{} talks with {}. Times are UTC",
            clean(here),
            match there {
                Some(there) => clean(there),
                None => "the far end, which was not heard yet".to_owned(),
            }
        ),
        TalkEvent::Text(text) if text.past && !shows_past => return None,
        TalkEvent::Text(text) => text_words(text),
        TalkEvent::Delivered { at_ms, .. } => {
            let heard = heard?;
            let some: String = heard.chars().take(QUOTED).collect();
            let dots = if some.len() < heard.len() { " ..." } else { "" };
            format!("{} heard there: {}{dots}", time(*at_ms), clean(&some))
        }
        TalkEvent::Refused { why, .. } => {
            format!("not taken: {}. Wait until more was heard", clean(why))
        }
        TalkEvent::Missed { count } => format!("... {count} more, which came too fast to show"),
        TalkEvent::Hello { .. } | TalkEvent::Accepted { .. } => return None,
    })
}

fn text_words(text: &TalkText) -> String {
    let clean = |text: &str| harmless(text.as_bytes());
    let who = match (text.id, text.from.as_str()) {
        (Some(_), _) => "me".to_owned(),
        (None, "") => "far end".to_owned(),
        (None, name) => clean(name),
    };
    let mark = if text.delivered {
        ""
    } else {
        "  (not heard yet)"
    };
    format!("{} {who}: {}{mark}", time(text.at_ms), clean(&text.text))
}

/// Time of day, UTC.
fn time(ms: u64) -> String {
    let seconds = ms / 1000 % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// Lines that may wait between the keyboard and the link.
const TYPED: usize = 16;
/// Letters of a text by which it is named when it was heard.
const QUOTED: usize = 30;
const LINK_ENDED: &str = "the link has ended, and with it what it had not sent. Start it again";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: Option<u64>, text: &str) -> TalkEvent {
        TalkEvent::Text(TalkText {
            at_ms: 3_723_000,
            from: "room-2\u{1b}".into(),
            id,
            text: text.into(),
            delivered: id.is_none(),
            past: false,
        })
    }

    #[test]
    fn what_is_shown_does_no_harm_even_if_the_link_let_it_through() {
        let words = words(&text(None, "\u{1b}]0;x\u{7}\u{202e}안녕\r"), None, true);
        assert_eq!(words.as_deref(), Some("01:02:03 room-2?: ?]0;x??안녕?"));
    }

    #[test]
    fn ones_own_words_say_when_they_were_heard() {
        let said = words(&text(Some(4), "pair 7?"), None, true);
        assert_eq!(
            said.as_deref(),
            Some("01:02:03 me: pair 7?  (not heard yet)")
        );
        let delivered = TalkEvent::Delivered { id: 4, at_ms: 0 };
        let heard = words(&delivered, Some("pair 7?"), true);
        assert_eq!(heard.as_deref(), Some("00:00:00 heard there: pair 7?"));
        assert_eq!(words(&delivered, None, true), None, "another talk said it");
    }
}
