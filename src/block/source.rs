//! Sources of entries: files of several forms, told apart by what they look like, and the service's own answers.
//!
//! Nothing is left out without a word: a line that is no entry is refused with its reason, and comments and blank lines
//! are the only things passed over.

use super::verdict::{Builder, Raw, Scope};
use super::{official, script};
use jiff::civil::Date;
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// The form of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One name, address, network or address of a page a line; `#` comments.
    Domains,
    /// A hosts file: address, names.
    Hosts,
    /// A header with `value` (or `domain`, `host`), and where wanted `scope`, `app`, `reason`, `until`.
    Csv,
    /// `||name^` lines.
    Adblock,
    /// The service's pages of apps, or a list of entries.
    Json,
    /// An official script of this number.
    Script(u16),
}

const NAMES: [(&str, Form); 5] = [
    ("domains", Form::Domains),
    ("hosts", Form::Hosts),
    ("csv", Form::Csv),
    ("adblock", Form::Adblock),
    ("json", Form::Json),
];

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Form::Script(number) => write!(f, "script {number}"),
            form => f.pad(NAMES.iter().find(|(_, known)| known == form).map_or("", |(name, _)| name)),
        }
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Form, String> {
        if let Some((_, form)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*form);
        }
        let script = official::OFFICIAL.iter().find(|known| known.name == text || known.format.to_string() == text);
        script.map(|known| Form::Script(known.format)).ok_or_else(|| {
            format!("{text:?} is none of domains, hosts, csv, adblock, json, nor an official script's name or number")
        })
    }
}

impl Form {
    /// What a text looks like.
    pub fn of(text: &str) -> Form {
        let start = text.trim_start_matches('\u{feff}').trim_start();
        if start.starts_with(['{', '[']) && !start.starts_with("[Adblock") {
            return Form::Json;
        }
        let mut lines = start.lines().map(str::trim);
        if lines.clone().next().is_some_and(|first| csv_columns(first).is_some()) {
            return Form::Csv;
        }
        if let Some(format) = script::recognise(text) {
            return Form::Script(format);
        }
        let adblock = |line: &str| line.starts_with("||") || line.starts_with("[Adblock") || line.starts_with("! ");
        if lines.clone().take(50).any(adblock) {
            return Form::Adblock;
        }
        match lines.find(|line| !line.is_empty() && !line.starts_with('#')) {
            Some(line) if is_hosts_line(line) => Form::Hosts,
            _ => Form::Domains,
        }
    }
}

fn is_hosts_line(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    words.next().is_some_and(|first| first.parse::<std::net::IpAddr>().is_ok())
        && words.next().is_some_and(|name| !name.starts_with('#'))
}

/// Reads a text into the builder, under the name of its source.
///
/// # Errors
/// When the text as a whole is not what it should be; single bad entries are refused in the builder instead.
pub fn read(builder: &mut Builder, name: &str, bytes: &[u8], form: Option<Form>) -> Result<(), String> {
    builder.source(name);
    // Other encodings than UTF-8 do not occur in host names; what is not UTF-8 becomes a sign that no name has.
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    match form.unwrap_or_else(|| Form::of(text)) {
        Form::Domains => lines(builder, text, domain),
        Form::Hosts => lines(builder, text, hosts),
        Form::Adblock => lines(builder, text, adblock),
        Form::Csv => return csv(builder, text),
        Form::Json => return json(builder, text),
        Form::Script(number) => {
            for found in script::extract(number, text) {
                match found.host {
                    Ok(text) => {
                        let text = &text.replace("\\.", ".");
                        builder.add(Raw { text, scope: found.scope, line: found.line, ..Raw::default() });
                    }
                    Err(text) => builder.refuse(text, found.line, "it is no line that this script's language has"),
                }
            }
        }
    }
    Ok(())
}

fn lines(builder: &mut Builder, text: &str, mut each: impl FnMut(&mut Builder, &str, u32)) {
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_matches([' ', '\t', '\r']);
        if !line.is_empty() {
            each(builder, line, u32::try_from(at + 1).unwrap_or(u32::MAX));
        }
    }
}

/// A line without its comment: from `#` at the start, or behind a blank.
fn without_comment(line: &str) -> &str {
    if line.starts_with('#') {
        return "";
    }
    let comment = line.match_indices('#').find(|(at, _)| line[..*at].ends_with([' ', '\t']));
    comment.map_or(line, |(at, _)| line[..at].trim_end())
}

