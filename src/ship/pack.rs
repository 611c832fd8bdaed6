//! One pass over the bytes of a shipment: read, hashed, made UTF-8, compressed into the spool.
//!
//! Stages, in this order for each piece: read at most 128 KiB, so that every later stage finds it in the core's cache → cut
//! at a line end if the part is full → digest of the raw bytes → byte order mark and repeated header off → UTF-8 → whoever
//! wants to understand it → compression → spool file, which tells its length to an upload that runs meanwhile. Nothing is
//! read twice. If a file turns out to be no longer what the scan saw, nothing is kept and a later scan takes it again.

use super::gzip::{GzipWriter, Pace};
use super::head::{Decoder, Encoding, Shape};
use super::plan::{Member, open, unreadable};
use super::scan::mark;
use super::spool::{Sink, unwritable};
use super::whole;
use crate::domain::Digest;
use crate::error::Error;
use crate::service::Growth;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::watch;

/// Read at once, in bytes: little enough that who comes next finds it in the cache of the core.
const PIECE: usize = 1 << 17;
/// How far beyond its size a part may grow in search of a line end.
const SLACK: u64 = 50_000_000;

/// How to pack.
#[derive(Debug, Clone)]
pub(super) struct How {
    /// How strongly to compress; none for no compression.
    pub pace: Option<Pace>,
    /// Packed bytes after which a text is continued in another shipment.
    pub part_size: u64,
}

/// A part of a member that was packed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Which of the members.
    pub member: usize,
    pub digest: Digest,
    pub from: u64,
    pub to: u64,
}

/// What one pass over the bytes yields. The spool file is synced; `growth` has still to be told that it is whole.
pub(super) struct Content {
    pub parts: Vec<Part>,
    pub packed: u64,
    pub growth: watch::Sender<Growth>,
}

/// Why nothing was packed.
#[derive(Debug)]
pub(super) enum Spoiled {
    /// This member cannot be packed; the others can without it.
    Member(usize, Error),
    /// The spool cannot be written.
    Spool(Error),
    /// We were asked to stop.
    Stopped,
}

/// Where the text goes.
enum Packer {
    Gzip(GzipWriter<Sink>),
    Plain(Sink),
}

