//! Publishing: from a verdict to a list in force, or to nothing at all.
//!
//! ```text
//! lock ► what an interrupted run left is taken back ► plan, render ► the same as what is in force? ► guards
//!      ► written beside, synced ► checked by the real program ► intent recorded ► renamed ► hook ► end recorded
//! ```
//!
//! * A reader of the list sees an old or a new version, never half of one. A `kill -9` at any point leaves a ledger that
//!   says so: a version that is still `writing` was interrupted, and the next run puts the last good one back first.
//! * A list that is the same touches nothing. The ledger's content, not the file's date, decides what is the same.
//! * What is too much, empty, or not ours to replace is held until a person accepts it.
//! * The hook decides: when it fails or hangs, the last good version is put back and the hook runs for that.

mod check;
pub mod files;
pub mod program;
mod put;
pub mod snapshot;

pub use put::rollback;

use self::files::Place;
use self::program::Stop;
use self::snapshot::{Change, Left, Snapshot};
use super::appliance::{Appliance, Parameters};
use super::guard::Guards;
use super::plan::Plan;
use super::report::Counts;
use super::verdict::Verdict;
use super::write::{self, File};
use super::{delta, plan, read};
use crate::domain::{Digest, MaxChange, TenantName};
use crate::error::{Error, Kind, Result};
use crate::ledger::{Ledger, ListFile, NewPublication, Publication, PublicationState};
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::Duration;

/// A list as configured, checked.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub tenant: TenantName,
    /// What it is rendered for.
    pub appliance: &'static Appliance,
    /// The appliance's own names and model.
    pub parameters: Parameters,
    /// Where it goes.
    pub output: PathBuf,
    /// How much may change at once.
    pub max_change: MaxChange,
    /// The hook: a program with its arguments; empty for none.
    pub after: Vec<String>,
    /// How long the hook may take.
    pub after_limit: Duration,
    /// Whether the program of the host checks it.
    pub validate: bool,
    /// Whether the date stands in it.
    pub date: bool,
    /// Whether an entry that is not as meant keeps it from being published.
    pub strict: bool,
}

/// Where publishing happens.
#[derive(Clone)]
pub struct World {
    /// The memory.
    pub ledger: Ledger,
    /// Locks lie here.
    pub state_dir: PathBuf,
    /// Where programs are looked for.
    pub path: String,
    /// Says when to stop.
    pub stop: Stop,
}

/// What a person allows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Orders {
    /// Publish what would be held, but not an empty list.
    pub accept: bool,
    /// Publish an empty list in place of a full one.
    pub accept_empty: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// How it ended, when nothing went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What is in force is right.
    Unchanged,
    /// This version is in force now.
    Published,
    /// It would be published.
    WouldPublish,
    /// It waits for a person: why, and what to do.
    Held(String, String),
}

