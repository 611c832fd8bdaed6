//! The figures of the page: apps by risk and by decision, categories, users; each a small table with bars.

use super::findings::{counted, grouped};
use super::html::{bytes, uploads, visible};
use super::report::{App, Report, Volume, Who};
use super::risk::Level;
use super::tags::Tag;

/// A small table with a bar in each row.
pub(super) struct Figure {
    pub caption: &'static str,
    pub heads: [&'static str; 4],
    pub rows: Vec<Bar>,
    pub note: Option<String>,
    /// Said in place of no rows.
    pub empty: &'static str,
}

pub(super) struct Bar {
    /// Colours the bar.
    pub class: &'static str,
    pub name: String,
    pub first: String,
    pub second: String,
    pub bytes: String,
    pub width: String,
}

fn width(value: u64, most: u64) -> String {
    format!("{:.1}", value as f64 * 100.0 / most.max(1) as f64)
}

/// One bar a group of apps, in the order given; groups without apps are left out.
fn groups<'g>(report: &Report, groups: impl Iterator<Item = (&'static str, &'static str, Vec<&'g App>)>) -> Vec<Bar> {
    let most = report.totals.to_apps.bytes;
    let row = |(class, name, apps): (&'static str, &str, Vec<&App>)| {
        let mut sum = Volume::default();
        apps.iter().for_each(|app| sum.add(&app.volume));
        Bar {
            class,
            name: name.to_owned(),
            first: grouped(apps.len() as u64),
            second: uploads(sum.bytes_up),
            bytes: bytes(sum.bytes),
            width: width(sum.bytes, most),
        }
    };
    groups.filter(|(_, _, apps)| !apps.is_empty()).map(row).collect()
}

pub(super) fn risks(report: &Report) -> Figure {
    let levels = [(Level::High, "High"), (Level::Medium, "Medium"), (Level::Low, "Low")].into_iter();
    let of = |level| report.apps.iter().filter(|app| app.risk.level == level).collect();
    Figure {
        caption: "Risk of the apps by bytes",
        heads: ["Risk", "Apps", "Uploaded", "Bytes"],
        rows: groups(report, levels.map(|(level, name)| (level.name(), name, of(level)))),
        note: None,
        empty: "No app of the catalogue was seen.",
    }
}

pub(super) fn decisions(report: &Report) -> Figure {
    let tags = [
        (Some(Tag::Unsanctioned), "Unsanctioned"),
        (Some(Tag::UnderReview), "Under review"),
        (None, "Undecided"),
        (Some(Tag::Sanctioned), "Sanctioned"),
    ];
    let of = |tag| report.apps.iter().filter(|app| app.tag == tag).collect();
    let tags = tags.into_iter().map(|(tag, name)| (tag.map_or("undecided", Tag::name), name, of(tag)));
    Figure {
        caption: "Decisions about the apps by bytes",
        heads: ["Decision", "Apps", "Uploaded", "Bytes"],
        rows: groups(report, tags),
        note: report.apps.iter().all(|app| app.tag.is_none()).then(|| "No file of tags was given.".to_owned()),
        empty: "No app of the catalogue was seen.",
    }
}

pub(super) fn categories(report: &Report) -> Figure {
    let most = report.categories.first().map_or(0, |row| row.volume.bytes);
    let bar = |row: &super::report::Category| Bar {
        class: "",
        name: row.name.to_owned(),
        first: grouped(row.apps),
        second: row.users.map_or_else(|| "-".to_owned(), grouped),
        bytes: bytes(row.volume.bytes),
        width: width(row.volume.bytes, most),
    };
    let more = report.categories.len().saturating_sub(12);
    Figure {
        caption: "Categories by bytes",
        heads: ["Category", "Apps", "Users", "Bytes"],
        rows: report.categories.iter().take(12).map(bar).collect(),
        note: (more > 0).then(|| format!("and {}", counted(more as u64, "more category", "more categories"))),
        empty: "No app of the catalogue was seen.",
    }
}

pub(super) fn people(rows: &[Who]) -> Figure {
    let most = rows.first().map_or(0, |row| row.bytes);
    let bar = |row: &Who| Bar {
        class: "",
        name: visible(&row.name),
        first: grouped(row.apps),
        second: uploads(row.bytes_up),
        bytes: bytes(row.bytes),
        width: width(row.bytes, most),
    };
    Figure {
        caption: "Users by bytes",
        heads: ["User", "Apps", "Uploaded", "Bytes"],
        rows: rows.iter().take(12).map(bar).collect(),
        note: None,
        empty: "The log names no user; see the addresses below.",
    }
}
