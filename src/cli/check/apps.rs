//! How much of a log goes to apps of the catalogue, counted while it is judged.

use crate::catalog::{Catalog, Kind};
use crate::logs::quality::Quality;
use crate::logs::{Line, Position, Visit};
use serde::Serialize;

/// The judgement of a log's lines, and the apps they go to.
pub(super) struct Watched<'c> {
    pub quality: Quality,
    catalog: &'c Catalog,
    records: u64,
    /// One bit per record of the catalogue.
    seen: Vec<u64>,
}

/// What a log shows of the catalogue.
#[derive(Serialize)]
pub(super) struct Apps {
    /// Transactions that go to an app of the catalogue.
    pub records: u64,
    /// How many apps.
    pub apps: u32,
    /// How many apps the catalogue has.
    pub known: usize,
}

impl<'c> Watched<'c> {
    pub(super) fn new(quality: Quality, catalog: &'c Catalog) -> Watched<'c> {
        Watched { quality, catalog, records: 0, seen: vec![0; catalog.apps().len().div_ceil(64)] }
    }

    pub(super) fn apps(&self) -> Apps {
        let known = self.catalog.apps().iter().filter(|app| app.kind == Kind::App).count();
        Apps { records: self.records, apps: self.seen.iter().map(|word| word.count_ones()).sum(), known }
    }
}

impl Visit for Watched<'_> {
    fn line(&mut self, at: Position, raw: &[u8], line: &Line<'_>) {
        self.quality.line(at, raw, line);
        let Line::Record(record) = line else { return };
        let Some(position) = record.host.and_then(|host| self.catalog.position(host)) else { return };
        if self.catalog.apps().get(position as usize).is_some_and(|app| app.kind == Kind::App) {
            self.records += 1;
            self.seen[position as usize / 64] |= 1 << (position % 64);
        }
    }

    fn merge(&mut self, later: Self) {
        self.quality.merge(later.quality);
        self.records += later.records;
        self.seen.iter_mut().zip(later.seen).for_each(|(mine, theirs)| *mine |= theirs);
    }
}
