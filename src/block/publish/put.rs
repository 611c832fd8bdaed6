//! Puts a version in place: beside, checked, recorded, renamed, hooked; or all of it back.

use super::check::{self, Checked};
use super::files::Place;
use super::program::{self, Ended};
use super::snapshot::{Change, Snapshot};
use super::{Former, Outcome, Report, Target, World, former, is_script, recover};
use crate::block::report::Counts;
use crate::error::{Error, Kind, Result};
use crate::ledger::{ListFile, NewPublication, PublicationState};
use std::ffi::OsString;
use std::path::PathBuf;

/// What came of it.
pub(super) struct Put {
    pub(super) version: u32,
    pub(super) checked_by: Option<&'static str>,
    pub(super) notes: Vec<String>,
}

/// A file that goes away with this version: one of the old version's, at the same output.
struct Stale {
    place: Place,
    bytes: Vec<u8>,
}

/// Puts a version in place of an old one; `pinned` is the version that a person goes back to with it.
pub(super) async fn put(
    list: &Target,
    new: &NewPublication<'_>,
    old: &[ListFile],
    pinned: Option<u32>,
    world: &World,
) -> Result<Put> {
    let mut notes = Vec::new();
    let places: Vec<Place> = new.files.iter().map(|file| Place::at(&file.path)).collect::<Result<_>>()?;
    let discard = || places.iter().for_each(Place::discard);
    let stale = stale(new.files, old)?;
    for (place, file) in places.iter().zip(new.files) {
        place.write(&file.bytes).inspect_err(|_| discard())?;
    }
    let mut stop = world.stop.clone();
    let checked = check::check(list, new.files, &places, world, &mut stop).await.inspect_err(|_| discard())?;
    let checked_by = match checked {
        Checked::By(program) => Some(program),
        Checked::Nobody(why) => {
            notes.extend(why.map(|why| format!("not checked by a program: {why}")));
            None
        }
    };
    let before: Vec<Option<Vec<u8>>> =
        places.iter().map(Place::content).collect::<Result<_>>().inspect_err(|_| discard())?;
    let version = world.ledger.begin_publication(new).inspect_err(|_| discard())?;
    let back = || -> Result<()> {
        discard();
        for (place, before) in places.iter().zip(&before) {
            if place.content()? != *before {
                place.restore(before.as_deref())?;
            }
        }
        stale.iter().try_for_each(|stale| stale.place.restore(Some(&stale.bytes)))
    };
    let swapped = places
        .iter()
        .try_for_each(Place::swap)
        .and_then(|()| stale.iter().try_for_each(|stale| stale.place.restore(None)));
    if let Err(error) = swapped {
        let returned = back();
        world.ledger.end_publication(&list.name, version, PublicationState::Failed, Some(&error.one_line()), None)?;
        return Err(returned.err().unwrap_or(error));
    }
    if let Err(why) = hook(list, version, new.files, world).await {
        return Err(take_back(list, version, why, old, back, world).await);
    }
    world.ledger.end_publication(&list.name, version, PublicationState::Published, None, pinned)?;
    Ok(Put { version, checked_by, notes })
}

/// Files of the old version that the new one does not have, when both go to the same output.
fn stale(new: &[ListFile], old: &[ListFile]) -> Result<Vec<Stale>> {
    let has = |path: &PathBuf| new.iter().any(|file| file.path == *path);
    let same_output = old.iter().any(|file| has(&file.path));
    let gone = old.iter().filter(|file| same_output && !has(&file.path));
    let mut stale = Vec::new();
    for file in gone {
        let place = Place::at(&file.path)?;
        if let Some(bytes) = place.content()? {
            stale.push(Stale { place, bytes });
        }
    }
    Ok(stale)
}

/// Why a hook did not take a version.
struct Refused {
    what: String,
    cause: String,
    interrupted: bool,
}

async fn hook(list: &Target, version: u32, files: &[ListFile], world: &World) -> std::result::Result<(), Refused> {
    let Some((name, arguments)) = list.after.split_first() else { return Ok(()) };
    let refused = |what: &str, cause: String| {
        Err(Refused { what: format!("the hook of the list {} {what}", list.name), cause, interrupted: false })
    };
    let Some(program) = program::find(name, &world.path) else {
        return refused("is not there", format!("{name} is not on the PATH"));
    };
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let path = |wanted: &dyn Fn(&ListFile) -> bool| {
        files.iter().find(|file| wanted(file)).map_or_else(OsString::new, |file| file.path.clone().into_os_string())
    };
    let variables = [
        ("LOGWEIR_LIST", list.name.clone().into()),
        ("LOGWEIR_VERSION", version.to_string().into()),
        ("LOGWEIR_OUTPUT", path(&|file| !is_script(file))),
        ("LOGWEIR_DELTA", path(&|file| file.role == "delta")),
        ("LOGWEIR_INVERSE", path(&|file| file.role == "inverse")),
    ];
    let mut stop = world.stop.clone();
    match program::run(&program, &arguments, &variables, list.after_limit, &mut stop).await {
        Ended::Well(_) => Ok(()),
        Ended::Badly(status, said) => refused("failed", format!("{status}: {}", program::last_words(&said))),
        Ended::Late => refused("hung", format!("it did not end within {:?} and was killed", list.after_limit)),
        Ended::Missing(why) => refused("could not be started", why),
        Ended::Stopped => refused("was interrupted", "asked to stop".to_owned())
            .map_err(|error| Refused { interrupted: true, ..error }),
    }
}

