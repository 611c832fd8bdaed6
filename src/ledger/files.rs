//! Files: which were seen, which are known by content, who packs one now, which may be put away.

use super::{Ledger, failed, signed};
use crate::domain::{Digest, TenantName};
use crate::error::Result;
use rusqlite::{Connection, OptionalExtension, params};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What tells a file from others without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileMark {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Length.
    pub size: u64,
    /// Modification time, nanoseconds of the Unix epoch.
    pub mtime_ns: i64,
}

/// What the ledger knows about a file with a certain mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its number.
    pub id: i64,
    /// Whether nothing of it is left to ship.
    pub done: bool,
    /// Where it was last.
    pub path: PathBuf,
    /// Whether it is to be put away once its shipments are finalised.
    pub away: bool,
}

/// A part of a file that is in a shipment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// First byte.
    pub from: u64,
    /// Behind the last byte.
    pub to: u64,
    /// Of these bytes.
    pub digest: Digest,
}

/// A file as it was when it was shorter.
#[derive(Debug, Clone)]
pub struct Shorter {
    /// Its number.
    pub id: i64,
    /// Where it was last.
    pub path: PathBuf,
    /// What it was.
    pub mark: FileMark,
    /// Fingerprint of its first bytes.
    pub head: Option<Vec<u8>>,
}

/// A file whose shipments have all been taken by the service, and which the feed wants put away.
#[derive(Debug, Clone)]
pub struct ReadyFile {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub tenant: TenantName,
    /// The feed.
    pub feed: String,
    /// Where it was last.
    pub path: PathBuf,
    /// What it must still be.
    pub mark: FileMark,
    /// Whether every one of its shipments is even confirmed.
    pub confirmed: bool,
}

/// A file that is not shipped, with the reason.
#[derive(Debug, Clone)]
pub struct Skipped {
    /// The feed.
    pub feed: String,
    /// Where it was.
    pub path: PathBuf,
    /// Its length.
    pub size: u64,
    /// Why.
    pub why: String,
}

pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&bytes))
}

fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn seen_in(connection: &Connection, tenant: &TenantName, feed: &str, mark: &FileMark) -> Result<Option<Seen>> {
    let sql = "SELECT id, done, path, away > 0 FROM file
               WHERE tenant = ?1 AND feed = ?2 AND device = ?3 AND inode = ?4 AND size = ?5 AND mtime_ns = ?6";
    let row = params![tenant.as_str(), feed, signed(mark.device), signed(mark.inode), signed(mark.size), mark.mtime_ns];
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let seen = statement.query_row(row, |row| {
        Ok(Seen { id: row.get(0)?, done: row.get(1)?, path: path_of(row.get(2)?), away: row.get(3)? })
    });
    seen.optional().map_err(failed)
}

/// Adds a file, or finds the row of its mark; the path is the newest one.
pub(super) fn enter(
    connection: &Connection,
    (tenant, feed): (&TenantName, &str),
    path: &Path,
    mark: &FileMark,
    head: Option<&[u8]>,
    away: bool,
) -> Result<i64> {
    let sql = "INSERT INTO file (tenant, feed, path, device, inode, size, mtime_ns, head, away)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
               ON CONFLICT (tenant, feed, device, inode, size, mtime_ns) DO UPDATE SET path = excluded.path, note = NULL
               RETURNING id";
    let row = params![
        tenant.as_str(),
        feed,
        bytes_of(path),
        signed(mark.device),
        signed(mark.inode),
        signed(mark.size),
        mark.mtime_ns,
        head,
        away
    ];
    connection.prepare_cached(sql).and_then(|mut sql| sql.query_row(row, |row| row.get(0))).map_err(failed)
}

