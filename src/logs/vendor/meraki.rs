//! Cisco Meraki MX: `epoch NAME urls src=ip:port dst=ip:port mac=... request: METHOD url`, with flows beside them.
//!
//! `src` opened the connection. IPv6 stands in front of its port without brackets: the last colon parts them. HTTPS shows
//! `https://host/...` with three literal dots. No line has a user or byte counts, and `urls` lines no verdict; in flows,
//! `pattern: 1` and `deny` mean refused. Times are UTC.

use super::prelude::*;

const MERAKI: Format = Format {
    log_type: "MACHINE_ZONE_MERAKI",
    sample: sample!("meraki/MACHINE_ZONE_MERAKI"),
    direction: "`src` opened the connection; the log has no byte counts",
    id: Some(153),
    product: "Cisco Meraki URLs log",
    envelope: Envelope::Optional,
    read: message,
    allowed: &["allow", "0"],
    blocked: &["deny", "1", "block"],
    extracts: Some(&[Url, DstIp, SrcIp]),
    sign: Sign {
        any: &[
            " urls src=",
            " flows src=",
            " flows allow ",
            " flows deny ",
            " ip_flow_start src=",
            " firewall src=",
            " firewall allow ",
            " firewall deny ",
            " content_filtering_block url=",
            " cellular_firewall src=",
        ],
        none: &["%ASA-", "CEF:"],
        ..NO_SIGN
    },
    remedies: &[Remedy {
        when: Trouble::NoUrl,
        what: "tick the role \"URLs\" for the syslog server, not only Flows and Event log",
    }],
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    MERAKI,
    Format {
        log_type: "MACHINE_ZONE_MERAKI_SYSLOG",
        sample: sample!("meraki/MACHINE_ZONE_MERAKI_SYSLOG"),
        id: Some(154),
        envelope: Envelope::Syslog,
        ..MERAKI
    },
];

fn pair<'l>(body: &'l [u8], key: &str) -> &'l [u8] {
    let value = text::after(body, key).unwrap_or_default();
    match value {
        [b'\'', rest @ ..] => text::before(rest, "'"),
        _ => text::word(value).0,
    }
}

fn message<'l>(fields: &mut Fields<'l>) -> Kind {
    let body = fields.body;
    let (mut first, mut rest) = text::word(body);
    if first == b"1" {
        (first, rest) = text::word(rest);
    }
    // `1673277245.257656306`; the envelope may have taken time and name as a header.
    let (kind, tail) = if first.len() >= 10 && first.iter().all(|c| c.is_ascii_digit() || *c == b'.') {
        fields.set(Slot::Epoch, first);
        let (name, rest) = text::word(rest);
        fields.set(Slot::Device, name);
        text::word(rest)
    } else if matches!(first, b"urls" | b"flows" | b"firewall" | b"events" | b"ip_flow_start" | b"ip_flow_end") {
        (first, rest)
    } else {
        text::word(rest)
    };
    match kind {
        b"urls" => {
            let (source, _) = text::split_last(pair(tail, "src="), b':');
            let (target, port) = text::split_last(pair(tail, "dst="), b':');
            fields.set(Slot::Src, source);
            fields.set(Slot::Dst, target);
            fields.set(Slot::Port, port);
            let Some(request) = text::after(tail, "request: ") else {
                return Kind::Reject(Reject("the line is cut before the request"));
            };
            fields.set(Slot::Url, text::word(text::word(request).1).0);
        }
        b"flows" | b"firewall" | b"cellular_firewall" | b"vpn_firewall" | b"ip_flow_start" => {
            fields.set(Slot::Src, pair(tail, "src="));
            fields.set(Slot::Dst, pair(tail, "dst="));
            fields.set(Slot::Port, pair(tail, "dport="));
            let word = text::after(tail, "pattern: ").unwrap_or(tail);
            fields.set(Slot::Action, text::word(word).0);
        }
        b"events" if text::has(tail, "content_filtering_block") => {
            let (server, port) = text::split_last(pair(tail, "server="), b':');
            fields.set(Slot::Url, pair(tail, "url="));
            fields.set(Slot::Dst, server);
            fields.set(Slot::Port, port);
            fields.set(Slot::Action, b"block");
        }
        _ => return Kind::Other,
    }
    Kind::Record
}
