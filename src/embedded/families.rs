//! What the further families of the API remember: alerts, activities, entities, IP ranges, and who used which app when.
//!
//! One JSON file beside the service's own, replaced atomically. An upload is taken in once: its number is kept with
//! what came of it, in the same write. Everything is bounded; the oldest goes first.

use super::store::random;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Most records of one family.
pub(super) const MOST_RECORDS: usize = 20_000;
/// Most users and most addresses, of the tenant and of an app.
pub(super) const MOST_ENTITIES: usize = 10_000;
/// Days that reports reach back.
pub(super) const MOST_DAYS: i64 = 90;

/// A user or an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entity {
    /// Whether it is an address.
    pub address: bool,
    /// Milliseconds.
    pub last_seen: i64,
    pub transactions: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
    /// A user's addresses.
    pub accounts: BTreeSet<String>,
    /// Uploads of logs in which the user appeared, and the mean bytes sent in one.
    pub logs: u64,
    pub usual_up: u64,
}

/// One day of one app in one report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Day {
    pub transactions: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
}

/// One app in one report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Usage {
    /// By day of the Unix epoch.
    pub days: BTreeMap<i64, Day>,
    /// Last day seen.
    pub users: BTreeMap<String, i64>,
    pub addresses: BTreeMap<String, i64>,
    /// Milliseconds.
    pub last_seen: i64,
}

/// How a data source usually delivers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rhythm {
    pub name: String,
    pub logs: u64,
    /// Milliseconds.
    pub last: i64,
    /// Mean milliseconds between two logs.
    pub gap: i64,
    /// Whether its silence was told.
    pub told: bool,
}

/// Everything kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// Documents as they are served, oldest first.
    pub alerts: Vec<Value>,
    pub activities: Vec<Value>,
    pub subnets: Vec<Value>,
    pub entities: BTreeMap<String, Entity>,
    /// By stream id, then by app.
    pub usage: BTreeMap<String, BTreeMap<u32, Usage>>,
    pub rhythms: BTreeMap<String, Rhythm>,
    /// The last upload taken in: they come in the order of their numbers.
    pub imported: u64,
    /// Counted up for ids.
    pub issued: u64,
    /// The verdict as last looked at.
    pub banned: Option<BTreeSet<u32>>,
}

impl Kept {
    /// Drops what is over the bounds.
    fn trim(&mut self, today: i64) {
        for list in [&mut self.alerts, &mut self.activities] {
            let over = list.len().saturating_sub(MOST_RECORDS);
            list.drain(..over);
        }
        if self.entities.len() > 2 * MOST_ENTITIES {
            let mut ages: Vec<i64> = self.entities.values().map(|entity| entity.last_seen).collect();
            ages.sort_unstable();
            let oldest = ages[ages.len() - 2 * MOST_ENTITIES];
            self.entities.retain(|_, entity| entity.last_seen >= oldest);
        }
        for usage in self.usage.values_mut().flat_map(BTreeMap::values_mut) {
            usage.days.retain(|day, _| today - day <= MOST_DAYS);
            usage.users.retain(|_, day| today - *day <= MOST_DAYS);
            usage.addresses.retain(|_, day| today - *day <= MOST_DAYS);
        }
    }

    /// A fresh id of 24 hexadecimal digits that sorts by age.
    pub(super) fn id(&mut self, now: i64) -> Result<String> {
        self.issued += 1;
        let random = random()?;
        Ok(format!("{:08x}{:08x}{}", (now / 1_000) & 0xffff_ffff, self.issued & 0xffff_ffff, &random[..8]))
    }
}

/// The file and what is in it.
pub(super) struct Families {
    path: PathBuf,
    kept: Mutex<Kept>,
}

impl Families {
    /// Reads the file; a missing one means that nothing happened yet.
    pub(super) fn open(dir: &Path) -> Result<Families> {
        let path = dir.join("families.json");
        let failed = |error: String| Error::failed(format!("cannot use {}", path.display())).cause(error);
        let kept = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(failed(error.to_string())),
        };
        Ok(Families { path, kept: Mutex::new(kept) })
    }

    /// Looks at what is kept.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Kept) -> T) -> T {
        look(&self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what is kept; it is on disk when this returns. `now` in milliseconds.
    pub(super) fn change<T>(&self, now: i64, change: impl FnOnce(&mut Kept) -> Result<T>) -> Result<T> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let value = change(&mut kept)?;
        kept.trim(day(now));
        let failed = |error: String| Error::failed(format!("cannot write {}", self.path.display())).cause(error);
        let text = serde_json::to_vec(&*kept).map_err(|error| failed(error.to_string()))?;
        let beside = self.path.with_extension("json.tmp");
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&beside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&beside, &self.path)
        };
        write().map_err(|error| failed(error.to_string()))?;
        Ok(value)
    }
}

/// The day of the Unix epoch that a moment in milliseconds lies in.
pub(super) fn day(millis: i64) -> i64 {
    millis.div_euclid(86_400_000)
}

/// Now, in milliseconds.
pub(super) fn millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Milliseconds as the service writes times in text.
pub(super) fn iso(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
        .unwrap_or_default()
}
