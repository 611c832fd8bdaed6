//! `logweir block fetch`: the service's own scripts, byte for byte, and judged.

use super::{Context, connect, write_atomically};
use crate::block::appliance;
use crate::block::official::OFFICIAL;
use crate::block::script::{self, Judgement};
use crate::domain::{TenantName, Urgency};
use crate::error::{Error, Kind, Result};
use crate::service::{BlockType, BlockedApp};
use crate::ui::{Format, Table, escape};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;

/// Fetch the service's own block script, byte for byte, or without an appliance its verdict
#[derive(Debug, Args)]
pub struct Fetch {
    /// The appliance: one of bluecoat, cisco-asa, fortigate, palo-alto, zscaler, juniper-srx, websense; without it the
    /// verdict is shown, app by app, and as csv it is a source for block render --from
    #[arg(long, value_name = "NAME")]
    appliance: Option<String>,
    /// Fetch the banned or the allowed apps
    #[arg(long = "type", value_enum, default_value_t)]
    apps: Apps,
    /// Write here instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Do not judge the script, and do not compare it with the verdict
    #[arg(long)]
    no_check: bool,
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Apps {
    #[default]
    Banned,
    Allowed,
}

const SHOWN: usize = 10;

impl Fetch {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let format = self.appliance.as_deref().map(official).transpose()?;
        let config = context.config()?;
        let ledger = connect::ledger(&config)?;
        let service = connect::service(context, &config, &self.tenant, &ledger, Urgency::Human)?;
        let apps = match self.apps {
            Apps::Banned => BlockType::Banned,
            Apps::Allowed => BlockType::Allowed,
        };
        let Some(format) = format else {
            let verdict = crate::cli::block_on(service.block_pages(apps))?;
            return self.show(context, &verdict);
        };
        let script = crate::cli::block_on(service.block_script(format, apps))?;
        let judgement = if self.no_check {
            Judgement::default()
        } else {
            // The verdict as JSON is undocumented: without it, the script is judged by its grammar alone.
            let verdict = crate::cli::block_on(service.block_pages(apps));
            match &verdict {
                Err(error) if error.kind() == Kind::Interrupted => return verdict.map(|_| ()),
                Err(error) => context.ui.warn(format!("not compared with the verdict: {}", error.one_line())),
                Ok(_) => {}
            }
            let domains: Option<Vec<String>> =
                verdict.ok().map(|apps| apps.into_iter().flat_map(|app| app.domains).collect());
            script::judge(format, &script, domains.as_deref())
        };
        match &self.output {
            // What is unfit is shown, but does not replace a good file.
            Some(path) if judgement.faults.is_empty() => {
                let path = context.env.cwd.join(path);
                write_atomically(&path, &script)?;
                context.ui.note(format!("wrote {} ({} bytes)", path.display(), script.len()));
            }
            Some(path) => context.ui.note(format!("{} was not written", path.display())),
            None => context.ui.bytes(&script)?,
        }
        tell(context, format, &judgement)
    }

    /// The verdict as it is: a line an app for people, a document, or a row a domain.
    fn show(&self, context: &mut Context<'_>, apps: &[BlockedApp]) -> Result<()> {
        let table = |columns: &[&'static str]| Table::new(columns);
        let text = match context.ui.format {
            Format::Text => {
                let mut table = table(&["app", "app_id", "domains"]);
                for app in apps {
                    table.row([app.name.clone().into(), app.app_id.into(), app.domains.join(" ").into()]);
                }
                table.text().into_bytes()
            }
            Format::Csv => {
                let mut table = table(&["value", "app"]);
                for (app, domain) in apps.iter().flat_map(|app| app.domains.iter().map(move |domain| (app, domain))) {
                    table.row([domain.clone().into(), app.name.clone().into()]);
                }
                table.csv()
            }
            Format::Json => {
                let apps: Vec<_> = apps
                    .iter()
                    .map(|app| json!({ "app": app.name, "app_id": app.app_id, "domains": app.domains }))
                    .collect();
                format!("{:#}\n", json!({ "apps": apps })).into_bytes()
            }
        };
        let Some(path) = &self.output else { return context.ui.bytes(&text) };
        let path = context.env.cwd.join(path);
        write_atomically(&path, &text)?;
        context.ui.note(format!("wrote {} ({} apps)", path.display(), apps.len()));
        Ok(())
    }
}

fn tell(context: &mut Context<'_>, format: u16, judgement: &Judgement) -> Result<()> {
    let several = |words: &[String]| {
        let shown: Vec<&str> = words.iter().take(SHOWN).map(String::as_str).collect();
        let more = words.len().saturating_sub(SHOWN);
        let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{tail}", shown.join(", "))
    };
    for fault in &judgement.faults {
        context.ui.warn(escape::terminal(fault));
    }
    if !judgement.unknown.is_empty() {
        context.ui.warn(format!(
            "{} lines are in no shape we know, the first is line {}; the language of format {format} is not published by the service",
            judgement.unknown.len(),
            judgement.unknown[0]
        ));
    }
    if !judgement.missing.is_empty() {
        context.ui.warn(format!("the script misses domains of the verdict: {}", several(&judgement.missing)));
    }
    if !judgement.extra.is_empty() {
        context.ui.warn(format!("the script blocks what the verdict does not have: {}", several(&judgement.extra)));
    }
    if !judgement.faults.is_empty() {
        return Err(Error::failed("the script is not fit for use")
            .cause(escape::terminal(&judgement.faults[0]))
            .hint("--no-check hands it out as it is; logweir block render makes one from the verdict"));
    }
    if judgement.missing.is_empty() && judgement.extra.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::Partial, "the script and the verdict differ; see above"))
}

/// The number of an official script from its name, its number, or the name of our own target.
fn official(name: &str) -> Result<u16> {
    if let Some(official) = OFFICIAL.iter().find(|known| known.name == name || known.format.to_string() == name) {
        return Ok(official.format);
    }
    if let Some(format) = appliance::find(name).and_then(|target| target.service_format) {
        return Ok(format);
    }
    let known = OFFICIAL.iter().map(|official| official.name);
    if appliance::find(name).is_some() {
        return Err(Error::usage(format!("the service writes no script for {name}"))
            .hint(format!("logweir block render --appliance {name} makes one from the verdict")));
    }
    let error = Error::usage(format!("{name:?} is not an appliance the service writes scripts for"));
    Err(match crate::config::nearest(name, known.clone()) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint(format!("it writes them for: {}", known.collect::<Vec<_>>().join(", "))),
    })
}
