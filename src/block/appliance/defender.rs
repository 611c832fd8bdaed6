//! Microsoft Defender for Endpoint: indicators as CSV, for sites without the built-in enforcement.
//!
//! 500 rows an upload. Whether `DomainName` takes the names below is not documented, so only the exact name is
//! promised.

use super::{Allowed, Appliance, BASE, LIST, Limit, Parameter, Per, Split};
use crate::block::layout::{EXACT, Kind, PATH, Page, Piece, Shape};

const PAGE: &str = "only over https, and perhaps only this page";

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "mde_indicator",
    product: "Microsoft Defender for Endpoint, indicators",
    extension: "csv",
    parameters: &[
        LIST,
        Parameter {
            name: "action",
            default: "Block",
            allowed: Allowed::OneOf(&["Block", "Warn", "Audit"]),
            meaning: "what happens on a device; Audit for a dry run",
        },
    ],
    pages: &[Page::new(&[
        Piece::Text(
            "indicatorType,indicatorValue,action,title,description,expirationTime,severity,recommendedActions,rbacGroupNames,category\n",
        ),
        Piece::lines(&[
            Shape::new(EXACT, "DomainName,", ",%action%,%list%,rendered by logweir,,Medium,,,"),
            Shape::new(PATH, "Url,https://", ",%action%,%list%,rendered by logweir,,Medium,,,").narrower(PAGE),
            Shape::new(&[Kind::Ip4, Kind::Ip6], "IpAddress,", ",%action%,%list%,rendered by logweir,,Medium,,,"),
        ]),
    ])],
    limits: &[Limit::new(Per::Items, 500)],
    split: Split::Files,
    notes: "Import under Settings > Endpoints > Indicators, one file after the other.",
    ..BASE
}];
