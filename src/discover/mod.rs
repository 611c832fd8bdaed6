//! Offline discovery: which cloud apps a log shows, who uses them, how much, and how risky that looks.
//!
//! ```text
//! lines ─► Counting (one worker per thread) ─► Engine::finish (merge) ─► Report ─► terminal, JSON, CSV, page
//! ```
//!
//! * `worker` counts a record, `table` holds the counts, `bounds` keeps them within fixed memory, with sketches
//!   for distinct counts that no longer fit; what is not exact says so ([`report::Accuracy`]).
//! * [`summary`] makes the [`Report`]; [`risk`], [`tags`], [`pseudonym`] and [`filter`] are what a person decides about it.
//! * [`html`] is the page.
//!
//! No I/O, no clock, no globals.

pub mod baseline;
mod batch;
mod bounds;
mod chart;
mod figures;
pub mod filter;
pub mod findings;
pub mod html;
mod key;
mod page_data;
pub mod pseudonym;
pub mod report;
pub mod risk;
pub mod summary;
mod table;
pub mod tags;
mod worker;

#[cfg(test)]
mod tests;

pub use filter::Filter;
pub use report::Report;
pub use summary::Options;
pub use worker::Limits;

use crate::catalog::Catalog;
use crate::logs::{Line, Position, Record, Visit};
use key::Hashing;
use report::Source;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use worker::{Shared, Worker};

/// Counts any number of logs; threads take turns at its workers.
pub struct Engine {
    shared: Arc<Shared>,
    limits: Limits,
    /// Workers that nobody uses at the moment, with the thread that used them last: its caches have them.
    idle: Mutex<Vec<(ThreadId, Worker)>>,
}

impl Engine {
    /// An engine for `threads` threads. `seed` makes the tables unpredictable to whoever writes the log.
    pub fn new(catalog: Arc<Catalog>, filter: Filter, threads: usize, seed: u64) -> Engine {
        Engine::with_limits(catalog, filter, Limits::for_threads(threads), seed)
    }

    /// As [`Engine::new`], with limits of each worker.
    pub fn with_limits(catalog: Arc<Catalog>, filter: Filter, limits: Limits, seed: u64) -> Engine {
        let positions = catalog.apps().iter().map(|app| app.id).zip(0_u32..).collect();
        let shared = Arc::new(Shared { catalog, positions, filter, hashing: Hashing::new(seed) });
        Engine { shared, limits, idle: Mutex::new(Vec::new()) }
    }

    /// An engine over the same catalogue, with nothing counted.
    pub fn like(other: &Engine) -> Engine {
        Engine { shared: other.shared.clone(), limits: other.limits, idle: Mutex::default() }
    }

    /// Takes lines of one part of a log.
    pub fn counting(&self) -> Counting<'_> {
        Counting { engine: self, worker: None, source: Source::default() }
    }

    /// Counts a record outside of a log.
    pub fn add(&self, record: &Record<'_>) {
        self.counting().record(record);
    }

    fn worker(&self) -> Worker {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let own = idle.iter().position(|(last, _)| *last == std::thread::current().id());
        match own.or(idle.len().checked_sub(1)) {
            Some(at) => idle.swap_remove(at).1,
            None => {
                drop(idle);
                Worker::new(self.shared.clone(), self.limits)
            }
        }
    }

    /// Merges what was counted into one worker; it is nobody's until it is given back.
    fn merged(&self) -> Worker {
        let mut workers = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        let limits = self.limits.times(workers.len().max(1));
        let mut merged = workers.pop().map_or_else(|| self.worker(), |(_, worker)| worker);
        while let Some((_, next)) = workers.pop() {
            merged.absorb(next, limits);
        }
        merged
    }

    fn give_back(&self, worker: Worker) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((std::thread::current().id(), worker));
    }

    /// Counts also what `other` has counted. Both are over the same catalogue and have the same seed.
    pub fn absorb(&self, other: &Engine) {
        let theirs = other.merged();
        let mut mine = self.merged();
        mine.absorb(theirs.clone(), self.limits);
        other.give_back(theirs);
        self.give_back(mine);
    }

    /// Merges what was counted, and makes the report. More can be counted afterwards.
    pub fn report(&self, sources: Vec<Source>, options: &Options) -> Report {
        let merged = self.merged();
        let report = summary::report(&merged, sources, options);
        self.give_back(merged);
        report
    }
}

/// Counts the lines of one part of a log. Its worker goes back to the engine when the part is over.
pub struct Counting<'e> {
    engine: &'e Engine,
    worker: Option<Worker>,
    source: Source,
}

impl Counting<'_> {
    fn record(&mut self, record: &Record<'_>) {
        let worker = self.worker.get_or_insert_with(|| self.engine.worker());
        match worker.add(record) {
            true => self.source.counted += 1,
            false => self.source.filtered += 1,
        }
    }

    fn give_back(&mut self) {
        if let Some(mut worker) = self.worker.take() {
            worker.flush();
            let skipped = std::mem::take(&mut worker.skipped);
            self.source.counted -= skipped;
            self.source.filtered += skipped;
            self.engine.give_back(worker);
        }
    }

    /// How many lines of which sort there were; the names are left to the caller.
    pub fn into_source(mut self) -> Source {
        self.give_back();
        let mut source = std::mem::take(&mut self.source);
        source.reasons.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        source
    }
}

impl Visit for Counting<'_> {
    #[inline]
    fn line(&mut self, _: Position, _: &[u8], line: &Line<'_>) {
        self.source.lines += 1;
        match line {
            Line::Record(record) => self.record(record),
            Line::Other => self.source.other += 1,
            Line::Reject(reject) => {
                self.source.rejected += 1;
                add_reason(&mut self.source.reasons, reject.reason(), 1);
            }
        }
    }

    fn end(&mut self) {
        self.give_back();
    }

    fn merge(&mut self, mut later: Self) {
        let source = std::mem::take(&mut later.source);
        self.source.lines += source.lines;
        self.source.counted += source.counted;
        self.source.filtered += source.filtered;
        self.source.other += source.other;
        self.source.rejected += source.rejected;
        for (reason, count) in source.reasons {
            add_reason(&mut self.source.reasons, &reason, count);
        }
    }
}

fn add_reason(reasons: &mut Vec<(String, u64)>, reason: &str, count: u64) {
    match reasons.iter_mut().find(|(known, _)| known == reason) {
        Some((_, known)) => *known += count,
        None => reasons.push((reason.to_owned(), count)),
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}
