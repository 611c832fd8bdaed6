//! Everything a person or a program reads from us: results on standard output, all else on standard error.
//!
//! One [`Ui`] is handed down; nothing else in the crate prints. Text that came from logs, the service or file names
//! passes [`escape`] before it reaches a terminal.

pub mod chart;
pub mod escape;
pub mod progress;
pub mod rows;
pub mod table;

pub use table::Table;

use crate::config::Env;
use crate::error::{Error, Kind, Result};
use std::io::Write;

/// The shape of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One document per command; fields are only ever added.
    Json,
    /// One header line, then rows.
    Csv,
}

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The two output streams with what was asked of them.
pub struct Ui {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// The shape of results.
    pub format: Format,
    /// No progress, no notes.
    pub quiet: bool,
    /// Whether standard output is a terminal.
    pub out_terminal: bool,
    /// Whether progress bars may be drawn on standard error.
    pub bars: bool,
    color: bool,
}

impl Ui {
    /// A user interface on the process's own streams.
    pub fn new(env: &Env, format: Format, color: Color, quiet: bool, verbose: bool) -> Ui {
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => env.stderr_terminal && env.var("NO_COLOR").is_none(),
        };
        Ui {
            out: Box::new(std::io::stdout()),
            err: Box::new(std::io::stderr()),
            format,
            quiet,
            out_terminal: env.stdout_terminal,
            bars: env.stderr_terminal && !quiet && !verbose,
            color,
        }
    }

    /// Writes result bytes as they are.
    ///
    /// # Errors
    /// A closed pipe ends the command quietly; any other failure is an error.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).and_then(|()| self.out.flush()).map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => Error::new(Kind::OutputClosed, "standard output was closed"),
            _ => Error::failed("cannot write to standard output").cause(error),
        })
    }

    /// Writes one line of a text result.
    ///
    /// # Errors
    /// As [`Ui::bytes`].
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<()> {
        self.bytes(format!("{}\n", text.as_ref()).as_bytes())
    }

    /// Writes a JSON document and a newline.
    ///
    /// # Errors
    /// As [`Ui::bytes`].
    pub fn json(&mut self, document: &impl serde::Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(document)
            .map_err(|error| Error::failed("cannot write the result as JSON").cause(error))?;
        self.line(text)
    }

    /// Writes a table in the format asked for; as JSON it is `{"<name>": [rows]}`.
    ///
    /// # Errors
    /// As [`Ui::bytes`].
    pub fn table(&mut self, name: &str, table: &Table) -> Result<()> {
        match self.format {
            Format::Text => self.bytes(table.text().as_bytes()),
            Format::Csv => self.bytes(&table.csv()),
            Format::Json => self.json(&serde_json::json!({ name: table.json() })),
        }
    }

    /// Tells a person something on standard error; silent when quiet.
    pub fn note(&mut self, text: impl AsRef<str>) {
        if !self.quiet {
            self.stderr(text.as_ref());
        }
    }

    /// Warns on standard error, also when quiet.
    pub fn warn(&mut self, text: impl AsRef<str>) {
        let heading = self.paint("warning:", "33");
        self.stderr(&format!("{heading} {}", text.as_ref()));
    }

    /// Shows an error: what, cause, hint.
    pub fn error(&mut self, error: &Error) {
        let text = escape::terminal_lines(&error.to_string());
        let heading = self.paint("error:", "31");
        self.stderr(&text.replacen("error:", &heading, 1));
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.color { format!("\x1b[1;{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn stderr(&mut self, text: &str) {
        // Nothing is left to tell the failure to.
        let _ = writeln!(self.err, "{text}");
    }
}
