//! Writes what each target starts from: the samples of its log types.
//!
//! `seeds SAMPLES INTO` makes a folder per target in `INTO`.

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
    let (Some(samples), Some(into)) = (args.next(), args.next()) else {
        return Err(std::io::Error::other("usage: seeds SAMPLES INTO"));
    };
    for vendor in std::fs::read_dir(samples)? {
        for log in std::fs::read_dir(vendor?.path())? {
            let log = log?.path();
            let text = std::fs::read(&log)?;
            let name = log.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            write(&into.join("input"), &name, &[&text])?;
            write(&into.join("detect"), &name, &[&text])?;
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

fn write(folder: &Path, name: &str, parts: &[&[u8]]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(name), parts.concat())
}
