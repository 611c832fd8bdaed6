//! Check Point: log export (CSV), SmartView Tracker copies, an XML export, and the Log Exporter's CEF.
//!
//! `src` opened the connection in all of them. Byte counts exist only with accounting. Which of Check Point's exports the
//! service means by CSV and XML is not public: the CSV is read by its header line (semicolons or commas, old and new
//! names), the XML by attributes or elements of the same names. In a tracker copy the "service" is the destination port.

use super::given;
use super::prelude::*;
use crate::logs::port;

const WORDS_ALLOWED: &[&str] =
    &["accept", "allow", "bypass", "https bypass", "inspect", "detect", "decrypt", "encrypt", "monitor"];
const WORDS_BLOCKED: &[&str] = &["drop", "reject", "block", "prevent", "deny"];

const CSV_NAMES: Names = &[
    ("date", Slot::Date),
    ("time", Slot::Clock),
    ("src", Slot::Src),
    ("source", Slot::Src),
    ("dst", Slot::Dst),
    ("destination", Slot::Dst),
    ("service", Slot::A),
    ("service_id", Slot::B),
    ("destination port", Slot::Port),
    ("user", Slot::User),
    ("source user name", Slot::User),
    ("src_user_name", Slot::User2),
    ("action", Slot::Action),
    ("orig", Slot::Device),
    ("origin", Slot::Device),
    ("resource", Slot::Url),
    ("type", Slot::C),
    ("product", Slot::Product),
];

static CSV: Delimited = Delimited {
    separators: b";,",
    header: &["orig;", "Origin", "origin;", "src;dst"],
    names: CSV_NAMES,
    ..delimited::COMMA
};

const TRACKER_COLUMNS: &[Slot] = &[
    Slot::Skip,
    Slot::Date,
    Slot::Clock,
    Slot::Skip,
    Slot::Device,
    Slot::C,
    Slot::Action,
    Slot::A,
    Slot::Skip,
    Slot::Src,
    Slot::Dst,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::User,
    Slot::Skip,
    Slot::Product,
    Slot::Skip,
    Slot::User2,
];
static TRACKER: Columns = Columns { columns: TRACKER_COLUMNS, least: 12, quotes: true, ..columns::PLAIN };

const CEF_NAMES: Names = &[
    ("rt", Slot::Epoch),
    ("src", Slot::Src),
    ("dst", Slot::Dst),
    ("dpt", Slot::Port),
    ("suser", Slot::User),
    ("src_user_name", Slot::User2),
    ("request", Slot::Url),
    ("resource", Slot::Url),
    ("act", Slot::Action),
    ("client_inbound_bytes", Slot::Down),
    ("client_outbound_bytes", Slot::Up),
    ("in", Slot::Down),
    ("out", Slot::Up),
    ("origin", Slot::Device),
];
static CEF: Cef = Cef { names: CEF_NAMES };

const ACCOUNTING: Remedy = Remedy {
    when: Trouble::NoBytes,
    what: "set Track to Log with Accounting on the rules: without it Check Point writes no byte counts",
};

