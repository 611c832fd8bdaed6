//! Lists, page by page, in bounded memory, however the service behaves meanwhile.
//!
//! * `skip` advances by what was received; `total` is believed by nobody but a progress bar.
//! * Each page overlaps the one before by one record, the *seam*. A seam that is gone means that records left the list
//!   meanwhile: one page is read again, so that none is passed over. When the seam stays gone, that is said.
//! * A record that comes twice is given once; the last 200,000 ids are remembered for that.
//! * Where the service offers scan mode, a list that may grow past 5,000 records is read with it: `nextQueryFilters` of
//!   an answer is the `filters` of the next call.
//! * An empty page ends a list read by `skip`, whatever `hasNext` says; in scan mode it does so only when the filters
//!   stand still. What may be missing because of that is said by [`Pages::doubts`].

use super::filter::{Family, Filters};
use super::records::{Record, items, member, number};
use super::retry::{Repeat, call};
use super::{Failure, FailureKind, Service};
use reqwest::Method;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The largest page outside scan mode [documented].
const PAGE: u64 = 100;
/// A page in scan mode; 500 to 5,000 are allowed [documented].
const SCAN_PAGE: u64 = 1_000;
const SMALLEST_SCAN: u64 = 500;
/// Where `skip` ends for families that have scan mode [seen in clients].
const SKIP_END: u64 = 5_000;
/// How many ids are remembered.
const REMEMBERED: usize = 200_000;
/// Pages in a row without anything new before a list counts as going in circles.
const IDLE_PAGES: u32 = 3;

/// Which way a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest, oldest first.
    Ascending,
    /// Largest, newest first.
    Descending,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Which records.
    pub filters: Filters,
    /// By which field, and which way; the service's own order otherwise. Scan mode has none.
    pub sort: Option<(String, Direction)>,
    /// At most so many; all of them otherwise.
    pub limit: Option<u64>,
}

/// Some records of a list.
#[derive(Debug)]
pub struct Page {
    /// In the service's order, none twice.
    pub records: Vec<Record>,
    /// How many there are in all, as the service believes.
    pub total: Option<u64>,
}

/// An answer of a list: the envelope around the records.
struct Answer {
    records: Vec<Record>,
    /// `None` when the service does not say.
    has_next: Option<bool>,
    total: Option<u64>,
    next_filters: Option<Value>,
}

/// Reads `{"data": […], …}`, or a bare array.
fn answer(bytes: &[u8]) -> Option<Answer> {
    let raw: &RawValue = serde_json::from_slice(bytes).ok()?;
    let list = if raw.get().starts_with('[') { raw } else { member(raw, "data")? };
    if !list.get().starts_with('[') {
        return None;
    }
    let boxed = |item: &RawValue| RawValue::from_string(item.get().to_owned()).ok().map(Record::new);
    let records = items(list).into_iter().map(boxed).collect::<Option<Vec<_>>>()?;
    let has_next = member(raw, "hasNext").map(|flag| flag.get() == "true");
    let total = member(raw, "total").and_then(number).and_then(|total| u64::try_from(total).ok());
    let next_filters = member(raw, "nextQueryFilters").and_then(|filters| match super::records::text(filters) {
        // Seen as an object; a string of JSON is understood too.
        Some(text) => serde_json::from_str(&text).ok(),
        None => None,
    });
    Some(Answer { records, has_next, total, next_filters })
}

/// The ids given so far, the oldest forgotten first.
#[derive(Default)]
struct Seen {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Seen {
    /// Whether it is new; it is known from then on.
    fn add(&mut self, key: u64) -> bool {
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

fn key(record: &Record) -> u64 {
    let mut hasher = DefaultHasher::new();
    match record.id() {
        Some(id) => id.hash(&mut hasher),
        None => record.json().hash(&mut hasher),
    }
    hasher.finish()
}

/// A list being read.
pub struct Pages {
    service: Service,
    path: &'static str,
    what: String,
    query: Query,
    scan: bool,
    filters: Value,
    given: u64,
    /// The position behind the last record received.
    at: u64,
    last: Option<u64>,
    stepped_back: bool,
    idle: u32,
    seen: Seen,
    doubled: u64,
    moved: bool,
    ended_early: bool,
    done: bool,
}

impl Service {
    /// Lists a family, page by page. Needs the family's permission to list \[documented\]; see [`super::scope`]. Paging by
    /// `skip` and `hasNext` is \[documented\], that `skip` ends at 5,000 is \[seen in clients\], that a list may change while
    /// it is read is \[inferred\]. No call is made before [`Pages::next`].
    pub fn list(&self, family: &Family, query: Query) -> Pages {
        let scan = family.scan && query.limit.is_none_or(|limit| limit > SKIP_END);
        Pages {
            service: self.clone(),
            path: family.path,
            what: format!("cannot list {}", family.name),
            scan,
            filters: query.filters.json(),
            query,
            given: 0,
            at: 0,
            last: None,
            stepped_back: false,
            idle: 0,
            seen: Seen::default(),
            doubled: 0,
            moved: false,
            ended_early: false,
            done: false,
        }
    }
}

impl Pages {
    /// The next records, never none; `None` at the end.
    ///
    /// # Errors
    /// As the API fails; repeated where that helps.
    pub async fn next(&mut self) -> Result<Option<Page>, Failure> {
        loop {
            let left = self.query.limit.map(|limit| limit.saturating_sub(self.given));
            if self.done || left == Some(0) {
                return Ok(None);
            }
            let page = if self.scan { self.scanned().await? } else { self.skipped(left).await? };
            let total = page.total;
            let before = page.records.len() as u64;
            let mut records: Vec<Record> =
                page.records.into_iter().filter(|record| self.seen.add(key(record))).collect();
            if !self.stepped_back {
                self.doubled += before.saturating_sub(records.len() as u64);
            }
            if records.is_empty() {
                self.idle += 1;
                if self.idle >= IDLE_PAGES && !self.done {
                    (self.done, self.ended_early) = (true, true);
                }
                continue;
            }
            (self.idle, self.stepped_back) = (0, false);
            records.truncate(left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX)));
            self.given += records.len() as u64;
            return Ok(Some(Page { records, total }));
        }
    }

