//! Imports accepted uploads: unpack, parse, count with the discovery engine; each exactly once.

use super::families::MOST_ENTITIES;
use super::insight;
use super::people::People;
use super::reports::Reports;
use super::store::{Accepted, Store};
use crate::discover::report::{Report, Source};
use crate::discover::{Counting, Engine};
use crate::domain::ByteCount;
use crate::error::Result;
use crate::logs::{self, Line, Position, Visit};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Transactions older than this are ignored.
const OLDEST: Duration = Duration::from_secs(90 * 86_400);

/// What one log held.
struct Found {
    source: Source,
    report: Report,
    refused: Option<String>,
    people: People,
}

/// How a log is read: what is too old is not counted, what tells no time is of now.
struct Look<'e> {
    counting: Counting<'e>,
    people: People,
    old: u64,
    /// Transactions before this moment are not counted.
    oldest: i64,
    /// In milliseconds.
    now: i64,
}

/// Between two looks at what became old.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// Between two looks at what came of other things than uploads: tags, time.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// When the engine does what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Between an upload and its processing.
    pub delay: Duration,
    /// Bytes of processed logs that are kept.
    pub keep: ByteCount,
    /// When a data source counts as silent.
    pub silent_after: Duration,
}

/// Processes what was accepted, for ever.
pub(super) async fn run(store: Arc<Store>, reports: Arc<Reports>, pace: Pace) {
    let (mut tidied, mut looked): (Option<Instant>, Option<Instant>) = (None, None);
    recount(&store, &reports).await;
    loop {
        tokio::time::sleep(pace.delay.max(Duration::from_millis(20))).await;
        let waiting: Vec<Accepted> =
            store.read(|state| state.accepted.iter().filter(|a| !a.processed).cloned().collect());
        let nothing = waiting.is_empty();
        for accepted in waiting {
            let number = accepted.number;
            let reports = reports.clone();
            let imported = in_background(&store, move |store| import(store, &reports, &accepted)).await;
            if let Err(error) = imported {
                tracing::error!("upload {number} could not be imported: {}", error.one_line());
            }
        }
        if nothing && looked.is_some_and(|last| last.elapsed() < LOOK_EVERY) {
            continue;
        }
        looked = Some(Instant::now());
        let reports = reports.clone();
        let decided = in_background(&store, move |store| {
            let decided = reports.decide(store);
            insight::look_around(store, pace.silent_after).and(decided)
        });
        if let Err(error) = decided.await {
            tracing::error!("{}", error.one_line());
        }
        if tidied.is_none_or(|last| last.elapsed() >= TIDY_EVERY) {
            tidied = Some(Instant::now());
            if let Err(error) = in_background(&store, move |store| store.tidy(pace.keep.0, super::routes::now())).await
            {
                tracing::error!("{}", error.one_line());
            }
        }
    }
}

/// Counts the kept logs again after a start: the reports themselves are not on disk.
async fn recount(store: &Arc<Store>, reports: &Arc<Reports>) {
    let kept: Vec<Accepted> = store.read(|state| {
        let continuous = |id: &String| state.streams.iter().any(|stream| stream.id == *id && !stream.snapshot);
        let counted = |a: &&Accepted| a.processed && a.refused.is_none() && continuous(&a.stream);
        state.accepted.iter().filter(counted).cloned().collect()
    });
    for accepted in kept.into_iter().filter(|accepted| store.blob(&accepted.blob).is_file()) {
        let reports = reports.clone();
        let counted = in_background(store, move |store| {
            let log = reports.fresh();
            let found = understand(store, &accepted, &log);
            if found.refused.is_none() {
                reports.take(store, accepted.number, &accepted.stream, &log, found.source)?;
                reports.marked(accepted.number);
            }
            Ok(())
        });
        if let Err(error) = counted.await {
            tracing::error!("{}", error.one_line());
        }
    }
}

async fn in_background(store: &Arc<Store>, work: impl FnOnce(&Store) -> Result<()> + Send + 'static) -> Result<()> {
    let store = store.clone();
    let ended = tokio::task::spawn_blocking(move || work(&store)).await;
    ended.unwrap_or_else(|error| Err(crate::error::Error::failed("the engine stopped early").cause(error)))
}

