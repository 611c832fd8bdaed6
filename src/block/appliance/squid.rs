//! Squid: files for `dstdomain` and `dst` access lists.
//!
//! `.x` takes the name and all below, `x` only the name. `x` beside `.x`, or a child before its parent, keeps Squid
//! from starting: entries come out parents first and covered ones are gone.

use super::{Appliance, BASE, Validator};
use crate::block::layout::{EXACT, NETS, Page, Piece, SUBTREE, Shape};

pub const TARGETS: &[Appliance] = &[
    Appliance {
        name: "squid_dstdomain",
        product: "Squid, dstdomain file",
        extension: "domains",
        pages: &[Page::new(&[
            Piece::Header("# ", ""),
            Piece::lines(&[Shape::new(SUBTREE, ".", ""), Shape::new(EXACT, "", "")]),
        ])],
        validator: Some(Validator {
            program: "squid",
            arguments: &["-k", "parse", "-f", "%conf%"],
            conf: "acl %list% dstdomain \"%file%\"\nhttp_access deny %list%\nhttp_port 3128\n",
            refuse: &["ERROR", "FATAL", "is a subdomain of"],
            unable: &[],
        }),
        certainty: "tested with Squid, behaviour too",
        notes: "acl mdca_block dstdomain \"FILE\" and http_access deny mdca_block; then squid -k reconfigure.",
        ..BASE
    },
    Appliance {
        name: "squid_dst_ip",
        product: "Squid, dst file",
        extension: "ips",
        pages: &[Page::new(&[Piece::Header("# ", ""), Piece::lines(&[Shape::new(NETS, "", "")])])],
        validator: Some(Validator {
            program: "squid",
            arguments: &["-k", "parse", "-f", "%conf%"],
            conf: "acl %list% dst \"%file%\"\nhttp_access deny %list%\nhttp_port 3128\n",
            refuse: &["ERROR", "FATAL"],
            unable: &[],
        }),
        certainty: "tested with Squid, behaviour too",
        notes: "acl mdca_block_ip dst \"FILE\": makes Squid resolve every host, so use it only with address entries.",
        ..BASE
    },
];
