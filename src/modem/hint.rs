//! `NO CARRIER` in what a line carries: a hint, as the far end's bytes may say the same.
//!
//! Promise: it is a hint only while nothing comes behind it. A modem that has lost its carrier says
//! nothing more; a far end that carries these letters goes on, with a frame's end at the least.

use crate::proto::time::Instant;

/// Watches what a line carries.
#[derive(Clone, Debug, Default)]
pub(super) struct Hint {
    /// Letters of [`WORDS`] in a row.
    matched: usize,
    since: Option<Instant>,
}

impl Hint {
    /// Takes what came.
    pub(super) fn take(&mut self, now: Instant, bytes: &[u8]) {
        for byte in bytes {
            if self.since.is_some() && !matches!(byte, b'\r' | b'\n') {
                self.since = None;
            }
            self.matched = match *byte {
                byte if byte == WORDS[self.matched] => self.matched + 1,
                byte if byte == WORDS[0] => 1,
                _ => 0,
            };
            if self.matched == WORDS.len() {
                self.matched = 0;
                self.since = Some(now);
            }
        }
    }

    /// Since when these are the last words.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }
}

/// As a modem says it: on a line of its own.
const WORDS: &[u8] = b"\nNO CARRIER\r";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::time::Duration;

    #[test]
    fn the_last_words_are_a_hint_and_words_in_between_are_none() {
        let now = Instant::ZERO + Duration::from_secs(5);
        let mut hint = Hint::default();
        hint.take(now, b"\x01\x00\r\n\nNO CAR");
        assert_eq!(hint.since(), None);
        hint.take(now, b"RIER\r\n");
        assert_eq!(hint.since(), Some(now));
        hint.take(now, b"\x00");
        assert_eq!(hint.since(), None);
        hint.take(now, b"NO CARRIER\r\n");
        assert_eq!(hint.since(), None, "in the middle of a frame");
    }
}
