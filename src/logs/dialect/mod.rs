//! The grammars logs are written in. Escaping, quoting and separators are settled here once; which field means what is
//! the vendor's table.

mod any;
pub(super) mod cef;
pub(super) mod columns;
pub(super) mod delimited;
mod json;
mod keys;
pub(super) mod keyvalue;
pub(super) mod leef;
pub(super) mod spaced;
pub(super) mod text;
pub(super) mod w3c;

pub use any::Any;
pub use cef::Cef;
pub use columns::Columns;
pub use delimited::Delimited;
pub use json::Json;
pub(super) use keys::Keys;
pub use keyvalue::KeyValue;
pub use leef::Leef;
pub use spaced::Spaced;
pub use w3c::W3c;

use super::fields::{Fields, Kind, Slot};
use std::sync::Arc;

/// Names of fields and what they mean.
pub type Names = &'static [(&'static str, Slot)];

/// The grammar of a log type, with the vendor's table.
#[derive(Debug, Clone, Copy)]
pub enum Dialect {
    /// Words between blanks, in a fixed order.
    Columns(&'static Columns),
    /// CSV and its kin.
    Delimited(&'static Delimited),
    /// `key=value key="value"`.
    KeyValue(&'static KeyValue),
    /// `key=value with blanks next=...`, told apart by what looks like a key.
    Spaced(&'static Spaced),
    /// ArcSight's Common Event Format.
    Cef(&'static Cef),
    /// IBM's Log Event Extended Format.
    Leef(&'static Leef),
    /// W3C extended log file format.
    W3c(&'static W3c),
    /// One flat JSON object per line.
    Json(&'static Json),
    /// Whatever describes itself: any of the above, told apart line by line.
    Any(&'static Any),
    /// Sentences; the format's own `read` function takes [`Fields::body`] apart.
    Text,
}

/// The columns in force, from a header line.
#[derive(Debug)]
pub struct Layout {
    columns: Vec<Slot>,
    separator: u8,
}

/// What a parser keeps of the dialect from line to line.
#[derive(Debug, Clone)]
pub(super) struct State {
    keys: Arc<Keys>,
    pub(super) layout: Option<Arc<Layout>>,
}

impl Dialect {
    pub(super) fn state(&self) -> State {
        State { keys: Arc::new(Keys::new(self.names())), layout: None }
    }

    /// The vendor's table of names; empty for dialects without names.
    pub fn names(&self) -> Names {
        match self {
            Dialect::Columns(columns) => columns.names,
            Dialect::Delimited(delimited) => delimited.names,
            Dialect::KeyValue(pairs) => pairs.names,
            Dialect::Spaced(pairs) => pairs.names,
            Dialect::Cef(cef) => cef.names,
            Dialect::Leef(leef) => leef.names,
            Dialect::W3c(w3c) => w3c.names,
            Dialect::Json(json) => json.names,
            Dialect::Any(any) => any.names,
            Dialect::Text => &[],
        }
    }

    /// Texts of which one is in every line that names columns for the lines after it.
    pub fn markers(&self) -> &'static [&'static str] {
        match self {
            Dialect::Columns(columns) => columns.header,
            Dialect::Delimited(delimited) => delimited.header,
            Dialect::W3c(_) => &["#Fields:"],
            Dialect::Any(any) => any.header,
            Dialect::Json(_) => &[],
            Dialect::KeyValue(_) | Dialect::Spaced(_) | Dialect::Cef(_) | Dialect::Leef(_) | Dialect::Text => &[],
        }
    }

    /// The dialect's name, for people.
    pub fn as_str(&self) -> &'static str {
        match self {
            Dialect::Columns(_) => "columns",
            Dialect::Delimited(_) => "delimited",
            Dialect::KeyValue(_) => "key=value",
            Dialect::Spaced(_) => "key=value with blanks",
            Dialect::Cef(_) => "CEF",
            Dialect::Leef(_) => "LEEF",
            Dialect::W3c(_) => "W3C",
            Dialect::Json(_) => "JSON",
            Dialect::Any(_) => "self-describing",
            Dialect::Text => "text",
        }
    }
}

/// Takes a record apart into slots.
pub(super) fn split<'l>(dialect: &Dialect, state: &mut State, fields: &mut Fields<'l>) -> Kind {
    match dialect {
        Dialect::Columns(columns) => columns::split(columns, state, fields),
        Dialect::Delimited(delimited) => delimited::split(delimited, state, fields),
        Dialect::KeyValue(pairs) => keyvalue::split(pairs, &state.keys, fields),
        Dialect::Spaced(pairs) => spaced::split(pairs, &state.keys, fields),
        Dialect::Cef(_) => cef::split(&state.keys, fields),
        Dialect::Leef(leef) => leef::split(leef, &state.keys, fields),
        Dialect::W3c(w3c) => w3c::split(w3c, state, fields),
        Dialect::Json(_) => json::split(&state.keys, fields),
        Dialect::Any(any) => any::split(any, state, fields),
        Dialect::Text => Kind::Record,
    }
}
