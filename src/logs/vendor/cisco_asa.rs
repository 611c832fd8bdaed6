//! Cisco ASA and FWSM: system messages `%ASA-level-number: text`.
//!
//! Traffic is in 302013/302015 (built), 302014/302016 (teardown, with the bytes of both directions), the denials 1060xx,
//! 106100 and 710003, and 304001/304002, the only ones with a URL. Who opened the connection:
//!
//! * ASA, "outbound": the **second** endpoint; "inbound": the first. FWSM: always the first.
//! * ASA teardown has no direction word: the side with the well-known port is the server, in doubt the second.
//!
//! Level 6 must be logged or 3020xx are missing. The user, where there is one, stands in brackets behind its endpoint.

use super::prelude::*;
use crate::logs::port;

const LEVEL: &[Remedy] = &[
    Remedy {
        when: Trouble::Lines("%FTD-"),
        what: "these are the messages of a Firepower (FTD): its connection events are CISCO_FIREPOWER_V6_SYSLOG",
    },
    Remedy {
        when: Trouble::Lines("%PIX-"),
        what: "these are the messages of a PIX, which the service does not list; the ASA's are spelled %ASA-",
    },
    Remedy { when: Trouble::NoTransactions, what: "log at level 6 (informational): logging trap informational" },
    Remedy {
        when: Trouble::NoBytes,
        what: "log the teardown messages 302014 and 302016 (level 6): only they carry bytes",
    },
    Remedy { when: Trouble::NoTime, what: "turn on: logging timestamp" },
];

const ASA: Format = Format {
    log_type: "CISCO_ASA",
    sample: sample!("cisco/CISCO_ASA"),
    direction: "outbound: the second endpoint is the client; inbound: the first; a teardown has one total for both ways",
    id: Some(104),
    product: "Cisco ASA Firewall",
    envelope: Envelope::Optional,
    read: message,
    extracts: Some(&[DstIp, SrcIp, Total]),
    sign: Sign { any: &["%ASA-"], ..NO_SIGN },
    remedies: LEVEL,
    ..BASE
};

const FWSM: Format = Format {
    log_type: "CISCO_FWSM",
    sample: sample!("cisco/CISCO_FWSM"),
    direction: "the first endpoint is the client, always; a teardown has one total for both ways",
    id: Some(157),
    product: "Cisco FWSM",
    sign: Sign { any: &["%FWSM-"], ..NO_SIGN },
    ..ASA
};

pub(super) const FORMATS: &[Format] = &[
    ASA,
    Format {
        log_type: "CISCO_ASA_SYSLOG",
        sample: sample!("cisco/CISCO_ASA_SYSLOG"),
        id: Some(141),
        envelope: Envelope::Syslog,
        ..ASA
    },
    FWSM,
    Format {
        log_type: "CISCO_FWSM_SYSLOG",
        sample: sample!("cisco/CISCO_FWSM_SYSLOG"),
        id: Some(158),
        envelope: Envelope::Syslog,
        ..FWSM
    },
];

pub(super) fn message<'l>(fields: &mut Fields<'l>) -> Kind {
    let Some(at) = memchr::memchr(b'%', fields.body) else {
        return Kind::Reject(Reject("the line is no system message (%ASA-level-number)"));
    };
    let tag = &fields.body[at..];
    let first_opens = tag.starts_with(b"%FWSM");
    let Some(colon) = memchr::memchr(b':', &tag[..tag.len().min(40)]) else {
        return Kind::Reject(Reject("the line is no system message (%ASA-level-number)"));
    };
    let number = text::split_last(&tag[..colon], b'-').1;
    let text = tag[colon + 1..].trim_ascii();
    match number {
        b"302013" | b"302015" => built(fields, text, first_opens),
        b"302014" | b"302016" => teardown(fields, text, first_opens),
        b"106023" => denied(fields, text, "src ", " dst "),
        b"106001" | b"106006" | b"106007" | b"106014" | b"106015" | b"710003" => denied(fields, text, " from ", " to "),
        b"106100" => access_list(fields, text),
        b"304001" => accessed(fields, text),
        b"304002" => refused_url(fields, text),
        _ => Kind::Other,
    }
}

/// `inside:192.0.2.10/50100`, `192.0.2.10/50100`, `inside/192.0.2.10(50100)`: address and port.
fn endpoint(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii();
    let end = text.iter().position(|c| matches!(c, b' ' | b'(' | b')')).unwrap_or(text.len());
    let (address, port) = text::split_last(&text[..end], b'/');
    // An interface name stands in front; an IPv6 address has colons of its own.
    let address = match memchr::memchr(b':', address) {
        Some(at) if crate::logs::address(address).is_none() => &address[at + 1..],
        _ => address,
    };
    (address, port)
}

