//! One pass over a file: hashed and compressed into the spool.
//!
//! The file is read once. If it changed meanwhile, nothing is kept and the next scan takes it again.

use super::scan::{Candidate, mark};
use super::{Event, Ship};
use crate::config::{Destination, Feed, Level};
use crate::domain::{ByteCount, Digest};
use crate::error::{Error, Result};
use crate::ledger::Packed;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// Read at once, in bytes.
const PIECE: usize = 1 << 20;
/// gzip's own default: the ratio people know.
const DEFAULT_LEVEL: u32 = 6;
/// The service takes no larger object.
const LARGEST: u64 = 5_000_000_000;

/// What one pass over the bytes yields.
struct Content {
    digest: Digest,
    raw: u64,
    packed: u64,
}

impl Ship {
    /// Packs a file and takes it into the ledger. `None` when the ledger knows its content already.
    pub(super) async fn pack(&self, feed: &Feed, candidate: &Candidate) -> Result<Option<i64>> {
        let used = spool_use(&self.spool)?;
        if used + candidate.mark.size / 4 > self.upload.spool_max.0 {
            let (used, max) = (ByteCount(used), self.upload.spool_max);
            return Err(Error::failed(format!("the spool is full: {used} of {max}"))
                .hint("it empties when the service takes shipments again; logweir status shows what waits"));
        }
        (self.events)(Event::Packing { source: candidate.path.clone(), bytes: candidate.mark.size });
        let level = match self.upload.level {
            _ if !feed.gzip => None,
            Level::Auto => Some(DEFAULT_LEVEL),
            Level::Fixed(level) => Some(u32::from(level)),
        };
        let temporary = self.spool.join(format!("{}.tmp", std::process::id()));
        let (source, spool, before) = (candidate.path.clone(), temporary.clone(), candidate.mark);
        let content = tokio::task::spawn_blocking(move || write_spool(&source, &spool, level, before))
            .await
            .map_err(|_| Error::failed("packing ended early"))?;
        let content = match content {
            Ok(content) => content,
            Err(error) => {
                // The space is worth more than the half-written file; the next start removes it otherwise.
                let _ = std::fs::remove_file(&temporary);
                return Err(error);
            }
        };
        let discard =
            || std::fs::remove_file(&temporary).map_err(|error| Error::failed("cannot clear the spool").cause(error));
        if self.ledger.known(&feed.tenant, &feed.name, &content.digest, content.raw)?.is_some() {
            discard()?;
            self.ledger.remember(&feed.tenant, &feed.name, &candidate.mark)?;
            return Ok(None);
        }
        if content.packed > LARGEST {
            discard()?;
            return Err(Error::failed(format!(
                "{} is larger than the service takes even packed",
                candidate.path.display()
            ))
            .hint("rotate this log more often: the service takes 5 GB at once"));
        }
        let name = format!("{}.{}", &content.digest.to_string()[..32], if feed.gzip { "gz" } else { "log" });
        let name = format!("{}-{name}", spool_word(&feed.name));
        std::fs::rename(&temporary, self.spool.join(&name))
            .map_err(|error| Error::failed("cannot name the spool file").cause(error))?;
        sync_directory(&self.spool)?;
        let (destination, snapshot) = match &feed.destination {
            Destination::DataSource(name) => (name.as_str(), false),
            Destination::Snapshot(name) => (name.as_str(), true),
        };
        let id = self.ledger.packed(
            &Packed {
                tenant: &feed.tenant,
                feed: &feed.name,
                source: &candidate.path,
                digest: content.digest,
                raw: content.raw,
                packed: content.packed,
                log_type: feed.log_type.as_str(),
                destination,
                snapshot,
                spool: &name,
            },
            &candidate.mark,
        )?;
        let source = candidate.path.clone();
        (self.events)(Event::Packed { id, source, raw: content.raw, packed: content.packed });
        Ok(Some(id))
    }
}

/// A feed's name as part of a file name: a hash, since names may hold anything.
fn spool_word(name: &str) -> String {
    blake3::hash(name.as_bytes()).to_hex()[..8].to_owned()
}

fn sync_directory(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| Error::failed("cannot sync the spool").cause(error))
}

fn spool_use(spool: &Path) -> Result<u64> {
    let failed = |error: std::io::Error| Error::failed("cannot read the spool").cause(error);
    let mut used = 0;
    for entry in std::fs::read_dir(spool).map_err(failed)? {
        used += entry.and_then(|entry| entry.metadata()).map_err(failed)?.len();
    }
    Ok(used)
}

/// Where packed bytes go, counted.
struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

enum Packer {
    Gzip(Box<GzEncoder<Counted<File>>>),
    Plain(Counted<File>),
}

