//! `logweir block publish`: the configured lists, from their sources to the appliance, now; and the watcher's part.

use super::lists::{self, Listed};
use super::{Context, connect};
use crate::block::publish::program::stopped;
use crate::block::publish::snapshot::{Left, Moved, Snapshot};
use crate::block::publish::{self, Orders, Outcome, Report, World};
use crate::block::report::Word;
use crate::config::Config;
use crate::domain::{TenantName, Urgency};
use crate::error::{Error, Kind, Result};
use crate::service::{BlockType, BlockedApp, Service};
use crate::ui::{Format, Table, escape};
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// Publish the configured lists: fetch, guard, render, check, put in place
#[derive(Debug, Args)]
pub struct Publish {
    /// Publish only this list; repeatable
    #[arg(long = "list", value_name = "NAME")]
    lists: Vec<String>,
    /// Publish what is held: too large a change, a file that is not ours, a newer verdict after a rollback
    #[arg(long)]
    accept: bool,
    /// Publish an empty list in place of a full one
    #[arg(long)]
    accept_empty: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Tenants with their connected services, and what each said last: several lists of one round cost one fetch.
pub(in crate::cli) struct Services {
    tenants: BTreeMap<TenantName, Tap>,
    good_for: Duration,
}

struct Tap {
    service: Service,
    last: Mutex<Option<(Instant, Arc<Vec<BlockedApp>>)>>,
}

impl Services {
    /// The connected services of all tenants whose verdict these lists want; an answer is good for this long.
    pub(super) fn connect(
        context: &mut Context<'_>,
        config: &Config,
        world: &World,
        lists: &[Listed],
        urgency: Urgency,
        good_for: Duration,
    ) -> Result<Services> {
        let mut tenants = BTreeMap::new();
        for list in lists.iter().filter(|list| list.asks_service()) {
            let tenant = &list.target.tenant;
            if !tenants.contains_key(tenant) {
                let service = connect::service(context, config, tenant, &world.ledger, urgency)?;
                tenants.insert(tenant.clone(), Tap { service, last: Mutex::default() });
            }
        }
        Ok(Services { tenants, good_for })
    }

    /// The banned apps of a tenant.
    pub(super) async fn banned(&self, tenant: &TenantName) -> Result<Arc<Vec<BlockedApp>>> {
        let tap = self.tenants.get(tenant).ok_or_else(|| Error::usage(format!("no tenant {tenant} is configured")))?;
        let mut last = tap.last.lock().await;
        if let Some((at, apps)) = &*last
            && at.elapsed() < self.good_for
        {
            return Ok(apps.clone());
        }
        let apps = Arc::new(tap.service.block_pages(BlockType::Banned).await?);
        *last = Some((Instant::now(), apps.clone()));
        Ok(apps)
    }
}

/// For a command that is over soon, one fetch is enough.
pub(super) const ONE_FETCH: Duration = Duration::from_secs(600);

/// Where publishing happens, and who says when to stop.
pub(in crate::cli) fn world(context: &Context<'_>, config: &Config) -> Result<(watch::Sender<bool>, World)> {
    let (tell, stop) = watch::channel(false);
    let path = context.env.var("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin").to_owned();
    let ledger = connect::ledger(config)?;
    Ok((tell, World { ledger, state_dir: config.state_dir.clone(), path, stop }))
}

/// Runs work that stops by itself when a person or the service manager asks to.
pub(in crate::cli) fn stoppable<T>(tell: &watch::Sender<bool>, work: impl Future<Output = Result<T>>) -> Result<T> {
    crate::cli::runtime()?.block_on(async {
        let stopped = crate::cli::interrupted()?;
        let asked = async {
            stopped.await;
            // The work holds the other end.
            let _ = tell.send(true);
            std::future::pending().await
        };
        tokio::select! {
            // Told first, so that work which could end at this moment hears of it.
            biased;
            () = asked => Err(interrupted()),
            ended = work => ended,
        }
    })
}

/// One list: its sources, then the publication. Asked to stop while sources are read, nothing has happened.
async fn publish_one(list: &Listed, services: &Services, orders: Orders, world: &World) -> Result<Report> {
    let mut stop = world.stop.clone();
    let verdict = tokio::select! {
        biased;
        () = stopped(&mut stop) => return Err(interrupted()),
        verdict = list.verdict(services) => verdict?,
    };
    publish::publish(&list.target, &verdict, &list.guards, orders, world).await
}

pub(super) fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "interrupted").hint("nothing was published")
}

