//! What the fuzz targets do with their bytes, and what must hold afterwards.

use logweir::logs::{
    self, Format, Line, Parser, Position, Record, Visit, detect as detection, envelope, output, quality, timestamp,
    vendor,
};

use logweir::ship::gzip::{GzipWriter, Pace, STRONGEST};
use std::io::{Read, Write};

pub mod block;

/// Late in 2026, in microseconds: completes dates without a year.
const NOW: i64 = 1_795_190_400_000_000;

/// The log types of a dialect, in the order of the registry.
pub fn formats(dialect: &str) -> Vec<&'static Format> {
    vendor::all().filter(|format| format.dialect.as_str() == dialect).collect()
}

/// The first byte chooses a log type of the dialect, the rest is a log of it, read twice: whole, and line by line by a
/// parser that has seen other lines before.
pub fn dialect(dialect: &str, data: &[u8]) {
    let formats = formats(dialect);
    let Some((choice, text)) = data.split_first() else { return };
    let Some(format) = formats.get(usize::from(*choice) % formats.len().max(1)) else { return };
    twice(format, text);
}

fn twice(format: &'static Format, text: &[u8]) {
    let mut parser = Parser::read_at(format, NOW);
    let mut first = Seen::default();
    logs::feed(&mut parser, Position::default(), text, &mut first);
    // Cut at every line end: the pieces give what the whole gave.
    let (mut parser, mut second, mut at) = (Parser::read_at(format, NOW), Seen::default(), Position::default());
    for line in text.split_inclusive(|c| *c == b'\n') {
        at = logs::feed(&mut parser, at, line, &mut second);
    }
    assert_eq!(at.offset, text.len() as u64);
    assert!(first == second, "pieces give something else than the whole");
}

/// Layouts of a configuration that differ in what they reach.
const LAYOUTS: [&str; 8] = [
    "kind = \"delimited\"\nfields = { time = 1, src_ip = 2, url = 3, action = 5 }\nblocked = [\"deny*\"]",
    "kind = \"delimited\"\nseparator = \";\"\nquote = \"'\"\nignore = [\"--\"]\nzone = \"+02:00\"\n\
     fields = { date = \"Day\", time = \"Clock\", src_ip = \"Client\", host = \"Site\", bytes_up = \"Sent\" }",
    "kind = \"delimited\"\nseparator = \"\\t\"\nquote = \"\"\ntime_format = \"%d.%m.%Y %H:%M:%S\"\n\
     columns = [\"d\", \"t\", \"c\", \"u\"]\nfields = { date = \"d\", time = \"t\", src_ip = 3, url = \"u\" }",
    "kind = \"delimited\"\nseparator = \" \"\nsyslog = true\ntime_format = \"%b %d %H:%M:%S\"\nfields = { time = 1, src_ip = 2, dst_ip = 4 }",
    "kind = \"key-value\"\nfields = { time = \"at\", zone = \"tz\", src_ip = \"from\", url = \"u\", user = \"who\" }",
    "kind = \"key-value\"\nseparator = \"|\"\nassign = \":\"\ntime_format = \"%s\"\nfields = { time = \"at\", src_ip = \"from\", dst_ip = \"to\" }",
    "kind = \"key-value\"\nseparator = \", \"\nassign = \": \"\nfields = { time = \"at\", src_ip = \"from\", host = \"to\" }",
    "kind = \"key-value\"\nseparator = \" \"\ntime_format = \"%Y-%m-%dT%H:%M:%S%.f%z\"\nfields = { time = \"at\", src_ip = \"from\", host = \"to\" }",
];

/// The first byte chooses a layout of a configuration, the rest is a log of it.
pub fn layout(data: &[u8]) {
    static FORMATS: std::sync::OnceLock<Vec<&'static Format>> = std::sync::OnceLock::new();
    let formats = FORMATS.get_or_init(|| {
        let layouts = logweir::logs::custom::Layouts::default();
        let read = |text: &&str| toml::from_str(&format!("name = \"X\"\n{text}")).expect("a layout");
        LAYOUTS.iter().map(|text| layouts.format(&read(text)).expect("a sound layout")).collect()
    });
    let Some((choice, text)) = data.split_first() else { return };
    twice(formats[usize::from(*choice) % formats.len()], text);
}

/// Headers off; what is left is the end of the line, but for escapes of line ends.
pub fn envelope(data: &[u8]) {
    let (header, body) = envelope::strip(data);
    assert!(
        header.seen
            || body.len() == data.len()
            || data.ends_with(b"#0")
            || data.contains(&b'#')
            || data.contains(&b'<')
    );
    for piece in [body, header.time, header.host, header.tag, header.after_host] {
        assert!(piece.len() <= data.len());
    }
    // The types that are relayed read the same line whole.
    for format in vendor::all().filter(|format| format.envelope == envelope::Envelope::Syslog).step_by(5) {
        Parser::read_at(format, NOW).line(data);
    }
}

