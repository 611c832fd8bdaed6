//! The parallel gzip writer: a log goes in, one gzip member comes out, compressed on all cores.
//!
//! ```text
//!  write ─► pieces of 1 MiB ─► workers, one a core ─► finished, by number ─► one thread writes them in order ─► sink
//! ```
//!
//! * Each piece carries the 32 KiB before it, so cutting the log into pieces costs no ratio; each becomes deflate
//!   blocks that end at a byte boundary, so the pieces join into *one* member: some readers stop after the first.
//!   Every piece has its own CRC-32; they are combined at the end.
//! * Nobody waits while holding a piece: only `write` waits, before it hands one over. Workers always may deliver and
//!   the next piece in order always is under way, so the queue cannot lock up, and memory stays at a few MiB.
//! * The level of a piece is chosen when a worker takes it: it may change at any time.
//!
//! The deflate encoder is ours, in safe Rust, because this is what logweir is for and because nothing else served:
//! ISA-L needs an assembler and a C library, libdeflate compresses whole buffers only and cannot refer to what came
//! before, zlib (in any form) is slower at every ratio on logs. The README has the figures. `flate2` decodes, here in
//! tests and elsewhere in input.

mod bits;
mod chains;
mod deflate;
mod greedy;
mod huffman;
mod lookup;
mod optimal;
mod pace;
mod quick;

use deflate::Encoder;
use flate2::Crc;
use pace::Follow;
pub use pace::{Backlog, Pace, STRONGEST};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// Bytes of log in a piece.
const PIECE: usize = 1 << 20;
/// Bytes of finished pieces that may wait for the sink before `write` waits.
const WAITING: usize = 4 << 20;
/// No name, no time, unknown system: the same log gives the same bytes on every host.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// An empty last block.
const LAST: [u8; 2] = [3, 0];

/// Part of the log, after the bytes it may refer to.
struct Piece {
    data: Vec<u8>,
    start: usize,
    /// It is all of the log.
    alone: bool,
}

/// A piece, compressed.
struct Packed {
    bytes: Vec<u8>,
    crc: Crc,
}

struct State {
    pieces: VecDeque<(u64, Piece)>,
    packed: BTreeMap<u64, Packed>,
    /// Number of the next piece to hand over, and of the next one the sink gets.
    given: u64,
    taken: u64,
    pace: Pace,
    follow: Follow,
    /// Buffers to use again.
    spare: Vec<Vec<u8>>,
    failure: Option<io::Error>,
    ended: bool,
}

impl State {
    fn waiting(&self) -> usize {
        self.packed.values().map(|packed| packed.bytes.len()).sum()
    }

    fn level(&mut self, number: u64, alone: bool) -> u8 {
        let queue = self.ready() as f64 / WAITING as f64;
        self.pace.level(number, alone, queue, &mut self.follow)
    }

    /// Finished bytes that only the sink keeps: those after a piece that is still under way do not count.
    fn ready(&self) -> usize {
        let in_order = self.packed.iter().zip(self.taken..).take_while(|((number, _), next)| *number == next);
        in_order.map(|((_, packed), _)| packed.bytes.len()).sum()
    }
}

/// The state and who waits for what of it.
struct Shared {
    state: Mutex<State>,
    /// A worker: a piece has come, or the end.
    piece: Condvar,
    /// The thread at the sink: a piece is finished, or the end.
    packed: Condvar,
    /// `write`: there is room for a piece.
    room: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_all(&self) {
        self.piece.notify_all();
        self.packed.notify_all();
        self.room.notify_all();
    }

    fn fail(&self, error: io::Error) {
        self.lock().failure.get_or_insert(error);
        self.wake_all();
    }

    /// What a worker does.
    fn work(&self) {
        let mut encoder = Encoder::default();
        let mut state = self.lock();
        loop {
            if state.failure.is_some() {
                return;
            }
            let Some((number, piece)) = state.pieces.pop_front() else {
                if state.ended {
                    return;
                }
                state = self.piece.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let level = state.level(number, piece.alone);
            let out = state.spare.pop().unwrap_or_default();
            drop(state);
            self.room.notify_one();
            let mut crc = Crc::new();
            crc.update(piece.data.get(piece.start..).unwrap_or_default());
            let bytes = encoder.piece(level, &piece.data, piece.start, out);
            state = self.lock();
            state.recycle(piece.data);
            state.packed.insert(number, Packed { bytes, crc });
            self.packed.notify_one();
        }
    }

    /// What the thread at the sink does.
    fn drain<W: Write>(&self, mut sink: W) -> io::Result<W> {
        sink.write_all(&HEAD)?;
        let mut crc = Crc::new();
        let mut state = self.lock();
        loop {
            if state.failure.is_some() {
                return Err(io::Error::other("packing was given up"));
            }
            let next = state.taken;
            let Some(packed) = state.packed.remove(&next) else {
                if state.ended && state.taken == state.given {
                    break;
                }
                state = self.packed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.taken += 1;
            drop(state);
            crc.combine(&packed.crc);
            let written = sink.write_all(&packed.bytes);
            state = self.lock();
            state.recycle(packed.bytes);
            self.room.notify_one();
            written?;
        }
        drop(state);
        sink.write_all(&LAST)?;
        sink.write_all(&crc.sum().to_le_bytes())?;
        sink.write_all(&crc.amount().to_le_bytes())?;
        Ok(sink)
    }
}

impl State {
    fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < 8 {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

/// Tells the others when its thread panics, so that nobody waits for it.
struct Watch<'a>(&'a Shared);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(io::Error::other("a packing thread ended early"));
        }
    }
}