impl Ledger {
    /// What is known about a file with this mark.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn seen(&self, tenant: &TenantName, feed: &str, mark: &FileMark) -> Result<Option<Seen>> {
        seen_in(&self.lock(), tenant, feed, mark)
    }

    /// Notes where a file is now: rotation renamed it.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn moved(&self, file: i64, path: &Path) -> Result<()> {
        let sql = "UPDATE file SET path = ?2, away = min(away, 1) WHERE id = ?1";
        self.lock().execute(sql, params![file, bytes_of(path)]).map(|_| ()).map_err(failed)
    }

    /// Files of the feed that could have the same content, with whether they are done: same length, same first bytes,
    /// and something of them in shipments.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn alike(&self, tenant: &TenantName, feed: &str, size: u64, head: &[u8]) -> Result<Vec<(i64, bool)>> {
        // A file of an older ledger has no head: it may be any of that length.
        let sql = "SELECT id, done FROM file WHERE tenant = ?1 AND feed = ?2 AND size = ?3
                   AND (head = ?4 OR head IS NULL)
                   AND EXISTS (SELECT 1 FROM slice WHERE slice.file = file.id) LIMIT 16";
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let row = params![tenant.as_str(), feed, signed(size), head];
        let rows = statement.query_map(row, |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Gives a half-shipped file another mark: its time changed, its content did not.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn adopt(&self, file: i64, path: &Path, mark: &FileMark) -> Result<()> {
        let sql = "UPDATE OR IGNORE file SET path = ?2, device = ?3, inode = ?4, mtime_ns = ?5 WHERE id = ?1";
        let row = params![file, bytes_of(path), signed(mark.device), signed(mark.inode), mark.mtime_ns];
        self.lock().execute(sql, row).map(|_| ()).map_err(failed)
    }

    /// Files of the feed that could be this one when it was shorter, the likeliest first: the same inode, or one of
    /// these names; and something of them in shipments.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn shorter(&self, tenant: &TenantName, feed: &str, mark: &FileMark, names: &[PathBuf]) -> Result<Vec<Shorter>> {
        let read = |row: &rusqlite::Row<'_>| {
            let number = |at: usize| row.get::<_, Option<i64>>(at).map(Option::unwrap_or_default);
            let mark = FileMark {
                device: number(2)?.unsigned_abs(),
                inode: number(3)?.unsigned_abs(),
                size: number(4)?.unsigned_abs(),
                mtime_ns: number(5)?,
            };
            Ok(Shorter { id: row.get(0)?, path: path_of(row.get(1)?), mark, head: row.get(6)? })
        };
        let sql = |way: &str| {
            format!(
                "SELECT id, path, device, inode, size, mtime_ns, head FROM file
                 WHERE tenant = ?1 AND feed = ?2 AND {way} AND size < ?3 AND same_as IS NULL
                   AND EXISTS (SELECT 1 FROM slice WHERE slice.file = file.id) ORDER BY id DESC LIMIT 4"
            )
        };
        let (connection, size) = (self.lock(), signed(mark.size));
        let mut found: Vec<Shorter> = Vec::new();
        let mut statement = connection.prepare_cached(&sql("device = ?4 AND inode = ?5")).map_err(failed)?;
        let row = params![tenant.as_str(), feed, size, signed(mark.device), signed(mark.inode)];
        let rows = statement.query_map(row, read).map_err(failed)?;
        found.extend(rows.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)?);
        let mut statement = connection.prepare_cached(&sql("path = ?4")).map_err(failed)?;
        for name in names {
            let rows =
                statement.query_map(params![tenant.as_str(), feed, size, bytes_of(name)], read).map_err(failed)?;
            let fresh = rows.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)?;
            found.extend(fresh.into_iter().filter(|old| old.mark.inode != mark.inode));
        }
        Ok(found)
    }

    /// Makes a file the longer one that it became: what was shipped of it stays shipped, the rest is still to go.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn grew(&self, file: i64, path: &Path, mark: &FileMark, head: &[u8]) -> Result<()> {
        // Another process may have been faster; it found the same.
        let sql = "UPDATE OR IGNORE file SET path = ?2, device = ?3, inode = ?4, size = ?5, mtime_ns = ?6, head = ?7,
                   done = 0, away = min(away, 1) WHERE id = ?1 AND size < ?5";
        let row = params![
            file,
            bytes_of(path),
            signed(mark.device),
            signed(mark.inode),
            signed(mark.size),
            mark.mtime_ns,
            head
        ];
        self.lock().execute(sql, row).map(|_| ()).map_err(failed)
    }

    /// The parts of a file that are in shipments, from its beginning on.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn slices(&self, file: i64) -> Result<Vec<Slice>> {
        let connection = self.lock();
        let sql = "SELECT from_byte, to_byte, digest FROM slice WHERE file = ?1 ORDER BY from_byte";
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement
            .query_map([file], |row| {
                let (from, to): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok(Slice { from: from.unsigned_abs(), to: to.unsigned_abs(), digest: Digest(row.get(2)?) })
            })
            .map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Records once why a file is not shipped. Tells whether that is news.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn skip(&self, tenant: &TenantName, feed: &str, path: &Path, mark: &FileMark, why: &str) -> Result<bool> {
        self.change(|connection| {
            if seen_in(connection, tenant, feed, mark)?.is_some_and(|seen| seen.done) {
                return Ok(false);
            }
            let id = enter(connection, (tenant, feed), path, mark, None, false)?;
            let sql = "UPDATE file SET done = 1, note = ?2 WHERE id = ?1";
            connection.execute(sql, params![id, why]).map_err(failed)?;
            Ok(true)
        })
    }

    /// Records that a file has the content of another one, which was taken before.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn same(
        &self,
        tenant: &TenantName,
        feed: &str,
        path: &Path,
        mark: &FileMark,
        original: i64,
        away: bool,
    ) -> Result<()> {
        self.change(|connection| {
            let id = enter(connection, (tenant, feed), path, mark, None, away)?;
            let sql = "UPDATE file SET done = 1, same_as = ?2 WHERE id = ?1 AND id <> ?2";
            connection.execute(sql, params![id, original]).map(|_| ()).map_err(failed)
        })
    }

    /// Claims files for packing by `owner`. Tells which ones it got: not those that another one packs or that are done.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn claim(&self, owner: &str, tenant: &TenantName, feed: &str, marks: &[FileMark]) -> Result<Vec<bool>> {
        self.change(|connection| {
            let sql = "INSERT INTO claim (tenant, feed, device, inode, owner) VALUES (?1, ?2, ?3, ?4, ?5)
                       ON CONFLICT DO UPDATE SET owner = excluded.owner WHERE owner = excluded.owner";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            let mut got = Vec::with_capacity(marks.len());
            for mark in marks {
                // Between the scan and now another process may have shipped it.
                let done = seen_in(connection, tenant, feed, mark)?.is_some_and(|seen| seen.done);
                let row = params![tenant.as_str(), feed, signed(mark.device), signed(mark.inode), owner];
                got.push(!done && statement.execute(row).map_err(failed)? == 1);
            }
            Ok(got)
        })
    }

    /// Gives every claim of `owner` back.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn release(&self, owner: &str) -> Result<()> {
        self.lock().execute("DELETE FROM claim WHERE owner = ?1", [owner]).map(|_| ()).map_err(failed)
    }

    /// Files whose shipments have all been taken by the service and which are to be put away; not more than `limit`.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn ready(&self, limit: usize) -> Result<Vec<ReadyFile>> {
        let sql = "SELECT file.id, tenant, feed, path, device, inode, size, mtime_ns,
                 NOT EXISTS (SELECT 1 FROM slice JOIN shipment ON shipment.id = slice.shipment
                             WHERE slice.file = coalesce(file.same_as, file.id) AND stage <> 'confirmed')
             FROM file WHERE away = 1 AND done = 1 AND device IS NOT NULL
               AND EXISTS (SELECT 1 FROM slice WHERE slice.file = coalesce(file.same_as, file.id))
               AND NOT EXISTS (SELECT 1 FROM slice JOIN shipment ON shipment.id = slice.shipment
                   WHERE slice.file = coalesce(file.same_as, file.id) AND stage NOT IN ('finalised', 'confirmed', 'rejected'))
             LIMIT ?1";
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let wrong = |why: String| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, why.into());
        let rows = statement
            .query_map([signed(limit as u64)], |row| {
                let number = |at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
                Ok(ReadyFile {
                    id: row.get(0)?,
                    tenant: row.get::<_, String>(1)?.parse().map_err(wrong)?,
                    feed: row.get(2)?,
                    path: path_of(row.get(3)?),
                    mark: FileMark { device: number(4)?, inode: number(5)?, size: number(6)?, mtime_ns: row.get(7)? },
                    confirmed: row.get(8)?,
                })
            })
            .map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Notes that a file was put away, or is not to be any more.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn put_away(&self, file: i64) -> Result<()> {
        self.lock().execute("UPDATE file SET away = 0 WHERE id = ?1", [file]).map(|_| ()).map_err(failed)
    }

    /// Notes that a file to be put away is no longer where it was; [`Ledger::moved`] brings it back.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn lost(&self, file: i64) -> Result<()> {
        self.lock().execute("UPDATE file SET away = 2 WHERE id = ?1", [file]).map(|_| ()).map_err(failed)
    }

    /// The newest files that are not shipped, and why.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn skipped(&self, limit: usize) -> Result<Vec<Skipped>> {
        let sql = "SELECT feed, path, size, note FROM file WHERE note IS NOT NULL ORDER BY id DESC LIMIT ?1";
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement
            .query_map([signed(limit as u64)], |row| {
                let size: i64 = row.get(2)?;
                let path = path_of(row.get(1)?);
                Ok(Skipped { feed: row.get(0)?, path, size: size.unsigned_abs(), why: row.get(3)? })
            })
            .map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }
}
