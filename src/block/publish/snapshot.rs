//! What a version of a list holds, as the ledger keeps it: entries with who asks for them and since when, and what was
//! left out. Differences between two versions come from here.

use crate::block::plan::{Outcome, Plan, is_rendered};
use crate::block::report;
use crate::block::verdict::{Fate, Scope, Verdict};
use crate::error::{Error, Result};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};

/// One entry: scope, value, its claims, its end date, and the second since which it is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved(pub Scope, pub String, pub Vec<u32>, pub Option<String>, pub i64);

/// Who asks for an entry: app, reason, and the source's number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedClaim(pub String, pub String, pub u32);

/// An input that is not in the list as meant: its value, its end, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left(pub String, pub String, pub String);

/// The entries of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The names of the sources.
    pub sources: Vec<String>,
    /// Who asks.
    pub claims: Vec<SavedClaim>,
    /// What is blocked, in the order of the list.
    pub entries: Vec<Saved>,
    /// What is not in the list as meant; the first thousand.
    #[serde(default)]
    pub left: Vec<Left>,
}

/// Inputs not as meant that are kept with a version; the rest is in the account of `block render`.
const LEFT: usize = 1_000;

impl Snapshot {
    /// What a plan makes of a verdict at `now`; an entry that the former version had keeps its time.
    pub fn of(verdict: &Verdict, plan: &Plan<'_>, former: &Snapshot, now: i64) -> Snapshot {
        let since: HashMap<(Scope, &str), i64> =
            former.entries.iter().map(|Saved(scope, value, _, _, since)| ((*scope, value.as_str()), *since)).collect();
        let in_force = |outcome: &Outcome| is_rendered(outcome) || matches!(outcome, Outcome::Covered(_));
        let kept = verdict.entries.iter().zip(&plan.outcomes).filter(|(_, outcome)| in_force(outcome));
        let entries = kept.map(|(entry, _)| {
            let claims = std::iter::once(entry.claim).chain(entry.others.iter().copied()).collect();
            let since = since.get(&(entry.scope, &*entry.value)).copied().unwrap_or(now);
            let until = entry.until.map(|date| date.to_string());
            Saved(entry.scope, entry.value.to_string(), claims, until, since)
        });
        let left = report::told(verdict, plan).take(LEFT);
        let shown = |text: &str| text.chars().take(300).collect::<String>();
        Snapshot {
            sources: verdict.sources.clone(),
            claims: verdict
                .claims
                .iter()
                .map(|claim| SavedClaim(claim.app.to_string(), claim.reason.to_string(), claim.source))
                .collect(),
            left: left.map(|row| Left(shown(row.value), row.word.key().to_owned(), row.detail)).collect(),
            entries: entries.collect(),
        }
    }

    /// Reads what [`Snapshot::bytes`] wrote.
    ///
    /// # Errors
    /// When the ledger's text is not one.
    pub fn read(bytes: &[u8]) -> Result<Snapshot> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::failed("the entries of a publication in the ledger are damaged").cause(error))
    }

    /// The form in which the ledger keeps it.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::failed("cannot write the entries down").cause(error))
    }

    /// Everyone who asks for an entry.
    pub fn claims_of<'s>(&'s self, entry: &'s Saved) -> impl Iterator<Item = &'s SavedClaim> {
        entry.2.iter().filter_map(|number| self.claims.get(*number as usize))
    }

    /// The name of a claim's source.
    pub fn source_of(&self, claim: &SavedClaim) -> &str {
        self.sources.get(claim.2 as usize).map_or("", String::as_str)
    }

    /// The apps of an entry, comma-separated.
    pub fn apps_of(&self, entry: &Saved) -> String {
        let apps: BTreeSet<&str> =
            self.claims_of(entry).map(|claim| claim.0.as_str()).filter(|app| !app.is_empty()).collect();
        apps.into_iter().collect::<Vec<_>>().join(", ")
    }

    fn apps(&self) -> BTreeSet<&str> {
        let claims = self.entries.iter().flat_map(|entry| self.claims_of(entry));
        claims.map(|claim| claim.0.as_str()).filter(|app| !app.is_empty()).collect()
    }

    /// Whether an entry ends by this day: the publication of that day drops it.
    pub fn ends_by(&self, day: Date) -> bool {
        let until = |entry: &Saved| entry.3.as_deref().and_then(|text| text.parse::<Date>().ok());
        self.entries.iter().filter_map(until).any(|until| until <= day)
    }
}

/// An entry that came or went, with its apps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What of the value is meant.
    pub scope: Scope,
    /// The value.
    pub value: String,
    /// The apps.
    pub apps: String,
    /// Its end date, where it has one.
    pub until: Option<String>,
}

