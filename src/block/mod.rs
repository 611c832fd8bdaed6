//! Block lists: from the verdict to what an appliance takes, without loss, without harm, and back.
//!
//! ```text
//! sources ► name (clean or refused) ► guard (protected?) ► verdict (each entry once) ► plan (per target) ► write
//!                                                                                         read ◄── proof ──┘
//! ```
//!
//! * **Reject, never escape.** [`name`] lets through what no appliance can read as anything but a name, an address or a
//!   path; [`read`] proves for each target that its text holds our entries and only these.
//! * **Every input exactly once.** [`verdict::Fate`] says what became of an input, [`plan::Outcome`] what a target made
//!   of an entry.
//! * **One description a target.** A file under `appliance/` holds data ([`layout`]); writing, reading back, delta and
//!   undo all come from it. Nothing here does I/O or looks at a clock, but for publishing.

pub mod appliance;
pub mod delta;
pub mod guard;
pub mod layout;
pub mod name;
pub mod official;
pub mod plan;
pub mod publish;
pub mod read;
pub mod report;
pub mod script;
pub mod serve;
pub mod source;
pub mod verdict;
pub mod write;

pub use verdict::Scope;

#[cfg(test)]
mod tests;