/// Puts the last good version back and tells the appliance so.
async fn take_back(
    list: &Target,
    version: u32,
    why: Refused,
    old: &[ListFile],
    back: impl Fn() -> Result<()>,
    world: &World,
) -> Error {
    let good = world.ledger.good_before(&list.name, version).ok().flatten().map(|good| good.version);
    let kind = if why.interrupted { Kind::Interrupted } else { Kind::Failed };
    if let Err(error) = back() {
        let note =
            format!("{}: {}; putting the last good version back failed: {}", why.what, why.cause, error.one_line());
        // The first failure is the one to tell; the ledger still says that this version is not done.
        return Error::new(kind, note)
            .hint("mend that and run logweir block publish again: it puts the list right first");
    }
    let note = format!("{}: {}", why.what, why.cause);
    if let Err(error) = world.ledger.end_publication(&list.name, version, PublicationState::Failed, Some(&note), None) {
        return error;
    }
    let mut hint = match good {
        Some(good) => format!("version {good} is back in place"),
        None => "what was there before is there again".to_owned(),
    };
    // The appliance may have read the version that is gone. Asked to stop, there is no time for this.
    if let (Some(good), false) = (good, why.interrupted) {
        hint.push_str(match hook(list, good, old, world).await {
            Ok(()) => ", and the hook took it",
            Err(_) => "; the hook does not take that either, so look at the appliance",
        });
    }
    Error::new(kind, why.what).cause(why.cause).hint(hint)
}

/// Goes back to a version: the newest good one before the one in force, or the one named. The list stays there until a
/// person accepts something newer.
///
/// # Errors
/// When there is no such version, or its content was let go; else as [`super::publish`].
pub async fn rollback(list: &Target, version: Option<u32>, world: &World) -> Result<Report> {
    let _lock = list.lock(world)?;
    let mut notes = Vec::new();
    recover(list, world, &mut notes)?;
    let Some(Former { publication, snapshot, files: old }) = former(world, &list.name)? else {
        return Err(Error::failed(format!("nothing was published of the list {}", list.name))
            .hint(format!("logweir block publish --list {} publishes it", list.name)));
    };
    let wanted = match version {
        Some(version) => world.ledger.publication(&list.name, version)?,
        None => world.ledger.good_before(&list.name, publication.version)?,
    };
    let history = format!("logweir block history --list {} lists its versions", list.name);
    let wanted = wanted.filter(|wanted| matches!(wanted.state, PublicationState::Published | PublicationState::Found));
    let Some(wanted) = wanted else {
        let what =
            version.map_or("has no earlier version".to_owned(), |version| format!("has no good version {version}"));
        return Err(Error::failed(format!("the list {} {what}", list.name)).hint(history));
    };
    let content = world.ledger.published_files(&list.name, wanted.version)?;
    let verdict = world.ledger.published_verdict(&list.name, wanted.version)?;
    let (Some(verdict), false) = (verdict, content.is_empty()) else {
        return Err(Error::failed(format!("the content of version {} was let go", wanted.version)).hint(history));
    };
    if wanted.appliance != list.appliance.name {
        return Err(Error::failed(format!("version {} was made for {}", wanted.version, wanted.appliance))
            .cause(format!("the list is configured for {} now", list.appliance.name))
            .hint("set the appliance back in the configuration first"));
    }
    let pages: Vec<ListFile> = content.into_iter().filter(|file| !is_script(file)).collect();
    let files = list.with_scripts(pages, &old, &mut notes);
    let target = Snapshot::read(&verdict)?;
    let change = Change::between(&snapshot, &target);
    let note = format!("back to version {}", wanted.version);
    let new = NewPublication {
        list: &list.name,
        tenant: &list.tenant,
        appliance: list.appliance.name,
        digest: wanted.digest,
        entries: wanted.entries,
        added: change.added.len() as u64,
        removed: change.removed.len() as u64,
        note: Some(&note),
        verdict: &verdict,
        files: &files,
    };
    let put = put(list, &new, &old, Some(wanted.version), world).await?;
    notes.extend(put.notes);
    Ok(Report {
        list: list.name.clone(),
        outcome: Outcome::Published,
        version: Some(put.version),
        change,
        counts: Counts::default(),
        left: target.left,
        checked_by: put.checked_by,
        notes,
    })
}