fn domain(builder: &mut Builder, line: &str, number: u32) {
    let text = without_comment(line);
    if !text.is_empty() {
        builder.add(Raw { text, line: number, ..Raw::default() });
    }
}

fn hosts(builder: &mut Builder, line: &str, number: u32) {
    let text = without_comment(line);
    if text.is_empty() {
        return;
    }
    if !is_hosts_line(text) {
        return builder.refuse(text, number, "it is no line of a hosts file: address, then names");
    }
    for text in text.split_ascii_whitespace().skip(1) {
        builder.add(Raw { text, scope: Some(Scope::Exact), line: number, ..Raw::default() });
    }
}

fn adblock(builder: &mut Builder, line: &str, number: u32) {
    if line.starts_with(['!', '#']) || (line.starts_with('[') && line.ends_with(']')) {
        return;
    }
    match line.strip_prefix("||").and_then(|rest| rest.strip_suffix('^')) {
        Some(text) => builder.add(Raw { text, scope: Some(Scope::Subtree), line: number, ..Raw::default() }),
        None => builder.refuse(line, number, "it is no rule of the form ||name^"),
    }
}

struct Columns {
    value: usize,
    scope: Option<usize>,
    app: Option<usize>,
    reason: Option<usize>,
    until: Option<usize>,
}

fn csv_columns(header: &str) -> Option<Columns> {
    let names: Vec<String> = header.split(',').map(|cell| cell.trim().trim_matches('"').to_ascii_lowercase()).collect();
    let at = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
    Some(Columns {
        value: at(&["value", "domain", "host", "url"])?,
        scope: at(&["scope"]),
        app: at(&["app", "apps"]),
        reason: at(&["reason"]),
        until: at(&["until"]),
    })
}

const BAD_SCOPE: &str = "its scope is none of subtree, below, exact, path, ip";
const BAD_DATE: &str = "its end date is not of the form 2026-12-31";

fn csv(builder: &mut Builder, text: &str) -> Result<(), String> {
    let header = text.lines().next().unwrap_or_default();
    let columns = csv_columns(header).ok_or("the first line names no column value, domain or host")?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    for record in reader.records() {
        let record = record.map_err(|error| format!("it is no CSV: {error}"))?;
        let line = record.position().map_or(0, |position| u32::try_from(position.line()).unwrap_or(u32::MAX));
        let cell = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or_default().trim();
        let text = cell(Some(columns.value));
        let (scope, until) = match (optional(cell(columns.scope)), optional(cell(columns.until))) {
            (Err(_), _) => {
                builder.refuse(text, line, BAD_SCOPE);
                continue;
            }
            (_, Err(_)) => {
                builder.refuse(text, line, BAD_DATE);
                continue;
            }
            (Ok(scope), Ok(until)) => (scope, until),
        };
        builder.add(Raw { text, scope, app: cell(columns.app), reason: cell(columns.reason), until, line });
    }
    Ok(())
}

/// An empty cell is nothing, any other must parse.
fn optional<T: FromStr>(cell: &str) -> Result<Option<T>, T::Err> {
    if cell.is_empty() { Ok(None) } else { cell.parse().map(Some) }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Pages(Page),
    List(Vec<Item>),
}

#[derive(Deserialize)]
struct Page {
    #[serde(alias = "entries")]
    data: Vec<Item>,
    #[serde(default, rename = "hasNext")]
    more: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    App {
        #[serde(default)]
        name: String,
        #[serde(rename = "domainList")]
        domains: Vec<String>,
    },
    Entry {
        value: String,
        #[serde(default)]
        scope: Option<String>,
        #[serde(default, alias = "apps")]
        app: Option<String>,
        #[serde(default)]
        reason: Option<String>,
        #[serde(default)]
        until: Option<String>,
    },
    Text(String),
}

fn json(builder: &mut Builder, text: &str) -> Result<(), String> {
    let document: Document = serde_json::from_str(text)
        .map_err(|_| "it is neither the service's pages of apps nor a list of entries".to_owned())?;
    let items = match document {
        Document::Pages(Page { more: true, .. }) => return Err("it is only one page of several".to_owned()),
        Document::Pages(page) => page.data,
        Document::List(items) => items,
    };
    for (at, item) in items.iter().enumerate() {
        let line = u32::try_from(at + 1).unwrap_or(u32::MAX);
        match item {
            Item::App { name, domains } => app(builder, name, domains, line),
            Item::Text(text) => builder.add(Raw { text, line, ..Raw::default() }),
            Item::Entry { value, scope, app, reason, until } => {
                let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
                let (Ok(scope), Ok(until)) = (optional::<Scope>(&text(scope)), optional::<Date>(&text(until))) else {
                    builder.refuse(value, line, "its scope or end date cannot be read");
                    continue;
                };
                builder.add(Raw { text: value, scope, app: &text(app), reason: &text(reason), until, line });
            }
        }
    }
    Ok(())
}

