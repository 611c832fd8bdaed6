//! From one state of a script target to another without the whole: what goes, what comes, in an order that the appliance
//! accepts; and the way back, which is the same from the other end.
//!
//! A state is what the strict reader finds in the published files: items with their numbers and objects. An item whose
//! number or object changed goes and comes. A list that was not there comes whole, and one that ends is undone where the
//! appliance cannot be left with an empty container. Where items moved between objects the old ones are undone and the
//! new list comes whole: only transactional appliances have objects.

use super::appliance::{Appliance, Delta, Parameters, Split};
use super::plan::Atom;
use super::read::{self, Found, Mismatch};
use super::write::{self, File};
use std::collections::{BTreeSet, HashSet};

/// A change and its inverse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripts {
    /// From the former state to the new one.
    pub delta: Vec<u8>,
    /// From the new state back to the former one.
    pub inverse: Vec<u8>,
}

/// The scripts between two versions; `None` for a target that only takes the whole. No files are a list that is not
/// there.
///
/// # Errors
/// When one of the versions is not what we write.
pub fn scripts(
    appliance: &Appliance,
    parameters: &Parameters,
    old: &[File],
    new: &[File],
) -> Result<Option<Scripts>, Mismatch> {
    let Some(delta) = appliance.delta else { return Ok(None) };
    let step = Step { appliance, parameters, delta };
    let (before, after) = (step.state(old)?, step.state(new)?);
    Ok(Some(Scripts { delta: step.between(&before, &after), inverse: step.between(&after, &before) }))
}

struct Step<'a> {
    appliance: &'a Appliance,
    parameters: &'a Parameters,
    delta: Delta,
}

struct State<'f> {
    files: &'f [File],
    items: Vec<Found>,
}

impl State<'_> {
    fn buckets(&self) -> u32 {
        self.items.iter().filter_map(|item| item.bucket).max().unwrap_or(1)
    }

    /// The objects that hold something.
    fn objects(&self) -> BTreeSet<u32> {
        self.items.iter().filter_map(|item| item.bucket).collect()
    }

    fn whole(&self) -> Vec<u8> {
        self.files.iter().flat_map(|file| file.bytes.iter().copied()).collect()
    }
}

fn atoms<'i>(items: impl Iterator<Item = &'i Found>) -> Vec<Atom<'i>> {
    items
        .map(|item| Atom {
            kind: item.kind,
            value: &item.value,
            number: item.number.unwrap_or(0),
            bucket: item.bucket.unwrap_or(1),
        })
        .collect()
}

impl Step<'_> {
    fn state<'f>(&self, files: &'f [File]) -> Result<State<'f>, Mismatch> {
        Ok(State { files, items: read::items(self.appliance, self.parameters, files)? })
    }

    fn undo(&self, state: &State<'_>) -> Vec<u8> {
        let all = atoms(state.items.iter());
        write::rounds(self.appliance, self.parameters, &[(self.appliance.undo, &all, state.buckets())])
    }

    fn between(&self, from: &State<'_>, to: &State<'_>) -> Vec<u8> {
        let objects = self.appliance.split == Split::Objects;
        match (from.items.is_empty(), to.items.is_empty()) {
            (true, true) => return Vec::new(),
            (true, false) => return to.whole(),
            (false, true) if to.files.is_empty() || self.appliance.adds_first || objects => return self.undo(from),
            _ => {}
        }
        if objects && from.objects() != to.objects() {
            let mut text = self.undo(from);
            text.extend(to.whole());
            return text;
        }
        let (old, new): (HashSet<&Found>, HashSet<&Found>) = (from.items.iter().collect(), to.items.iter().collect());
        let gone = atoms(from.items.iter().filter(|item| !new.contains(item)));
        let come = atoms(to.items.iter().filter(|item| !old.contains(item)));
        if gone.is_empty() && come.is_empty() {
            return Vec::new();
        }
        let mut rounds = [(self.delta.remove, &*gone, from.buckets()), (self.delta.add, &*come, to.buckets())];
        if self.appliance.adds_first {
            rounds.reverse();
        }
        write::rounds(self.appliance, self.parameters, &rounds)
    }
}

#[cfg(test)]
#[path = "delta_tests.rs"]
mod tests;
