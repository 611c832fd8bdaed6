//! Says which log type a file is, how sure that is, what comes second and what tells the two apart.
//!
//! Every format of the registry reads the head of the file; its [`Sign`] says which lines have its marks. The score is
//! the share of lines that have the marks and read well, a little less where few fields come out of them. A plain type
//! and its `_SYSLOG` sibling read the same lines: how many of them have a syslog header decides, and where the plain
//! file has a header of its own, how many have a priority. Generic types are
//! named only when no type with a name of its own fits.

use super::envelope::{self, Envelope};
use super::{Format, Line, Parser, Sign, Trouble, input, vendor};
use memchr::memmem;
use std::io::{self, Read};

/// How much of a file is looked at, in bytes after unpacking.
pub const HEAD: usize = 64 << 10;
/// Below this, a file is none of the known types.
pub const LEAST: f64 = 0.5;
/// From this on, and with a clear lead, a type may be acted on without asking a person.
pub const SURE: f64 = 0.8;

/// How far a type has to be ahead of another product's that demands as much of a line.
const LEAD: f64 = 0.05;

/// A type that fits, and how well.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// The type.
    pub format: &'static Format,
    /// 0 to 1.
    pub score: f64,
    /// Transactions among the lines looked at.
    pub records: usize,
}

/// What a file's head looks like.
#[derive(Debug, Clone)]
pub struct Detection {
    /// The type, if any fits.
    pub best: Option<Candidate>,
    /// The type that comes second, if any comes near.
    pub runner_up: Option<Candidate>,
    /// What tells the two apart.
    pub apart: Option<String>,
    /// Other types that lines of the file belong to, with their share of the lines.
    pub mixed: Vec<(&'static Format, f64)>,
    /// Lines looked at.
    pub lines: usize,
    /// Share of the lines that have a syslog header.
    pub framed: f64,
}

impl Detection {
    /// The type, when it may be acted on without asking a person.
    pub fn sure(&self) -> Option<&'static Format> {
        let best = self.best?;
        let rival = self.runner_up.is_some_and(|second| {
            let demands = weight(&second.format.sign) >= weight(&best.format.sign);
            let named = !second.format.sign.generic;
            named && demands && second.score > best.score - LEAD && !related(second.format, best.format)
        });
        (best.score >= SURE && best.records > 0 && self.mixed.is_empty() && !rival).then_some(best.format)
    }

    /// In one sentence for a person.
    pub fn sentence(&self) -> String {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let Some(best) = self.best else {
            return "none of the known log types".to_owned();
        };
        let mut text = format!("{} ({})", best.format.log_type, percent(best.score));
        if let Some(second) = self.runner_up {
            text.push_str(&format!(", then {} ({})", second.format.log_type, percent(second.score)));
        }
        if let Some(apart) = &self.apart {
            text.push_str(&format!(": {apart}"));
        }
        for (format, share) in &self.mixed {
            text.push_str(&format!("; {} of the lines are {}", percent(*share), format.log_type));
        }
        text
    }
}

/// The head of an input, unpacked and decoded.
///
/// # Errors
/// When not even the first bytes can be read or unpacked.
pub fn head(reader: impl Read + Send) -> io::Result<Vec<u8>> {
    let mut input = input::open(reader)?;
    let mut chunk = input::Chunk::default();
    input.next_chunk(&mut chunk)?;
    chunk.bytes.truncate(HEAD);
    Ok(chunk.bytes)
}

/// What one format makes of the lines.
struct Reading {
    format: &'static Format,
    /// Per line: has the marks and reads.
    fits: Vec<bool>,
    records: usize,
    score: f64,
}

/// Looks at the head of a file (at most [`HEAD`] bytes of it).
pub fn detect(head: &[u8]) -> Detection {
    let lines = lines(&head[..head.len().min(HEAD)]);
    let framing = Framing::of(&lines);
    let framed = framing.headers;
    let mut readings: Vec<Reading> = vendor::all().map(|format| read(format, &lines, framing)).collect();
    let specific = |reading: &Reading| weight(&reading.format.sign);
    readings.sort_by(|a, b| b.score.total_cmp(&a.score).then(specific(b).cmp(&specific(a))));
    let fits = |reading: &&Reading| reading.score >= LEAST;
    let named = readings.iter().filter(|reading| !reading.format.sign.generic).find(fits);
    let best = named.or_else(|| readings.iter().find(fits));
    let Some(best) = best else {
        return Detection { best: None, runner_up: None, apart: None, mixed: Vec::new(), lines: lines.len(), framed };
    };
    let candidate =
        |reading: &Reading| Candidate { format: reading.format, score: reading.score, records: reading.records };
    let second = readings.iter().find(|other| other.format.log_type != best.format.log_type && other.score >= 0.3);
    let apart = second.map(|second| apart(best, second, framed));
    let mixed = mixed(best, &readings, lines.len());
    Detection {
        best: Some(candidate(best)),
        runner_up: second.map(candidate),
        apart,
        mixed,
        lines: lines.len(),
        framed,
    }
}

