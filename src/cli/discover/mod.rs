//! `logweir discover`: the offline report: which cloud apps, who, how much, how risky.

mod inputs;
mod tables;
mod text;

use super::inputs::{find, log_type};
use super::{Context, block, catalog};
use crate::catalog::Catalog;
use crate::config::units;
use crate::discover::filter::{Network, Pattern};
use crate::discover::pseudonym::Pseudonyms;
use crate::discover::report::Source;
use crate::discover::tags::{self, Tag, Tags};
use crate::discover::{Engine, Filter, Options, Report, baseline, html};
use crate::error::{Error, Kind, Result};
use crate::ui::{Format, Table};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Report which cloud apps logs show, who uses them, how much and how risky that is, without sending anything
///
/// Reads plain and packed logs of any log type in bounded memory. What is written to standard output follows
/// --format; --html, --json and --csv write files besides.
#[derive(Debug, Args)]
pub struct Discover {
    /// Logs, directories of logs, glob patterns, or - for standard input; repeatable
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The log type, a [[layout]] of the configuration, or auto to recognise it file by file
    #[arg(long, default_value = "auto", value_name = "TYPE")]
    log_type: String,
    /// Count from this time on: a date, an RFC 3339 time, or how long ago (7d, 12h)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Count up to this time; a date counts to its end
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Count only origin addresses in this network, such as 192.0.2.0/24; repeatable
    #[arg(long, value_name = "NETWORK")]
    network: Vec<Network>,
    /// Count only this user, * standing for anything; repeatable
    #[arg(long, value_name = "USER")]
    user: Vec<String>,
    /// Count only this app (number, name or domain); repeatable
    #[arg(long, value_name = "APP")]
    app: Vec<String>,
    /// Count only apps of this category (id or name); repeatable
    #[arg(long, value_name = "CATEGORY")]
    category: Vec<String>,
    /// Count only apps that --tags says are unsanctioned
    #[arg(long, requires = "tags")]
    only_unsanctioned: bool,
    /// Read decisions about apps from this CSV file: app,tag with tag sanctioned, unsanctioned or under-review
    #[arg(long, value_name = "FILE")]
    tags: Option<PathBuf>,
    /// Say what is new since the run that wrote this with --json
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Replace users and addresses by tokens that stay the same under the key in this file
    #[arg(long, alias = "pseudonymize", value_name = "KEYFILE")]
    pseudonymise: Option<PathBuf>,
    /// Show this many rows of each list (default: 15 as text, 10,000 in a page, all otherwise)
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Write this table with --format csv
    #[arg(long, value_enum, default_value_t, value_name = "TABLE")]
    table: tables::Name,
    /// Write the page to this file
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Give the page this title
    #[arg(long, default_value = "Cloud app discovery", value_name = "TEXT")]
    title: String,
    /// Write the report as JSON to this file, for --baseline and for programs
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Write every table as CSV into this directory
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
    /// Render what --tags calls unsanctioned as a block list for this target; repeatable, then -o names a directory
    ///
    /// Without -o the list is written to standard output in place of the report.
    #[arg(long, value_name = "APPLIANCE", requires = "tags")]
    block: Vec<String>,
    /// Write the block list here
    #[arg(short, long, value_name = "FILE", requires = "block")]
    output: Option<PathBuf>,
    /// Set a parameter of the block list's target; repeatable
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = block::setting, requires = "block")]
    set: Vec<(String, String)>,
    #[command(flatten)]
    guarding: block::Guarding,
    /// Use this many threads (default: one per processor)
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZero<usize>>,
}

/// Rows of each list in text.
const TEXT_ROWS: usize = 15;
/// Rows of each list in a page.
const PAGE_ROWS: usize = 10_000;
/// Rows below an app or a user, in files.
const DETAIL: usize = 50;

