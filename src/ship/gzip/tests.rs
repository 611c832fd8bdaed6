//! What the writer makes is one gzip member that says what was written, whatever that was and however it was written.

use super::*;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn bytes(&mut self, count: usize, kinds: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(kinds) as u8).collect()
    }

    /// Runs, noise and lines in turn: what makes parsers change their mind.
    fn mixture(&mut self, count: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(count + 4096);
        while text.len() < count {
            match self.below(5) {
                0 => text.extend(std::iter::repeat_n(self.below(256) as u8, self.below(3000))),
                1 => {
                    let (many, kinds) = (self.below(2000), 1 + self.below(256));
                    text.extend(self.bytes(many, kinds));
                }
                2 => {
                    let back = 1 + self.below(text.len().clamp(1, 70_000));
                    let from = text.len().saturating_sub(back);
                    let copy = text[from..text.len().min(from + self.below(600))].to_vec();
                    text.extend(copy);
                }
                _ => {
                    let (a, b) = (self.below(5000), self.below(90_000));
                    text.extend(format!("1795158{b}.{a:03} 10.0.{}.7 TCP_TUNNEL/200 {a}\n", a % 9).bytes());
                }
            }
        }
        text.truncate(count);
        text
    }
}

fn pack(text: &[u8], pace: Pace, write: usize) -> Vec<u8> {
    let mut gzip = GzipWriter::new(Vec::new(), Some(2), pace).unwrap();
    for part in text.chunks(write) {
        gzip.write_all(part).unwrap();
    }
    gzip.finish().unwrap()
}

/// Reads one member and nothing after it.
fn unpack(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut member = flate2::bufread::GzDecoder::new(bytes);
    member.read_to_end(&mut text).unwrap();
    assert!(member.into_inner().is_empty(), "more than one member");
    text
}

/// One level of each parser, and the one that follows the sink: for tests on much text.
fn parsers() -> impl Iterator<Item = Pace> {
    [1, 2, 5, 10].map(Pace::Fixed).into_iter().chain([Pace::Auto(Backlog::default())])
}

fn levels() -> impl Iterator<Item = Pace> {
    (1..=STRONGEST).map(Pace::Fixed).chain([Pace::Auto(Backlog::default())])
}

#[track_caller]
fn holds(text: &[u8], pace: &Pace, write: usize) {
    let packed = pack(text, pace.clone(), write);
    assert!(unpack(&packed) == text, "{} bytes at {pace:?} came back different", text.len());
    // Nothing grows by more than a stored block's frame for each 64 KiB and piece.
    assert!(packed.len() <= text.len() + text.len() / 4096 + 64, "{} became {}", text.len(), packed.len());
}

#[test]
fn any_length_around_the_edges_comes_back() {
    let mut dice = Dice(7);
    let text = dice.mixture(40_000);
    let edges = [0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 20, 64, 257, 258, 259, 300, 32_767, 32_768, 32_769];
    for length in edges {
        for pace in levels() {
            holds(&text[..length], &pace, 4096);
        }
    }
}

#[test]
fn pieces_join_at_their_edges() {
    let text = Dice(11).mixture(2 * PIECE + 2);
    for length in [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 2] {
        for pace in [Pace::Fixed(1), Pace::Fixed(5), Pace::Auto(Backlog::default())] {
            holds(&text[..length], &pace, 70_001);
        }
    }
}

#[test]
fn mixtures_from_many_seeds_come_back_at_every_level() {
    for seed in 1..=8 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let length = 1000 + dice.below(60_000);
        let text = dice.mixture(length);
        for pace in levels() {
            holds(&text, &pace, 1 + dice.below(9000));
        }
    }
}

#[test]
fn noise_does_not_grow_and_comes_back() {
    let text = Dice(3).bytes(300_000, 256);
    for pace in parsers() {
        holds(&text, &pace, 1 << 16);
    }
}

#[test]
fn a_log_that_turns_into_noise_and_back_does_not_grow_and_comes_back() {
    let mut dice = Dice(31);
    let mut text = Vec::new();
    for _ in 0..2 {
        for line in 0..6000 {
            let (a, b) = (dice.below(5000), dice.below(90_000));
            text.extend(format!("1795158{line}.{a:03} 10.0.{}.7 TCP_TUNNEL/200 {b}\n", a % 9).bytes());
        }
        text.extend(dice.bytes(250_000, 256));
        text.extend(dice.bytes(100_000, 3));
    }
    for pace in levels() {
        holds(&text, &pace, 1 << 16);
        let packed = pack(&text, pace.clone(), 1 << 16).len();
        assert!(packed < 800_000, "{pace:?}: {packed}");
    }
}

#[test]
fn noise_after_what_hardly_shrinks_does_not_grow() {
    let mut dice = Dice(37);
    for kinds in [150, 200, 240] {
        let mut text = dice.bytes(100_000, kinds);
        text.extend(dice.bytes(300_000, 256));
        for pace in parsers() {
            holds(&text, &pace, 1 << 16);
        }
    }
}

#[test]
fn few_kinds_of_bytes_make_short_codes_and_come_back() {
    for kinds in [1, 2, 3, 5, 17, 100] {
        let text = Dice(5).bytes(20_000, kinds);
        for pace in levels() {
            holds(&text, &pace, 5000);
        }
    }
}

