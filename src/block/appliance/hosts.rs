//! A hosts file: exact names only; names below stay open.
//!
//! Each name has a line for IPv4 and one for IPv6: with the first alone, resolvers go on asking for the other.

use super::{Appliance, BASE};
use crate::block::layout::{EXACT, Page, Piece, Shape};

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "hosts_file",
    product: "Hosts file, Pi-hole",
    extension: "hosts",
    pages: &[Page::new(&[
        Piece::Header("# ", ""),
        Piece::Text("# %list% begin\n"),
        Piece::lines(&[Shape::new(EXACT, "0.0.0.0 ", "")]),
        Piece::lines(&[Shape::new(EXACT, ":: ", "")]),
        Piece::Text("# %list% end\n"),
    ])],
    certainty: "tested with dnsmasq, behaviour too",
    better: Some("adblock_dns"),
    notes: "For Pi-hole a list; pihole -g after a change. In /etc/hosts the part between the marks is ours.",
    ..BASE
}];