/// The domains of one app of the verdict.
pub fn app(builder: &mut Builder, name: &str, domains: &[String], line: u32) {
    for text in domains {
        builder.add(Raw { text, app: name, line, ..Raw::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::Guards;
    use super::super::name::Reading;
    use super::super::verdict::{Fate, Verdict};
    use super::*;

    fn read_text(text: &str) -> Verdict {
        let mut builder = Builder::new(Reading::default());
        read(&mut builder, "test", text.as_bytes(), None).unwrap();
        builder.finish(&Guards::none(), None)
    }

    fn entries(verdict: &Verdict) -> Vec<String> {
        verdict.entries.iter().map(|entry| format!("{} {}", entry.scope, entry.value)).collect()
    }

    #[test]
    fn each_form_is_recognised_and_read() {
        let rows: &[(&str, Form, &[&str])] = &[
            (
                "a.example\n# c\n\n.B.example # why\r\n*.c.example\n",
                Form::Domains,
                &["subtree a.example", "subtree b.example", "below c.example"],
            ),
            ("\u{feff}a.example\n", Form::Domains, &["subtree a.example"]),
            ("# h\n0.0.0.0 a.example b.example # c\n", Form::Hosts, &["exact a.example", "exact b.example"]),
            (
                "value,scope,app\na.example,exact,Example\n*.b.example,,\n",
                Form::Csv,
                &["exact a.example", "below b.example"],
            ),
            ("domain\na.example\n", Form::Csv, &["subtree a.example"]),
            ("! Title\n||a.example^\n", Form::Adblock, &["subtree a.example"]),
            (
                "{\"data\":[{\"name\":\"Example\",\"appId\":1,\"domainList\":[\"a.example\"]}],\"hasNext\":false}",
                Form::Json,
                &["subtree a.example"],
            ),
            (
                "[\"a.example\", {\"value\":\"b.example\",\"scope\":\"exact\"}]",
                Form::Json,
                &["subtree a.example", "exact b.example"],
            ),
            ("url.domain=a.example deny\n", Form::Script(102), &["subtree a.example"]),
            ("dest_host=a.example action=deny\n", Form::Script(135), &["exact a.example"]),
        ];
        for (text, form, expected) in rows {
            assert_eq!(Form::of(text), *form, "{text}");
            assert_eq!(entries(&read_text(text)), *expected, "{text}");
        }
    }

    #[test]
    fn a_line_that_is_no_entry_is_refused_with_its_number_and_never_passed_over() {
        let rows = [
            ("a.example\nb.example c.example\n", 2),
            ("||a.example^\n@@||b.example^\n", 2),
            ("0.0.0.0 a.example\nnonsense\n", 2),
            ("value,scope\na.example,exact\nb.example,all\n", 3),
            ("value,until\na.example,2026-12-31\nb.example,tomorrow\n", 3),
            ("url.domain=a.example deny\nurl.domain=b.example allow\n", 2),
            ("[{\"value\":\"b.example\",\"scope\":\"all\"}]", 1),
        ];
        for (text, line) in rows {
            let verdict = read_text(text);
            let refused: Vec<u32> = verdict
                .inputs
                .iter()
                .filter(|input| matches!(input.fate, Fate::Refused(..)))
                .map(|input| input.line)
                .collect();
            assert_eq!(refused, [line], "{text}");
        }
    }

    #[test]
    fn a_text_that_is_not_whole_is_an_error() {
        let mut builder = Builder::new(Reading::default());
        for text in ["{\"error\":\"x\"}", "{\"data\":[],\"hasNext\":true}", "[1]", "{"] {
            assert!(read(&mut builder, "test", text.as_bytes(), None).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_shown() {
        for name in ["domains", "hosts", "csv", "adblock", "json"] {
            assert_eq!(name.parse::<Form>().unwrap().to_string(), name);
        }
        assert_eq!("cisco-asa".parse(), Ok(Form::Script(104)));
        assert!("pdf".parse::<Form>().is_err());
    }
}
