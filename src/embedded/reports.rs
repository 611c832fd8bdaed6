//! The reports: one count over all data sources together and one for each, made by the discovery engine; their pages
//! are drawn when somebody looks.
//!
//! The counts live in memory and are made again from the kept logs when the service starts. A snapshot report is drawn
//! once, when its log was imported, and lies in the state directory.

use super::store::{Store, timestamp};
use crate::catalog::Catalog;
use crate::discover::report::{Report, Source};
use crate::discover::tags::{Tag, Tags};
use crate::discover::{Engine, Filter, Limits, Options, html};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Rows of each list of a page.
const ROWS: usize = 10_000;
/// Rows below an app or a user of a page.
const DETAIL: usize = 50;
/// Logs that a page lists one by one; older ones are added up.
const MOST_SOURCES: usize = 1_000;
/// Snapshot pages that are kept.
const MOST_SNAPSHOTS: usize = 200;
/// The name of the page over all data sources.
const GLOBAL: &str = "";

/// What was counted for one report, and its page while nothing new came.
struct Counted {
    engine: Engine,
    sources: Vec<Source>,
    page: Option<Arc<str>>,
}

/// A file of decisions, and when it was last changed.
struct TagFile {
    path: PathBuf,
    read: Option<SystemTime>,
}

#[derive(Default)]
struct Inner {
    counts: BTreeMap<String, Counted>,
    /// Logs that are counted, but not yet marked so.
    unmarked: BTreeSet<u64>,
    tags: Option<Tags>,
}

/// All reports.
pub(super) struct Reports {
    catalog: Arc<Catalog>,
    seed: u64,
    dir: PathBuf,
    file: Mutex<Option<TagFile>>,
    inner: Mutex<Inner>,
}

