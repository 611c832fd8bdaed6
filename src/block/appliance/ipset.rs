//! ipset: a set per family, for a rule of iptables.

use super::{Allowed, Appliance, BASE, Delta, Limit, Parameter, Per, Sort, list};
use crate::block::layout::{NETS4, NETS6, Page, Piece, Shape};

const ADD4: Piece = Piece::lines(&[Shape::new(NETS4, "add %list%4 ", " -exist")]);
const ADD6: Piece = Piece::lines(&[Shape::new(NETS6, "add %list%6 ", " -exist")]);

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "ipset_restore",
    product: "ipset",
    sort: Sort::Script,
    extension: "ipset",
    parameters: &[
        list(30),
        Parameter {
            name: "maxelem",
            default: "262144",
            allowed: Allowed::Number(1, 4_294_967_295),
            meaning: "most entries of a set; ipset's own default is 65536",
        },
    ],
    pages: &[Page::new(&[
        Piece::Text("create %list%4 hash:net family inet maxelem %maxelem% -exist\nflush %list%4\n"),
        ADD4,
        Piece::Text("create %list%6 hash:net family inet6 maxelem %maxelem% -exist\nflush %list%6\n"),
        ADD6,
    ])],
    limits: &[Limit::given(Per::Items, "maxelem")],
    delta: Some(Delta {
        remove: &[
            Piece::lines(&[Shape::new(NETS4, "del %list%4 ", " -exist")]),
            Piece::lines(&[Shape::new(NETS6, "del %list%6 ", " -exist")]),
        ],
        add: &[ADD4, ADD6],
    }),
    undo: &[Piece::Text("destroy %list%4\ndestroy %list%6\n")],
    certainty: "tested with ipset, behaviour too",
    better: Some("nftables_set"),
    notes: "ipset restore < FILE; a rule with --match-set LIST4 dst must reject. Take the rule out before the undo.",
    ..BASE
}];
