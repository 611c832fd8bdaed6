//! The watcher's loop: a pass at start, after an event, on a timer; ends between two steps when asked to stop.

use super::watch::Alarm;
use super::{Outcome, Ship};
use crate::config::Feed;
use crate::error::Result;
use std::future::Future;
use std::time::Duration;

/// Ships until `stop` resolves. A pass that is cut off loses nothing: the next start goes on from the ledger.
/// `report` is told how each pass went.
///
/// # Errors
/// When the ledger or the spool cannot be used.
pub async fn run(
    ship: &Ship,
    feeds: &[Feed],
    stop: impl Future<Output = ()>,
    mut report: impl FnMut(&Outcome),
) -> Result<()> {
    let mut alarm = Alarm::new(feeds);
    let settle = feeds.iter().map(|feed| feed.settle).max().unwrap_or_default();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            outcome = ship.pass(feeds, false) => report(&outcome?),
        }
        tokio::select! {
            () = &mut stop => return Ok(()),
            () = tokio::time::sleep(ship.upload.scan_every) => {}
            () = async {
                alarm.rings().await;
                // What woke us has to stand still first.
                tokio::time::sleep(settle + Duration::from_millis(50)).await;
            } => {}
        }
    }
}
