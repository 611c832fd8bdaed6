//! The service's own JSON: apps with their domains, for clients that read the service.
//!
//! It states no scope; clients read a domain as the name and all below it.

use super::{Appliance, BASE, Sort};
use crate::block::layout::{BELOW, NETS, PATH, Page, Piece, SUBTREE, Shape};

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "service_json",
    product: "The service's JSON, for clients of the service",
    sort: Sort::Feed,
    extension: "json",
    pages: &[Page::new(&[Piece::Apps(&[
        Shape::new(SUBTREE, "", ""),
        Shape::new(BELOW, "*.", ""),
        Shape::new(PATH, "", ""),
        Shape::new(NETS, "", ""),
    ])])],
    certainty: "client code in use reads it; undocumented",
    notes: "One page with all apps; `data`, `name`, `domainList`, `hasNext`.",
    ..BASE
}];
