//! How something is going, on standard error: a bar on a terminal, a line every two seconds
//! elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{complain, is_drawing_possible};

/// Shows how something is going.
#[derive(Debug)]
pub(crate) struct Live {
    bar: Option<ProgressBar>,
    next_line: Duration,
}

impl Live {
    /// For something that takes so long.
    pub(crate) fn new(whole: Duration) -> Self {
        let bar = is_drawing_possible().then(|| {
            let bar = ProgressBar::new(deciseconds(whole));
            if let Ok(style) = ProgressStyle::with_template("{bar:20} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self {
            bar,
            next_line: LINE_EVERY,
        }
    }

    /// Shows how it is at `elapsed`.
    pub(crate) fn show(&mut self, elapsed: Duration, words: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(deciseconds(elapsed));
            bar.set_message(words.to_owned());
        } else if elapsed >= self.next_line {
            self.next_line += LINE_EVERY;
            complain(&format!("{:>4.0} s  {words}\n", elapsed.as_secs_f64()));
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn deciseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / 100).unwrap_or(u64::MAX)
}

const LINE_EVERY: Duration = Duration::from_secs(2);
