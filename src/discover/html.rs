//! The page: one file, nothing fetched, every name escaped, scripts and styles named by digest.
//!
//! `page/page.html` is the template (askama escapes what goes in), `page.css` and `page.js` go in as they are. The
//! tables of apps and unknown domains are in the markup; users, and what opens below a row, are data for the script.

use super::findings::{Finding, NOTHING, counted, findings, grouped};
use super::report::{App, Report, Rest, Volume, date_text};
use super::risk::{Level, POINTS};
use super::{chart, figures, page_data};
use crate::domain::ByteCount;
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const CSS: &str = include_str!("page/page.css");
const JS: &str = include_str!("page/page.js");
/// Most bytes of a page.
const LARGEST: usize = 2_000_000;

/// How much of a report goes into the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub users: usize,
    pub addresses: usize,
    pub domains: usize,
    /// Users, addresses and hosts below an app, apps below a user.
    pub detail: usize,
    pub apps: usize,
}

const WHOLE: Extent = Extent { users: 10_000, addresses: 2_000, domains: 1_000, detail: 20, apps: 2_000 };

struct Tile {
    label: &'static str,
    value: String,
    note: Option<String>,
    alert: bool,
}

struct AppRow {
    id: u32,
    name: String,
    category: &'static str,
    chips: Vec<&'static str>,
    points: u8,
    level: &'static str,
    users: String,
    addresses: String,
    up: u64,
    up_text: String,
    bytes: u64,
    bytes_text: String,
    requests: String,
    blocked: String,
    blocked_text: String,
    last: String,
    last_text: String,
}

struct DomainRow {
    name: String,
    new: bool,
    users: String,
    up: u64,
    up_text: String,
    bytes: u64,
    bytes_text: String,
    requests: String,
    blocked: String,
    blocked_text: String,
}

struct BackgroundRow {
    name: String,
    kind: &'static str,
    bytes: String,
}

struct SourceRow {
    name: String,
    log_type: String,
    lines: String,
    counted: String,
    filtered: String,
    other: String,
    rejected: String,
    reasons: Vec<String>,
}

#[derive(Template)]
#[template(path = "page.html", config = "src/discover/page/askama.toml")]
struct Page {
    policy: String,
    css: &'static str,
    js: &'static str,
    title: String,
    period: String,
    pseudonyms: bool,
    compared: Option<String>,
    sentence: String,
    tiles: Vec<Tile>,
    findings: Vec<Finding>,
    timeline: String,
    step: &'static str,
    week: String,
    figures: [figures::Figure; 4],
    apps: Vec<AppRow>,
    who_head: &'static str,
    user_count: String,
    users_rest: String,
    address_count: String,
    addresses_rest: String,
    unknown_count: String,
    domains: Vec<DomainRow>,
    domains_rest: String,
    background: Vec<BackgroundRow>,
    background_text: String,
    accuracy: Vec<super::report::Accuracy>,
    sources: Vec<SourceRow>,
    more_sources: Option<String>,
    gone: String,
    points: Vec<Vec<(&'static str, u8)>>,
    made: String,
    data: String,
}

const WHO_HEAD: &str = "<tr><th scope=\"col\" data-s=\"t\">Name</th><th scope=\"col\" data-s=\"n\" class=\"n\">Apps</th>\
    <th scope=\"col\" data-s=\"n\" class=\"n w\">High risk</th><th scope=\"col\" data-s=\"n\" class=\"n m\">Uploaded</th>\
    <th scope=\"col\" data-s=\"n\" class=\"n\" aria-sort=\"descending\">Bytes</th>\
    <th scope=\"col\" data-s=\"n\" class=\"n w\">Requests</th></tr>";

/// Characters that would be invisible or reorder the text around them, shown as what they are.
pub(super) fn visible(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(hidden) {
        return text.to_owned();
    }
    text.chars().fold(String::new(), |mut shown, c| {
        match hidden(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
        shown
    })
}

fn digest(text: &str) -> String {
    STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()))
}

/// The policy of the page: its own style and script and nothing else.
pub fn policy() -> String {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
        digest(CSS),
        digest(JS)
    )
}

