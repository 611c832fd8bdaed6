//! `logweir report streams|categories|apps|app`: what the service itself says.

use super::{Context, apps, connect};
use crate::domain::{TenantName, Urgency};
use crate::error::{Error, Result};
use crate::service::{CategoryQuery, Service, Stream};
use crate::ui::Table;
use clap::{Args, Subcommand};

/// Read the service's own reports
#[derive(Debug, Args)]
pub struct Report {
    #[command(subcommand)]
    what: What,
    /// The tenant, when the configuration has several
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the continuous reports with their counters
    Streams,
    /// List the categories of the apps that a continuous report found
    Categories {
        /// The data source, by name or id (default: Global View)
        #[arg(long, value_name = "NAME", default_value = "Global View")]
        data_source: String,
        /// How many days back
        #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=90))]
        days: u32,
    },
    /// List the apps that a stream discovered, through Microsoft Graph (beta)
    Apps(apps::Apps),
    /// Show one discovered app with its users and addresses, through Microsoft Graph (beta)
    App(apps::App),
}

impl Report {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        let ledger = connect::ledger(&config)?;
        let service = connect::service(context, &config, &self.tenant, &ledger, Urgency::Human)?;
        match self.what {
            What::Streams => {
                let table = super::block_on(streams(&service))?;
                context.ui.table("streams", &table)
            }
            What::Categories { data_source, days } => {
                let table = super::block_on(categories(&service, &data_source, days))?;
                context.ui.table("categories", &table)
            }
            What::Apps(apps) => apps.run(context, &service),
            What::App(app) => app.run(context, &service),
        }
    }
}

/// The continuous reports as a table.
pub(super) async fn streams(service: &Service) -> Result<Table> {
    Ok(stream_table(&service.streams().await?))
}

pub(super) fn stream_table(streams: &[Stream]) -> Table {
    let mut table =
        Table::new(&["data_source", "log_type_id", "log_files", "failed_files", "last_data_received", "id"]);
    for stream in streams {
        table.row([
            stream.name.clone().into(),
            stream.log_type.map(|id| id.to_string()).into(),
            stream.log_files_history_count.into(),
            stream.log_files_fails_count.into(),
            stream.last_data_received.clone().into(),
            stream.id.clone().into(),
        ]);
    }
    table
}

async fn categories(service: &Service, data_source: &str, days: u32) -> Result<Table> {
    let streams = service.streams().await?;
    let found = streams.iter().find(|s| s.name == data_source || s.id.as_deref() == Some(data_source));
    let id = found.and_then(|stream| stream.id.as_deref()).ok_or_else(|| {
        let known: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
        let error = Error::failed(format!("the service has no continuous report named {data_source:?}"));
        match crate::config::nearest(data_source, known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean {near:?}?")),
            None => error.hint(format!("it has: {}", known.join(", "))),
        }
    })?;
    let found = service.categories(id, &CategoryQuery { days }).await?;
    let mut table = Table::new(&["category", "apps"]);
    for category in found {
        table.row([category.id.into(), category.total.into()]);
    }
    Ok(table)
}
