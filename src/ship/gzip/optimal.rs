//! The strongest parser: of all ways to tell a block, the one that takes the fewest bits.
//!
//! A binary tree for each hash of four bytes finds, for every place, the nearest copy of every length. Going backwards
//! from the end, the cheapest way from each place on is known from the ways after it; what it costs depends on the
//! codes and these on the ways taken, so it is done again with the codes that came out, a few times.

use super::huffman::{Counts, Plan, Step, distance, length_symbol};
use super::lookup::{LONGEST, WINDOW, eight, same};

const HASH: u32 = 16;
const HASH_THREE: u32 = 14;
const NONE: u32 = u32::MAX;
/// Looking ahead stops this far before the end of the data.
const TAIL: usize = 8;

/// How hard to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Places tried in a tree.
    pub(super) depth: u32,
    /// A copy this long is taken at once.
    pub(super) nice: usize,
    /// Times the codes are made anew.
    pub(super) passes: u32,
}

/// Trees of earlier places, and what was found for each place of the block.
pub(super) struct Optimal {
    heads: Box<[u32]>,
    threes: Box<[u32]>,
    children: Box<[u32]>,
    known: usize,
    /// Copies found, by place: `found[ends[i - 1]..ends[i]]`, length and distance, longer ones later.
    found: Vec<(u16, u16)>,
    ends: Vec<u32>,
    /// Cheapest bits from each place to the end of the block, and the first step of that way.
    costs: Vec<f32>,
    ways: Vec<(u16, u16)>,
    /// What the symbols of the last span cost.
    last: Costs,
}

/// What the symbols cost, as the search adds it up.
struct Costs {
    literals: [f32; 256],
    lengths: [f32; LONGEST + 1],
    distances: [f32; 32],
}

impl Costs {
    /// What logs cost before anything is known of this one.
    fn usual() -> Self {
        Self { literals: [6.0; 256], lengths: [8.0; LONGEST + 1], distances: std::array::from_fn(|at| 4.0 + extra(at)) }
    }

    /// What symbols take that are so frequent; one that did not occur, a bit more than one that did once.
    fn of(counts: &Counts) -> Self {
        let bits = |counts: &[u32]| {
            let all = (counts.iter().sum::<u32>().max(1) as f32).log2();
            move |count: u32| all - (count as f32).max(0.5).log2()
        };
        let symbols = counts.symbols();
        let (cost, far) = (bits(&symbols), bits(&counts.distances));
        Self {
            literals: std::array::from_fn(|at| cost(symbols[at])),
            lengths: std::array::from_fn(|len| {
                let (symbol, more) = length_symbol(len);
                cost(symbols[symbol]) + more as f32
            }),
            distances: std::array::from_fn(|at| far(counts.distances[at]) + extra(at)),
        }
    }
}

/// How many extra bits follow a distance symbol.
fn extra(symbol: usize) -> f32 {
    (symbol / 2).saturating_sub(1) as f32
}

impl Optimal {
    pub(super) fn new() -> Self {
        let table = |size| vec![NONE; size].into_boxed_slice();
        Self {
            heads: table(1 << HASH),
            threes: table(1 << HASH_THREE),
            children: table(2 * WINDOW),
            known: 0,
            found: Vec::new(),
            ends: Vec::new(),
            costs: Vec::new(),
            ways: Vec::new(),
            last: Costs::usual(),
        }
    }

    /// Forgets the last piece and learns the history of the next one.
    pub(super) fn begin(&mut self, data: &[u8], start: usize, effort: Effort) {
        self.heads.fill(NONE);
        self.threes.fill(NONE);
        self.children.fill(NONE);
        for at in start.saturating_sub(WINDOW - 1)..start {
            self.found.clear();
            self.find(data, at, effort);
        }
        self.known = start;
        self.last = Costs::usual();
    }

    /// Takes the place into its tree; adds what begins alike before it to `found`. Answers the longest.
    fn find(&mut self, data: &[u8], at: usize, effort: Effort) -> usize {
        let room = LONGEST.min(data.len() - at);
        if room < TAIL {
            return 0;
        }
        let word = eight(data, at);
        let mut best = 0;
        let three = &mut self.threes[hash(word, 3, HASH_THREE)];
        let dist = at.wrapping_sub(*three as usize);
        if *three != NONE && dist < WINDOW && (eight(data, at - dist) ^ word) << 40 == 0 {
            best = 3;
            self.found.push((3, dist as u16));
        }
        *three = at as u32;
        let head = &mut self.heads[hash(word, 4, HASH)];
        let mut node = std::mem::replace(head, at as u32) as usize;
        let (mut lesser, mut greater) = (2 * (at % WINDOW), 2 * (at % WINDOW) + 1);
        let (mut len_lesser, mut len_greater) = (0, 0);
        let mut depth = effort.depth;
        while node != NONE as usize && at - node < WINDOW && depth > 0 {
            depth -= 1;
            let pair = 2 * (node % WINDOW);
            let known = len_lesser.min(len_greater);
            let len = known + same(data, at + known, node + known, room - known);
            if len > best.max(3) {
                best = len;
                self.found.push((len as u16, (at - node) as u16));
            }
            if len >= room || len >= effort.nice {
                // Equal as far as anyone may tell: the place takes over the other's children.
                self.children[lesser] = self.children[pair];
                self.children[greater] = self.children[pair + 1];
                return best;
            }
            if data[node + len] < data[at + len] {
                self.children[lesser] = node as u32;
                lesser = pair + 1;
                node = self.children[lesser] as usize;
                len_lesser = len;
            } else {
                self.children[greater] = node as u32;
                greater = pair;
                node = self.children[greater] as usize;
                len_greater = len;
            }
        }
        self.children[lesser] = NONE;
        self.children[greater] = NONE;
        best
    }