impl Publish {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        let lists = lists::wanted(&config, &self.lists)?;
        let (tell, world) = world(context, &config)?;
        let services = Services::connect(context, &config, &world, &lists, Urgency::Human, ONE_FETCH)?;
        let orders = Orders { accept: self.accept, accept_empty: self.accept_empty, dry_run: self.dry_run };
        let results = stoppable(&tell, async {
            let mut results = Vec::new();
            for list in &lists {
                let result = publish_one(list, &services, orders, &world).await;
                let stop = result.as_ref().is_err_and(|error| error.kind() == Kind::Interrupted);
                results.push((list.target.name.clone(), result));
                if stop {
                    break;
                }
            }
            Ok(results)
        })?;
        hand_over(context, results)
    }
}

/// Tells what came of each list; the first failure is the command's.
pub(in crate::cli) fn hand_over(context: &mut Context<'_>, results: Vec<(String, Result<Report>)>) -> Result<()> {
    let mut held = Vec::new();
    let mut errors = Vec::new();
    let mut documents = Vec::new();
    let mut table = Table::new(&["list", "outcome", "version", "added", "removed", "detail"]);
    for (name, result) in results {
        match result {
            Ok(report) => {
                if context.ui.format == Format::Text {
                    tell(context, &report);
                }
                documents.push(document(&report));
                let detail = match &report.outcome {
                    Outcome::Held(why, _) => Some(why.clone()),
                    _ => None,
                };
                table.row([
                    name.clone().into(),
                    word(&report.outcome).into(),
                    report.version.map(u64::from).into(),
                    report.change.added.len().into(),
                    report.change.removed.len().into(),
                    detail.into(),
                ]);
                if let Outcome::Held(why, hint) = &report.outcome {
                    held.push((name, why.clone(), hint.clone()));
                }
            }
            Err(error) => {
                documents.push(json!({ "list": name, "outcome": "failed", "error": error.one_line() }));
                table.row([
                    name.into(),
                    "failed".into(),
                    None::<u64>.into(),
                    0_u64.into(),
                    0_u64.into(),
                    error.one_line().into(),
                ]);
                errors.push(error);
            }
        }
    }
    match context.ui.format {
        Format::Json => context.ui.json(&json!({ "lists": documents }))?,
        Format::Csv => context.ui.table("lists", &table)?,
        Format::Text => {}
    }
    let worst = errors.iter().position(|error| error.kind() == Kind::Interrupted).unwrap_or(0);
    let ended = (!errors.is_empty()).then(|| errors.remove(worst));
    for error in errors {
        context.ui.error(&error);
    }
    for (name, why, _) in held.iter().skip(usize::from(ended.is_none())) {
        context.ui.warn(format!("the list {name} is held: {why}"));
    }
    match (ended, held.into_iter().next()) {
        (Some(error), _) => Err(error),
        (None, Some((name, why, hint))) => {
            Err(Error::new(Kind::Partial, format!("the list {name} is held")).cause(why).hint(hint))
        }
        (None, None) => Ok(()),
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Unchanged => "unchanged",
        Outcome::Published => "published",
        Outcome::WouldPublish => "would publish",
        Outcome::Held(..) => "held",
    }
}

/// Left-out entries that are told one by one.
const SHOWN: usize = 20;

