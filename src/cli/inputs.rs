//! What commands that read logs read: files, directories, patterns and standard input, each with its log type.

use super::Context;
use crate::domain::Layout;
use crate::error::{Error, Result};
use crate::logs::detect::{self, Detection};
use crate::logs::input::{ALWAYS, More};
use crate::logs::{self, vendor};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One input.
pub(super) enum Input {
    /// A file, under the name it was found by.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// A way to read bytes.
pub(super) type Reader = Box<dyn Read + Send>;

/// How much of a file is looked at to recognise its log type, in bytes before unpacking.
const HEAD: u64 = 256 << 10;

impl Input {
    /// The name shown to people; hostile.
    pub(super) fn name(&self, context: &Context<'_>) -> String {
        match self {
            Input::Stdin => "standard input".to_owned(),
            Input::File(path) => path.strip_prefix(&context.env.cwd).unwrap_or(path).display().to_string(),
        }
    }

    /// How to ask whether more can be read at once.
    pub(super) fn more(&self) -> More {
        match self {
            // A pipe that somebody writes into line by line. What cannot tell is read as it comes.
            Input::Stdin => || rustix::io::ioctl_fionread(io::stdin()).map_or(true, |bytes| bytes > 0),
            Input::File(_) => ALWAYS,
        }
    }

    /// Opens it; with its size, 0 where that is not known.
    pub(super) fn open(&self) -> io::Result<(Reader, u64)> {
        match self {
            Input::Stdin => Ok((Box::new(io::stdin()), 0)),
            Input::File(path) => {
                let file = std::fs::File::open(path)?;
                let about = file.metadata()?;
                if about.is_dir() {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                Ok((Box::new(file), about.len()))
            }
        }
    }
}

/// The log type asked for; `None` is to be recognised.
pub(super) fn log_type(context: &Context<'_>, text: &str) -> Result<Option<&'static logs::Format>> {
    if text == "auto" { Ok(None) } else { known(context, text).map(Some) }
}

/// A log type that can be read, or a layout of the configuration.
pub(super) fn known(context: &Context<'_>, text: &str) -> Result<&'static logs::Format> {
    if let Some(format) = vendor::find(text) {
        return Ok(format);
    }
    let config = context.config()?;
    if let Some(layout) = config.layout(text) {
        return context.layouts.format(layout);
    }
    let error =
        Error::usage(format!("{text:?} is neither a log type that can be read nor a [[layout]] that is configured"));
    let names = vendor::all().map(|format| format.log_type);
    Err(match crate::config::nearest(text, names.chain(config.layouts.iter().map(|layout| layout.name.as_str()))) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("`logweir formats list` shows the log types"),
    })
}

/// The layout of this name, where the registry has no log type of that name.
pub(super) fn layout(context: &Context<'_>, name: &str) -> Result<Option<Arc<Layout>>> {
    if vendor::find(name).is_some() {
        return Ok(None);
    }
    Ok(context.config()?.layout(name).cloned())
}

/// Looks at the beginning of an input, and gives it back whole.
///
/// # Errors
/// When not even its first bytes can be read or unpacked.
pub(super) fn look(reader: Reader) -> io::Result<(Look, Reader)> {
    look_live(reader, ALWAYS)
}

/// The same for what is being written while it is read: where nothing more is there at once, a beginning that makes it
/// sure is enough.
pub(super) fn look_live(mut reader: Reader, more: More) -> io::Result<(Look, Reader)> {
    let (mut raw, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    let look = loop {
        let room = usize::try_from(HEAD).unwrap_or(usize::MAX).saturating_sub(raw.len()).min(piece.len());
        let count = match reader.read(&mut piece[..room]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        raw.extend_from_slice(&piece[..count]);
        let last = count == 0;
        if last || (raw.ends_with(b"\n") && !more()) {
            let look = Look::at(&raw)?;
            if last || look.detection.sure().is_some() {
                break look;
            }
        }
    };
    Ok((look, Box::new(Cursor::new(raw).chain(reader))))
}

/// What the beginning of an input looks like.
pub(super) struct Look {
    /// The log type, as far as it can be told.
    pub detection: Detection,
    /// What lines that no log type reads are, where a vendor's rule says so.
    pub look_alike: Option<&'static str>,
}

impl Look {
    fn at(raw: &[u8]) -> io::Result<Look> {
        let head = detect::head(Cursor::new(raw))?;
        let detection = detect::detect(&head);
        let look_alike = if detection.best.is_none() { detect::look_alike(&head) } else { None };
        Ok(Look { detection, look_alike: look_alike.map(|(_, what)| what) })
    }

    /// The log type, or why none is taken for granted.
    pub(super) fn sure(&self, name: &str) -> Result<&'static logs::Format> {
        self.detection.sure().ok_or_else(|| match self.detection.best {
            Some(best) => Error::failed(format!("the log type of {name} is not certain"))
                .cause(format!("it looks like {}", self.detection.sentence()))
                .hint(format!("if it is what it looks like: --log-type {}", best.format.log_type)),
            None if self.detection.lines == 0 => Error::failed(format!("{name} is empty")),
            None => Error::failed(format!("{name} is of no log type that is recognised"))
                .cause(self.look_alike.unwrap_or("most of its first lines fit none of the known layouts"))
                .hint("name it with --log-type if you know it; `logweir formats list` shows the log types"),
        })
    }
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
