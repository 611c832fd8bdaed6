//! Bytes of a log out of plain, gzip and zip input, as UTF-8, cut into chunks of whole lines.
//!
//! Invariants: a chunk ends at a line end or at the end of the input; what has been read is given when no more is there
//! at once; memory is two chunks and the longest line,
//! whatever the input holds; an archive that is cut gives all that was before the cut and then its error.

use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use std::io::{self, BufRead, BufReader, Read};

/// The longest line that is kept, in bytes; the rest of a longer one is dropped.
pub const LONGEST_LINE: usize = 1 << 20;

/// How much is read before a chunk is cut.
const CHUNK: usize = 512 << 10;
const BUFFER: usize = 128 << 10;

/// What the input turned out to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// How it was packed.
    pub packing: Packing,
    /// How its text was encoded.
    pub encoding: Encoding,
}

/// How an input is packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    #[default]
    Plain,
    /// gzip, of any number of members.
    Gzip,
    /// A zip archive; its files are read one after the other.
    Zip,
}

impl Packing {
    /// The word shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Packing::Plain => "plain",
            Packing::Gzip => "gzip",
            Packing::Zip => "zip",
        }
    }
}

/// How a text is encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 or another superset of ASCII, without a byte order mark.
    #[default]
    Bytes,
    /// UTF-8 with a byte order mark, which is left out.
    Utf8Mark,
    /// UTF-16, least significant byte first.
    Utf16Le,
    /// UTF-16, most significant byte first.
    Utf16Be,
}

impl Encoding {
    /// The word shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::Bytes => "UTF-8",
            Encoding::Utf8Mark => "UTF-8 with byte order mark",
            Encoding::Utf16Le => "UTF-16 LE",
            Encoding::Utf16Be => "UTF-16 BE",
        }
    }
}

/// A source of chunks.
pub struct Input<'r> {
    reader: Box<dyn BufRead + Send + 'r>,
    shape: Shape,
    /// Bytes of a line whose end has not come.
    carry: Vec<u8>,
    /// Whether the line in `carry` was over-long and the rest of it is to be dropped.
    dropping: bool,
    half: Option<u8>,
    surrogate: Option<u16>,
    failed: Option<io::Error>,
    more: More,
}

/// Whether an input has more to read at once; one that cannot tell says that it has.
pub type More = fn() -> bool;

/// The answer of every input that is not somebody's live output.
pub const ALWAYS: More = || true;

/// A chunk of whole lines.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Bytes of an over-long line that were left out behind them.
    pub dropped: u64,
    /// Whether it ends where it does because no more was there at once.
    pub idle: bool,
}

/// Opens an input: what it is, is seen from its first bytes.
///
/// # Errors
/// When the first bytes cannot be read.
pub fn open<'r>(reader: impl Read + Send + 'r) -> io::Result<Input<'r>> {
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    let head = reader.fill_buf()?;
    let packing = if head.starts_with(&[0x1f, 0x8b]) {
        Packing::Gzip
    } else if head.starts_with(b"PK\x03\x04") {
        Packing::Zip
    } else {
        Packing::Plain
    };
    let mut reader: Box<dyn BufRead + Send + 'r> = match packing {
        Packing::Plain => Box::new(reader),
        Packing::Gzip => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(reader))),
        Packing::Zip => Box::new(BufReader::with_capacity(BUFFER, Zip::new(reader))),
    };
    let (encoding, mark) = encoding(reader.fill_buf().unwrap_or_default());
    reader.consume(mark);
    let shape = Shape { packing, encoding };
    Ok(Input {
        reader,
        shape,
        carry: Vec::new(),
        dropping: false,
        half: None,
        surrogate: None,
        failed: None,
        more: ALWAYS,
    })
}

