//! Finds names by hash without allocating per line: names end to end in one arena, entries numbered in order, an index of
//! open addressing with linear probing, at most 70 % full.

/// Finds entries by hash: each slot holds the upper half of the hash and the entry's number.
#[derive(Debug, Default, Clone)]
pub struct Index {
    /// `tag << 32 | number + 1`; 0 is free.
    slots: Vec<u64>,
    shift: u32,
    used: usize,
}

impl Index {
    /// The number under `hash` for which `same` holds.
    #[inline]
    pub fn find(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let (tag, mask) = (hash >> 32, self.slots.len() - 1);
        let mut at = tag as usize >> self.shift;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            if slot >> 32 == tag {
                let number = (slot as u32).wrapping_sub(1);
                if same(number) {
                    return Some(number);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a number that [`Index::find`] did not find.
    pub fn add(&mut self, hash: u64, number: u32) {
        if self.used * 10 >= self.slots.len() * 7 {
            self.grow();
        }
        self.place((hash >> 32 << 32) | (u64::from(number) + 1));
        self.used += 1;
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(1024);
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        self.shift = 32 - size.trailing_zeros();
        old.into_iter().filter(|slot| *slot != 0).for_each(|slot| self.place(slot));
    }

    fn place(&mut self, slot: u64) {
        let mask = self.slots.len() - 1;
        let mut at = (slot >> 32) as usize >> self.shift;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }
}

/// Where a name lies in [`Names`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Name {
    at: u32,
    len: u32,
}

/// Names end to end.
#[derive(Debug, Default, Clone)]
pub struct Names {
    bytes: Vec<u8>,
}

impl Names {
    /// Keeps a name.
    pub fn add(&mut self, name: &[u8]) -> Name {
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(name);
        Name { at, len: name.len() as u32 }
    }

    /// The bytes of a name of this arena.
    #[inline]
    pub fn get(&self, name: Name) -> &[u8] {
        &self.bytes[name.at as usize..][..name.len as usize]
    }

    /// Bytes that all names take.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_finds_each_name_and_only_it_even_when_hashes_collide() {
        let (mut index, mut names, mut list) = (Index::default(), Names::default(), Vec::new());
        for i in 0..5_000_u32 {
            let name = format!("name{i}");
            let hash = u64::from(i % 700) << 33;
            assert_eq!(index.find(hash, |n| names.get(list[n as usize]) == name.as_bytes()), None);
            list.push(names.add(name.as_bytes()));
            index.add(hash, i);
        }
        for i in 0..5_000_u32 {
            let name = format!("name{i}");
            assert_eq!(
                index.find(u64::from(i % 700) << 33, |n| names.get(list[n as usize]) == name.as_bytes()),
                Some(i)
            );
        }
    }
}
