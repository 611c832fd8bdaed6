//! `logweir watch`: the daemon. Ships the feeds and publishes the block lists.

use super::block::publish::{self, Publisher, Publishing};
use super::{Context, shipping};
use crate::domain::Urgency;
use crate::error::{Error, Result};
use crate::ship::{Ship, daemon};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

/// Ship every configured feed, and publish every block list, until stopped
#[derive(Debug, Args)]
pub struct Watch {
    /// Ship what is there, publish every list, then exit
    #[arg(long)]
    once: bool,
}

impl Watch {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let Prepared { mut ship, publisher } = prepared(context)?;
        let runtime = super::runtime()?;
        if self.once {
            return once(context, &runtime, ship.as_ref(), publisher);
        }
        let mut publishing = publisher.map(Publishing::start);
        runtime.block_on(async {
            let mut reload = signal(SignalKind::hangup())
                .map_err(|error| Error::failed("cannot listen for signals").cause(error))?;
            // No notification socket means no service manager to tell.
            let tell = |state| drop(sd_notify::notify(&[state]));
            tell(sd_notify::NotifyState::Ready);
            let mut stop = std::pin::pin!(super::interrupted()?);
            loop {
                let mut next = None;
                let mut stopped = false;
                let until = async {
                    loop {
                        tokio::select! {
                            biased;
                            () = &mut stop => {
                                stopped = true;
                                if let Some(publishing) = &publishing {
                                    publishing.ask();
                                }
                                return;
                            }
                            _ = reload.recv() => {}
                        }
                        tell(sd_notify::NotifyState::Reloading);
                        // The new one is whole before the old one stops; a broken one changes nothing.
                        match prepared(context) {
                            Ok(prepared) => {
                                next = Some(prepared);
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
                match &ship {
                    Some(ship) => daemon::run(ship, until).await?,
                    None => until.await,
                }
                // What it publishes ends first, or is taken back.
                drop(publishing.take());
                match (stopped, next) {
                    (false, Some(new)) => {
                        ship = new.ship;
                        publishing = new.publisher.map(Publishing::start);
                        context.ui.note("the configuration was reloaded");
                        tell(sd_notify::NotifyState::Ready);
                    }
                    _ => {
                        tell(sd_notify::NotifyState::Stopping);
                        return Ok(());
                    }
                }
            }
        })
    }
}

/// What the configuration asks for as it is now.
struct Prepared {
    ship: Option<Ship>,
    publisher: Option<(tokio::sync::watch::Sender<bool>, Publisher)>,
}

fn prepared(context: &mut Context<'_>) -> Result<Prepared> {
    let config = context.config()?;
    if config.feeds.is_empty() && config.blocks.is_empty() {
        return Err(Error::usage("no feed and no block list is configured")
            .hint("add a [[feed]] or a [[block]] to the configuration: logweir init writes one"));
    }
    let ship = match config.feeds.as_slice() {
        [] => None,
        feeds => Some(shipping::ship(context, &config, feeds, Urgency::Backlog)?),
    };
    Ok(Prepared { ship, publisher: Publisher::new(context, &config)? })
}

/// One pass over the feeds, then every list once; a failure of the one does not keep the other from its turn.
fn once(
    context: &mut Context<'_>,
    runtime: &super::runtime::Runtime,
    ship: Option<&Ship>,
    publisher: Option<(tokio::sync::watch::Sender<bool>, Publisher)>,
) -> Result<()> {
    let shipped = match ship {
        Some(ship) => {
            let outcome = runtime.block_on(shipping::pass(ship))?;
            shipping::finish(context, &outcome)
        }
        None => Ok(()),
    };
    let Some((tell, publisher)) = publisher else { return shipped };
    let results = super::block::publish::stoppable(&tell, async { Ok(publisher.once().await) })?;
    let published = publish::hand_over(context, results);
    match (shipped, published) {
        (Err(error), published) => {
            if let Err(second) = published {
                context.ui.error(&second);
            }
            Err(error)
        }
        (Ok(()), published) => published,
    }
}
