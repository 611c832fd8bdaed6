//! `logweir alerts export`: each alert once, for a SIEM, from wherever the last run stopped.
//!
//! The order of one page: deliver, then record in the ledger. A kill between the two repeats that page next time and
//! skips nothing. Listed is from the cursor less a window, oldest first, since alerts may appear later than their time;
//! what was exported in that window is known by id.

use super::{Context, connect};
use crate::config::units;
use crate::domain::{TenantName, Urgency};
use crate::error::{Error, Kind, Result};
use crate::ledger::Ledger;
use crate::service::alerts::FAMILY;
use crate::service::dates::{self, Clock, Edge};
use crate::service::filter::Filters;
use crate::service::siem::{Address, Sender, Shape};
use crate::service::{Direction, Query, Record, Service};
use clap::Args;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Exports alerts.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// Begin here when there is no cursor yet: a date, or how long ago (7d); later runs go on where the last one stopped
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Write as json (the records as they are), cef or leef
    #[arg(long, value_name = "SHAPE")]
    to: Shape,
    /// Send by syslog to tcp://HOST:PORT or tcp+tls://HOST:PORT, octet counted (default: standard output)
    #[arg(long, value_name = "ADDRESS")]
    syslog: Option<Address>,
    /// Trust this CA for tcp+tls, besides the system's and network.ca_file
    #[arg(long, value_name = "FILE", requires = "syslog")]
    syslog_ca: Option<PathBuf>,
    /// Only alerts that pass, as 'FIELD OPERATOR VALUE[, VALUE...]'; repeatable, all must hold
    #[arg(long = "filter", short = 'F', value_name = "FILTER")]
    filters: Vec<String>,
    /// A filter object of the API, for what --filter does not know
    #[arg(long, value_name = "JSON")]
    filter_json: Option<String>,
    /// Keep the cursor under this name (default: the destination)
    #[arg(long, value_name = "NAME")]
    cursor: Option<String>,
    /// Forget the cursor and begin at --since again
    #[arg(long, requires = "since")]
    restart: bool,
    /// Look back so far behind the newest alert for those that appear late
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = units::duration)]
    late: Duration,
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
}

/// One run with everything it needs.
struct Run<'r> {
    ledger: &'r Ledger,
    tenant: &'r TenantName,
    name: &'r str,
    shape: Shape,
    sender: Option<Sender>,
    /// The time up to which everything was listed, in milliseconds.
    newest: i64,
    /// The newest time that was listed at all.
    seen: i64,
    /// The time of the last record, and whether the service lists oldest first, as it was asked to.
    last: i64,
    ordered: bool,
    /// How far behind the cursor ids are remembered, in milliseconds.
    window: i64,
    exported: u64,
}

impl Export {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let clock = Clock::system();
        let since = |text: &String| dates::millis(text, Edge::Start, &clock).map_err(Error::usage);
        let since = self.since.as_ref().map(since).transpose()?;
        let filters = Filters::parse(&FAMILY, &self.filters, self.filter_json.as_deref(), &clock)?;
        if filters.json().get("date").is_some() {
            return Err(Error::usage("the cursor decides about dates").hint("say where to begin with --since"));
        }
        let config = context.config()?;
        let ledger = connect::ledger(&config)?;
        let name = self.cursor.clone().unwrap_or_else(|| match &self.syslog {
            Some(address) => address.to_string(),
            None => "standard output".to_owned(),
        });
        let _alone = alone(&config.state_dir, &self.tenant, &name)?;
        // Somebody who watches is told about waits; a scheduled run leaves the last calls to people.
        let urgency = if context.env.stderr_terminal { Urgency::Human } else { Urgency::Backlog };
        let service = connect::service(context, &config, &self.tenant, &ledger, urgency)?;
        let ca_files: Vec<PathBuf> = config.network.ca_file.iter().chain(&self.syslog_ca).cloned().collect();
        let host = service.host();
        let sender = self.syslog.map(|address| Sender::new(address, &ca_files, &host)).transpose()?;
        let before = ledger.export_cursor(&self.tenant, &name)?.filter(|_| !self.restart);
        let cursor = match (before, since) {
            (Some(cursor), _) => cursor,
            (None, Some(since)) => ledger.begin_export(&self.tenant, &name, since)?,
            (None, None) => {
                return Err(Error::usage(format!("nothing was exported to {name} yet"))
                    .hint("say where to begin with --since, such as --since 7d; later runs go on from there"));
            }
        };
        let window = i64::try_from(self.late.as_millis()).unwrap_or(i64::MAX);
        let from = cursor.newest.saturating_sub(window).max(cursor.since);
        let filters = filters.with("date", "gte", json!(from));
        let (ledger, tenant, shape, newest) = (&ledger, &self.tenant, self.to, cursor.newest);
        let mut run = Run {
            ledger,
            tenant,
            name: &name,
            shape,
            sender,
            newest,
            seen: newest,
            last: i64::MIN,
            ordered: true,
            window,
            exported: 0,
        };
        let ended = super::runtime()?.block_on(run.go(context, &service, filters));
        context.ui.note(format!("{} alert(s) exported to {name}", run.exported));
        ended
    }
}

