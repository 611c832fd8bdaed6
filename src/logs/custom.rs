//! Log types of the site's own: a [`Layout`] of the configuration becomes a [`Format`] like those of the registry, read
//! by the same dialects.
//!
//! A format lives as long as the program. What was made of a layout is kept, so that a configuration that is read
//! again, or an upload that arrives again, makes nothing new.

use super::dialect::{Columns, Delimited, Dialect, KeyValue, Names, Spaced, columns, keyvalue};
use super::envelope::Envelope;
use super::fields::Slot;
use super::timestamp::Style;
use super::{BASE, Certainty, Extract, Format, Remedy, Trouble};
use crate::domain::{CUSTOM_PARSER_ID, Layout, LayoutKind, Part, Place, zone};
use crate::error::{Error, Result};
use std::sync::{Arc, Mutex, PoisonError};

/// Words taken for allowed and blocked where a layout names neither.
const ALLOWED: &[&str] = &["allow*", "accept*", "permit*", "pass*"];
const BLOCKED: &[&str] = &["block*", "den*", "drop*", "reject*"];
/// How many layouts a program may have met.
const MOST: usize = 1_000;

/// The formats made of layouts so far.
#[derive(Debug, Clone, Default)]
pub struct Layouts {
    known: Arc<Mutex<Vec<(Layout, &'static Format)>>>,
}

impl Layouts {
    /// The format that reads logs of this layout.
    ///
    /// # Errors
    /// Kind `Usage`, with every mistake in it.
    pub fn format(&self, layout: &Layout) -> Result<&'static Format> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, format)) = known.iter().find(|(other, _)| other == layout) {
            return Ok(format);
        }
        let wrong = |why: &str| Error::usage(format!("the layout {} cannot be used", layout.name)).cause(why);
        let mistakes = layout.mistakes();
        if !mistakes.is_empty() {
            let told: Vec<String> = mistakes.into_iter().map(|(key, why)| format!("{key}: {why}")).collect();
            return Err(wrong(&told.join("; ")));
        }
        if super::vendor::find(layout.name.as_str()).is_some() {
            return Err(wrong("a log type is called that; give the layout another name"));
        }
        if known.len() >= MOST {
            return Err(wrong("this program has met more layouts than it keeps; start it again"));
        }
        let format: &'static Format = Box::leak(Box::new(made(layout).map_err(|why| wrong(&why))?));
        known.push((layout.clone(), format));
        Ok(format)
    }
}

/// Text that lives as long as the format.
fn kept(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

fn kept_all(texts: &[String]) -> &'static [&'static str] {
    texts.iter().map(|text| kept(text)).collect::<Vec<_>>().leak()
}

fn slot(part: Part, dated: bool) -> Slot {
    match part {
        Part::Time if dated => Slot::Clock,
        Part::Time => Slot::Time,
        Part::Date => Slot::Date,
        Part::Zone => Slot::Zone,
        Part::SrcIp => Slot::Src,
        Part::User => Slot::User,
        Part::Host => Slot::Host,
        Part::Url => Slot::Url,
        Part::DstIp => Slot::Dst,
        Part::DstPort => Slot::Port,
        Part::BytesUp => Slot::Up,
        Part::BytesDown => Slot::Down,
        Part::BytesTotal => Slot::Total,
        Part::Action => Slot::Action,
        Part::Device => Slot::Device,
    }
}

fn made(layout: &Layout) -> std::result::Result<Format, String> {
    let words = |words: &Option<Vec<String>>| words.as_deref().map(kept_all);
    let (allowed, blocked) = match (words(&layout.allowed), words(&layout.blocked)) {
        (None, None) => (ALLOWED, BLOCKED),
        // The service's parser is told the word that means refused; every other one does not.
        (None, Some(blocked)) => (&["*"][..], blocked),
        (Some(allowed), None) => (allowed, &["*"][..]),
        (Some(allowed), Some(blocked)) => (allowed, blocked),
    };
    let style =
        Style { pattern: layout.time_format.as_deref().map(kept), zone: layout.zone.as_deref().map(zone).transpose()? };
    let plain = style.pattern.is_none() && style.zone.is_none();
    Ok(Format {
        log_type: kept(layout.name.as_str()),
        id: Some(CUSTOM_PARSER_ID),
        product: "a layout of the configuration",
        certainty: Certainty::Configured,
        envelope: if layout.syslog { Envelope::Syslog } else { Envelope::None },
        dialect: dialect(layout),
        style: (!plain).then(|| &*Box::leak(Box::new(style))),
        ignore: kept_all(&layout.ignore),
        allowed,
        blocked,
        extracts: Some(extracts(layout).leak()),
        remedies: REMEDIES,
        direction: "what the configuration says: src_ip is the client, bytes_up are from it",
        ..BASE
    })
}

