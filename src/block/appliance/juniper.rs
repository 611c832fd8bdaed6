//! Juniper SRX: URL patterns of the UTM, and an address set.
//!
//! What `*` means depends on the release: before 12.1X46 any depth, until 20.3 one label, since 20.4 none to any
//! number of labels, the name itself included. Patterns are split by a hash of the name, so that a removal moves none.

use super::{Allowed, Appliance, BASE, Delta, Limit, Parameter, Per, Sort, Split, list};
use crate::block::layout::{BELOW, EXACT, Form, Kind, NETS, Page, Piece, SUBTREE, Shape};

const NAMES: &[Kind] = &[Kind::Subtree, Kind::Below, Kind::Exact];
// A reference to a pattern list or category that is not there fails the commit.
const CATEGORY: Piece =
    Piece::IfAny(NAMES, "set security utm custom-objects custom-url-category %list% value %list%_%bucket%\n");
const PROFILE: Piece = Piece::IfAny(
    NAMES,
    "set security utm feature-profile web-filtering juniper-local profile %list% custom-block-message \"blocked\"\n\
     set security utm feature-profile web-filtering juniper-local profile %list% category %list% action block\n",
);
const ADDRESSES: Piece =
    Piece::lines(&[Shape::new(NETS, "set security address-book global address %list%_%id% ", "").form(Form::Cidr)]);
const MEMBERS: Piece =
    Piece::lines(&[Shape::reference(NETS, "set security address-book global address-set %list% address %list%_%id%")]);
const NO_MEMBERS: Piece = Piece::lines(&[Shape::reference(
    NETS,
    "delete security address-book global address-set %list% address %list%_%id%",
)]);
const NO_ADDRESSES: Piece =
    Piece::lines(&[Shape::reference(NETS, "delete security address-book global address %list%_%id%")]);

const NEW: Piece = Piece::lines(&[
    Shape::new(SUBTREE, "set security utm custom-objects url-pattern %list%_%bucket% value *.", ""),
    Shape::new(EXACT, "set security utm custom-objects url-pattern %list%_%bucket% value ", ""),
]);
const MIDDLE: Piece = Piece::lines(&[
    Shape::new(BELOW, "set security utm custom-objects url-pattern %list%_%bucket% value http://*.", "")
        .narrower("names more than one level below it stay open"),
    Shape::new(EXACT, "set security utm custom-objects url-pattern %list%_%bucket% value http://", ""),
]);
const OLD: Piece = Piece::lines(&[
    Shape::new(BELOW, "set security utm custom-objects url-pattern %list%_%bucket% value http://*.", ""),
    Shape::new(EXACT, "set security utm custom-objects url-pattern %list%_%bucket% value http://", ""),
]);
const DELETE_NEW: Piece = Piece::lines(&[
    Shape::new(SUBTREE, "delete security utm custom-objects url-pattern %list%_%bucket% value *.", ""),
    Shape::new(EXACT, "delete security utm custom-objects url-pattern %list%_%bucket% value ", ""),
]);
const DELETE_OLD: Piece = Piece::lines(&[
    Shape::new(BELOW, "delete security utm custom-objects url-pattern %list%_%bucket% value http://*.", ""),
    Shape::new(EXACT, "delete security utm custom-objects url-pattern %list%_%bucket% value http://", ""),
]);

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "juniper_srx_utm",
    product: "Juniper SRX, UTM web filtering",
    sort: Sort::Script,
    service_format: Some(129),
    parameters: &[
        // 29 characters with the number of a pattern list.
        list(25),
        Parameter {
            name: "release",
            default: "20.4",
            allowed: Allowed::OneOf(&["20.4", "12.1X46", "before-12.1X46"]),
            meaning: "Junos 20.4R1 and later, 12.1X46 to 20.3, or older",
        },
    ],
    pages: &[Page::new(&[Piece::Header("# ", ""), Piece::Buckets(&[NEW, CATEGORY]), PROFILE, ADDRESSES, MEMBERS])],
    variants: &[
        (
            "release",
            "12.1X46",
            &[Page::new(&[Piece::Header("# ", ""), Piece::Buckets(&[MIDDLE, CATEGORY]), PROFILE, ADDRESSES, MEMBERS])],
        ),
        (
            "release",
            "before-12.1X46",
            &[Page::new(&[Piece::Header("# ", ""), Piece::Buckets(&[OLD, CATEGORY]), PROFILE, ADDRESSES, MEMBERS])],
        ),
    ],
    limits: &[Limit::new(Per::Items, 8_192)],
    split: Split::Objects,
    delta: Some(Delta {
        remove: &[
            Piece::When("release", "20.4", &[DELETE_NEW]),
            Piece::When("release", "12.1X46", &[DELETE_OLD]),
            Piece::When("release", "before-12.1X46", &[DELETE_OLD]),
            NO_MEMBERS,
            NO_ADDRESSES,
        ],
        add: &[
            Piece::When("release", "20.4", &[NEW]),
            Piece::When("release", "12.1X46", &[MIDDLE]),
            Piece::When("release", "before-12.1X46", &[OLD]),
            Piece::Buckets(&[CATEGORY]),
            PROFILE,
            ADDRESSES,
            MEMBERS,
        ],
    }),
    undo: &[
        Piece::Text(
            "delete security utm feature-profile web-filtering juniper-local profile %list%\n\
             delete security utm custom-objects custom-url-category %list%\n",
        ),
        Piece::Buckets(&[Piece::Text("delete security utm custom-objects url-pattern %list%_%bucket%\n")]),
        NO_MEMBERS,
        NO_ADDRESSES,
    ],
    certainty: "chain seen in a real configuration; the service's own script was not seen",
    notes: "`load set terminal`, `commit check`, `commit`. A policy must use the profile, and one must deny the address set. Take both out before the undo.",
    ..BASE
}];
