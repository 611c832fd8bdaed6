//! Host name → record: the longest suffix on labels, without allocating.
//!
//! Domains are a tree from the right: the last two labels together are the first step (nearly all domains are that
//! short), every further label is one more. A hash table maps (node, step) to the child node. A lookup walks down and
//! ends at the first step that is not there, so an unknown host costs one probe.
//!
//! * A step is a number: its last fifteen bytes, letters lowered, with the length on top. Up to that length the number
//!   is the step; of a longer one the beginning is compared as text.
//! * The table is made once and never grows. A bucket has the tags of up to eight nodes in one number, all compared at
//!   once; the tags of the whole catalogue stay in the nearest cache, and what is unknown is settled there. The nodes
//!   themselves lie bucket after bucket without a gap.

use std::collections::HashMap;

/// No record.
const NONE: u32 = u32::MAX;

/// Where every name starts.
const ROOT: u32 = 0;

/// The longest step that its number says whole.
const SHORT: usize = 15;

/// Buckets hold half of this on average.
const BUCKET: usize = 8;

#[derive(Debug, Clone, Copy)]
struct Node {
    key: u128,
    parent: u32,
    /// Its own number, which its children have as their parent.
    id: u32,
    /// [`NONE`] where no domain ends.
    record: u32,
    /// Where the step's text is, if it is longer than its number.
    text: u32,
}

/// The index over all domains.
#[derive(Debug)]
pub(super) struct Names {
    /// The tags of a bucket, the first in the lowest byte; zero where there is none.
    tags: Box<[u64]>,
    /// Where a bucket's nodes begin.
    starts: Box<[u32]>,
    nodes: Box<[Node]>,
    texts: Box<[u8]>,
    /// By number: whether a node has children.
    parents: Box<[bool]>,
}

impl Names {
    /// Indexes `(domain, record)` pairs of lower-case domains; of a domain given twice, the later pair counts.
    pub(super) fn build<'d>(domains: impl Iterator<Item = (&'d str, u32)>) -> Names {
        let root = Node { key: 0, parent: NONE, id: ROOT, record: NONE, text: 0 };
        let (mut nodes, mut parents, mut texts) = (vec![root], vec![true], Vec::new());
        let mut known: HashMap<(u32, &[u8]), u32, _> = HashMap::with_hasher(foldhash::fast::FixedState::default());
        for (domain, record) in domains {
            let (mut at, mut rest) = (ROOT, domain.as_bytes());
            loop {
                let step = step(rest, if at == ROOT { 2 } else { 1 });
                at = *known.entry((at, step)).or_insert_with(|| {
                    let (id, text) = (number32(nodes.len()), number32(texts.len()));
                    if step.len() > SHORT {
                        texts.extend_from_slice(step);
                    }
                    nodes.push(Node { key: key(window(step), step.len()), parent: at, id, record: NONE, text });
                    parents[at as usize] = true;
                    parents.push(false);
                    id
                });
                match before(rest, step) {
                    Some(before) => rest = before,
                    None => break,
                }
            }
            nodes[at as usize].record = record;
        }
        Names::laid_out(&nodes[1..], parents, texts)
    }

    /// Puts every node into the bucket that its hash names, or into the next that has room.
    fn laid_out(nodes: &[Node], parents: Vec<bool>, texts: Vec<u8>) -> Names {
        let mut buckets = vec![Vec::new(); (nodes.len() * 2 / BUCKET).next_power_of_two()];
        for node in nodes {
            let hash = hash(node.parent, node.key);
            let mut at = bucket(hash, buckets.len());
            while buckets[at].len() == BUCKET {
                at = (at + 1) % buckets.len();
            }
            buckets[at].push((tag(hash), *node));
        }
        let (mut tags, mut starts, mut sorted) = (Vec::new(), Vec::new(), Vec::new());
        for bucket in &buckets {
            starts.push(number32(sorted.len()));
            tags.push(bucket.iter().rev().fold(0, |tags, (tag, _)| tags << 8 | u64::from(*tag)));
            sorted.extend(bucket.iter().map(|(_, node)| *node));
        }
        Names {
            tags: tags.into(),
            starts: starts.into(),
            nodes: sorted.into(),
            texts: texts.into(),
            parents: parents.into(),
        }
    }

    #[inline]
    fn child(&self, parent: u32, key: u128, step: &[u8]) -> Option<&Node> {
        let hash = hash(parent, key);
        let wanted = each64(tag(hash));
        let mut at = bucket(hash, self.tags.len());
        loop {
            let tags = self.tags[at];
            let mut same = zeros64(tags ^ wanted);
            while same != 0 {
                let node = &self.nodes[self.starts[at] as usize + same.trailing_zeros() as usize / 8];
                if node.key == key && node.parent == parent && (step.len() <= SHORT || self.begins(node, step)) {
                    return Some(node);
                }
                same &= same - 1;
            }
            if tags >> 56 == 0 {
                return None;
            }
            at = (at + 1) % self.tags.len();
        }
    }

    /// Whether a node's text is the step, of which the key has the end and the length.
    #[inline]
    fn begins(&self, node: &Node, step: &[u8]) -> bool {
        let text = &self.texts[node.text as usize..][..step.len()];
        if step.len() > 16 + SHORT {
            return text.eq_ignore_ascii_case(step);
        }
        text.first_chunk::<16>()
            .zip(step.first_chunk::<16>())
            .is_some_and(|(text, step)| u128::from_le_bytes(*text) == lower(u128::from_le_bytes(*step)))
    }

    /// The record of the longest domain that `host` is or lies below. One trailing dot is allowed.
    #[inline]
    pub(super) fn find(&self, host: &[u8]) -> Option<u32> {
        let host = host.strip_suffix(b".").unwrap_or(host);
        let window = window(host);
        let width = width(host, window, 2);
        let mut step = &host[host.len() - width..];
        let mut node = self.child(ROOT, key(window, width), step)?;
        let (mut found, mut rest) = (node.record, host);
        // Hardly any node has children, while nearly every host goes on: the first is asked first.
        while self.parents[node.id as usize] {
            let Some(left) = before(rest, step) else { break };
            (rest, step) = (left, self::step(left, 1));
            let Some(child) = self.child(node.id, key(self::window(step), step.len()), step) else { break };
            node = child;
            if node.record != NONE {
                found = node.record;
            }
        }
        (found != NONE).then_some(found)
    }
}

