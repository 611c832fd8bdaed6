//! Cisco Umbrella and Secure Access: a destination list.
//!
//! Every domain takes the names below it; a `*` is refused, and so is an address in a block list. 5,000 a file.

use super::{Appliance, BASE, Limit, Per, Split};
use crate::block::layout::{PATH, Page, Piece, SUBTREE, Shape};

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "umbrella_destination_list",
    product: "Cisco Umbrella, destination list",
    extension: "csv",
    pages: &[Page::new(&[Piece::lines(&[Shape::new(SUBTREE, "", ""), Shape::new(PATH, "", "")])])],
    limits: &[Limit::new(Per::Items, 5_000)],
    split: Split::Files,
    notes: "Upload as a block list; an allow list wins over it. The API takes 500 in one call.",
    ..BASE
}];
