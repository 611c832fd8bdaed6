//! `logweir formats`: the log types, what is known of each, and which one a file is.

use super::Context;
use super::inputs::{self, Look};
use crate::error::{Error, Kind, Result};
use crate::logs::{Extract, Format as LogFormat, Trouble, vendor};
use crate::ui::{Format, Table, escape};
use clap::{Args, Subcommand};
use serde::Serialize;

/// List the log types, show what is known of one, recognise files
#[derive(Debug, Args)]
pub struct Formats {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// List every log type that can be read
    List,
    /// Show what is known of a log type
    Show {
        /// The log type, such as SQUID_NATIVE, or a [[layout]] of the configuration
        #[arg(value_name = "TYPE")]
        log_type: String,
    },
    /// Say which log type each file is, how sure that is, what comes second and what tells the two apart
    Detect {
        /// Logs, directories of logs, glob patterns, or - for standard input; repeatable
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
}

impl Formats {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        match self.order {
            Order::List => list(context),
            Order::Show { log_type } => show(context, inputs::known(context, &log_type)?),
            Order::Detect { files } => detect(context, &files),
        }
    }
}

fn sorted() -> Vec<&'static LogFormat> {
    let mut formats: Vec<&LogFormat> = vendor::all().collect();
    formats.sort_by_key(|format| format.log_type);
    formats
}

fn list(context: &mut Context<'_>) -> Result<()> {
    let mut table = Table::new(&["log_type", "id", "product", "dialect", "framing", "certainty"]);
    for format in sorted() {
        table.row([
            format.log_type.into(),
            format.id.into(),
            format.product.into(),
            format.dialect.as_str().into(),
            format.envelope.as_str().into(),
            format.certainty.as_str().into(),
        ]);
    }
    context.ui.table("log_types", &table)
}

/// What is known of a log type.
#[derive(Serialize)]
struct Shown {
    log_type: &'static str,
    id: Option<u64>,
    product: &'static str,
    certainty: &'static str,
    framing: &'static str,
    dialect: &'static str,
    /// Names of keys or columns that are read, and what they fill.
    reads: Vec<&'static str>,
    direction: &'static str,
    allowed: &'static [&'static str],
    blocked: &'static [&'static str],
    /// What the service says it extracts; null where it says nothing.
    extracts: Option<Vec<&'static str>>,
    /// Texts by which lines are recognised.
    signs: Vec<&'static str>,
    remedies: Vec<Advice>,
    sample: &'static str,
}

#[derive(Serialize)]
struct Advice {
    when: String,
    what: &'static str,
}

impl Shown {
    fn of(format: &'static LogFormat) -> Shown {
        let sign = &format.sign;
        let extracts = format
            .extracts
            .map(|extracts| Extract::all().filter(|extract| extracts.contains(extract)).map(Extract::as_str).collect());
        Shown {
            log_type: format.log_type,
            id: format.id,
            product: format.product,
            certainty: format.certainty.as_str(),
            framing: format.envelope.as_str(),
            dialect: format.dialect.as_str(),
            reads: format.dialect.names().iter().map(|(name, _)| *name).collect(),
            direction: format.direction,
            allowed: format.allowed,
            blocked: format.blocked,
            extracts,
            signs: sign.all.iter().chain(sign.any).chain(sign.head).copied().collect(),
            remedies: format
                .remedies
                .iter()
                .map(|remedy| Advice { when: when(remedy.when), what: remedy.what })
                .collect(),
            sample: format.sample_line(),
        }
    }
}

fn when(trouble: Trouble) -> String {
    match trouble {
        Trouble::NoTransactions => "no line is a transaction".to_owned(),
        Trouble::NoUser => "no users".to_owned(),
        Trouble::NoUrl => "no URLs or hosts".to_owned(),
        Trouble::NoBytes => "no byte counts".to_owned(),
        Trouble::NoTime => "no times".to_owned(),
        Trouble::NoSource => "no origin addresses".to_owned(),
        Trouble::NotOutbound => "nothing goes out".to_owned(),
        Trouble::Broken => "most lines cannot be read".to_owned(),
        Trouble::Lines(text) => format!("lines with `{text}`"),
        Trouble::Always => "always".to_owned(),
    }
}

fn show(context: &mut Context<'_>, format: &'static LogFormat) -> Result<()> {
    let shown = Shown::of(format);
    match context.ui.format {
        Format::Json => return context.ui.json(&shown),
        Format::Csv => {
            let mut table = Table::new(&["log_type", "key", "value"]);
            for (key, value) in shown.rows() {
                table.row([shown.log_type.into(), key.into(), value.into()]);
            }
            return context.ui.table("log_type", &table);
        }
        Format::Text => {}
    }
    let mut text = format!("{}: {}\n", shown.log_type, shown.product);
    for (key, value) in shown.rows() {
        text.push_str(&format!("  {key:<11} {value}\n"));
    }
    context.ui.bytes(text.as_bytes())
}

