//! `logweir files`: list and show; the service lets a legacy token in only.

use super::Context;
use super::listing::{self, Column, Ids, Listing, Shown, View, column};
use crate::error::Result;
use crate::service::files::{FAMILY, SHARING, TYPES};
use clap::{Args, Subcommand};

/// List and show files of connected apps; needs a legacy token
#[derive(Debug, Args)]
pub struct Files {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List files
    List(Listing),
    /// Show whole records
    Show(Ids),
}

const VIEW: View = View {
    columns: &[
        column("modified", "modifiedDate", Shown::Time),
        column("name", "name", Shown::Text),
        column("owner", "ownerName", Shown::Text),
        column("app", "appName", Shown::Text),
        column("sharing", "facl", Shown::Names(SHARING)),
        column("type", "ftype", Shown::Names(TYPES)),
        column("id", "_id", Shown::Text),
        column("created", "createdDate", Shown::Time),
        column("status", "fileStatus", Shown::Pair),
        column("extension", "extension", Shown::Text),
        column("mime_type", "mimeType", Shown::Text),
    ] as &[Column],
    usual: 7,
};

impl Files {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        match self.action {
            Action::List(listing) => listing.run(context, &FAMILY, &VIEW),
            Action::Show(ids) => {
                listing::fetch(context, &ids, &VIEW, |service, id| async move { service.file(&id).await })
            }
        }
    }
}
