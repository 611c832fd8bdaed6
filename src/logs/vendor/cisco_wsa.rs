//! Cisco Web Security Appliance (IronPort, Secure Web Appliance): access logs in the style of Squid's.
//!
//! `time elapsed client RESULT/status bytes method url user HIER/server type ACLTAG <scan fields> extras`. The bytes went
//! to the client; what came from it is only in custom fields behind the `>`. Denied by result (`TCP_DENIED`) or by ACL tag
//! (`BLOCK_...`). The native access log is CISCO_IRONPORT_PROXY. What the service means by WSA_II and WSA_III is not
//! public: the W3C form of the log and the 10.5.1 layout (no server token) are taken for them.

use super::given;
use super::prelude::*;
use crate::logs::{number, present};

const W3C_NAMES: Names = &[
    ("timestamp", Slot::Epoch),
    ("date", Slot::Date),
    ("time", Slot::Clock),
    ("c-ip", Slot::Src),
    ("x-resultcode-httpstatus", Slot::A),
    ("sc-bytes", Slot::Down),
    ("cs-bytes", Slot::Up),
    ("cs-url", Slot::Url),
    ("cs-uri", Slot::Url),
    ("cs-username", Slot::User),
    ("cs(X-Forwarded-For)", Slot::Src2),
    ("x-hierarchy-origin", Slot::B),
    ("s-ip", Slot::Dst),
    ("x-acltag", Slot::C),
];
static W3C: W3c = W3c { names: W3C_NAMES, columns: &[] };

const COLUMNS: &[Slot] = &[
    Slot::Epoch,
    Slot::D,
    Slot::Src,
    Slot::A,
    Slot::Down,
    Slot::Skip,
    Slot::Url,
    Slot::User,
    Slot::B,
    Slot::E,
    Slot::C,
];
/// A template of the administrator's guide: a word in front of the client, no server.
const SHIFTED: &[Slot] = &[
    Slot::Epoch,
    Slot::D,
    Slot::Skip,
    Slot::Src,
    Slot::A,
    Slot::Down,
    Slot::Skip,
    Slot::Url,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::C,
];
static NATIVE: Columns = Columns { columns: COLUMNS, least: 9, quotes: true, ..columns::PLAIN };

const SCANNED: &[&str] =
    &["DEFAULT_CASE_", "BLOCK_", "ALLOW_", "PASSTHRU_", "DECRYPT_", "MONITOR_", "WARN_", "REDIRECT_", "DROP_"];

const PROXY: Format = Format {
    log_type: "CISCO_IRONPORT_PROXY",
    sample: sample!("cisco/CISCO_IRONPORT_PROXY"),
    direction: "the third field is the client; the bytes went to it, what it sent is in custom fields only",
    id: Some(106),
    product: "Cisco IronPort WSA",
    envelope: Envelope::Optional,
    dialect: Dialect::Columns(&NATIVE),
    read: native,
    extracts: Some(&[Url, DstIp, User, SrcIp, Total, Up]),
    sign: Sign { all: &["/", "://"], any: SCANNED, none: &["CEF:", "LEEF:"], ..NO_SIGN },
    remedies: &[Remedy {
        when: Trouble::NoBytes,
        what: "add %k and cs-bytes to the custom fields of the access log subscription",
    }],
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    PROXY,
    Format {
        log_type: "CISCO_IRONPORT_PROXY_SYSLOG",
        sample: sample!("cisco/CISCO_IRONPORT_PROXY_SYSLOG"),
        id: Some(133),
        envelope: Envelope::Syslog,
        ..PROXY
    },
    Format {
        log_type: "CISCO_IRONPORT_WSA_II",
        sample: sample!("cisco/CISCO_IRONPORT_WSA_II"),
        direction: "`c-ip` is the client; `sc-bytes` went to it, `cs-bytes` came from it, where the log has them",
        id: Some(206),
        product: "Cisco IronPort WSA (variant II)",
        certainty: Certainty::Inferred,
        envelope: Envelope::None,
        dialect: Dialect::W3c(&W3C),
        read: verdict,
        sign: Sign { head: &["AsyncOS", "x-resultcode-httpstatus", "x-acltag"], ..NO_SIGN },
        ..PROXY
    },
    Format {
        log_type: "CISCO_IRONPORT_WSA_III",
        sample: sample!("cisco/CISCO_IRONPORT_WSA_III"),
        id: Some(216),
        product: "Cisco IronPort WSA (variant III)",
        certainty: Certainty::Inferred,
        sign: Sign { none: &["CEF:", "DIRECT/", "DEFAULT_PARENT/", "NONE/", "HIER_"], ..PROXY.sign },
        ..PROXY
    },
];

fn native<'l>(fields: &mut Fields<'l>) -> Kind {
    if fields.get(Slot::Epoch).iter().any(|c| !c.is_ascii_digit() && *c != b'.') {
        return from_later_word(fields);
    }
    if fields.is(Slot::Src, "-") {
        fields.restart(fields.body);
        columns::fill(&NATIVE, SHIFTED, fields);
    }
    if number(fields.get(Slot::Down)).is_none() || !fields.get(Slot::A).contains(&b'/') {
        return Kind::Reject(Reject("the line has no result and bytes where the access log has them"));
    }
    // Of the custom fields behind the scan verdicts an address that is not the client's is the server's.
    if let Some(extras) = text::after(fields.body, "> ") {
        for word in text::words(extras) {
            let plain = word.strip_prefix(b"\"").and_then(|word| word.strip_suffix(b"\"")).unwrap_or(word);
            if crate::logs::address(plain).is_some() && plain != fields.get(Slot::Src) {
                fields.set(Slot::Dst, plain);
            }
        }
    }
    verdict(fields)
}

/// `Info: ` and the like in front of the time.
fn from_later_word<'l>(fields: &mut Fields<'l>) -> Kind {
    let Some((_, rest)) = fields.body.iter().position(|c| *c == b' ').map(|at| fields.body.split_at(at)) else {
        return Kind::Reject(Reject("the first field is not a time"));
    };
    let rest = rest.trim_ascii_start();
    if !rest.first().is_some_and(u8::is_ascii_digit) {
        return Kind::Other;
    }
    fields.restart(rest);
    columns::fill(&NATIVE, NATIVE.columns, fields);
    if fields.get(Slot::Epoch).iter().any(|c| !c.is_ascii_digit() && *c != b'.') {
        return Kind::Other;
    }
    native(fields)
}

fn verdict(fields: &mut Fields<'_>) -> Kind {
    let (_, server) = text::split_last(fields.get(Slot::B), b'/');
    if !given(fields, Slot::Dst) && present(server).is_some() {
        fields.set(Slot::Dst, server);
    }
    let tag = |slot: Slot| fields.get(slot).starts_with(b"BLOCK_");
    let refused = text::has(fields.get(Slot::A), "DENIED") || tag(Slot::C) || tag(Slot::E) || tag(Slot::B);
    let refused = refused || memchr::memmem::find(fields.body, b" BLOCK_").is_some();
    fields.act(if refused { Action::Blocked } else { Action::Allowed });
    Kind::Record
}