/// What the vendors' rules say of lines that no log type reads: which layout of which product they are, and what to
/// change there.
pub fn look_alike(head: &[u8]) -> Option<(&'static Format, &'static str)> {
    let lines = lines(&head[..head.len().min(HEAD)]);
    let rules = vendor::all().flat_map(|format| format.remedies.iter().map(move |remedy| (format, remedy)));
    let found = rules.filter_map(|(format, remedy)| {
        let Trouble::Lines(text) = remedy.when else { return None };
        Some((format, remedy.what, lines.iter().filter(|line| has(line, text)).count()))
    });
    let (format, what, count) = found.max_by_key(|(_, _, count)| *count)?;
    (count * 2 > lines.len()).then_some((format, what))
}

/// Whole lines that are not empty; the last one only if it is the file's last.
fn lines(head: &[u8]) -> Vec<&[u8]> {
    let whole = if head.len() == HEAD { memchr::memrchr(b'\n', head).map_or(head, |end| &head[..end]) } else { head };
    whole.split(|c| *c == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty()).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of lines in 64 KiB")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

fn has(line: &[u8], text: &str) -> bool {
    memmem::find(line, text.as_bytes()).is_some()
}

/// Whether a line has the marks of a sign.
fn marked(sign: &Sign, line: &[u8]) -> bool {
    sign.all.iter().all(|text| has(line, text))
        && (sign.any.is_empty() || sign.any.iter().any(|text| has(line, text)))
        && !sign.none.iter().any(|text| has(line, text))
}

/// How much a sign demands: of two that fit, the one that demands more says more.
fn weight(sign: &Sign) -> usize {
    let shortest = sign.any.iter().map(|text| text.len()).min().unwrap_or(0);
    // What a header line of the file says goes before what its lines look like.
    let head = sign.head.iter().map(|text| text.len() + 100).min().unwrap_or(0);
    sign.all.iter().map(|text| text.len()).sum::<usize>() + shortest + head
}

/// How many of the lines syslog has put something in front of.
#[derive(Clone, Copy)]
struct Framing {
    /// Share with a priority, or with a time and a host.
    headers: f64,
    /// Share with a priority.
    priorities: f64,
}

impl Framing {
    fn of(lines: &[&[u8]]) -> Framing {
        let count = |seen: &dyn Fn(&envelope::Header<'_>) -> bool| {
            lines.iter().filter(|line| seen(&envelope::strip(line).0)).count()
        };
        let whole = lines.len().max(1);
        Framing {
            headers: ratio(count(&|header| header.priority || (header.seen && !header.host.is_empty())), whole),
            priorities: ratio(count(&|header| header.priority), whole),
        }
    }

    /// Whether the lines are those of the `_SYSLOG` type rather than of its plain sibling.
    fn syslog(self, plain: &Format) -> bool {
        match plain.envelope {
            Envelope::None => self.headers >= 0.5,
            // The device itself writes a time and its name into the plain file.
            Envelope::Optional | Envelope::Syslog => self.priorities >= 0.2,
        }
    }
}

fn read(format: &'static Format, lines: &[&[u8]], framing: Framing) -> Reading {
    let sign = &format.sign;
    let mut reading = Reading { format, fits: vec![false; lines.len()], records: 0, score: 0.0 };
    let directive = |line: &&&[u8]| envelope::strip(line).1.starts_with(b"#");
    let headers = || lines.iter().take(5).chain(lines.iter().skip(5).filter(directive));
    let named = sign.head.is_empty() || headers().any(|line| sign.head.iter().any(|text| has(line, text)));
    let silent = sign.head.is_empty() && sign.all.is_empty() && sign.any.is_empty();
    if lines.is_empty() || !named || silent {
        return reading;
    }
    let mut parser = Parser::new(format);
    let (mut filled, mut others, mut beside) = (0, 0, Vec::new());
    for (index, line) in lines.iter().enumerate() {
        let marked = marked(sign, line);
        match parser.line(line) {
            Line::Record(record) if marked => {
                reading.records += 1;
                reading.fits[index] = true;
                let place = record.host.is_some() || record.url.is_some() || record.dst_ip.is_some();
                let volume = record.bytes_up.or(record.bytes_down).or(record.bytes_total).is_some();
                let found = [record.time.is_some(), record.src_ip.is_some(), place, volume || record.action.is_some()];
                filled += found.iter().filter(|found| **found).count();
            }
            Line::Other if marked || line.starts_with(b"#") => {
                others += 1;
                reading.fits[index] = true;
            }
            Line::Other if sign.beside.iter().any(|text| has(line, text)) => beside.push(index),
            Line::Record(_) | Line::Other | Line::Reject(_) => {}
        }
    }
    if reading.records > 0 {
        others += beside.len();
        beside.into_iter().for_each(|index| reading.fits[index] = true);
    }
    let fit = ratio(reading.records + others, lines.len());
    let fill = if reading.records == 0 { 0.0 } else { ratio(filled, 4 * reading.records) };
    reading.score = fit * (0.9 + 0.1 * fill);
    // Directives and comments alone are anybody's.
    if reading.records == 0 && lines.iter().all(|line| line.starts_with(b"#")) {
        reading.score *= 0.5;
    }
    if let Some(sibling) = sibling(format) {
        let relayed = format.log_type.ends_with("_SYSLOG");
        if relayed != framing.syslog(if relayed { sibling } else { format }) {
            reading.score *= 0.85;
        }
    }
    reading
}

/// The same format under the other framing, if the service has both.
fn sibling(format: &Format) -> Option<&'static Format> {
    match format.log_type.strip_suffix("_SYSLOG") {
        Some(plain) => vendor::find(plain),
        None => vendor::all().find(|other| other.log_type.strip_suffix("_SYSLOG") == Some(format.log_type)),
    }
}

