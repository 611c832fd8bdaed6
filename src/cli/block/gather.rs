//! From sources named on the command line or in the configuration to one verdict.

use super::{Context, connect};
use crate::block::guard::Guards;
use crate::block::name::{self, Reading};
use crate::block::source::{self, Form};
use crate::block::verdict::{Builder, Scope};
use crate::config::Config;
use crate::domain::{TenantName, Urgency};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::service::{BlockType, BlockedApp};
use clap::Args;
use std::io::Read;
use std::path::Path;

/// Flags about what entries mean.
#[derive(Debug, Clone, Args)]
pub struct Meaning {
    /// Read a bare name as this scope
    #[arg(long, value_name = "SCOPE", default_value = "subtree", value_parser = name_scope)]
    bare: Scope,
    /// Read a leading `*.` as this scope
    #[arg(long, value_name = "SCOPE", default_value = "below", value_parser = name_scope)]
    star: Scope,
    /// Take names with underscores left of the registrable domain
    #[arg(long)]
    underscores: bool,
}

impl Default for Meaning {
    fn default() -> Meaning {
        Meaning { bare: Scope::Subtree, star: Scope::Below, underscores: false }
    }
}

impl Meaning {
    /// How texts are read.
    pub(super) fn reading(&self) -> Reading {
        Reading { bare: self.bare, star: self.star, underscores: self.underscores }
    }
}

fn name_scope(text: &str) -> std::result::Result<Scope, String> {
    match text.parse()? {
        scope @ (Scope::Subtree | Scope::Below | Scope::Exact) => Ok(scope),
        _ => Err("one of subtree, below, exact".to_owned()),
    }
}

/// Flags about guards.
#[derive(Debug, Clone, Args)]
pub struct Guarding {
    /// Never block this name, what is below it, or this network; repeatable
    #[arg(long, value_name = "NAME")]
    never_block: Vec<String>,
    /// Block exactly this entry although a guard objects; repeatable
    #[arg(long, value_name = "ENTRY")]
    consent: Vec<String>,
}

impl Guarding {
    /// Whether none was given.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.never_block.is_empty() && self.consent.is_empty()
    }

    /// The guards of these flags.
    pub(super) fn guards(&self) -> Result<Guards> {
        guards(&self.never_block, &self.consent)
    }
}

/// The built-in guards with a person's own names and consents.
pub(super) fn guards(never_block: &[String], consent: &[String]) -> Result<Guards> {
    let never_block = clean("never_block", never_block)?;
    let consent = clean("consent", consent)?;
    Ok(Guards::new(never_block.iter().map(|name| &**name), consent.iter().map(|name| &**name)))
}

/// The clean values of names that a person listed.
pub(super) fn clean(what: &str, texts: &[String]) -> Result<Vec<Box<str>>> {
    let reading = Reading { underscores: true, ..Reading::default() };
    let mut values = Vec::new();
    for text in texts {
        let clean = name::clean(text, reading).map(|clean| clean.value);
        values.push(clean.map_err(|why| Error::usage(format!("{what} {text:?}: {why}")))?);
    }
    Ok(values)
}

/// Where entries come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The service's verdict, with apps.
    Service,
    /// Standard input.
    Stdin(Option<Form>),
    /// A file.
    File(String, Option<Form>),
}

impl std::str::FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Source, String> {
        let (form, rest) = match text.split_once(':') {
            Some((form, rest)) if form.parse::<Form>().is_ok() => (form.parse().ok(), rest),
            _ => (None, text),
        };
        match (rest, form) {
            ("", _) => Err("name a file, - or service".to_owned()),
            ("service", None) => Ok(Source::Service),
            ("-", form) => Ok(Source::Stdin(form)),
            (path, form) => Ok(Source::File(path.to_owned(), form)),
        }
    }
}

/// Most bytes of a source: a million domains are twenty million.
const MOST: u64 = 1 << 30;

/// Reads the sources that are files, relative to `base`.
pub(super) fn files(builder: &mut Builder, sources: &[Source], base: &Path) -> Result<()> {
    for source in sources {
        let (name, bytes, form) = match source {
            Source::Service => continue,
            Source::Stdin(form) => ("standard input".to_owned(), limited(std::io::stdin().lock()), *form),
            Source::File(path, form) => {
                let path = base.join(path);
                let bytes = std::fs::File::open(&path).and_then(limited_file);
                (path.display().to_string(), bytes, *form)
            }
        };
        let failed = |cause: String| Error::failed(format!("cannot read the list {name}")).cause(cause);
        let bytes = bytes.map_err(|error| failed(error.to_string()))?;
        source::read(builder, &name, &bytes, form).map_err(|why| {
            failed(why).hint(
                "say what it is, as in domains:FILE: one of domains, hosts, csv, adblock, json, or an official script",
            )
        })?;
    }
    Ok(())
}

fn limited_file(file: std::fs::File) -> std::io::Result<Vec<u8>> {
    if file.metadata()?.is_dir() {
        return Err(std::io::Error::other("it is a directory"));
    }
    limited(file)
}

fn limited(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(std::io::Error::other("it is larger than 1 GiB"));
    }
    Ok(bytes)
}

/// Adds the service's verdict.
pub(super) fn apps(builder: &mut Builder, apps: &[BlockedApp]) {
    builder.source("service");
    for (at, app) in apps.iter().enumerate() {
        source::app(builder, &app.name, &app.domains, u32::try_from(at + 1).unwrap_or(u32::MAX));
    }
}

/// Adds the service's verdict for a command that has no connection yet.
pub(super) fn from_service(context: &mut Context<'_>, builder: &mut Builder, tenant: &TenantName) -> Result<()> {
    let config: Config = context.config()?;
    let ledger: Ledger = connect::ledger(&config)?;
    let service = connect::service(context, &config, tenant, &ledger, Urgency::Human)?;
    let banned = crate::cli::block_on(service.block_pages(BlockType::Banned))?;
    apps(builder, &banned);
    Ok(())
}
