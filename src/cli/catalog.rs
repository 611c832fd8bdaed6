//! `logweir catalog search|show|check`: the app catalogue, with the configured files laid over it.

use super::Context;
use crate::catalog::{self, App, Builder, By, COLUMNS, Catalog, Kind, Mistake, Trait};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::ui::{Format, Table};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Search, show and check the app catalogue
#[derive(Debug, Args)]
pub struct CatalogCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the records whose name, domains or category have every word in them; without words, all
    ///
    /// With --format csv the rows have the columns of a catalogue file of your own.
    Search {
        /// Words, in any letter case
        #[arg(value_name = "WORD")]
        words: Vec<String>,
        /// Only this kind of record
        #[arg(long, value_enum, value_name = "KIND")]
        kind: Option<KindName>,
        /// Only records known to have this trait; repeatable
        #[arg(long = "with", value_name = "TRAIT", value_parser = which)]
        with: Vec<Trait>,
    },
    /// Show the record of an id, a name, a host name or an address, with all that is known
    Show {
        /// Its id, name or domain, or a host name or address that belongs to it
        #[arg(value_name = "APP")]
        app: String,
    },
    /// Check catalogue files, all mistakes at once: those named, or those configured; counts what the catalogue holds
    Check {
        /// Your own records (.csv), or the tenant's verdict (.json)
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Address ranges, one CIDR,id a line; repeatable
        #[arg(long, value_name = "FILE")]
        addresses: Vec<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindName {
    App,
    Infrastructure,
    PageNoise,
}

fn which(text: &str) -> std::result::Result<Trait, String> {
    let keys = || Trait::ALL.into_iter().map(Trait::key);
    Trait::ALL.into_iter().find(|which| which.key() == text).ok_or_else(|| match crate::config::nearest(text, keys()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the traits are {}", keys().collect::<Vec<_>>().join(", ")),
    })
}

impl CatalogCommand {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        match self.action {
            Action::Search { words, kind, with } => {
                let catalog = load(&context.config()?)?;
                search(context, &catalog, &words, kind, &with)
            }
            Action::Show { app } => {
                let catalog = load(&context.config()?)?;
                show(context, &catalog, app.trim())
            }
            Action::Check { files, addresses } => {
                let (files, addresses) = if files.is_empty() && addresses.is_empty() {
                    let config = context.config()?;
                    (config.catalog_files, config.address_files)
                } else {
                    let here = |path: PathBuf| context.env.cwd.join(path);
                    (files.into_iter().map(here).collect(), addresses.into_iter().map(here).collect())
                };
                check(context, &files, &addresses)
            }
        }
    }
}

/// The catalogue as configured; the compiled-in one where nothing is.
pub(super) fn load(config: &Config) -> Result<Arc<Catalog>> {
    if config.catalog_files.is_empty() && config.address_files.is_empty() {
        return Ok(Catalog::builtin());
    }
    let builder = layers(&config.catalog_files, &config.address_files)?;
    builder.build().map(Arc::new).map_err(|mistakes| wrong(&mistakes))
}

/// Tables first, then what the tenant knows, then addresses, whatever the order they are named in.
fn layers(files: &[PathBuf], addresses: &[PathBuf]) -> Result<Builder> {
    let (verdicts, tables): (Vec<_>, Vec<_>) =
        files.iter().partition(|file| file.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")));
    let mut builder = Builder::new();
    for file in tables {
        builder.csv(&file.display().to_string(), &read(file)?);
    }
    for file in verdicts {
        builder.tenant(&file.display().to_string(), &read(file)?);
    }
    for file in addresses {
        builder.addresses(&file.display().to_string(), &read(file)?);
    }
    Ok(builder)
}

/// The longest catalogue file that is read, in bytes.
const LONGEST: u64 = 256 << 20;

fn read(file: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let failed = |cause: String| {
        Error::usage(format!("cannot read the catalogue file {}", file.display()))
            .cause(cause)
            .hint("catalog_files and address_files in the configuration name them")
    };
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| failed(error.to_string()))?;
    opened.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > LONGEST {
        return Err(failed("it has more than 256 MiB; no catalogue is that long".to_owned()));
    }
    Ok(bytes)
}

