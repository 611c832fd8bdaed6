//! `logweir upload`: ship once and exit; every feed, or the files named.

use super::{Context, inputs, shipping};
use crate::config::{After, Config, Destination, Feed, Join};
use crate::domain::{CUSTOM_PARSER, DataSource, LogType, TenantName, Urgency};
use crate::error::{Error, Result};
use crate::logs::quality::Verdict;
use crate::ship::Outcome;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Ship logs once: the files named, or every configured feed
#[derive(Debug, Args)]
pub struct Upload {
    /// The files; without any, every configured feed is shipped
    files: Vec<PathBuf>,
    /// The log type of the files, such as SQUID_NATIVE, a [[layout]] of the configuration, or auto to recognise it
    #[arg(long, value_name = "TYPE", requires = "files", value_parser = asked)]
    log_type: Option<Asked>,
    /// The data source the files go to
    #[arg(long, value_name = "NAME", requires = "files", conflicts_with = "snapshot")]
    data_source: Option<DataSource>,
    /// Make a snapshot report of this name from the files
    #[arg(long, value_name = "NAME", requires = "files")]
    snapshot: Option<String>,
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
    /// Say what would be shipped, and ship nothing
    #[arg(long)]
    dry_run: bool,
}

impl Upload {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        let mut held = Vec::new();
        let feeds = if self.files.is_empty() { config.feeds.clone() } else { vec![self.feed(context, &mut held)?] };
        if feeds.is_empty() {
            return Err(Error::usage("there is nothing to ship: no feed is configured and no file is named")
                .hint("add a [[feed]] to the configuration, or name files"));
        }
        if self.dry_run {
            return dry_run(context, &config, &feeds, held);
        }
        let ship = shipping::ship(context, &config, &feeds, Urgency::Human)?;
        let mut outcome = super::runtime()?.block_on(shipping::pass(&ship))?;
        outcome.left_out.extend(held);
        if outcome.elsewhere > 0 {
            context.ui.note(format!("{} file(s) are being shipped by another logweir", outcome.elsewhere));
        }
        if outcome.finalised.is_empty() && outcome.left_out.is_empty() {
            context.ui.note("nothing new to ship");
        }
        shipping::report(context, &outcome)?;
        shipping::finish(context, &outcome)
    }

    /// The named files as a feed.
    fn feed(&self, context: &Context<'_>, held: &mut Vec<(String, Error)>) -> Result<Feed> {
        let asked = self.log_type.clone().ok_or_else(|| {
            Error::usage("the files' log type is not named")
                .hint("add --log-type TYPE, such as SQUID_NATIVE, or --log-type auto")
        })?;
        let destination = match (&self.data_source, &self.snapshot) {
            (Some(source), None) => Destination::DataSource(source.clone()),
            (None, Some(name)) => Destination::Snapshot(name.clone()),
            _ => {
                return Err(Error::usage("the files' destination is not named")
                    .hint("add --data-source NAME or --snapshot NAME"));
            }
        };
        let mut paths = Vec::new();
        for file in &self.files {
            let path = context.env.cwd.join(file);
            if !path.is_file() {
                return Err(Error::usage(format!("{} is not a file that can be read", file.display())));
            }
            paths.push(path);
        }
        let (log_type, layout) = match asked {
            Asked::Named(log_type) => match inputs::layout(context, log_type.as_str())? {
                Some(layout) if self.snapshot.is_some() => {
                    return Err(Error::usage(format!("{} is a layout of the configuration", layout.name))
                        .cause("the service reads those only with the custom parser of a data source")
                        .hint("name one with --data-source NAME in place of --snapshot"));
                }
                Some(layout) => (CUSTOM_PARSER.parse().map_err(Error::failed)?, Some(layout)),
                None => (log_type, None),
            },
            Asked::Auto => (recognise(&mut paths, held)?, None),
        };
        let paths = paths.iter().map(|path| globset::escape(&path.to_string_lossy())).collect();
        let feed_name = match &destination {
            Destination::DataSource(name) => format!("files for {name}"),
            Destination::Snapshot(name) => format!("files for snapshot {name}"),
        };
        Ok(Feed {
            name: feed_name,
            paths,
            exclude: Vec::new(),
            tenant: self.tenant.clone(),
            log_type: Some(log_type),
            layout,
            destination,
            settle: Duration::ZERO,
            after: After::Keep,
            after_confirmed: false,
            hold: false,
            gzip: true,
            join: Join::default(),
        })
    }
}

