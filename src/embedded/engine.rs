//! Imports accepted uploads: unpack, parse, match, count; each exactly once.

use super::insight;
use super::store::{Accepted, Store};
use crate::catalog;
use crate::domain::ByteCount;
use crate::error::Result;
use crate::logs::{self, Line, Position, Visit};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Transactions older than this are ignored.
const OLDEST: Duration = Duration::from_secs(90 * 86_400);

/// What one log held.
#[derive(Default)]
struct Found {
    lines: u64,
    records: u64,
    old: u64,
    bytes: u64,
    apps: BTreeMap<u32, u64>,
    refused: Option<String>,
    /// Transactions before this moment are not counted.
    oldest: i64,
    /// The moment of a transaction that tells none, in milliseconds.
    now: i64,
    /// What the further families make of it.
    seen: insight::Seen,
}

/// Between two looks at what became old.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// Processes what was accepted, for ever.
pub(super) async fn run(store: Arc<Store>, delay: Duration, keep: ByteCount, silent_after: Duration) {
    let mut tidied: Option<Instant> = None;
    loop {
        tokio::time::sleep(delay.max(Duration::from_millis(20))).await;
        let waiting: Vec<Accepted> =
            store.read(|state| state.accepted.iter().filter(|a| !a.processed).cloned().collect());
        for accepted in waiting {
            let number = accepted.number;
            let imported = in_background(&store, move |store| import(store, &accepted)).await;
            if let Err(error) = imported {
                tracing::error!("upload {number} could not be imported: {}", error.one_line());
            }
        }
        if let Err(error) = in_background(&store, move |store| insight::look_around(store, silent_after)).await {
            tracing::error!("{}", error.one_line());
        }
        if tidied.is_none_or(|last| last.elapsed() >= TIDY_EVERY) {
            tidied = Some(Instant::now());
            if let Err(error) = in_background(&store, move |store| store.tidy(keep.0, super::routes::now())).await {
                tracing::error!("{}", error.one_line());
            }
        }
    }
}

async fn in_background(store: &Arc<Store>, work: impl FnOnce(&Store) -> Result<()> + Send + 'static) -> Result<()> {
    let store = store.clone();
    let ended = tokio::task::spawn_blocking(move || work(&store)).await;
    ended.unwrap_or_else(|error| Err(crate::error::Error::failed("the engine stopped early").cause(error)))
}

fn import(store: &Store, accepted: &Accepted) -> Result<()> {
    let found = understand(store, accepted);
    insight::import(store, accepted, found.refused.as_deref(), &found.seen)?;
    // One write holds the totals and the mark that they were counted: a crash in between is impossible.
    store.change(|state| {
        if let Some(stream) = state.streams.iter_mut().find(|stream| stream.id == accepted.stream) {
            stream.history += 1;
            stream.fails += u64::from(found.refused.is_some());
            stream.last_data_received = Some(super::store::timestamp());
            stream.records += found.records;
            stream.bytes += found.bytes;
            for (app, count) in &found.apps {
                *stream.apps.entry(*app).or_default() += count;
            }
        }
        if let Some(entry) = state.accepted.iter_mut().find(|entry| entry.number == accepted.number) {
            entry.processed = true;
            (entry.lines, entry.records, entry.refused) = (found.lines, found.records, found.refused);
        }
        Ok(())
    })
}

fn understand(store: &Store, accepted: &Accepted) -> Found {
    let mut found = Found::default();
    let Some(format) = logs::vendor::find(&accepted.log_type) else {
        return Found { refused: Some("unsupported log type".to_owned()), ..found };
    };
    if let Err(error) = read(store, accepted, format, &mut found) {
        return Found {
            refused: Some(format!("unsupported file type: {error}")),
            lines: found.lines,
            ..Found::default()
        };
    }
    let refused = if found.records + found.old == 0 {
        Some("the log format doesn't match")
    } else if found.records == 0 {
        Some("transactions are more than 90 days old")
    } else if found.apps.is_empty() {
        Some("no transactions to cataloged cloud apps")
    } else {
        None
    };
    if let Some(why) = refused {
        return Found { refused: Some(why.to_owned()), lines: found.lines, ..Found::default() };
    }
    found
}

fn read(store: &Store, accepted: &Accepted, format: &'static logs::Format, found: &mut Found) -> std::io::Result<()> {
    let file = std::fs::File::open(store.blob(&accepted.blob))?;
    let now = SystemTime::now();
    let micros = |time: Option<SystemTime>| {
        let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    };
    let oldest = micros(now.checked_sub(OLDEST));
    let parser = logs::Parser::read_at(format, micros(Some(now)));
    let reading =
        logs::read_with(&parser, file, 1, || Found { oldest, now: micros(Some(now)) / 1_000, ..Found::default() })?;
    *found = reading.visit;
    reading.broken.map_or(Ok(()), Err)
}

impl Visit for Found {
    fn line(&mut self, _: Position, _: &[u8], line: &Line<'_>) {
        self.lines += 1;
        let Line::Record(record) = line else { return };
        if record.time.is_some_and(|time| time < self.oldest) {
            self.old += 1;
            return;
        }
        self.records += 1;
        self.bytes = self.bytes.saturating_add(record.bytes());
        let app = record.host.and_then(catalog::lookup).map(|app| app.id);
        if let Some(app) = app {
            *self.apps.entry(app).or_default() += 1;
        }
        self.seen.record(record, app, self.now);
    }

    fn merge(&mut self, later: Found) {
        self.lines += later.lines;
        self.records += later.records;
        self.old += later.old;
        self.bytes = self.bytes.saturating_add(later.bytes);
        for (app, count) in later.apps {
            *self.apps.entry(app).or_default() += count;
        }
        self.seen.merge(later.seen);
    }
}
