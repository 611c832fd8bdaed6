//! What `check` says to a person: facts first, then what is wrong and what to do about it.

use super::Checked;
use crate::discover::findings::{counted, grouped};
use crate::domain::ByteCount;
use crate::logs::quality::{Example, Summary};
use crate::ui::escape;
use std::fmt::Write;

/// Characters of an example that are shown.
const SHOWN: usize = 100;

/// One log.
pub(super) fn render(log: &Checked) -> String {
    let mut text = format!("{}: {}\n", escape::terminal(&log.file), log.verdict.as_str());
    let mut row = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<10} {value}");
    };
    match (log.log_type, log.product) {
        (Some(log_type), Some(product)) => row("log type", format!("{log_type}: {product}")),
        _ => row("log type", "not recognised".to_owned()),
    }
    if let (Some(sentence), Some(_)) = (&log.recognised, log.log_type) {
        row("looks like", escape::terminal(sentence).into_owned());
    }
    if let Some(certainty) = log.certainty {
        row("layout", certainty.to_owned());
    }
    if let Some(summary) = &log.summary {
        row("text", format!("{}, {}, {}", log.packing, log.encoding, ByteCount(log.bytes)));
        facts(summary, &mut row);
    }
    if let Some(apps) = log.apps.as_ref().filter(|apps| apps.records > 0) {
        let transactions = counted(apps.records, "transaction goes", "transactions go");
        row("apps", format!("{transactions} to {} of the catalogue", counted(apps.apps.into(), "app", "apps")));
    }
    for finding in &log.findings {
        let says = finding.service.as_ref().map_or_else(String::new, |says| format!(" (\"{says}\")"));
        row(finding.level.as_str(), format!("{}{says}", escape::terminal(&finding.what)));
        for remedy in &finding.remedies {
            row("", format!("→ {}", escape::terminal(remedy)));
        }
    }
    text
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        share if share < 0.1 => "< 0.1 %".to_owned(),
        share if share > 99.9 && share < 100.0 => "> 99.9 %".to_owned(),
        share if share.fract() == 0.0 => format!("{share} %"),
        share => format!("{share:.1} %"),
    }
}

fn facts(summary: &Summary, row: &mut impl FnMut(&str, String)) {
    let mut lines = format!(
        "{}: {}, {} other, {} not readable",
        grouped(summary.lines),
        counted(summary.records, "transaction", "transactions"),
        grouped(summary.other),
        grouped(summary.rejected)
    );
    if summary.records == 0
        && let Some(example) = summary.other_examples.first()
    {
        let _ = write!(lines, "; such as line {}: {}", example.line, shown(example));
    }
    row("lines", lines);
    for reject in &summary.rejects {
        row("rejected", format!("{} × {}", grouped(reject.count), reject.reason));
        for example in &reject.examples {
            row("", format!("line {} at byte {}: {}", example.line, grouped(example.offset), shown(example)));
        }
    }
    if summary.records == 0 {
        return;
    }
    let time = &summary.time;
    let mut when = match (&time.first, &time.last) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "none".to_owned(),
    };
    for (count, share, what) in [
        (time.older_than_90_days, time.older_share, "older than 90 days"),
        (time.in_the_future, time.future_share, "in the future"),
    ] {
        if count > 0 {
            let _ = write!(when, ", {} ({}) {what}", grouped(count), percent(share));
        }
    }
    row("time", when);
    let way = &summary.direction;
    let mut direction = format!("{} outbound", percent(way.outbound_share));
    for (count, what) in [
        (way.external, "between public addresses"),
        (way.internal, "internal"),
        (way.inbound, "inbound"),
        (way.unknown, "without a destination"),
    ] {
        if count > 0 {
            let _ = write!(direction, ", {} {what}", grouped(count));
        }
    }
    row("direction", direction);
    let addresses = counted(summary.addresses, "origin address", "origin addresses");
    let users = if summary.users == 0 { "no users".to_owned() } else { counted(summary.users, "user", "users") };
    row("who", format!("{users}, {addresses}"));
    let filled = |fields: &[&str]| {
        let share = |name: &&str| summary.fields.iter().find(|fill| fill.field == *name).map_or(0.0, |fill| fill.share);
        fields.iter().map(|name| format!("{name} {}", percent(share(name)))).collect::<Vec<_>>().join(", ")
    };
    row("fields", filled(&["time", "src_ip", "user", "host", "url", "dst_ip", "dst_port"]));
    row("", filled(&["bytes_up", "bytes_down", "bytes_total", "action", "device"]));
    extracts(summary, row);
    let hosts = summary.top_hosts.iter().map(|top| format!("{} {}", escape::terminal(&top.host), grouped(top.records)));
    let hosts = hosts.collect::<Vec<_>>().join(", ");
    if !hosts.is_empty() {
        let error = match summary.top_hosts_error {
            0 => String::new(),
            error => format!(" (each up to {} more)", grouped(error)),
        };
        row("hosts", format!("{hosts}{error}"));
    }
}

fn extracts(summary: &Summary, row: &mut impl FnMut(&str, String)) {
    let list = |of: bool| {
        let parts = summary.extracts.iter().filter(|part| part.service == Some(of));
        parts.map(|part| format!("{} ({} here)", part.what, percent(part.share))).collect::<Vec<_>>().join(", ")
    };
    if summary.extracts.iter().all(|part| part.service.is_none()) {
        let all = summary.extracts.iter().map(|part| format!("{} {}", part.what, percent(part.share)));
        row("service", format!("says nothing of what it extracts; here: {}", all.collect::<Vec<_>>().join(", ")));
        return;
    }
    row("service", format!("extracts {}", list(true)));
    let not = list(false);
    if !not.is_empty() {
        row("", format!("but not {not}"));
    }
}

fn shown(example: &Example) -> String {
    let cut = example.text.chars().count() > SHOWN;
    let text: String = example.text.chars().take(SHOWN).collect();
    format!("{}{}", escape::terminal(&text), if cut { "…" } else { "" })
}
