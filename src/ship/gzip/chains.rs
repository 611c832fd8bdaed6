//! The stronger parser: chains of earlier places that begin alike, and a look ahead before a copy is taken.
//!
//! All earlier places of the window whose first six bytes have the same hash hang on one chain, nearest first; four
//! bytes have one place, the last. On logs this is better and faster than chains of four bytes: those are long, and most
//! of what hangs on them repeats no field. A copy is put off by a literal when the one that begins a byte or two later
//! saves more; that one is looked for with half the effort.

use super::huffman::{Counts, Prices, Step};
use super::lookup::{LONGEST, WINDOW, eight, four, same};

const HASH: u32 = 16;
const HASH_SHORT: u32 = 14;
/// So many bytes are equal at all places on a chain.
const KEY: u32 = 6;
/// The same for the one place of short copies.
const KEY_SHORT: u32 = 4;

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
    shorts: Box<[u16]>,
    before: Box<[u16]>,
    known: usize,
}

impl Chains {
    pub(super) fn new() -> Self {
        let table = |size| vec![0; size].into_boxed_slice();
        Self { heads: table(1 << HASH), shorts: table(1 << HASH_SHORT), before: table(WINDOW), known: 0 }
    }

    /// Forgets the last piece and learns the history of the next one.
    pub(super) fn begin(&mut self, data: &[u8], start: usize) {
        self.heads.fill(0);
        self.shorts.fill(0);
        self.before.fill(0);
        self.known = start.saturating_sub(WINDOW);
        self.learn(data, start);
    }

    /// Takes all places before `until` into the chains.
    #[inline]
    fn learn(&mut self, data: &[u8], until: usize) {
        let (Some(heads), Some(shorts), Some(before)) = (
            self.heads.first_chunk_mut::<{ 1 << HASH }>(),
            self.shorts.first_chunk_mut::<{ 1 << HASH_SHORT }>(),
            self.before.first_chunk_mut::<WINDOW>(),
        ) else {
            return;
        };
        while self.known < until {
            let at = self.known;
            let word = eight(data, at);
            let head = &mut heads[hash(word, KEY, HASH)];
            before[at % WINDOW] = *head;
            *head = at as u16;
            shorts[hash(word, KEY_SHORT, HASH_SHORT)] = at as u16;
            self.known += 1;
        }
    }

    /// The longest earlier bytes equal to those at `at`, if longer than `than`. The place itself, the first that is not
    /// known yet, is learnt.
    #[inline]
    fn find(&mut self, data: &[u8], at: usize, than: usize, depth: u16, nice: usize) -> Copy {
        let mut best = Copy { len: than, dist: 0 };
        let (Some(heads), Some(shorts), Some(before)) = (
            self.heads.first_chunk_mut::<{ 1 << HASH }>(),
            self.shorts.first_chunk_mut::<{ 1 << HASH_SHORT }>(),
            self.before.first_chunk_mut::<WINDOW>(),
        ) else {
            return best;
        };
        let word = eight(data, at);
        let mut entry = std::mem::replace(&mut heads[hash(word, KEY, HASH)], at as u16);
        before[at % WINDOW] = entry;
        let short = std::mem::replace(&mut shorts[hash(word, KEY_SHORT, HASH_SHORT)], at as u16);
        self.known = at + 1;
        let room = LONGEST.min(data.len() - at);
        if room < 8 {
            return best;
        }
        let limit = at.min(WINDOW);
        let dist = usize::from((at as u16).wrapping_sub(short));
        if dist.wrapping_sub(1) < limit {
            let differ = eight(data, at - dist) ^ word;
            let len = match differ {
                0 => 8 + same(data, at + 8, at - dist + 8, room - 8),
                _ => (differ.trailing_zeros() / 8) as usize,
            };
            if len > best.len.max(3) {
                best = Copy { len, dist };
            }
        }
        let mut last = 0;
        // What a longer copy would end with: looked at first.
        let mut probe = best.len.max(3) - 3;
        let mut end = four(data, at + probe);
        for _ in 0..depth {
            let dist = usize::from((at as u16).wrapping_sub(entry));
            if dist <= last || dist > limit {
                break;
            }
            last = dist;
            let from = at - dist;
            if four(data, from + probe) == end && four(data, from) == word as u32 {
                let len = 4 + same(data, at + 4, from + 4, room - 4);
                if len > best.len {
                    best = Copy { len, dist };
                    if len >= nice || len == room {
                        break;
                    }
                    probe = len - 3;
                    end = four(data, at + probe);
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
            let mut copy = self.find(data, at, 2, effort.depth, effort.nice);
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
                let next = self.find(data, at + 1, copy.len - 1, effort.depth / 2, effort.nice);
                if next.dist > 0 && gain(next) > 2 {
                    counts.literals[usize::from(data[at])] += 1;
                    at += 1;
                    copy = next;
                    continue;
                }
                if effort.ahead < 2 {
                    break;
                }
                let next = self.find(data, at + 2, copy.len - 1, effort.depth / 4, effort.nice);
                if next.dist > 0 && gain(next) > 6 {
                    counts.literals[usize::from(data[at])] += 1;
                    counts.literals[usize::from(data[at + 1])] += 1;
                    at += 2;
                    copy = next;
                    continue;
                }
                ahead = 0;
            }
            counts.copy(copy.len, copy.dist);
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
