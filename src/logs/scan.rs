//! Finds separators in short pieces of text, eight bytes at a time.
//!
//! Fields of a log line are a few bytes long: a call into a vector search costs more than the search itself. Past a few
//! words these hand over to `memchr`.

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

fn tail(text: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.iter().position(|c| wanted(*c)).map_or(text.len(), |found| from + found)
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
                assert_eq!(find2(&text, from, byte, other), plain.unwrap_or(text.len()));
            }
        }
    }
}
