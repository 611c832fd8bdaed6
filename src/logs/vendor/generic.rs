//! Any CEF, LEEF or W3C log: the types for appliances that have none of their own.
//!
//! The service publishes no list of keys; read are the dictionary's own and those that shipping uploaders send. Direction:
//! by the CEF dictionary `in` is from source to destination, so up; but most firewalls mean by `out` what the client
//! sent. The table [`OUT_IS_UP`] names them; for everybody else the dictionary holds. LEEF's `srcBytes` is up. In W3C
//! `cs-bytes` is up, `sc-bytes` down, and `s-ip` is the proxy itself, never the server.
//!
//! Traps: no verdict key at all, the event's name being the verdict (`Connection_Closed`); a path alone in `request`
//! behind `dhost`; `duser` is the user where a firewall knows only that one.

use crate::logs::dialect::{Cef, Dialect, Leef, Names, W3c};
use crate::logs::fields::{Fields, Kind, Slot};
use crate::logs::scan::{find, search};
use crate::logs::{Action, BASE, Envelope, Format, NO_SIGN, Remedy, Sign, Trouble};

/// Vendors in whose CEF `out` is what the client sent and `in` what it got.
const OUT_IS_UP: &[&str] = &[
    "Fortinet",
    "SonicWall",
    "Zscaler",
    "Forcepoint",
    "Websense",
    "Palo Alto Networks",
    "Check Point",
    "Barracuda",
    "Sophos",
];

/// Keys of CEF extensions; vendor files with a CEF of their own start from these.
pub(super) const CEF_NAMES: Names = &[
    ("FTNTFGTeventtime", Slot::Epoch),
    ("FortinetFortiGateeventtime", Slot::Epoch),
    ("rt", Slot::Time),
    ("end", Slot::A),
    ("start", Slot::B),
    ("dtz", Slot::Zone),
    ("deviceTimeZone", Slot::Zone),
    ("src", Slot::Src),
    ("c6a2", Slot::Src2),
    ("sourceAddress", Slot::Src2),
    ("suser", Slot::User),
    ("duser", Slot::User2),
    ("sourceUserName", Slot::User2),
    ("dhost", Slot::Host),
    ("destinationDnsDomain", Slot::Host),
    ("request", Slot::Url),
    ("requestUrl", Slot::Url),
    ("dst", Slot::Dst),
    ("dpt", Slot::Port),
    ("in", Slot::C),
    ("out", Slot::D),
    ("act", Slot::Action),
    ("deviceAction", Slot::Action),
    ("FortinetFortiGateaction", Slot::Action),
    ("outcome", Slot::E),
    ("dvchost", Slot::Device),
    ("deviceExternalId", Slot::Device),
    ("dvc", Slot::F),
    ("cat", Slot::G),
];

/// Attributes of LEEF; vendor files with a LEEF of their own start from these.
pub(super) const LEEF_NAMES: Names = &[
    ("devTime", Slot::Time),
    ("src", Slot::Src),
    ("usrName", Slot::User),
    ("identSrc", Slot::Src2),
    ("url", Slot::Url),
    ("URL", Slot::Url),
    ("dstHost", Slot::Host),
    ("host", Slot::Host),
    ("domain", Slot::Host),
    ("dst", Slot::Dst),
    ("dstPort", Slot::Port),
    ("srcBytes", Slot::Up),
    ("dstBytes", Slot::Down),
    ("totalBytes", Slot::Total),
    ("action", Slot::Action),
    ("disposition", Slot::Action),
    ("sender", Slot::Device),
    ("identHostName", Slot::Device),
];

