//! OpenWrt: entries of its dnsmasq, set with `uci`.
//!
//! For more than a few, put the file of `dnsmasq_local` into its `confdir`.

use super::{Appliance, BASE, Delta, Sort, Validator};
use crate::block::layout::{Page, Piece, SUBTREE, Shape};

const ADD: Piece = Piece::lines(&[Shape::new(SUBTREE, "uci add_list dhcp.@dnsmasq[0].address='/", "/'")]);
const REMOVE: Piece = Piece::lines(&[Shape::new(SUBTREE, "uci -q del_list dhcp.@dnsmasq[0].address='/", "/'")]);
const COMMIT: Piece = Piece::Text("uci commit dhcp\nservice dnsmasq restart\n");

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "openwrt_uci_dnsmasq",
    product: "OpenWrt, dnsmasq by uci",
    sort: Sort::Script,
    extension: "sh",
    pages: &[Page::new(&[Piece::Header("# ", ""), ADD, COMMIT])],
    delta: Some(Delta { remove: &[REMOVE], add: &[ADD, COMMIT] }),
    undo: &[REMOVE, COMMIT],
    validator: Some(Validator { program: "sh", arguments: &["-n", "%file%"], conf: "", refuse: &[], unable: &[] }),
    certainty: "uci inferred; its entries tested with dnsmasq, behaviour too",
    better: Some("dnsmasq_local"),
    notes: "Run on the router; run the undo before the whole script again, or entries are there twice.",
    ..BASE
}];