    /// Tells `data` from `start` to `end` in steps.
    pub(super) fn parse(
        &mut self,
        data: &[u8],
        (start, end): (usize, usize),
        effort: Effort,
        steps: &mut Vec<Step>,
    ) -> Counts {
        self.found.clear();
        self.ends.clear();
        let mut skip = 0_usize;
        for at in start..end {
            let before = self.found.len();
            let longest = self.find(data, at, effort);
            if skip > 0 {
                // Inside a copy that is taken anyway: nothing begins here.
                self.found.truncate(before);
                skip -= 1;
            } else if longest >= effort.nice {
                skip = longest - 1;
            }
            self.ends.push(self.found.len() as u32);
        }
        let data = &data[start..end];
        let mut best: Option<(u64, Counts)> = None;
        let mut tried = Vec::new();
        for _ in 0..effort.passes {
            self.cheapest(data);
            let counts = self.walk(data, &mut tried);
            let plan = Plan::new(&counts);
            self.last = Costs::of(&counts);
            if best.as_ref().is_none_or(|(cost, _)| plan.cost() < *cost) {
                best = Some((plan.cost(), counts));
                std::mem::swap(steps, &mut tried);
            } else {
                break;
            }
        }
        best.map_or_else(Counts::new, |(_, counts)| counts)
    }

    /// The cheapest way from each place to the end.
    fn cheapest(&mut self, data: &[u8]) {
        let (n, costs) = (data.len(), &self.last);
        self.costs.clear();
        self.costs.resize(n + 1, 0.0);
        self.ways.clear();
        self.ways.resize(n, (0, 0));
        let mut to = self.found.len();
        for at in (0..n).rev() {
            let (now, after) = self.costs.split_at_mut(at + 1);
            let mut least = costs.literals[usize::from(data[at])] + after[0];
            let mut way = (1, 0);
            let from = at.checked_sub(1).map_or(0, |before| self.ends[before]) as usize;
            let mut shorter = 2;
            for &(len, dist) in &self.found[from..to] {
                let longest = usize::from(len).min(n - at);
                if longest <= shorter {
                    break;
                }
                let far = costs.distances[distance(u32::from(dist)).0 % 32];
                // Copies of every length up to this one: `after[len - 1]` is what is left after it.
                let (rests, lengths) = (&after[shorter..longest], &costs.lengths[shorter + 1..=longest]);
                if rests.len() < LANES || least_sum(rests, lengths) + far < least {
                    for (more, (rest, own)) in rests.iter().zip(lengths).enumerate() {
                        if rest + own + far < least {
                            least = rest + own + far;
                            way = ((shorter + 1 + more) as u16, dist);
                        }
                    }
                }
                shorter = longest;
            }
            to = from;
            now[at] = least;
            self.ways[at] = way;
        }
    }

    /// Follows the cheapest way from the start.
    fn walk(&self, data: &[u8], steps: &mut Vec<Step>) -> Counts {
        let mut counts = Counts::new();
        steps.clear();
        let (mut at, mut literals) = (0, 0);
        while let Some(&(len, dist)) = self.ways.get(at) {
            if dist == 0 {
                counts.literals[usize::from(data[at])] += 1;
                literals += 1;
            } else {
                counts.copy(usize::from(len), usize::from(dist));
                steps.push(Step { literals, len, dist });
                literals = 0;
            }
            at += usize::from(len);
        }
        steps.push(Step { literals, len: 0, dist: 0 });
        counts
    }
}

/// Numbers that are added at once.
const LANES: usize = 4;

/// The least sum of two numbers at the same place; in lanes, so that it becomes vector code.
#[inline]
fn least_sum(a: &[f32], b: &[f32]) -> f32 {
    let least = |x: f32, y: f32| if x < y { x } else { y };
    let mut lanes = [f32::MAX; LANES];
    let (fours_a, fours_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = fours_a.remainder().iter().zip(fours_b.remainder());
    let rest = rest.map(|(x, y)| x + y).fold(f32::MAX, least);
    for (x, y) in fours_a.zip(fours_b) {
        for lane in 0..LANES {
            lanes[lane] = least(x[lane] + y[lane], lanes[lane]);
        }
    }
    lanes.into_iter().fold(rest, least)
}

/// The first `bytes` of a word as a number of `bits` bits.
#[inline(always)]
fn hash(word: u64, bytes: u32, bits: u32) -> usize {
    ((word << (64 - 8 * bytes)).wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - bits)) as usize
}
