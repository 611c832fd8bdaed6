//! dnsmasq: a configuration file, and a servers file that is read again on SIGHUP.
//!
//! `/x/` takes the name and all below, `/*.x/` (2.86 and later) the names below; there is no exact form.

use super::{Appliance, BASE, Validator};
use crate::block::layout::{BELOW, Page, Piece, SUBTREE, Shape};

pub const TARGETS: &[Appliance] = &[
    Appliance {
        name: "dnsmasq_local",
        product: "dnsmasq, configuration",
        extension: "conf",
        pages: &[Page::new(&[
            Piece::Header("# ", ""),
            Piece::lines(&[Shape::new(SUBTREE, "local=/", "/"), Shape::new(BELOW, "local=/*.", "/")]),
        ])],
        validator: Some(Validator {
            program: "dnsmasq",
            arguments: &["--test", "-C", "%file%"],
            conf: "",
            refuse: &[],
            unable: &[],
        }),
        certainty: "tested with dnsmasq, behaviour too",
        better: Some("dnsmasq_servers_file"),
        notes: "Put it into conf-dir; a change needs a restart.",
        ..BASE
    },
    Appliance {
        name: "dnsmasq_servers_file",
        product: "dnsmasq, servers file",
        pages: &[Page::new(&[
            Piece::Header("# ", ""),
            Piece::lines(&[Shape::new(SUBTREE, "server=/", "/"), Shape::new(BELOW, "server=/*.", "/")]),
        ])],
        certainty: "tested with dnsmasq, behaviour too",
        notes: "servers-file=FILE; SIGHUP reads it again. `dnsmasq --test` does not look into it.",
        ..BASE
    },
];
