//! `logweir block history|rollback`: the versions of a list, and going back to one.

use super::publish::{hand_over, stoppable, world};
use super::{Context, connect, lists};
use crate::block::publish;
use crate::error::Result;
use crate::ui::{Format, Table};
use clap::Args;
use serde_json::json;

/// Show the versions of the published lists, newest first
#[derive(Debug, Args)]
pub struct History {
    /// Show only this list
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// Show at most this many versions
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
}

/// Go back to a former version of a list and stay there
#[derive(Debug, Args)]
pub struct Rollback {
    /// The version (default: the last good one before the one in force)
    version: Option<u32>,
    /// The list, when several are configured
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
}

/// A time as RFC 3339.
pub(super) fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

impl History {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        let ledger = connect::ledger(&config)?;
        let mut table = Table::new(&[
            "list",
            "version",
            "at",
            "state",
            "entries",
            "added",
            "removed",
            "appliance",
            "digest",
            "note",
        ]);
        let publications = ledger.publications(self.list.as_deref(), self.limit)?;
        for publication in &publications {
            let digest: String = publication.digest.to_string().chars().take(12).collect();
            table.row([
                publication.list.clone().into(),
                u64::from(publication.version).into(),
                time(publication.at).into(),
                publication.state.to_string().into(),
                publication.entries.into(),
                publication.added.into(),
                publication.removed.into(),
                publication.appliance.clone().into(),
                digest.into(),
                publication.note.clone().into(),
            ]);
        }
        let mut waiting = Vec::new();
        for name in ledger.lists()?.into_iter().filter(|name| self.list.as_ref().is_none_or(|list| list == name)) {
            let state = ledger.list_state(&name)?;
            if state.held.is_some() || state.pinned.is_some() {
                waiting.push((name, state));
            }
        }
        if context.ui.format == Format::Json {
            let held: Vec<_> = waiting
                .iter()
                .map(|(name, state)| json!({ "list": name, "held": state.held, "pinned": state.pinned }))
                .collect();
            return context.ui.json(&json!({ "publications": table.json(), "waiting": held }));
        }
        if table.is_empty() {
            context.ui.note("nothing was published yet");
        } else {
            context.ui.table("publications", &table)?;
        }
        for (name, state) in waiting {
            if let Some(version) = state.pinned {
                context.ui.note(format!("{name} stays at version {version}, where a person put it"));
            }
            if let Some(held) = state.held {
                context.ui.note(format!("{name} is held: {held}"));
            }
        }
        Ok(())
    }
}

impl Rollback {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        let list = lists::one(&config, self.list.as_ref())?;
        let (tell, world) = world(context, &config)?;
        let report = stoppable(&tell, publish::rollback(&list.target, self.version, &world))?;
        let name = list.target.name;
        hand_over(context, vec![(name.clone(), Ok(report))])?;
        if context.ui.format == Format::Text {
            context.ui.note(format!("{name} stays there until: logweir block publish --list {name} --accept"));
        }
        Ok(())
    }
}
