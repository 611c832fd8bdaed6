//! The report as data: what every output (terminal, JSON, CSV, page) is made from. Serialised, it is the JSON of
//! `logweir discover`; fields are only ever added.

use super::risk::Risk;
use super::tags::Tag;
use serde::Serialize;

/// The name of the JSON document's shape.
pub const SCHEMA: &str = "logweir-discover-1";

/// Transactions and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// Lines of the log that are transactions.
    pub transactions: u64,
    /// From the clients, where the log tells directions apart.
    pub bytes_up: u64,
    /// To the clients, where the log tells directions apart.
    pub bytes_down: u64,
    /// All of them, also those without direction.
    pub bytes: u64,
    /// Transactions that were refused.
    pub blocked: u64,
}

impl Volume {
    /// Adds another volume.
    pub fn add(&mut self, other: &Volume) {
        self.transactions += other.transactions;
        self.bytes_up = self.bytes_up.saturating_add(other.bytes_up);
        self.bytes_down = self.bytes_down.saturating_add(other.bytes_down);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.blocked += other.blocked;
    }

    /// Which part of the transactions was refused, 0 to 1.
    pub fn blocked_share(&self) -> f64 {
        if self.transactions == 0 { 0.0 } else { self.blocked as f64 / self.transactions as f64 }
    }
}

/// The largest rows of a list, and what the others add up to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Listing<T> {
    /// How many rows there are in all; an estimate where `accuracy` says so.
    pub count: u64,
    /// The largest.
    pub rows: Vec<T>,
    /// What is not in `rows`.
    pub rest: Rest,
}

/// What a list leaves out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rest {
    /// Transactions.
    pub transactions: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The whole report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// First and last transaction, RFC 3339 in UTC.
    pub first_seen: Option<String>,
    /// The last one.
    pub last_seen: Option<String>,
    /// Headline numbers.
    pub totals: Totals,
    /// What was read.
    pub sources: Vec<Source>,
    /// Every app seen, by bytes.
    pub apps: Vec<App>,
    /// Apps by category, by bytes.
    pub categories: Vec<Category>,
    /// Users by bytes.
    pub users: Listing<Who>,
    /// Origin addresses by bytes.
    pub addresses: Listing<Who>,
    /// Appliances that wrote the lines, as far as the log names them.
    pub devices: Vec<String>,
    /// Registrable domains, and addresses, that the catalogue does not know.
    pub unknown_domains: Listing<Domain>,
    /// Content delivery, updates, advertising, analytics: what no one chooses to use.
    pub background: Vec<Background>,
    /// Hours with traffic, in order.
    pub timeline: Vec<Hour>,
    /// Whether users and addresses are pseudonyms.
    pub pseudonyms: bool,
    /// Compared with which earlier report, if any.
    pub baseline: Option<Baseline>,
    /// How exact each sort of figure is.
    pub accuracy: Vec<Accuracy>,
}

/// Headline numbers.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Totals {
    /// Everything counted.
    #[serde(flatten)]
    pub volume: Volume,
    /// Different users.
    pub users: u64,
    /// Different origin addresses.
    pub addresses: u64,
    /// Apps seen.
    pub apps: u64,
    /// Apps that an earlier report did not have.
    pub new_apps: u64,
    /// Apps at high risk.
    pub high_risk_apps: u64,
    /// Apps tagged unsanctioned.
    pub unsanctioned_apps: u64,
    /// Different host names.
    pub hosts: u64,
    /// Unknown registrable domains.
    pub unknown_domains: u64,
    /// Traffic to apps.
    pub to_apps: Volume,
    /// Traffic to infrastructure and page noise.
    pub to_background: Volume,
    /// Traffic to unknown domains.
    pub to_unknown: Volume,
    /// Traffic of lines that name no destination.
    pub unnamed: Volume,
}

/// One input.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Source {
    /// The file.
    pub name: String,
    /// Its log type.
    pub log_type: String,
    /// Lines.
    pub lines: u64,
    /// Transactions counted.
    pub counted: u64,
    /// Transactions that the filters left out.
    pub filtered: u64,
    /// Lines that are none: comments, other events.
    pub other: u64,
    /// Lines that could not be read.
    pub rejected: u64,
    /// Why, most frequent first.
    pub reasons: Vec<(String, u64)>,
}

