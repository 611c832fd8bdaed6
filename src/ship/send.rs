//! Grant → store → finalise → confirm, for one shipment after the other.
//!
//! The intent to finalise is in the ledger before the call. If the answer is lost, the shipment is uncertain and
//! nothing else is finalised on its data source until the counters have told what happened.

use super::{Event, Outcome, Ship, put_away};
use crate::config::Feed;
use crate::domain::{DataSource, LogType};
use crate::error::{Error, Result};
use crate::ledger::{Baseline, Shipment, Stage};
use crate::service::{FailureKind, Growth, NoBlockLog, Service, StoreOptions, Stream, Target};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Most shipments looked at in one pass.
const BATCH: usize = 1_000;
/// Between two looks at the counters.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Addresses asked for, when one expires while storing.
const GRANTS: u32 = 3;

impl Ship {
    /// Sends what is packed, oldest first; one failing data source does not stop the others.
    pub(super) async fn send_waiting(&self, feeds: &[Feed], outcome: &mut Outcome) -> Result<()> {
        self.resolve_uncertain().await?;
        let uncertain = self.ledger.shipments(&[Stage::Uncertain], BATCH)?;
        let mut blocked: BTreeSet<_> = uncertain.iter().map(|s| (s.tenant.clone(), s.destination.clone())).collect();
        let mut waiting = self.ledger.shipments(&[Stage::Packed], BATCH)?;
        waiting.reverse();
        for shipment in waiting {
            let Some(service) = self.services.get(&shipment.tenant) else { continue };
            let destination = (shipment.tenant.clone(), shipment.destination.clone());
            if blocked.contains(&destination) || outcome.left_out.iter().any(|(what, _)| *what == shipment.source) {
                continue;
            }
            match self.send(service, &shipment).await {
                Ok(()) => {
                    outcome.finalised.push(shipment.id);
                    (self.events)(Event::Finalised { id: shipment.id });
                    let feed = feeds.iter().find(|feed| feed.name == shipment.feed && feed.tenant == shipment.tenant);
                    let after = feed.map_or(Ok(()), |feed| put_away(&feed.after, Path::new(&shipment.source)));
                    if let Err(error) = after {
                        self.leave_out(outcome, shipment.source.clone(), error);
                    }
                }
                Err(error) => {
                    self.leave_out(outcome, shipment.source.clone(), error);
                    blocked.insert(destination);
                }
            }
        }
        Ok(())
    }

    async fn send(&self, service: &Service, shipment: &Shipment) -> Result<()> {
        let id = shipment.id;
        let spool = self.spool.join(&shipment.spool);
        if !spool.is_file() {
            let why = "its spool file is missing";
            self.ledger.advance(id, Stage::Held, Some(why))?;
            return Err(Error::failed(format!("shipment {id} is held"))
                .cause(why)
                .hint(format!("take its file again: logweir forget {id}")));
        }
        let log_type: LogType = shipment.log_type.parse().map_err(Error::failed)?;
        let url = match self.store(service, shipment, &spool, &log_type).await {
            Ok(url) => url,
            Err(failure) => {
                self.ledger.note(id, &failure.message)?;
                return Err(failure.into());
            }
        };
        self.ledger.advance(id, Stage::Stored, None)?;
        let target = if shipment.snapshot {
            Target::Snapshot(shipment.destination.clone())
        } else {
            Target::Continuous(shipment.destination.parse::<DataSource>().map_err(Error::failed)?)
        };
        let baseline = match self.baseline(service, shipment).await {
            Ok(baseline) => baseline,
            Err(error) => {
                self.ledger.advance(id, Stage::Packed, Some(&error.one_line()))?;
                return Err(error);
            }
        };
        self.ledger.finalising(id, baseline)?;
        match service.done_upload(&url, &target).await {
            Ok(_) => {
                self.ledger.advance(id, Stage::Finalised, None)?;
                // The service has it; a spool file that stays costs space only.
                if let Err(error) = std::fs::remove_file(&spool) {
                    tracing::warn!("cannot remove {}: {error}", spool.display());
                }
                Ok(())
            }
            Err(failure) if failure.kind == FailureKind::MaybeDone => {
                self.ledger.advance(id, Stage::Uncertain, Some(&failure.message))?;
                Err(Error::from(failure)
                    .hint("the service's counters will tell whether it arrived; nothing is sent twice"))
            }
            Err(failure) => {
                let held = matches!(failure.kind, FailureKind::UnknownDataSource | FailureKind::Refused);
                self.ledger.advance(id, Stage::Held, Some(&failure.message))?;
                if !held {
                    self.ledger.retry(id)?;
                    self.ledger.note(id, &failure.message)?;
                }
                Err(failure.into())
            }
        }
    }