/// What came of a list.
#[derive(Debug, Clone)]
pub struct Report {
    /// The list.
    pub list: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The version in force now.
    pub version: Option<u32>,
    /// From the version that was in force.
    pub change: Change,
    /// What became of the inputs.
    pub counts: Counts,
    /// Inputs that are not in the list as meant.
    pub left: Vec<Left>,
    /// The program that checked it.
    pub checked_by: Option<&'static str>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Held for as long as a list is worked on.
struct Lock {
    _file: std::fs::File,
}

impl Target {
    fn lock(&self, world: &World) -> Result<Lock> {
        let dir = world.state_dir.join("lists");
        let path = dir.join(format!("{}.lock", self.name));
        let failed = |error: std::io::Error| {
            Error::failed(format!("cannot lock {}", path.display()))
                .cause(error)
                .hint("give the state directory to the user logweir runs as, and free space on its disk")
        };
        std::fs::create_dir_all(&dir).map_err(failed)?;
        let file = std::fs::File::options().create(true).append(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => {
                Err(Error::new(Kind::Locked, format!("another logweir is publishing the list {}", self.name))
                    .hint("try again when it is done"))
            }
            Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// The rendered files with their places.
    fn files(&self, verdict: &Verdict, plan: &mut Plan<'_>, date: Option<Timestamp>) -> Result<Vec<ListFile>> {
        let files = write::whole(self.appliance, &self.parameters, verdict, plan, date)?;
        Ok(files.into_iter().map(|file| self.placed(file)).collect())
    }

    /// A list's pages with the scripts that lead to it from the old version and back, where the target takes such.
    fn with_scripts(&self, mut pages: Vec<ListFile>, old: &[ListFile], notes: &mut Vec<String>) -> Vec<ListFile> {
        match self.scripts(old, &pages) {
            Ok(None) => {}
            Ok(Some(scripts)) => {
                for (role, bytes) in [("delta", scripts.delta), ("inverse", scripts.inverse)] {
                    pages.push(self.placed(File { role, part: 0, bytes }));
                }
            }
            Err(mismatch) => notes.push(format!("no delta from the version before, which reads otherwise: {mismatch}")),
        }
        pages
    }

    /// The scripts between two versions, where the target takes such.
    ///
    /// # Errors
    /// When one of them is not what we write with the parameters as they are now.
    pub fn scripts(
        &self,
        old: &[ListFile],
        new: &[ListFile],
    ) -> std::result::Result<Option<delta::Scripts>, read::Mismatch> {
        let known = |files| as_read(self.appliance, &self.parameters, files);
        delta::scripts(self.appliance, &self.parameters, &known(old), &known(new))
    }

    /// What a verdict would be published as now, without its date.
    ///
    /// # Errors
    /// When the list cannot be rendered.
    pub fn preview(&self, verdict: &Verdict, guards: &Guards) -> Result<Version> {
        let mut plan = plan::plan(self.appliance, &self.parameters, verdict, guards)?;
        let files = self.files(verdict, &mut plan, None)?;
        let now = Timestamp::now().as_second();
        Ok(Version { snapshot: Snapshot::of(verdict, &plan, &Snapshot::default(), now), files })
    }

    fn placed(&self, file: File) -> ListFile {
        let path = file.path(&self.output);
        ListFile { role: file.role.to_owned(), part: file.part, path, bytes: file.bytes }
    }
}

/// The files of a version as the reader takes them; those that are no page of the target are left out.
fn as_read(appliance: &Appliance, parameters: &Parameters, files: &[ListFile]) -> Vec<File> {
    let role = |name: &str| appliance.pages(parameters).iter().map(|page| page.role).find(|role| *role == name);
    let known = files.iter().filter_map(|file| Some((role(&file.role)?, file)));
    known.map(|(role, file)| File { role, part: file.part, bytes: file.bytes.clone() }).collect()
}

/// Of roles, numbers and bytes: two lists with the same digest are the same, wherever they lie.
fn digest(files: &[ListFile]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(file.role.as_bytes());
        hasher.update(&[0]);
        hasher.update(&file.part.to_le_bytes());
        hasher.update(&(file.bytes.len() as u64).to_le_bytes());
        hasher.update(&file.bytes);
    }
    Digest(*hasher.finalize().as_bytes())
}

/// Whether the disk holds these files.
fn in_place(files: &[ListFile]) -> bool {
    !files.is_empty() && files.iter().all(|file| std::fs::read(&file.path).is_ok_and(|bytes| bytes == file.bytes))
}

/// The entries and files of a version.
#[derive(Debug, Clone, Default)]
pub struct Version {
    /// Its entries.
    pub snapshot: Snapshot,
    /// Its files.
    pub files: Vec<ListFile>,
}

/// A version of a list that was in force; zero is no list at all.
///
/// # Errors
/// When there is none of this number, or its content was let go.
pub fn version(list: &str, number: u32, ledger: &Ledger) -> Result<Version> {
    let history = format!("logweir block history --list {list} lists its versions");
    if number == 0 {
        return Ok(Version::default());
    }
    if ledger.publication(list, number)?.is_none() {
        return Err(Error::failed(format!("the list {list} has no version {number}")).hint(history));
    }
    let files = ledger.published_files(list, number)?;
    match ledger.published_verdict(list, number)? {
        Some(bytes) if !files.is_empty() => Ok(Version { snapshot: Snapshot::read(&bytes)?, files }),
        _ => Err(Error::failed(format!("the content of version {number} of {list} is not kept")).hint(history)),
    }
}

/// The items of a version as the appliance reads them; `None` when it is not what we write.
pub fn items(appliance: &Appliance, parameters: &Parameters, files: &[ListFile]) -> Option<Vec<read::Found>> {
    read::items(appliance, parameters, &as_read(appliance, parameters, files)).ok()
}

/// The version in force with all it holds.
struct Former {
    publication: Publication,
    snapshot: Snapshot,
    files: Vec<ListFile>,
}

fn former(world: &World, list: &str) -> Result<Option<Former>> {
    let Some(publication) = world.ledger.published(list)? else { return Ok(None) };
    let bytes = world.ledger.published_verdict(list, publication.version)?;
    let snapshot = bytes.map(|bytes| Snapshot::read(&bytes)).transpose()?.unwrap_or_default();
    let files = world.ledger.published_files(list, publication.version)?;
    Ok(Some(Former { publication, snapshot, files }))
}

/// Takes back what an interrupted run left; says whether there was one.
fn recover(list: &Target, world: &World, notes: &mut Vec<String>) -> Result<bool> {
    let unfinished = world.ledger.unfinished_publications(&list.name)?;
    let Some(newest) = unfinished.last() else { return Ok(false) };
    let good = world.ledger.good_before(&list.name, *newest)?;
    let good = good.map(|good| world.ledger.published_files(&list.name, good.version)).transpose()?.unwrap_or_default();
    for version in &unfinished {
        for file in world.ledger.published_files(&list.name, *version)? {
            let place = Place::at(&file.path)?;
            place.discard();
            let was = good.iter().find(|good| good.path == file.path);
            // Only what the interrupted run put there is taken away.
            if was.is_none() && place.content()?.as_ref() == Some(&file.bytes) {
                place.restore(None)?;
            }
        }
    }
    for file in &good {
        let place = Place::at(&file.path)?;
        if place.content()?.as_ref() != Some(&file.bytes) {
            place.restore(Some(&file.bytes))?;
        }
    }
    for version in unfinished {
        let note = "the run was cut off; the last good version was put back";
        world.ledger.end_publication(&list.name, version, PublicationState::Interrupted, Some(note), None)?;
        notes.push(format!("version {version} of {} had been cut off; the last good version was put back", list.name));
    }
    Ok(true)
}

/// Publishes a list, if there is something to publish and nothing against it.
///
/// # Errors
/// When it cannot be rendered, written, checked, or when the hook does not take it: then the last good version is in
/// place. Kind `Locked` when another process works on the list.
pub async fn publish(
    list: &Target,
    verdict: &Verdict,
    guards: &Guards,
    orders: Orders,
    world: &World,
) -> Result<Report> {
    let _lock = list.lock(world)?;
    let mut notes = Vec::new();
    let recovered = !orders.dry_run && recover(list, world, &mut notes)?;
    let former = former(world, &list.name)?;
    let mut plan = plan::plan(list.appliance, &list.parameters, verdict, guards)?;
    let counts = Counts::of(verdict, &plan);
    let plain = list.files(verdict, &mut plan, None)?;
    let now = Timestamp::now();
    let before = former.as_ref().map(|former| &former.snapshot);
    let empty = Snapshot::default();
    let snapshot = Snapshot::of(verdict, &plan, before.unwrap_or(&empty), now.as_second());
    let change = Change::between(before.unwrap_or(&empty), &snapshot).with_ends(verdict);
    let mut report = Report {
        list: list.name.clone(),
        outcome: Outcome::Unchanged,
        version: former.as_ref().map(|former| former.publication.version),
        change,
        counts,
        left: snapshot.left.clone(),
        checked_by: None,
        notes,
    };
    if list.strict && counts.not_as_meant() > 0 {
        let first =
            report.left.first().map(|Left(value, word, why)| format!("{value}: {}: {why}", word.replace('_', " ")));
        return Err(Error::failed(format!("{}: {} entries are not as meant", list.name, counts.not_as_meant()))
            .cause(first.unwrap_or_else(|| counts.to_string()))
            .hint("nothing was published; strict = false publishes what can be said"));
    }
    let digest = digest(&plain);
    let paths = |files: &[ListFile]| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
    if let Some(former) = &former
        && former.publication.digest == digest
        && former.publication.appliance == list.appliance.name
        && !recovered
    {
        // A delta is used once and may be gone.
        let pages: Vec<ListFile> = former.files.iter().filter(|file| !is_script(file)).cloned().collect();
        let same_places = paths(&pages) == paths(&plain);
        if same_places && in_place(&pages) {
            if !orders.dry_run {
                let state = snapshot.bytes()?;
                if former.snapshot != snapshot {
                    world.ledger.restate_verdict(&list.name, former.publication.version, &state)?;
                }
                world.ledger.list_checked(&list.name, None)?;
                if orders.accept {
                    world.ledger.unpin_list(&list.name)?;
                }
            }
            return Ok(report);
        }
        if same_places {
            report.notes.push(format!("{} was changed by another hand; it is written again", list.output.display()));
        }
    }
    report.notes.extend(report.change.ends());
    let foreign = if former.is_none() { foreign(list, &plain, world)? } else { None };
    if let Some((why, hint)) =
        objection(list, former.as_ref(), foreign.is_some(), &snapshot, &report.change, orders, world)?
    {
        if !orders.dry_run {
            world.ledger.list_checked(&list.name, Some(&why))?;
        }
        report.outcome = Outcome::Held(why, hint);
        return Ok(report);
    }
    if orders.dry_run {
        report.outcome = Outcome::WouldPublish;
        return Ok(report);
    }
    if let Some(found) = &foreign {
        record_found(list, found, world)?;
    }
    let files = if list.date { list.files(verdict, &mut plan, Some(now))? } else { plain };
    let old = former.as_ref().map_or(&[][..], |former| &former.files);
    let files = list.with_scripts(files, old, &mut report.notes);
    let state = snapshot.bytes()?;
    let note = report.notes.last().cloned();
    let new = NewPublication {
        list: &list.name,
        tenant: &list.tenant,
        appliance: list.appliance.name,
        digest,
        entries: snapshot.entries.len() as u64,
        added: report.change.added.len() as u64,
        removed: report.change.removed.len() as u64,
        note: note.as_deref(),
        verdict: &state,
        files: &files,
    };
    let put = put::put(list, &new, old, None, world).await?;
    report.version = Some(put.version);
    report.checked_by = put.checked_by;
    report.notes.extend(put.notes);
    report.outcome = Outcome::Published;
    Ok(report)
}

/// Whether a file of a version is a delta or its inverse, not a page of the list.
pub(super) fn is_script(file: &ListFile) -> bool {
    matches!(file.role.as_str(), "delta" | "inverse")
}

/// Files that lie where a list is published for the first time and do not hold what it would hold.
fn foreign(list: &Target, plain: &[ListFile], world: &World) -> Result<Option<Vec<ListFile>>> {
    // What one went back to counts as known.
    if world.ledger.good_before(&list.name, u32::MAX)?.is_some() {
        return Ok(None);
    }
    let mut found = Vec::new();
    for file in plain {
        if let Some(bytes) = Place::at(&file.path)?.content()? {
            found.push(ListFile { bytes, ..file.clone() });
        }
    }
    let items = |files: &[ListFile]| {
        read::files(list.appliance, &list.parameters, &as_read(list.appliance, &list.parameters, files))
    };
    let ours = found.len() == plain.len() && items(&found).is_ok_and(|there| items(plain) == Ok(there));
    Ok(Some(found).filter(|found| !found.is_empty() && !ours))
}

fn record_found(list: &Target, found: &[ListFile], world: &World) -> Result<()> {
    let state = Snapshot::default().bytes()?;
    let known = NewPublication {
        list: &list.name,
        tenant: &list.tenant,
        appliance: list.appliance.name,
        digest: digest(found),
        entries: 0,
        added: 0,
        removed: 0,
        note: Some("it was there before the first publication"),
        verdict: &state,
        files: found,
    };
    world.ledger.record_found(&known).map(|_| ())
}

/// What speaks against publishing, and what a person can do about it.
fn objection(
    list: &Target,
    former: Option<&Former>,
    foreign: bool,
    snapshot: &Snapshot,
    change: &Change,
    orders: Orders,
    world: &World,
) -> Result<Option<(String, String)>> {
    let name = &list.name;
    let accept =
        format!("logweir block diff --list {name} shows it; logweir block publish --list {name} --accept publishes it");
    let had = former.map_or(0, |former| former.snapshot.entries.len() as u64);
    if snapshot.entries.is_empty() && had > 0 && !orders.accept_empty {
        let why = format!("the new list is empty, and the one in force has {had} entries");
        let hint = format!(
            "look at its sources; logweir block publish --list {name} --accept-empty publishes it all the same"
        );
        return Ok(Some((why, hint)));
    }
    if orders.accept || (orders.accept_empty && snapshot.entries.is_empty()) {
        return Ok(None);
    }
    if let Some(version) = world.ledger.list_state(name)?.pinned {
        let why = format!("a person went back to version {version}");
        return Ok(Some((why, accept)));
    }
    if foreign {
        let why = format!("{} is there already and was not written by logweir", list.output.display());
        let hint =
            format!("logweir block publish --list {name} --accept replaces it and keeps it as a version to go back to");
        return Ok(Some((why, hint)));
    }
    let most = list.max_change.of(had);
    if former.is_some() && change.size() > most {
        let (added, removed) = (change.added.len(), change.removed.len());
        let why = format!(
            "{added} entries would come and {removed} go, of {had} in force; max_change is {}, so at most {most}",
            list.max_change
        );
        return Ok(Some((why, accept)));
    }
    Ok(None)
}
