//! Words everyone shares: log types, data sources, byte counts, digests, host names, tenants.
//!
//! Types instead of strings, so that a data source can never be passed where a log type is wanted. Each is checked
//! where it is made and trusted afterwards. No I/O here.

mod layout;

pub use layout::{CUSTOM_PARSER, CUSTOM_PARSER_ID, Layout, LayoutKind, Part, Place, zone};

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The service's name of a log's vendor and layout, such as `SQUID_NATIVE`: the `source` parameter of `upload_url`.
///
/// Upper snake case, at most 64 bytes. A name outside our registry is legal (the service may know more than we do);
/// whether it is known is asked of `logs::vendor`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogType(String);

impl LogType {
    /// The name as the API spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogType {
    type Err = String;

    fn from_str(text: &str) -> Result<LogType, String> {
        let legal = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(legal) {
            return Err(format!("{text:?} is not a log type: they are spelled like SQUID_NATIVE"));
        }
        Ok(LogType(text.to_owned()))
    }
}

/// The service's named input, `inputStreamName`: 1 to 256 characters, none of them a control character.
///
/// The portal allows spaces, so nothing stricter is enforced.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DataSource(String);

impl DataSource {
    /// The name as the portal shows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DataSource {
    type Err = String;

    fn from_str(text: &str) -> Result<DataSource, String> {
        if text.trim().is_empty() || text.chars().count() > 256 || text.chars().any(char::is_control) {
            return Err(format!("{text:?} is not a data source name: 1 to 256 printable characters"));
        }
        Ok(DataSource(text.to_owned()))
    }
}

/// The name of a tenant in the configuration: what budgets, tokens and ledger rows are keyed by.
///
/// `default` for the one tenant of `[service]`; lower-case letters, digits, `-` and `_` for `[tenant.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantName(String);

impl TenantName {
    /// The tenant of a configuration that names none.
    pub fn default_tenant() -> TenantName {
        TenantName("default".to_owned())
    }

    /// The name as the configuration spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantName {
    type Err = String;

    fn from_str(text: &str) -> Result<TenantName, String> {
        let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(legal) {
            return Err(format!("{text:?} is not a tenant name: lower-case letters, digits, '-' and '_'"));
        }
        Ok(TenantName(text.to_owned()))
    }
}

/// A host name as A-labels in lower case, without a trailing dot: 1 to 253 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    /// The name in lower case, without a trailing dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<HostName, String> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err(format!("{text:?} is not a host name"));
        }
        Ok(HostName(name))
    }
}

macro_rules! text_word {
    ($($word:ident),*) => {$(
        impl fmt::Display for $word {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl TryFrom<String> for $word {
            type Error = String;
            fn try_from(text: String) -> Result<$word, String> {
                text.parse()
            }
        }
        impl From<$word> for String {
            fn from(word: $word) -> String {
                word.0
            }
        }
    )*};
}
text_word!(LogType, DataSource, TenantName, HostName);

/// A number of bytes; written and read with a unit (`64MiB`, `5GB`, `1048576`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteCount(pub u64);

const UNITS: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS[..4].iter().rev().find(|(_, size)| self.0 >= *size);
        match unit {
            #[expect(clippy::cast_precision_loss, reason = "a figure for people, one digit behind the point")]
            Some((name, size)) => f.pad(&format!("{:.1} {name}", self.0 as f64 / *size as f64)),
            None => f.pad(&format!("{} B", self.0)),
        }
    }
}

impl FromStr for ByteCount {
    type Err = String;

    fn from_str(text: &str) -> Result<ByteCount, String> {
        let wrong = || format!("{text:?} is not a size: write it like 64MiB, 5GB or 4096");
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..digits], text[digits..].trim());
        let factor = match unit {
            "" | "B" => 1,
            unit => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?.1,
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).map(ByteCount).ok_or_else(wrong);
        }
        let value: f64 = number.parse().map_err(|_| wrong())?;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked"
        )]
        if value.is_finite() && value >= 0.0 && value * (factor as f64) < 1e18 {
            Ok(ByteCount((value * factor as f64) as u64))
        } else {
            Err(wrong())
        }
    }
}

