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
        "several links are running: {}. Say which: `copperlink status NAME`",
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
