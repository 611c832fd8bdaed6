//! What `discover` reads: files, directories, patterns and standard input, each with its log type.

use crate::cli::Context;
use crate::discover::Engine;
use crate::discover::report::Source;
use crate::error::{Error, Result};
use crate::logs::{self, Parser, vendor};
use crate::ui::progress::Progress;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// One input.
pub(super) enum Input {
    /// A file, under the name it was found by.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// How much of a file is looked at to recognise its log type, in bytes before unpacking.
const HEAD: usize = 256 << 10;

/// The log type asked for; `None` is to be recognised.
pub(super) fn log_type(text: &str) -> Result<Option<&'static logs::Format>> {
    if text == "auto" {
        return Ok(None);
    }
    vendor::find(text).map(Some).ok_or_else(|| {
        let error = Error::usage(format!("{text:?} is not a log type that can be read"));
        match crate::config::nearest(text, vendor::all().map(|format| format.log_type)) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint("`logweir formats list` shows them"),
        }
    })
}

/// The inputs that the arguments stand for; files of a directory in the order of their names.
pub(super) fn find(arguments: &[String], cwd: &Path) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for argument in arguments {
        let path = cwd.join(argument);
        if argument == "-" {
            inputs.push(Input::Stdin);
        } else if path.is_dir() {
            walk(&path, &|_| true, &mut inputs)?;
        } else if !path.exists() && argument.contains(['*', '?', '[']) {
            pattern(argument, &path, &mut inputs)?;
        } else {
            inputs.push(Input::File(path));
        }
    }
    if inputs.is_empty() {
        return Err(Error::usage(format!("nothing to read in {}", arguments.join(" "))));
    }
    Ok(inputs)
}

fn pattern(argument: &str, path: &Path, inputs: &mut Vec<Input>) -> Result<()> {
    let wrong = |cause: &dyn std::fmt::Display| Error::usage(format!("{argument:?} is not a pattern")).cause(cause);
    let text = path.to_str().ok_or_else(|| wrong(&"it is not UTF-8 text"))?;
    let glob = globset::GlobBuilder::new(text).literal_separator(true).build().map_err(|error| wrong(&error))?;
    let matcher = glob.compile_matcher();
    // Where the first wildcard is, the walk begins.
    let fixed = &text[..text.find(['*', '?', '[']).unwrap_or(text.len())];
    let base = Path::new(&fixed[..fixed.rfind('/').map_or(0, |slash| slash + 1)]);
    let before = inputs.len();
    walk(base, &|path| matcher.is_match(path), inputs)?;
    if inputs.len() == before {
        return Err(Error::usage(format!("no file matches {argument:?}")));
    }
    Ok(())
}

fn walk(base: &Path, wanted: &dyn Fn(&Path) -> bool, inputs: &mut Vec<Input>) -> Result<()> {
    for entry in walkdir::WalkDir::new(base).sort_by_file_name() {
        let entry =
            entry.map_err(|error| Error::failed(format!("cannot look into {}", base.display())).cause(error))?;
        if entry.file_type().is_file() && wanted(entry.path()) {
            inputs.push(Input::File(entry.into_path()));
        }
    }
    Ok(())
}

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
        let (name, opened) = match &input {
            Input::Stdin => ("standard input".to_owned(), Ok((Box::new(std::io::stdin()) as Box<dyn Read + Send>, 0))),
            Input::File(path) => {
                let shown = path.strip_prefix(&context.env.cwd).unwrap_or(path).display().to_string();
                let open = |path: &Path| -> std::io::Result<(Box<dyn Read + Send>, u64)> {
                    let file = std::fs::File::open(path)?;
                    let size = file.metadata()?.len();
                    Ok((Box::new(file), size))
                };
                (shown, open(path))
            }
        };
        let failed = |error: &dyn std::fmt::Display| Error::failed(format!("cannot read {name}")).cause(error);
        let (reader, size) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                left_out.push(failed(&error));
                continue;
            }
        };
        let bar = progress.bytes(&name, size);
        match one(engine, bar.wrap_read(reader), log_type, threads) {
            Ok((mut source, broken)) => {
                if let Some(error) = broken {
                    left_out
                        .push(Error::failed(format!("{name} was read only up to line {}", source.lines)).cause(error));
                }
                source.name = name;
                sources.push(source);
            }
            Err(Trouble::Io(error)) => left_out.push(failed(&error)),
            Err(Trouble::Unknown(why)) => left_out.push(
                Error::failed(format!("{name} is of no log type that was recognised"))
                    .cause(why)
                    .hint("name it with --log-type; `logweir formats list` shows the log types"),
            ),
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

/// The log type that reads most lines of the head of a log.
fn recognise(head: &[u8]) -> std::result::Result<&'static logs::Format, String> {
    let mut chunk = logs::input::Chunk::default();
    let opened = logs::input::open(head).and_then(|mut input| input.next_chunk(&mut chunk));
    if !opened.map_err(|error| error.to_string())? {
        return Err("it is empty".to_owned());
    }
    let score = |format: &&'static logs::Format| {
        let mut parser = Parser::new(format);
        let lines = chunk.bytes.split(|c| *c == b'\n').take(200);
        lines.filter(|line| matches!(parser.line(line), logs::Line::Record(_))).count()
    };
    let scored: Vec<_> = vendor::all().map(|format| (score(&format), format)).collect();
    let most = scored.iter().map(|(score, _)| *score).max().unwrap_or(0);
    let best: Vec<_> = scored.iter().filter(|(score, _)| *score == most).map(|(_, format)| *format).collect();
    match best.as_slice() {
        _ if most == 0 => Err("none of its first lines is a transaction of a known log type".to_owned()),
        [one] => Ok(one),
        several => {
            let names: Vec<&str> = several.iter().map(|format| format.log_type).collect();
            Err(format!("its first lines read equally well as {}", names.join(", ")))
        }
    }
}

enum Trouble {
    Io(std::io::Error),
    Unknown(String),
}

fn one(
    engine: &Engine,
    mut reader: impl Read + Send,
    log_type: Option<&'static logs::Format>,
    threads: usize,
) -> std::result::Result<(Source, Option<std::io::Error>), Trouble> {
    let mut head = Vec::new();
    let format = match log_type {
        Some(format) => format,
        None => {
            reader.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(Trouble::Io)?;
            recognise(&head).map_err(Trouble::Unknown)?
        }
    };
    let input = Cursor::new(head).chain(reader);
    let reading = logs::read_with(&Parser::new(format), input, threads, || engine.counting()).map_err(Trouble::Io)?;
    let mut source = reading.visit.into_source();
    source.log_type = format.log_type.to_owned();
    Ok((source, reading.broken))
}
