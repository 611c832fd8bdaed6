//! What a log is worth to the service, counted while its lines are read: which lines are transactions, which are not and
//! why, what the records hold, when, who, where to. [`Quality::judge`] puts the verdict in the service's own terms.
//!
//! ```text
//! lines ─► Quality (a Visit, one per chunk, merged in order) ─► judge ─► Judgement (kept with a shipment, shown by status)
//!                                                           └► summary ─► Summary (everything, for `check`)
//! ```
//!
//! Memory is bounded whatever the log holds: counts, sketches for distinct counts, a table of the most frequent hosts that
//! forgets the rarest, three examples per reason. Nothing is allocated per line. The clock is the caller's.

mod judgement;
mod place;
mod summary;
mod top;

pub use judgement::{Finding, Judgement, Level, Verdict};
pub use summary::{Direction, Example, Extraction, Fill, Rejects, Summary, Times, TopHost};

use super::output::FIELDS;
use super::sketch::Distinct;
use super::{Format, Line, Position, Record, Reject, Visit};
use place::Place;
use std::net::IpAddr;
use top::Top;

/// What the service does not look at, in microseconds.
const OLD: i64 = 90 * 86_400 * 1_000_000;
/// A device without a zone may be this far ahead of UTC without its clock being wrong.
const AHEAD: i64 = 14 * 3_600 * 1_000_000;
/// Examples that are kept of each kind of line.
const EXAMPLES: usize = 3;
/// Bytes that are kept of an example.
const EXAMPLE: usize = 400;

/// The count of one log, or of a chunk of it.
#[derive(Debug)]
pub struct Quality {
    format: &'static Format,
    now: i64,
    lines: u64,
    records: u64,
    other: u64,
    others: Vec<Kept>,
    rejects: Vec<Rejected>,
    /// Broken lines as long as a datagram of syslog may be.
    cut: u64,
    /// Records with each field, in the order of [`FIELDS`].
    filled: [u64; FIELDS.len()],
    /// Records with a host or a URL.
    named: u64,
    /// Records with any byte count.
    measured: u64,
    first: i64,
    last: i64,
    old: u64,
    ahead: u64,
    ways: [u64; Way::COUNT],
    users: Distinct<12>,
    addresses: Distinct<12>,
    top: Top,
}

/// A line that is kept to be shown.
#[derive(Debug, Clone)]
struct Kept {
    at: Position,
    text: Box<[u8]>,
}

impl Kept {
    fn new(at: Position, raw: &[u8]) -> Kept {
        Kept { at, text: raw[..raw.len().min(EXAMPLE)].into() }
    }
}

#[derive(Debug)]
struct Rejected {
    reason: Reject,
    count: u64,
    examples: Vec<Kept>,
}

/// Which way a transaction goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Outbound,
    Inbound,
    Internal,
    /// Between two addresses that are not private: as a rule clients with addresses of their own.
    External,
    Unknown,
}

impl Way {
    const COUNT: usize = 5;

    #[inline]
    fn of(record: &Record<'_>) -> Way {
        let place = match record.host.map(place::of_name) {
            Some(Place::Outside) => Some(Place::Outside),
            named => record.dst_ip.map(place::of_address).or(named),
        };
        match (record.src_ip.map_or(Place::Inside, place::of_address), place) {
            (_, None) => Way::Unknown,
            (Place::Inside, Some(Place::Outside)) => Way::Outbound,
            (Place::Outside, Some(Place::Inside)) => Way::Inbound,
            (Place::Inside, Some(Place::Inside)) => Way::Internal,
            (Place::Outside, Some(Place::Outside)) => Way::External,
        }
    }
}

impl Quality {
    /// Nothing counted yet of a log of this type; `now` is in microseconds of the epoch.
    pub fn new(format: &'static Format, now: i64) -> Quality {
        Quality {
            format,
            now,
            lines: 0,
            records: 0,
            other: 0,
            others: Vec::new(),
            rejects: Vec::new(),
            cut: 0,
            filled: [0; FIELDS.len()],
            named: 0,
            measured: 0,
            first: i64::MAX,
            last: i64::MIN,
            old: 0,
            ahead: 0,
            ways: [0; Way::COUNT],
            users: Distinct::default(),
            addresses: Distinct::default(),
            top: Top::default(),
        }
    }

