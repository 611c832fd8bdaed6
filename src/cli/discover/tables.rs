//! The tables of a report, for CSV.

use crate::discover::Report;
use crate::discover::report::{Listing, Volume, Who};
use crate::ui::Table;
use crate::ui::table::Cell;

/// The tables there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Name {
    /// Apps with risk, users and traffic
    #[default]
    Apps,
    /// Who used which app
    AppUsers,
    /// Host names of apps
    AppHosts,
    /// Categories
    Categories,
    /// Users
    Users,
    /// Origin addresses
    Addresses,
    /// Domains that no app has
    UnknownDomains,
    /// Infrastructure and page noise
    Background,
    /// Traffic by hour
    Timeline,
    /// What was read
    Sources,
}

impl Name {
    pub(super) const ALL: [Name; 10] = [
        Name::Apps,
        Name::AppUsers,
        Name::AppHosts,
        Name::Categories,
        Name::Users,
        Name::Addresses,
        Name::UnknownDomains,
        Name::Background,
        Name::Timeline,
        Name::Sources,
    ];

    /// Its word on the command line and in file names.
    pub(super) fn word(self) -> &'static str {
        match self {
            Name::Apps => "apps",
            Name::AppUsers => "app-users",
            Name::AppHosts => "app-hosts",
            Name::Categories => "categories",
            Name::Users => "users",
            Name::Addresses => "addresses",
            Name::UnknownDomains => "unknown-domains",
            Name::Background => "background",
            Name::Timeline => "timeline",
            Name::Sources => "sources",
        }
    }
}

/// Makes a table.
pub(super) fn table(report: &Report, name: Name) -> Table {
    match name {
        Name::Apps => apps(report),
        Name::AppUsers => app_users(report),
        Name::AppHosts => app_hosts(report),
        Name::Categories => categories(report),
        Name::Users => who(&report.users),
        Name::Addresses => who(&report.addresses),
        Name::UnknownDomains => unknown_domains(report),
        Name::Background => background(report),
        Name::Timeline => timeline(report),
        Name::Sources => sources(report),
    }
}

fn time(time: &Option<String>) -> Cell {
    time.clone().into()
}

fn yes(value: bool) -> Cell {
    if value { "yes" } else { "no" }.into()
}

fn apps(report: &Report) -> Table {
    let mut table = Table::new(&[
        "id",
        "name",
        "category",
        "risk",
        "risk_level",
        "reasons",
        "tag",
        "new",
        "by_address",
        "users",
        "addresses",
        "devices",
        "transactions",
        "bytes_up",
        "bytes_down",
        "bytes",
        "blocked",
        "first_seen",
        "last_seen",
    ]);
    for app in &report.apps {
        let reasons: Vec<String> =
            app.risk.reasons.iter().map(|reason| format!("{} {}", reason.points, reason.text)).collect();
        let Volume { transactions, bytes_up, bytes_down, bytes, blocked } = app.volume;
        table.row([
            u64::from(app.id).into(),
            app.name.clone().into(),
            app.category_name.into(),
            u64::from(app.risk.points).into(),
            app.risk.level.name().into(),
            reasons.join("; ").into(),
            app.tag.map(|tag| tag.name()).into(),
            app.new.map_or(Cell::Empty, yes),
            yes(app.by_address),
            app.users.into(),
            app.addresses.into(),
            app.devices.into(),
            transactions.into(),
            bytes_up.into(),
            bytes_down.into(),
            bytes.into(),
            blocked.into(),
            time(&app.first_seen),
            time(&app.last_seen),
        ]);
    }
    table
}

fn app_users(report: &Report) -> Table {
    let mut table = Table::new(&["app", "kind", "name", "transactions", "bytes_up", "bytes"]);
    for app in &report.apps {
        for (kind, list) in [("user", &app.top_users), ("address", &app.top_addresses)] {
            for one in list {
                table.row([
                    app.name.clone().into(),
                    kind.into(),
                    one.name.clone().into(),
                    one.transactions.into(),
                    one.bytes_up.into(),
                    one.bytes.into(),
                ]);
            }
        }
    }
    table
}

