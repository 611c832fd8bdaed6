//! What shipping processes do with the ledger: take shipments in, share them out, remember blocks, finalise in turn,
//! take over from the dead.

use super::files::enter;
use super::shipments::{COLUMNS, read, stage_of, step};
use super::{FileMark, Ledger, Shipment, Stage, failed, now, signed};
use crate::domain::{Digest, TenantName};
use crate::error::{Error, Result};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;
use std::path::Path;

/// A part of a file that was packed.
#[derive(Debug, Clone)]
pub struct NewSlice<'p> {
    /// Where the file is.
    pub path: &'p Path,
    /// Its mark.
    pub mark: FileMark,
    /// Fingerprint of its first bytes.
    pub head: &'p [u8],
    /// Of the bytes of the slice.
    pub digest: Digest,
    /// First byte.
    pub from: u64,
    /// Behind the last byte.
    pub to: u64,
}

/// A new shipment, packed.
#[derive(Debug, Clone)]
pub struct NewShipment<'p> {
    /// Whose.
    pub tenant: &'p TenantName,
    /// The feed.
    pub feed: &'p str,
    /// The process that packed it and sends it.
    pub owner: &'p str,
    /// What it holds, in order.
    pub slices: Vec<NewSlice<'p>>,
    /// Bytes in the spool.
    pub packed: u64,
    /// The log type sent.
    pub log_type: &'p str,
    /// Data source or snapshot name.
    pub destination: &'p str,
    /// Whether the destination is a snapshot report.
    pub snapshot: bool,
    /// File name in the spool directory.
    pub spool: &'p str,
    /// The file name told to the service.
    pub filename: &'p str,
    /// Whether the files are to be put away afterwards.
    pub away: bool,
    /// Why it is held instead of sent.
    pub held: Option<&'p str>,
    /// What was understood of it, as JSON.
    pub judgement: Option<&'p str>,
}

/// Number and length of each block that storage has.
pub type Blocks = Vec<(u32, u64)>;

/// Whether a shipment may be finalised now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Yes, and the intent is recorded.
    Yours,
    /// Another one of the data source is being finalised.
    Later,
    /// Another one of the data source is uncertain.
    Blocked(i64),
}