pub(super) fn bytes(count: u64) -> String {
    ByteCount(count).to_string()
}

/// Uploads, where the log gives any.
pub(super) fn uploads(count: u64) -> String {
    if count == 0 { "-".to_owned() } else { bytes(count) }
}

fn percent(share: f64) -> String {
    match share {
        0.0 => "0 %".to_owned(),
        share if share < 0.001 => "< 0.1 %".to_owned(),
        share => format!("{:.1} %", share * 100.0),
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The page of a report, below 2 MB: what does not fit is counted. `made` says when and by what it was made.
pub fn page(report: &Report, title: &str, made: &str) -> String {
    let mut extent = WHOLE;
    let detail_rows = 12_000 / report.apps.len().max(1);
    extent.detail = extent.detail.min(detail_rows.max(5));
    loop {
        let page = with_extent(report, title, made, extent);
        if page.len() <= LARGEST || extent.users <= 100 {
            return page;
        }
        extent = Extent {
            users: extent.users * 3 / 4,
            addresses: extent.addresses * 3 / 4,
            domains: extent.domains * 3 / 4,
            detail: (extent.detail * 3 / 4).max(2),
            apps: extent.apps.max(400) * 9 / 10,
        };
    }
}

fn with_extent(report: &Report, title: &str, made: &str, extent: Extent) -> String {
    let (timeline, step) = chart::timeline(&report.timeline);
    let shown = |count: u64| if count == 0 { "none".to_owned() } else { grouped(count) };
    let totals = &report.totals;
    let sources = report.sources.iter().take(50);
    let page = Page {
        policy: policy(),
        css: CSS,
        js: JS,
        title: visible(title),
        period: period(report),
        pseudonyms: report.pseudonyms,
        compared: report.baseline.as_ref().map(|earlier| match &earlier.last_seen {
            Some(time) => format!("compared with the report up to {}", &time[..time.len().min(10)]),
            None => "compared with an earlier report".to_owned(),
        }),
        sentence: sentence(report),
        tiles: tiles(report),
        findings: findings(report)
            .into_iter()
            .map(|finding| Finding { title: visible(&finding.title), text: visible(&finding.text), ..finding })
            .collect(),
        timeline,
        step,
        week: chart::week(&report.timeline),
        figures: [
            figures::risks(report),
            figures::decisions(report),
            figures::categories(report),
            figures::people(&report.users.rows),
        ],
        apps: report.apps.iter().take(extent.apps).map(app_row).collect(),
        who_head: WHO_HEAD,
        user_count: shown(totals.users),
        users_rest: rest(report.users.count, &report.users.rows, extent.users, report.users.rest, |who| {
            (who.transactions, who.bytes)
        }),
        address_count: shown(totals.addresses),
        addresses_rest: rest(
            report.addresses.count,
            &report.addresses.rows,
            extent.addresses,
            report.addresses.rest,
            |who| (who.transactions, who.bytes),
        ),
        unknown_count: shown(totals.unknown_domains),
        domains: report.unknown_domains.rows.iter().take(extent.domains).map(domain_row).collect(),
        domains_rest: rest(
            report.unknown_domains.count,
            &report.unknown_domains.rows,
            extent.domains,
            report.unknown_domains.rest,
            |row| (row.volume.transactions, row.volume.bytes),
        ),
        background: (report.background.iter().take(300))
            .map(|row| BackgroundRow { name: visible(&row.name), kind: row.kind, bytes: bytes(row.volume.bytes) })
            .collect(),
        background_text: format!(
            "{}, {}",
            counted(report.background.len() as u64, "record", "records"),
            bytes(totals.to_background.bytes)
        ),
        accuracy: report.accuracy.iter().filter(|row| !row.exact).cloned().collect(),
        sources: sources.map(source_row).collect(),
        more_sources: (report.sources.len() > 50).then(|| format!("and {} more files", report.sources.len() - 50)),
        gone: report.baseline.as_ref().map_or_else(String::new, |earlier| {
            earlier.gone.iter().map(|name| visible(name)).collect::<Vec<_>>().join(", ")
        }),
        points: (POINTS.chunks(POINTS.len().div_ceil(2)))
            .map(|half| half.iter().map(|(_, _, points, text)| (*text, *points)).collect())
            .collect(),
        made: visible(made),
        data: page_data::data(report, extent),
    };
    // The template only concatenates text: there is nothing to fail.
    page.render().unwrap_or_default()
}

fn period(report: &Report) -> String {
    let day = |time: &Option<String>| time.as_deref().map(|time| time[..time.len().min(10)].to_owned());
    let files = counted(report.sources.len() as u64, "file", "files");
    match (day(&report.first_seen), day(&report.last_seen)) {
        (Some(first), Some(last)) if first == last => format!("{first}, {files}"),
        (Some(first), Some(last)) => format!("{first} to {last}, {files}"),
        _ => format!("{files}, no times in the log"),
    }
}

fn sentence(report: &Report) -> String {
    let totals = &report.totals;
    if totals.volume.transactions == 0 {
        return NOTHING.to_owned();
    }
    let who = match (totals.users, totals.addresses) {
        (0, addresses) => counted(addresses, "address", "addresses"),
        (users, addresses) => {
            format!("{} at {}", counted(users, "user", "users"), counted(addresses, "address", "addresses"))
        }
    };
    let mut text = format!(
        "{} used {} and exchanged {} with them",
        who,
        counted(totals.apps, "cloud app", "cloud apps"),
        bytes(totals.to_apps.bytes)
    );
    if totals.to_apps.bytes_up > 0 {
        text.push_str(&format!(", {} of it upwards", bytes(totals.to_apps.bytes_up)));
    }
    text.push('.');
    if totals.high_risk_apps > 0 {
        text.push_str(&format!(" {} at high risk.", counted(totals.high_risk_apps, "app is", "apps are")));
    }
    text
}

fn tiles(report: &Report) -> Vec<Tile> {
    let totals = &report.totals;
    let tile = |label, value: String, note: Option<String>| Tile { label, value, note, alert: false };
    let new = report.baseline.as_ref().map(|_| format!("{} new", grouped(totals.new_apps)));
    let unsanctioned =
        (totals.unsanctioned_apps > 0).then(|| format!("{} unsanctioned", grouped(totals.unsanctioned_apps)));
    let notes: Vec<String> = new.into_iter().chain(unsanctioned).collect();
    let mut risky = Volume::default();
    let high = report.apps.iter().filter(|app| app.risk.level == Level::High);
    high.for_each(|app| risky.add(&app.volume));
    let to_risky = match risky.bytes_up {
        0 => format!("{} exchanged with them", bytes(risky.bytes)),
        up => format!("{} uploaded to them", bytes(up)),
    };
    vec![
        tile("Cloud apps", grouped(totals.apps), (!notes.is_empty()).then(|| notes.join(", "))),
        Tile {
            alert: totals.high_risk_apps > 0,
            ..tile("At high risk", grouped(totals.high_risk_apps), Some(to_risky))
        },
        tile("Users", grouped(totals.users), Some(counted(totals.addresses, "address", "addresses"))),
        tile("Bytes to apps", bytes(totals.to_apps.bytes), Some(format!("of {} in all", bytes(totals.volume.bytes)))),
        tile(
            "Uploaded to apps",
            uploads(totals.to_apps.bytes_up),
            Some(match totals.volume.bytes_up {
                0 => "the log gives no uploads".to_owned(),
                _ => format!("{} of the bytes", percent(share(totals.to_apps.bytes_up, totals.to_apps.bytes))),
            }),
        ),
        tile(
            "Blocked",
            percent(totals.volume.blocked_share()),
            Some(counted(totals.volume.blocked, "request", "requests")),
        ),
    ]
}

fn app_row(app: &App) -> AppRow {
    let mut chips = Vec::new();
    chips.extend((app.new == Some(true)).then_some("new"));
    chips.extend(app.tag.map(|tag| tag.name()));
    chips.extend(app.by_address.then_some("by address"));
    AppRow {
        id: app.id,
        name: visible(&app.name),
        category: app.category_name,
        chips,
        points: app.risk.points,
        level: app.risk.level.name(),
        users: grouped(app.users),
        addresses: grouped(app.addresses),
        up: app.volume.bytes_up,
        up_text: uploads(app.volume.bytes_up),
        bytes: app.volume.bytes,
        bytes_text: bytes(app.volume.bytes),
        requests: grouped(app.volume.transactions),
        blocked: format!("{:.4}", app.blocked_share),
        blocked_text: percent(app.blocked_share),
        last: app
            .last_seen
            .as_deref()
            .map_or_else(|| "0".to_owned(), |time| time.chars().filter(char::is_ascii_digit).collect()),
        last_text: app
            .last_seen
            .as_deref()
            .map_or_else(|| "-".to_owned(), |time| time[..time.len().min(10)].to_owned()),
    }
}

fn domain_row(row: &super::report::Domain) -> DomainRow {
    DomainRow {
        name: visible(&row.domain),
        new: row.new == Some(true),
        users: grouped(row.users),
        up: row.volume.bytes_up,
        up_text: uploads(row.volume.bytes_up),
        bytes: row.volume.bytes,
        bytes_text: bytes(row.volume.bytes),
        requests: grouped(row.volume.transactions),
        blocked: format!("{:.4}", row.volume.blocked_share()),
        blocked_text: percent(row.volume.blocked_share()),
    }
}

fn source_row(row: &super::report::Source) -> SourceRow {
    let reason = |(reason, count): &(String, u64)| format!("{}: {}", grouped(*count), visible(reason));
    SourceRow {
        name: visible(&row.name),
        log_type: row.log_type.clone(),
        lines: grouped(row.lines),
        counted: grouped(row.counted),
        filtered: grouped(row.filtered),
        other: grouped(row.other),
        rejected: grouped(row.rejected),
        reasons: row.reasons.iter().take(5).map(reason).collect(),
    }
}

/// One sentence on what a table leaves out.
fn rest<T>(count: u64, rows: &[T], shown: usize, rest: Rest, volume: impl Fn(&T) -> (u64, u64)) -> String {
    let shown = shown.min(rows.len());
    let more = count.saturating_sub(shown as u64);
    if more == 0 {
        return String::new();
    }
    let (transactions, bytes) = rows[shown..]
        .iter()
        .map(volume)
        .fold((rest.transactions, rest.bytes), |sum, row| (sum.0 + row.0, sum.1.saturating_add(row.1)));
    format!(
        "{} more are not listed: {}, {}.",
        grouped(more),
        counted(transactions, "request", "requests"),
        ByteCount(bytes)
    )
}

/// Days for the script: every day from first to last, or only those with traffic when they lie far apart.
pub(super) fn days(report: &Report) -> Vec<i32> {
    let mut days: Vec<i32> = report.apps.iter().flat_map(|app| app.days.iter().map(|day| day.day)).collect();
    days.sort_unstable();
    days.dedup();
    match (days.first(), days.last()) {
        (Some(first), Some(last)) if last.saturating_sub(*first) < 1_000 => (*first..=*last).collect(),
        _ => days,
    }
}

/// Their dates.
pub(super) fn dates(days: &[i32]) -> Vec<String> {
    days.iter().map(|day| date_text(*day)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_become_visible() {
        assert_eq!(visible("a\u{202e}b\u{200b}c\nd"), "a\\u{202e}b\\u{200b}c\\u{a}d");
        assert_eq!(visible("<b>ordinary</b>"), "<b>ordinary</b>");
    }

    #[test]
    fn every_level_has_a_class_in_the_style_sheet() {
        for level in [Level::Low, Level::Medium, Level::High] {
            assert!(CSS.contains(&format!(".risk.{}", level.name())), "{level:?}");
            assert!(CSS.contains(&format!(".findings .{}", level.name())), "{level:?}");
        }
    }

    #[test]
    fn style_and_script_contain_nothing_that_ends_them() {
        assert!(!CSS.contains("</") && !JS.contains("</script") && !JS.contains("<!--"));
    }
}
