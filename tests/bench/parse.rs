//! How fast lines of every log type are understood on one core, beside bare loops over the same bytes.
//!
//! `cargo bench --bench parse -- [MiB] [LOG_TYPE...]` walks the registry. The four kinds that `logs.rs` invents are
//! measured on its lines; every other type on the transactions of its own sample, figures varied. "Understood" means
//! every field located, times, addresses and numbers read and checked. Time is the processor time of the one thread,
//! the best of several passes; what counts is the ratio to the bare loops in the same run.
//!
//! The last column is the number of allocations while the whole text was read: none, whatever its length.

#[path = "logs.rs"]
mod generate;

use logweir::logs::dialect::Dialect;
use logweir::logs::{self, Format, Line, Parser, Position, Visit, vendor};
use memchr::memmem::find;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

const PASSES: usize = 5;

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let size = args.iter().find_map(|arg| arg.parse::<usize>().ok()).unwrap_or(64) << 20;
    let wanted: Vec<&String> = args.iter().filter(|arg| arg.parse::<usize>().is_err()).collect();
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{:<32} {:<12} {:>7} {:>9} {:>9} | {:>8} {:>8} {:>8} | {:>6} {:>6}",
        "log type", "dialect", "MB/s", "klines/s", "bytes/ln", "newlines", "delims", "fields", "ratio", "allocs"
    )?;
    for format in vendor::all() {
        if !wanted.is_empty() && !wanted.iter().any(|name| format.log_type == name.as_str()) {
            continue;
        }
        let text = text(format, size)?;
        let lines = memchr::memchr_iter(b'\n', &text).count();
        let (ours, count) = best(|| understand(format, &text));
        assert!(count.records * 10 >= count.lines * 9, "{}: {count:?}", format.log_type);
        let allocations = allocation_counter::measure(|| {
            std::hint::black_box(understand(format, &text));
        });
        let (newlines, _) = best(|| memchr::memchr_iter(b'\n', &text).count());
        let [one, two, three] = delimiters(&format.dialect);
        let (delimiters, _) = best(|| memchr::memchr3_iter(one, two, three, &text).count());
        let (fields, _) = best(|| fields(&text, one, two));
        let rate = |time: Duration| text.len() as f64 / time.as_secs_f64() / 1e6;
        writeln!(
            out,
            "{:<32} {:<12} {:>7.0} {:>9.0} {:>9} | {:>8.0} {:>8.0} {:>8.0} | {:>6.2} {:>6}",
            format.log_type,
            format.dialect.as_str().split(' ').next().unwrap_or_default(),
            rate(ours),
            lines as f64 / ours.as_secs_f64() / 1e3,
            text.len() / lines,
            rate(newlines),
            rate(delimiters),
            rate(fields),
            rate(ours) / rate(fields),
            allocations.count_total,
        )?;
    }
    Ok(())
}

/// What was seen, so that nothing is left out as unused.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    lines: u64,
    records: u64,
    sum: u64,
}

impl Visit for Count {
    fn line(&mut self, _: Position, _: &[u8], line: &Line<'_>) {
        self.lines += 1;
        if let Line::Record(record) = line {
            self.records += 1;
            self.sum = self.sum.wrapping_add(record.bytes()).wrapping_add(record.time.unwrap_or(0).unsigned_abs());
            std::hint::black_box(record);
        }
    }

    fn merge(&mut self, _: Count) {}
}

/// One thread over all of it, in chunks as `read` cuts them, with one parser made beforehand.
fn understand(format: &'static Format, text: &[u8]) -> Count {
    thread_local!(static PARSER: std::cell::RefCell<Option<Parser>> = const { std::cell::RefCell::new(None) });
    PARSER.with_borrow_mut(|held| {
        let parser = match held {
            Some(parser) if std::ptr::eq(parser.format(), format) => parser,
            _ => held.insert(Parser::new(format)),
        };
        let (mut count, mut at) = (Count::default(), Position::default());
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.len().min(512 << 10);
            let end = memchr::memchr(b'\n', &rest[end..]).map_or(rest.len(), |found| end + found + 1);
            at = logs::feed(parser, at, &rest[..end], &mut count);
            rest = &rest[end..];
        }
        count
    })
}

