//! The W3C extended log file format: `#Fields:` names the columns of the lines after it, as often as it comes.

use super::delimited::{self, Marked};
use super::{Layout, Names, State};
use crate::logs::Reject;
use crate::logs::fields::{Fields, Kind, Slot};
use crate::logs::scan::Marks;
use std::sync::Arc;

/// A W3C format.
#[derive(Debug)]
pub struct W3c {
    /// What the names in `#Fields` mean, whatever their case.
    pub names: Names,
    /// What each column means when no `#Fields` has come; empty if such a file cannot be read.
    pub columns: &'static [Slot],
}

pub(crate) fn split<'l>(w3c: &W3c, state: &mut State, fields: &mut Fields<'l>) -> Kind {
    let line = fields.body;
    if line.starts_with(b"#") {
        if let Some(names) = line.strip_prefix(b"#Fields:") {
            learn(state, names);
        }
        return Kind::Other;
    }
    let (columns, separator): (&[Slot], u8) = match &state.layout {
        Some(layout) => (&layout.columns, layout.separator),
        None if w3c.columns.is_empty() => return Kind::Reject(Reject("no #Fields line has named the columns")),
        None => (w3c.columns, if memchr::memchr(b'\t', line).is_some() { b'\t' } else { b' ' }),
    };
    let by = Marked { separator, quote: b'"' };
    let mut count = delimited::fill(columns, by, fields);
    if count != columns.len() && separator == b' ' {
        // Hand-made formats write several blanks; only then are they one separator.
        let kept = count;
        count = collapsed(columns, fields);
        if count < columns.len() && kept > columns.len() {
            fields.clear();
            count = delimited::fill(columns, by, fields);
        }
    }
    if count < columns.len() { Kind::Reject(Reject("fewer columns than #Fields names")) } else { Kind::Record }
}

/// As [`delimited::fill`] with any number of blanks between values.
fn collapsed<'l>(columns: &[Slot], fields: &mut Fields<'l>) -> usize {
    let line = fields.body;
    fields.clear();
    let mut marks = Marks::new(line, [b' ']);
    let (mut at, mut count) = (0, 0);
    for slot in columns {
        while line.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        if at >= line.len() {
            break;
        }
        let (text, doubled, end) = delimited::value(line, at, Marked { separator: b' ', quote: b'"' }, &mut marks);
        if doubled {
            fields.put_escaped(*slot, text);
        } else {
            fields.put(*slot, text);
        }
        (at, count) = (end, count + 1);
    }
    count
}

fn learn(state: &mut State, names: &[u8]) {
    let separator = if memchr::memchr(b'\t', names.trim_ascii()).is_some() { b'\t' } else { b' ' };
    let parts = names.trim_ascii().split(|c| *c == separator).map(<[u8]>::trim_ascii);
    let columns = parts.filter(|name| !name.is_empty()).map(|name| state.keys.find_name(name)).collect();
    state.layout = Some(Arc::new(Layout { columns, separator }));
}