impl Discover {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        let catalog = catalog::load(&config)?;
        let options = self.options(context, &catalog)?;
        let filter = self.filter(&catalog, &options.tags)?;
        let log_type = log_type(context, &self.log_type)?;
        let list = self.list(context)?;
        self.places(context)?;
        let threads = self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            std::num::NonZero::get,
        );
        let inputs = find(&self.files, &context.env.cwd)?;
        let engine = Engine::new(catalog.clone(), filter, threads, seed()?);
        let (sources, left_out) = inputs::read(context, &engine, inputs, log_type, threads)?;
        let unread: Vec<Error> = sources.iter().filter_map(nothing_read).collect();
        let report = engine.report(sources, &options);
        drop(engine);
        self.write(context, &report)?;
        let listed = match (&list, &self.tags) {
            (Some(list), Some(file)) => banned(context, list, &file.display().to_string(), &options.tags, &catalog),
            _ => Ok(()),
        };
        for problem in left_out.iter().chain(&unread) {
            context.ui.warn(crate::ui::escape::terminal(&problem.one_line()));
        }
        match left_out.len() + unread.len() {
            0 => listed,
            n => listed
                .and(Err(Error::new(Kind::Partial, format!("{n} of the inputs were not read, or not to their end")))),
        }
    }

    /// The block list asked for; what is wrong with it is said before anything is read.
    fn list(&self, context: &Context<'_>) -> Result<Option<block::Render>> {
        if self.block.is_empty() {
            return match self.guarding.is_empty() {
                true => Ok(None),
                false => Err(Error::usage("--never-block and --consent are about a block list")
                    .hint("name its target with --block APPLIANCE")),
            };
        }
        if self.output.is_none() && context.ui.format != Format::Text {
            return Err(Error::usage("the report and the block list do not both fit on standard output")
                .hint("name a file for the list with -o"));
        }
        let list = block::Render::of(self.block.clone(), self.set.clone(), self.output.clone(), self.guarding.clone());
        list.targets(context)?;
        Ok(Some(list))
    }

    /// Tries the places of the files asked for before anything is read.
    fn places(&self, context: &Context<'_>) -> Result<()> {
        let here = |path: &PathBuf| context.env.cwd.join(path);
        if let Some(dir) = self.csv.as_ref().map(here) {
            std::fs::create_dir_all(&dir)
                .map_err(|error| Error::failed(format!("cannot make {}", dir.display())).cause(error))?;
            block::can_write(&dir.join("apps.csv"))?;
        }
        [&self.html, &self.json].into_iter().flatten().try_for_each(|path| block::can_write(&here(path)))
    }

    fn options(&self, context: &Context<'_>, catalog: &Catalog) -> Result<Options> {
        let cwd = &context.env.cwd;
        let tags = match &self.tags {
            None => Tags::default(),
            Some(path) => {
                let text = read(&cwd.join(path), "the tags")?;
                let text = String::from_utf8(text)
                    .map_err(|_| Error::usage(format!("{} is not UTF-8 text", path.display())))?;
                Tags::read(&text, catalog).map_err(|mistakes| {
                    Error::usage(format!("the tags in {} are wrong", path.display()))
                        .cause(mistakes.join("; "))
                        .hint("each line is app,tag with the tag sanctioned, unsanctioned or under-review")
                })?
            }
        };
        let earlier = match &self.baseline {
            None => None,
            Some(path) => {
                let text = read(&cwd.join(path), "the baseline")?;
                Some(baseline::read(&path.display().to_string(), &text).map_err(|cause| {
                    Error::usage(format!("{} is no earlier report", path.display()))
                        .cause(cause)
                        .hint("write one with logweir discover --json FILE")
                })?)
            }
        };
        let pseudonyms = pseudonyms(self.pseudonymise.as_deref(), cwd)?;
        // No more rows than what is asked for has room for: they are what takes memory once everything is counted.
        let every = self.json.is_some() || self.csv.is_some() || context.ui.format != Format::Text;
        let page = if self.html.is_some() { PAGE_ROWS } else { TEXT_ROWS };
        let top = self.top.unwrap_or(if every { usize::MAX } else { page });
        Ok(Options { top, detail: DETAIL, pseudonyms, tags, earlier })
    }

    fn filter(&self, catalog: &Arc<Catalog>, tags: &Tags) -> Result<Filter> {
        let since = self.since.as_deref().map(|text| moment(text, false)).transpose()?;
        let until = self.until.as_deref().map(|text| moment(text, true)).transpose()?;
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(Error::usage("--since is not before --until"));
        }
        let mut apps = None;
        if !self.app.is_empty() || !self.category.is_empty() || self.only_unsanctioned {
            let ids = self.app.iter().map(|text| app(text, catalog)).collect::<Result<Vec<u32>>>()?;
            let categories = self.category.iter().map(|text| category(text)).collect::<Result<Vec<&str>>>()?;
            let kept = catalog.apps().iter().map(|app| {
                (ids.is_empty() || ids.contains(&app.id))
                    && (categories.is_empty() || categories.contains(&app.category.id))
                    && (!self.only_unsanctioned || tags.get(app.id) == Some(Tag::Unsanctioned))
            });
            apps = Some(kept.collect());
        }
        let users = self.user.iter().map(|text| Pattern::new(text)).collect();
        Ok(Filter { since, until, networks: self.network.clone(), users, apps })
    }

    fn write(&self, context: &mut Context<'_>, report: &Report) -> Result<()> {
        let here = |path: &Path| context.env.cwd.join(path);
        let mut written = Vec::new();
        if let Some(path) = &self.html {
            let made = format!(
                "Made by logweir {} on {}.",
                env!("CARGO_PKG_VERSION"),
                jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC")
            );
            super::block::write_atomically(&here(path), html::page(report, &self.title, &made).as_bytes())?;
            written.push(path.clone());
        }
        if let Some(path) = &self.json {
            let text = serde_json::to_vec(report)
                .map_err(|error| Error::failed("cannot write the report as JSON").cause(error))?;
            super::block::write_atomically(&here(path), &text)?;
            written.push(path.clone());
        }
        if let Some(dir) = &self.csv {
            let dir = here(dir);
            for name in tables::Name::ALL {
                let path = dir.join(format!("{}.csv", name.word()));
                super::block::write_atomically(&path, &tables::table(report, name).csv())?;
                written.push(path);
            }
        }
        match context.ui.format {
            _ if !self.block.is_empty() && self.output.is_none() => {}
            Format::Json => context.ui.json(report)?,
            Format::Csv => {
                let table: Table = tables::table(report, self.table);
                context.ui.bytes(&table.csv())?;
            }
            Format::Text => {
                let screen = text::Screen::of(context);
                let text = text::render(report, self.top.unwrap_or(TEXT_ROWS), &screen);
                context.ui.bytes(text.as_bytes())?;
            }
        }
        for path in written {
            context.ui.note(format!("wrote {}", crate::ui::escape::terminal(&path.display().to_string())));
        }
        Ok(())
    }
}

