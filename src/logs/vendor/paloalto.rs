//! Palo Alto Networks PAN-OS: syslog CSV <https://docs.paloaltonetworks.com/pan-os/11-1/pan-os-admin/monitoring/use-syslog-for-monitoring/syslog-field-descriptions>
//! and the CSV export of the web interface.
//!
//! Direction: `source` is the client; bytes sent are its own, bytes received what it got. Syslog columns are fixed and
//! only ever grow at the end, so they are counted from the left; the export has a header line, in any order, with any
//! subset. Time is the device's local time without a zone, taken as UTC.
//!
//! Traps: column 32 is the total of bytes in TRAFFIC and the URL (without scheme) in THREAT; a TRAFFIC `start` has no
//! volume and its `end` comes again; SYSTEM, CONFIG, GLOBALPROTECT and the rest are no traffic; CEF from PAN-OS is
//! GENERIC_CEF.

use crate::logs::dialect::{Delimited, Dialect, Names, delimited::COMMA};
use crate::logs::fields::{Fields, Kind, Slot};
use crate::logs::{BASE, Envelope, Extract, Format, Reject, Remedy, Sign, Trouble, number};

/// Columns 1 to 34 of TRAFFIC and THREAT records.
const SYSLOG_COLUMNS: &[Slot] = &[
    Slot::Skip,   // future use
    Slot::B,      // receive time
    Slot::C,      // serial
    Slot::A,      // type
    Slot::D,      // subtype
    Slot::Skip,   // configuration version
    Slot::Time,   // generated time
    Slot::Src,    // source
    Slot::Dst,    // destination
    Slot::Skip,   // translated source
    Slot::Skip,   // translated destination
    Slot::Skip,   // rule
    Slot::User,   // source user
    Slot::Skip,   // destination user
    Slot::Skip,   // application
    Slot::Skip,   // virtual system
    Slot::Skip,   // source zone
    Slot::Skip,   // destination zone
    Slot::Skip,   // inbound interface
    Slot::Skip,   // outbound interface
    Slot::Skip,   // log profile
    Slot::Skip,   // time logged
    Slot::Skip,   // session
    Slot::Skip,   // repeat count
    Slot::Skip,   // source port
    Slot::Port,   // destination port
    Slot::Skip,   // translated source port
    Slot::Skip,   // translated destination port
    Slot::Skip,   // flags
    Slot::Skip,   // protocol
    Slot::Action, // action
    Slot::E,      // bytes, or the URL
    Slot::F,      // bytes sent, or the threat
    Slot::G,      // bytes received, or the category
];

const EXPORT_NAMES: Names = &[
    ("Receive Time", Slot::B),
    ("Generate Time", Slot::Time),
    ("Type", Slot::A),
    ("Threat/Content Type", Slot::D),
    ("Source address", Slot::Src),
    ("Destination address", Slot::Dst),
    ("Source User", Slot::User),
    ("Destination Port", Slot::Port),
    ("Action", Slot::Action),
    ("URL", Slot::Url),
    ("URL/Filename", Slot::Url),
    ("Bytes", Slot::Total),
    ("Bytes Sent", Slot::Up),
    ("Bytes Received", Slot::Down),
    ("Device Name", Slot::Device),
];

const REMEDIES: &[Remedy] = &[
    Remedy {
        when: Trouble::NoTransactions,
        what: "forward TRAFFIC logs (session end) and THREAT logs of subtype url in the log forwarding profile of the outgoing rules",
    },
    Remedy {
        when: Trouble::NoUser,
        what: "enable User-ID on the zone the clients are in: without it the source user column is empty",
    },
    Remedy { when: Trouble::NoBytes, what: "log at session end: the start of a session has no volume" },
    Remedy {
        when: Trouble::Broken,
        what: "use the default syslog format: a custom log format in the syslog server profile changes the columns",
    },
];

const SYSLOG: Format = Format {
    log_type: "PALO_ALTO_SYSLOG",
    sample: sample!("paloalto/PALO_ALTO_SYSLOG"),
    direction: "`source` is the client; bytes sent are its own, bytes received what it got",
    id: Some(126),
    product: "Palo Alto PA series",
    envelope: Envelope::Syslog,
    dialect: Dialect::Delimited(&Delimited { columns: SYSLOG_COLUMNS, least: 5, ..COMMA }),
    read: syslog,
    blocked: &["deny", "drop", "drop-*", "reset-*", "block-*", "block", "sinkhole"],
    allowed: &["allow", "alert", "continue", "override", "wildfire-upload-*", "forward"],
    extracts: Some(&[Extract::DstIp, Extract::User, Extract::SrcIp, Extract::Total, Extract::Up]),
    sign: Sign {
        any: &[",TRAFFIC,", ",THREAT,", ",SYSTEM,", ",CONFIG,"],
        none: &["CEF:", "LEEF:"],
        ..crate::logs::NO_SIGN
    },
    remedies: REMEDIES,
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    Format {
        log_type: "PALO_ALTO",
        sample: sample!("paloalto/PALO_ALTO"),
        id: Some(112),
        envelope: Envelope::None,
        dialect: Dialect::Delimited(&Delimited {
            header: &["Receive Time", "Generate Time", "Source address"],
            names: EXPORT_NAMES,
            ..COMMA
        }),
        read: export,
        sign: Sign { head: &["Source address"], ..crate::logs::NO_SIGN },
        ..SYSLOG
    },
    SYSLOG,
];

fn syslog(fields: &mut Fields<'_>) -> Kind {
    let serial = fields.get(Slot::C);
    if fields.get(Slot::B).len() != 19 || !(serial.len() >= 10 || serial.is_empty() || serial == b"unknown") {
        return Kind::Reject(Reject("the second and third column are not a time and a serial number"));
    }
    match fields.get(Slot::A) {
        b"TRAFFIC" => {
            if number(fields.get(Slot::E)).is_none() && fields.has(Slot::E) {
                return Kind::Reject(Reject("column 32 of a TRAFFIC record is not a number of bytes"));
            }
            for (from, to) in [(Slot::E, Slot::Total), (Slot::F, Slot::Up), (Slot::G, Slot::Down)] {
                fields.copy(from, to);
            }
            Kind::Record
        }
        b"THREAT" if fields.is(Slot::D, "url") => {
            fields.copy(Slot::E, Slot::Url);
            Kind::Record
        }
        b"" => Kind::Reject(Reject("the fourth column names no type of record")),
        _ => Kind::Other,
    }
}

fn export(fields: &mut Fields<'_>) -> Kind {
    match fields.get(Slot::A) {
        b"SYSTEM" | b"CONFIG" | b"system" | b"config" => return Kind::Other,
        _ => {}
    }
    if !fields.has(Slot::Time) {
        fields.copy(Slot::B, Slot::Time);
    }
    Kind::Record
}
