//! Publications of block lists: each version with its content, what waits for a person, and which version is in force.
//!
//! A list is known by its name. Content is kept deflated, for the newest [`KEPT`] versions; the row of a version stays.

use super::{Ledger, failed, now, signed};
use crate::domain::{Digest, TenantName};
use crate::error::{Error, Result};
use flate2::Compression;
use flate2::read::{DeflateDecoder, DeflateEncoder};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::str::FromStr;

/// Versions of a list whose content is kept.
const KEPT: u32 = 50;

/// Where a publication is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicationState {
    /// Its files are being put in place.
    Writing,
    /// It was put in place, and the hook took it.
    Published,
    /// It was there before the first publication.
    Found,
    /// It was taken back.
    Failed,
    /// The process that wrote it ended before it was done.
    Interrupted,
}

const STATES: [(PublicationState, &str); 5] = [
    (PublicationState::Writing, "writing"),
    (PublicationState::Published, "published"),
    (PublicationState::Found, "found"),
    (PublicationState::Failed, "failed"),
    (PublicationState::Interrupted, "interrupted"),
];

impl fmt::Display for PublicationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(STATES.iter().find(|(state, _)| state == self).map_or("", |(_, word)| word))
    }
}

impl FromStr for PublicationState {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<PublicationState, String> {
        let found = STATES.iter().find(|(_, word)| *word == text);
        found.map(|(state, _)| *state).ok_or_else(|| format!("{text:?} is no state of a publication"))
    }
}

/// One version of a list, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The list.
    pub list: String,
    /// Its number, from one.
    pub version: u32,
    /// Unix seconds.
    pub at: i64,
    /// Whose list it is.
    pub tenant: TenantName,
    /// The target it was rendered for.
    pub appliance: String,
    /// Where it is.
    pub state: PublicationState,
    /// Of the content without its date.
    pub digest: Digest,
    /// Entries in it.
    pub entries: u64,
    /// Entries that came.
    pub added: u64,
    /// Entries that went.
    pub removed: u64,
    /// What more there is to say.
    pub note: Option<String>,
}

/// One file of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFile {
    /// Its part in a set of several.
    pub role: String,
    /// Its number, when the list was split.
    pub part: u32,
    /// Where it was put.
    pub path: PathBuf,
    /// What stands in it.
    pub bytes: Vec<u8>,
}

/// A publication about to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewPublication<'p> {
    /// The list.
    pub list: &'p str,
    /// Whose list it is.
    pub tenant: &'p TenantName,
    /// The target.
    pub appliance: &'p str,
    /// Of the content without its date.
    pub digest: Digest,
    /// Entries in it.
    pub entries: u64,
    /// Entries that come.
    pub added: u64,
    /// Entries that go.
    pub removed: u64,
    /// What more there is to say.
    pub note: Option<&'p str>,
    /// The entries with their apps and reasons, in the form that the block module reads.
    pub verdict: &'p [u8],
    /// Its files.
    pub files: &'p [ListFile],
}

/// What is known of a list besides its versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListState {
    /// Unix seconds of the last look that ended well.
    pub checked: i64,
    /// Why a change waits for a person.
    pub held: Option<String>,
    /// The version that a person went back to.
    pub pinned: Option<u32>,
}

const COLUMNS: &str = "list, version, at, tenant, appliance, state, digest, entries, added, removed, note";

fn read(row: &Row<'_>) -> rusqlite::Result<Publication> {
    let wrong = |column, why: String| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, why.into())
    };
    let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Publication {
        list: row.get(0)?,
        version: row.get(1)?,
        at: row.get(2)?,
        tenant: row.get::<_, String>(3)?.parse().map_err(|why| wrong(3, why))?,
        appliance: row.get(4)?,
        state: row.get::<_, String>(5)?.parse().map_err(|why| wrong(5, why))?,
        digest: Digest(row.get(6)?),
        entries: count(7)?,
        added: count(8)?,
        removed: count(9)?,
        note: row.get(10)?,
    })
}

