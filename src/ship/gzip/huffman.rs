//! Deflate blocks with codes of their own: from literals and matches to bits.
//!
//! A block arrives as its bytes and the steps that tell them (so many literals, then a copy), with the counts already
//! made. Lengths come from Moffat and Katajainen's in-place algorithm, held to deflate's 15 bits; a block that would
//! grow is stored as it is.

use super::bits::Bits;
use super::lookup::four;

/// So many literals, then `len` bytes again from `dist` back; `len` is 0 in the last step of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) literals: u32,
    pub(super) len: u16,
    pub(super) dist: u16,
}

const END: usize = 256;
const LITERALS: usize = 286;
const DISTANCES: usize = 30;
/// Longest code of deflate's alphabets; four literals of this many bits fit the register.
const LIMIT: u8 = 14;
/// The order in which a block's header names the lengths of its own small code.
pub(super) const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// How often each literal, copy length and distance symbol stands in a block.
pub(super) struct Counts {
    pub(super) literals: [u32; 256],
    pub(super) lengths: [u32; 259],
    pub(super) distances: [u32; 32],
}

impl Counts {
    pub(super) fn new() -> Self {
        Self { literals: [0; 256], lengths: [0; 259], distances: [0; 32] }
    }

    /// Counts a copy.
    #[inline(always)]
    pub(super) fn copy(&mut self, len: usize, dist: usize) {
        if let Some(count) = self.lengths.get_mut(len) {
            *count += 1;
        }
        self.distances[distance(dist as u32).0 % 32] += 1;
    }

    /// How often each symbol of the first code occurs.
    pub(super) fn symbols(&self) -> [u32; LITERALS] {
        let mut symbols = [0; LITERALS];
        symbols[..256].copy_from_slice(&self.literals);
        symbols[END] = 1;
        for (&(symbol, ..), &count) in LENGTHS.iter().zip(&self.lengths).skip(3) {
            symbols[usize::from(symbol)] += count;
        }
        symbols
    }

    /// The counts of two blocks that become one.
    pub(super) fn add(&mut self, other: &Self) {
        let sum = |all: &mut [u32], more: &[u32]| all.iter_mut().zip(more).for_each(|(a, b)| *a += b);
        sum(&mut self.literals, &other.literals);
        sum(&mut self.lengths, &other.lengths);
        sum(&mut self.distances, &other.distances);
    }
}

/// What each literal, copy length and distance costs, in bits, extra bits included: what a parser decides by.
#[derive(Clone)]
pub(super) struct Prices {
    pub(super) literals: [u8; 256],
    pub(super) lengths: [u8; 512],
    pub(super) distances: [u8; 32],
}

impl Prices {
    /// What logs cost before anything is known of this one.
    pub(super) fn usual() -> Self {
        Self {
            literals: [6; 256],
            lengths: [8; 512],
            distances: std::array::from_fn(|at| 4 + (at as u8 / 2).saturating_sub(1)),
        }
    }

    /// Takes over a block's code; what did not occur in it costs as much as the rarest symbol.
    fn learn(&mut self, lengths: &[u8; LITERALS], distances: &[u8; DISTANCES]) {
        let price = |length: u8| if length == 0 { LIMIT } else { length };
        self.literals = std::array::from_fn(|at| price(lengths[at]));
        for (slot, &(symbol, _, more)) in self.lengths.iter_mut().zip(&LENGTHS) {
            *slot = price(lengths[usize::from(symbol)]) + more;
        }
        for (at, slot) in self.distances.iter_mut().enumerate().take(DISTANCES) {
            *slot = price(distances[at]) + (at as u8 / 2).saturating_sub(1);
        }
    }

    /// What a copy costs.
    #[inline(always)]
    pub(super) fn copy(&self, len: usize, dist: usize) -> u32 {
        u32::from(self.lengths[len % 512]) + u32::from(self.distances[distance(dist as u32).0 % 32])
    }

    /// What the same bytes cost as literals.
    #[inline(always)]
    pub(super) fn literals(&self, bytes: &[u8]) -> u32 {
        bytes.iter().map(|byte| u32::from(self.literals[usize::from(*byte)])).sum()
    }
}

