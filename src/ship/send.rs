//! Grant → store → finalise, for one shipment.
//!
//! The upload address is kept sealed, with the blocks that storage has, so that a broken upload goes on where it was.
//! The intent to finalise is in the ledger before the call. If the answer is lost, the shipment is uncertain and nothing
//! else is finalised on its data source until the counters have told what happened.

use super::confirm::Book;
use super::{Event, Shared, seal};
use crate::domain::{DataSource, LogType};
use crate::error::Error;
use crate::ledger::{Shipment, Stage, Turn};
use crate::service::{BlockLog, Failure, FailureKind, Grant, Growth, Service, StoreOptions, Target};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Addresses asked for in one go, when one expires while storing.
const GRANTS: u32 = 3;
/// Refused finalisations, each with everything stored anew, before a person has to look.
const MOST_REFUSALS: u64 = 3;
/// How long one waits for its turn on a data source before the others are tried.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a shipment did not go through, and whom else that concerns.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Everything of the tenant.
    Tenant(Error),
    /// Everything for the data source.
    Destination(Error),
    /// This one.
    Shipment(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Tenant(error)
    }
}

fn trouble(failure: Failure) -> Trouble {
    let wide =
        !matches!(failure.kind, FailureKind::Refused | FailureKind::AddressExpired | FailureKind::UnknownDataSource);
    let unknown = failure.kind == FailureKind::UnknownDataSource;
    let error = Error::from(failure);
    match (wide, unknown) {
        (true, _) => Trouble::Tenant(error),
        (_, true) => Trouble::Destination(error),
        _ => Trouble::Shipment(error),
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The blocks of one address: in the ledger once the shipment is there, in memory until then.
pub(super) struct Blocks {
    shared: Arc<Shared>,
    state: Mutex<BlockState>,
}

struct BlockState {
    shipment: Option<i64>,
    done: Vec<(u32, u64)>,
}

impl Blocks {
    pub(super) fn new(shared: &Arc<Shared>, shipment: Option<i64>, done: Vec<(u32, u64)>) -> Blocks {
        Blocks { shared: shared.clone(), state: Mutex::new(BlockState { shipment, done }) }
    }

    /// The ledger has the shipment now: address and blocks so far are kept with it.
    pub(super) fn attach(&self, id: i64, grant: &Grant) -> crate::error::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sealed) = self.shared.seal.seal(id, grant) {
            self.shared.ledger.granted(id, &sealed, &state.done)?;
            state.shipment = Some(id);
        }
        Ok(())
    }
}

impl BlockLog for Blocks {
    fn done(&self) -> Vec<(u32, u64)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).done.clone()
    }

    fn record(&self, index: u32, len: u64) -> crate::error::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.shipment {
            Some(id) => self.shared.ledger.record_block(id, index, len),
            None => {
                state.done.push((index, len));
                Ok(())
            }
        }
    }
}

/// An upload address of before, with the blocks that storage has there.
type Kept = (Grant, crate::ledger::Blocks);

impl Shared {
    /// How storing behaves: what is in flight is bounded over all tenants, and so is the bandwidth.
    /// `place` tells the shipment's number and length, once it has them.
    pub(super) fn store_options(
        self: &Arc<Self>,
        place: impl Fn() -> Option<(i64, u64)> + Send + Sync + 'static,
    ) -> StoreOptions {
        let tenants = self.services.len().max(1);
        let (events, backlog, gone) = (self.events.clone(), self.backlog.clone(), AtomicU64::new(0));
        let progress = move |sent: u64| {
            let before = gone.fetch_max(sent, Ordering::Relaxed);
            backlog.gone(sent.saturating_sub(before));
            if let Some((id, total)) = place() {
                events(Event::Storing { id, sent, total: total.max(sent) });
            }
        };
        StoreOptions {
            parallel: (12 / tenants).clamp(1, 4),
            bandwidth: self.upload.bandwidth.map(|cap| cap.0.max(1)),
            progress: Some(Arc::new(progress)),
        }
    }

    /// Shipments of one tenant that may be stored at once. With a cap on bandwidth a second one gains nothing.
    pub(super) fn in_flight(&self) -> usize {
        if self.services.len() <= 2 && self.upload.bandwidth.is_none() { 2 } else { 1 }
    }

    /// Brings a packed or stored shipment to finalised.
    pub(super) async fn send(
        self: &Arc<Self>,
        service: &Service,
        shipment: &Shipment,
        book: &Book,
    ) -> Result<(), Trouble> {
        let id = shipment.id;
        let mut stage = shipment.stage;
        for _ in 0..=MOST_REFUSALS {
            let kept = self.kept_grant(id)?;
            let grant = match (stage, kept) {
                (Stage::Stored, Some((grant, _))) => grant,
                (Stage::Stored, None) => {
                    // Its address is gone or has expired: what was stored there cannot be finalised.
                    self.ledger.advance(id, Stage::Packed, Some("its upload address expired"))?;
                    self.store(service, shipment, None).await?
                }
                (_, kept) => self.store(service, shipment, kept).await?,
            };
            if self.finalise(service, shipment, &grant, book).await? {
                return Ok(());
            }
            stage = Stage::Packed;
        }
        Err(Trouble::Shipment(Error::failed(format!("shipment {id} is refused again and again"))))
    }

    fn kept_grant(&self, id: i64) -> crate::error::Result<Option<Kept>> {
        let Some((sealed, blocks)) = self.ledger.grant(id)? else { return Ok(None) };
        let grant = self.seal.unseal(id, &sealed).filter(|grant| !seal::expired(grant, now()));
        Ok(grant.map(|grant| (grant, blocks)))
    }

