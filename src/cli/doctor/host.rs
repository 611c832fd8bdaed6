//! What must hold on this host: state directory, spool, ledger, folders.

use super::Findings;
use crate::config::{After, BlockList, Config, Feed};
use crate::domain::ByteCount;
use crate::error::{Error, Result};
use std::path::Path;

/// Less free space than this stops packing at once.
const LEAST_FREE: u64 = 64 << 20;

/// The state directory with its spool and its ledger.
pub(super) fn state(config: &Config, findings: &mut Findings) {
    let ledger = match super::connect::ledger(config) {
        Ok(ledger) => ledger,
        // It made the state directory; a directory that cannot be made or written shows here first.
        Err(error) => return findings.bad("ledger", &error),
    };
    match ledger.integrity() {
        Ok(()) => findings.ok("ledger", "opens and passes its integrity check"),
        Err(error) => findings.bad("ledger", &error),
    }
    spool(config, findings);
}

fn spool(config: &Config, findings: &mut Findings) {
    let spool = config.state_dir.join("spool");
    let dir = if spool.is_dir() { &spool } else { &config.state_dir };
    if let Err(error) = writable(dir) {
        return findings.bad("spool", &error);
    }
    let stat = match rustix::fs::statvfs(dir) {
        Ok(stat) => stat,
        Err(error) => return findings.bad("spool", &Error::failed("cannot see the free space").cause(error)),
    };
    let free = ByteCount(stat.f_bavail.saturating_mul(stat.f_frsize));
    let (shown, most) = (dir.display(), config.upload.spool_max);
    if free.0 < LEAST_FREE {
        let error = Error::failed(format!("{shown} has only {free} free"));
        findings.bad("spool", &error.hint("free some space, or move state_dir to a larger disk"));
    } else if free < most {
        findings.doubt(
            "spool",
            format!("{shown} is writable, {free} free, less than upload.spool_max ({most})"),
            "lower upload.spool_max, so that a long outage of the service does not fill the disk",
        );
    } else {
        findings.ok("spool", format!("{shown} is writable, {free} free"));
    }
}

/// Whether we can make and remove a file there.
fn writable(dir: &Path) -> Result<()> {
    let probe = dir.join(format!(".doctor-{}", std::process::id()));
    std::fs::write(&probe, b"probe").and_then(|()| std::fs::remove_file(&probe)).map_err(|error| {
        Error::failed(format!("cannot write to {}", dir.display()))
            .cause(error)
            .hint("give the directory to the user logweir runs as")
    })
}

/// The folders of a feed, and where its files go afterwards.
pub(super) fn feed(feed: &Feed, findings: &mut Findings) {
    let what = format!("feed {}", feed.name);
    let look = match crate::ship::look(feed) {
        Ok(look) => look,
        Err(error) => return findings.bad(&what, &error),
    };
    if let Some((_, error)) = look.unreadable.first() {
        let more = look.unreadable.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        let error = Error::failed(format!("{}{more}", error.one_line()));
        findings.bad(&what, &error.hint("let the user logweir runs as read it (group adm on most systems)"));
        return;
    }
    let dirs: Vec<String> = look.dirs.iter().map(|dir| dir.display().to_string()).collect();
    match look.files {
        0 => findings.doubt(
            &what,
            format!("{} can be read, but no file there is meant by the feed", dirs.join(", ")),
            "right for a folder that is empty now; else compare paths and exclude with the files' names",
        ),
        files => findings.ok(&what, format!("{} can be read, {files} file(s)", dirs.join(", "))),
    }
    let after = match &feed.after {
        After::Keep => Ok(()),
        After::Delete => look.dirs.iter().try_for_each(|dir| writable(dir)),
        // It is made when it is needed first.
        After::Archive(dir) => dir.ancestors().find(|dir| dir.is_dir()).map_or(Ok(()), writable),
    };
    if let Err(error) = after {
        findings.bad(&format!("{what}: after"), &error);
    }
}

/// Where a block list goes, and the program that is told of it.
pub(super) fn list(list: &BlockList, path: Option<&str>, findings: &mut Findings) {
    let what = format!("block list {}", list.name);
    let dir = list.output.parent().unwrap_or(Path::new("/"));
    if let Err(error) = writable(dir) {
        return findings.bad(&what, &error);
    }
    let Some(program) = list.after.first() else {
        return findings.ok(&what, format!("{} can be written", dir.display()));
    };
    let mut places = path.unwrap_or_default().split(':').map(|dir| Path::new(dir).join(program));
    let found = if program.contains('/') { Path::new(program).is_file() } else { places.any(|file| file.is_file()) };
    if found {
        return findings.ok(&what, format!("{} can be written, then {program} runs", dir.display()));
    }
    let error = Error::usage(format!("there is no program {program} to run after it changed"));
    findings.bad(&what, &error.hint("correct the list's after: a program with its arguments, with its whole path"));
}
