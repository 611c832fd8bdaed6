//! What a log is and what the service will say of it, found out while it is packed: the text passes by once.
//!
//! A feed whose log type is `auto` has each file's seen from its head; where that is not sure, the shipment is held and
//! a person decides. Of a long log the beginning is judged line by line, and of the rest one piece in [`EVERY`]: what
//! understanding costs stays a small part of what compressing does, and the shares it finds are those of the whole.

use super::head::Shape;
use super::plan::Member;
use crate::config::Feed;
use crate::domain::{Layout, LogType};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::logs::custom::Layouts;
use crate::logs::quality::{Finding, Judgement, Level, Quality, Verdict};
use crate::logs::{self, Format, Parser, Position, Visit, detect, input, vendor};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::sync::Arc;
use std::time::SystemTime;

/// What a held shipment is called whose log type is none of those known; the service knows no such type.
pub const NO_TYPE: &str = "NONE";

/// How the reasons begin of what is held here, and not by the service.
const HELD: &str = "it is held";
/// What of them says that the log type is not sure.
const DOUBT: &str = "its log type is not sure";

/// Bytes judged line by line; logs up to this size are judged whole: what is longer would cost more than it tells.
const WHOLE: u64 = 3 << 20;
/// What is taken or left out at once beyond that, in bytes.
const STEP: u64 = 1 << 20;
/// One step in so many is judged.
const EVERY: u64 = 12;

/// What a file is shipped as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    pub log_type: LogType,
    /// How it is read here, where that does not follow from the log type.
    pub layout: Option<Arc<Layout>>,
    /// Why that is not sure enough to ship.
    pub doubt: Option<String>,
}

impl Kind {
    /// What the feed says, or what the file's head does.
    pub(super) fn of(feed: &Feed, file: &mut File, shape: Shape) -> std::io::Result<Kind> {
        if let Some(log_type) = &feed.log_type {
            return Ok(Kind { log_type: log_type.clone(), layout: feed.layout.clone(), doubt: None });
        }
        if !matches!(shape, Shape::Text(_) | Shape::Gzip | Shape::Zip) {
            return Ok(Kind { log_type: named(NO_TYPE)?, layout: None, doubt: None });
        }
        file.seek(SeekFrom::Start(0))?;
        // An archive that is damaged says so when it is packed.
        let head = detect::head(&mut *file).unwrap_or_default();
        let found = detect::detect(&head);
        if let Some(format) = found.sure() {
            return Ok(Kind { log_type: named(format.log_type)?, layout: None, doubt: None });
        }
        let like = detect::look_alike(&head).map(|(_, what)| format!("; {what}")).unwrap_or_default();
        let best = found.best.map_or(NO_TYPE, |best| best.format.log_type);
        let doubt = Some(format!("{DOUBT}: {}{like}", found.sentence()));
        Ok(Kind { log_type: named(best)?, layout: None, doubt })
    }

    /// What reads it; none where its log type cannot be read here.
    fn format(&self, layouts: &Layouts) -> Option<&'static Format> {
        match &self.layout {
            // What is wrong with a layout was said when the configuration was read.
            Some(layout) => layouts.format(layout).ok(),
            None => vendor::find(self.log_type.as_str()),
        }
    }
}

/// A name of the registry as a log type.
fn named(name: &str) -> std::io::Result<LogType> {
    name.parse().map_err(std::io::Error::other)
}

/// Microseconds of the epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Judges a shipment while its text passes.
pub(super) struct Judge(Option<Reading>);

struct Reading {
    parser: Parser,
    quality: Quality,
    packing: input::Packing,
    at: Position,
    /// The beginning of a line whose end comes with the next piece.
    open: Vec<u8>,
    seen: u64,
    judged: u64,
}