    /// What may be missing or was left out, in sentences for a person; empty for a clean read.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.doubled > 0 {
            doubts.push(format!(
                "{} record(s) came twice, since the list changed meanwhile; each is given once",
                self.doubled
            ));
        }
        if self.moved {
            doubts.push(
                "records left the list while it was read; whether others were passed over cannot be known: list again"
                    .to_owned(),
            );
        }
        if self.ended_early {
            doubts.push(
                "the service said that there is more, but sent nothing new; the list may be incomplete".to_owned(),
            );
        }
        doubts
    }

    /// Whether records may be missing.
    pub fn incomplete(&self) -> bool {
        self.moved || self.ended_early
    }

    async fn skipped(&mut self, left: Option<u64>) -> Result<Answer, Failure> {
        let seam = u64::from(self.last.is_some());
        let skip = self.at.saturating_sub(seam);
        let limit = left.map_or(PAGE, |left| (left + seam).min(PAGE));
        let mut body = json!({ "filters": self.filters, "skip": skip, "limit": limit });
        if let Some((field, direction)) = &self.query.sort {
            body["sortField"] = field.as_str().into();
            body["sortDirection"] = if *direction == Direction::Ascending { "asc" } else { "desc" }.into();
        }
        let mut page = self.fetch(&body).await?;
        let received = page.records.len() as u64;
        let more = page.has_next.unwrap_or(received >= limit);
        let held = self.last.and_then(|last| page.records.iter().position(|record| key(record) == last));
        match (self.last, held) {
            (Some(_), None) if !self.stepped_back => {
                // Something before us left the list: what followed it moved up and may have been passed over.
                self.stepped_back = true;
                self.at = self.at.saturating_sub(PAGE);
                self.last = None;
                return Ok(Answer { records: Vec::new(), ..page });
            }
            (Some(_), None) => self.moved |= received > 0,
            (_, Some(held)) => {
                // Met before on purpose; what precedes it was given already or is newer than this reading.
                page.records.remove(held);
            }
            (None, None) => {}
        }
        if self.stepped_back
            && received > 0
            && !page.records.iter().any(|record| self.seen.known.contains(&key(record)))
        {
            self.moved = true;
        }
        self.at = skip + received;
        self.last = page.records.last().map(key).or(self.last);
        if received == 0 {
            (self.done, self.ended_early) = (true, more);
        }
        self.done |= !more;
        Ok(page)
    }

    async fn scanned(&mut self) -> Result<Answer, Failure> {
        let limit = self.query.limit.map_or(SCAN_PAGE, |limit| limit.clamp(SMALLEST_SCAN, SCAN_PAGE));
        let body = json!({ "filters": self.filters, "isScan": true, "limit": limit });
        let page = self.fetch(&body).await?;
        match &page.next_filters {
            _ if page.has_next != Some(true) => self.done = true,
            Some(filters) if *filters != self.filters => self.filters = filters.clone(),
            // More is promised, but not where it begins.
            _ => (self.done, self.ended_early) = (true, true),
        }
        Ok(page)
    }

    async fn fetch(&self, body: &Value) -> Result<Answer, Failure> {
        let url = self.service.endpoint(self.path);
        let bytes = self.service.ask(&self.what, &Method::POST, &url, Some(body), Repeat::Safe).await?;
        answer(&bytes).ok_or_else(|| {
            Failure::new(FailureKind::Refused, format!("{}: the service's answer could not be understood", self.what))
        })
    }
}

impl Service {
    /// A call with a JSON body, repeated as `repeat` allows.
    pub(super) async fn ask(
        &self,
        what: &str,
        method: &Method,
        url: &url::Url,
        body: Option<&Value>,
        repeat: Repeat,
    ) -> Result<Vec<u8>, Failure> {
        let text = body.map(Value::to_string);
        let add = |request: reqwest::RequestBuilder| match &text {
            Some(text) => request.header("content-type", "application/json").body(text.clone()),
            None => request,
        };
        call(repeat, || self.once(what, method, url, &add)).await
    }

    /// A call that answers one record.
    pub(super) async fn record(&self, what: &str, url: &url::Url) -> Result<Record, Failure> {
        let bytes = self.ask(what, &Method::GET, url, None, Repeat::Safe).await?;
        Record::parse(&bytes)
            .filter(|record| record.json().starts_with('{'))
            .ok_or_else(|| Failure::new(FailureKind::Refused, format!("{what}: the service's answer is no record")))
    }

    /// The path of a family with further segments, each escaped; ends in `/` as every path of the API does.
    ///
    /// # Errors
    /// [`FailureKind::Local`] for an id that no path can hold.
    pub(super) fn below(&self, family: &Family, segments: &[&str]) -> Result<url::Url, Failure> {
        let mut url = self.endpoint(family.path);
        for segment in segments {
            if segment.is_empty() || *segment == "." || *segment == ".." {
                return Err(Failure::new(FailureKind::Local, format!("{segment:?} is not an id")));
            }
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty().push(segment).push("");
            }
        }
        Ok(url)
    }
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
