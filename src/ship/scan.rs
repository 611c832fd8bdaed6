//! Finds the files of a feed that have stood still long enough.
//!
//! Directories behind symbolic links are not entered; a link to a file counts only when the file lies below the feed's
//! own directory. A file that cannot be looked at is reported and does not stop the scan.

use crate::config::Feed;
use crate::error::{Error, Result};
use crate::ledger::FileMark;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Marks remembered as done, so that a quiet directory costs one look a file and no question to the ledger.
const MOST_KNOWN: usize = 500_000;

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
    /// When the next file will have stood still long enough.
    pub due: Option<Duration>,
}

impl Found {
    fn due_in(&mut self, wait: Duration) {
        self.due = Some(self.due.map_or(wait, |due| due.min(wait)));
    }
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

/// How deep below its base a pattern can match.
pub(super) fn depth(pattern: &str) -> usize {
    if pattern.contains("**") {
        return usize::MAX;
    }
    Path::new(pattern).components().count().saturating_sub(base(pattern).components().count())
}

/// The eyes of one feed: its patterns, and what need not be looked at again.
#[derive(Debug)]
pub(super) struct Scanner {
    wanted: GlobSet,
    excluded: GlobSet,
    bases: Vec<(PathBuf, usize)>,
    settle: Duration,
    known: HashSet<FileMark>,
    /// Files whose time is in the future, with when they were first seen like this.
    future: HashMap<FileMark, Instant>,
}

impl Scanner {
    pub(super) fn new(feed: &Feed) -> Result<Scanner> {
        let mut bases: Vec<(PathBuf, usize)> = feed.paths.iter().map(|p| (base(p), depth(p))).collect();
        // The deepest look at a directory serves the others.
        bases.sort_by(|a, b| (&a.0, b.1).cmp(&(&b.0, a.1)));
        bases.dedup_by(|b, a| a.0 == b.0);
        Ok(Scanner {
            wanted: globs(&feed.paths)?,
            excluded: globs(&feed.exclude)?,
            bases,
            settle: feed.settle,
            known: HashSet::new(),
            future: HashMap::new(),
        })
    }

    /// Remembers that nothing is left to do for a file.
    pub(super) fn forget(&mut self, mark: FileMark) {
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(mark);
    }

    /// The settled files that are not remembered as done.
    pub(super) fn scan(&mut self) -> Found {
        let (now, mut found, mut future) = (SystemTime::now(), Found::default(), HashMap::new());
        let mut paths = HashSet::new();
        for (base, depth) in self.bases.clone() {
            for entry in walkdir::WalkDir::new(&base).max_depth(depth).follow_links(false) {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        report(&mut found, &base, error);
                        continue;
                    }
                };
                let path = entry.path();
                let Some(meta) = self.look(&entry, &base) else { continue };
                let mark = mark(&meta);
                if self.known.contains(&mark) || (self.bases.len() > 1 && !paths.insert(path.to_path_buf())) {
                    continue;
                }
                match self.wait(&meta, &mark, now, &mut future) {
                    Some(wait) if !wait.is_zero() => found.due_in(wait),
                    _ => found.files.push(Candidate { path: entry.into_path(), mark }),
                }
            }
        }
        self.future = future;
        found.files.sort_by(|a, b| (a.mark.mtime_ns, &a.path).cmp(&(b.mark.mtime_ns, &b.path)));
        found
    }

    /// A wanted regular file, or a link to one below the feed's directory.
    fn look(&self, entry: &walkdir::DirEntry, base: &Path) -> Option<std::fs::Metadata> {
        let (kind, path) = (entry.file_type(), entry.path());
        let candidate = kind.is_file() || kind.is_symlink();
        if !candidate || !self.wanted.is_match(path) || self.excluded.is_match(path) {
            return None;
        }
        if kind.is_file() {
            return entry.metadata().ok();
        }
        let (target, base) = (std::fs::canonicalize(path).ok()?, std::fs::canonicalize(base).ok()?);
        let meta = std::fs::metadata(path).ok()?;
        (target.starts_with(base) && meta.is_file()).then_some(meta)
    }

    /// How long a file has still to stand still. Its time says since when it does, unless that is in the future: then a
    /// clock jumped, and the file has to be seen unchanged for as long by us.
    fn wait(
        &self,
        meta: &std::fs::Metadata,
        mark: &FileMark,
        now: SystemTime,
        future: &mut HashMap<FileMark, Instant>,
    ) -> Option<Duration> {
        match now.duration_since(meta.modified().ok()?) {
            Ok(age) => Some(self.settle.saturating_sub(age)),
            Err(ahead) if ahead.duration() <= Duration::from_secs(1) => Some(self.settle + ahead.duration()),
            Err(_) => {
                let since = *self.future.get(mark).unwrap_or(&Instant::now());
                future.insert(*mark, since);
                Some(self.settle.max(Duration::from_secs(1)).saturating_sub(since.elapsed()))
            }
        }
    }
}

