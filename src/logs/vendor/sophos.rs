//! Sophos: UTM 9 (SG, Astaro), Sophos Firewall (XG, SFOS) and its ancestor Cyberoam.
//!
//! * SG: `srcip` is the client, `size` went to it, nothing says what came from it. `httpproxy` and `packetfilter`
//!   (`length` there is one packet, no volume) are traffic; a `http` record without `srcip` is an internal error.
//! * XG and Cyberoam: `src_ip` is the client; `sent_bytes` up, `recv_bytes` down; from SFOS 18.5 also `bytes_sent`,
//!   `bytes_received`, `timestamp`. Traffic is `Content Filtering` and `Firewall`. `ether_type=Unknown (0x0000)` is a value
//!   with a blank and no quotes. `timezone` may be a word (IST, CST) that two countries use.

use super::given;
use super::prelude::*;

const SG_NAMES: Names = &[
    ("id", Slot::A),
    ("sub", Slot::B),
    ("action", Slot::Action),
    ("srcip", Slot::Src),
    ("dstip", Slot::Dst),
    ("dstport", Slot::Port),
    ("user", Slot::User),
    ("size", Slot::Down),
    ("url", Slot::Url),
    ("name", Slot::Name),
];
static SG: KeyValue = KeyValue { names: SG_NAMES, ..keyvalue::PAIRS };

const XG_NAMES: Names = &[
    ("date", Slot::Date),
    ("time", Slot::Clock),
    ("timezone", Slot::Zone),
    ("timestamp", Slot::Time),
    ("device_name", Slot::Device),
    ("log_type", Slot::A),
    ("log_component", Slot::D),
    ("log_subtype", Slot::Action),
    ("user_name", Slot::User),
    ("url", Slot::Url),
    ("domain", Slot::Host),
    ("src_ip", Slot::Src),
    ("dst_ip", Slot::Dst),
    ("dst_port", Slot::Port),
    ("sent_bytes", Slot::Up),
    ("bytes_sent", Slot::Up),
    ("recv_bytes", Slot::Down),
    ("bytes_received", Slot::Down),
    ("status", Slot::C),
];
static XG: KeyValue = KeyValue { names: XG_NAMES, ..keyvalue::PAIRS };

const EXTRACTS: Option<&[Extract]> = Some(&[Url, DstIp, User, SrcIp, Total]);

const UTM: Format = Format {
    log_type: "SOPHOS_SG",
    sample: sample!("sophos/SOPHOS_SG"),
    direction: "`srcip` is the client; `size` went to it, nothing says what came from it",
    id: Some(130),
    product: "Sophos SG",
    envelope: Envelope::Optional,
    dialect: Dialect::KeyValue(&SG),
    read: utm,
    allowed: &["pass", "accept", "warn", "log"],
    blocked: &["block", "drop", "reject"],
    extracts: EXTRACTS,
    sign: Sign { all: &["id=\"", "sys=\"", "sub=\""], ..NO_SIGN },
    remedies: &[Remedy {
        when: Trouble::NoTransactions,
        what: "send the Web Filtering log (httpproxy) to the remote syslog server",
    }],
    ..BASE
};

const SFOS: Format = Format {
    log_type: "SOPHOS_XG",
    sample: sample!("sophos/SOPHOS_XG"),
    direction: "`src_ip` is the client; `sent_bytes` came from it, `recv_bytes` went to it",
    id: Some(198),
    product: "Sophos XG",
    envelope: Envelope::Optional,
    dialect: Dialect::KeyValue(&XG),
    read: firewall,
    allowed: &["allowed", "allow", "warned", "overridden", "overriden"],
    blocked: &["denied", "deny", "drop", "blocked", "rejected"],
    extracts: EXTRACTS,
    sign: Sign {
        all: &["log_component=", "log_type="],
        any: &["device=\"SFW\"", "device_model=\"XG", "device_name=\"XG", "device_name=\"SF"],
        none: &["device_name=\"CR"],
        ..NO_SIGN
    },
    remedies: &[
        Remedy {
            when: Trouble::NoTransactions,
            what: "tick Content Filtering > Web filter and Firewall > Firewall rules for the syslog server",
        },
        Remedy { when: Trouble::NoUrl, what: "tick Content Filtering > Web filter for the syslog server" },
    ],
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    UTM,
    Format {
        log_type: "SOPHOS_SG_SYSLOG",
        sample: sample!("sophos/SOPHOS_SG_SYSLOG"),
        id: Some(148),
        envelope: Envelope::Syslog,
        ..UTM
    },
    SFOS,
    Format {
        log_type: "SOPHOS_XG_SYSLOG",
        sample: sample!("sophos/SOPHOS_XG_SYSLOG"),
        id: Some(199),
        envelope: Envelope::Syslog,
        ..SFOS
    },
    Format {
        log_type: "SOPHOS_CYBEROAM_SYSLOG",
        sample: sample!("sophos/SOPHOS_CYBEROAM_SYSLOG"),
        id: Some(163),
        product: "Sophos Cyberoam",
        certainty: Certainty::Inferred,
        envelope: Envelope::Syslog,
        sign: Sign { all: &["log_component=", "log_type=", "device_name=\"CR"], ..NO_SIGN },
        ..SFOS
    },
];

/// `2024:03:05-10:15:30 utm01 httpproxy[6267]: id="0001" ...`
fn utm<'l>(fields: &mut Fields<'l>) -> Kind {
    let (time, rest) = text::word(fields.body);
    if time.first().is_some_and(u8::is_ascii_digit) && time.len() >= 19 {
        fields.set(Slot::Time, time);
        fields.set(Slot::Device, text::word(rest).0);
    }
    match fields.get(Slot::B) {
        b"http" | b"packetfilter" if given(fields, Slot::Src) => {}
        b"" if !fields.has(Slot::A) => return Kind::Reject(Reject("no id and sub: not a Sophos UTM's record")),
        _ => return Kind::Other,
    }
    if matches!(
        fields.get(Slot::A),
        b"0002" | b"0060" | b"0061" | b"0062" | b"0063" | b"0064" | b"0065" | b"0066" | b"0067" | b"0068"
    ) {
        fields.act(Action::Blocked);
    }
    Kind::Record
}

fn firewall(fields: &mut Fields<'_>) -> Kind {
    match fields.get(Slot::A) {
        b"Content Filtering" | b"Firewall" => {}
        b"" => return Kind::Reject(Reject("no log_type: not a Sophos firewall's record")),
        _ => return Kind::Other,
    }
    if !given(fields, Slot::Src) {
        return Kind::Other;
    }
    Kind::Record
}
