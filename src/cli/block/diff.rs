//! `logweir block diff`: entries and apps that come and go, between versions or up to what would be published now; and
//! the scripts that lead there and back.

use super::publish::{ONE_FETCH, Services, interrupted, moved, stoppable, world};
use super::{Context, lists};
use crate::block::publish::program::stopped;
use crate::block::publish::snapshot::Change;
use crate::block::publish::{self, Version};
use crate::domain::Urgency;
use crate::error::{Error, Result};
use crate::ui::{Format, Table};
use clap::Args;
use serde_json::json;

/// Show what a publication would change, or what lies between two versions
#[derive(Debug, Args)]
pub struct Diff {
    /// From this version; 0 is no list at all (default: the version in force)
    from: Option<u32>,
    /// To this version (default: the version in force, or without FROM what would be published now)
    to: Option<u32>,
    /// The list, when several are configured
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// Write the script that leads there instead
    #[arg(long)]
    script: bool,
    /// Write the script that leads back instead
    #[arg(long, conflicts_with = "script")]
    inverse: bool,
}

impl Diff {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        let list = lists::one(&config, self.list.as_ref())?;
        let (tell, world) = world(context, &config)?;
        let name = list.target.name.clone();
        let in_force = world.ledger.published(&name)?.map_or(0, |published| published.version);
        let from = self.from.unwrap_or(in_force);
        let old = publish::version(&name, from, &world.ledger)?;
        let to = match (self.from, self.to) {
            (_, Some(to)) => Some(to),
            (Some(_), None) => Some(in_force),
            (None, None) => None,
        };
        let new = match to {
            Some(to) => publish::version(&name, to, &world.ledger)?,
            None => {
                let only = std::slice::from_ref(&list);
                let services = Services::connect(context, &config, &world, only, Urgency::Human, ONE_FETCH)?;
                let mut stop = world.stop.clone();
                let verdict = stoppable(&tell, async {
                    tokio::select! {
                        biased;
                        () = stopped(&mut stop) => Err(interrupted()),
                        verdict = list.verdict(&services) => verdict,
                    }
                })?;
                list.target.preview(&verdict, &list.guards)?
            }
        };
        if self.script || self.inverse {
            return self.write(context, &list, &old, &new);
        }
        let change = Change::between(&old.snapshot, &new.snapshot);
        if context.ui.format == Format::Json {
            let scripts = list.target.scripts(&old.files, &new.files).ok().flatten();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            return context.ui.json(&json!({
                "list": name, "from": from, "to": to,
                "added": moved(&change.added), "removed": moved(&change.removed),
                "apps_added": change.apps_added, "apps_removed": change.apps_removed,
                "delta": scripts.as_ref().map(|scripts| text(&scripts.delta)),
                "inverse": scripts.as_ref().map(|scripts| text(&scripts.inverse)),
            }));
        }
        let mut table = Table::new(&["change", "scope", "value", "apps", "until"]);
        for (sign, entries) in [("+", &change.added), ("-", &change.removed)] {
            for entry in entries {
                let apps = Some(entry.apps.clone()).filter(|apps| !apps.is_empty());
                table.row([
                    sign.into(),
                    entry.scope.to_string().into(),
                    entry.value.clone().into(),
                    apps.into(),
                    entry.until.clone().into(),
                ]);
            }
        }
        if table.is_empty() && context.ui.format == Format::Text {
            context.ui.note("no difference");
        } else {
            context.ui.table("entries", &table)?;
        }
        for (what, apps) in [("added", &change.apps_added), ("removed", &change.apps_removed)] {
            if !apps.is_empty() {
                context.ui.note(crate::ui::escape::terminal(&format!("apps {what}: {}", apps.join(", "))));
            }
        }
        Ok(())
    }

    fn write(&self, context: &mut Context<'_>, list: &lists::Listed, old: &Version, new: &Version) -> Result<()> {
        let target = &list.target;
        let scripts = target.scripts(&old.files, &new.files).map_err(|mismatch| {
            Error::failed(format!("no script leads from one version of {} to the other", target.name))
                .cause(format!("one of them reads otherwise than the list is configured now: {mismatch}"))
                .hint("take the old one off the appliance, and put the new one on whole")
        })?;
        match scripts {
            Some(scripts) => context.ui.bytes(if self.inverse { &scripts.inverse } else { &scripts.delta }),
            None => {
                Err(Error::usage(format!("{} takes the whole list, not a script of changes", target.appliance.name))
                    .hint("logweir block diff without --script lists the entries"))
            }
        }
    }
}