/// Columns of W3C logs; vendor files with a W3C of their own start from these.
pub(super) const W3C_NAMES: Names = &[
    ("date", Slot::Date),
    ("time", Slot::Clock),
    ("timestamp", Slot::Epoch),
    ("x-timestamp", Slot::Epoch),
    ("x-timestamp-unix", Slot::Epoch),
    ("gmttime", Slot::Time),
    ("datetime", Slot::Time),
    ("c-ip", Slot::Src),
    ("c-dns", Slot::Src2),
    ("cs-username", Slot::User),
    ("cs-userdn", Slot::User2),
    ("cs-host", Slot::Host),
    ("r-host", Slot::Host),
    ("cs-uri", Slot::Url),
    ("cs-url", Slot::Url),
    ("c-uri", Slot::Url),
    ("cs-uri-scheme", Slot::Scheme),
    ("cs-uri-port", Slot::UrlPort),
    ("cs-uri-path", Slot::Path),
    ("cs-uri-stem", Slot::Path),
    ("cs-uri-query", Slot::Query),
    ("r-ip", Slot::Dst),
    ("s-supplier-ip", Slot::Dst),
    ("r-port", Slot::Port),
    ("cs-bytes", Slot::Up),
    ("sc-bytes", Slot::Down),
    ("action", Slot::Action),
    ("sc-filter-result", Slot::Action),
    ("s-action", Slot::A),
    ("sc-status", Slot::B),
    ("s-computername", Slot::Device),
];

const ALLOWED: &[&str] = &[
    "allow*",
    "accept*",
    "permit*",
    "pass*",
    "close*",
    "timeout",
    "client-rst",
    "server-rst",
    "observed",
    "proxied",
    "monitor*",
    "alert",
    "detect*",
    "ok",
    "success",
    "start",
    "end",
    "continue",
    "ip-conn",
    "dns",
    "tunnel*",
    "bypass*",
];
const BLOCKED: &[&str] = &[
    "block*",
    "deny",
    "denied",
    "drop*",
    "reject*",
    "reset*",
    "prevent*",
    "discard*",
    "refuse*",
    "quarantine*",
    "terminate*",
];

const REMEDIES: &[Remedy] = &[
    Remedy {
        when: Trouble::NoTime,
        what: "send the time of the event: `rt` (CEF), `devTime` (LEEF), `date` and `time` (W3C)",
    },
    Remedy { when: Trouble::NoUser, what: "send the user: `suser` (CEF), `usrName` (LEEF), `cs-username` (W3C)" },
    Remedy {
        when: Trouble::NoUrl,
        what: "send the URL or the host: `request` or `dhost` (CEF), `url` (LEEF), `cs-uri` or `cs-host` (W3C)",
    },
    Remedy {
        when: Trouble::NoBytes,
        what: "send the volumes: `in` and `out` (CEF), `srcBytes` and `dstBytes` (LEEF), `cs-bytes` and `sc-bytes` (W3C)",
    },
    Remedy {
        when: Trouble::Broken,
        what: "a W3C file needs its `#Fields:` line, CEF and LEEF their header: keep them when logs are cut or relayed",
    },
];

const CEF: Format = Format {
    log_type: "GENERIC_CEF",
    sample: sample!("generic/GENERIC_CEF"),
    direction: "`src` is the client; `in` is up by CEF's dictionary, but `out` is up for the vendors known to mean it so",
    id: Some(179),
    product: "Generic CEF",
    envelope: Envelope::Optional,
    dialect: Dialect::Cef(&Cef { names: CEF_NAMES }),
    read: cef,
    allowed: ALLOWED,
    blocked: BLOCKED,
    sign: Sign { any: &["CEF:0|", "CEF: 0|", "CEF:1|"], generic: true, ..NO_SIGN },
    remedies: REMEDIES,
    ..BASE
};

const LEEF: Format = Format {
    log_type: "GENERIC_LEEF",
    sample: sample!("generic/GENERIC_LEEF"),
    direction: "`src` is the client; `srcBytes` came from it, `dstBytes` went to it",
    id: Some(181),
    product: "Generic LEEF",
    dialect: Dialect::Leef(&Leef { names: LEEF_NAMES, or_text: false }),
    read: leef,
    sign: Sign { any: &["LEEF:1.0|", "LEEF:2.0|", "LEEF: 1.0|", "LEEF: 2.0|"], generic: true, ..NO_SIGN },
    ..CEF
};

