//! How strongly to compress: a level that stands, or one that follows whatever is the limit.
//!
//! The rule of `Pace::Auto`: the fuller the queue before the wire, the stronger. While the wire is the limit, finished
//! bytes pile up, and further pieces are packed stronger until as much is made as the wire takes; while the cores are the
//! limit nothing waits, and packing goes at its fastest. Between the two the queue settles where it neither grows nor
//! empties, with wire and cores both busy. It needs no clock and no measurement.
//!
//! Two queues count. What lies in the spool is deep: how full it is tells the level at once. The writer's own holds a
//! moment's work, and one piece at the strongest level takes longer than it lasts: there the level goes up in steps, each
//! only when the one before has had its effect and the queue still fills, and comes down as soon as it runs low.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Levels run from 1 to this.
pub const STRONGEST: u8 = 12;
/// The least level of a log that is one piece: the wire cannot be told from it, and packing it takes no time to speak of.
const ALONE: u8 = 5;

/// How strongly to compress.
#[derive(Clone, Debug)]
pub enum Pace {
    /// 1, the fastest, to [`STRONGEST`], the smallest.
    Fixed(u8),
    /// By what waits: finished pieces in the writer, and packed bytes on their way after it.
    Auto(Backlog),
}

impl Pace {
    /// The level for the piece of this number, when the writer's own queue is so full (0 to 1). A first piece must not
    /// take longer than others, since nothing can be sent before it; unless nothing else will be.
    pub(super) fn level(&self, number: u64, alone: bool, queue: f64, follow: &mut Follow) -> u8 {
        let backlog = match self {
            Self::Fixed(level) => return *level,
            Self::Auto(backlog) => backlog.share().clamp(0.0, 1.0),
        };
        let level = (1 + (backlog * f64::from(STRONGEST - 1)).round() as u8).max(follow.next(number, queue));
        if alone { level.max(ALONE) } else { level }
    }
}

/// How the level follows the writer's own queue.
#[derive(Debug)]
pub(super) struct Follow {
    level: u8,
    /// How full the queue was when the level last changed.
    since: f64,
    /// The piece at which it last went up.
    raised: u64,
}

/// With less than this in the queue the wire may soon want for bytes; with more than that the wire is the limit.
const LOW: f64 = 0.5;
const FULL: f64 = 0.8;
/// Pieces after which a higher level has had its effect; four times as many from this level on, where each takes long.
const EFFECT: u64 = 4;
const LONG: u8 = 9;

impl Follow {
    pub(super) fn new() -> Self {
        Self { level: 1, since: 0.0, raised: 0 }
    }

    fn next(&mut self, number: u64, queue: f64) -> u8 {
        let level = if queue >= LOW {
            let fills = queue >= FULL || queue >= self.since;
            let effect = if self.level < LONG { EFFECT } else { 4 * EFFECT };
            if !fills || number < self.raised + effect {
                return self.level;
            }
            self.raised = number;
            (self.level + 1).min(STRONGEST)
        } else if queue > self.since {
            self.level
        } else if queue > 0.0 {
            (self.level - 1).max(1)
        } else {
            self.level.div_ceil(2)
        };
        if level != self.level {
            self.since = queue;
        }
        self.level = level;
        level
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
    const SPEED: [f64; 12] = [470.0, 330.0, 175.0, 130.0, 108.0, 80.0, 40.0, 30.0, 12.0, 8.0, 6.0, 4.0];
    const RATIO: [f64; 12] = [4.1, 4.3, 4.77, 5.0, 5.12, 5.22, 5.4, 5.42, 5.6, 5.61, 5.62, 5.63];

    /// Packs 2 GB in pieces of 1 MB on two simulated cores; answers seconds. Pieces leave in order, and the queue holds
    /// 4 MB, like the writer's.
    fn simulate(pace: &Pace, wire: f64) -> f64 {
        let (mut follow, mut cores, mut sent) = (Follow::new(), [0.0_f64; 2], 0.0_f64);
        // When each piece is finished, how large it is, and when the wire has taken it.
        let mut pieces: Vec<(f64, f64, f64)> = Vec::new();
        let mut begin = 0;
        for number in 0..2000 {
            let core = usize::from(cores[1] < cores[0]);
            let mut now = cores[core];
            // Wait for room: what is finished or under way and not taken.
            while begin < pieces.len()
                && pieces[begin..].iter().filter(|piece| piece.2 > now).map(|piece| piece.1).sum::<f64>() > 4.0
            {
                now = now.max(pieces[begin].2);
                begin += 1;
            }
            let waits = pieces[begin..].iter().filter(|piece| piece.2 > now).take_while(|piece| piece.0 <= now);
            let queue = waits.map(|piece| piece.1).sum::<f64>() / 4.0;
            let level = usize::from(pace.level(number, false, queue, &mut follow)) - 1;
            let done = now + 2.0 / SPEED[level];
            cores[core] = done;
            sent = sent.max(done) + 1.0 / RATIO[level] / wire;
            pieces.push((done, 1.0 / RATIO[level], sent));
        }
        sent
    }

    #[test]
    fn auto_is_within_a_twentieth_of_the_best_fixed_level_at_any_wire() {
        for wire in [0.5, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 150.0, 400.0] {
            let best = (1..=STRONGEST).map(|level| simulate(&Pace::Fixed(level), wire)).fold(f64::MAX, f64::min);
            let auto = simulate(&Pace::Auto(Backlog::default()), wire);
            assert!(auto <= best * 1.05, "{wire} MB/s: auto {auto:.2} s, best {best:.2} s");
        }
    }

    #[test]
    fn what_waits_after_the_writer_counts_too() {
        let backlog = Backlog::new(100, 200);
        let pace = Pace::Auto(backlog.clone());
        let level = |number, queue| pace.level(number, false, queue, &mut Follow::new());
        assert_eq!(level(9, 0.0), 1);
        backlog.added(100);
        assert_eq!(level(9, 0.0), 1, "this much is always on its way");
        backlog.added(50);
        assert_eq!(level(9, 0.0), 7);
        backlog.added(1000);
        assert_eq!(level(9, 0.0), STRONGEST);
        backlog.gone(5000);
        assert_eq!(level(9, 0.0), 1, "more may be reported gone than came");
    }

    #[test]
    fn a_log_of_one_piece_is_packed_well_and_a_first_piece_holds_nothing_up() {
        let level = |pace: Pace, alone| pace.level(0, alone, 0.0, &mut Follow::new());
        let auto = || Pace::Auto(Backlog::default());
        assert_eq!((level(auto(), true), level(auto(), false), level(Pace::Fixed(2), true)), (ALONE, 1, 2));
    }
}