fn app_hosts(report: &Report) -> Table {
    let mut table = Table::new(&["app", "host", "transactions", "bytes_up", "bytes"]);
    for app in &report.apps {
        for host in &app.hosts {
            table.row([
                app.name.clone().into(),
                host.name.clone().into(),
                host.transactions.into(),
                host.bytes_up.into(),
                host.bytes.into(),
            ]);
        }
    }
    table
}

fn categories(report: &Report) -> Table {
    let mut table =
        Table::new(&["id", "name", "apps", "users", "transactions", "bytes_up", "bytes_down", "bytes", "blocked"]);
    for category in &report.categories {
        let Volume { transactions, bytes_up, bytes_down, bytes, blocked } = category.volume;
        table.row([
            category.id.into(),
            category.name.into(),
            category.apps.into(),
            category.users.into(),
            transactions.into(),
            bytes_up.into(),
            bytes_down.into(),
            bytes.into(),
            blocked.into(),
        ]);
    }
    table
}

fn who(list: &Listing<Who>) -> Table {
    let mut table = Table::new(&[
        "name",
        "apps",
        "unsanctioned",
        "high_risk",
        "apps_at_least",
        "transactions",
        "bytes_up",
        "bytes",
        "top_apps",
    ]);
    for row in &list.rows {
        let apps: Vec<&str> = row.top_apps.iter().map(|app| app.name.as_str()).collect();
        table.row([
            row.name.clone().into(),
            row.apps.into(),
            row.unsanctioned.into(),
            row.high_risk.into(),
            yes(row.partial),
            row.transactions.into(),
            row.bytes_up.into(),
            row.bytes.into(),
            apps.join("; ").into(),
        ]);
    }
    table
}

fn unknown_domains(report: &Report) -> Table {
    let mut table = Table::new(&[
        "domain",
        "users",
        "transactions",
        "bytes_up",
        "bytes_down",
        "bytes",
        "blocked",
        "first_seen",
        "last_seen",
        "new",
    ]);
    for row in &report.unknown_domains.rows {
        let Volume { transactions, bytes_up, bytes_down, bytes, blocked } = row.volume;
        table.row([
            row.domain.clone().into(),
            row.users.into(),
            transactions.into(),
            bytes_up.into(),
            bytes_down.into(),
            bytes.into(),
            blocked.into(),
            time(&row.first_seen),
            time(&row.last_seen),
            row.new.map_or(Cell::Empty, yes),
        ]);
    }
    table
}

fn background(report: &Report) -> Table {
    let mut table = Table::new(&["id", "name", "kind", "transactions", "bytes_up", "bytes_down", "bytes", "blocked"]);
    for row in &report.background {
        let Volume { transactions, bytes_up, bytes_down, bytes, blocked } = row.volume;
        table.row([
            u64::from(row.id).into(),
            row.name.clone().into(),
            row.kind.into(),
            transactions.into(),
            bytes_up.into(),
            bytes_down.into(),
            bytes.into(),
            blocked.into(),
        ]);
    }
    table
}

fn timeline(report: &Report) -> Table {
    let mut table = Table::new(&["hour", "transactions", "bytes_up", "bytes", "blocked"]);
    for hour in &report.timeline {
        let text = crate::discover::report::time_text(hour.hour.saturating_mul(3_600_000_000));
        table.row([
            text.into(),
            hour.transactions.into(),
            hour.bytes_up.into(),
            hour.bytes.into(),
            hour.blocked.into(),
        ]);
    }
    table
}

fn sources(report: &Report) -> Table {
    let mut table = Table::new(&["name", "log_type", "lines", "counted", "filtered", "other", "rejected", "reasons"]);
    for row in &report.sources {
        let reasons: Vec<String> = row.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        table.row([
            row.name.clone().into(),
            row.log_type.clone().into(),
            row.lines.into(),
            row.counted.into(),
            row.filtered.into(),
            row.other.into(),
            row.rejected.into(),
            reasons.join("; ").into(),
        ]);
    }
    table
}
