//! `logweir status|retry|forget`: what the ledger knows, and a person's orders to it.

use super::{Context, connect};
use crate::error::{Error, Result};
use crate::ledger::{Ledger, Shipment, Stage};
use crate::ui::{Format, Table};
use clap::Args;

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
}

/// Send a held or uncertain shipment again
#[derive(Debug, Args)]
pub struct Retry {
    /// Its number, as logweir status shows it
    shipment: i64,
}

/// Forget a shipment, so that what it held counts as new
#[derive(Debug, Args)]
pub struct Forget {
    /// Its number, as logweir status shows it
    shipment: i64,
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
            updated.into(),
            shipment.reason.clone().into(),
        ]);
    }
    table
}

impl Status {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let ledger = existing(context)?;
        let counts = ledger.counts()?;
        let shipments = shipment_table(&ledger.shipments_before(&self.stage, self.before, self.limit)?);
        let mut skipped = Table::new(&["feed", "file", "bytes", "reason"]);
        for file in ledger.skipped(self.limit)? {
            let path = file.path.display().to_string();
            skipped.row([file.feed.into(), path.into(), file.size.into(), file.why.into()]);
        }
        match context.ui.format {
            Format::Csv => context.ui.table("shipments", &shipments),
            Format::Json => {
                let stages: Vec<_> = counts
                    .iter()
                    .map(|(stage, count, raw)| serde_json::json!({ "stage": stage.to_string(), "shipments": count, "raw_bytes": raw.0 }))
                    .collect();
                context.ui.json(
                    &serde_json::json!({ "stages": stages, "shipments": shipments.json(), "skipped": skipped.json() }),
                )
            }
            Format::Text => {
                if counts.is_empty() && skipped.is_empty() {
                    return context.ui.line("nothing was shipped yet");
                }
                for (stage, count, raw) in counts {
                    context.ui.line(format!("{stage:<11} {count:>9} shipment(s), {raw}"))?;
                }
                context.ui.line("")?;
                context.ui.bytes(shipments.text().as_bytes())?;
                if !skipped.is_empty() {
                    context.ui.line("\nnot shipped:")?;
                    context.ui.bytes(skipped.text().as_bytes())?;
                }
                Ok(())
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
