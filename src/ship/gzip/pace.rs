//! How strongly to compress: a level that stands, or one that follows whatever is the limit.
//!
//! The rule of `Pace::Auto`: the fuller the queue before the wire, the stronger. While the wire is the limit, finished
//! bytes pile up, and every further piece is packed stronger until as much is made as the wire takes; while the cores
//! are the limit nothing waits, and packing goes at its fastest. Between the two the queue settles where it neither
//! grows nor empties, with wire and cores both busy. The queue itself remembers: the rule needs no clock, no
//! measurement and no history.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Levels run from 1 to this.
const STRONGEST: u8 = 9;
/// The level of the first pieces, when nothing is known: small files end here, and gain from it.
const FIRST: u8 = 6;
const FIRST_PIECES: u64 = 2;

/// How strongly to compress.
#[derive(Clone, Debug)]
pub enum Pace {
    /// 1, the fastest, to 9, the smallest.
    Fixed(u8),
    /// By what waits: finished pieces in the writer, and packed bytes on their way after it.
    Auto(Backlog),
}

impl Pace {
    /// The level for the piece of this number, when the writer's own queue is so full (0 to 1).
    pub(super) fn level(&self, number: u64, queue: f64) -> u8 {
        let backlog = match self {
            Self::Fixed(level) => return *level,
            Self::Auto(backlog) => backlog.share(),
        };
        let pressure = queue.max(backlog).clamp(0.0, 1.0);
        let level = 1 + (pressure * f64::from(STRONGEST - 1)).round() as u8;
        if number < FIRST_PIECES { level.max(FIRST) } else { level }
    }
}

/// Packed bytes that the sink took but the wire has not: kept by whoever sends what the writer made.
///
/// Without one (`Backlog::default()`), only the writer's own queue counts: right for a sink that blocks.
#[derive(Clone, Debug, Default)]
pub struct Backlog {
    bytes: Arc<AtomicU64>,
    least: u64,
    most: u64,
}

impl Backlog {
    /// A wire with `least` bytes on their way is not the limit; with `most`, packing goes at its strongest.
    #[must_use]
    pub fn new(least: u64, most: u64) -> Self {
        Self { bytes: Arc::default(), least, most: most.max(least + 1) }
    }

    /// So many bytes joined the queue before the wire.
    pub fn added(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes have gone over the wire, or will never go.
    pub fn gone(&self, bytes: u64) {
        let left = |now: u64| Some(now.saturating_sub(bytes));
        // The closure always has an answer.
        let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
    }

    fn share(&self) -> f64 {
        let waiting = self.bytes.load(Ordering::Relaxed).saturating_sub(self.least);
        match self.most.saturating_sub(self.least) {
            0 => 0.0,
            span => waiting as f64 / span as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packing speed (MB/s of log) and ratio of the levels, as they were once measured: only their order matters.
    const SPEED: [f64; 9] = [560.0, 400.0, 300.0, 250.0, 200.0, 150.0, 90.0, 40.0, 8.0];
    const RATIO: [f64; 9] = [4.1, 4.4, 4.6, 4.8, 5.0, 5.1, 5.25, 5.4, 5.6];

    /// Packs 2 GB in pieces of 1 MB with a simulated clock; answers seconds. The queue holds 4 MB like the writer's.
    fn simulate(pace: &Pace, wire: f64) -> f64 {
        let (mut now, mut queue, mut last) = (0.0_f64, 0.0_f64, 0.0_f64);
        for number in 0..2000 {
            let level = usize::from(pace.level(number, queue / 4.0)) - 1;
            now += 1.0 / SPEED[level];
            queue = (queue - (now - last) * wire).max(0.0) + 1.0 / RATIO[level];
            last = now;
            if queue > 4.0 {
                now += (queue - 4.0) / wire;
            }
        }
        now + queue / wire
    }

    #[test]
    fn auto_is_within_a_twentieth_of_the_best_fixed_level_at_any_wire() {
        for wire in [0.5, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 150.0, 400.0] {
            let best = (1..=9).map(|level| simulate(&Pace::Fixed(level), wire)).fold(f64::MAX, f64::min);
            let auto = simulate(&Pace::Auto(Backlog::default()), wire);
            assert!(auto <= best * 1.05, "{wire} MB/s: auto {auto:.2} s, best {best:.2} s");
        }
    }

    #[test]
    fn what_waits_after_the_writer_counts_too() {
        let backlog = Backlog::new(100, 200);
        let pace = Pace::Auto(backlog.clone());
        assert_eq!(pace.level(9, 0.0), 1);
        backlog.added(100);
        assert_eq!(pace.level(9, 0.0), 1, "this much is always on its way");
        backlog.added(50);
        assert_eq!(pace.level(9, 0.0), 5);
        backlog.added(1000);
        assert_eq!(pace.level(9, 0.0), STRONGEST);
        backlog.gone(5000);
        assert_eq!(pace.level(9, 0.0), 1, "more may be reported gone than came");
    }

    #[test]
    fn the_first_pieces_are_packed_well_because_small_files_have_no_others() {
        let pace = Pace::Auto(Backlog::default());
        assert_eq!((pace.level(0, 0.0), pace.level(1, 1.0)), (FIRST, STRONGEST));
        assert_eq!(Pace::Fixed(2).level(0, 1.0), 2);
    }
}