/// The encoding a text begins in, and the length of its mark.
fn encoding(head: &[u8]) -> (Encoding, usize) {
    match head {
        [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8Mark, 3),
        [0xff, 0xfe, ..] => (Encoding::Utf16Le, 2),
        [0xfe, 0xff, ..] => (Encoding::Utf16Be, 2),
        // Without a mark: ASCII in UTF-16 has a zero in every other byte.
        [a, 0, b, 0, c, 0, ..] if *a > 0 && *b > 0 && *c > 0 => (Encoding::Utf16Le, 0),
        [0, a, 0, b, 0, c, ..] if *a > 0 && *b > 0 && *c > 0 => (Encoding::Utf16Be, 0),
        _ => (Encoding::Bytes, 0),
    }
}

impl Input<'_> {
    /// What the input turned out to be.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// From now on a chunk ends where nothing more is there at once. What is packed comes in blocks anyway.
    pub fn live(&mut self, more: More) {
        if self.shape.packing == Packing::Plain {
            self.more = more;
        }
    }

    /// Fills the next chunk; `false` at the end. After an error there is nothing more.
    ///
    /// # Errors
    /// When reading or unpacking fails; what was read before that was given in chunks.
    pub fn next_chunk(&mut self, chunk: &mut Chunk) -> io::Result<bool> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        chunk.bytes.clear();
        (chunk.dropped, chunk.idle) = (0, false);
        std::mem::swap(&mut chunk.bytes, &mut self.carry);
        let wide = matches!(self.shape.encoding, Encoding::Utf16Le | Encoding::Utf16Be);
        loop {
            if !self.dropping
                && !(self.more)()
                && let Some(end) = memchr::memrchr(b'\n', &chunk.bytes)
            {
                self.cut(chunk, end);
                chunk.idle = true;
                return Ok(true);
            }
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // What came before the failure is a chunk of its own.
                    if chunk.bytes.is_empty() {
                        return Err(error);
                    }
                    self.failed = Some(error);
                    return Ok(true);
                }
            };
            if buffer.is_empty() {
                return Ok(!chunk.bytes.is_empty());
            }
            let length = buffer.len();
            if self.dropping {
                let mut text = Vec::new();
                let seen = if wide {
                    decode(buffer, self.shape.encoding, &mut self.half, &mut self.surrogate, &mut text);
                    &text[..]
                } else {
                    buffer
                };
                let end = memchr::memchr(b'\n', seen);
                chunk.dropped += end.unwrap_or(seen.len()) as u64;
                if let Some(end) = end {
                    chunk.bytes.push(b'\n');
                    self.carry.clear();
                    self.carry.extend_from_slice(&seen[end + 1..]);
                    self.dropping = false;
                }
                self.reader.consume(length);
                if !self.dropping {
                    return Ok(true);
                }
                continue;
            }
            if wide {
                decode(buffer, self.shape.encoding, &mut self.half, &mut self.surrogate, &mut chunk.bytes);
            } else {
                chunk.bytes.extend_from_slice(buffer);
            }
            self.reader.consume(length);
            if chunk.bytes.len() < CHUNK {
                continue;
            }
            match memchr::memrchr(b'\n', &chunk.bytes) {
                Some(end) => {
                    self.cut(chunk, end);
                    return Ok(true);
                }
                None if chunk.bytes.len() >= LONGEST_LINE => {
                    chunk.dropped += (chunk.bytes.len() - LONGEST_LINE) as u64;
                    chunk.bytes.truncate(LONGEST_LINE);
                    self.dropping = true;
                }
                None => {}
            }
        }
    }

    /// Ends a chunk with the line that ends there; what is behind it belongs to the next one.
    fn cut(&mut self, chunk: &mut Chunk, end: usize) {
        self.carry.clear();
        self.carry.extend_from_slice(&chunk.bytes[end + 1..]);
        chunk.bytes.truncate(end + 1);
    }
}

