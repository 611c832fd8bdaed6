//! Forcepoint and Websense: the web security gateway's SIEM feeds (CEF, LEEF) and the CSV reports of cloud and on-premises.
//!
//! * CEF: **`in` is what the client got, `out` what it sent**, the reverse of CEF's dictionary.
//! * LEEF: `srcBytes` up, `dstBytes` down; the verdict is the event (`transaction:blocked`). No time but the header's.
//! * Cloud CSV: every value quoted; without a header line the columns of the one public sample are taken; day first.
//! * Websense 7.5 detail report: columns are those the administrator ticked, so a header line is needed.
//!
//! The "Splunk" layout (`vendor=Websense product=Security ...`) and the NGFW's LEEF are none of these types.

use super::prelude::*;

const CEF_NAMES: Names = &[
    ("rt", Slot::Time),
    ("src", Slot::Src),
    ("suser", Slot::User),
    ("loginID", Slot::User2),
    ("dhost", Slot::Host),
    ("request", Slot::Url),
    ("dst", Slot::Dst),
    ("dpt", Slot::Port),
    ("in", Slot::Down),
    ("out", Slot::Up),
    ("act", Slot::Action),
    ("dvc", Slot::Device),
];
static CEF: Cef = Cef { names: CEF_NAMES };

const LEEF_NAMES: Names = &[
    ("devTime", Slot::Time),
    ("src", Slot::Src),
    ("usrName", Slot::User),
    ("loginID", Slot::User2),
    ("url", Slot::Url),
    ("dst", Slot::Dst),
    ("dstPort", Slot::Port),
    ("srcBytes", Slot::Up),
    ("dstBytes", Slot::Down),
    ("action", Slot::Action),
];
static LEEF: Leef = Leef { names: LEEF_NAMES, or_text: false };

const CSV_NAMES: Names = &[
    ("Date", Slot::Date),
    ("Time", Slot::Clock),
    ("Date & Time", Slot::Time),
    ("Date/Time", Slot::Time),
    ("User", Slot::User),
    ("User Name", Slot::User),
    ("Action", Slot::Action),
    ("Disposition", Slot::Action),
    ("URL", Slot::Url),
    ("Full URL", Slot::Url),
    ("URL - Full", Slot::Url),
    ("URL Hostname", Slot::Host),
    ("Domain", Slot::Host),
    ("Source IP", Slot::Src),
    ("Connection IP", Slot::Src2),
    ("Destination IP", Slot::Dst),
    ("Port", Slot::Port),
    ("Bytes Sent", Slot::Up),
    ("Bytes Received", Slot::Down),
    ("Bytes Sent (bytes)", Slot::Up),
    ("Bytes Received (bytes)", Slot::Down),
];
const CLOUD_COLUMNS: &[Slot] = &[
    Slot::Date,
    Slot::Clock,
    Slot::User,
    Slot::Skip,
    Slot::Skip,
    Slot::Action,
    Slot::Skip,
    Slot::Skip,
    Slot::Url,
    Slot::Src,
    Slot::Dst,
];
static CLOUD: Delimited = Delimited {
    columns: CLOUD_COLUMNS,
    least: 9,
    header: &["Action", "Source IP"],
    names: CSV_NAMES,
    ..delimited::COMMA
};
static REPORT: Delimited = Delimited {
    separators: b",;\t",
    header: &["Source IP", "Risk Class", "URL Hostname"],
    names: CSV_NAMES,
    ..delimited::COMMA
};

const ALLOWED: &[&str] = &["permitted", "allowed", "permit*", "quota", "confirmed"];
const BLOCKED: &[&str] = &["blocked", "block*", "denied", "refused"];
const ALL: Option<&[Extract]> = Some(&[Url, DstIp, User, SrcIp, Total, Up]);

const SPLUNK: &str =
    "this is the Splunk layout of the SIEM integration: choose CEF (WEBSENSE_SIEM_CEF_SYSLOG) or LEEF there instead";

