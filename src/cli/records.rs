//! `logweir records`: the normalised records of logs, line for line or as a table.

mod names;
mod parquet;

use super::Context;
use super::discover::pseudonyms;
use super::inputs::{self, Input, Reader};
use crate::error::{Error, Kind, Result};
use crate::logs::{self, Line, Parser, Position, Visit, output, read_live};
use crate::ui::{Format, escape};
use clap::Args;
use names::Names;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Print the normalised records of logs: as JSON one line per line of the log, as CSV one row per transaction
///
/// As JSON (the default) a line that is no transaction gives `null`, so that line N of the output is line N of the log.
#[derive(Debug, Args)]
pub struct Records {
    /// Logs, directories of logs, glob patterns, or - for standard input; repeatable
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The log type, a [[layout]] of the configuration, or auto to recognise it file by file
    #[arg(long, default_value = "auto", value_name = "TYPE")]
    log_type: String,
    /// Write the transactions to this file in the Parquet format instead
    #[arg(long, value_name = "OUT")]
    parquet: Option<PathBuf>,
    /// Replace users and addresses by tokens that stay the same under the key in this file; URLs are left out
    #[arg(long, alias = "pseudonymize", value_name = "KEYFILE")]
    pseudonymise: Option<PathBuf>,
}

impl Records {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let log_type = inputs::log_type(context, &self.log_type)?;
        let names = Names(pseudonyms(self.pseudonymise.as_deref(), &context.env.cwd)?);
        let inputs = inputs::find(&self.files, &context.env.cwd)?;
        let many = inputs.len();
        let left_out = match &self.parquet {
            Some(path) => {
                let table = parquet::Table::create(&context.env.cwd.join(path))?;
                let left_out = each(context, inputs, log_type, table.failed(), || table.rows(&names), || Ok(()))?;
                if left_out.len() == many && left_out.iter().all(|problem| problem.kind() == Kind::Failed) {
                    table.discard();
                } else {
                    let rows = table.finish()?;
                    let path = escape::terminal(&path.display().to_string()).into_owned();
                    context.ui.note(format!("wrote {path} ({rows} records)"));
                }
                left_out
            }
            None => {
                let csv = context.ui.format == Format::Csv;
                let out = Mutex::new((io::BufWriter::new(io::stdout()), None));
                let sink = Sink { out, closed: AtomicBool::new(false) };
                if csv {
                    let mut heading = output::FIELDS.join(",");
                    heading.push('\n');
                    sink.write(heading.as_bytes());
                }
                each(context, inputs, log_type, &sink.closed, || Rows::new(csv, &sink, &names), || sink.end())?
            }
        };
        ended(context, left_out, many)
    }
}

/// Reads every input, and calls `after` behind each. What could not be read is listed.
fn each<V: Visit>(
    context: &Context<'_>,
    inputs: Vec<Input>,
    log_type: Option<&'static logs::Format>,
    closed: &AtomicBool,
    new: impl Fn() -> V + Sync,
    mut after: impl FnMut() -> Result<()>,
) -> Result<Vec<Error>> {
    let mut left_out = Vec::new();
    for input in inputs {
        let name = input.name(context);
        let failed = |error: io::Error| Error::failed(format!("cannot read {name}")).cause(error);
        let more = input.more();
        let read = input.open().map_err(failed).and_then(|(reader, _)| match log_type {
            Some(format) => Ok((format, reader)),
            None => inputs::look_live(reader, more)
                .map_err(failed)
                .and_then(|(look, reader)| Ok((look.sure(&name)?, reader))),
        });
        let read = read.and_then(|(format, reader)| {
            let now = jiff::Timestamp::now().as_microsecond();
            let reader = Until { reader, closed };
            read_live(&Parser::read_at(format, now), reader, more, super::threads(), &new).map_err(failed)
        });
        match read.map(|reading| (reading.lines, reading.broken)) {
            Err(error) => left_out.push(error),
            Ok((lines, Some(error))) => {
                let what = format!("{name} was read only up to line {lines}");
                left_out.push(Error::new(Kind::Partial, what).cause(error));
            }
            Ok((_, None)) => {}
        }
        after()?;
    }
    Ok(left_out)
}

