//! `logweir block fetch|formats`: the service's own block scripts.

use super::{Context, connect};
use crate::block::official::OFFICIAL;
use crate::domain::{TenantName, Urgency};
use crate::error::{Error, Result};
use crate::service::BlockType;
use crate::ui::Table;
use clap::{Args, Subcommand, ValueEnum};
use std::io::Write;
use std::path::PathBuf;

/// Fetch block scripts
#[derive(Debug, Args)]
pub struct Block {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch the service's own block script, byte for byte
    Fetch {
        /// The appliance; `logweir block formats` lists them
        #[arg(long, value_name = "NAME")]
        appliance: String,
        /// Fetch the banned or the allowed apps
        #[arg(long = "type", value_enum, default_value_t)]
        kind: Kind,
        /// Write here instead of to standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The tenant, when the configuration has several
        #[arg(long, value_name = "NAME", default_value = "default")]
        tenant: TenantName,
    },
    /// List the appliances that the service writes scripts for
    Formats,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Kind {
    #[default]
    Banned,
    Allowed,
}

impl Block {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        match self.action {
            Action::Formats => {
                let mut table = Table::new(&["appliance", "service_format", "product"]);
                for official in OFFICIAL {
                    table.row([official.name.into(), u64::from(official.format).into(), official.product.into()]);
                }
                context.ui.table("appliances", &table)
            }
            Action::Fetch { appliance, kind, output, tenant } => {
                let format = official(&appliance)?;
                let config = context.config()?;
                let ledger = connect::ledger(&config)?;
                let service = connect::service(context, &config, &tenant, &ledger, Urgency::Human)?;
                let kind = match kind {
                    Kind::Banned => BlockType::Banned,
                    Kind::Allowed => BlockType::Allowed,
                };
                let script = super::block_on(async { Ok(service.block_script(format, kind).await?) })?;
                match output {
                    None => context.ui.bytes(&script),
                    Some(path) => {
                        let path = context.env.cwd.join(path);
                        write_atomically(&path, &script)?;
                        context.ui.note(format!("wrote {} ({} bytes)", path.display(), script.len()));
                        Ok(())
                    }
                }
            }
        }
    }
}

fn official(name: &str) -> Result<u16> {
    if let Some(official) = OFFICIAL.iter().find(|known| known.name == name || known.format.to_string() == name) {
        return Ok(official.format);
    }
    let error = Error::usage(format!("{name:?} is not an appliance the service writes scripts for"));
    let known = OFFICIAL.iter().map(|official| official.name);
    Err(match crate::config::nearest(name, known.clone()) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint(format!("it writes them for: {}", known.collect::<Vec<_>>().join(", "))),
    })
}

/// Writes beside the target, syncs, and renames over it: a reader sees the old or the new text, never half.
pub(super) fn write_atomically(path: &std::path::Path, bytes: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| Error::failed(format!("cannot write {}", path.display())).cause(error);
    let name = path.file_name().ok_or_else(|| Error::usage(format!("{} is not a file name", path.display())))?;
    let beside = path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|error| {
        // The half-written file is ours; failing to remove it changes nothing for the reader of `path`.
        let _ = std::fs::remove_file(&beside);
        failed(error)
    })
}
