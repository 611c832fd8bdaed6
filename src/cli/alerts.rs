//! `logweir alerts`: list, show, mark, close; `export` has a file of its own.

use super::Context;
use super::listing::{self, Column, Ids, Listing, Shown, View, column};
use crate::domain::{TenantName, nearest};
use crate::error::{Error, Kind, Result};
use crate::service::alerts::{self, CLOSINGS, Closing, FAMILY, RESOLUTIONS, Remarks, SEVERITIES, STATUSES};
use crate::service::dates::Clock;
use crate::service::filter::Filters;
use crate::service::{Query, Service};
use crate::ui::Table;
use clap::{Args, Subcommand};

/// List, mark and close alerts
#[derive(Debug, Args)]
pub struct Alerts {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List alerts, newest first
    List(Listing),
    /// Show whole alerts
    Show(Ids),
    /// Mark alerts as read
    Read(Ids),
    /// Mark alerts as unread
    Unread(Ids),
    /// Close alerts
    Close(Close),
    /// Write each alert once, for a SIEM, going on where the last run stopped
    Export(super::export::Export),
}

#[derive(Debug, Args)]
struct Close {
    /// The alert's id; repeatable
    #[arg(value_name = "ID", required_unless_present_any = ["filters", "filter_json"])]
    ids: Vec<String>,
    /// Close what passes instead, as 'FIELD OPERATOR VALUE[, VALUE...]'; repeatable, all must hold
    #[arg(long = "filter", short = 'F', value_name = "FILTER", conflicts_with = "ids")]
    filters: Vec<String>,
    /// A filter object of the API, for what --filter does not know
    #[arg(long, value_name = "JSON", conflicts_with = "ids")]
    filter_json: Option<String>,
    /// What they turned out to be: benign, false-positive or true-positive
    #[arg(long = "as", value_name = "VERDICT", value_parser = closing)]
    closing: &'static Closing,
    /// Why, by name; which there are depends on the verdict
    #[arg(long, value_name = "NAME")]
    reason: Option<String>,
    /// Kept with the alert
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Feedback on the detection, sent to Microsoft
    #[arg(long, value_name = "TEXT")]
    feedback: Option<String>,
    /// Where Microsoft may ask back about the feedback
    #[arg(long, value_name = "ADDRESS", requires = "feedback")]
    contact_email: Option<String>,
    /// Close more than 20 without asking
    #[arg(long)]
    yes: bool,
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
}

/// More than this many want `--yes`.
const MANY: usize = 20;
/// Ids in one call [seen in clients].
const AT_ONCE: usize = 100;

pub(super) const VIEW: View = View {
    columns: &[
        column("time", "timestamp", Shown::Time),
        column("severity", "severityValue", Shown::Names(SEVERITIES)),
        column("status", "statusValue", Shown::Names(STATUSES)),
        column("resolution", "resolutionStatusValue", Shown::Names(RESOLUTIONS)),
        column("title", "title", Shown::Text),
        column("id", "_id", Shown::Text),
        column("entities", "entities", Shown::Each("label")),
        column("description", "description", Shown::Text),
        column("type", "idValue", Shown::Text),
        column("closed", "closedTime|resolveTime", Shown::Time),
        column("comment", "comment", Shown::Text),
        column("url", "URL", Shown::Text),
    ] as &[Column],
    usual: 6,
};

fn closing(text: &str) -> std::result::Result<&'static Closing, String> {
    let plain = text.to_ascii_lowercase().replace('_', "-");
    CLOSINGS
        .iter()
        .find(|known| known.name == plain)
        .ok_or_else(|| format!("one of: {}", CLOSINGS.iter().map(|known| known.name).collect::<Vec<_>>().join(", ")))
}

impl Alerts {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        match self.action {
            Action::List(listing) => listing.run(context, &FAMILY, &VIEW),
            Action::Show(ids) => {
                listing::fetch(context, &ids, &VIEW, |service, id| async move { service.alert(&id).await })
            }
            Action::Read(ids) => mark(context, &ids, true),
            Action::Unread(ids) => mark(context, &ids, false),
            Action::Close(close) => close.run(context),
            Action::Export(export) => export.run(context),
        }
    }
}

