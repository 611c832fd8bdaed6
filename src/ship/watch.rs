//! An event only says "look now": this wakes the scan and does no more.
//!
//! Writing to a file that stays open is no reason to look; closing, creating, renaming and a queue that overflowed are.
//! Where no events come (network file systems, directories that do not exist yet, no watch left), the scan runs by a
//! timer instead, and the timer is shorter then.

use super::scan::{base, depth};
use crate::config::Feed;
use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RemoveKind};
use notify::{RecursiveMode, Watcher};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;

/// Wakes whoever waits when something happens in a feed's directories.
pub(super) struct Alarm {
    watcher: Option<notify::RecommendedWatcher>,
    woken: Arc<Notify>,
    /// The directories, and which one it is that events come from: another may have taken its name.
    bases: BTreeMap<PathBuf, (RecursiveMode, Option<Identity>)>,
}

impl Alarm {
    pub(super) fn new<'f>(feeds: impl Iterator<Item = &'f Feed>) -> Alarm {
        let woken = Arc::new(Notify::new());
        let wake = woken.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error may hide an event.
            if event.map_or(true, |event| event.need_rescan() || worth_a_look(event.kind)) {
                wake.notify_one();
            }
        });
        let watcher = watcher
            .map_err(|error| tracing::warn!("no file events, looking by timer only: {}", explained(&error)))
            .ok();
        let mut bases = BTreeMap::new();
        for pattern in feeds.flat_map(|feed| &feed.paths) {
            let deep = depth(pattern) > 1;
            let mode = if deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            let entry = bases.entry(base(pattern)).or_insert((mode, None));
            if deep {
                entry.0 = mode;
            }
        }
        let mut alarm = Alarm { watcher, woken, bases };
        alarm.arm();
        alarm
    }

    /// Watches what is not watched yet: a directory may have been made meanwhile.
    pub(super) fn arm(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for (base, (mode, watched)) in &mut self.bases {
            let there = identity(base);
            if there.is_some() && *watched == there {
                continue;
            }
            if watched.is_some() {
                // What was watched is gone, and the watch with it.
                let _ = watcher.unwatch(base);
            }
            *watched = match watcher.watch(base, *mode) {
                Ok(()) => there,
                Err(error) => {
                    let why = explained(&error);
                    tracing::info!("no file events from {}, looking by timer: {why}", base.display());
                    None
                }
            };
        }
    }

    /// Whether some directory sends no events.
    pub(super) fn deaf(&self) -> bool {
        self.watcher.is_none() || self.bases.iter().any(|(base, (_, watched))| watched.is_none() || is_remote(base))
    }

    /// Resolves at the next event.
    pub(super) async fn rings(&self) {
        self.woken.notified().await;
    }
}

/// Device and inode of a directory.
type Identity = (u64, u64);

fn identity(dir: &Path) -> Option<Identity> {
    let meta = std::fs::metadata(dir).ok().filter(std::fs::Metadata::is_dir)?;
    Some((meta.dev(), meta.ino()))
}

fn worth_a_look(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Modify(ModifyKind::Name(_)) => true,
        EventKind::Create(CreateKind::Folder) | EventKind::Remove(RemoveKind::Folder) => true,
        // A link, or a file put there whole by a rename from elsewhere, is never closed after writing.
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Metadata(_)) => true,
        EventKind::Any | EventKind::Other => true,
        EventKind::Access(_) | EventKind::Modify(_) | EventKind::Remove(_) => false,
    }
}

/// What the two errors of inotify that a person can mend mean.
fn explained(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "the limit of watches is reached: raise fs.inotify.max_user_watches with sysctl".to_owned()
        }
        notify::ErrorKind::Io(io) if io.raw_os_error() == Some(24) => {
            "the limit of watchers is reached: raise fs.inotify.max_user_instances with sysctl".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Whether a directory lies on a file system whose changes others make unseen.
fn is_remote(dir: &Path) -> bool {
    // NFS, SMB 1 and 2, CIFS, FUSE, 9p, Ceph, AFS.
    const REMOTE: [u32; 8] =
        [0x6969, 0x517b, 0xfe53_4d42, 0xff53_4d42, 0x6573_5546, 0x0102_1997, 0x00c3_6400, 0x5346_414f];
    rustix::fs::statfs(dir).is_ok_and(|stat| u32::try_from(stat.f_type).is_ok_and(|kind| REMOTE.contains(&kind)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ship::testing::feed;
    use std::time::Duration;

    async fn rings(alarm: &Alarm) -> bool {
        tokio::time::timeout(Duration::from_secs(5), alarm.rings()).await.is_ok()
    }

    #[tokio::test]
    async fn a_closed_file_rings_also_in_a_directory_made_later() {
        let dir = tempfile::tempdir().unwrap();
        let feed = feed(&[dir.path().join("**/*.log").to_string_lossy().into_owned()]);
        let alarm = Alarm::new(std::iter::once(&feed));
        assert!(!alarm.deaf());
        std::fs::write(dir.path().join("a.log"), "x").unwrap();
        assert!(rings(&alarm).await);
        std::fs::create_dir(dir.path().join("new")).unwrap();
        assert!(rings(&alarm).await);
        // What was written before the new watch stood is found by the scan that the directory's own event causes.
        tokio::time::sleep(Duration::from_millis(100)).await;
        std::fs::write(dir.path().join("new/b.log"), "x").unwrap();
        assert!(rings(&alarm).await);
    }

    #[tokio::test]
    async fn a_directory_that_another_takes_the_place_of_is_watched_again() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        let feed = feed(&[logs.join("*.log").to_string_lossy().into_owned()]);
        let mut alarm = Alarm::new(std::iter::once(&feed));
        std::fs::rename(&logs, dir.path().join("old")).unwrap();
        std::fs::create_dir(&logs).unwrap();
        alarm.arm();
        while tokio::time::timeout(Duration::from_millis(200), alarm.rings()).await.is_ok() {}
        std::fs::write(logs.join("b.log"), "x").unwrap();
        assert!(rings(&alarm).await);
    }

    #[tokio::test]
    async fn a_directory_that_does_not_exist_yet_is_watched_once_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let feed = feed(&[dir.path().join("later/*.log").to_string_lossy().into_owned()]);
        let mut alarm = Alarm::new(std::iter::once(&feed));
        assert!(alarm.deaf());
        std::fs::create_dir(dir.path().join("later")).unwrap();
        alarm.arm();
        assert!(!alarm.deaf());
        std::fs::write(dir.path().join("later/b.log"), "x").unwrap();
        assert!(rings(&alarm).await);
    }
}
