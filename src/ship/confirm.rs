//! The service's counters: what they say about shipments that were finalised, or that may have been.
//!
//! A data source counts the logs it processed and those its parser refused. Compared with the counters before a
//! finalisation, they tell whether a log arrived and what became of it.

use super::{Event, Shared};
use crate::domain::TenantName;
use crate::error::{Error, Result};
use crate::ledger::{Baseline, Shipment, Stage};
use crate::service::{Failure, Service, Stream};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Most shipments looked at in one go.
const BATCH: usize = 1_000;
/// Counters this old still serve as a baseline: what was finalised since is in the ledger.
const FRESH: Duration = Duration::from_secs(5);

/// The counters of a data source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counters {
    history: u64,
    fails: u64,
}

impl Counters {
    /// None when the service does not count: then nothing can be decided by counting.
    fn of(stream: &Stream) -> Option<Counters> {
        let history = stream.log_files_history_count?;
        Some(Counters { history, fails: stream.log_files_fails_count.unwrap_or_default() })
    }

    /// Whether a shipment finalised at `baseline` is in these counters.
    fn include(self, baseline: Baseline) -> bool {
        self.history > baseline.history + baseline.pending
    }
}

/// The tenant's continuous reports as last read.
#[derive(Default)]
pub(super) struct Book {
    read: tokio::sync::Mutex<Option<(Instant, Vec<Stream>)>>,
    /// Where another look would not help, for messages.
    names: Mutex<Vec<String>>,
}

impl Book {
    async fn streams(&self, service: &Service, oldest: Duration) -> std::result::Result<Vec<Stream>, Failure> {
        let mut read = self.read.lock().await;
        if let Some((at, streams)) = &*read
            && at.elapsed() < oldest
        {
            return Ok(streams.clone());
        }
        let streams = service.streams().await?;
        let names = streams.iter().map(|stream| stream.name.clone()).collect();
        *self.names.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = names;
        *read = Some((Instant::now(), streams.clone()));
        Ok(streams)
    }

    /// History and fails of a data source before a finalisation; none when the service does not count.
    pub(super) async fn counters(
        &self,
        service: &Service,
        destination: &str,
    ) -> std::result::Result<Option<(u64, u64)>, super::send::Trouble> {
        use super::send::Trouble;
        let streams = self.streams(service, FRESH).await.map_err(|failure| Trouble::Tenant(failure.into()))?;
        if let Some(stream) = streams.iter().find(|stream| stream.name == destination) {
            return Ok(Counters::of(stream).map(|counters| (counters.history, counters.fails)));
        }
        // It may have been made a moment ago.
        self.read.lock().await.take();
        let names = streams.iter().map(|stream| stream.name.as_str());
        let near = crate::domain::nearest(destination, names.clone());
        let error = Error::failed(format!("the service has no data source {destination:?}"));
        Err(Trouble::Destination(match near {
            Some(near) => error.hint(format!("did you mean {near:?}?")),
            None => error.hint(format!("it has: {}", names.collect::<Vec<_>>().join(", "))),
        }))
    }
}

/// What the counters say about shipments of one data source.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Every log counted so far was taken: these are confirmed.
    Confirmed(Vec<i64>),
    /// All of them are counted, and all were refused.
    Rejected(Vec<i64>),
    /// All of them are counted, and some were refused: which, only the portal tells.
    Mixed(Vec<i64>),
    /// Too early.
    Later,
}

/// Decides about the finalised shipments of one data source. `explained` are refusals that belong to others.
fn decide(outstanding: &[(i64, Baseline)], counters: Counters, explained: u64) -> Verdict {
    let Some(before) = outstanding.iter().map(|(_, baseline)| baseline.fails).min() else { return Verdict::Later };
    let refused = counters.fails.saturating_sub(before).saturating_sub(explained);
    let counted = outstanding.iter().filter(|(_, baseline)| counters.include(*baseline));
    let counted: Vec<i64> = counted.map(|(id, _)| *id).collect();
    if counted.is_empty() {
        return Verdict::Later;
    }
    let all = counted.len() == outstanding.len();
    match refused {
        0 => Verdict::Confirmed(counted),
        // Which of them was refused is clear only when all of them are counted.
        _ if !all => Verdict::Later,
        refused if refused >= counted.len() as u64 => Verdict::Rejected(counted),
        _ => Verdict::Mixed(counted),
    }
}

/// What a look at the counters came to.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Shipments that the parser refused.
    pub rejected: Vec<(String, Error)>,
    /// Whether another look may tell more.
    pub undecided: bool,
    /// Whether something that was uncertain is decided.
    pub freed: bool,
}

impl Shared {
    /// Whether a look at the counters could tell anything.
    pub(super) fn undecided(&self, tenant: &TenantName) -> Result<bool> {
        let open = |stage| self.ledger.oldest(tenant, stage, BATCH);
        let any = |list: Vec<Shipment>| list.iter().any(|s| s.baseline.is_some() && s.reason.is_none());
        Ok(!open(Stage::Uncertain)?.is_empty() || any(open(Stage::Finalised)?))
    }

