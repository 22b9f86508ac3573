//! `copperlink monitor`: running links on a full screen.

use std::io::{self, IsTerminal};

use clap::Args;

use super::block_on;
use crate::dashboard::{self, Theme};
use crate::outcome::{Failure, Verdict};

/// Watch running links on a full screen
///
/// Shows lines, channels, what happened and how it has been, and draws anew twice a second. A
/// link that does not run yet, or ends, is waited for. Press ? for the keys.
#[derive(Debug, Args)]
pub(crate) struct Monitor {
    /// Names of links; without any, all that run
    names: Vec<String>,
    /// Draw with plain letters, as is done where the locale is not UTF-8
    #[arg(long)]
    ascii: bool,
}

impl Monitor {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        if !io::stdout().is_terminal() {
            return Err(Failure::CannotRun(
                "the output is not a terminal, so there is nothing to draw on. \
                 `copperlink status --json` gives the same facts to a program"
                    .to_owned(),
            ));
        }
        let mut names = self.names;
        // Named twice is shown once.
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        block_on(dashboard::run(Theme::of_environment(self.ascii), names))
    }
}
