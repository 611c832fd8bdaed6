//! THE registry of log types: one file per vendor, one line here.

mod squid;

use super::Format;

const ALL: &[&[Format]] = &[squid::FORMATS];

/// Every log type that can be read.
pub fn all() -> impl Iterator<Item = &'static Format> {
    ALL.iter().copied().flatten()
}

/// The log type of this name.
pub fn find(log_type: &str) -> Option<&'static Format> {
    all().find(|format| format.log_type == log_type)
}
