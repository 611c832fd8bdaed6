//! From files on disk to confirmed shipments.
//!
//! Order of events: scan finds files settled → plan decides what is new and what is joined → the files are claimed → pack
//! writes one shipment to the spool, and the ledger takes it in → an upload address is granted → storage has it → the
//! intent to finalise is recorded, then `done_upload` is called → finalised → the service's counters confirm it → the
//! sources are kept, deleted or archived. A large shipment is stored while it is still being packed; it is committed
//! there only after the ledger has taken it in.
//!
//! One packer works for all feeds, since it uses every core. Each tenant has a worker of its own that sends: what one
//! service does never delays another. Several processes may work on one state directory: a file is packed, and a
//! shipment sent, by the one that the ledger names as its owner.
//!
//! It never changes a source file, never ships without a ledger row, and never repeats a `done_upload` whose answer
//! was lost.

mod away;
mod confirm;
mod crew;
pub mod daemon;
mod grown;
pub mod gzip;
mod head;
mod judge;
mod look;
mod owner;
mod pack;
mod packer;
mod plan;
mod scan;
mod seal;
mod send;
mod spool;
mod watch;
mod whole;

use crate::config::{Feed, Upload};
use crate::domain::TenantName;
use crate::error::{Error, Kind, Result};
use crate::ledger::Ledger;
use crate::logs::custom::Layouts;
use crate::service::Service;
use owner::Owner;
use seal::Seal;
use spool::Spool;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use judge::NO_TYPE;
pub use look::{Look, look};
pub use packer::{LeftOut, Would, would_ship};

/// What happened, for whoever draws or logs it.
#[derive(Debug, Clone)]
pub enum Event {
    /// A file, or several that are joined, is being packed.
    Packing {
        /// The first source.
        source: PathBuf,
        /// Raw bytes read so far.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// A shipment lies in the spool.
    Packed {
        /// Shipment number.
        id: i64,
        /// The first source.
        source: PathBuf,
        /// How many files it holds, or holds parts of.
        files: u64,
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

/// Takes events; called from the tasks that ship.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// How a pass ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Shipments that the service took in this pass.
    pub finalised: Vec<i64>,
    /// Files and shipments left out, each with the reason.
    pub left_out: Vec<(String, Error)>,
    /// Shipments and files that another process has in hand.
    pub elsewhere: u64,
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

    fn merge(&mut self, other: Outcome) {
        self.finalised.extend(other.finalised);
        self.left_out.extend(other.left_out);
        self.elsewhere += other.elsewhere;
    }
}

/// Everything shipping needs, shared by its tasks.
struct Shared {
    ledger: Ledger,
    state_dir: PathBuf,
    spool: Spool,
    owner: Owner,
    seal: Seal,
    services: BTreeMap<TenantName, Service>,
    feeds: Vec<Arc<Feed>>,
    upload: Upload,
    layouts: Layouts,
    events: Events,
    /// Packed bytes that wait for the wire, over all shipments.
    backlog: gzip::Backlog,
    /// Set when we are asked to stop; looked at between pieces.
    stop: AtomicBool,
    /// The same, for who waits.
    halt: tokio::sync::watch::Sender<bool>,
    /// What was said about what, so that a daemon repeats nothing.
    said: Mutex<BTreeMap<String, String>>,
}

/// Packed bytes always on their way, for a large shipment begins to be sent when it has so many; and packed bytes that
/// mean the wire is the limit.
const ON_THEIR_WAY: u64 = 72 << 20;
const A_LOT: u64 = 192 << 20;
/// Complaints remembered before all are forgotten.
const MOST_SAID: usize = 10_000;

impl Shared {
    fn event(&self, event: Event) {
        if matches!(event, Event::Finalised { .. }) {
            // It works again: the same trouble would be news.
            self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        (self.events)(event);
    }

    fn left_out(&self, what: String, error: Error) -> (String, Error) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= MOST_SAID {
            said.clear();
        }
        let why = error.one_line();
        let again = said.insert(what.clone(), why.clone()).is_some_and(|before| before == why);
        drop(said);
        if !again {
            self.event(Event::LeftOut { what: what.clone(), why });
        }
        (what, error)
    }

    fn feed(&self, tenant: &TenantName, name: &str) -> Option<&Arc<Feed>> {
        self.feeds.iter().find(|feed| feed.tenant == *tenant && feed.name == name)
    }

    /// Bytes of the spool that one tenant may use: an outage of one leaves room for the others.
    fn quota(&self) -> u64 {
        self.upload.spool_max.0 / (self.services.len().max(1) as u64)
    }

    /// Asks everything under way to stop at the next safe point.
    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.halt.send_replace(true);
    }

    /// Resolves when we are asked to stop.
    async fn halted(&self) {
        // The sender lives as long as we do.
        let _ = self.halt.subscribe().wait_for(|halt| *halt).await;
    }

    /// Takes over from processes that are dead.
    fn recover(&self) -> Result<()> {
        for name in self.ledger.owners()? {
            if name != self.owner.name() && !owner::lives(&self.state_dir, &name) {
                self.ledger.recover(Some(&name))?;
            }
        }
        Ok(())
    }
}

/// A process's part in shipping the feeds of a configuration.
#[derive(Clone)]
pub struct Ship {
    shared: Arc<Shared>,
}

impl Ship {
    /// Prepares shipping: registers this process, takes over what dead ones left, clears half-written spool files.
    ///
    /// # Errors
    /// When the state directory cannot be used or the ledger cannot be written.
    pub fn new(
        ledger: Ledger,
        state_dir: &Path,
        services: BTreeMap<TenantName, Service>,
        feeds: Vec<Feed>,
        upload: Upload,
        layouts: Layouts,
        events: Events,
    ) -> Result<Ship> {
        let owner = Owner::register(state_dir)?;
        let spool = Spool::open(state_dir, owner.name(), &ledger)?;
        let seal = Seal::open(state_dir)?;
        // What an earlier version was finalising has no owner.
        ledger.recover(None)?;
        let shared = Shared {
            ledger,
            state_dir: state_dir.to_path_buf(),
            spool,
            owner,
            seal,
            services,
            feeds: feeds.into_iter().map(Arc::new).collect(),
            upload,
            layouts,
            events,
            backlog: gzip::Backlog::new(ON_THEIR_WAY, A_LOT),
            stop: AtomicBool::new(false),
            halt: tokio::sync::watch::Sender::new(false),
            said: Mutex::default(),
        };
        shared.recover()?;
        Ok(Ship { shared: Arc::new(shared) })
    }

