//! Response policy zones, for Unbound, BIND, Knot Resolver and PowerDNS Recursor.
//!
//! The one form that says all scopes: `x`, `*.x`, both, and addresses in answers. Names are relative: a dot at the
//! end would put them out of the zone, where they are ignored with a warning and success. The serial is the time of
//! the publication, so that it grows.

use super::{Allowed, Appliance, BASE, LIST, Limit, Parameter, Per, Sort, Validator};
use crate::block::layout::{BELOW, EXACT, Form, NETS, Page, Piece, Shape};

const ZONE: Parameter = Parameter {
    name: "zone",
    default: "mdca-block.rpz",
    allowed: Allowed::Zone,
    meaning: "name of the zone; short leaves more room",
};
const PAGES: &[Page] = &[Page::new(&[
    Piece::Text(
        "$TTL 300\n@ IN SOA localhost. hostmaster.localhost. ( %serial% 3600 600 604800 300 )\n@ IN NS localhost.\n",
    ),
    Piece::Header("; ", ""),
    Piece::lines(&[
        Shape::new(EXACT, "", " IN CNAME ."),
        Shape::new(BELOW, "*.", " IN CNAME ."),
        Shape::new(NETS, "", ".rpz-ip IN CNAME .").form(Form::RpzIp),
    ]),
])];
const ZONE_FILE: Appliance = Appliance {
    sort: Sort::Zone,
    extension: "rpz",
    parameters: &[LIST, ZONE],
    pages: PAGES,
    limits: &[Limit::new(Per::WithZone, 255)],
    ..BASE
};
const IGNORED: &[&str] = &["out-of-zone", "ignoring"];

pub const TARGETS: &[Appliance] = &[
    Appliance {
        name: "unbound_rpz",
        product: "Unbound, response policy zone",
        validator: Some(Validator {
            program: "unbound-checkconf",
            arguments: &["%conf%"],
            conf: "server:\n  module-config: \"respip iterator\"\n  chroot: \"\"\nrpz:\n  name: \"%zone%\"\n  zonefile: \"%file%\"\n",
            refuse: IGNORED,
            unable: &["No such file or directory"],
        }),
        certainty: "tested with Unbound, behaviour too",
        notes: "module-config: \"respip iterator\" and an rpz: clause with name and zonefile.",
        ..ZONE_FILE
    },
    Appliance {
        name: "bind_rpz",
        product: "BIND, response policy zone",
        validator: Some(Validator {
            program: "named-checkzone",
            arguments: &["%zone%", "%file%"],
            conf: "",
            refuse: IGNORED,
            unable: &[],
        }),
        certainty: "tested with BIND, behaviour too",
        notes: "response-policy { zone \"ZONE\"; } and the zone as primary; rndc reload ZONE after a change.",
        ..ZONE_FILE
    },
    Appliance {
        name: "knot_or_powerdns_rpz",
        product: "Knot Resolver or PowerDNS Recursor, response policy zone",
        validator: Some(Validator {
            program: "nsd-checkzone",
            arguments: &["%zone%", "%file%"],
            conf: "",
            refuse: IGNORED,
            unable: &[],
        }),
        certainty: "zone syntax tested with nsd-checkzone; servers inferred",
        notes: "policy.rpz in Knot Resolver, rpzFile in PowerDNS Recursor.",
        ..ZONE_FILE
    },
];