/// The symbol of a distance and how many extra bits follow it.
#[inline(always)]
pub(super) const fn distance(dist: u32) -> (usize, u32) {
    let x = dist.wrapping_sub(1) & 0x7fff;
    if x < 2 {
        return (x as usize, 0);
    }
    let log = 31 - x.leading_zeros();
    ((2 * log + ((x >> (log - 1)) & 1)) as usize, log - 1)
}

/// The symbol of a copy length and how many extra bits follow it.
pub(super) fn length_symbol(len: usize) -> (usize, u32) {
    let (symbol, _, more) = LENGTHS.get(len).copied().unwrap_or_default();
    (usize::from(symbol), u32::from(more))
}

/// The symbol of a copy length, its extra bits and their count.
const fn length(len: u32) -> (u32, u32, u32) {
    if len == 258 {
        return (285, 0, 0);
    }
    let x = len.saturating_sub(3);
    if x < 8 {
        return (257 + x, 0, 0);
    }
    let log = 31 - x.leading_zeros();
    let extra = log - 2;
    (257 + 4 * extra + (x >> extra), x & ((1 << extra) - 1), extra)
}

/// Every copy length as `length` tells it.
static LENGTHS: [(u16, u8, u8); 259] = {
    let mut all = [(0, 0, 0); 259];
    let mut len = 0;
    while len < 259 {
        let (symbol, extra, count) = length(len as u32);
        all[len] = (symbol as u16, extra as u8, count as u8);
        len += 1;
    }
    all
};

/// Code lengths for the counts, none longer than `limit`, as short in sum as they can be.
fn code_lengths<const N: usize>(counts: &[u32; N], limit: u8) -> [u8; N] {
    let mut lengths = [0; N];
    let mut order = [0_u64; N];
    let mut used = 0;
    for (symbol, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        order[used] = u64::from(count) << 16 | symbol as u64;
        used += 1;
    }
    // Some readers refuse a code of one symbol: a second one costs nothing.
    let mut spare = 0;
    while used < 2 {
        if counts[spare] == 0 {
            order[used] = 1 << 16 | spare as u64;
            used += 1;
        }
        spare += 1;
    }
    let order = &mut order[..used];
    order.sort_unstable();
    let per_length = depths(order, limit);
    let mut symbols = order.iter();
    for length in (1..=limit).rev() {
        for entry in symbols.by_ref().take(per_length[usize::from(length)] as usize) {
            lengths[(entry & 0xffff) as usize] = length;
        }
    }
    lengths
}

/// How many codes of each length a best tree has over counts in rising order.
fn depths(order: &[u64], limit: u8) -> [u32; 16] {
    let n = order.len();
    let mut a = [0_u32; LITERALS + 2];
    for (slot, entry) in a.iter_mut().zip(order) {
        *slot = u32::try_from(entry >> 16).unwrap_or(u32::MAX / 512).min(u32::MAX / 512);
    }
    // First pass: parents, in place of the counts that went into them.
    let (mut leaf, mut root) = (0, 0);
    for next in 0..n - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            if leaf >= n || (root < next && a[root] < a[leaf]) {
                sum += a[root];
                a[root] = next as u32;
                root += 1;
            } else {
                sum += a[leaf];
                leaf += 1;
            }
        }
        a[next] = sum;
    }
    // Second pass: depths of the inner nodes, and from them how many leaves hang at each depth.
    let mut per_length = [0_u32; 16];
    let limit = usize::from(limit);
    a[n - 2] = 0;
    for at in (0..n - 2).rev() {
        a[at] = a[a[at] as usize] + 1;
    }
    let (mut open, mut depth, mut inner) = (1_u32, 0_usize, n - 1);
    while open > 0 {
        let mut nodes = 0;
        while inner > 0 && a[inner - 1] as usize == depth {
            nodes += 1;
            inner -= 1;
        }
        per_length[depth.min(limit)] += open - nodes;
        open = 2 * nodes;
        depth += 1;
    }
    // Leaves pulled up to the limit took too much of the code space: others go down for them.
    let mut taken: u64 = (1..=limit).map(|length| u64::from(per_length[length]) << (limit - length)).sum();
    while taken > 1 << limit {
        let Some(length) = (1..limit).rev().find(|length| per_length[*length] > 0) else { break };
        per_length[length] -= 1;
        per_length[length + 1] += 2;
        per_length[limit] -= 1;
        taken -= 1;
    }
    per_length
}