/// Any bytes as a file: unpacked, decoded, cut, read; with one thread as with two.
pub fn input(data: &[u8]) {
    let Some(format) = vendor::find("SQUID_NATIVE") else { return };
    let parser = Parser::new(format);
    let one = logs::read_with(&parser, data, 1, Seen::default);
    let two = logs::read_with(&parser, data, 2, Seen::default);
    match (one, two) {
        (Ok(one), Ok(two)) => {
            assert!(one.visit == two.visit && one.lines == two.lines && one.bytes == two.bytes);
            assert_eq!(one.broken.is_some(), two.broken.is_some());
        }
        (one, two) => assert_eq!(one.is_err(), two.is_err()),
    }
}

/// Any bytes as the head of a file, and the whole judged as what it was taken for.
pub fn detect(data: &[u8]) {
    let found = detection::detect(data);
    assert!(!found.sentence().is_empty());
    if let Some(best) = found.best {
        assert!(best.score >= detection::LEAST && best.score <= 1.0, "{found:?}");
        let mut judged = quality::Quality::new(best.format, NOW);
        logs::feed(&mut Parser::read_at(best.format, NOW), Position::default(), data, &mut judged);
        let judgement = judged.judge(logs::input::Shape::default());
        assert_eq!(judgement.lines, judgement.records + judgement.other + judgement.rejected);
    }
    detection::look_alike(data);
}

/// One text as a time, whole and in parts.
pub fn timestamp(data: &[u8]) {
    let mut clock = timestamp::Clock::at(NOW);
    let sane = |time: Option<i64>| assert!(time.is_none_or(|time| time.unsigned_abs() < 1 << 62));
    sane(clock.read(data));
    let again = clock.read(data);
    assert_eq!(again, timestamp::Clock::at(NOW).read(data), "what was read before changes what is read");
    let mut parts = data.splitn(3, |c| *c == b'\n');
    let (date, time, zone) = (parts.next(), parts.next(), parts.next());
    sane(clock.join(date.unwrap_or_default(), time.unwrap_or_default(), zone.unwrap_or_default()));
    sane(clock.zoned(date.unwrap_or_default(), zone.unwrap_or_default()));
}

/// Any bytes packed and read again, at the level and in the portions that the first two bytes choose.
pub fn gzip(data: &[u8]) {
    let [level, portion, text @ ..] = data else { return };
    // What is short is repeated with little changes, so that copies of all lengths and distances are met.
    let mut log = text.to_vec();
    for turn in 1..=portion % 32 {
        log.extend(text.iter().enumerate().map(|(at, byte)| if at % 97 == usize::from(turn) { turn } else { *byte }));
    }
    let pace = Pace::Fixed(level % STRONGEST + 1);
    let mut writer = GzipWriter::new(Vec::new(), Some(1), pace).expect("threads");
    for part in log.chunks(usize::from(*portion) * 64 + 1) {
        writer.write_all(part).expect("memory does not fail");
    }
    let packed = writer.finish().expect("memory does not fail");
    let (mut member, mut back) = (flate2::bufread::GzDecoder::new(&packed[..]), Vec::new());
    member.read_to_end(&mut back).expect("one gzip member");
    assert!(member.into_inner().is_empty() && back == log, "something else came back");
}

/// What a log came to: every record as JSON, every reject by its reason.
#[derive(Default, PartialEq)]
struct Seen(Vec<u8>);

impl Visit for Seen {
    fn line(&mut self, at: Position, raw: &[u8], line: &Line<'_>) {
        assert!(!raw.contains(&b'\n'));
        match line {
            Line::Record(record) => {
                check(record);
                let start = self.0.len();
                output::json(record, None, &mut self.0);
                assert_eq!(self.0[start..].iter().filter(|c| **c == b'\n').count(), 1);
            }
            Line::Other => self.0.extend_from_slice(b"null\n"),
            Line::Reject(reject) => {
                self.0.extend_from_slice(format!("{} {} {}\n", at.line, at.offset, reject.reason()).as_bytes());
            }
        }
    }

    fn merge(&mut self, later: Seen) {
        self.0.extend(later.0);
    }
}

/// What holds for every record.
fn check(record: &Record<'_>) {
    for text in [record.user, record.host, record.url, record.device] {
        assert!(text.is_none_or(|text| !text.is_empty() && text != b"-"), "{record:?}");
    }
    assert!(record.bytes() >= record.bytes_up.unwrap_or(0).min(record.bytes()));
    assert!(record.time.is_none_or(|time| time.unsigned_abs() < 1 << 62), "{record:?}");
}
