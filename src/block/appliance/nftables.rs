//! nftables: a table of its own with a set per family and a chain that rejects.
//!
//! Declare, delete, define: the file replaces the table in one step, the first time too. Entries do not overlap, so
//! `auto-merge` is not needed and single ones can be removed. An empty `elements` is an error and is left out.

use super::{Appliance, BASE, Delta, Sort, Validator};
use crate::block::layout::{NETS4, NETS6, Page, Piece, Shape};

const V4: &[Shape] = &[Shape::new(NETS4, "", "")];
const V6: &[Shape] = &[Shape::new(NETS6, "", "")];

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "nftables_set",
    product: "nftables",
    sort: Sort::Script,
    extension: "nft",
    pages: &[Page::new(&[
        Piece::Header("# ", ""),
        Piece::Text(
            "table inet %list%\ndelete table inet %list%\ntable inet %list% {\n    set block4 {\n        type ipv4_addr\n        flags interval\n",
        ),
        Piece::row("        elements = { ", V4, ",\n            ", " }\n"),
        Piece::Text("    }\n    set block6 {\n        type ipv6_addr\n        flags interval\n"),
        Piece::row("        elements = { ", V6, ",\n            ", " }\n"),
        Piece::Text(
            "    }\n    chain forward {\n        type filter hook forward priority -10; policy accept;\n        \
             ip daddr @block4 counter reject with icmpx type admin-prohibited\n        \
             ip6 daddr @block6 counter reject with icmpx type admin-prohibited\n    }\n    chain output {\n        \
             type filter hook output priority -10; policy accept;\n        \
             ip daddr @block4 counter reject with icmpx type admin-prohibited\n        \
             ip6 daddr @block6 counter reject with icmpx type admin-prohibited\n    }\n}\n",
        ),
    ])],
    delta: Some(Delta {
        remove: &[
            Piece::row("delete element inet %list% block4 { ", V4, ", ", " }\n"),
            Piece::row("delete element inet %list% block6 { ", V6, ", ", " }\n"),
        ],
        add: &[
            Piece::row("add element inet %list% block4 { ", V4, ", ", " }\n"),
            Piece::row("add element inet %list% block6 { ", V6, ", ", " }\n"),
        ],
    }),
    undo: &[Piece::Text("delete table inet %list%\n")],
    validator: Some(Validator {
        program: "nft",
        arguments: &["-c", "-f", "%file%"],
        conf: "",
        refuse: &[],
        unable: &["Operation not permitted"],
    }),
    certainty: "tested with nftables, behaviour too",
    notes: "nft -f FILE replaces the table in one step.",
    ..BASE
}];
