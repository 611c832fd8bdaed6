//! What a reader should look at first, in sentences, from the report's own numbers.

use super::report::{App, Report};
use super::risk::Level;
use super::tags::Tag;
use crate::domain::ByteCount;

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Level,
    /// In a few words.
    pub title: String,
    /// In one or two sentences.
    pub text: String,
    /// The app it is about, if it is about one.
    pub app: Option<u32>,
    /// The risk of the apps it is about, if it is about all of one.
    pub level: Option<Level>,
}

/// The report in a sentence when there is nothing in it.
pub const NOTHING: &str = "Nothing was counted: no line is a transaction that the filters let through.";
/// Fewer lines than this part may be unreadable without a word.
const UNREADABLE: f64 = 0.02;
/// How many apps at high risk are named one by one.
const NAMED: usize = 3;

/// A count with its noun.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// A number with a comma every three digits.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Who: users, or addresses where the log names nobody.
fn who(app: &App) -> String {
    match app.users {
        0 => counted(app.addresses, "address", "addresses"),
        users => counted(users, "user", "users"),
    }
}

fn amount(app: &App) -> String {
    match app.volume.bytes_up {
        0 => ByteCount(app.volume.bytes).to_string(),
        up => format!("{} ({} uploaded)", ByteCount(app.volume.bytes), ByteCount(up)),
    }
}

fn names(apps: &[&App]) -> String {
    let mut text: Vec<&str> = apps.iter().take(6).map(|app| app.name.as_str()).collect();
    let more = (apps.len() > 6).then(|| format!("{} more", apps.len() - 6));
    text.extend(more.as_deref());
    text.join(", ")
}

/// The findings, most important first.
pub fn findings(report: &Report) -> Vec<Finding> {
    let mut found = Vec::new();
    let banned: Vec<&App> = report.apps.iter().filter(|app| app.tag == Some(Tag::Unsanctioned)).collect();
    if !banned.is_empty() {
        let through: u64 = banned.iter().map(|app| app.volume.transactions - app.volume.blocked).sum();
        let text = match through {
            0 => format!("All their requests were blocked: {}.", names(&banned)),
            _ => format!("{} got through to {}.", counted(through, "request", "requests"), names(&banned)),
        };
        let weight = if through == 0 { Level::Low } else { Level::High };
        let title = format!("{} in the log.", counted(banned.len() as u64, "unsanctioned app", "unsanctioned apps"));
        found.push(Finding { weight, title, text, app: None, level: None });
    }
    let mut risky: Vec<&App> =
        report.apps.iter().filter(|app| app.risk.level == Level::High && app.tag.is_none()).collect();
    risky.sort_by_key(|app| std::cmp::Reverse((app.users.max(app.addresses), app.volume.bytes)));
    for app in risky.iter().take(NAMED) {
        let reasons: Vec<&str> = app.risk.reasons.iter().take(2).map(|reason| reason.text).collect();
        found.push(Finding {
            weight: Level::High,
            title: format!("{} is at high risk.", app.name),
            text: format!("{}, {}. It {}.", who(app), amount(app), reasons.join("; it ")),
            app: Some(app.id),
            level: None,
        });
    }
    if risky.len() > NAMED {
        let others = &risky[NAMED..];
        let title = format!("{} at high risk, undecided.", counted(others.len() as u64, "more app", "more apps"));
        found.push(Finding {
            weight: Level::High,
            title,
            text: format!("{}.", names(others)),
            app: None,
            level: Some(Level::High),
        });
    }
    let open = |app: &&App| app.tag != Some(Tag::Sanctioned) && app.risk.level == Level::Medium;
    let largest = report.apps.iter().filter(open).max_by_key(|app| (app.volume.bytes_up, app.volume.bytes));
    if let Some(app) = largest.filter(|app| app.volume.bytes_up > 0) {
        found.push(Finding {
            weight: Level::Medium,
            title: format!("Most data went up to {}.", app.name),
            text: format!("{}, {}; medium risk, not sanctioned.", who(app), amount(app)),
            app: Some(app.id),
            level: None,
        });
    }
    let new: Vec<&App> = report.apps.iter().filter(|app| app.new == Some(true)).collect();
    if !new.is_empty() {
        let title = format!("{} since last time.", counted(new.len() as u64, "new app", "new apps"));
        found.push(Finding { weight: Level::Medium, title, text: format!("{}.", names(&new)), app: None, level: None });
    }
    if let Some(domain) = report.unknown_domains.rows.iter().max_by_key(|row| (row.volume.bytes_up, row.users)) {
        let up = match domain.volume.bytes_up {
            0 => String::new(),
            up => format!(", {} uploaded", ByteCount(up)),
        };
        found.push(Finding {
            weight: Level::Low,
            title: format!("{} no app has.", counted(report.totals.unknown_domains, "domain that", "domains that")),
            text: format!(
                "The first to classify: {} ({}, {}{up}).",
                domain.domain,
                counted(domain.users, "user", "users"),
                ByteCount(domain.volume.bytes)
            ),
            app: None,
            level: None,
        });
    }
    let (lines, rejected) =
        report.sources.iter().fold((0, 0), |sum, source| (sum.0 + source.lines, sum.1 + source.rejected));
    if rejected as f64 > lines as f64 * UNREADABLE {
        found.push(Finding {
            weight: Level::Medium,
            title: format!("{:.1} % of the lines could not be read.", rejected as f64 * 100.0 / lines as f64),
            text: "They are missing in every number here; `logweir check` says why.".to_owned(),
            app: None,
            level: None,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_nouns_agree() {
        let rows =
            [(0, "0 apps"), (1, "1 app"), (999, "999 apps"), (1_000, "1,000 apps"), (1_234_567, "1,234,567 apps")];
        for (count, text) in rows {
            assert_eq!(counted(count, "app", "apps"), text);
        }
    }
}
