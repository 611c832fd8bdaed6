//! Understands log files: a line of a log type becomes a normalised [`Record`].
//!
//! * [`envelope`] takes off what syslog put in front, [`dialect`] takes the record apart, [`vendor`] says which field
//!   means what. A [`Format`] is the three together, as data; a [`Parser`] is one file being read.
//! * [`read()`] cuts an input into chunks at newlines, hands them to threads and merges what a [`Visit`] made of them in
//!   the order of the file. [`feed`] does the same for bytes already in hand.
//! * Nothing here knows a clock, a network or a file name. Lines are byte slices; nothing is allocated per line, and no
//!   line, however broken, is an error: it is a [`Line::Reject`] with its reason.

pub mod custom;
pub mod detect;
pub mod dialect;
pub mod envelope;
pub mod fields;
pub mod index;
pub mod input;
pub mod output;
pub mod quality;
mod read;
mod record;
mod scan;
pub mod sketch;
pub mod timestamp;
pub mod vendor;

pub use envelope::Envelope;
pub use read::{Reading, feed, read, read_live, read_with};
pub use record::{Action, Record, address, host_and_port, number, port, present};

use dialect::Dialect;
use fields::{Fields, Kind};
use timestamp::{Clock, Style};

/// How sure the layout of a log type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// The vendor documents it or real lines were read.
    Public,
    /// Nothing public says it all: built from what is known, to be checked against the portal's own sample.
    Inferred,
    /// The configuration describes it.
    Configured,
}

impl Certainty {
    /// The word shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Certainty::Public => "public",
            Certainty::Inferred => "inferred",
            Certainty::Configured => "configured",
        }
    }
}

/// What the service says it extracts from a log type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extract {
    /// Target URL.
    Url,
    /// Target address.
    DstIp,
    /// User name.
    User,
    /// Origin address.
    SrcIp,
    /// Total traffic.
    Total,
    /// Uploaded bytes.
    Up,
}

/// What gives a log type away in a line: texts of the record.
#[derive(Debug, Clone, Copy)]
pub struct Sign {
    /// Texts that are all in a line of this type.
    pub all: &'static [&'static str],
    /// Texts of which at least one is; empty for no such demand.
    pub any: &'static [&'static str],
    /// Texts of which none is.
    pub none: &'static [&'static str],
    /// Texts of which at least one is in a directive or header line of the file; empty for no such demand.
    pub head: &'static [&'static str],
    /// Texts of further messages of the product, which tell nothing where it has no line of its own.
    pub beside: &'static [&'static str],
    /// Taken only when no type with a name of its own fits.
    pub generic: bool,
}

/// Nothing to recognise.
pub const NO_SIGN: Sign = Sign { all: &[], any: &[], none: &[], head: &[], beside: &[], generic: false };

/// One log type: what it is called and how a line of it is read. Data, made by a vendor file.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// The service's name.
    pub log_type: &'static str,
    /// The service's number, where it is known.
    pub id: Option<u64>,
    /// The appliance.
    pub product: &'static str,
    /// How sure the layout is.
    pub certainty: Certainty,
    /// How lines are framed.
    pub envelope: Envelope,
    /// The grammar, with the vendor's table.
    pub dialect: Dialect,
    /// How times are written, where that is not seen from the text.
    pub style: Option<&'static Style>,
    /// What lines begin with that are no transactions, whatever the dialect would make of them.
    pub ignore: &'static [&'static str],
    /// The vendor's own function: looks at the pieces, moves them, decides what the line is.
    pub read: for<'l> fn(&mut Fields<'l>) -> Kind,
    /// Words that mean the request went through; `*` at the end stands for anything.
    pub allowed: &'static [&'static str],
    /// Words that mean it was refused; they are tried first.
    pub blocked: &'static [&'static str],
    /// What the service says it extracts; `None` where it says nothing.
    pub extracts: Option<&'static [Extract]>,
    /// What gives the type away.
    pub sign: Sign,
    /// What to change on the appliance when something is missing or refused.
    pub remedies: &'static [Remedy],
    /// Which side is the client and which count is up, in one clause.
    pub direction: &'static str,
    /// A log of the type with invented values.
    pub sample: &'static str,
}

/// What to change on the appliance, for one kind of trouble.
#[derive(Debug, Clone, Copy)]
pub struct Remedy {
    /// When it applies.
    pub when: Trouble,
    /// What to do, in one sentence.
    pub what: &'static str,
}

/// What may be wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Lines of the right product, none of them a transaction.
    NoTransactions,
    /// No user in any record.
    NoUser,
    /// Neither URL nor host in any record.
    NoUrl,
    /// No byte counts in any record.
    NoBytes,
    /// No time in any record.
    NoTime,
    /// No origin address in any record.
    NoSource,
    /// Nothing goes from inside to outside.
    NotOutbound,
    /// Most lines broken.
    Broken,
    /// Most lines that are no transactions have this text: another layout or another log of the product.
    Lines(&'static str),
    /// Worth knowing of the log type whatever the file holds.
    Always,
}

/// What a vendor file starts from: `Format { log_type: ..., ..BASE }`.
pub const BASE: Format = Format {
    log_type: "",
    id: None,
    product: "",
    certainty: Certainty::Public,
    envelope: Envelope::None,
    dialect: Dialect::Text,
    style: None,
    ignore: &[],
    read: |_| Kind::Record,
    allowed: &[],
    blocked: &[],
    extracts: None,
    sign: NO_SIGN,
    remedies: &[],
    direction: "",
    sample: "",
};

