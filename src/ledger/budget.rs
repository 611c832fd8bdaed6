//! The book of service calls: one budget per tenant for every process on the host.

use super::{Ledger, failed};
use crate::domain::{CallBudget, TenantName, Urgency};
use crate::error::Result;
use rusqlite::params;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One call in this many is left to people by a backlog.
const KEPT_FOR_PEOPLE: u32 = 5;

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