fn write_spool(source: &Path, spool: &Path, level: Option<u32>, before: crate::ledger::FileMark) -> Result<Content> {
    let unreadable = |error: std::io::Error| {
        Error::failed(format!("cannot read {}", source.display()))
            .cause(error)
            .hint("let the user logweir runs as read it")
    };
    let unwritable = |error: std::io::Error| {
        Error::failed("cannot write to the spool")
            .cause(error)
            .hint("free space in the state directory; nothing is lost, the next pass goes on")
    };
    let mut input = File::open(source).map_err(unreadable)?;
    let sink = Counted { inner: File::create(spool).map_err(unwritable)?, bytes: 0 };
    let mut hash = blake3::Hasher::new();
    let mut buffer = vec![0; PIECE];
    let (mut raw, mut first) = (0_u64, true);
    let mut packer: Option<Packer> = None;
    let mut sink = Some(sink);
    loop {
        let count = match input.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };
        let mut piece = &buffer[..count];
        if first {
            first = false;
            refuse_other_compression(source, piece)?;
            // A log that is gzip already goes as it is; the service unpacks it.
            let packed_already = piece.starts_with(&[0x1f, 0x8b]) || piece.starts_with(b"PK\x03\x04");
            let sink = sink.take().ok_or_else(|| Error::failed("the spool was opened twice"))?;
            packer = Some(match level {
                Some(level) if !packed_already => Packer::Gzip(Box::new(GzEncoder::new(sink, Compression::new(level)))),
                _ => Packer::Plain(sink),
            });
        }
        hash.update(piece);
        if raw == 0 {
            // The service refuses a log that begins with a byte order mark.
            piece = piece.strip_prefix(b"\xef\xbb\xbf").unwrap_or(piece);
        }
        raw += count as u64;
        if count == 0 {
            break;
        }
        match packer.as_mut() {
            Some(Packer::Gzip(gzip)) => gzip.write_all(piece).map_err(unwritable)?,
            Some(Packer::Plain(sink)) => sink.write_all(piece).map_err(unwritable)?,
            None => {}
        }
    }
    let sink = match packer {
        Some(Packer::Gzip(gzip)) => gzip.finish().map_err(unwritable)?,
        Some(Packer::Plain(sink)) => sink,
        None => return Err(Error::failed(format!("{} is empty", source.display()))),
    };
    sink.inner.sync_all().map_err(unwritable)?;
    let after = input.metadata().map_err(unreadable)?;
    if mark(&after) != before || raw != before.size {
        return Err(Error::failed(format!("{} changed while it was read", source.display()))
            .hint("it is taken again when it has stood still; raise the feed's settle time if this repeats"));
    }
    Ok(Content { digest: Digest(*hash.finalize().as_bytes()), raw, packed: sink.bytes })
}

fn refuse_other_compression(source: &Path, head: &[u8]) -> Result<()> {
    let kinds: [(&[u8], &str); 3] = [(b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")];
    match kinds.iter().find(|(magic, _)| head.starts_with(magic)) {
        None => Ok(()),
        Some((_, kind)) => Err(Error::failed(format!("{} is compressed with {kind}", source.display()))
            .cause("the service reads plain text, gzip and zip only")
            .hint("let log rotation compress with gzip, or not at all")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(content: &[u8], level: Option<u32>) -> (Result<Content>, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let (source, spool) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&source, content).unwrap();
        let before = mark(&std::fs::metadata(&source).unwrap());
        let packed = write_spool(&source, &spool, level, before);
        (packed, std::fs::read(&spool).unwrap())
    }

    fn unpack(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn what_is_packed_is_what_was_read_without_its_byte_order_mark() {
        let text = b"\xef\xbb\xbfline one\nline two\n".to_vec();
        let (content, spool) = pack(&text, Some(6));
        assert_eq!(unpack(&spool), b"line one\nline two\n");
        let content = content.unwrap();
        assert_eq!((content.raw, content.packed), (text.len() as u64, spool.len() as u64));
        assert_eq!(content.digest.0, *blake3::hash(&text).as_bytes());
    }

    #[test]
    fn gzip_goes_as_it_is_and_other_compression_is_refused() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"line\n").unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(pack(&gzip, Some(6)).1, gzip);
        assert!(pack(b"\x28\xb5\x2f\xfdxxxx", Some(6)).0.is_err());
        assert_eq!(pack(b"plain\n", None).1, b"plain\n");
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("a");
        std::fs::write(&source, "one\n").unwrap();
        let before = mark(&std::fs::metadata(&source).unwrap());
        std::fs::write(&source, "one\ntwo\n").unwrap();
        assert!(write_spool(&source, &dir.path().join("b"), Some(6), before).is_err());
    }
}
