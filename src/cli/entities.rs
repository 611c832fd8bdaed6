//! `logweir entities`: list, show, tree; the key is built from its parts.

use super::Context;
use super::listing::{self, Column, Listing, Shown, View, column};
use crate::domain::TenantName;
use crate::error::Result;
use crate::service::entities::{EntityKey, FAMILY, STATUSES, TYPES};
use crate::ui::Format;
use clap::{Args, Subcommand};

/// List users and accounts, show one, show all accounts of one
#[derive(Debug, Args)]
pub struct Entities {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List users and accounts
    List(Listing),
    /// Show one whole
    Show(Key),
    /// Show a user with all accounts, as JSON
    Tree(Key),
}

#[derive(Debug, Args)]
struct Key {
    /// The account's id, often an address
    #[arg(long, value_name = "ID")]
    id: String,
    /// The app's number; 11161 is Office 365
    #[arg(long, value_name = "N")]
    app: u64,
    /// The app's instance, where there are several
    #[arg(long, value_name = "N", default_value_t = 0)]
    instance: u64,
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
}

const VIEW: View = View {
    columns: &[
        column("name", "displayName", Shown::Text),
        column("type", "type", Shown::Names(TYPES)),
        column("status", "status", Shown::Names(STATUSES)),
        column("app", "appData.name", Shown::Text),
        column("id", "id", Shown::Text),
        column("last_seen", "lastSeen", Shown::Time),
        column("app_id", "appData.saas|appData.appId", Shown::Text),
        column("instance", "appData.instance", Shown::Text),
        column("email", "email", Shown::Text),
        column("admin", "isAdmin", Shown::Text),
        column("external", "isExternal", Shown::Text),
        column("score", "threatScore", Shown::Text),
    ] as &[Column],
    usual: 7,
};

impl Entities {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let (key, tree) = match self.action {
            Action::List(listing) => return listing.run(context, &FAMILY, &VIEW),
            Action::Show(key) => (key, false),
            Action::Tree(key) => (key, true),
        };
        let service = listing::client(context, &key.tenant)?;
        let entity = EntityKey { id: key.id, app: key.app, instance: key.instance };
        let runtime = super::runtime()?;
        if !tree {
            let record = runtime.block_on(super::until_stopped(service.entity(&entity)))?;
            return listing::show(context, &VIEW, &[record]);
        }
        let record = runtime.block_on(super::until_stopped(service.entity_tree(&entity)))?;
        if context.ui.format == Format::Text {
            let document: serde_json::Value = serde_json::from_str(record.json()).unwrap_or_default();
            return context.ui.line(crate::ui::escape::terminal_lines(&format!("{document:#}")));
        }
        context.ui.line(record.line())
    }
}
