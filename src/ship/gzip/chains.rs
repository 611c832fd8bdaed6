//! The stronger parser: chains of earlier places that begin alike, and a look ahead before a copy is taken.
//!
//! All earlier places of the window whose first four bytes have the same hash hang on one chain, nearest first; three
//! bytes have one place each. A copy is put off by a literal when the one that begins a byte or two later saves more.

use super::huffman::{Counts, Prices, Step, distance};
use super::lookup::{LONGEST, WINDOW, eight, four, same};

const HASH: u32 = 15;
const HASH_THREE: u32 = 13;
/// A copy of three bytes from farther away costs more than three literals.
const THREE_REACH: usize = 8192;

/// How hard to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Places tried on a chain.
    pub(super) depth: u16,
    /// A copy this long is taken at once.
    pub(super) nice: usize,
    /// Bytes to look ahead: 0, 1 or 2.
    pub(super) ahead: u8,
}

#[derive(Clone, Copy)]
struct Copy {
    len: usize,
    dist: usize,
}

/// What the parser remembers of the piece it works on.
pub(super) struct Chains {
    heads: Box<[u16]>,
    threes: Box<[u16]>,
    before: Box<[u16]>,
    known: usize,
}

impl Chains {
    pub(super) fn new() -> Self {
        let table = |size| vec![0; size].into_boxed_slice();
        Self { heads: table(1 << HASH), threes: table(1 << HASH_THREE), before: table(WINDOW), known: 0 }
    }

    /// Forgets the last piece and learns the history of the next one.
    pub(super) fn begin(&mut self, data: &[u8], start: usize) {
        self.heads.fill(0);
        self.threes.fill(0);
        self.before.fill(0);
        self.known = start.saturating_sub(WINDOW);
        self.learn(data, start);
    }

    /// Takes all places before `until` into the chains.
    #[inline]
    fn learn(&mut self, data: &[u8], until: usize) {
        let (Some(heads), Some(threes), Some(before)) = (
            self.heads.first_chunk_mut::<{ 1 << HASH }>(),
            self.threes.first_chunk_mut::<{ 1 << HASH_THREE }>(),
            self.before.first_chunk_mut::<WINDOW>(),
        ) else {
            return;
        };
        while self.known < until {
            let at = self.known;
            let word = eight(data, at);
            let head = &mut heads[hash(word, 4, HASH)];
            before[at % WINDOW] = *head;
            *head = at as u16;
            threes[hash(word, 3, HASH_THREE)] = at as u16;
            self.known += 1;
        }
    }

    /// The longest earlier bytes equal to those at `at`, if longer than `than`; the place itself is learnt.
    #[inline]
    fn find(&mut self, data: &[u8], at: usize, than: usize, effort: Effort) -> Copy {
        let mut best = Copy { len: than, dist: 0 };
        let word = eight(data, at);
        let room = LONGEST.min(data.len() - at);
        let mut entry = self.heads[hash(word, 4, HASH) % self.heads.len()];
        let three = (at as u16).wrapping_sub(self.threes[hash(word, 3, HASH_THREE) % self.threes.len()]);
        self.learn(data, at + 1);
        if room < 8 {
            return best;
        }
        if than < 3 {
            let dist = usize::from(three);
            if dist.wrapping_sub(1) < THREE_REACH && dist <= at && (eight(data, at - dist) ^ word) << 40 == 0 {
                best = Copy { len: 3, dist };
            }
        }
        let Some(before) = self.before.first_chunk::<WINDOW>() else { return best };
        let mut last = 0;
        for _ in 0..effort.depth {
            let dist = usize::from((at as u16).wrapping_sub(entry));
            if dist <= last || dist > WINDOW || dist > at {
                break;
            }
            last = dist;
            let from = at - dist;
            let probe = best.len.max(3) - 3;
            if four(data, from + probe) == four(data, at + probe) && four(data, from) == word as u32 {
                let len = 4 + same(data, at + 4, from + 4, room - 4);
                if len > best.len {
                    best = Copy { len, dist };
                    if len >= effort.nice || len == room {
                        break;
                    }
                }
            }
            entry = before[from % WINDOW];
        }
        best
    }

    /// Tells `data` from `start` on in steps, until `end` or until the steps are full; returns how far it came.
    pub(super) fn parse(
        &mut self,
        data: &[u8],
        (start, end): (usize, usize),
        effort: Effort,
        prices: &Prices,
        steps: &mut Vec<Step>,
        counts: &mut Counts,
    ) -> usize {
        let data = &data[..end];
        let (mut at, mut from) = (start, start);
        while at < end && steps.len() < steps.capacity() {
            let mut copy = self.find(data, at, 2, effort);
            if copy.dist == 0
                || (copy.len < 8 && prices.copy(copy.len, copy.dist) >= prices.literals(&data[at..at + copy.len]))
            {
                counts.literals[usize::from(data[at])] += 1;
                at += 1;
                continue;
            }
            let mut ahead = effort.ahead;
            while ahead > 0 && copy.len < effort.nice && at + 3 < end {
                // A longer copy a byte later, or a much nearer one, pays for the literal before it.
                let near = |dist: usize| i64::from(dist.max(1).ilog2());
                let gain = |next: Copy| 4 * (next.len as i64 - copy.len as i64) + near(copy.dist) - near(next.dist);
                let next = self.find(data, at + 1, copy.len - 1, effort);
                if next.dist > 0 && gain(next) > 2 {
                    counts.literals[usize::from(data[at])] += 1;
                    at += 1;
                    copy = next;
                    continue;
                }
                if effort.ahead < 2 {
                    break;
                }
                let next = self.find(data, at + 2, copy.len - 1, effort);
                if next.dist > 0 && gain(next) > 6 {
                    counts.literals[usize::from(data[at])] += 1;
                    counts.literals[usize::from(data[at + 1])] += 1;
                    at += 2;
                    copy = next;
                    continue;
                }
                ahead = 0;
            }
            counts.lengths[copy.len % 512] += 1;
            counts.distances[distance(copy.dist as u32).0] += 1;
            steps.push(Step { literals: (at - from) as u32, len: copy.len as u16, dist: copy.dist as u16 });
            at += copy.len;
            from = at;
            self.learn(data, at);
        }
        steps.push(Step { literals: (at - from) as u32, len: 0, dist: 0 });
        at
    }
}

/// The first `bytes` of a word as a number of `bits` bits.
#[inline(always)]
fn hash(word: u64, bytes: u32, bits: u32) -> usize {
    ((word << (64 - 8 * bytes)).wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - bits)) as usize
}
