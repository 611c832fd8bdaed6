//! Zscaler Internet Access, the NSS feeds: CEF, LEEF (QRadar) and the "default CSV".
//!
//! CEF: **`out` is what the client sent, `in` what it got**; `src` may be the egress address. LEEF: `srcBytes` up; the
//! verdict is `cat`; `devTime` often has another shape than `devTimeFormat` says. URLs have no scheme. The order of the
//! CSV's columns is set by the feed and is a remembered one here; its values are all quoted. A location name stands in for
//! the user where nobody was signed in. The Splunk (`reason=... event_id=...`) and JSON feeds are none of these types.

use super::prelude::*;

const CEF_NAMES: Names = &[
    ("rt", Slot::Time),
    ("act", Slot::Action),
    ("dhost", Slot::Host),
    ("dst", Slot::Dst),
    ("dpt", Slot::Port),
    ("src", Slot::Src),
    ("sourceTranslatedAddress", Slot::Src2),
    ("in", Slot::Down),
    ("out", Slot::Up),
    ("request", Slot::Url),
    ("suser", Slot::User),
    ("dvchost", Slot::Device),
];
static CEF: Cef = Cef { names: CEF_NAMES };

const LEEF_NAMES: Names = &[
    ("cat", Slot::Action),
    ("devTime", Slot::Time),
    ("src", Slot::Src),
    ("dst", Slot::Dst),
    ("usrName", Slot::User),
    ("srcBytes", Slot::Up),
    ("dstBytes", Slot::Down),
    ("url", Slot::Url),
    ("hostname", Slot::A),
];
static LEEF: Leef = Leef { names: LEEF_NAMES, or_text: false };

const COLUMNS: &[Slot] = &[
    Slot::Time,
    Slot::User,
    Slot::Skip,
    Slot::Url,
    Slot::Action,
    Slot::Skip,
    Slot::Skip,
    Slot::Up,
    Slot::Down,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::Src,
    Slot::Dst,
];
static CSV: Delimited = Delimited { columns: COLUMNS, least: 12, ..delimited::COMMA };

const ALLOWED: &[&str] = &["Allowed", "Allow", "Caution*"];
const BLOCKED: &[&str] = &["Blocked", "Block*", "Denied", "Drop*"];
const EXTRACTS: Option<&[Extract]> = Some(&[Url, DstIp, User, SrcIp, Total, Up]);

const SPLUNK: Remedy = Remedy {
    when: Trouble::Lines("product=NSS"),
    what: "this is the Splunk layout of NSS: set the feed's output type to QRadar LEEF (ZSCALER_QRADAR_SYSLOG) or CEF",
};
const JSON: Remedy = Remedy {
    when: Trouble::Lines("\"zscalernss"),
    what: "this is the JSON layout of NSS: set the feed's output type to QRadar LEEF (ZSCALER_QRADAR_SYSLOG) or CEF",
};

const NSS: Format = Format {
    log_type: "ZSCALER",
    sample: sample!("zscaler/ZSCALER"),
    direction: "the client's address column is the client; request size came from it, response size went to it",
    id: Some(120),
    product: "Zscaler",
    certainty: Certainty::Inferred,
    dialect: Dialect::Delimited(&CSV),
    read: |fields| {
        if fields.get(Slot::Time).first().is_some_and(u8::is_ascii_alphanumeric) && fields.has(Slot::Url) {
            Kind::Record
        } else {
            Kind::Reject(Reject("the columns are not those of the default feed"))
        }
    },
    allowed: ALLOWED,
    blocked: BLOCKED,
    extracts: EXTRACTS,
    sign: Sign {
        all: &["\",\""],
        any: &["\"HTTPS\"", "\"HTTP\"", "\"SSL\"", "\"DNSOVERHTTPS\"", "\"TUNNEL\"", "\"FTP\""],
        none: &["CEF:", "LEEF:"],
        ..NO_SIGN
    },
    remedies: &[
        SPLUNK,
        JSON,
        Remedy {
            when: Trouble::Broken,
            what: "use the QRadar LEEF or the CEF feed: the column order of a CSV feed is the administrator's",
        },
    ],
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    NSS,
    Format {
        log_type: "ZSCALER_SYSLOG",
        sample: sample!("zscaler/ZSCALER_SYSLOG"),
        id: Some(143),
        envelope: Envelope::Syslog,
        ..NSS
    },
    Format {
        log_type: "ZSCALER_CEF_SYSLOG",
        sample: sample!("zscaler/ZSCALER_CEF_SYSLOG"),
        direction: "`src` is the client, at times its egress address; `out` is what it sent, `in` what it got",
        id: Some(197),
        product: "Zscaler (CEF)",
        certainty: Certainty::Public,
        envelope: Envelope::Syslog,
        dialect: Dialect::Cef(&CEF),
        read: |_| Kind::Record,
        sign: Sign { any: &["|Zscaler|NSSWeblog|", "|Zscaler|NSSFWlog|"], none: &["LEEF:"], ..NO_SIGN },
        remedies: &[
            SPLUNK,
            JSON,
            Remedy { when: Trouble::Broken, what: "use the vendor's CEF template for the feed, unchanged" },
        ],
        ..NSS
    },
    Format {
        log_type: "ZSCALER_QRADAR_SYSLOG",
        sample: sample!("zscaler/ZSCALER_QRADAR_SYSLOG"),
        direction: "`src` is the client; `srcBytes` came from it, `dstBytes` went to it",
        id: Some(171),
        product: "Zscaler (QRadar LEEF)",
        certainty: Certainty::Public,
        envelope: Envelope::Syslog,
        dialect: Dialect::Leef(&LEEF),
        read: |fields| {
            if !super::given(fields, Slot::Url) {
                fields.copy(Slot::A, Slot::Host);
            }
            Kind::Record
        },
        sign: Sign { all: &["LEEF:", "|Zscaler|NSS|"], ..NO_SIGN },
        remedies: &[
            SPLUNK,
            JSON,
            Remedy { when: Trouble::Broken, what: "choose the feed output type QRadar LEEF, not Splunk or JSON" },
        ],
        ..NSS
    },
];
