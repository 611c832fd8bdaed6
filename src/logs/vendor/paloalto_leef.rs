//! Palo Alto Networks PAN-OS as LEEF: the custom format of the vendor's QRadar guide, attributes between bars or tabs.
//!
//! `src` is the client, `srcBytes` what it sent, `dstBytes` what it got. TRAFFIC and THREAT url records are traffic; other
//! kinds are not. The URL of a THREAT stands in `URL` or `Miscellaneous`, without a scheme.

use super::prelude::*;

const NAMES: Names = &[
    ("devTime", Slot::Time),
    ("Type", Slot::A),
    ("cat", Slot::B),
    ("Subtype", Slot::C),
    ("src", Slot::Src),
    ("dst", Slot::Dst),
    ("usrName", Slot::User),
    ("SourceUser", Slot::User2),
    ("dstPort", Slot::Port),
    ("action", Slot::Action),
    ("totalBytes", Slot::Total),
    ("dstBytes", Slot::Down),
    ("srcBytes", Slot::Up),
    ("URL", Slot::Url),
    ("Miscellaneous", Slot::D),
    ("DeviceName", Slot::Device),
];
static LEEF: Leef = Leef { names: NAMES, or_text: false };

const PAN: Format = Format {
    log_type: "PALO_ALTO_LEEF",
    sample: sample!("paloalto/PALO_ALTO_LEEF"),
    direction: "`src` is the client; `srcBytes` came from it, `dstBytes` went to it",
    id: Some(208),
    product: "Palo Alto PA series (LEEF)",
    envelope: Envelope::Optional,
    dialect: Dialect::Leef(&LEEF),
    read: |fields| {
        let kind = if fields.has(Slot::A) { fields.get(Slot::A) } else { fields.get(Slot::B) };
        match kind {
            b"TRAFFIC" => Kind::Record,
            b"THREAT" if fields.is(Slot::C, "url") => {
                if !fields.has(Slot::Url) {
                    fields.copy(Slot::D, Slot::Url);
                }
                Kind::Record
            }
            _ => Kind::Other,
        }
    },
    allowed: &["allow", "alert", "continue", "override"],
    blocked: &["deny", "drop*", "reset*", "block*", "sinkhole"],
    extracts: Some(&[DstIp, User, SrcIp, Total, Up]),
    sign: Sign { all: &["LEEF:", "|Palo Alto Networks|"], ..NO_SIGN },
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    PAN,
    Format {
        log_type: "PALO_ALTO_LEEF_SYSLOG",
        sample: sample!("paloalto/PALO_ALTO_LEEF_SYSLOG"),
        id: Some(209),
        envelope: Envelope::Syslog,
        ..PAN
    },
];
