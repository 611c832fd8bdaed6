//! `logweir status|retry|forget`: what the ledger knows, and a person's orders to it.

use super::{Context, connect};
use crate::config::{Config, Destination};
use crate::domain::{TenantName, Urgency};
use crate::error::{Error, Result};
use crate::ledger::{Ledger, Shipment, Stage};
use crate::logs::quality::{Judgement, Level, Verdict};
use crate::service::Service;
use crate::ui::{Format, Table, escape};
use clap::Args;
use std::collections::BTreeSet;
use std::time::Duration;

/// Show what was shipped and what waits
#[derive(Debug, Args)]
pub struct Status {
    /// Show shipments in this stage only; repeatable
    #[arg(long, value_name = "STAGE")]
    stage: Vec<Stage>,
    /// Show at most this many shipments, newest first
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Show shipments before this one only: the next page
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Do not ask the services for their own counters
    #[arg(long)]
    offline: bool,
}

/// Send a held or uncertain shipment again
#[derive(Debug, Args)]
pub struct Retry {
    /// Its number, as logweir status shows it
    #[arg(value_parser = number)]
    shipment: i64,
}

/// Forget a shipment, so that what it held counts as new
#[derive(Debug, Args)]
pub struct Forget {
    /// Its number, as logweir status shows it
    #[arg(value_parser = number)]
    shipment: i64,
}

/// A shipment's number.
fn number(text: &str) -> std::result::Result<i64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a number, as logweir status shows it".to_owned())
}

pub(super) fn shipment_table(shipments: &[Shipment]) -> Table {
    let mut table = Table::new(&[
        "id",
        "stage",
        "feed",
        "source",
        "files",
        "raw_bytes",
        "packed_bytes",
        "destination",
        "log_type",
        "quality",
        "updated",
        "reason",
    ]);
    for shipment in shipments {
        let updated = jiff::Timestamp::from_second(shipment.updated).map(|time| time.to_string()).unwrap_or_default();
        table.row([
            shipment.id.unsigned_abs().into(),
            shipment.stage.to_string().into(),
            shipment.feed.clone().into(),
            shipment.source.clone().into(),
            shipment.files.into(),
            shipment.raw.into(),
            shipment.packed.into(),
            shipment.destination.clone().into(),
            shipment.log_type.clone().into(),
            judgement(shipment).map(|judgement| judgement.verdict.as_str()).into(),
            updated.into(),
            shipment.reason.clone().into(),
        ]);
    }
    table
}

/// What was understood of a shipment while it was packed.
fn judgement(shipment: &Shipment) -> Option<Judgement> {
    shipment.judgement.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

/// The rows of the table, each with the whole judgement.
fn with_judgements(table: &Table, shipments: &[Shipment]) -> serde_json::Value {
    let mut rows = table.json();
    for (row, shipment) in rows.as_array_mut().into_iter().flatten().zip(shipments) {
        row["judgement"] = serde_json::json!(judgement(shipment));
    }
    rows
}

/// What was found in each shipment that is not wholly accepted, and what to do about it.
fn losses(context: &mut Context<'_>, shipments: &[Shipment]) -> Result<()> {
    for shipment in shipments {
        let Some(judgement) = judgement(shipment).filter(|found| found.verdict != Verdict::Accepted) else { continue };
        context.ui.line(format!("\nshipment {}: {}", shipment.id, escape::terminal(&judgement.sentence())))?;
        let remedies = judgement.findings.iter().filter(|finding| finding.level > Level::Note);
        for remedy in remedies.filter_map(|finding| finding.remedies.first()) {
            context.ui.line(format!("  {}", escape::terminal(remedy)))?;
        }
    }
    Ok(())
}

impl Status {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let ledger = existing(context)?;
        let counts = ledger.counts()?;
        let listed = ledger.shipments_before(&self.stage, self.before, self.limit)?;
        let shipments = shipment_table(&listed);
        let mut skipped = Table::new(&["feed", "file", "bytes", "reason"]);
        for file in ledger.skipped(self.limit)? {
            let path = file.path.display().to_string();
            skipped.row([file.feed.into(), path.into(), file.size.into(), file.why.into()]);
        }
        let services = if self.offline || context.ui.format == Format::Csv { Vec::new() } else { services(context)? };
        match context.ui.format {
            Format::Csv => context.ui.table("shipments", &shipments),
            Format::Json => {
                let stages: Vec<_> = counts
                    .iter()
                    .map(|(stage, count, raw)| serde_json::json!({ "stage": stage.to_string(), "shipments": count, "raw_bytes": raw.0 }))
                    .collect();
                let services: Vec<_> = services.iter().map(Counters::json).collect();
                context.ui.json(&serde_json::json!({
                    "stages": stages, "shipments": with_judgements(&shipments, &listed), "skipped": skipped.json(), "services": services,
                }))
            }
            Format::Text => {
                if counts.is_empty() && skipped.is_empty() {
                    context.ui.line("nothing was shipped yet")?;
                    return services.iter().try_for_each(|counters| counters.show(context));
                }
                for (stage, count, raw) in counts {
                    context.ui.line(format!("{stage:<11} {count:>9} shipment(s), {raw}"))?;
                }
                context.ui.line("")?;
                context.ui.bytes(shipments.text().as_bytes())?;
                losses(context, &listed)?;
                if !skipped.is_empty() {
                    context.ui.line("\nnot shipped:")?;
                    context.ui.bytes(skipped.text().as_bytes())?;
                }
                services.iter().try_for_each(|counters| counters.show(context))
            }
        }
    }
}

