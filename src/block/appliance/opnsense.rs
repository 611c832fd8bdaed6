//! OPNsense: the two fields of the Unbound blocklist, and a URL table alias for addresses.
//!
//! Exact domains stand in one field; a domain in the wildcard field takes the names below.

use super::{Appliance, BASE, Sort};
use crate::block::layout::{BELOW, EXACT, NETS, Page, Piece, Shape};

pub const TARGETS: &[Appliance] = &[
    Appliance {
        name: "opnsense_unbound_blocklist",
        product: "OPNsense, Unbound blocklist",
        pages: &[
            Page::part("exact", &[Piece::lines(&[Shape::new(EXACT, "", "")])]),
            Page::part("wildcard", &[Piece::lines(&[Shape::new(BELOW, "", "")])]),
        ],
        notes: "Services > Unbound DNS > Blocklist: the exact file as domains, the wildcard file as wildcard domains.",
        ..BASE
    },
    Appliance {
        name: "opnsense_urltable_ip",
        product: "OPNsense, URL table alias",
        sort: Sort::Feed,
        pages: &[Page::new(&[Piece::lines(&[Shape::new(NETS, "", "")])])],
        notes: "Firewall > Aliases, type URL Table (IPs); a rule must block it.",
        ..BASE
    },
];
