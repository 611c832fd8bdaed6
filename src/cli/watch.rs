//! `logweir watch`: the daemon.

use super::{Context, shipping};
use crate::domain::Urgency;
use crate::error::{Error, Result};
use crate::ship::{Ship, daemon};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

/// Ship every configured feed until stopped
#[derive(Debug, Args)]
pub struct Watch {
    /// Ship what is there, then exit
    #[arg(long)]
    once: bool,
}

impl Watch {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let mut ship = prepared(context)?;
        let runtime = super::runtime()?;
        if self.once {
            let outcome = runtime.block_on(shipping::pass(&ship))?;
            return shipping::finish(context, &outcome);
        }
        runtime.block_on(async {
            let mut reload = signal(SignalKind::hangup())
                .map_err(|error| Error::failed("cannot listen for signals").cause(error))?;
            // No notification socket means no service manager to tell.
            let tell = |state| drop(sd_notify::notify(&[state]));
            tell(sd_notify::NotifyState::Ready);
            let mut stop = std::pin::pin!(super::interrupted());
            loop {
                let mut next = None;
                let mut stopped = None;
                let until = async {
                    loop {
                        tokio::select! {
                            ended = &mut stop => {
                                stopped = Some(ended);
                                return;
                            }
                            _ = reload.recv() => {}
                        }
                        tell(sd_notify::NotifyState::Reloading);
                        // The new one is whole before the old one stops; a broken one changes nothing.
                        match prepared(context) {
                            Ok(ship) => {
                                next = Some(ship);
                                return;
                            }
                            Err(error) => {
                                context.ui.error(&error);
                                context.ui.warn("the configuration was not reloaded; the former one stays in force");
                                tell(sd_notify::NotifyState::Ready);
                            }
                        }
                    }
                };
                daemon::run(&ship, until).await?;
                match (stopped, next) {
                    (None, Some(new)) => {
                        ship = new;
                        context.ui.note("the configuration was reloaded");
                        tell(sd_notify::NotifyState::Ready);
                    }
                    (stopped, _) => {
                        tell(sd_notify::NotifyState::Stopping);
                        return stopped.unwrap_or(Ok(()));
                    }
                }
            }
        })
    }
}

/// A ship of the configuration as it is now.
fn prepared(context: &mut Context<'_>) -> Result<Ship> {
    let config = context.config()?;
    if config.feeds.is_empty() {
        return Err(
            Error::usage("no feed is configured").hint("add a [[feed]] to the configuration: logweir init writes one")
        );
    }
    shipping::ship(context, &config, &config.feeds, Urgency::Backlog)
}