fn apart(best: &Reading, second: &Reading, framed: f64) -> String {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    if sibling(best.format).is_some_and(|other| other.log_type == second.format.log_type) {
        return format!("{} of the lines have a header in front", percent(framed));
    }
    let (own, other) = (&best.format.sign, &second.format.sign);
    let extra = own.all.iter().chain(own.head).find(|text| !other.all.contains(*text) && !other.head.contains(*text));
    let missing = other.all.iter().chain(other.head).find(|text| !own.all.contains(*text) && !own.head.contains(*text));
    let second = second.format.log_type;
    match (extra, missing) {
        _ if best.format.sign.generic != other.generic => {
            "a type with a name of its own goes before a generic one".to_owned()
        }
        (Some(text), _) => format!("`{text}` is what {} has and {second} has not", best.format.log_type),
        (None, Some(text)) => format!("{second} would have `{text}` in its lines"),
        (None, None) => format!("fewer lines read well as {second}"),
    }
}

/// Types that lines belong to which are not of the best type.
fn mixed(best: &Reading, readings: &[Reading], lines: usize) -> Vec<(&'static Format, f64)> {
    let mut left: Vec<bool> = best.fits.iter().map(|fits| !fits).collect();
    let mut found = Vec::new();
    loop {
        let count = |reading: &Reading| reading.fits.iter().zip(&left).filter(|(fits, left)| **fits && **left).count();
        let others = readings.iter().filter(|reading| !related(reading.format, best.format));
        let Some(next) = others.max_by_key(|reading| (count(reading), !reading.format.sign.generic)) else { break };
        let share = ratio(count(next), lines);
        if share < 0.05 || count(next) < 2 {
            break;
        }
        found.push((next.format, share));
        left.iter_mut().zip(&next.fits).for_each(|(left, fits)| *left &= !fits);
    }
    found
}

/// Whether two types are one product's: lines of both in one file are no mixture.
fn related(one: &Format, other: &Format) -> bool {
    let family = |format: &Format| format.log_type.split('_').next().unwrap_or_default();
    family(one) == family(other) || one.dialect.names().as_ptr() == other.dialect.names().as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(log_type: &str) -> Vec<u8> {
        let vendors = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/logs")).unwrap();
        let found = vendors.map(|vendor| vendor.unwrap().path().join(format!("{log_type}.log")));
        std::fs::read(found.into_iter().find(|path| path.exists()).unwrap()).unwrap()
    }

    #[test]
    fn noise_and_nothing_are_none_of_them() {
        let netfilter = "Jan 29 00:00:28 myth kernel: IN=ppp0 OUT= SRC=192.0.2.1 DST=192.0.2.2 PROTO=UDP SPT=1 DPT=2\n";
        let prose = "Nobody would take this for a log.\nIt is prose, after all.\n";
        for text in ["", "\n\n", "\0\0\0", prose, netfilter, "#\n#\n", "{\"a\":1}\n"] {
            let found = detect(text.as_bytes());
            assert!(found.best.is_none(), "{text}: {}", found.sentence());
        }
    }

    #[test]
    fn one_line_in_a_hundred_of_something_else_changes_nothing() {
        let mut text = sample("SQUID_NATIVE");
        text.extend_from_slice(b"squid: rotated by hand\ngarbage\n");
        let found = detect(&text);
        assert_eq!(found.sure().map(|format| format.log_type), Some("SQUID_NATIVE"), "{}", found.sentence());
    }

    #[test]
    fn a_file_of_two_types_says_so_and_is_not_sure() {
        let text = [sample("SQUID_NATIVE")[..8_000].to_vec(), b"\n".to_vec(), sample("FORTIGATE")].concat();
        let found = detect(&text);
        assert!(found.mixed.iter().any(|(format, _)| format.log_type.starts_with("FORTI")), "{}", found.sentence());
        assert!(found.sure().is_none());
    }

    #[test]
    fn framing_tells_a_plain_type_from_its_sibling() {
        for log_type in ["SQUID_NATIVE", "FORTIGATE", "GENERIC_CEF"] {
            let plain = sample(log_type);
            let framed: Vec<u8> = plain
                .split_inclusive(|c| *c == b'\n')
                .flat_map(|line| [b"<134>Mar  5 10:15:30 relay ", line].concat())
                .collect();
            let best = |text: &[u8]| detect(text).best.map(|best| best.format.log_type.to_owned());
            assert_eq!(best(&plain).as_deref(), Some(log_type));
            assert_eq!(best(&framed), Some(format!("{log_type}_SYSLOG")));
        }
    }
}
