//! Clavister cOS (NetWall): `id=... event=... action=... [message=...][rules ...][conn [conn connsrcip=... ]]`.
//!
//! `connsrcip` opened the connection (`srcip` on packet events); `origsent` came from it, `termsent` went to it. Both are
//! figures for people (`59.0`, `4.52 K`): the suffix is a word of its own, and what it rounds is lost. Where a key
//! occurs twice, the one inside `[conn` counts. Times come from the syslog header.

use super::prelude::*;
use crate::logs::number;

pub(super) const FORMATS: &[Format] = &[Format {
    log_type: "CLAVISTER_SYSLOG",
    sample: sample!("clavister/CLAVISTER_SYSLOG"),
    direction: "`connsrcip` opened the connection; `origsent` came from it, `termsent` went to it, both rounded",
    id: Some(165),
    product: "Clavister NGFW",
    envelope: Envelope::Syslog,
    read: event,
    allowed: &["allow", "close", "open", "none", ""],
    blocked: &["drop", "reject", "deny", "block"],
    extracts: Some(&[Url, DstIp, User, SrcIp, Total, Up]),
    sign: Sign {
        all: &["id=", " event="],
        any: &["connsrcip=", "[rules", "EFW:", "srcip=", " [message="],
        none: &["logid=", "device_id="],
        ..NO_SIGN
    },
    remedies: &[
        Remedy {
            when: Trouble::NoBytes,
            what: "log connection closings (conn_close): only they carry origsent and termsent",
        },
        Remedy { when: Trouble::NoUrl, what: "turn on URL logging in the HTTP ALG or web profile (request_url)" },
    ],
    ..BASE
}];

/// Events that describe a connection or a packet; everything else is about the appliance itself.
const TRAFFIC: &[&str] = &[
    "conn_open",
    "conn_close",
    "conn_open_natsat",
    "conn_close_natsat",
    "request_url",
    "application_end",
    "application_identified",
    "alg_session_open",
    "alg_session_closed",
];

fn value<'l>(text: &'l [u8], key: &str) -> &'l [u8] {
    for at in memchr::memmem::find_iter(text, key.as_bytes()) {
        let rest = &text[at + key.len()..];
        let starts = at == 0 || matches!(text[at - 1], b' ' | b'[' | b']');
        if let (true, [b'=', rest @ ..]) = (starts, rest) {
            return match rest {
                [b'"', rest @ ..] => text::before(rest, "\""),
                _ => rest.split(|c| matches!(c, b' ' | b']')).next().unwrap_or_default(),
            };
        }
    }
    &[]
}

fn event<'l>(fields: &mut Fields<'l>) -> Kind {
    let body = fields.body;
    // The appliance's own time may stand in front in brackets.
    if let Some(time) = body.strip_prefix(b"[").map(|rest| text::before(rest, "]"))
        && time.first().is_some_and(u8::is_ascii_digit)
    {
        fields.set(Slot::Time, time);
    }
    let name = value(body, "event");
    if name.is_empty() {
        return Kind::Reject(Reject("the line names no event"));
    }
    let action = value(body, "action");
    let dropped = matches!(action, b"drop" | b"reject" | b"deny" | b"block");
    if !dropped && !TRAFFIC.iter().any(|known| known.as_bytes() == name) {
        return Kind::Other;
    }
    let conn = text::after(body, "[conn [").or_else(|| text::after(body, "[conn ")).unwrap_or(body);
    let first = |keys: [&str; 3]| {
        let found = keys.iter().map(|key| value(conn, key)).find(|text| !text.is_empty());
        found.or_else(|| keys.iter().map(|key| value(body, key)).find(|text| !text.is_empty())).unwrap_or_default()
    };
    fields.set(Slot::Src, first(["connsrcip", "srcip", "connsrcip"]));
    fields.set(Slot::Dst, first(["conndestip", "destip", "conndestip"]));
    fields.set(Slot::Port, first(["conndestport", "destport", "conndestport"]));
    fields.set(Slot::Url, value(body, "url"));
    fields.set(Slot::User, value(body, "username"));
    fields.set(Slot::Action, action);
    if !dropped {
        fields.act(Action::Allowed);
    }
    for (key, slot) in [(" origsent=", Slot::Up), (" termsent=", Slot::Down)] {
        if let Some(text) = text::after(conn, key) {
            let (figure, rest) = text::word(text);
            let unit = text::word(rest).0;
            let figure = figure.strip_suffix(b"]").unwrap_or(figure);
            if let Some(bytes) = bytes(figure, unit) {
                fields.count(slot, bytes);
            }
        }
    }
    if fields.has(Slot::Src) || fields.has(Slot::Dst) { Kind::Record } else { Kind::Other }
}

/// `59.0`, `4.52 K`: a figure rounded for people, in bytes.
fn bytes(figure: &[u8], unit: &[u8]) -> Option<u64> {
    let mut parts = figure.split(|c| *c == b'.');
    let whole = number(parts.next()?)?;
    let decimals = parts.next().map(|text| &text[..text.len().min(3)]).filter(|text| !text.is_empty()).unwrap_or(b"0");
    let scale = 10_u64.pow(u32::try_from(decimals.len()).ok()?);
    let factor = match unit {
        b"K" => 1 << 10,
        b"M" => 1 << 20,
        b"G" => 1 << 30,
        _ => 1,
    };
    Some(whole.checked_mul(factor)?.saturating_add(number(decimals)?.checked_mul(factor)? / scale))
}
