//! An event only says "look now": this wakes the scan and does no more.

use crate::config::Feed;
use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Wakes whoever waits when something happens in a feed's directories. A directory that cannot be watched (a network
/// file system, no watch left) is left to the timer.
pub(super) struct Alarm {
    _watcher: Option<notify::RecommendedWatcher>,
    woken: mpsc::Receiver<()>,
}

impl Alarm {
    pub(super) fn new(feeds: &[Feed]) -> Alarm {
        let (wake, woken) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let reading = event.is_ok_and(|event| event.kind.is_access() && !closes_a_written_file(event.kind));
            if !reading {
                // A full channel means the wake-up is already on its way.
                let _ = wake.try_send(());
            }
        });
        let mut watcher = match watcher {
            Ok(watcher) => watcher,
            Err(error) => {
                tracing::warn!("no file events, scanning by timer only: {error}");
                return Alarm { _watcher: None, woken };
            }
        };
        for pattern in feeds.iter().flat_map(|feed| &feed.paths) {
            let base = super::scan::base(pattern);
            let mode = if pattern.contains("**") { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            if let Err(error) = watcher.watch(&base, mode) {
                tracing::warn!("no file events from {}, scanning by timer only: {error}", base.display());
            }
        }
        Alarm { _watcher: Some(watcher), woken }
    }

    /// Resolves at the next event; never, if nothing can be watched.
    pub(super) async fn rings(&mut self) {
        if self.woken.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

fn closes_a_written_file(kind: notify::EventKind) -> bool {
    use notify::event::{AccessKind, AccessMode, EventKind};
    kind == EventKind::Access(AccessKind::Close(AccessMode::Write))
}
