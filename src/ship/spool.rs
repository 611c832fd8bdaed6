//! The spool: packed shipments on disk, from packing until the service has them.
//!
//! A spool file's name begins with the owner that writes it. A file that no shipment in the ledger needs, and whose
//! owner is dead, is rubbish of a crash.

use super::gzip::Backlog;
use super::owner;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use tokio::sync::watch;

use crate::service::Growth;

/// The spool directory.
#[derive(Debug)]
pub(super) struct Spool {
    dir: PathBuf,
    next: AtomicU64,
}

pub(super) fn unwritable(error: std::io::Error) -> Error {
    Error::failed("cannot write to the spool")
        .cause(error)
        .hint("free space on the disk of the state directory; nothing is lost, a later pass goes on")
}

impl Spool {
    /// Opens the spool and clears what dead processes left half-written.
    pub(super) fn open(state_dir: &Path, own: &str, ledger: &Ledger) -> Result<Spool> {
        let dir = state_dir.join("spool");
        let failed = |error| {
            Error::failed(format!("cannot use the spool {}", dir.display()))
                .cause(error)
                .hint("give the state directory to the user logweir runs as")
        };
        std::fs::create_dir_all(&dir).map_err(failed)?;
        // Listed before the ledger is asked: a file that comes later cannot be taken for rubbish.
        let names: Vec<String> = std::fs::read_dir(&dir)
            .map_err(failed)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        if !names.is_empty() {
            let needed = ledger.needs_spool()?;
            for name in names.iter().filter(|name| !needed.contains(*name)) {
                let writer = name.split('-').next().unwrap_or_default();
                if writer != own && !owner::lives(state_dir, writer) {
                    // What cannot be removed costs space only, and the next start tries again.
                    let _ = std::fs::remove_file(dir.join(name));
                }
            }
        }
        Ok(Spool { dir, next: AtomicU64::new(0) })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A new file of ours.
    pub(super) fn create(&self, own: &str, extension: &str) -> Result<(String, File)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{own}-{number}.{extension}");
        let file = File::options().create_new(true).write(true).open(self.path(&name)).map_err(unwritable)?;
        Ok((name, file))
    }

    /// Makes a written file's name survive a power cut.
    pub(super) fn sync(&self) -> Result<()> {
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(unwritable)
    }

    pub(super) fn remove(&self, name: &str) {
        match std::fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!("cannot remove {}: {error}", self.path(name).display());
            }
            _ => {}
        }
    }

    /// Free bytes on its disk, for people who may not use the reserve; none when the system does not tell.
    pub(super) fn free(&self) -> Option<u64> {
        rustix::fs::statvfs(&self.dir).ok().map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// After so many bytes the disk is told to take what is there.
const WRITE_OUT: u64 = 16 << 20;

/// Has a file brought to the disk while it grows, so that its end does not wait for all of it.
struct WritingOut {
    wake: SyncSender<()>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl WritingOut {
    fn start(file: &File) -> std::io::Result<WritingOut> {
        let (file, (wake, woken)) = (file.try_clone()?, sync_channel(1));
        let work = move || woken.iter().try_for_each(|()| file.sync_data());
        Ok(WritingOut { wake, thread: Builder::new().name("spool".to_owned()).spawn(work)? })
    }

    /// What went wrong is said here and not again by the file.
    fn end(self) -> std::io::Result<()> {
        drop(self.wake);
        self.thread.join().unwrap_or_else(|_| Err(std::io::Error::other("writing out ended early")))
    }
}

/// Where packed bytes go: a spool file that tells how far it has grown.
pub(super) struct Sink {
    file: File,
    bytes: u64,
    /// Bytes when the disk was last told to take them.
    told: u64,
    writing_out: Option<WritingOut>,
    growth: watch::Sender<Growth>,
    /// How much is read.
    read: Arc<AtomicU64>,
    /// How much there is to read, and the most that is made of it.
    bounds: (u64, u64),
    /// What waits to be sent, for compression to follow.
    backlog: Backlog,
}

impl Sink {
    pub(super) fn new(file: File, growth: watch::Sender<Growth>, backlog: Backlog) -> Sink {
        Sink { file, bytes: 0, told: 0, writing_out: None, growth, read: Arc::default(), bounds: (0, 0), backlog }
    }

    /// How far it has grown, for who watches.
    pub(super) fn growth(&self) -> watch::Receiver<Growth> {
        self.growth.subscribe()
    }

    /// There are `total` bytes to read, and after `most` packed ones it ends; answers where to tell how many were read.
    pub(super) fn reads(&mut self, total: u64, most: u64) -> Arc<AtomicU64> {
        self.bounds = (total, most);
        self.read.clone()
    }

    /// What it will come to if it goes on like this. What is read and not here yet is under way, so rather less than more.
    fn expected(&self) -> u64 {
        let (read, (total, most)) = (self.read.load(Ordering::Relaxed), self.bounds);
        let expected = u128::from(self.bytes) * u128::from(total) / u128::from(read.max(1));
        u64::try_from(expected).unwrap_or(u64::MAX).min(most)
    }

    /// Syncs the file; its length and the growth channel come back, for the last word to be said once the ledger knows.
    pub(super) fn finish(mut self) -> std::io::Result<(u64, watch::Sender<Growth>)> {
        self.growth.send_replace(Growth { whole: true, finished: false, ..Growth::done(self.bytes) });
        if let Some(writing_out) = self.writing_out.take() {
            writing_out.end()?;
        }
        self.file.sync_all()?;
        Ok((self.bytes, self.growth))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        self.backlog.added(written as u64);
        self.growth.send_replace(Growth { len: self.bytes, expected: self.expected(), ..Growth::default() });
        if self.bytes - self.told >= WRITE_OUT {
            self.told = self.bytes;
            let writing_out = match self.writing_out.take() {
                Some(writing_out) => writing_out,
                None => WritingOut::start(&self.file)?,
            };
            // When it is busy still it is told later; when it gave up, the end tells why.
            let _ = writing_out.wake.try_send(());
            self.writing_out = Some(writing_out);
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
