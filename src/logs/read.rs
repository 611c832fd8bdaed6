//! Reads a whole input: one thread unpacks and cuts, the others understand, what they found is merged in order.

use super::input::{self, Chunk, Shape};
use super::scan::Marks;
use super::{Format, Parser, Position, Visit, dialect::Layout};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// What reading an input gave.
#[derive(Debug)]
pub struct Reading<V> {
    /// What the visitors made of it.
    pub visit: V,
    /// What the input turned out to be.
    pub shape: Shape,
    /// How many lines, after unpacking.
    pub lines: u64,
    /// How many bytes, after unpacking.
    pub bytes: u64,
    /// Why it ended early, if it did: an archive that is cut, a disk that fails.
    pub broken: Option<io::Error>,
}

/// Reads a whole input (plain, gzip, zip; UTF-8, UTF-16) with this many threads.
///
/// # Errors
/// When the input cannot be read or unpacked to its end. Who wants what came before uses [`read_with`].
pub fn read<V: Visit>(
    format: &'static Format,
    input: impl Read + Send,
    threads: usize,
    new: impl Fn() -> V + Sync,
) -> io::Result<V> {
    let reading = read_with(&Parser::new(format), input, threads, new)?;
    reading.broken.map_or(Ok(reading.visit), Err)
}

/// As [`read()`], with a parser of the caller's making, and with what came before a failure.
///
/// # Errors
/// When not even the first bytes can be read.
pub fn read_with<V: Visit>(
    parser: &Parser,
    input: impl Read + Send,
    threads: usize,
    new: impl Fn() -> V + Sync,
) -> io::Result<Reading<V>> {
    read_live(parser, input, input::ALWAYS, threads, new)
}

/// As [`read_with`], for what is being written while it is read: lines are understood, merged and shown
/// ([`Visit::pause`]) as soon as `more` says that nothing more is there at once.
///
/// # Errors
/// When not even the first bytes can be read.
pub fn read_live<V: Visit>(
    parser: &Parser,
    input: impl Read + Send,
    more: input::More,
    threads: usize,
    new: impl Fn() -> V + Sync,
) -> io::Result<Reading<V>> {
    let mut input = input::open(input)?;
    input.live(more);
    let mut reading = Reading { visit: new(), shape: input.shape(), lines: 0, bytes: 0, broken: None };
    if threads < 2 {
        let mut parser = parser.clone();
        let mut at = Position { line: 1, offset: 0 };
        let mut chunk = Chunk::default();
        while next(&mut input, &mut chunk, &mut reading) {
            let mut visit = new();
            at = feed(&mut parser, at, &chunk.bytes, &mut visit);
            visit.end();
            at.offset += chunk.dropped;
            reading.visit.merge(visit);
            if chunk.idle {
                reading.visit.pause();
            }
        }
        (reading.lines, reading.bytes) = (at.line - 1, at.offset);
        return Ok(reading);
    }
    parallel(parser, &mut input, threads, &new, &mut reading);
    Ok(reading)
}

fn next<V>(input: &mut input::Input<'_>, chunk: &mut Chunk, reading: &mut Reading<V>) -> bool {
    match input.next_chunk(chunk) {
        Ok(more) => more,
        Err(error) => {
            reading.broken = Some(error);
            false
        }
    }
}

struct Job {
    number: u64,
    at: Position,
    bytes: Vec<u8>,
    layout: Option<Arc<Layout>>,
}

fn parallel<V: Visit>(
    parser: &Parser,
    input: &mut input::Input<'_>,
    threads: usize,
    new: &(impl Fn() -> V + Sync),
    reading: &mut Reading<V>,
) {
    let (jobs, waiting) = sync_channel::<Job>(threads);
    let waiting = Mutex::new(waiting);
    let (results, finished) = channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (mut parser, waiting, results) = (parser.clone(), &waiting, results.clone());
            scope.spawn(move || {
                loop {
                    let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    let mut visit = new();
                    parser.state.layout = job.layout;
                    feed(&mut parser, job.at, &job.bytes, &mut visit);
                    visit.end();
                    if results.send((job.number, visit, job.bytes)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        let mut header = parser.clone();
        let mut at = Position { line: 1, offset: 0 };
        let (mut chunk, mut spare) = (Chunk::default(), Vec::new());
        let (mut sent, mut merged) = (0_u64, 0_u64);
        let mut early = BTreeMap::new();
        let most = 2 * threads as u64;
        loop {
            let more = next(input, &mut chunk, reading);
            if more {
                let layout = header.state.layout.clone();
                header.learn(&chunk.bytes);
                let start = at;
                at.line += count_lines(&chunk.bytes);
                at.offset += chunk.bytes.len() as u64 + chunk.dropped;
                let bytes = std::mem::replace(&mut chunk.bytes, spare.pop().unwrap_or_default());
                if jobs.send(Job { number: sent, at: start, bytes, layout }).is_err() {
                    break;
                }
                sent += 1;
            }
            let idle = more && chunk.idle;
            while merged < sent && (!more || idle || sent - merged >= most) {
                let Ok((number, visit, bytes)) = finished.recv() else { return };
                early.insert(number, visit);
                spare.push(bytes);
                while let Some(visit) = early.remove(&merged) {
                    reading.visit.merge(visit);
                    merged += 1;
                }
            }
            if idle {
                reading.visit.pause();
            }
            if !more {
                break;
            }
        }
        drop(jobs);
        (reading.lines, reading.bytes) = (at.line - 1, at.offset);
    });
}

pub(super) fn count_lines(bytes: &[u8]) -> u64 {
    let ends = memchr::memchr_iter(b'\n', bytes).count() as u64;
    ends + u64::from(!bytes.is_empty() && !bytes.ends_with(b"\n"))
}

/// Feeds whole lines to a visitor; `at` is where they start, the result is where the next one does.
pub fn feed(parser: &mut Parser, at: Position, bytes: &[u8], visit: &mut impl Visit) -> Position {
    let mut ends = Marks::new(bytes, [b'\n']);
    let (mut line, mut start) = (at.line.max(1), 0);
    while start < bytes.len() {
        let end = ends.find(start);
        let raw = &bytes[start..end];
        let position = Position { line, offset: at.offset + start as u64 };
        visit.line(position, raw, &parser.line(raw));
        line += 1;
        start = end + 1;
    }
    Position { line, offset: at.offset + bytes.len() as u64 }
}
