//! The MD5 of a blob and of each of its blocks, in one pass.
//!
//! Storage wants both, and MD5 keeps no more than a third of a core's units busy: each step waits for the one before. Two of
//! them side by side over the same bytes take little longer than one, where one after the other they would take a tenth
//! of all the processor time of shipping a log. `md5` is used for everything else, and tells in the tests what is right.

/// The state of MD5.
type State = [u32; 4];

const BEGIN: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
const BLOCK: usize = 64;

/// What is added in each step: the fractions of the sines of 1 to 64.
static SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// A round of sixteen steps for each state: `first` and `stride` say which words they take, `turns` how far they turn.
#[inline(always)]
fn round<const N: usize>(
    states: &mut [State; N],
    words: &[u32; 16],
    sines: &[u32],
    (first, stride): (usize, usize),
    turns: [u32; 4],
    mix: impl Fn(u32, u32, u32) -> u32,
) {
    for at in 0..16 {
        let add = words[(first + at * stride) % 16].wrapping_add(sines[at]);
        for state in &mut *states {
            let [a, b, c, d] = *state;
            let sum = a.wrapping_add(add).wrapping_add(mix(b, c, d));
            *state = [d, sum.rotate_left(turns[at % 4]).wrapping_add(b), b, c];
        }
    }
}

/// Takes blocks into all states.
fn compress<const N: usize>(states: &mut [State; N], blocks: &[[u8; BLOCK]]) {
    let mut now = *states;
    for block in blocks {
        let before = now;
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        round(&mut now, &words, &SINES[..16], (0, 1), [7, 12, 17, 22], |b, c, d| (b & c) | (!b & d));
        // The two sides have no bit in common: their sum waits for `b` one operation less.
        round(&mut now, &words, &SINES[16..32], (1, 5), [5, 9, 14, 20], |b, c, d| (b & d).wrapping_add(c & !d));
        round(&mut now, &words, &SINES[32..48], (5, 3), [4, 11, 16, 23], |b, c, d| b ^ (c ^ d));
        round(&mut now, &words, &SINES[48..], (0, 7), [6, 10, 15, 21], |b, c, d| c ^ (b | !d));
        for (state, before) in now.iter_mut().zip(before) {
            for (word, before) in state.iter_mut().zip(before) {
                *word = word.wrapping_add(before);
            }
        }
    }
    *states = now;
}

/// The digest of what came to this state, the rest of it after `len` bytes.
fn end(state: State, rest: &[u8], len: u64) -> [u8; 16] {
    let mut last = [0; 2 * BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    let used = if rest.len() < BLOCK - 8 { BLOCK } else { 2 * BLOCK };
    last[used - 8..used].copy_from_slice(&len.wrapping_mul(8).to_le_bytes());
    let mut states = [state];
    compress(&mut states, last[..used].as_chunks().0);
    let mut digest = [0; 16];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(states[0]) {
        *bytes = word.to_le_bytes();
    }
    digest
}

/// A blob as its blocks come, all but the last one a multiple of 64 bytes long.
pub(super) struct Checksums {
    whole: State,
    /// What the last block had beyond full pieces: nothing can follow it.
    rest: Vec<u8>,
    len: u64,
}

impl Checksums {
    pub(super) fn new() -> Self {
        Self { whole: BEGIN, rest: Vec::new(), len: 0 }
    }

    /// The MD5 of this block.
    pub(super) fn block(&mut self, block: &[u8]) -> [u8; 16] {
        debug_assert!(self.rest.is_empty(), "only the last block may be of any length");
        let (pieces, rest) = block.as_chunks::<BLOCK>();
        let mut states = [self.whole, BEGIN];
        compress(&mut states, pieces);
        self.whole = states[0];
        self.rest = rest.to_vec();
        self.len += block.len() as u64;
        end(states[1], rest, block.len() as u64)
    }

    /// The MD5 of all of them.
    pub(super) fn whole(&self) -> [u8; 16] {
        end(self.whole, &self.rest, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest, Md5};

    #[test]
    fn blocks_and_the_blob_have_the_md5_that_they_have_elsewhere() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for last in (0..200).chain([4095, 4096, 4097]) {
            let (mut sums, mut whole) = (Checksums::new(), Md5::new());
            for block in [&bytes[..1024], &bytes[1024..9216], &bytes[9216..9216 + last]] {
                assert_eq!(sums.block(block), <[u8; 16]>::from(Md5::digest(block)), "a block of {}", block.len());
                whole.update(block);
            }
            assert_eq!(sums.whole(), <[u8; 16]>::from(whole.finalize()), "the blob with a last block of {last}");
        }
    }

    #[test]
    fn a_blob_of_nothing_has_the_md5_of_nothing() {
        assert_eq!(Checksums::new().whole(), <[u8; 16]>::from(Md5::digest(b"")));
    }
}
