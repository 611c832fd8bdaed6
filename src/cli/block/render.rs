//! `logweir block render`: sources in, a list out, with the account of every entry.

use super::gather::{self, Guarding, Meaning, Source};
use super::{Context, parameters, setting, target, write_atomically};
use crate::block::appliance::{Appliance, Parameters};
use crate::block::guard::Guards;
use crate::block::plan::{self, Plan};
use crate::block::report::{self, Counts, Word};
use crate::block::source;
use crate::block::verdict::{Builder, Verdict};
use crate::block::write::{self, File};
use crate::domain::TenantName;
use crate::error::{Error, Kind, Result};
use crate::ui::{Format, Table, escape};
use clap::Args;
use jiff::{Timestamp, ZonedDateTime};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;

/// Render a list for one or more targets
#[derive(Debug, Args)]
pub struct Render {
    /// The target; repeatable, then -o names a directory
    #[arg(long, value_name = "NAME", required = true)]
    appliance: Vec<String>,
    /// Take entries from a file, from - or from the service (the default); repeatable, the sources are merged
    #[arg(long, value_name = "SOURCE", default_value = "service")]
    from: Vec<Source>,
    /// Write here instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Set a parameter of the target; repeatable
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Leave the date line out: the same input makes the same bytes
    #[arg(long)]
    no_date: bool,
    /// Fail, and write nothing, when an entry is not rendered as meant
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    meaning: Meaning,
    #[command(flatten)]
    guarding: Guarding,
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
}

struct Rendered<'v> {
    target: &'static Appliance,
    plan: Plan<'v>,
    counts: Counts,
}

/// A file of a list; without its bytes once it was put in place.
struct Made {
    path: PathBuf,
    role: &'static str,
    size: usize,
    bytes: Option<Vec<u8>>,
}

/// Puts the files of a list in place.
fn put(mut files: Vec<Made>) -> Result<Vec<Made>> {
    for file in &mut files {
        if let Some(dir) = file.path.parent() {
            std::fs::create_dir_all(dir)
                .map_err(|error| Error::failed(format!("cannot make {}", dir.display())).cause(error))?;
        }
        write_atomically(&file.path, &file.bytes.take().unwrap_or_default())?;
    }
    Ok(files)
}