fn import(store: &Store, reports: &Reports, accepted: &Accepted) -> Result<()> {
    let log = reports.fresh();
    let found = understand(store, accepted, &log);
    let held = insight::Held { people: &found.people, apps: &found.report.apps };
    insight::import(store, accepted, found.refused.as_deref(), held)?;
    if found.refused.is_none() {
        reports.take(store, accepted.number, &accepted.stream, &log, found.source.clone())?;
    }
    // One write holds the totals and the mark that they were counted: a crash in between is impossible.
    store.change(|state| {
        let totals = &found.report.totals.volume;
        if let Some(stream) = state.streams.iter_mut().find(|stream| stream.id == accepted.stream) {
            stream.history += 1;
            stream.fails += u64::from(found.refused.is_some());
            stream.last_data_received = Some(super::store::timestamp());
            stream.records += totals.transactions;
            stream.bytes += totals.bytes;
            for app in &found.report.apps {
                *stream.apps.entry(app.id).or_default() += app.volume.transactions;
            }
        }
        if let Some(entry) = state.accepted.iter_mut().find(|entry| entry.number == accepted.number) {
            entry.processed = true;
            (entry.lines, entry.records, entry.refused) =
                (found.source.lines, totals.transactions, found.refused.clone());
        }
        Ok(())
    })?;
    reports.marked(accepted.number);
    Ok(())
}

/// Counts a log in `log`. What is refused counts for nothing.
fn understand(store: &Store, accepted: &Accepted, log: &Engine) -> Found {
    // The parser that is attached to a data source goes before what the upload was called.
    let layout = store.read(|state| {
        let stream = state.streams.iter().find(|stream| stream.id == accepted.stream);
        stream.and_then(|stream| stream.layout.clone())
    });
    let format = match &layout {
        Some(layout) => store.layouts.format(layout).map_err(|error| error.one_line()),
        None => logs::vendor::find(&accepted.log_type).ok_or_else(|| "unsupported log type".to_owned()),
    };
    let (source, old, people, broken) = match format {
        Err(why) => (Source::default(), 0, People::default(), Some(why)),
        Ok(format) => match read(store, accepted, format, log) {
            Ok(read) => read,
            Err(error) => (Source::default(), 0, People::default(), Some(format!("unsupported file type: {error}"))),
        },
    };
    let report = Reports::summary(log, MOST_ENTITIES);
    let refused = broken.or_else(|| {
        let why = if source.counted + old == 0 {
            "the log format doesn't match"
        } else if source.counted == 0 {
            "transactions are more than 90 days old"
        } else if report.apps.is_empty() && report.background.is_empty() {
            "no transactions to cataloged cloud apps"
        } else {
            return None;
        };
        Some(why.to_owned())
    });
    match refused {
        None => Found { source, report, refused, people },
        Some(_) => {
            let nothing = Reports::summary(&Engine::like(log), 0);
            Found { source, report: nothing, refused, people: People::default() }
        }
    }
}

type Read = (Source, u64, People, Option<String>);

fn read(store: &Store, accepted: &Accepted, format: &'static logs::Format, log: &Engine) -> std::io::Result<Read> {
    let file = std::fs::File::open(store.blob(&accepted.blob))?;
    let now = SystemTime::now();
    let micros = |time: Option<SystemTime>| {
        let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    };
    let oldest = micros(now.checked_sub(OLDEST));
    let parser = logs::Parser::read_at(format, micros(Some(now)));
    let look =
        || Look { counting: log.counting(), people: People::default(), old: 0, oldest, now: micros(Some(now)) / 1_000 };
    let reading = logs::read_with(&parser, file, 1, look)?;
    let Look { counting, people, old, .. } = reading.visit;
    let mut source = counting.into_source();
    (source.name, source.log_type) = (format!("upload {}", accepted.number), format.log_type.to_owned());
    source.lines += old;
    source.filtered += old;
    let broken = reading.broken.map(|error| format!("unsupported file type: {error}"));
    Ok((source, old, people, broken))
}

impl Visit for Look<'_> {
    fn line(&mut self, at: Position, raw: &[u8], line: &Line<'_>) {
        if let Line::Record(record) = line {
            if record.time.is_some_and(|time| time < self.oldest) {
                self.old += 1;
                return;
            }
            self.people.record(record, self.now);
        }
        self.counting.line(at, raw, line);
    }

    fn end(&mut self) {
        self.counting.end();
    }

    fn merge(&mut self, later: Self) {
        self.counting.merge(later.counting);
        self.old += later.old;
        self.people.merge(later.people);
    }
}
