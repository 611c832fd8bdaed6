//! Shipments: looking at them, moving them along their stages, and a person's orders.

use super::{Ledger, Stage, failed, now, signed};
use crate::domain::{ByteCount, TenantName};
use crate::error::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The service's counters of a data source just before a finalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Baseline {
    /// Logs processed so far.
    pub history: u64,
    /// Logs refused so far.
    pub fails: u64,
    /// Shipments of ours that were finalised but not yet in the counters.
    pub pending: u64,
}

/// A row of the ledger.
#[derive(Debug, Clone)]
pub struct Shipment {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub tenant: TenantName,
    /// The feed.
    pub feed: String,
    /// The first source file as first seen.
    pub source: String,
    /// How many files it holds, or holds parts of.
    pub files: u64,
    /// Raw bytes.
    pub raw: u64,
    /// Bytes sent.
    pub packed: u64,
    /// The log type sent.
    pub log_type: String,
    /// Data source or snapshot name.
    pub destination: String,
    /// Whether the destination is a snapshot report.
    pub snapshot: bool,
    /// The file name told to the service.
    pub filename: String,
    /// Where it is.
    pub stage: Stage,
    /// Why it waits, or what the last try said.
    pub reason: Option<String>,
    /// File name in the spool directory.
    pub spool: String,
    /// Counters before finalisation.
    pub baseline: Option<Baseline>,
    /// How often its finalisation was refused.
    pub attempts: u64,
    /// The process that has it in hand.
    pub owner: Option<String>,
    /// What was understood of it, as JSON.
    pub judgement: Option<String>,
    /// Unix seconds of the last step.
    pub updated: i64,
}

pub(super) const COLUMNS: &str = "id, tenant, feed, source, files, raw, packed, log_type, destination, snapshot, \
     filename, stage, reason, spool, history, fails, pending, attempts, owner, judgement, updated";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Shipment> {
    let unsigned = |at: usize| row.get::<_, Option<i64>>(at).map(|count| count.map(i64::unsigned_abs));
    let wrong =
        |at: usize, why: String| rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, why.into());
    let baseline = match (unsigned(14)?, unsigned(15)?, unsigned(16)?) {
        (Some(history), Some(fails), Some(pending)) => Some(Baseline { history, fails, pending }),
        _ => None,
    };
    Ok(Shipment {
        id: row.get(0)?,
        tenant: row.get::<_, String>(1)?.parse().map_err(|why| wrong(1, why))?,
        feed: row.get(2)?,
        source: row.get(3)?,
        files: unsigned(4)?.unwrap_or_default(),
        raw: unsigned(5)?.unwrap_or_default(),
        packed: unsigned(6)?.unwrap_or_default(),
        log_type: row.get(7)?,
        destination: row.get(8)?,
        snapshot: row.get(9)?,
        filename: row.get(10)?,
        stage: row.get::<_, String>(11)?.parse().map_err(|why| wrong(11, why))?,
        reason: row.get(12)?,
        spool: row.get(13)?,
        baseline,
        attempts: unsigned(17)?.unwrap_or_default(),
        owner: row.get(18)?,
        judgement: row.get(19)?,
        updated: row.get(20)?,
    })
}

