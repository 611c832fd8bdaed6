//! The workers: one for each tenant, which sends what its tenant has waiting, some shipments at a time, and looks at the
//! counters. A tenant whose service is down rests and is tried again; the others do not notice.

use super::confirm::Book;
use super::send::{Blocks, Trouble};
use super::{Outcome, Shared};
use crate::domain::{LogType, TenantName};
use crate::error::{Error, Result};
use crate::ledger::Stage;
use crate::service::{Grant, Growth, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// Shipments asked of the ledger at once.
const BATCH: usize = 100;
/// Rest after a failure, doubled with each further one.
const FIRST_REST: Duration = Duration::from_secs(2);
const LONGEST_REST: Duration = Duration::from_secs(300);
/// Between two looks at the counters, doubled while nothing is decided.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LONGEST_LOOK: Duration = Duration::from_secs(20);
/// How often a daemon asks for shipments that a dead process left.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(15);
/// How long a call that must not be cut off may take after we were asked to stop.
const GRACE: Duration = Duration::from_secs(6);

/// How a crew behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Everything is tried once; trouble is reported.
    Once,
    /// Trouble is waited out.
    Daemon,
}

/// What the crew is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Send what comes.
    Work,
    /// Send what is there, watch the counters if wanted, and end.
    Drain { wait: bool },
    /// Park and end.
    Stop,
}

/// How far a worker is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    finalised: u64,
    /// Nothing is under way, and nothing it could begin.
    idle: bool,
}

/// Numbers of shipments that are under way; held while the ledger takes one in that is being stored already.
pub(super) type Busy = Arc<Mutex<BTreeSet<i64>>>;

struct Hand {
    service: Service,
    wake: Arc<Notify>,
    busy: Busy,
    slots: Arc<Semaphore>,
    state: watch::Receiver<State>,
    tell: watch::Sender<State>,
    task: JoinHandle<Outcome>,
}

/// The workers of all tenants.
pub(super) struct Crew {
    shared: Arc<Shared>,
    hands: BTreeMap<TenantName, Hand>,
    order: watch::Sender<Order>,
    moved: Arc<Notify>,
    ahead: JoinSet<()>,
}

impl Crew {
    pub(super) fn start(shared: &Arc<Shared>, mode: Mode) -> Crew {
        let (order, orders) = watch::channel(Order::Work);
        let moved = Arc::new(Notify::new());
        let mut hands = BTreeMap::new();
        for (tenant, service) in &shared.services {
            let (tell, state) = watch::channel(State::default());
            let (wake, busy) = (Arc::new(Notify::new()), Busy::default());
            let slots = Arc::new(Semaphore::new(shared.in_flight()));
            let worker = Worker {
                shared: shared.clone(),
                tenant: tenant.clone(),
                service: service.clone(),
                mode,
                orders: orders.clone(),
                wake: wake.clone(),
                busy: busy.clone(),
                slots: slots.clone(),
                tell: tell.clone(),
                moved: moved.clone(),
                book: Arc::default(),
                outcome: Outcome::default(),
                rests: BTreeMap::new(),
                given_up: BTreeSet::new(),
                look_pause: FIRST_LOOK,
            };
            let task = tokio::spawn(worker.run());
            hands.insert(tenant.clone(), Hand { service: service.clone(), wake, busy, slots, state, tell, task });
        }
        Crew { shared: shared.clone(), hands, order, moved, ahead: JoinSet::new() }
    }

    pub(super) fn stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// Whether a tenant's worker still works.
    pub(super) fn works(&self, tenant: &TenantName) -> bool {
        self.hands.get(tenant).is_some_and(|hand| !hand.task.is_finished())
    }

    pub(super) fn busy(&self, tenant: &TenantName) -> Busy {
        self.hands.get(tenant).map(|hand| hand.busy.clone()).unwrap_or_default()
    }

    /// Something new waits for a tenant's worker.
    pub(super) fn wake(&self, tenant: &TenantName) {
        if let Some(hand) = self.hands.get(tenant) {
            hand.tell.send_modify(|state| state.idle = false);
            hand.wake.notify_one();
        }
    }

