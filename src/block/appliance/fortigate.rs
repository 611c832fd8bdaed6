//! FortiGate: a static URL filter, and the external feeds that serve better.
//!
//! `simple` means different things in different releases, so a subtree is written as `simple x` and `wildcard *.x`,
//! never `*x`. The table's number is global to the VDOM. What is over a feed's limit is cut off by the device without
//! a word, so it is refused here.

use super::{Allowed, Appliance, BASE, Delta, Limit, Parameter, Per, Sort, list};
use crate::block::layout::{BELOW, EXACT, Form, Items, Kind, NETS, PATH, Page, Piece, Shape};

const SIMPLE: &str = "\"\n                set type simple\n                set action block\n                set status enable\n            next";
const WILDCARD: &str = "\"\n                set type wildcard\n                set action block\n                set status enable\n            next";
const EDIT: &str = "            edit %number%\n                set url \"";
const OPEN: &str = "config webfilter urlfilter\n    edit %table%\n        config entries\n";
const CLOSE: &str = "\n        end\n    next\nend\n";
const KINDS: &[Kind] = &[Kind::Exact, Kind::Below, Kind::Path, Kind::Ip4];
const ENTRY_BELOW: Shape =
    Shape::new(BELOW, "            edit %number%\n                set url \"*.", WILDCARD).longest(509);
const PAGES_BELOW: Shape =
    Shape::new(PATH, EDIT, SIMPLE).longest(511).narrower("only this page, not what lies under it, on strict releases");
const ADDRESS: Shape = Shape::new(&[Kind::Ip4], EDIT, SIMPLE);
const ENTRIES: &[Shape] = &[
    Shape::new(EXACT, EDIT, SIMPLE).longest(511).wider("on some releases it also takes the names below it"),
    ENTRY_BELOW,
    PAGES_BELOW,
    ADDRESS,
];
const STRICT_ENTRIES: &[Shape] = &[Shape::new(EXACT, EDIT, SIMPLE).longest(511), ENTRY_BELOW, PAGES_BELOW, ADDRESS];

const CLASS: Parameter = Parameter {
    name: "class",
    default: "entry",
    allowed: Allowed::OneOf(&["before-7.4.4", "entry", "mid", "high"]),
    meaning: "release before 7.4.4, or the class of the model from 7.4.4 on",
};
const OLD_ITEMS: Limit = Limit::when(Per::Items, 131_072, "class", "before-7.4.4");
const OLD_BYTES: Limit = Limit::when(Per::Bytes, 10_000_000, "class", "before-7.4.4");
const ENTRY_BYTES: Limit = Limit::when(Per::Bytes, 32_000_000, "class", "entry");
const MID_BYTES: Limit = Limit::when(Per::Bytes, 64_000_000, "class", "mid");
const HIGH_BYTES: Limit = Limit::when(Per::Bytes, 128_000_000, "class", "high");

