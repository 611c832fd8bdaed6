//! Host name → record: the longest suffix on labels, without allocating.
//!
//! Domains are a tree from the right: the last two labels together are the first step (nearly all domains are that
//! short), every further label is one more. A hash table maps (node, step) to the child node. A lookup walks down and
//! ends at the first step that is not there, so an unknown host costs one probe.
//!
//! A step of up to fifteen bytes is a number, letters lowered, the length on top: it is compared exactly and at once.
//! Of the longer ones the last fifteen bytes are the number, and the whole is compared as text.

/// No record, no node.
const NONE: u32 = u32::MAX;

/// Where every name starts.
const ROOT: u32 = 0;

/// The longest step that is a number of its own.
const SHORT: usize = 15;

/// Marks the number of a longer step, where short ones have their length.
const LONG: u128 = 0xff << 120;

#[derive(Debug, Clone)]
struct Node {
    parent: u32,
    record: u32,
    has_children: bool,
    key: u128,
    /// The step's text where it is longer than a number.
    text: Box<[u8]>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    node: u32,
}

const EMPTY: Slot = Slot { hash: 0, node: NONE };

/// The index over all domains.
#[derive(Debug)]
pub(super) struct Names {
    nodes: Vec<Node>,
    /// Open addressing; the length is a power of two, at most five eighths of it used.
    slots: Vec<Slot>,
}

