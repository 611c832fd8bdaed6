//! Juniper SRX: session and web filter messages as text, as RFC 5424 structured data, and as WELF.
//!
//! The first `address/port->address/port` is client and server before translation. Of the two `packets(bytes)` pairs of a
//! closing the first came from the client. Releases insert words, so nothing is counted: the arrow and the pairs are the
//! anchors. Only closings have volumes; creation, closing and APPTRACK repeat one session. The text form has no year.
//! What Junos writes in WELF beyond the grammar's own keys is not public.

use super::prelude::*;

const SD_NAMES: Names = &[
    ("source-address", Slot::Src),
    ("destination-address", Slot::Dst),
    ("destination-port", Slot::Port),
    ("bytes-from-client", Slot::Up),
    ("bytes-from-server", Slot::Down),
    ("username", Slot::User),
    ("url", Slot::Host),
    ("obj", Slot::Url),
    ("[junos@2636.1.1.1.2", Slot::Skip),
];
static SD: KeyValue = KeyValue { names: SD_NAMES, ..keyvalue::PAIRS };

const WELF_NAMES: Names = &[
    ("time", Slot::Time),
    ("fw", Slot::Device),
    ("src", Slot::Src),
    ("dst", Slot::Dst),
    ("dstname", Slot::Host),
    ("user", Slot::User),
    ("arg", Slot::Path),
    ("rg", Slot::Url),
    ("sent", Slot::Up),
    ("rcvd", Slot::Down),
    ("action", Slot::Action),
    ("result", Slot::A),
    ("id", Slot::B),
];
static WELF: KeyValue = KeyValue { names: WELF_NAMES, ..keyvalue::PAIRS };

const REMEDIES: &[Remedy] = &[
    Remedy {
        when: Trouble::Lines("[junos@2636"),
        what: "these lines are structured data (sd-syslog): their log type is JUNIPER_SRX_SD_SYSLOG",
    },
    Remedy { when: Trouble::NoBytes, what: "the policies log session-init only: add `then log session-close` to them" },
    Remedy {
        when: Trouble::NoTransactions,
        what: "stream RT_FLOW: set security log mode stream, and log session-close on the policies",
    },
];

const SRX: Format = Format {
    log_type: "JUNIPER_SRX_SYSLOG",
    sample: sample!("juniper/JUNIPER_SRX_SYSLOG"),
    direction: "the first `address/port` is the client; of the two `packets(bytes)` pairs the first came from it",
    id: Some(147),
    product: "Juniper SRX",
    envelope: Envelope::Syslog,
    read: message,
    extracts: Some(&[DstIp, SrcIp, Total, Up]),
    sign: Sign { any: &["RT_FLOW", "RT_UTM"], none: &["[junos@"], ..NO_SIGN },
    remedies: REMEDIES,
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    SRX,
    Format {
        log_type: "JUNIPER_SRX_SD_SYSLOG",
        sample: sample!("juniper/JUNIPER_SRX_SD_SYSLOG"),
        direction: "`source-address` is the client; `bytes-from-client` came from it, `bytes-from-server` went to it",
        id: Some(173),
        product: "Juniper SRX (structured data)",
        dialect: Dialect::KeyValue(&SD),
        read: structured,
        sign: Sign { all: &["[junos@"], beside: &["RT_SCREEN_", "RT_IDP_", "RT_AAMW_"], ..NO_SIGN },
        ..SRX
    },
    Format {
        log_type: "JUNIPER_SRX_WELF_SYSLOG",
        sample: sample!("juniper/JUNIPER_SRX_WELF_SYSLOG"),
        direction: "`src` is the client; `sent` came from it, `rcvd` went to it",
        id: Some(175),
        product: "Juniper SRX (WELF)",
        certainty: Certainty::Inferred,
        dialect: Dialect::KeyValue(&WELF),
        read: welf,
        allowed: &["permit", "pass", "allow", "accept", "close"],
        blocked: &["deny", "block", "reject", "drop"],
        sign: Sign {
            all: &["id=firewall", " src="],
            any: &[" rg=", " op=", " result="],
            none: &[" sn=", "logtype=", "aktype=", "RT_FLOW_SESSION"],
            ..NO_SIGN
        },
        ..SRX
    },
];