impl Ledger {
    /// Takes a packed shipment in with its files. `None` when some of its content is in a shipment of the feed already.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn take_in(&self, new: &NewShipment<'_>) -> Result<Option<i64>> {
        let mut connection = self.lock();
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        // Dropped without a commit, the transaction leaves nothing behind.
        let Some(id) = take_in(&transaction, new)? else { return Ok(None) };
        transaction.commit().map_err(failed)?;
        Ok(Some(id))
    }

    /// Shipments of a tenant that `owner` may send, oldest first: its own, and those nobody has in hand, which become
    /// its own.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn share(&self, owner: &str, tenant: &TenantName, limit: usize) -> Result<Vec<Shipment>> {
        let (limit, tenant) = (signed(limit as u64), tenant.as_str());
        let free =
            "SELECT 1 FROM shipment WHERE stage IN ('packed', 'stored') AND tenant = ?1 AND owner IS NULL LIMIT 1";
        let any = self.lock().query_row(free, [tenant], |_| Ok(())).optional().map_err(failed)?;
        // Only a taking needs the write lock.
        if any.is_some() {
            self.change(|connection| {
                let sql = "UPDATE shipment SET owner = ?1 WHERE id IN (SELECT id FROM shipment
                           WHERE stage IN ('packed', 'stored') AND tenant = ?2 AND owner IS NULL ORDER BY id LIMIT ?3)";
                connection.execute(sql, params![owner, tenant, limit]).map(|_| ()).map_err(failed)
            })?;
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM shipment WHERE stage IN ('packed', 'stored') AND tenant = ?1 AND owner = ?2
             ORDER BY id LIMIT ?3"
        );
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let rows = statement.query_map(params![tenant, owner, limit], read).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Sends a packed shipment somewhere else: its feed's configuration was changed.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn retarget(&self, id: i64, destination: &str, snapshot: bool, log_type: &str) -> Result<()> {
        self.change(|connection| {
            let sql = "UPDATE shipment SET destination = ?2, snapshot = ?3, log_type = ?4, address = NULL, attempts = 0
                       WHERE id = ?1 AND stage = 'packed'";
            connection.execute(sql, params![id, destination, snapshot, log_type]).map_err(failed)?;
            // The address was granted for the old log type.
            connection.execute("DELETE FROM block WHERE shipment = ?1", [id]).map(|_| ()).map_err(failed)
        })
    }

    /// Bytes in the spool and number of the shipments of a tenant that wait there.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn backlog(&self, tenant: &TenantName) -> Result<(u64, u64)> {
        let sql = "SELECT coalesce(sum(packed), 0), coalesce(sum(stage IN ('packed', 'stored')), 0) FROM shipment
                   WHERE stage IN ('packed', 'stored', 'finalising', 'uncertain', 'held') AND tenant = ?1";
        let row =
            |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs()));
        self.lock().prepare_cached(sql).and_then(|mut sql| sql.query_row([tenant.as_str()], row)).map_err(failed)
    }

    /// Records the sealed upload address of a shipment, with the blocks that storage has there already.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn granted(&self, id: i64, sealed: &[u8], blocks: &[(u32, u64)]) -> Result<()> {
        self.change(|connection| {
            let sql = "UPDATE shipment SET address = ?2 WHERE id = ?1";
            connection.execute(sql, params![id, sealed]).map_err(failed)?;
            connection.execute("DELETE FROM block WHERE shipment = ?1", [id]).map_err(failed)?;
            blocks.iter().try_for_each(|(number, length)| block(connection, id, *number, *length))
        })
    }

    /// The sealed upload address of a shipment, with the blocks that storage has there.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn grant(&self, id: i64) -> Result<Option<(Vec<u8>, Blocks)>> {
        let connection = self.lock();
        let sql = "SELECT address FROM shipment WHERE id = ?1 AND address IS NOT NULL";
        let Some(address) = connection.query_row(sql, [id], |row| row.get(0)).optional().map_err(failed)? else {
            return Ok(None);
        };
        let sql = "SELECT number, length FROM block WHERE shipment = ?1 ORDER BY number";
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let rows =
            statement.query_map([id], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))).map_err(failed)?;
        Ok(Some((address, rows.collect::<rusqlite::Result<_>>().map_err(failed)?)))
    }

    /// Remembers that storage has a block. After a power cut the last ones may be forgotten, which costs putting them
    /// again: not worth a disk sync for each.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn record_block(&self, id: i64, number: u32, length: u64) -> Result<()> {
        let connection = self.lock();
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        let recorded = block(&connection, id, number, length);
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        recorded
    }

    /// Forgets the upload address of a shipment: it is refused, expired or used.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn ungrant(&self, id: i64) -> Result<()> {
        self.change(|connection| {
            connection.execute("UPDATE shipment SET address = NULL WHERE id = ?1", [id]).map_err(failed)?;
            connection.execute("DELETE FROM block WHERE shipment = ?1", [id]).map(|_| ()).map_err(failed)
        })
    }

    /// Records the intent to finalise, with the counters of the data source (history, fails) read before.
    ///
    /// # Errors
    /// When the shipment is not stored.
    pub fn finalising(&self, id: i64, counters: Option<(u64, u64)>) -> Result<Turn> {
        self.change(|connection| {
            let from = stage_of(connection, id)?;
            if !Stage::Finalising.follows(from) {
                return Err(Error::failed(format!("shipment {id} is {from} and cannot be finalised")));
            }
            let place = "SELECT tenant, destination, snapshot FROM shipment WHERE id = ?1";
            let (tenant, destination, snapshot): (String, String, bool) =
                connection.query_row(place, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(failed)?;
            let mut pending = 0;
            if let (false, Some((history, _))) = (snapshot, counters) {
                // Without counters an uncertain one could never be decided: it does not hold the others up.
                let sql = "SELECT id, stage FROM shipment WHERE tenant = ?1 AND destination = ?2 AND id <> ?3
                           AND stage IN ('finalising', 'uncertain') AND snapshot = 0 AND history IS NOT NULL LIMIT 1";
                let other: Option<(i64, String)> = connection
                    .query_row(sql, params![tenant, destination, id], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()
                    .map_err(failed)?;
                match other {
                    Some((other, stage)) if stage == "uncertain" => return Ok(Turn::Blocked(other)),
                    Some(_) => return Ok(Turn::Later),
                    None => {}
                }
                let sql = "SELECT count(*) FROM shipment WHERE tenant = ?1 AND destination = ?2 AND history IS NOT NULL
                           AND history + pending >= ?3 AND snapshot = 0
                           AND stage IN ('finalised', 'confirmed', 'rejected')";
                pending = connection
                    .query_row(sql, params![tenant, destination, signed(history)], |row| row.get(0))
                    .map_err(failed)?;
            }
            // One step: without its baseline an interrupted finalisation could never be decided.
            let sql = "UPDATE shipment SET stage = 'finalising', reason = NULL, history = ?2, fails = ?3, pending = ?4,
                       updated = ?5 WHERE id = ?1";
            let counts = counters.map(|(history, fails)| (signed(history), signed(fails)));
            let row = params![id, counts.map(|c| c.0), counts.map(|c| c.1), counts.map(|_| pending), now()];
            connection.execute(sql, row).map_err(failed)?;
            Ok(Turn::Yours)
        })
    }

    /// The service took it: its place in the spool and its address are no longer needed.
    ///
    /// # Errors
    /// When the step is not legal from where the shipment is.
    pub fn finalised(&self, id: i64) -> Result<()> {
        self.change(|connection| {
            step(connection, id, Stage::Finalised, None)?;
            connection
                .execute("UPDATE shipment SET address = NULL, owner = NULL WHERE id = ?1", [id])
                .map_err(failed)?;
            connection.execute("DELETE FROM block WHERE shipment = ?1", [id]).map(|_| ()).map_err(failed)
        })
    }

    /// The service refused it: back to storing anew, or held after `most` refusals. Tells where it is now.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn refused(&self, id: i64, why: &str, most: u64) -> Result<Stage> {
        self.change(|connection| {
            let sql = "UPDATE shipment SET attempts = attempts + 1, address = NULL WHERE id = ?1 RETURNING attempts";
            let attempts: i64 = connection.query_row(sql, [id], |row| row.get(0)).map_err(failed)?;
            let to = if attempts.unsigned_abs() >= most { Stage::Held } else { Stage::Packed };
            step(connection, id, to, Some(why))?;
            connection.execute("DELETE FROM block WHERE shipment = ?1", [id]).map_err(failed)?;
            Ok(to)
        })
    }

    /// How many shipments of a data source were refused by the parser among those finalised at or after these counters.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn rejected_since(&self, tenant: &TenantName, destination: &str, history: u64) -> Result<u64> {
        let sql = "SELECT count(*) FROM shipment WHERE tenant = ?1 AND destination = ?2 AND history IS NOT NULL
                   AND history + pending >= ?3 AND stage = 'rejected' AND snapshot = 0";
        let row = params![tenant.as_str(), destination, signed(history)];
        self.lock().query_row(sql, row, |row| row.get::<_, i64>(0)).map(i64::unsigned_abs).map_err(failed)
    }

    /// Every process that has a shipment or a file in hand, as far as the ledger knows.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn owners(&self) -> Result<BTreeSet<String>> {
        let sql = "SELECT DISTINCT owner FROM shipment WHERE owner IS NOT NULL UNION SELECT DISTINCT owner FROM claim";
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Takes back what a dead process (or, for `None`, an earlier version) held: what was being finalised is uncertain,
    /// the rest is free. Returns how many shipments are uncertain now.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn recover(&self, owner: Option<&str>) -> Result<usize> {
        self.change(|connection| {
            let sql = "UPDATE shipment SET stage = 'uncertain', reason = 'the answer to done_upload was lost'
                       WHERE stage = 'finalising' AND owner IS ?1";
            let uncertain = connection.execute(sql, [owner]).map_err(failed)?;
            connection.execute("UPDATE shipment SET owner = NULL WHERE owner = ?1", [owner]).map_err(failed)?;
            connection.execute("DELETE FROM claim WHERE owner = ?1", [owner]).map_err(failed)?;
            Ok(uncertain)
        })
    }

    /// Whether a spool file is still needed.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn needs_spool(&self) -> Result<BTreeSet<String>> {
        let sql = "SELECT spool FROM shipment WHERE stage IN ('packed', 'stored', 'finalising', 'uncertain', 'held')";
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }
}