/// What was typed as the log type.
#[derive(Debug, Clone)]
enum Asked {
    Auto,
    Named(LogType),
}

fn asked(text: &str) -> std::result::Result<Asked, String> {
    if text == "auto" { Ok(Asked::Auto) } else { text.parse().map(Asked::Named) }
}

/// The one log type of the files. Those that are not certain are taken out and said: nothing is shipped on a guess.
fn recognise(paths: &mut Vec<PathBuf>, held: &mut Vec<(String, Error)>) -> Result<LogType> {
    let mut found: Option<(&'static str, String)> = None;
    let mut sure = Vec::new();
    for path in std::mem::take(paths) {
        let name = show(&path);
        let looked = inputs::Input::File(path.clone()).open().and_then(|(reader, _)| inputs::look(reader));
        let looked = looked.map_err(|error| Error::failed(format!("cannot read {name}")).cause(error));
        match looked.and_then(|(look, _)| look.sure(&name)) {
            Err(error) => held.push((name, error)),
            Ok(format) => match &found {
                Some((log_type, first)) if *log_type != format.log_type => {
                    let what = format!("{first} is {log_type} and {name} is {}", format.log_type);
                    return Err(Error::usage("the files are of more than one log type")
                        .cause(what)
                        .hint("a report takes one: ship them one type at a time"));
                }
                _ => {
                    found.get_or_insert((format.log_type, name));
                    sure.push(path);
                }
            },
        }
    }
    *paths = sure;
    match found {
        Some((log_type, _)) => log_type.parse().map_err(Error::usage),
        None if held.len() == 1 => Err(held.remove(0).1),
        None => {
            let first = held.first().map(|(_, error)| error.one_line()).unwrap_or_default();
            Err(Error::failed(format!("the log type of none of the {} files is certain", held.len())).cause(first))
        }
    }
}

fn dry_run(context: &mut Context<'_>, config: &Config, feeds: &[Feed], held: Vec<(String, Error)>) -> Result<()> {
    let ledger = super::connect::ledger(config)?;
    let mut table = crate::ui::Table::new(&["feed", "shipment", "file", "bytes", "log_type", "quality"]);
    let mut outcome = Outcome { left_out: held, ..Outcome::default() };
    for feed in feeds {
        let (would, left_out) = crate::ship::would_ship(&ledger, feed, &context.layouts)?;
        for (number, shipment) in would.iter().enumerate() {
            for (path, bytes) in &shipment.files {
                table.row([
                    feed.name.clone().into(),
                    (number + 1).into(),
                    show(path).into(),
                    (*bytes).into(),
                    shipment.log_type.as_str().into(),
                    shipment.judgement.as_ref().map(|judgement| judgement.verdict.as_str()).into(),
                ]);
            }
            let first = shipment.files.first().map(|(path, _)| show(path)).unwrap_or_default();
            if let Some(judgement) = shipment.judgement.as_ref().filter(|found| found.verdict != Verdict::Accepted) {
                context.ui.warn(format!("{first}: {}", judgement.sentence()));
            }
            if let Some(why) = &shipment.held {
                outcome.left_out.push((first, why.clone()));
            }
        }
        outcome.left_out.extend(left_out.into_iter().map(|(path, error)| (show(&path), error)));
    }
    context.ui.table("files", &table)?;
    shipping::finish(context, &outcome)
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