/// What lies between two versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Entries that came.
    pub added: Vec<Moved>,
    /// Entries that went.
    pub removed: Vec<Moved>,
    /// Apps that came.
    pub apps_added: Vec<String>,
    /// Apps that went.
    pub apps_removed: Vec<String>,
    /// Of the entries that went, those whose end date came: they were meant to go.
    pub ended: Vec<String>,
}

impl Change {
    /// From one version to the next.
    pub fn between(old: &Snapshot, new: &Snapshot) -> Change {
        let keys = |snapshot: &'_ Snapshot| -> HashSet<(Scope, String)> {
            snapshot.entries.iter().map(|entry| (entry.0, entry.1.clone())).collect()
        };
        let missing = |from: &Snapshot, known: &HashSet<(Scope, String)>| -> Vec<Moved> {
            let gone = from.entries.iter().filter(|entry| !known.contains(&(entry.0, entry.1.clone())));
            let moved = |entry: &Saved| {
                let (apps, until) = (from.apps_of(entry), entry.3.clone());
                Moved { scope: entry.0, value: entry.1.clone(), apps, until }
            };
            gone.map(moved).collect()
        };
        let (before, after) = (old.apps(), new.apps());
        let only = |a: &BTreeSet<&str>, b: &BTreeSet<&str>| a.difference(b).map(|app| (*app).to_owned()).collect();
        Change {
            added: missing(new, &keys(old)),
            removed: missing(old, &keys(new)),
            apps_added: only(&after, &before),
            apps_removed: only(&before, &after),
            ended: Vec::new(),
        }
    }

    /// The same change, knowing from the verdict it leads to which entries ended.
    #[must_use]
    pub fn with_ends(mut self, verdict: &Verdict) -> Change {
        if self.removed.iter().all(|moved| moved.until.is_none()) {
            return self;
        }
        let ends = verdict.inputs.iter().filter_map(|input| match &input.fate {
            Fate::Ended(_, value) => Some(&**value),
            _ => None,
        });
        let ends: HashSet<&str> = ends.collect();
        let ended = self.removed.iter().filter(|moved| ends.contains(moved.value.as_str()));
        self.ended = ended.map(|moved| moved.value.clone()).collect();
        self
    }

    /// Entries that came or went, but for those whose end date came.
    pub fn size(&self) -> u64 {
        (self.added.len() + self.removed.len() - self.ended.len()) as u64
    }

    /// Which entries ended, in a few words.
    pub fn ends(&self) -> Option<String> {
        const TOLD: usize = 5;
        let told = self.ended.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = self.ended.len().saturating_sub(TOLD);
        let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!told.is_empty()).then(|| format!("their end date came: {told}{tail}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::guard::Guards;
    use crate::block::name::Reading;
    use crate::block::verdict::{Builder, Raw};
    use crate::block::{appliance, plan};

    fn snapshot(rows: &[(&str, &str)], former: &Snapshot, now: i64) -> Snapshot {
        let guards = Guards::none();
        let mut builder = Builder::new(Reading::default());
        for (text, app) in rows {
            builder.add(Raw { text, app, until: "2026-12-31".parse().ok(), ..Raw::default() });
        }
        let verdict = builder.finish(&guards, None);
        let target = appliance::find("squid_dstdomain").unwrap();
        let parameters = target.parameters(&std::collections::BTreeMap::new()).unwrap();
        let plan = plan::plan(target, &parameters, &verdict, &guards).unwrap();
        Snapshot::of(&verdict, &plan, former, now)
    }

    #[test]
    fn an_entry_keeps_its_time_and_a_version_survives_the_ledger() {
        let one = snapshot(&[("a.example", "A"), ("192.0.2.1", "A")], &Snapshot::default(), 100);
        let two = snapshot(&[("a.example", "A"), ("b.example", "B")], &one, 200);
        let times: Vec<i64> = two.entries.iter().map(|entry| entry.4).collect();
        assert_eq!(times, [100, 200]);
        assert_eq!(
            one.left,
            [Left("192.0.2.1".into(), "not_expressible".into(), "the target takes no addresses".into())]
        );
        assert_eq!(Snapshot::read(&two.bytes().unwrap()).unwrap(), two);
        assert!(two.ends_by("2026-12-31".parse().unwrap()) && !two.ends_by("2026-12-30".parse().unwrap()));
    }

    #[test]
    fn removing_an_app_keeps_what_another_app_needs() {
        let both = [("a.example", "A"), ("shared.example", "A"), ("shared.example", "B"), ("b.example", "B")];
        let old = snapshot(&both, &Snapshot::default(), 1);
        let new = snapshot(&both[2..], &old, 2);
        let change = Change::between(&old, &new);
        let removed: Vec<&str> = change.removed.iter().map(|moved| moved.value.as_str()).collect();
        assert_eq!((removed, change.added.len()), (vec!["a.example"], 0));
        assert_eq!(change.apps_removed, ["A"]);
    }
}
