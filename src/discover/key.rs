//! Names made ready to be looked up, and names kept in the entry that they lead to: a look-up of a short name reads the
//! index and the entry, nothing else.

use super::table::{Name, Names};
use std::net::IpAddr;

/// The longest name that its words say whole.
const SHORT: usize = 32;

/// A name with what hashing and comparing want of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'n> {
    pub name: &'n [u8],
    pub hash: u64,
    /// All of a short name, zeros behind it.
    words: [u128; 2],
}

impl Key<'_> {
    /// Of no name at all.
    #[inline]
    pub(super) const fn nobody() -> Key<'static> {
        Key { name: b"", hash: 0, words: [0; 2] }
    }
}

/// A key without what it was made of; long names are kept in a text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kept {
    bytes: [u8; SHORT],
    hash: u64,
    length: u8,
    /// Where a long name begins.
    at: u32,
}

impl Kept {
    /// Takes a name, in place.
    #[inline]
    pub(super) fn set(&mut self, name: &[u8], hashing: &Hashing, text: &mut Vec<u8>) {
        self.length = name.len() as u8;
        if name.len() > SHORT {
            self.at = text.len() as u32;
            text.extend_from_slice(name);
            self.hash = hashing.key(name).hash;
            return;
        }
        let [first, rest] = words(name);
        self.hash = hashing.words(first, rest);
        self.bytes[..16].copy_from_slice(&first.to_le_bytes());
        self.bytes[16..].copy_from_slice(&rest.to_le_bytes());
    }

    /// Takes no name.
    #[inline]
    pub(super) fn clear(&mut self) {
        (self.length, self.hash, self.bytes) = (0, 0, [0; SHORT]);
    }

    #[inline]
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    #[inline]
    pub(super) fn is_nobody(&self) -> bool {
        self.length == 0
    }

    #[inline]
    pub(super) fn name<'s>(&'s self, text: &'s [u8]) -> &'s [u8] {
        let length = usize::from(self.length);
        self.bytes.get(..length).unwrap_or_else(|| &text[self.at as usize..][..length])
    }

    /// The key, for what is done rarely.
    pub(super) fn key<'s>(&'s self, text: &'s [u8], hashing: &Hashing) -> Key<'s> {
        if self.is_nobody() && self.hash == 0 { Key::nobody() } else { hashing.key(self.name(text)) }
    }
}

/// Hashes by secret numbers, so that whoever writes a log cannot choose names that meet in one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hashing([u64; 4]);

impl Hashing {
    pub(super) fn new(seed: u64) -> Hashing {
        // The finish of splitmix64, once for each number.
        Hashing([1, 2, 3, 4].map(|n: u64| {
            let mut z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        }))
    }

    #[inline]
    pub(super) fn key<'n>(&self, name: &'n [u8]) -> Key<'n> {
        let Hashing(secret) = self;
        if name.len() > SHORT {
            let hash = name.chunks(SHORT).fold(name.len() as u64, |hash, piece| {
                let [first, rest] = words(piece);
                let hash = fold(hash ^ secret[3], secret[0]) ^ fold(low(first) ^ secret[0], high(first) ^ secret[1]);
                hash ^ fold(low(rest) ^ secret[2], high(rest) ^ secret[3])
            });
            return Key { name, hash, words: [0; 2] };
        }
        let [first, rest] = words(name);
        Key { name, hash: self.words(first, rest), words: [first, rest] }
    }

    #[inline]
    fn words(&self, first: u128, rest: u128) -> u64 {
        let Hashing(secret) = self;
        let hash = fold(low(first) ^ secret[0], high(first) ^ secret[1]);
        if rest == 0 { hash } else { hash ^ fold(low(rest) ^ secret[2], high(rest) ^ secret[3]) }
    }

    #[inline]
    pub(super) fn address(&self, address: IpAddr) -> u64 {
        let Hashing(secret) = self;
        match address {
            IpAddr::V4(v4) => fold(u64::from(u32::from(v4)) ^ secret[2], secret[1]),
            IpAddr::V6(v6) => {
                let bits = u128::from(v6);
                fold(low(bits) ^ secret[2], high(bits) ^ secret[3])
            }
        }
    }

    /// The hash of a user (0 for nobody) at an address.
    #[inline]
    pub(super) fn actor(&self, user: u64, address: Option<IpAddr>) -> u64 {
        let Hashing(secret) = self;
        let address = match address {
            None => 0,
            Some(IpAddr::V4(v4)) => 1 << 32 | u64::from(u32::from(v4)),
            Some(v6) => self.address(v6),
        };
        fold(user ^ secret[1], address ^ secret[3])
    }
}

/// The product, folded once.
#[inline]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    low(product) ^ high(product)
}

#[inline]
fn low(number: u128) -> u64 {
    number as u64
}

#[inline]
fn high(number: u128) -> u64 {
    (number >> 64) as u64
}

/// A name of an entry: in it where it is short, otherwise in the arena.
#[derive(Debug, Clone, Copy)]
pub(super) enum Held<const N: usize> {
    Here(u8, [u8; N]),
    There(Name),
}

