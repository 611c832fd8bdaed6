//! `logweir doctor`: every precondition tried in order, one line each, with what to do.

use super::{Context, connect};
use crate::config::{Config, Destination, Feed};
use crate::domain::{TenantName, Urgency};
use crate::error::{Error, Kind, Result};
use crate::ledger::Ledger;
use crate::service::{Failure, Query, Service, alerts, scope, subnets};
use crate::ui::{Format, Table};
use clap::Args;
use std::path::Path;

/// Try every precondition and say what to do about what is missing
#[derive(Debug, Args)]
pub struct Doctor {}

/// The lines so far, and the worst of them.
struct Findings {
    table: Table,
    failed: u64,
    credentials: bool,
}

impl Findings {
    fn ok(&mut self, what: &str, detail: impl Into<String>) {
        self.table.row(["ok".into(), what.into(), detail.into().into(), crate::ui::table::Cell::Empty]);
    }

    fn bad(&mut self, what: &str, error: &Error) {
        self.failed += 1;
        self.credentials |= error.kind() == Kind::Credentials;
        self.table.row(["FAILED".into(), what.into(), error.one_line().into(), error.hint_text().into()]);
    }
}

impl Doctor {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let table = Table::new(&["result", "precondition", "found", "what_to_do"]);
        let mut findings = Findings { table, failed: 0, credentials: false };
        match context.config() {
            Err(error) => findings.bad("configuration", &error),
            Ok(config) => examine(context, &config, &mut findings)?,
        }
        if context.ui.format == Format::Text {
            context.ui.bytes(findings.table.text().as_bytes())?;
        } else {
            context.ui.table("preconditions", &findings.table)?;
        }
        match (findings.failed, findings.credentials) {
            (0, _) => Ok(()),
            (failed, true) => Err(Error::new(Kind::Credentials, format!("{failed} precondition(s) do not hold"))),
            (failed, false) => Err(Error::failed(format!("{failed} precondition(s) do not hold"))),
        }
    }
}

fn examine(context: &mut Context<'_>, config: &Config, findings: &mut Findings) -> Result<()> {
    let file = config.file.as_ref().map_or("built-in defaults".to_owned(), |file| file.display().to_string());
    findings.ok("configuration", format!("{file}: {} tenant(s), {} feed(s)", config.tenants.len(), config.feeds.len()));
    if config.tenants.is_empty() {
        let error = Error::usage("no tenant is configured").hint("write a configuration with: logweir init");
        findings.bad("tenant", &error);
    }
    let ledger = match connect::ledger(config) {
        Ok(ledger) => ledger,
        Err(error) => {
            findings.bad("ledger", &error);
            return Ok(());
        }
    };
    match ledger.integrity() {
        Ok(()) => findings.ok("ledger", "opens and passes its integrity check"),
        Err(error) => findings.bad("ledger", &error),
    }
    spool(config, findings);
    for feed in &config.feeds {
        folders(feed, findings);
    }
    super::block_on(async {
        for name in config.tenants.keys() {
            tenant(context, config, name, &ledger, findings).await;
        }
        Ok(())
    })
}

fn spool(config: &Config, findings: &mut Findings) {
    let probe = config.state_dir.join(format!(".doctor-{}", std::process::id()));
    let written = std::fs::write(&probe, b"probe").and_then(|()| std::fs::remove_file(&probe));
    if let Err(error) = written {
        let dir = config.state_dir.display();
        let error = Error::failed(format!("cannot write to {dir}")).cause(error);
        findings.bad("spool", &error.hint("give the directory to the user logweir runs as"));
        return;
    }
    match rustix::fs::statvfs(&config.state_dir) {
        Ok(stat) => {
            let free = crate::domain::ByteCount(stat.f_bavail.saturating_mul(stat.f_frsize));
            findings.ok("spool", format!("{} is writable, {free} free", config.state_dir.display()));
        }
        Err(error) => findings.bad("spool", &Error::failed("cannot see the free space").cause(error)),
    }
}

/// The longest leading directory of a glob pattern.
fn base(pattern: &str) -> &Path {
    let special = pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len());
    let cut = pattern[..special].rfind('/').unwrap_or(0).max(1);
    Path::new(&pattern[..cut.min(pattern.len())])
}