/// How long a service may take to answer at all, and to tell its counters: somebody waits for the ledger's own answer.
const FIRST: Duration = Duration::from_millis(1_500);
const ALL: Duration = Duration::from_secs(5);

/// What one tenant's service counts for the data sources of our feeds, or why that is not known.
struct Counters {
    tenant: TenantName,
    told: std::result::Result<Table, String>,
}

/// Asks the service of every tenant that has feeds.
fn services(context: &mut Context<'_>) -> Result<Vec<Counters>> {
    let config = context.config()?;
    let ledger = connect::ledger(&config)?;
    let names: BTreeSet<&TenantName> = config.feeds.iter().map(|feed| &feed.tenant).collect();
    let mut all = Vec::new();
    for tenant in names {
        let told = match connect::service(context, &config, tenant, &ledger, Urgency::Human) {
            Ok(service) => super::block_on(async { Ok::<_, Error>(counters(&service, &config, tenant).await) })?,
            Err(error) => Err(error.one_line()),
        };
        all.push(Counters { tenant: tenant.clone(), told });
    }
    Ok(all)
}

async fn counters(service: &Service, config: &Config, tenant: &TenantName) -> std::result::Result<Table, String> {
    service.probe(FIRST).await.map_err(|failure| failure.message)?;
    let streams = tokio::time::timeout(ALL, service.streams()).await;
    let streams =
        streams.map_err(|_| format!("no answer within {} s", ALL.as_secs()))?.map_err(|failure| failure.message)?;
    let ours = config.feeds.iter().filter(|feed| feed.tenant == *tenant).filter_map(|feed| match &feed.destination {
        Destination::DataSource(name) => Some(name.as_str()),
        Destination::Snapshot(_) => None,
    });
    let ours: BTreeSet<&str> = ours.collect();
    let streams: Vec<_> = streams.into_iter().filter(|stream| ours.contains(stream.name.as_str())).collect();
    Ok(super::report::stream_table(&streams))
}

impl Counters {
    fn json(&self) -> serde_json::Value {
        let (streams, why) = match &self.told {
            Ok(table) => (table.json(), None),
            Err(why) => (serde_json::json!([]), Some(why)),
        };
        serde_json::json!({ "tenant": self.tenant.as_str(), "reached": why.is_none(), "why": why, "streams": streams })
    }

    fn show(&self, context: &mut Context<'_>) -> Result<()> {
        match &self.told {
            Ok(table) if table.is_empty() => Ok(()),
            Ok(table) => {
                context.ui.line(format!("\nthe counters of the service of tenant {}:", self.tenant))?;
                context.ui.bytes(table.text().as_bytes())
            }
            Err(why) => {
                let line = format!("\nthe counters of the service of tenant {} are not known: {why}", self.tenant);
                context.ui.line(crate::ui::escape::terminal_lines(&line))
            }
        }
    }
}

/// The ledger, which must exist: looking must not make one.
fn existing(context: &Context<'_>) -> Result<Ledger> {
    let config = context.config()?;
    let path = config.state_dir.join("ledger.db");
    if !path.is_file() {
        return Err(Error::failed(format!("there is no ledger in {}", config.state_dir.display()))
            .hint("nothing was shipped from there yet; name another with --state-dir DIR"));
    }
    connect::ledger(&config)
}

impl Retry {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let ledger = existing(context)?;
        crate::ship::free(&ledger, &context.config()?.state_dir, self.shipment)?;
        let shipment = ledger.shipment(self.shipment)?;
        let named = |feed: &crate::config::Feed| {
            feed.name == shipment.feed && feed.tenant == shipment.tenant && feed.log_type.is_some()
        };
        if shipment.log_type == crate::ship::NO_TYPE && !context.config()?.feeds.iter().any(named) {
            return Err(Error::failed(format!("shipment {} is of no log type that is known", self.shipment)).hint(
                format!(
                    "name its log type in feed {}: what is held goes with it; or forget it: logweir forget {}",
                    shipment.feed, self.shipment
                ),
            ));
        }
        ledger.retry(self.shipment)?;
        context.ui.note(format!("shipment {} goes with the next upload or watch", self.shipment));
        Ok(())
    }
}

impl Forget {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let (ledger, config) = (existing(context)?, context.config()?);
        crate::ship::free(&ledger, &config.state_dir, self.shipment)?;
        let spool = ledger.forget(self.shipment)?;
        let path = config.state_dir.join("spool").join(spool);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                context.ui.warn(format!("cannot remove {}: {error}", path.display()));
            }
            _ => {}
        }
        context.ui.note(format!("forgot shipment {}: what it held counts as new", self.shipment));
        Ok(())
    }
}