impl Packer {
    fn new(sink: Sink, pace: Option<Pace>) -> std::io::Result<Packer> {
        Ok(match pace {
            Some(pace) => Packer::Gzip(GzipWriter::new(sink, None, pace)?),
            None => Packer::Plain(sink),
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Spoiled> {
        let written = match self {
            Packer::Gzip(gzip) => gzip.write_all(bytes),
            Packer::Plain(sink) => sink.write_all(bytes),
        };
        written.map_err(|error| Spoiled::Spool(unwritable(error)))
    }

    fn finish(self) -> std::io::Result<(u64, watch::Sender<Growth>)> {
        match self {
            Packer::Gzip(gzip) => gzip.finish()?.finish(),
            Packer::Plain(sink) => sink.finish(),
        }
    }
}

/// One shipment being packed.
struct Pass<'p> {
    how: How,
    stop: &'p AtomicBool,
    /// Sees the text as it is shipped.
    see: &'p mut dyn FnMut(&[u8]),
    packer: Packer,
    /// Packed bytes so far; what is under way in the compressor is not counted.
    packed: watch::Receiver<Growth>,
    /// Bytes read so far.
    read: Arc<AtomicU64>,
    /// The last byte written, to put a line end between two files.
    last: u8,
    parts: Vec<Part>,
}

/// Packs the members into the spool file behind `sink`. One member may be cut at the part size; then the last part ends
/// before the member does.
pub(super) fn pack(
    members: &[Member],
    how: How,
    mut sink: Sink,
    stop: &AtomicBool,
    see: &mut dyn FnMut(&[u8]),
) -> Result<Content, Spoiled> {
    let text = matches!(members.first().map(|member| member.head.shape), Some(Shape::Text(_)));
    let pace = how.pace.clone().filter(|_| text);
    let total = members.iter().map(|member| member.to - member.from).sum();
    let (packed, read) = (sink.growth(), sink.reads(total, how.part_size));
    let packer = Packer::new(sink, pace).map_err(|error| Spoiled::Spool(unwritable(error)))?;
    let mut pass = Pass { how, stop, see, packer, packed, read, last: b'\n', parts: Vec::new() };
    for (number, member) in members.iter().enumerate() {
        let spoiled = |error: std::io::Error| Spoiled::Member(number, unreadable(&member.path, error));
        let Some(mut file) = open(&member.path, &member.mark).map_err(spoiled)? else {
            return Err(Spoiled::Member(number, changed(member)));
        };
        let part = match member.head.shape {
            Shape::Text(encoding) => pass.text(number, member, encoding, &mut file)?,
            _ => pass.as_it_is(number, member, &mut file)?,
        };
        if mark(&file.metadata().map_err(spoiled)?) != member.mark {
            return Err(Spoiled::Member(number, changed(member)));
        }
        pass.parts.push(part);
    }
    let (packed, growth) = pass.packer.finish().map_err(|error| Spoiled::Spool(unwritable(error)))?;
    Ok(Content { parts: pass.parts, packed, growth })
}

fn changed(member: &Member) -> Error {
    Error::failed(format!("{} changed while it was read", member.path.display()))
        .hint("it is taken again when it has stood still; raise the feed's settle time if this repeats")
}

impl Pass<'_> {
    fn text(&mut self, number: usize, member: &Member, encoding: Encoding, file: &mut File) -> Result<Part, Spoiled> {
        let spoiled = |error| Spoiled::Member(number, unreadable(&member.path, error));
        if member.from > 0 {
            file.seek(SeekFrom::Start(member.from)).map_err(spoiled)?;
            // A later part is read like the first one.
            if number == 0 {
                self.write(&member.head.header)?;
            } else if self.last != b'\n' {
                self.write(b"\n")?;
            }
            self.write(&member.lead)?;
        } else if self.last != b'\n' {
            self.write(b"\n")?;
        }
        // A header that stands at the top of the shipment already is not repeated.
        let mut skip = if member.from > 0 {
            0
        } else if number > 0 {
            member.head.header_bytes.max(member.head.mark)
        } else {
            member.head.mark
        };
        let (mut hash, mut decoder) = (blake3::Hasher::new(), encoding.decoder());
        let (mut buffer, mut decoded) = (vec![0; PIECE], Vec::new());
        let mut at = member.from;
        while at < member.to {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Spoiled::Stopped);
            }
            let want = usize::try_from(member.to - at).unwrap_or(PIECE).min(PIECE);
            let count = read_full(file, &mut buffer[..want]).map_err(spoiled)?;
            if count == 0 {
                return Err(Spoiled::Member(number, changed(member)));
            }
            let mut piece = &buffer[..count];
            let cut = self.cut(number, member, encoding, piece, at)?;
            piece = &piece[..cut.unwrap_or(count)];
            hash.update(piece);
            at += piece.len() as u64;
            self.read.fetch_add(piece.len() as u64, Ordering::Relaxed);
            let hidden = skip.min(piece.len());
            skip -= hidden;
            self.decoded(&piece[hidden..], &mut decoder, &mut decoded)?;
            if cut.is_some() {
                break;
            }
        }
        Ok(Part { member: number, digest: Digest(*hash.finalize().as_bytes()), from: member.from, to: at })
    }

    /// Where to end the part, if it is full and the piece has a line end.
    fn cut(
        &self,
        number: usize,
        member: &Member,
        encoding: Encoding,
        piece: &[u8],
        at: u64,
    ) -> Result<Option<usize>, Spoiled> {
        let packed = self.packed.borrow().len;
        if packed < self.how.part_size {
            return Ok(None);
        }
        let end = encoding.last_line_end(piece, at);
        if end.is_none() && packed > self.how.part_size + SLACK {
            let error = Error::failed(format!("{} cannot be split", member.path.display()))
                .cause(format!("it is larger than the service takes and has no line end near byte {at}"))
                .hint("is it a log at all? logweir check tells what is in it");
            return Err(Spoiled::Member(number, error));
        }
        // A cut at the very end of the file would leave an empty part.
        Ok(end.filter(|end| at + (*end as u64) < member.to))
    }

    fn decoded(&mut self, piece: &[u8], decoder: &mut Decoder, text: &mut Vec<u8>) -> Result<(), Spoiled> {
        if decoder.passes() {
            return self.write(piece);
        }
        text.clear();
        decoder.decode(piece, text);
        self.write(text)
    }

    fn write(&mut self, text: &[u8]) -> Result<(), Spoiled> {
        if let Some(last) = text.last() {
            self.last = *last;
            (self.see)(text);
            self.packer.write_all(text)?;
        }
        Ok(())
    }

    /// A file that is packed already: checked while it passes, and sent as it is.
    fn as_it_is(&mut self, number: usize, member: &Member, file: &mut File) -> Result<Part, Spoiled> {
        let Pass { packer, stop, see, read, .. } = self;
        let mut tee = Tee { file, packer, stop, read, hash: blake3::Hasher::new(), bytes: 0, spoiled: None };
        let checked = match member.head.shape {
            // What follows the last member belongs to the file.
            Shape::Gzip => whole::gzip(&mut tee, see).and_then(|_| std::io::copy(&mut tee, &mut std::io::sink())),
            _ => std::io::copy(&mut tee, &mut std::io::sink()).and_then(|_| whole::zip(tee.file, see)),
        };
        let (bytes, digest) = (tee.bytes, Digest(*tee.hash.finalize().as_bytes()));
        if let Some(spoiled) = tee.spoiled {
            return Err(spoiled);
        }
        if let Err(error) = checked {
            let error = Error::failed(format!("{} is damaged", member.path.display()))
                .cause(error)
                .hint("the service would refuse it: unpack it, see what is left of it, and let it be packed again");
            return Err(Spoiled::Member(number, error));
        }
        if bytes != member.to {
            return Err(Spoiled::Member(number, changed(member)));
        }
        Ok(Part { member: number, digest, from: 0, to: bytes })
    }
}