impl Render {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let targets = self.targets(context)?;
        let guards = self.guarding.guards()?;
        let mut builder = Builder::new(self.meaning.reading());
        gather::files(&mut builder, &self.from, &context.env.cwd)?;
        if self.from.contains(&Source::Service) {
            gather::from_service(context, &mut builder, &self.tenant)?;
        }
        self.render(context, &targets, builder, &guards)
    }

    /// A list of another command's making.
    pub(in crate::cli) fn of(
        appliance: Vec<String>,
        set: Vec<(String, String)>,
        output: Option<PathBuf>,
        guarding: Guarding,
    ) -> Render {
        let (meaning, tenant) = (Meaning::default(), TenantName::default_tenant());
        Render { appliance, from: Vec::new(), output, set, no_date: false, strict: false, meaning, guarding, tenant }
    }

    /// Renders the domains of these apps, under the name of where they were decided.
    pub(in crate::cli) fn apps<'a>(
        &self,
        context: &mut Context<'_>,
        decided: &str,
        apps: impl Iterator<Item = (&'a str, &'a [String])>,
    ) -> Result<()> {
        let mut builder = Builder::new(self.meaning.reading());
        builder.source(decided);
        for (line, (name, domains)) in (1_u32..).zip(apps) {
            source::app(&mut builder, name, domains, line);
        }
        self.render(context, &self.targets(context)?, builder, &self.guarding.guards()?)
    }

    /// The targets with their parameters.
    pub(in crate::cli) fn targets(&self, context: &Context<'_>) -> Result<Vec<(&'static Appliance, Parameters)>> {
        let given = self.set.iter().cloned().collect();
        let mut targets = Vec::new();
        for name in &self.appliance {
            let target = target(name)?;
            targets.push((target, parameters(target, &given)?));
        }
        if self.output.is_none() && context.ui.format != Format::Json {
            let several = targets.len() > 1 || targets.iter().any(|(target, set)| target.pages(set).len() > 1);
            if several {
                return Err(Error::usage("several files do not fit on standard output").hint("name a place with -o"));
            }
        }
        Ok(targets)
    }

    fn render(
        &self,
        context: &mut Context<'_>,
        targets: &[(&'static Appliance, Parameters)],
        builder: Builder,
        guards: &Guards,
    ) -> Result<()> {
        let now = ZonedDateTime::now();
        let verdict = builder.finish(guards, Some(now.date()));
        let date = (!self.no_date).then(|| now.timestamp());
        let mut left_out = 0;
        let mut documents = Vec::new();
        let make = |target: &'static Appliance, parameters| -> Result<(Rendered<'_>, Vec<File>)> {
            let mut plan = plan::plan(target, parameters, &verdict, guards)?;
            let counts = Counts::of(&verdict, &plan);
            let files = write::whole(target, parameters, &verdict, &mut plan, date)?;
            plan.atoms = Vec::new();
            Ok((Rendered { target, plan, counts }, files))
        };
        if self.strict {
            // All of them, before the first one is written.
            for (target, parameters) in targets {
                let plan = plan::plan(target, parameters, &verdict, guards)?;
                let counts = Counts::of(&verdict, &plan);
                if counts.not_as_meant() > 0 {
                    return Err(self.not_as_meant(context, &verdict, &Rendered { target, plan, counts }));
                }
            }
        }
        // A list is synced to the disk, which takes as long as making one, while the next one is made.
        std::thread::scope(|scope| {
            let mut before: Option<(Rendered<'_>, ScopedJoinHandle<'_, Result<Vec<Made>>>)> = None;
            let mut tell = |context: &mut Context<'_>, rendered: &Rendered<'_>, files: &[Made]| {
                left_out += rendered.counts.left_out();
                self.hand_over(context, &verdict, rendered, files, &mut documents, date)
            };
            for (target, parameters) in targets {
                let made = make(target, parameters);
                if let Some((rendered, writing)) = before.take() {
                    tell(context, &rendered, &joined(writing)?)?;
                }
                let (rendered, files) = made?;
                let named = files.into_iter().map(|file| Made {
                    path: self.path(context, target, targets.len(), &file),
                    role: file.role,
                    size: file.bytes.len(),
                    bytes: Some(file.bytes),
                });
                let files: Vec<Made> = named.collect();
                if self.output.is_some() {
                    before = Some((rendered, scope.spawn(move || put(files))));
                } else {
                    tell(context, &rendered, &files)?;
                }
            }
            match before {
                Some((rendered, writing)) => tell(context, &rendered, &joined(writing)?),
                None => Ok(()),
            }
        })?;
        if context.ui.format == Format::Json {
            context.ui.json(&json!({ "lists": documents }))?;
        }
        if left_out > 0 {
            return Err(Error::new(Kind::Partial, format!("{left_out} entries were left out; they are listed above")));
        }
        Ok(())
    }

    /// Where a file goes; relative to nothing when it goes to standard output.
    fn path(&self, context: &Context<'_>, target: &Appliance, targets: usize, file: &File) -> PathBuf {
        let name = format!("{}.{}", target.name, target.extension);
        match &self.output {
            None => file.path(Path::new(&name)),
            Some(path) if targets > 1 || path.is_dir() => file.path(&context.env.cwd.join(path).join(name)),
            Some(path) => file.path(&context.env.cwd.join(path)),
        }
    }

    fn not_as_meant(&self, context: &mut Context<'_>, verdict: &Verdict, rendered: &Rendered<'_>) -> Error {
        let Rendered { target, plan, counts } = rendered;
        self.complain(context, verdict, plan, counts);
        Error::failed(format!("{}: {} entries are not as meant", target.name, counts.not_as_meant()))
            .cause(counts)
            .hint("nothing was written; without --strict they are only reported")
    }

    fn hand_over(
        &self,
        context: &mut Context<'_>,
        verdict: &Verdict,
        rendered: &Rendered<'_>,
        files: &[Made],
        documents: &mut Vec<Value>,
        date: Option<Timestamp>,
    ) -> Result<()> {
        let Rendered { target, plan, counts } = rendered;
        match context.ui.format {
            Format::Json => documents.push(document(verdict, rendered, files, date)),
            Format::Csv if self.output.is_some() => {
                context.ui.table("entries", &entries(verdict, plan, |_| true))?;
            }
            _ => {
                if self.output.is_none() {
                    for bytes in files.iter().filter_map(|file| file.bytes.as_deref()) {
                        context.ui.bytes(bytes)?;
                    }
                }
                self.complain(context, verdict, plan, counts);
                for file in files.iter().filter(|_| self.output.is_some()) {
                    context.ui.note(format!("wrote {} ({} bytes)", file.path.display(), file.size));
                }
                context.ui.note(format!("{}: {counts}", target.name));
                if let (Some(better), true) = (target.better, counts.not_as_meant() > 0) {
                    context.ui.note(format!("a target that may serve better: {better}"));
                }
            }
        }
        Ok(())
    }

    /// Tells each entry that is not as meant, up to a screenful; the whole is in `--format json` and `csv`.
    fn complain(&self, context: &mut Context<'_>, verdict: &Verdict, plan: &Plan<'_>, counts: &Counts) {
        const SCREEN: u64 = 40;
        let shown = counts.told().min(SCREEN);
        for row in report::told(verdict, plan).take(usize::try_from(shown).unwrap_or(0)) {
            let value: String = escape::terminal(row.value).chars().take(100).collect();
            context.ui.note(format!("{}:{}: {value}: {}: {}", row.source, row.line, row.word, row.detail));
        }
        let more = counts.told() - shown;
        if more > 0 {
            context.ui.note(format!("and {more} more; --format json tells them all"));
        }
    }
}

