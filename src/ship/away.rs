//! What becomes of a source file once the service has it: kept, deleted, or moved to an archive.
//!
//! Done last, and only to a file that still is what was shipped. Remembered in the ledger until it is done, so a crash
//! in between only delays it. One process at a time does it.

use super::Shared;
use super::plan::open;
use super::scan::mark;
use crate::config::After;
use crate::error::{Error, Result};
use crate::ledger::ReadyFile;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Files looked at in one go.
const BATCH: usize = 1_000;
/// Bytes copied between two looks at whether to stop.
const PIECE: u64 = 8 << 20;
/// Numbers tried behind a name that the archive has already.
const MOST_NAMES: u32 = 100_000;

impl Shared {
    /// Puts away every file that is ready; what fails is said and tried again later.
    pub(super) async fn put_away(self: &Arc<Self>) -> Vec<(String, Error)> {
        if self.feeds.iter().all(|feed| feed.after == After::Keep) {
            return Vec::new();
        }
        let shared = self.clone();
        let done = tokio::task::spawn_blocking(move || shared.put_away_now()).await;
        done.unwrap_or_else(|_| Ok(Vec::new())).unwrap_or_else(|error| vec![("archive".to_owned(), error)])
    }

    fn put_away_now(&self) -> Result<Vec<(String, Error)>> {
        let path = self.state_dir.join("away.lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|error| Error::failed(format!("cannot use {}", path.display())).cause(error))?;
        if lock.try_lock().is_err() {
            // Another process is at it.
            return Ok(Vec::new());
        }
        let mut failed = Vec::new();
        for file in self.ledger.ready(BATCH)? {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let Some(feed) = self.feed(&file.tenant, &file.feed) else { continue };
            if feed.after_confirmed && !file.confirmed {
                continue;
            }
            match put_away(&feed.after, &file, &self.stop) {
                Ok(true) => self.ledger.put_away(file.id)?,
                // It was renamed or replaced: the scan finds it where it is now, if it still is.
                Ok(false) => self.ledger.lost(file.id)?,
                Err(_) if self.stop.load(Ordering::Relaxed) => break,
                Err(error) => failed.push((file.path.display().to_string(), error)),
            }
        }
        Ok(failed)
    }
}

/// Does it; whether nothing is left to do.
fn put_away(after: &After, file: &ReadyFile, stop: &AtomicBool) -> Result<bool> {
    let failed = |what: &str, error: std::io::Error| {
        Error::failed(format!("shipped, but cannot {what} {}", file.path.display()))
            .cause(error)
            .hint("let the user logweir runs as write to both directories, or set the feed's after to keep")
    };
    if *after == After::Keep {
        return Ok(true);
    }
    // A name that is gone was put away by somebody else; one that is another file now was rotated.
    match open(&file.path, &file.mark) {
        Ok(Some(_)) => {}
        Ok(None) => return Ok(false),
        Err(error) => return Err(failed("look at", error)),
    }
    match after {
        After::Keep => {}
        After::Delete => std::fs::remove_file(&file.path).map_err(|error| failed("delete", error))?,
        After::Archive(dir) => {
            std::fs::create_dir_all(dir).map_err(|error| failed("make the archive for", error))?;
            archive(file, dir, stop).map_err(|error| failed("archive", error))?;
        }
    }
    Ok(true)
}

fn archive(file: &ReadyFile, dir: &Path, stop: &AtomicBool) -> std::io::Result<()> {
    match into(&file.path, &file.path, dir) {
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {}
        moved => return moved.map(|_| ()),
    }
    // Another file system: a whole copy beside its final name first, and the source goes last.
    let beside = dir.join(format!(".logweir-{}.part", std::process::id()));
    let copied = copy(file, &beside, stop).and_then(|()| into(&beside, &file.path, dir));
    if copied.is_err() {
        // The space is worth more than half a copy.
        let _ = std::fs::remove_file(&beside);
    }
    copied?;
    File::open(dir)?.sync_all()?;
    std::fs::remove_file(&file.path)
}

fn copy(file: &ReadyFile, to: &Path, stop: &AtomicBool) -> std::io::Result<()> {
    let changed = || std::io::Error::other("it changed meanwhile");
    let mut from = open(&file.path, &file.mark)?.ok_or_else(changed)?;
    let mut target = File::create(to)?;
    while std::io::copy(&mut from.by_ref().take(PIECE), &mut target)? > 0 {
        if stop.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("asked to stop"));
        }
    }
    let meta = from.metadata()?;
    if mark(&meta) != file.mark || target.metadata()?.len() != file.mark.size {
        return Err(changed());
    }
    target.set_permissions(meta.permissions())?;
    target.set_modified(meta.modified()?)?;
    target.sync_all()
}

