//! Finds separators in pieces of text that are a few bytes long, where a call into a vector search costs more than the
//! search itself.
//!
//! [`find`] and its kin look at eight bytes at a time and hand over to `memchr` past a few words: for one look into a
//! text. [`Marks`] compares 64 bytes at once and keeps where the separators stand: for a walk along a line. The
//! comparison is a plain loop that compilers turn into vector instructions.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
const SHORT: usize = 4;

/// Marks the bytes of `word` that equal `byte`; the lowest mark is exact.
fn marks(word: u64, byte: u8) -> u64 {
    let zeroed = word ^ (LOW * u64::from(byte));
    zeroed.wrapping_sub(LOW) & !zeroed & HIGH
}

fn word(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk::<8>().map(|eight| u64::from_le_bytes(*eight))
}

/// Where `byte` occurs at or after `from`; the length of the text if it does not.
pub(super) fn find(text: &[u8], from: usize, byte: u8) -> usize {
    let mut at = from;
    for _ in 0..SHORT {
        let Some(word) = word(text, at) else { return tail(text, at, |c| c == byte) };
        let found = marks(word, byte);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    text.get(at..).and_then(|rest| memchr::memchr(byte, rest)).map_or(text.len(), |found| at + found)
}

/// As [`find`], for the first of two bytes.
pub(super) fn find2(text: &[u8], from: usize, one: u8, two: u8) -> usize {
    let mut at = from;
    for _ in 0..SHORT {
        let Some(word) = word(text, at) else { return tail(text, at, |c| c == one || c == two) };
        let found = marks(word, one) | marks(word, two);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    text.get(at..).and_then(|rest| memchr::memchr2(one, two, rest)).map_or(text.len(), |found| at + found)
}

/// As [`find`], for the first of three bytes.
pub(super) fn find3(text: &[u8], from: usize, [one, two, three]: [u8; 3]) -> usize {
    let mut at = from;
    for _ in 0..SHORT {
        let Some(word) = word(text, at) else { return tail(text, at, |c| c == one || c == two || c == three) };
        let found = marks(word, one) | marks(word, two) | marks(word, three);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    text.get(at..).and_then(|rest| memchr::memchr3(one, two, three, rest)).map_or(text.len(), |found| at + found)
}

fn tail(text: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.iter().position(|c| wanted(*c)).map_or(text.len(), |found| from + found)
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
    #[inline]
    pub(super) fn find(&mut self, from: usize) -> usize {
        let offset = from.wrapping_sub(self.start);
        if offset < BLOCK {
            let left = self.bits >> offset;
            if left != 0 {
                return from + left.trailing_zeros() as usize;
            }
            return self.further(self.start + BLOCK);
        }
        self.further(from)
    }

    #[inline(never)]
    fn further(&mut self, from: usize) -> usize {
        let mut at = from;
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

fn compare<const N: usize>(block: &[u8; BLOCK], set: [u8; N]) -> u64 {
    let hits = block.map(|byte| set.iter().fold(0, |hit, wanted| hit | u8::from(byte == *wanted)));
    let mut bits = 0;
    for (at, eight) in hits.as_chunks::<8>().0.iter().enumerate() {
        // Brings the lowest bits of eight bytes together in the highest byte.
        bits |= (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * at);
    }
    bits
}

/// Where `wanted` starts in the text: for one look, as nothing has to be made ready.
pub(super) fn search(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, last) = (*wanted.first()?, *wanted.last()?);
    let mut at = 0;
    while at + wanted.len() <= text.len() {
        let mut bits = block(text, at, [first]) & block(text, at + wanted.len() - 1, [last]);
        while bits != 0 {
            let found = at + bits.trailing_zeros() as usize;
            if text[found..].starts_with(wanted) {
                return Some(found);
            }
            bits &= bits - 1;
        }
        at += BLOCK;
    }
    None
}

/// Up to eight first bytes of a key as a number, for hashing and comparing.
pub(super) fn prefix(key: &[u8]) -> u64 {
    if let Some(eight) = key.first_chunk::<8>() {
        return u64::from_le_bytes(*eight);
    }
    let mut eight = [0; 8];
    eight[..key.len()].copy_from_slice(key);
    u64::from_le_bytes(eight)
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
                assert_eq!(find(&text, from, byte), plain, "{byte} from {from}");
                let other = byte ^ 0x55;
                let plain = (from..text.len()).find(|at| text[*at] == byte || text[*at] == other);
                let plain = plain.unwrap_or(text.len());
                assert_eq!(find2(&text, from, byte, other), plain);
                assert_eq!(find3(&text, from, [byte, other, other]), plain);
                for length in [0, 1, 63, 64, 65, 130, 199, 200] {
                    let text = &text[..length];
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
