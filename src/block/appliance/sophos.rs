//! Sophos Firewall (XG, XGS): URL groups as an import file.
//!
//! A domain takes its names below. Groups hold at most 128; they are split by a hash of the name, so that a removal
//! moves none.

use super::{Appliance, BASE, Limit, Per, Sort, Split, Validator, list};
use crate::block::layout::{Page, Piece, SUBTREE, Shape};

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "sophos_url_group",
    product: "Sophos Firewall, URL group",
    sort: Sort::Script,
    extension: "xml",
    parameters: &[list(47)],
    pages: &[Page::new(&[
        Piece::Text("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"),
        Piece::Header("<!-- ", " -->"),
        Piece::Text("<Configuration>\n"),
        Piece::Buckets(&[Piece::row(
            "  <URLGroup transactionid=\"\">\n    <Name>%list%_%bucket%</Name>\n    <Description>rendered by logweir</Description>\n    <URLlist>\n",
            &[Shape::new(SUBTREE, "      <URL>", "</URL>")],
            "\n",
            "\n    </URLlist>\n  </URLGroup>\n",
        )]),
        Piece::Text("</Configuration>\n"),
    ])],
    limits: &[Limit::new(Per::Items, 128)],
    split: Split::Objects,
    validator: Some(Validator {
        program: "xmllint",
        arguments: &["--noout", "--nonet", "%file%"],
        conf: "",
        refuse: &[],
        unable: &[],
    }),
    certainty: "vendor documentation; element names inferred",
    notes: "Import under Backup & firmware; a web policy must block the groups. Take them out there before deleting them.",
    ..BASE
}];
