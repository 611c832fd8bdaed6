//! Finds separators in pieces of text that are a few bytes long, where a call into a vector search costs more than the
//! search itself.
//!
//! [`find`] and its kin look at sixteen bytes at a time and hand over to `memchr` past a few words: for one look into a
//! text. [`Marks`] compares 64 bytes at once and keeps where the separators stand: for a walk along a line. Both are
//! safe vector code, one comparison and one bit mask for sixteen bytes.

use wide::u8x16;

/// How often sixteen bytes are looked at before the rest of a long text is left to `memchr`.
const SHORT: usize = 4;

/// Which of sixteen bytes are of the set, the first one in the lowest bit.
#[inline(always)]
fn sixteen<const N: usize>(bytes: &[u8; 16], set: [u8; N]) -> u32 {
    let bytes = u8x16::new(*bytes);
    let mut hits = u8x16::ZERO;
    for wanted in set {
        hits |= bytes.simd_eq(u8x16::splat(wanted));
    }
    hits.to_bitmask()
}

/// Where the first byte of the set stands at or after `from`; the length of the text if there is none.
#[inline]
pub(super) fn find<const N: usize>(text: &[u8], from: usize, set: [u8; N]) -> usize {
    let mut at = from;
    for _ in 0..SHORT {
        let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk()) else { return tail(text, at, set) };
        let found = sixteen(bytes, set);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 16;
    }
    distant(text, at, set)
}

/// The last bytes of a text, fewer than sixteen.
#[inline]
fn tail<const N: usize>(text: &[u8], from: usize, set: [u8; N]) -> usize {
    let Some(rest) = text.get(from..) else { return text.len() };
    // Of a long text its last sixteen bytes, moved down.
    let found = match text.last_chunk() {
        Some(bytes) => sixteen(bytes, set) >> (16 - rest.len()),
        None => few(rest, set),
    };
    if found == 0 { text.len() } else { from + found.trailing_zeros() as usize }
}

/// As [`sixteen`] for a text that is shorter.
#[inline]
fn few<const N: usize>(text: &[u8], set: [u8; N]) -> u32 {
    let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) else {
        let bytes = u128::from(prefix(text)).to_le_bytes();
        return sixteen(&bytes, set) & ((1 << text.len()) - 1);
    };
    // Two reads that overlap say the same about the bytes they share.
    let both = u128::from(u64::from_le_bytes(*first)) | u128::from(u64::from_le_bytes(*last)) << 64;
    let found = sixteen(&both.to_le_bytes(), set);
    (found & 0xff) | (found >> 8) << (text.len() - 8)
}

#[cold]
fn distant<const N: usize>(text: &[u8], from: usize, set: [u8; N]) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let found = match set[..] {
        [one] => memchr::memchr(one, rest),
        [one, two] => memchr::memchr2(one, two, rest),
        [one, two, three] => memchr::memchr3(one, two, three, rest),
        _ => rest.iter().position(|c| set.contains(c)),
    };
    found.map_or(text.len(), |found| from + found)
}

/// How many bytes are compared at once.
const BLOCK: usize = 64;

/// Where the bytes of a set stand in a text; a block is compared once, however often it is asked about.
#[derive(Debug)]
pub(super) struct Marks<'t, const N: usize> {
    text: &'t [u8],
    set: [u8; N],
    start: usize,
    bits: u64,
}

