//! `logweir block ...`: one file per subcommand; what they share stands here.

mod diff;
mod explain;
mod fetch;
mod formats;
mod gather;
mod history;
pub(super) mod lists;
pub(super) mod publish;
mod render;
mod serve;

pub(super) use gather::Guarding;
pub(super) use render::Render;

use super::{Context, connect};
use crate::block::appliance::{self, Appliance, Parameters};
pub(super) use crate::block::publish::files::{can_write, replace as write_atomically};
use crate::error::{Error, Result};
use clap::{Args, Subcommand};
use std::collections::BTreeMap;

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
    Publish(publish::Publish),
    Diff(diff::Diff),
    Explain(explain::Explain),
    History(history::History),
    Rollback(history::Rollback),
    Serve(serve::Serve),
}

impl Block {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        match self.action {
            Action::Formats(command) => command.run(context),
            Action::Fetch(command) => command.run(context),
            Action::Render(command) => command.run(context),
            Action::Publish(command) => command.run(context),
            Action::Diff(command) => command.run(context),
            Action::Explain(command) => command.run(context),
            Action::History(command) => command.run(context),
            Action::Rollback(command) => command.run(context),
            Action::Serve(command) => command.run(context),
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
pub(super) fn setting(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