fn wrong(mistakes: &[Mistake]) -> Error {
    let first: Vec<String> = mistakes.iter().take(3).map(ToString::to_string).collect();
    Error::usage(format!("the catalogue files have {} mistake(s)", mistakes.len()))
        .cause(first.join("; "))
        .hint("list all of them with: logweir catalog check")
}

fn search(
    context: &mut Context<'_>,
    catalog: &Catalog,
    words: &[String],
    kind: Option<KindName>,
    with: &[Trait],
) -> Result<()> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let kind = kind.map(|kind| match kind {
        KindName::App => Kind::App,
        KindName::Infrastructure => Kind::Infrastructure,
        KindName::PageNoise => Kind::PageNoise,
    });
    let mut found: Vec<&App> = catalog.apps().iter().filter(|app| kind.is_none_or(|kind| app.kind == kind)).collect();
    found.retain(|app| with.iter().all(|which| app.has(*which) == Some(true)));
    found.retain(|app| {
        let text = format!("{}\n{}\n{}\n{}", app.name, app.domains.join("\n"), app.category.id, app.category.name);
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word.as_str()))
    });
    found.sort_by_cached_key(|app| app.name.to_lowercase());
    match context.ui.format {
        Format::Json => context.ui.json(&json!({ "apps": found.iter().map(|app| object(app)).collect::<Vec<_>>() })),
        Format::Csv => context.ui.table("apps", &rows(&found)),
        Format::Text => {
            let mut table = Table::new(&["id", "name", "kind", "category", "domains"]);
            for app in &found {
                let first = app.domains.first().map_or("-", String::as_str);
                let domains = match app.domains.len() {
                    0 | 1 => first.to_owned(),
                    more => format!("{first} and {} more", more - 1),
                };
                let (kind, category) = (app.kind.name(), app.category.name);
                table.row([
                    u64::from(app.id).into(),
                    app.name.clone().into(),
                    kind.into(),
                    category.into(),
                    domains.into(),
                ]);
            }
            if table.is_empty() {
                context.ui.note("nothing in the catalogue fits");
                return Ok(());
            }
            context.ui.table("apps", &table)
        }
    }
}

/// Rows with the columns of a user's own file.
fn rows(apps: &[&App]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for app in apps {
        table.row(COLUMNS.map(|column| cell(app, column).into_owned().into()));
    }
    table
}

fn cell<'a>(app: &'a App, column: &str) -> Cow<'a, str> {
    match column {
        "id" => app.id.to_string().into(),
        "name" => app.name.as_str().into(),
        "domains" => app.domains.join(" ").into(),
        "category" => app.category.id.into(),
        "kind" => app.kind.name().into(),
        "seat" => app.seat.as_deref().unwrap_or_default().into(),
        "checked" => app.checked.map(|year| year.to_string()).unwrap_or_default().into(),
        key => Trait::ALL.into_iter().find(|which| which.key() == key).map_or("", |w| catalog::word(app.has(w))).into(),
    }
}

fn object(app: &App) -> Value {
    let traits: Map<String, Value> =
        Trait::ALL.into_iter().map(|which| (which.key().to_owned(), app.has(which).into())).collect();
    json!({
        "id": app.id, "name": app.name, "domains": app.domains, "category": app.category.id,
        "category_name": app.category.name, "kind": app.kind.name(), "seat": app.seat, "traits": traits,
        "checked": app.checked,
    })
}

