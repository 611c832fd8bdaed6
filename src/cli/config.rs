//! `logweir config show|check`: the effective configuration, each value with its origin.

use super::{Context, block};
use crate::error::Result;
use crate::ui::Table;
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
    /// Say whether the configuration is sound
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
            Action::Check => {
                let lists = block::lists::all(&config)?.len();
                let file = config.file.map_or("built-in defaults".to_owned(), |file| file.display().to_string());
                let (tenants, feeds) = (config.tenants.len(), config.feeds.len());
                context.ui.line(format!("{file}: sound, {tenants} tenant(s), {feeds} feed(s), {lists} block list(s)"))
            }
        }
    }
}
