//! `logweir block explain`: why a name is blocked: by which list and entry, for which app, from which source, since when.

use super::history::time;
use super::{Context, connect, lists, parameters, target};
use crate::block::guard;
use crate::block::name::{self, Reading};
use crate::block::publish::snapshot::{Left, Saved, Snapshot};
use crate::block::publish::{self, Version};
use crate::error::{Error, Result};
use crate::ui::{Format, Table};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Say why a name or address is blocked: the app, the source, the list, since when
#[derive(Debug, Args)]
pub struct Explain {
    /// A name, an address, or the address of a page
    #[arg(value_name = "DOMAIN")]
    domain: String,
    /// Look at this list only
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
}

impl Explain {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let reading = Reading { underscores: true, ..Reading::default() };
        let asked = name::clean(&self.domain, reading)
            .map_err(|why| Error::usage(format!("{:?} is no name or address: {why}", self.domain)))?;
        let host = asked.value.split('/').next().unwrap_or_default().to_owned();
        let host = if asked.scope == crate::block::Scope::Ip { asked.value.to_string() } else { host };
        let config = context.config()?;
        let ledger = connect::ledger(&config)?;
        // The parameters as configured; a list that is no longer configured is read with the target's own.
        let set: BTreeMap<&str, &BTreeMap<String, String>> =
            config.blocks.iter().map(|block| (block.name.as_str(), &block.set)).collect();
        if let Some(name) = &self.list
            && !ledger.lists()?.contains(name)
        {
            lists::wanted(&config, std::slice::from_ref(name))?;
        }
        let mut table =
            Table::new(&["list", "version", "entry", "app", "reason", "source", "since", "until", "appliance"]);
        let mut documents = Vec::new();
        let mut notes = Vec::new();
        for name in ledger.lists()?.into_iter().filter(|name| self.list.as_ref().is_none_or(|list| list == name)) {
            let Some(published) = ledger.published(&name)? else { continue };
            let Version { snapshot, files } = publish::version(&name, published.version, &ledger)?;
            let appliance = target(&published.appliance)?;
            let own = set.get(name.as_str()).copied().cloned().unwrap_or_default();
            let items = publish::items(appliance, &parameters(appliance, &own)?, &files);
            let written =
                items.map(|items| items.iter().any(|item| guard::takes(&item.value, item.kind.scope(), &host)));
            let entries: Vec<&Saved> =
                snapshot.entries.iter().filter(|entry| guard::takes(&entry.1, entry.0, &host)).collect();
            let left: Vec<&Left> = snapshot.left.iter().filter(|left| concerns(&left.0, &host)).collect();
            for entry in &entries {
                for claim in snapshot.claims_of(entry) {
                    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
                    table.row([
                        name.clone().into(),
                        u64::from(published.version).into(),
                        format!("{} {}", entry.0, entry.1).into(),
                        text(&claim.0).into(),
                        text(&claim.1).into(),
                        text(snapshot.source_of(claim)).into(),
                        time(entry.4).into(),
                        entry.3.clone().into(),
                        published.appliance.clone().into(),
                    ]);
                }
            }
            match (entries.is_empty(), written) {
                (true, Some(true)) => {
                    notes.push(format!("{name}: {} takes more than was meant, and this name with it", appliance.name));
                }
                (false, Some(false)) => {
                    notes.push(format!("{name}: {} cannot say that, so the name stays open there", appliance.name));
                }
                (true, _) => notes.push(format!("{name}: does not block it")),
                (false, _) => {}
            }
            notes.extend(
                left.iter().map(|left| format!("{name}: {}: {}: {}", left.0, left.1.replace('_', " "), left.2)),
            );
            documents.push(document(
                &name,
                published.version,
                &published.appliance,
                &snapshot,
                &entries,
                written,
                &left,
            ));
        }
        if context.ui.format == Format::Json {
            return context.ui.json(&json!({ "asked": host, "lists": documents }));
        }
        if documents.is_empty() {
            context.ui.note("nothing was published yet");
        }
        if !table.is_empty() || context.ui.format == Format::Csv {
            context.ui.table("entries", &table)?;
        }
        for note in notes {
            context.ui.note(crate::ui::escape::terminal(&note));
        }
        Ok(())
    }
}

/// Whether an input that was left out is about this host.
fn concerns(value: &str, host: &str) -> bool {
    let value = value.split('/').next().unwrap_or(value);
    value == host || host.strip_suffix(value).is_some_and(|rest| rest.ends_with('.'))
}

fn document(
    name: &str,
    version: u32,
    appliance: &str,
    snapshot: &Snapshot,
    entries: &[&Saved],
    written: Option<bool>,
    left: &[&Left],
) -> Value {
    let entries: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let claims: Vec<Value> = snapshot
                .claims_of(entry)
                .map(|claim| json!({ "app": claim.0, "reason": claim.1, "source": snapshot.source_of(claim) }))
                .collect();
            json!({
                "scope": entry.0, "value": entry.1, "since": time(entry.4), "until": entry.3, "asked_for_by": claims,
            })
        })
        .collect();
    let left: Vec<Value> =
        left.iter().map(|left| json!({ "value": left.0, "outcome": left.1, "detail": left.2 })).collect();
    json!({
        "list": name, "version": version, "appliance": appliance, "blocked": written.unwrap_or(!entries.is_empty()),
        "entries": entries, "left_out": left,
    })
}
