//! `logweir block ...`: one file per subcommand; what they share stands here.

mod fetch;
mod formats;
mod gather;
mod render;

use super::{Context, connect};
use crate::block::appliance::{self, Appliance, Parameters};
use crate::error::{Error, Result};
use clap::{Args, Subcommand};
use std::collections::BTreeMap;
use std::io::Write;

/// Make, publish and take back block lists for appliances
#[derive(Debug, Args)]
pub struct Block {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Formats(formats::Formats),
    Fetch(fetch::Fetch),
    Render(render::Render),
}

impl Block {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        match self.action {
            Action::Formats(command) => command.run(context),
            Action::Fetch(command) => command.run(context),
            Action::Render(command) => command.run(context),
        }
    }
}

/// The target of this name, or an error with the nearest one.
fn target(name: &str) -> Result<&'static Appliance> {
    appliance::find(name).ok_or_else(|| {
        let error = Error::usage(format!("{name:?} is not a target"));
        match crate::config::nearest(name, appliance::all().map(|target| target.name)) {
            Some(near) => error.hint(format!("did you mean {near}? logweir block formats lists them")),
            None => error.hint("logweir block formats lists them"),
        }
    })
}

/// The target's parameters from what was typed.
fn parameters(target: &Appliance, given: &BTreeMap<String, String>) -> Result<Parameters> {
    target.parameters(given).map_err(|why| {
        Error::usage(why).hint(format!("logweir block formats --appliance {} shows its parameters", target.name))
    })
}

/// `NAME=VALUE`, as typed behind `--set`.
fn setting(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
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