    /// Resolves when something was finalised; `false` when nothing will be, because every worker is idle or gone.
    pub(super) async fn progress(&self) -> bool {
        let total = || self.hands.values().map(|hand| hand.state.borrow().finalised).sum::<u64>();
        let before = total();
        loop {
            let moved = self.moved.notified();
            if total() != before {
                return true;
            }
            let working = |hand: &Hand| !hand.task.is_finished() && !hand.state.borrow().idle;
            if self.stopping() || !self.hands.values().any(working) {
                return false;
            }
            tokio::select! {
                () = moved => {}
                // A worker that ended says nothing more.
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
    }

    /// Resolves when a shipment was finalised.
    pub(super) async fn moves(&self) {
        self.moved.notified().await;
    }

    /// Begins to store a shipment that is still being packed, if a slot is free.
    pub(super) fn store_ahead(
        &mut self,
        tenant: &TenantName,
        spool: &str,
        filename: &str,
        log_type: &LogType,
        growth: watch::Receiver<Growth>,
    ) -> Option<Arc<Ahead>> {
        let hand = self.hands.get(tenant).filter(|hand| !hand.task.is_finished())?;
        let slot = hand.slots.clone().try_acquire_owned().ok()?;
        let ahead = Arc::new(Ahead {
            shared: self.shared.clone(),
            blocks: Blocks::new(&self.shared, None, Vec::new()),
            place: Mutex::default(),
            packed: AtomicU64::new(0),
        });
        let (task, service, busy, wake) = (ahead.clone(), hand.service.clone(), hand.busy.clone(), hand.wake.clone());
        let (path, filename, log_type) = (self.shared.spool.path(spool), filename.to_owned(), log_type.clone());
        while self.ahead.try_join_next().is_some() {}
        self.ahead.spawn(async move {
            task.store(&service, &path, &filename, &log_type, growth).await;
            if let Some(id) = task.place().0 {
                busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            }
            drop(slot);
            wake.notify_one();
        });
        Some(ahead)
    }

    /// Lets the workers send what is there and ends them.
    pub(super) async fn finish(mut self, wait: bool) -> Result<Outcome> {
        self.order.send_replace(if self.stopping() { Order::Stop } else { Order::Drain { wait } });
        let mut outcome = Outcome::default();
        for hand in self.hands.into_values() {
            hand.wake.notify_one();
            outcome.merge(hand.task.await.map_err(|_| Error::failed("a worker ended early"))?);
        }
        self.ahead.shutdown().await;
        Ok(outcome)
    }

    /// Parks what is under way and ends the workers.
    pub(super) async fn park(self) -> Result<Outcome> {
        self.shared.stop();
        self.finish(false).await
    }
}

/// A shipment that is stored while it is being packed.
pub(super) struct Ahead {
    shared: Arc<Shared>,
    blocks: Blocks,
    /// The shipment's number once the ledger has it, and its address once it is granted.
    place: Mutex<(Option<i64>, Option<Grant>)>,
    /// Its length, once it is known.
    packed: AtomicU64,
}

impl Ahead {
    fn place(&self) -> (Option<i64>, Option<Grant>) {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The ledger has the shipment now.
    pub(super) fn taken_in(&self, id: i64, packed: u64) {
        self.packed.store(packed, Ordering::Relaxed);
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.0 = Some(id);
        self.keep(&place);
    }

    fn granted(&self, grant: &Grant) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.1 = Some(grant.clone());
        self.keep(&place);
    }

    fn keep(&self, place: &(Option<i64>, Option<Grant>)) {
        if let (Some(id), Some(grant)) = place
            && let Err(error) = self.blocks.attach(*id, grant)
        {
            // Without it a restart begins anew.
            tracing::warn!("{}", error.one_line());
        }
    }

    async fn store(
        self: &Arc<Self>,
        service: &Service,
        spool: &std::path::Path,
        filename: &str,
        log_type: &LogType,
        growth: watch::Receiver<Growth>,
    ) {
        let stored = async {
            let grant = service.upload_url(filename, log_type).await?;
            self.granted(&grant);
            let ahead = self.clone();
            let place = move || Some((ahead.place().0?, ahead.packed.load(Ordering::Relaxed)));
            let options = self.shared.store_options(place);
            service.store(&grant, spool, growth, &self.blocks, &options).await
        };
        match (stored.await, self.place().0) {
            // Storage commits only what the ledger has: the last word of the growth comes after it.
            (Ok(_), Some(id)) => {
                if let Err(error) = self.shared.ledger.advance(id, Stage::Stored, None) {
                    tracing::warn!("{}", error.one_line());
                }
            }
            // The worker takes it up from the spool, and goes on by block where the address is still good.
            (Err(failure), Some(_)) => tracing::info!("{}", failure.message),
            // Nothing was packed: what storage has was never committed.
            (_, None) => {}
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    tenant: TenantName,
    service: Service,
    mode: Mode,
    orders: watch::Receiver<Order>,
    wake: Arc<Notify>,
    busy: Busy,
    slots: Arc<Semaphore>,
    tell: watch::Sender<State>,
    moved: Arc<Notify>,
    book: Arc<Book>,
    outcome: Outcome,
    /// What rests until when, and how long the next rest is; the tenant itself is `None`.
    rests: BTreeMap<Option<String>, (Instant, Duration)>,
    /// Not tried again in this run.
    given_up: BTreeSet<i64>,
    look_pause: Duration,
}

type Flight = (i64, String, String, std::result::Result<(), Trouble>);

impl Worker {
    async fn run(mut self) -> Outcome {
        let mut flying: JoinSet<Flight> = JoinSet::new();
        // What an earlier run left uncertain is decided first: it holds its data source up.
        self.look().await;
        let (mut next_look, mut next_over) = (Instant::now() + FIRST_LOOK, Instant::now() + TAKE_OVER_EVERY);
        loop {
            let order = *self.orders.borrow_and_update();
            if order == Order::Stop || self.shared.stop.load(Ordering::Relaxed) {
                self.park(flying).await;
                return self.outcome;
            }
            if self.rests(None) && self.mode == Mode::Once && flying.is_empty() {
                return self.ended().await;
            }
            let more = self.launch(&mut flying).unwrap_or_else(|error| {
                self.trouble("the ledger".to_owned(), None, error);
                None
            });
            let idle = flying.is_empty() && self.is_idle();
            self.tell.send_if_modified(|state| std::mem::replace(&mut state.idle, idle) != idle);
            if idle {
                self.moved.notify_one();
                if let Order::Drain { wait } = order {
                    // What turns out never to have arrived goes before the end.
                    if wait && self.confirm().await {
                        continue;
                    }
                    return self.ended().await;
                }
            }
            let wake_at = [more, Some(next_look).filter(|_| self.mode == Mode::Daemon), Some(next_over)];
            let wake_at = wake_at.into_iter().flatten().min().unwrap_or(next_over);
            tokio::select! {
                Some(ended) = flying.join_next(), if !flying.is_empty() => {
                    if let Ok(flight) = ended {
                        self.landed(flight).await;
                        self.look_pause = FIRST_LOOK;
                        next_look = next_look.min(Instant::now() + FIRST_LOOK);
                    }
                }
                () = self.wake.notified() => {}
                _ = self.orders.changed() => {}
                () = self.shared.halted() => {}
                () = tokio::time::sleep_until(wake_at) => {}
            }
            if self.mode == Mode::Daemon && Instant::now() >= next_look {
                self.look().await;
                self.look_pause = (self.look_pause * 2).min(LONGEST_LOOK);
                next_look = Instant::now() + self.look_pause;
            }
            if Instant::now() >= next_over {
                next_over = Instant::now() + TAKE_OVER_EVERY;
                if let Err(error) = self.shared.recover() {
                    tracing::warn!("{}", error.one_line());
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn rests(&self, what: Option<&str>) -> bool {
        let rest = self.rests.get(&what.map(str::to_owned));
        rest.is_some_and(|(until, _)| *until > Instant::now() || self.mode == Mode::Once)
    }

    /// Starts what may be sent now. Tells when something that rests may be tried again.
    fn launch(&mut self, flying: &mut JoinSet<Flight>) -> Result<Option<Instant>> {
        let mut next = None;
        if self.rests(None) {
            return Ok(self.rests.get(&None).map(|(until, _)| *until));
        }
        let busy = self.busy.clone();
        let mut busy = busy.lock().unwrap_or_else(PoisonError::into_inner);
        for mut shipment in self.shared.ledger.share(self.shared.owner.name(), &self.tenant, BATCH)? {
            if busy.contains(&shipment.id) || self.given_up.contains(&shipment.id) {
                continue;
            }
            if self.rests(Some(&shipment.destination)) {
                let until = self.rests.get(&Some(shipment.destination.clone())).map(|(until, _)| *until);
                next = [next, until].into_iter().flatten().min();
                continue;
            }
            let Ok(slot) = self.slots.clone().try_acquire_owned() else { break };
            self.retarget(&mut shipment)?;
            busy.insert(shipment.id);
            let (shared, service, book) = (self.shared.clone(), self.service.clone(), self.book.clone());
            flying.spawn(async move {
                let _slot: OwnedSemaphorePermit = slot;
                let ended = shared.send(&service, &shipment, &book).await;
                (shipment.id, shipment.source, shipment.destination, ended)
            });
        }
        Ok(next)
    }

    /// A shipment that waits goes where its feed says now: a mistake in the configuration can be mended.
    fn retarget(&self, shipment: &mut crate::ledger::Shipment) -> Result<()> {
        let Some(feed) = self.shared.feed(&self.tenant, &shipment.feed) else { return Ok(()) };
        let (destination, snapshot) = super::packer::destination(feed);
        let log_type = feed.log_type.as_ref().map_or(shipment.log_type.as_str(), LogType::as_str);
        let same =
            shipment.destination == destination && shipment.snapshot == snapshot && shipment.log_type == log_type;
        if shipment.stage != Stage::Packed || same {
            return Ok(());
        }
        let log_type = log_type.to_owned();
        self.shared.ledger.retarget(shipment.id, destination, snapshot, &log_type)?;
        *shipment = self.shared.ledger.shipment(shipment.id)?;
        Ok(())
    }

    async fn landed(&mut self, (id, source, destination, ended): Flight) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        match ended {
            Ok(()) => {
                self.rests.remove(&None);
                self.rests.remove(&Some(destination));
                if self.mode == Mode::Once {
                    self.outcome.finalised.push(id);
                }
                let failed = self.shared.put_away().await;
                failed.into_iter().for_each(|(what, error)| self.leave(what, error));
                self.tell.send_modify(|state| state.finalised += 1);
                self.moved.notify_one();
            }
            Err(Trouble::Tenant(error)) => self.trouble(source, None, error),
            Err(Trouble::Destination(error)) => self.trouble(source, Some(destination), error),
            Err(Trouble::Shipment(error)) => {
                self.given_up.insert(id);
                self.leave(source, error);
            }
        }
    }

    /// Says what was left out; a run that tries everything once also ends with it.
    fn leave(&mut self, what: String, error: Error) {
        let said = self.shared.left_out(what, error);
        if self.mode == Mode::Once {
            self.outcome.left_out.push(said);
        }
    }

    fn trouble(&mut self, what: String, whom: Option<String>, error: Error) {
        let pause = self.rests.get(&whom).map_or(FIRST_REST, |(_, pause)| (*pause * 2).min(LONGEST_REST));
        self.rests.insert(whom, (Instant::now() + pause, pause));
        self.leave(what, error);
    }

    /// One look at the counters; tells whether something that was uncertain is decided.
    async fn look(&mut self) -> bool {
        let look = tokio::select! {
            biased;
            // Nothing is lost by not knowing yet; a service that takes minutes to answer holds no end up.
            () = self.shared.halted() => return false,
            look = self.shared.look(&self.tenant, &self.service, &self.book) => look,
        };
        match look {
            Ok(look) => {
                for (source, error) in look.rejected {
                    self.leave(source, error);
                }
                if look.freed {
                    self.rests.retain(|whom, _| whom.is_none());
                    self.shared.put_away().await;
                }
                look.freed
            }
            Err(error) => {
                let what = format!("confirmation for tenant {}", self.tenant);
                self.leave(what, error);
                false
            }
        }
    }

    /// Watches the counters until everything is decided or the configured time is over; ends early, with `true`, when
    /// something that was uncertain is decided and may have to be sent again.
    async fn confirm(&mut self) -> bool {
        let until = Instant::now() + self.shared.upload.confirm_for;
        let mut pause = FIRST_LOOK;
        loop {
            let reports = self.outcome.left_out.len();
            if self.look().await {
                return true;
            }
            let failed = self.outcome.left_out.len() > reports;
            let open = self.shared.undecided(&self.tenant).unwrap_or_default();
            if !open || failed || Instant::now() + pause > until || self.shared.stop.load(Ordering::Relaxed) {
                return false;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.halted() => return false,
            }
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    /// The last words of a run that tries everything once.
    async fn ended(mut self) -> Outcome {
        let failed = self.shared.put_away().await;
        failed.into_iter().for_each(|(what, error)| self.leave(what, error));
        if self.mode == Mode::Once {
            self.report_waiting();
        }
        self.outcome
    }

    fn report_waiting(&mut self) {
        for (source, error) in self.shared.uncertain(&self.tenant).unwrap_or_default() {
            if !self.outcome.left_out.iter().any(|(what, _)| *what == source) {
                self.leave(source, error);
            }
        }
        let waiting = self.shared.ledger.backlog(&self.tenant).map_or(0, |(_, waiting)| waiting);
        let said = self.outcome.left_out.len() as u64;
        if waiting > said && !self.outcome.left_out.is_empty() {
            let error = Error::failed(format!("{waiting} shipments of tenant {} wait in the spool", self.tenant))
                .hint("they go with the next upload or watch; logweir status lists them");
            self.leave("the rest".to_owned(), error);
        }
    }

    /// Ends what is under way: storing is cut between two blocks, a finalisation gets its answer.
    async fn park(&mut self, mut flying: JoinSet<Flight>) {
        let until = Instant::now() + GRACE;
        while !flying.is_empty() {
            let finalising = self.shared.ledger.oldest(&self.tenant, Stage::Finalising, BATCH).unwrap_or_default();
            let ours = |s: &crate::ledger::Shipment| s.owner.as_deref() == Some(self.shared.owner.name());
            if Instant::now() >= until || !finalising.iter().any(ours) {
                break;
            }
            tokio::select! {
                Some(ended) = flying.join_next() => {
                    if let Ok((id, _, _, Ok(()))) = ended {
                        self.outcome.finalised.push(id);
                    }
                }
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
        flying.shutdown().await;
    }
}