/// UTF-16 to UTF-8; what is no character becomes U+FFFD.
fn decode(bytes: &[u8], encoding: Encoding, half: &mut Option<u8>, high: &mut Option<u16>, into: &mut Vec<u8>) {
    let mut push = |c: char| into.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    for byte in bytes {
        let Some(first) = half.take() else {
            *half = Some(*byte);
            continue;
        };
        let pair = [first, *byte];
        let unit = if encoding == Encoding::Utf16Be { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
        if let Some(lead) = high.take() {
            match char::decode_utf16([lead, unit]).next() {
                Some(Ok(c)) => {
                    push(c);
                    continue;
                }
                _ => push(char::REPLACEMENT_CHARACTER),
            }
        }
        match unit {
            0xd800..=0xdbff => *high = Some(unit),
            0xfeff => {}
            _ => push(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }
}

/// The files of a zip archive, one after the other, out of a stream: the directory at its end is not needed.
struct Zip<R> {
    member: Option<Member<R>>,
}

enum Member<R> {
    /// Between files.
    Next(R),
    Stored(io::Take<R>),
    Deflated(DeflateDecoder<R>),
}

impl<R: BufRead> Zip<R> {
    fn new(reader: R) -> Zip<R> {
        Zip { member: Some(Member::Next(reader)) }
    }
}

/// Steps over the local header of the next file; how it is packed, or `None` at the directory.
fn zip_header(reader: &mut impl BufRead) -> io::Result<Option<(u16, u64)>> {
    let broken = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    loop {
        let mut signature = [0; 4];
        reader.read_exact(&mut signature)?;
        match &signature {
            b"PK\x03\x04" => break,
            // Sizes that follow a file whose length was not known beforehand; with 64-bit sizes there are eight more.
            b"PK\x07\x08" => {
                io::copy(&mut reader.by_ref().take(12), &mut io::sink())?;
                if !reader.fill_buf()?.starts_with(b"PK") {
                    io::copy(&mut reader.by_ref().take(8), &mut io::sink())?;
                }
            }
            b"PK\x01\x02" | b"PK\x05\x06" | b"PK\x06\x06" => return Ok(None),
            _ => return Err(broken("the zip archive is damaged")),
        }
    }
    let mut fixed = [0; 26];
    reader.read_exact(&mut fixed)?;
    let two = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
    let (flags, method) = (two(2), two(4));
    let size = u64::from(two(14)) | u64::from(two(16)) << 16;
    let skip = u64::from(two(22)) + u64::from(two(24));
    if io::copy(&mut reader.by_ref().take(skip), &mut io::sink())? < skip {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if flags & 1 != 0 {
        return Err(broken("the zip archive is encrypted"));
    }
    if method == 0 && (flags & 8 != 0 || size == u64::from(u32::MAX)) {
        return Err(broken("the zip archive stores a file without saying how long it is"));
    }
    Ok(Some((method, size)))
}

impl<R: BufRead> Read for Zip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let (count, next) = match self.member.take() {
                None => return Ok(0),
                Some(Member::Next(mut reader)) => match zip_header(&mut reader)? {
                    None => return Ok(0),
                    Some((0, size)) => (None, Member::Stored(reader.take(size))),
                    Some((8, _)) => (None, Member::Deflated(DeflateDecoder::new(reader))),
                    Some((method, _)) => {
                        let what = format!("the zip archive uses compression method {method}");
                        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                    }
                },
                Some(Member::Stored(mut file)) => match file.read(buffer)? {
                    0 if file.limit() > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    0 => (None, Member::Next(file.into_inner())),
                    count => (Some(count), Member::Stored(file)),
                },
                Some(Member::Deflated(mut file)) => match file.read(buffer)? {
                    0 => (None, Member::Next(file.into_inner())),
                    count => (Some(count), Member::Deflated(file)),
                },
            };
            self.member = Some(next);
            if let Some(count) = count {
                return Ok(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn text(bytes: &[u8]) -> (Vec<u8>, Shape, Option<io::ErrorKind>) {
        let mut input = open(io::Cursor::new(bytes)).unwrap();
        let (mut text, mut chunk) = (Vec::new(), Chunk::default());
        loop {
            match input.next_chunk(&mut chunk) {
                Ok(true) => text.extend_from_slice(&chunk.bytes),
                Ok(false) => return (text, input.shape(), None),
                Err(error) => return (text, input.shape(), Some(error.kind())),
            }
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn zip(files: &[(&[u8], bool, bool)]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (bytes, deflated, streamed) in files {
            let mut packed = bytes.to_vec();
            if *deflated {
                let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
                deflate.write_all(bytes).unwrap();
                packed = deflate.finish().unwrap();
            }
            let size = if *streamed { 0 } else { u32::try_from(packed.len()).unwrap() };
            archive.extend(b"PK\x03\x04\x14\x00");
            archive.extend([
                if *streamed { 8 } else { 0 },
                0,
                if *deflated { 8 } else { 0 },
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ]);
            archive.extend(size.to_le_bytes());
            archive.extend([0, 0, 0, 0, 5, 0, 0, 0]);
            archive.extend(b"a.log");
            archive.extend(packed);
            if *streamed {
                archive.extend(b"PK\x07\x08");
                archive.extend([0; 12]);
            }
        }
        archive.extend(b"PK\x01\x02");
        archive
    }

    #[test]
    fn plain_gzip_and_zip_give_the_same_text() {
        let whole = b"one\n\ntwo".to_vec();
        let members = [gzip(b"one\n"), gzip(b"\ntwo")].concat();
        assert_eq!(text(&whole), (whole.clone(), Shape::default(), None));
        assert_eq!(text(&members).0, whole);
        for (deflated, streamed) in [(false, false), (true, false), (true, true)] {
            let archive = zip(&[(b"one\n", deflated, streamed), (b"\ntwo", deflated, streamed)]);
            let (found, shape, error) = text(&archive);
            assert_eq!((found, shape.packing, error), (whole.clone(), Packing::Zip, None));
        }
    }

    #[test]
    fn a_cut_archive_gives_what_came_before_the_cut() {
        let lines = "a line of some length 0123456789\n".repeat(50_000);
        let packed = gzip(lines.as_bytes());
        let (found, _, error) = text(&packed[..packed.len() - 9]);
        assert!(found.len() > lines.len() / 2 && lines.as_bytes().starts_with(&found));
        assert_eq!(error, Some(io::ErrorKind::UnexpectedEof));
        let archive = zip(&[(lines.as_bytes(), false, false)]);
        let (found, _, error) = text(&archive[..archive.len() / 2]);
        assert!(!found.is_empty());
        assert_eq!(error, Some(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn marks_and_wide_characters_are_undone() {
        let plain = "né\u{1f600}\nx";
        let wide = |big: bool, mark: bool| -> Vec<u8> {
            let units = mark.then_some(0xfeff).into_iter().chain(plain.encode_utf16());
            units.flat_map(|unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        let ascii: Vec<u8> = "plain text\n".bytes().flat_map(|c| [c, 0]).collect();
        assert_eq!(text(&[b"\xef\xbb\xbf", plain.as_bytes()].concat()).0, plain.as_bytes());
        assert_eq!(text(&wide(false, true)).0, plain.as_bytes());
        assert_eq!(text(&wide(true, true)).0, plain.as_bytes());
        assert_eq!(text(&ascii).0, b"plain text\n");
        assert_eq!(text(&ascii).1.encoding, Encoding::Utf16Le);
    }

    #[test]
    fn a_line_without_end_is_cut_and_the_next_one_is_whole() {
        let long = [vec![b'x'; 3 * LONGEST_LINE + 5], b"\nnext\n".to_vec()].concat();
        let (found, ..) = text(&long);
        let lines: Vec<&[u8]> = found.split(|c| *c == b'\n').collect();
        assert_eq!(lines.len(), 3);
        assert_eq!((lines[0].len(), lines[1]), (LONGEST_LINE, &b"next"[..]));
        let wide: Vec<u8> = long.iter().flat_map(|c| [*c, 0]).collect();
        let (found, ..) = text(&wide);
        let lines: Vec<&[u8]> = found.split(|c| *c == b'\n').collect();
        assert_eq!((lines[0].len(), lines[1]), (LONGEST_LINE, &b"next"[..]));
    }
}
