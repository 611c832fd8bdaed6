//! The memory: which files were seen, where each shipment is, which calls were made, how far alerts were exported.
//!
//! All SQL of the crate stands in this folder. The interface is transitions, not tables. A shipment is a list of slices
//! of files; a file whose slices cover it is done. Invariants:
//!
//! * A content (digest and place in its file) is shipped once per tenant and feed, whoever packs it: the index over
//!   slices decides between two processes.
//! * A stage only moves along `Stage::follows`; anything else is refused.
//! * A file is packed, and a shipment sent, by one process: the *owner* named in its claim. What a dead owner held is
//!   taken over; whether it lives is for the caller to find out.
//! * The intent to finalise is recorded before the call, the outcome after it. A shipment found between the two is
//!   `uncertain`: only the service's counters, or a person, move it on. One shipment of a data source at a time is
//!   between the two.
//! * No signed address is ever stored in clear.
//! * A publication of a block list is recorded with its whole content before a file is touched, and its end after the
//!   last step. One found between the two was interrupted.

mod budget;
mod exports;
mod files;
mod publications;
mod schema;
mod shipments;
mod stage;
mod work;

pub use exports::ExportCursor;
pub use files::{FileMark, ReadyFile, Seen, Shorter, Skipped, Slice};
pub use publications::{ListFile, ListState, NewPublication, Publication, PublicationState};
pub use shipments::{Baseline, Shipment};
pub use stage::Stage;
pub use work::{Blocks, NewShipment, NewSlice, Turn};

use crate::error::{Error, Result};
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

/// Calls a tenant may make in a minute, by the service's rule.
pub const CALLS_A_MINUTE: u32 = 30;

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
        connection.set_prepared_statement_cache_capacity(64);
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

    /// Runs `change` in one transaction that other processes see whole or not at all.
    fn change<T>(&self, change: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.lock();
        // Immediate: what is read inside must still hold when it is written.
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        let value = change(&transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(value)
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
}

#[cfg(test)]
mod tests;