    /// The log type the lines were read as.
    pub fn format(&self) -> &'static Format {
        self.format
    }

    /// Lines so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Transactions so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Broken lines so far.
    pub fn rejected(&self) -> u64 {
        self.rejects.iter().map(|reject| reject.count).sum()
    }

    #[inline]
    fn record(&mut self, record: &Record<'_>) {
        self.records += 1;
        let there = [
            record.time.is_some(),
            record.src_ip.is_some(),
            record.user.is_some(),
            record.host.is_some(),
            record.url.is_some(),
            record.dst_ip.is_some(),
            record.dst_port.is_some(),
            record.bytes_up.is_some(),
            record.bytes_down.is_some(),
            record.bytes_total.is_some(),
            record.action.is_some(),
            record.device.is_some(),
        ];
        self.filled.iter_mut().zip(there).for_each(|(count, there)| *count += u64::from(there));
        self.named += u64::from(record.host.is_some() | record.url.is_some());
        self.measured +=
            u64::from(record.bytes_up.is_some() | record.bytes_down.is_some() | record.bytes_total.is_some());
        if let Some(time) = record.time {
            self.first = self.first.min(time);
            self.last = self.last.max(time);
            self.old += u64::from(time < self.now.saturating_sub(OLD));
            self.ahead += u64::from(time > self.now.saturating_add(AHEAD));
        }
        self.ways[Way::of(record) as usize] += 1;
        if let Some(address) = record.src_ip {
            // The sketch mixes what it is given.
            self.addresses.add(match address {
                IpAddr::V4(v4) => u64::from(u32::from(v4)),
                IpAddr::V6(v6) => top::hash(&v6.octets()),
            });
        }
        if let Some(user) = record.user {
            self.users.add(top::hash(user));
        }
        match (record.host, record.dst_ip) {
            (Some(host), _) => self.top.add(host),
            (None, Some(IpAddr::V4(v4))) => self.top.add_address(&v4.octets()),
            (None, Some(IpAddr::V6(v6))) => self.top.add_address(&v6.octets()),
            (None, None) => {}
        }
    }

    #[cold]
    fn reject(&mut self, reason: Reject, at: Position, raw: &[u8]) {
        let same = |known: &&mut Rejected| std::ptr::eq(known.reason.0, reason.0) || known.reason == reason;
        let known = match self.rejects.iter_mut().find(same) {
            Some(known) => known,
            None => {
                self.rejects.push(Rejected { reason, count: 0, examples: Vec::new() });
                let last = self.rejects.len() - 1;
                &mut self.rejects[last]
            }
        };
        known.count += 1;
        self.cut += u64::from(matches!(raw.len(), 1_023..=1_025 | 2_047..=2_049 | 8_191..=8_193));
        if known.examples.len() < EXAMPLES {
            known.examples.push(Kept::new(at, raw));
        }
    }
}

impl Visit for Quality {
    #[inline]
    fn line(&mut self, at: Position, raw: &[u8], line: &Line<'_>) {
        self.lines += 1;
        match line {
            Line::Record(record) => self.record(record),
            Line::Reject(reason) => self.reject(*reason, at, raw),
            Line::Other => {
                self.other += 1;
                // Directives and comments explain themselves.
                if self.others.len() < EXAMPLES && raw.len() > 1 && !raw.starts_with(b"#") {
                    self.others.push(Kept::new(at, raw));
                }
            }
        }
    }

    fn merge(&mut self, later: Quality) {
        self.lines += later.lines;
        self.records += later.records;
        self.other += later.other;
        self.cut += later.cut;
        keep(&mut self.others, later.others);
        for reject in later.rejects {
            match self.rejects.iter_mut().find(|known| known.reason == reject.reason) {
                Some(known) => {
                    known.count += reject.count;
                    keep(&mut known.examples, reject.examples);
                }
                None => self.rejects.push(reject),
            }
        }
        self.filled.iter_mut().zip(later.filled).for_each(|(mine, theirs)| *mine += theirs);
        self.ways.iter_mut().zip(later.ways).for_each(|(mine, theirs)| *mine += theirs);
        self.named += later.named;
        self.measured += later.measured;
        self.first = self.first.min(later.first);
        self.last = self.last.max(later.last);
        self.old += later.old;
        self.ahead += later.ahead;
        self.users.merge(&later.users);
        self.addresses.merge(&later.addresses);
        self.top.merge(&later.top);
    }
}

/// Adds later examples up to the number that is kept.
fn keep(mine: &mut Vec<Kept>, theirs: Vec<Kept>) {
    let room = EXAMPLES.saturating_sub(mine.len());
    mine.extend(theirs.into_iter().take(room));
}

#[cfg(test)]
mod tests;
