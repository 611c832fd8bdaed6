//! Writes what each target starts from: the samples of its log types, the golden block lists.
//!
//! `seeds SAMPLES LISTS INTO` makes a folder per target in `INTO`.

// For the counters of coverage that the library calls.
use libfuzzer_sys as _;
use std::path::{Path, PathBuf};

/// Target and dialect.
const DIALECTS: [(&str, &str); 10] = [
    ("columns", "columns"),
    ("delimited", "delimited"),
    ("keyvalue", "key=value"),
    ("spaced", "key=value with blanks"),
    ("cef", "CEF"),
    ("leef", "LEEF"),
    ("w3c", "W3C"),
    ("json", "JSON"),
    ("any", "self-describing"),
    ("text", "text"),
];

fn main() -> std::io::Result<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(samples), Some(lists), Some(into)) = (args.next(), args.next(), args.next()) else {
        return Err(std::io::Error::other("usage: seeds SAMPLES LISTS INTO"));
    };
    block_lists(&lists, &into)?;
    for vendor in std::fs::read_dir(samples)? {
        for log in std::fs::read_dir(vendor?.path())? {
            let log = log?.path();
            let text = std::fs::read(&log)?;
            let name = log.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if log.parent().is_some_and(|folder| folder.ends_with("layouts")) {
                for choice in 0..8 {
                    write(&into.join("layout"), &format!("{name}-{choice}"), &[&[choice], &text])?;
                }
            }
            write(&into.join("input"), &name, &[&text])?;
            write(&into.join("detect"), &name, &[&text])?;
            for level in 0..12 {
                write(&into.join("gzip"), &format!("{name}-{level}"), &[&[level, 5], &text[..text.len().min(2000)]])?;
            }
            for (at, line) in text.split(|c| *c == b'\n').enumerate() {
                write(&into.join("envelope"), &format!("{name}-{at}"), &[line])?;
                write(&into.join("timestamp"), &format!("{name}-{at}"), &[&line[..line.len().min(40)]])?;
            }
            for (target, dialect) in DIALECTS {
                let formats = logweir_fuzz::formats(dialect);
                let Some(choice) = formats.iter().position(|format| format.log_type == name) else { continue };
                let choice = u8::try_from(choice).unwrap_or(0);
                write(&into.join(target), &name, &[&[choice], &text])?;
                for (at, line) in text.split_inclusive(|c| *c == b'\n').enumerate() {
                    write(&into.join(target), &format!("{name}-{at}"), &[&[choice], line])?;
                }
            }
        }
    }
    Ok(())
}

/// Entries of every scope for every target, and what was rendered from such.
fn block_lists(lists: &Path, into: &Path) -> std::io::Result<()> {
    const ENTRIES: &[u8] = b"\0a.example\xff\x03b.example\xff\x04c.example\xff\x05d.example\xff\0*.e.example\xff\0f.example/path\xff\
        \0192.0.2.10\xff\0198.51.100.0/24\xff\02001:db8::10\xff\02001:db8:1::/48\xff\0b\xc3\xbccher.example";
    let mut golden = std::collections::BTreeMap::new();
    for list in std::fs::read_dir(lists)? {
        let list = list?.path();
        let name = list.file_name().unwrap_or_default().to_string_lossy().into_owned();
        golden.insert(name, std::fs::read(list)?);
    }
    for (name, text) in &golden {
        write(&into.join("block_source"), name, &[&[u8::MAX], text])?;
    }
    for (name, place) in logweir_fuzz::block::places() {
        write(&into.join("block_render"), &format!("{name}-{place}"), &[&[place], ENTRIES])?;
        // The files of a target with several stand in the order of their roles.
        let own = golden.iter().filter(|(file, _)| file.split('.').next() == Some(name));
        let own: Vec<&[u8]> = own.map(|(_, text)| text.as_slice()).collect();
        write(&into.join("block_reader"), &format!("{name}-{place}"), &[&[place], &own.join(&0xff)])?;
    }
    Ok(())
}

fn write(folder: &Path, name: &str, parts: &[&[u8]]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(name), parts.concat())
}
