//! Writes deflate's bits, lowest first, through one 64-bit register.
//!
//! The register is stored whole and the position advances by its full bytes, so the hot loops have no branch for it.
//! The caller reserves room first: what a block costs is known to the bit before it is written.

/// The bits of a deflate stream, and the bytes before them.
pub(super) struct Bits {
    out: Vec<u8>,
    at: usize,
    hold: u64,
    count: u32,
}

/// A place among the bits.
pub(super) struct Mark {
    at: usize,
    hold: u64,
    count: u32,
}

/// Bytes beyond the last one that storing the whole register may touch.
const SLACK: usize = 16;

impl Bits {
    /// Goes on at a byte boundary after what `out` holds.
    pub(super) fn after(out: Vec<u8>) -> Self {
        let at = out.len();
        Self { out, at, hold: 0, count: 0 }
    }

    /// Makes room for so many bits.
    pub(super) fn reserve(&mut self, bits: u64) {
        let bytes = self.at + usize::try_from(bits / 8).unwrap_or(usize::MAX / 2) + SLACK;
        if self.out.len() < bytes {
            self.out.resize(bytes, 0);
        }
    }

    /// Takes `count` bits into the register; at most 56 fit between two calls of `flush`.
    #[inline(always)]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.hold |= bits << self.count;
        self.count += count;
    }

    /// Moves whole bytes out of the register, leaving less than one.
    #[inline(always)]
    pub(super) fn flush(&mut self) {
        // Room for this was reserved: the sum does not wrap.
        if let Some(room) = self.out.get_mut(self.at..self.at.wrapping_add(8)).and_then(|room| room.first_chunk_mut()) {
            *room = self.hold.to_le_bytes();
        }
        self.at += (self.count >> 3) as usize;
        self.hold >>= self.count & !7;
        self.count &= 7;
    }

    /// Writes `count` bits, at most 32, into reserved room.
    pub(super) fn write(&mut self, bits: u64, count: u32) {
        self.put(bits, count);
        self.flush();
    }

    /// Where writing is, to come back to.
    pub(super) fn mark(&self) -> Mark {
        Mark { at: self.at, hold: self.hold, count: self.count }
    }

    /// Bits written since.
    pub(super) fn since(&self, mark: &Mark) -> u64 {
        8 * (self.at - mark.at) as u64 + u64::from(self.count) - u64::from(mark.count)
    }

    /// Takes back what was written since.
    pub(super) fn rewind(&mut self, mark: Mark) {
        (self.at, self.hold, self.count) = (mark.at, mark.hold, mark.count);
    }

    /// Whole bytes at a byte boundary.
    fn bytes(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len() as u64 * 8);
        if let Some(room) = self.out.get_mut(self.at..self.at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self.at += bytes.len();
    }

    /// A block that says nothing and ends at a byte boundary: what joins two pieces of one stream.
    pub(super) fn align(&mut self) {
        self.stored(&[]);
    }

    /// `bytes` as they are, in as many stored blocks as they need.
    pub(super) fn stored(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let (now, later) = rest.split_at(rest.len().min(usize::from(u16::MAX)));
            self.reserve(64);
            self.write(0, 3);
            self.count = (self.count + 7) & !7;
            self.flush();
            let length = u16::try_from(now.len()).unwrap_or(u16::MAX);
            self.bytes(&length.to_le_bytes());
            self.bytes(&(!length).to_le_bytes());
            self.bytes(now);
            rest = later;
            if rest.is_empty() {
                return;
            }
        }
    }

    /// The bytes, once the last bit stands at a boundary.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.out.truncate(self.at);
        self.out
    }
}