/// The user in brackets behind an endpoint and its translated address: `(...)(EXAMPLE\ann)`, `(...) (ann)`.
fn user(text: &[u8]) -> &[u8] {
    let mut groups =
        text.split(|c| *c == b'(').skip(1).filter_map(|group| memchr::memchr(b')', group).map(|end| &group[..end]));
    groups.find(|group| !group.is_empty() && !group.contains(&b'/')).unwrap_or_default()
}

fn connection<'l>(fields: &mut Fields<'l>, client: &'l [u8], server: &'l [u8]) {
    let (source, _) = endpoint(client);
    let (target, port) = endpoint(server);
    fields.set(Slot::Src, source);
    fields.set(Slot::Dst, target);
    fields.set(Slot::Port, port);
    fields.set(Slot::User, user(client));
}

fn built<'l>(fields: &mut Fields<'l>, text: &'l [u8], first_opens: bool) -> Kind {
    let Some((first, second)) = text::after(text, " for ").and_then(sides) else { return cut() };
    let outbound = text::has(text::before(text, " for "), "outbound");
    let (client, server) = if outbound && !first_opens { (second, first) } else { (first, second) };
    connection(fields, client, server);
    fields.act(Action::Allowed);
    Kind::Record
}

fn teardown<'l>(fields: &mut Fields<'l>, text: &'l [u8], first_opens: bool) -> Kind {
    let Some((first, rest)) = text::after(text, " for ").and_then(sides) else { return cut() };
    let second = text::before(rest, " duration ");
    let figure = |side: &[u8]| port(endpoint(side).1).unwrap_or(u16::MAX);
    let known = |side| figure(side) < 1024;
    let swap = !first_opens && known(first) && !known(second);
    let (client, server) = if swap { (second, first) } else { (first, second) };
    connection(fields, client, server);
    if let Some(bytes) = text::after(rest, " bytes ") {
        fields.set(Slot::Total, text::word(bytes).0);
    }
    fields.act(Action::Allowed);
    Kind::Record
}

fn sides(text: &[u8]) -> Option<(&[u8], &[u8])> {
    text::after(text, " to ").map(|second| (text::before(text, " to "), second))
}

fn cut() -> Kind {
    Kind::Reject(Reject("the message is cut"))
}

fn denied<'l>(fields: &mut Fields<'l>, text: &'l [u8], from: &str, to: &str) -> Kind {
    let Some(rest) = text::after(text, from) else { return cut() };
    let Some(target) = text::after(rest, to) else { return cut() };
    connection(fields, text::before(rest, to), target);
    fields.set(Slot::User, user(text::before(target, " by ")));
    fields.act(Action::Blocked);
    Kind::Record
}

/// `access-list NAME permitted tcp inside/192.0.2.10(50100) -> outside/203.0.113.20(443) hit-cnt 1`
fn access_list<'l>(fields: &mut Fields<'l>, text: &'l [u8]) -> Kind {
    let Some((left, right)) = text::after(text, " -> ").map(|right| (text::before(text, " -> "), right)) else {
        return cut();
    };
    let side = |text: &'l [u8]| {
        let address = text::split_last(text::before(text, "("), b'/').1;
        (address, text::between(text, "(", ")").unwrap_or_default())
    };
    let (source, _) = side(text::split_last(left, b' ').1);
    let (target, port) = side(text::word(right).0);
    fields.set(Slot::Src, source);
    fields.set(Slot::Dst, target);
    fields.set(Slot::Port, port);
    fields.act(if text::has(left, " permitted ") { Action::Allowed } else { Action::Blocked });
    Kind::Record
}

/// `[user@]192.0.2.10[(DOMAIN\user)] Accessed URL 203.0.113.20:http://host/path`
fn accessed<'l>(fields: &mut Fields<'l>, text: &'l [u8]) -> Kind {
    let Some(target) = text::after(text, "Accessed URL ") else { return cut() };
    let client = text::before(text, " Accessed");
    let (name, address) = text::split_last(client, b'@');
    let address = if address.is_empty() { name } else { address };
    fields.set(Slot::Src, text::before(address, "("));
    fields.set(Slot::User, if address.len() == name.len() { user(client) } else { name });
    let at = memchr::memmem::find(target, b":http").or_else(|| memchr::memchr(b':', target)).unwrap_or(target.len());
    fields.set(Slot::Dst, &target[..at]);
    fields.set(Slot::Url, target.get(at + 1..).unwrap_or_default());
    fields.act(Action::Allowed);
    Kind::Record
}

/// `Access denied URL http://host/path SRC 192.0.2.10 DEST 203.0.113.20 on interface inside`
fn refused_url<'l>(fields: &mut Fields<'l>, text: &'l [u8]) -> Kind {
    let Some(url) = text::between(text, " URL ", " SRC ") else { return cut() };
    fields.set(Slot::Url, url);
    fields.set(Slot::Src, text::word(text::after(text, " SRC ").unwrap_or_default()).0);
    fields.set(Slot::Dst, text::word(text::after(text, " DEST ").unwrap_or_default()).0);
    fields.act(Action::Blocked);
    Kind::Record
}
