//! ArcSight's Common Event Format: `CEF:0|vendor|product|version|class|name|severity|key=value with blanks key=...`.
//!
//! A value ends where the next ` key=` begins. Vendors forget to escape `=` in URLs, so a key is letters, digits, `_`,
//! `.`, `-` and brackets with a blank in front. Of a repeated key the first counts. Syslog daemons eat the `CEF:` or
//! leave a blank behind it; both are read.

use super::{Keys, Names};
use crate::logs::Reject;
use crate::logs::fields::{Fields, Kind, Slot, Undo};
use crate::logs::scan::{self, Marks, find, search};

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
    let mut at = find(line, from, [b'|']);
    while at > from && at < line.len() && line[at - 1] == b'\\' {
        at = find(line, at + 1, [b'|']);
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
    let mut slash = find(line, from, [b'\\']);
    let mut sign = signs.find(from);
    let mut slot = match key_before(line, from, sign, keys) {
        Some((slot, _)) => slot,
        None => keys.find(line, from, sign),
    };
    while sign < line.len() {
        let value = sign + 1;
        // The next equals sign with a key and a blank in front of it.
        let mut next = signs.find(value);
        let (end, next_slot) = loop {
            if next >= line.len() {
                break (line.len(), Slot::Skip);
            }
            if let Some((slot, start)) = key_before(line, value, next, keys)
                && start > value
            {
                break (start - 1, slot);
            }
            next = signs.find(next + 1);
        };
        if slot != Slot::Skip {
            let text = line[value..end].trim_ascii();
            let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
            if slash < value {
                slash = find(line, value, [b'\\']);
            }
            if slash < end {
                fields.put_escaped(slot, text);
            } else {
                fields.put(slot, text);
            }
        }
        (sign, slot) = (next, next_slot);
    }
}

/// What the key in front of an equals sign means and where it starts, if what stands there is a key.
fn key_before(line: &[u8], floor: usize, sign: usize, keys: &Keys) -> Option<(Slot, usize)> {
    let text = line.get(floor..sign).filter(|text| !text.is_empty())?;
    // Nearly every key is short; of any other every character is looked at, from the sign back to what is none of a key.
    let start = match scan::near_end(text, b' ') {
        Some(blank) => blank + 1,
        None => match text.iter().rposition(|c| !IN_KEY[usize::from(*c)]) {
            None => 0,
            Some(last) if text[last] == b' ' => last + 1,
            Some(_) => return None,
        },
    };
    let slot = keys.find(line, floor + start, sign);
    // The names of the table are keys.
    let is_key = |key: &[u8]| !key.is_empty() && key.iter().all(|c| IN_KEY[usize::from(*c)]);
    (slot != Slot::Skip || is_key(&text[start..])).then_some((slot, floor + start))
}
