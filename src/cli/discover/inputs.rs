//! Reads what `discover` was given into its engine, each input with its log type.

use crate::cli::Context;
use crate::cli::inputs::{Input, Reader, look};
use crate::discover::Engine;
use crate::discover::report::Source;
use crate::error::{Error, Result};
use crate::logs::{self, Parser};
use crate::ui::progress::Progress;

/// Reads every input into the engine. What could not be read is listed; nothing read at all is an error.
pub(super) fn read(
    context: &mut Context<'_>,
    engine: &Engine,
    inputs: Vec<Input>,
    log_type: Option<&'static logs::Format>,
    threads: usize,
) -> Result<(Vec<Source>, Vec<Error>)> {
    let progress = Progress::new(context.ui.bars);
    let (mut sources, mut left_out) = (Vec::new(), Vec::new());
    for input in inputs {
        let name = input.name(context);
        let failed = |error: &dyn std::fmt::Display| Error::failed(format!("cannot read {name}")).cause(error);
        let (reader, size) = match input.open() {
            Ok(opened) => opened,
            Err(error) => {
                left_out.push(failed(&error));
                continue;
            }
        };
        let bar = progress.bytes(&name, size);
        match one(engine, &name, Box::new(bar.wrap_read(reader)), log_type, threads) {
            Ok((mut source, broken)) => {
                if let Some(error) = broken {
                    left_out
                        .push(Error::failed(format!("{name} was read only up to line {}", source.lines)).cause(error));
                }
                source.name = name;
                sources.push(source);
            }
            Err(Trouble::Io(error)) => left_out.push(failed(&error)),
            Err(Trouble::NotCertain(error)) => left_out.push(error),
        }
        bar.finish_and_clear();
    }
    match (sources.is_empty(), left_out.len()) {
        (true, 1) => Err(left_out.remove(0)),
        (true, n) => {
            let first = left_out.first().map(Error::one_line).unwrap_or_default();
            Err(Error::failed(format!("none of the {n} inputs could be read")).cause(first))
        }
        _ => Ok((sources, left_out)),
    }
}

enum Trouble {
    Io(std::io::Error),
    NotCertain(Error),
}

fn one(
    engine: &Engine,
    name: &str,
    reader: Reader,
    log_type: Option<&'static logs::Format>,
    threads: usize,
) -> std::result::Result<(Source, Option<std::io::Error>), Trouble> {
    let (format, reader) = match log_type {
        Some(format) => (format, reader),
        None => {
            let (look, reader) = look(reader).map_err(Trouble::Io)?;
            (look.sure(name).map_err(Trouble::NotCertain)?, reader)
        }
    };
    let reading = logs::read_with(&Parser::new(format), reader, threads, || engine.counting()).map_err(Trouble::Io)?;
    let mut source = reading.visit.into_source();
    source.log_type = format.log_type.to_owned();
    Ok((source, reading.broken))
}
