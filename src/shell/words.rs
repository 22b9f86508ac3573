//! Events in words, for the log and the status.

use crate::proto::config::LineId;
use crate::proto::event::Event;

/// An event as a sentence.
#[derive(Clone, Debug)]
pub(super) struct Words {
    /// The line that it is about, if it is about one.
    pub(super) line: Option<LineId>,
    /// The sentence.
    pub(super) text: String,
    /// Whether somebody should do something about it.
    pub(super) is_trouble: bool,
}

impl Words {
    /// Something to know.
    pub(super) fn info(text: String) -> Self {
        Self {
            line: None,
            text,
            is_trouble: false,
        }
    }

    /// Something to act on.
    pub(super) fn trouble(text: String) -> Self {
        Self {
            line: None,
            text,
            is_trouble: true,
        }
    }

    /// The same, about a line.
    pub(super) fn of_line(self, line: LineId) -> Self {
        Self {
            line: Some(line),
            ..self
        }
    }

    /// What a session tells; `name` gives each line's name.
    pub(super) fn of(event: &Event, name: impl Fn(LineId) -> String) -> Self {
        let words = Self::without_line(event, name);
        match event {
            Event::LineUp { line } | Event::LineDown { line } | Event::Trouble { line, .. } => {
                words.of_line(*line)
            }
            Event::SessionStarted { .. }
            | Event::Text { .. }
            | Event::TextDelivered { .. }
            | Event::PeerClosed => words,
        }
    }

    fn without_line(event: &Event, name: impl Fn(LineId) -> String) -> Self {
        match event {
            Event::LineUp { line } => Self::info(format!("{}: the line is up", name(*line))),
            Event::LineDown { line } => Self::trouble(format!("{}: the line is down", name(*line))),
            Event::Trouble {
                line,
                trouble: Some(trouble),
            } => Self::trouble(format!("{}: {trouble}", name(*line))),
            Event::Trouble {
                line,
                trouble: None,
            } => Self::info(format!("{}: no trouble any more", name(*line))),
            Event::SessionStarted {
                peer,
                name,
                after_restart: false,
            } => Self::info(format!("connected with '{name}' (session {peer})")),
            Event::SessionStarted {
                peer,
                name,
                after_restart: true,
            } => Self::info(format!(
                "'{name}' was restarted; connected again (session {peer})"
            )),
            Event::Text { from, text } if from.is_empty() => {
                Self::info(format!("the far end says: {text}"))
            }
            Event::Text { from, text } => Self::info(format!("'{from}' says: {text}")),
            Event::TextDelivered { .. } => Self::info("the far end has heard that".to_owned()),
            Event::PeerClosed => Self::info("the far end was stopped".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::event::Trouble;

    #[test]
    fn a_trouble_names_its_line_and_what_to_try() {
        let event = Event::Trouble {
            line: LineId(0),
            trouble: Some(Trouble::Loop),
        };
        let words = Words::of(&event, |_| "east".to_owned());
        assert!(words.is_trouble);
        assert!(
            words.text.starts_with("east: loop on the line"),
            "{}",
            words.text
        );
        assert!(
            words.text.contains("Remove the loop plug"),
            "{}",
            words.text
        );
    }
}
