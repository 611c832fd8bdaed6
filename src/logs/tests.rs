//! Properties every log type has, and the hostile lines none may stumble over.

use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts, and remembers records as text in order.
#[derive(Default)]
struct Seen(Vec<String>);

impl Visit for Seen {
    fn line(&mut self, at: Position, raw: &[u8], line: &Line<'_>) {
        self.0.push(format!("{at:?} {} {line:?}", raw.trim_ascii_end().len()));
    }
    fn merge(&mut self, later: Seen) {
        self.0.extend(later.0);
    }
}

fn sample(format: &Format) -> Vec<u8> {
    let vendors = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/logs")).unwrap();
    let name = format!("{}.log", format.log_type);
    let path = vendors.map(|vendor| vendor.unwrap().path().join(&name)).find(|path| path.exists());
    std::fs::read(path.unwrap_or_else(|| panic!("no sample {name}"))).unwrap()
}

/// A small generator with a fixed seed: the same bytes in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

#[test]
fn names_are_unique_and_spelled_as_the_service_does() {
    let names: Vec<&str> = vendor::all().map(|format| format.log_type).collect();
    let distinct: std::collections::BTreeSet<&&str> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
    for name in names {
        assert!(name.parse::<crate::domain::LogType>().is_ok(), "{name}");
    }
}

#[test]
fn no_table_names_a_field_twice() {
    for format in vendor::all() {
        let names = format.dialect.names();
        for (index, (name, _)) in names.iter().enumerate() {
            assert!(!names[..index].iter().any(|(other, _)| other == name), "{}: {name}", format.log_type);
        }
    }
}

#[test]
fn chunks_cut_anywhere_and_any_number_of_threads_read_the_same() {
    for format in vendor::all() {
        let text = sample(format).repeat(40);
        let whole = read(format, &text[..], 1, Seen::default).unwrap().0;
        let many = read(format, &text[..], 3, Seen::default).unwrap().0;
        assert_eq!(whole, many, "{}", format.log_type);
        let mut parser = Parser::new(format);
        let (mut seen, mut at, mut start) = (Seen::default(), Position::default(), 0);
        let mut random = Random(7);
        while start < text.len() {
            let cut = (start + random.next(3_000)).min(text.len() - 1);
            let end = memchr::memchr(b'\n', &text[cut..]).map_or(text.len(), |end| cut + end + 1);
            at = feed(&mut parser, at, &text[start..end], &mut seen);
            start = end;
        }
        assert_eq!(whole, seen.0, "{}", format.log_type);
    }
}

#[test]
fn a_header_that_comes_chunks_earlier_counts_in_every_thread() {
    // More than a chunk of lines, with a second header of another order half way.
    let first = "#Fields: date time c-ip cs-host sc-bytes\n";
    let second = "#Fields: c-ip date time sc-bytes cs-host\n";
    let mut text = first.to_owned();
    text.push_str(&"2024-03-05 10:15:30 192.0.2.1 www.example.com 12\n".repeat(30_000));
    text.push_str(second);
    text.push_str(&"192.0.2.1 2024-03-05 10:15:30 12 www.example.com\n".repeat(30_000));
    let format = vendor::find("GENERIC_W3C").unwrap();
    let seen = read(format, text.as_bytes(), 3, Seen::default).unwrap().0;
    assert_eq!(seen.len(), 60_002);
    let same = |line: &String| line.contains("src_ip: Some(192.0.2.1)") && line.contains("bytes_down: Some(12)");
    assert_eq!(seen.iter().filter(|line| same(line)).count(), 60_000);
}

#[test]
fn carriage_returns_change_nothing() {
    for format in vendor::all() {
        let text = sample(format);
        let crlf = String::from_utf8(text.clone()).unwrap().replace('\n', "\r\n");
        let records = |text: &[u8]| -> Vec<String> {
            let lines = read(format, text, 1, Seen::default).unwrap().0;
            lines.iter().map(|line| line.split_once("} ").unwrap().1.to_owned()).collect()
        };
        assert_eq!(records(&text), records(crlf.as_bytes()), "{}", format.log_type);
    }
}

#[test]
fn hostile_lines_never_panic_in_any_log_type() {
    let count = AtomicU64::new(0);
    let try_line = |parser: &mut Parser, line: &[u8]| {
        parser.line(line);
        count.fetch_add(1, Ordering::Relaxed);
    };
    let nasty: [&[u8]; 20] = [
        b"",
        b" ",
        b"\0\0\0",
        b"\r",
        b"=",
        b"\"",
        b"\"\"\"",
        b"a=\"",
        b"[",
        b"<",
        b"<1>",
        b"1 ",
        b"CEF:",
        b"CEF:0|",
        b"LEEF:2.0|||||",
        b"#Fields:",
        b"#Fields: ",
        b"\xff\xfe\xfd",
        b"Mar  5 ",
        b"99999 <",
    ];
    for format in vendor::all() {
        let text = sample(format);
        let mut parser = Parser::read_at(format, 1_795_190_400_000_000);
        let mut random = Random(0x5eed);
        for line in nasty {
            try_line(&mut parser, line);
            try_line(&mut parser, &line.repeat(5_000));
        }
        let lines: Vec<&[u8]> = text.split(|c| *c == b'\n').collect();
        for line in &lines {
            try_line(&mut parser, line);
            for end in 0..line.len() {
                try_line(&mut parser, &line[..end]);
                try_line(&mut parser, &line[end..]);
            }
            for _ in 0..200 {
                let mut changed = line.to_vec();
                for _ in 0..=random.next(4) {
                    mutate(&mut changed, &lines, &mut random);
                }
                try_line(&mut parser, &changed);
            }
        }
        try_line(&mut parser, &vec![b'a'; input::LONGEST_LINE + 1]);
        try_line(&mut parser, &b"=\" ,|\t".repeat(20_000));
    }
    assert!(count.into_inner() > 10_000);
}

fn mutate(line: &mut Vec<u8>, others: &[&[u8]], random: &mut Random) {
    let separators = b" \t=\"',|[]<>:;#%\\\0\r/-.\xff";
    let at = random.next(line.len() + 1);
    match random.next(6) {
        0 => line.insert(at, separators[random.next(separators.len())]),
        1 if at < line.len() => line[at] = u8::try_from(random.next(256)).unwrap(),
        2 if at < line.len() => drop(line.remove(at)),
        3 => line.truncate(at),
        4 => {
            let other = others[random.next(others.len())];
            line.splice(at..at, other[..random.next(other.len())].iter().copied());
        }
        _ => {
            let piece: Vec<u8> = line[at..].iter().copied().take(random.next(30)).collect();
            line.splice(at..at, piece);
        }
    }
}

#[test]
fn no_line_costs_the_square_of_its_length() {
    // A guard against hanging, not a measure of speed: these take milliseconds, and took ten seconds when one dialect
    // looked back to the start of the line for each sign.
    let tokens = [
        "x: ", ": ", ", ", "a= ", "=\"", "\\\"", "\"", "[", "(", "->", " for ", "|x=", "#011a=", "src=", "{\"a\":",
        "CEF:",
    ];
    for format in vendor::all() {
        let text = sample(format);
        let longest = text.split(|c| *c == b'\n').max_by_key(|line| line.len()).unwrap();
        for token in tokens {
            let mut line = longest.to_vec();
            while line.len() < 200_000 {
                line.extend_from_slice(token.as_bytes());
            }
            let start = std::time::Instant::now();
            Parser::new(format).line(&line);
            let took = start.elapsed();
            assert!(took < std::time::Duration::from_secs(2), "{} with {token:?}: {took:?}", format.log_type);
        }
    }
}
