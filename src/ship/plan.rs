//! From found files to shipments to pack: what is known already, what cannot be shipped, what is joined.

use super::grown::{cut_off, grown};
use super::head::{Head, Shape};
use super::judge::Kind;
use super::scan::{Candidate, Scanner, mark};
use crate::config::{After, Feed};
use crate::domain::{Digest, LogType};
use crate::error::{Error, Result};
use crate::ledger::{FileMark, Ledger, Slice};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The service takes no larger object.
pub(super) const LARGEST: u64 = 5_000_000_000;
/// New files looked at in one round; the next round goes on with the rest.
const ROUND: usize = 5_000;

/// A file, or the part of one that is still to be shipped.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub path: PathBuf,
    pub mark: FileMark,
    pub head: Head,
    pub from: u64,
    pub to: u64,
    /// The beginning of the line in the middle of which it starts.
    pub lead: Vec<u8>,
    pub kind: Kind,
}

/// One shipment to pack: one file, or several small ones to be joined.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub feed: Arc<Feed>,
    pub members: Vec<Member>,
}

impl Work {
    pub(super) fn bytes(&self) -> u64 {
        self.members.iter().map(|member| member.to - member.from).sum()
    }

    /// The first file, and how many more.
    pub(super) fn label(&self) -> String {
        let first = self.members.first().map(|member| member.path.display().to_string()).unwrap_or_default();
        match self.members.len() {
            0 | 1 => first,
            many => format!("{first} and {} more", many - 1),
        }
    }
}

/// What one round over a feed came to.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub works: Vec<Work>,
    pub left_out: Vec<(PathBuf, Error)>,
    /// When to look again, because a file settles or a group has waited long enough.
    pub due: Option<Duration>,
    /// Whether another round may find more at once.
    pub more: bool,
}

