//! The stages a shipment goes through, and which step is legal from where.

use std::fmt;
use std::str::FromStr;

/// Where a shipment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Its bytes are in the spool, compressed.
    Packed,
    /// Storage has it.
    Stored,
    /// `done_upload` is about to be called, or was.
    Finalising,
    /// The answer to `done_upload` was lost; the service's counters will tell.
    Uncertain,
    /// The service took it.
    Finalised,
    /// The service's counters show that it was processed.
    Confirmed,
    /// The service's counters show that its parser refused it.
    Rejected,
    /// Waits for a person, for the reason recorded.
    Held,
}

const STAGES: [(Stage, &str); 8] = [
    (Stage::Packed, "packed"),
    (Stage::Stored, "stored"),
    (Stage::Finalising, "finalising"),
    (Stage::Uncertain, "uncertain"),
    (Stage::Finalised, "finalised"),
    (Stage::Confirmed, "confirmed"),
    (Stage::Rejected, "rejected"),
    (Stage::Held, "held"),
];

impl Stage {
    /// Whether a shipment may move from `before` to this stage.
    pub(super) fn follows(self, before: Stage) -> bool {
        use Stage::{Confirmed, Finalised, Finalising, Held, Packed, Rejected, Stored, Uncertain};
        match self {
            // A new upload address, a refusal, or a person's retry starts over from the spool.
            Packed => matches!(before, Packed | Stored | Held | Uncertain | Finalising),
            // From finalising: the call surely did not take place.
            Stored => matches!(before, Packed | Finalising),
            Finalising => before == Stored,
            Uncertain => before == Finalising,
            Finalised => matches!(before, Finalising | Uncertain),
            Confirmed | Rejected => before == Finalised,
            Held => matches!(before, Packed | Stored | Finalising),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = STAGES.iter().find(|(stage, _)| stage == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Stage, String> {
        let found = STAGES.iter().find(|(_, name)| *name == text).map(|(stage, _)| *stage);
        found.ok_or_else(|| format!("{text:?} is none of {}", STAGES.map(|(_, name)| name).join(", ")))
    }
}
