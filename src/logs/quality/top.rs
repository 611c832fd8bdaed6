//! The hosts seen most, in bounded memory: exact while there are few, and when there are many the rarest are forgotten,
//! so that what is shown is at most as often as it truly was, and off by no more than [`Top::error`].

use crate::logs::index::{Index, Name, Names};
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Entries that are kept when the table is thinned; twice as many fit.
const KEPT: usize = 2_048;
/// A longer name is no host name; it is cut.
const LONGEST: usize = 255;
/// Marks an address in place of a name.
const ADDRESS: u8 = 0;
const NAME: u8 = 1;

/// The hash of a text, the same in every process.
#[inline]
pub(super) fn hash(text: &[u8]) -> u64 {
    let mut hasher = foldhash::quality::FixedState::with_seed(0x1095_e1e7).build_hasher();
    hasher.write(text);
    hasher.finish()
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    name: Name,
    kind: u8,
    count: u64,
}

/// Counts by host.
#[derive(Debug, Default)]
pub(super) struct Top {
    index: Index,
    entries: Vec<Entry>,
    names: Names,
    error: u64,
}

impl Top {
    /// One more transaction with a host.
    #[inline]
    pub(super) fn add(&mut self, host: &[u8]) {
        let host = &host[..host.len().min(LONGEST)];
        self.count(NAME, host, hash(host), 1);
    }

    /// One more transaction with an address, given by its octets.
    #[inline]
    pub(super) fn add_address(&mut self, octets: &[u8]) {
        self.count(ADDRESS, octets, hash(octets) ^ 1 << 63, 1);
    }

    #[inline]
    fn count(&mut self, kind: u8, text: &[u8], hash: u64, count: u64) {
        let (entries, names) = (&self.entries, &self.names);
        let same = |number: u32| {
            let entry = &entries[number as usize];
            entry.hash == hash && entry.kind == kind && names.get(entry.name) == text
        };
        match self.index.find(hash, same) {
            Some(number) => self.entries[number as usize].count += count,
            None => self.insert(kind, text, hash, count),
        }
    }

    fn insert(&mut self, kind: u8, text: &[u8], hash: u64, count: u64) {
        if self.entries.len() >= 2 * KEPT {
            self.thin();
        }
        let name = self.names.add(text);
        // At most 2 × KEPT entries.
        #[expect(clippy::cast_possible_truncation, reason = "at most a few thousand entries")]
        self.index.add(hash, self.entries.len() as u32);
        self.entries.push(Entry { hash, name, kind, count });
    }

    /// Forgets the rarer half.
    fn thin(&mut self) {
        let mut old = std::mem::take(&mut self.entries);
        let names = std::mem::take(&mut self.names);
        self.index = Index::default();
        old.select_nth_unstable_by_key(KEPT, |entry| std::cmp::Reverse(entry.count));
        self.error += old[KEPT].count;
        for entry in &old[..KEPT] {
            self.insert(entry.kind, names.get(entry.name), entry.hash, entry.count);
        }
    }

    /// Takes in the counts of another table.
    pub(super) fn merge(&mut self, other: &Top) {
        for entry in &other.entries {
            self.count(entry.kind, other.names.get(entry.name), entry.hash, entry.count);
        }
        self.error += other.error;
    }

    /// How many transactions may be missing from each count.
    pub(super) fn error(&self) -> u64 {
        self.error
    }

    /// The hosts seen most, most first.
    pub(super) fn list(&self, most: usize) -> Vec<(String, u64)> {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        let name = |entry: &Entry| self.names.get(entry.name);
        entries.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| name(a).cmp(name(b))));
        entries.truncate(most);
        entries.into_iter().map(|entry| (shown(entry.kind, name(entry)), entry.count)).collect()
    }
}

fn shown(kind: u8, text: &[u8]) -> String {
    let address = match kind {
        ADDRESS => <[u8; 4]>::try_from(text)
            .map(|octets| IpAddr::V4(Ipv4Addr::from(octets)))
            .or_else(|_| <[u8; 16]>::try_from(text).map(|octets| IpAddr::V6(Ipv6Addr::from(octets))))
            .ok(),
        _ => None,
    };
    address.map_or_else(|| String::from_utf8_lossy(text).into_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_hosts_are_exact_and_merging_is_adding() {
        let (mut one, mut other) = (Top::default(), Top::default());
        (0..5).for_each(|_| one.add(b"a.example"));
        one.add_address(&[192, 0, 2, 1]);
        (0..3).for_each(|_| other.add(b"a.example"));
        other.add(b"b.example");
        one.merge(&other);
        assert_eq!((one.error(), one.entries.len()), (0, 3));
        let expected = [("a.example", 8), ("b.example", 1), ("192.0.2.1", 1)];
        assert_eq!(one.list(9), expected.map(|(host, count)| (host.to_owned(), count)));
    }

    #[test]
    fn the_frequent_survive_any_number_of_rare_ones() {
        let mut top = Top::default();
        for i in 0..200_000_u32 {
            top.add(format!("host{i}.example").as_bytes());
            if i % 10 == 0 {
                top.add(b"often.example");
            }
        }
        let list = top.list(1);
        assert_eq!(list[0].0, "often.example");
        assert!(list[0].1 <= 20_000 && list[0].1 + top.error() >= 20_000, "{list:?} ± {}", top.error());
        assert!(top.entries.len() <= 2 * KEPT && top.names.bytes() < 200_000);
    }
}
