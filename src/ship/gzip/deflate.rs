//! One piece of a log to deflate blocks: picks the parser for a level and writes what it tells.

use super::bits::Bits;
use super::chains::{Chains, Effort};
use super::greedy::Greedy;
use super::huffman::{Counts, Prices, Step, write_block};

/// Steps in a block: enough for its header to weigh little, few enough to stay in the cache.
const STEPS: usize = 16_384;
/// Bytes in a block at most.
const BLOCK: usize = 1 << 18;

/// The levels, fastest first.
const LEVELS: [Parser; 9] = [
    Parser::Greedy,
    Parser::Chains(Effort { depth: 6, nice: 10, ahead: 0 }),
    Parser::Chains(Effort { depth: 12, nice: 14, ahead: 0 }),
    Parser::Chains(Effort { depth: 16, nice: 30, ahead: 0 }),
    Parser::Chains(Effort { depth: 16, nice: 30, ahead: 1 }),
    Parser::Chains(Effort { depth: 35, nice: 65, ahead: 1 }),
    Parser::Chains(Effort { depth: 100, nice: 130, ahead: 1 }),
    Parser::Chains(Effort { depth: 300, nice: 258, ahead: 2 }),
    Parser::Chains(Effort { depth: 600, nice: 258, ahead: 2 }),
];

#[derive(Clone, Copy, Debug)]
enum Parser {
    Greedy,
    Chains(Effort),
}

/// Turns pieces into deflate blocks; keeps its tables from one piece to the next.
pub(super) struct Encoder {
    greedy: Option<Greedy>,
    chains: Option<Chains>,
    steps: Vec<Step>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self { greedy: None, chains: None, steps: Vec::with_capacity(STEPS) }
    }

    /// Appends `data[start..]` to `out` as blocks that end at a byte boundary and are not the last of their stream.
    /// What stands before `start` was written before and may be referred to.
    pub(super) fn piece(&mut self, level: u8, data: &[u8], start: usize, out: Vec<u8>) -> Vec<u8> {
        let mut bits = Bits::after(out);
        let parser = LEVELS[usize::from(level.clamp(1, 9)) - 1];
        let greedy = self.greedy.get_or_insert_with(Greedy::new);
        let chains = self.chains.get_or_insert_with(Chains::new);
        match parser {
            Parser::Greedy => greedy.begin(data, start),
            Parser::Chains(_) => chains.begin(data, start),
        }
        let mut prices = Prices::usual();
        let mut at = start;
        while at < data.len() {
            let span = (at, data.len().min(at + BLOCK));
            let mut counts = Counts::new();
            self.steps.clear();
            let end = match parser {
                Parser::Greedy => greedy.parse(data, span, &mut self.steps, &mut counts),
                Parser::Chains(effort) => chains.parse(data, span, effort, &prices, &mut self.steps, &mut counts),
            };
            write_block(&mut bits, &data[at..end], &self.steps, &counts, &mut prices);
            at = end;
        }
        bits.align();
        bits.into_bytes()
    }
}