fn folders(feed: &Feed, findings: &mut Findings) {
    let what = format!("feed {}", feed.name);
    for pattern in &feed.paths {
        let dir = base(pattern);
        match std::fs::read_dir(dir) {
            Ok(entries) => findings.ok(&what, format!("{} is readable, {} entries", dir.display(), entries.count())),
            Err(error) => {
                let error = Error::failed(format!("cannot read {}", dir.display())).cause(error);
                findings.bad(&what, &error.hint("let the user logweir runs as read it (group adm on most systems)"));
            }
        }
    }
}

async fn tenant(
    context: &mut Context<'_>,
    config: &Config,
    name: &TenantName,
    ledger: &Ledger,
    findings: &mut Findings,
) {
    let what = |step: &str| format!("tenant {name}: {step}");
    let service = match connect::service(context, config, name, ledger, Urgency::Human) {
        Ok(service) => service,
        Err(error) => return findings.bad(&what("secret"), &error),
    };
    findings.ok(&what("secret"), "readable");
    let held = match service.token_roles().await {
        Ok(held) => held,
        Err(failure) => return findings.bad(&what("token"), &Error::from(failure)),
    };
    match permission(config, name, held.as_deref()) {
        Ok(said) => findings.ok(&what("token"), said),
        Err(error) => findings.bad(&what("token"), &error),
    }
    let reports = held.as_ref().is_none_or(|held| scope::lacking(held, &[("discovery", "list_streams")]).is_empty());
    if !reports && config.needs(name).is_empty() {
        match probe(&service, held.as_deref().unwrap_or_default()).await {
            Ok(said) => findings.ok(&what("service"), said),
            Err(failure) => findings.bad(&what("service"), &Error::from(failure)),
        }
        return;
    }
    let streams = match service.streams().await {
        Ok(streams) => streams,
        Err(failure) => return findings.bad(&what("service"), &Error::from(failure)),
    };
    findings.ok(&what("service"), format!("answers, {} continuous reports", streams.len()));
    for feed in config.feeds.iter().filter(|feed| feed.tenant == *name) {
        let Destination::DataSource(source) = &feed.destination else { continue };
        let names = streams.iter().map(|stream| stream.name.as_str());
        if names.clone().any(|known| known == source.as_str()) {
            findings.ok(&what("data source"), source.to_string());
            continue;
        }
        let near = crate::config::nearest(source.as_str(), names).map(|near| format!("did you mean {near:?}?"));
        let error = Error::failed(format!(
            "feed {}: the service has no data source {source:?}",
            feed.name,
            source = source.as_str()
        ));
        let make = "make it in the portal under Settings > Cloud Apps > Automatic log upload";
        findings.bad(&what("data source"), &error.hint(near.unwrap_or_else(|| make.to_owned())));
    }
}

/// The scopes held beside those that the configuration needs; `held` is `None` for a legacy token.
fn permission(config: &Config, name: &TenantName, held: Option<&[String]>) -> Result<String> {
    let Some(held) = held else { return Ok("a legacy token has the rights of its maker".to_owned()) };
    let has = if held.is_empty() { "no scope at all".to_owned() } else { held.join(", ") };
    let needs = config.needs(name);
    let least = scope::least(&needs).join(", ");
    let lacking = scope::lacking(held, &needs);
    if lacking.is_empty() {
        let needed = if least.is_empty() { "nothing by itself".to_owned() } else { least };
        return Ok(format!("holds {has}; the configuration needs {needed}"));
    }
    let wanted = scope::least(&lacking).join(", ");
    Err(Error::new(Kind::Credentials, format!("the token lacks {wanted}"))
        .cause(format!("it holds {has}; the least for this configuration is {least}"))
        .hint(format!("add the permission {wanted} to the application and consent again")))
}

/// Asks for one record of whatever the scopes allow, where the reports are out of reach and nobody needs them.
async fn probe(service: &Service, held: &[String]) -> std::result::Result<String, Failure> {
    for (permission, family) in [("alerts", &alerts::FAMILY), ("subnet", &subnets::FAMILY)] {
        if scope::lacking(held, &[(permission, "list")]).is_empty() {
            service.list(family, Query { limit: Some(1), ..Query::default() }).next().await?;
            return Ok(format!("answers for {}", family.name));
        }
    }
    Ok("not asked: the scopes held allow nothing".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_of_a_pattern_is_its_leading_directory() {
        let rows =
            [("/var/log/squid/access.log.*", "/var/log/squid"), ("/a/*/b", "/a"), ("/*", "/"), ("/a/b.log", "/a")];
        for (pattern, dir) in rows {
            assert_eq!(base(pattern), Path::new(dir), "{pattern}");
        }
    }
}