/// Tells what was left out of so many inputs.
fn ended(context: &mut Context<'_>, mut left_out: Vec<Error>, many: usize) -> Result<()> {
    match left_out.len() {
        0 => Ok(()),
        1 if many == 1 => Err(left_out.remove(0)),
        count => {
            for problem in &left_out {
                context.ui.warn(escape::terminal(&problem.one_line()));
            }
            let nothing = count == many && left_out.iter().all(|problem| problem.kind() == Kind::Failed);
            let kind = if nothing { Kind::Failed } else { Kind::Partial };
            Err(Error::new(kind, format!("{count} of {many} inputs were not read, or not to their end")))
        }
    }
}

/// Standard output, and how it ended.
struct Sink {
    out: Mutex<(io::BufWriter<io::Stdout>, Option<io::Error>)>,
    closed: AtomicBool,
}

impl Sink {
    fn write(&self, bytes: &[u8]) {
        let (out, error) = &mut *self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if error.is_none()
            && let Err(failure) = out.write_all(bytes)
        {
            *error = Some(failure);
            self.closed.store(true, Ordering::Relaxed);
        }
    }

    /// Hands over what is buffered: somebody may be waiting for it.
    fn flush(&self) {
        let (out, error) = &mut *self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if error.is_none()
            && let Err(failure) = out.flush()
        {
            *error = Some(failure);
            self.closed.store(true, Ordering::Relaxed);
        }
    }

    fn end(&self) -> Result<()> {
        let (out, error) = &mut *self.out.lock().unwrap_or_else(PoisonError::into_inner);
        match error.take().map_or_else(|| out.flush(), Err) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Error::new(Kind::OutputClosed, "standard output was closed"))
            }
            Err(error) => Err(Error::failed("cannot write to standard output").cause(error)),
        }
    }
}

/// Reads until nobody wants to know any more.
struct Until<'c> {
    reader: Reader,
    closed: &'c AtomicBool,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.closed.load(Ordering::Relaxed) { Ok(0) } else { self.reader.read(buffer) }
    }
}

/// The rows of a chunk; written when their turn comes.
struct Rows<'s> {
    rows: Shape,
    sink: &'s Sink,
    names: &'s Names,
}

enum Shape {
    Json(Vec<u8>),
    Csv(Box<csv::Writer<Vec<u8>>>),
}

impl<'s> Rows<'s> {
    fn new(csv: bool, sink: &'s Sink, names: &'s Names) -> Rows<'s> {
        let rows =
            if csv { Shape::Csv(Box::new(csv::Writer::from_writer(Vec::new()))) } else { Shape::Json(Vec::new()) };
        Rows { rows, sink, names }
    }
}

impl Visit for Rows<'_> {
    fn line(&mut self, _: Position, _: &[u8], line: &Line<'_>) {
        match (&mut self.rows, line) {
            (Shape::Json(rows), Line::Record(record)) => {
                self.names.show(record, |record, origin| output::json(record, origin, rows));
            }
            (Shape::Json(rows), Line::Other | Line::Reject(_)) => rows.extend_from_slice(b"null\n"),
            (Shape::Csv(rows), Line::Record(record)) => {
                let row = self.names.show(record, output::row);
                // Writing into memory does not fail.
                let _ = rows.write_record(row.iter().map(|cell| escape::cell(cell).into_owned()));
            }
            (Shape::Csv(_), Line::Other | Line::Reject(_)) => {}
        }
    }

    fn pause(&mut self) {
        self.sink.flush();
    }

    fn merge(&mut self, later: Rows<'_>) {
        match later.rows {
            Shape::Json(rows) => self.sink.write(&rows),
            Shape::Csv(rows) => self.sink.write(&rows.into_inner().unwrap_or_default()),
        }
    }
}