    /// Stores the spool file, with a new address when one expires; a kept address goes on by block.
    async fn store(
        self: &Arc<Self>,
        service: &Service,
        shipment: &Shipment,
        mut kept: Option<Kept>,
    ) -> Result<Grant, Trouble> {
        let id = shipment.id;
        let spool = self.spool.path(&shipment.spool);
        let intact = std::fs::metadata(&spool).is_ok_and(|meta| meta.len() == shipment.packed);
        if !intact {
            let why = "its spool file is missing or damaged";
            self.ledger.advance(id, Stage::Held, Some(why))?;
            let hint = format!("take its files again: logweir forget {id}");
            return Err(Trouble::Shipment(Error::failed(format!("shipment {id} is held")).cause(why).hint(hint)));
        }
        let log_type: LogType = shipment.log_type.parse().map_err(Error::failed)?;
        let options = self.store_options({
            let place = Some((id, shipment.packed));
            move || place
        });
        let mut expired = 0;
        loop {
            let (grant, blocks) = match kept.take() {
                Some((grant, done)) => (grant, Blocks::new(self, Some(id), done)),
                None => {
                    let grant = service.upload_url(&name_of(shipment), &log_type).await;
                    let grant = grant.map_err(|failure| self.noted(id, failure))?;
                    let blocks = Blocks::new(self, None, Vec::new());
                    blocks.attach(id, &grant)?;
                    (grant, blocks)
                }
            };
            let (_sender, growth) = watch::channel(Growth::done(shipment.packed));
            match service.store(&grant, &spool, growth, &blocks, &options).await {
                Ok(_) => {
                    self.ledger.advance(id, Stage::Stored, None)?;
                    return Ok(grant);
                }
                Err(failure) if failure.kind == FailureKind::AddressExpired && expired < GRANTS => {
                    expired += 1;
                    tracing::info!(shipment = id, "the upload address was refused; asking for a new one");
                    self.ledger.ungrant(id)?;
                }
                Err(failure) => return Err(self.noted(id, failure)),
            }
        }
    }

    /// The failure, noted with the shipment.
    fn noted(&self, id: i64, failure: Failure) -> Trouble {
        match self.ledger.note(id, &failure.message) {
            Ok(()) => trouble(failure),
            Err(error) => Trouble::Tenant(error),
        }
    }

    /// Finalises a stored shipment. `false` when it was refused and has to be stored anew.
    async fn finalise(
        &self,
        service: &Service,
        shipment: &Shipment,
        grant: &Grant,
        book: &Book,
    ) -> Result<bool, Trouble> {
        let id = shipment.id;
        let target = if shipment.snapshot {
            Target::Snapshot(shipment.destination.clone())
        } else {
            Target::Continuous(shipment.destination.parse::<DataSource>().map_err(Error::failed)?)
        };
        let started = tokio::time::Instant::now();
        loop {
            // Read anew while waiting: the counters must not be older than the turn by much.
            let counters = if shipment.snapshot { None } else { book.counters(service, &shipment.destination).await? };
            match self.ledger.finalising(id, counters)? {
                Turn::Yours => break,
                Turn::Later if started.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(50)).await,
                Turn::Later => {
                    let error = Error::failed("another shipment of the data source is being finalised");
                    return Err(Trouble::Destination(error.hint("it is tried again by itself")));
                }
                Turn::Blocked(other) => {
                    let error = Error::failed(format!("shipment {id} waits until shipment {other} is decided"))
                        .cause(
                            "the answer to that one's last step was lost, and the service's counters do not tell yet",
                        )
                        .hint("later passes decide it by the counters; nothing is sent twice meanwhile");
                    return Err(Trouble::Destination(error));
                }
            }
        }
        match service.done_upload(&grant.url, &target).await {
            Ok(_) => {
                self.ledger.finalised(id)?;
                self.spool.remove(&shipment.spool);
                self.event(Event::Finalised { id });
                Ok(true)
            }
            Err(failure) if failure.kind == FailureKind::MaybeDone => {
                self.ledger.advance(id, Stage::Uncertain, Some(&failure.message))?;
                let error = Error::from(failure)
                    .hint("the service's counters will tell whether it arrived; nothing is sent twice");
                Err(Trouble::Destination(error))
            }
            Err(failure) if failure.kind == FailureKind::Refused => {
                let stage = self.ledger.refused(id, &failure.message, MOST_REFUSALS)?;
                if stage == Stage::Packed {
                    return Ok(false);
                }
                let hint = format!("see why in the portal's governance log, then: logweir retry {id}");
                Err(Trouble::Shipment(Error::from(failure).hint(hint)))
            }
            Err(failure) => {
                // It surely did not take place: what is stored stays good.
                self.ledger.advance(id, Stage::Stored, Some(&failure.message))?;
                Err(trouble(failure))
            }
        }
    }
}

/// The file name to tell the service; shipments of an older ledger have none recorded.
fn name_of(shipment: &Shipment) -> String {
    if !shipment.filename.is_empty() {
        return shipment.filename.clone();
    }
    let name = Path::new(&shipment.source).file_name().unwrap_or_default().to_string_lossy();
    let packed = shipment.spool.ends_with(".gz") && !name.ends_with(".gz") && !name.ends_with(".zip");
    if packed { format!("{name}.gz") } else { name.into_owned() }
}