impl Reports {
    /// Nothing counted yet. `tags` is a file of decisions that makes the verdict.
    ///
    /// # Errors
    /// When the file cannot be read or is wrong.
    pub(super) fn open(store: &Store, dir: &Path, tags: Option<&Path>) -> Result<Reports> {
        let seed: [u8; 8] = ring::rand::generate(&ring::rand::SystemRandom::new())
            .map_err(|_| Error::failed("the system gives no random numbers"))?
            .expose();
        let reports = Reports {
            catalog: Catalog::builtin(),
            seed: u64::from_le_bytes(seed),
            dir: dir.join("reports"),
            file: Mutex::new(tags.map(|path| TagFile { path: path.to_path_buf(), read: None })),
            inner: Mutex::default(),
        };
        std::fs::create_dir_all(&reports.dir)
            .map_err(|error| Error::failed(format!("cannot make {}", reports.dir.display())).cause(error))?;
        reports.decide(store)?;
        Ok(reports)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts of one log, to be taken in once it turned out to be one.
    pub(super) fn fresh(&self) -> Engine {
        self.engine(4)
    }

    /// Counts that share the memory of one with this many others.
    fn engine(&self, share: usize) -> Engine {
        Engine::with_limits(self.catalog.clone(), Filter::default(), Limits::for_threads(share), self.seed)
    }

    /// Takes in the counts of a log: into the continuous report and into that over all, or as a snapshot.
    pub(super) fn take(&self, store: &Store, number: u64, stream: &str, log: &Engine, source: Source) -> Result<()> {
        let snapshot = store.read(|state| state.streams.iter().find(|s| s.id == stream).map(|s| s.snapshot));
        if snapshot == Some(true) {
            return self.keep_snapshot(store, stream, log, source);
        }
        let mut inner = self.inner();
        if !inner.unmarked.insert(number) {
            return Ok(());
        }
        for (name, share) in [(GLOBAL, 2), (stream, 8)] {
            let counted = inner.counts.entry(name.to_owned()).or_insert_with(|| Counted {
                engine: self.engine(share),
                sources: Vec::new(),
                page: None,
            });
            counted.engine.absorb(log);
            counted.page = None;
            counted.sources.push(source.clone());
            if counted.sources.len() > MOST_SOURCES {
                let oldest = counted.sources.remove(1);
                fold(&mut counted.sources[0], oldest);
            }
        }
        Ok(())
    }

    /// The log is marked as imported on disk: it does not come again.
    pub(super) fn marked(&self, number: u64) {
        self.inner().unmarked.remove(&number);
    }

    fn keep_snapshot(&self, store: &Store, stream: &str, log: &Engine, source: Source) -> Result<()> {
        let text = self.draw(store, stream, log, vec![source]);
        let (path, beside) = (self.snapshot(stream), self.dir.join("page.tmp"));
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, &path))
            .map_err(|error| Error::failed(format!("cannot write {}", path.display())).cause(error))?;
        self.forget_old_snapshots();
        Ok(())
    }

    fn snapshot(&self, stream: &str) -> PathBuf {
        self.dir.join(format!("{stream}.html"))
    }

    fn forget_old_snapshots(&self) {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut pages: Vec<(SystemTime, PathBuf)> =
            entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
        pages.sort();
        let over = pages.len().saturating_sub(MOST_SNAPSHOTS);
        for (_, path) in pages.drain(..over) {
            // What is gone already needs no removing.
            let _ = std::fs::remove_file(path);
        }
    }

    /// What a log adds up to, for whoever keeps more of it than a page does.
    pub(super) fn summary(log: &Engine, detail: usize) -> Report {
        log.report(Vec::new(), &Options { detail, ..Options::default() })
    }

    /// The page over all data sources.
    pub(super) fn global_page(&self, store: &Store) -> Arc<str> {
        self.continuous(store, GLOBAL).unwrap_or_else(|| self.draw(store, GLOBAL, &self.engine(8), Vec::new()).into())
    }

    /// The page of one report, if there is one of this id.
    pub(super) fn page(&self, store: &Store, stream: &str) -> Option<Arc<str>> {
        let known = store.read(|state| state.streams.iter().find(|s| s.id == stream).map(|s| s.snapshot))?;
        match known {
            true => std::fs::read_to_string(self.snapshot(stream)).ok().map(Arc::from),
            false => Some(
                self.continuous(store, stream)
                    .unwrap_or_else(|| self.draw(store, stream, &self.engine(8), Vec::new()).into()),
            ),
        }
    }

    fn continuous(&self, store: &Store, name: &str) -> Option<Arc<str>> {
        let tags = self.tags(store);
        let mut inner = self.inner();
        let counted = inner.counts.get_mut(name)?;
        if let Some(page) = &counted.page {
            return Some(page.clone());
        }
        let text: Arc<str> = draw(store, name, &counted.engine, counted.sources.clone(), tags).into();
        counted.page = Some(text.clone());
        Some(text)
    }

    fn draw(&self, store: &Store, name: &str, engine: &Engine, sources: Vec<Source>) -> String {
        draw(store, name, engine, sources, self.tags(store))
    }

    /// The decisions: those of the file, else what the verdict says.
    fn tags(&self, store: &Store) -> Tags {
        if let Some(tags) = &self.inner().tags {
            return tags.clone();
        }
        let mut tags = Tags::default();
        store.read(|state| state.banned.iter().for_each(|app| tags.set(*app, Tag::Unsanctioned)));
        tags
    }

    /// Reads the file of decisions again if it was changed, and makes it the verdict.
    ///
    /// # Errors
    /// When it cannot be read or is wrong; the verdict stays what it was.
    pub(super) fn decide(&self, store: &Store) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(TagFile { path, read }) = file.as_mut() else { return Ok(()) };
        let failed = |error: &dyn std::fmt::Display| {
            Error::usage(format!("cannot use the tags in {}", path.display()))
                .cause(error)
                .hint("each line is app,tag with the tag sanctioned, unsanctioned or under-review")
        };
        let changed = std::fs::metadata(&*path).and_then(|meta| meta.modified()).map_err(|error| failed(&error))?;
        if *read == Some(changed) {
            return Ok(());
        }
        // Also a wrong file is told once, not at every look.
        *read = Some(changed);
        let text = std::fs::read_to_string(&*path).map_err(|error| failed(&error))?;
        let tags = Tags::read(&text, &self.catalog).map_err(|mistakes| failed(&mistakes.join("; ")))?;
        store.change(|state| {
            state.banned = tags.with(Tag::Unsanctioned).collect();
            state.sanctioned = Some(tags.with(Tag::Sanctioned).collect());
            Ok(())
        })?;
        let mut inner = self.inner();
        inner.tags = Some(tags);
        inner.counts.values_mut().for_each(|counted| counted.page = None);
        Ok(())
    }
}

fn draw(store: &Store, name: &str, engine: &Engine, sources: Vec<Source>, tags: Tags) -> String {
    let title = match name {
        GLOBAL => "Cloud app discovery".to_owned(),
        id => store
            .read(|state| state.streams.iter().find(|stream| stream.id == id).map(|stream| stream.name.clone()))
            .map_or_else(|| "Cloud app discovery".to_owned(), |name| format!("Cloud app discovery: {name}")),
    };
    let report = engine.report(sources, &Options { top: ROWS, detail: DETAIL, tags, ..Options::default() });
    let made = format!("Made by the embedded service of logweir {} at {}.", env!("CARGO_PKG_VERSION"), timestamp());
    html::page(&report, &title, &made)
}

/// Adds an old log to what stands for all older ones.
fn fold(into: &mut Source, old: Source) {
    into.name = "earlier logs".to_owned();
    if into.log_type != old.log_type {
        into.log_type = "several".to_owned();
    }
    into.lines += old.lines;
    into.counted += old.counted;
    into.filtered += old.filtered;
    into.other += old.other;
    into.rejected += old.rejected;
    into.reasons.clear();
}
