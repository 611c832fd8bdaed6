//! Numbered migrations and the pragmas that make the ledger crash-safe.

use crate::error::{Error, Result};
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

/// One script per version; a script never changes once it was released.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE shipment (
        id INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        feed TEXT NOT NULL,
        source TEXT NOT NULL,
        digest BLOB NOT NULL,
        raw INTEGER NOT NULL,
        packed INTEGER NOT NULL,
        log_type TEXT NOT NULL,
        destination TEXT NOT NULL,
        snapshot INTEGER NOT NULL,
        spool TEXT NOT NULL,
        stage TEXT NOT NULL,
        reason TEXT,
        history INTEGER,
        fails INTEGER,
        pending INTEGER,
        updated INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX shipment_content ON shipment (tenant, feed, digest, raw);
    CREATE INDEX shipment_stage ON shipment (stage);
    CREATE TABLE seen (
        tenant TEXT NOT NULL,
        feed TEXT NOT NULL,
        device INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        PRIMARY KEY (tenant, feed, device, inode, size, mtime_ns)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE call (tenant TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
    CREATE INDEX call_tenant ON call (tenant, at);
    -- Kept by triggers, so that a status over a million shipments reads eight rows.
    CREATE TABLE tally (stage TEXT PRIMARY KEY, shipments INTEGER NOT NULL, raw INTEGER NOT NULL) STRICT;
    INSERT INTO tally VALUES ('packed',0,0),('stored',0,0),('finalising',0,0),('uncertain',0,0),('finalised',0,0),
        ('confirmed',0,0),('rejected',0,0),('held',0,0);
    CREATE TRIGGER tally_in AFTER INSERT ON shipment BEGIN
        UPDATE tally SET shipments = shipments + 1, raw = raw + NEW.raw WHERE stage = NEW.stage;
    END;
    CREATE TRIGGER tally_out AFTER DELETE ON shipment BEGIN
        UPDATE tally SET shipments = shipments - 1, raw = raw - OLD.raw WHERE stage = OLD.stage;
    END;
    CREATE TRIGGER tally_move AFTER UPDATE OF stage ON shipment WHEN OLD.stage <> NEW.stage BEGIN
        UPDATE tally SET shipments = shipments - 1, raw = raw - OLD.raw WHERE stage = OLD.stage;
        UPDATE tally SET shipments = shipments + 1, raw = raw + NEW.raw WHERE stage = NEW.stage;
    END;
"];

/// Opens the file, sets the pragmas, and brings the schema up to date.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let failed = |error: rusqlite::Error| {
        Error::failed(format!("cannot open the ledger {}", path.display()))
            .cause(error)
            .hint("give the state directory to the user logweir runs as, or name another with --state-dir DIR")
    };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(30)).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > MIGRATIONS.len() {
        return Err(Error::failed(format!("the ledger {} is from a newer logweir", path.display()))
            .hint("run the newer logweir, or name another --state-dir"));
    }
    for script in &MIGRATIONS[version..] {
        transaction.execute_batch(script).map_err(failed)?;
    }
    let newest = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    transaction.pragma_update(None, "user_version", newest).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(connection)
}