const W3C: Format = Format {
    log_type: "GENERIC_W3C",
    sample: sample!("generic/GENERIC_W3C"),
    direction: "`c-ip` is the client; `cs-bytes` came from it, `sc-bytes` went to it; `s-ip` is the proxy itself",
    id: Some(183),
    product: "Generic W3C",
    envelope: Envelope::None,
    dialect: Dialect::W3c(&W3c { names: W3C_NAMES, columns: &[] }),
    read: w3c_verdict,
    sign: Sign { head: &["#Fields:"], generic: true, ..NO_SIGN },
    ..CEF
};

pub(super) const FORMATS: &[Format] = &[
    CEF,
    Format {
        log_type: "GENERIC_CEF_SYSLOG",
        sample: sample!("generic/GENERIC_CEF_SYSLOG"),
        id: Some(180),
        envelope: Envelope::Syslog,
        ..CEF
    },
    LEEF,
    Format {
        log_type: "GENERIC_LEEF_SYSLOG",
        sample: sample!("generic/GENERIC_LEEF_SYSLOG"),
        id: Some(182),
        envelope: Envelope::Syslog,
        ..LEEF
    },
    W3C,
    Format {
        log_type: "GENERIC_W3C_SYSLOG",
        sample: sample!("generic/GENERIC_W3C_SYSLOG"),
        id: Some(184),
        envelope: Envelope::Syslog,
        ..W3C
    },
];

fn cef(fields: &mut Fields<'_>) -> Kind {
    let vendor = fields.get(Slot::Vendor);
    let out_is_up = OUT_IS_UP.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(vendor));
    let (up, down) = if out_is_up { (Slot::D, Slot::C) } else { (Slot::C, Slot::D) };
    fields.copy(up, Slot::Up);
    fields.copy(down, Slot::Down);
    for time in [Slot::A, Slot::B] {
        if !fields.has(Slot::Time) {
            fields.copy(time, Slot::Time);
        }
    }
    if !fields.has(Slot::Device) {
        fields.copy(Slot::F, Slot::Device);
    }
    verdict(fields, Slot::Name)
}

fn leef(fields: &mut Fields<'_>) -> Kind {
    verdict(fields, Slot::Event)
}

/// Without a verdict of its own, the event's name is one where it says so.
fn verdict(fields: &mut Fields<'_>, name: Slot) -> Kind {
    if !fields.has(Slot::Action) {
        let name = fields.get(name);
        // What a name says, it says in its first bytes.
        let name = &name[..name.len().min(48)];
        if says(name, *b"bBdDrR", &["block", "denied", "deny", "drop", "reject", "discard"]) {
            fields.act(Action::Blocked);
        } else if says(name, *b"aApPcCoO", &["allow", "permit", "accept", "closed", "opened"]) {
            fields.act(Action::Allowed);
        }
    }
    Kind::Record
}

/// Whether one of the words is in a name, whatever the case; `initials` are their first letters.
fn says<const N: usize>(name: &[u8], initials: [u8; N], words: &[&str]) -> bool {
    let mut at = find(name, 0, initials);
    while let Some(rest) = name.get(at..).filter(|rest| !rest.is_empty()) {
        let starts =
            |word: &&str| rest.get(..word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word.as_bytes()));
        if words.iter().any(starts) {
            return true;
        }
        at = find(name, at + 1, initials);
    }
    false
}

pub(super) fn w3c_verdict(fields: &mut Fields<'_>) -> Kind {
    let denied = search(fields.get(Slot::A), b"DENIED").is_some();
    if denied || (!fields.has(Slot::Action) && matches!(fields.get(Slot::B), b"403" | b"407")) {
        fields.act(Action::Blocked);
    } else if fields.get(Slot::A).starts_with(b"TCP_") || (!fields.has(Slot::Action) && fields.get(Slot::B).len() == 3)
    {
        fields.act(Action::Allowed);
    }
    Kind::Record
}