/// A BLAKE3 digest of content: what tells two files apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Digest, String> {
        let wrong = || format!("{text:?} is not a digest: 64 hexadecimal digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Digest(bytes))
    }
}

/// How much of a block list may change at once: `20%` of its entries, `500` entries, or `any`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxChange {
    percent: u64,
    least: u64,
}

impl Default for MaxChange {
    /// A fifth, and ten entries of a short list.
    fn default() -> MaxChange {
        MaxChange { percent: 20, least: 10 }
    }
}

impl MaxChange {
    /// The most of a list with so many entries.
    pub fn of(self, entries: u64) -> u64 {
        (entries.saturating_mul(self.percent) / 100).max(self.least)
    }
}

impl fmt::Display for MaxChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.percent, self.least) {
            (_, u64::MAX) => f.pad("any"),
            (0, least) => f.pad(&least.to_string()),
            (percent, 0) => f.pad(&format!("{percent}%")),
            (percent, least) => f.pad(&format!("{percent}%, at least {least} entries")),
        }
    }
}

impl FromStr for MaxChange {
    type Err = String;

    fn from_str(text: &str) -> Result<MaxChange, String> {
        let wrong = || format!("{text:?} is not a limit of change: write it like 20%, 500 or any");
        let number = |digits: &str| digits.trim().parse::<u64>().map_err(|_| wrong());
        match text.trim().strip_suffix('%') {
            Some(percent) => Ok(MaxChange { percent: number(percent)?, least: 0 }),
            None if text.trim() == "any" => Ok(MaxChange { percent: 0, least: u64::MAX }),
            None => Ok(MaxChange { percent: 0, least: number(text)? }),
        }
    }
}

/// Who wants to make a service call; decides how much of the budget is kept back from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A person waits at a terminal.
    Human,
    /// The daemon works off a backlog; some calls a minute are left to people.
    Backlog,
}

/// The tenant's budget of service calls, shared by every process on the host.
///
/// The ledger implements it; the service client draws from it before each call.
pub trait CallBudget: Send + Sync {
    /// Takes one call. Zero means taken; anything else is how long to wait before asking again.
    ///
    /// # Errors
    /// When the shared book cannot be read or written.
    fn take(&self, tenant: &TenantName, urgency: Urgency) -> crate::error::Result<std::time::Duration>;
}

/// The candidate that differs from `typed` in the fewest letters, if in at most a third of them.
pub fn nearest<'c>(typed: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let best = candidates.map(|candidate| (distance(typed, candidate), candidate)).min()?;
    (best.0 <= (typed.len() / 3).max(1)).then_some(best.1)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replace = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_read_and_write_with_units() {
        let rows = [("0", 0), ("4096", 4096), ("64MiB", 64 << 20), ("5 GB", 5_000_000_000), ("1.5KiB", 1536)];
        for (text, bytes) in rows {
            assert_eq!(text.parse::<ByteCount>(), Ok(ByteCount(bytes)), "{text}");
        }
        for text in ["", "x", "5 parsecs", "-1", "99999999999999999999", "1e400GB"] {
            assert!(text.parse::<ByteCount>().is_err(), "{text}");
        }
        assert_eq!(ByteCount(512).to_string(), "512 B");
        assert_eq!(ByteCount(64 << 20).to_string(), "64.0 MiB");
    }

    #[test]
    fn names_refuse_what_the_service_could_not_mean() {
        assert!("squid".parse::<LogType>().is_err());
        assert!("SQUID_NATIVE".parse::<LogType>().is_ok());
        assert!("a\nb".parse::<DataSource>().is_err());
        assert!("HQ Squid".parse::<DataSource>().is_ok());
        assert!("Contoso".parse::<TenantName>().is_err());
        assert_eq!("WWW.Example.COM.".parse::<HostName>().map(String::from), Ok("www.example.com".to_owned()));
        assert!("a..b".parse::<HostName>().is_err());
        assert!("-a.b".parse::<HostName>().is_err());
    }

    #[test]
    fn digests_survive_their_text_form() {
        let digest = Digest([0xa5; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("zz".parse::<Digest>().is_err());
    }
}
