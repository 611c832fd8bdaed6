//! `logweir doctor`: every precondition tried in order, one line each, with what to do.
//!
//! What does not hold never keeps the rest from being tried, unless it cannot be tried without. Nothing is shipped and
//! nothing is made, but for the state directory and its ledger.

mod host;
mod network;
mod tenant;

use super::{Context, connect};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::ui::table::Cell;
use crate::ui::{Format, Table, escape};
use clap::Args;

/// Try every precondition and say what to do about what is missing
#[derive(Debug, Args)]
pub struct Doctor {}

/// The findings so far, and the worst of them.
struct Findings {
    table: Table,
    /// The same as lines for people, not shown yet.
    lines: Vec<String>,
    failed: u64,
    worst: Option<Kind>,
}

impl Findings {
    fn add(&mut self, result: &'static str, what: &str, found: &str, remedy: Option<&str>) {
        let safe = |text: &str| escape::terminal(text).into_owned();
        self.lines.push(format!("{result:<8} {}: {}", safe(what), safe(found)));
        self.lines.extend(remedy.map(|remedy| format!("         {}", safe(remedy))));
        self.table.row([result.into(), what.into(), found.into(), remedy.map_or(Cell::Empty, Cell::from)]);
    }

    /// It holds.
    fn ok(&mut self, what: &str, found: impl AsRef<str>) {
        self.add("ok", what, found.as_ref(), None);
    }

    /// It holds, but a person should know this.
    fn doubt(&mut self, what: &str, found: impl AsRef<str>, remedy: &str) {
        self.add("warning", what, found.as_ref(), Some(remedy));
    }

    /// It does not hold.
    fn bad(&mut self, what: &str, error: &Error) {
        self.failed += 1;
        let kind = error.kind();
        // Refused credentials are the answer that scripts ask for; a wrong configuration comes next.
        let rank = |kind: Kind| [Kind::Credentials, Kind::Usage].iter().position(|known| *known == kind).unwrap_or(2);
        self.worst = Some(self.worst.map_or(kind, |worst| if rank(kind) < rank(worst) { kind } else { worst }));
        self.add("FAILED", what, &error.one_line(), error.hint_text());
    }

    /// Shows what was found since the last time, so that a person sees where a slow step hangs.
    fn show(&mut self, context: &mut Context<'_>) -> Result<()> {
        if context.ui.format == Format::Text {
            for line in self.lines.drain(..) {
                context.ui.line(line)?;
            }
        }
        Ok(())
    }
}

impl Doctor {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let table = Table::new(&["result", "precondition", "found", "what_to_do"]);
        let mut findings = Findings { table, lines: Vec::new(), failed: 0, worst: None };
        match context.config() {
            Err(error) => findings.bad("configuration", &error),
            Ok(config) => examine(context, &config, &mut findings)?,
        }
        findings.show(context)?;
        if context.ui.format != Format::Text {
            context.ui.table("preconditions", &findings.table)?;
        }
        match findings.worst {
            None => Ok(()),
            Some(kind) => Err(Error::new(kind, format!("{} precondition(s) do not hold", findings.failed))),
        }
    }
}

fn examine(context: &mut Context<'_>, config: &Config, findings: &mut Findings) -> Result<()> {
    match &config.file {
        Some(file) => {
            let (tenants, feeds, lists) = (config.tenants.len(), config.feeds.len(), config.blocks.len());
            let counts = format!("{tenants} tenant(s), {feeds} feed(s), {lists} block list(s)");
            findings.ok("configuration", format!("{}: {counts}", file.display()));
        }
        None => findings.doubt(
            "configuration",
            "no file is named and there is none in the usual place",
            "write one with: logweir init, and name it with --config FILE",
        ),
    }
    host::state(config, findings);
    for feed in &config.feeds {
        host::feed(feed, findings);
    }
    for list in &config.blocks {
        host::list(list, context.env.var("PATH"), findings);
    }
    if config.tenants.is_empty() {
        let error = Error::usage("no service is configured").hint("write a configuration with: logweir init");
        findings.bad("tenant", &error);
        return Ok(());
    }
    findings.show(context)?;
    super::block_on(async {
        network::proxy(context.env, config, findings).await;
        network::trust(context.env, config, findings);
        for name in config.tenants.keys() {
            findings.show(context)?;
            tenant::tenant(context, config, name, findings).await?;
        }
        Ok::<(), Error>(())
    })
}
