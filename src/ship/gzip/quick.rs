//! The fastest parser: one look at each place, and every step is written as soon as it is known.
//!
//! Codes need to be known before the first bit is written, and counting all symbols first takes a second pass. Logs go on
//! as they began: the codes that suit the first part of a piece suit the rest, as long as every symbol has one. So that
//! part is told in steps and counted, and all that follows is written at once; when a span takes too many bits for that,
//! it is taken back and codes are made anew.

use super::bits::Bits;
use super::huffman::{Counts, Plan, Step, Tables};
use super::lookup::{LONGEST, WINDOW, eight, four, sixteen};

const HASH: u32 = 14;
/// Words are read whole: so many bytes at the end of the data are told as literals.
const TAIL: usize = 32;
/// So many bytes are counted for the codes of those after them.
const SAMPLE: usize = 1 << 16;
/// Bytes between two looks at whether the codes still fit.
const SPAN: usize = 1 << 17;

/// Where the hashes of the current piece stood last.
pub(super) struct Quick {
    places: Box<[u16]>,
}

type Places = [u16; 1 << HASH];

#[inline(always)]
fn hash(word: u64) -> usize {
    ((word << 16).wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - HASH)) as usize
}

/// Takes a place in as the last one of its hash; answers how far back the one before is.
#[inline(always)]
fn learn(places: &mut Places, word: u64, at: usize) -> usize {
    let place = std::mem::replace(&mut places[hash(word)], at as u16);
    usize::from((at as u16).wrapping_sub(place))
}

/// Who is told the steps.
trait Tell {
    /// This byte as it is.
    fn literal(&mut self, byte: u8);
    /// There were three literals, or less before a copy.
    fn room(&mut self);
    fn copy(&mut self, len: usize, dist: usize);
}

/// Keeps the steps and counts their symbols.
struct Sample {
    steps: Vec<Step>,
    counts: Counts,
    literals: u32,
}

impl Tell for Sample {
    #[inline(always)]
    fn literal(&mut self, byte: u8) {
        self.counts.literals[usize::from(byte)] += 1;
        self.literals += 1;
    }

    #[inline(always)]
    fn room(&mut self) {}

    fn copy(&mut self, len: usize, dist: usize) {
        self.counts.copy(len, dist);
        self.steps.push(Step { literals: self.literals, len: len as u16, dist: dist as u16 });
        self.literals = 0;
    }
}

/// Writes them.
struct Direct<'t> {
    bits: Bits,
    tables: &'t Tables,
}

impl Tell for Direct<'_> {
    #[inline(always)]
    fn literal(&mut self, byte: u8) {
        self.tables.literal(&mut self.bits, byte);
    }

    #[inline(always)]
    fn room(&mut self) {
        self.bits.flush();
    }

    #[inline(always)]
    fn copy(&mut self, len: usize, dist: usize) {
        self.tables.copy(&mut self.bits, len as u16, dist as u16);
    }
}

impl Quick {
    pub(super) fn new() -> Self {
        Self { places: vec![0; 1 << HASH].into_boxed_slice() }
    }

    /// Writes `data` from `start` on as blocks; what stands before may be referred to.
    pub(super) fn piece(&mut self, mut bits: Bits, data: &[u8], start: usize) -> Bits {
        self.places.fill(0);
        let Some(places) = self.places.first_chunk_mut::<{ 1 << HASH }>() else { return bits };
        for at in (start.saturating_sub(WINDOW)..start).step_by(2) {
            learn(places, eight(data, at), at);
        }
        let mut at = start;
        while at < data.len() {
            let mut sample = Sample { steps: Vec::with_capacity(SAMPLE / 8), counts: Counts::new(), literals: 0 };
            let end = parse(places, data, (at, at + SAMPLE), &mut sample);
            sample.steps.push(Step { literals: sample.literals, len: 0, dist: 0 });
            let plan = if end < data.len() { Plan::wide(&sample.counts) } else { Plan::new(&sample.counts) };
            let tables = plan.begin(&mut bits, data, (at, end), &sample.steps);
            let sampled = (end - at) as u64;
            at = end;
            let Some(tables) = tables else { continue };
            let mut direct = Direct { bits, tables: &tables };
            while at < data.len() {
                // A quarter more than the sample took, and no more than the bytes have. For more there is no room either: it
                // would not be written.
                let most = |bytes: usize| (plan.cost() * 5 / 4 * bytes as u64 / sampled + 4096).min(8 * bytes as u64);
                direct.bits.reserve(most(SPAN + LONGEST));
                let mark = direct.bits.mark();
                let end = parse(places, data, (at, at + SPAN), &mut direct);
                if direct.bits.since(&mark) > most(end - at) {
                    direct.bits.rewind(mark);
                    break;
                }
                at = end;
            }
            bits = direct.bits;
            bits.reserve(64);
            plan.end(&mut bits);
        }
        bits
    }
}

/// Tells `data` from `start` on, at least to `until`; answers how far it came.
#[inline(always)]
fn parse(places: &mut Places, data: &[u8], (start, until): (usize, usize), tell: &mut impl Tell) -> usize {
    let safe = data.len().saturating_sub(TAIL).min(until);
    let mut at = start;
    loop {
        let dist = loop {
            if at >= safe {
                break 0;
            }
            let word = eight(data, at);
            let mut look = |word: u64, at: usize| {
                let dist = learn(places, word, at);
                let equal = four(data, at.wrapping_sub(dist)) == word as u32 && dist.wrapping_sub(1) < WINDOW;
                (equal && dist <= at, dist)
            };
            let (equal, dist) = look(word, at);
            if equal {
                break dist;
            }
            tell.literal(word as u8);
            let (equal, dist) = look(word >> 8, at + 1);
            if equal {
                at += 1;
                break dist;
            }
            tell.literal((word >> 8) as u8);
            let (equal, dist) = look(word >> 16, at + 2);
            if equal {
                at += 2;
                break dist;
            }
            tell.literal((word >> 16) as u8);
            tell.room();
            at += 3;
        };
        if dist == 0 {
            break;
        }
        tell.room();
        let here = sixteen(data, at);
        let differ = here ^ sixteen(data, at - dist);
        let mut len = (differ.trailing_zeros() / 8) as usize;
        if len == 16 {
            // At least a tail is left: the last look may begin before what is known to be equal.
            let most = LONGEST.min(data.len() - at);
            while len < most {
                let from = at + len.min(most - 16);
                let differ = sixteen(data, from) ^ sixteen(data, from - dist);
                len = from - at + (differ.trailing_zeros() / 8) as usize;
                if differ != 0 {
                    break;
                }
            }
        }
        tell.copy(len, dist);
        learn(places, (here >> 8) as u64, at + 1);
        learn(places, (here >> 16) as u64, at + 2);
        at += len;
        learn(places, eight(data, at - 1), at - 1);
    }
    if at < until {
        for byte in data.get(at..).unwrap_or_default() {
            tell.literal(*byte);
            tell.room();
        }
        at = data.len();
    }
    at
}
