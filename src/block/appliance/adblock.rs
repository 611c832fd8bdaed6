//! The Adblock form that DNS filters read: AdGuard Home, Pi-hole.
//!
//! `||x^` takes the name and all below it.

use super::{Appliance, BASE};
use crate::block::layout::{Page, Piece, SUBTREE, Shape};

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "adblock_dns",
    product: "AdGuard Home, Pi-hole (Adblock form)",
    pages: &[Page::new(&[
        Piece::Text("! Title: %list%\n! Syntax: Adblock Plus filter list\n"),
        Piece::Header("! ", ""),
        Piece::lines(&[Shape::new(SUBTREE, "||", "^")]),
    ])],
    certainty: "tested with AdGuard's compiler and engine, behaviour too",
    notes: "Add by its URL as a blocklist.",
    ..BASE
}];
