//! Reads a whole input: threads take turns at unpacking and cutting, understand what they cut, and merge it in order.

use super::input::{self, Chunk, Shape};
use super::{Format, Parser, Position, Visit, dialect::Layout};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

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
    if threads < 2 {
        return Ok(alone(parser.clone(), input, new));
    }
    let shape = input.shape();
    let source = Source { input, header: parser.clone(), at: FIRST, cut: 0, over: false, broken: None };
    let turn = Turn { source: Mutex::new(source), merging: Mutex::new(Merging::new(new())), room: Condvar::new() };
    let most = 2 * threads as u64;
    let work = || {
        let _leaving = Leaving(&turn);
        let (mut parser, mut chunk) = (parser.clone(), Chunk::default());
        while let Some(cut) = turn.cut(&mut chunk, most) {
            let mut visit = new();
            parser.state.layout = cut.layout;
            feed(&mut parser, cut.at, &chunk.bytes, &mut visit);
            visit.end();
            turn.merge(cut.number, visit, chunk.idle);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let Source { at, broken, .. } = turn.source.into_inner().unwrap_or_else(PoisonError::into_inner);
    let merging = turn.merging.into_inner().unwrap_or_else(PoisonError::into_inner);
    let visit = merging.whole.unwrap_or_else(new);
    Ok(Reading { visit, shape, lines: at.line - 1, bytes: at.offset, broken })
}

const FIRST: Position = Position { line: 1, offset: 0 };

fn alone<V: Visit>(mut parser: Parser, mut input: input::Input<'_>, new: impl Fn() -> V) -> Reading<V> {
    let (mut whole, mut at, mut chunk) = (new(), FIRST, Chunk::default());
    let broken = loop {
        match input.next_chunk(&mut chunk) {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break Some(error),
        }
        let mut visit = new();
        at = feed(&mut parser, at, &chunk.bytes, &mut visit);
        visit.end();
        at.offset += chunk.dropped;
        whole.merge(visit);
        if chunk.idle {
            whole.pause();
        }
    };
    Reading { visit: whole, shape: input.shape(), lines: at.line - 1, bytes: at.offset, broken }
}

/// What is left to read, and where that is.
struct Source<'r> {
    input: input::Input<'r>,
    /// Knows the columns that were named so far.
    header: Parser,
    at: Position,
    cut: u64,
    over: bool,
    broken: Option<io::Error>,
}

/// A chunk that a thread has taken.
struct Cut {
    number: u64,
    at: Position,
    layout: Option<Arc<Layout>>,
}

/// What was made of the chunks.
struct Merging<V> {
    /// Of all chunks before `merged`; none while a thread is merging.
    whole: Option<V>,
    merged: u64,
    /// Of later ones, and whether nothing more was there at once behind them.
    early: BTreeMap<u64, (V, bool)>,
    /// A thread has panicked: its chunk will never come.
    lost: bool,
}

impl<V> Merging<V> {
    fn new(whole: V) -> Merging<V> {
        Merging { whole: Some(whole), merged: 0, early: BTreeMap::new(), lost: false }
    }
}

/// Where threads take turns: each reads a chunk for itself, so that its bytes are near when it understands them, and
/// whoever has the next chunk in order merges it and what waits behind it.
struct Turn<'r, V> {
    source: Mutex<Source<'r>>,
    merging: Mutex<Merging<V>>,
    room: Condvar,
}

