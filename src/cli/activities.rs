//! `logweir activities`: list, show, feedback.

use super::Context;
use super::listing::{self, Column, Ids, Listing, Shown, View, column};
use crate::domain::TenantName;
use crate::error::Result;
use crate::service::activities::{FAMILY, Feedback, SOURCES};
use clap::{Args, Subcommand};

/// List and show activities, send feedback on one
#[derive(Debug, Args)]
pub struct Activities {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List activities, newest first; past 5,000 by the service's scan mode
    List(Listing),
    /// Show whole activities
    Show(Ids),
    /// Tell Microsoft what an activity was
    Feedback {
        /// The activity's id
        id: String,
        /// The verdict, in the words of the portal
        #[arg(long, value_name = "TEXT")]
        value: String,
        /// More about it
        #[arg(long, value_name = "TEXT")]
        text: Option<String>,
        /// Where Microsoft may ask back
        #[arg(long, value_name = "ADDRESS")]
        contact_email: Option<String>,
        /// The tenant, when the configuration has several
        #[arg(long, value_name = "NAME", default_value = "default")]
        tenant: TenantName,
    },
}

const VIEW: View = View {
    columns: &[
        column("time", "timestamp", Shown::Time),
        column("user", "user.userName", Shown::Text),
        column("event", "eventTypeName", Shown::Text),
        column("app", "appName", Shown::Text),
        column("address", "device.clientIP", Shown::Text),
        column("description", "description", Shown::Text),
        column("id", "_id", Shown::Text),
        column("country", "location.countryCode", Shown::Text),
        column("source", "source", Shown::Names(SOURCES)),
        column("created", "created", Shown::Time),
    ] as &[Column],
    usual: 7,
};

impl Activities {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        match self.action {
            Action::List(listing) => listing.run(context, &FAMILY, &VIEW),
            Action::Show(ids) => {
                listing::fetch(context, &ids, &VIEW, |service, id| async move { service.activity(&id).await })
            }
            Action::Feedback { id, value, text, contact_email, tenant } => {
                let service = listing::client(context, &tenant)?;
                let feedback = Feedback { value, text, contact_email };
                super::block_on(service.activity_feedback(&id, &feedback))?;
                context.ui.note(format!("sent feedback on activity {id}"));
                Ok(())
            }
        }
    }
}
