//! ArcSight's Common Event Format: `CEF:0|vendor|product|version|class|name|severity|key=value with blanks key=...`.
//!
//! A value ends where the next ` key=` begins. Vendors forget to escape `=` in URLs, so a key is letters, digits, `_`,
//! `.`, `-` and brackets with a blank in front. Of a repeated key the first counts. Syslog daemons eat the `CEF:` or
//! leave a blank behind it; both are read.

use super::{Keys, Names};
use crate::logs::Reject;
use crate::logs::fields::{Fields, Kind, Slot, Undo};
use crate::logs::scan::{Marks, find, search};

/// A CEF format.
#[derive(Debug)]
pub struct Cef {
    /// What the extension's keys mean.
    pub names: Names,
}

const HEADER: [Slot; 7] = [Slot::Skip, Slot::Vendor, Slot::Product, Slot::Skip, Slot::Event, Slot::Name, Slot::Skip];

pub(crate) fn split<'l>(keys: &Keys, fields: &mut Fields<'l>) -> Kind {
    let line = fields.body;
    fields.undo = Undo::Cef;
    let Some(mut at) = start(line) else { return Kind::Reject(Reject("the line has no CEF header")) };
    for slot in HEADER {
        let end = bar(line, at);
        if end >= line.len() {
            return Kind::Reject(Reject("the CEF header is cut"));
        }
        fields.put(slot, &line[at..end]);
        at = end + 1;
    }
    pairs(line, at, keys, fields);
    Kind::Record
}

/// Where the version figure stands.
fn start(line: &[u8]) -> Option<usize> {
    if let [version, b'|', ..] = line
        && version.is_ascii_digit()
    {
        return Some(0);
    }
    let at = if line.starts_with(b"CEF:") { 4 } else { search(&line[..line.len().min(512)], b"CEF:")? + 4 };
    Some(at + usize::from(line.get(at) == Some(&b' ')))
}

/// The next bar that is not escaped.
fn bar(line: &[u8], from: usize) -> usize {
    let mut at = find(line, from, b'|');
    while at > from && at < line.len() && line[at - 1] == b'\\' {
        at = find(line, at + 1, b'|');
    }
    at
}

/// The characters of keys.
const IN_KEY: [bool; 256] = {
    let mut table = [false; 256];
    let mut c = 0_u8;
    while c < 128 {
        table[c as usize] = c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-' | b'[' | b']');
        c += 1;
    }
    table
};

/// Puts `key=value` pairs between blanks into slots.
pub(super) fn pairs<'l>(line: &'l [u8], from: usize, keys: &Keys, fields: &mut Fields<'l>) {
    let mut signs = Marks::new(line, [b'=']);
    let mut slashes = Marks::new(line, [b'\\']);
    let mut sign = signs.find(from);
    let mut key = key_before(line, from, sign).unwrap_or(from);
    while sign < line.len() {
        let slot = keys.find(line, key, sign);
        let value = sign + 1;
        // The next equals sign with a key and a blank in front of it.
        let mut next = signs.find(value);
        let (end, next_key) = loop {
            if next >= line.len() {
                break (line.len(), line.len());
            }
            if let Some(start) = key_before(line, value, next)
                && start > value
            {
                break (start - 1, start);
            }
            next = signs.find(next + 1);
        };
        if slot != Slot::Skip {
            let text = line[value..end].trim_ascii();
            let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
            if slashes.find(value) < end {
                fields.put_escaped(slot, text);
            } else {
                fields.put(slot, text);
            }
        }
        (sign, key) = (next, next_key);
    }
}

/// Where the key in front of an equals sign starts, if what stands there is one.
fn key_before(line: &[u8], floor: usize, sign: usize) -> Option<usize> {
    let text = line.get(floor..sign)?;
    let length = text.iter().rev().position(|c| !IN_KEY[usize::from(*c)]);
    match length {
        None => (!text.is_empty()).then_some(floor),
        Some(0) => None,
        Some(length) => (line[sign - length - 1] == b' ').then_some(sign - length),
    }
}
