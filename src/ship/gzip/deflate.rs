//! One piece of a log to deflate blocks: picks the parser for a level, joins what it tells to blocks, writes them.
//!
//! Parsers tell a span at a time. A span becomes a block of its own only where the log has changed so much that codes
//! of its own pay for their header; otherwise it joins the block before it.

use super::STRONGEST;
use super::bits::Bits;
use super::huffman::{Counts, Plan, Prices, Step};
use super::{chains, chains::Chains, greedy::Greedy, optimal, optimal::Optimal, quick::Quick};

/// Steps in a span at most: few enough to stay in the cache until they are written.
const STEPS: usize = 16_384;
/// Bytes in a span at most.
const SPAN: usize = 1 << 18;
/// The same for the strongest parser, which keeps everything it finds in a span.
const SPAN_OPTIMAL: usize = 1 << 17;

/// The levels, fastest first. Each is there for a level of a tool that it has to match; the bench tells which.
const LEVELS: [Parser; STRONGEST as usize] = [
    Parser::Quick,
    Parser::Greedy,
    Parser::Chains(chains::Effort { depth: 4, nice: 20, ahead: 1 }),
    Parser::Chains(chains::Effort { depth: 11, nice: 30, ahead: 1 }),
    Parser::Chains(chains::Effort { depth: 28, nice: 65, ahead: 1 }),
    Parser::Chains(chains::Effort { depth: 75, nice: 130, ahead: 1 }),
    Parser::Chains(chains::Effort { depth: 150, nice: 258, ahead: 2 }),
    Parser::Chains(chains::Effort { depth: 400, nice: 258, ahead: 2 }),
    Parser::Optimal(optimal::Effort { depth: 8, nice: 130, passes: 1 }),
    Parser::Optimal(optimal::Effort { depth: 32, nice: 150, passes: 2 }),
    Parser::Optimal(optimal::Effort { depth: 80, nice: 200, passes: 3 }),
    Parser::Optimal(optimal::Effort { depth: 300, nice: 258, passes: 6 }),
];

#[derive(Clone, Copy, Debug)]
enum Parser {
    Quick,
    Greedy,
    Chains(chains::Effort),
    Optimal(optimal::Effort),
}

/// Turns pieces into deflate blocks; keeps its tables from one piece to the next.
#[derive(Default)]
pub(super) struct Encoder {
    quick: Option<Quick>,
    greedy: Option<Greedy>,
    chains: Option<Chains>,
    optimal: Option<Optimal>,
}

impl Encoder {
    /// Appends `data[start..]` to `out` as blocks that end at a byte boundary and are not the last of their stream.
    /// What stands before `start` was written before and may be referred to.
    pub(super) fn piece(&mut self, level: u8, data: &[u8], start: usize, out: Vec<u8>) -> Vec<u8> {
        let mut blocks = Blocks { bits: Bits::after(out), data, open: None };
        let mut prices = Prices::usual();
        let mut at = start;
        match LEVELS[usize::from(level.clamp(1, STRONGEST)) - 1] {
            Parser::Quick => {
                blocks.bits = self.quick.get_or_insert_with(Quick::new).piece(blocks.bits, data, start);
            }
            Parser::Greedy => blocks.greedy(self.greedy.get_or_insert_with(Greedy::new), start),
            Parser::Chains(effort) => {
                let chains = self.chains.get_or_insert_with(Chains::new);
                chains.begin(data, start);
                while at < data.len() {
                    let (mut steps, mut counts) = (Vec::with_capacity(STEPS), Counts::new());
                    let span = (at, data.len().min(at + SPAN));
                    let end = chains.parse(data, span, effort, &prices, &mut steps, &mut counts);
                    prices = blocks.add((at, end), steps, counts);
                    at = end;
                }
            }
            Parser::Optimal(effort) => {
                let optimal = self.optimal.get_or_insert_with(Optimal::new);
                optimal.begin(data, start, effort);
                while at < data.len() {
                    let mut steps = Vec::with_capacity(STEPS);
                    let end = data.len().min(at + SPAN_OPTIMAL);
                    let counts = optimal.parse(data, (at, end), effort, &mut steps);
                    blocks.add((at, end), steps, counts);
                    at = end;
                }
            }
        }
        blocks.close();
        blocks.bits.align();
        blocks.bits.into_bytes()
    }
}

/// A block that may still grow.
struct Open {
    span: (usize, usize),
    steps: Vec<Step>,
    counts: Counts,
    plan: Plan,
}

/// The blocks of a piece, as they come.
struct Blocks<'a> {
    bits: Bits,
    data: &'a [u8],
    open: Option<Open>,
}

impl Blocks<'_> {
    /// All of the piece by a parser that decides without prices: each span is written at once, still in the cache.
    fn greedy(&mut self, greedy: &mut Greedy, start: usize) {
        let (data, mut at, mut steps) = (self.data, start, Vec::with_capacity(STEPS));
        greedy.begin(data, start);
        while at < data.len() {
            let mut counts = Counts::new();
            steps.clear();
            let end = greedy.parse(data, (at, data.len().min(at + SPAN)), &mut steps, &mut counts);
            Plan::new(&counts).write(&mut self.bits, data, (at, end), &steps);
            at = end;
        }
    }

    /// Takes the next span; answers what its symbols cost.
    fn add(&mut self, span: (usize, usize), steps: Vec<Step>, counts: Counts) -> Prices {
        let plan = Plan::new(&counts);
        if let Some(open) = &mut self.open {
            let mut both = Counts::new();
            both.add(&open.counts);
            both.add(&counts);
            let joined = Plan::new(&both);
            if joined.cost() <= open.plan.cost() + plan.cost() {
                // The last step of a span is only literals: those go to the first step of the next.
                let left = open.steps.pop().map_or(0, |step| step.literals);
                let first = open.steps.len();
                open.steps.extend(steps);
                if let Some(step) = open.steps.get_mut(first) {
                    step.literals += left;
                }
                open.span.1 = span.1;
                (open.counts, open.plan) = (both, joined);
                return open.plan.prices();
            }
        }
        self.close();
        let prices = plan.prices();
        self.open = Some(Open { span, steps, counts, plan });
        prices
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.plan.write(&mut self.bits, self.data, open.span, &open.steps);
        }
    }
}