/// The codes that belong to the lengths, bits turned as deflate writes them.
fn codes<const N: usize>(lengths: &[u8; N]) -> [u16; N] {
    let mut many = [0_u16; 16];
    for &length in lengths.iter().filter(|length| **length > 0) {
        many[usize::from(length)] += 1;
    }
    let mut next = [0_u16; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + many[length - 1]) << 1;
    }
    let mut codes = [0; N];
    for (code, &length) in codes.iter_mut().zip(lengths).filter(|(_, length)| **length > 0) {
        let slot = &mut next[usize::from(length)];
        *code = slot.reverse_bits() >> (16 - u32::from(length));
        *slot += 1;
    }
    codes
}

/// A block's header: lengths told in runs, and the small code that tells them.
struct Header {
    runs: Vec<(u8, u8)>,
    lengths: [u8; 19],
    named: usize,
    literals: usize,
    distances: usize,
}

impl Header {
    fn new(literal_lengths: &[u8; LITERALS], distance_lengths: &[u8; DISTANCES]) -> Self {
        let trimmed =
            |lengths: &[u8], least: usize| lengths.iter().rposition(|l| *l > 0).map_or(least, |at| least.max(at + 1));
        let (literals, distances) = (trimmed(literal_lengths, 257), trimmed(distance_lengths, 1));
        let all: Vec<u8> = literal_lengths[..literals].iter().chain(&distance_lengths[..distances]).copied().collect();
        let mut runs = Vec::with_capacity(all.len());
        let mut counts = [0_u32; 19];
        let mut at = 0;
        while let Some(&length) = all.get(at) {
            let mut run = all[at..].iter().take_while(|l| **l == length).count();
            at += run;
            if length > 0 {
                runs.push((length, 0));
                run -= 1;
            }
            while run > 0 {
                let (symbol, least, most) = match (length, run) {
                    (0, 11..) => (18, 11, 138),
                    (0, 3..) => (17, 3, 10),
                    (1.., 3..) => (16, 3, 6),
                    _ => (length, 1, 1),
                };
                let now = run.min(most);
                runs.push((symbol, (now - least) as u8));
                run -= now;
            }
        }
        for (symbol, _) in &runs {
            counts[usize::from(*symbol)] += 1;
        }
        let lengths = code_lengths(&counts, 7);
        let named = ORDER.iter().rposition(|symbol| lengths[*symbol] > 0).map_or(4, |at| 4.max(at + 1));
        Self { runs, lengths, named, literals, distances }
    }

    fn extra(symbol: u8) -> u32 {
        [2, 3, 7].get(usize::from(symbol).wrapping_sub(16)).copied().unwrap_or(0)
    }

    fn bits(&self) -> u64 {
        let runs = self.runs.iter().map(|(symbol, _)| u64::from(self.lengths[usize::from(*symbol)]));
        let extra = self.runs.iter().map(|(symbol, _)| u64::from(Self::extra(*symbol)));
        17 + 3 * self.named as u64 + runs.sum::<u64>() + extra.sum::<u64>()
    }

    fn write(&self, bits: &mut Bits) {
        bits.write(0b100, 3);
        bits.write((self.literals - 257) as u64, 5);
        bits.write((self.distances - 1) as u64, 5);
        bits.write((self.named - 4) as u64, 4);
        for symbol in &ORDER[..self.named] {
            bits.write(u64::from(self.lengths[*symbol]), 3);
        }
        let codes = codes(&self.lengths);
        for (symbol, extra) in &self.runs {
            let at = usize::from(*symbol);
            bits.write(u64::from(codes[at]), u32::from(self.lengths[at]));
            bits.write(u64::from(*extra), Self::extra(*symbol));
        }
    }
}