/// Compresses what is written to it into one gzip member, on several threads, and writes that to a sink.
///
/// Dropped without [`finish`](Self::finish) it gives up: what the sink got is no whole member, and no thread is left.
pub struct GzipWriter<W> {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    sink: Option<JoinHandle<Option<W>>>,
    threads: usize,
    /// The piece being filled: the bytes before it, then its own.
    filling: Piece,
}

impl<W: Write + Send + 'static> GzipWriter<W> {
    /// Starts the threads: one a core when `threads` is `None`.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(sink: W, threads: Option<usize>, pace: Pace) -> io::Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or_else(cores).max(1);
        let state = State {
            pieces: VecDeque::new(),
            packed: BTreeMap::new(),
            given: 0,
            taken: 0,
            pace,
            follow: Follow::new(),
            spare: Vec::new(),
            failure: None,
            ended: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            piece: Condvar::new(),
            packed: Condvar::new(),
            room: Condvar::new(),
        });
        let filling = Piece { data: Vec::new(), start: 0, alone: false };
        // From here on dropping the writer ends the threads that there are.
        let mut writer = Self { shared, workers: Vec::new(), sink: None, threads, filling };
        let shared = Arc::clone(&writer.shared);
        writer.sink = Some(Builder::new().name("gzip-sink".to_owned()).spawn(move || {
            let _watch = Watch(&shared);
            shared.drain(sink).map_err(|error| shared.fail(error)).ok()
        })?);
        for _ in 0..threads {
            let shared = Arc::clone(&writer.shared);
            writer.workers.push(Builder::new().name("gzip".to_owned()).spawn(move || {
                let _watch = Watch(&shared);
                shared.work();
            })?);
        }
        Ok(writer)
    }

    /// Compresses what no worker has taken yet at another pace.
    pub fn set_pace(&self, pace: Pace) {
        self.shared.lock().pace = pace;
    }

    /// Writes what is left and the end of the member; gives the sink back.
    ///
    /// # Errors
    /// What the sink answered, if it failed at any time.
    pub fn finish(mut self) -> io::Result<W> {
        if self.filling.data.len() > self.filling.start {
            // Nothing stands before the first piece, and this one is the last.
            self.filling.alone = self.filling.start == 0;
            self.hand_over()?;
        }
        self.shared.lock().ended = true;
        let sink = self.join();
        let failure = self.shared.lock().failure.take();
        match (sink, failure) {
            (Some(sink), None) => Ok(sink),
            (_, failure) => Err(failure.unwrap_or_else(|| io::Error::other("a packing thread ended early"))),
        }
    }

    /// Gives the filled piece to the workers and begins the next with the end of it.
    fn hand_over(&mut self) -> io::Result<()> {
        let mut state = self.shared.lock();
        while state.failure.is_none() && (state.pieces.len() > self.threads || state.waiting() >= WAITING) {
            state = self.shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(error) = &state.failure {
            return Err(again(error));
        }
        let mut data = state.spare.pop().unwrap_or_default();
        let full = &self.filling.data;
        data.reserve(PIECE + lookup::WINDOW);
        data.extend_from_slice(full.get(full.len().saturating_sub(lookup::WINDOW)..).unwrap_or_default());
        let start = data.len();
        let full = std::mem::replace(&mut self.filling, Piece { data, start, alone: false });
        let number = state.given;
        state.given += 1;
        state.pieces.push_back((number, full));
        drop(state);
        self.shared.piece.notify_one();
        Ok(())
    }
}

impl<W> GzipWriter<W> {
    fn join(&mut self) -> Option<W> {
        self.shared.wake_all();
        for worker in self.workers.drain(..) {
            // How it ended is in the state.
            let _ = worker.join();
        }
        self.sink.take().and_then(|sink| sink.join().ok().flatten())
    }
}

impl<W: Write + Send + 'static> Write for GzipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filling.data.len() - self.filling.start >= PIECE {
            self.hand_over()?;
        }
        let room = PIECE - (self.filling.data.len() - self.filling.start);
        let now = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        self.filling.data.extend_from_slice(now);
        Ok(now.len())
    }

    /// Does nothing: a piece is compressed when it is whole, everything reaches the sink with `finish`.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W> Drop for GzipWriter<W> {
    fn drop(&mut self) {
        if self.sink.is_some() || !self.workers.is_empty() {
            self.shared.fail(io::Error::other("packing was given up"));
            self.join();
        }
    }
}

/// The same error once more: it is told by every call after the one it happened in.
fn again(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests;