/// Reads a file and writes what is read to the spool.
struct Tee<'t> {
    file: &'t mut File,
    packer: &'t mut Packer,
    stop: &'t AtomicBool,
    read: &'t AtomicU64,
    hash: blake3::Hasher,
    bytes: u64,
    /// What happened, where it was not the file's fault.
    spoiled: Option<Spoiled>,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            self.spoiled = Some(Spoiled::Stopped);
            return Err(std::io::Error::other("asked to stop"));
        }
        let count = self.file.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        if let Err(spoiled) = self.packer.write_all(&buffer[..count]) {
            self.spoiled = Some(spoiled);
            return Err(std::io::Error::other("the spool cannot be written"));
        }
        Ok(count)
    }
}

/// Fills the buffer as far as the file goes.
fn read_full(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ship::gzip::Backlog;
    use crate::ship::head::Head;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    struct Packed {
        parts: Vec<Part>,
        text: Vec<u8>,
        spool: Vec<u8>,
    }

    const GZIP: How = How { pace: Some(Pace::Fixed(6)), part_size: u64::MAX };
    const PLAIN: How = How { pace: None, part_size: u64::MAX };

    fn member(path: std::path::PathBuf, from: u64) -> Member {
        let meta = std::fs::metadata(&path).unwrap();
        let head = Head::read(&mut File::open(&path).unwrap(), meta.len()).unwrap();
        let kind = crate::ship::judge::Kind { log_type: "SQUID_NATIVE".parse().unwrap(), layout: None, doubt: None };
        Member { path, mark: mark(&meta), head, from, to: meta.len(), lead: Vec::new(), kind }
    }

    fn run(dir: &std::path::Path, members: &[Member], how: How) -> Result<Packed, Spoiled> {
        let spool = dir.join("spool");
        let growth = watch::channel(Growth::default()).0;
        let sink = Sink::new(File::create(&spool).unwrap(), growth, Backlog::default());
        let mut seen = Vec::new();
        let content = pack(members, how, sink, &AtomicBool::new(false), &mut |text| seen.extend_from_slice(text))?;
        let spool = std::fs::read(&spool).unwrap();
        assert_eq!(content.packed, spool.len() as u64);
        let mut text = spool.clone();
        if spool.starts_with(&[0x1f, 0x8b]) {
            text.clear();
            flate2::read::MultiGzDecoder::new(&spool[..]).read_to_end(&mut text).unwrap();
        }
        if matches!(members[0].head.shape, Shape::Text(_)) {
            assert_eq!(seen, text, "what was understood is what is sent");
        }
        Ok(Packed { parts: content.parts, text, spool })
    }

    fn pack_all(contents: &[&[u8]], how: How) -> Result<Packed, Spoiled> {
        let dir = tempfile::tempdir().unwrap();
        let members = contents.iter().enumerate().map(|(number, content)| {
            let path = dir.path().join(number.to_string());
            std::fs::write(&path, content).unwrap();
            member(path, 0)
        });
        run(dir.path(), &members.collect::<Vec<_>>(), how)
    }

    #[test]
    fn what_is_packed_is_what_was_read_without_its_byte_order_mark() {
        let text: &[u8] = b"\xef\xbb\xbfline one\nline two\n";
        for how in [GZIP, PLAIN] {
            let packed = pack_all(&[text], how).unwrap();
            assert_eq!(packed.text, b"line one\nline two\n");
            assert_eq!(packed.parts[0].digest.0, *blake3::hash(text).as_bytes());
            assert_eq!((packed.parts[0].from, packed.parts[0].to), (0, text.len() as u64));
        }
    }

    #[test]
    fn utf_16_arrives_as_utf_8() {
        let text = "größe\nzwei\n".repeat(100_000);
        let raw: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        assert_eq!(pack_all(&[&raw], GZIP).unwrap().text, text.as_bytes());
    }

    #[test]
    fn joined_files_have_a_line_end_between_them_and_one_header() {
        let joined = pack_all(&[b"a\nb", b"c\n", b"\xef\xbb\xbfd"], GZIP).unwrap();
        assert_eq!(joined.text, b"a\nb\nc\nd");
        assert_eq!(joined.parts.len(), 3);
        let w3c: &[u8] = b"#Date: 1\n#Fields: a b\n1 2\n";
        assert_eq!(pack_all(&[w3c, w3c], GZIP).unwrap().text, b"#Date: 1\n#Fields: a b\n1 2\n1 2\n");
    }

    #[test]
    fn a_huge_text_is_cut_at_line_ends_with_its_header_repeated_and_no_line_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let header = "Time,Source,Bytes\n";
        let lines: String = (0..500_000).map(|n| format!("{n},192.0.2.1,{n}\n")).collect();
        std::fs::write(&path, format!("{header}{lines}")).unwrap();
        for how in [How { part_size: 100_000, ..GZIP }, How { part_size: 2_000_000, ..PLAIN }] {
            let (mut from, mut text, mut parts) = (0, String::new(), 0);
            loop {
                let member = member(path.clone(), from);
                let to = member.to;
                let packed = run(dir.path(), &[member], how.clone()).unwrap();
                let part = String::from_utf8(packed.text).unwrap();
                text.push_str(part.strip_prefix(header).expect("the header in each part"));
                assert_eq!(packed.parts[0].from, from);
                parts += 1;
                from = packed.parts[0].to;
                if from == to {
                    break;
                }
            }
            assert!(parts > 1, "{parts}");
            assert!(text == lines, "lines were lost or doubled");
        }
    }

    #[test]
    fn packed_files_go_as_they_are_if_they_are_whole() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"line\n").unwrap();
        let gzip = gzip.finish().unwrap();
        let two = [&gzip[..], &gzip].concat();
        for whole in [&gzip, &two] {
            assert_eq!(pack_all(&[whole], GZIP).unwrap().spool, *whole);
        }
        let spoiled = pack_all(&[&gzip[..gzip.len() - 2]], GZIP);
        assert!(matches!(&spoiled, Err(Spoiled::Member(0, error)) if error.what().contains("damaged")));
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "one\n").unwrap();
        let member = member(path.clone(), 0);
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert!(matches!(run(dir.path(), &[member], GZIP), Err(Spoiled::Member(0, _))));
    }
}
