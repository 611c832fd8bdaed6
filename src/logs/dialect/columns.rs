//! Words between blanks, in a fixed order. Quoted text is one word, and so is `[...]` where the format says so.

use super::{Layout, Names, State};
use crate::logs::Reject;
use crate::logs::fields::{Fields, Kind, Slot};
use crate::logs::scan::{self, Marks, find};
use std::sync::Arc;

/// A format of words between blanks.
#[derive(Debug)]
pub struct Columns {
    /// What each word means, in order.
    pub columns: &'static [Slot],
    /// How many words a record has at least.
    pub least: usize,
    /// Whether `"..."` is one word; the quotes are not part of it.
    pub quotes: bool,
    /// Whether `[...]` is one word; the brackets are not part of it.
    pub brackets: bool,
    /// What a line that names the columns starts with, if the format has such lines.
    pub header: &'static [&'static str],
    /// The names in such a line.
    pub names: Names,
}

/// A format with no quotes, no brackets and no header line.
pub const PLAIN: Columns = Columns { columns: &[], least: 0, quotes: false, brackets: false, header: &[], names: &[] };

/// The next word at or after `at`, and where to go on.
fn word<'l>(columns: &Columns, line: &'l [u8], at: usize, blanks: &mut Marks<'_, 2>) -> Option<(&'l [u8], usize)> {
    let mut start = at;
    while matches!(line.get(start), Some(b' ' | b'\t')) {
        start += 1;
    }
    match line.get(start)? {
        b'"' if columns.quotes => {
            let mut end = find(line, start + 1, [b'"']);
            // A quote inside a quoted word is not followed by a blank.
            while end < line.len() && !matches!(line.get(end + 1), None | Some(b' ' | b'\t')) {
                end = find(line, end + 1, [b'"']);
            }
            Some((&line[start + 1..end], (end + 1).min(line.len())))
        }
        b'[' if columns.brackets => {
            let end = find(line, start, [b']']);
            Some((&line[start + 1..end], (end + 1).min(line.len())))
        }
        _ => {
            let end = blanks.find(start);
            Some((&line[start..end], end))
        }
    }
}

pub(crate) fn split<'l>(columns: &Columns, state: &mut State, fields: &mut Fields<'l>) -> Kind {
    let line = fields.body;
    if columns.header.iter().any(|header| line.starts_with(header.as_bytes())) {
        learn(columns, state, line);
        return Kind::Other;
    }
    if line.starts_with(b"#") {
        return Kind::Other;
    }
    let count = fill(columns, state.layout.as_ref().map_or(columns.columns, |layout| &layout.columns), fields);
    if count < columns.least { Kind::Reject(Reject("fewer fields than the format has")) } else { Kind::Record }
}

/// Puts the words of the record into slots; how many there were, as far as the slots go.
pub(crate) fn fill<'l>(columns: &Columns, slots: &[Slot], fields: &mut Fields<'l>) -> usize {
    if !columns.quotes && !columns.brackets && slots.len() <= MOST {
        return fill_plain(slots, fields);
    }
    let line = fields.body;
    let mut blanks = Marks::new(line, [b' ', b'\t']);
    let (mut at, mut count) = (0, 0);
    for slot in slots {
        let Some((text, next)) = word(columns, line, at, &mut blanks) else { break };
        fields.put(*slot, text);
        (at, count) = (next, count + 1);
    }
    count
}

/// The most columns that are found by the edges of all words at once.
const MOST: usize = 32;

/// As [`fill`] where blanks are all there is to heed.
fn fill_plain<'l>(slots: &[Slot], fields: &mut Fields<'l>) -> usize {
    let line = fields.body;
    let mut edges = [0; 2 * MOST];
    let count = scan::edges(line, [b' ', b'\t'], &mut edges) / 2;
    for (slot, [start, end]) in slots.iter().zip(&edges.as_chunks().0[..count]) {
        fields.put(*slot, &line[*start as usize..*end as usize]);
    }
    count.min(slots.len())
}

fn learn(columns: &Columns, state: &mut State, line: &[u8]) {
    let line = line.strip_prefix(b"#").unwrap_or(line);
    let mut blanks = Marks::new(line, [b' ', b'\t']);
    let (mut at, mut found) = (0, Vec::new());
    while let Some((name, next)) = word(columns, line, at, &mut blanks) {
        found.push(state.keys.find_name(name));
        at = next;
    }
    state.layout = Some(Arc::new(Layout { columns: found, separator: b' ' }));
}
