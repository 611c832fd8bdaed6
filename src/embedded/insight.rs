//! What an imported log says beyond its totals: alerts, activities, entities, usage.
//!
//! Four things raise an alert: an app seen for the first time, a risky app over a volume in a day, a user who sends far
//! more than usual, a data source that fell silent. The verdict is watched as well: what was banned or released since the
//! last look is an activity.

use super::families::{Day, Entity, Kept, MOST_ENTITIES, Rhythm, Usage, day, iso, millis};
use super::people::{MOST_ACCOUNTS, People};
use super::store::{Accepted, Store};
use crate::catalog::Catalog;
use crate::discover::report::App;
use crate::error::Result;
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
impl Usage {
    /// Adds what the report of one log says of the app. It tells when the app was last used, not when by whom: within
    /// one log that is taken to be the same day.
    fn add(&mut self, app: &App, now: i64) {
        let last = app.last_seen.as_ref().and_then(|time| time.parse().ok());
        let last = last.map_or(now, |time: jiff::Timestamp| time.as_millisecond());
        self.last_seen = self.last_seen.max(last);
        let mut undated = Day {
            transactions: app.volume.transactions,
            bytes_up: app.volume.bytes_up,
            bytes_down: app.volume.bytes.saturating_sub(app.volume.bytes_up),
        };
        for day in &app.days {
            let down = day.bytes.saturating_sub(day.bytes_up);
            self.day(day.day.into(), Day { transactions: day.transactions, bytes_up: day.bytes_up, bytes_down: down });
            undated.transactions = undated.transactions.saturating_sub(day.transactions);
            undated.bytes_up = undated.bytes_up.saturating_sub(day.bytes_up);
            undated.bytes_down = undated.bytes_down.saturating_sub(down);
        }
        if undated != Day::default() {
            self.day(day(now), undated);
        }
        for (more, all) in [(&app.top_users, &mut self.users), (&app.top_addresses, &mut self.addresses)] {
            for who in more {
                if all.len() < MOST_ENTITIES || all.contains_key(&who.name) {
                    let known = all.entry(who.name.clone()).or_default();
                    *known = (*known).max(day(last));
                }
            }
        }
    }

    fn day(&mut self, day: i64, more: Day) {
        let day = self.days.entry(day).or_default();
        day.transactions += more.transactions;
        day.bytes_up = day.bytes_up.saturating_add(more.bytes_up);
        day.bytes_down = day.bytes_down.saturating_add(more.bytes_down);
    }
}

/// What one log held.
#[derive(Clone, Copy)]
pub(super) struct Held<'h> {
    pub people: &'h People,
    /// As the engine reports them.
    pub apps: &'h [App],
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
        held: Held<'_>,
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
        self.apps(accepted, held.apps, now)?;
        self.users(accepted, held.people, now)
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

    fn apps(&mut self, accepted: &Accepted, apps: &[App], now: i64) -> Result<()> {
        let catalog = Catalog::builtin();
        for traffic in apps {
            let Some(app) = catalog.app(traffic.id) else { continue };
            let id = &app.id;
            let known = self.usage.values().any(|apps| apps.contains_key(id));
            let before = self.carried(*id);
            let usage: &mut Usage = self.usage.entry(accepted.stream.clone()).or_default().entry(*id).or_default();
            usage.add(traffic, now);
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

    fn users(&mut self, accepted: &Accepted, people: &People, now: i64) -> Result<()> {
        for (address, users) in [(false, &people.users), (true, &people.addresses)] {
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
pub(super) fn import(store: &Store, accepted: &Accepted, refused: Option<&str>, held: Held<'_>) -> Result<()> {
    let now = millis();
    let found = store
        .read(|state| state.streams.iter().find(|s| s.id == accepted.stream).map(|s| (s.name.clone(), s.snapshot)));
    let (name, snapshot) = found.unwrap_or_default();
    store.families.change(now, |kept| {
        if accepted.number <= kept.imported {
            return Ok(());
        }
        kept.imported = accepted.number;
        kept.take(accepted, &name, snapshot, refused, held, now)
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
    use crate::catalog::Kind;
    use crate::discover::{Engine, Filter, Options};
    use crate::logs::Record;

    fn log(number: u64) -> Accepted {
        Accepted { number, stream: "s".to_owned(), log_type: "SQUID_NATIVE".to_owned(), ..Accepted::default() }
    }

    /// What a log of one line held: a user who sends to this host.
    fn seen(host: &str, up: u64) -> (People, Vec<App>) {
        let record = Record {
            user: Some(b"ann"),
            src_ip: "192.0.2.1".parse().ok(),
            host: Some(host.as_bytes()),
            bytes_up: Some(up),
            time: Some(1_735_900_000_000_000),
            ..Record::default()
        };
        let mut people = People::default();
        people.record(&record, 0);
        let engine = Engine::new(Catalog::builtin(), Filter::default(), 1, 1);
        engine.add(&record);
        (people, engine.report(Vec::new(), &Options { detail: 10, ..Options::default() }).apps)
    }

    fn titles(kept: &Kept) -> Vec<&str> {
        kept.alerts.iter().filter_map(|alert| alert["title"].as_str()).collect()
    }

    fn risky() -> (String, String) {
        let catalog = Catalog::builtin();
        let risky =
            |app: &&crate::catalog::App| app.score() <= RISKY && app.kind == Kind::App && !app.domains.is_empty();
        let app = catalog.apps().iter().find(risky).unwrap();
        (app.domains[0].clone(), app.name.clone())
    }

    #[test]
    fn an_app_is_new_once_and_a_risky_one_is_told_when_a_day_crosses_the_volume() {
        let (host, name) = risky();
        let mut kept = Kept::default();
        for number in 1..=4 {
            let (people, apps) = seen(&host, RISKY_BYTES / 2);
            kept.take(&log(number), "HQ", false, None, Held { people: &people, apps: &apps }, 1).unwrap();
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
            let (people, apps) = seen("unknown.example", up);
            kept.take(&log(number), "HQ", false, None, Held { people: &people, apps: &apps }, 1).unwrap();
        }
        assert_eq!(titles(&kept), ["Unusual upload by ann"]);
        let ann = &kept.entities["ann"];
        assert_eq!((ann.logs, ann.accounts.len(), kept.entities["192.0.2.1"].address), (6, 1, true));
    }

    #[test]
    fn a_feed_that_falls_silent_is_told_once_until_it_delivers_again() {
        let mut kept = Kept::default();
        for number in 1..=5 {
            let now = i64::try_from(number).unwrap() * 60_000;
            kept.take(&log(number), "HQ", false, None, Held { people: &People::default(), apps: &[] }, now).unwrap();
        }
        let later = 300_000 + 3 * 60_000;
        for (now, told) in [(later - 1, 0), (later + 60_001, 1), (later + 900_000, 1)] {
            kept.silence(1_000, now).unwrap();
            assert_eq!(kept.alerts.len(), told, "{now}");
        }
        kept.take(&log(6), "HQ", false, None, Held { people: &People::default(), apps: &[] }, later + 1_000_000)
            .unwrap();
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