impl Format {
    /// The first transaction of the sample.
    pub fn sample_line(&'static self) -> &'static str {
        let mut parser = Parser::new(self);
        self.sample.lines().find(|line| matches!(parser.line(line.as_bytes()), Line::Record(_))).unwrap_or_default()
    }

    /// What a word of this format says became of the request.
    pub fn judge(&self, word: &[u8]) -> Option<Action> {
        let first = *word.first()? | LOWER;
        let fits = |known: &&str| match known.as_bytes() {
            b"*" => true,
            // Most words differ in the first letter.
            [initial, ..] if *initial | LOWER != first => false,
            [start @ .., b'*'] => word.len() >= start.len() && word[..start.len()].eq_ignore_ascii_case(start),
            known => word.eq_ignore_ascii_case(known),
        };
        if self.blocked.iter().any(fits) {
            return Some(Action::Blocked);
        }
        self.allowed.iter().any(fits).then_some(Action::Allowed)
    }
}

/// The bit that small letters have and capitals do not.
const LOWER: u8 = 0x20;

/// Why a line is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reject(pub &'static str);

impl Reject {
    /// The reason, a clause.
    pub fn reason(self) -> &'static str {
        self.0
    }
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'l> {
    /// A transaction.
    Record(Record<'l>),
    /// Not a transaction: empty, a comment, a header, another message of the appliance.
    Other,
    /// Broken.
    Reject(Reject),
}

/// One file being read: the format, the columns its header named, the day its last line was of.
#[derive(Debug, Clone)]
pub struct Parser {
    format: &'static Format,
    state: dialect::State,
    clock: Clock,
    scratch: Vec<u8>,
}

impl Parser {
    /// A parser at the start of a file.
    pub fn new(format: &'static Format) -> Parser {
        Parser { format, state: format.dialect.state(), clock: Clock::new(format.style), scratch: Vec::new() }
    }

    /// As [`Parser::new`], for a log read at this time (microseconds of the epoch): completes dates without a year.
    pub fn read_at(format: &'static Format, time: i64) -> Parser {
        let mut parser = Parser::new(format);
        parser.clock.read_at(time);
        parser
    }

    /// The log type being read.
    pub fn format(&self) -> &'static Format {
        self.format
    }

    /// Reads one line without its line feed. Borrows the line and the parser's scratch: nothing is allocated.
    pub fn line<'l>(&'l mut self, line: &'l [u8]) -> Line<'l> {
        let line = trim(line);
        if line.is_empty() {
            return Line::Other;
        }
        if line.len() >= input::LONGEST_LINE {
            return Line::Reject(Reject("the line is longer than 1 MiB"));
        }
        let (header, body) = match self.format.envelope {
            Envelope::None => (envelope::Header::default(), line),
            Envelope::Optional | Envelope::Syslog => envelope::strip(line),
        };
        if body.is_empty() || self.format.ignore.iter().any(|start| body.starts_with(start.as_bytes())) {
            return Line::Other;
        }
        let mut fields = Fields::new(header, body);
        let kind = match dialect::split(&self.format.dialect, &mut self.state, &mut fields) {
            Kind::Record => (self.format.read)(&mut fields),
            kind => kind,
        };
        match kind {
            Kind::Other => Line::Other,
            Kind::Reject(reject) => Line::Reject(reject),
            Kind::Record => fields.finish(self.format, &mut self.clock, &mut self.scratch),
        }
    }

    /// Passes over whole lines without reading them, but for those that name columns; `at` is where they start, the
    /// result is where the next one does.
    pub fn skip(&mut self, at: Position, lines: &[u8]) -> Position {
        self.learn(lines);
        Position { line: at.line + read::count_lines(lines), offset: at.offset + lines.len() as u64 }
    }

    /// Takes in the last line of a chunk that names columns, so that the next chunk can be read by another parser.
    fn learn(&mut self, chunk: &[u8]) {
        for marker in self.format.dialect.markers() {
            // Nearly always there is none, and looking forward finds that out many times faster than looking back.
            if memchr::memmem::find(chunk, marker.as_bytes()).is_none() {
                continue;
            }
            let mut before = chunk;
            while let Some(at) = memchr::memmem::rfind(before, marker.as_bytes()) {
                let start = memchr::memrchr(b'\n', &before[..at]).map_or(0, |end| end + 1);
                let end = memchr::memchr(b'\n', &chunk[at..]).map_or(chunk.len(), |end| at + end);
                let held = self.state.layout.clone();
                self.state.layout = None;
                self.line(&chunk[start..end]);
                if self.state.layout.is_some() {
                    return;
                }
                self.state.layout = held;
                before = &before[..start];
            }
        }
    }
}

/// A line without carriage return, and without the NUL bytes that a crash or a preallocated file leaves.
fn trim(line: &[u8]) -> &[u8] {
    let mut line = line;
    while let [rest @ .., b'\r' | b'\0'] = line {
        line = rest;
    }
    while let [b'\0', rest @ ..] = line {
        line = rest;
    }
    line
}

/// Where a line stands in its input, after unpacking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Counted from 1; 0 before the first line.
    pub line: u64,
    /// Bytes in front of the line.
    pub offset: u64,
}

/// Takes the lines of a chunk; chunks are handed to threads, what they gave is merged in the order of the file.
pub trait Visit: Send {
    /// One line, raw and understood.
    fn line(&mut self, at: Position, raw: &[u8], line: &Line<'_>);
    /// The chunk is over; called on the thread that fed it, so that what belongs to a thread can be given back.
    fn end(&mut self) {}
    /// Nothing more is there to read for now: whoever waits may see what was merged so far.
    fn pause(&mut self) {}
    /// Takes in what a later chunk gave.
    fn merge(&mut self, later: Self);
}

#[cfg(test)]
mod tests;
