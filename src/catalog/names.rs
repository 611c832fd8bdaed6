//! Host name → record: the longest suffix on labels, without allocating.
//!
//! Domains are a tree of labels from the right; a hash table maps (node, label) to the child node. A lookup walks
//! from the top-level domain down and ends at the first label that is not there, so an unknown host costs one or two
//! probes and a known one as many as its domain has labels. Hash and comparison ignore ASCII letter case.

/// No record, no node.
const NONE: u32 = u32::MAX;

/// Where every name starts.
const ROOT: u32 = 0;

#[derive(Debug, Clone)]
struct Node {
    parent: u32,
    label: Box<[u8]>,
    record: u32,
    has_children: bool,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    node: u32,
}

/// The index over all domains.
#[derive(Debug)]
pub(super) struct Names {
    nodes: Vec<Node>,
    /// Open addressing; the length is a power of two, at most half of it used.
    slots: Vec<Slot>,
}

impl Names {
    /// Indexes `(domain, record)` pairs; of a domain given twice, the later pair counts.
    pub(super) fn build<'d>(domains: impl Iterator<Item = (&'d str, u32)>) -> Names {
        let root = Node { parent: NONE, label: Box::default(), record: NONE, has_children: true };
        let mut names = Names { nodes: vec![root], slots: vec![Slot { hash: 0, node: NONE }; 64] };
        for (domain, record) in domains {
            let mut node = ROOT;
            for label in domain.as_bytes().rsplit(|c| *c == b'.') {
                node = names.child(node, label).unwrap_or_else(|| names.add(node, label));
            }
            names.nodes[node as usize].record = record;
        }
        names
    }

    fn add(&mut self, parent: u32, label: &[u8]) -> u32 {
        if (self.nodes.len() + 1) * 2 > self.slots.len() {
            self.slots = vec![Slot { hash: 0, node: NONE }; self.slots.len() * 2];
            for node in 1..self.nodes.len() {
                self.place(node);
            }
        }
        self.nodes[parent as usize].has_children = true;
        self.nodes.push(Node { parent, label: label.into(), record: NONE, has_children: false });
        self.place(self.nodes.len() - 1);
        u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
    }

    fn place(&mut self, node: usize) {
        let hash = hash(self.nodes[node].parent, &self.nodes[node].label);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at].node != NONE {
            at = (at + 1) & mask;
        }
        self.slots[at] = Slot { hash, node: u32::try_from(node).unwrap_or(NONE) };
    }

    fn child(&self, parent: u32, label: &[u8]) -> Option<u32> {
        let hash = hash(parent, label);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.node == NONE {
                return None;
            }
            if slot.hash == hash {
                let node = &self.nodes[slot.node as usize];
                if node.parent == parent && node.label.eq_ignore_ascii_case(label) {
                    return Some(slot.node);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// The record of the longest domain that `host` is or lies below. One trailing dot is allowed.
    pub(super) fn find(&self, host: &[u8]) -> Option<u32> {
        let mut rest = host.strip_suffix(b".").unwrap_or(host);
        let mut node = ROOT;
        let mut found = NONE;
        loop {
            let dot = rest.iter().rposition(|c| *c == b'.');
            let label = &rest[dot.map_or(0, |dot| dot + 1)..];
            let Some(child) = self.child(node, label) else { break };
            node = child;
            let Node { record, has_children, .. } = self.nodes[node as usize];
            if record != NONE {
                found = record;
            }
            match dot {
                Some(dot) if has_children => rest = &rest[..dot],
                _ => break,
            }
        }
        (found != NONE).then_some(found)
    }
}

/// A hash of a label below a node that is equal for equal letters in any case: the case bit is set in every byte.
fn hash(parent: u32, label: &[u8]) -> u32 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = (u64::from(parent) << 32 | label.len() as u64).wrapping_mul(K);
    let mut chunks = label.chunks_exact(8);
    for chunk in &mut chunks {
        state = (state ^ word(chunk)).wrapping_mul(K).rotate_left(29);
    }
    state = (state ^ word(chunks.remainder())).wrapping_mul(K);
    u32::try_from(state >> 32).unwrap_or_default()
}

/// Up to eight bytes as a number, the case bit set in each.
fn word(bytes: &[u8]) -> u64 {
    if let Ok(eight) = <[u8; 8]>::try_from(bytes) {
        return u64::from_le_bytes(eight) | 0x2020_2020_2020_2020;
    }
    bytes.iter().fold(0, |word, byte| word << 8 | u64::from(byte | 0x20))
}
