//! `copperlink status`: how a running link is.

use clap::Args;

use copperlink::shell::status;

use super::block_on;
use crate::hints;
use crate::outcome::{Failure, Verdict};
use crate::report;

/// Show how a running link is
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The link's name; may be left out when only one runs
    name: Option<String>,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
    /// Print also each of the last seconds and minutes
    #[arg(long, requires = "json")]
    history: bool,
}

impl Status {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let path = status::socket_path(&choose(self.name.as_ref())?);
        let document = block_on(async { status::query(path).await.map_err(Failure::cannot_run) })?;
        if self.json {
            let mut facts: serde_json::Value =
                serde_json::from_str(&document).map_err(not_understood)?;
            if !self.history
                && let Some(facts) = facts.as_object_mut()
            {
                facts.remove("history");
            }
            report::print_json(&facts)?;
        } else {
            let status: report::status::Status =
                serde_json::from_str(&document).map_err(not_understood)?;
            report::print(&status.screen())?;
        }
        Ok(Verdict::Done)
    }
}

/// The link that is meant: the named one, or the only one that runs.
///
/// # Errors
/// When there is none, or it is open which.
pub(super) fn choose(wanted: Option<&String>) -> Result<String, Failure> {
    let names = status::list();
    let chosen = match (wanted, names.as_slice()) {
        (_, []) => return Err(Failure::CannotRun(hints::no_link_runs(&status::run_dir()))),
        (Some(name), _) if names.contains(name) => name,
        (Some(name), _) => return Err(Failure::CannotRun(hints::no_such_link(name, &names))),
        (None, [only]) => only,
        (None, _) => return Err(Failure::CannotRun(hints::which_link(&names))),
    };
    Ok(chosen.clone())
}

pub(super) fn not_understood(error: serde_json::Error) -> Failure {
    Failure::CannotRun(format!(
        "what the link answers is not understood: {error}. Use the same copperlink for `run` and \
         `status`"
    ))
}
