//! `copperlink completions`: what a shell needs to complete commands and options.

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::Cli;
use crate::outcome::{Failure, Verdict};
use crate::report;

/// Print completions for a shell
///
/// bash: copperlink completions bash > ~/.local/share/bash-completion/completions/copperlink
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: For,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum For {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let shell = match self.shell {
            For::Bash => Shell::Bash,
            For::Zsh => Shell::Zsh,
            For::Fish => Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "copperlink", &mut script);
        report::print(&String::from_utf8_lossy(&script))?;
        Ok(Verdict::Done)
    }
}
