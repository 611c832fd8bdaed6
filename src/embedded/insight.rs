//! What an imported log says beyond its totals: alerts, activities, entities, usage.
//!
//! Four things raise an alert: an app seen for the first time, a risky app over a volume in a day, a user who sends far
//! more than usual, a data source that fell silent. The verdict is watched as well: what was banned or released since the
//! last look is an activity.

use super::families::{Day, Entity, Kept, MOST_ENTITIES, Rhythm, Usage, day, iso, millis};
use super::store::{Accepted, Store};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::logs::Record;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An app of this score or lower is risky.
const RISKY: u8 = 4;
/// A risky app raises an alert when a day carries more than this.
const RISKY_BYTES: u64 = 50_000_000;
/// A user's upload is far above their usual when it is this many times the mean, and at least so many bytes.
const FAR_ABOVE: u64 = 5;
const FAR_ABOVE_BYTES: u64 = 10_000_000;
/// Logs that must have come before "usual" means anything.
const USUAL_AFTER: u64 = 3;
/// The number that the service gives itself among apps.
pub(super) const OWN_APP: u64 = 20_595;
/// Addresses kept for a user.
const MOST_ACCOUNTS: usize = 16;

/// What one user or address did in one log.
#[derive(Default)]
struct Traffic {
    transactions: u64,
    up: u64,
    down: u64,
    last: i64,
    addresses: BTreeSet<String>,
}

/// One app in one log.
#[derive(Default)]
struct AppTraffic {
    days: BTreeMap<i64, Day>,
    users: BTreeMap<String, i64>,
    addresses: BTreeMap<String, i64>,
    last: i64,
}

/// What a log held, gathered line by line.
#[derive(Default)]
pub(super) struct Seen {
    users: BTreeMap<String, Traffic>,
    addresses: BTreeMap<String, Traffic>,
    apps: BTreeMap<u32, AppTraffic>,
}