fn report(found: &mut Found, base: &Path, error: walkdir::Error) {
    // A name that vanished between listing and looking is rotation at work.
    let vanished = error.io_error().is_some_and(|io| io.kind() == std::io::ErrorKind::NotFound);
    if vanished && error.depth() > 0 {
        return;
    }
    let path = error.path().unwrap_or(base).to_path_buf();
    let why = Error::failed(format!("cannot read {}", path.display()));
    let why = match error.io_error() {
        Some(io) => why.cause(io),
        None => why.cause(&error),
    };
    found.left_out.push((path, why.hint("let the user logweir runs as read it")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ship::testing::feed;

    fn scanner(dir: &Path, pattern: &str, settle: Duration) -> Scanner {
        let mut feed = feed(&[dir.join(pattern).to_string_lossy().into_owned()]);
        (feed.settle, feed.exclude) = (settle, vec!["**/*.tmp".to_owned()]);
        Scanner::new(&feed).unwrap()
    }

    fn names(dir: &Path, pattern: &str, settle: Duration) -> Vec<String> {
        let found = scanner(dir, pattern, settle).scan();
        let name = |f: &Candidate| f.path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
        let mut names: Vec<String> = found.files.iter().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn patterns_excludes_and_links_are_obeyed() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = dir.path();
        std::fs::create_dir(root.join("sub")).unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        for name in ["a.log", "b.log.tmp", "sub/c.log", "sub/d.txt"] {
            std::fs::write(root.join(name), "x").unwrap();
        }
        let link = |to: PathBuf, name: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
        link(outside.path().join("secret"), "out.log");
        link(root.join("sub/d.txt"), "in.log");
        link(root.join("nowhere"), "dangling.log");
        link(outside.path().to_path_buf(), "outdir");
        assert_eq!(names(root, "*.log*", Duration::ZERO), ["a.log", "in.log"]);
        assert_eq!(names(root, "**/*.log", Duration::ZERO), ["a.log", "in.log", "sub/c.log"]);
        assert_eq!(names(root, "*/*.log", Duration::ZERO), ["sub/c.log"]);
        assert!(names(root, "*/secret", Duration::ZERO).is_empty());
        assert!(names(root, "*.log", Duration::from_secs(3600)).is_empty(), "nothing has settled yet");
    }

    #[test]
    fn the_scan_tells_when_the_next_file_will_have_settled() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.log"), "x").unwrap();
        let due = scanner(dir.path(), "*.log", Duration::from_secs(30)).scan().due.unwrap();
        assert!(due > Duration::from_secs(25) && due <= Duration::from_secs(31), "{due:?}");
    }

    #[test]
    fn a_time_in_the_future_does_not_keep_a_file_back_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("a.log")).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(86_400 * 365)).unwrap();
        let mut scanner = scanner(dir.path(), "*.log", Duration::ZERO);
        let first = scanner.scan();
        assert!(first.files.is_empty() && first.due.unwrap() <= Duration::from_secs(1));
        let seen = scanner.future.values_mut().next().unwrap();
        *seen = seen.checked_sub(Duration::from_secs(2)).unwrap();
        assert_eq!(scanner.scan().files.len(), 1);
    }

    #[test]
    fn a_missing_directory_is_reported_not_fatal() {
        let found = scanner(Path::new("/nowhere/at/all"), "*.log", Duration::ZERO).scan();
        assert_eq!(found.left_out.len(), 1);
    }

    #[test]
    fn what_is_done_is_not_found_again() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.log"), "x").unwrap();
        let mut scanner = scanner(dir.path(), "*.log", Duration::ZERO);
        let mark = scanner.scan().files[0].mark;
        scanner.forget(mark);
        assert!(scanner.scan().files.is_empty());
        std::fs::write(dir.path().join("a.log"), "xx").unwrap();
        assert_eq!(scanner.scan().files.len(), 1, "it changed");
    }
}
