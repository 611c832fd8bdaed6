//! What the first bytes of a file tell: packed or text, which encoding, which header lines, and a fingerprint.

use std::io::Read;

/// How much of a file is looked at. Wide CSV headers have some thousand bytes.
pub(super) const HEAD: u64 = 16 << 10;

/// What a file is, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Lines of text.
    Text(Encoding),
    /// Packed already, in a way the service reads.
    Gzip,
    /// As above.
    Zip,
    /// Nothing at all, or nothing but a byte order mark.
    Empty,
    /// Packed in a way the service does not read.
    Refused(&'static str),
}

/// How text is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-8, or any other superset of ASCII.
    Bytes,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
}

/// The first bytes of a file, understood.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// Of the first bytes.
    pub fingerprint: [u8; 16],
    pub shape: Shape,
    /// How many bytes of the file are byte order mark.
    pub mark: usize,
    /// How many bytes of the file, its byte order mark included, are header lines.
    pub header_bytes: usize,
    /// The header lines in UTF-8; empty when there are none.
    pub header: Vec<u8>,
}

const REFUSED: [(&[u8], &str); 4] =
    [(b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\x04\x22\x4d\x18", "lz4")];

impl Head {
    /// Reads the head of an open file that has `size` bytes.
    pub(super) fn read(file: &mut impl Read, size: u64) -> std::io::Result<Head> {
        let mut bytes = Vec::new();
        file.take(HEAD.min(size)).read_to_end(&mut bytes)?;
        Ok(Head::of(&bytes))
    }

    pub(super) fn of(bytes: &[u8]) -> Head {
        let (shape, mark) = shape(bytes);
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
        let mut head = Head { fingerprint, shape, mark, header_bytes: 0, header: Vec::new() };
        if let Shape::Text(encoding) = shape {
            let mut text = Vec::new();
            encoding.decoder().decode(&bytes[mark..], &mut text);
            let length = header_length(&text);
            head.header = text[..length].to_vec();
            if length > 0 {
                head.header_bytes = mark + encoding.raw_length(&text[..length]);
            }
        }
        head
    }

    /// What two files must have in common to be joined: the line that tells how the others are read. The other comments
    /// of a log, its date above all, differ from file to file and say nothing about that.
    pub(super) fn columns(&self) -> &[u8] {
        if !self.header.starts_with(b"#") {
            return &self.header;
        }
        let mut lines = self.header.split(|c| *c == b'\n');
        let tells = |line: &&[u8]| {
            line.starts_with(b"#Fields") || names_columns(&line[line.iter().take_while(|c| **c == b'#').count()..])
        };
        lines.rfind(tells).unwrap_or_default().trim_ascii_end()
    }
}

fn shape(bytes: &[u8]) -> (Shape, usize) {
    if let Some((_, kind)) = REFUSED.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return (Shape::Refused(kind), 0);
    }
    let (encoding, mark) = match bytes {
        [0x1f, 0x8b, ..] => return (Shape::Gzip, 0),
        [b'P', b'K', 3, 4, ..] => return (Shape::Zip, 0),
        [0xef, 0xbb, 0xbf, ..] => (Encoding::Bytes, 3),
        [0xff, 0xfe, ..] => (Encoding::Utf16Le, 2),
        [0xfe, 0xff, ..] => (Encoding::Utf16Be, 2),
        _ => (Encoding::Bytes, 0),
    };
    if bytes.len() == mark { (Shape::Empty, mark) } else { (Shape::Text(encoding), mark) }
}

/// How many bytes at the beginning of a text are header lines: lines that begin with `#`, or one line of column names.
fn header_length(text: &[u8]) -> usize {
    let mut length = 0;
    for line in text.split_inclusive(|c| *c == b'\n') {
        let whole = line.ends_with(b"\n");
        if !whole || !(line.starts_with(b"#") || (length == 0 && names_columns(line))) {
            break;
        }
        length += line.len();
        if !line.starts_with(b"#") {
            break;
        }
    }
    length
}

/// Whether a line holds names of columns and no values: at least three fields, none of which holds a digit in front
/// or is empty, no `key=value`.
fn names_columns(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let delimiter = [b',', b'\t', b';', b'|'].into_iter().max_by_key(|d| line.iter().filter(|c| *c == d).count());
    let Some(delimiter) = delimiter else { return false };
    let mut fields = 0;
    for field in line.split(|c| *c == delimiter) {
        let name = field.trim_ascii();
        let name = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
        let letters = name.first().is_some_and(u8::is_ascii_alphabetic);
        let plain = name.iter().all(|c| c.is_ascii_alphanumeric() || b" _-./()#%*".contains(c));
        let numbers = name.iter().filter(|c| c.is_ascii_digit()).count();
        if !letters || !plain || name.len() > 64 || numbers > 2 {
            return false;
        }
        fields += 1;
    }
    fields >= 3
}

impl Encoding {
    pub(super) fn decoder(self) -> Decoder {
        Decoder { encoding: self, odd: None, high: None }
    }

    /// How many bytes of the file a decoded piece of text took.
    fn raw_length(self, text: &[u8]) -> usize {
        match self {
            Encoding::Bytes => text.len(),
            _ => 2 * String::from_utf8_lossy(text).encode_utf16().count(),
        }
    }

    /// Where the last line of a piece ends, as an offset behind its line feed. `at` is the piece's place in the file.
    pub(super) fn last_line_end(self, piece: &[u8], at: u64) -> Option<usize> {
        let odd = usize::from(at % 2 == 1);
        match self {
            Encoding::Bytes => memchr::memrchr(b'\n', piece).map(|end| end + 1),
            Encoding::Utf16Le => self.last_unit(piece, odd, [b'\n', 0]),
            Encoding::Utf16Be => self.last_unit(piece, odd, [0, b'\n']),
        }
    }

    fn last_unit(self, piece: &[u8], odd: usize, unit: [u8; 2]) -> Option<usize> {
        let units = piece.get(odd..)?.chunks_exact(2);
        let count = units.len();
        units.rev().position(|two| two == unit).map(|back| odd + 2 * (count - back))
    }
}

/// Makes UTF-8 of the pieces of a text.
#[derive(Debug)]
pub(super) struct Decoder {
    encoding: Encoding,
    /// A byte whose other half comes with the next piece.
    odd: Option<u8>,
    /// The first half of a pair of units.
    high: Option<u16>,
}

impl Decoder {
    /// Whether pieces pass as they are.
    pub(super) fn passes(&self) -> bool {
        self.encoding == Encoding::Bytes
    }

    /// Decodes a piece; what is no UTF-16 becomes the replacement character.
    pub(super) fn decode(&mut self, mut piece: &[u8], text: &mut Vec<u8>) {
        if self.passes() {
            return text.extend_from_slice(piece);
        }
        if let (Some(first), Some((second, rest))) = (self.odd, piece.split_first()) {
            self.odd = None;
            piece = rest;
            self.unit([first, *second], text);
        }
        let units = piece.chunks_exact(2);
        if let [left] = units.remainder() {
            self.odd = Some(*left);
        }
        for two in units {
            self.unit([two[0], two[1]], text);
        }
    }

    fn unit(&mut self, two: [u8; 2], text: &mut Vec<u8>) {
        let le = self.encoding == Encoding::Utf16Le;
        let unit = if le { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) };
        let mut push = |c: char| text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        let pair = match (self.high.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => vec![high, unit],
            (None, 0xd800..=0xdbff) => return self.high = Some(unit),
            (Some(_), 0xd800..=0xdbff) => {
                push(char::REPLACEMENT_CHARACTER);
                return self.high = Some(unit);
            }
            (Some(_), _) => {
                push(char::REPLACEMENT_CHARACTER);
                vec![unit]
            }
            (None, _) => vec![unit],
        };
        char::decode_utf16(pair).for_each(|c| push(c.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, le: bool) -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(|unit| if le { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    }

    #[test]
    fn magic_bytes_tell_the_shape() {
        let rows: [(&[u8], Shape); 8] = [
            (b"", Shape::Empty),
            (b"\xef\xbb\xbf", Shape::Empty),
            (b"1 line", Shape::Text(Encoding::Bytes)),
            (b"\xff\xfea\0", Shape::Text(Encoding::Utf16Le)),
            (b"\x1f\x8b\x08", Shape::Gzip),
            (b"PK\x03\x04", Shape::Zip),
            (b"BZh9", Shape::Refused("bzip2")),
            (b"\x28\xb5\x2f\xfd", Shape::Refused("zstd")),
        ];
        for (bytes, expected) in rows {
            assert_eq!(Head::of(bytes).shape, expected, "{bytes:?}");
        }
    }

    #[test]
    fn header_lines_are_found_and_data_is_not_taken_for_one() {
        let w3c = "#Software: x\n#Date: 2026-11-25\n#Fields: date time c-ip\n2026-11-25 10:00:00 192.0.2.1\n";
        let csv = "Receive Time,Source address,Bytes (sent)\n2026/11/25 10:00:00,192.0.2.1,10\n";
        let rows = [
            (w3c, 3),
            (csv, 1),
            ("a b c\n", 0),
            ("date=2026-11-25,time=10:00:00,devname=x\n", 0),
            ("2026/11/25,192.0.2.1,10\n1,2,3\n", 0),
            ("allow,alice,www.example.com,10.1.2.3\n", 0),
            ("name,address,no line end", 0),
        ];
        for (text, lines) in rows {
            let expected: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
            assert_eq!(header_length(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_header_is_measured_in_bytes_of_the_file_whatever_its_encoding() {
        let text = "Zeit,Größe,Name\n1,2,3\n";
        assert_eq!(Head::of(text.as_bytes()).header_bytes, 0, "names of columns are ASCII");
        let text = "Time,Size,Name\n1,2,3\n";
        let head = Head::of(&utf16(text, false));
        assert_eq!(head.header, b"Time,Size,Name\n");
        assert_eq!(head.header_bytes, 2 + 2 * 15);
        let with_mark = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        assert_eq!(Head::of(&with_mark).header_bytes, 18);
    }

    #[test]
    fn a_date_or_a_comment_does_not_keep_two_logs_apart() {
        let one = Head::of(b"#Date: 1\n#Fields: a b\nx\n");
        let two = Head::of(b"#Version: 1\n#Date: 2\n#Fields: a b\r\nx\n");
        let other = Head::of(b"#Date: 1\n#Fields: a c\nx\n");
        assert_eq!(one.columns(), two.columns());
        assert_ne!(one.columns(), other.columns());
        let comments = |text: &str| Head::of(format!("{text}\n1,2,3\n").as_bytes()).columns().to_vec();
        assert_eq!(comments("# begun at 10:00"), comments("# begun at 11:00"));
        assert_ne!(comments("# begun at 10:00\n#Time,Source,Bytes"), comments("# begun at 10:00\n#Time,Source,Hits"));
    }

    #[test]
    fn utf_16_is_decoded_across_any_cut() {
        let text = "größe \u{1f600} line\nnext\n";
        for le in [true, false] {
            let raw = utf16(text, le);
            let encoding = if le { Encoding::Utf16Le } else { Encoding::Utf16Be };
            for cut in 2..raw.len() {
                let (mut decoder, mut out) = (encoding.decoder(), Vec::new());
                decoder.decode(&raw[2..cut], &mut out);
                decoder.decode(&raw[cut..], &mut out);
                assert_eq!(String::from_utf8(out).unwrap(), text, "{cut}");
            }
            let end = encoding.last_line_end(&raw[..raw.len() - 2], 0).unwrap();
            let mut out = Vec::new();
            encoding.decoder().decode(&raw[2..end], &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), "größe \u{1f600} line\n");
            assert_eq!(encoding.last_line_end(&raw[1..], 1).map(|end| end + 1), Some(raw.len()));
        }
    }

    #[test]
    fn broken_utf_16_is_replaced_not_refused() {
        let (mut decoder, mut out) = (Encoding::Utf16Le.decoder(), Vec::new());
        decoder.decode(&[0x00, 0xd8, b'a', 0, 0x00, 0xdc], &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "\u{fffd}a\u{fffd}");
    }
}
