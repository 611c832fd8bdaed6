//! A layout of a log that no log type has: what the site tells of it, as the service's custom parser is told.
//!
//! Data only: `config` reads it, `service` hands it to an embedded service, `logs` makes a format of it.

use super::LogType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What the service calls a log that the parser of its data source reads.
pub const CUSTOM_PARSER: &str = "CUSTOM_PARSER";
/// The service's number for it.
pub const CUSTOM_PARSER_ID: u64 = 167;

/// The last column that a position may name.
const LAST_COLUMN: usize = 500;

/// How values are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayoutKind {
    /// Values in columns, between separators.
    Delimited,
    /// A name with each value.
    KeyValue,
}

/// What a value means: the fields of a record, and the parts of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Whole time, or the time of day where [`Part::Date`] is a value of its own.
    Time,
    /// The date, where it is a value of its own.
    Date,
    /// Offset or zone of the time, where it is a value of its own.
    Zone,
    /// Who opened the connection.
    SrcIp,
    /// Whose it was.
    User,
    /// The host asked for.
    Host,
    /// The URL asked for.
    Url,
    /// The server's address.
    DstIp,
    /// The server's port.
    DstPort,
    /// Bytes from the client.
    BytesUp,
    /// Bytes to the client.
    BytesDown,
    /// Bytes both ways.
    BytesTotal,
    /// The word that says what became of it.
    Action,
    /// The appliance.
    Device,
}

impl Part {
    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Time => "time",
            Part::Date => "date",
            Part::Zone => "zone",
            Part::SrcIp => "src_ip",
            Part::User => "user",
            Part::Host => "host",
            Part::Url => "url",
            Part::DstIp => "dst_ip",
            Part::DstPort => "dst_port",
            Part::BytesUp => "bytes_up",
            Part::BytesDown => "bytes_down",
            Part::BytesTotal => "bytes_total",
            Part::Action => "action",
            Part::Device => "device",
        }
    }
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// The number of its column, from 1.
    Column(usize),
    /// The name of its column, or its key.
    Name(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Column(number) => write!(f, "{number}"),
            Place::Name(name) => f.write_str(name),
        }
    }
}

/// One layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// What it is called where a log type is asked for.
    pub name: LogType,
    /// How values are told apart.
    pub kind: LayoutKind,
    /// Between values, or between pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// Between key and value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assign: Option<String>,
    /// Around a value that holds the separator; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// Whether a syslog header stands in front of each line.
    #[serde(default)]
    pub syslog: bool,
    /// The names of the columns, in order, where the log does not tell them itself.
    #[serde(default)]
    pub columns: Vec<String>,
    /// What lines begin with that are no transactions.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// How a time is written, in the conversions of `strftime`; where it is not given, that is seen from the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_format: Option<String>,
    /// The zone of times that name none: a name of the IANA database or an offset. UTC where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Words that mean the request went through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<String>>,
    /// Words that mean it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Vec<String>>,
    /// What stands where.
    pub fields: BTreeMap<Part, Place>,
}

