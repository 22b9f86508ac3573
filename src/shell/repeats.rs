//! Words that repeat: said a few times, then counted, so that a line that comes and goes all day
//! does not fill the log and push everything else out of the status.
//!
//! Promise: of each kind of words of a line, [`SAID`] in [`WINDOW`] are said at once; of those
//! that are held back the number is said when the window is over and something happens. Nobody is
//! woken for that. What differs only in its numbers or in a name is of one kind.

use std::collections::BTreeMap;
use std::time::Duration;

use super::words::Words;
use crate::proto::config::LineId;
use crate::proto::time::Instant;

/// What was said lately.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    kinds: BTreeMap<(Option<LineId>, String), Kind>,
}

/// Words of one kind.
#[derive(Debug)]
struct Kind {
    since: Instant,
    said: u32,
    held: u64,
    last: Words,
}

impl Repeats {
    /// Whether to say these words now. Those that are not are counted.
    pub(super) fn admit(&mut self, now: Instant, words: &Words) -> bool {
        let key = (words.line, kind_of(&words.text));
        if self.kinds.len() >= MOST_KINDS && !self.kinds.contains_key(&key) {
            // Only a far end that invents names gets here.
            return false;
        }
        let kind = self.kinds.entry(key).or_insert_with(|| Kind {
            since: now,
            said: 0,
            held: 0,
            last: words.clone(),
        });
        if kind.said < SAID {
            kind.said += 1;
            return true;
        }
        kind.held += 1;
        kind.last = words.clone();
        false
    }

    /// What was held back and is due to be told of.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Words> {
        let mut told = Vec::new();
        self.kinds.retain(|_, kind| {
            let is_over = now.since(kind.since) >= WINDOW;
            if is_over && kind.held > 0 {
                let Words { text, .. } = &kind.last;
                let text = match kind.held {
                    1 => format!("once more: {text}"),
                    n => format!("{n} times more, the last one: {text}"),
                };
                told.push(Words {
                    text,
                    ..kind.last.clone()
                });
            }
            !is_over
        });
        told
    }
}

/// The words without numbers, up to a name.
fn kind_of(text: &str) -> String {
    let until_name = text.split('\'').next().unwrap_or(text);
    let letters = until_name.chars().filter(|letter| !letter.is_ascii_digit());
    letters.collect()
}

const SAID: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);
const MOST_KINDS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn down(line: u8) -> Words {
        Words::trouble(format!("tty{line}: the line is down")).of_line(LineId(line))
    }

    #[test]
    fn a_line_that_comes_and_goes_is_said_five_times_and_then_counted() {
        let mut repeats = Repeats::default();
        let said = (0..30).filter(|&s| repeats.admit(at(s), &down(0)));
        assert_eq!(said.count(), 5);
        assert!(repeats.overdue(at(59)).is_empty());
        let told = repeats.overdue(at(60));
        assert_eq!(told.len(), 1);
        assert_eq!(
            told[0].text,
            "25 times more, the last one: tty0: the line is down"
        );
        assert!(told[0].is_trouble);
        assert!(repeats.overdue(at(61)).is_empty());
        assert!(repeats.admit(at(61), &down(0)), "a new window");
    }

    #[test]
    fn another_line_and_other_words_are_said_all_the_same() {
        let mut repeats = Repeats::default();
        while repeats.admit(at(0), &down(0)) {}
        assert!(repeats.admit(at(0), &down(1)));
        let up = Words::info("tty0: the line is up".to_owned()).of_line(LineId(0));
        assert!(repeats.admit(at(0), &up));
    }

    #[test]
    fn numbers_and_names_make_no_new_kind() {
        let mut repeats = Repeats::default();
        let words = |n| Words::info(format!("{n} bytes arrived from 'room-{n}' at {n}"));
        let said = (0..100).filter(|&n| repeats.admit(at(0), &words(n)));
        assert_eq!(said.count(), 5);
    }

    #[test]
    fn words_without_end_take_no_room_without_end() {
        let mut repeats = Repeats::default();
        for n in 0..10_000u32 {
            let word: String = (0..16)
                .map(|bit| if n >> bit & 1 == 1 { 'a' } else { 'b' })
                .collect();
            repeats.admit(at(0), &Words::info(word));
        }
        assert_eq!(repeats.kinds.len(), MOST_KINDS);
    }
}
