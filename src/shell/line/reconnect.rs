//! When to try a lost device again, and when to speak of it.

use std::time::Duration;

/// Growing pauses between tries, and what was spoken of since the device last worked for a while.
#[derive(Debug, Default)]
pub(super) struct Reconnect {
    tries: u32,
    spoken: Vec<String>,
}

impl Reconnect {
    /// How long to wait before the next try. Grows with each try.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.tries.min(8));
        self.tries = self.tries.saturating_add(1);
        pause.min(LONGEST_PAUSE)
    }

    /// Whether these words were not spoken yet.
    pub(super) fn is_news(&mut self, words: &str) -> bool {
        if self.spoken.iter().any(|spoken| spoken == words) {
            return false;
        }
        if self.spoken.len() == SPOKEN_KEPT {
            self.spoken.remove(0);
        }
        self.spoken.push(words.to_owned());
        true
    }

    /// The device was lost after it had been open for so long. When that was a while, the next
    /// try comes soon and everything is news again; one that comes and goes stays quiet.
    pub(super) fn was_open(&mut self, open: Duration) {
        if open >= A_WHILE {
            *self = Self::default();
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const A_WHILE: Duration = Duration::from_secs(5);
const SPOKEN_KEPT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_start_again() {
        let mut reconnect = Reconnect::default();
        let pauses: Vec<u128> = (0..6).map(|_| reconnect.pause().as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 2000, 2000]);
        reconnect.was_open(A_WHILE);
        assert_eq!(reconnect.pause(), FIRST_PAUSE);
    }

    #[test]
    fn a_device_that_comes_and_goes_is_spoken_of_once() {
        let mut reconnect = Reconnect::default();
        assert!(reconnect.is_news("missing"));
        assert!(!reconnect.is_news("missing"));
        assert!(reconnect.is_news("open"));
        reconnect.was_open(A_WHILE - Duration::from_millis(1));
        assert!(!reconnect.is_news("missing"));
        assert!(!reconnect.is_news("open"));
        reconnect.was_open(A_WHILE);
        assert!(reconnect.is_news("missing"));
    }

    #[test]
    fn what_was_spoken_of_is_bounded() {
        let mut reconnect = Reconnect::default();
        for i in 0..100 {
            assert!(reconnect.is_news(&i.to_string()));
        }
        assert_eq!(reconnect.spoken.len(), SPOKEN_KEPT);
    }
}
