//! THE registry of log types: one file per vendor, one line here.
//!
//! # How to add a log type
//!
//! 1. In the vendor's file (`src/logs/vendor/<vendor>.rs`; a new vendor: a `mod` line and a line in `ALL` below) add a
//!    [`Format`]: the service's name and number, the product, the certainty, the envelope, the dialect with the table of
//!    names or columns, the words for allowed and blocked, what the service extracts, the sign that gives it away, the
//!    remedies, the direction rule, the sample. Start from `..BASE`, or from a sibling (`Format { log_type: ..., envelope: Envelope::Syslog, ..PLAIN }`).
//!    What a table cannot say is one `fn read(fields: &mut Fields<'_>) -> Kind` in that file: it looks at slots, moves
//!    them, and says what the line is. The file's header names product, documentation, the direction rule (which side
//!    is the client, which count is up) and the traps.
//! 2. `samples/logs/<vendor>/<LOG_TYPE>.log`: a dozen invented lines (documentation addresses, example names), with a
//!    blocked one, one that is no transaction, and the deviations the header names.
//! 3. `UPDATE_GOLDEN=1 cargo test --test it logs::` writes `tests/golden/<LOG_TYPE>.jsonl`; read every line of it.
//!
//! There is no fourth step: `formats list`, detection, `check`, the README table, the tests, the corpus comparison, the
//! hostile-line suite and the benches all walk this list.

/// The sample of a log type, by folder and name.
macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/logs/", $name, ".log"))
    };
}

mod barracuda;
mod bluecoat;
mod checkpoint;
mod cisco_asa;
mod cisco_firepower;
mod cisco_scansafe;
mod cisco_wsa;
mod clavister;
mod digitalarts;
mod forcepoint;
mod fortinet;
mod generic;
mod iboss;
mod juniper;
mod juniper_ssg;
mod mcafee;
mod menlo;
mod meraki;
mod microsoft;
mod paloalto;
mod paloalto_leef;
mod sonicwall;
mod sophos;
mod squid;
mod stormshield;
mod undisclosed;
mod watchguard;
mod zscaler;

use super::{Format, fields, present};

/// What most vendor files use.
mod prelude {
    pub(super) use crate::logs::Extract::{self, DstIp, SrcIp, Total, Up, Url, User};
    pub(super) use crate::logs::dialect::{
        Any, Cef, Columns, Delimited, Dialect, Json, KeyValue, Leef, Names, Spaced, W3c, columns, delimited, keyvalue,
        text,
    };
    pub(super) use crate::logs::fields::{Fields, Kind, Slot};
    pub(super) use crate::logs::{Action, BASE, Certainty, Envelope, Format, NO_SIGN, Reject, Remedy, Sign, Trouble};
}

const ALL: &[&[Format]] = &[
    barracuda::FORMATS,
    bluecoat::FORMATS,
    checkpoint::FORMATS,
    cisco_asa::FORMATS,
    cisco_firepower::FORMATS,
    cisco_scansafe::FORMATS,
    cisco_wsa::FORMATS,
    clavister::FORMATS,
    digitalarts::FORMATS,
    forcepoint::FORMATS,
    fortinet::FORMATS,
    generic::FORMATS,
    iboss::FORMATS,
    juniper::FORMATS,
    juniper_ssg::FORMATS,
    mcafee::FORMATS,
    menlo::FORMATS,
    meraki::FORMATS,
    microsoft::FORMATS,
    paloalto::FORMATS,
    paloalto_leef::FORMATS,
    sonicwall::FORMATS,
    sophos::FORMATS,
    squid::FORMATS,
    stormshield::FORMATS,
    undisclosed::FORMATS,
    watchguard::FORMATS,
    zscaler::FORMATS,
];

/// Whether a slot holds a value that is none of the words for nothing.
fn given(fields: &fields::Fields<'_>, slot: fields::Slot) -> bool {
    present(fields.get(slot)).is_some()
}

/// Every log type that can be read.
pub fn all() -> impl Iterator<Item = &'static Format> {
    ALL.iter().copied().flatten()
}

/// The log type of this name.
pub fn find(log_type: &str) -> Option<&'static Format> {
    all().find(|format| format.log_type == log_type)
}
