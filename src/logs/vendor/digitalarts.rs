//! Digital Arts i-FILTER: `access.log`, words between blanks, 35 of them in version 10 (the vendor's FAQ, in Japanese).
//!
//! `Mmm dd hh:mm:ss pid version upstream server peer client name user [start] status response request verdict ... "METHOD
//! url HTTP/x" ...`. The start time stands in brackets with its offset and is one word. Of the two figures behind the
//! status the first is taken to have gone to the client and the second to have come from it; no public file proves it.
//! Blanks and slashes in values are percent-encoded. The block log (`block.log`) is another file.

use super::prelude::*;
use crate::logs::number;

const I_FILTER: Format = Format {
    log_type: "I_FILTER",
    sample: sample!("digitalarts/I_FILTER"),
    direction: "the ninth word is the client; of the two figures behind the status the first went to it, the second came from it",
    id: Some(185),
    product: "Digital Arts i-FILTER",
    certainty: Certainty::Inferred,
    read: access,
    allowed: &["pass", "allow", "warn", "override"],
    blocked: &["block*", "deny", "regulation"],
    extracts: Some(&[Url, DstIp, User, SrcIp, Total, Up]),
    sign: Sign {
        all: &["/ ", " [", "] ", "/"],
        any: &[" pass ", " block "],
        none: &["CEF:", "LEEF:", "DIRECT/", "HIER_"],
        ..NO_SIGN
    },
    ..BASE
};

pub(super) const FORMATS: &[Format] = &[
    I_FILTER,
    Format {
        log_type: "I_FILTER_SYSLOG",
        sample: sample!("digitalarts/I_FILTER_SYSLOG"),
        id: Some(186),
        envelope: Envelope::Syslog,
        ..I_FILTER
    },
];

fn access<'l>(fields: &mut Fields<'l>) -> Kind {
    let body = fields.body;
    let Some((head, rest)) = text::after(body, " [").map(|rest| (text::before(body, " ["), rest)) else {
        return Kind::Reject(Reject("the line has no start time in brackets"));
    };
    // The syslog form may write the product in brackets first.
    let (head, rest) = match text::after(rest, " [") {
        Some(rest) if head.is_empty() || rest.first().is_some_and(u8::is_ascii_digit) && !text::has(head, "/ ") => {
            (text::before(text::after(body, " [").unwrap_or_default(), " ["), rest)
        }
        _ => (head, rest),
    };
    let Some(time) = memchr::memchr(b']', rest).map(|end| &rest[..end]) else {
        return Kind::Reject(Reject("the line has no start time in brackets"));
    };
    fields.set(Slot::Time, time);
    // From the bracket backwards: user, client name, client, peer, server.
    let mut before = head.rsplit(|c| *c == b' ').filter(|word| !word.is_empty());
    for slot in [Slot::User, Slot::Skip, Slot::Src, Slot::Skip, Slot::A] {
        fields.set(slot, before.next().unwrap_or_default());
    }
    let (server, port) = text::split_last(fields.get(Slot::A), b':');
    fields.set(Slot::Dst, server);
    fields.set(Slot::Port, port);
    let mut words = text::words(&rest[time.len() + 1..]);
    let status = words.next().unwrap_or_default();
    for slot in [Slot::Down, Slot::Up, Slot::Action] {
        fields.set(slot, words.next().unwrap_or_default());
    }
    if number(status).is_none() || number(fields.get(Slot::Down)).is_none() {
        return Kind::Reject(Reject("no status and byte counts follow the start time"));
    }
    let request = text::between(&rest[time.len()..], "\"", "\"").unwrap_or_default();
    fields.set(Slot::Url, text::word(text::word(request).1).0);
    Kind::Record
}