/// A code ready to be written: its bits low, their count in the top byte.
fn ready(code: u16, length: u8) -> u32 {
    u32::from(length) << 24 | u32::from(code)
}

/// The code of a block, and what the block costs with it.
pub(super) struct Plan {
    lengths: [u8; LITERALS],
    distances: [u8; DISTANCES],
    header: Header,
    cost: u64,
}

impl Plan {
    /// The best code for the counts.
    pub(super) fn new(counts: &Counts) -> Self {
        Self::with(counts, |_| {})
    }

    /// A code that serves more than what was counted: every symbol has a place in it.
    pub(super) fn wide(counts: &Counts) -> Self {
        Self::with(counts, |counts| counts.iter_mut().for_each(|count| *count = *count * 16 + 1))
    }

    fn with(counts: &Counts, weigh: impl Fn(&mut [u32])) -> Self {
        let symbols = counts.symbols();
        let mut extra = 0;
        for (&(_, _, more), &count) in LENGTHS.iter().zip(&counts.lengths).skip(3) {
            extra += u64::from(count) * u64::from(more);
        }
        let mut far = [0_u32; DISTANCES];
        for (at, slot) in far.iter_mut().enumerate() {
            *slot = counts.distances[at];
            extra += u64::from(*slot) * (at as u64 / 2).saturating_sub(1);
        }
        let (mut symbol_weights, mut far_weights) = (symbols, far);
        weigh(&mut symbol_weights);
        weigh(&mut far_weights);
        let (lengths, distances) = (code_lengths(&symbol_weights, LIMIT), code_lengths(&far_weights, LIMIT));
        let header = Header::new(&lengths, &distances);
        let sum = |counts: &[u32], lengths: &[u8]| -> u64 {
            counts.iter().zip(lengths).map(|(count, length)| u64::from(*count) * u64::from(*length)).sum()
        };
        let cost = header.bits() + sum(&symbols, &lengths) + sum(&far, &distances) + extra;
        Self { lengths, distances, header, cost }
    }

    /// What the block takes, in bits.
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    /// What each symbol costs in this block.
    pub(super) fn prices(&self) -> Prices {
        let mut prices = Prices::usual();
        prices.learn(&self.lengths, &self.distances);
        prices
    }

    /// Writes the block, which is not the last: its bytes are `data` from `start` to `end`, told by `steps`.
    pub(super) fn write(&self, bits: &mut Bits, data: &[u8], span: (usize, usize), steps: &[Step]) {
        if self.begin(bits, data, span, steps).is_some() {
            self.end(bits);
        }
    }

    /// The same without its end; answers how to go on, unless these bytes had to be stored.
    pub(super) fn begin(
        &self,
        bits: &mut Bits,
        data: &[u8],
        (start, end): (usize, usize),
        steps: &[Step],
    ) -> Option<Tables> {
        let bytes = &data[start..end];
        let stored = (bytes.len() as u64 + 5 * (bytes.len() as u64 / 65_535 + 1)) * 8;
        if self.cost >= stored {
            bits.stored(bytes);
            return None;
        }
        bits.reserve(self.cost);
        self.header.write(bits);
        let tables = Tables::new(&self.lengths, &self.distances);
        let mut at = start;
        for step in steps {
            tables.literals(bits, data, at, step.literals as usize);
            if step.len > 0 {
                tables.copy(bits, step.len, step.dist);
            }
            at += step.literals as usize + usize::from(step.len);
        }
        Some(tables)
    }

    /// Writes the end of the block, into reserved room.
    pub(super) fn end(&self, bits: &mut Bits) {
        bits.write(u64::from(codes(&self.lengths)[END]), u32::from(self.lengths[END]));
    }
}

/// What is written for each symbol: its bits low, their count in the top byte.
pub(super) struct Tables {
    literals: [u32; 256],
    copies: [u32; 512],
    /// By `near`; between bits and count stands how many extra bits follow.
    distances: [u32; 512],
}

