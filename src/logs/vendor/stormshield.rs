//! Stormshield Network Security (SNS): `id=firewall time="..." fw="..." tz=+0100 startime="..." ... logtype="..."`.
//!
//! `src` opened the connection; `sent` came from it, `rcvd` went to it. `logtype` decides what is traffic: connection,
//! filter, plugin, web, and alarms that blocked something. `dstname` is a name of the address book, a host only in plugin
//! and web records. `tz` is the offset of both times. An action can be missing.

use super::given;
use super::prelude::*;

const NAMES: Names = &[
    ("time", Slot::Time),
    ("tz", Slot::Zone),
    ("fw", Slot::Device),
    ("src", Slot::Src),
    ("user", Slot::User),
    ("dst", Slot::Dst),
    ("dstport", Slot::Port),
    ("dstname", Slot::A),
    ("arg", Slot::B),
    ("sent", Slot::Up),
    ("rcvd", Slot::Down),
    ("action", Slot::Action),
    ("logtype", Slot::C),
];
static PAIRS: KeyValue = KeyValue { names: NAMES, joins: true, ..keyvalue::PAIRS };

pub(super) const FORMATS: &[Format] = &[Format {
    log_type: "STORMSHIELD_SYSLOG",
    sample: sample!("stormshield/STORMSHIELD_SYSLOG"),
    direction: "`src` opened the connection; `sent` came from it, `rcvd` went to it",
    id: Some(213),
    product: "Stormshield",
    envelope: Envelope::Syslog,
    dialect: Dialect::KeyValue(&PAIRS),
    read: record,
    allowed: &["pass", "allow"],
    blocked: &["block", "reset", "drop", "deny"],
    extracts: Some(&[DstIp, User, SrcIp, Total, Up]),
    sign: Sign { all: &["logtype=\"", "fw=\"", "startime="], ..NO_SIGN },
    remedies: &[
        Remedy {
            when: Trouble::Lines(" aktype="),
            what: "this is the log of an Arkoon, for which the service has no type: use a custom parser there",
        },
        Remedy {
            when: Trouble::NoTransactions,
            what: "send the connection (l_connection) and plugin (l_plugin) logs to the syslog server",
        },
        Remedy { when: Trouble::NoUser, what: "authenticate users on the filter rules (user object in the source)" },
    ],
    ..BASE
}];

fn record(fields: &mut Fields<'_>) -> Kind {
    match fields.get(Slot::C) {
        b"connection" | b"filter" => {}
        b"plugin" | b"web" => {
            fields.copy(Slot::A, Slot::Host);
            fields.copy(Slot::B, Slot::Path);
        }
        b"alarm" if fields.is(Slot::Action, "block") => {}
        b"" if !fields.has(Slot::Device) => {
            return Kind::Reject(Reject("no fw and logtype: not a Stormshield's record"));
        }
        _ => return Kind::Other,
    }
    if given(fields, Slot::Src) || given(fields, Slot::Dst) { Kind::Record } else { Kind::Other }
}
