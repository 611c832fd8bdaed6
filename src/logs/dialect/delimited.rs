//! Values between separators, CSV and its kin: a value in quotes may hold the separator, and `""` is a quote.
//!
//! A quote that is never closed (cut lines, agents with a quote in them) does not swallow the line: the value then ends
//! at the next separator as if it were not quoted.

use super::{Layout, Names, State};
use crate::logs::Reject;
use crate::logs::fields::{Fields, Kind, Slot, Undo};
use crate::logs::scan::{Marks, find};
use std::sync::Arc;

/// A format of values between separators.
#[derive(Debug)]
pub struct Delimited {
    /// Separators the format may use; the one that is in the header line, else in the line, is taken.
    pub separators: &'static [u8],
    /// What stands around a value that holds the separator; twice, it is itself. NUL for none.
    pub quote: u8,
    /// What each value means, in order, when no header line has said otherwise; empty if a header line is needed.
    pub columns: &'static [Slot],
    /// How many values a record has at least.
    pub least: usize,
    /// Names of which one is in every header line; empty if the format has none.
    pub header: &'static [&'static str],
    /// Whether a header line is one with every name in a column of its own, spelled exactly so.
    pub exact: bool,
    /// The names in a header line, whatever their case.
    pub names: Names,
}

/// Comma-separated, no header line.
pub const COMMA: Delimited =
    Delimited { separators: b",", quote: b'"', columns: &[], least: 0, header: &[], exact: false, names: &[] };

/// What parts the values of a line, and what keeps them together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marked {
    pub separator: u8,
    pub quote: u8,
}

/// The value at `at`, whether it holds doubled quotes, and where its separator stands; `marks` are the separators.
#[inline(always)]
pub(super) fn value<'l>(line: &'l [u8], at: usize, by: Marked, marks: &mut Marks<'_, 1>) -> (&'l [u8], bool, usize) {
    if line.get(at) == Some(&by.quote)
        && let Some((end, doubled)) = closing(line, at + 1, by)
    {
        return (&line[at + 1..end], doubled, end + 1);
    }
    let end = marks.find(at);
    (line.get(at..end).unwrap_or_default(), false, end)
}

/// Where the quote stands that a separator or the end of the line follows.
#[inline(never)]
fn closing(line: &[u8], from: usize, by: Marked) -> Option<(usize, bool)> {
    let (mut at, mut doubled) = (from, false);
    loop {
        let quote = find(line, at, [by.quote]);
        match line.get(quote + 1) {
            _ if quote >= line.len() => return None,
            None => return Some((quote, doubled)),
            Some(next) if *next == by.separator => return Some((quote, doubled)),
            Some(next) if *next == by.quote => (at, doubled) = (quote + 2, true),
            Some(_) => at = quote + 1,
        }
    }
}

/// Puts the values of a line into slots; how many there were, as far as the slots go.
pub(super) fn fill<'l>(columns: &[Slot], by: Marked, fields: &mut Fields<'l>) -> usize {
    let line = fields.body;
    fields.undo = Undo::Doubled(by.quote);
    let mut marks = Marks::new(line, [by.separator]);
    let mut at = 0;
    for (count, slot) in columns.iter().enumerate() {
        let (text, doubled, end) = value(line, at, by, &mut marks);
        if doubled {
            fields.put_escaped(*slot, text);
        } else {
            fields.put(*slot, text);
        }
        if end >= line.len() {
            return count + 1;
        }
        at = end + 1;
    }
    // One more than there are slots: the line goes on.
    columns.len() + 1
}

pub(crate) fn split<'l>(delimited: &Delimited, state: &mut State, fields: &mut Fields<'l>) -> Kind {
    let line = fields.body;
    let first = line.iter().find(|c| !matches!(c, b'"' | b' ' | b'#'));
    if (delimited.exact || first.is_some_and(u8::is_ascii_alphabetic)) && is_header(delimited, line) {
        learn(delimited, state, line);
        return Kind::Other;
    }
    if line.starts_with(b"#") {
        return Kind::Other;
    }
    let count = match &state.layout {
        Some(layout) => {
            let count = fill(&layout.columns, Marked { separator: layout.separator, quote: delimited.quote }, fields);
            if count * 2 < layout.columns.len() {
                return Kind::Reject(Reject("fewer than half of the columns that the header names"));
            }
            count
        }
        None if delimited.columns.is_empty() => {
            return Kind::Reject(Reject("no header line has named the columns"));
        }
        None => fill(delimited.columns, marked(delimited, line), fields),
    };
    if count < delimited.least.max(2) {
        Kind::Reject(Reject("fewer columns than the format has"))
    } else {
        Kind::Record
    }
}

fn marked(delimited: &Delimited, line: &[u8]) -> Marked {
    let separator = match delimited.separators {
        [only] => *only,
        several => {
            let there = several.iter().find(|separator| memchr::memchr(**separator, line).is_some());
            there.or(several.first()).copied().unwrap_or(b',')
        }
    };
    Marked { separator, quote: delimited.quote }
}

fn is_header(delimited: &Delimited, line: &[u8]) -> bool {
    let marked_so = delimited.header.iter().any(|name| memchr::memmem::find(line, name.as_bytes()).is_some());
    marked_so && (!delimited.exact || names_all(delimited, line))
}

/// Whether every name of the format is a column of the line.
fn names_all(delimited: &Delimited, line: &[u8]) -> bool {
    let is_there = |wanted: &str| {
        let mut found = false;
        each(delimited, line, |name| found |= name == wanted.as_bytes());
        found
    };
    delimited.names.iter().all(|(name, _)| is_there(name))
}

/// Walks the names in a header line.
fn each<'l>(delimited: &Delimited, line: &'l [u8], mut take: impl FnMut(&'l [u8])) {
    let by = marked(delimited, line);
    let line = line.strip_prefix(b"#").unwrap_or(line);
    let (mut at, mut marks) = (0, Marks::new(line, [by.separator]));
    loop {
        let (name, _, end) = value(line, at, by, &mut marks);
        take(name.trim_ascii());
        if end >= line.len() {
            break;
        }
        at = end + 1;
    }
}

fn learn(delimited: &Delimited, state: &mut State, line: &[u8]) {
    let mut columns = Vec::new();
    each(delimited, line, |name| {
        columns.push(if delimited.exact { state.keys.find(name, 0, name.len()) } else { state.keys.find_name(name) });
    });
    state.layout = Some(Arc::new(Layout { columns, separator: marked(delimited, line).separator }));
}
