//! The tables of the hot path: sums by pair, a set of pairs; names and their index are those of the logs.
//!
//! Everything is keyed by 32-bit numbers given out in order, so an entry is found by one probe of a flat array and
//! nothing is allocated per line. Open addressing, linear probing, at most 70 % full.

pub(super) use crate::logs::index::{Index, Name, Names};

/// A key that is never given out.
pub(super) const NONE: u32 = u32::MAX;

/// What is summed for a pair, a host, a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Transactions.
    pub count: u64,
    /// Bytes from the client, where the log tells directions apart.
    pub up: u64,
    /// Bytes in both directions.
    pub bytes: u64,
}

impl Sum {
    #[inline]
    pub(super) fn add(&mut self, other: Sum) {
        self.count += other.count;
        self.up = self.up.saturating_add(other.up);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// The larger of each figure.
    pub(super) fn raise(&mut self, other: Sum) {
        self.count = self.count.max(other.count);
        self.up = self.up.max(other.up);
        self.bytes = self.bytes.max(other.bytes);
    }
}

/// Two numbers as one key.
#[inline]
pub(super) fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// The two numbers of a key.
pub(super) fn halves(key: u64) -> (u32, u32) {
    ((key >> 32) as u32, key as u32)
}

/// Spreads keys that were given out in order over the top bits.
#[inline]
fn spread(key: u64) -> u64 {
    let mixed = (key ^ key >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// Slots that a table starts with.
const SLOTS: usize = 1024;

/// Two of them fill a line of the cache.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(32))]
struct Slot {
    key: u64,
    sum: Sum,
}

/// Sums by pair; a slot without transactions is free.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    slots: Vec<Slot>,
    shift: u32,
    used: usize,
}

impl Default for Sums {
    fn default() -> Sums {
        Sums { slots: vec![Slot::default(); SLOTS], shift: 64 - SLOTS.trailing_zeros(), used: 0 }
    }
}

impl Sums {
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Adds to a pair; true if it is new. `sum` has at least one transaction.
    #[inline]
    pub(super) fn add(&mut self, key: u64, sum: Sum) -> bool {
        let mask = self.slots.len() - 1;
        let mut at = (spread(key) >> self.shift) as usize;
        loop {
            let slot = &mut self.slots[at];
            if slot.key == key && slot.sum.count > 0 {
                slot.sum.add(sum);
                return false;
            }
            if slot.sum.count == 0 {
                *slot = Slot { key, sum };
                self.used += 1;
                if self.used * 10 >= self.slots.len() * 7 {
                    self.grow();
                }
                return true;
            }
            at = (at + 1) & mask;
        }
    }

    /// Reads where a pair would be, so that it is near when it is added.
    #[inline]
    pub(super) fn glance(&self, key: u64) -> u64 {
        self.slots[(spread(key) >> self.shift) as usize].key
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); size]);
        self.shift = 64 - size.trailing_zeros();
        self.used = 0;
        for slot in old.into_iter().filter(|slot| slot.sum.count > 0) {
            self.add(slot.key, slot.sum);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Sum)> + '_ {
        self.slots.iter().filter(|slot| slot.sum.count > 0).map(|slot| (slot.key, slot.sum))
    }
}

/// A set of pairs.
#[derive(Debug, Clone)]
pub(super) struct Pairs {
    /// The key plus one; 0 is free.
    slots: Vec<u64>,
    shift: u32,
    used: usize,
}

impl Default for Pairs {
    fn default() -> Pairs {
        Pairs { slots: vec![0; SLOTS], shift: 64 - SLOTS.trailing_zeros(), used: 0 }
    }
}

impl Pairs {
    pub(super) fn len(&self) -> usize {
        self.used
    }

    #[inline]
    pub(super) fn add(&mut self, key: u64) {
        let mask = self.slots.len() - 1;
        let mut at = (spread(key) >> self.shift) as usize;
        loop {
            match self.slots[at] {
                slot if slot == key + 1 => return,
                0 => {
                    self.slots[at] = key + 1;
                    self.used += 1;
                    if self.used * 10 >= self.slots.len() * 7 {
                        self.grow();
                    }
                    return;
                }
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// As [`Sums::glance`].
    #[inline]
    pub(super) fn glance(&self, key: u64) -> u64 {
        self.slots[(spread(key) >> self.shift) as usize]
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        self.shift = 64 - size.trailing_zeros();
        self.used = 0;
        old.into_iter().filter(|slot| *slot != 0).for_each(|slot| self.add(slot - 1));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.slots.iter().filter(|slot| **slot != 0).map(|slot| slot - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Numbers that look random and are the same every time.
    fn numbers(n: u64) -> impl Iterator<Item = u64> {
        (0..n).map(|i| spread(i ^ 0x5bd1_e995))
    }

    #[test]
    fn tables_agree_with_the_standard_ones() {
        let (mut sums, mut pairs) = (Sums::default(), Pairs::default());
        let (mut map, mut set) = (BTreeMap::<u64, Sum>::new(), BTreeSet::new());
        for number in numbers(50_000) {
            let key = pair((number >> 8) as u32 % 97, (number >> 40) as u32 % 211);
            let sum = Sum { count: 1, up: number & 7, bytes: number & 1023 };
            assert_eq!(sums.add(key, sum), !map.contains_key(&key));
            map.entry(key).or_default().add(sum);
            pairs.add(key);
            set.insert(key);
        }
        assert_eq!(sums.iter().collect::<BTreeMap<_, _>>(), map);
        assert_eq!(pairs.iter().collect::<BTreeSet<_>>(), set);
        assert_eq!((sums.len(), pairs.len()), (map.len(), set.len()));
    }
}
