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
    let mut quotes = Marks::new(line, [b'"']);
    let separator = pairs.separator.unwrap_or_else(|| separator(pairs, line, &mut quotes));
    let mut signs = Marks::new(line, [pairs.assign, separator]);
    let mut ends = Marks::new(line, [separator]);
    let (mut at, mut count) = (0, 0_usize);
    let mut before: Option<(Slot, usize)> = None;
    while at < line.len() {
        if matches!(line[at], b' ' | b',' | b'\t') {
            at += 1;
            continue;
        }
        let sign = signs.find(at);
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
            let (end, escaped) = closing(line, start + 1, &mut quotes);
            let text = &line[start + 1..end];
            if escaped {
                fields.put_escaped(slot, text);
            } else {
                fields.put(slot, text);
            }
            before = None;
            at = end + 2;
        } else {
            let end = ends.find(start);
            before = (!fields.has(slot)).then_some((slot, start));
            fields.put(slot, &line[start..end]);
            at = end + 1;
        }
    }
    if count < 2 { Kind::Reject(Reject("the line has no key=value pairs")) } else { Kind::Record }
}

/// The separator is what follows the first value: a blank, or a comma where the appliance writes CSV pairs.
fn separator(pairs: &KeyValue, line: &[u8], quotes: &mut Marks<'_, 1>) -> u8 {
    let sign = find(line, 0, [pairs.assign]);
    let end = match line.get(sign + 1) {
        Some(b'"') => closing(line, sign + 2, quotes).0 + 1,
        _ => find(line, sign, [b' ', b',']),
    };
    if line.get(end) == Some(&b',') { b',' } else { b' ' }
}

/// Where the quote stands that ends a value, the end of the line if it was cut off, and whether `\"` is in it.
fn closing(line: &[u8], from: usize, quotes: &mut Marks<'_, 1>) -> (usize, bool) {
    let (mut at, mut escaped) = (from, false);
    loop {
        let quote = quotes.find(at);
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