const CODE: u32 = 0xffff;
const CODE_EXTRA: u32 = 0x00ff_ffff;

/// A number for every distance, the same only for those with one symbol.
#[inline(always)]
fn near(less: u32) -> usize {
    (if less < 256 { less } else { 256 + (less >> 7 & 255) }) as usize
}

/// The symbol and the count of extra bits for each such number.
static NEAR: [(u8, u8); 512] = {
    let mut all = [(0, 0); 512];
    let mut at = 0;
    while at < 512 {
        let less = if at < 256 { at as u32 } else { (at as u32 - 256) << 7 };
        let (symbol, more) = distance(less + 1);
        all[at] = (symbol as u8, more as u8);
        at += 1;
    }
    all
};

impl Tables {
    fn new(lengths: &[u8; LITERALS], distances: &[u8; DISTANCES]) -> Self {
        let (codes, distance_codes) = (codes(lengths), self::codes(distances));
        let mut tables = Self {
            literals: std::array::from_fn(|at| ready(codes[at], lengths[at])),
            copies: [0; 512],
            distances: [0; 512],
        };
        for (slot, &(symbol, extra, more)) in tables.copies.iter_mut().zip(&LENGTHS) {
            let (code, length) = (codes[usize::from(symbol)], lengths[usize::from(symbol)]);
            *slot = (u32::from(length) + u32::from(more)) << 24 | u32::from(extra) << length | u32::from(code);
        }
        for (slot, &(symbol, more)) in tables.distances.iter_mut().zip(&NEAR) {
            let symbol = usize::from(symbol);
            *slot = ready(distance_codes[symbol], distances[symbol]) | u32::from(more) << 16;
        }
        tables
    }

    /// The bits of four literals one after the other, and how many are those of none, one, two, three and all of them.
    #[inline(always)]
    fn literals_of(&self, word: u32) -> (u64, [u32; 5]) {
        let [a, b, c, d] = word.to_le_bytes().map(|byte| self.literals[usize::from(byte)]);
        let (one, three) = (a >> 24, c >> 24);
        let (two, four) = (one + (b >> 24), three + (d >> 24));
        let front = u64::from(a & CODE) | u64::from(b & CODE) << one;
        let back = u64::from(c & CODE) | u64::from(d & CODE) << three;
        (front | back << two, [0, one, two, two + three, two + four])
    }

    /// Takes a literal into the register.
    #[inline(always)]
    pub(super) fn literal(&self, bits: &mut Bits, byte: u8) {
        let code = self.literals[usize::from(byte)];
        bits.put(u64::from(code & CODE), code >> 24);
    }

    /// Writes so many literals. Nothing is decided by how many stand before a copy: that is as good as random, and a loop
    /// over them would mispredict once a step. Four are looked up whatever there is, and as many bits taken as there are.
    #[inline(always)]
    pub(super) fn literals(&self, bits: &mut Bits, data: &[u8], mut at: usize, mut left: usize) {
        loop {
            let (all, ends) = self.literals_of(if at + 4 <= data.len() { four(data, at) } else { last(data, at) });
            let count = ends[left.min(4)];
            bits.put(all & ((1 << count) - 1), count);
            bits.flush();
            if left <= 4 {
                return;
            }
            left -= 4;
            at += 4;
        }
    }

    /// Writes a copy.
    #[inline(always)]
    pub(super) fn copy(&self, bits: &mut Bits, len: u16, dist: u16) {
        let copy = self.copies[usize::from(len & 511)];
        let less = u32::from(dist).wrapping_sub(1);
        let code = self.distances[near(less) & 511];
        let (length, more) = (code >> 24, code >> 16 & 15);
        let told = u64::from(code & CODE) | u64::from(less & ((1 << more) - 1)) << length;
        bits.put(u64::from(copy & CODE_EXTRA) | told << (copy >> 24), (copy >> 24) + length + more);
        bits.flush();
    }
}

/// The last bytes of the data, as a word.
#[cold]
fn last(data: &[u8], at: usize) -> u32 {
    data.get(at..).unwrap_or_default().iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}
