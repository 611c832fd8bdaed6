//! The configured lists, checked: from `[[block]]` to what publishing works from.

use super::gather::{self, Source};
use super::publish::Services;
use super::{parameters, target};
use crate::block::guard::Guards;
use crate::block::name::Reading;
use crate::block::publish::Target;
use crate::block::verdict::{Builder, Verdict};
use crate::config::{BlockList, Config};
use crate::error::{Error, Result};
use std::path::PathBuf;
use std::time::Duration;

/// A configured list with everything it takes to publish it.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Listed {
    /// What publishing works from.
    pub target: Target,
    /// What is never blocked in it.
    pub guards: Guards,
    /// Where its entries come from.
    pub sources: Vec<Source>,
    base: PathBuf,
    /// How often the watcher looks.
    pub every: Duration,
}

/// Every configured list.
///
/// # Errors
/// All mistakes at once.
pub(in crate::cli) fn all(config: &Config) -> Result<Vec<Listed>> {
    let mut wrong = Vec::new();
    let mut lists = Vec::new();
    for block in &config.blocks {
        match listed(block) {
            Ok(list) => lists.push(list),
            Err(error) => {
                let hint = error.hint_text().map(|hint| format!(" ({hint})")).unwrap_or_default();
                wrong.push(format!("block.{}: {}{hint}", block.name, error.one_line()));
            }
        }
    }
    if wrong.is_empty() {
        return Ok(lists);
    }
    Err(Error::usage("the block lists of the configuration have mistakes").cause(wrong.join("; ")))
}

fn listed(block: &BlockList) -> Result<Listed> {
    let appliance = target(&block.appliance)?;
    let parameters = parameters(appliance, &block.set)?;
    let exceptions = gather::clean("exceptions", &block.exceptions)?;
    let guards = gather::guards(&block.never_block, &block.consent)?;
    let mut sources = Vec::new();
    for text in &block.sources {
        match text.parse().map_err(Error::usage)? {
            Source::Stdin(_) => return Err(Error::usage("standard input cannot be the source of a published list")),
            source => sources.push(source),
        }
    }
    Ok(Listed {
        target: Target {
            name: block.name.clone(),
            tenant: block.tenant.clone(),
            appliance,
            parameters,
            output: block.output.clone(),
            max_change: block.max_change,
            after: block.after.clone(),
            after_limit: block.after_limit,
            validate: block.validate,
            date: block.date,
            strict: block.strict,
        },
        guards: guards.except(exceptions.iter().map(|name| &**name)),
        sources,
        base: block.base.clone(),
        every: block.every,
    })
}

/// The configured lists of these names; all of them when none is named.
pub(super) fn wanted(config: &Config, names: &[String]) -> Result<Vec<Listed>> {
    let lists = all(config)?;
    if lists.is_empty() {
        return Err(Error::usage("no block list is configured")
            .hint("add a [[block]] with appliance and output to the configuration; README shows one"));
    }
    let known = lists.iter().map(|list| list.target.name.as_str());
    for name in names {
        if !known.clone().any(|known| known == name) {
            let error = Error::usage(format!("no block list is called {name:?}"));
            let all = known.clone().collect::<Vec<_>>().join(", ");
            return Err(match crate::config::nearest(name, known) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint(format!("configured are: {all}")),
            });
        }
    }
    Ok(lists.into_iter().filter(|list| names.is_empty() || names.contains(&list.target.name)).collect())
}

/// The configured list of this name, or the only one.
pub(super) fn one(config: &Config, name: Option<&String>) -> Result<Listed> {
    let mut lists = wanted(config, name.map_or(&[], std::slice::from_ref))?;
    if lists.len() > 1 {
        let names: Vec<&str> = lists.iter().map(|list| list.target.name.as_str()).collect();
        return Err(Error::usage("several block lists are configured")
            .hint(format!("say which one with --list: {}", names.join(", "))));
    }
    // `wanted` gives one at least.
    lists.pop().ok_or_else(|| Error::usage("no block list is configured"))
}

impl Listed {
    /// Whether the service is asked.
    pub(in crate::cli) fn asks_service(&self) -> bool {
        self.sources.contains(&Source::Service)
    }

    /// The verdict of all its sources, as of today. A source that fails fails the whole: half a verdict is none.
    pub(super) async fn verdict(&self, services: &Services) -> Result<Verdict> {
        let mut builder = Builder::new(Reading::default());
        gather::files(&mut builder, &self.sources, &self.base)?;
        if self.asks_service() {
            gather::apps(&mut builder, &services.banned(&self.target.tenant).await?);
        }
        Ok(builder.finish(&self.guards, Some(jiff::ZonedDateTime::now().date())))
    }
}
