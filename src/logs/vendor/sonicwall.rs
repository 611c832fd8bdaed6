//! SonicWall SonicOS: `id=firewall sn=... time="..." fw=... m=... msg="..." src=ip:port:interface:name dst=...`.
//!
//! `src` opened the connection; `sent` came from it, `rcvd` went to it. The message number decides: 537 (closed, with
//! bytes), 98 (opened), 97 (web request: `dstname`, `arg`), 14 (site denied), 36 to 38 (dropped). `id=` is a name the
//! administrator chose. Parts of `src` and `dst` may be missing; IPv6 stands in `srcV6`/`dstV6`. Without a zone word the
//! time is the device's local one. CEF output of SonicOS 7 is GENERIC_CEF.

use super::given;
use super::prelude::*;

const NAMES: Names = &[
    ("time", Slot::Time),
    ("m", Slot::A),
    ("src", Slot::B),
    ("dst", Slot::C),
    ("srcV6", Slot::Src2),
    ("dstV6", Slot::E),
    ("usr", Slot::User),
    ("user", Slot::User2),
    ("dstname", Slot::Host),
    ("arg", Slot::Path),
    ("sent", Slot::Up),
    ("rcvd", Slot::Down),
    ("fw_action", Slot::F),
    ("result", Slot::G),
    ("fw", Slot::Device),
    ("sn", Slot::H),
    ("msg", Slot::D),
];
static PAIRS: KeyValue = KeyValue { names: NAMES, ..keyvalue::PAIRS };

pub(super) const FORMATS: &[Format] = &[Format {
    log_type: "SONICWALL_SYSLOG",
    sample: sample!("sonicwall/SONICWALL_SYSLOG"),
    direction: "`src` opened the connection; `sent` came from it, `rcvd` went to it",
    id: Some(160),
    product: "SonicWall",
    envelope: Envelope::Syslog,
    dialect: Dialect::KeyValue(&PAIRS),
    read: message,
    extracts: Some(&[Url, DstIp, SrcIp, Total, Up]),
    sign: Sign { all: &[" sn=", " m=", " n=", "fw="], none: &["logtype=", "CEF:", "device_id="], ..NO_SIGN },
    remedies: &[
        Remedy {
            when: Trouble::NoUrl,
            what: "turn on logging of web site access (message 97) under Log > Settings > Network",
        },
        Remedy {
            when: Trouble::NoTransactions,
            what: "turn on Connection Closed (message 537) under Log > Settings > Network",
        },
    ],
    ..BASE
}];

fn message<'l>(fields: &mut Fields<'l>) -> Kind {
    if !fields.has(Slot::H) || !fields.has(Slot::A) {
        return Kind::Reject(Reject("no sn and m: not a SonicWall's record"));
    }
    match fields.get(Slot::A) {
        b"97" | b"98" | b"537" | b"1235" | b"1153" => fields.act(Action::Allowed),
        b"14" | b"16" | b"36" | b"37" | b"38" | b"41" | b"173" | b"174" | b"175" | b"522" | b"524" | b"526"
        | b"714" | b"1154" => {
            fields.act(Action::Blocked);
        }
        _ => return Kind::Other,
    }
    if text::has(fields.get(Slot::F), "drop") || text::has(fields.get(Slot::F), "deny") {
        fields.act(Action::Blocked);
    }
    let mut source = fields.get(Slot::B).split(|c| *c == b':');
    fields.set(Slot::Src, source.next().unwrap_or_default());
    let mut target = fields.get(Slot::C).split(|c| *c == b':');
    let (address, port, _, name) = (target.next(), target.next(), target.next(), target.next());
    fields.set(Slot::Dst, address.filter(|address| !address.is_empty()).unwrap_or(fields.get(Slot::E)));
    fields.set(Slot::Port, port.unwrap_or_default());
    // The fourth part is a name of the address book inside, a host name outside: only one with a dot is taken.
    if !given(fields, Slot::Host)
        && let Some(name) = name.filter(|name| name.contains(&b'.'))
    {
        fields.set(Slot::Host, name);
    }
    Kind::Record
}
