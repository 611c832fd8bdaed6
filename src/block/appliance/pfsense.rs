//! pfSense: a URL table alias, addresses only.

use super::{Appliance, BASE, Sort};
use crate::block::layout::{NETS, Page, Piece, Shape};

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "pfsense_urltable_ip",
    product: "pfSense, URL table alias",
    sort: Sort::Feed,
    pages: &[Page::new(&[Piece::lines(&[Shape::new(NETS, "", "")])])],
    notes: "Firewall > Aliases > URLs, type URL Table (IPs); a rule must block it.",
    ..BASE
}];