fn show(context: &mut Context<'_>, catalog: &Catalog, asked: &str) -> Result<()> {
    let (app, found_by) = find(catalog, asked).ok_or_else(|| unknown(catalog, asked))?;
    match context.ui.format {
        Format::Json => {
            let mut document = object(app);
            document["found_by"] = found_by.into();
            context.ui.json(&json!({ "app": document }))
        }
        Format::Csv => context.ui.table("app", &rows(&[app])),
        Format::Text => {
            let mut table = Table::new(&["what", "value"]);
            let pairs = ["id", "name", "category", "kind", "seat", "checked"].map(|column| (column, cell(app, column)));
            for (what, value) in pairs {
                table.row([what.into(), value.into_owned().into()]);
            }
            table.row(["found by".into(), found_by.into()]);
            for which in Trait::ALL {
                table.row([which.label().into(), catalog::word(app.has(which)).into()]);
            }
            for domain in &app.domains {
                table.row(["domain".into(), domain.clone().into()]);
            }
            context.ui.table("app", &table)
        }
    }
}

fn find<'c>(catalog: &'c Catalog, asked: &str) -> Option<(&'c App, &'static str)> {
    if let Some(app) = asked.parse().ok().and_then(|id| catalog.app(id)) {
        return Some((app, "id"));
    }
    let lower = asked.to_lowercase();
    if let Some(app) = catalog.apps().iter().find(|app| app.name.to_lowercase() == lower) {
        return Some((app, "name"));
    }
    catalog.identify(Some(asked.as_bytes()), None).map(|(app, by)| match by {
        By::Name => (app, "host name"),
        By::Address => (app, "address"),
    })
}

fn unknown(catalog: &Catalog, asked: &str) -> Error {
    let error = Error::failed(format!("nothing in the catalogue is or holds {asked:?}"));
    let lower: Vec<String> = catalog.apps().iter().map(|app| app.name.to_lowercase()).collect();
    match crate::config::nearest(&asked.to_lowercase(), lower.iter().map(String::as_str)) {
        Some(near) => {
            let name = catalog.apps().iter().find(|app| app.name.to_lowercase() == near).map_or(near, |app| &app.name);
            error.hint(format!("did you mean {name:?}?"))
        }
        None => error.hint("look for part of a name with: logweir catalog search WORD"),
    }
}

fn check(context: &mut Context<'_>, files: &[PathBuf], addresses: &[PathBuf]) -> Result<()> {
    let builder = layers(files, addresses)?;
    let notes = builder.notes().to_vec();
    let catalog = match builder.build() {
        Ok(catalog) => catalog,
        Err(mistakes) => {
            let mut table = Table::new(&["file", "line", "mistake"]);
            for mistake in &mistakes {
                table.row([mistake.file.clone().into(), mistake.line.into(), mistake.what.clone().into()]);
            }
            context.ui.table("mistakes", &table)?;
            return Err(Error::usage(format!("the catalogue files have {} mistake(s)", mistakes.len()))
                .cause("a catalogue with a mistake is not used at all")
                .hint("correct the lines listed and check again"));
        }
    };
    for note in notes {
        let note = crate::ui::escape::terminal(&note).into_owned();
        context.ui.note(note);
    }
    let mut table = Table::new(&["category", "apps", "infrastructure", "page_noise", "domains"]);
    for category in catalog::CATEGORIES {
        let of: Vec<&App> = catalog.apps().iter().filter(|app| app.category == category).collect();
        let count = |kind| of.iter().filter(|app| app.kind == kind).count();
        if !of.is_empty() {
            table.row([
                category.id.into(),
                count(Kind::App).into(),
                count(Kind::Infrastructure).into(),
                count(Kind::PageNoise).into(),
                of.iter().map(|app| app.domains.len()).sum::<usize>().into(),
            ]);
        }
    }
    context.ui.table("categories", &table)?;
    let domains: usize = catalog.apps().iter().map(|app| app.domains.len()).sum();
    let count = |kind| catalog.apps().iter().filter(|app| app.kind == kind).count();
    context.ui.note(format!(
        "sound: {} apps, {} infrastructure and page-noise records, {domains} domains",
        count(Kind::App),
        count(Kind::Infrastructure) + count(Kind::PageNoise)
    ));
    Ok(())
}
