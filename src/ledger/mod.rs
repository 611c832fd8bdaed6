//! The memory: which files were seen, where each shipment is, which calls were made.
//!
//! All SQL of the crate stands here and in `schema`. The interface is transitions, not tables. Invariants:
//!
//! * A content (digest and length) is shipped once per tenant and feed.
//! * A stage only moves along `Stage::follows`; anything else is refused.
//! * The intent to finalise is recorded before the call, the outcome after it. A shipment found between the two is
//!   `uncertain`: only the service's counters, or a person, move it on.
//! * No signed address is ever stored.

mod schema;

use crate::domain::{ByteCount, CallBudget, Digest, TenantName, Urgency};
use crate::error::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Calls a tenant may make in a minute, by the service's rule.
pub const CALLS_A_MINUTE: u32 = 30;
/// One call in this many is left to people by a backlog.
const KEPT_FOR_PEOPLE: u32 = 5;

/// Where a shipment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Its bytes are in the spool, compressed.
    Packed,
    /// Storage has it.
    Stored,
    /// `done_upload` is about to be called, or was.
    Finalising,
    /// The answer to `done_upload` was lost; the service's counters will tell.
    Uncertain,
    /// The service took it.
    Finalised,
    /// The service's counters show that it was processed.
    Confirmed,
    /// The service's counters show that its parser refused it.
    Rejected,
    /// Waits for a person, for the reason recorded.
    Held,
}

const STAGES: [(Stage, &str); 8] = [
    (Stage::Packed, "packed"),
    (Stage::Stored, "stored"),
    (Stage::Finalising, "finalising"),
    (Stage::Uncertain, "uncertain"),
    (Stage::Finalised, "finalised"),
    (Stage::Confirmed, "confirmed"),
    (Stage::Rejected, "rejected"),
    (Stage::Held, "held"),
];

impl Stage {
    /// Whether a shipment may move from `before` to this stage.
    fn follows(self, before: Stage) -> bool {
        use Stage::{Confirmed, Finalised, Finalising, Held, Packed, Rejected, Stored, Uncertain};
        match self {
            // A new upload address, or a person's retry, starts over from the spool.
            Packed => matches!(before, Packed | Stored | Held | Uncertain),
            Stored => before == Packed,
            Finalising => before == Stored,
            Uncertain => before == Finalising,
            Finalised => matches!(before, Finalising | Uncertain),
            Confirmed | Rejected => before == Finalised,
            Held => matches!(before, Packed | Stored | Finalising),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = STAGES.iter().find(|(stage, _)| stage == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Stage, String> {
        let found = STAGES.iter().find(|(_, name)| *name == text).map(|(stage, _)| *stage);
        found.ok_or_else(|| format!("{text:?} is none of {}", STAGES.map(|(_, name)| name).join(", ")))
    }
}

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

/// A new shipment, packed.
#[derive(Debug, Clone)]
pub struct Packed<'p> {
    /// Whose.
    pub tenant: &'p TenantName,
    /// The feed.
    pub feed: &'p str,
    /// The source file.
    pub source: &'p Path,
    /// Of the raw content.
    pub digest: Digest,
    /// Raw bytes.
    pub raw: u64,
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
    /// The source file as first seen.
    pub source: String,
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
    /// Where it is.
    pub stage: Stage,
    /// Why it waits, or what the last try said.
    pub reason: Option<String>,
    /// File name in the spool directory.
    pub spool: String,
    /// Counters before finalisation.
    pub baseline: Option<Baseline>,
    /// Unix seconds of the last step.
    pub updated: i64,
}

/// What tells a file from others without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// The open ledger; clones share one connection.
#[derive(Clone)]
pub struct Ledger {
    connection: Arc<Mutex<Connection>>,
    calls_a_minute: u32,
}

fn failed(error: rusqlite::Error) -> Error {
    Error::failed("the ledger cannot be used")
        .cause(error)
        .hint("is the disk full, or the state directory not ours? logweir doctor tells")
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// SQLite keeps signed numbers; a count past `i64::MAX` cannot occur.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Ledger {
    /// Opens the ledger, making or migrating it.
    ///
    /// # Errors
    /// When the file cannot be opened or is from a newer logweir.
    pub fn open(path: &Path) -> Result<Ledger> {
        let connection = schema::open(path)?;
        Ok(Ledger { connection: Arc::new(Mutex::new(connection)), calls_a_minute: CALLS_A_MINUTE })
    }

    /// The same ledger with another budget of calls: less where other tools share the tenant.
    #[must_use]
    pub fn with_budget(self, calls_a_minute: u32) -> Ledger {
        Ledger { calls_a_minute, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic while holding it leaves no half transaction: SQLite rolls back.
        self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Checks the database file itself.
    ///
    /// # Errors
    /// With what SQLite found wrong.
    pub fn integrity(&self) -> Result<()> {
        let said: String = self.lock().query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(failed)?;
        if said == "ok" {
            return Ok(());
        }
        Err(Error::failed("the ledger is damaged")
            .cause(said)
            .hint("stop logweir, keep a copy of ledger.db, and restore a backup"))
    }

    /// Whether a file with this mark was taken into a shipment of the feed before.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn seen(&self, tenant: &TenantName, feed: &str, mark: &FileMark) -> Result<bool> {
        let sql = "SELECT 1 FROM seen WHERE tenant = ?1 AND feed = ?2 AND device = ?3 AND inode = ?4 AND size = ?5 AND mtime_ns = ?6";
        let row =
            params![tenant.as_str(), feed, signed(mark.device), signed(mark.inode), signed(mark.size), mark.mtime_ns];
        self.lock().query_row(sql, row, |_| Ok(())).optional().map(|row| row.is_some()).map_err(failed)
    }

    /// Remembers a file, so that it is not read again.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn remember(&self, tenant: &TenantName, feed: &str, mark: &FileMark) -> Result<()> {
        let sql =
            "INSERT OR IGNORE INTO seen (tenant, feed, device, inode, size, mtime_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let row =
            params![tenant.as_str(), feed, signed(mark.device), signed(mark.inode), signed(mark.size), mark.mtime_ns];
        self.lock().execute(sql, row).map(|_| ()).map_err(failed)
    }

    /// The shipment of this content under this feed, if there is one.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn known(&self, tenant: &TenantName, feed: &str, digest: &Digest, raw: u64) -> Result<Option<i64>> {
        let sql = "SELECT id FROM shipment WHERE tenant = ?1 AND feed = ?2 AND digest = ?3 AND raw = ?4";
        let row = params![tenant.as_str(), feed, digest.0.as_slice(), signed(raw)];
        self.lock().query_row(sql, row, |row| row.get(0)).optional().map_err(failed)
    }

    /// Takes a packed shipment in, together with the mark of its file.
    ///
    /// # Errors
    /// When the content is known already, or the ledger cannot be written.
    pub fn packed(&self, shipment: &Packed<'_>, mark: &FileMark) -> Result<i64> {
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(failed)?;
        let sql = "INSERT INTO shipment (tenant, feed, source, digest, raw, packed, log_type, destination, snapshot, spool, stage, updated)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'packed', ?11)";
        let row = params![
            shipment.tenant.as_str(),
            shipment.feed,
            shipment.source.to_string_lossy(),
            shipment.digest.0.as_slice(),
            signed(shipment.raw),
            signed(shipment.packed),
            shipment.log_type,
            shipment.destination,
            shipment.snapshot,
            shipment.spool,
            now()
        ];
        transaction.execute(sql, row).map_err(failed)?;
        let id = transaction.last_insert_rowid();
        let sql =
            "INSERT OR IGNORE INTO seen (tenant, feed, device, inode, size, mtime_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let row = params![
            shipment.tenant.as_str(),
            shipment.feed,
            signed(mark.device),
            signed(mark.inode),
            signed(mark.size),
            mark.mtime_ns
        ];
        transaction.execute(sql, row).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(id)
    }

