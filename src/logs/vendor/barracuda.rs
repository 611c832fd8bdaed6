//! Barracuda Web Application Firewall and CloudGen (NextGen F) Firewall.
//!
//! * The WAF's W3C export is not documented: read by the usual W3C names. It protects servers, so its clients are mostly
//!   outsiders. Its syslog `TR` record gives bytes sent (to the client) in front of bytes received (from it).
//! * `box_Firewall_Activity` of the F-Series: behind the action 20 and more fields between bars; field 3 opened the
//!   connection, field 17 (sent) came from it, field 16 (received) went to it.
//! * Web log streaming: `BYF ALLOWED CLEAN` is constant text; the verdict is the figure behind `2 1 0`.

use super::prelude::*;
use crate::logs::number;

const W3C_NAMES: Names = super::generic::W3C_NAMES;
static W3C: W3c = W3c { names: W3C_NAMES, columns: &[] };

const WAF_REMEDY: &[Remedy] = &[Remedy {
    when: Trouble::NoTransactions,
    what: "export the access log (TR); a web application firewall sees your servers' visitors, so expect few cloud apps",
}];

pub(super) const FORMATS: &[Format] = &[
    Format {
        log_type: "BARRACUDA",
        sample: sample!("barracuda/BARRACUDA"),
        direction: "`c-ip` is the visitor, `cs-bytes` came from it, `sc-bytes` went to it; the server is your own",
        id: Some(101),
        product: "Barracuda Web App Firewall (W3C)",
        certainty: Certainty::Inferred,
        dialect: Dialect::W3c(&W3C),
        read: super::generic::w3c_verdict,
        allowed: &["ALLOW*", "PASS*"],
        blocked: &["DENY", "DENIED", "BLOCK*"],
        extracts: Some(&[Url, DstIp, User, SrcIp]),
        sign: Sign { head: &["Barracuda"], ..NO_SIGN },
        remedies: WAF_REMEDY,
        ..BASE
    },
    Format {
        log_type: "BARRACUDA_SYSLOG",
        sample: sample!("barracuda/BARRACUDA_SYSLOG"),
        direction: "the visitor is the client; of the two byte counts the first went to it, the second came from it",
        id: Some(166),
        product: "Barracuda Web App Firewall (W3C)",
        envelope: Envelope::Syslog,
        read: waf,
        allowed: &["ALLOW"],
        blocked: &["DENY"],
        extracts: Some(&[Url, DstIp, User, SrcIp]),
        sign: Sign { any: &[" TR ", " NF ", " WF ", " AUDIT ", " SYS ", "cat=TR"], none: &["BYF "], ..NO_SIGN },
        remedies: WAF_REMEDY,
        ..BASE
    },
    Format {
        log_type: "BARRACUDA_NEXT_GEN_FW",
        sample: sample!("barracuda/BARRACUDA_NEXT_GEN_FW"),
        direction: "field 3 opened the connection; field 17 (sent) came from it, field 16 (received) went to it",
        id: Some(191),
        product: "Barracuda F-Series Firewall",
        envelope: Envelope::Optional,
        read: activity,
        allowed: &["Allow", "LocalAllow", "Remove", "LocalRemove", "Detect"],
        blocked: &["Block", "LocalBlock", "Drop", "Deny", "Fail"],
        sign: Sign {
            all: &[": ", "|"],
            any: &["LOUT|", "LIN|", "FWD|", "LOOP|", "IFWD|", "srcIP=", "|TCP|", "|UDP|"],
            none: &["CEF:", "LEEF:"],
            // The severity, as wide as the box writes it.
            beside: &["Info     ", "Notice   ", "Warning  ", "Error    "],
            ..NO_SIGN
        },
        remedies: &[Remedy {
            when: Trouble::NoBytes,
            what: "log session end (Remove) records: only they carry byte counts",
        }],
        ..BASE
    },
    Format {
        log_type: "BARRACUDA_NEXT_GEN_FW_WEBLOG",
        sample: sample!("barracuda/BARRACUDA_NEXT_GEN_FW_WEBLOG"),
        direction: "the first address is the client; the bytes went to it",
        id: Some(193),
        product: "Barracuda F-Series Firewall (web log streaming)",
        envelope: Envelope::Syslog,
        read: weblog,
        sign: Sign { any: &["BYF ALLOWED", "BYF BLOCKED", "BYF DETECTED"], none: &["http_scan["], ..NO_SIGN },
        ..BASE
    },
];

fn waf<'l>(fields: &mut Fields<'l>) -> Kind {
    let body = fields.body;
    let (first, rest) = text::word(body);
    // `2024-03-05 10:15:30.123 +0100  unit TR`: the unit and the kind come behind the time, unless the header took it.
    let mut at = if first.len() == 10 && first[4] == b'-' {
        let (clock, rest) = text::word(rest);
        let (zone, rest) = text::word(rest);
        fields.set(Slot::Date, first);
        fields.set(Slot::Clock, clock);
        fields.set(Slot::Zone, zone);
        rest
    } else {
        body
    };
    for _ in 0..3 {
        let (word, rest) = text::word(at);
        match word {
            b"TR" => return access(fields, rest),
            b"NF" => return packet(fields, rest),
            b"WF" | b"AUDIT" | b"SYS" => return Kind::Other,
            b"" => break,
            unit => fields.set(Slot::Device, unit),
        }
        at = rest;
    }
    Kind::Reject(Reject("the record is of no kind the appliance writes"))
}

