//! Cisco Firepower: `SFIMS:` connection events of 5.x and 6.x, and `%FTD-level-43000x:` of 6.3 and later.
//!
//! `key: value` pairs between `, `; values hold commas and colons. The initiator is the client: its bytes are up, the
//! responder's are down. A connection is logged at its start with the first packet's bytes and again at its end: only
//! the end counts, or volumes double. A blocked connection may have a start only; those records have no bytes.

use super::given;
use super::prelude::*;

const NAMES: Names = &[
    ("SrcIP", Slot::Src),
    ("DstIP", Slot::Dst),
    ("DstPort", Slot::Port),
    ("FirstPacketSecond", Slot::Time),
    ("AccessControlRuleAction", Slot::Action),
    ("Access Control Rule Action", Slot::Action),
    ("Firewall Rule Action", Slot::Action),
    ("User", Slot::User),
    ("ReferencedHost", Slot::Host),
    ("URL", Slot::Url),
    ("InitiatorBytes", Slot::Up),
    ("ResponderBytes", Slot::Down),
    ("Initiator Bytes", Slot::Up),
    ("Responder Bytes", Slot::Down),
    ("ConnectType", Slot::A),
    ("Connection Type", Slot::A),
];

static PAIRS: Spaced = Spaced { names: NAMES, separator: ", ", assign: ": " };

const ALLOWED: &[&str] = &["Allow", "Trust", "Fastpath", "Monitor", "Interactive Block bypassed", "Intrusion Monitor"];
const BLOCKED: &[&str] =
    &["Block", "Block with reset", "Block, reset", "Interactive Block", "Interactive Block with reset"];

const REMEDIES: &[Remedy] = &[
    Remedy { when: Trouble::NoBytes, what: "log connections at their end (rule > Logging > Log at End of Connection)" },
    Remedy {
        when: Trouble::NoTransactions,
        what: "send connection events to syslog (430003), not only intrusion and system messages",
    },
];

pub(super) const FORMATS: &[Format] = &[
    Format {
        log_type: "CISCO_ASA_FIREPOWER_SYSLOG",
        sample: sample!("cisco/CISCO_ASA_FIREPOWER_SYSLOG"),
        direction: "the initiator is the client: its bytes are up, the responder's down; only ends of connections count",
        id: Some(178),
        product: "Cisco ASA with FirePOWER",
        envelope: Envelope::Syslog,
        dialect: Dialect::Spaced(&PAIRS),
        read: sfims,
        allowed: ALLOWED,
        blocked: BLOCKED,
        extracts: Some(&[Url, DstIp, User, SrcIp, Total, Up]),
        sign: Sign { any: &["SFIMS"], ..NO_SIGN },
        remedies: REMEDIES,
        ..BASE
    },
    Format {
        log_type: "CISCO_FIREPOWER_V6_SYSLOG",
        sample: sample!("cisco/CISCO_FIREPOWER_V6_SYSLOG"),
        direction: "the initiator is the client: its bytes are up, the responder's down; only ends of connections count",
        id: Some(223),
        product: "Cisco Firepower 6.x",
        envelope: Envelope::Syslog,
        dialect: Dialect::Spaced(&PAIRS),
        read: ftd,
        allowed: ALLOWED,
        blocked: BLOCKED,
        sign: Sign { any: &["%FTD-", "%NGIPS-"], ..NO_SIGN },
        remedies: REMEDIES,
        ..BASE
    },
];

/// The first pair stands behind the tag: the pairs of a record do not know it by its own name.
fn sfims<'l>(fields: &mut Fields<'l>) -> Kind {
    // `... {TCP} 192.0.2.10:50100 -> 203.0.113.20:443`
    if !given(fields, Slot::Src)
        && let Some((left, right)) =
            text::after(fields.body, " -> ").map(|right| (text::before(fields.body, " -> "), right))
    {
        let (source, _) = text::split_last(text::split_last(left, b' ').1, b':');
        let (target, port) = text::split_last(text::word(right).0, b':');
        fields.set(Slot::Src, source);
        fields.set(Slot::Dst, target);
        fields.set(Slot::Port, port);
    }
    if !given(fields, Slot::Src) || !given(fields, Slot::Action) {
        return Kind::Other;
    }
    Kind::Record
}

fn ftd<'l>(fields: &mut Fields<'l>) -> Kind {
    let Some(code) = text::after(fields.body, "-43000") else {
        // The same box writes its connection table in the ASA's words.
        return if text::has(fields.body, "%FTD-") { super::cisco_asa::message(fields) } else { sfims(fields) };
    };
    match code.first() {
        Some(b'2' | b'3') => sfims(fields),
        _ => Kind::Other,
    }
}