impl Shown {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let words = |words: &[&str]| words.join(", ");
        let quoted =
            |words: &[&str]| words.iter().map(|word| format!("`{}`", word.trim())).collect::<Vec<_>>().join(" ");
        let certainty = match self.certainty {
            "inferred" => "inferred: nothing public says it all; compare with the sample that the portal offers",
            "configured" => "configured: a [[layout]] of the configuration; the service has to be told the same",
            _ => "public: documented by the vendor, or real lines were read",
        };
        let extracts = self.extracts.as_ref().map_or_else(|| "not said".to_owned(), |extracts| words(extracts));
        let mut rows = vec![
            ("number", self.id.map_or_else(|| "not known".to_owned(), |id| id.to_string())),
            ("certainty", certainty.to_owned()),
            ("framing", self.framing.to_owned()),
            ("dialect", self.dialect.to_owned()),
            ("direction", self.direction.to_owned()),
            ("extracts", format!("{extracts} (what the service says it takes from the type)")),
            ("signs", quoted(&self.signs)),
            ("reads", words(&self.reads)),
            ("allowed", words(self.allowed)),
            ("blocked", words(self.blocked)),
        ];
        rows.extend(self.remedies.iter().map(|advice| ("if", format!("{}: {}", advice.when, advice.what))));
        rows.push(("sample", escape::terminal(self.sample).into_owned()));
        rows.retain(|(_, value)| !value.is_empty());
        rows
    }
}

/// A file's log type for programs.
#[derive(Serialize)]
pub(super) struct Detected {
    /// The type that fits best; null when none does.
    log_type: Option<&'static str>,
    /// How well, 0 to 1.
    score: f64,
    /// Whether it may be acted on without asking.
    sure: bool,
    runner_up: Option<&'static str>,
    runner_up_score: f64,
    /// What tells the two apart.
    apart: Option<String>,
    /// Other types that lines belong to.
    mixed: Vec<Share>,
    /// Lines looked at.
    lines: usize,
    /// Share of them with a syslog header.
    framed: f64,
    /// What lines that no log type reads are.
    look_alike: Option<&'static str>,
}

#[derive(Serialize)]
struct Share {
    log_type: &'static str,
    share: f64,
}

impl From<&Look> for Detected {
    fn from(look: &Look) -> Detected {
        let found = &look.detection;
        let round = |share: f64| (share * 1e4).round() / 1e4;
        Detected {
            log_type: found.best.map(|best| best.format.log_type),
            score: round(found.best.map_or(0.0, |best| best.score)),
            sure: found.sure().is_some(),
            runner_up: found.runner_up.map(|second| second.format.log_type),
            runner_up_score: round(found.runner_up.map_or(0.0, |second| second.score)),
            apart: found.apart.clone(),
            mixed: found
                .mixed
                .iter()
                .map(|(format, share)| Share { log_type: format.log_type, share: round(*share) })
                .collect(),
            lines: found.lines,
            framed: round(found.framed),
            look_alike: look.look_alike,
        }
    }
}

#[derive(Serialize)]
struct Row {
    file: String,
    #[serde(flatten)]
    detected: Detected,
}

fn detect(context: &mut Context<'_>, files: &[String]) -> Result<()> {
    let (mut rows, mut text, mut left_out) = (Vec::new(), String::new(), Vec::new());
    for input in inputs::find(files, &context.env.cwd)? {
        let name = input.name(context);
        match input.open().and_then(|(reader, _)| inputs::look(reader)) {
            Ok((look, _)) => {
                if let Err(error) = look.sure(&name) {
                    left_out.push(Error::new(Kind::Partial, error.one_line()));
                }
                let mut line = format!("{name}: {}", look.detection.sentence());
                if let Some(what) = look.look_alike {
                    line.push_str(&format!("; {what}"));
                }
                text.push_str(&format!("{}\n", escape::terminal(&line)));
                rows.push(Row { file: name, detected: Detected::from(&look) });
            }
            Err(error) => left_out.push(Error::failed(format!("cannot read {name}")).cause(error)),
        }
    }
    match context.ui.format {
        Format::Text => context.ui.bytes(text.as_bytes())?,
        Format::Json => context.ui.json(&serde_json::json!({ "files": rows }))?,
        Format::Csv => {
            let names =
                ["file", "log_type", "score", "sure", "runner_up", "runner_up_score", "apart", "mixed", "look_alike"];
            let mut table = Table::new(&names);
            for Row { file, detected } in &rows {
                let mixed = detected.mixed.iter().map(|part| format!("{} {}", part.log_type, part.share));
                table.row([
                    file.as_str().into(),
                    detected.log_type.into(),
                    detected.score.to_string().into(),
                    detected.sure.to_string().into(),
                    detected.runner_up.into(),
                    detected.runner_up_score.to_string().into(),
                    detected.apart.clone().into(),
                    mixed.collect::<Vec<_>>().join(" ").into(),
                    detected.look_alike.into(),
                ]);
            }
            context.ui.table("files", &table)?;
        }
    }
    let unread: Vec<&Error> = left_out.iter().filter(|error| error.kind() == Kind::Failed).collect();
    for error in &unread {
        context.ui.warn(escape::terminal(&error.one_line()));
    }
    match (left_out.len(), rows.len()) {
        (0, _) => Ok(()),
        (count, 0) => Err(Error::failed(format!("none of the {count} files could be read"))),
        (count, _) => {
            let what = format!("{count} of {} files were not recognised for certain", rows.len() + unread.len());
            Err(Error::new(Kind::Partial, what).hint("name their log type with --log-type where it is asked for"))
        }
    }
}
