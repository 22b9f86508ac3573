//! What to try when something does not work: words of the program, not of the library.

use std::path::Path;
use std::time::Duration;

use copperlink::shell::Snapshot;

/// No link runs of which the status could be asked.
pub(crate) fn no_link_runs(run_dir: &Path) -> String {
    format!(
        "no link is running here: no status socket answers in {}. Start one with \
         `copperlink run FILE`; if one runs, ask as the same user, and see that its settings do \
         not say `status = false`",
        run_dir.display()
    )
}

/// Several links run, and it was not said which is meant.
pub(crate) fn which_link(names: &[String]) -> String {
    format!(
        "several links are running: {}. Say which, by its name behind the command",
        names.join(", ")
    )
}

/// No link of that name runs.
pub(crate) fn no_such_link(name: &str, names: &[String]) -> String {
    format!(
        "no link '{name}' is running; running now: {}",
        names.join(", ")
    )
}

/// No line has that name.
pub(crate) fn no_such_line(wanted: &str, names: &[&str]) -> String {
    let names = nearest_first(wanted, names);
    format!(
        "there is no line '{wanted}'; there are: {}. `copperlink simulate --list` says what each \
         is like; the name of a file of your own ends with .toml",
        names.join(", ")
    )
}

/// The names in the order in which they may have been meant.
pub(crate) fn nearest_first<'a>(wanted: &str, names: &[&'a str]) -> Vec<&'a str> {
    let mut names = names.to_vec();
    names.sort_by_key(|name| edits(wanted, name));
    names
}

/// The two ends of a demonstration did not find each other.
pub(crate) fn not_up(waited: Duration, ends: &[Snapshot; 2]) -> String {
    let mut words = format!("the link was not up within {} s.", waited.as_secs());
    for (end, snapshot) in ["A", "B"].iter().zip(ends) {
        for line in &snapshot.stats.lines {
            let trouble = line.trouble.as_deref().unwrap_or("no trouble known");
            words.push_str(&format!(" End {end}: {trouble}."));
        }
    }
    words + " With a lower --ber, or a higher --rate, it may come up"
}

/// How many letters have to be put in, taken out or changed to make `b` of `a` (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    // For each beginning of `b`, what it takes to make it of the letters of `a` so far.
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, letter_a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, letter_b) in b.chars().enumerate() {
            let changed = diagonal + usize::from(letter_a != letter_b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_in_letters() {
        for (a, b, count) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("clean", "clean", 0),
            ("cleen", "clean", 1),
            ("cut", "cut-long", 5),
            ("kitten", "sitting", 3),
            ("\u{e4}x", "x", 1),
        ] {
            assert_eq!(edits(a, b), count, "{a} {b}");
        }
    }
}
