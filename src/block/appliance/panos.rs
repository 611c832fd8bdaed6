//! Palo Alto PAN-OS: external dynamic lists and a custom URL category.
//!
//! `*.x/` does not take `x`, so a subtree is two entries; the slash ends the match, without it names that continue to
//! the right match too. A domain list takes no slash. Lists of one type each; comments are not allowed in them.

use super::{Allowed, Appliance, BASE, Delta, LIST, Limit, Parameter, Per, Sort, list};
use crate::block::layout::{BELOW, EXACT, Kind, NETS, PATH, Page, Piece, SUBTREE, Shape};

const URLS: &[Shape] = &[
    Shape::new(EXACT, "", "/").longest(254),
    Shape::new(BELOW, "*.", "/").longest(252),
    Shape::new(PATH, "", "/").longest(254),
    Shape::new(&[Kind::Ip4], "", "/"),
];
const DELETE: &[Shape] = &[
    Shape::new(EXACT, "delete profiles custom-url-category %list% list ", "/"),
    Shape::new(BELOW, "delete profiles custom-url-category %list% list *.", "/"),
    Shape::new(PATH, "delete profiles custom-url-category %list% list ", "/"),
    Shape::new(&[Kind::Ip4], "delete profiles custom-url-category %list% list ", "/"),
];
const SET: Piece = Piece::rows(50, "set profiles custom-url-category %list% list [ ", URLS, " ", " ]\n");

const CAPACITY: Parameter = Parameter {
    name: "max_entries",
    default: "50000",
    allowed: Allowed::Number(1, 10_000_000),
    meaning: "entries the model takes; more since 9.0",
};

pub const TARGETS: &[Appliance] = &[
    Appliance {
        name: "paloalto_custom_url_category",
        product: "Palo Alto, custom URL category",
        sort: Sort::Script,
        service_format: Some(112),
        parameters: &[list(31)],
        pages: &[Page::new(&[
            Piece::Text(
                "set profiles custom-url-category %list% type \"URL List\"\n\
                 set profiles custom-url-category %list% description \"rendered by logweir\"\n",
            ),
            SET,
        ])],
        limits: &[Limit::new(Per::Items, 25_000)],
        delta: Some(Delta { remove: &[Piece::lines(DELETE)], add: &[SET] }),
        undo: &[Piece::Text("delete profiles custom-url-category %list%\n")],
        certainty: "members seen in a real configuration; the service's own script was not seen",
        better: Some("panos_edl_url"),
        notes: "Paste in configure mode, then `validate full` and `commit`. Take the category out of its rules before the undo.",
        ..BASE
    },
    Appliance {
        name: "panos_edl_url",
        product: "Palo Alto, external dynamic list of URLs",
        sort: Sort::Feed,
        parameters: &[LIST, CAPACITY],
        pages: &[Page::new(&[Piece::lines(URLS)])],
        limits: &[Limit::given(Per::Items, "max_entries")],
        notes: "Objects > External Dynamic Lists, type URL List; no commit for an update. Over its capacity the firewall skips the rest.",
        ..BASE
    },
    Appliance {
        name: "panos_edl_domain",
        product: "Palo Alto, external dynamic list of domains",
        sort: Sort::Feed,
        parameters: &[
            LIST,
            CAPACITY,
            Parameter {
                name: "expand",
                default: "no",
                allowed: Allowed::OneOf(&["no", "yes"]),
                meaning: "whether the list is set to expand to subdomains on the firewall",
            },
        ],
        pages: &[Page::new(&[Piece::lines(&[Shape::new(EXACT, "", "")])])],
        variants: &[("expand", "yes", &[Page::new(&[Piece::lines(&[Shape::new(SUBTREE, "", "")])])])],
        limits: &[Limit::given(Per::Items, "max_entries")],
        better: Some("panos_edl_url"),
        notes: "Type Domain List, for DNS security and spyware profiles. Expanded entries count against the capacity.",
        ..BASE
    },
    Appliance {
        name: "panos_edl_ip",
        product: "Palo Alto, external dynamic list of addresses",
        sort: Sort::Feed,
        parameters: &[LIST, CAPACITY],
        pages: &[Page::new(&[Piece::lines(&[Shape::new(NETS, "", "")])])],
        limits: &[Limit::given(Per::Items, "max_entries")],
        notes: "Type IP List, as destination of a rule.",
        ..BASE
    },
];