    /// Asks for an address and stores the spool file there, with a new address when one expires.
    async fn store(
        &self,
        service: &Service,
        shipment: &Shipment,
        spool: &Path,
        log_type: &LogType,
    ) -> std::result::Result<crate::config::secret::SafeUrl, crate::service::Failure> {
        let name = Path::new(&shipment.source).file_name().unwrap_or_default().to_string_lossy();
        let packed = spool.extension().is_some_and(|extension| extension == "gz")
            && !name.ends_with(".gz")
            && !name.ends_with(".zip");
        let name = if packed { format!("{name}.gz") } else { name.into_owned() };
        let (id, total, events) = (shipment.id, shipment.packed, self.events.clone());
        let options = StoreOptions {
            bandwidth: self.upload.bandwidth.map(|cap| cap.0),
            progress: Some(Arc::new(move |sent| events(Event::Storing { id, sent, total }))),
            ..StoreOptions::default()
        };
        for grant in 1.. {
            let granted = service.upload_url(&name, log_type).await?;
            let (_sender, growth) = watch::channel(Growth { len: shipment.packed, finished: true });
            match service.store(&granted, spool, growth, &NoBlockLog, &options).await {
                Ok(_) => return Ok(granted.url),
                Err(failure) if failure.kind == FailureKind::AddressExpired && grant < GRANTS => {
                    tracing::info!(shipment = id, "the upload address was refused; asking for a new one");
                }
                Err(failure) => return Err(failure),
            }
        }
        unreachable!("the loop ends by return")
    }

    /// The counters before a finalisation; none for a snapshot, which has no counters yet.
    async fn baseline(&self, service: &Service, shipment: &Shipment) -> Result<Option<Baseline>> {
        if shipment.snapshot {
            return Ok(None);
        }
        let streams = service.streams().await?;
        let Some(stream) = streams.iter().find(|stream| stream.name == shipment.destination) else {
            let names = streams.iter().map(|stream| stream.name.as_str());
            let near = crate::config::nearest(&shipment.destination, names.clone());
            let error = Error::failed(format!("the service has no data source {:?}", shipment.destination));
            return Err(match near {
                Some(near) => error.hint(format!("did you mean {near:?}?")),
                None => error.hint(format!("it has: {}", names.collect::<Vec<_>>().join(", "))),
            });
        };
        let finalised = self.ledger.shipments(&[Stage::Finalised], BATCH)?;
        let counters = Counters::of(stream);
        let pending = finalised.iter().filter(|s| same_destination(s, shipment) && !counters.include(s.baseline));
        Ok(Some(Baseline { history: counters.history, fails: counters.fails, pending: pending.count() as u64 }))
    }

    /// Looks whether shipments whose answer was lost arrived: the counters grew by more than what was known.
    async fn resolve_uncertain(&self) -> Result<()> {
        let uncertain = self.ledger.shipments(&[Stage::Uncertain], BATCH)?;
        for shipment in uncertain {
            let Some(service) = self.services.get(&shipment.tenant) else { continue };
            let Ok(streams) = service.streams().await else { continue };
            let stream = streams.iter().find(|stream| stream.name == shipment.destination);
            if stream.is_some_and(|stream| Counters::of(stream).include(shipment.baseline)) {
                self.ledger.advance(shipment.id, Stage::Finalised, None)?;
                (self.events)(Event::Finalised { id: shipment.id });
                // As after an ordinary finalisation: the service has it.
                let _ = std::fs::remove_file(self.spool.join(&shipment.spool));
            } else if stream.is_some() && shipment.baseline.is_some() && self.waited_long_enough(&shipment) {
                // Every log that arrived has been counted by now, and this one was not: it never arrived.
                self.ledger.advance(shipment.id, Stage::Packed, Some("it did not arrive; sent again"))?;
            }
        }
        Ok(())
    }