impl Layout {
    /// Every mistake: the key, and what is wrong with it.
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut say = |key, why: String| wrong.push((key, why));
        match self.kind {
            LayoutKind::Delimited => self.delimited(&mut say),
            LayoutKind::KeyValue => self.pairs(&mut say),
        }
        self.meaning(&mut say);
        for (key, words) in [("allowed", &self.allowed), ("blocked", &self.blocked)] {
            if words.iter().flatten().any(|word| word.is_empty()) {
                say(key, "a word is empty".to_owned());
            }
        }
        if self.ignore.iter().any(String::is_empty) {
            say("ignore", "what is empty begins every line".to_owned());
        }
        if let Some(pattern) = &self.time_format
            && let Err(why) = time_format(pattern)
        {
            say("time_format", why);
        }
        if let Some(name) = &self.zone
            && let Err(why) = zone(name)
        {
            say("zone", why);
        }
        let texts = [&self.separator, &self.assign, &self.quote].into_iter().flatten();
        let names = self.fields.values().filter_map(|place| match place {
            Place::Name(name) => Some(name),
            Place::Column(_) => None,
        });
        if texts.chain(names).chain(&self.columns).chain(&self.ignore).any(|text| text.contains(['\n', '\r', '\0'])) {
            say("fields", "no text may hold an end of line or a NUL".to_owned());
        }
        wrong
    }

    fn delimited(&self, say: &mut impl FnMut(&'static str, String)) {
        let separator = self.separator.as_deref().unwrap_or(",");
        let legal = |c: &u8| c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, b'"' | b'\n' | b'\r' | 0);
        if separator.len() != 1 || !separator.as_bytes().iter().all(legal) {
            say("separator", format!("{separator:?} is not one character that is neither letter, digit nor quote"));
        }
        if let Some(quote) = self.quote.as_deref()
            && !matches!(quote, "" | "\"" | "'" | "`" | "|")
        {
            say("quote", format!("{quote:?} is none of \" ' ` | and nothing"));
        }
        if self.quote.as_deref() == Some(separator) {
            say("quote", "it is the separator as well".to_owned());
        }
        if self.assign.is_some() {
            say("assign", "only kind = \"key-value\" has one".to_owned());
        }
        if self.columns.len() > LAST_COLUMN {
            say("columns", format!("{} are more than {LAST_COLUMN}", self.columns.len()));
        }
        let numbered = self.fields.values().filter(|place| matches!(place, Place::Column(_))).count();
        if self.columns.is_empty() && numbered > 0 && numbered < self.fields.len() {
            say(
                "fields",
                "either all by number, or all by a name that stands in the log's header line; list `columns` to mix them"
                    .to_owned(),
            );
        }
        if separator == " " && self.columns.is_empty() && numbered == 0 {
            say("columns", "list them: a header line is not looked for between words".to_owned());
        }
        let last = if self.columns.is_empty() { LAST_COLUMN } else { self.columns.len() };
        for (part, place) in &self.fields {
            match place {
                Place::Column(number) if !(1..=last).contains(number) => {
                    say("fields", format!("{}: there is no column {number}; they are 1 to {last}", part.as_str()));
                }
                Place::Name(name) if !self.columns.is_empty() => {
                    match self.columns.iter().filter(|column| *column == name).count() {
                        0 => {
                            let near = super::nearest(name, self.columns.iter().map(String::as_str));
                            let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
                            say("fields", format!("{}: `columns` has no {name:?}{near}", part.as_str()));
                        }
                        1 => {}
                        _ => say("fields", format!("{}: `columns` has {name:?} more than once", part.as_str())),
                    }
                }
                Place::Name(name) if name.trim().is_empty() => {
                    say("fields", format!("{}: the name is empty", part.as_str()));
                }
                _ => {}
            }
        }
        let parts: Vec<(Part, Option<usize>)> = self.fields.keys().map(|part| (*part, self.column(*part))).collect();
        for (at, (part, column)) in parts.iter().enumerate() {
            if let Some((first, _)) = parts[..at].iter().find(|(_, other)| column.is_some() && other == column) {
                say("fields", format!("{} and {} are the same column", first.as_str(), part.as_str()));
            }
        }
    }

    fn pairs(&self, say: &mut impl FnMut(&'static str, String)) {
        if !self.columns.is_empty() {
            say("columns", "only kind = \"delimited\" has them".to_owned());
        }
        if self.quote.is_some() {
            say(
                "quote",
                "only kind = \"delimited\" has a choice: a value in a pair may stand in double quotes".to_owned(),
            );
        }
        let legal = |text: &str| text.is_ascii() && (1..=8).contains(&text.len()) && !text.contains(['"', '\n', '\r']);
        for (key, text) in [("separator", &self.separator), ("assign", &self.assign)] {
            if let Some(text) = text
                && (!legal(text) || text.bytes().any(|c| c.is_ascii_alphanumeric()))
            {
                say(
                    key,
                    format!("{text:?} is not one to eight characters that are neither letters, digits nor quotes"),
                );
            }
        }
        if self.separator.is_some() && self.separator == self.assign {
            say("assign", "it is the separator as well".to_owned());
        }
        if self.assign.as_deref().is_some_and(|assign| assign.len() > 1) && self.separator.is_none() {
            say("separator", "give it: it can be guessed only where one character stands behind a key".to_owned());
        }
        for (part, place) in &self.fields {
            match place {
                Place::Column(number) => {
                    say("fields", format!("{}: pairs are known by their key, not by number {number}", part.as_str()));
                }
                Place::Name(name) if name.is_empty() || name.trim() != name => {
                    say("fields", format!("{}: {name:?} is not a key", part.as_str()));
                }
                Place::Name(name) => {
                    let same = self.fields.iter().find(|(other, known)| *other < part && *known == place);
                    if let Some((other, _)) = same {
                        say("fields", format!("{} and {} are the same key {name:?}", other.as_str(), part.as_str()));
                    }
                }
            }
        }
    }

    /// Without these the service's own parser takes no layout, and nothing could be discovered.
    fn meaning(&self, say: &mut impl FnMut(&'static str, String)) {
        let has = |part| self.fields.contains_key(&part);
        for part in [Part::Time, Part::SrcIp] {
            if !has(part) {
                say("fields", format!("{} is missing: the service's custom parser insists on it", part.as_str()));
            }
        }
        if ![Part::Url, Part::Host, Part::DstIp].into_iter().any(has) {
            say("fields", "url, host and dst_ip are all missing: then there is nothing to discover".to_owned());
        }
        if (self.allowed.is_some() || self.blocked.is_some()) && !has(Part::Action) {
            say("fields", "action is missing, which `allowed` and `blocked` are about".to_owned());
        }
    }

    /// The column of a part, counted from 0, where that is known without the log.
    pub fn column(&self, part: Part) -> Option<usize> {
        match self.fields.get(&part)? {
            Place::Column(number) => number.checked_sub(1),
            Place::Name(name) => self.columns.iter().position(|column| column == name),
        }
    }
}

/// Whether times can be read that are written like this.
fn time_format(pattern: &str) -> Result<(), String> {
    let example = jiff::civil::date(2026, 11, 25).at(13, 7, 59, 0).to_zoned_datetime(jiff::tz::TimeZone::UTC);
    let example = example.map_err(|error| error.to_string())?;
    let wrong = |error: jiff::Error| format!("{pattern:?} cannot be used: {error}");
    let text = jiff::fmt::strtime::format(pattern, &example).map_err(wrong)?;
    let read = jiff::fmt::strtime::parse(pattern, &text).map_err(wrong)?;
    let whole = read.timestamp().is_some() || (read.to_time().is_ok() && read.hour().is_some());
    let dated =
        read.to_date().is_ok() || (read.month().is_some() && read.day().is_some()) || read.timestamp().is_some();
    match (whole, dated) {
        (true, true) => Ok(()),
        (true, false) => {
            Err(format!("{pattern:?} has no date: it is how date and time are written, one behind the other"))
        }
        (false, _) => Err(format!("{pattern:?} has no time of day, such as %H:%M:%S")),
    }
}

/// The time zone of this name, or of this offset.
///
/// # Errors
/// When this host knows no such zone.
pub fn zone(name: &str) -> Result<jiff::tz::TimeZone, String> {
    let wrong = || {
        format!(
            "{name:?} is no zone this host knows: write it like Europe/Berlin, UTC or +02:00 \
             (names need the system's time zone data, package tzdata)"
        )
    };
    if name.eq_ignore_ascii_case("utc") || name == "Z" {
        return Ok(jiff::tz::TimeZone::UTC);
    }
    let Some(sign) = name.bytes().next().filter(|c| matches!(c, b'+' | b'-')) else {
        return jiff::tz::TimeZone::get(name).map_err(|_| wrong());
    };
    let digits = name[1..].replacen(':', "", 1);
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(wrong());
    }
    let number = |text: &str| text.parse::<i32>().unwrap_or(0);
    let (hours, minutes) = (number(&digits[..2]), number(&digits[2..]));
    if hours > 15 || minutes > 59 {
        return Err(wrong());
    }
    let seconds = (hours * 60 + minutes) * 60;
    let offset = jiff::tz::Offset::from_seconds(if sign == b'-' { -seconds } else { seconds });
    offset.map(jiff::tz::Offset::to_time_zone).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str) -> Layout {
        let head = "name = \"BRANCH\"\nkind = \"delimited\"\n";
        let text = if text.contains("kind =") { format!("name = \"BRANCH\"\n{text}") } else { format!("{head}{text}") };
        toml::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_sound_layout_has_no_mistakes() {
        let rows = [
            "fields = { time = 1, src_ip = 2, url = 3 }",
            "separator = \";\"\ncolumns = [\"d\", \"t\", \"c\", \"u\"]\nzone = \"+02:00\"\ntime_format = \"%d.%m.%Y %H:%M:%S\"\n\
             fields = { date = \"d\", time = \"t\", src_ip = 3, host = \"u\" }",
            "separator = \"\\t\"\nfields = { time = \"Time\", src_ip = \"Client\", dst_ip = \"Server\" }",
            "kind = \"key-value\"\nseparator = \", \"\nassign = \": \"\nfields = { time = \"at\", src_ip = \"from\", url = \"u\" }",
            "kind = \"key-value\"\ntime_format = \"%s\"\nfields = { time = \"at\", src_ip = \"from\", url = \"u\" }",
            "time_format = \"%b %d %H:%M:%S\"\nfields = { time = 1, src_ip = 2, url = 3 }",
        ];
        for text in rows {
            assert_eq!(layout(text).mistakes(), [], "{text}");
        }
    }

    #[test]
    fn every_mistake_is_named_with_its_key() {
        let usual = "fields = { time = 1, src_ip = 2, url = 3 }";
        let rows = [
            ("separator = \"ab\"", usual, "separator"),
            ("separator = \"a\"", usual, "separator"),
            ("quote = \"x\"", usual, "quote"),
            ("separator = \"|\"\nquote = \"|\"", usual, "quote"),
            ("assign = \"=\"", usual, "assign"),
            ("ignore = [\"\"]", usual, "ignore"),
            ("blocked = [\"deny\"]", usual, "fields"),
            ("zone = \"Mars/Base\"", usual, "zone"),
            ("zone = \"+99:00\"", usual, "zone"),
            ("time_format = \"%H:%M\"", usual, "time_format"),
            ("time_format = \"%Y-%m-%d\"", usual, "time_format"),
            ("time_format = \"%!\"", usual, "time_format"),
            ("columns = [\"a\", \"b\"]", usual, "fields"),
            ("columns = [\"a\", \"a\", \"b\"]", "fields = { time = \"a\", src_ip = \"b\", url = 2 }", "fields"),
            ("", "fields = { time = 1, src_ip = \"b\", url = 2 }", "fields"),
            ("", "fields = { time = 1, src_ip = 2 }", "fields"),
            ("", "fields = { time = 1, url = 2 }", "fields"),
            ("", "fields = { time = 1, src_ip = 2, url = 2 }", "fields"),
            ("", "fields = { time = 0, src_ip = 2, url = 3 }", "fields"),
            ("separator = \" \"", "fields = { time = \"a\", src_ip = \"b\", url = \"c\" }", "columns"),
            ("kind = \"key-value\"", usual, "fields"),
            ("kind = \"key-value\"\nquote = \"'\"", "fields = { time = \"a\", src_ip = \"b\", url = \"c\" }", "quote"),
            (
                "kind = \"key-value\"\nassign = \": \"",
                "fields = { time = \"a\", src_ip = \"b\", url = \"c\" }",
                "separator",
            ),
            ("kind = \"key-value\"", "fields = { time = \"a\", src_ip = \"b\", url = \"b\" }", "fields"),
        ];
        for (head, fields, key) in rows {
            let found = layout(&format!("{head}\n{fields}")).mistakes();
            assert!(found.iter().any(|(wrong, _)| *wrong == key), "{head} {fields}: {found:?}");
        }
    }

    #[test]
    fn zones_are_names_or_offsets() {
        for (name, seconds) in [("UTC", 0), ("+02:00", 7_200), ("-0330", -12_600), ("+11", 39_600)] {
            let found = zone(name).unwrap().to_offset(jiff::Timestamp::UNIX_EPOCH);
            assert_eq!(found.seconds(), seconds, "{name}");
        }
        for name in ["", "+", "+1", "+2:00x", "Nowhere", "+é1"] {
            assert!(zone(name).is_err(), "{name}");
        }
    }
}