/// One app.
#[derive(Debug, Clone, Serialize)]
pub struct App {
    /// Its number in the catalogue.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its category's id.
    pub category: &'static str,
    /// Its category's name.
    pub category_name: &'static str,
    /// Our own risk score.
    pub risk: Risk,
    /// What was decided about it.
    pub tag: Option<Tag>,
    /// Not in the earlier report.
    pub new: Option<bool>,
    /// Recognised by address, at least in part.
    pub by_address: bool,
    /// Different users.
    pub users: u64,
    /// Different origin addresses.
    pub addresses: u64,
    /// Different appliances.
    pub devices: u64,
    /// Its traffic.
    #[serde(flatten)]
    pub volume: Volume,
    /// Which part was refused.
    pub blocked_share: f64,
    /// First transaction.
    pub first_seen: Option<String>,
    /// Last transaction.
    pub last_seen: Option<String>,
    /// Days with traffic.
    pub days: Vec<Day>,
    /// Transactions by hour of the day, UTC.
    pub hours: [u64; 24],
    /// Who uses it most.
    pub top_users: Vec<Share>,
    /// From where it is used most.
    pub top_addresses: Vec<Share>,
    /// Under which names.
    pub hosts: Vec<Share>,
    /// How many names there are; `None` where some were dropped to bound memory.
    pub host_count: Option<u64>,
}

/// A day's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Day {
    /// Days of the Unix epoch.
    #[serde(serialize_with = "date")]
    pub day: i32,
    /// Transactions.
    pub transactions: u64,
    /// Bytes from the clients.
    pub bytes_up: u64,
    /// Bytes.
    pub bytes: u64,
}

/// An hour's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Hour {
    /// Hours of the Unix epoch.
    #[serde(serialize_with = "hour")]
    pub hour: i64,
    /// Transactions.
    pub transactions: u64,
    /// Bytes from the clients.
    pub bytes_up: u64,
    /// Bytes.
    pub bytes: u64,
    /// Transactions that were refused.
    pub blocked: u64,
}

/// One user's, address's or name's part of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Whose.
    pub name: String,
    /// Transactions.
    pub transactions: u64,
    /// Bytes from the clients.
    pub bytes_up: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A user or an origin address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Who {
    /// The user or address, or its pseudonym.
    pub name: String,
    /// Different apps; a lower bound where `partial`.
    pub apps: u64,
    /// Of these, tagged unsanctioned.
    pub unsanctioned: u64,
    /// Of these, at high risk.
    pub high_risk: u64,
    /// Some apps were dropped to bound memory.
    pub partial: bool,
    /// Transactions.
    pub transactions: u64,
    /// Bytes from the clients.
    pub bytes_up: u64,
    /// Bytes.
    pub bytes: u64,
    /// The apps used most, by name.
    pub top_apps: Vec<Share>,
}

/// An unknown domain.
#[derive(Debug, Clone, Serialize)]
pub struct Domain {
    /// The registrable domain, or the address.
    pub domain: String,
    /// Different users; where the log names nobody, their addresses.
    pub users: u64,
    /// Its traffic.
    #[serde(flatten)]
    pub volume: Volume,
    /// First transaction.
    pub first_seen: Option<String>,
    /// Last transaction.
    pub last_seen: Option<String>,
    /// Not in the earlier report, where that can be told.
    pub new: Option<bool>,
}

/// A category with its apps.
#[derive(Debug, Clone, Serialize)]
pub struct Category {
    /// The service's id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Apps seen.
    pub apps: u64,
    /// Different users of any of them.
    pub users: Option<u64>,
    /// Their traffic.
    #[serde(flatten)]
    pub volume: Volume,
}

/// Infrastructure or page noise.
#[derive(Debug, Clone, Serialize)]
pub struct Background {
    /// Its number in the catalogue.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// `infrastructure` or `page-noise`.
    pub kind: &'static str,
    /// Its traffic.
    #[serde(flatten)]
    pub volume: Volume,
}

/// The earlier report compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Baseline {
    /// Where it was read from.
    pub name: String,
    /// The last transaction in it.
    pub last_seen: Option<String>,
    /// Apps it had that this one does not.
    pub gone: Vec<String>,
}

/// How exact a sort of figure is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Accuracy {
    /// Which figures.
    pub figures: &'static str,
    /// Whether they are exact.
    pub exact: bool,
    /// How they were made, and how far off they may be.
    pub method: String,
}

/// `2026-11-20` of days of the epoch.
pub fn date_text(day: i32) -> String {
    let second = i64::from(day) * 86_400;
    jiff::Timestamp::from_second(second).map_or_else(|_| day.to_string(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// RFC 3339 of microseconds of the epoch, to the second.
pub fn time_text(micros: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(micros.div_euclid(1_000_000)).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn date<S: serde::Serializer>(day: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&date_text(*day))
}

fn hour<S: serde::Serializer>(hour: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time_text(hour.saturating_mul(3_600_000_000)).unwrap_or_default())
}
