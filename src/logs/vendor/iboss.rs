//! iboss cloud gateway: one JSON object behind a syslog header, every value a text, `-` for nothing.
//!
//! `sourceIpAddress` is the client (`privateIp` where it is missing), `upstreamByteUsage` came from it. `logType` tells web
//! traffic (`WEB_LOG`) from audit records. The older shape, `KEY=value` between commas with `URL_LOG_ENTRY` in it, is read
//! as well; which of the two the service wants is not public.

use super::prelude::*;

const NAMES: Names = &[
    ("logType", Slot::A),
    ("logTime", Slot::Date),
    ("time", Slot::Clock),
    ("sourceIpAddress", Slot::Src),
    ("privateIp", Slot::Src2),
    ("username", Slot::User),
    ("host", Slot::Host),
    ("url", Slot::Url),
    ("ipAddress", Slot::Dst),
    ("destinationPort", Slot::Port),
    ("upstreamByteUsage", Slot::Up),
    ("downstreamByteUsage", Slot::Down),
    ("totalByteUsage", Slot::Total),
    ("action", Slot::Action),
    ("sAction", Slot::B),
];
static JSON: Json = Json { names: NAMES };

pub(super) const FORMATS: &[Format] = &[Format {
    log_type: "IBOSS",
    sample: sample!("iboss/IBOSS"),
    direction: "`sourceIpAddress` is the client; `upstreamByteUsage` came from it, `downstreamByteUsage` went to it",
    id: Some(200),
    product: "iboss Secure Cloud Gateway",
    envelope: Envelope::Syslog,
    dialect: Dialect::Json(&JSON),
    read: record,
    allowed: &["allowed", "allow", "proxy*"],
    blocked: &["blocked", "soft-blocked", "block*"],
    extracts: Some(&[Url, DstIp, User, SrcIp, Total, Up]),
    sign: Sign { any: &["URL_LOG_ENTRY", "upstreamByteUsage", "ibossIpAddress", "\"logType\""], ..NO_SIGN },
    remedies: &[Remedy {
        when: Trouble::NoTransactions,
        what: "forward the web log (WEB_LOG), not only audit and event logs",
    }],
    ..BASE
}];

fn record(fields: &mut Fields<'_>) -> Kind {
    if fields.has(Slot::A) && !fields.is(Slot::A, "WEB_LOG") && !fields.is(Slot::A, "URL_LOG") {
        return Kind::Other;
    }
    if !super::given(fields, Slot::Action) {
        fields.copy(Slot::B, Slot::Action);
    }
    if fields.has(Slot::Host) || fields.has(Slot::Url) { Kind::Record } else { Kind::Other }
}
