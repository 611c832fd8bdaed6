//! The second fastest parser: the last two places where these six bytes stood are looked at.
//!
//! Log lines repeat whole fields, so hashing six bytes instead of four finds longer copies with the same one look, and
//! wins twice: fewer steps to write and a better ratio. Positions are kept as 16 bits: what is too far back, or was
//! never there, fails the comparison like any other chance hit, so nothing is ever checked twice. Literals are counted
//! where they are passed: a loop over them later would mispredict once a copy.

use super::huffman::{Counts, Step};
use super::lookup::{LONGEST, WINDOW, eight, same};

const HASH: u32 = 15;
/// Words are read whole: so many bytes at the end of the data are told as literals.
const TAIL: usize = 12;

/// Where the hashes of the current piece stood last, and before that.
pub(super) struct Greedy {
    places: Box<[[u16; 2]]>,
}

#[inline(always)]
fn hash(word: u64) -> usize {
    ((word << 16).wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - HASH)) as usize
}

/// Takes a place in as the last one of its hash; answers what was known.
#[inline(always)]
fn learn(places: &mut [[u16; 2]; 1 << HASH], word: u64, at: usize) -> [u16; 2] {
    let slot = &mut places[hash(word)];
    let known = *slot;
    *slot = [at as u16, known[0]];
    known
}

impl Greedy {
    pub(super) fn new() -> Self {
        Self { places: vec![[0; 2]; 1 << HASH].into_boxed_slice() }
    }

    /// Forgets the last piece and learns the history of the next one.
    pub(super) fn begin(&mut self, data: &[u8], start: usize) {
        self.places.fill([0; 2]);
        let Some(places) = self.places.first_chunk_mut::<{ 1 << HASH }>() else { return };
        for at in (start.saturating_sub(WINDOW)..start).step_by(2) {
            learn(places, eight(data, at), at);
        }
    }

    /// Tells `data` from `start` on in steps, until `end` or until the steps are full; returns how far it came.
    pub(super) fn parse(
        &mut self,
        data: &[u8],
        (start, end): (usize, usize),
        steps: &mut Vec<Step>,
        counts: &mut Counts,
    ) -> usize {
        let Some(places) = self.places.first_chunk_mut::<{ 1 << HASH }>() else { return start };
        let data = &data[..end];
        let safe = end.saturating_sub(TAIL);
        let (mut at, mut from) = (start, start);
        while steps.len() < steps.capacity() {
            // How far back the copy is, and in which bits of the next eight bytes it differs; and the same of another.
            let (dist, differ, other) = loop {
                if at >= safe {
                    break (0, 0, None);
                }
                let word = eight(data, at);
                let known = learn(places, word, at);
                let look = |place: u16| {
                    let dist = (at as u16).wrapping_sub(place);
                    let differ = eight(data, at.wrapping_sub(usize::from(dist))) ^ word;
                    // No copy is from here, or from beyond the window.
                    (usize::from(dist), differ | u64::from(dist.wrapping_sub(1) >> 15))
                };
                let (dist, differ) = look(known[0]);
                let (further, other) = look(known[1]);
                if differ as u32 == 0 && differ | other == 0 {
                    break (dist, differ, Some(further));
                }
                if other as u32 == 0 && other.trailing_zeros() / 8 > differ.trailing_zeros() / 8 {
                    break (further, other, None);
                }
                if differ as u32 == 0 {
                    break (dist, differ, None);
                }
                counts.literals[(word & 0xff) as usize] += 1;
                at += 1;
            };
            if dist == 0 || dist > at {
                break;
            }
            let most = (LONGEST - 8).min(end - at - 8);
            let mut copy = match differ {
                0 => (8 + same(data, at + 8, at - dist + 8, most), dist),
                _ => ((differ.trailing_zeros() / 8) as usize, dist),
            };
            if let Some(further) = other.filter(|further| *further <= at) {
                let len = 8 + same(data, at + 8, at - further + 8, most);
                if len > copy.0 {
                    copy = (len, further);
                }
            }
            let (len, dist) = copy;
            counts.copy(len, dist);
            steps.push(Step { literals: (at - from) as u32, len: len as u16, dist: dist as u16 });
            for known in [at + 1, at + len - 1, at + 2, at + len - 2] {
                learn(places, eight(data, known), known);
            }
            at += len;
            from = at;
        }
        if at >= safe {
            for byte in data.get(at..).unwrap_or_default() {
                counts.literals[usize::from(*byte)] += 1;
            }
            at = end;
        }
        steps.push(Step { literals: (at - from) as u32, len: 0, dist: 0 });
        at
    }
}