    /// One look at the counters of a tenant: decides what was uncertain, then what was finalised.
    pub(super) async fn look(
        &self,
        tenant: &TenantName,
        service: &Service,
        book: &Book,
    ) -> std::result::Result<Look, Error> {
        let mut look = Look::default();
        if !self.undecided(tenant)? {
            return Ok(look);
        }
        let streams = book.streams(service, Duration::ZERO).await?;
        let counters: BTreeMap<&str, Counters> =
            streams.iter().filter_map(|stream| Some((stream.name.as_str(), Counters::of(stream)?))).collect();
        for shipment in self.ledger.oldest(tenant, Stage::Uncertain, BATCH)? {
            look.freed |= self.resolve(&shipment, counters.get(shipment.destination.as_str()).copied())?;
        }
        let mut places: BTreeMap<String, Vec<(i64, Baseline)>> = BTreeMap::new();
        for shipment in self.ledger.oldest(tenant, Stage::Finalised, BATCH)? {
            if let (Some(baseline), None, false) = (shipment.baseline, &shipment.reason, shipment.snapshot) {
                places.entry(shipment.destination).or_default().push((shipment.id, baseline));
            }
        }
        for (destination, outstanding) in places {
            let Some(counters) = counters.get(destination.as_str()) else { continue };
            let oldest = outstanding.iter().map(|(_, baseline)| baseline.history).min().unwrap_or_default();
            let explained = self.ledger.rejected_since(tenant, &destination, oldest)?;
            self.decided(decide(&outstanding, *counters, explained), &mut look)?;
        }
        look.undecided = self.undecided(tenant)?;
        Ok(look)
    }

    fn decided(&self, verdict: Verdict, look: &mut Look) -> Result<()> {
        match verdict {
            Verdict::Later => {}
            Verdict::Confirmed(ids) => {
                for id in ids {
                    // Another process that looks as well may have been faster.
                    if self.ledger.advance(id, Stage::Confirmed, None).is_ok() {
                        self.event(Event::Confirmed { id });
                    }
                }
            }
            Verdict::Rejected(ids) => {
                for id in ids {
                    let why = "the service's parser refused the log; the governance log of the portal says why";
                    if self.ledger.advance(id, Stage::Rejected, Some(why)).is_ok() {
                        let source = self.ledger.shipment(id)?.source;
                        let error =
                            Error::failed(why).hint(format!("see what it will not take: logweir check {source}"));
                        look.rejected.push((source, error));
                    }
                }
            }
            Verdict::Mixed(ids) => {
                let why = format!(
                    "{} logs were processed together and some of them refused: which, the portal's governance log says",
                    ids.len()
                );
                for id in ids {
                    self.ledger.note(id, &why)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a shipment whose answer was lost arrived: the counters grew by more than what was known. Nothing else is
    /// finalised on its data source meanwhile, so the sum is exact.
    fn resolve(&self, shipment: &Shipment, counters: Option<Counters>) -> Result<bool> {
        let (Some(counters), Some(baseline)) = (counters, shipment.baseline) else { return Ok(false) };
        if counters.include(baseline) {
            if self.ledger.finalised(shipment.id).is_ok() {
                self.event(Event::Finalised { id: shipment.id });
                self.spool.remove(&shipment.spool);
            }
            return Ok(true);
        }
        if self.waited_long_enough(shipment) {
            // Every log that arrived has been counted by now, and this one was not: it never arrived.
            let freed = self
                .ledger
                .retry(shipment.id)
                .and_then(|()| self.ledger.note(shipment.id, "it did not arrive; sent again"));
            return Ok(freed.is_ok());
        }
        Ok(false)
    }

    fn waited_long_enough(&self, shipment: &Shipment) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = Duration::from_secs(u64::try_from(shipment.updated).unwrap_or_default());
        now.saturating_sub(since) > self.upload.uncertain_for
    }

    /// What the counters have not decided yet.
    pub(super) fn uncertain(&self, tenant: &TenantName) -> Result<Vec<(String, Error)>> {
        let list = self.ledger.oldest(tenant, Stage::Uncertain, BATCH)?;
        let say = |shipment: Shipment| {
            let error = Error::failed(format!("shipment {} is uncertain", shipment.id)).cause(
                "the answer to done_upload was lost, and the service's counters do not tell yet whether it arrived",
            );
            let hint = if shipment.baseline.is_some() {
                "later passes decide it by the counters; nothing is sent twice meanwhile".to_owned()
            } else {
                format!(
                    "the service does not count here: look in the portal, then logweir retry or forget {}",
                    shipment.id
                )
            };
            (shipment.source, error.hint(hint))
        };
        Ok(list.into_iter().map(say).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_decide_only_what_they_tell() {
        use Verdict::{Confirmed, Later, Mixed, Rejected};
        // Two shipments finalised after another at (10, 0): one pending before the second.
        let baseline = |pending| Baseline { history: 10, fails: 0, pending };
        let two = [(1, baseline(0)), (2, baseline(1))];
        let rows = [
            ("nothing was counted", (10, 0), 0, Later),
            ("the first was counted and taken", (11, 0), 0, Confirmed(vec![1])),
            ("one was counted and refused, either of them", (11, 1), 0, Later),
            ("both were taken", (12, 0), 0, Confirmed(vec![1, 2])),
            ("both were refused", (12, 2), 0, Rejected(vec![1, 2])),
            ("one of both was refused", (12, 1), 0, Mixed(vec![1, 2])),
            ("the refusal belongs to an earlier one", (12, 1), 1, Confirmed(vec![1, 2])),
        ];
        for (what, (history, fails), explained, expected) in rows {
            assert_eq!(decide(&two, Counters { history, fails }, explained), expected, "{what}");
        }
        assert_eq!(decide(&[], Counters { history: 1, fails: 1 }, 0), Later);
    }
}
