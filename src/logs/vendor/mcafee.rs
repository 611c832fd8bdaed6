//! McAfee (Skyhigh) Web Gateway: the access log, whose layout a rule set decides and a header line names.
//!
//! `bytes_to_client` went to the client, `bytes_from_client` (missing in 6.x) came from it. No destination address.
//! `block_res` 0 or empty is allowed, any other figure blocked. Behind syslog the key=value layout made for Splunk is seen
//! too: `bytes="from client/to server/from server/to client"`, `status="403/80"` being HTTP status and block reason.

use super::prelude::*;

const NAMES: Names = &[
    ("time_stamp", Slot::Time),
    ("auth_user", Slot::User),
    ("src_ip", Slot::Src),
    ("status_code", Slot::A),
    ("req_line", Slot::B),
    ("bytes_to_client", Slot::Down),
    ("bytes_from_client", Slot::Up),
    ("block_res", Slot::C),
    ("virus_name", Slot::Skip),
];

const COLUMNS: &[Slot] = &[
    Slot::Time,
    Slot::User,
    Slot::Src,
    Slot::A,
    Slot::B,
    Slot::Skip,
    Slot::Skip,
    Slot::Skip,
    Slot::Down,
    Slot::D,
    Slot::E,
    Slot::F,
    Slot::C,
];
static ACCESS: Columns = Columns {
    columns: COLUMNS,
    least: 9,
    quotes: true,
    brackets: true,
    header: &["#time_stamp", "time_stamp"],
    names: NAMES,
};

const SWG: Format = Format {
    log_type: "MCAFEE_SWG",
    sample: sample!("mcafee/MCAFEE_SWG"),
    direction: "`src_ip` is the client; `bytes_from_client` came from it, `bytes_to_client` went to it",
    id: Some(121),
    product: "McAfee Secure Web Gateway",
    envelope: Envelope::Optional,
    dialect: Dialect::Columns(&ACCESS),
    read: access,
    extracts: Some(&[Url, SrcIp, Total, Up]),
    sign: Sign { all: &["[", "\"", " HTTP/1."], any: &["] \""], none: &["TCP_", "CEF:", "LEEF:", "HIER_"], ..NO_SIGN },
    remedies: &[Remedy {
        when: Trouble::NoBytes,
        what: "add bytes_from_client and bytes_to_client to the access log handler",
    }],
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    SWG,
    Format {
        log_type: "MCAFEE_SWG_SYSLOG",
        sample: sample!("mcafee/MCAFEE_SWG_SYSLOG"),
        id: Some(144),
        envelope: Envelope::Syslog,
        sign: Sign { all: &["\""], any: &["] \"", "mlwr=\"", "urlp=\""], none: &["TCP_", "CEF:", "HIER_"], ..SWG.sign },
        ..SWG
    },
];

/// A piece between quotes behind `key=`.
fn quoted<'l>(body: &'l [u8], key: &str) -> &'l [u8] {
    text::between(body, key, "\"").unwrap_or_default()
}

fn access<'l>(fields: &mut Fields<'l>) -> Kind {
    if text::has(fields.body, " srcip=\"") {
        return pairs(fields);
    }
    let request = fields.get(Slot::B);
    if !fields.get(Slot::Time).first().is_some_and(u8::is_ascii_digit) || request.is_empty() {
        return Kind::Reject(Reject("the line does not begin with a time in brackets"));
    }
    fields.set(Slot::Url, text::word(text::word(request).1).0);
    // Without a header line, 14 columns have a second byte count and 12 have the agent there.
    if fields.has(Slot::D) {
        if fields.get(Slot::D).iter().all(u8::is_ascii_digit) {
            fields.copy(Slot::D, Slot::Up);
        } else {
            fields.copy(Slot::F, Slot::C);
        }
    }
    let reason = fields.get(Slot::C);
    let reason = if reason.iter().all(u8::is_ascii_digit) { reason } else { b"" };
    fields.act(if matches!(reason, b"" | b"0") { Action::Allowed } else { Action::Blocked });
    Kind::Record
}

fn pairs<'l>(fields: &mut Fields<'l>) -> Kind {
    let body = fields.body;
    fields.restart(body);
    let names = [
        (" srcip=\"", Slot::Src),
        (" user=\"", Slot::User),
        (" dhost=\"", Slot::Host),
        (" urlp=\"", Slot::Port),
        (" url=\"", Slot::Url),
        (" destip=\"", Slot::Dst),
        (" dstip=\"", Slot::Dst),
    ];
    for (name, slot) in names {
        if !fields.has(slot) {
            fields.set(slot, quoted(body, name));
        }
    }
    let mut bytes = quoted(body, " bytes=\"").split(|c| *c == b'/');
    fields.set(Slot::Up, bytes.next().unwrap_or_default());
    fields.set(Slot::Down, bytes.nth(2).unwrap_or_default());
    let status = quoted(body, "status=\"");
    let reason = text::split_last(status, b'/').1;
    fields.act(if matches!(reason, b"" | b"0") { Action::Allowed } else { Action::Blocked });
    Kind::Record
}