/// Keeps other runs with this cursor out until it is dropped, or the process dies.
fn alone(state: &Path, tenant: &TenantName, name: &str) -> Result<File> {
    let key = blake3::hash(format!("{tenant}\n{name}").as_bytes()).to_hex();
    let path = state.join(format!("export-{}.lock", &key[..16]));
    let failed = |error: std::io::Error| Error::failed(format!("cannot use {}", path.display())).cause(error);
    let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::new(Kind::Locked, format!("another logweir exports to {name} at this moment"))
                .hint("nothing is lost: the next run goes on where that one stops"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// What tells an alert from others, also one without an id.
fn id(record: &Record) -> String {
    record.id().unwrap_or_else(|| blake3::hash(record.json().as_bytes()).to_hex().to_string())
}

impl Run<'_> {
    async fn go(&mut self, context: &mut Context<'_>, service: &Service, filters: Filters) -> Result<()> {
        let sort = Some(("date".to_owned(), Direction::Ascending));
        let mut pages = service.list(&FAMILY, Query { filters, sort, limit: None });
        let mut stop = std::pin::pin!(super::interrupted()?);
        loop {
            // Once begun, a delivery is seen through to its record: all its waits have an end.
            let page = tokio::select! {
                biased;
                () = &mut stop => {
                    return Err(Error::new(Kind::Interrupted, "interrupted; the next run goes on from here"));
                }
                page = pages.next() => page?,
            };
            let Some(page) = page else { break };
            let whole = !pages.incomplete();
            self.page(context, page.records, whole).await?;
        }
        for doubt in pages.doubts() {
            context.ui.warn(doubt);
        }
        if pages.incomplete() {
            return Err(Error::new(Kind::Partial, "the list of alerts may be incomplete").hint(
                "the cursor stays behind what is in doubt: the next run lists it again and exports what was passed over",
            ));
        }
        self.newest = self.seen;
        self.record(&[])
    }

    /// Delivers what of a page is new and records it. The cursor moves only while nothing older can follow.
    async fn page(&mut self, context: &mut Context<'_>, records: Vec<Record>, whole: bool) -> Result<()> {
        let ids: Vec<String> = records.iter().map(id).collect();
        let known: BTreeSet<String> = self.ledger.exported(self.tenant, self.name, &ids)?;
        let fresh: Vec<(&Record, String)> = records
            .iter()
            .zip(&ids)
            .filter(|(_, id)| !known.contains(*id))
            .map(|(record, _)| (record, self.shape.line(record)))
            .collect();
        if !fresh.is_empty() {
            match &self.sender {
                Some(sender) => sender.deliver(&fresh).await?,
                None => {
                    let text: String = fresh.iter().map(|(_, line)| format!("{line}\n")).collect();
                    context.ui.bytes(text.as_bytes())?;
                }
            }
        }
        let now = jiff::Timestamp::now().as_millisecond();
        let at = |record: &Record| record.time("timestamp").map_or(now, jiff::Timestamp::as_millisecond);
        for time in records.iter().map(at) {
            self.ordered &= time >= self.last;
            self.last = time;
            // A time of the future must not move the cursor beyond what is still to come.
            self.seen = self.seen.max(time.min(now));
        }
        if whole && self.ordered {
            self.newest = self.seen;
        }
        let delivered: Vec<(String, i64)> = fresh.iter().map(|(record, _)| (id(record), at(record))).collect();
        self.exported += fresh.len() as u64;
        self.record(&delivered)
    }

    fn record(&self, delivered: &[(String, i64)]) -> Result<()> {
        let forget = self.newest.saturating_sub(self.window);
        self.ledger.record_export(self.tenant, self.name, delivered, self.newest, forget)
    }
}