pub const TARGETS: &[Appliance] = &[
    Appliance {
        name: "fortigate_urlfilter",
        product: "FortiGate, static URL filter",
        sort: Sort::Script,
        service_format: Some(108),
        parameters: &[
            list(35),
            Parameter {
                name: "table",
                default: "900",
                allowed: Allowed::Number(1, 4_294_967_295),
                meaning: "number of the URL filter table; an existing one is overwritten",
            },
            Parameter {
                name: "max_entries",
                default: "70000",
                allowed: Allowed::Number(1, 4_294_967_295),
                meaning: "most entries of the model, from its table of maximum values",
            },
            Parameter {
                name: "include_subdomains",
                default: "unset",
                allowed: Allowed::OneOf(&["unset", "disable"]),
                meaning: "disable on newer releases, which then take exact names exactly; older ones do not know it",
            },
        ],
        pages: &[Page::new(&[
            Piece::Header("# ", ""),
            Piece::Text(
                "config webfilter urlfilter\n    edit %table%\n        set name \"%list%\"\n        set comment \"rendered by logweir\"\n        config entries\n",
            ),
            Piece::lines(ENTRIES),
            Piece::Text("        end\n    next\nend\n"),
        ])],
        variants: &[(
            "include_subdomains",
            "disable",
            &[Page::new(&[
                Piece::Header("# ", ""),
                Piece::Text(
                    "config webfilter urlfilter\n    edit %table%\n        set name \"%list%\"\n        set comment \"rendered by logweir\"\n        \
                     set include-subdomains disable\n        config entries\n",
                ),
                Piece::lines(STRICT_ENTRIES),
                Piece::Text("        end\n    next\nend\n"),
            ])],
        )],
        limits: &[Limit::given(Per::Items, "max_entries")],
        delta: Some(Delta {
            remove: &[Piece::Items(Items {
                shapes: &[Shape { form: Form::Reference, ..Shape::new(KINDS, "            delete %number%", "") }],
                head: OPEN,
                between: "\n",
                foot: CLOSE,
                per: usize::MAX,
            })],
            add: &[Piece::row(OPEN, ENTRIES, "\n", CLOSE)],
        }),
        undo: &[Piece::Text("config webfilter urlfilter\n    delete %table%\nend\n")],
        certainty: "vendor documentation of the language; the service's own script was not seen",
        better: Some("fortigate_feed_domain"),
        notes: "Attach with `set urlfilter-table` in a web filter profile; `unset` it there before the undo. HTTPS needs certificate inspection.",
        ..BASE
    },
    Appliance {
        name: "fortigate_feed_domain",
        product: "FortiGate, external domain feed",
        sort: Sort::Feed,
        parameters: &[list(35), CLASS],
        pages: &[Page::new(&[
            Piece::Header("# ", ""),
            Piece::lines(&[Shape::new(EXACT, "", ""), Shape::new(BELOW, "*.", "")]),
        ])],
        limits: &[
            OLD_ITEMS,
            Limit::when(Per::Items, 1_000_000, "class", "entry"),
            Limit::when(Per::Items, 3_000_000, "class", "mid"),
            Limit::when(Per::Items, 5_000_000, "class", "high"),
            OLD_BYTES,
            ENTRY_BYTES,
            MID_BYTES,
            HIGH_BYTES,
        ],
        notes: "`config system external-resource`, type domain, used by a DNS filter profile. `diagnose sys external-resource stats` counts errors.",
        ..BASE
    },
    Appliance {
        name: "fortigate_feed_category",
        product: "FortiGate, external URL feed",
        sort: Sort::Feed,
        parameters: &[list(35), CLASS],
        pages: &[Page::new(&[
            Piece::Header("# ", ""),
            Piece::lines(&[
                Shape::new(EXACT, "", ""),
                Shape::new(BELOW, "*.", ""),
                Shape::new(PATH, "", ""),
                Shape::new(&[Kind::Ip4], "", ""),
            ]),
        ])],
        limits: &[
            OLD_ITEMS,
            Limit::when(Per::Items, 150_000, "class", "entry"),
            Limit::when(Per::Items, 300_000, "class", "mid"),
            Limit::when(Per::Items, 2_000_000, "class", "high"),
            OLD_BYTES,
            ENTRY_BYTES,
            MID_BYTES,
            HIGH_BYTES,
        ],
        notes: "`config system external-resource`, type category, used by a web filter profile.",
        ..BASE
    },
    Appliance {
        name: "fortigate_feed_ip",
        product: "FortiGate, external address feed",
        sort: Sort::Feed,
        parameters: &[list(35), CLASS],
        pages: &[Page::new(&[Piece::Header("# ", ""), Piece::lines(&[Shape::new(NETS, "", "")])])],
        limits: &[OLD_ITEMS, Limit::new(Per::Items, 300_000), OLD_BYTES],
        notes: "`config system external-resource`, type address, used in a policy.",
        ..BASE
    },
];
