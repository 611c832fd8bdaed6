//! `logweir config show|check`: the effective configuration, each value with its origin.

use super::{Context, block};
use crate::error::Result;
use crate::service::scope;
use crate::ui::{Format, Table};
use clap::{Args, Subcommand};

/// Show or check the effective configuration
#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print each value with its origin; secrets are never shown
    Show,
    /// Say whether the configuration is sound, and which permission it needs at least
    Check,
}

impl Config {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        match self.action {
            Action::Show => {
                let mut table = Table::new(&["key", "value", "origin"]);
                for setting in &config.settings {
                    table.row([
                        setting.key.clone().into(),
                        setting.value.clone().into(),
                        setting.origin.to_string().into(),
                    ]);
                }
                context.ui.table("settings", &table)
            }
            Action::Check => check(context, &config),
        }
    }
}

/// Whether it is sound was seen when it was read; what is left to say is what it needs.
fn check(context: &mut Context<'_>, config: &crate::config::Config) -> Result<()> {
    let lists = block::lists::all(config)?;
    let mut table = Table::new(&["tenant", "service", "feeds", "block_lists", "least_permission"]);
    for (name, tenant) in &config.tenants {
        let least = scope::least(&config.needs(name));
        let feeds = config.feeds.iter().filter(|feed| feed.tenant == *name).count();
        let blocks = lists.iter().filter(|list| list.target.tenant == *name).count();
        let least = (!least.is_empty()).then(|| least.join(" "));
        table.row([name.to_string().into(), tenant.url.clone().into(), feeds.into(), blocks.into(), least.into()]);
    }
    if context.ui.format != Format::Text {
        return context.ui.table("tenants", &table);
    }
    let file = config.file.as_ref().map_or("built-in defaults".to_owned(), |file| file.display().to_string());
    let (tenants, feeds, lists) = (config.tenants.len(), config.feeds.len(), lists.len());
    context.ui.line(format!("{file}: sound, {tenants} tenant(s), {feeds} feed(s), {lists} block list(s)"))?;
    if table.is_empty() { Ok(()) } else { context.ui.table("tenants", &table) }
}