impl<'t, const N: usize> Marks<'t, N> {
    pub(super) fn new(text: &'t [u8], set: [u8; N]) -> Marks<'t, N> {
        Marks { text, set, start: 0, bits: block(text, 0, set) }
    }

    /// Where the first one stands at or after `from`; the length of the text if there is none.
    #[inline(always)]
    pub(super) fn find(&mut self, from: usize) -> usize {
        let offset = from.wrapping_sub(self.start);
        if offset < BLOCK {
            let left = self.bits >> offset;
            if left != 0 {
                return from + left.trailing_zeros() as usize;
            }
        }
        self.further(from)
    }

    #[inline(never)]
    fn further(&mut self, from: usize) -> usize {
        // Behind the block when that has been looked at, else wherever is asked for.
        let mut at = if from.wrapping_sub(self.start) < BLOCK { self.start + BLOCK } else { from };
        while at < self.text.len() {
            (self.start, self.bits) = (at, block(self.text, at, self.set));
            if self.bits != 0 {
                return at + self.bits.trailing_zeros() as usize;
            }
            at += BLOCK;
        }
        self.text.len()
    }
}

/// Where the words of a text begin and end, as many as there is room for; between them stand bytes of a set, in any
/// number. The result is how many edges there are: both kinds, by turns.
#[inline]
pub(super) fn edges<const N: usize, const MOST: usize>(text: &[u8], set: [u8; N], edges: &mut [u32; MOST]) -> usize {
    let (mut at, mut count, mut inside) = (0, 0, 0);
    while at < text.len() && count < MOST {
        let rest = text.len() - at;
        let there = if rest < BLOCK { (1 << rest) - 1 } else { u64::MAX };
        let words = !block(text, at, set) & there;
        let mut bits = words ^ (words << 1 | inside);
        inside = words >> (BLOCK - 1);
        while bits != 0 && count < MOST {
            // Lines are shorter than 4 GiB.
            edges[count] = at as u32 + bits.trailing_zeros();
            bits &= bits - 1;
            count += 1;
        }
        at += BLOCK;
    }
    if count % 2 == 1 && count < MOST {
        edges[count] = text.len() as u32;
        count += 1;
    }
    count
}

/// Which of the 64 bytes at `at` are of the set, the first one in the lowest bit.
fn block<const N: usize>(text: &[u8], at: usize, set: [u8; N]) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    if let Some(block) = rest.first_chunk() {
        return compare(block, set);
    }
    // The end of the text: of a long one its last block, moved down.
    if let Some(block) = text.last_chunk() {
        return compare(block, set).checked_shr((BLOCK - rest.len()) as u32).unwrap_or(0);
    }
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    compare(&block, set) & ((1 << rest.len()) - 1)
}

#[inline(always)]
fn compare<const N: usize>(block: &[u8; BLOCK], set: [u8; N]) -> u64 {
    let mut bits = 0;
    for (at, bytes) in block.as_chunks().0.iter().enumerate() {
        bits |= u64::from(sixteen(bytes, set)) << (16 * at);
    }
    bits
}

/// Where `wanted` starts in the text: for one look, as nothing has to be made ready.
pub(super) fn search(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut at = find(text, 0, [first]);
    while let Some(rest) = text.get(at..).filter(|rest| rest.len() >= wanted.len()) {
        if rest.starts_with(wanted) {
            return Some(at);
        }
        at = find(text, at + 1, [first]);
    }
    None
}

/// Where the last `byte` stands among the last sixteen of a text.
#[inline]
pub(super) fn near_end(text: &[u8], byte: u8) -> Option<usize> {
    let (found, start) = match text.last_chunk() {
        Some(bytes) => (sixteen(bytes, [byte]), text.len() - 16),
        None => (few(text, [byte]), 0),
    };
    (found != 0).then(|| start + found.ilog2() as usize)
}

