//! Looks a field's name up without a hash map: one multiplication, one comparison.

use super::{Names, Slot};
use crate::logs::scan::prefix;

/// A table without collisions over a vendor's names, made once per parser.
#[derive(Debug)]
pub(crate) struct Keys {
    names: Names,
    prefixes: Vec<u64>,
    seed: u64,
    shift: u32,
    table: Vec<u8>,
}

const NONE: u8 = u8::MAX;

impl Keys {
    pub(crate) fn new(names: Names) -> Keys {
        debug_assert!(names.len() < usize::from(NONE));
        let prefixes: Vec<u64> = names.iter().map(|(name, _)| prefix(name.as_bytes())).collect();
        // Names alike in all that is hashed collide under every seed: a walk over the names then.
        let alike = |(a, b): (&str, &str)| {
            prefix(a.as_bytes()) == prefix(b.as_bytes())
                && a.len() == b.len()
                && a.as_bytes().last() == b.as_bytes().last()
        };
        let pairs = || names.iter().enumerate().flat_map(|(i, (a, _))| names[..i].iter().map(move |(b, _)| (*a, *b)));
        if pairs().any(alike) {
            return Keys { names, prefixes, seed: 1, shift: 64, table: Vec::new() };
        }
        let mut bits = (names.len() * 4).next_power_of_two().trailing_zeros().max(3);
        loop {
            for step in 1..500_u64 {
                let seed = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                let mut keys =
                    Keys { names, prefixes: Vec::new(), seed, shift: 64 - bits, table: vec![NONE; 1 << bits] };
                if keys.fill(&prefixes) {
                    keys.prefixes = prefixes;
                    return keys;
                }
            }
            bits += 1;
        }
    }

    fn fill(&mut self, prefixes: &[u64]) -> bool {
        for (index, (name, _)) in self.names.iter().enumerate() {
            let at = self.at(prefixes[index], name.as_bytes());
            if self.table[at] != NONE {
                return false;
            }
            // The length was checked when the table was made.
            self.table[at] = u8::try_from(index).unwrap_or(NONE);
        }
        true
    }

    fn at(&self, prefix: u64, name: &[u8]) -> usize {
        let last = name.last().copied().unwrap_or(0);
        let mixed = prefix ^ (name.len() as u64) << 56 ^ u64::from(last) << 24;
        // The table has at most 2^16 entries.
        (mixed.wrapping_mul(self.seed) >> self.shift) as usize
    }

    /// The slot of the name at `start..end` of a line; [`Slot::Skip`] when nobody wants it.
    pub(crate) fn find(&self, line: &[u8], start: usize, end: usize) -> Slot {
        let Some(name) = line.get(start..end) else { return Slot::Skip };
        let prefix = match line.get(start..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(eight) if name.len() < 8 => u64::from_le_bytes(*eight) & ((1 << (8 * name.len())) - 1),
            Some(eight) => u64::from_le_bytes(*eight),
            None => prefix(name),
        };
        if self.table.is_empty() {
            return self.names.iter().find(|(known, _)| known.as_bytes() == name).map_or(Slot::Skip, |(_, slot)| *slot);
        }
        let index = usize::from(self.table[self.at(prefix, name)]);
        match self.names.get(index) {
            Some((known, slot))
                if self.prefixes[index] == prefix
                    && known.len() == name.len()
                    && (name.len() <= 8 || known.as_bytes()[8..] == name[8..]) =>
            {
                *slot
            }
            _ => Slot::Skip,
        }
    }

    /// As [`Keys::find`], ignoring case: for header lines.
    pub(crate) fn find_name(&self, name: &[u8]) -> Slot {
        let found = self.names.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
        found.map_or(Slot::Skip, |(_, slot)| *slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names = &[
        ("src", Slot::Src),
        ("srcip", Slot::Src2),
        ("srcipaddress1", Slot::User),
        ("srcipaddress2", Slot::User2),
        ("srcipaddrxss2", Slot::Host),
        ("d", Slot::Dst),
    ];

    #[test]
    fn finds_every_name_and_no_other_even_near_the_end() {
        let keys = Keys::new(NAMES);
        for (name, slot) in NAMES {
            for line in [name.to_string(), format!("{name}=value of it")] {
                assert_eq!(keys.find(line.as_bytes(), 0, name.len()), *slot, "{line}");
            }
        }
        for other in ["", "s", "srcipa", "srcipaddress3", "D"] {
            assert_eq!(keys.find(other.as_bytes(), 0, other.len()), Slot::Skip, "{other}");
        }
        assert_eq!(Keys::new(&[]).find(b"src", 0, 3), Slot::Skip);
    }

    #[test]
    fn names_that_cannot_be_parted_by_hashing_are_still_found() {
        const ALIKE: Names = &[("12345678a0z", Slot::A), ("12345678b0z", Slot::B)];
        let keys = Keys::new(ALIKE);
        assert_eq!(keys.find(b"12345678b0z", 0, 11), Slot::B);
        assert_eq!(keys.find(b"12345678a0z", 0, 11), Slot::A);
    }
}
