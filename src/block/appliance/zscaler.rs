//! Zscaler Internet Access: the URL list, pasted or sent as JSON.
//!
//! `.x` takes the name and five levels below, `x` only the name. One malformed URL refuses the whole request. The
//! limit is the organisation's, over all its categories.

use super::{Appliance, BASE, Limit, Per, Sort, list};
use crate::block::layout::{EXACT, Kind, PATH, Page, Piece, SUBTREE, Shape};

const DEEP: &str = "names more than five levels below it stay open";
const URLS: Limit = Limit::new(Per::Items, 25_000);

pub const TARGETS: &[Appliance] = &[
    Appliance {
        name: "zscaler_url_list",
        product: "Zscaler, URL list",
        service_format: Some(120),
        pages: &[Page::new(&[Piece::lines(&[
            Shape::new(SUBTREE, ".", "").narrower(DEEP),
            Shape::new(EXACT, "", ""),
            Shape::new(PATH, "", ""),
            Shape::new(&[Kind::Ip4], "", ""),
        ])])],
        limits: &[URLS],
        certainty: "seen in a real script",
        notes: "Paste into a custom URL category, then activate. A URL filtering rule must block the category.",
        ..BASE
    },
    Appliance {
        name: "zscaler_api_json",
        product: "Zscaler, URL category over its API",
        sort: Sort::Feed,
        extension: "json",
        parameters: &[list(63)],
        pages: &[Page::new(&[
            Piece::Text(
                "{\n  \"configuredName\": \"%list%\",\n  \"superCategory\": \"USER_DEFINED\",\n  \"customCategory\": true,\n  \"type\": \"URL_CATEGORY\",\n  \"urls\": [",
            ),
            Piece::row(
                "\n    ",
                &[
                    Shape::new(SUBTREE, "\".", "\"").narrower(DEEP),
                    Shape::new(EXACT, "\"", "\""),
                    Shape::new(PATH, "\"", "\""),
                    Shape::new(&[Kind::Ip4], "\"", "\""),
                ],
                ",\n    ",
                "\n  ",
            ),
            Piece::Text("]\n}\n"),
        ])],
        limits: &[URLS],
        notes: "POST makes the category, PUT to urlCategories/ID replaces it; then activate.",
        ..BASE
    },
];
