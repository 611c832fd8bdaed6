//! What the page's script shows on demand, as compact JSON: names once, everything else by number.

use super::html::{Extent, dates, days, visible};
use super::report::{Report, Share, Who};
use super::risk::POINTS;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Names with their numbers.
#[derive(Default)]
struct Names {
    list: Vec<Value>,
    numbers: HashMap<String, usize>,
}

impl Names {
    fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.list.push(visible(name).into());
        self.numbers.insert(name.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }
}

/// The data of the page, safe inside a script element.
pub(super) fn data(report: &Report, extent: Extent) -> String {
    let mut names = Names::default();
    let ids: HashMap<&str, u32> = report.apps.iter().map(|app| (app.name.as_str(), app.id)).collect();
    let who = |rows: &[Who], most: usize, names: &mut Names| -> Vec<Value> {
        let row = |row: &Who, names: &mut Names| {
            let top = row.top_apps.iter().take(extent.detail.min(3));
            let top: Vec<Value> = top.filter_map(|app| Some(json!([ids.get(app.name.as_str())?, app.bytes]))).collect();
            json!([
                names.number(&row.name),
                row.apps,
                row.high_risk,
                row.unsanctioned,
                row.transactions,
                row.bytes_up,
                row.bytes,
                top
            ])
        };
        rows.iter().take(most).map(|one| row(one, names)).collect()
    };
    let users = who(&report.users.rows, extent.users, &mut names);
    let origins = who(&report.addresses.rows, extent.addresses, &mut names);
    let days = days(report);
    let reasons: Vec<(&str, u8)> = POINTS.iter().map(|(_, _, points, text)| (*text, *points)).collect();
    let mut apps = Map::new();
    for app in report.apps.iter().take(extent.apps) {
        let shares = |list: &[Share], names: &mut Names| -> Vec<Value> {
            let part = list.iter().take(extent.detail);
            part.map(|one| json!([names.number(&one.name), one.bytes_up, one.bytes])).collect()
        };
        let hosts: Vec<Value> = (app.hosts.iter().take(extent.detail / 2 + 1))
            .map(|one| json!([visible(&one.name), one.bytes_up, one.bytes]))
            .collect();
        let at = |day: i32| days.binary_search(&day).unwrap_or(0);
        let why = |text: &str| reasons.iter().position(|(reason, _)| *reason == text).unwrap_or(0);
        let document = json!({
            "r": app.risk.reasons.iter().map(|reason| why(reason.text)).collect::<Vec<_>>(),
            "u": shares(&app.top_users, &mut names), "un": app.users,
            "a": shares(&app.top_addresses, &mut names), "an": app.addresses,
            "h": hosts, "hn": app.host_count.unwrap_or(app.hosts.len() as u64),
            "d": app.days.iter().map(|day| (at(day.day), day.bytes)).collect::<Vec<_>>(),
        });
        apps.insert(app.id.to_string(), document);
    }
    let titles: Map<String, Value> =
        report.apps.iter().map(|app| (app.id.to_string(), visible(&app.name).into())).collect();
    let document = json!({
        "names": names.list, "u": users, "o": origins, "apps": apps, "titles": titles, "days": dates(&days),
        "reasons": reasons,
    });
    // Inside a script element only `<` can end the text; JSON lets it be written as an escape.
    document.to_string().replace('<', "\\u003c")
}