fn block(connection: &Connection, id: i64, number: u32, length: u64) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO block (shipment, number, length) VALUES (?1, ?2, ?3)";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.execute(params![id, number, signed(length)]).map(|_| ()).map_err(failed)
}

fn take_in(connection: &Connection, new: &NewShipment<'_>) -> Result<Option<i64>> {
    let source = new.slices.first().map_or(Path::new(""), |slice| slice.path).to_string_lossy();
    let raw: u64 = new.slices.iter().map(|slice| slice.to - slice.from).sum();
    let stage = if new.held.is_some() { Stage::Held } else { Stage::Packed };
    let sql =
        "INSERT INTO shipment (tenant, feed, source, files, raw, packed, log_type, destination, snapshot, filename,
                   spool, stage, reason, owner, judgement, updated)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
    let row = params![
        new.tenant.as_str(),
        new.feed,
        source,
        signed(new.slices.len() as u64),
        signed(raw),
        signed(new.packed),
        new.log_type,
        new.destination,
        new.snapshot,
        new.filename,
        new.spool,
        stage.to_string(),
        new.held,
        new.held.is_none().then_some(new.owner),
        new.judgement,
        now()
    ];
    connection.prepare_cached(sql).and_then(|mut sql| sql.execute(row)).map_err(failed)?;
    let id = connection.last_insert_rowid();
    for (position, slice) in new.slices.iter().enumerate() {
        let file = enter(connection, (new.tenant, new.feed), slice.path, &slice.mark, Some(slice.head), new.away)?;
        let sql = "INSERT INTO slice (shipment, position, file, tenant, feed, digest, from_byte, to_byte)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let row = params![
            id,
            signed(position as u64),
            file,
            new.tenant.as_str(),
            new.feed,
            slice.digest.0,
            signed(slice.from),
            signed(slice.to)
        ];
        match connection.prepare_cached(sql).and_then(|mut sql| sql.execute(row)) {
            Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == rusqlite::ErrorCode::ConstraintViolation => {
                return Ok(None);
            }
            inserted => inserted.map_err(failed)?,
        };
        // Slices of a file never overlap: their lengths tell whether anything is left.
        let sql =
            "UPDATE file SET head = ?2, done = size <= (SELECT sum(to_byte - from_byte) FROM slice WHERE file = ?1)
                   WHERE id = ?1";
        connection.prepare_cached(sql).and_then(|mut sql| sql.execute(params![file, slice.head])).map_err(failed)?;
    }
    Ok(Some(id))
}
