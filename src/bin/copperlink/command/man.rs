//! `copperlink man`: the manual pages, made of what `--help` says.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use crate::Cli;
use crate::outcome::{Failure, Verdict};
use crate::report;

/// Print the manual page, or write one for each command into a directory
///
/// With a directory, such as ~/.local/share/man/man1: `man copperlink` and `man copperlink-run`
/// find them there.
#[derive(Debug, Args)]
pub(crate) struct ManPages {
    /// Where to write the pages; without it the main page is printed
    dir: Option<PathBuf>,
}

impl ManPages {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let mut whole = Cli::command().name("copperlink");
        whole.build();
        match self.dir {
            None => report::print(&text(&whole)?)?,
            Some(dir) => {
                fs::create_dir_all(&dir).map_err(|error| cannot(&dir, &error))?;
                let commands = whole.get_subcommands();
                for command in std::iter::once(&whole).chain(commands) {
                    write(&dir, command)?;
                }
            }
        }
        Ok(Verdict::Done)
    }
}

fn write(dir: &Path, command: &clap::Command) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or("copperlink");
    let file = dir.join(format!("{name}.1"));
    fs::write(&file, text(command)?).map_err(|error| cannot(&file, &error))?;
    report::print(&format!("{}\n", file.display()))
}

fn text(command: &clap::Command) -> Result<String, Failure> {
    let mut page = Vec::new();
    Man::new(command.clone())
        .render(&mut page)
        .map_err(Failure::Output)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::CannotRun(format!(
        "{} cannot be written: {error}. Give another directory",
        path.display()
    ))
}
