//! WatchGuard Firebox (XTM): LEEF, or the native `msg_id="3000-0148" Allow ...`.
//!
//! `src` opened the connection; `sent_bytes` came from it, `rcvd_bytes` went to it. In LEEF **`disp` is the verdict**;
//! `action` is something else. Tabs arrive as `#011`. In the native form interface names have blanks, so the two
//! addresses are looked for, not counted. Start, identification and closing of one connection are three lines: only
//! closings and proxy records have volumes.

use super::prelude::*;

const NAMES: Names = &[
    ("devTime", Slot::Time),
    ("src", Slot::Src),
    ("src_user", Slot::User),
    ("dst", Slot::Dst),
    ("dstPort", Slot::Port),
    ("disp", Slot::Action),
    ("dstname", Slot::Host),
    ("sni", Slot::A),
    ("cn", Slot::B),
    ("arg", Slot::Path),
    ("sent_bytes", Slot::Up),
    ("rcvd_bytes", Slot::Down),
    ("host_name", Slot::Device),
    ("sys_name", Slot::Device),
];
static LEEF: Leef = Leef { names: NAMES, or_text: true };

pub(super) const FORMATS: &[Format] = &[Format {
    log_type: "WATCHGUARD_XTM_SYSLOG",
    sample: sample!("watchguard/WATCHGUARD_XTM_SYSLOG"),
    direction: "`src` opened the connection; `sent_bytes` came from it, `rcvd_bytes` went to it",
    id: Some(226),
    product: "WatchGuard XTM",
    envelope: Envelope::Syslog,
    dialect: Dialect::Leef(&LEEF),
    read: record,
    allowed: &["allow", "proxyallow", "strip", "inspect", "proxyinspect"],
    blocked: &["deny", "drop", "block", "proxydeny", "proxydrop", "proxyblock", "proxyabort"],
    extracts: Some(&[Url, DstIp, User, SrcIp, Total, Up]),
    sign: Sign { any: &["|WatchGuard|XTM|", "msg_id=\""], ..NO_SIGN },
    remedies: &[
        Remedy {
            when: Trouble::NoBytes,
            what: "turn on \"Send a log message for reports\" in the packet filter and proxy policies",
        },
        Remedy { when: Trouble::NoTransactions, what: "turn on \"Send a log message\" in the outgoing policies" },
    ],
    ..BASE
}];

fn record<'l>(fields: &mut Fields<'l>) -> Kind {
    if text::has(fields.body, "msg_id=\"") && !text::has(fields.body, "|WatchGuard|") {
        return native(fields);
    }
    if !fields.has(Slot::Src) && !fields.has(Slot::Dst) {
        return Kind::Other;
    }
    for slot in [Slot::A, Slot::B] {
        if !fields.has(Slot::Host) {
            fields.copy(slot, Slot::Host);
        }
    }
    Kind::Record
}

/// `msg_id="..." Allow in-interface out-interface [length] proto ... source destination sport dport ... key="value"`.
fn native<'l>(fields: &mut Fields<'l>) -> Kind {
    let Some(rest) = text::after(fields.body, "msg_id=\"").and_then(|rest| text::after(rest, "\"")) else {
        return Kind::Reject(Reject("the message is cut"));
    };
    let (verdict, rest) = text::word(rest);
    if !matches!(
        verdict,
        b"Allow" | b"Deny" | b"Drop" | b"Block" | b"ProxyAllow" | b"ProxyDeny" | b"ProxyDrop" | b"ProxyBlock"
    ) {
        return Kind::Other;
    }
    let mut words = text::words(rest).skip_while(|word| crate::logs::address(word).is_none());
    for slot in [Slot::Src, Slot::Dst, Slot::Skip, Slot::Port] {
        fields.set(slot, words.next().unwrap_or_default());
    }
    if crate::logs::address(fields.get(Slot::Dst)).is_none() {
        return Kind::Reject(Reject("the message is cut before the addresses"));
    }
    fields.set(Slot::Action, verdict);
    let names = [
        (" dstname=\"", Slot::Host),
        (" sni=\"", Slot::Host),
        (" cn=\"", Slot::Host),
        (" arg=\"", Slot::Path),
        (" src_user=\"", Slot::User),
        (" sent_bytes=\"", Slot::Up),
        (" rcvd_bytes=\"", Slot::Down),
    ];
    for (key, slot) in names {
        if !fields.has(slot) {
            fields.set(slot, text::between(rest, key, "\"").unwrap_or_default());
        }
    }
    Kind::Record
}
