//! Juniper SSG, ISG and NetScreen (ScreenOS): the traffic log, message 00257.
//!
//! `src` opened the connection; `sent` came from it, `rcvd` went to it. Keys have blanks (`src zone`), and so have values
//! (`reason=Close - TCP FIN`), so keys are looked for by name. A session shows twice, at its creation with no bytes and
//! at its close. `start_time` is the device's local time. Other message numbers are no traffic.

use super::prelude::*;

const NAMES: Names = &[
    ("start_time", Slot::Time),
    ("duration", Slot::Skip),
    ("policy_id", Slot::Skip),
    ("service", Slot::Skip),
    ("proto", Slot::Skip),
    ("src zone", Slot::Skip),
    ("dst zone", Slot::Skip),
    ("action", Slot::Action),
    ("sent", Slot::Up),
    ("rcvd", Slot::Down),
    ("src", Slot::Src),
    ("dst", Slot::Dst),
    ("src_port", Slot::Skip),
    ("dst_port", Slot::Port),
];

pub(super) const FORMATS: &[Format] = &[Format {
    log_type: "JUNIPER_SSG_SYSLOG",
    sample: sample!("juniper/JUNIPER_SSG_SYSLOG"),
    direction: "`src` opened the connection; `sent` came from it, `rcvd` went to it",
    id: Some(169),
    product: "Juniper SSG",
    envelope: Envelope::Syslog,
    read: traffic,
    allowed: &["permit", "tunnel*"],
    blocked: &["deny", "reject"],
    extracts: Some(&[DstIp, User, SrcIp, Total, Up]),
    sign: Sign { all: &["NetScreen device_id="], ..NO_SIGN },
    remedies: &[
        Remedy {
            when: Trouble::NoTransactions,
            what: "turn on logging for the policies and send traffic logs (message 00257) to the syslog server",
        },
        Remedy { when: Trouble::NoBytes, what: "log at session end: set policy id N log, not session-init" },
    ],
    ..BASE
}];

fn traffic<'l>(fields: &mut Fields<'l>) -> Kind {
    if !text::has(fields.body, "(traffic)") {
        return if text::has(fields.body, "device_id=") {
            Kind::Other
        } else {
            Kind::Reject(Reject("the line is no ScreenOS message"))
        };
    }
    let body = text::after(fields.body, "(traffic)").unwrap_or_default();
    for (name, slot) in NAMES {
        if *slot == Slot::Skip {
            continue;
        }
        for at in memchr::memmem::find_iter(body, name.as_bytes()) {
            let starts = at == 0 || body[at - 1] == b' ';
            if let (true, [b'=', rest @ ..]) = (starts, &body[at + name.len()..]) {
                let rest = rest.strip_prefix(b"\\").unwrap_or(rest);
                let value = match rest {
                    [b'"', rest @ ..] => text::before(text::before(rest, "\""), "\\"),
                    _ => text::word(rest).0,
                };
                fields.set(*slot, value);
                break;
            }
        }
    }
    if fields.has(Slot::Src) { Kind::Record } else { Kind::Reject(Reject("the message is cut before the addresses")) }
}