/// The lines about one list; a list that stayed as it is gets one line, and none when quiet.
fn sentences(report: &Report) -> Vec<String> {
    let version = report.version.map(|version| format!(" version {version}")).unwrap_or_default();
    let (added, removed) = (report.change.added.len(), report.change.removed.len());
    let mut lines = Vec::new();
    let by = report.checked_by.map(|program| format!(", checked by {program}")).unwrap_or_default();
    match &report.outcome {
        Outcome::Unchanged => lines.push(format!("unchanged  {}{version}", report.list)),
        Outcome::Published => {
            lines.push(format!("published  {}{version}: +{added} -{removed} entries{by}", report.list))
        }
        Outcome::WouldPublish => lines.push(format!("would publish {}: +{added} -{removed} entries", report.list)),
        Outcome::Held(..) => {}
    }
    lines.extend(report.notes.iter().map(|note| format!("note       {}: {note}", report.list)));
    if matches!(report.outcome, Outcome::Published | Outcome::WouldPublish) {
        for Left(value, word, why) in report.left.iter().take(SHOWN) {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            lines.push(format!("{:<10} {}: {value}{why}", word.replace('_', " "), report.list));
        }
        if report.left.len() > SHOWN {
            let more = report.left.len() - SHOWN;
            lines.push(format!("and more   {}: {more}; --format json tells them", report.list));
        }
    }
    lines.iter().map(|line| escape::terminal(line).into_owned()).collect()
}

fn tell(context: &mut Context<'_>, report: &Report) {
    for line in sentences(report) {
        context.ui.note(line);
    }
}

pub(super) fn moved(entries: &[Moved]) -> Value {
    let row =
        |entry: &Moved| json!({ "scope": entry.scope, "value": entry.value, "apps": entry.apps, "until": entry.until });
    entries.iter().map(row).collect()
}

fn document(report: &Report) -> Value {
    let summary: Map<String, Value> =
        Word::ALL.into_iter().map(|word| (word.key().to_owned(), report.counts.get(word).into())).collect();
    let left: Vec<Value> = report
        .left
        .iter()
        .map(|Left(value, outcome, detail)| json!({ "value": value, "outcome": outcome, "detail": detail }))
        .collect();
    let held = match &report.outcome {
        Outcome::Held(why, hint) => json!({ "why": why, "hint": hint }),
        _ => Value::Null,
    };
    json!({
        "list": report.list, "outcome": word(&report.outcome).replace(' ', "_"), "version": report.version,
        "added": moved(&report.change.added), "removed": moved(&report.change.removed),
        "apps_added": report.change.apps_added, "apps_removed": report.change.apps_removed,
        "ended": report.change.ended, "summary": summary,
        "left_out": left, "checked_by": report.checked_by, "notes": report.notes, "held": held,
    })
}

/// The watcher's publisher: each list when it is due, one after the other.
pub(in crate::cli) struct Publisher {
    lists: Vec<Listed>,
    services: Services,
    world: World,
    quiet: bool,
}

/// Lists that are due within this time share one fetch.
const TOGETHER: Duration = Duration::from_secs(30);
/// After a failure the next try comes sooner than `every` would say.
const AGAIN: Duration = Duration::from_secs(300);

impl Publisher {
    /// One for all configured lists, with what stops it; `None` when there are none.
    pub(in crate::cli) fn new(
        context: &mut Context<'_>,
        config: &Config,
    ) -> Result<Option<(watch::Sender<bool>, Publisher)>> {
        let lists = lists::all(config)?;
        if lists.is_empty() {
            return Ok(None);
        }
        let (tell, world) = world(context, config)?;
        let shortest = lists.iter().map(|list| list.every).min().unwrap_or_default();
        let good_for = (shortest / 2).min(TOGETHER);
        let services = Services::connect(context, config, &world, &lists, Urgency::Backlog, good_for)?;
        Ok(Some((tell, Publisher { lists, services, world, quiet: context.ui.quiet })))
    }

    /// Each list once.
    pub(in crate::cli) async fn once(&self) -> Vec<(String, Result<Report>)> {
        let mut results = Vec::new();
        for list in &self.lists {
            let result = publish_one(list, &self.services, Orders::default(), &self.world).await;
            results.push((list.target.name.clone(), result));
        }
        results
    }