impl<V: Visit> Turn<'_, V> {
    /// Reads the next chunk as soon as fewer than `most` wait to be merged; `None` at the end.
    fn cut(&self, chunk: &mut Chunk, most: u64) -> Option<Cut> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let Source { input, header, at, cut, over, broken } = &mut *source;
        let number = *cut;
        let lost = {
            let merging = self.merging.lock().unwrap_or_else(PoisonError::into_inner);
            let full = |merging: &mut Merging<V>| !merging.lost && number - merging.merged >= most;
            self.room.wait_while(merging, full).unwrap_or_else(PoisonError::into_inner).lost
        };
        if *over || lost {
            return None;
        }
        match input.next_chunk(chunk) {
            Ok(true) => {}
            end => {
                (*over, *broken) = (true, end.err());
                return None;
            }
        }
        let taken = Cut { number, at: *at, layout: header.state.layout.clone() };
        header.learn(&chunk.bytes);
        at.line += count_lines(&chunk.bytes);
        at.offset += chunk.bytes.len() as u64 + chunk.dropped;
        *cut += 1;
        Some(taken)
    }

    fn merge(&self, number: u64, visit: V, idle: bool) {
        let lock = || self.merging.lock().unwrap_or_else(PoisonError::into_inner);
        let mut merging = lock();
        merging.early.insert(number, (visit, idle));
        // Whoever is merging takes this one too when its turn has come.
        let Some(mut whole) = merging.whole.take() else { return };
        loop {
            let next = merging.merged;
            let Some((visit, idle)) = merging.early.remove(&next) else { break };
            drop(merging);
            whole.merge(visit);
            if idle {
                whole.pause();
            }
            merging = lock();
            merging.merged += 1;
            self.room.notify_all();
        }
        merging.whole = Some(whole);
    }
}

/// Lets nobody wait for a thread that has panicked.
struct Leaving<'t, 'r, V>(&'t Turn<'r, V>);

impl<V> Drop for Leaving<'_, '_, V> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.merging.lock().unwrap_or_else(PoisonError::into_inner).lost = true;
            self.0.room.notify_all();
        }
    }
}

pub(super) fn count_lines(bytes: &[u8]) -> u64 {
    let ends = memchr::memchr_iter(b'\n', bytes).count() as u64;
    ends + u64::from(!bytes.is_empty() && !bytes.ends_with(b"\n"))
}

/// Feeds whole lines to a visitor; `at` is where they start, the result is where the next one does.
pub fn feed(parser: &mut Parser, at: Position, bytes: &[u8], visit: &mut impl Visit) -> Position {
    let (mut line, mut start) = (at.line.max(1), 0);
    while start < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |length| start + length);
        let raw = &bytes[start..end];
        let position = Position { line, offset: at.offset + start as u64 };
        visit.line(position, raw, &parser.line(raw));
        line += 1;
        start = end + 1;
    }
    Position { line, offset: at.offset + bytes.len() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{Line, vendor};

    /// Notes its lines; dies at one of them, and takes its time for the first chunk.
    #[derive(Default)]
    struct Careful {
        lines: Vec<u64>,
        dies_at: u64,
        pauses: usize,
    }

    impl Visit for Careful {
        fn line(&mut self, at: Position, _: &[u8], _: &Line<'_>) {
            assert!(at.line != self.dies_at, "as planned");
            if at.line == 1 {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            self.lines.push(at.line);
        }

        fn pause(&mut self) {
            self.pauses += 1;
        }

        fn merge(&mut self, later: Careful) {
            self.lines.extend(later.lines);
        }
    }

    fn careful(dies_at: u64) -> impl Fn() -> Careful + Sync {
        move || Careful { dies_at, ..Careful::default() }
    }

    /// Some ten chunks.
    fn text() -> Vec<u8> {
        b"a line of no log type, long enough to make some chunks of it\n".repeat(80_000)
    }

    #[test]
    fn a_slow_first_chunk_is_waited_for_and_merged_first() {
        let format = vendor::find("SQUID_NATIVE").unwrap();
        let reading = read_with(&Parser::new(format), &text()[..], 4, careful(0)).unwrap();
        assert!(reading.visit.lines.iter().copied().eq(1..=80_000));
        assert_eq!((reading.lines, reading.bytes, reading.visit.pauses), (80_000, text().len() as u64, 0));
    }

    #[test]
    fn what_is_shown_at_a_pause_is_all_there_was() {
        let format = vendor::find("SQUID_NATIVE").unwrap();
        let reading = read_live(&Parser::new(format), &text()[..], || false, 3, careful(0)).unwrap();
        assert!(reading.visit.lines.iter().copied().eq(1..=80_000));
        assert!(reading.visit.pauses > 9, "{}", reading.visit.pauses);
    }

    #[test]
    fn a_visitor_that_panics_ends_the_reading_instead_of_hanging_it() {
        let format = vendor::find("SQUID_NATIVE").unwrap();
        for dies_at in [1, 40_000] {
            let text = text();
            let read = || read_with(&Parser::new(format), &text[..], 3, careful(dies_at));
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).is_err());
        }
    }
}
