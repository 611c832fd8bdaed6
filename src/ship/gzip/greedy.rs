//! The fast parser: the last place where these six bytes stood is the only one looked at.
//!
//! Log lines repeat whole fields, so hashing six bytes instead of four finds longer copies with the same one look, and
//! wins twice: fewer steps to write and a better ratio. Positions are kept as 16 bits: what is too far back, or was
//! never there, fails the comparison like any other chance hit, so nothing is ever checked twice. Literals are counted
//! where they are passed: a loop over them later would mispredict once a copy.

use super::huffman::{Counts, Step, distance};
use super::lookup::{LONGEST, WINDOW, eight, same};

const HASH: u32 = 15;
/// Words are read whole: so many bytes at the end of the data are told as literals.
const TAIL: usize = 12;

/// Where the hashes of the current piece stood last.
pub(super) struct Greedy {
    places: Box<[u16]>,
}

#[inline(always)]
fn hash(word: u64) -> usize {
    ((word << 16).wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - HASH)) as usize
}

impl Greedy {
    pub(super) fn new() -> Self {
        Self { places: vec![0; 1 << HASH].into_boxed_slice() }
    }

    /// Forgets the last piece and learns the history of the next one.
    pub(super) fn begin(&mut self, data: &[u8], start: usize) {
        self.places.fill(0);
        let Some(places) = self.places.first_chunk_mut::<{ 1 << HASH }>() else { return };
        for at in (start.saturating_sub(WINDOW)..start).step_by(2) {
            places[hash(eight(data, at))] = at as u16;
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
            let (dist, differ) = loop {
                if at >= safe {
                    break (0, 0);
                }
                let word = eight(data, at);
                let place = &mut places[hash(word)];
                let dist = (at as u16).wrapping_sub(*place);
                *place = at as u16;
                let differ = eight(data, at.wrapping_sub(usize::from(dist))) ^ word;
                if differ as u32 | u32::from(dist.wrapping_sub(1) >> 15) == 0 {
                    break (usize::from(dist), differ);
                }
                counts.literals[(word & 0xff) as usize] += 1;
                at += 1;
            };
            if dist == 0 || dist > at {
                break;
            }
            let len = match differ {
                0 => 8 + same(data, at + 8, at - dist + 8, (LONGEST - 8).min(end - at - 8)),
                _ => (differ.trailing_zeros() / 8) as usize,
            };
            counts.lengths[len % 512] += 1;
            counts.distances[distance(dist as u32).0] += 1;
            steps.push(Step { literals: (at - from) as u32, len: len as u16, dist: dist as u16 });
            for known in [at + 1, at + len - 1] {
                places[hash(eight(data, known))] = known as u16;
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