/// Renames `from` into the directory under the name of `named`, with a number behind it where that is taken. Never
/// overwrites.
fn into(from: &Path, named: &Path, dir: &Path) -> std::io::Result<PathBuf> {
    let name = named.file_name().unwrap_or_default();
    for number in 0..MOST_NAMES {
        let mut name = name.to_os_string();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        let to = dir.join(name);
        match renameat_with(CWD, from, CWD, &to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(to),
            Err(Errno::EXIST) => {}
            // A file system that cannot rename so: a link does not overwrite either.
            Err(Errno::INVAL | Errno::NOSYS) => match std::fs::hard_link(from, &to) {
                Ok(()) => return std::fs::remove_file(from).map(|()| to),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error.into()),
        }
    }
    Err(std::io::Error::other("the archive is full of files of this name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TenantName;

    static GO_ON: AtomicBool = AtomicBool::new(false);

    fn ready(path: PathBuf) -> ReadyFile {
        let mark = mark(&std::fs::metadata(&path).unwrap());
        ReadyFile { id: 1, tenant: TenantName::default_tenant(), feed: "f".to_owned(), path, mark, confirmed: true }
    }

    fn archive_two(dir: &Path, archive: &Path) {
        for content in ["one", "two"] {
            let source = dir.join("access.log.1");
            std::fs::write(&source, content).unwrap();
            assert!(put_away(&After::Archive(archive.to_path_buf()), &ready(source.clone()), &GO_ON).unwrap());
            assert!(!source.exists());
        }
        assert_eq!(std::fs::read_to_string(archive.join("access.log.1")).unwrap(), "one");
        assert_eq!(std::fs::read_to_string(archive.join("access.log.1.1")).unwrap(), "two");
        assert_eq!(std::fs::read_dir(archive).unwrap().count(), 2, "nothing half copied stays");
    }

    #[test]
    fn archiving_never_overwrites() {
        let dir = tempfile::tempdir().unwrap();
        archive_two(dir.path(), &dir.path().join("archive"));
    }

    #[test]
    fn archiving_to_another_file_system_copies_and_removes() {
        let dir = tempfile::tempdir().unwrap();
        let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
        archive_two(dir.path(), other.path());
    }

    #[test]
    fn a_copy_that_is_stopped_leaves_the_source_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
        let source = dir.path().join("access.log.1");
        std::fs::write(&source, "one").unwrap();
        let after = After::Archive(other.path().to_path_buf());
        assert!(put_away(&after, &ready(source.clone()), &AtomicBool::new(true)).is_err());
        assert!(source.exists() && std::fs::read_dir(other.path()).unwrap().count() == 0);
    }

    #[test]
    fn a_name_that_is_another_file_now_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log.1");
        std::fs::write(&path, "shipped").unwrap();
        let shipped = ready(path.clone());
        std::fs::rename(&path, dir.path().join("access.log.2")).unwrap();
        std::fs::write(&path, "not yet shipped").unwrap();
        for after in [After::Delete, After::Archive(dir.path().join("archive"))] {
            assert!(!put_away(&after, &shipped, &GO_ON).unwrap());
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not yet shipped");
    }
}
