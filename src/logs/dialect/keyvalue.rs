//! `key=value key="value with blanks"`, as firewalls write it; commas between pairs where the line has them.

use super::{Keys, Names};
use crate::logs::Reject;
use crate::logs::fields::{Fields, Kind, Slot, Undo};
use crate::logs::scan::{Marks, find};

/// A format of pairs.
#[derive(Debug)]
pub struct KeyValue {
    /// What the keys mean.
    pub names: Names,
    /// Between key and value.
    pub assign: u8,
    /// Between pairs, where that is not seen from the line.
    pub separator: Option<u8>,
    /// Whether words without a key belong to the value in front of them; otherwise they are nobody's.
    pub joins: bool,
}

/// `key=value`, words without a key dropped.
pub const PAIRS: KeyValue = KeyValue { names: &[], assign: b'=', separator: None, joins: false };

pub(crate) fn split<'l>(pairs: &KeyValue, keys: &Keys, fields: &mut Fields<'l>) -> Kind {
    let line = fields.body;
    fields.undo = Undo::QuotedQuotes;
    let separator = pairs.separator.unwrap_or_else(|| separator(pairs, line));
    // One walk finds all three: what stands inside quotes is passed over.
    let mut marks = Marks::new(line, [pairs.assign, separator, b'"']);
    let (mut at, mut count) = (0, 0_usize);
    let mut before: Option<(Slot, usize)> = None;
    while at < line.len() {
        if matches!(line[at], b' ' | b',' | b'\t') {
            at += 1;
            continue;
        }
        let sign = next(&mut marks, line, at, |c| c != b'"');
        if line.get(sign) != Some(&pairs.assign) {
            if pairs.joins
                && let Some((slot, start)) = before
            {
                fields.set(slot, &line[start..sign]);
            }
            at = sign + 1;
            continue;
        }
        let slot = keys.find(line, at, sign);
        let start = sign + 1;
        count += 1;
        if line.get(start) == Some(&b'"') {
            let (end, escaped) = closing(line, start + 1, &mut marks);
            let text = &line[start + 1..end];
            if escaped {
                fields.put_escaped(slot, text);
            } else {
                fields.put(slot, text);
            }
            before = None;
            at = end + 2;
        } else {
            let end = next(&mut marks, line, start, |c| c == separator);
            before = (!fields.has(slot)).then_some((slot, start));
            fields.put(slot, &line[start..end]);
            at = end + 1;
        }
    }
    if count < 2 { Kind::Reject(Reject("the line has no key=value pairs")) } else { Kind::Record }
}

/// The next mark that is wanted; the length of the line if there is none.
#[inline(always)]
fn next<const N: usize>(marks: &mut Marks<'_, N>, line: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let mut at = marks.find(from);
    while line.get(at).is_some_and(|c| !wanted(*c)) {
        at = marks.find(at + 1);
    }
    at
}

/// The separator is what follows the first value: a blank, or a comma where the appliance writes CSV pairs.
fn separator(pairs: &KeyValue, line: &[u8]) -> u8 {
    let sign = find(line, 0, [pairs.assign]);
    let end = match line.get(sign + 1) {
        Some(b'"') => closing(line, sign + 2, &mut Marks::new(line, [b'"'])).0 + 1,
        _ => find(line, sign, [b' ', b',']),
    };
    if line.get(end) == Some(&b',') { b',' } else { b' ' }
}

/// Where the quote stands that ends a value, the end of the line if it was cut off, and whether `\"` is in it.
fn closing<const N: usize>(line: &[u8], from: usize, marks: &mut Marks<'_, N>) -> (usize, bool) {
    let (mut at, mut escaped) = (from, false);
    loop {
        let quote = next(marks, line, at, |c| c == b'"');
        if quote >= line.len() {
            return (line.len(), escaped);
        }
        // `\\"` ends the value: the backslash itself is escaped.
        let slashes = line[from..quote].iter().rev().take_while(|c| **c == b'\\').count();
        if slashes % 2 == 0 {
            return (quote, escaped);
        }
        (at, escaped) = (quote + 1, true);
    }
}