const REMEDIES: &[Remedy] = &[
    Remedy {
        when: Trouble::Broken,
        what: "compare such a line with its [[layout]] in the configuration: kind, separator, columns, time_format, syslog",
    },
    Remedy {
        when: Trouble::NoTransactions,
        what: "compare its lines with its [[layout]] in the configuration: `ignore`, and the names of the columns",
    },
    Remedy {
        when: Trouble::Always,
        what: "the service reads such a log with the custom parser of its data source, \
               which has to say the same as the [[layout]]; names are case-sensitive there",
    },
];

/// What the service's parser takes, told the same.
fn extracts(layout: &Layout) -> Vec<Extract> {
    let rows = [
        (Extract::Url, &[Part::Url, Part::Host][..]),
        (Extract::DstIp, &[Part::DstIp]),
        (Extract::User, &[Part::User]),
        (Extract::SrcIp, &[Part::SrcIp]),
        (Extract::Total, &[Part::BytesTotal, Part::BytesUp, Part::BytesDown]),
        (Extract::Up, &[Part::BytesUp]),
    ];
    let has = |parts: &[Part]| parts.iter().any(|part| layout.fields.contains_key(part));
    rows.into_iter().filter(|(_, parts)| has(parts)).map(|(extract, _)| extract).collect()
}

fn dialect(layout: &Layout) -> Dialect {
    let dated = layout.fields.contains_key(&Part::Date);
    let named = layout.fields.iter().filter_map(|(part, place)| match place {
        Place::Name(name) => Some((kept(name), slot(*part, dated))),
        Place::Column(_) => None,
    });
    let names: Names = named.collect::<Vec<_>>().leak();
    let byte = |text: &Option<String>, usual: u8| text.as_ref().map_or(usual, |t| t.bytes().next().unwrap_or(0));
    let single = |text: &Option<String>| text.as_ref().is_none_or(|text| text.len() == 1);
    match layout.kind {
        LayoutKind::KeyValue if single(&layout.separator) && single(&layout.assign) => {
            Dialect::KeyValue(Box::leak(Box::new(KeyValue {
                names,
                assign: byte(&layout.assign, b'='),
                separator: layout.separator.as_ref().map(|text| text.as_bytes()[0]),
                ..keyvalue::PAIRS
            })))
        }
        LayoutKind::KeyValue => Dialect::Spaced(Box::leak(Box::new(Spaced {
            names,
            separator: kept(layout.separator.as_deref().unwrap_or(" ")),
            assign: kept(layout.assign.as_deref().unwrap_or("=")),
        }))),
        LayoutKind::Delimited => {
            let (columns, least) = slots(layout, dated);
            let (separator, quote) = (byte(&layout.separator, b','), byte(&layout.quote, b'"'));
            if separator == b' ' {
                let words =
                    Columns { columns, least, quotes: quote == b'"', brackets: quote == b'"', ..columns::PLAIN };
                return Dialect::Columns(Box::leak(Box::new(words)));
            }
            // All of them are in a header line, so any one finds it: the longest is in the fewest other lines.
            let longest = names.iter().map(|(name, _)| *name).max_by_key(|name| name.len());
            Dialect::Delimited(Box::leak(Box::new(Delimited {
                separators: vec![separator].leak(),
                quote,
                columns,
                least,
                header: longest.into_iter().collect::<Vec<_>>().leak(),
                exact: true,
                names,
            })))
        }
    }
}