impl Seen {
    /// Takes a transaction; `app` is the catalogue's, where it knows the host.
    pub(super) fn record(&mut self, record: &Record<'_>, app: Option<u32>, now: i64) {
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
        if let Some(app) = app {
            let traffic = self.apps.entry(app).or_default();
            let today = traffic.days.entry(day(at)).or_default();
            today.transactions += 1;
            (today.bytes_up, today.bytes_down) =
                (today.bytes_up.saturating_add(up), today.bytes_down.saturating_add(down));
            traffic.last = traffic.last.max(at);
            for (who, all) in [(user, &mut traffic.users), (address, &mut traffic.addresses)] {
                if let Some(who) = who.filter(|who| all.len() < MOST_ENTITIES || all.contains_key(who)) {
                    let last = all.entry(who).or_default();
                    *last = (*last).max(day(at));
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

impl Seen {
    /// Adds what a later part of the same log held.
    pub(super) fn merge(&mut self, later: Seen) {
        for (mine, more) in [(&mut self.users, later.users), (&mut self.addresses, later.addresses)] {
            for (who, traffic) in more {
                if mine.len() < MOST_ENTITIES || mine.contains_key(&who) {
                    mine.entry(who).or_default().merge(traffic);
                }
            }
        }
        for (app, later) in later.apps {
            let mine = self.apps.entry(app).or_default();
            mine.last = mine.last.max(later.last);
            for (day, more) in later.days {
                let day = mine.days.entry(day).or_default();
                day.transactions += more.transactions;
                day.bytes_up = day.bytes_up.saturating_add(more.bytes_up);
                day.bytes_down = day.bytes_down.saturating_add(more.bytes_down);
            }
            for (all, more) in [(&mut mine.users, later.users), (&mut mine.addresses, later.addresses)] {
                for (who, day) in more {
                    if all.len() < MOST_ENTITIES || all.contains_key(&who) {
                        let last = all.entry(who).or_default();
                        *last = (*last).max(day);
                    }
                }
            }
        }
    }
}

/// Something to be told.
struct Finding<'f> {
    kind: (u32, &'static str),
    title: String,
    description: String,
    severity: u8,
    entities: Vec<Value>,
    stream: &'f str,
}

fn service_entity(app: u32, name: &str) -> Value {
    json!({ "type": "service", "id": app, "label": name })
}

fn user_entity(user: &str) -> Value {
    json!({ "type": "account", "id": user, "inst": 0, "saas": OWN_APP, "label": user, "pa": user, "entityType": 2 })
}

impl Kept {
    fn raise(&mut self, finding: Finding<'_>, now: i64) -> Result<()> {
        let id = self.id(now)?;
        self.alerts.push(json!({
            "_id": id, "timestamp": now, "title": finding.title, "description": finding.description,
            "entities": finding.entities, "stories": [4], "intent": [], "threatScore": 0, "isSystemAlert": false,
            "idValue": finding.kind.0, "id": finding.kind.1, "severityValue": finding.severity, "statusValue": 0,
            "resolutionStatusValue": 0, "comment": null, "handledByUser": null, "closedTime": null,
            "URL": format!("https://embedded.invalid/#/alerts/{id}"), "streamId": finding.stream, "contextId": null,
        }));
        Ok(())
    }

    fn activity(&mut self, event: &str, description: &str, objects: Value, now: i64) -> Result<()> {
        let id = format!("{}_{OWN_APP}_{}", now, self.id(now)?);
        self.activities.push(json!({
            "_id": id, "timestamp": now, "created": now, "instantiation": now, "appId": OWN_APP, "appName": "Embedded service",
            "eventTypeName": event, "eventType": event, "description": description, "source": 5, "severity": "INFO",
            "user": { "userName": "logweir", "userTags": [] }, "device": { "clientIP": "127.0.0.1", "userAgent": "logweir" },
            "location": { "countryCode": null }, "mainInfo": { "eventObjects": objects, "rawOperationName": event, "type": "basic" },
        }));
        Ok(())
    }

    /// Takes in what a log held.
    fn take(
        &mut self,
        accepted: &Accepted,
        stream: &str,
        snapshot: bool,
        refused: Option<&str>,
        seen: &Seen,
        now: i64,
    ) -> Result<()> {
        let said = match refused {
            None => format!("A log of type {} was processed for {stream}.", accepted.log_type),
            Some(why) => format!("A log of type {} for {stream} was refused: {why}.", accepted.log_type),
        };
        let event = if refused.is_none() { "EVENT_DISCOVERY_LOG_PROCESSED" } else { "EVENT_DISCOVERY_LOG_REFUSED" };
        let objects = json!([{ "objType": 1, "role": 4, "type": "stream", "id": accepted.stream, "name": stream, "instanceId": 0 }]);
        self.activity(event, &said, objects, now)?;
        if !snapshot {
            self.delivered(&accepted.stream, stream, now);
        }
        self.apps(accepted, seen, now)?;
        self.users(accepted, seen, now)
    }

    /// A data source delivered: its rhythm goes on.
    fn delivered(&mut self, id: &str, name: &str, now: i64) {
        let rhythm =
            self.rhythms.entry(id.to_owned()).or_insert_with(|| Rhythm { name: name.to_owned(), ..Rhythm::default() });
        if rhythm.logs > 0 {
            let gap = (now - rhythm.last).max(0);
            rhythm.gap = if rhythm.logs == 1 { gap } else { (rhythm.gap * 3 + gap) / 4 };
        }
        (rhythm.logs, rhythm.last, rhythm.told) = (rhythm.logs + 1, now, false);
    }

    fn apps(&mut self, accepted: &Accepted, seen: &Seen, now: i64) -> Result<()> {
        let catalog = Catalog::builtin();
        for (id, traffic) in &seen.apps {
            let Some(app) = catalog.app(*id) else { continue };
            let known = self.usage.values().any(|apps| apps.contains_key(id));
            let before = self.carried(*id);
            let usage: &mut Usage = self.usage.entry(accepted.stream.clone()).or_default().entry(*id).or_default();
            usage.last_seen = usage.last_seen.max(traffic.last);
            for (day, more) in &traffic.days {
                let day = usage.days.entry(*day).or_default();
                day.transactions += more.transactions;
                day.bytes_up = day.bytes_up.saturating_add(more.bytes_up);
                day.bytes_down = day.bytes_down.saturating_add(more.bytes_down);
            }
            for (more, all) in [(&traffic.users, &mut usage.users), (&traffic.addresses, &mut usage.addresses)] {
                for (who, day) in more {
                    if all.len() < MOST_ENTITIES || all.contains_key(who) {
                        let last = all.entry(who.clone()).or_default();
                        *last = (*last).max(*day);
                    }
                }
            }
            let entities = || vec![service_entity(*id, &app.name)];
            if !known {
                self.raise(
                    Finding {
                        kind: (20_001, "ALERT_EMBEDDED_NEW_APP"),
                        title: format!("New app: {}", app.name),
                        description: format!(
                            "{} ({}) was seen for the first time; its score is {} of 10.",
                            app.name,
                            app.category.name,
                            app.score()
                        ),
                        severity: match app.score() {
                            0..=2 => 2,
                            3..=4 => 1,
                            5..=6 => 0,
                            _ => 3,
                        },
                        entities: entities(),
                        stream: &accepted.stream,
                    },
                    now,
                )?;
            }
            let after = self.carried(*id);
            let crossed = after
                .iter()
                .find(|(day, bytes)| **bytes > RISKY_BYTES && before.get(*day).is_none_or(|was| *was <= RISKY_BYTES));
            if let Some((_, bytes)) = crossed.filter(|_| app.score() <= RISKY) {
                self.raise(
                    Finding {
                        kind: (20_002, "ALERT_EMBEDDED_RISKY_APP_VOLUME"),
                        title: format!("Risky app carries much data: {}", app.name),
                        description: format!(
                            "{} has a score of {} and carried {bytes} bytes in a day.",
                            app.name,
                            app.score()
                        ),
                        severity: 2,
                        entities: entities(),
                        stream: &accepted.stream,
                    },
                    now,
                )?;
            }
        }
        Ok(())
    }

    /// Bytes of an app by day, over all reports.
    fn carried(&self, app: u32) -> BTreeMap<i64, u64> {
        let mut days = BTreeMap::new();
        for usage in self.usage.values().filter_map(|apps| apps.get(&app)) {
            for (day, totals) in &usage.days {
                *days.entry(*day).or_default() += totals.bytes_up.saturating_add(totals.bytes_down);
            }
        }
        days
    }

    fn users(&mut self, accepted: &Accepted, seen: &Seen, now: i64) -> Result<()> {
        for (address, users) in [(false, &seen.users), (true, &seen.addresses)] {
            for (name, traffic) in users {
                let entity: &mut Entity = self.entities.entry(name.clone()).or_default();
                entity.address = address;
                entity.last_seen = entity.last_seen.max(traffic.last);
                entity.transactions += traffic.transactions;
                entity.bytes_up = entity.bytes_up.saturating_add(traffic.up);
                entity.bytes_down = entity.bytes_down.saturating_add(traffic.down);
                if !address {
                    let room = MOST_ACCOUNTS.saturating_sub(entity.accounts.len());
                    let new: Vec<String> = traffic.addresses.difference(&entity.accounts).take(room).cloned().collect();
                    entity.accounts.extend(new);
                }
                let usual = entity.usual_up;
                let far =
                    entity.logs >= USUAL_AFTER && traffic.up > FAR_ABOVE_BYTES.max(usual.saturating_mul(FAR_ABOVE));
                entity.logs += 1;
                entity.usual_up = (usual / entity.logs) * (entity.logs - 1) + traffic.up / entity.logs;
                if far && !address {
                    self.raise(
                        Finding {
                            kind: (20_003, "ALERT_EMBEDDED_UNUSUAL_UPLOAD"),
                            title: format!("Unusual upload by {name}"),
                            description: format!("{name} sent {} bytes in one log; {usual} are usual.", traffic.up),
                            severity: 1,
                            entities: vec![user_entity(name)],
                            stream: &accepted.stream,
                        },
                        now,
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Data sources that are silent for longer than `floor` and three times their usual gap, once each.
    fn silence(&mut self, floor: i64, now: i64) -> Result<()> {
        let silent = |rhythm: &Rhythm| {
            rhythm.logs > USUAL_AFTER && !rhythm.told && now - rhythm.last > floor.max(rhythm.gap.saturating_mul(3))
        };
        let found: Vec<(String, Rhythm)> = self
            .rhythms
            .iter()
            .filter(|(_, rhythm)| silent(rhythm))
            .map(|(id, rhythm)| (id.clone(), rhythm.clone()))
            .collect();
        for (id, rhythm) in found {
            if let Some(rhythm) = self.rhythms.get_mut(&id) {
                rhythm.told = true;
            }
            self.raise(
                Finding {
                    kind: (20_004, "ALERT_EMBEDDED_SILENT_FEED"),
                    title: format!("No data from {}", rhythm.name),
                    description: format!("{} last delivered a log at {}.", rhythm.name, iso(rhythm.last)),
                    severity: 1,
                    entities: vec![json!({ "type": "stream", "id": id, "label": rhythm.name })],
                    stream: &id,
                },
                now,
            )?;
        }
        Ok(())
    }

    /// Compares the verdict with the last look at it.
    fn verdict(&mut self, banned: &BTreeSet<u32>, now: i64) -> Result<()> {
        let before = self.banned.replace(banned.clone());
        let Some(before) = before else { return Ok(()) };
        for app in before.symmetric_difference(banned) {
            let catalog = Catalog::builtin();
            let name = catalog.app(*app).map_or_else(|| app.to_string(), |app| app.name.clone());
            let (event, said) = if banned.contains(app) {
                ("EVENT_DISCOVERY_APP_UNSANCTIONED", format!("{name} was unsanctioned."))
            } else {
                ("EVENT_DISCOVERY_APP_RELEASED", format!("{name} is no longer unsanctioned."))
            };
            let objects =
                json!([{ "objType": 1, "role": 4, "type": "service", "id": app, "name": name, "instanceId": 0 }]);
            self.activity(event, &said, objects, now)?;
        }
        Ok(())
    }
}

/// Takes in an imported log, once.
pub(super) fn import(store: &Store, accepted: &Accepted, refused: Option<&str>, seen: &Seen) -> Result<()> {
    let now = millis();
    let found = store
        .read(|state| state.streams.iter().find(|s| s.id == accepted.stream).map(|s| (s.name.clone(), s.snapshot)));
    let (name, snapshot) = found.unwrap_or_default();
    store.families.change(now, |kept| {
        if accepted.number <= kept.imported {
            return Ok(());
        }
        kept.imported = accepted.number;
        kept.take(accepted, &name, snapshot, refused, seen, now)
    })
}

/// Looks for what time or a person changed: silence, the verdict.
pub(super) fn look_around(store: &Store, silent_after: Duration) -> Result<()> {
    let now = millis();
    let floor = i64::try_from(silent_after.as_millis()).unwrap_or(i64::MAX);
    let banned = store.read(|state| state.banned.clone());
    let quiet = store.families.read(|kept| {
        kept.banned.as_ref() == Some(&banned)
            && kept
                .rhythms
                .values()
                .all(|rhythm| rhythm.told || rhythm.logs <= USUAL_AFTER || now - rhythm.last <= floor)
    });
    if quiet {
        return Ok(());
    }
    store.families.change(now, |kept| {
        kept.silence(floor, now)?;
        kept.verdict(&banned, now)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(number: u64) -> Accepted {
        Accepted { number, stream: "s".to_owned(), log_type: "SQUID_NATIVE".to_owned(), ..Accepted::default() }
    }

    fn seen(app: Option<u32>, up: u64) -> Seen {
        let mut seen = Seen::default();
        let record = Record {
            user: Some(b"ann"),
            src_ip: "192.0.2.1".parse().ok(),
            bytes_up: Some(up),
            time: Some(1_735_900_000_000_000),
            ..Record::default()
        };
        seen.record(&record, app, 0);
        seen
    }

    fn titles(kept: &Kept) -> Vec<&str> {
        kept.alerts.iter().filter_map(|alert| alert["title"].as_str()).collect()
    }

    fn risky() -> (u32, String) {
        let catalog = Catalog::builtin();
        let app = catalog.apps().iter().find(|app| app.score() <= RISKY).unwrap();
        (app.id, app.name.clone())
    }

    #[test]
    fn an_app_is_new_once_and_a_risky_one_is_told_when_a_day_crosses_the_volume() {
        let (id, name) = risky();
        let mut kept = Kept::default();
        for number in 1..=4 {
            kept.take(&log(number), "HQ", false, None, &seen(Some(id), RISKY_BYTES / 2), 1).unwrap();
        }
        let carries = format!("Risky app carries much data: {name}");
        assert_eq!(titles(&kept).iter().filter(|title| **title == carries).count(), 1, "{:?}", titles(&kept));
        assert_eq!(titles(&kept).iter().filter(|title| title.starts_with("New app")).count(), 1);
        assert_eq!(kept.activities.len(), 4);
    }

    #[test]
    fn an_upload_far_above_the_users_usual_is_told() {
        let mut kept = Kept::default();
        for (number, up) in [(1, 1_000), (2, 2_000), (3, 1_500), (4, 9_000_000), (5, 20_000_000), (6, 1_000)] {
            kept.take(&log(number), "HQ", false, None, &seen(None, up), 1).unwrap();
        }
        assert_eq!(titles(&kept), ["Unusual upload by ann"]);
        let ann = &kept.entities["ann"];
        assert_eq!((ann.logs, ann.accounts.len(), kept.entities["192.0.2.1"].address), (6, 1, true));
    }

    #[test]
    fn a_feed_that_falls_silent_is_told_once_until_it_delivers_again() {
        let mut kept = Kept::default();
        for number in 1..=5 {
            kept.take(&log(number), "HQ", false, None, &Seen::default(), i64::try_from(number).unwrap() * 60_000)
                .unwrap();
        }
        let later = 300_000 + 3 * 60_000;
        for (now, told) in [(later - 1, 0), (later + 60_001, 1), (later + 900_000, 1)] {
            kept.silence(1_000, now).unwrap();
            assert_eq!(kept.alerts.len(), told, "{now}");
        }
        kept.take(&log(6), "HQ", false, None, &Seen::default(), later + 1_000_000).unwrap();
        kept.silence(1_000, later + 99_000_000).unwrap();
        assert_eq!(titles(&kept), ["No data from HQ", "No data from HQ"]);
    }

    #[test]
    fn a_changed_verdict_is_an_activity() {
        let mut kept = Kept::default();
        kept.verdict(&BTreeSet::from([1, 2]), 1).unwrap();
        assert!(kept.activities.is_empty(), "the first look has nothing to compare with");
        kept.verdict(&BTreeSet::from([2, 3]), 2).unwrap();
        let events: Vec<_> = kept.activities.iter().map(|a| a["eventTypeName"].as_str().unwrap()).collect();
        assert_eq!(events, ["EVENT_DISCOVERY_APP_RELEASED", "EVENT_DISCOVERY_APP_UNSANCTIONED"]);
    }
}
