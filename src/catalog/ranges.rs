//! Address → record: the longest prefix, as a sorted list of where the answer changes.

use std::net::IpAddr;

/// A block of addresses, both ends included, of one record. IPv4 is mapped into IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u128,
    pub(super) last: u128,
    pub(super) record: u32,
}

impl Range {
    pub(super) fn new(net: ipnet::IpNet, record: u32) -> Range {
        Range { first: number(net.network()), last: number(net.broadcast()), record }
    }
}

/// The index: from each start on, up to the next, one answer holds.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    starts: Vec<(u128, Option<u32>)>,
}

impl Ranges {
    /// Indexes blocks that are nested or apart, as prefixes always are; of two equal blocks, the later counts.
    pub(super) fn build(mut blocks: Vec<Range>) -> Ranges {
        // Outer blocks before the inner ones that start with them; the sort keeps the order of equal ones.
        blocks.sort_by(|a, b| a.first.cmp(&b.first).then(b.last.cmp(&a.last)));
        let mut starts: Vec<(u128, Option<u32>)> = Vec::new();
        let mut open: Vec<Range> = Vec::new();
        let mut mark = |at: u128, record: Option<u32>| match starts.last_mut() {
            Some(last) if last.0 == at => last.1 = record,
            _ => starts.push((at, record)),
        };
        for block in blocks {
            while let Some(inner) = open.pop_if(|inner| inner.last < block.first) {
                mark(inner.last + 1, open.last().map(|outer| outer.record));
            }
            mark(block.first, Some(block.record));
            open.push(block);
        }
        while let Some(inner) = open.pop() {
            if let Some(next) = inner.last.checked_add(1) {
                mark(next, open.last().map(|outer| outer.record));
            }
        }
        Ranges { starts }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The record of the smallest block that holds `address`.
    pub(super) fn find(&self, address: IpAddr) -> Option<u32> {
        let address = number(address);
        let after = self.starts.partition_point(|(start, _)| *start <= address);
        after.checked_sub(1).and_then(|at| self.starts[at].1)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}
