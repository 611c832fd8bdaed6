//! BlueCoat (Symantec, Broadcom) ProxySG: a policy in CPL, and a category file.
//!
//! A `[url.domain]` section compiles faster than one rule a domain, and `url.domain` takes the names below too. The
//! policy is one of four files that are always compiled together; on any error the running one stays.

use super::{Appliance, BASE, Sort};
use crate::block::layout::{BELOW, EXACT, NETS, Page, Piece, SUBTREE, Shape};

pub const TARGETS: &[Appliance] = &[
    Appliance {
        name: "bluecoat_proxysg_cpl",
        product: "BlueCoat ProxySG, policy (CPL)",
        sort: Sort::Script,
        service_format: Some(102),
        pages: &[Page::new(&[
            Piece::Header("; ", ""),
            Piece::Text("<Proxy>\n"),
            Piece::under("[url.domain]\n", &[Shape::new(SUBTREE, "", " deny")]),
            Piece::under(
                "[Rule]\n",
                &[
                    Shape::new(EXACT, "url.host.exact=", " deny"),
                    Shape::new(BELOW, "url.host.suffix=.", " deny"),
                    Shape::new(NETS, "url.address=", " deny"),
                ],
            ),
        ])],
        certainty: "url.domain seen in a real script; sections from vendor documentation",
        better: Some("bluecoat_category_file"),
        notes: "Install as the Local policy file; an update is always the whole file, and the former file is the inverse.",
        ..BASE
    },
    Appliance {
        name: "bluecoat_category_file",
        product: "BlueCoat ProxySG, category file",
        pages: &[Page::new(&[
            Piece::Text("define category %list%\n"),
            Piece::lines(&[Shape::new(SUBTREE, "", "")]),
            Piece::Text("end\n"),
        ])],
        certainty: "shape written by two exporters in use",
        notes: "Fetched by URL as a local database; a policy must deny the category.",
        ..BASE
    },
];