fn deflated(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    DeflateEncoder::new(bytes, Compression::fast()).read_to_end(&mut packed).map_err(damaged)?;
    Ok(packed)
}

fn inflated(packed: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    DeflateDecoder::new(packed).read_to_end(&mut bytes).map_err(damaged)?;
    Ok(bytes)
}

fn damaged(error: std::io::Error) -> Error {
    Error::failed("the content of a publication in the ledger is damaged").cause(error)
}

fn newest(connection: &Connection, list: &str, wanted: &str) -> Result<Option<Publication>> {
    let sql = format!("SELECT {COLUMNS} FROM publication WHERE list = ?1 AND {wanted} ORDER BY version DESC LIMIT 1");
    connection.query_row(&sql, [list], read).optional().map_err(failed)
}

impl Ledger {
    /// Records the intent to publish, with the whole content, before a file is touched; gives the version its number.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn begin_publication(&self, new: &NewPublication<'_>) -> Result<u32> {
        self.record(new, PublicationState::Writing)
    }

    /// Records what was there before the first publication, so that one can go back to it.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn record_found(&self, found: &NewPublication<'_>) -> Result<u32> {
        self.record(found, PublicationState::Found)
    }

    fn record(&self, new: &NewPublication<'_>, state: PublicationState) -> Result<u32> {
        let verdict = deflated(new.verdict)?;
        let contents: Vec<Vec<u8>> = new.files.iter().map(|file| deflated(&file.bytes)).collect::<Result<_>>()?;
        self.change(|connection| {
            let sql = "SELECT coalesce(max(version), 0) + 1 FROM publication WHERE list = ?1";
            let version: u32 = connection.query_row(sql, [new.list], |row| row.get(0)).map_err(failed)?;
            let sql =
                format!("INSERT INTO publication ({COLUMNS}, verdict) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)");
            let row = params![
                new.list,
                version,
                now(),
                new.tenant.as_str(),
                new.appliance,
                state.to_string(),
                new.digest.0,
                signed(new.entries),
                signed(new.added),
                signed(new.removed),
                new.note,
                verdict
            ];
            connection.execute(&sql, row).map_err(failed)?;
            let sql = "INSERT INTO published_file VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            for (at, (file, content)) in new.files.iter().zip(&contents).enumerate() {
                let path = file.path.as_os_str().as_bytes();
                let row = params![new.list, version, signed(at as u64), file.role, file.part, path, content];
                statement.execute(row).map_err(failed)?;
            }
            Ok(version)
        })
    }

    /// Records how a publication ended. The content of one that did not succeed is not kept; a success lifts what was
    /// held, and lets the content of versions long past go. `pinned` is the version that a person went back to with it:
    /// the list is kept there.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn end_publication(
        &self,
        list: &str,
        version: u32,
        state: PublicationState,
        note: Option<&str>,
        pinned: Option<u32>,
    ) -> Result<()> {
        self.change(|connection| {
            let sql = "UPDATE publication SET state = ?3, note = coalesce(?4, note) WHERE list = ?1 AND version = ?2";
            connection.execute(sql, params![list, version, state.to_string(), note]).map_err(failed)?;
            let forget = match state {
                PublicationState::Published => {
                    let sql = "INSERT INTO block_list (name, checked, pinned) VALUES (?1, ?2, ?3)
                               ON CONFLICT (name) DO UPDATE SET checked = ?2, held = NULL, pinned = ?3";
                    connection.execute(sql, params![list, now(), pinned]).map_err(failed)?;
                    "version <= ?2"
                }
                _ => "version = ?2",
            };
            let version = if state == PublicationState::Published { version.saturating_sub(KEPT) } else { version };
            for sql in [
                format!("DELETE FROM published_file WHERE list = ?1 AND {forget}"),
                format!("UPDATE publication SET verdict = NULL WHERE list = ?1 AND verdict IS NOT NULL AND {forget}"),
            ] {
                connection.execute(&sql, params![list, version]).map_err(failed)?;
            }
            Ok(())
        })
    }

    /// Publications that some process began and did not end.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn unfinished_publications(&self, list: &str) -> Result<Vec<u32>> {
        let connection = self.lock();
        let sql = "SELECT version FROM publication WHERE list = ?1 AND state = 'writing' ORDER BY version";
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map([list], |row| row.get(0)).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// The version in force: the newest one that was published.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn published(&self, list: &str) -> Result<Option<Publication>> {
        newest(&self.lock(), list, "state = 'published'")
    }

    /// The newest version that was in place, published or found, before this one.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn good_before(&self, list: &str, version: u32) -> Result<Option<Publication>> {
        newest(&self.lock(), list, &format!("state IN ('published', 'found') AND version < {version}"))
    }

    /// One version.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn publication(&self, list: &str, version: u32) -> Result<Option<Publication>> {
        newest(&self.lock(), list, &format!("version = {version}"))
    }

    /// Publications, newest first; of one list or of all.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn publications(&self, list: Option<&str>, limit: usize) -> Result<Vec<Publication>> {
        let connection = self.lock();
        let sql = format!(
            "SELECT {COLUMNS} FROM publication WHERE list = ?1 OR ?1 IS NULL ORDER BY at DESC, version DESC LIMIT ?2"
        );
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let rows = statement.query_map(params![list, signed(limit as u64)], read).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// The names of all lists that have a version.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn lists(&self) -> Result<Vec<String>> {
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached("SELECT DISTINCT list FROM publication ORDER BY list").map_err(failed)?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// The entries of a version; `None` when its content was let go.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn published_verdict(&self, list: &str, version: u32) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT verdict FROM publication WHERE list = ?1 AND version = ?2";
        let packed: Option<Option<Vec<u8>>> =
            self.lock().query_row(sql, params![list, version], |row| row.get(0)).optional().map_err(failed)?;
        packed.flatten().map(|packed| inflated(&packed)).transpose()
    }

    /// Puts the entries of a version anew: the list is the same, who asks for it is not.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn restate_verdict(&self, list: &str, version: u32, verdict: &[u8]) -> Result<()> {
        let packed = deflated(verdict)?;
        let sql = "UPDATE publication SET verdict = ?3 WHERE list = ?1 AND version = ?2";
        self.lock().execute(sql, params![list, version, packed]).map(|_| ()).map_err(failed)
    }

    /// The files of a version; empty when its content was let go.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn published_files(&self, list: &str, version: u32) -> Result<Vec<ListFile>> {
        let connection = self.lock();
        let sql =
            "SELECT role, part, path, content FROM published_file WHERE list = ?1 AND version = ?2 ORDER BY position";
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map(params![list, version], |row| {
            let path: Vec<u8> = row.get(2)?;
            let path = PathBuf::from(OsStr::from_bytes(&path).to_owned());
            let content: Vec<u8> = row.get(3)?;
            Ok(ListFile { role: row.get(0)?, part: row.get(1)?, path, bytes: content })
        });
        let packed: Vec<ListFile> = rows.map_err(failed)?.collect::<rusqlite::Result<_>>().map_err(failed)?;
        packed.into_iter().map(|file| Ok(ListFile { bytes: inflated(&file.bytes)?, ..file })).collect()
    }

    /// What is known of a list besides its versions.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn list_state(&self, list: &str) -> Result<ListState> {
        let sql = "SELECT checked, held, pinned FROM block_list WHERE name = ?1";
        let state = self.lock().query_row(sql, [list], |row| {
            Ok(ListState { checked: row.get(0)?, held: row.get(1)?, pinned: row.get(2)? })
        });
        Ok(state.optional().map_err(failed)?.unwrap_or_default())
    }

    /// Records a look at a list: nothing to publish, or why a change waits.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn list_checked(&self, list: &str, held: Option<&str>) -> Result<()> {
        let sql = "INSERT INTO block_list (name, checked, held) VALUES (?1, ?2, ?3)
                   ON CONFLICT (name) DO UPDATE SET checked = ?2, held = ?3";
        self.lock().execute(sql, params![list, now(), held]).map(|_| ()).map_err(failed)
    }

    /// Lets a list go on from the version that a person went back to.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn unpin_list(&self, list: &str) -> Result<()> {
        let sql = "UPDATE block_list SET pinned = NULL WHERE name = ?1";
        self.lock().execute(sql, [list]).map(|_| ()).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> (tempfile::TempDir, Ledger) {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
        (dir, ledger)
    }

    fn file(text: &str) -> ListFile {
        ListFile { role: String::new(), part: 0, path: "/srv/list.txt".into(), bytes: text.as_bytes().to_vec() }
    }

    fn begin(ledger: &Ledger, text: &str) -> u32 {
        let new = NewPublication {
            list: "proxy",
            tenant: &TenantName::default_tenant(),
            appliance: "plain_domains",
            digest: Digest([1; 32]),
            entries: 1,
            added: 1,
            removed: 0,
            note: None,
            verdict: b"{}",
            files: &[file(text)],
        };
        ledger.begin_publication(&new).unwrap()
    }

    #[test]
    fn a_version_is_in_force_once_it_has_ended_well_and_its_content_comes_back() {
        let (_dir, ledger) = ledger();
        let one = begin(&ledger, "a.example\n");
        assert_eq!(ledger.published("proxy").unwrap(), None);
        assert_eq!(ledger.unfinished_publications("proxy").unwrap(), [one]);
        ledger.end_publication("proxy", one, PublicationState::Published, None, None).unwrap();
        let two = begin(&ledger, "b.example\n");
        ledger.end_publication("proxy", two, PublicationState::Failed, Some("the hook failed"), None).unwrap();
        let published = ledger.published("proxy").unwrap().unwrap();
        assert_eq!((published.version, published.state), (one, PublicationState::Published));
        assert_eq!(ledger.published_files("proxy", one).unwrap(), [file("a.example\n")]);
        assert_eq!(ledger.published_files("proxy", two).unwrap(), []);
        assert_eq!(ledger.published_verdict("proxy", two).unwrap(), None);
        assert_eq!(ledger.publication("proxy", two).unwrap().unwrap().note.as_deref(), Some("the hook failed"));
        assert_eq!(ledger.lists().unwrap(), ["proxy"]);
    }

    #[test]
    fn what_is_held_or_pinned_stays_so_until_something_is_published() {
        let (_dir, ledger) = ledger();
        let back = begin(&ledger, "");
        ledger.end_publication("proxy", back, PublicationState::Published, None, Some(3)).unwrap();
        ledger.list_checked("proxy", Some("too much")).unwrap();
        let state = ledger.list_state("proxy").unwrap();
        assert_eq!((state.held.as_deref(), state.pinned), (Some("too much"), Some(3)));
        let one = begin(&ledger, "");
        ledger.end_publication("proxy", one, PublicationState::Published, None, None).unwrap();
        let state = ledger.list_state("proxy").unwrap();
        assert_eq!((state.held, state.pinned), (None, None));
    }

    #[test]
    fn the_content_of_versions_long_past_goes_and_their_rows_stay() {
        let (_dir, ledger) = ledger();
        for _ in 0..KEPT + 2 {
            let version = begin(&ledger, "x");
            ledger.end_publication("proxy", version, PublicationState::Published, None, None).unwrap();
        }
        assert!(ledger.published_files("proxy", 2).unwrap().is_empty());
        assert!(!ledger.published_files("proxy", 3).unwrap().is_empty());
        assert_eq!(ledger.publications(Some("proxy"), 1_000).unwrap().len(), KEPT as usize + 2);
    }
}
