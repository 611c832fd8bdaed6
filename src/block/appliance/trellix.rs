//! Trellix (McAfee, Skyhigh) Web Gateway: a string list.
//!
//! What an entry takes in depends on the rule: `URL.Host.BelongsToDomains` takes the names below too, `URL.Host is in
//! list` does not.

use super::{Allowed, Appliance, BASE, LIST, Parameter, Sort};
use crate::block::layout::{EXACT, Page, Piece, SUBTREE, Shape};

const HEAD: Piece = Piece::Text("type=string\n");

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "trellix_web_gateway_list",
    product: "Trellix Web Gateway, list",
    sort: Sort::Feed,
    parameters: &[
        LIST,
        Parameter {
            name: "rule",
            default: "domains",
            allowed: Allowed::OneOf(&["domains", "host"]),
            meaning: "the rule that uses the list: URL.Host.BelongsToDomains, or URL.Host is in list",
        },
    ],
    pages: &[Page::new(&[HEAD, Piece::lines(&[Shape::new(SUBTREE, "\"", "\" \"%list%\"")])])],
    variants: &[("rule", "host", &[Page::new(&[HEAD, Piece::lines(&[Shape::new(EXACT, "\"", "\" \"%list%\"")])])])],
    certainty: "shape written by two exporters in use",
    notes: "Subscribe a list of type String to the URL; a rule must block by it.",
    ..BASE
}];
