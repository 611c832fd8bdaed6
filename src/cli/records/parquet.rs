//! The normalised records as a Parquet file: typed columns, one row a transaction.
//!
//! The part of the format that is needed is small and has stood still for years: optional columns, plain values packed
//! with gzip, one page a column and row group (<https://parquet.apache.org/docs/file-format/>). The library for it would
//! bring two dozen crates; this is a file of ours, and the tests read it with an independent reader.
//!
//! Rows are gathered column by column, in the form in which they are written, and become a row group whenever some
//! megabytes are together: the memory does not depend on the log. The file is written beside its place and renamed there
//! when it is whole.

use super::names::Names;
use crate::error::{Error, Result};
use crate::logs::output::FIELDS;
use crate::logs::{Action, Line, Position, Record, Visit};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A row group is written when its columns take this many bytes.
const GROUP: usize = 24 << 20;
/// What a file begins and ends with.
const MARK: &[u8] = b"PAR1";

/// What a column holds, in the order of [`FIELDS`]: time, addresses and names as text, figures as numbers.
const KINDS: [Kind; FIELDS.len()] = [
    Kind::Time,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Port,
    Kind::Count,
    Kind::Count,
    Kind::Count,
    Kind::Text,
    Kind::Text,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Microseconds of the epoch, UTC.
    Time,
    /// UTF-8.
    Text,
    /// A number of 32 bits.
    Port,
    /// A number of 64 bits.
    Count,
}

impl Kind {
    /// The number of its physical type.
    fn physical(self) -> i64 {
        match self {
            Kind::Port => 1,
            Kind::Time | Kind::Count => 2,
            Kind::Text => 6,
        }
    }
}

/// One column of the rows gathered.
#[derive(Debug, Default)]
struct Column {
    /// Runs of rows that have a value, or have none.
    runs: Vec<(bool, u32)>,
    /// The values that are there, as a page has them.
    plain: Vec<u8>,
}

impl Column {
    fn present(&mut self, is: bool, rows: u32) {
        match self.runs.last_mut() {
            Some((last, run)) if *last == is => *run += rows,
            _ => self.runs.push((is, rows)),
        }
    }

