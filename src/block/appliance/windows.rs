//! Windows DNS server: query resolution policies, as PowerShell.
//!
//! One policy an item, named by the item, so that one can go without the others. UTF-8 with a byte order mark and
//! CR LF, for Windows PowerShell 5.

use super::{Allowed, Appliance, BASE, Delta, Parameter, Sort, list};
use crate::block::layout::{BELOW, EXACT, Kind, Page, Piece, Shape};

const ADD: Piece = Piece::lines(&[
    Shape::new(
        EXACT,
        "Add-DnsServerQueryResolutionPolicy -Name '%list%_%id%' -Action %action% -FQDN 'EQ,",
        "' -ErrorAction Stop",
    ),
    Shape::new(
        BELOW,
        "Add-DnsServerQueryResolutionPolicy -Name '%list%_%id%' -Action %action% -FQDN 'EQ,*.",
        "' -ErrorAction Stop",
    ),
]);

pub const TARGETS: &[Appliance] = &[Appliance {
    name: "windows_dns_policy",
    product: "Windows DNS server, policies",
    sort: Sort::Script,
    extension: "ps1",
    parameters: &[
        list(63),
        Parameter {
            name: "action",
            default: "DENY",
            allowed: Allowed::OneOf(&["DENY", "IGNORE"]),
            meaning: "DENY answers that it refuses, IGNORE does not answer",
        },
    ],
    pages: &[Page { crlf: true, mark: true, ..Page::new(&[Piece::Header("# ", ""), ADD]) }],
    delta: Some(Delta {
        remove: &[Piece::lines(&[Shape::reference(
            &[Kind::Exact, Kind::Below],
            "Remove-DnsServerQueryResolutionPolicy -Name '%list%_%id%' -Force -ErrorAction Stop",
        )])],
        add: &[ADD],
    }),
    undo: &[Piece::Text(
        "Get-DnsServerQueryResolutionPolicy | Where-Object Name -like '%list%_*' | Remove-DnsServerQueryResolutionPolicy -Force\n",
    )],
    notes: "Server 2016 and later. Policies are walked in order: keep the list short. Run the undo before the whole script again.",
    ..BASE
}];