/// Behind `TR`: service address and port, client address and port, login, certificate, method, protocol, host, version,
/// status, sent, received, ..., and the path as the first word that starts with a slash.
fn access<'l>(fields: &mut Fields<'l>, rest: &'l [u8]) -> Kind {
    let mut words = text::words(rest);
    let mut next = || words.next().unwrap_or_default();
    let (dst, port, src, _, login, _) = (next(), next(), next(), next(), next(), next());
    let (_, scheme, host, _, status, sent, received) = (next(), next(), next(), next(), next(), next(), next());
    if number(status).is_none() || number(sent).is_none() {
        return Kind::Reject(Reject("the access record is cut or of another layout"));
    }
    fields.set(Slot::Dst, dst);
    fields.set(Slot::Port, port);
    fields.set(Slot::Src, src);
    fields.set(Slot::User, login.strip_prefix(b"\"").and_then(|login| login.strip_suffix(b"\"")).unwrap_or(login));
    fields.set(Slot::Scheme, if scheme == b"HTTPS" { b"https" } else { b"http" });
    fields.set(Slot::Host, host);
    fields.set(Slot::Down, sent);
    fields.set(Slot::Up, received);
    let path = words.find(|word| word.starts_with(b"/")).unwrap_or_default();
    fields.set(Slot::Path, path);
    if let Some(query) = words.next().filter(|query| !path.is_empty() && !query.starts_with(b"\"")) {
        fields.set(Slot::Query, query);
    }
    fields.act(if status == b"403" { Action::Blocked } else { Action::Allowed });
    Kind::Record
}

/// Behind `NF`: severity, protocol, source, port, destination, port, verdict.
fn packet<'l>(fields: &mut Fields<'l>, rest: &'l [u8]) -> Kind {
    let mut words = text::words(rest).skip(2);
    for slot in [Slot::Src, Slot::Skip, Slot::Dst, Slot::Port, Slot::Action] {
        fields.set(slot, words.next().unwrap_or_default());
    }
    Kind::Record
}

fn activity<'l>(fields: &mut Fields<'l>) -> Kind {
    let body = fields.body;
    // `2024 03 05 10:15:30 +01:00 Severity unit Action: ...`
    let mut head = body;
    if body.len() > 26 && body[..4].iter().all(u8::is_ascii_digit) && body[4] == b' ' {
        fields.set(Slot::Time, &body[..19]);
        let (zone, rest) = text::word(&body[19..]);
        fields.set(Slot::Zone, zone);
        head = rest;
    }
    let Some(bar) = memchr::memchr(b'|', head) else { return Kind::Other };
    let Some(colon) = memchr::memmem::rfind(&head[..bar], b": ") else { return Kind::Other };
    let (_, unit_action) = text::word(&head[..colon]);
    let (unit, action) = text::word(unit_action);
    let (action, more) = text::word(action);
    if !more.trim_ascii().is_empty() || action.is_empty() || action.ends_with(b":") {
        return Kind::Other;
    }
    fields.set(Slot::Device, unit);
    fields.set(Slot::Action, action);
    let pairs = &head[colon + 2..];
    if text::has(pairs, "srcIP=") {
        for part in pairs.split(|c| *c == b'|') {
            let (key, value) = part.split_at(part.iter().position(|c| *c == b'=').unwrap_or(part.len()));
            let slot = match key {
                b"srcIP" => Slot::Src,
                b"dstIP" => Slot::Dst,
                b"dstPort" => Slot::Port,
                b"sentBytes" => Slot::Up,
                b"receivedBytes" => Slot::Down,
                b"user" => Slot::User,
                b"target" | b"domain" => Slot::Host,
                _ => continue,
            };
            fields.set(slot, value.strip_prefix(b"=").unwrap_or_default());
        }
        return Kind::Record;
    }
    let slots = [
        (3, Slot::Src),
        (6, Slot::Dst),
        (7, Slot::Port),
        (16, Slot::Down),
        (17, Slot::Up),
        (20, Slot::User),
        (23, Slot::Host),
    ];
    let mut count = 0;
    for (at, part) in pairs.split(|c| *c == b'|').enumerate() {
        count = at + 1;
        if let Some((_, slot)) = slots.iter().find(|(wanted, _)| *wanted == at) {
            fields.set(*slot, part);
        }
    }
    if count < 18 { Kind::Other } else { Kind::Record }
}

/// `time 1 source destination type source uri length BYF ALLOWED CLEAN 2 1 0 verdict ... [user] host ...`
fn weblog<'l>(fields: &mut Fields<'l>) -> Kind {
    let Some(tail) = text::after(fields.body, " BYF ") else { return Kind::Other };
    let mut words = text::words(text::before(fields.body, " BYF ")).skip_while(|word| number(word).is_none());
    for slot in [Slot::Epoch, Slot::Skip, Slot::Src, Slot::Dst, Slot::Skip, Slot::Skip, Slot::Url, Slot::Down] {
        fields.set(slot, words.next().unwrap_or_default());
    }
    fields.set(Slot::User, text::between(tail, "[", "]").unwrap_or_default());
    match text::words(tail).nth(5) {
        Some(b"0") => fields.act(Action::Allowed),
        Some(b"1") => fields.act(Action::Blocked),
        _ => return Kind::Reject(Reject("the web log record is cut")),
    }
    Kind::Record
}