    fn count(&mut self, value: Option<i64>) {
        self.present(value.is_some(), 1);
        if let Some(value) = value {
            self.plain.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn port(&mut self, value: Option<u16>) {
        self.present(value.is_some(), 1);
        if let Some(value) = value {
            self.plain.extend_from_slice(&u32::from(value).to_le_bytes());
        }
    }

    fn text(&mut self, value: Option<&[u8]>) {
        self.present(value.is_some(), 1);
        if let Some(value) = value {
            let text = String::from_utf8_lossy(value);
            self.plain.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            self.plain.extend_from_slice(text.as_bytes());
        }
    }

    fn append(&mut self, later: &Column) {
        later.runs.iter().for_each(|(is, rows)| self.present(*is, *rows));
        self.plain.extend_from_slice(&later.plain);
    }

    /// The page: which rows have a value, then the values.
    fn page(&self) -> Vec<u8> {
        let mut levels = Vec::new();
        for (is, rows) in &self.runs {
            varint(&mut levels, u64::from(*rows) << 1);
            levels.push(u8::from(*is));
        }
        let mut page = u32::try_from(levels.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        page.append(&mut levels);
        page.extend_from_slice(&self.plain);
        page
    }
}

/// Rows, column by column.
#[derive(Debug, Default)]
struct Columns {
    rows: u32,
    all: [Column; FIELDS.len()],
}

impl Columns {
    fn push(&mut self, record: &Record<'_>, origin: Option<&str>) {
        let figure = |bytes: Option<u64>| bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let shown = |address: Option<std::net::IpAddr>| address.map(|address| address.to_string());
        let [time, src_ip, user, host, url, dst_ip, dst_port, up, down, total, action, device] = &mut self.all;
        time.count(record.time);
        src_ip.text(origin.or(shown(record.src_ip).as_deref()).map(str::as_bytes));
        user.text(record.user);
        host.text(record.host);
        url.text(record.url);
        dst_ip.text(shown(record.dst_ip).as_deref().map(str::as_bytes));
        dst_port.port(record.dst_port);
        up.count(figure(record.bytes_up));
        down.count(figure(record.bytes_down));
        total.count(figure(record.bytes_total));
        action.text(record.action.map(Action::as_str).map(str::as_bytes));
        device.text(record.device);
        self.rows += 1;
    }

    fn append(&mut self, later: &Columns) {
        self.rows += later.rows;
        self.all.iter_mut().zip(&later.all).for_each(|(column, later)| column.append(later));
    }

    fn bytes(&self) -> usize {
        self.all.iter().map(|column| column.plain.len() + column.runs.len() * 8).sum()
    }
}

/// Where a column of a row group lies in the file.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    at: u64,
    plain: u64,
    packed: u64,
}

/// The file as far as it is written.
struct Writer<W: Write> {
    out: W,
    at: u64,
    groups: Vec<(u32, [Chunk; FIELDS.len()])>,
}

impl<W: Write> Writer<W> {
    fn new(mut out: W) -> io::Result<Writer<W>> {
        out.write_all(MARK)?;
        Ok(Writer { out, at: MARK.len() as u64, groups: Vec::new() })
    }

    fn group(&mut self, group: &mut Columns) -> io::Result<()> {
        let mut chunks = [Chunk { at: 0, plain: 0, packed: 0 }; FIELDS.len()];
        for (column, chunk) in group.all.iter_mut().zip(&mut chunks) {
            let page = std::mem::take(column).page();
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(&page)?;
            let packed = packer.finish()?;
            let header = page_header(group.rows, page.len(), packed.len());
            self.out.write_all(&header)?;
            self.out.write_all(&packed)?;
            let header = header.len() as u64;
            *chunk = Chunk { at: self.at, plain: header + page.len() as u64, packed: header + packed.len() as u64 };
            self.at += chunk.packed;
        }
        self.groups.push((group.rows, chunks));
        group.rows = 0;
        Ok(())
    }

    fn finish(mut self) -> io::Result<(W, u64)> {
        let rows = self.groups.iter().map(|(rows, _)| u64::from(*rows)).sum();
        let footer = footer(&self.groups, rows);
        self.out.write_all(&footer)?;
        self.out.write_all(&u32::try_from(footer.len()).unwrap_or(u32::MAX).to_le_bytes())?;
        self.out.write_all(MARK)?;
        self.out.flush()?;
        Ok((self.out, rows))
    }
}

fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// A structure in Thrift's compact protocol, in which the format describes itself. Fields go in by rising number.
#[derive(Default)]
struct Struct {
    bytes: Vec<u8>,
    last: u8,
}

impl Struct {
    fn field(&mut self, number: u8, kind: u8) {
        self.bytes.push((number - self.last) << 4 | kind);
        self.last = number;
    }

    fn zigzag(&mut self, value: i64) {
        varint(&mut self.bytes, (value << 1 ^ value >> 63) as u64);
    }

    fn i32(mut self, number: u8, value: i64) -> Struct {
        self.field(number, 5);
        self.zigzag(value);
        self
    }

    fn i64(mut self, number: u8, value: u64) -> Struct {
        self.field(number, 6);
        self.zigzag(i64::try_from(value).unwrap_or(i64::MAX));
        self
    }

    fn truth(mut self, number: u8) -> Struct {
        self.field(number, 1);
        self
    }

    fn text(mut self, number: u8, text: &str) -> Struct {
        self.field(number, 8);
        self.raw_text(text);
        self
    }

    fn raw_text(&mut self, text: &str) {
        varint(&mut self.bytes, text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn nested(mut self, number: u8, inner: Struct) -> Struct {
        self.field(number, 12);
        self.bytes.extend(inner.end());
        self
    }

    fn list(&mut self, number: u8, kind: u8, length: usize) {
        self.field(number, 9);
        if length < 15 {
            self.bytes.push((length as u8) << 4 | kind);
        } else {
            self.bytes.push(0xf0 | kind);
            varint(&mut self.bytes, length as u64);
        }
    }

    fn structs(mut self, number: u8, items: Vec<Struct>) -> Struct {
        self.list(number, 12, items.len());
        items.into_iter().for_each(|item| self.bytes.extend(item.end()));
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

/// A page of values (kind 0), plain (0), the levels in runs (3).
fn page_header(rows: u32, plain: usize, packed: usize) -> Vec<u8> {
    let about = Struct::default().i32(1, rows.into()).i32(2, 0).i32(3, 3).i32(4, 3);
    Struct::default().i32(1, 0).i32(2, plain as i64).i32(3, packed as i64).nested(5, about).end()
}

fn footer(groups: &[(u32, [Chunk; FIELDS.len()])], rows: u64) -> Vec<u8> {
    let mut schema = vec![Struct::default().text(4, "records").i32(5, FIELDS.len() as i64)];
    for (name, kind) in FIELDS.iter().zip(KINDS) {
        // Optional (1); what the bytes mean is said in the old way (6) and in the new one (10).
        let element = Struct::default().i32(1, kind.physical()).i32(3, 1).text(4, name);
        schema.push(match kind {
            Kind::Text => element.i32(6, 0).nested(10, Struct::default().nested(1, Struct::default())),
            Kind::Time => {
                let micros = Struct::default().nested(2, Struct::default());
                element.i32(6, 10).nested(10, Struct::default().nested(8, Struct::default().truth(1).nested(2, micros)))
            }
            Kind::Port | Kind::Count => element,
        });
    }
    let group = |(rows, chunks): &(u32, [Chunk; FIELDS.len()])| {
        let columns = FIELDS.iter().zip(KINDS).zip(chunks).map(|((name, kind), chunk)| {
            let mut about = Struct::default().i32(1, kind.physical());
            about.list(2, 5, 2);
            about.zigzag(0);
            about.zigzag(3);
            about.list(3, 8, 1);
            about.raw_text(name);
            // Packed with gzip (2).
            let about =
                about.i32(4, 2).i64(5, (*rows).into()).i64(6, chunk.plain).i64(7, chunk.packed).i64(9, chunk.at);
            Struct::default().i64(2, chunk.at).nested(3, about)
        });
        let bytes = chunks.iter().map(|chunk| chunk.plain).sum();
        Struct::default().structs(1, columns.collect()).i64(2, bytes).i64(3, (*rows).into())
    };
    Struct::default()
        .i32(1, 1)
        .structs(2, schema)
        .i64(3, rows)
        .structs(4, groups.iter().map(group).collect())
        .text(6, concat!("logweir ", env!("CARGO_PKG_VERSION")))
        .end()
}

struct State {
    writer: Writer<BufWriter<std::fs::File>>,
    group: Columns,
    error: Option<io::Error>,
}

/// The file being written.
pub(super) struct Table {
    path: PathBuf,
    beside: PathBuf,
    state: Mutex<State>,
    failed: AtomicBool,
}

impl Table {
    /// Begins the file that shall lie at `path`.
    ///
    /// # Errors
    /// When nothing can be written beside it.
    pub(super) fn create(path: &Path) -> Result<Table> {
        let name = path.file_name().ok_or_else(|| Error::usage(format!("{} is not a file name", path.display())))?;
        let beside = path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        let writer = std::fs::File::create(&beside).and_then(|file| Writer::new(BufWriter::new(file)));
        let writer = writer.map_err(|error| Error::failed(format!("cannot write {}", path.display())).cause(error))?;
        let state = State { writer, group: Columns::default(), error: None };
        Ok(Table { path: path.to_path_buf(), beside, state: Mutex::new(state), failed: AtomicBool::new(false) })
    }

    /// What takes the lines of a log.
    pub(super) fn rows<'t>(&'t self, names: &'t Names) -> Rows<'t> {
        Rows { columns: Columns::default(), table: self, names }
    }

    /// Set once nothing more can be written.
    pub(super) fn failed(&self) -> &AtomicBool {
        &self.failed
    }

    fn take(&self, later: &Columns) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { writer, group, error } = &mut *state;
        if error.is_some() {
            return;
        }
        group.append(later);
        if group.bytes() >= GROUP
            && let Err(failure) = writer.group(group)
        {
            *error = Some(failure);
            self.failed.store(true, Ordering::Relaxed);
        }
    }

    /// Leaves nothing behind.
    pub(super) fn discard(self) {
        // The unfinished file is ours; failing to remove it changes nothing for anybody.
        let _ = std::fs::remove_file(&self.beside);
    }

    /// Writes the rest and puts the file in its place; how many rows it has.
    ///
    /// # Errors
    /// When it cannot be written; what lay there before still does.
    pub(super) fn finish(self) -> Result<u64> {
        let State { mut writer, mut group, error } = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let write = || -> io::Result<u64> {
            if let Some(error) = error {
                return Err(error);
            }
            if group.rows > 0 {
                writer.group(&mut group)?;
            }
            let (out, rows) = writer.finish()?;
            out.get_ref().sync_all()?;
            std::fs::rename(&self.beside, &self.path)?;
            Ok(rows)
        };
        write().map_err(|error| {
            // The half-written file is ours; failing to remove it changes nothing for the reader of `path`.
            let _ = std::fs::remove_file(&self.beside);
            Error::failed(format!("cannot write {}", self.path.display())).cause(error)
        })
    }
}

/// The rows of a chunk; they go into the file when their turn comes.
pub(super) struct Rows<'t> {
    columns: Columns,
    table: &'t Table,
    names: &'t Names,
}

impl Visit for Rows<'_> {
    fn line(&mut self, _: Position, _: &[u8], line: &Line<'_>) {
        if let Line::Record(record) = line {
            self.names.show(record, |record, origin| self.columns.push(record, origin));
        }
    }

    fn merge(&mut self, later: Rows<'_>) {
        self.table.take(&later.columns);
    }
}