/// What each column means, and how many a line has at least; none when only the log's header line tells.
fn slots(layout: &Layout, dated: bool) -> (&'static [Slot], usize) {
    let places: Vec<(usize, Slot)> = layout
        .fields
        .keys()
        .filter_map(|part| layout.column(*part).map(|column| (column, slot(*part, dated))))
        .collect();
    let wanted = places.iter().map(|(column, _)| column + 1).max().unwrap_or(0);
    let mut slots = vec![Slot::Skip; wanted];
    for (column, slot) in places {
        slots[column] = slot;
    }
    (slots.leak(), wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{Action, Line, Parser};

    fn format(text: &str) -> &'static Format {
        let layout: Layout = toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        Layouts::default().format(&layout).unwrap()
    }

    /// Time in seconds of the epoch, then what else a record says.
    fn read(parser: &mut Parser, line: &str) -> String {
        match parser.line(line.as_bytes()) {
            Line::Record(record) => {
                let text = |text: Option<&[u8]>| text.map_or("-".into(), |t| String::from_utf8_lossy(t).into_owned());
                let count = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
                format!(
                    "{} {} {} {} {}/{} {}",
                    record.time.map_or("-".to_owned(), |time| (time / 1_000_000).to_string()),
                    record.src_ip.map_or("-".to_owned(), |ip| ip.to_string()),
                    text(record.user),
                    text(record.host),
                    count(record.bytes_up),
                    count(record.bytes_down),
                    record.action.map_or("-", Action::as_str),
                )
            }
            Line::Other => "other".to_owned(),
            Line::Reject(reject) => format!("reject: {}", reject.reason()),
        }
    }

    #[test]
    fn columns_by_number_by_list_and_by_header_read_alike() {
        let fields = |names: &str| {
            format!(
                "name = \"X\"\nkind = \"delimited\"\nseparator = \";\"\nquote = \"'\"\nblocked = [\"deny\"]\n{names}"
            )
        };
        let by_number = fields("fields = { time = 1, src_ip = 2, user = 3, host = 4, bytes_up = 5, action = 6 }");
        let by_list = fields(
            "columns = [\"t\", \"c\", \"u\", \"h\", \"up\", \"a\"]\nfields = { time = \"t\", src_ip = \"c\", user = \"u\", host = 4, bytes_up = \"up\", action = \"a\" }",
        );
        let by_header = fields(
            "fields = { time = \"t\", src_ip = \"c\", user = \"u\", host = \"h\", bytes_up = \"up\", action = \"a\" }",
        );
        let line = "2024-03-05 10:15:30;192.0.2.7;'Doe; J.';www.example.com;17;deny";
        for (text, header) in [(by_number, None), (by_list, None), (by_header, Some("t;c;u;h;up;a"))] {
            let mut parser = Parser::new(format(&text));
            if let Some(header) = header {
                assert_eq!(read(&mut parser, line), "reject: no header line has named the columns");
                assert_eq!(read(&mut parser, header), "other");
            }
            assert_eq!(read(&mut parser, line), "1709633730 192.0.2.7 Doe; J. www.example.com 17/- blocked", "{text}");
            let allowed = line.replace("deny", "whatever");
            assert!(read(&mut parser, &allowed).ends_with("allowed"), "{text}");
            let cut = "2024-03-05 10:15:30;192.0.2.7";
            assert!(read(&mut parser, cut).starts_with("reject: fewer"), "{text}");
        }
    }

    #[test]
    fn a_header_is_a_line_with_every_name_and_may_name_them_in_another_order() {
        let text =
            "name = \"X\"\nkind = \"delimited\"\nfields = { time = \"time\", src_ip = \"source\", host = \"host\" }";
        let mut parser = Parser::new(format(text));
        assert_eq!(read(&mut parser, "host,bytes,source,time"), "other");
        let line = "time.example.com,5,192.0.2.7,2024-03-05 10:15:30";
        assert_eq!(read(&mut parser, line), "1709633730 192.0.2.7 - time.example.com -/- -");
        // The longest name within a value makes no header line of it.
        let line = "source.example.com,5,192.0.2.7,2024-03-05 10:15:30";
        assert_eq!(read(&mut parser, line), "1709633730 192.0.2.7 - source.example.com -/- -");
        // Names are case-sensitive, as the service's are.
        assert!(read(&mut parser, "Host,bytes,Source,Time").starts_with("reject"));
    }

    #[test]
    fn words_between_blanks_are_columns_too() {
        let text = "name = \"X\"\nkind = \"delimited\"\nseparator = \" \"\ntime_format = \"%d/%b/%Y:%H:%M:%S %z\"\n\
                    fields = { time = 3, src_ip = 1, user = 2, url = 4 }";
        let mut parser = Parser::new(format(text));
        let line = "192.0.2.7   jdoe [05/Mar/2024:11:15:30 +0100] \"https://www.example.com/a b\"";
        assert_eq!(read(&mut parser, line), "1709633730 192.0.2.7 jdoe www.example.com -/- -");
    }

    #[test]
    fn pairs_read_with_any_separator() {
        let rows = [
            ("", "at=2024-03-05T10:15:30 from=192.0.2.7 who=\"J Doe\" to=www.example.com in=3"),
            ("", "at=2024-03-05T10:15:30,from=192.0.2.7,who=\"J Doe\",to=www.example.com,in=3"),
            ("separator = \"|\"", "at=2024-03-05 10:15:30|from=192.0.2.7|who=J Doe|to=www.example.com|in=3"),
            (
                "separator = \";\"\nassign = \":\"",
                "at:2024-03-05T10:15:30;from:192.0.2.7;who:J Doe;to:www.example.com;in:3",
            ),
            ("separator = \"\\t\"", "at=2024-03-05 10:15:30\tfrom=192.0.2.7\twho=J Doe\tto=www.example.com\tin=3"),
            (
                "separator = \", \"\nassign = \": \"",
                "at: 2024-03-05 10:15:30, from: 192.0.2.7, who: J Doe, to: www.example.com, in: 3",
            ),
        ];
        for (how, line) in rows {
            let text = format!(
                "name = \"X\"\nkind = \"key-value\"\nignore = [\"//\"]\n{how}\n\
                 fields = {{ time = \"at\", src_ip = \"from\", user = \"who\", host = \"to\", bytes_down = \"in\" }}"
            );
            let mut parser = Parser::new(format(&text));
            assert_eq!(read(&mut parser, line), "1709633730 192.0.2.7 J Doe www.example.com -/3 -", "{how}");
            assert_eq!(read(&mut parser, "// a remark, from=nobody"), "other");
        }
    }

    #[test]
    fn times_follow_the_pattern_and_the_zone() {
        let summer = "2024-07-05 10:15:30";
        let rows = [
            ("", "date = 1, time = 2", "05.03.2024;10:15:30", Some("2024-03-05T10:15:30Z")),
            ("zone = \"+02:00\"", "time = 1", "2024-03-05 10:15:30;", Some("2024-03-05T08:15:30Z")),
            ("zone = \"-0330\"", "time = 1", "05/Mar/2024:10:15:30;", Some("2024-03-05T13:45:30Z")),
            // A zone in the text goes before the one of the configuration.
            ("zone = \"+02:00\"", "time = 1", "2024-03-05T10:15:30+01:00;", Some("2024-03-05T09:15:30Z")),
            ("zone = \"+02:00\"", "time = 1, zone = 2", "2024-03-05 10:15:30;+0100", Some("2024-03-05T09:15:30Z")),
            ("zone = \"+02:00\"", "time = 1", "1709633730;", Some("2024-03-05T10:15:30Z")),
            ("zone = \"Europe/Berlin\"", "time = 1", summer, Some("2024-07-05T08:15:30Z")),
            ("time_format = \"%m/%d/%y %I:%M %p\"", "time = 1", "03/05/24 01:15 PM;", Some("2024-03-05T13:15:00Z")),
            (
                "time_format = \"%m-%d-%Y %H:%M:%S\"\nzone = \"+01:00\"",
                "date = 1, time = 2",
                "03-05-2024;10:15:30",
                Some("2024-03-05T09:15:30Z"),
            ),
            ("time_format = \"%Y%m%d%H%M%S\"", "time = 1", "20240305101530;", Some("2024-03-05T10:15:30Z")),
            ("time_format = \"%s\"", "time = 1", "1709633730;", Some("2024-03-05T10:15:30Z")),
            ("time_format = \"%d %b %H:%M:%S\"", "time = 1", "05 Mar 10:15:30;", Some("2026-03-05T10:15:30Z")),
            (
                "time_format = \"%Y-%m-%d %H:%M:%S%.f\"",
                "time = 1",
                "2024-03-05 10:15:30.25;",
                Some("2024-03-05T10:15:30.25Z"),
            ),
            ("time_format = \"%m/%d/%Y %H:%M:%S\"", "time = 1", "25/03/2024 10:15:30;", None),
        ];
        for (how, place, value, expected) in rows {
            let text = format!(
                "name = \"X\"\nkind = \"delimited\"\nseparator = \";\"\n{how}\nfields = {{ {place}, src_ip = 4, host = 5 }}"
            );
            let late = "2026-11-25T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond();
            let mut parser = Parser::read_at(format(&text), late);
            let value = if value.contains(';') { value.to_owned() } else { format!("{value};") };
            let line = format!("{value};;192.0.2.7;h.example");
            let expected = expected.map(|text| text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
            match parser.line(line.as_bytes()) {
                Line::Record(record) => assert_eq!(record.time, expected, "{how} {value}"),
                other => assert!(expected.is_none() && matches!(other, Line::Reject(_)), "{how} {value}: {other:?}"),
            }
        }
    }

    #[test]
    fn hostile_lines_are_read_as_whole_chunks_and_line_by_line_alike() {
        use crate::logs::{Position, Visit, feed};
        #[derive(Default)]
        struct Seen(Vec<String>);
        impl Visit for Seen {
            fn line(&mut self, _: Position, _: &[u8], line: &Line<'_>) {
                self.0.push(format!("{line:?}"));
            }
            fn merge(&mut self, later: Seen) {
                self.0.extend(later.0);
            }
        }
        let rows = [
            (
                "kind = \"delimited\"\nquote = \"'\"\nzone = \"+02:00\"",
                "1, src_ip = 2, url = 3",
                "2024-03-05 10:15:30,192.0.2.7,'a,''b'",
            ),
            (
                "kind = \"delimited\"",
                "\"t\", src_ip = \"source\", url = \"u\"",
                "t,source,u\n2024-03-05 10:15:30,192.0.2.7,\"a\"",
            ),
            (
                "kind = \"delimited\"\nseparator = \" \"\nsyslog = true\ntime_format = \"%d.%m.%Y-%H:%M\"",
                "1, src_ip = 2, url = 3",
                "<1>Mar  5 10:15:30 h 05.03.2024-10:15 192.0.2.7 [a b]",
            ),
            (
                "kind = \"key-value\"\nseparator = \"|\"\ntime_format = \"%b %d %H:%M:%S\"",
                "\"t\", src_ip = \"s\", url = \"u\"",
                "t=Mar 5 10:15:30|s=192.0.2.7|u=\"a\\\"b\"",
            ),
            (
                "kind = \"key-value\"\nseparator = \", \"\nassign = \": \"",
                "\"t\", src_ip = \"s\", url = \"u\"",
                "t: 2024-03-05 10:15:30, s: 192.0.2.7, u: a, b",
            ),
        ];
        for (how, fields, good) in rows {
            let format = format(&format!("name = \"X\"\n{how}\nfields = {{ time = {fields} }}"));
            let mut text = Vec::new();
            // Every truncation, each with a byte of its own turned into one that means something to some layout.
            for end in 0..good.len() {
                let mut line = good.as_bytes()[..end].to_vec();
                text.extend_from_slice(&line);
                text.push(b'\n');
                for nasty in *b"\0\"'=|, :%\xff" {
                    if let Some(last) = line.last_mut() {
                        *last = nasty;
                    }
                    text.extend_from_slice(&line);
                    text.extend_from_slice(good.as_bytes());
                    text.push(b'\n');
                }
            }
            let (mut whole, mut pieces) = (Seen::default(), Seen::default());
            feed(&mut Parser::read_at(format, 1_795_190_400_000_000), Position::default(), &text, &mut whole);
            let (mut parser, mut at) = (Parser::read_at(format, 1_795_190_400_000_000), Position::default());
            for line in text.split_inclusive(|c| *c == b'\n') {
                at = feed(&mut parser, at, line, &mut pieces);
            }
            assert!(whole.0 == pieces.0, "{how}");
            assert!(whole.0.iter().any(|line| line.starts_with("Record")), "{how}");
        }
    }

    #[test]
    fn the_same_layout_is_one_format_and_a_mistaken_one_none() {
        let layouts = Layouts::default();
        let text = "name = \"X\"\nkind = \"delimited\"\nfields = { time = 1, src_ip = 2, host = 3 }";
        let layout: Layout = toml::from_str(text).unwrap();
        assert!(std::ptr::eq(layouts.format(&layout).unwrap(), layouts.format(&layout).unwrap()));
        let taken = Layout { name: "SQUID_NATIVE".parse().unwrap(), ..layout.clone() };
        assert!(layouts.format(&taken).unwrap_err().to_string().contains("another name"));
        let wrong = Layout { separator: Some("ab".to_owned()), ..layout };
        assert!(layouts.format(&wrong).unwrap_err().to_string().contains("separator"));
    }
}