/// Up to eight first bytes of a key as a number, for hashing and comparing; the first one is the lowest.
#[inline]
pub(super) fn prefix(key: &[u8]) -> u64 {
    if let Some(eight) = key.first_chunk::<8>() {
        return u64::from_le_bytes(*eight);
    }
    // Two reads that overlap say the same about the bytes they share.
    let apart = |size: usize| 8 * (key.len() - size);
    if let (Some(first), Some(last)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << apart(4);
    }
    if let (Some(first), Some(last)) = (key.first_chunk::<2>(), key.last_chunk::<2>()) {
        return u64::from(u16::from_le_bytes(*first)) | u64::from(u16::from_le_bytes(*last)) << apart(2);
    }
    key.first().map_or(0, |only| u64::from(*only))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_plain_loop_finds() {
        let text: Vec<u8> = (0..200_u32).map(|n| (n * 7 % 251) as u8).collect();
        for from in [0, 1, 7, 100, 199, 200, 300] {
            for byte in 0..=255 {
                let plain = (from..text.len()).find(|at| text[*at] == byte).unwrap_or(text.len());
                assert_eq!(find(&text, from, [byte]), plain, "{byte} from {from}");
                let other = byte ^ 0x55;
                let plain = (from..text.len()).find(|at| text[*at] == byte || text[*at] == other);
                let plain = plain.unwrap_or(text.len());
                for length in [0, 1, 2, 3, 5, 7, 8, 13, 15, 16, 17, 63, 64, 65, 130, 199, 200] {
                    let text = &text[..length];
                    let plain = if from <= length { plain.min(length) } else { length };
                    assert_eq!(find(text, from, [byte, other]), plain, "{byte} from {from} of {length}");
                    assert_eq!(find(text, from, [other, byte, other]), plain, "{byte} from {from} of {length}");
                    assert_eq!(find(text, from, [other, byte, byte, byte, byte]), plain);
                    let mut marks = Marks::new(text, [byte, other]);
                    assert_eq!(marks.find(from), plain.min(length), "{byte} from {from} of {length}");
                    // Looking back is allowed.
                    assert_eq!(marks.find(0), Marks::new(text, [byte, other]).find(0));
                }
            }
        }
    }

    #[test]
    fn marks_walk_a_text_as_a_plain_loop_does() {
        let text: Vec<u8> = (0..1_000_u32).map(|n| if n * n % 13 < 3 { b',' } else { b'x' }).collect();
        let mut marks = Marks::new(&text, [b',']);
        let (mut at, mut found) = (marks.find(0), Vec::new());
        while at < text.len() {
            found.push(at);
            at = marks.find(at + 1);
        }
        assert_eq!(found, memchr::memchr_iter(b',', &text).collect::<Vec<_>>());
    }

    #[test]
    fn a_byte_near_the_end_is_the_one_that_the_library_finds() {
        let text: Vec<u8> = (0..100_u32).map(|n| b"ab c"[(n * n % 7 % 4) as usize]).collect();
        for start in 0..text.len() {
            let text = &text[start..];
            for byte in [b' ', b'a', b'c', b'z'] {
                let expected = memchr::memrchr(byte, text).filter(|at| at + 16 >= text.len());
                assert_eq!(near_end(text, byte), expected, "{byte} from {start}");
            }
        }
    }

    #[test]
    fn the_edges_are_those_of_the_words_that_splitting_gives() {
        let text: Vec<u8> = (0..300_u32).map(|n| b"ab c\td"[(n * n % 11 % 6) as usize]).collect();
        for start in 0..text.len() {
            let text = &text[start..];
            let mut found = [0; 64];
            let count = edges(text, [b' ', b'\t'], &mut found);
            let pairs = &found.as_chunks::<2>().0[..count / 2];
            let words: Vec<&[u8]> = pairs.iter().map(|[start, end]| &text[*start as usize..*end as usize]).collect();
            let split = text.split(|c| matches!(c, b' ' | b'\t')).filter(|word| !word.is_empty());
            assert_eq!(words, split.take(32).collect::<Vec<_>>(), "from {start}");
        }
    }

    #[test]
    fn a_search_finds_what_the_library_finds() {
        let text: Vec<u8> = (0..400_u32).map(|n| b"ab c"[(n * n % 4) as usize]).collect();
        for length in 0..6 {
            for start in 0..text.len() - length {
                let wanted = &text[start..start + length];
                let expected = memchr::memmem::find(&text, wanted).filter(|_| length > 0);
                assert_eq!(search(&text, wanted), expected, "{wanted:?}");
            }
        }
        assert_eq!(search(b"short", b"longer"), None);
        assert_eq!(search(&text, b"zz"), None);
    }
}