/// The bare loop: lines, and in them the pieces between two separators.
fn fields(text: &[u8], one: u8, two: u8) -> usize {
    let (mut pieces, mut start) = (0_usize, 0);
    for end in memchr::memchr_iter(b'\n', text) {
        let line = &text[start..end];
        let mut from = 0;
        for at in memchr::memchr2_iter(one, two, line) {
            pieces += usize::from(std::hint::black_box(&line[from..at]).len() > 1);
            from = at + 1;
        }
        start = end + 1;
    }
    pieces
}

/// What stands between the pieces of a line; twice the same where there is one only.
fn delimiters(dialect: &Dialect) -> [u8; 3] {
    match dialect {
        Dialect::Columns(_) | Dialect::Text => [b' ', b' ', b'\n'],
        Dialect::W3c(_) => [b' ', b'\t', b'\n'],
        Dialect::Delimited(_) => [b',', b'\t', b'\n'],
        Dialect::KeyValue(_) | Dialect::Cef(_) | Dialect::Any(_) => [b' ', b'=', b'\n'],
        Dialect::Leef(_) => [b'\t', b'=', b'\n'],
        Dialect::Spaced(_) | Dialect::Json(_) => [b',', b':', b'\n'],
    }
}

/// So many bytes of this type's lines.
fn text(format: &'static Format, size: usize) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(size + (1 << 20));
    let log_type = if format.log_type == "PALO_ALTO_SYSLOG" { "PALO_ALTO" } else { format.log_type };
    if let Some(kind) = generate::KINDS.iter().find(|kind| kind.log_type == log_type && format.log_type != "PALO_ALTO")
    {
        kind.write(size as u64, &mut text)?;
        return Ok(text);
    }
    let sample = sample(format)?;
    // The lines that name columns, up to the second time, and the transactions below them; what else an appliance
    // writes is read faster.
    let mut parser = Parser::new(format);
    let named = |line: &[u8]| format.dialect.markers().iter().any(|marker| find(line, marker.as_bytes()).is_some());
    let (mut heads, mut body) = (Vec::new(), Vec::new());
    for line in sample.split(|c| *c == b'\n') {
        match parser.line(line) {
            Line::Record(_) => body.push(line),
            Line::Other if !line.is_empty() && named(line) && body.is_empty() => heads.push(line),
            Line::Other if !line.is_empty() && named(line) => break,
            _ => {}
        }
    }
    assert!(!body.is_empty(), "{}", format.log_type);
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for line in heads {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    while text.len() < size {
        for line in &body {
            let start = text.len();
            text.extend_from_slice(line);
            vary(&mut text[start..], &mut seed);
            text.push(b'\n');
        }
    }
    Ok(text)
}

fn sample(format: &Format) -> std::io::Result<Vec<u8>> {
    let name = format!("{}.log", format.log_type);
    for vendor in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/logs"))? {
        let path = vendor?.path().join(&name);
        if path.exists() {
            return std::fs::read(path);
        }
    }
    Err(std::io::Error::other(format!("no sample {name}")))
}

/// Changes the last figure of every number of four digits and more, but for message ids (`%ASA-6-302013`).
fn vary(line: &mut [u8], seed: &mut u64) {
    let mut digits = 0;
    for at in 0..line.len() {
        if line[at].is_ascii_digit() {
            digits += 1;
            continue;
        }
        if digits >= 4 && (at == digits || line[at - digits - 1] != b'-') {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // A figure below ten fits a byte.
            line[at - 1] = b'0' + (((*seed >> 33) * 10) >> 31) as u8;
        }
        digits = 0;
    }
}

/// The shortest processor time of several passes.
fn best<T>(work: impl Fn() -> T) -> (Duration, T) {
    let mut best = Duration::MAX;
    let mut last = None;
    for _ in 0..PASSES {
        let start = processor_time();
        last = Some(std::hint::black_box(work()));
        best = best.min(processor_time().saturating_sub(start));
    }
    (best.max(Duration::from_nanos(1)), last.expect("a pass"))
}

/// The processor time that this thread has used, as the kernel keeps it.
fn processor_time() -> Duration {
    // The kernel brings the figure up to date when the thread gives the processor away.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with scheduler statistics");
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok()).expect("a figure");
    Duration::from_nanos(nanoseconds)
}
