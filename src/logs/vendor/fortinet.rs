//! FortiGate (FortiOS 5 to 7) key=value log: <https://docs.fortinet.com/document/fortigate/7.4.0/fortios-log-message-reference>.
//!
//! Direction: `srcip` is the client; `sentbyte` is what it sent, `rcvdbyte` what it got. A long session is logged again
//! and again with the figures since its start; `sentdelta` and `rcvddelta` are those since the last line and are used
//! where the line has them.
//!
//! Time: `eventtime` (epoch in seconds to FortiOS 6.0, nanoseconds since) before `date` and `time`, which are the
//! device's local time; `tz` says which from 6.2 on. Traps: `action=accept` with `utmaction=block` is a blocked request;
//! web filter records have the path alone in `url`; a file downloaded from the box has `itime` in front, and commas
//! between pairs when CSV is on; only `type=traffic` and the web filter's records are transactions.

use crate::logs::dialect::{Dialect, KeyValue, Names, keyvalue::PAIRS};
use crate::logs::fields::{Fields, Kind, Slot};
use crate::logs::{Action, BASE, Certainty, Envelope, Extract, Format, Reject, Remedy, Sign, Trouble};

const NAMES: Names = &[
    ("type", Slot::A),
    ("subtype", Slot::B),
    ("eventtime", Slot::Epoch),
    ("date", Slot::Date),
    ("time", Slot::Clock),
    ("tz", Slot::Zone),
    ("srcip", Slot::Src),
    ("user", Slot::User),
    ("unauthuser", Slot::User2),
    ("hostname", Slot::Host),
    ("url", Slot::Url),
    ("dstip", Slot::Dst),
    ("dstport", Slot::Port),
    ("sentbyte", Slot::Up),
    ("rcvdbyte", Slot::Down),
    ("sentdelta", Slot::C),
    ("rcvddelta", Slot::D),
    ("action", Slot::Action),
    ("utmaction", Slot::E),
    ("devname", Slot::Device),
    ("devid", Slot::F),
    ("logid", Slot::G),
];

const REMEDIES: &[Remedy] = &[
    Remedy {
        when: Trouble::Lines("device=\"SFW\""),
        what: "these are the lines of a Sophos firewall: their log type is SOPHOS_XG_SYSLOG",
    },
    Remedy {
        when: Trouble::Lines("CEF:0|Fortinet|"),
        what: "this is FortiGate's CEF: send the default format (`set format default`), or ship it as GENERIC_CEF_SYSLOG",
    },
    Remedy {
        when: Trouble::NoTransactions,
        what: "log forward traffic: on each outgoing policy `set logtraffic all`, and send traffic logs to this syslog target",
    },
    Remedy {
        when: Trouble::NoUrl,
        what: "FortiGate traffic logs have no URL; add the web filter log (`set log-all-url enable` in the profile) with its hostname field",
    },
    Remedy {
        when: Trouble::NoUser,
        what: "authenticate users on the policy (FSSO or a user group): without it the log has no user field",
    },
    Remedy {
        when: Trouble::NoBytes,
        what: "set `logtraffic all` and not `utm`: only the end of a session carries sentbyte and rcvdbyte",
    },
];

const FORTIGATE: Format = Format {
    log_type: "FORTIGATE",
    sample: sample!("fortinet/FORTIGATE"),
    direction: "`srcip` is the client; `sentbyte` is what it sent, `rcvdbyte` what it got; interim records give the difference",
    id: Some(108),
    product: "Fortinet FortiGate",
    envelope: Envelope::None,
    dialect: Dialect::KeyValue(&KeyValue { names: NAMES, ..PAIRS }),
    read,
    blocked: &["deny", "denied", "block*", "dropped", "drop", "reset", "reset_*", "quarantine*"],
    allowed: &[
        "accept",
        "close",
        "client-rst",
        "server-rst",
        "timeout",
        "ip-conn",
        "dns",
        "start",
        "pass",
        "passthrough",
        "passed",
        "analytics",
        "monitored",
        "detected",
        "exempt",
        "redirect",
        "allow*",
        "log",
        "permit",
    ],
    extracts: Some(&[Extract::DstIp, Extract::User, Extract::SrcIp, Extract::Total, Extract::Up]),
    sign: Sign {
        all: &["logid=", "type=", "devid="],
        none: &["device=\"SFW\"", "devid=\"FV", "devid=\"FE", "devid=\"FPX"],
        ..crate::logs::NO_SIGN
    },
    remedies: REMEDIES,
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    FORTIGATE,
    Format {
        log_type: "FORTIGATE_SYSLOG",
        sample: sample!("fortinet/FORTIGATE_SYSLOG"),
        id: Some(136),
        envelope: Envelope::Syslog,
        ..FORTIGATE
    },
    Format {
        log_type: "FORTIOS_SYSLOG",
        sample: sample!("fortinet/FORTIOS_SYSLOG"),
        id: Some(205),
        product: "Fortinet FortiOS",
        // The split between the two names is nowhere public: by what the service extracts, this is the UTM log.
        certainty: Certainty::Inferred,
        envelope: Envelope::Syslog,
        extracts: Some(&[Extract::Url, Extract::DstIp, Extract::SrcIp, Extract::Total, Extract::Up]),
        sign: Sign { all: &["logid=", "type=", "devid="], any: &["type=\"utm\"", "type=utm"], ..FORTIGATE.sign },
        ..FORTIGATE
    },
];

fn read(fields: &mut Fields<'_>) -> Kind {
    if !fields.has(Slot::A) || !(fields.has(Slot::F) || fields.has(Slot::G)) {
        return Kind::Reject(Reject("no type, devid or logid: not a FortiGate's record"));
    }
    let traffic = fields.is(Slot::A, "traffic");
    if !traffic && !fields.is(Slot::A, "utm") && !fields.is(Slot::A, "webfilter") {
        return Kind::Other;
    }
    if fields.has(Slot::C) && fields.has(Slot::D) {
        fields.copy(Slot::C, Slot::Up);
        fields.copy(Slot::D, Slot::Down);
    }
    if traffic && fields.get(Slot::E).starts_with(b"block") {
        fields.act(Action::Blocked);
    }
    // `url` is a whole address in old releases, the path behind `hostname` since.
    Kind::Record
}
