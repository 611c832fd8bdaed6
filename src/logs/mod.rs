//! Understands log files: a line of a log type becomes a normalised [`Record`].
//!
//! No I/O beyond a reader handed in, no clock, no globals. Lines are byte slices; nothing is allocated per line.

pub mod input;
mod record;
pub mod vendor;

pub use record::{Action, Record};

/// One log type: what it is called and how a line of it is read.
#[derive(Debug)]
pub struct Format {
    /// The service's name.
    pub log_type: &'static str,
    /// The service's number.
    pub id: u64,
    /// The appliance.
    pub product: &'static str,
    parse: for<'l> fn(&'l [u8], &mut Record<'l>) -> Line,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// A transaction; the record was filled.
    Record,
    /// Not a transaction: an empty line, a comment.
    Other,
    /// Broken, for this reason.
    Reject(&'static str),
}

impl Format {
    /// Reads one line, without its line end, into a record.
    pub fn line<'l>(&self, line: &'l [u8], into: &mut Record<'l>) -> Line {
        *into = Record::default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            return Line::Other;
        }
        (self.parse)(line, into)
    }
}