impl<const N: usize> Held<N> {
    pub(super) fn new(name: &[u8], names: &mut Names) -> Held<N> {
        let mut bytes = [0; N];
        match bytes.get_mut(..name.len()) {
            Some(start) if name.len() <= SHORT => {
                start.copy_from_slice(name);
                Held::Here(name.len() as u8, bytes)
            }
            _ => Held::There(names.add(name)),
        }
    }

    #[inline]
    pub(super) fn get<'s>(&'s self, names: &'s Names) -> &'s [u8] {
        match self {
            Held::Here(length, bytes) => &bytes[..usize::from(*length)],
            Held::There(name) => names.get(*name),
        }
    }

    #[inline]
    pub(super) fn is(&self, key: &Key<'_>, names: &Names) -> bool {
        match self {
            Held::Here(length, bytes) => usize::from(*length) == key.name.len() && halves(bytes) == key.words,
            Held::There(name) => names.get(*name) == key.name,
        }
    }

    /// As [`Held::is`].
    #[inline]
    pub(super) fn is_kept(&self, kept: &Kept, text: &[u8], names: &Names) -> bool {
        match self {
            Held::Here(length, bytes) => *length == kept.length && halves(bytes) == halves(&kept.bytes),
            Held::There(name) => names.get(*name) == kept.name(text),
        }
    }
}

/// As numbers: sixteen bytes, and sixteen or two behind them.
#[inline]
fn halves<const N: usize>(bytes: &[u8; N]) -> [u128; 2] {
    let (first, rest) = bytes.split_at(16);
    let rest = match (rest.first_chunk::<16>(), rest.first_chunk::<2>()) {
        (Some(rest), _) => u128::from_le_bytes(*rest),
        (None, Some(rest)) => u128::from(u16::from_le_bytes(*rest)),
        (None, None) => 0,
    };
    [first.first_chunk::<16>().map_or(0, |first| u128::from_le_bytes(*first)), rest]
}

/// The bytes of a short name as numbers. Two reads that overlap take in any length without a loop.
#[inline]
fn words(name: &[u8]) -> [u128; 2] {
    let length = name.len();
    if let (Some(first), Some(last)) = (name.first_chunk::<16>(), name.last_chunk::<16>()) {
        // What both have in common falls off the lower end of the last sixteen.
        let rest = u128::from_le_bytes(*last).checked_shr(8 * SHORT.saturating_sub(length) as u32).unwrap_or(0);
        return [u128::from_le_bytes(*first), rest];
    }
    if let (Some(first), Some(last)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        let rest = u64::from_le_bytes(*last).checked_shr(8 * (16 - length) as u32).unwrap_or(0);
        return [u128::from(rest) << 64 | u128::from(u64::from_le_bytes(*first)), 0];
    }
    if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        let rest = u32::from_le_bytes(*last).checked_shr(8 * (8 - length) as u32).unwrap_or(0);
        return [u128::from(u64::from(rest) << 32 | u64::from(u32::from_le_bytes(*first))), 0];
    }
    [name.iter().rev().fold(0, |word, byte| word << 8 | u128::from(*byte)), 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_bytes_with_zeros_behind_them() {
        let text: Vec<u8> = (1..=SHORT as u8).map(|n| n | 0x80).collect();
        for length in 0..=SHORT {
            let mut padded = [0_u8; SHORT];
            padded[..length].copy_from_slice(&text[..length]);
            let [first, rest] = words(&text[..length]);
            assert_eq!([first.to_le_bytes(), rest.to_le_bytes()].concat(), padded, "{length}");
        }
    }

    #[test]
    fn a_held_name_is_itself_and_no_other() {
        let hashing = Hashing::new(7);
        let texts: Vec<Vec<u8>> = (0..80).flat_map(|n| [vec![b'a'; n], [vec![b'a'; n], vec![0]].concat()]).collect();
        let mut names = Names::default();
        let held: Vec<(Held<34>, Held<18>)> =
            texts.iter().map(|text| (Held::new(text, &mut names), Held::new(text, &mut names))).collect();
        for (text, (wide, narrow)) in texts.iter().zip(&held) {
            assert_eq!((wide.get(&names), narrow.get(&names)), (&text[..], &text[..]));
            for other in &texts {
                let key = hashing.key(other);
                assert_eq!((wide.is(&key, &names), narrow.is(&key, &names)), (text == other, text == other));
            }
        }
        assert_eq!((size_of::<Held<34>>(), size_of::<Held<18>>()), (36, 20));
    }

    #[test]
    fn names_of_every_length_spread_over_the_upper_half_of_their_hashes() {
        let hashing = Hashing::new(7);
        for length in [3, 7, 12, 20, 32, 40, 100] {
            let mut met = std::collections::BTreeSet::new();
            for n in 0..20_000_u32 {
                let text = format!("{n:0>length$x}");
                met.insert(hashing.key(text.as_bytes()).hash >> 32);
            }
            assert!(met.len() > 19_990, "{length}: {}", met.len());
        }
    }
}
