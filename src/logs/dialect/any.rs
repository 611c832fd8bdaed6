//! Records that describe themselves, for log types whose layout is not public: CEF, LEEF, W3C, a JSON object, a table
//! with a header line, or `key=value`; told apart line by line, read by the usual names.

use super::{Keys, Names, State, cef, delimited, json, keyvalue, leef, w3c};
use crate::logs::Reject;
use crate::logs::fields::{Fields, Kind};
use crate::logs::scan::search;

/// A format that may be any of the self-describing ones.
#[derive(Debug)]
pub struct Any {
    /// What names mean, wherever they stand.
    pub names: Names,
    /// Texts of which one is in every line that names columns.
    pub header: &'static [&'static str],
}

const PAIRS: keyvalue::KeyValue = keyvalue::PAIRS;

pub(crate) fn split<'l>(any: &Any, state: &mut State, fields: &mut Fields<'l>) -> Kind {
    let line = fields.body;
    let keys: &Keys = &state.keys;
    let head = &line[..line.len().min(64)];
    if search(head, b"CEF:").is_some() {
        return cef::split(keys, fields);
    }
    if search(head, b"LEEF:").is_some() {
        return leef::split(&leef::Leef { names: any.names, or_text: false }, keys, fields);
    }
    if line.starts_with(b"#") {
        return w3c::split(&w3c::W3c { names: any.names, columns: &[] }, state, fields);
    }
    if head.contains(&b'{') && head.contains(&b'"') {
        return json::split(keys, fields);
    }
    if state.layout.is_some() {
        return w3c::split(&w3c::W3c { names: any.names, columns: &[] }, state, fields);
    }
    if line.contains(&b'=') {
        return keyvalue::split(&PAIRS, keys, fields);
    }
    let known = |name: &[u8]| keys.find_name(name.trim_ascii()) != crate::logs::fields::Slot::Skip;
    if line.split(|c| matches!(c, b',' | b';' | b'\t')).filter(|name| known(name.trim_ascii())).count() >= 2 {
        let table = delimited::Delimited { separators: b",;\t", header: &[""], names: any.names, ..delimited::COMMA };
        return delimited::split(&table, state, fields);
    }
    Kind::Reject(Reject("the line names none of its fields"))
}
