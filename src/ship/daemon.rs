//! The watcher's loop: a round of packing at start, after an event, when a file has settled, and on a timer. The workers
//! send meanwhile. Ends at the next safe point when asked to.

use super::crew::{Crew, Mode};
use super::packer::{Packer, Round};
use super::watch::Alarm;
use super::{Outcome, Ship};
use crate::error::Result;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// Between two rounds at least so many times the cost of the last one, so that a stream of events costs no core.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_millis(400);
/// Events that belong together come within this time.
const TOGETHER: Duration = Duration::from_millis(10);
/// The longest time between scans of directories that send no events.
const DEAF_SCAN: Duration = Duration::from_secs(10);
/// How much longer the time between scans becomes while nothing happens at all where events come: to look at ten
/// thousand files costs little, but not nothing.
const PATIENCE: u32 = 10;
/// After a round that failed as a whole: the ledger or the spool cannot be used.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long a round may take to end when asked to stop.
const GRACE: Duration = Duration::from_secs(6);
/// How much longer the workers may take.
const PARKING: Duration = Duration::from_secs(2);

/// Ships until `stop` resolves; what is cut off goes on at the next start.
///
/// # Errors
/// When the patterns of a feed are wrong.
pub async fn run(ship: &Ship, stop: impl Future<Output = ()>) -> Result<()> {
    let shared = &ship.shared;
    let mut alarm = Alarm::new(shared.feeds.iter().map(|feed| &**feed));
    let mut packer = Packer::new(shared)?;
    let mut crew = Crew::start(shared, Mode::Daemon);
    let mut stop = std::pin::pin!(stop);
    let mut forgiven = Instant::now();
    let mut patience = 1;
    loop {
        let started = Instant::now();
        let round = {
            let mut outcome = Outcome::default();
            let mut round = std::pin::pin!(packer.round(&mut crew, &mut outcome));
            tokio::select! {
                biased;
                () = &mut stop => {
                    shared.stop();
                    // What it packs is given up at the next piece; later than that, the next start clears it away.
                    let _ = tokio::time::timeout(GRACE, round).await;
                    break;
                }
                round = &mut round => round,
            }
        };
        let deaf = alarm.deaf();
        let every = if deaf { shared.upload.scan_every.min(DEAF_SCAN) } else { shared.upload.scan_every };
        let (wait, blocked) = match round {
            Ok(Round { again: true, .. }) => continue,
            Ok(Round { due, blocked, .. }) => {
                // Where no events come, or something waits for time or room, there is no reason to look less often.
                if deaf || due.is_some() || !blocked.is_empty() {
                    patience = 1;
                }
                let every = every.saturating_mul(patience);
                (due.unwrap_or(every).min(every), !blocked.is_empty())
            }
            Err(error) => {
                shared.left_out("a round".to_owned(), error);
                (AFTER_FAILURE, false)
            }
        };
        let rest = (started.elapsed() * REST).min(LONGEST_REST);
        let until = Instant::now() + wait;
        tokio::select! {
            biased;
            () = &mut stop => break,
            () = tokio::time::sleep_until(until) => patience = (patience * 2).min(PATIENCE),
            () = alarm.rings() => {
                patience = 1;
                tokio::time::sleep(rest.max(TOGETHER)).await;
            }
            () = crew.moves(), if blocked => {}
        }
        if forgiven.elapsed() >= every {
            forgiven = Instant::now();
            if packer.forgive() {
                patience = 1;
            }
            alarm.arm();
        }
    }
    // The workers began to park when the round was asked to end; none of them may hold the end up.
    match tokio::time::timeout(GRACE + PARKING, crew.park()).await {
        Ok(parked) => parked.map(|_| ()),
        Err(_) => Ok(()),
    }
}
