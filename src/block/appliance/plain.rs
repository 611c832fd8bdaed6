//! A plain list, for everything else: names (with all below), `*.name` for names below only, addresses, paths.

use super::{Appliance, BASE};
use crate::block::layout::{BELOW, NETS, PATH, Page, Piece, SUBTREE, Shape};

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "plain_domains",
    product: "Plain list",
    pages: &[Page::new(&[
        Piece::Header("# ", ""),
        Piece::lines(&[
            Shape::new(SUBTREE, "", ""),
            Shape::new(BELOW, "*.", ""),
            Shape::new(PATH, "", ""),
            Shape::new(NETS, "", ""),
        ]),
    ])],
    certainty: "a convention",
    notes: "One entry a line.",
    ..BASE
}];
