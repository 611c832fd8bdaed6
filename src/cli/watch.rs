//! `logweir watch`: the daemon.

use super::{Context, shipping};
use crate::domain::Urgency;
use crate::error::{Error, Result};
use crate::ship::daemon;
use clap::Args;

/// Ship every configured feed until stopped
#[derive(Debug, Args)]
pub struct Watch {
    /// Ship what is there, then exit
    #[arg(long)]
    once: bool,
}

impl Watch {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        if config.feeds.is_empty() {
            return Err(Error::usage("no feed is configured")
                .hint("add a [[feed]] to the configuration: logweir init writes one"));
        }
        let ship = shipping::ship(context, &config, &config.feeds, Urgency::Backlog)?;
        let runtime = super::runtime()?;
        if self.once {
            let outcome = runtime.block_on(ship.pass(&config.feeds, true))?;
            return shipping::finish(context, &outcome);
        }
        runtime.block_on(async {
            // No notification socket means no service manager to tell.
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
            let stop = async {
                if let Err(error) = super::interrupted().await {
                    tracing::error!("{}", error.one_line());
                }
            };
            daemon::run(&ship, &config.feeds, stop, |outcome| {
                for (what, error) in &outcome.left_out {
                    tracing::warn!("{what}: {}", error.one_line());
                }
            })
            .await
        })
    }
}
