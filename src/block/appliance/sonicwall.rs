//! SonicWall: URI list objects of the content filter.
//!
//! Tokens may be followed by more tokens: `example.com` also takes `example.com.uk`. 5,000 and 131,072 characters an
//! object, 128 objects, 16 tokens an entry.

use super::{Appliance, BASE, Limit, Per, Split};
use crate::block::layout::{PATH, Page, Piece, SUBTREE, Shape};

const RIGHT: &str = "it also takes names that continue to the right, as name.uk does for name";

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "sonicwall_uri_list",
    product: "SonicWall, URI list object",
    pages: &[Page::new(&[Piece::lines(&[
        Shape::new(SUBTREE, "", "").longest(255).wider(RIGHT),
        Shape::new(PATH, "", "").longest(255).wider(RIGHT),
    ])])],
    limits: &[
        Limit::new(Per::Items, 5_000),
        Limit::new(Per::Bytes, 131_072),
        Limit::new(Per::Parts, 128),
        Limit::new(Per::Labels, 16),
        Limit::new(Per::Label, 64),
    ],
    split: Split::Files,
    notes: "Import each file into a URI list object; a content filter profile must forbid it.",
    ..BASE
}];
