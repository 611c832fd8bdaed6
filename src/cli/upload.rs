//! `logweir upload`: ship once and exit; every feed, or the files named.

use super::{Context, shipping};
use crate::config::{After, Config, Destination, Feed, Join};
use crate::domain::{DataSource, LogType, TenantName, Urgency};
use crate::error::{Error, Result};
use crate::ship::Outcome;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Ship logs once: the files named, or every configured feed
#[derive(Debug, Args)]
pub struct Upload {
    /// The files; without any, every configured feed is shipped
    files: Vec<PathBuf>,
    /// The log type of the files, such as SQUID_NATIVE
    #[arg(long, value_name = "TYPE", requires = "files")]
    log_type: Option<LogType>,
    /// The data source the files go to
    #[arg(long, value_name = "NAME", requires = "files", conflicts_with = "snapshot")]
    data_source: Option<DataSource>,
    /// Make a snapshot report of this name from the files
    #[arg(long, value_name = "NAME", requires = "files")]
    snapshot: Option<String>,
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
    /// Say what would be shipped, and ship nothing
    #[arg(long)]
    dry_run: bool,
}

impl Upload {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        let feeds = if self.files.is_empty() { config.feeds.clone() } else { vec![self.feed(context)?] };
        if feeds.is_empty() {
            return Err(Error::usage("there is nothing to ship: no feed is configured and no file is named")
                .hint("add a [[feed]] to the configuration, or name files"));
        }
        if self.dry_run {
            return dry_run(context, &config, &feeds);
        }
        let ship = shipping::ship(context, &config, &feeds, Urgency::Human)?;
        let outcome = super::runtime()?.block_on(shipping::pass(&ship))?;
        if outcome.elsewhere > 0 {
            context.ui.note(format!("{} file(s) are being shipped by another logweir", outcome.elsewhere));
        }
        if outcome.finalised.is_empty() && outcome.left_out.is_empty() {
            context.ui.note("nothing new to ship");
        }
        shipping::finish(context, &outcome)
    }

    /// The named files as a feed.
    fn feed(&self, context: &Context<'_>) -> Result<Feed> {
        let log_type = self.log_type.clone().ok_or_else(|| {
            Error::usage("the files' log type is not named").hint("add --log-type TYPE, such as SQUID_NATIVE")
        })?;
        let destination = match (&self.data_source, &self.snapshot) {
            (Some(source), None) => Destination::DataSource(source.clone()),
            (None, Some(name)) => Destination::Snapshot(name.clone()),
            _ => {
                return Err(Error::usage("the files' destination is not named")
                    .hint("add --data-source NAME or --snapshot NAME"));
            }
        };
        let mut paths = Vec::new();
        for file in &self.files {
            let path = context.env.cwd.join(file);
            if !path.is_file() {
                return Err(Error::usage(format!("{} is not a file that can be read", file.display())));
            }
            paths.push(globset::escape(&path.to_string_lossy()));
        }
        let feed_name = match &destination {
            Destination::DataSource(name) => format!("files for {name}"),
            Destination::Snapshot(name) => format!("files for snapshot {name}"),
        };
        Ok(Feed {
            name: feed_name,
            paths,
            exclude: Vec::new(),
            tenant: self.tenant.clone(),
            log_type,
            destination,
            settle: Duration::ZERO,
            after: After::Keep,
            after_confirmed: false,
            gzip: true,
            join: Join::default(),
        })
    }
}

fn dry_run(context: &mut Context<'_>, config: &Config, feeds: &[Feed]) -> Result<()> {
    let ledger = super::connect::ledger(config)?;
    let mut table = crate::ui::Table::new(&["feed", "shipment", "file", "bytes"]);
    let mut outcome = Outcome::default();
    for feed in feeds {
        let (would, left_out) = crate::ship::would_ship(&ledger, feed)?;
        for (number, shipment) in would.iter().enumerate() {
            for (path, bytes) in &shipment.files {
                table.row([feed.name.clone().into(), (number + 1).into(), show(path).into(), (*bytes).into()]);
            }
        }
        outcome.left_out.extend(left_out.into_iter().map(|(path, error)| (show(&path), error)));
    }
    context.ui.table("files", &table)?;
    shipping::finish(context, &outcome)
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
