//! Alerts as a SIEM takes them: one line each as CEF, as LEEF, or the record itself, and the way there by syslog.
//!
//! Titles, labels and descriptions are hostile: whoever can name a file or an account writes them. Each shape escapes
//! for itself and never lets a value begin a field, a header or a line of its own.

mod cef;
mod leef;
mod syslog;

pub use syslog::{Address, Sender};

use super::alerts::{Alert, SEVERITIES};
use super::records::Record;
use std::net::IpAddr;
use std::str::FromStr;

/// Who the events say they come from.
const VENDOR: &str = "Microsoft";
const PRODUCT: &str = "Defender for Cloud Apps";
/// The version of the API that gave them.
const VERSION: &str = "v1";

/// How an alert is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The record as the service sent it, on one line.
    Json,
    /// ArcSight's Common Event Format, version 0.
    Cef,
    /// IBM's Log Event Extended Format, version 2.0, separated by `^`.
    Leef,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Shape, String> {
        match text {
            "json" => Ok(Shape::Json),
            "cef" => Ok(Shape::Cef),
            "leef" => Ok(Shape::Leef),
            _ => Err("one of: json, cef, leef".to_owned()),
        }
    }
}

impl Shape {
    /// The alert as one line, without a line end.
    pub fn line(self, record: &Record) -> String {
        match self {
            Shape::Json => record.line().into_owned(),
            Shape::Cef => cef::line(&Event::from(record)),
            Shape::Leef => leef::line(&Event::from(record)),
        }
    }
}

/// What the shapes write of an alert.
struct Event {
    alert: Alert,
    /// Milliseconds.
    at: Option<i64>,
    /// 1 to 10, larger is worse, as both shapes count; `None` for a severity that is not known.
    severity: Option<u8>,
    score: Option<i64>,
    users: String,
    services: String,
    policies: String,
    addresses: Vec<IpAddr>,
}

impl From<&Record> for Event {
    fn from(record: &Record) -> Event {
        let alert = Alert::from(record);
        let labels = |fits: fn(&str) -> bool| {
            let all = alert.entities.iter().filter(|(kind, _)| fits(kind)).map(|(_, label)| label.as_str());
            all.collect::<Vec<_>>()
        };
        let severity = record.number("severityValue").and_then(|number| match number {
            0 => Some(3),
            1 => Some(6),
            2 => Some(9),
            3 => Some(1),
            _ => None,
        });
        Event {
            at: alert.at.map(jiff::Timestamp::as_millisecond),
            severity,
            score: record.number("threatScore"),
            users: labels(|kind| kind == "account" || kind == "user").join(", "),
            services: labels(|kind| kind == "service").join(", "),
            policies: labels(|kind| kind.starts_with("policy")).join(", "),
            addresses: labels(|kind| kind == "ip").into_iter().filter_map(|label| label.parse().ok()).collect(),
            alert,
        }
    }
}

impl Event {
    /// The number of the alert's type.
    fn class(&self) -> String {
        self.alert.kind.map_or_else(|| "alert".to_owned(), |kind| kind.to_string())
    }
}

/// The severity of a syslog header: 3 (error) for a high one to 6 (informational).
fn level(record: &Record) -> u8 {
    let name = record.number("severityValue").and_then(|number| super::alerts::name_of(SEVERITIES, number));
    match name {
        Some("high") => 3,
        Some("medium") => 4,
        Some("informational") => 6,
        _ => 5,
    }
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(at, _)| &text[..at])
}

/// Whether it could end a line or steer who reads it.
fn breaks(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An alert whose every text tries to be more than a value.
    pub(super) fn hostile() -> Record {
        let nasty = r#"a|b\\c=d ^ suser=root\r\n<0>1 CEF:0|x\tLEEF:2.0|\u0000\u2028end"#;
        let json = format!(
            r#"{{"_id":"64b0c0ffee0123456789abcd","timestamp":1735900000000,"title":"{nasty}","description":"{nasty}",
            "severityValue":2,"statusValue":0,"resolutionStatusValue":0,"idValue":15859716,"threatScore":12,
            "URL":"https://contoso.example/?a=b^c|d","entities":[{{"type":"account","label":"{nasty}"}},
            {{"type":"account","label":"Bob"}},{{"type":"ip","label":"192.0.2.7"}},{{"type":"ip","label":"{nasty}"}},
            {{"type":"ip","label":"2001:db8::1"}},{{"type":"service","id":11161,"label":"Office 365"}},{{"type":"policyRule","label":"p"}}]}}"#
        );
        Record::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn every_shape_is_one_line_whatever_the_alert_holds() {
        for record in
            [hostile(), Record::parse(b"{}").unwrap(), Record::parse(br#"{"title":null,"entities":3}"#).unwrap()]
        {
            for shape in ["json", "cef", "leef"] {
                let line = shape.parse::<Shape>().unwrap().line(&record);
                assert!(!line.contains(breaks) || shape == "json", "{shape}: {line:?}");
                assert!(!line.contains(['\n', '\r']), "{shape}: {line:?}");
            }
        }
        assert!("xml".parse::<Shape>().is_err());
    }

    #[test]
    fn what_is_cut_is_cut_between_characters() {
        assert_eq!((cut("äöü", 2), cut("äö", 2), cut("", 3)), ("äö", "äö", ""));
    }
}
