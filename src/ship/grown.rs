//! A log that grew after it was shipped: only its new end goes.
//!
//! A writer that pauses for longer than the settle time leaves a file that looks finished, is shipped, and grows again.
//! So does a log that is fetched again and again from elsewhere (`rsync`), and one that `copytruncate` copies under
//! another name. The ledger's file becomes the longer one then, with what was shipped of it; the rest is a part of it
//! like any other.

use super::head::{Encoding, HEAD, Head, Shape};
use super::plan::{Unknown, same_content};
use super::scan::mark;
use crate::config::Feed;
use crate::ledger::{FileMark, Ledger, Shorter, Slice};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The longest beginning of a line that is sent again, because the line was cut off when the log was shipped first.
const LONGEST_LINE: u64 = 64 << 10;

/// What was shipped of a file when it was shorter, if it was; with `record`, the ledger's file is this one from now on.
pub(super) fn grown(
    ledger: &Ledger,
    feed: &Feed,
    (path, file, mark): (&Path, &mut File, &FileMark),
    head: &Head,
    record: bool,
) -> Result<Vec<Slice>, Unknown> {
    if !matches!(head.shape, Shape::Text(_)) {
        return Ok(Vec::new());
    }
    for old in ledger.shorter(&feed.tenant, &feed.name, mark, &names(path)).map_err(Unknown::Ledger)? {
        let slices = ledger.slices(old.id).map_err(Unknown::Ledger)?;
        if begins_with(&old, &slices, file, mark, head).map_err(Unknown::File)? {
            if record {
                ledger.grew(old.id, path, mark, &head.fingerprint).map_err(Unknown::Ledger)?;
            }
            return Ok(slices);
        }
    }
    Ok(Vec::new())
}

/// The names that it may have had: its own, and those that rotation makes such a name of (`access.log` for
/// `access.log.1` and `access.log-20261125`).
fn names(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let cuts = name.iter().enumerate().skip(1).filter(|(_, c)| b".-_".contains(c)).map(|(at, _)| at);
    let shorter = cuts.map(|at| path.with_file_name(std::ffi::OsString::from_vec(name[..at].to_vec())));
    let mut names: Vec<PathBuf> = shorter.collect();
    names.push(path.to_path_buf());
    names.reverse();
    names.truncate(5);
    names
}

/// Whether a file begins with all that was shipped of an older one.
fn begins_with(old: &Shorter, slices: &[Slice], file: &mut File, new: &FileMark, head: &Head) -> std::io::Result<bool> {
    let same_file = (old.mark.device, old.mark.inode) == (new.device, new.inode);
    if !same_file && std::fs::metadata(&old.path).is_ok_and(|meta| mark(&meta) == old.mark) {
        // The older one is still there: it is another file, not this one as it was.
        return Ok(false);
    }
    // What is appended to is not read from its beginning each time: that and the last part of it tell.
    let beginning = old.mark.size >= HEAD && old.head.as_deref() == Some(&head.fingerprint[..]);
    let told = if same_file && beginning { slices.len().saturating_sub(1) } else { 0 };
    same_content(file, &slices[told..])
}

/// The beginning of the line at this place of a file, when the place is in the middle of one: what is shipped from there
/// on would begin with nonsense otherwise.
pub(super) fn cut_off(file: &File, place: u64, encoding: Encoding) -> std::io::Result<Vec<u8>> {
    let from = place.saturating_sub(LONGEST_LINE);
    let mut bytes = vec![0; usize::try_from(place - from).unwrap_or_default() + 1];
    file.read_exact_at(&mut bytes, from)?;
    let next = bytes.pop();
    // A last line without its end is whole when nothing but that end was added.
    let whole = matches!(next, Some(b'\n' | b'\r')) || bytes.ends_with(b"\n");
    if encoding != Encoding::Bytes || whole {
        return Ok(Vec::new());
    }
    let start = memchr::memrchr(b'\n', &bytes).map(|at| at + 1).or((from == 0).then_some(0));
    Ok(start.map(|start| bytes.split_off(start)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_name_tells_the_one_before() {
        let shown = |path: &str| names(Path::new(path)).iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
        assert_eq!(shown("/l/access.log.1"), ["/l/access.log.1", "/l/access.log", "/l/access"]);
        assert_eq!(shown("/l/access.log-20261125"), ["/l/access.log-20261125", "/l/access.log", "/l/access"]);
        assert_eq!(shown("/l/log"), ["/l/log"]);
        assert_eq!(names(Path::new("/l/a.b.c.d.e.f.g")).len(), 5);
    }

    #[test]
    fn only_a_line_in_the_middle_of_which_it_went_on_is_begun_again() {
        let rows = [
            ("one\ntwo\nthree\n", 4, ""),
            ("one\ntwo\nthree\n", 6, "tw"),
            ("one\ntwo\nthree\n", 7, ""),
            ("one two", 3, "one"),
            ("one\r\ntwo", 3, ""),
        ];
        for (text, place, expected) in rows {
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
            let cut = cut_off(&file, place, Encoding::Bytes).unwrap();
            assert_eq!(String::from_utf8(cut).unwrap(), expected, "{text:?} at {place}");
        }
    }
}
