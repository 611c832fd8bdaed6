//! How far alerts were exported: a cursor for each destination of a tenant, and the ids that its window holds.
//!
//! Alerts appear late at times, with a time before others that were exported already. So the cursor is a time, and
//! what was exported less than a window before it is remembered by id. Ids are recorded after their delivery: a crash
//! between the two repeats them, and skips nothing.

use super::{Ledger, failed};
use crate::domain::TenantName;
use crate::error::Result;
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeSet;

/// Where an export stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportCursor {
    /// Nothing from before this time is exported, in milliseconds.
    pub since: i64,
    /// The time of the newest alert up to which everything was listed, in milliseconds.
    pub newest: i64,
}

impl Ledger {
    /// The cursor of this name, if there is one.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn export_cursor(&self, tenant: &TenantName, name: &str) -> Result<Option<ExportCursor>> {
        let sql = "SELECT since, newest FROM export WHERE tenant = ?1 AND name = ?2";
        let read = |row: &rusqlite::Row<'_>| Ok(ExportCursor { since: row.get(0)?, newest: row.get(1)? });
        self.lock().query_row(sql, params![tenant.as_str(), name], read).optional().map_err(failed)
    }

    /// Begins at a time, in milliseconds; a cursor of this name and what it remembers are forgotten.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn begin_export(&self, tenant: &TenantName, name: &str, since: i64) -> Result<ExportCursor> {
        self.change(|transaction| {
            for table in ["export", "exported"] {
                let sql = format!("DELETE FROM {table} WHERE tenant = ?1 AND name = ?2");
                transaction.execute(&sql, params![tenant.as_str(), name]).map_err(failed)?;
            }
            let sql = "INSERT INTO export (tenant, name, since, newest) VALUES (?1, ?2, ?3, ?3)";
            transaction.execute(sql, params![tenant.as_str(), name, since]).map_err(failed)?;
            Ok(ExportCursor { since, newest: since })
        })
    }

    /// Those of the ids that this cursor remembers.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn exported(&self, tenant: &TenantName, name: &str, ids: &[String]) -> Result<BTreeSet<String>> {
        let connection = self.lock();
        let sql = "SELECT EXISTS (SELECT 1 FROM exported WHERE tenant = ?1 AND name = ?2 AND id = ?3)";
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let mut known = BTreeSet::new();
        for id in ids {
            if statement.query_row(params![tenant.as_str(), name, id], |row| row.get(0)).map_err(failed)? {
                known.insert(id.clone());
            }
        }
        Ok(known)
    }

    /// Records ids with their times as delivered, moves the cursor forward to `newest`, and forgets the ids from before
    /// `forget`. All times are in milliseconds.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn record_export(
        &self,
        tenant: &TenantName,
        name: &str,
        delivered: &[(String, i64)],
        newest: i64,
        forget: i64,
    ) -> Result<()> {
        self.change(|transaction| {
            let sql = "INSERT OR IGNORE INTO exported (tenant, name, id, at) VALUES (?1, ?2, ?3, ?4)";
            let mut statement = transaction.prepare_cached(sql).map_err(failed)?;
            for (id, at) in delivered {
                statement.execute(params![tenant.as_str(), name, id, at]).map_err(failed)?;
            }
            let sql = "UPDATE export SET newest = max(newest, ?3) WHERE tenant = ?1 AND name = ?2";
            transaction.execute(sql, params![tenant.as_str(), name, newest]).map_err(failed)?;
            let sql = "DELETE FROM exported WHERE tenant = ?1 AND name = ?2 AND at < ?3";
            transaction.execute(sql, params![tenant.as_str(), name, forget]).map_err(failed)?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_moves_forward_only_and_remembers_its_window() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
        let (tenant, other): (TenantName, TenantName) = ("default".parse().unwrap(), "other".parse().unwrap());
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let known = |name: &str| ledger.exported(&tenant, name, &ids(&["a", "b", "c"])).unwrap();
        assert_eq!(ledger.export_cursor(&tenant, "siem").unwrap(), None);
        ledger.begin_export(&tenant, "siem", 100).unwrap();
        let two = [("a".to_owned(), 110), ("b".to_owned(), 150)];
        ledger.record_export(&tenant, "siem", &two, 150, 50).unwrap();
        assert_eq!(known("siem"), ids(&["a", "b"]).into_iter().collect());
        assert!(known("other").is_empty() && ledger.exported(&other, "siem", &ids(&["a"])).unwrap().is_empty());
        // A late one of an older time does not move it back; what leaves the window is forgotten.
        ledger.record_export(&tenant, "siem", &[("c".to_owned(), 120)], 120, 115).unwrap();
        assert_eq!(ledger.export_cursor(&tenant, "siem").unwrap(), Some(ExportCursor { since: 100, newest: 150 }));
        assert_eq!(known("siem"), ids(&["b", "c"]).into_iter().collect());
        ledger.begin_export(&tenant, "siem", 7).unwrap();
        assert_eq!(ledger.export_cursor(&tenant, "siem").unwrap(), Some(ExportCursor { since: 7, newest: 7 }));
        assert!(known("siem").is_empty());
    }
}