impl Judge {
    /// Nothing seen yet; a log type that cannot be read here is not judged.
    pub(super) fn new(kind: &Kind, shape: Shape, layouts: &Layouts) -> Judge {
        let packing = match shape {
            Shape::Gzip => input::Packing::Gzip,
            Shape::Zip => input::Packing::Zip,
            _ => input::Packing::Plain,
        };
        let (at, now) = (Position { line: 1, offset: 0 }, now());
        Judge(kind.format(layouts).map(|format| Reading {
            parser: Parser::read_at(format, now),
            quality: Quality::new(format, now),
            packing,
            at,
            open: Vec::new(),
            seen: 0,
            judged: 0,
        }))
    }

    /// A piece of the text, cut anywhere.
    pub(super) fn see(&mut self, text: &[u8]) {
        if let Some(reading) = &mut self.0 {
            reading.see(text);
        }
    }

    /// The verdict, if there is one to give.
    pub(super) fn end(self) -> Option<Judgement> {
        let mut reading = self.0?;
        if !reading.open.is_empty() {
            let line = std::mem::take(&mut reading.open);
            reading.feed(&line);
        }
        let mut judgement = reading.quality.judge(input::Shape { packing: reading.packing, ..input::Shape::default() });
        if reading.judged < reading.seen {
            let parts = [reading.judged, reading.seen].map(|bytes| bytes >> 20);
            let what =
                format!("{} of its {} MiB were judged: the beginning, and a piece in {EVERY}", parts[0], parts[1]);
            judgement.add(Finding::new(Level::Note, what));
        }
        Some(judgement)
    }
}

impl Reading {
    fn see(&mut self, text: &[u8]) {
        let take = self.seen < WHOLE || (self.seen / STEP).is_multiple_of(EVERY);
        self.seen += text.len() as u64;
        let Some(last) = memchr::memrchr(b'\n', text) else { return self.open(text) };
        let (mut lines, rest) = text.split_at(last + 1);
        if !self.open.is_empty() {
            let first = memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1);
            self.open(&lines[..first]);
            let mut line = std::mem::take(&mut self.open);
            self.feed(&line);
            line.clear();
            self.open = line;
            lines = &lines[first..];
        }
        if take {
            self.feed(lines);
        } else {
            self.at = self.parser.skip(self.at, lines);
        }
        self.open(rest);
    }

    /// Keeps the beginning of a line, as far as lines are kept at all.
    fn open(&mut self, text: &[u8]) {
        let room = (input::LONGEST_LINE + 1).saturating_sub(self.open.len());
        self.open.extend_from_slice(&text[..text.len().min(room)]);
    }

    fn feed(&mut self, lines: &[u8]) {
        self.at = logs::feed(&mut self.parser, self.at, lines, &mut self.quality);
        self.judged += lines.len() as u64;
    }
}

/// Judges files that are not packed now; `None` where their type cannot be read here, or they cannot be read at all.
pub(super) fn files(members: &[Member], layouts: &Layouts) -> Option<Judgement> {
    let format = members.first()?.kind.format(layouts)?;
    let now = now();
    let parser = Parser::read_at(format, now);
    let (mut quality, mut shape) = (Quality::new(format, now), input::Shape::default());
    for member in members {
        let mut file = File::open(&member.path).ok()?;
        file.seek(SeekFrom::Start(member.from)).ok()?;
        let reading = logs::read_with(&parser, file, 2, || Quality::new(format, now)).ok()?;
        quality.merge(reading.visit);
        shape.packing = reading.shape.packing;
    }
    Some(quality.judge(shape))
}

/// Why this shipment waits for a person, if it does.
pub(super) fn held(feed: &Feed, kind: &Kind, judgement: Option<&Judgement>) -> Option<Error> {
    let error = || Error::failed(HELD);
    if let Some(doubt) = &kind.doubt {
        let hint = "name the log type in the feed (log_type = \"...\"): what is held goes with it; \
                    logweir formats detect tells more";
        return Some(error().cause(doubt).hint(hint));
    }
    let judgement = judgement.filter(|judgement| feed.hold && judgement.verdict == Verdict::Refused)?;
    let first = judgement.findings.first().and_then(|finding| finding.remedies.first());
    let hint = first.cloned().unwrap_or_else(|| "logweir check tells more".to_owned());
    Some(error().cause(judgement.sentence()).hint(hint))
}

