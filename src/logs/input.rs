//! Lines out of plain and gzip input, with a bound on their length.

use std::io::{BufRead, BufReader, Read, Result};

/// The longest line that is kept, in bytes; the rest of a longer one is dropped.
pub const LONGEST_LINE: usize = 1 << 20;

/// A source of lines.
pub struct Input {
    reader: Box<dyn BufRead + Send>,
    line: Vec<u8>,
}

/// Opens a log: gzip of any number of members is unpacked, anything else is read as it is.
///
/// # Errors
/// When the first bytes cannot be read.
pub fn open(reader: Box<dyn Read + Send>) -> Result<Input> {
    let mut reader = BufReader::with_capacity(256 << 10, reader);
    let gzip = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn BufRead + Send> = if gzip {
        Box::new(BufReader::with_capacity(256 << 10, flate2::bufread::MultiGzDecoder::new(reader)))
    } else {
        Box::new(reader)
    };
    Ok(Input { reader, line: Vec::new() })
}

impl Input {
    /// The next line without its line feed; `None` at the end.
    ///
    /// # Errors
    /// When reading or unpacking fails.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>> {
        self.line.clear();
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok((!self.line.is_empty()).then_some(&self.line));
            }
            let end = memchr::memchr(b'\n', buffer);
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let room = LONGEST_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(&self.line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn lines(bytes: Vec<u8>) -> Vec<Vec<u8>> {
        let mut input = open(Box::new(std::io::Cursor::new(bytes))).unwrap();
        let mut lines = Vec::new();
        while let Some(line) = input.next_line().unwrap() {
            lines.push(line.to_vec());
        }
        lines
    }

    #[test]
    fn plain_and_gzip_give_the_same_lines() {
        let text = b"one\n\ntwo".to_vec();
        let mut packed = Vec::new();
        for part in [&b"one\n"[..], b"\ntwo"] {
            let mut gzip = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
            gzip.write_all(part).unwrap();
            gzip.finish().unwrap();
        }
        let expected = [b"one".to_vec(), Vec::new(), b"two".to_vec()];
        assert_eq!(lines(text), expected);
        assert_eq!(lines(packed), expected);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let lines = lines([vec![b'x'; LONGEST_LINE + 5], b"\nnext\n".to_vec()].concat());
        assert_eq!((lines[0].len(), lines[1].as_slice()), (LONGEST_LINE, &b"next"[..]));
    }
}
