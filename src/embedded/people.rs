//! Who appears in a log, for the entities: when a user was last there, from which addresses, with how much.

use super::families::MOST_ENTITIES;
use crate::logs::Record;
use std::collections::{BTreeMap, BTreeSet};

/// Addresses kept for a user.
pub(super) const MOST_ACCOUNTS: usize = 16;

/// What one user or address did in one log.
#[derive(Default)]
pub(super) struct Traffic {
    pub transactions: u64,
    pub up: u64,
    pub down: u64,
    /// Milliseconds.
    pub last: i64,
    pub addresses: BTreeSet<String>,
}

/// The users and addresses of a log, gathered line by line: what the engine's report does not tell of them.
#[derive(Default)]
pub(super) struct People {
    pub users: BTreeMap<String, Traffic>,
    pub addresses: BTreeMap<String, Traffic>,
}

impl People {
    /// Takes a transaction; `now` in milliseconds.
    pub(super) fn record(&mut self, record: &Record<'_>, now: i64) {
        let at = record.time.map_or(now, |micros| micros / 1_000);
        let (up, down) = (record.bytes_up.unwrap_or(0), record.bytes_down.unwrap_or(0));
        let user = record.user.map(|user| String::from_utf8_lossy(user).chars().take(256).collect::<String>());
        let address = record.src_ip.map(|address| address.to_string());
        for (who, all) in [(&user, &mut self.users), (&address, &mut self.addresses)] {
            let Some(who) = who else { continue };
            if all.len() >= MOST_ENTITIES && !all.contains_key(who) {
                continue;
            }
            let traffic = all.entry(who.clone()).or_default();
            traffic.transactions += 1;
            (traffic.up, traffic.down) = (traffic.up.saturating_add(up), traffic.down.saturating_add(down));
            traffic.last = traffic.last.max(at);
            if let Some(address) = address.as_ref().filter(|_| traffic.addresses.len() < MOST_ACCOUNTS) {
                traffic.addresses.insert(address.clone());
            }
        }
    }

    /// Adds what a later part of the same log held.
    pub(super) fn merge(&mut self, later: People) {
        for (mine, more) in [(&mut self.users, later.users), (&mut self.addresses, later.addresses)] {
            for (who, traffic) in more {
                if mine.len() < MOST_ENTITIES || mine.contains_key(&who) {
                    mine.entry(who).or_default().merge(traffic);
                }
            }
        }
    }
}

impl Traffic {
    fn merge(&mut self, later: Traffic) {
        self.transactions += later.transactions;
        (self.up, self.down) = (self.up.saturating_add(later.up), self.down.saturating_add(later.down));
        self.last = self.last.max(later.last);
        let room = MOST_ACCOUNTS.saturating_sub(self.addresses.len());
        let new: Vec<String> = later.addresses.difference(&self.addresses).take(room).cloned().collect();
        self.addresses.extend(new);
    }
}
