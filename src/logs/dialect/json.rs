//! One flat JSON object per line: text, figures and words as values; what is nested is passed over.

use super::Keys;
use super::Names;
use crate::logs::Reject;
use crate::logs::fields::{Fields, Kind, Undo};
use crate::logs::scan::find;

/// A format of one object per line.
#[derive(Debug)]
pub struct Json {
    /// What the keys mean.
    pub names: Names,
}

pub(crate) fn split<'l>(keys: &Keys, fields: &mut Fields<'l>) -> Kind {
    let line = fields.body;
    fields.undo = Undo::Json;
    let Some(open) = memchr::memchr(b'{', line) else { return Kind::Reject(Reject("the line has no JSON object")) };
    let (mut at, mut count) = (open + 1, 0_usize);
    loop {
        while matches!(line.get(at), Some(b' ' | b'\t' | b',')) {
            at += 1;
        }
        match line.get(at) {
            Some(b'"') => {}
            Some(b'}') if count > 0 => return Kind::Record,
            // Cut in the middle: what came before stands.
            _ if count > 1 => return Kind::Record,
            _ => return Kind::Reject(Reject("the line is not a JSON object")),
        }
        let (end, _) = closing(line, at + 1);
        let key = (at + 1, end);
        at = end + 1;
        while matches!(line.get(at), Some(b' ' | b'\t' | b':')) {
            at += 1;
        }
        let slot = keys.find(line, key.0, key.1);
        match line.get(at) {
            Some(b'"') => {
                let (end, escaped) = closing(line, at + 1);
                let text = &line[at + 1..end];
                if escaped {
                    fields.put_escaped(slot, text);
                } else {
                    fields.put(slot, text);
                }
                at = end + 1;
            }
            Some(b'{' | b'[') => at = nested(line, at),
            _ => {
                let rest = line.get(at..).unwrap_or_default();
                let text = rest.split(|c| matches!(c, b',' | b'}' | b' ')).next().unwrap_or_default();
                if text != b"null" {
                    fields.put(slot, text);
                }
                at += text.len();
            }
        }
        count += 1;
    }
}

/// Where the quote stands that ends a text, and whether anything in it is escaped.
fn closing(line: &[u8], from: usize) -> (usize, bool) {
    let mut at = from;
    let mut escaped = false;
    loop {
        let quote = find(line, at, [b'"']);
        if quote >= line.len() {
            return (line.len(), escaped || line[from.min(line.len())..].contains(&b'\\'));
        }
        escaped |= line[at..quote].contains(&b'\\');
        let slashes = line[from..quote].iter().rev().take_while(|c| **c == b'\\').count();
        if slashes % 2 == 0 {
            return (quote, escaped);
        }
        at = quote + 1;
    }
}

/// Behind the bracket that closes the one at `at`.
fn nested(line: &[u8], at: usize) -> usize {
    let (mut at, mut depth) = (at, 0_usize);
    while let Some(c) = line.get(at) {
        match c {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b'"' => at = closing(line, at + 1).0,
            _ => {}
        }
        at += 1;
    }
    line.len()
}
