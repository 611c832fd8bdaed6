//! Check Point: a custom intelligence feed, and a generic data center for addresses.
//!
//! The feed does not load when a mandatory field is empty. Whether its type Domain takes the names below is not
//! documented, so only the exact name is promised.

use super::{Allowed, Appliance, BASE, LIST, Limit, Parameter, Per, Sort};
use crate::block::layout::{EXACT, Kind, NETS, Page, Piece, Shape};

pub const TARGETS: &[Appliance] = &[
    Appliance {
        name: "checkpoint_ioc_feed",
        product: "Check Point, custom intelligence feed",
        sort: Sort::Feed,
        extension: "csv",
        pages: &[Page::new(&[
            Piece::Text("#! DESCRIPTION = %list%,,,,,,\n# UNIQ-NAME,VALUE,TYPE,CONFIDENCE,SEVERITY,PRODUCT,COMMENT\n"),
            Piece::lines(&[
                Shape::new(EXACT, "%list%_%id%,", ",Domain,high,medium,AB,%list%"),
                Shape::new(&[Kind::Ip4, Kind::Ip6], "%list%_%id%,", ",IP,high,medium,AB,%list%"),
            ]),
        ])],
        limits: &[Limit::new(Per::Items, 2_000_000)],
        notes: "`ioc_feeds add` on each gateway, which has a dry run; for the Anti-Bot and Anti-Virus blades.",
        ..BASE
    },
    Appliance {
        name: "checkpoint_generic_data_center",
        product: "Check Point, generic data center",
        sort: Sort::Feed,
        extension: "json",
        parameters: &[
            LIST,
            Parameter {
                name: "object_id",
                default: "b50c6a3e-7f1e-4b57-9d1e-0a54d6d1f001",
                allowed: Allowed::Word(36),
                meaning: "the object's unique id; a UUID that begins with a letter, another one for each list",
            },
        ],
        pages: &[Page::new(&[
            Piece::Text(
                "{\n  \"version\": \"1.0\",\n  \"description\": \"%list%\",\n  \"objects\": [\n    {\n      \"name\": \"%list%\",\n      \"id\": \"%object_id%\",\n      \"description\": \"rendered by logweir\",\n      \"ranges\": [",
            ),
            Piece::row("\n        ", &[Shape::new(NETS, "\"", "\"")], ",\n        ", "\n      "),
            Piece::Text("]\n    }\n  ]\n}\n"),
        ])],
        certainty: "vendor documentation; field names inferred",
        notes: "Polled every 60 s; no policy install for an update.",
        ..BASE
    },
];