/// A log of which every line was rejected: its log type is most likely another one.
fn nothing_read(source: &Source) -> Option<Error> {
    (source.lines > 0 && source.rejected == source.lines).then(|| {
        let why = source.reasons.first().map(|(reason, _)| reason.as_str()).unwrap_or_default();
        Error::failed(format!("no line of {} can be read as {}", source.name, source.log_type))
            .cause(why)
            .hint("`logweir formats detect FILE` says which log type fits")
    })
}

/// Renders what the tags in `file` ban.
fn banned(context: &mut Context<'_>, list: &block::Render, file: &str, tags: &Tags, catalog: &Catalog) -> Result<()> {
    // The account goes to standard error, whatever the report's format is.
    let format = std::mem::replace(&mut context.ui.format, Format::Text);
    let apps = tags.with(Tag::Unsanctioned).filter_map(|id| catalog.app(id));
    let listed = list.apps(context, file, apps.map(|app| (app.name.as_str(), app.domains.as_slice())));
    context.ui.format = format;
    listed
}

/// Tokens under the key in a file, where one is named.
pub(super) fn pseudonyms(file: Option<&Path>, cwd: &Path) -> Result<Pseudonyms> {
    let Some(path) = file else { return Ok(Pseudonyms::off()) };
    Pseudonyms::keyed(&read(&cwd.join(path), "the key")?).map_err(|cause| {
        Error::usage(format!("{} holds no usable key", path.display()))
            .cause(cause)
            .hint("make one with: head -c 32 /dev/urandom | base64 > KEYFILE")
    })
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::usage(format!("cannot read {what} in {}", path.display())).cause(error))
}

