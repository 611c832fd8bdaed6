//! `logweir check`: understand logs without sending them, and say what the service would.

mod apps;
mod text;

use self::apps::{Apps, Watched};
use super::Context;
use super::formats::Detected;
use super::inputs::{self, Input, Look};
use crate::catalog::Catalog;
use crate::error::{Error, Kind, Result};
use crate::logs::input::Shape;
use crate::logs::quality::{Finding, Judgement, Level, Quality, Summary, Verdict};
use crate::logs::{Format as LogFormat, Parser, read_with};
use crate::ui::progress::Progress;
use crate::ui::{Format, Table, escape};
use clap::Args;
use serde::Serialize;
use std::io;

/// Understand logs without sending them: log type, fields, broken lines, and what the service would refuse
///
/// Exit code 0: all of it would be used; 3: something would be lost; 1: the service would refuse a log.
#[derive(Debug, Args)]
pub struct Check {
    /// Logs, directories of logs, glob patterns, or - for standard input; repeatable
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The log type, a [[layout]] of the configuration, or auto to recognise it file by file
    #[arg(long, default_value = "auto", value_name = "TYPE")]
    log_type: String,
    /// Show this many hosts
    #[arg(long, default_value_t = 10, value_name = "N")]
    top: usize,
    /// Use this many threads (default: one per processor)
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZero<usize>>,
}

/// What was found of one log.
#[derive(Serialize)]
struct Checked {
    file: String,
    /// The log type it was read as; null when none fits.
    log_type: Option<&'static str>,
    product: Option<&'static str>,
    certainty: Option<&'static str>,
    /// How the type was recognised; null where it was named.
    detection: Option<Detected>,
    packing: &'static str,
    encoding: &'static str,
    /// Bytes after unpacking.
    bytes: u64,
    verdict: Verdict,
    findings: Vec<Finding>,
    /// Null when no type fits.
    summary: Option<Summary>,
    /// What goes to apps of the catalogue; null when no type fits.
    apps: Option<Apps>,
    #[serde(skip)]
    recognised: Option<String>,
}

/// How often the log was read by each verdict.
#[derive(Default)]
struct Totals {
    refused: usize,
    lossy: usize,
    unread: usize,
}

impl Check {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let log_type = inputs::log_type(context, &self.log_type)?;
        let inputs = inputs::find(&self.files, &context.env.cwd)?;
        let progress = Progress::new(context.ui.bars);
        let catalog = super::catalog::load(&context.config()?)?;
        let (mut checked, mut totals) = (Vec::new(), Totals::default());
        let many = inputs.len();
        for input in inputs {
            let name = input.name(context);
            match self.one(&input, &name, log_type, &catalog, &progress) {
                Ok(found) => {
                    totals.refused += usize::from(found.verdict == Verdict::Refused);
                    totals.lossy += usize::from(found.verdict == Verdict::AcceptedWithLoss);
                    if context.ui.format == Format::Text {
                        // As they come: the next file may take long.
                        let gap = if many > 1 { "\n" } else { "" };
                        context.ui.bytes(format!("{}{gap}", text::render(&found)).as_bytes())?;
                    } else {
                        checked.push(found);
                    }
                }
                Err(error) => {
                    totals.unread += 1;
                    let line = format!("cannot read {name}: {error}");
                    context.ui.warn(escape::terminal(&line));
                }
            }
        }
        match context.ui.format {
            Format::Text => {}
            Format::Json => context.ui.json(&serde_json::json!({ "files": checked }))?,
            Format::Csv => context.ui.bytes(&table(&checked).csv())?,
        }
        totals.end(many)
    }

    fn one(
        &self,
        input: &Input,
        name: &str,
        log_type: Option<&'static LogFormat>,
        catalog: &Catalog,
        progress: &Progress,
    ) -> io::Result<Checked> {
        let (reader, size) = input.open()?;
        let (look, reader) = match log_type {
            Some(_) => (None, reader),
            None => {
                let (look, reader) = inputs::look(reader)?;
                (Some(look), reader)
            }
        };
        let format = log_type.or_else(|| look.as_ref()?.detection.best.map(|best| best.format));
        let Some(format) = format else {
            return Ok(unknown(name, look.as_ref()));
        };
        let now = jiff::Timestamp::now().as_microsecond();
        let threads = self.threads.map_or_else(super::threads, std::num::NonZero::get);
        let bar = progress.bytes(name, size);
        let reading = read_with(&Parser::read_at(format, now), bar.wrap_read(reader), threads, || {
            Watched::new(Quality::new(format, now), catalog)
        });
        bar.finish_and_clear();
        let reading = reading?;
        let (quality, apps) = (&reading.visit.quality, reading.visit.apps());
        let mut judgement = quality.judge(reading.shape);
        if let Some(error) = reading.broken {
            let what = format!("it could be read only up to line {}: {error}", reading.lines);
            let level = if reading.shape == Shape::default() { Level::Loss } else { Level::Refused };
            judgement.add(Finding::new(level, what).remedy("get the log anew: it is cut or damaged"));
        }
        if let Some(look) = &look {
            doubts(look, &mut judgement);
        }
        let summary = quality.summary(self.top);
        if apps.records == 0 && summary.direction.outbound + summary.direction.external > 0 {
            let what = format!("no transaction goes to one of the {} apps that logweir knows by name", apps.known);
            judgement.add(Finding::new(Level::Note, what).remedy(
                "the service knows more apps, also by address; if it finds none either, it refuses the log for that",
            ));
        }
        Ok(Checked {
            file: name.to_owned(),
            log_type: Some(format.log_type),
            product: Some(format.product),
            certainty: Some(format.certainty.as_str()),
            recognised: look.as_ref().map(|look| look.detection.sentence()),
            detection: look.as_ref().map(Detected::from),
            packing: reading.shape.packing.as_str(),
            encoding: reading.shape.encoding.as_str(),
            bytes: reading.bytes,
            verdict: judgement.verdict,
            findings: judgement.findings,
            summary: Some(summary),
            apps: Some(apps),
        })
    }
}