/// The last `labels` labels.
fn step(name: &[u8], labels: u32) -> &[u8] {
    &name[name.len() - width(name, window(name), labels)..]
}

/// What stands before the dot in front of a step that `name` ends with.
#[inline]
fn before<'n>(name: &'n [u8], step: &[u8]) -> Option<&'n [u8]> {
    (name.len() - step.len()).checked_sub(1).map(|dot| &name[..dot])
}

/// How long the last `labels` (one or two) labels are, of a name with its window.
#[inline]
fn width(name: &[u8], mut window: u128, mut labels: u32) -> usize {
    let mut behind = 0;
    loop {
        let mut dots = zeros(window ^ each(b'.'));
        if labels == 2 && dots != 0 {
            dots &= u128::MAX.checked_shr(dots.leading_zeros() + 1).unwrap_or(0);
            labels = 1;
        }
        if labels == 1 && dots != 0 {
            return behind + dots.leading_zeros() as usize / 8;
        }
        behind += 16;
        if behind >= name.len() {
            return name.len();
        }
        window = self::window(&name[..name.len() - behind]);
    }
}

/// The last sixteen bytes as a number whose highest byte is the last; zeros stand where there are fewer.
#[inline]
fn window(text: &[u8]) -> u128 {
    let from = text.len().saturating_sub(16);
    if let (Some(first), Some(last)) = (text[from..].first_chunk::<8>(), text.last_chunk::<8>()) {
        // What both have in common falls off the upper end of the first eight.
        let common = 16 - (text.len() - from);
        let first = u128::from(u64::from_le_bytes(*first)) << (8 * common) & u128::from(u64::MAX);
        return u128::from(u64::from_le_bytes(*last)) << 64 | first;
    }
    text.iter().fold(0, |window, byte| window >> 8 | u128::from(*byte) << 120)
}

/// The number of a step of `width` bytes that a window ends with: the last [`SHORT`] bytes with the length on top,
/// which no name comes near the end of.
#[inline]
fn key(window: u128, width: usize) -> u128 {
    let beyond = 8 * SHORT.saturating_sub(width);
    lower(window) >> 8 >> beyond | (width.min(255) as u128) << 120
}

/// Every byte the same.
const fn each(byte: u8) -> u128 {
    u128::from_le_bytes([byte; 16])
}

const fn each64(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The upper bit of exactly those bytes that are zero.
#[inline]
fn zeros(bytes: u128) -> u128 {
    !(((bytes & each(0x7f)) + each(0x7f)) | bytes | each(0x7f))
}

#[inline]
fn zeros64(bytes: u64) -> u64 {
    !(((bytes & each64(0x7f)) + each64(0x7f)) | bytes | each64(0x7f))
}

/// ASCII capitals made small, all other bytes as they are.
#[inline]
fn lower(window: u128) -> u128 {
    let seven = window & each(0x7f);
    let from_a = seven + each(0x80 - b'A');
    let after_z = seven + each(0x80 - b'Z' - 1);
    window | (from_a & !after_z & !window & each(0x80)) >> 2
}

/// A well mixed number: the lower bits choose the bucket, the upper ones are the tag.
#[inline]
fn hash(parent: u32, key: u128) -> u64 {
    let seed = u64::from(parent).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xe703_7ed1_a0b4_28db;
    let product = u128::from(low(key) ^ seed) * u128::from(low(key >> 64) ^ 0x8ebc_6af0_9c88_c6e3);
    low(product) ^ low(product >> 64)
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower bits are meant; the number of buckets is a power of two"
)]
fn bucket(hash: u64, buckets: usize) -> usize {
    hash as usize & (buckets - 1)
}

/// Never zero.
#[inline]
fn tag(hash: u64) -> u8 {
    hash.to_be_bytes()[0] | 0x80
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn low(number: u128) -> u64 {
    number as u64
}

fn number32(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}
