//! The order wire of a running link, for whoever wants to talk on this host.
//!
//! Over the link's socket ([`status`](super::status)): a reader asks for `talk` and is told, one JSON
//! document a line, what was said lately and what is said from now on ([`TalkEvent`]); it says
//! something with a [`Saying`]. Several may talk at a time, and all see everything. Promises that
//! one who does not read holds nothing up: it is told how much it missed, and in the end left.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::error::StatusError;
use super::lines::Lines;
use super::link::LinkHandle;
use super::status;
use crate::proto::MAX_TEXT;
use crate::proto::event::{TextId, harmless};

/// What the link tells whoever talks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TalkEvent {
    /// The first: whose order wire this is.
    Hello {
        /// This end's name.
        here: String,
        /// The far end's name, once known.
        there: Option<String>,
    },
    /// Somebody said something.
    Text(TalkText),
    /// The far end has heard a text.
    Delivered {
        /// Which one.
        id: u64,
        /// When, in ms since 1970.
        at_ms: u64,
    },
    /// A saying of this reader was taken.
    Accepted {
        /// Its tag.
        tag: u64,
        /// What the text is called from now on.
        id: u64,
    },
    /// A saying of this reader was not taken.
    Refused {
        /// Its tag.
        tag: u64,
        /// Why, in words.
        why: String,
    },
    /// This reader was too slow.
    Missed {
        /// How many events it has not seen.
        count: u64,
    },
}

/// A text, from either end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TalkText {
    /// When it was said here, or arrived here, in ms since 1970.
    pub at_ms: u64,
    /// Name of the end that said it, empty when it is not known; made harmless for a terminal.
    pub from: String,
    /// Said at this end: what [`TalkEvent::Delivered`] calls it.
    pub id: Option<u64>,
    /// What was said; made harmless for a terminal.
    pub text: String,
    /// The other end has heard it. Always so of what came from there.
    pub delivered: bool,
    /// It was said before this reader came.
    pub past: bool,
}

/// What a reader wants to say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saying {
    /// The text.
    pub say: String,
    /// Comes back with [`TalkEvent::Accepted`] or [`TalkEvent::Refused`].
    #[serde(default)]
    pub tag: u64,
}

/// A place on the order wire of a running link.
#[derive(Debug)]
pub struct Talk {
    lines: Lines<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Talk {
    /// Joins the order wire of the link behind the socket at `path`.
    ///
    /// # Errors
    /// When nobody answers there.
    pub async fn join(path: impl AsRef<Path>) -> Result<Self, StatusError> {
        let (reader, writer) = status::ask(path.as_ref(), "talk").await?.into_split();
        let lines = Lines::new(reader, LONGEST_EVENT);
        Ok(Self { lines, writer })
    }

    /// Says something.
    ///
    /// # Errors
    /// When the link has gone.
    pub async fn say(&mut self, tag: u64, text: &str) -> io::Result<()> {
        let say = text.to_owned();
        let mut line = serde_json::to_string(&Saying { say, tag })?;
        line.push('\n');
        self.writer.write_all(line.as_bytes()).await
    }

    /// What is told next; `None` when the link has ended. Can be dropped at any time.
    ///
    /// # Errors
    /// When what comes is not understood.
    pub async fn next(&mut self) -> io::Result<Option<TalkEvent>> {
        match self.lines.next().await? {
            Some(line) => Ok(Some(serde_json::from_str(&line)?)),
            None => Ok(None),
        }
    }
}

/// What was said lately, and who listens. The driver's side.
#[derive(Debug)]
pub(super) struct TalkLog {
    texts: VecDeque<TalkText>,
    readers: broadcast::Sender<TalkEvent>,
}

/// What a reader begins with.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) first: Vec<TalkEvent>,
    pub(super) news: broadcast::Receiver<TalkEvent>,
}

impl Default for TalkLog {
    fn default() -> Self {
        Self {
            texts: VecDeque::new(),
            readers: broadcast::Sender::new(EVENTS_A_READER),
        }
    }
}

impl TalkLog {
    /// This end said something.
    pub(super) fn on_said(&mut self, name: &str, id: TextId, text: &str) {
        self.push(TalkText {
            at_ms: now_ms(),
            from: name.to_owned(),
            id: Some(id.0),
            text: harmless(text.trim().as_bytes()),
            delivered: false,
            past: false,
        });
    }

    /// The far end said something.
    pub(super) fn on_heard(&mut self, from: &str, text: &str) {
        self.push(TalkText {
            at_ms: now_ms(),
            from: from.to_owned(),
            id: None,
            text: text.to_owned(),
            delivered: true,
            past: false,
        });
    }

    /// The far end has heard what this end said.
    pub(super) fn on_delivered(&mut self, TextId(id): TextId) {
        let mut texts = self.texts.iter_mut().rev();
        if let Some(text) = texts.find(|text| text.id == Some(id)) {
            text.delivered = true;
        }
        self.tell(TalkEvent::Delivered {
            id,
            at_ms: now_ms(),
        });
    }