    /// Moves a shipment on; `reason` replaces the former one.
    ///
    /// # Errors
    /// When the step is not legal from where the shipment is.
    pub fn advance(&self, id: i64, to: Stage, reason: Option<&str>) -> Result<()> {
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(failed)?;
        let from = stage_of(&transaction, id)?;
        if !to.follows(from) {
            return Err(Error::failed(format!("shipment {id} is {from} and cannot become {to}")));
        }
        let sql = "UPDATE shipment SET stage = ?2, reason = ?3, updated = ?4 WHERE id = ?1";
        transaction.execute(sql, params![id, to.to_string(), reason, now()]).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    /// Records the intent to finalise, with the counters before it.
    ///
    /// # Errors
    /// When the shipment is not stored.
    pub fn finalising(&self, id: i64, baseline: Option<Baseline>) -> Result<()> {
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(failed)?;
        let from = stage_of(&transaction, id)?;
        if !Stage::Finalising.follows(from) {
            return Err(Error::failed(format!("shipment {id} is {from} and cannot be finalised")));
        }
        // One step: without its baseline an interrupted finalisation could never be decided.
        let sql = "UPDATE shipment SET stage = 'finalising', reason = NULL, history = ?2, fails = ?3, pending = ?4, updated = ?5
                   WHERE id = ?1";
        let count = |pick: fn(&Baseline) -> u64| baseline.as_ref().map(|baseline| signed(pick(baseline)));
        let row = params![id, count(|b| b.history), count(|b| b.fails), count(|b| b.pending), now()];
        transaction.execute(sql, row).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    /// Notes why a shipment did not move, without moving it.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn note(&self, id: i64, reason: &str) -> Result<()> {
        let sql = "UPDATE shipment SET reason = ?2, updated = ?3 WHERE id = ?1";
        self.lock().execute(sql, params![id, reason, now()]).map(|_| ()).map_err(failed)
    }

    /// After a crash: what was being finalised is uncertain, what was stored must be stored again (its address is
    /// gone). Returns how many shipments are uncertain now.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn recover(&self) -> Result<usize> {
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(failed)?;
        let sql = "UPDATE shipment SET stage = 'uncertain', reason = 'the answer to done_upload was lost' WHERE stage = 'finalising'";
        let uncertain = transaction.execute(sql, []).map_err(failed)?;
        transaction.execute("UPDATE shipment SET stage = 'packed' WHERE stage = 'stored'", []).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(uncertain)
    }

