//! Whether a file that is packed already is whole: every member unpacks and has the right checksum.
//!
//! Such a file is sent as it is, so a broken one would be refused hours later and far away. What is unpacked is handed
//! to whoever wants to understand it, and kept nowhere.

use flate2::{Crc, read::DeflateDecoder, read::MultiGzDecoder};
use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Result, Seek, SeekFrom};

/// The end record of a zip archive with the longest comment.
const LONGEST_END: u64 = 22 + 65_535;
/// Entries of an archive of logs.
const MOST_ENTRIES: usize = 10_000;

fn broken(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

/// Unpacks a gzip file to the end.
pub(super) fn gzip(file: impl Read, each: &mut dyn FnMut(&[u8])) -> Result<u64> {
    drain(MultiGzDecoder::new(BufReader::with_capacity(256 << 10, file)), each)
}

fn drain(mut reader: impl Read, each: &mut dyn FnMut(&[u8])) -> Result<u64> {
    let (mut buffer, mut total) = (vec![0; 256 << 10], 0);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                total += count as u64;
                each(&buffer[..count]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |two| u16::from_le_bytes([two[0], two[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

/// Unpacks every file of a zip archive.
pub(super) fn zip(file: &mut File, each: &mut dyn FnMut(&[u8])) -> Result<u64> {
    let size = file.metadata()?.len();
    let tail_from = size.saturating_sub(LONGEST_END);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(tail_from))?;
    file.take(LONGEST_END).read_to_end(&mut tail)?;
    let end = tail.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or_else(|| broken("the end is missing"))?;
    let end = Some(&tail[end..]).filter(|end| end.len() >= 22).ok_or_else(|| broken("the end is cut off"))?;
    let (entries, length, start) = (usize::from(u16_at(end, 10)), u32_at(end, 12), u64::from(u32_at(end, 16)));
    if entries == 0xffff || start == 0xffff_ffff || entries > MOST_ENTRIES {
        return Err(broken("zip64 archives are not read; use gzip for a log of that size"));
    }
    let mut directory = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(u64::from(length)).read_to_end(&mut directory)?;
    let (mut at, mut total) = (0, 0);
    for _ in 0..entries {
        let record = directory.get(at..).filter(|rest| rest.starts_with(b"PK\x01\x02") && rest.len() >= 46);
        let record = record.ok_or_else(|| broken("the directory is damaged"))?;
        let (flags, method, crc) = (u16_at(record, 8), u16_at(record, 10), u32_at(record, 16));
        let (packed, unpacked, local) = (u32_at(record, 20), u32_at(record, 24), u32_at(record, 42));
        at += 46 + [28, 30, 32].map(|at| usize::from(u16_at(record, at))).iter().sum::<usize>();
        if flags & 1 != 0 {
            return Err(broken("an entry is encrypted"));
        }
        total += entry(file, u64::from(local), u64::from(packed), method, (crc, unpacked), each)?;
    }
    if total == 0 {
        return Err(broken("the archive holds no log"));
    }
    Ok(total)
}

fn entry(
    file: &mut File,
    at: u64,
    packed: u64,
    method: u16,
    (crc, size): (u32, u32),
    each: &mut dyn FnMut(&[u8]),
) -> Result<u64> {
    let mut local = [0; 30];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut local)?;
    if !local.starts_with(b"PK\x03\x04") {
        return Err(broken("an entry is not where the directory says"));
    }
    let skip = i64::from(u16_at(&local, 26)) + i64::from(u16_at(&local, 28));
    file.seek(SeekFrom::Current(skip))?;
    let mut sum = Crc::new();
    let mut both = |bytes: &[u8]| {
        sum.update(bytes);
        each(bytes);
    };
    let content = file.take(packed);
    let got = match method {
        0 => drain(content, &mut both)?,
        // One byte more than the directory promises is enough to know that it lies.
        8 => drain(DeflateDecoder::new(content).take(u64::from(size) + 1), &mut both)?,
        _ => return Err(broken("an entry is packed in a way that is not deflate")),
    };
    if got != u64::from(size) || sum.sum() != crc {
        return Err(broken("an entry does not match its checksum"));
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gz(text: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn every_member_of_a_gzip_file_counts_and_damage_is_found() {
        let two = [gz(b"one\n"), gz(b"two\n")].concat();
        let mut text = Vec::new();
        assert_eq!(gzip(&two[..], &mut |bytes| text.extend_from_slice(bytes)).unwrap(), 8);
        assert_eq!(text, b"one\ntwo\n");
        for cut in [1, 9, two.len() - 3] {
            assert!(gzip(&two[..cut], &mut |_| {}).is_err(), "{cut}");
        }
        let mut damaged = gz(b"one two three\n");
        let sum = damaged.len() - 8;
        damaged[sum] ^= 1;
        assert!(gzip(&damaged[..], &mut |_| {}).is_err());
    }

    /// A zip archive with one entry, deflated or stored.
    fn archive(name: &str, text: &[u8], deflate: bool) -> Vec<u8> {
        let mut packed = text.to_vec();
        if deflate {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text).unwrap();
            packed = encoder.finish().unwrap();
        }
        let mut crc = Crc::new();
        crc.update(text);
        let word = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
        let half = |n: usize| u16::try_from(n).unwrap().to_le_bytes();
        let method = half(if deflate { 8 } else { 0 });
        let sizes = [crc.sum().to_le_bytes(), word(packed.len()), word(text.len())].concat();
        let middle = [&half(20)[..], &half(0), &method, &[0; 4], &sizes, &half(name.len()), &half(0)].concat();
        let mut zip = [b"PK\x03\x04", &middle[..], name.as_bytes(), &packed].concat();
        let start = zip.len();
        zip.extend([b"PK\x01\x02", &half(20)[..], &middle, &[0; 10], &word(0), name.as_bytes()].concat());
        let length = zip.len() - start;
        zip.extend([b"PK\x05\x06", &[0; 4][..], &half(1), &half(1), &word(length), &word(start), &half(0)].concat());
        zip
    }

    fn check(bytes: &[u8]) -> Result<u64> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        zip(&mut file, &mut |_| {})
    }

    #[test]
    fn a_whole_archive_passes_and_any_damage_is_found() {
        for deflate in [true, false] {
            let good = archive("access.log", b"one line\nand another\n", deflate);
            assert_eq!(check(&good).unwrap(), 21);
            let mut damaged = good.clone();
            damaged[42] ^= 1;
            assert!(check(&damaged).is_err());
            for cut in 0..good.len() {
                assert!(check(&good[..cut]).is_err(), "{cut}");
            }
        }
    }
}
