//! What `upload`, `watch` and `demo` share: connecting every tenant, drawing events.

use super::{Context, connect};
use crate::config::{Config, Destination, Feed, Tenant};
use crate::domain::{ByteCount, LogType, TenantName, Urgency};
use crate::error::{Error, Kind, Result};
use crate::service::Service;
use crate::ship::{Event, Events, Outcome, Ship};
use crate::ui::progress::Progress;
use crate::ui::{Format, Table};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Opens the ledger, connects the tenants of the feeds, and prepares a ship that draws its events.
pub(super) fn ship(context: &mut Context<'_>, config: &Config, feeds: &[Feed], urgency: Urgency) -> Result<Ship> {
    let ledger = connect::ledger(config)?;
    warn_of_root(context, &config.state_dir);
    let names: BTreeSet<_> = feeds.iter().map(|feed| feed.tenant.clone()).collect();
    let mut services = BTreeMap::new();
    for name in names {
        let service = connect::service(context, config, &name, &ledger, urgency)?;
        services.insert(name, service);
    }
    let local = |feed: &&Feed| config.tenants.get(&feed.tenant).is_some_and(Tenant::is_embedded);
    make_data_sources(&services, feeds.iter().filter(local))?;
    let events = drawing(context, urgency == Urgency::Backlog);
    Ship::new(
        ledger,
        &config.state_dir,
        services,
        feeds.to_vec(),
        config.upload.clone(),
        context.layouts.clone(),
        events,
    )
}

/// What root makes in the directory of the service's user, that user may not be able to use afterwards.
fn warn_of_root(context: &mut Context<'_>, state_dir: &Path) {
    let user = std::fs::metadata(state_dir).map_or(0, |meta| meta.uid());
    if user != 0 && rustix::process::geteuid().is_root() {
        context.ui.warn(format!(
            "{} belongs to user {user}, and this runs as root: run it as that user, sudo -u '#{user}' logweir ...",
            state_dir.display()
        ));
    }
}

/// Makes the data sources of feeds that go to the embedded service, where nobody else does.
fn make_data_sources<'f>(
    services: &BTreeMap<TenantName, Service>,
    feeds: impl Iterator<Item = &'f Feed>,
) -> Result<()> {
    // There each log is read as what it was sent as: what a data source was made for matters to nobody, but for the
    // layout of its custom parser.
    let any: LogType = "GENERIC_CEF".parse().map_err(Error::failed)?;
    let wanted: Vec<_> = feeds
        .filter_map(|feed| match &feed.destination {
            Destination::DataSource(name) => {
                let log_type = feed.log_type.as_ref().unwrap_or(&any);
                Some((services.get(&feed.tenant)?.clone(), name.clone(), log_type, feed.layout.as_deref()))
            }
            Destination::Snapshot(_) => None,
        })
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    // A thread of its own: a reload asks for this inside the watcher's runtime.
    let work = || {
        super::runtime()?.block_on(async {
            for (service, name, log_type, layout) in wanted {
                service.make_data_source(&name, log_type, layout).await?;
            }
            Ok(())
        })
    };
    std::thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|_| Err(Error::failed("the data sources of the embedded service could not be made")))
}

/// Events as lines, with bars below them on a terminal; as nothing when quiet.
fn drawing(context: &Context<'_>, daemon: bool) -> Events {
    let progress = Progress::new(context.ui.bars);
    let lines = !context.ui.quiet;
    let data = daemon && context.ui.format == Format::Json;
    let bars: Mutex<BTreeMap<Bar, ProgressBar>> = Mutex::default();
    Arc::new(move |event| {
        let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
        let mut draw = |key: Bar, label: &dyn Fn() -> String, (done, total): (u64, u64)| {
            bars.entry(key).or_insert_with(|| progress.bytes(&label(), total)).set_position(done);
        };
        match &event {
            Event::Packing { source, done, total } => {
                let name = || source.file_name().unwrap_or_default().to_string_lossy().into_owned();
                draw(Bar::Packing(source.clone()), &|| format!("packing {}", name()), (*done, *total));
            }
            Event::Storing { id, sent, total } => {
                draw(Bar::Storing(*id), &|| format!("shipment {id}"), (*sent, *total));
            }
            Event::Packed { source, .. } => clear(&mut bars, |bar| *bar == Bar::Packing(source.clone())),
            Event::Finalised { id } => clear(&mut bars, |bar| *bar == Bar::Storing(*id)),
            // Whatever goes on draws itself again.
            Event::LeftOut { .. } => clear(&mut bars, |_| true),
            Event::Confirmed { .. } => {}
        }
        if data && let Some(document) = document(&event) {
            return progress.suspend(|| stdout_line(&document.to_string()));
        }
        let Some(line) = sentence(&event) else { return };
        // A daemon has no end at which to list what was left out.
        if lines || (daemon && matches!(event, Event::LeftOut { .. })) {
            progress.suspend(|| super::stderr_line(&line));
        } else {
            tracing::info!("{line}");
        }
    })
}