/// A judgement as the ledger keeps it.
pub(super) fn to_text(judgement: &Judgement) -> String {
    serde_json::to_string(judgement).unwrap_or_default()
}

/// Lets go what is held for a reason that the configuration no longer has: it goes as what the feed says now.
pub(super) fn set_free(ledger: &Ledger, feed: &Feed) -> Result<()> {
    for shipment in ledger.held(&feed.tenant, &feed.name)? {
        let Some(reason) = shipment.reason.as_deref().and_then(|reason| reason.strip_prefix(HELD)) else { continue };
        let doubt = reason.contains(DOUBT);
        let free = match &feed.log_type {
            Some(log_type) => doubt || !feed.hold || log_type.as_str() != shipment.log_type,
            None => !doubt && !feed.hold,
        };
        if free {
            ledger.retry(shipment.id)?;
            tracing::info!(
                "shipment {} is no longer held: the configuration of feed {} has changed",
                shipment.id,
                feed.name
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ship::testing::feed;

    fn lines(count: u64) -> String {
        (0..count)
            .map(|n| format!("{}.123     96 192.0.2.{} TCP_TUNNEL/200 {n} CONNECT www.example.com:443 jdoe HIER_DIRECT/203.0.113.20 -\n", now() / 1_000_000, n % 250))
            .collect()
    }

    fn squid() -> Kind {
        Kind { log_type: named("SQUID_NATIVE").unwrap(), layout: None, doubt: None }
    }

    #[test]
    fn pieces_cut_anywhere_are_judged_as_the_whole_is() {
        let text = lines(500);
        let whole = {
            let mut judge = Judge::new(&squid(), Shape::Empty, &Layouts::default());
            judge.see(text.as_bytes());
            judge.end().unwrap()
        };
        assert_eq!((whole.lines, whole.records, whole.verdict), (500, 500, Verdict::Accepted));
        for size in [1, 7, 100, 1_000] {
            let mut judge = Judge::new(&squid(), Shape::Empty, &Layouts::default());
            text.as_bytes().chunks(size).for_each(|piece| judge.see(piece));
            assert_eq!(judge.end().unwrap(), whole, "{size}");
        }
    }

    #[test]
    fn of_a_long_log_a_part_is_judged_and_that_is_said() {
        let text = lines(10_000);
        let mut judge = Judge::new(&squid(), Shape::Empty, &Layouts::default());
        let mut left = 100 << 20;
        while left > 0 {
            judge.see(text.as_bytes());
            left -= i64::try_from(text.len()).unwrap();
        }
        let judgement = judge.end().unwrap();
        assert_eq!(judgement.verdict, Verdict::Accepted, "{judgement:?}");
        assert_eq!(judgement.records, judgement.lines);
        assert!(judgement.findings.iter().any(|finding| finding.what.contains("MiB were judged")), "{judgement:?}");
    }

    #[test]
    fn a_feed_with_auto_holds_what_no_type_fits_and_names_what_one_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let auto = Feed { log_type: None, ..feed(&[]) };
        for (text, log_type, sure) in [(lines(50), "SQUID_NATIVE", true), ("what is this\n".repeat(50), NO_TYPE, false)]
        {
            std::fs::write(&path, text).unwrap();
            let kind =
                Kind::of(&auto, &mut File::open(&path).unwrap(), Shape::Text(crate::ship::head::Encoding::Bytes))
                    .unwrap();
            assert_eq!((kind.log_type.as_str(), kind.doubt.is_none()), (log_type, sure));
            assert_eq!(held(&auto, &kind, None).is_none(), sure);
        }
    }
}
