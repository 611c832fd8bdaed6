//! Menlo Security isolation platform (MSIP), CEF. The keys are not public: read by the CEF dictionary's names, `out` being
//! what the client sent, as most gateways mean it.

use super::prelude::*;

static CEF: Cef = Cef { names: NAMES };

const NAMES: Names = &[
    ("rt", Slot::Time),
    ("src", Slot::Src),
    ("suser", Slot::User),
    ("dhost", Slot::Host),
    ("request", Slot::Url),
    ("dst", Slot::Dst),
    ("dpt", Slot::Port),
    ("in", Slot::Down),
    ("out", Slot::Up),
    ("act", Slot::Action),
    ("dvchost", Slot::Device),
];

pub(super) const FORMATS: &[Format] = &[Format {
    log_type: "MENLO_SECURITY_CEF",
    sample: sample!("menlo/MENLO_SECURITY_CEF"),
    direction: "`src` is the client; `out` is taken for what it sent, `in` for what it got",
    id: Some(224),
    product: "Menlo Security (CEF)",
    certainty: Certainty::Inferred,
    envelope: Envelope::Optional,
    dialect: Dialect::Cef(&CEF),
    allowed: &["allow*", "isolate*", "permit*"],
    blocked: &["block*", "deny", "denied"],
    extracts: Some(&[Url, DstIp, User, SrcIp, Total, Up]),
    sign: Sign { any: &["|Menlo Security|"], ..NO_SIGN },
    ..BASE
}];
