//! Microsoft ISA Server and Forefront TMG: the web proxy log as a W3C file, separated by tabs, times in UTC.
//!
//! `c-ip` is the client, `cs-bytes` came from it, `sc-bytes` went to it. On denied requests `r-ip` and `r-port` are the
//! proxy's own listener, and each authenticated request is preceded by one or two anonymous denials. Firewall log files
//! (`_FWS_`) have other columns with blanks in their names (`original client IP`); those are read too.

use super::given;
use super::prelude::*;
use crate::logs::number;

const NAMES: Names = &[
    ("c-ip", Slot::Src),
    ("original client IP", Slot::Src),
    ("source", Slot::D),
    ("cs-username", Slot::User),
    ("username", Slot::User),
    ("date", Slot::Date),
    ("time", Slot::Clock),
    ("GmtLogTime", Slot::Time),
    ("s-computername", Slot::Device),
    ("computer", Slot::Device),
    ("r-host", Slot::Host),
    ("r-ip", Slot::Dst),
    ("destination", Slot::E),
    ("r-port", Slot::Port),
    ("cs-bytes", Slot::Up),
    ("bytes sent", Slot::Up),
    ("sc-bytes", Slot::Down),
    ("bytes received", Slot::Down),
    ("cs-uri", Slot::Url),
    ("sc-status", Slot::A),
    ("action", Slot::Action),
    ("Action", Slot::Action),
];
static W3C: W3c = W3c { names: NAMES, columns: &[] };

pub(super) const FORMATS: &[Format] = &[Format {
    log_type: "MICROSOFT_ISA_W3C",
    sample: sample!("microsoft/MICROSOFT_ISA_W3C"),
    direction: "`c-ip` is the client; `cs-bytes` came from it, `sc-bytes` went to it; on denials `r-ip` is the proxy",
    id: Some(159),
    product: "Microsoft Forefront TMG (W3C)",
    dialect: Dialect::W3c(&W3C),
    read: request,
    allowed: &["Allowed", "Initiated", "Terminated", "Established"],
    blocked: &["Denied"],
    extracts: Some(&[Url, User, SrcIp, Total, Up]),
    sign: Sign {
        head: &[
            "Internet Security and Acceleration",
            "Threat Management Gateway",
            "s-computername",
            "cs-transport",
            "original client IP",
        ],
        ..NO_SIGN
    },
    remedies: &[
        Remedy { when: Trouble::NoBytes, what: "tick Bytes Sent and Bytes Received in the web proxy log's fields" },
        Remedy {
            when: Trouble::NoTransactions,
            what: "send the web proxy log (_WEB_), in W3C format, not the firewall log",
        },
    ],
    ..BASE
}];

fn request<'l>(fields: &mut Fields<'l>) -> Kind {
    for (from, address, port) in [(Slot::D, Slot::Src, None), (Slot::E, Slot::Dst, Some(Slot::Port))] {
        if given(fields, from) && !given(fields, address) {
            let (ip, figure) = text::split_last(fields.get(from), b':');
            fields.set(address, ip);
            if let Some(port) = port {
                fields.set(port, figure);
            }
        }
    }
    if !given(fields, Slot::Action)
        && let Some(status) = number(fields.get(Slot::A))
    {
        let refused = (12_000..13_000).contains(&status) || matches!(status, 403 | 407);
        fields.act(if refused { Action::Blocked } else { Action::Allowed });
    }
    Kind::Record
}
