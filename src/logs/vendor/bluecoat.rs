//! Blue Coat (Symantec, Broadcom) ProxySG: the W3C access log "main" of SGOS 3 to 7.
//!
//! The client is `c-ip`; `cs-bytes` came from it, `sc-bytes` went to it. Names decide, never positions: SGOS 3 to 5 write
//! `sc-bytes` in front of `cs-bytes`. `s-ip` is the proxy itself. Times are UTC whatever `#Date` says. The syslog form
//! relays each line, directives included; the key=value template made for Splunk has the same names and is read too.

use super::given;
use super::prelude::*;
use crate::logs::address;

const NAMES: Names = &[
    ("date", Slot::Date),
    ("time", Slot::Clock),
    ("timestamp", Slot::Epoch),
    ("gmttime", Slot::Time),
    ("c-ip", Slot::Src),
    ("cs-username", Slot::User),
    ("cs-userdn", Slot::User2),
    ("cs-host", Slot::Host),
    ("cs-uri", Slot::Url),
    ("url", Slot::Url),
    ("c-url", Slot::Url),
    ("cs-uri-scheme", Slot::Scheme),
    ("cs-uri-port", Slot::UrlPort),
    ("cs-uri-path", Slot::Path),
    ("cs-uri-query", Slot::Query),
    ("r-ip", Slot::Dst),
    ("s-supplier-ip", Slot::A),
    ("s-supplier-name", Slot::D),
    ("s-ip", Slot::E),
    ("cs-bytes", Slot::Up),
    ("sc-bytes", Slot::Down),
    ("sc-filter-result", Slot::Action),
    ("s-action", Slot::B),
    ("x-exception-id", Slot::C),
    ("x-bluecoat-appliance-name", Slot::Device),
    ("s-dns", Slot::Device),
];

static W3C: W3c = W3c { names: NAMES, columns: &[] };
static RELAYED: Any = Any { names: NAMES, header: &["#Fields:"] };

const BLUECOAT: Format = Format {
    log_type: "BLUECOAT",
    sample: sample!("bluecoat/BLUECOAT"),
    direction: "`c-ip` is the client; `cs-bytes` is what it sent, `sc-bytes` what it got; `s-ip` is the proxy itself",
    id: Some(102),
    product: "Blue Coat ProxySG (W3C access log)",
    dialect: Dialect::W3c(&W3C),
    read: verdict,
    allowed: &["OBSERVED", "PROXIED"],
    blocked: &["DENIED"],
    extracts: Some(&[Url, User, SrcIp, Total, Up]),
    sign: Sign { head: &["SGOS", "s-supplier-name", "sc-filter-result", "x-virus-id", "x-bluecoat-"], ..NO_SIGN },
    remedies: &[
        Remedy { when: Trouble::NoUser, what: "add cs-username to the access log format and authenticate clients" },
        Remedy { when: Trouble::NoBytes, what: "add sc-bytes and cs-bytes to the access log format" },
        Remedy {
            when: Trouble::Lines(" cs-username="),
            what: "this is the Splunk template: send the W3C format \"main\" with its #Fields line instead",
        },
        Remedy {
            when: Trouble::Broken,
            what: "send the W3C format \"main\" with its #Fields line, not the Splunk template",
        },
    ],
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    BLUECOAT,
    Format {
        log_type: "BLUECOAT_SYSLOG",
        sample: sample!("bluecoat/BLUECOAT_SYSLOG"),
        id: Some(139),
        envelope: Envelope::Syslog,
        dialect: Dialect::Any(&RELAYED),
        ..BLUECOAT
    },
];

/// The filter's verdict, else the proxy's action, else whether an exception page was shown.
fn verdict(fields: &mut Fields<'_>) -> Kind {
    // An answer out of the cache names the proxy itself as its supplier.
    for slot in [Slot::A, Slot::D] {
        if !given(fields, Slot::Dst) && fields.get(slot) != fields.get(Slot::E) && address(fields.get(slot)).is_some() {
            fields.copy(slot, Slot::Dst);
        }
    }
    if !given(fields, Slot::Action) {
        let action = fields.get(Slot::B);
        if text::has(action, "DENIED") || given(fields, Slot::C) {
            fields.act(Action::Blocked);
        } else if given(fields, Slot::B) {
            fields.act(Action::Allowed);
        }
    }
    Kind::Record
}
