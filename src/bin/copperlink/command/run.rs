//! `copperlink run`: one end of a link, until it is told to stop.

use std::path::PathBuf;

use clap::Args;

use copperlink::shell::Link;

use super::block_on;
use crate::outcome::{Failure, Verdict};
use crate::service;
use crate::settings;
use crate::stop::StopSignals;

/// Run this end of the link that a settings file describes
///
/// Waits for a device that is not there yet, and for the far end. Stops on ctrl-C or SIGTERM.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The settings file
    file: PathBuf,
}

impl Run {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let setup = settings::load(&self.file)?;
        let name = setup.config.name.clone();
        block_on(async {
            let mut stop = StopSignals::listen()?;
            let (link, handle) = Link::open(setup).await.map_err(Failure::cannot_run)?;
            service::ready();
            tracing::info!("{name} runs; `copperlink status {name}` shows how it is");
            // A task of its own: the runtime's thread would have to wake itself, through the kernel,
            // for each thing that a line tells a link that it runs directly.
            let mut run = tokio::spawn(link.run());
            let alive = service::keep_alive(handle.clone());
            tokio::pin!(alive);
            let ended = tokio::select! {
                ended = &mut run => ended,
                never = &mut alive => match never {},
                () = stop.next() => {
                    tracing::info!("stopping; the far end is told");
                    service::stopping();
                    handle.stop();
                    tokio::select! {
                        ended = &mut run => ended,
                        // Asked twice: no more patience.
                        () = stop.next() => return Ok(Verdict::Done),
                    }
                }
            };
            match ended {
                Ok(Ok(_)) => Ok(Verdict::Done),
                Ok(Err(error)) => Err(Failure::Broke(error.to_string())),
                Err(error) => Err(Failure::Broke(format!("the link ended: {error}"))),
            }
        })
    }
}
