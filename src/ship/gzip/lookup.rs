//! What every parser does with bytes: reads words at any place and tells how far two places are equal.
//!
//! A word past the end reads as zero; what is found there is never used, since parsers stop before it.

/// How far back a copy may begin.
pub(super) const WINDOW: usize = 32_768;
/// The longest copy.
pub(super) const LONGEST: usize = 258;

/// A place as it is: a piece is far shorter than 4 GiB. Said so, the compiler knows that a little added to it does not
/// overflow, and reading takes one comparison instead of two.
#[inline(always)]
fn short(at: usize) -> usize {
    at as u32 as usize
}

/// Eight bytes from `at` on.
#[inline(always)]
pub(super) fn eight(data: &[u8], at: usize) -> u64 {
    let at = short(at);
    match data.get(at..at.wrapping_add(8)).and_then(|bytes| bytes.first_chunk()) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => 0,
    }
}

/// Sixteen bytes from `at` on.
#[inline(always)]
pub(super) fn sixteen(data: &[u8], at: usize) -> u128 {
    let at = short(at);
    match data.get(at..at.wrapping_add(16)).and_then(|bytes| bytes.first_chunk()) {
        Some(bytes) => u128::from_le_bytes(*bytes),
        None => 0,
    }
}

/// Four bytes from `at` on.
#[inline(always)]
pub(super) fn four(data: &[u8], at: usize) -> u32 {
    let at = short(at);
    match data.get(at..at.wrapping_add(4)).and_then(|bytes| bytes.first_chunk()) {
        Some(bytes) => u32::from_le_bytes(*bytes),
        None => 0,
    }
}

/// How many bytes from `a` and from `b` on are equal, at most `most`.
#[inline(always)]
pub(super) fn same(data: &[u8], a: usize, b: usize, most: usize) -> usize {
    let mut len = 0;
    while len + 8 <= most {
        let diff = eight(data, a + len) ^ eight(data, b + len);
        if diff != 0 {
            return len + (diff.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    while len < most && data[a + len] == data[b + len] {
        len += 1;
    }
    len
}
