//! HAProxy (2.5 and later): pattern files for two matches, and maps.
//!
//! Exact names in one file (`-m str`), names below with a leading dot in the other (`-m end`): without the dot
//! `notexample.com` would match too. `host_only` takes the port off; cutting at the first colon would break IPv6.
//! `haproxy -c` checks the configuration, not the patterns.

use super::{Appliance, BASE, Validator};
use crate::block::layout::{BELOW, EXACT, Kind, Page, Piece, Shape};

pub const TARGETS: &[Appliance] = &[
    Appliance {
        name: "haproxy_acl_files",
        product: "HAProxy, ACL files",
        extension: "lst",
        pages: &[
            Page::part(
                "exact",
                &[
                    Piece::Header("# ", ""),
                    Piece::lines(&[
                        Shape::new(EXACT, "", ""),
                        Shape::new(&[Kind::Ip4], "", ""),
                        Shape::new(&[Kind::Ip6], "[", "]"),
                    ]),
                ],
            ),
            Page::part("suffix", &[Piece::Header("# ", ""), Piece::lines(&[Shape::new(BELOW, ".", "")])]),
        ],
        validator: Some(Validator {
            program: "haproxy",
            arguments: &["-c", "-f", "%conf%"],
            conf: "defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 5s\nfrontend f\n  bind 127.0.0.1:65535\n  http-request set-var(txn.h) req.hdr(host),host_only,lower,rtrim(.)\n  acl exact var(txn.h) -m str -f %exact%\n  acl suffix var(txn.h) -m end -f %suffix%\n  http-request deny deny_status 403 if exact or suffix\n",
            refuse: &[],
            unable: &[],
        }),
        certainty: "tested with HAProxy, behaviour too",
        notes: "http-request set-var(txn.h) req.hdr(host),host_only,lower,rtrim(.) then -m str -f EXACT and -m end -f SUFFIX.",
        ..BASE
    },
    Appliance {
        name: "haproxy_map",
        product: "HAProxy, maps",
        extension: "map",
        pages: &[
            Page::part(
                "exact",
                &[
                    Piece::Header("# ", ""),
                    Piece::lines(&[
                        Shape::new(EXACT, "", " %list%"),
                        Shape::new(&[Kind::Ip4], "", " %list%"),
                        Shape::new(&[Kind::Ip6], "[", "] %list%"),
                    ]),
                ],
            ),
            Page::part("suffix", &[Piece::Header("# ", ""), Piece::lines(&[Shape::new(BELOW, ".", " %list%")])]),
        ],
        validator: Some(Validator {
            program: "haproxy",
            arguments: &["-c", "-f", "%conf%"],
            conf: "defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 5s\nfrontend f\n  bind 127.0.0.1:65535\n  http-request set-var(txn.h) req.hdr(host),host_only,lower,rtrim(.)\n  http-request deny deny_status 403 if { var(txn.h),map_str(%exact%) -m found }\n  http-request deny deny_status 403 if { var(txn.h),map_end(%suffix%) -m found }\n",
            refuse: &[],
            unable: &[],
        }),
        certainty: "tested with HAProxy, behaviour too",
        notes: "As haproxy_acl_files, with map_str and the exact file, map_end and the suffix file.",
        ..BASE
    },
];