/// What a bar shows.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bar {
    Packing(PathBuf),
    Storing(i64),
}

fn clear(bars: &mut BTreeMap<Bar, ProgressBar>, gone: impl Fn(&Bar) -> bool) {
    bars.retain(|key, bar| {
        let gone = gone(key);
        if gone {
            bar.finish_and_clear();
        }
        !gone
    });
}

/// An event as a line, where it is worth one.
fn sentence(event: &Event) -> Option<String> {
    let safe = |text: &str| crate::ui::escape::terminal(text).into_owned();
    match event {
        Event::Packed { id, source, files, raw, packed } => {
            let (source, raw, packed) = (safe(&source.to_string_lossy()), ByteCount(*raw), ByteCount(*packed));
            let more = if *files > 1 { format!(" and {} more", files - 1) } else { String::new() };
            Some(format!("packed     shipment {id}: {source}{more}, {raw} as {packed}"))
        }
        Event::Finalised { id } => Some(format!("finalised  shipment {id}")),
        Event::Confirmed { id } => Some(format!("confirmed  shipment {id}")),
        Event::LeftOut { what, why } => Some(format!("left out   {}: {}", safe(what), safe(why))),
        Event::Packing { .. } | Event::Storing { .. } => None,
    }
}

/// The same as one object of `watch --format json`; new kinds and fields may come.
fn document(event: &Event) -> Option<Value> {
    let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let document = match event {
        Event::Packed { id, source, files, raw, packed } => json!({
            "event": "packed", "shipment": id, "source": source.to_string_lossy(), "files": files, "raw_bytes": raw,
            "packed_bytes": packed, "time": time,
        }),
        Event::Finalised { id } => json!({ "event": "finalised", "shipment": id, "time": time }),
        Event::Confirmed { id } => json!({ "event": "confirmed", "shipment": id, "time": time }),
        Event::LeftOut { what, why } => json!({ "event": "left_out", "what": what, "why": why, "time": time }),
        Event::Packing { .. } | Event::Storing { .. } => return None,
    };
    Some(document)
}

/// One line of data on standard output, from wherever events are drawn.
fn stdout_line(line: &str) {
    use std::io::Write;
    // A reader that went away stops no shipping.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// What a pass came to, as data; people were told by events.
pub(super) fn report(context: &mut Context<'_>, outcome: &Outcome) -> Result<()> {
    let mut left_out = Table::new(&["what", "why", "what_to_do"]);
    for (what, error) in &outcome.left_out {
        left_out.row([what.clone().into(), error.one_line().into(), error.hint_text().into()]);
    }
    match context.ui.format {
        Format::Text => Ok(()),
        Format::Csv => context.ui.table("left_out", &left_out),
        Format::Json => context.ui.json(&json!({
            "finalised": outcome.finalised, "left_out": left_out.json(), "elsewhere": outcome.elsewhere,
        })),
    }
}

/// One pass, parked at the next safe point when a person or the service manager asks to stop.
pub(super) async fn pass(ship: &Ship) -> Result<Outcome> {
    let stopped = super::interrupted()?;
    let mut pass = std::pin::pin!(ship.pass(true));
    tokio::select! {
        biased;
        () = stopped => {}
        outcome = &mut pass => return outcome,
    }
    ship.stop();
    // Past the grace of its own calls nothing is worth waiting for.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(8), pass).await;
    Err(Error::new(Kind::Interrupted, "interrupted").hint("nothing is lost: the next run goes on from the ledger"))
}

/// Warns about all but the first thing left out; that one is the command's error.
pub(super) fn finish(context: &mut Context<'_>, outcome: &Outcome) -> Result<()> {
    for (what, error) in outcome.left_out.iter().skip(1) {
        let line = format!("{what}: {}", error.one_line());
        context.ui.warn(crate::ui::escape::terminal(&line));
    }
    outcome.result()
}
