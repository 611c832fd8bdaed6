//! Cisco ScanSafe / Cloud Web Security: log extraction as tab-separated W3C files. The product is retired and no public
//! line of it was found: the column names are remembered ones, read by name where the file has a `#Fields` line.
//!
//! `cs-bytes` came from the client, `sc-bytes` went to it; `x-ss-external-ip` stands in for a missing `c-ip`.

use super::prelude::*;

const NAMES: Names = &[
    ("datetime", Slot::Time),
    ("date", Slot::Date),
    ("time", Slot::Clock),
    ("c-ip", Slot::Src),
    ("x-ss-external-ip", Slot::Src2),
    ("cs-username", Slot::User),
    ("cs-uri-scheme", Slot::Scheme),
    ("cs-host", Slot::Host),
    ("cs-uri-port", Slot::UrlPort),
    ("cs-uri-path", Slot::Path),
    ("cs-uri-query", Slot::Query),
    ("cs-bytes", Slot::Up),
    ("sc-bytes", Slot::Down),
    ("s-ip", Slot::Dst),
    ("x-ss-last-rule-action", Slot::Action),
    ("x-ss-block-type", Slot::A),
];

const COLUMNS: &[Slot] = &[
    Slot::Time,
    Slot::Src,
    Slot::Skip,
    Slot::User,
    Slot::Skip,
    Slot::Scheme,
    Slot::Host,
    Slot::UrlPort,
    Slot::Path,
    Slot::Query,
    Slot::Skip,
    Slot::Skip,
    Slot::Up,
    Slot::Down,
    Slot::Skip,
    Slot::Skip,
    Slot::Dst,
    Slot::Skip,
    Slot::Skip,
    Slot::Action,
    Slot::A,
    Slot::Skip,
    Slot::Src2,
    Slot::Skip,
];

static W3C: W3c = W3c { names: NAMES, columns: COLUMNS };

pub(super) const FORMATS: &[Format] = &[Format {
    log_type: "CISCO_SCAN_SAFE",
    sample: sample!("cisco/CISCO_SCAN_SAFE"),
    direction: "`c-ip` is the client; `cs-bytes` came from it, `sc-bytes` went to it",
    id: Some(124),
    product: "Cisco Cloud Web Security (ScanSafe)",
    certainty: Certainty::Inferred,
    dialect: Dialect::W3c(&W3C),
    read: |fields| {
        if !super::given(fields, Slot::Action) && super::given(fields, Slot::A) {
            fields.act(Action::Blocked);
        }
        Kind::Record
    },
    allowed: &["allow", "monitor", "warn"],
    blocked: &["block*", "deny"],
    extracts: Some(&[Url, DstIp, User, SrcIp, Total, Up]),
    sign: Sign { head: &["x-ss-"], ..NO_SIGN },
    ..BASE
}];