    /// One pass over the feeds: pack what is new, send what waits, look at the counters. With `wait`, the counters are
    /// watched for the configured time until they tell about everything finalised in this pass.
    ///
    /// # Errors
    /// When the ledger or the spool cannot be used; a file that cannot be shipped is in the outcome instead.
    pub async fn pass(&self, wait: bool) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        self.shared.put_away().await;
        let mut crew = crew::Crew::start(&self.shared, crew::Mode::Once);
        let packed = packer::Packer::new(&self.shared)?.until_done(&mut crew, &mut outcome).await;
        let ended = crew.finish(wait).await;
        packed?;
        outcome.merge(ended?);
        Ok(outcome)
    }

    /// Asks a pass under way to end at the next safe point: it parks what it stores, and waits for a call that must
    /// not be cut off.
    pub fn stop(&self) {
        self.shared.stop();
    }
}

/// Whether the process that has a shipment in hand lives: a person's orders would cross its work.
///
/// # Errors
/// Kind `Locked` when it does, or when there is no such shipment.
pub fn free(ledger: &Ledger, state_dir: &Path, shipment: i64) -> Result<()> {
    match ledger.shipment(shipment)?.owner {
        Some(name) if owner::lives(state_dir, &name) => {
            let process = name.split('.').next().unwrap_or_default();
            Err(Error::new(
                Kind::Locked,
                format!("another logweir (process {process}) has shipment {shipment} in hand"),
            )
            .hint("it goes on by itself; stop that process first to change what it does"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod testing {
    //! A feed for the tests of this folder.

    use crate::config::{After, Destination, Feed, Join};
    use crate::domain::TenantName;
    use std::time::Duration;

    pub(super) fn feed(paths: &[String]) -> Feed {
        Feed {
            name: "f".to_owned(),
            paths: paths.to_vec(),
            exclude: Vec::new(),
            tenant: TenantName::default_tenant(),
            log_type: Some("SQUID_NATIVE".parse().unwrap()),
            layout: None,
            destination: Destination::Snapshot("s".to_owned()),
            settle: Duration::ZERO,
            after: After::Keep,
            after_confirmed: false,
            hold: false,
            gzip: true,
            join: Join::default(),
        }
    }
}
