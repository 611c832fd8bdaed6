//! A proxy auto-configuration file: three tables and a walk up the labels, in the oldest JavaScript.
//!
//! Blocked hosts go to a proxy that is not there. It is no control: users can switch it off.

use super::{Appliance, BASE, Limit, Per, Sort};
use crate::block::layout::{BELOW, Kind, Page, Piece, SUBTREE, Shape};

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "pac_file",
    product: "PAC file for browsers",
    sort: Sort::Script,
    extension: "pac",
    pages: &[Page::new(&[
        Piece::Header("// ", ""),
        Piece::Text("function FindProxyForURL(url, host) {\n  var exact = {"),
        Piece::row("\n    ", &[Shape::new(&[Kind::Exact, Kind::Ip4, Kind::Ip6], "\"", "\": 1")], ",\n    ", "\n  "),
        Piece::Text("};\n  var below = {"),
        Piece::row("\n    ", &[Shape::new(BELOW, "\"", "\": 1")], ",\n    ", "\n  "),
        Piece::Text("};\n  var tree = {"),
        Piece::row("\n    ", &[Shape::new(SUBTREE, "\"", "\": 1")], ",\n    ", "\n  "),
        Piece::Text(
            "};\n  var h = host.toLowerCase();\n  if (h.charAt(h.length - 1) === \".\") h = h.substring(0, h.length - 1);\n  \
             if (exact.hasOwnProperty(h) || tree.hasOwnProperty(h)) return \"PROXY 127.0.0.1:9\";\n  \
             for (var i = h.indexOf(\".\"); i >= 0; i = h.indexOf(\".\")) {\n    h = h.substring(i + 1);\n    \
             if (below.hasOwnProperty(h) || tree.hasOwnProperty(h)) return \"PROXY 127.0.0.1:9\";\n  }\n  \
             return \"DIRECT\";\n}\n",
        ),
    ])],
    limits: &[Limit::new(Per::Bytes, 1_000_000)],
    certainty: "tested with pacparser and Node.js, behaviour too",
    notes: "Serve as application/x-ns-proxy-autoconfig. Where a PAC file exists, call this function first from it.",
    ..BASE
}];
