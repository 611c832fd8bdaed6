//! MikroTik RouterOS: static DNS entries, and address lists.
//!
//! An import stops at the first error, and adding what is there is one: the whole script begins with the removal. The
//! comment marks what is ours. `below` needs a regular expression, which is slow.

use super::{Appliance, BASE, Delta, Sort};
use crate::block::layout::{BELOW, EXACT, Form, NETS4, NETS6, Page, Piece, SUBTREE, Shape};

const DOT: Form = Form::Dots("\\\\.");
const DNS: Piece = Piece::under(
    "/ip dns static\n",
    &[
        Shape::new(SUBTREE, "add comment=%list% match-subdomain=yes name=", " type=NXDOMAIN"),
        Shape::new(EXACT, "add comment=%list% name=", " type=NXDOMAIN"),
        Shape::new(BELOW, "add comment=%list% regexp=\"\\\\.", "\\$\" type=NXDOMAIN").form(DOT),
    ],
);
const NO_DNS: Piece = Piece::under(
    "/ip dns static\n",
    &[
        Shape::new(SUBTREE, "remove [find comment=%list% match-subdomain=yes name=", "]"),
        Shape::new(EXACT, "remove [find comment=%list% match-subdomain=no name=", "]"),
        Shape::new(BELOW, "remove [find comment=%list% regexp=\"\\\\.", "\\$\"]").form(DOT),
    ],
);
const ADD4: Piece =
    Piece::under("/ip firewall address-list\n", &[Shape::new(NETS4, "add address=", " comment=%list% list=%list%")]);
const ADD6: Piece = Piece::under(
    "/ipv6 firewall address-list\n",
    &[Shape::new(NETS6, "add address=", " comment=%list% list=%list%").form(Form::Cidr)],
);

pub const TARGETS: &[Appliance] = &[
    Appliance {
        name: "mikrotik_dns_static",
        product: "MikroTik, static DNS entries",
        sort: Sort::Script,
        extension: "rsc",
        pages: &[Page::new(&[
            Piece::Header("# ", ""),
            Piece::Text("/ip dns static remove [find comment=%list%]\n"),
            DNS,
        ])],
        delta: Some(Delta { remove: &[NO_DNS], add: &[DNS] }),
        undo: &[Piece::Text("/ip dns static remove [find comment=%list%]\n")],
        certainty: "documentation of another tool; escaping inferred",
        notes: "/import file-name=FILE verbose=yes. Addresses go into mikrotik_address_list.",
        ..BASE
    },
    Appliance {
        name: "mikrotik_address_list",
        product: "MikroTik, address list",
        sort: Sort::Script,
        extension: "rsc",
        pages: &[Page::new(&[
            Piece::Header("# ", ""),
            Piece::Text(
                "/ip firewall address-list remove [find comment=%list%]\n/ipv6 firewall address-list remove [find comment=%list%]\n",
            ),
            ADD4,
            ADD6,
        ])],
        delta: Some(Delta {
            remove: &[
                Piece::under(
                    "/ip firewall address-list\n",
                    &[Shape::new(NETS4, "remove [find comment=%list% address=", "]")],
                ),
                Piece::under(
                    "/ipv6 firewall address-list\n",
                    &[Shape::new(NETS6, "remove [find comment=%list% address=", "]").form(Form::Cidr)],
                ),
            ],
            add: &[ADD4, ADD6],
        }),
        undo: &[Piece::Text(
            "/ip firewall address-list remove [find comment=%list%]\n/ipv6 firewall address-list remove [find comment=%list%]\n",
        )],
        certainty: "inferred",
        notes: "/import file-name=FILE verbose=yes; a filter rule must drop dst-address-list=LIST.",
        ..BASE
    },
];