fn mark(context: &mut Context<'_>, ids: &Ids, read: bool) -> Result<()> {
    let service = listing::client(context, &ids.tenant)?;
    let word = if read { "read" } else { "unread" };
    let mut table = Table::new(&["id", "status"]);
    let ended = super::block_on(async {
        let mut failed = None;
        for id in &ids.ids {
            match service.mark_alert(id, read).await {
                Ok(()) => table.row([id.clone().into(), word.into()]),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or(Ok(()), Err)
    });
    if !table.is_empty() {
        context.ui.table("alerts", &table)?;
    }
    ended
}

impl Close {
    fn run(self, context: &mut Context<'_>) -> Result<()> {
        let remarks = self.remarks()?;
        let filters = Filters::parse(&FAMILY, &self.filters, self.filter_json.as_deref(), &Clock::system())?;
        if self.ids.is_empty() && filters.is_empty() {
            return Err(
                Error::usage("an empty filter would close every alert").hint("name ids, or a filter that says which")
            );
        }
        let service = listing::client(context, &self.tenant)?;
        let runtime = super::runtime()?;
        // What is closed is what was found, by id: nothing that came meanwhile.
        let ids = if self.ids.is_empty() {
            runtime.block_on(super::until_stopped(matching(&service, filters)))?
        } else {
            self.ids.clone()
        };
        if ids.is_empty() {
            context.ui.note("no alert matches");
            return Ok(());
        }
        if ids.len() > MANY && !self.yes {
            return Err(Error::usage(format!("{} alerts would be closed", ids.len()))
                .hint("look at them with: logweir alerts list and the same filter; then add --yes"));
        }
        let mut closed = alerts::Closed::default();
        let ended = runtime.block_on(super::until_stopped(async {
            for some in ids.chunks(AT_ONCE) {
                let done = service.close_alerts(some, self.closing, &remarks).await?;
                closed.closed += done.closed;
                closed.not_found.extend(done.not_found);
            }
            Ok::<(), Error>(())
        }));
        let mut table = Table::new(&["closed_as", "closed", "not_found"]);
        let missing = (!closed.not_found.is_empty()).then(|| closed.not_found.join(" "));
        table.row([self.closing.name.into(), closed.closed.into(), missing.into()]);
        context.ui.table("alerts", &table)?;
        ended?;
        if closed.not_found.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::Partial, format!("the service knows no alert {}", closed.not_found.join(", "))))
    }

    fn remarks(&self) -> Result<Remarks> {
        let names = || self.closing.reasons.iter().map(|(name, _)| *name);
        let reason = self.reason.as_deref().map(|text| {
            let plain = text.to_ascii_lowercase().replace([' ', '_'], "-");
            self.closing.reasons.iter().find(|(name, _)| *name == plain).map(|(_, number)| *number).ok_or_else(|| {
                let error = Error::usage(format!("{text:?} is no reason to close an alert as {}", self.closing.name));
                let known = names().collect::<Vec<_>>().join(", ");
                match nearest(&plain, names()) {
                    Some(near) => error.hint(format!("did you mean {near}? reasons: {known}")),
                    None if known.is_empty() => error.hint("this verdict takes no reason"),
                    None => error.hint(format!("reasons: {known}")),
                }
            })
        });
        Ok(Remarks {
            reason: reason.transpose()?,
            comment: self.comment.clone(),
            feedback: self.feedback.clone(),
            contact_email: self.contact_email.clone(),
        })
    }
}

async fn matching(service: &Service, filters: Filters) -> Result<Vec<String>> {
    let mut pages = service.list(&FAMILY, Query { filters, ..Query::default() });
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await? {
        ids.extend(page.records.iter().filter_map(crate::service::Record::id));
    }
    Ok(ids)
}
