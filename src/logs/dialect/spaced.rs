//! Pairs whose values hold blanks and commas without quotes: a value ends where something that looks like the next key
//! stands behind the separator.

use super::{Keys, Names};
use crate::logs::Reject;
use crate::logs::fields::{Fields, Kind};
use memchr::memmem;

/// A format of pairs with loose values.
#[derive(Debug)]
pub struct Spaced {
    /// What the keys mean.
    pub names: Names,
    /// Between pairs: `", "`.
    pub separator: &'static str,
    /// Between key and value: `": "`.
    pub assign: &'static str,
}

/// The longest key, in bytes.
const LONGEST_KEY: usize = 48;

fn looks_like_key(key: &[u8]) -> bool {
    let fits = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.' | b' ' | b'[' | b']');
    key.first().is_some_and(u8::is_ascii_alphabetic) && key.len() <= LONGEST_KEY && key.iter().all(fits)
}

pub(crate) fn split<'l>(pairs: &Spaced, keys: &Keys, fields: &mut Fields<'l>) -> Kind {
    let line = fields.body;
    let separator = pairs.separator.as_bytes();
    let assign = pairs.assign.as_bytes();
    // Key and start of the value that is still open.
    let mut open: Option<(std::ops::Range<usize>, usize)> = None;
    let mut count = 0_usize;
    let mut from = 0;
    for sign in memmem::find_iter(line, assign) {
        if sign < from {
            continue;
        }
        // No key is longer than this: looking further back would make a line without separators cost its square.
        let floor =
            open.as_ref().map_or(0, |(_, start)| *start).max(sign.saturating_sub(LONGEST_KEY + separator.len()));
        let start = match memmem::rfind(&line[floor..sign], separator) {
            Some(at) => floor + at + separator.len(),
            None if open.is_none() => 0,
            None => continue,
        };
        if keys.find(line, start, sign) == super::Slot::Skip && !looks_like_key(&line[start..sign]) {
            continue;
        }
        if let Some((key, value)) = open.take() {
            close(keys, fields, line, key, value, start.saturating_sub(separator.len()));
        }
        count += 1;
        open = Some((start..sign, sign + assign.len()));
        from = sign + assign.len();
    }
    if let Some((key, value)) = open {
        close(keys, fields, line, key, value, line.len());
    }
    if count < 2 { Kind::Reject(Reject("the line has no pairs of key and value")) } else { Kind::Record }
}

fn close<'l>(
    keys: &Keys,
    fields: &mut Fields<'l>,
    line: &'l [u8],
    key: std::ops::Range<usize>,
    start: usize,
    end: usize,
) {
    let value = line.get(start..end).unwrap_or_default().trim_ascii();
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    fields.put(keys.find(line, key.start, key.end), value);
}
