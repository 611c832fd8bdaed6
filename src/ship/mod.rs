//! From a file on disk to a confirmed shipment.
//!
//! Order of events for one file: scan finds it settled → pack writes it to the spool and the ledger takes it in → an
//! upload address is granted → storage has it → the intent to finalise is recorded, then `done_upload` is called →
//! finalised → the service's counters confirm it → the source is kept, deleted or archived.
//!
//! It never changes a source file, never ships without a ledger row, and never repeats a `done_upload` whose answer
//! was lost. One process at a time works on a state directory; it holds [`Lock`].

pub mod daemon;
pub mod gzip;
mod pack;
mod scan;
mod send;
mod watch;

use crate::config::{After, Feed, Upload};
use crate::domain::TenantName;
use crate::error::{Error, Kind, Result};
use crate::ledger::Ledger;
use crate::service::Service;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What happened, for whoever draws or logs it.
#[derive(Debug, Clone)]
pub enum Event {
    /// A file is being packed.
    Packing {
        /// The source.
        source: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// A file lies in the spool.
    Packed {
        /// Shipment number.
        id: i64,
        /// The source.
        source: PathBuf,
        /// Raw bytes.
        raw: u64,
        /// Bytes to send.
        packed: u64,
    },
    /// Storage has so many bytes.
    Storing {
        /// Shipment number.
        id: i64,
        /// Bytes that storage has.
        sent: u64,
        /// Of so many.
        total: u64,
    },
    /// The service took it.
    Finalised {
        /// Shipment number.
        id: i64,
    },
    /// The counters show that it was processed.
    Confirmed {
        /// Shipment number.
        id: i64,
    },
    /// Something was left out.
    LeftOut {
        /// The file or shipment.
        what: String,
        /// Why, and what to do.
        why: String,
    },
}

/// Takes events; called from the task that ships.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// How a pass ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Shipments that the service took in this pass.
    pub finalised: Vec<i64>,
    /// Files and shipments left out, each with the reason.
    pub left_out: Vec<(String, Error)>,
}

impl Outcome {
    /// The pass as a result: nothing left out, something left out, or credentials refused.
    ///
    /// # Errors
    /// Kind `Credentials` if those were the reason; `Failed` if nothing went through; else `Partial`.
    pub fn result(&self) -> Result<()> {
        let Some((what, first)) = self.left_out.first() else { return Ok(()) };
        let kind = if self.left_out.iter().any(|(_, error)| error.kind() == Kind::Credentials) {
            Kind::Credentials
        } else if self.finalised.is_empty() {
            Kind::Failed
        } else {
            Kind::Partial
        };
        let more = self.left_out.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        let error = Error::new(kind, format!("{what} was not shipped{more}")).cause(first.one_line());
        Err(match first.hint_text() {
            Some(hint) => error.hint(hint),
            None => error,
        })
    }
}

