//! Finds the files of a feed that have stood still long enough.
//!
//! Symbolic links are not followed. A file that cannot be looked at is reported and does not stop the scan.

use crate::config::Feed;
use crate::error::{Error, Result};
use crate::ledger::FileMark;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file that may be shipped.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub path: PathBuf,
    pub mark: FileMark,
}

/// What a scan found, oldest change first.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub files: Vec<Candidate>,
    pub left_out: Vec<(PathBuf, Error)>,
}

pub(super) fn mark(meta: &std::fs::Metadata) -> FileMark {
    let mtime_ns = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
    FileMark { device: meta.dev(), inode: meta.ino(), size: meta.size(), mtime_ns }
}

fn globs(patterns: &[String]) -> Result<GlobSet> {
    let wrong = |error: globset::Error| Error::usage("a path pattern is wrong").cause(error);
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern).literal_separator(true).build().map_err(wrong)?);
    }
    set.build().map_err(wrong)
}

/// The longest leading directory of a pattern that has no wildcard.
pub(super) fn base(pattern: &str) -> PathBuf {
    let special = pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(pattern.len());
    let slash = pattern[..special].rfind('/').unwrap_or(0);
    PathBuf::from(&pattern[..slash.max(1)])
}

/// The settled files of a feed.
pub(super) fn settled(feed: &Feed) -> Result<Found> {
    let (wanted, excluded) = (globs(&feed.paths)?, globs(&feed.exclude)?);
    let now = SystemTime::now();
    let mut found = Found::default();
    let mut bases: Vec<(PathBuf, usize)> = feed.paths.iter().map(|pattern| (base(pattern), depth(pattern))).collect();
    bases.sort();
    bases.dedup();
    for (base, depth) in bases {
        for entry in walkdir::WalkDir::new(&base).max_depth(depth).follow_links(false) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    // A name that vanished between listing and looking is rotation at work.
                    if error.io_error().is_none_or(|io| io.kind() != std::io::ErrorKind::NotFound) || error.depth() == 0
                    {
                        let path = error.path().unwrap_or(&base).to_path_buf();
                        let why = Error::failed(format!("cannot read {}", path.display())).cause(error);
                        found.left_out.push((path, why.hint("let the user logweir runs as read it")));
                    }
                    continue;
                }
            };
            if !entry.file_type().is_file() || !wanted.is_match(entry.path()) || excluded.is_match(entry.path()) {
                continue;
            }
            let Ok(meta) = entry.metadata() else { continue };
            // A time in the future counts as settled only once the clock has passed it.
            let quiet = meta
                .modified()
                .ok()
                .and_then(|time| now.duration_since(time).ok())
                .is_some_and(|age| age >= feed.settle);
            if quiet && meta.len() > 0 && !found.files.iter().any(|file| file.path == entry.path()) {
                found.files.push(Candidate { path: entry.into_path(), mark: mark(&meta) });
            }
        }
    }
    found.files.sort_by(|a, b| (a.mark.mtime_ns, &a.path).cmp(&(b.mark.mtime_ns, &b.path)));
    Ok(found)
}

/// How deep below its base a pattern can match.
fn depth(pattern: &str) -> usize {
    if pattern.contains("**") {
        return usize::MAX;
    }
    let base = base(pattern);
    Path::new(pattern).components().count().saturating_sub(base.components().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{After, Destination};
    use crate::domain::TenantName;
    use std::time::Duration;

    fn feed(patterns: &[String], settle: Duration) -> Feed {
        Feed {
            name: "f".to_owned(),
            paths: patterns.to_vec(),
            exclude: vec!["**/*.tmp".to_owned()],
            tenant: TenantName::default_tenant(),
            log_type: "SQUID_NATIVE".parse().unwrap(),
            destination: Destination::Snapshot("s".to_owned()),
            settle,
            after: After::Keep,
            gzip: true,
        }
    }

    fn names(dir: &Path, pattern: &str, settle: Duration) -> Vec<String> {
        let pattern = dir.join(pattern).to_string_lossy().into_owned();
        let found = settled(&feed(&[pattern], settle)).unwrap();
        let mut names: Vec<String> =
            found.files.iter().map(|f| f.path.strip_prefix(dir).unwrap().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn patterns_excludes_links_and_empty_files() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir(root.join("sub")).unwrap();
        for name in ["a.log", "b.log.tmp", "sub/c.log"] {
            std::fs::write(root.join(name), "x").unwrap();
        }
        std::fs::write(root.join("empty.log"), "").unwrap();
        std::os::unix::fs::symlink(root.join("sub/c.log"), root.join("link.log")).unwrap();
        assert_eq!(names(root, "*.log*", Duration::ZERO), ["a.log"]);
        assert_eq!(names(root, "**/*.log", Duration::ZERO), ["a.log", "sub/c.log"]);
        assert_eq!(names(root, "*/*.log", Duration::ZERO), ["sub/c.log"]);
        assert!(names(root, "*.log", Duration::from_secs(3600)).is_empty(), "nothing has settled yet");
    }

    #[test]
    fn a_missing_directory_is_reported_not_fatal() {
        let found = settled(&feed(&["/nowhere/at/all/*.log".to_owned()], Duration::ZERO)).unwrap();
        assert_eq!(found.left_out.len(), 1);
    }
}