/// A number that whoever writes the log cannot know.
fn seed() -> Result<u64> {
    let bytes: [u8; 8] = ring::rand::generate(&ring::rand::SystemRandom::new())
        .map_err(|_| Error::failed("the system gives no random numbers"))?
        .expose();
    Ok(u64::from_le_bytes(bytes))
}

fn app(text: &str, catalog: &Catalog) -> Result<u32> {
    tags::find(text, catalog).ok_or_else(|| {
        let error = Error::usage(format!("the catalogue has no app {text:?}"));
        match crate::config::nearest(text, catalog.apps().iter().map(|app| app.name.as_str())) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint("`logweir catalog search WORD` shows names and numbers"),
        }
    })
}

fn category(text: &str) -> Result<&'static str> {
    let known = crate::catalog::CATEGORIES.iter();
    let found = known.clone().find(|category| {
        category.id.eq_ignore_ascii_case(text)
            || category.name.eq_ignore_ascii_case(text)
            || category.id.trim_start_matches("SAASDB_CATEGORY_").eq_ignore_ascii_case(text)
    });
    found.map(|category| category.id).ok_or_else(|| {
        let error = Error::usage(format!("there is no category {text:?}"));
        match crate::config::nearest(text, known.map(|category| category.name)) {
            Some(near) => error.hint(format!("did you mean {near:?}?")),
            None => error.hint("`logweir catalog check` counts the categories"),
        }
    })
}

/// Microseconds of the epoch. A date stands for its first moment, or for its end.
fn moment(text: &str, end: bool) -> Result<i64> {
    let now = jiff::Timestamp::now();
    let day = |date: jiff::civil::Date| {
        let date = if end { date.tomorrow() } else { Ok(date) };
        let midnight = date.ok()?.to_datetime(jiff::civil::Time::midnight());
        jiff::tz::TimeZone::UTC.to_timestamp(midnight).ok()
    };
    let ago = |text: &str| {
        let length = units::duration(text).ok()?;
        now.checked_sub(jiff::SignedDuration::try_from(length).ok()?).ok()
    };
    let time = text.parse::<jiff::Timestamp>().ok();
    let time = time.or_else(|| text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10).and_then(day));
    time.or_else(|| ago(text)).map(jiff::Timestamp::as_microsecond).ok_or_else(|| {
        Error::usage(format!("{text:?} is not a time"))
            .hint("write a date (2026-11-20), a time (2026-11-20T08:00:00Z) or how long ago (7d, 12h)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_instants_or_how_long_ago() {
        let day = 86_400_000_000;
        assert_eq!(moment("1970-01-02", false).unwrap(), day);
        assert_eq!(moment("1970-01-02", true).unwrap(), 2 * day);
        assert_eq!(moment("1970-01-02T01:00:00+01:00", true).unwrap(), day);
        let ago = moment("2d", false).unwrap();
        assert!((jiff::Timestamp::now().as_microsecond() - ago - 2 * day).abs() < 60_000_000);
        for wrong in ["", "yesterday", "2026-13-01", "7"] {
            assert!(moment(wrong, false).is_err(), "{wrong}");
        }
    }

    #[test]
    fn categories_go_by_id_word_or_name() {
        for text in ["SAASDB_CATEGORY_CLOUD_STORAGE", "cloud_storage", "Cloud storage"] {
            assert_eq!(category(text).unwrap(), "SAASDB_CATEGORY_CLOUD_STORAGE");
        }
        assert!(category("Cloud storag").unwrap_err().hint_text().is_some_and(|hint| hint.contains("Cloud storage")));
    }
}
