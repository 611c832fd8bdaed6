//! Numbered migrations and the pragmas that make the ledger crash-safe.

use crate::error::{Error, Result};
use rusqlite::{Connection, ErrorCode};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long one process waits for another.
const PATIENCE: Duration = Duration::from_secs(30);

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
", "
    -- A shipment is a list of slices of files; what was one file per shipment becomes one slice each.
    CREATE TABLE file (
        id INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        feed TEXT NOT NULL,
        path BLOB NOT NULL,
        device INTEGER,
        inode INTEGER,
        size INTEGER NOT NULL,
        mtime_ns INTEGER,
        head BLOB,
        done INTEGER NOT NULL DEFAULT 0,
        note TEXT,
        same_as INTEGER REFERENCES file (id) ON DELETE CASCADE,
        away INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE UNIQUE INDEX file_mark ON file (tenant, feed, device, inode, size, mtime_ns);
    CREATE INDEX file_head ON file (tenant, feed, size, head);
    CREATE INDEX file_same ON file (same_as) WHERE same_as IS NOT NULL;
    CREATE INDEX file_away ON file (id) WHERE away = 1;
    CREATE INDEX file_note ON file (id) WHERE note IS NOT NULL;
    CREATE TABLE slice (
        shipment INTEGER NOT NULL REFERENCES shipment (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        file INTEGER NOT NULL REFERENCES file (id),
        tenant TEXT NOT NULL,
        feed TEXT NOT NULL,
        digest BLOB NOT NULL,
        from_byte INTEGER NOT NULL,
        to_byte INTEGER NOT NULL,
        PRIMARY KEY (shipment, position)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX slice_content ON slice (tenant, feed, digest, from_byte, to_byte);
    CREATE INDEX slice_file ON slice (file, from_byte);
    INSERT INTO file (id, tenant, feed, path, size, done) SELECT id, tenant, feed, CAST(source AS BLOB), raw, 1 FROM shipment;
    INSERT INTO slice SELECT id, 0, id, tenant, feed, digest, 0, raw FROM shipment;
    INSERT INTO file (tenant, feed, path, device, inode, size, mtime_ns, done)
        SELECT tenant, feed, x'', device, inode, size, mtime_ns, 1 FROM seen;
    DROP TABLE seen;
    DROP INDEX shipment_content;
    DROP INDEX shipment_stage;
    ALTER TABLE shipment DROP COLUMN digest;
    ALTER TABLE shipment ADD COLUMN filename TEXT NOT NULL DEFAULT '';
    ALTER TABLE shipment ADD COLUMN files INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE shipment ADD COLUMN owner TEXT;
    ALTER TABLE shipment ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE shipment ADD COLUMN address BLOB;
    ALTER TABLE shipment ADD COLUMN judgement TEXT;
    CREATE INDEX shipment_stage ON shipment (stage, tenant);
    CREATE INDEX shipment_newest ON shipment (stage, id);
    CREATE INDEX shipment_turn ON shipment (tenant, destination, stage) WHERE stage IN ('finalising', 'uncertain');
    CREATE INDEX shipment_due ON shipment (tenant, destination, history + pending) WHERE history IS NOT NULL;
    CREATE INDEX shipment_owner ON shipment (owner) WHERE owner IS NOT NULL;
    -- The files that a process is packing.
    CREATE TABLE claim (
        tenant TEXT NOT NULL,
        feed TEXT NOT NULL,
        device INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        owner TEXT NOT NULL,
        PRIMARY KEY (tenant, feed, device, inode)
    ) STRICT, WITHOUT ROWID;
    -- The blocks that storage has under a shipment's address.
    CREATE TABLE block (
        shipment INTEGER NOT NULL REFERENCES shipment (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        length INTEGER NOT NULL,
        PRIMARY KEY (shipment, number)
    ) STRICT, WITHOUT ROWID;
", "
    -- Block lists: every publication with what it held, and what waits for a person.
    CREATE TABLE block_list (
        name TEXT PRIMARY KEY,
        checked INTEGER NOT NULL DEFAULT 0,
        -- Why a change is not published.
        held TEXT,
        -- The version that a person went back to.
        pinned INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE publication (
        list TEXT NOT NULL,
        version INTEGER NOT NULL,
        at INTEGER NOT NULL,
        tenant TEXT NOT NULL,
        appliance TEXT NOT NULL,
        state TEXT NOT NULL,
        digest BLOB NOT NULL,
        entries INTEGER NOT NULL,
        added INTEGER NOT NULL,
        removed INTEGER NOT NULL,
        note TEXT,
        verdict BLOB,
        PRIMARY KEY (list, version)
    ) STRICT;
    CREATE TABLE published_file (
        list TEXT NOT NULL,
        version INTEGER NOT NULL,
        position INTEGER NOT NULL,
        role TEXT NOT NULL,
        part INTEGER NOT NULL,
        path BLOB NOT NULL,
        content BLOB NOT NULL,
        PRIMARY KEY (list, version, position),
        FOREIGN KEY (list, version) REFERENCES publication (list, version) ON DELETE CASCADE
    ) STRICT;
", "
    -- How far alerts were exported to each destination, and which ones within the window before that.
    CREATE TABLE export (
        tenant TEXT NOT NULL,
        name TEXT NOT NULL,
        since INTEGER NOT NULL,
        newest INTEGER NOT NULL,
        PRIMARY KEY (tenant, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE exported (
        tenant TEXT NOT NULL,
        name TEXT NOT NULL,
        id TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (tenant, name, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX exported_at ON exported (tenant, name, at);
", "
    -- A log that grew is found under the name it had.
    CREATE INDEX file_path ON file (tenant, feed, path);
"];

/// Switches to the write-ahead log, once in the life of a file. SQLite does not wait for others while it does so, as it
/// does everywhere else: processes that start together would fail.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if busy(&error) && Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
}

fn busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Opens the file, sets the pragmas, and brings the schema up to date.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let failed = |error: rusqlite::Error| {
        Error::failed(format!("cannot open the ledger {}", path.display()))
            .cause(error)
            .hint("give the state directory to the user logweir runs as, or name another with --state-dir DIR")
    };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    write_ahead(&connection).map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    // Most starts find the newest schema and need no write lock.
    if version(&connection).map_err(failed)? != MIGRATIONS.len() {
        migrate(&mut connection, path, failed)?;
    }
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

fn migrate(connection: &mut Connection, path: &Path, failed: impl Fn(rusqlite::Error) -> Error) -> Result<()> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(&failed)?;
    // Another process may have migrated while this one waited for the lock.
    let version = version(&transaction).map_err(&failed)?;
    if version > MIGRATIONS.len() {
        return Err(Error::failed(format!("the ledger {} is from a newer logweir", path.display()))
            .hint("run the newer logweir, or name another --state-dir"));
    }
    for script in &MIGRATIONS[version..] {
        transaction.execute_batch(script).map_err(&failed)?;
    }
    let newest = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    transaction.pragma_update(None, "user_version", newest).map_err(&failed)?;
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_of_version_1_is_migrated_with_everything_it_knew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.execute_batch(
            "INSERT INTO shipment VALUES (7,'default','hq','/var/log/a',x'01',30,5,'SQUID_NATIVE','HQ',0,'a.gz','finalised',NULL,4,0,1,99);
             INSERT INTO shipment VALUES (9,'default','hq','/var/log/b',x'02',31,6,'SQUID_NATIVE','HQ',0,'b.gz','packed',NULL,NULL,NULL,NULL,99);
             INSERT INTO seen VALUES ('default','hq',1,2,30,4);
             PRAGMA user_version = 1;",
        )
        .unwrap();
        drop(old);
        let connection = open(&path).unwrap();
        let text = |sql: &str| -> String { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(text("PRAGMA integrity_check"), "ok");
        let slices =
            "SELECT group_concat(shipment || ':' || hex(digest) || ':' || from_byte || '-' || to_byte || ':' ||
                      CAST(path AS TEXT), ' ') FROM slice JOIN file ON file.id = file ORDER BY shipment";
        assert_eq!(text(slices), "7:01:0-30:/var/log/a 9:02:0-31:/var/log/b");
        let marks = "SELECT group_concat(device || ':' || inode || ':' || size || ':' || done) FROM file WHERE inode IS NOT NULL";
        assert_eq!(text(marks), "1:2:30:1");
        assert_eq!(
            text("SELECT group_concat(stage || shipments, ' ') FROM tally WHERE shipments > 0"),
            "packed1 finalised1"
        );
        assert_eq!(
            text("SELECT group_concat(id || stage || spool || coalesce(history, ''), ' ') FROM shipment"),
            "7finaliseda.gz4 9packedb.gz"
        );
        drop(connection);
        open(&path).unwrap();
    }

    #[test]
    fn a_ledger_of_a_newer_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        open(&path).unwrap().pragma_update(None, "user_version", 1_000).unwrap();
        assert!(open(&path).unwrap_err().what().contains("newer logweir"));
    }
}
