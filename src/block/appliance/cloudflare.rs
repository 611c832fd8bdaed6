//! Cloudflare Zero Trust: a list for Gateway rules.
//!
//! What an entry takes in depends on the rule's selector: *Domain* takes the names below too, *Host* does not.

use super::{Allowed, Appliance, BASE, LIST, Limit, Parameter, Per, Split};
use crate::block::layout::{EXACT, Page, Piece, SUBTREE, Shape};

const HEAD: Piece = Piece::Text("value,description\n");

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "cloudflare_gateway_list",
    product: "Cloudflare Gateway, list",
    extension: "csv",
    parameters: &[
        LIST,
        Parameter {
            name: "selector",
            default: "domain",
            allowed: Allowed::OneOf(&["domain", "host"]),
            meaning: "the selector of the rule that uses the list",
        },
        Parameter {
            name: "plan",
            default: "standard",
            allowed: Allowed::OneOf(&["standard", "enterprise"]),
            meaning: "the plan: 1,000 or 5,000 entries a list",
        },
    ],
    pages: &[Page::new(&[HEAD, Piece::lines(&[Shape::new(SUBTREE, "", ",%list%")])])],
    variants: &[("selector", "host", &[Page::new(&[HEAD, Piece::lines(&[Shape::new(EXACT, "", ",%list%")])])])],
    limits: &[
        Limit::when(Per::Items, 1_000, "plan", "standard"),
        Limit::when(Per::Items, 5_000, "plan", "enterprise"),
        Limit::new(Per::Bytes, 2_000_000),
    ],
    split: Split::Files,
    notes: "Upload as a list of type Hostnames; a DNS or HTTP policy must block the selector *in* the list.",
    ..BASE
}];