/// What the message's name says; `None` for messages that are no traffic.
fn verdict(text: &[u8]) -> Option<Action> {
    const NAMES: [(&str, Action); 9] = [
        ("RT_FLOW_SESSION_CLOSE", Action::Allowed),
        ("RT_FLOW_SESSION_CREATE", Action::Allowed),
        ("APPTRACK_SESSION_CLOSE", Action::Allowed),
        ("APPTRACK_SESSION_CREATE", Action::Allowed),
        ("APPTRACK_SESSION_VOL_UPDATE", Action::Allowed),
        ("WEBFILTER_URL_PERMITTED", Action::Allowed),
        ("RT_FLOW_SESSION_DENY", Action::Blocked),
        ("WEBFILTER_URL_BLOCKED", Action::Blocked),
        ("WEBFILTER_URL_REDIRECTED", Action::Blocked),
    ];
    let head = &text[..text.len().min(160)];
    NAMES.iter().find(|(name, _)| text::has(head, name)).map(|(_, action)| *action)
}

/// The message's name stands in the header's tag or in the record.
fn named(fields: &Fields<'_>) -> Option<Action> {
    verdict(fields.header.after_host).or_else(|| verdict(fields.body)).or_else(|| verdict(fields.header.tag))
}

fn message<'l>(fields: &mut Fields<'l>) -> Kind {
    let Some(action) = named(fields) else { return Kind::Other };
    let body = fields.body;
    fields.act(action);
    let Some(at) = memchr::memmem::find(body, b"->") else {
        return Kind::Reject(Reject("the message is cut before the addresses"));
    };
    let client = text::split_last(&body[..at], b' ').1;
    let client = if client.is_empty() { &body[..at] } else { client };
    let server = text::word(&body[at + 2..]).0;
    if client.ends_with(b")") {
        fields.set(Slot::Src, text::before(client, "("));
        fields.set(Slot::Dst, text::before(server, "("));
        fields.set(Slot::Port, text::between(server, "(", ")").unwrap_or_default());
        fields.set(Slot::Host, text::word(text::after(body, " URL=").unwrap_or_default()).0);
        fields.set(Slot::Url, text::word(text::after(body, " OBJ=").unwrap_or_default()).0);
        fields.set(Slot::User, text::word(text::after(body, " username ").unwrap_or_default()).0);
        return Kind::Record;
    }
    let (target, port) = text::split_last(server, b'/');
    fields.set(Slot::Src, text::split_last(client, b'/').0);
    fields.set(Slot::Dst, target);
    fields.set(Slot::Port, port);
    let mut volumes = text::words(&body[at..]).filter_map(pair);
    if let (Some(up), Some(down)) = (volumes.next(), volumes.next()) {
        fields.set(Slot::Up, up);
        fields.set(Slot::Down, down);
    }
    if let Some(who) =
        text::words(&body[at..]).filter(|word| word.ends_with(b")")).last().filter(|word| pair(word).is_none())
    {
        fields.set(Slot::User, text::before(who, "("));
    }
    Kind::Record
}

/// `78(6657)`: the bytes of a count of packets.
fn pair(word: &[u8]) -> Option<&[u8]> {
    let open = memchr::memchr(b'(', word)?;
    let bytes = word[open + 1..].strip_suffix(b")")?;
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    (digits(&word[..open]) && digits(bytes)).then_some(bytes)
}

fn structured(fields: &mut Fields<'_>) -> Kind {
    match named(fields) {
        Some(action) => fields.act(action),
        None => return Kind::Other,
    }
    if fields.has(Slot::Src) { Kind::Record } else { Kind::Reject(Reject("the message is cut before the addresses")) }
}

fn welf(fields: &mut Fields<'_>) -> Kind {
    if !fields.has(Slot::B) || !fields.has(Slot::Src) {
        return Kind::Other;
    }
    if !fields.has(Slot::Action) && matches!(fields.get(Slot::A), b"403" | b"407") {
        fields.act(Action::Blocked);
    }
    Kind::Record
}