    /// Shipments, newest first; all stages unless some are named.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn shipments(&self, stages: &[Stage], limit: usize) -> Result<Vec<Shipment>> {
        let all: Vec<Stage> = STAGES.iter().map(|(stage, _)| *stage).collect();
        let wanted = if stages.is_empty() { &all } else { stages };
        let names: Vec<String> = wanted.iter().map(|stage| format!("'{stage}'")).collect();
        let sql = format!(
            "SELECT id, tenant, feed, source, raw, packed, log_type, destination, snapshot, stage, reason, spool, history, fails, pending, updated
             FROM shipment WHERE stage IN ({}) ORDER BY id DESC LIMIT ?1",
            names.join(", ")
        );
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let rows = statement.query_map([signed(limit as u64)], shipment).map_err(failed)?;
        rows.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)
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

    /// A person's order: send a held or uncertain shipment again from the spool.
    ///
    /// # Errors
    /// When there is no such shipment, or it needs no retry.
    pub fn retry(&self, id: i64) -> Result<()> {
        self.advance(id, Stage::Packed, None)
    }

    /// A person's order: forget a shipment, so that its file counts as new. Returns its file in the spool.
    ///
    /// # Errors
    /// When there is no such shipment.
    pub fn forget(&self, id: i64) -> Result<String> {
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(failed)?;
        stage_of(&transaction, id)?;
        let sql = "DELETE FROM shipment WHERE id = ?1 RETURNING spool, tenant, feed";
        let (spool, tenant, feed): (String, String, String) =
            transaction.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(failed)?;
        // Marks do not name their shipment; the other files of the feed are recognised by content.
        transaction.execute("DELETE FROM seen WHERE tenant = ?1 AND feed = ?2", [tenant, feed]).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(spool)
    }
}

fn stage_of(connection: &Connection, id: i64) -> Result<Stage> {
    let stage: Option<String> = connection
        .query_row("SELECT stage FROM shipment WHERE id = ?1", [id], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    let stage = stage
        .ok_or_else(|| Error::failed(format!("there is no shipment {id}")).hint("see them with: logweir status"))?;
    stage.parse().map_err(Error::failed)
}

fn shipment(row: &Row<'_>) -> rusqlite::Result<Shipment> {
    let unsigned = |at: usize| row.get::<_, Option<i64>>(at).map(|count| count.map(i64::unsigned_abs));
    let wrong =
        |at: usize, why: String| rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, why.into());
    let baseline = match (unsigned(12)?, unsigned(13)?, unsigned(14)?) {
        (Some(history), Some(fails), Some(pending)) => Some(Baseline { history, fails, pending }),
        _ => None,
    };
    Ok(Shipment {
        id: row.get(0)?,
        tenant: row.get::<_, String>(1)?.parse().map_err(|why| wrong(1, why))?,
        feed: row.get(2)?,
        source: row.get(3)?,
        raw: unsigned(4)?.unwrap_or_default(),
        packed: unsigned(5)?.unwrap_or_default(),
        log_type: row.get(6)?,
        destination: row.get(7)?,
        snapshot: row.get(8)?,
        stage: row.get::<_, String>(9)?.parse().map_err(|why| wrong(9, why))?,
        reason: row.get(10)?,
        spool: row.get(11)?,
        baseline,
        updated: row.get(15)?,
    })
}

impl CallBudget for Ledger {
    fn take(&self, tenant: &TenantName, urgency: Urgency) -> Result<Duration> {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let now = i64::try_from(millis).unwrap_or(i64::MAX);
        let allowed = match urgency {
            Urgency::Human => self.calls_a_minute,
            Urgency::Backlog => (self.calls_a_minute - self.calls_a_minute / KEPT_FOR_PEOPLE).max(1),
        };
        let mut connection = self.lock();
        // Immediate: two processes must not both see the last free call.
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        // A clock that jumped back must not lock the tenant out: calls of the future do not count.
        let sql = "DELETE FROM call WHERE at <= ?1 OR at > ?2";
        transaction.execute(sql, [now - 60_000, now]).map_err(failed)?;
        let sql = "SELECT count(*), min(at) FROM call WHERE tenant = ?1";
        let (made, oldest): (u32, Option<i64>) =
            transaction.query_row(sql, [tenant.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
        let wait = if made < allowed {
            transaction
                .execute("INSERT INTO call (tenant, at) VALUES (?1, ?2)", params![tenant.as_str(), now])
                .map_err(failed)?;
            Duration::ZERO
        } else {
            let free = oldest.map_or(1_000, |oldest| (oldest + 60_000 - now).clamp(50, 5_000));
            Duration::from_millis(free.unsigned_abs())
        };
        transaction.commit().map_err(failed)?;
        Ok(wait)
    }
}

#[cfg(test)]
mod tests;