/// The right to ship from a state directory; given back when dropped, also by a crash.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a state directory.
    ///
    /// # Errors
    /// Kind `Locked` when another process has it.
    pub fn take(state_dir: &Path) -> Result<Lock> {
        let path = state_dir.join("lock");
        let failed = |error| Error::failed(format!("cannot lock {}", path.display())).cause(error);
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => {
                Err(Error::new(Kind::Locked, format!("another logweir is shipping from {}", state_dir.display()))
                    .hint("it does the work; see what it does with: logweir status"))
            }
            Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Everything a pass needs.
pub struct Ship {
    ledger: Ledger,
    spool: PathBuf,
    services: BTreeMap<TenantName, Service>,
    upload: Upload,
    events: Events,
    _lock: Lock,
}

impl Ship {
    /// Prepares shipping: recovers what a crash left, and clears half-written spool files.
    ///
    /// # Errors
    /// When the spool cannot be used or the ledger cannot be written.
    pub fn new(
        ledger: Ledger,
        state_dir: &Path,
        services: BTreeMap<TenantName, Service>,
        upload: Upload,
        events: Events,
        lock: Lock,
    ) -> Result<Ship> {
        let spool = state_dir.join("spool");
        let failed = |error| Error::failed(format!("cannot use the spool {}", spool.display())).cause(error);
        std::fs::create_dir_all(&spool).map_err(failed)?;
        for entry in std::fs::read_dir(&spool).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "tmp") {
                std::fs::remove_file(&path).map_err(failed)?;
            }
        }
        ledger.recover()?;
        Ok(Ship { ledger, spool, services, upload, events, _lock: lock })
    }

    /// One pass over the feeds: pack what is new, send what waits, look at the counters. With `wait`, the counters are
    /// watched for the configured time until they tell about everything finalised in this pass.
    ///
    /// # Errors
    /// When the ledger or the spool cannot be used; a file that cannot be shipped is in the outcome instead.
    pub async fn pass(&self, feeds: &[Feed], wait: bool) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        // What waits from before goes first, and makes room in the spool.
        self.send_waiting(feeds, &mut outcome).await?;
        for feed in feeds {
            let found = scan::settled(feed)?;
            for (path, error) in found.left_out {
                self.leave_out(&mut outcome, path.display().to_string(), error);
            }
            for candidate in found.files {
                if self.ledger.seen(&feed.tenant, &feed.name, &candidate.mark)? {
                    continue;
                }
                match self.pack(feed, &candidate).await {
                    Ok(Some(_)) => self.send_waiting(feeds, &mut outcome).await?,
                    Ok(None) => {}
                    Err(error) => self.leave_out(&mut outcome, candidate.path.display().to_string(), error),
                }
            }
        }
        if wait {
            self.confirm(&mut outcome).await?;
        } else {
            self.look(&mut outcome).await?;
        }
        self.report_uncertain(&mut outcome)?;
        Ok(outcome)
    }

    fn leave_out(&self, outcome: &mut Outcome, what: String, error: Error) {
        (self.events)(Event::LeftOut { what: what.clone(), why: error.one_line() });
        outcome.left_out.push((what, error));
    }
}

/// The settled files of a feed that are not known yet, with their lengths; nothing is read or written.
///
/// # Errors
/// When the ledger cannot be read or a pattern is wrong.
pub fn would_ship(ledger: &Ledger, feed: &Feed) -> Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    for candidate in scan::settled(feed)?.files {
        if !ledger.seen(&feed.tenant, &feed.name, &candidate.mark)? {
            files.push((candidate.path, candidate.mark.size));
        }
    }
    Ok(files)
}

/// What is done with the source once the service took it.
fn put_away(after: &After, source: &Path) -> Result<()> {
    let failed = |what: &str, error: std::io::Error| {
        Error::failed(format!("shipped, but cannot {what} {}", source.display())).cause(error)
    };
    match after {
        After::Keep => Ok(()),
        After::Delete => match std::fs::remove_file(source) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("delete", error)),
            _ => Ok(()),
        },
        After::Archive(dir) => {
            std::fs::create_dir_all(dir).map_err(|error| failed("make the archive for", error))?;
            let name = source.file_name().unwrap_or_default().to_string_lossy();
            for number in 0..10_000 {
                let to = dir.join(if number == 0 { name.to_string() } else { format!("{name}.{number}") });
                // A hard link never overwrites; the old name goes only after the new one stands.
                match std::fs::hard_link(source, &to) {
                    Ok(()) => return std::fs::remove_file(source).map_err(|error| failed("move", error)),
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(failed("archive (the archive must be on the same file system)", error)),
                }
            }
            Err(Error::failed(format!("shipped, but the archive is full of files named {name}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_told_that_the_work_is_done_by_another() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        assert_eq!(Lock::take(dir.path()).unwrap_err().kind(), Kind::Locked);
        drop(first);
        assert!(Lock::take(dir.path()).is_ok());
    }

    #[test]
    fn archiving_never_overwrites() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("archive");
        for content in ["one", "two"] {
            let source = dir.path().join("access.log.1");
            std::fs::write(&source, content).unwrap();
            put_away(&After::Archive(archive.clone()), &source).unwrap();
            assert!(!source.exists());
        }
        assert_eq!(std::fs::read_to_string(archive.join("access.log.1")).unwrap(), "one");
        assert_eq!(std::fs::read_to_string(archive.join("access.log.1.1")).unwrap(), "two");
    }
}
