//! Unbound: local zones that answer NXDOMAIN for the name and all below it.
//!
//! Exact names and names below need a response policy zone; see `unbound_rpz`.

use super::{Appliance, BASE, Validator};
use crate::block::layout::{Page, Piece, SUBTREE, Shape};

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "unbound_local_zone",
    product: "Unbound, local zones",
    extension: "conf",
    pages: &[Page::new(&[
        Piece::Header("# ", ""),
        Piece::Text("server:\n"),
        Piece::lines(&[Shape::new(SUBTREE, "    local-zone: \"", ".\" always_nxdomain")]),
    ])],
    validator: Some(Validator {
        program: "unbound-checkconf",
        arguments: &["%file%"],
        conf: "",
        refuse: &[],
        unable: &["No such file or directory"],
    }),
    certainty: "tested with Unbound, behaviour too",
    better: Some("unbound_rpz"),
    notes: "include: \"FILE\" and unbound-control reload; live changes with unbound-control local_zones.",
    ..BASE
}];
