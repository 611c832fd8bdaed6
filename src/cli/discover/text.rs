//! The report on a terminal: sentences, and tables with bars that fit its width.

use crate::cli::Context;
use crate::discover::Report;
use crate::discover::findings::{NOTHING, counted, findings, grouped};
use crate::discover::report::{Listing, Volume, Who};
use crate::domain::ByteCount;
use crate::ui::chart::{Chart, Column};
use crate::ui::escape;

/// What the terminal can show.
pub(super) struct Screen {
    width: usize,
    blocks: bool,
}

/// The width of what is no terminal.
const NO_TERMINAL: usize = 110;

impl Screen {
    pub(super) fn of(context: &Context<'_>) -> Screen {
        let columns = context.env.var("COLUMNS").and_then(|text| text.parse().ok());
        let window = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
        let terminal = context.ui.out_terminal;
        let width = columns.or_else(|| terminal.then(window).flatten()).filter(|width| *width > 0);
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| context.env.var(name));
        let blocks = locale.is_some_and(|name| name.to_ascii_uppercase().replace('-', "").contains("UTF8"));
        Screen { width: width.unwrap_or(NO_TERMINAL).clamp(40, 200), blocks }
    }
}

/// The whole report as text, each list cut to `top` rows.
pub(super) fn render(report: &Report, top: usize, screen: &Screen) -> String {
    let mut text = String::new();
    summary(report, screen, &mut text);
    let draw = |chart: Chart, title: String, text: &mut String| {
        if !chart.is_empty() {
            text.push_str(&format!("\n{title}\n{}", chart.text(screen.width, screen.blocks)));
        }
    };
    let shown = |title: &str, count: u64, rows: usize| match count > rows as u64 {
        true => format!("{title} ({} of {}, by bytes)", grouped(rows as u64), grouped(count)),
        false => format!("{title} ({})", grouped(count)),
    };
    let rows = report.apps.len().min(top);
    draw(apps(report, top), shown("APPS", report.apps.len() as u64, rows), &mut text);
    let rows = report.categories.len().min(top);
    draw(categories(report, top), shown("CATEGORIES", report.categories.len() as u64, rows), &mut text);
    let list = &report.users;
    draw(who(list, "USER", top), shown("USERS", list.count, list.rows.len().min(top)), &mut text);
    let list = &report.addresses;
    draw(who(list, "ADDRESS", top), shown("ORIGIN ADDRESSES", list.count, list.rows.len().min(top)), &mut text);
    let list = &report.unknown_domains;
    draw(domains(report, top), shown("DOMAINS THAT NO APP HAS", list.count, list.rows.len().min(top)), &mut text);
    footer(report, screen, &mut text);
    text
}

/// Words of `line`, broken before `width`; later lines are indented.
fn wrap(line: &str, width: usize, indent: usize, into: &mut String) {
    let mut column = 0;
    for word in escape::terminal(line).split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            into.push('\n');
            into.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if column > 0 {
            into.push(' ');
            column += 1;
        }
        into.push_str(word);
        column += length;
    }
    into.push('\n');
}

fn summary(report: &Report, screen: &Screen, into: &mut String) {
    let totals = &report.totals;
    let period = match (&report.first_seen, &report.last_seen) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "no times in the log".to_owned(),
    };
    let files = counted(report.sources.len() as u64, "file", "files");
    let lines: u64 = report.sources.iter().map(|source| source.lines).sum();
    wrap(&format!("{period}, {files}, {}", counted(lines, "line", "lines")), screen.width, 0, into);
    into.push('\n');
    let users = match totals.users {
        0 => String::new(),
        users => format!("{} at ", counted(users, "user", "users")),
    };
    let mut line = format!(
        "{users}{} used {} and exchanged {} with them, of {} in all.",
        counted(totals.addresses, "address", "addresses"),
        counted(totals.apps, "cloud app", "cloud apps"),
        ByteCount(totals.to_apps.bytes),
        ByteCount(totals.volume.bytes),
    );
    if totals.volume.transactions == 0 {
        line = NOTHING.to_owned();
    }
    if totals.high_risk_apps > 0 {
        line.push_str(&format!(" {} at high risk.", counted(totals.high_risk_apps, "app is", "apps are")));
    }
    wrap(&line, screen.width, 0, into);
    let findings = findings(report);
    if !findings.is_empty() {
        into.push_str("\nNEEDS A LOOK\n");
        for finding in findings {
            wrap(&format!("* {} {}", finding.title, finding.text), screen.width, 2, into);
        }
    }
}

fn percent(volume: &Volume) -> String {
    match volume.blocked_share() * 100.0 {
        0.0 => "-".to_owned(),
        share if share < 1.0 => "< 1%".to_owned(),
        share => format!("{share:.0}%"),
    }
}

fn amount(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { ByteCount(bytes).to_string() }
}