    fn waited_long_enough(&self, shipment: &Shipment) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = Duration::from_secs(u64::try_from(shipment.updated).unwrap_or_default());
        now.saturating_sub(since) > self.upload.uncertain_for
    }

    /// Reports what the counters have not decided yet.
    pub(super) fn report_uncertain(&self, outcome: &mut Outcome) -> Result<()> {
        for shipment in self.ledger.shipments(&[Stage::Uncertain], BATCH)? {
            let error = Error::failed(format!("shipment {} is uncertain", shipment.id))
                .cause(
                    "the answer to done_upload was lost, and the service's counters do not tell yet whether it arrived",
                )
                .hint("later passes decide it by the counters; nothing is sent twice meanwhile");
            if !outcome.left_out.iter().any(|(what, _)| *what == shipment.source) {
                self.leave_out(outcome, shipment.source, error);
            }
        }
        Ok(())
    }

    /// Watches the counters until every finalised shipment is decided or the configured time is over.
    pub(super) async fn confirm(&self, outcome: &mut Outcome) -> Result<()> {
        let until = Instant::now() + self.upload.confirm_for;
        let mut pause = Duration::from_millis(500);
        loop {
            self.look(outcome).await?;
            let left = self.ledger.shipments(&[Stage::Finalised], BATCH)?;
            let undecided = left.iter().any(|s| s.baseline.is_some() && outcome.finalised.contains(&s.id));
            if !undecided || Instant::now() + pause > until {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_EVERY);
        }
    }

    /// One look at the counters of every tenant with undecided shipments.
    pub(super) async fn look(&self, outcome: &mut Outcome) -> Result<()> {
        let finalised = self.ledger.shipments(&[Stage::Finalised], BATCH)?;
        for (tenant, service) in &self.services {
            let ours: Vec<&Shipment> =
                finalised.iter().filter(|s| s.tenant == *tenant && s.baseline.is_some()).collect();
            if ours.is_empty() {
                continue;
            }
            let streams = match service.streams().await {
                Ok(streams) => streams,
                Err(failure) => {
                    self.leave_out(outcome, format!("confirmation for tenant {tenant}"), failure.into());
                    continue;
                }
            };
            for shipment in ours {
                let Some(stream) = streams.iter().find(|stream| stream.name == shipment.destination) else { continue };
                let (counters, Some(baseline)) = (Counters::of(stream), shipment.baseline) else { continue };
                if !counters.include(Some(baseline)) {
                    continue;
                }
                if counters.fails == baseline.fails {
                    self.ledger.advance(shipment.id, Stage::Confirmed, None)?;
                    (self.events)(Event::Confirmed { id: shipment.id });
                } else if baseline.pending == 0 && counters.history == baseline.history + 1 {
                    let why = "the service's parser refused the log; the governance log of the portal says why";
                    self.ledger.advance(shipment.id, Stage::Rejected, Some(why))?;
                    let error = Error::failed(why)
                        .hint(format!("see what it will not take: logweir check {}", shipment.source));
                    self.leave_out(outcome, shipment.source.clone(), error);
                } else {
                    let why = "several logs were processed at once and one of them was refused: which one, the governance log says";
                    self.ledger.note(shipment.id, why)?;
                }
            }
        }
        Ok(())
    }
}

fn same_destination(a: &Shipment, b: &Shipment) -> bool {
    a.tenant == b.tenant && a.destination == b.destination && !a.snapshot
}

/// The counters of a data source.
#[derive(Clone, Copy)]
struct Counters {
    history: u64,
    fails: u64,
}

impl Counters {
    fn of(stream: &Stream) -> Counters {
        let count = Option::unwrap_or_default;
        Counters { history: count(stream.log_files_history_count), fails: count(stream.log_files_fails_count) }
    }

    /// Whether a shipment finalised at `baseline` is in these counters.
    fn include(self, baseline: Option<Baseline>) -> bool {
        baseline.is_some_and(|baseline| self.history > baseline.history + baseline.pending)
    }
}