    /// Somebody wants to talk.
    pub(super) fn join(&self, here: String, there: Option<String>) -> Joined {
        let mut first = vec![TalkEvent::Hello { here, there }];
        first.extend(self.texts.iter().map(|text| {
            TalkEvent::Text(TalkText {
                past: true,
                ..text.clone()
            })
        }));
        Joined {
            first,
            news: self.readers.subscribe(),
        }
    }

    fn push(&mut self, text: TalkText) {
        if self.texts.len() == TEXTS_KEPT {
            self.texts.pop_front();
        }
        self.texts.push_back(text.clone());
        self.tell(TalkEvent::Text(text));
    }

    fn tell(&self, event: TalkEvent) {
        // An error says that nobody listens.
        drop(self.readers.send(event));
    }
}

/// Serves one reader until it goes, or is too slow, or the link ends.
pub(super) async fn serve(stream: UnixStream, behind: Vec<u8>, link: &LinkHandle) {
    let Some(mut joined) = link.join_talk().await else {
        return;
    };
    let (reader, mut writer) = stream.into_split();
    let mut lines = Lines::behind(behind, reader, LONGEST_SAYING);
    for event in &joined.first {
        if !tell(&mut writer, event).await {
            return;
        }
    }
    loop {
        let event = tokio::select! {
            line = lines.next() => match line {
                Ok(Some(line)) => take(link, &line).await,
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!("who talked went away: {error}");
                    return;
                }
            },
            news = joined.news.recv() => match news {
                Ok(event) => event,
                Err(broadcast::error::RecvError::Lagged(count)) => TalkEvent::Missed { count },
                Err(broadcast::error::RecvError::Closed) => return,
            },
        };
        if !tell(&mut writer, &event).await {
            return;
        }
    }
}

/// Hands a saying to the link; gives what to tell who said it.
async fn take(link: &LinkHandle, line: &str) -> TalkEvent {
    let saying: Saying = match serde_json::from_str(line) {
        Ok(saying) => saying,
        Err(error) => {
            return TalkEvent::Refused {
                tag: 0,
                why: format!("not understood: {error}"),
            };
        }
    };
    let tag = saying.tag;
    match link.say(saying.say).await {
        Some(Ok(TextId(id))) => TalkEvent::Accepted { tag, id },
        Some(Err(refused)) => TalkEvent::Refused {
            tag,
            why: refused.to_string(),
        },
        None => TalkEvent::Refused {
            tag,
            why: "the link is ending".to_owned(),
        },
    }
}

/// Writes an event; says whether the reader took it.
async fn tell(writer: &mut OwnedWriteHalf, event: &TalkEvent) -> bool {
    let Ok(mut line) = serde_json::to_string(event) else {
        return false;
    };
    line.push('\n');
    match timeout(WRITE_TIME, writer.write_all(line.as_bytes())).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::debug!("who talked went away: {error}");
            false
        }
        Err(_elapsed) => {
            tracing::debug!("who talks does not read");
            false
        }
    }
}

/// Now, in ms since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Texts that a reader is told of when it joins.
const TEXTS_KEPT: usize = 100;
/// Events that may wait for a reader.
const EVENTS_A_READER: usize = 64;
/// JSON takes up to six bytes for one.
const LONGEST_SAYING: usize = 6 * MAX_TEXT + 64;
const LONGEST_EVENT: usize = 6 * MAX_TEXT + 1024;
const WRITE_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_joins_late_is_told_the_last_texts_and_their_marks() {
        let mut log = TalkLog::default();
        for i in 0..TEXTS_KEPT as u64 + 2 {
            log.on_said("room-1", TextId(i), &format!("text {i}\u{1b}"));
        }
        log.on_delivered(TextId(5));
        let joined = log.join("room-1".into(), None);
        assert_eq!(joined.first.len(), 1 + TEXTS_KEPT);
        let texts: Vec<&TalkText> = joined
            .first
            .iter()
            .filter_map(|event| match event {
                TalkEvent::Text(text) => Some(text),
                _ => None,
            })
            .collect();
        assert_eq!(texts[0].text, "text 2?");
        assert!(texts.iter().all(|text| text.past));
        let heard: Vec<_> = texts.iter().filter(|text| text.delivered).collect();
        assert_eq!((heard.len(), heard[0].id), (1, Some(5)));
    }

    #[tokio::test]
    async fn who_does_not_read_is_told_how_much_it_missed() {
        let mut log = TalkLog::default();
        let mut joined = log.join("room-1".into(), None);
        for i in 0..200 {
            log.on_heard("room-2", &format!("{i}"));
        }
        let missed = joined.news.recv().await;
        assert!(
            matches!(missed, Err(broadcast::error::RecvError::Lagged(count)) if count == 200 - EVENTS_A_READER as u64)
        );
    }
}