    /// Publishes until stopped; what is under way ends first, or is taken back.
    pub(in crate::cli) fn run(self) {
        let Ok(runtime) = crate::cli::runtime() else {
            crate::cli::stderr_line("block lists are not published: no runtime could be started");
            return;
        };
        runtime.block_on(async {
            let mut stop = self.world.stop.clone();
            let mut due: Vec<Instant> = self.lists.iter().map(|list| Instant::now() + self.rest(list)).collect();
            loop {
                let Some((next, at)) = due.iter().copied().enumerate().min_by_key(|(_, at)| *at) else { return };
                tokio::select! {
                    () = stopped(&mut stop) => return,
                    () = tokio::time::sleep_until(at) => {}
                }
                let list = &self.lists[next];
                let before = self.world.ledger.list_state(&list.target.name).unwrap_or_default().held;
                let result = publish_one(list, &self.services, Orders::default(), &self.world).await;
                if result.as_ref().is_err_and(|error| error.kind() == Kind::Interrupted) {
                    return;
                }
                let failed = result.is_err();
                self.tell(list, result, before.as_deref());
                let rest = if failed { list.every.min(AGAIN) } else { self.rest(list).max(Duration::from_millis(100)) };
                due[next] = Instant::now() + rest;
            }
        });
    }

    /// How long until a list is due: `every` after the last look, or when an entry ends.
    fn rest(&self, list: &Listed) -> Duration {
        let name = &list.target.name;
        let checked = self.world.ledger.list_state(name).unwrap_or_default().checked;
        let now = jiff::Timestamp::now().as_second();
        let passed = Duration::from_secs(u64::try_from(now - checked).unwrap_or(0));
        let rest = list.every.saturating_sub(passed).min(list.every);
        let snapshot = || -> Option<Snapshot> {
            let published = self.world.ledger.published(name).ok()??;
            Snapshot::read(&self.world.ledger.published_verdict(name, published.version).ok()??).ok()
        };
        let zoned = jiff::ZonedDateTime::now();
        let days = zoned.start_of_day().and_then(|today| Ok((today, zoned.tomorrow()?.start_of_day()?)));
        let (Ok((today, tomorrow)), Some(snapshot)) = (days, snapshot()) else { return rest };
        if checked < today.timestamp().as_second() && snapshot.ends_by(today.date()) {
            return Duration::ZERO;
        }
        if snapshot.ends_by(tomorrow.date()) {
            let left = u64::try_from(tomorrow.timestamp().as_second() - now).unwrap_or(0);
            return rest.min(Duration::from_secs(left + 1));
        }
        rest
    }

    fn tell(&self, list: &Listed, result: Result<Report>, held_before: Option<&str>) {
        match result {
            Err(error) if error.kind() == Kind::Locked => {}
            Err(error) => {
                let hint = error.hint_text().map(|hint| format!(" ({hint})")).unwrap_or_default();
                let line = format!("left out   list {}: {}{hint}", list.target.name, error.one_line());
                crate::cli::stderr_line(&escape::terminal(&line));
            }
            // A list that waits for a person is told of once, not every hour.
            Ok(Report { outcome: Outcome::Held(why, hint), list, .. }) => {
                if held_before != Some(why.as_str()) {
                    crate::cli::stderr_line(&escape::terminal(&format!("held       list {list}: {why} ({hint})")));
                }
            }
            Ok(report) if report.outcome == Outcome::Unchanged => tracing::info!("unchanged  {}", report.list),
            Ok(report) => {
                for line in sentences(&report).iter().filter(|_| !self.quiet) {
                    crate::cli::stderr_line(line);
                }
            }
        }
    }
}

/// Stops the publisher's thread when the watcher ends, however that comes.
pub(in crate::cli) struct Publishing {
    tell: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Publishing {
    /// Starts the thread.
    pub(in crate::cli) fn start((tell, publisher): (watch::Sender<bool>, Publisher)) -> Publishing {
        Publishing { tell, thread: Some(std::thread::spawn(|| publisher.run())) }
    }

    /// Asks it to stop, without waiting.
    pub(in crate::cli) fn ask(&self) {
        // Nobody listening means that it has ended.
        let _ = self.tell.send(true);
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        self.ask();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