impl Names {
    /// Indexes `(domain, record)` pairs of lower-case domains; of a domain given twice, the later pair counts.
    pub(super) fn build<'d>(domains: impl Iterator<Item = (&'d str, u32)>) -> Names {
        let root = Node { parent: NONE, record: NONE, has_children: true, key: 0, text: Box::default() };
        let mut names = Names { nodes: vec![root], slots: vec![EMPTY; 64] };
        for (domain, record) in domains {
            let (mut node, mut rest) = (ROOT, domain.as_bytes());
            loop {
                let (before, step) = split(rest, if node == ROOT { 2 } else { 1 });
                let key = key(step);
                node = names.child(node, key, step).unwrap_or_else(|| names.add(node, key, step));
                let Some(before) = before else { break };
                rest = before;
            }
            names.nodes[node as usize].record = record;
        }
        names
    }

    fn add(&mut self, parent: u32, key: u128, step: &[u8]) -> u32 {
        if (self.nodes.len() + 1) * 8 > self.slots.len() * 5 {
            self.slots = vec![EMPTY; self.slots.len() * 2];
            for node in 1..self.nodes.len() {
                self.place(node);
            }
        }
        self.nodes[parent as usize].has_children = true;
        let text = if step.len() > SHORT { step.into() } else { Box::default() };
        self.nodes.push(Node { parent, record: NONE, has_children: false, key, text });
        self.place(self.nodes.len() - 1);
        u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
    }

    fn place(&mut self, node: usize) {
        let hash = hash(self.nodes[node].parent, self.nodes[node].key);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at].node != NONE {
            at = (at + 1) & mask;
        }
        self.slots[at] = Slot { hash, node: u32::try_from(node).unwrap_or(NONE) };
    }

    #[inline]
    fn child(&self, parent: u32, key: u128, step: &[u8]) -> Option<u32> {
        let hash = hash(parent, key);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.node == NONE {
                return None;
            }
            if slot.hash == hash {
                let node = &self.nodes[slot.node as usize];
                let same = node.key == key && node.parent == parent;
                if same && (step.len() <= SHORT || node.text.eq_ignore_ascii_case(step)) {
                    return Some(slot.node);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// The record of the longest domain that `host` is or lies below. One trailing dot is allowed.
    #[inline]
    pub(super) fn find(&self, host: &[u8]) -> Option<u32> {
        let host = host.strip_suffix(b".").unwrap_or(host);
        let window = window(host);
        let width = match two_labels(window) {
            Some(width) => width.min(host.len()),
            None => split(host, 2).1.len(),
        };
        let start = host.len() - width;
        let (mut rest, step) = (start.checked_sub(1).map(|dot| &host[..dot]), &host[start..]);
        let number = number(window, width);
        let mut at = self.child(ROOT, number, step)?;
        let mut node = &self.nodes[at as usize];
        let mut found = node.record;
        while let Some(left) = rest.filter(|_| node.has_children) {
            let (before, step) = split(left, 1);
            let Some(child) = self.child(at, key(step), step) else { break };
            (at, node, rest) = (child, &self.nodes[child as usize], before);
            if node.record != NONE {
                found = node.record;
            }
        }
        (found != NONE).then_some(found)
    }
}

/// The last `labels` labels, and what stands before the dot in front of them.
fn split(name: &[u8], labels: usize) -> (Option<&[u8]>, &[u8]) {
    let mut end = name.len();
    for _ in 0..labels {
        match name[..end].iter().rposition(|byte| *byte == b'.') {
            Some(dot) => end = dot,
            None => return (None, name),
        }
    }
    (Some(&name[..end]), &name[end + 1..])
}

/// The number of a step.
fn key(step: &[u8]) -> u128 {
    number(window(step), step.len())
}

/// The last sixteen bytes as a number whose highest byte is the last; zeros stand where there are fewer.
#[inline]
fn window(text: &[u8]) -> u128 {
    if let Some(last) = text.last_chunk::<16>() {
        return u128::from_le_bytes(*last);
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        // What both have in common falls off the upper end of the first eight.
        let first = u128::from(u64::from_le_bytes(*first)) << (128 - 8 * text.len()) & u128::from(u64::MAX);
        return u128::from(u64::from_le_bytes(*last)) << 64 | first;
    }
    text.iter().fold(0, |window, byte| window >> 8 | u128::from(*byte) << 120)
}

/// Every byte the same.
const fn each(byte: u8) -> u128 {
    u128::from_le_bytes([byte; 16])
}

/// How many bytes at the upper end lie behind the second dot from there, if that is in the window or the window was
/// not filled.
#[inline]
fn two_labels(window: u128) -> Option<usize> {
    let other = window ^ each(b'.');
    // The upper bit of exactly those bytes that are zero.
    let dots = !(((other & each(0x7f)) + each(0x7f)) | other | each(0x7f));
    let first = dots.leading_zeros();
    let beyond = dots & u128::MAX.checked_shr(first + 1).unwrap_or(0);
    let unfilled = window & 0xff == 0;
    (beyond != 0 || unfilled).then_some((beyond.leading_zeros() / 8) as usize)
}

/// The number of a step of `width` bytes that a window ends with: all bytes with the length, or the last [`SHORT`].
#[inline]
fn number(window: u128, width: usize) -> u128 {
    let window = lower(window);
    match width {
        0 => 0,
        1..=SHORT => window >> (128 - 8 * width) | (width as u128) << 120,
        _ => window >> 8 | LONG,
    }
}

/// ASCII capitals made small, all other bytes as they are.
#[inline]
fn lower(window: u128) -> u128 {
    let seven = window & each(0x7f);
    let from_a = seven + each(0x80 - b'A');
    let after_z = seven + each(0x80 - b'Z' - 1);
    window | (from_a & !after_z & !window & each(0x80)) >> 2
}

/// The upper half of a well mixed number: the lower bits choose the slot, all of them are compared.
#[inline]
fn hash(parent: u32, key: u128) -> u32 {
    let seed = u64::from(parent).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xe703_7ed1_a0b4_28db;
    let state = fold(low(key) ^ seed, high(key) ^ 0x8ebc_6af0_9c88_c6e3);
    u32::try_from(state >> 32).unwrap_or_default()
}

/// Both halves of the product.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    low(product) ^ high(product)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn low(number: u128) -> u64 {
    number as u64
}

#[inline]
fn high(number: u128) -> u64 {
    low(number >> 64)
}