#[test]
fn a_bomb_of_one_byte_shrinks_a_thousandfold() {
    let text = vec![b'x'; 3 * PIECE];
    for pace in parsers() {
        let packed = pack(&text, pace.clone(), 1 << 20);
        assert!(packed.len() < text.len() / 700, "{pace:?}: {}", packed.len());
        assert!(unpack(&packed) == text);
    }
}

#[test]
fn one_byte_at_a_time_is_the_same_as_all_at_once() {
    let text = Dice(9).mixture(PIECE + 5000);
    assert!(pack(&text, Pace::Fixed(1), 1) == pack(&text, Pace::Fixed(1), usize::MAX));
}

#[test]
fn the_bytes_do_not_depend_on_the_threads() {
    let text = Dice(21).mixture(4 * PIECE);
    let with = |threads| {
        let mut gzip = GzipWriter::new(Vec::new(), Some(threads), Pace::Fixed(2)).unwrap();
        gzip.write_all(&text).unwrap();
        gzip.finish().unwrap()
    };
    let one = with(1);
    assert!(with(2) == one && with(7) == one);
}

#[test]
fn gzip_itself_reads_it() {
    let text = Dice(13).mixture(PIECE + 100_000);
    for pace in parsers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.gz");
        std::fs::write(&path, pack(&text, pace, 1 << 16)).unwrap();
        let answer = std::process::Command::new("gzip").arg("-t").arg(&path).output().unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    }
}

#[test]
fn the_level_may_change_between_pieces() {
    let text = Dice(17).mixture(6 * PIECE);
    let mut gzip = GzipWriter::new(Vec::new(), Some(2), Pace::Fixed(1)).unwrap();
    for (part, level) in text.chunks(PIECE).zip([1, 6, 2, 5, 3, 1]) {
        gzip.set_pace(Pace::Fixed(level));
        gzip.write_all(part).unwrap();
    }
    assert!(unpack(&gzip.finish().unwrap()) == text);
}

/// A sink that takes so many bytes and then fails, counting how often it lives.
struct Failing {
    left: usize,
    alive: Arc<AtomicUsize>,
}

impl Failing {
    fn new(left: usize) -> (Self, Arc<AtomicUsize>) {
        let alive = Arc::new(AtomicUsize::new(1));
        (Self { left, alive: Arc::clone(&alive) }, alive)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = bytes.len().min(self.left);
        self.left -= now;
        if now == 0 { Err(io::Error::from_raw_os_error(28)) } else { Ok(now) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failing_sink_is_told_by_its_own_error_and_leaves_no_thread() {
    let text = Dice(19).bytes(12 * PIECE, 256);
    for left in [0, 5, 10, 700_000, 12 * PIECE] {
        let (sink, alive) = Failing::new(left);
        let mut gzip = GzipWriter::new(sink, Some(2), Pace::Fixed(1)).unwrap();
        let written = gzip.write_all(&text);
        let error = match written {
            Ok(()) => gzip.finish().err().expect("a failure"),
            Err(error) => {
                assert_eq!(gzip.write_all(&text).unwrap_err().raw_os_error(), Some(28), "told again");
                drop(gzip);
                error
            }
        };
        assert_eq!(error.raw_os_error(), Some(28), "after {left}");
        assert_eq!(alive.load(Ordering::SeqCst), 0, "the thread with the sink still lives");
    }
}

#[test]
fn dropped_without_an_end_it_leaves_no_thread_and_no_whole_member() {
    let (sink, alive) = Failing::new(usize::MAX);
    let mut gzip = GzipWriter::new(sink, Some(3), Pace::Fixed(4)).unwrap();
    gzip.write_all(&Dice(23).mixture(3 * PIECE)).unwrap();
    drop(gzip);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

/// A sink that panics: the worst a thread can do.
struct Panicking;

impl Write for Panicking {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        std::panic::resume_unwind(Box::new("as the test wants"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_thread_that_panics_is_an_error_not_a_hang() {
    let mut gzip = GzipWriter::new(Panicking, Some(2), Pace::Fixed(1)).unwrap();
    let text = vec![0; PIECE];
    let failed = (0..100).any(|_| gzip.write_all(&text).is_err()) || gzip.finish().is_err();
    assert!(failed);
}

/// A sink that is slow and remembers how far the writer ran ahead of it.
struct Slow {
    taken: Arc<AtomicUsize>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        std::thread::sleep(Duration::from_millis(4));
        self.taken.fetch_add(bytes.len(), Ordering::SeqCst);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_slow_sink_holds_the_writer_back_instead_of_filling_memory() {
    let taken = Arc::new(AtomicUsize::new(0));
    let mut gzip = GzipWriter::new(Slow { taken: Arc::clone(&taken) }, Some(2), Pace::Fixed(1)).unwrap();
    let piece = Dice(29).bytes(PIECE, 256);
    for written in 1..=40 {
        gzip.write_all(&piece).unwrap();
        let ahead = (written * PIECE).saturating_sub(taken.load(Ordering::SeqCst));
        assert!(ahead <= 13 * PIECE, "{} MiB ahead", ahead / PIECE);
    }
    gzip.finish().unwrap();
    assert!(taken.load(Ordering::SeqCst) > 40 * PIECE);
}
