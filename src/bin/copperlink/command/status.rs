//! `copperlink status`: how a running link is.

use clap::Args;

use copperlink::shell::status;

use super::{block_on, running};
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
        let path = status::socket_path(&running::choose(self.name.as_deref())?);
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

pub(super) fn not_understood(error: serde_json::Error) -> Failure {
    Failure::CannotRun(format!(
        "what the link answers is not understood: {error}. Use the same copperlink for `run` and \
         `status`"
    ))
}
