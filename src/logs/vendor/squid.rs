//! Squid access.log, native and httpd ("common") layout: <https://wiki.squid-cache.org/Features/LogFormat>.
//!
//! Native: `time elapsed client result/status bytes method url user hierarchy/peer type`, blanks in any number, more
//! tokens behind at times. Common: `client ident user [time] "method url version" status bytes ... result:hierarchy`.
//!
//! Direction: the client is the first address; the bytes are those sent *to* it, what it sent is not in the line. The
//! server is the peer when that is an address. Traps: a `CONNECT` names `host:port`; `error:...` and the methods `NONE`
//! and `-` are no requests; 407 is a demand for credentials and counts as blocked; a Cisco WSA writes the same ten
//! tokens and more behind them.

use crate::logs::dialect::{Columns, Dialect, columns::PLAIN};
use crate::logs::fields::{Fields, Kind, Slot};
use crate::logs::scan::{find, search};
use crate::logs::timestamp::epoch;
use crate::logs::{Action, BASE, Envelope, Extract, Format, Reject, Remedy, Sign, Trouble, number};

const NATIVE_COLUMNS: Columns = Columns {
    columns: &[
        Slot::Epoch,
        Slot::A,
        Slot::Src,
        Slot::B,
        Slot::Down,
        Slot::C,
        Slot::Url,
        Slot::User,
        Slot::D,
        Slot::Skip,
        Slot::E,
    ],
    least: 9,
    ..PLAIN
};

const COMMON_COLUMNS: Columns = Columns {
    columns: &[Slot::Src, Slot::User2, Slot::User, Slot::Time, Slot::A, Slot::B, Slot::Down, Slot::C, Slot::D, Slot::E],
    least: 8,
    quotes: true,
    brackets: true,
    ..PLAIN
};

const REMEDIES: &[Remedy] = &[
    Remedy {
        when: Trouble::Lines("DEFAULT_CASE"),
        what: "these lines have a Cisco WSA's ACL tag: their log type is CISCO_IRONPORT_PROXY",
    },
    Remedy {
        when: Trouble::Broken,
        what: "in squid.conf write the log with `logformat squid` (native) or `logformat combined` and no changes to either",
    },
    Remedy {
        when: Trouble::NoUser,
        what: "set up proxy authentication (`auth_param`): without it the log has no users",
    },
];

const NATIVE: Format = Format {
    log_type: "SQUID_NATIVE",
    sample: sample!("squid/SQUID_NATIVE"),
    direction: "the third field is the client; the bytes went to it, what it sent is not in the line",
    id: Some(155),
    product: "Squid (native)",
    dialect: Dialect::Columns(&NATIVE_COLUMNS),
    read: native,
    extracts: Some(&[Extract::Url, Extract::User, Extract::SrcIp]),
    sign: Sign {
        any: &[" TCP_", " UDP_", " NONE", " TAG_"],
        none: &["DEFAULT_CASE", "-NONE-", "DCF:", "CMF:", "/NULL-", " <"],
        ..crate::logs::NO_SIGN
    },
    remedies: REMEDIES,
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    Format {
        log_type: "SQUID",
        sample: sample!("squid/SQUID"),
        direction: "the first field is the client; the bytes went to it, what it sent is not in the line",
        id: Some(114),
        product: "Squid (common)",
        dialect: Dialect::Columns(&COMMON_COLUMNS),
        read: common,
        extracts: Some(&[Extract::Url, Extract::User, Extract::SrcIp, Extract::Total]),
        sign: Sign {
            all: &[" \"", "] \""],
            any: &[":HIER_", ":NONE", ":DIRECT", ":DEFAULT_PARENT"],
            ..crate::logs::NO_SIGN
        },
        ..NATIVE
    },
    NATIVE,
    Format {
        log_type: "SQUID_NATIVE_SYSLOG",
        sample: sample!("squid/SQUID_NATIVE_SYSLOG"),
        id: Some(156),
        envelope: Envelope::Syslog,
        ..NATIVE
    },
];

fn native(fields: &mut Fields<'_>) -> Kind {
    let elapsed = fields.get(Slot::A);
    if number(elapsed.strip_prefix(b"-").unwrap_or(elapsed)).is_none() {
        return Kind::Reject(Reject("the second field is not a duration"));
    }
    let time = fields.get(Slot::Epoch);
    let dot = find(time, 0, [b'.']);
    match epoch(time) {
        Some(read) if dot < time.len() => fields.at(read),
        _ if dot == time.len() || number(&time[..dot]).is_none() => {
            return Kind::Reject(Reject("the first field is not a time in seconds and milliseconds"));
        }
        _ => {}
    }
    let result = fields.get(Slot::B);
    let slash = find(result, 0, [b'/']);
    if slash == result.len() {
        return Kind::Reject(Reject("the fourth field is not a result and a status"));
    }
    let Some(bytes) = number(fields.get(Slot::Down)) else {
        return Kind::Reject(Reject("the fifth field is not a number of bytes"));
    };
    fields.count(Slot::Down, bytes);
    // A Cisco WSA writes an ACL tag where Squid's own layout has ended.
    if fields.get(Slot::E).iter().filter(|c| **c == b'-').count() > 2 {
        return Kind::Reject(Reject("the line has a Cisco WSA's ACL tag"));
    }
    let peer = fields.get(Slot::D);
    let cut = find(peer, 0, [b'/']);
    if cut == peer.len() {
        return Kind::Reject(Reject("the ninth field is not a hierarchy code and a peer"));
    }
    fields.set(Slot::Dst, &peer[cut + 1..]);
    request(fields, Slot::C, &result[..slash], &result[slash + 1..], &peer[..cut])
}

fn common(fields: &mut Fields<'_>) -> Kind {
    // `method url version`; the URL is the middle, the version may be missing.
    let line = fields.get(Slot::A);
    let Some(first) = memchr::memchr(b' ', line) else {
        return Kind::Reject(Reject("the request is not a method and a URL"));
    };
    let last = memchr::memrchr(b' ', line).filter(|last| *last > first && line[last + 1..].starts_with(b"HTTP/"));
    fields.set(Slot::F, &line[..first]);
    fields.set(Slot::Url, &line[first + 1..last.unwrap_or(line.len())]);
    let is_result = |slot: Slot, fields: &Fields<'_>| {
        let text = fields.get(slot);
        memchr::memchr(b':', text)
            .filter(|at| *at > 0 && text[..*at].iter().all(|c| c.is_ascii_uppercase() || *c == b'_'))
    };
    // Directly behind the bytes (common), or behind referer and agent (combined).
    let Some((slot, colon)) = [Slot::C, Slot::E].into_iter().find_map(|slot| Some((slot, is_result(slot, fields)?)))
    else {
        return Kind::Reject(Reject("no result and hierarchy code: a web server's log, not Squid's"));
    };
    let (result, status) = (fields.get(slot), fields.get(Slot::B));
    request(fields, Slot::F, &result[..colon], status, &result[colon + 1..])
}

/// What both layouts share: which lines are requests, and which of them were refused.
fn request(fields: &mut Fields<'_>, method: Slot, result: &[u8], status: &[u8], hierarchy: &[u8]) -> Kind {
    if fields.get(Slot::Url).starts_with(b"error:") || fields.is(method, "NONE") || fields.is(method, "-") {
        return Kind::Other;
    }
    let denied = search(result, b"DENIED").is_some();
    let refused = status == b"403" && hierarchy.ends_with(b"NONE");
    fields.act(if denied || refused { Action::Blocked } else { Action::Allowed });
    Kind::Record
}