pub(super) const FORMATS: &[Format] = &[
    Format {
        log_type: "CHECKPOINT",
        sample: sample!("checkpoint/CHECKPOINT"),
        direction: "`src` opened the connection; the log has no byte counts per direction",
        id: Some(103),
        product: "Check Point",
        certainty: Certainty::Inferred,
        dialect: Dialect::Delimited(&CSV),
        read: export,
        allowed: WORDS_ALLOWED,
        blocked: WORDS_BLOCKED,
        extracts: Some(&[DstIp, SrcIp]),
        sign: Sign { head: &["num;date;time;orig", ";orig;type;action;", "Origin,"], ..NO_SIGN },
        remedies: &[ACCOUNTING],
        ..BASE
    },
    Format {
        log_type: "CHECKPOINT_XML",
        sample: sample!("checkpoint/CHECKPOINT_XML"),
        direction: "`src` opened the connection; the log has no byte counts per direction",
        id: Some(187),
        product: "Check Point (XML)",
        certainty: Certainty::Inferred,
        read: xml,
        allowed: WORDS_ALLOWED,
        blocked: WORDS_BLOCKED,
        extracts: Some(&[DstIp, SrcIp]),
        sign: Sign { all: &["<", "orig="], any: &["action=\"", "<action>"], ..NO_SIGN },
        ..BASE
    },
    Format {
        log_type: "CHECKPOINT_SMART_VIEW_TRACKER",
        sample: sample!("checkpoint/CHECKPOINT_SMART_VIEW_TRACKER"),
        direction: "the source column opened the connection, `service` is its destination port; no byte counts",
        id: Some(189),
        product: "Check Point (SmartView Tracker)",
        envelope: Envelope::Optional,
        dialect: Dialect::Columns(&TRACKER),
        read: export,
        allowed: WORDS_ALLOWED,
        blocked: WORDS_BLOCKED,
        extracts: Some(&[DstIp, SrcIp]),
        sign: Sign { all: &["\" \"Log\" \""], ..NO_SIGN },
        ..BASE
    },
    Format {
        log_type: "CHECKPOINT_CEF_SYSLOG",
        sample: sample!("checkpoint/CHECKPOINT_CEF_SYSLOG"),
        direction: "`src` opened the connection; bytes are there with accounting only",
        id: Some(219),
        product: "Check Point (CEF)",
        envelope: Envelope::Syslog,
        dialect: Dialect::Cef(&CEF),
        read: traffic,
        allowed: WORDS_ALLOWED,
        blocked: WORDS_BLOCKED,
        extracts: Some(&[DstIp, SrcIp]),
        sign: Sign { any: &["|Check Point|"], all: &["|"], ..NO_SIGN },
        remedies: &[
            Remedy {
                when: Trouble::Lines("; loguid:\""),
                what: "this is the Log Exporter's own layout: export with `format cef` and ship it as CHECKPOINT_CEF_SYSLOG",
            },
            Remedy {
                when: Trouble::Lines("|orig="),
                what: "this is an LEA export: use the Log Exporter with `format cef` and ship it as CHECKPOINT_CEF_SYSLOG",
            },
            ACCOUNTING,
        ],
        ..BASE
    },
];

/// Control records (policy installs, daemons) are no traffic; the service may be a port or a name.
fn export(fields: &mut Fields<'_>) -> Kind {
    if !given(fields, Slot::Src) && !given(fields, Slot::Dst) {
        return Kind::Other;
    }
    for slot in [Slot::B, Slot::A] {
        if !given(fields, Slot::Port) && port(fields.get(slot)).is_some() {
            fields.copy(slot, Slot::Port);
        }
    }
    Kind::Record
}

fn traffic(fields: &mut Fields<'_>) -> Kind {
    let verdict = given(fields, Slot::Action);
    let addresses = given(fields, Slot::Src) && (given(fields, Slot::Dst) || given(fields, Slot::Url));
    let admin = ["Log In", "Log Out", "Key Install", "Update", "Failed Log In"]
        .iter()
        .any(|word| fields.is(Slot::Action, word));
    if !verdict || !addresses || admin { Kind::Other } else { Kind::Record }
}

/// Attributes of one element, or elements on one line.
fn xml<'l>(fields: &mut Fields<'l>) -> Kind {
    let body = fields.body;
    if !text::has(body, "src=\"") && !text::has(body, "<src>") {
        return if body.trim_ascii_start().starts_with(b"<") {
            Kind::Other
        } else {
            Kind::Reject(Reject("the line is not an element of an XML export"))
        };
    }
    for (name, slot) in CSV_NAMES {
        if !fields.has(*slot) {
            fields.set(*slot, value(body, name));
        }
    }
    export(fields)
}

/// What ` name="..."` or `<name>...<` says; empty when neither is there.
fn value<'l>(body: &'l [u8], name: &str) -> &'l [u8] {
    for at in memchr::memmem::find_iter(body, name.as_bytes()) {
        let before = at.checked_sub(1).and_then(|at| body.get(at));
        match (before, &body[at + name.len()..]) {
            (Some(b' '), [b'=', b'"', rest @ ..]) => return text::before(rest, "\""),
            (Some(b'<'), [b'>', rest @ ..]) => return text::before(rest, "<"),
            _ => {}
        }
    }
    &[]
}