/// What the thread that writes came to.
fn joined(writing: ScopedJoinHandle<'_, Result<Vec<Made>>>) -> Result<Vec<Made>> {
    writing.join().unwrap_or_else(|_| Err(Error::failed("the list was not written: its thread ended")))
}

fn document(verdict: &Verdict, rendered: &Rendered<'_>, files: &[Made], date: Option<Timestamp>) -> Value {
    let Rendered { target, plan, counts } = rendered;
    let files: Vec<Value> = files
        .iter()
        .map(|file| {
            let text = file.bytes.as_deref().map(String::from_utf8_lossy);
            json!({ "path": file.path, "role": file.role, "bytes": file.size, "text": text })
        })
        .collect();
    let summary: serde_json::Map<String, Value> =
        Word::ALL.into_iter().map(|word| (word.key().to_owned(), counts.get(word).into())).collect();
    json!({
        "appliance": target.name, "product": target.product, "made_by": "logweir", "better": target.better,
        "rendered": date.map(|date| date.to_string()), "summary": summary, "files": files,
        "entries": entries(verdict, plan, |_| true).json(),
    })
}

/// The account of every input as a table.
fn entries(verdict: &Verdict, plan: &Plan<'_>, wanted: impl Fn(&report::Row<'_>) -> bool) -> Table {
    let mut table = Table::new(&["source", "line", "value", "scope", "app", "outcome", "detail"]);
    for row in report::rows(verdict, plan).filter(wanted) {
        let apps = row.entry.map(|entry| verdict.apps_of(entry)).filter(|apps| !apps.is_empty());
        table.row([
            row.source.into(),
            u64::from(row.line).into(),
            row.value.into(),
            row.entry.map(|entry| entry.scope.to_string()).into(),
            apps.into(),
            row.word.key().into(),
            Some(row.detail).filter(|detail| !detail.is_empty()).into(),
        ]);
    }
    table
}