pub(super) fn stage_of(connection: &Connection, id: i64) -> Result<Stage> {
    let stage: Option<String> = connection
        .query_row("SELECT stage FROM shipment WHERE id = ?1", [id], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    let stage = stage
        .ok_or_else(|| Error::failed(format!("there is no shipment {id}")).hint("see them with: logweir status"))?;
    stage.parse().map_err(Error::failed)
}

/// The step itself, if it is legal.
pub(super) fn step(connection: &Connection, id: i64, to: Stage, reason: Option<&str>) -> Result<()> {
    let from = stage_of(connection, id)?;
    if !to.follows(from) {
        return Err(Error::failed(format!("shipment {id} is {from} and cannot become {to}")));
    }
    // Only what is on its way is in somebody's hand.
    let sql = "UPDATE shipment SET stage = ?2, reason = ?3, updated = ?4,
               owner = iif(?2 IN ('packed', 'stored', 'finalising'), owner, NULL) WHERE id = ?1";
    connection.execute(sql, params![id, to.to_string(), reason, now()]).map(|_| ()).map_err(failed)
}

impl Ledger {
    /// Shipments, newest first; all stages unless some are named; only those before `before`, if given.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn shipments_before(&self, stages: &[Stage], before: Option<i64>, limit: usize) -> Result<Vec<Shipment>> {
        let connection = self.lock();
        let before = before.unwrap_or(i64::MAX);
        let mut found: Vec<Shipment> = Vec::new();
        // One walk down an index for each stage: sorting a million rows of one stage is never needed.
        let filters: Vec<String> = if stages.is_empty() {
            vec![String::new()]
        } else {
            stages.iter().map(|stage| format!("stage = '{stage}' AND ")).collect()
        };
        for filter in filters {
            let sql = format!("SELECT {COLUMNS} FROM shipment WHERE {filter} id < ?1 ORDER BY id DESC LIMIT ?2");
            let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
            let rows = statement.query_map([before, signed(limit as u64)], read).map_err(failed)?;
            found.extend(rows.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)?);
        }
        found.sort_by_key(|shipment| std::cmp::Reverse(shipment.id));
        found.dedup_by_key(|shipment| shipment.id);
        found.truncate(limit);
        Ok(found)
    }

    /// Shipments, newest first; all stages unless some are named.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn shipments(&self, stages: &[Stage], limit: usize) -> Result<Vec<Shipment>> {
        self.shipments_before(stages, None, limit)
    }

    /// The oldest shipments of a tenant in a stage.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn oldest(&self, tenant: &TenantName, stage: Stage, limit: usize) -> Result<Vec<Shipment>> {
        let sql = format!("SELECT {COLUMNS} FROM shipment WHERE stage = ?1 AND tenant = ?2 ORDER BY id LIMIT ?3");
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let rows = statement
            .query_map(params![stage.to_string(), tenant.as_str(), signed(limit as u64)], read)
            .map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// One shipment.
    ///
    /// # Errors
    /// When there is none of this number.
    pub fn shipment(&self, id: i64) -> Result<Shipment> {
        let connection = self.lock();
        stage_of(&connection, id)?;
        let sql = format!("SELECT {COLUMNS} FROM shipment WHERE id = ?1");
        connection.query_row(&sql, [id], read).map_err(failed)
    }

    /// How many shipments are in each stage, with their raw bytes.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn counts(&self) -> Result<Vec<(Stage, u64, ByteCount)>> {
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached("SELECT stage, shipments, raw FROM tally WHERE shipments > 0").map_err(failed)?;
        let rows = statement
            .query_map([], |row| {
                let (stage, count, raw): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok((stage, count.unsigned_abs(), ByteCount(raw.unsigned_abs())))
            })
            .map_err(failed)?;
        let mut counts = Vec::new();
        for row in rows {
            let (stage, count, raw) = row.map_err(failed)?;
            counts.push((stage.parse().map_err(Error::failed)?, count, raw));
        }
        counts.sort_by_key(|(stage, ..)| *stage);
        Ok(counts)
    }

    /// Moves a shipment on; `reason` replaces the former one.
    ///
    /// # Errors
    /// When the step is not legal from where the shipment is.
    pub fn advance(&self, id: i64, to: Stage, reason: Option<&str>) -> Result<()> {
        self.change(|connection| step(connection, id, to, reason))
    }

    /// Notes why a shipment did not move, without moving it.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn note(&self, id: i64, reason: &str) -> Result<()> {
        let sql = "UPDATE shipment SET reason = ?2, updated = ?3 WHERE id = ?1";
        self.lock().execute(sql, params![id, reason, now()]).map(|_| ()).map_err(failed)
    }

    /// A person's order: send a held or uncertain shipment again from the spool, to a new address.
    ///
    /// # Errors
    /// When there is no such shipment, or it needs no retry.
    pub fn retry(&self, id: i64) -> Result<()> {
        self.change(|connection| {
            let from = stage_of(connection, id)?;
            if !matches!(from, Stage::Held | Stage::Uncertain | Stage::Packed) {
                return Err(Error::failed(format!("shipment {id} is {from}: there is nothing to retry"))
                    .hint("held and uncertain shipments can be retried; forget one to ship its files anew"));
            }
            step(connection, id, Stage::Packed, None)?;
            connection.execute("DELETE FROM block WHERE shipment = ?1", [id]).map_err(failed)?;
            let sql = "UPDATE shipment SET address = NULL, attempts = 0, owner = NULL WHERE id = ?1";
            connection.execute(sql, [id]).map(|_| ()).map_err(failed)
        })
    }

    /// The held shipments of a feed.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn held(&self, tenant: &TenantName, feed: &str) -> Result<Vec<Shipment>> {
        let sql =
            format!("SELECT {COLUMNS} FROM shipment WHERE stage = 'held' AND tenant = ?1 AND feed = ?2 ORDER BY id");
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let rows = statement.query_map(params![tenant.as_str(), feed], read).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// A person's order: forget a shipment, so that what it held counts as new. Returns its file in the spool.
    ///
    /// # Errors
    /// When there is no such shipment.
    pub fn forget(&self, id: i64) -> Result<String> {
        self.change(|connection| {
            stage_of(connection, id)?;
            let sql = "SELECT DISTINCT file FROM slice WHERE shipment = ?1";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            let rows = statement.query_map([id], |row| row.get(0)).map_err(failed)?;
            let files: Vec<i64> = rows.collect::<rusqlite::Result<_>>().map_err(failed)?;
            let sql = "DELETE FROM shipment WHERE id = ?1 RETURNING spool";
            let spool = connection.query_row(sql, [id], |row| row.get(0)).map_err(failed)?;
            for file in files {
                // Copies of it are new as well; so is what the ledger of an earlier version knew by mark alone.
                connection.execute("DELETE FROM file WHERE same_as = ?1", [file]).map_err(failed)?;
                let sql =
                    "DELETE FROM file WHERE (tenant, feed, size) = (SELECT tenant, feed, size FROM file WHERE id = ?1)
                           AND head IS NULL AND note IS NULL AND same_as IS NULL AND id <> ?1
                           AND NOT EXISTS (SELECT 1 FROM slice WHERE slice.file = file.id)";
                connection.execute(sql, [file]).map_err(failed)?;
                let sql = "UPDATE file SET done = 0 WHERE id = ?1";
                connection.execute(sql, [file]).map_err(failed)?;
                let sql = "DELETE FROM file WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM slice WHERE slice.file = ?1)";
                connection.execute(sql, [file]).map_err(failed)?;
            }
            Ok(spool)
        })
    }
}
