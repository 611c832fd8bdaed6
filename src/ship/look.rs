//! What a feed would find, without shipping or remembering anything: for `doctor`.

use super::scan::{Scanner, base};
use crate::config::Feed;
use crate::error::{Error, Result};
use std::path::PathBuf;
use std::time::Duration;

/// Most files that are opened to see whether they can be read.
const MOST_OPENED: usize = 10_000;

/// What is there.
#[derive(Debug, Default)]
pub struct Look {
    /// The directories looked into.
    pub dirs: Vec<PathBuf>,
    /// Files that the feed's patterns name.
    pub files: usize,
    /// What cannot be read, with the reason.
    pub unreadable: Vec<(PathBuf, Error)>,
}

/// Looks at every file of a feed, settled or not, and opens it.
///
/// # Errors
/// When a pattern is wrong.
pub fn look(feed: &Feed) -> Result<Look> {
    let feed = Feed { settle: Duration::ZERO, ..feed.clone() };
    let found = Scanner::new(&feed)?.scan();
    let mut look = Look { files: found.files.len(), unreadable: found.left_out, ..Look::default() };
    look.dirs = feed.paths.iter().map(|pattern| base(pattern)).collect();
    look.dirs.dedup();
    for candidate in found.files.into_iter().take(MOST_OPENED) {
        if let Err(error) = std::fs::File::open(&candidate.path) {
            let what = format!("cannot read {}", candidate.path.display());
            look.unreadable.push((candidate.path, Error::failed(what).cause(error)));
        }
    }
    Ok(look)
}