pub(super) const FORMATS: &[Format] = &[
    Format {
        log_type: "WEBSENSE_SIEM_CEF_SYSLOG",
        sample: sample!("forcepoint/WEBSENSE_SIEM_CEF_SYSLOG"),
        direction: "`src` is the client; `in` is what it got, `out` what it sent: the reverse of CEF's dictionary",
        id: Some(152),
        product: "Websense internet activity log (CEF)",
        envelope: Envelope::Syslog,
        dialect: Dialect::Cef(&CEF),
        allowed: ALLOWED,
        blocked: BLOCKED,
        extracts: ALL,
        sign: Sign { any: &["|Forcepoint|Security|", "|Websense|Security|"], none: &["LEEF:"], ..NO_SIGN },
        remedies: &[
            Remedy { when: Trouble::Lines("vendor=Websense"), what: SPLUNK },
            Remedy { when: Trouble::Lines("vendor=Forcepoint"), what: SPLUNK },
            Remedy {
                when: Trouble::Broken,
                what: "choose the CEF format in the SIEM integration, not Splunk or a custom one",
            },
        ],
        ..BASE
    },
    Format {
        log_type: "FORCEPOINT_LEEF_SYSLOG",
        sample: sample!("forcepoint/FORCEPOINT_LEEF_SYSLOG"),
        direction: "`src` is the client; `srcBytes` came from it, `dstBytes` went to it",
        id: Some(211),
        product: "Forcepoint (LEEF)",
        envelope: Envelope::Syslog,
        dialect: Dialect::Leef(&LEEF),
        read: |fields| {
            match fields.get(Slot::Event) {
                b"transaction:blocked" => fields.act(Action::Blocked),
                b"transaction:permitted" => fields.act(Action::Allowed),
                _ => {}
            }
            // The raw request may follow the address.
            if let Some(end) = memchr::memchr(b' ', fields.get(Slot::Url)) {
                fields.shorten(Slot::Url, end);
            }
            Kind::Record
        },
        allowed: ALLOWED,
        blocked: BLOCKED,
        extracts: ALL,
        sign: Sign { all: &["LEEF:", "|Forcepoint|Security|"], ..NO_SIGN },
        remedies: &[
            Remedy { when: Trouble::Lines("vendor=Forcepoint"), what: SPLUNK },
            Remedy {
                when: Trouble::Lines("|Forcepoint|Firewall|"),
                what: "this is the NGFW's log, not the web gateway's",
            },
            Remedy { when: Trouble::Broken, what: "choose the LEEF (QRadar) format in the SIEM integration" },
        ],
        ..BASE
    },
    Format {
        log_type: "FORCEPOINT",
        sample: sample!("forcepoint/FORCEPOINT"),
        direction: "Source IP is the client; Bytes Sent came from it, Bytes Received went to it, where the report has them",
        id: Some(202),
        product: "Forcepoint Web Security Cloud",
        dialect: Dialect::Delimited(&CLOUD),
        read: |fields| if fields.has(Slot::Url) || fields.has(Slot::Dst) { Kind::Record } else { Kind::Other },
        allowed: ALLOWED,
        blocked: BLOCKED,
        extracts: ALL,
        sign: Sign {
            all: &["\",\""],
            any: &["\"Allowed\"", "\"Blocked\""],
            none: &["CEF:", "\"HTTPS\"", "\"HTTP\""],
            ..NO_SIGN
        },
        remedies: &[
            Remedy { when: Trouble::NoBytes, what: "add the columns Bytes Sent and Bytes Received to the report" },
            Remedy {
                when: Trouble::Always,
                what: "Microsoft lists Forcepoint Web Security Cloud 8.5 and later as not supported",
            },
        ],
        ..BASE
    },
    Format {
        log_type: "WEBSENSE_V7_5",
        sample: sample!("forcepoint/WEBSENSE_V7_5"),
        direction: "Source IP is the client; Bytes Sent came from it, Bytes Received went to it, where the report has them",
        id: Some(135),
        product: "Websense investigative detail report (CSV)",
        certainty: Certainty::Inferred,
        dialect: Dialect::Delimited(&REPORT),
        read: |fields| if fields.has(Slot::Src) || fields.has(Slot::User) { Kind::Record } else { Kind::Other },
        allowed: ALLOWED,
        blocked: BLOCKED,
        extracts: ALL,
        sign: Sign { head: &["Risk Class", "URL Hostname"], ..NO_SIGN },
        remedies: &[Remedy {
            when: Trouble::Broken,
            what: "export the report as CSV with its header line and without title lines above it",
        }],
        ..BASE
    },
];
