//! Websense (Forcepoint) Content Gateway: rules of `filter.config`.
//!
//! `dest_host` is the exact host, `dest_domain` the name and all below it: the service's own script uses the first and
//! leaves `www.` open. The first rule that matches wins, so ours stand below the defaults, between two marks.

use super::{Appliance, BASE, Sort};
use crate::block::layout::{EXACT, Kind, Page, Piece, SUBTREE, Shape};

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "websense_filter_config",
    product: "Websense Content Gateway, filter.config",
    sort: Sort::Script,
    service_format: Some(135),
    extension: "config",
    pages: &[Page::new(&[
        Piece::Header("# ", ""),
        Piece::Text("# %list% begin\n"),
        Piece::lines(&[
            Shape::new(SUBTREE, "dest_domain=", " action=deny"),
            Shape::new(EXACT, "dest_host=", " action=deny"),
            Shape::new(&[Kind::Ip4], "dest_ip=", " action=deny"),
        ]),
        Piece::Text("# %list% end\n"),
    ])],
    certainty: "dest_host seen in a real script; dest_domain from vendor documentation",
    notes: "Append below the rules that are there, apply with `content_line -x`, restart. The inverse is to take the part between the marks out.",
    ..BASE
}];
