//! Products whose layout nobody published: ContentKeeper, Corrata, Open Systems, Wandera.
//!
//! No sample, field list or parser of them was found. What can be honestly done is done: a file that describes itself (CEF,
//! LEEF, W3C, JSON, a table with a header line, key=value) is read by the usual names, anything else is left to the
//! service. They are never guessed but for the product's own name in the lines.

use super::prelude::*;

const NAMES: Names = &[
    ("timestamp", Slot::Time),
    ("datetime", Slot::Time),
    ("rt", Slot::Time),
    ("devTime", Slot::Time),
    ("date", Slot::Date),
    ("time", Slot::Clock),
    ("src", Slot::Src),
    ("srcip", Slot::Src),
    ("src_ip", Slot::Src),
    ("c-ip", Slot::Src),
    ("source_ip", Slot::Src),
    ("sourceip", Slot::Src),
    ("client_ip", Slot::Src),
    ("user", Slot::User),
    ("username", Slot::User),
    ("suser", Slot::User),
    ("usrName", Slot::User),
    ("cs-username", Slot::User),
    ("host", Slot::Host),
    ("hostname", Slot::Host),
    ("domain", Slot::Host),
    ("dhost", Slot::Host),
    ("cs-host", Slot::Host),
    ("url", Slot::Url),
    ("request", Slot::Url),
    ("cs-uri", Slot::Url),
    ("dst", Slot::Dst),
    ("dstip", Slot::Dst),
    ("dst_ip", Slot::Dst),
    ("destination_ip", Slot::Dst),
    ("r-ip", Slot::Dst),
    ("dpt", Slot::Port),
    ("dst_port", Slot::Port),
    ("dstPort", Slot::Port),
    ("bytes_sent", Slot::Up),
    ("sent_bytes", Slot::Up),
    ("upload", Slot::Up),
    ("out", Slot::Up),
    ("cs-bytes", Slot::Up),
    ("srcBytes", Slot::Up),
    ("bytes_received", Slot::Down),
    ("recv_bytes", Slot::Down),
    ("download", Slot::Down),
    ("in", Slot::Down),
    ("sc-bytes", Slot::Down),
    ("dstBytes", Slot::Down),
    ("bytes", Slot::Total),
    ("total_bytes", Slot::Total),
    ("action", Slot::Action),
    ("act", Slot::Action),
    ("disposition", Slot::Action),
    ("device", Slot::Device),
];
static ANY: Any = Any { names: NAMES, header: &["#Fields:", "src_ip", "client_ip", "source_ip"] };

const UNDISCLOSED: Format = Format {
    direction: "not public: names that say source, client, sent or up are taken for the client's",
    certainty: Certainty::Inferred,
    envelope: Envelope::None,
    dialect: Dialect::Any(&ANY),
    allowed: &["allow*", "accept*", "permit*", "pass*", "observed"],
    blocked: &["block*", "den*", "drop*", "reject*"],
    extracts: Some(&[Url, DstIp, User, SrcIp, Total, Up]),
    remedies: &[Remedy {
        when: Trouble::Broken,
        what: "the vendor publishes no layout: compare with the sample log that the portal offers for this data source",
    }],
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    Format {
        log_type: "CONTENTKEEPER_SYSLOG",
        sample: sample!("undisclosed/CONTENTKEEPER_SYSLOG"),
        id: Some(215),
        product: "ContentKeeper",
        envelope: Envelope::Syslog,
        sign: Sign { any: &["ContentKeeper", "contentkeeper"], ..NO_SIGN },
        ..UNDISCLOSED
    },
    Format {
        log_type: "CORRATA",
        sample: sample!("undisclosed/CORRATA"),
        id: Some(220),
        product: "Corrata",
        sign: Sign { any: &["Corrata", "corrata"], ..NO_SIGN },
        ..UNDISCLOSED
    },
    Format {
        log_type: "OPEN_SYSTEMS_SECURE_WEB_GATEWAY",
        sample: sample!("undisclosed/OPEN_SYSTEMS_SECURE_WEB_GATEWAY"),
        product: "Open Systems Secure Web Gateway",
        sign: Sign { any: &["Open Systems", "open-systems"], ..NO_SIGN },
        ..UNDISCLOSED
    },
    Format {
        log_type: "WANDERA_SYSLOG",
        sample: sample!("undisclosed/WANDERA_SYSLOG"),
        product: "Wandera",
        envelope: Envelope::Syslog,
        sign: Sign { any: &["Wandera", "wandera"], ..NO_SIGN },
        ..UNDISCLOSED
    },
];