fn apps(report: &Report, top: usize) -> Chart {
    let mut chart = Chart::new(&[
        Column::name("APP"),
        Column::text("CATEGORY", 5),
        Column::text("RISK", 1),
        Column::number("USERS", 1),
        Column::number("ADDRESSES", 6),
        Column::number("UPLOADED", 3),
        Column::number("BYTES", 0),
        Column::number("BLOCKED", 4),
    ]);
    let most = report.apps.first().map_or(0, |app| app.volume.bytes);
    for app in report.apps.iter().take(top) {
        let mut name = app.name.clone();
        if app.new == Some(true) {
            name.push_str(" [new]");
        }
        if let Some(tag) = app.tag {
            name.push_str(&format!(" [{}]", tag.name()));
        }
        if app.by_address {
            name.push_str(" [by address]");
        }
        chart.row(
            vec![
                name,
                app.category_name.to_owned(),
                format!("{} {}", app.risk.level.name(), app.risk.points),
                grouped(app.users),
                grouped(app.addresses),
                amount(app.volume.bytes_up),
                amount(app.volume.bytes),
                percent(&app.volume),
            ],
            app.volume.bytes as f64 / most.max(1) as f64,
        );
    }
    chart
}

fn categories(report: &Report, top: usize) -> Chart {
    let mut chart = Chart::new(&[
        Column::name("CATEGORY"),
        Column::number("APPS", 1),
        Column::number("USERS", 2),
        Column::number("UPLOADED", 3),
        Column::number("BYTES", 0),
    ]);
    let most = report.categories.first().map_or(0, |row| row.volume.bytes);
    for row in report.categories.iter().take(top) {
        let users = row.users.map_or_else(|| "?".to_owned(), grouped);
        let cells =
            vec![row.name.to_owned(), grouped(row.apps), users, amount(row.volume.bytes_up), amount(row.volume.bytes)];
        chart.row(cells, row.volume.bytes as f64 / most.max(1) as f64);
    }
    chart
}

fn who(list: &Listing<Who>, title: &'static str, top: usize) -> Chart {
    let mut chart = Chart::new(&[
        Column::name(title),
        Column::number("APPS", 1),
        Column::number("HIGH RISK", 3),
        Column::number("UPLOADED", 2),
        Column::number("BYTES", 0),
        Column::number("REQUESTS", 4),
    ]);
    let most = list.rows.first().map_or(0, |row| row.bytes);
    for row in list.rows.iter().take(top) {
        let least = if row.partial { ">=" } else { "" };
        let cells = vec![
            row.name.clone(),
            format!("{least}{}", grouped(row.apps)),
            grouped(row.high_risk),
            amount(row.bytes_up),
            amount(row.bytes),
            grouped(row.transactions),
        ];
        chart.row(cells, row.bytes as f64 / most.max(1) as f64);
    }
    chart
}

fn domains(report: &Report, top: usize) -> Chart {
    let mut chart = Chart::new(&[
        Column::name("DOMAIN"),
        Column::number("USERS", 1),
        Column::number("UPLOADED", 2),
        Column::number("BYTES", 0),
        Column::number("REQUESTS", 3),
    ]);
    let rows = &report.unknown_domains.rows;
    let most = rows.first().map_or(0, |row| row.volume.bytes);
    for row in rows.iter().take(top) {
        let new = if row.new == Some(true) { " [new]" } else { "" };
        let cells = vec![
            format!("{}{new}", row.domain),
            grouped(row.users),
            amount(row.volume.bytes_up),
            amount(row.volume.bytes),
            grouped(row.volume.transactions),
        ];
        chart.row(cells, row.volume.bytes as f64 / most.max(1) as f64);
    }
    chart
}

fn footer(report: &Report, screen: &Screen, into: &mut String) {
    into.push('\n');
    let sum = |count: fn(&crate::discover::report::Source) -> u64| report.sources.iter().map(count).sum::<u64>();
    let background = report.totals.to_background;
    let mut line = format!("Counted {}", counted(sum(|source| source.counted), "transaction", "transactions"));
    for (count, what) in [
        (sum(|source| source.filtered), "filtered out"),
        (sum(|source| source.other), "no transactions"),
        (sum(|source| source.rejected), "unreadable"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {} {what}", grouped(count)));
        }
    }
    line.push_str(&format!(
        "; {} went to infrastructure and page noise.",
        if background.bytes == 0 { "nothing".to_owned() } else { ByteCount(background.bytes).to_string() }
    ));
    wrap(&line, screen.width, 0, into);
    wrap("The risk is logweir's own arithmetic over its catalogue, not Microsoft's score.", screen.width, 0, into);
    for row in report.accuracy.iter().filter(|row| !row.exact) {
        wrap(&format!("Not exact: {}: {}.", row.figures, row.method), screen.width, 2, into);
    }
}