/// What is to be said of a type that is not certain, or not the only one.
fn doubts(look: &Look, judgement: &mut Judgement) {
    let log_type = judgement.log_type.clone();
    for (format, share) in &look.detection.mixed {
        let what = format!("{:.0} % of the lines looked at are {}, not {log_type}", share * 100.0, format.log_type);
        judgement.add(
            Finding::new(Level::Loss, what).remedy("let the collector write each appliance's log to a file of its own"),
        );
    }
    if look.detection.sure().is_none() {
        judgement.add(
            Finding::new(
                Level::Note,
                "the log type is not certain; a feed with log_type = \"auto\" would hold this log",
            )
            .remedy(format!("name it where it is shipped, if that is what it is: {log_type}")),
        );
    }
}

/// A log that no type reads.
fn unknown(name: &str, look: Option<&Look>) -> Checked {
    let empty = look.is_none_or(|look| look.detection.lines == 0);
    let mut finding = if empty {
        Finding::new(Level::Refused, "the log is empty").says("Unsupported file type")
    } else {
        Finding::new(Level::Refused, "its lines fit none of the known log types").says("The log format doesn't match")
    };
    if let Some(what) = look.and_then(|look| look.look_alike) {
        finding = finding.remedy(what);
    }
    if !empty {
        finding = finding
            .remedy("if you know the log type, name it with --log-type: then every line says why it cannot be read")
            .remedy(
                "for a layout of your own, describe it in a [[layout]] of the configuration, \
                 and to the custom parser of a data source in the portal",
            );
    }
    Checked {
        file: name.to_owned(),
        log_type: None,
        product: None,
        certainty: None,
        recognised: look.map(|look| look.detection.sentence()),
        detection: look.map(Detected::from),
        packing: Shape::default().packing.as_str(),
        encoding: Shape::default().encoding.as_str(),
        bytes: 0,
        verdict: Verdict::Refused,
        findings: vec![finding],
        summary: None,
        apps: None,
    }
}

impl Totals {
    /// How the command ends.
    fn end(&self, many: usize) -> Result<()> {
        let logs = |count: usize| if many == 1 { "the log".to_owned() } else { format!("{count} of {many} logs") };
        if self.refused > 0 {
            return Err(Error::failed(format!("the service would refuse {}", logs(self.refused))));
        }
        if self.unread == many {
            return Err(Error::failed("nothing could be read"));
        }
        if self.unread > 0 {
            return Err(Error::new(Kind::Partial, format!("{} of {many} logs could not be read", self.unread)));
        }
        if self.lossy > 0 {
            let what = format!("something of {} would be lost", logs(self.lossy));
            return Err(Error::new(Kind::Partial, what));
        }
        Ok(())
    }
}

/// One row per log.
fn table(checked: &[Checked]) -> Table {
    let mut table = Table::new(&[
        "file",
        "log_type",
        "certainty",
        "verdict",
        "lines",
        "records",
        "other",
        "rejected",
        "first",
        "last",
        "older_than_90_days",
        "in_the_future",
        "outbound",
        "users",
        "addresses",
        "findings",
    ]);
    for log in checked {
        let summary = log.summary.as_ref();
        let count = |of: fn(&Summary) -> u64| summary.map(of).into();
        let words = log.findings.iter().map(|finding| format!("{}: {}", finding.level.as_str(), finding.what));
        table.row([
            log.file.as_str().into(),
            log.log_type.into(),
            log.certainty.into(),
            log.verdict.as_str().into(),
            count(|summary| summary.lines),
            count(|summary| summary.records),
            count(|summary| summary.other),
            count(|summary| summary.rejected),
            summary.and_then(|summary| summary.time.first.clone()).into(),
            summary.and_then(|summary| summary.time.last.clone()).into(),
            count(|summary| summary.time.older_than_90_days),
            count(|summary| summary.time.in_the_future),
            count(|summary| summary.direction.outbound),
            count(|summary| summary.users),
            count(|summary| summary.addresses),
            words.collect::<Vec<_>>().join("; ").into(),
        ]);
    }
    table
}