/// Opens a file that must still be what the scan saw: neither another one nor a link.
pub(super) fn open(path: &Path, seen: &FileMark) -> std::io::Result<Option<File>> {
    let mut options = File::options();
    // Never waits for a writer, should the name have become a pipe.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits();
    let file = match options.read(true).custom_flags(nonblock.cast_signed()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok((mark(&file.metadata()?) == *seen).then_some(file))
}

pub(super) fn unreadable(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::failed(format!("cannot read {}", path.display()))
        .cause(error)
        .hint("let the user logweir runs as read it: an ACL (setfacl) or a group does")
}

/// Looks at the feed's directories and decides what to pack. `without` are files that failed in this pass.
pub(super) fn plan(
    ledger: &Ledger,
    feed: &Arc<Feed>,
    scanner: &mut Scanner,
    without: &HashSet<PathBuf>,
    record: bool,
) -> Result<Plan> {
    let found = scanner.scan();
    let mut plan = Plan { left_out: found.left_out, due: found.due, ..Plan::default() };
    let mut members = Vec::new();
    let mut contents = HashSet::new();
    for candidate in found.files {
        if without.contains(&candidate.path) {
            continue;
        }
        if members.len() >= ROUND {
            plan.more = true;
            break;
        }
        let Some(member) = member(ledger, feed, scanner, candidate, &mut plan, record)? else { continue };
        // Two that look the same: the second is compared when the first is in the ledger.
        if contents.insert((member.to, member.head.fingerprint)) {
            members.push(member);
        } else {
            plan.more |= record;
        }
    }
    join(feed, members, &mut plan);
    Ok(plan)
}

/// A candidate as a member, unless there is nothing to ship of it.
fn member(
    ledger: &Ledger,
    feed: &Feed,
    scanner: &mut Scanner,
    candidate: Candidate,
    plan: &mut Plan,
    record: bool,
) -> Result<Option<Member>> {
    let Candidate { path, mark } = candidate;
    let mut slices = Vec::new();
    if let Some(seen) = ledger.seen(&feed.tenant, &feed.name, &mark)? {
        if seen.away && seen.path != path {
            ledger.moved(seen.id, &path)?;
        }
        if seen.done {
            if !seen.away {
                scanner.forget(mark);
            }
            return Ok(None);
        }
        slices = ledger.slices(seen.id)?;
    }
    let opened = open(&path, &mark).and_then(|file| {
        let Some(mut file) = file else { return Ok(None) };
        let head = Head::read(&mut file, mark.size)?;
        let kind = Kind::of(feed, &mut file, head.shape)?;
        Ok(Some((file, head, kind)))
    });
    let (mut file, head, kind) = match opened {
        Ok(Some(opened)) => opened,
        Ok(None) => return Ok(None),
        Err(error) => {
            plan.left_out.push((path.clone(), unreadable(&path, error)));
            return Ok(None);
        }
    };
    if let Some((why, hint)) = unfit(&head, &mark) {
        let news = !record || ledger.skip(&feed.tenant, &feed.name, &path, &mark, &why)?;
        if let (true, Some(hint)) = (news, hint) {
            let error = Error::failed(format!("{} cannot be shipped", path.display())).cause(why).hint(hint);
            plan.left_out.push((path, error));
        } else if news {
            tracing::info!("{}: {why}", path.display());
        }
        return Ok(None);
    }
    if slices.is_empty() {
        match known(ledger, feed, &mut file, &mark, &head) {
            Ok(None) => match grown(ledger, feed, (&path, &mut file, &mark), &head, record) {
                Ok(shipped) => slices = shipped,
                Err(Unknown::Ledger(error)) => return Err(error),
                Err(Unknown::File(error)) => {
                    plan.left_out.push((path.clone(), unreadable(&path, error)));
                    return Ok(None);
                }
            },
            Ok(Some((original, true, _))) => {
                if record {
                    let away = feed.after != After::Keep;
                    ledger.same(&feed.tenant, &feed.name, &path, &mark, original, away)?;
                }
                return Ok(None);
            }
            Ok(Some((original, false, known))) => {
                if record {
                    ledger.adopt(original, &path, &mark)?;
                }
                slices = known;
            }
            Err(Unknown::Ledger(error)) => return Err(error),
            Err(Unknown::File(error)) => {
                plan.left_out.push((path.clone(), unreadable(&path, error)));
                return Ok(None);
            }
        }
    }
    let (from, to) = gap(&slices, mark.size);
    let lead = match head.shape {
        Shape::Text(encoding) if from > 0 && from < to => cut_off(&file, from, encoding),
        _ => Ok(Vec::new()),
    };
    let lead = match lead {
        Ok(lead) => lead,
        Err(error) => {
            plan.left_out.push((path.clone(), unreadable(&path, error)));
            return Ok(None);
        }
    };
    Ok((from < to).then_some(Member { path, mark, head, from, to, lead, kind }))
}

/// Why a file is not for shipping, and what to do if that is a pity.
fn unfit(head: &Head, mark: &FileMark) -> Option<(String, Option<&'static str>)> {
    match head.shape {
        Shape::Empty => Some(("it is empty".to_owned(), None)),
        Shape::Refused(kind) => {
            let why = format!("it is compressed with {kind}; the service reads plain text, gzip and zip only");
            Some((why, Some("let log rotation compress with gzip, or not at all")))
        }
        Shape::Gzip | Shape::Zip if mark.size > LARGEST => {
            let why = "it is packed and has more than 5 GB, the most the service takes".to_owned();
            Some((why, Some("rotate more often, or leave the compression to logweir, which splits")))
        }
        Shape::Gzip | Shape::Zip | Shape::Text(_) => None,
    }
}

/// The first part of a file that is in no shipment.
fn gap(slices: &[Slice], size: u64) -> (u64, u64) {
    let mut from = 0;
    for slice in slices {
        if slice.from > from {
            return (from, slice.from);
        }
        from = from.max(slice.to);
    }
    (from, size)
}

/// Why it could not be found out whether a content is known.
pub(super) enum Unknown {
    Ledger(Error),
    File(std::io::Error),
}

/// The file of the ledger that has this content, whether it is done, and what is shipped of it.
fn known(
    ledger: &Ledger,
    feed: &Feed,
    file: &mut File,
    mark: &FileMark,
    head: &Head,
) -> std::result::Result<Option<(i64, bool, Vec<Slice>)>, Unknown> {
    let alike = ledger.alike(&feed.tenant, &feed.name, mark.size, &head.fingerprint).map_err(Unknown::Ledger)?;
    for (original, done) in alike {
        let slices = ledger.slices(original).map_err(Unknown::Ledger)?;
        if same_content(file, &slices).map_err(Unknown::File)? {
            return Ok(Some((original, done, slices)));
        }
    }
    Ok(None)
}

/// Whether a file has the content that these slices tell.
pub(super) fn same_content(file: &mut File, slices: &[Slice]) -> std::io::Result<bool> {
    let mut buffer = vec![0; 1 << 20];
    for slice in slices {
        let mut hash = blake3::Hasher::new();
        file.seek(SeekFrom::Start(slice.from))?;
        let mut part = file.by_ref().take(slice.to - slice.from);
        loop {
            let count = part.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
        }
        if Digest(*hash.finalize().as_bytes()) != slice.digest {
            return Ok(false);
        }
    }
    Ok(!slices.is_empty())
}

/// Joins small texts with the same columns, whole or new ends, in order, within the feed's limits.
fn join(feed: &Arc<Feed>, members: Vec<Member>, plan: &mut Plan) {
    let limits = &feed.join;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The group that takes more, by what its members must have in common, and how many bytes it has.
    let mut open: BTreeMap<(Vec<u8>, LogType), (Work, u64)> = BTreeMap::new();
    for member in members {
        let (bytes, ends) = (member.to - member.from, member.to == member.mark.size);
        let text = matches!(member.head.shape, Shape::Text(_));
        if !ends || !text || member.kind.doubt.is_some() || bytes >= limits.size.0 || limits.count < 2 {
            plan.works.push(Work { feed: feed.clone(), members: vec![member] });
            continue;
        }
        let common = (member.head.columns().to_vec(), member.kind.log_type.clone());
        match open.get_mut(&common) {
            Some((work, so_far))
                if work.members[0].kind == member.kind
                    && so_far.saturating_add(bytes) <= limits.size.0
                    && (work.members.len() as u64) < limits.count =>
            {
                *so_far += bytes;
                work.members.push(member);
            }
            _ => {
                let group = Work { feed: feed.clone(), members: vec![member] };
                plan.works.extend(open.insert(common, (group, bytes)).map(|(full, _)| full));
            }
        }
    }
    for (work, _) in open.into_values() {
        // A group that is not full may wait for company.
        let oldest = work.members.iter().map(|member| member.mark.mtime_ns).min().unwrap_or_default();
        let until = Duration::from_nanos(oldest.unsigned_abs()) + feed.settle + limits.age;
        match until.checked_sub(now) {
            Some(wait) if !limits.age.is_zero() && !wait.is_zero() && wait <= feed.settle + limits.age => {
                plan.due = Some(plan.due.map_or(wait, |due| due.min(wait)));
            }
            _ => plan.works.push(work),
        }
    }
    plan.works.sort_by_key(|work| work.members[0].mark.mtime_ns);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ByteCount;
    use crate::ship::testing::feed;

    struct Place {
        dir: tempfile::TempDir,
        ledger: Ledger,
        feed: Feed,
    }

    fn place() -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("logs")).unwrap();
        let ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
        let feed = feed(&[dir.path().join("logs/*").to_string_lossy().into_owned()]);
        Place { dir, ledger, feed }
    }

    impl Place {
        fn write(&self, name: &str, content: impl AsRef<[u8]>) {
            std::fs::write(self.dir.path().join("logs").join(name), content).unwrap();
        }

        fn plan(&self) -> Plan {
            let feed = Arc::new(self.feed.clone());
            let mut scanner = Scanner::new(&feed).unwrap();
            plan(&self.ledger, &feed, &mut scanner, &HashSet::new(), true).unwrap()
        }

        /// The works as lists of file names.
        fn works(&self) -> Vec<Vec<String>> {
            let name = |m: &Member| m.path.file_name().unwrap().to_string_lossy().into_owned();
            let mut works: Vec<Vec<String>> = self
                .plan()
                .works
                .iter()
                .map(|work| {
                    let mut names: Vec<String> = work.members.iter().map(name).collect();
                    names.sort();
                    names
                })
                .collect();
            works.sort();
            works
        }
    }

    #[test]
    fn small_files_with_the_same_columns_are_joined_within_the_limits() {
        let mut place = place();
        for n in 0..5 {
            place.write(&format!("a{n}"), format!("line {n}\n"));
        }
        place.write("csv1", "Time,Source,Bytes\n1,2,3\n");
        place.write("csv2", "Time,Source,Bytes\n4,5,6\n");
        place.write("other", "Time,Source,Hits\n4,5,6\n");
        place.write("packed.gz", b"\x1f\x8bxx");
        assert_eq!(
            place.works(),
            [vec!["a0", "a1", "a2", "a3", "a4"], vec!["csv1", "csv2"], vec!["other"], vec!["packed.gz"]]
        );
        place.feed.join.count = 2;
        assert_eq!(place.works().iter().filter(|work| work.len() <= 2).count(), 6);
        place.feed.join.count = 100;
        place.feed.join.size = ByteCount(16);
        assert_eq!(place.works().len(), 7, "what is larger than the limit goes alone");
        place.feed.join.size = ByteCount(0);
        assert_eq!(place.works().len(), 9);
    }

    #[test]
    fn a_group_that_is_not_full_waits_for_company_as_long_as_the_feed_says() {
        let mut place = place();
        place.write("a", "line\n");
        place.feed.join.age = Duration::from_secs(60);
        let plan = place.plan();
        assert!(plan.works.is_empty());
        assert!(plan.due.unwrap() > Duration::from_secs(50));
        place.feed.join.age = Duration::ZERO;
        assert_eq!(place.works().len(), 1);
    }

    #[test]
    fn what_cannot_be_shipped_is_said_once() {
        let place = place();
        place.write("empty", "");
        place.write("a.xz", b"\xfd7zXZ\0 and so on");
        let first = place.plan();
        assert!(first.works.is_empty());
        assert_eq!(first.left_out.len(), 1, "an empty log is nothing to complain about");
        assert!(first.left_out[0].1.to_string().contains("xz"), "{:?}", first.left_out);
        assert!(place.plan().left_out.is_empty());
        assert_eq!(place.ledger.skipped(10).unwrap().len(), 2);
    }

    #[test]
    fn two_files_that_look_the_same_do_not_go_in_one_round() {
        let place = place();
        place.write("a", "line\n");
        place.write("copy", "line\n");
        let plan = place.plan();
        assert_eq!(plan.works.iter().map(|work| work.members.len()).sum::<usize>(), 1);
        assert!(plan.more);
    }

    #[test]
    fn gaps_between_slices_are_found_in_order() {
        let slice = |from, to| Slice { from, to, digest: Digest([0; 32]) };
        let rows: [(&[Slice], (u64, u64)); 4] = [
            (&[], (0, 100)),
            (&[slice(0, 40)], (40, 100)),
            (&[slice(0, 40), slice(60, 100)], (40, 60)),
            (&[slice(0, 60), slice(60, 100)], (100, 100)),
        ];
        for (slices, expected) in rows {
            assert_eq!(gap(slices, 100), expected);
        }
    }
}
