//! Cisco ASA (regular expressions; FQDN objects) and Firepower Security Intelligence lists.
//!
//! ASA: a regular expression holds at most 100 characters and has no documented end anchor, so names that continue to
//! the right match too; it sees clear HTTP only. FQDN objects block addresses. `regex` before its use, and out of use
//! before `no regex`.

use super::{Appliance, BASE, Delta, Sort, list};
use crate::block::layout::{BELOW, EXACT, Form, Kind, NETS6, PATH, Page, Piece, SUBTREE, Shape};

const RIGHT: &str = "it also takes names that continue to the right, as name.evil.example: there is no end anchor";
const SHARED: &str =
    "it blocks the IPv4 addresses of the name, and with them every other site there; its IPv6 addresses stay open";
const DOT: Form = Form::Dots("\\.");
const NAMES: &[Kind] = &[Kind::Subtree, Kind::Below, Kind::Exact];

const REGEX: Piece = Piece::lines(&[
    Shape::new(SUBTREE, "regex %list%_%id% \"(^|\\.)", "\"").form(DOT).longest(94).wider(RIGHT),
    Shape::new(BELOW, "regex %list%_%id% \"\\.", "\"").form(DOT).longest(98).wider(RIGHT),
    Shape::new(EXACT, "regex %list%_%id% \"^", "\"").form(DOT).longest(99).wider(RIGHT),
]);
const MATCH: Piece = Piece::under(
    "class-map type regex match-any %list%_hosts\n",
    &[Shape::reference(NAMES, " match regex %list%_%id%")],
);
const NO_REGEX: Piece = Piece::lines(&[Shape::reference(NAMES, "no regex %list%_%id%")]);

const OBJECTS: Piece = Piece::lines(&[
    Shape::new(EXACT, "object network %list%_%id%\n fqdn v4 ", "").wider(SHARED),
    Shape::new(&[Kind::Ip4, Kind::Ip6], "object network %list%_%id%\n host ", ""),
    Shape::new(&[Kind::Net4], "object network %list%_%id%\n subnet ", "").form(Form::Mask),
    Shape::new(NETS6, "object network %list%_%id%\n subnet ", ""),
]);
const OBJECT_KINDS: &[Kind] = &[Kind::Exact, Kind::Ip4, Kind::Net4, Kind::Ip6, Kind::Net6];
const MEMBERS: Piece = Piece::under(
    "object-group network %list%\n",
    &[Shape::reference(OBJECT_KINDS, " network-object object %list%_%id%")],
);
const NO_OBJECTS: Piece = Piece::lines(&[Shape::reference(OBJECT_KINDS, "no object network %list%_%id%")]);

pub const TARGETS: &[Appliance] = &[
    Appliance {
        name: "cisco_asa_regex",
        product: "Cisco ASA, HTTP inspection",
        sort: Sort::Script,
        service_format: Some(104),
        parameters: &[list(20)],
        pages: &[Page::new(&[
            Piece::Header("! ", ""),
            REGEX,
            MATCH,
            Piece::IfAny(
                NAMES,
                "class-map type inspect http match-all %list%_http\n match request header host regex class %list%_hosts\n\
                 policy-map type inspect http %list%_pm\n class %list%_http\n  reset log\n",
            ),
        ])],
        delta: Some(Delta {
            remove: &[
                Piece::under(
                    "class-map type regex match-any %list%_hosts\n",
                    &[Shape::reference(NAMES, " no match regex %list%_%id%")],
                ),
                NO_REGEX,
            ],
            add: &[REGEX, MATCH],
        }),
        undo: &[
            Piece::Text(
                "no policy-map type inspect http %list%_pm\nno class-map type inspect http match-all %list%_http\n\
                 no class-map type regex match-any %list%_hosts\n",
            ),
            NO_REGEX,
        ],
        certainty: "vendor documentation of the language; the service's own script was not seen",
        better: Some("cisco_ftd_si_dns_list"),
        notes: "Sees clear HTTP only. Use the policy map with `inspect http` in a service policy; take it out there before the undo.",
        ..BASE
    },
    Appliance {
        name: "cisco_asa_fqdn_objects",
        product: "Cisco ASA, FQDN objects",
        sort: Sort::Script,
        parameters: &[list(40)],
        pages: &[Page::new(&[
            Piece::Header("! ", ""),
            OBJECTS,
            MEMBERS,
            Piece::IfAny(OBJECT_KINDS, "access-list %list%_egress extended deny ip any object-group %list% log\n"),
        ])],
        delta: Some(Delta {
            remove: &[
                Piece::under(
                    "object-group network %list%\n",
                    &[Shape::reference(OBJECT_KINDS, " no network-object object %list%_%id%")],
                ),
                NO_OBJECTS,
            ],
            add: &[OBJECTS, MEMBERS],
        }),
        adds_first: true,
        undo: &[
            Piece::Text(
                "no access-list %list%_egress extended deny ip any object-group %list% log\nno object-group network %list%\n",
            ),
            NO_OBJECTS,
        ],
        certainty: "vendor documentation of the language; the service's own script was not seen",
        better: Some("cisco_ftd_si_dns_list"),
        notes: "Needs `dns domain-lookup` and a name server group; join the access list to your own.",
        ..BASE
    },
    Appliance {
        name: "cisco_ftd_si_dns_list",
        product: "Cisco Firepower, Security Intelligence DNS list",
        sort: Sort::Feed,
        pages: &[Page::new(&[Piece::Header("# ", ""), Piece::lines(&[Shape::new(SUBTREE, "", "")])])],
        limits: &[super::Limit::new(super::Per::Bytes, 500_000_000)],
        notes: "Fetched on a schedule; names below are included.",
        ..BASE
    },
    Appliance {
        name: "cisco_ftd_si_url_list",
        product: "Cisco Firepower, Security Intelligence URL list",
        sort: Sort::Feed,
        pages: &[Page::new(&[
            Piece::Header("# ", ""),
            Piece::lines(&[
                Shape::new(SUBTREE, "", ""),
                Shape::new(EXACT, "", "/"),
                Shape::new(PATH, "", ""),
                Shape::new(&[Kind::Ip4], "", "/"),
            ]),
        ])],
        limits: &[super::Limit::new(super::Per::Bytes, 500_000_000)],
        notes: "Fetched on a schedule; an entry with a slash at its end is exact.",
        ..BASE
    },
];
