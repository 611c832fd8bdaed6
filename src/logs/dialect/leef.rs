//! IBM's Log Event Extended Format: `LEEF:1.0|vendor|product|version|event|key=value<TAB>key=value`.
//!
//! Version 2.0 has one more header field, the separator: a character, or its code as `0x5E` or `x5E`, or nothing for a
//! tab; some senders leave the field out. Senders of 1.0 are seen that separate by `|`; copies out of tickets have
//! `#011` or blanks where tabs were. All of that is read.

use super::{Keys, Names, cef};
use crate::logs::Reject;
use crate::logs::fields::{Fields, Kind, Slot, Undo};
use crate::logs::scan::{Marks, find, search};

/// A tab, as syslog daemons write it.
const TAB: &[u8] = b"#011";

/// A LEEF format.
#[derive(Debug)]
pub struct Leef {
    /// What the attributes mean.
    pub names: Names,
    /// Whether lines that are no LEEF go to the vendor's own function.
    pub or_text: bool,
}

pub(crate) fn split<'l>(leef: &Leef, keys: &Keys, fields: &mut Fields<'l>) -> Kind {
    let line = fields.body;
    fields.undo = Undo::Cef;
    let Some((mut at, second)) = start(line) else {
        return if leef.or_text { Kind::Record } else { Kind::Reject(Reject("the line has no LEEF header")) };
    };
    for slot in [Slot::Skip, Slot::Vendor, Slot::Product, Slot::Skip, Slot::Event] {
        let end = find(line, at, [b'|']);
        if end >= line.len() {
            return Kind::Reject(Reject("the LEEF header is cut"));
        }
        fields.put(slot, &line[at..end]);
        at = end + 1;
    }
    let mut separator = b'\t';
    if second {
        let end = find(line, at, [b'|']);
        if end < line.len()
            && let Some(found) = declared(&line[at..end])
        {
            (separator, at) = (found, end + 1);
        }
    }
    let rest = &line[at..];
    if memchr::memchr(separator, rest).is_none() {
        if search(rest, TAB).is_some() {
            escaped_tabs(line, at, keys, fields);
            return Kind::Record;
        }
        let bar = memchr::memchr(b'|', rest);
        let pair = |at: usize| memchr::memchr(b'=', &rest[at..]).is_some();
        if bar.is_some_and(pair) {
            separator = b'|';
        } else if memchr::memchr_iter(b'=', rest).nth(1).is_some() {
            cef::pairs(line, at, keys, fields);
            return Kind::Record;
        }
    }
    let mut marks = Marks::new(line, [separator, b'=']);
    let mut slash = find(line, at, [b'\\']);
    while at < line.len() {
        let sign = marks.find(at);
        let mut end = sign;
        // A value may have the sign in it, the separator ends it.
        while line.get(end).is_some_and(|c| *c != separator) {
            end = marks.find(end + 1);
        }
        pair(line, at..sign, end, &mut slash, keys, fields);
        at = end + 1;
    }
    Kind::Record
}

fn start(line: &[u8]) -> Option<(usize, bool)> {
    if let [b'1' | b'2', b'.', b'0', b'|', ..] = line {
        return Some((0, line[0] == b'2'));
    }
    let at = if line.starts_with(b"LEEF:") { 5 } else { search(&line[..line.len().min(512)], b"LEEF:")? + 5 };
    let at = at + usize::from(line.get(at) == Some(&b' '));
    Some((at, line.get(at) == Some(&b'2')))
}

/// The separator a 2.0 header declares; `None` if this is no declaration.
fn declared(text: &[u8]) -> Option<u8> {
    match text {
        [] => Some(b'\t'),
        [one] => Some(*one),
        [b'0', b'x' | b'X', hex @ ..] | [b'x' | b'X', hex @ ..] if (1..=4).contains(&hex.len()) => {
            u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
        }
        b"\\t" => Some(b'\t'),
        _ => None,
    }
}

/// Puts the value that stands between the sign behind the key and the end into its slot; `slash` is the first backslash
/// that was not passed.
fn pair<'l>(
    line: &'l [u8],
    key: std::ops::Range<usize>,
    end: usize,
    slash: &mut usize,
    keys: &Keys,
    fields: &mut Fields<'l>,
) {
    if key.end >= end {
        return;
    }
    let slot = keys.find(line, key.start, key.end);
    if slot == Slot::Skip {
        return;
    }
    let text = line[key.end + 1..end].trim_ascii();
    if *slash < key.end {
        *slash = find(line, key.end, [b'\\']);
    }
    if *slash < end && search(text, b"\\=").is_some() {
        fields.put_escaped(slot, text);
    } else {
        fields.put(slot, text);
    }
}

fn escaped_tabs<'l>(line: &'l [u8], from: usize, keys: &Keys, fields: &mut Fields<'l>) {
    let mut slash = find(line, from, [b'\\']);
    let mut at = from;
    while at < line.len() {
        let end = search(&line[at..], TAB).map_or(line.len(), |found| at + found);
        let sign = at + find(&line[at..end], 0, [b'=']);
        pair(line, at..sign, end, &mut slash, keys, fields);
        at = end + TAB.len();
    }
}
