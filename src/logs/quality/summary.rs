//! Everything that was counted, as numbers and names: what `check` shows and writes as JSON.

use super::{Kept, Quality, Way};
use crate::logs::Extract;
use crate::logs::output::FIELDS;
use serde::Serialize;

/// Everything that was counted of a log.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Lines.
    pub lines: u64,
    /// Transactions.
    pub records: u64,
    /// Lines that are no transactions: empty ones, comments, headers, other messages.
    pub other: u64,
    /// The first of them that are no comments.
    pub other_examples: Vec<Example>,
    /// Broken lines.
    pub rejected: u64,
    /// Broken lines by reason, the most frequent first.
    pub rejects: Vec<Rejects>,
    /// Per field of a record: how many have it.
    pub fields: Vec<Fill>,
    /// When the transactions were.
    pub time: Times,
    /// Where they went.
    pub direction: Direction,
    /// About how many users.
    pub users: u64,
    /// About how many origin addresses.
    pub addresses: u64,
    /// The hosts seen most, most first; addresses where the log has no host names.
    pub top_hosts: Vec<TopHost>,
    /// How many transactions may be missing from each count of `top_hosts`.
    pub top_hosts_error: u64,
    /// What the service says it extracts from the type, beside what the file has.
    pub extracts: Vec<Extraction>,
}

/// A line that is shown.
#[derive(Debug, Clone, Serialize)]
pub struct Example {
    /// Counted from 1.
    pub line: u64,
    /// Bytes in front of it, after unpacking.
    pub offset: u64,
    /// Its beginning; bytes that are no UTF-8 are replaced. Hostile: to be escaped where it is shown.
    pub text: String,
}

/// Broken lines of one reason.
#[derive(Debug, Clone, Serialize)]
pub struct Rejects {
    /// The reason, a clause.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
    /// The first ones.
    pub examples: Vec<Example>,
}

/// How many records have a field.
#[derive(Debug, Clone, Serialize)]
pub struct Fill {
    /// The field.
    pub field: &'static str,
    /// Records that have it.
    pub records: u64,
    /// Share of the records, 0 to 1.
    pub share: f64,
}

/// When the transactions were.
#[derive(Debug, Clone, Serialize)]
pub struct Times {
    /// The earliest, RFC 3339.
    pub first: Option<String>,
    /// The latest.
    pub last: Option<String>,
    /// Transactions with a time.
    pub dated: u64,
    /// Those older than 90 days.
    pub older_than_90_days: u64,
    /// Their share of those with a time, 0 to 1.
    pub older_share: f64,
    /// Those more than 14 hours ahead.
    pub in_the_future: u64,
    /// Their share of those with a time, 0 to 1.
    pub future_share: f64,
}

/// Where the transactions went.
#[derive(Debug, Clone, Serialize)]
pub struct Direction {
    /// From inside to outside.
    pub outbound: u64,
    /// From outside to inside.
    pub inbound: u64,
    /// From inside to inside.
    pub internal: u64,
    /// Between addresses that are both public.
    pub external: u64,
    /// Without a destination.
    pub unknown: u64,
    /// Share of `outbound` among the transactions, 0 to 1.
    pub outbound_share: f64,
}

/// A host and how often it was seen.
#[derive(Debug, Clone, Serialize)]
pub struct TopHost {
    /// Name or address; hostile.
    pub host: String,
    /// Transactions.
    pub records: u64,
}

/// One thing the service may extract.
#[derive(Debug, Clone, Serialize)]
pub struct Extraction {
    /// What, in the service's words.
    pub what: &'static str,
    /// Whether the service says it extracts this from the log type; null where it says nothing.
    pub service: Option<bool>,
    /// Share of the records that have it, 0 to 1.
    pub share: f64,
}

/// The service's names of what it extracts.
const EXTRACTS: [(Extract, &str); 6] = [
    (Extract::Url, "target URL"),
    (Extract::DstIp, "target IP"),
    (Extract::User, "username"),
    (Extract::SrcIp, "origin IP"),
    (Extract::Total, "total traffic"),
    (Extract::Up, "uploaded bytes"),
];

impl Extract {
    /// The service's name of it.
    pub fn as_str(self) -> &'static str {
        EXTRACTS.iter().find(|(extract, _)| *extract == self).map_or("", |(_, name)| name)
    }

    /// All that the service may extract, in its order.
    pub fn all() -> impl Iterator<Item = Extract> {
        EXTRACTS.iter().map(|(extract, _)| *extract)
    }
}

impl Quality {
    /// Everything that was counted, with this many hosts.
    pub fn summary(&self, hosts: usize) -> Summary {
        let share = |count: u64| share(count, self.records);
        let when = |time: i64| jiff::Timestamp::from_microsecond(time).ok().map(|time| time.to_string());
        let dated = self.filled[0];
        let has = |extract: Extract| match extract {
            Extract::Url => self.named,
            Extract::DstIp => self.filled[5],
            Extract::User => self.filled[2],
            Extract::SrcIp => self.filled[1],
            Extract::Total => self.measured,
            Extract::Up => self.filled[7],
        };
        let way = |way: Way| self.ways[way as usize];
        let mut rejects: Vec<Rejects> = self
            .rejects
            .iter()
            .map(|reject| Rejects {
                reason: reject.reason.reason(),
                count: reject.count,
                examples: reject.examples.iter().map(Example::from).collect(),
            })
            .collect();
        rejects.sort_by_key(|reject| std::cmp::Reverse(reject.count));
        Summary {
            lines: self.lines,
            records: self.records,
            other: self.other,
            other_examples: self.others.iter().map(Example::from).collect(),
            rejected: self.rejected(),
            rejects,
            fields: FIELDS
                .iter()
                .zip(self.filled)
                .map(|(field, records)| Fill { field, records, share: share(records) })
                .collect(),
            time: Times {
                first: (dated > 0).then(|| when(self.first)).flatten(),
                last: (dated > 0).then(|| when(self.last)).flatten(),
                dated,
                older_than_90_days: self.old,
                older_share: self::share(self.old, dated),
                in_the_future: self.ahead,
                future_share: self::share(self.ahead, dated),
            },
            direction: Direction {
                outbound: way(Way::Outbound),
                inbound: way(Way::Inbound),
                internal: way(Way::Internal),
                external: way(Way::External),
                unknown: way(Way::Unknown),
                outbound_share: share(way(Way::Outbound)),
            },
            users: self.users.estimate(),
            addresses: self.addresses.estimate(),
            top_hosts: self.top.list(hosts).into_iter().map(|(host, records)| TopHost { host, records }).collect(),
            top_hosts_error: self.top.error(),
            extracts: EXTRACTS
                .iter()
                .map(|(extract, what)| Extraction {
                    what,
                    service: self.format.extracts.map(|extracts| extracts.contains(extract)),
                    share: share(has(*extract)),
                })
                .collect(),
        }
    }
}

impl From<&Kept> for Example {
    fn from(kept: &Kept) -> Example {
        Example { line: kept.at.line, offset: kept.at.offset, text: String::from_utf8_lossy(&kept.text).into_owned() }
    }
}

/// To four digits, so that the figure is the same on every machine.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 1e4).round() / 1e4 }
}
