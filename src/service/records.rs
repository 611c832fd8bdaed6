//! Records of the service as the text they arrived in: nothing is lost between the answer and `--format json`.
//!
//! The service's records are deep, undocumented in parts, hold keys that differ only in case, numbers beyond 2^53 and
//! nulls, and times in three spellings (integer or float milliseconds, ISO 8601). So a [`Record`] keeps the raw text and
//! looks things up in it; keys are compared exactly, and of a repeated key the last one counts.

use jiff::Timestamp;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// One record, byte for byte as the service sent it.
#[derive(Debug, Clone)]
pub struct Record(Box<RawValue>);

/// The members of an object in their order, repeated keys included.
struct Members<'j>(Vec<(String, &'j RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'de>, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The members of an object; none of anything else.
pub fn members(raw: &RawValue) -> Vec<(String, &RawValue)> {
    serde_json::from_str::<Members<'_>>(raw.get()).map(|members| members.0).unwrap_or_default()
}

/// The items of an array; none of anything else.
pub fn items(raw: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// A member by its exact key; the last one of that key.
pub fn member<'j>(raw: &'j RawValue, key: &str) -> Option<&'j RawValue> {
    members(raw).into_iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// A value as text: strings decoded, numbers and flags as written, objects and arrays as JSON, nothing for null.
pub fn text(raw: &RawValue) -> Option<String> {
    match raw.get() {
        "null" => None,
        json if json.starts_with('"') => serde_json::from_str(json).ok(),
        json => Some(json.to_owned()),
    }
}

/// A whole number, written as a number or as digits in a string.
pub fn number(raw: &RawValue) -> Option<i64> {
    text(raw)?.parse().ok()
}

/// A time in any of the service's spellings.
pub fn time(raw: &RawValue) -> Option<Timestamp> {
    let text = text(raw)?;
    let millis = match text.parse::<i64>() {
        Ok(whole) => Some(whole),
        #[expect(clippy::cast_possible_truncation, reason = "the fraction of a millisecond is of no use")]
        Err(_) => text.parse::<f64>().ok().filter(|float| float.abs() < 1e17).map(|float| float as i64),
    };
    match millis {
        // Ten digits are seconds: as milliseconds they would lie in January 1970.
        Some(seconds) if (1_000_000_000..10_000_000_000).contains(&seconds) => Timestamp::from_second(seconds).ok(),
        Some(millis) => Timestamp::from_millisecond(millis).ok(),
        None => text.parse().ok().or_else(|| {
            let zoneless: jiff::civil::DateTime = text.parse().ok()?;
            jiff::tz::TimeZone::UTC.to_timestamp(zoneless).ok()
        }),
    }
}

impl Record {
    /// Wraps a value of an answer.
    pub fn new(raw: Box<RawValue>) -> Record {
        Record(raw)
    }

    /// Reads a whole answer that is one record.
    pub fn parse(answer: &[u8]) -> Option<Record> {
        serde_json::from_slice(answer).ok().map(Record)
    }

    /// The record as it arrived.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// The record as a value to look into.
    pub fn whole(&self) -> &RawValue {
        &self.0
    }

    /// The record on one line: as it arrived, without line breaks, which JSON allows between values only.
    pub fn line(&self) -> Cow<'_, str> {
        let json = self.json();
        if json.contains(['\n', '\r']) { Cow::Owned(json.replace(['\n', '\r'], "")) } else { Cow::Borrowed(json) }
    }

    /// The value at a dotted path. A key that itself holds dots is tried first; a number steps into an array.
    pub fn get(&self, path: &str) -> Option<&RawValue> {
        step(&self.0, path)
    }

    /// The value at a path as text; see [`text`].
    pub fn text(&self, path: &str) -> Option<String> {
        self.get(path).and_then(text)
    }

    /// The value at a path as a whole number.
    pub fn number(&self, path: &str) -> Option<i64> {
        self.get(path).and_then(number)
    }

    /// The value at a path as a time.
    pub fn time(&self, path: &str) -> Option<Timestamp> {
        self.get(path).and_then(time)
    }

    /// What tells the record from others: `_id`, else `id`.
    pub fn id(&self) -> Option<String> {
        self.text("_id").or_else(|| self.text("id"))
    }
}

fn step<'j>(raw: &'j RawValue, path: &str) -> Option<&'j RawValue> {
    if let Some(found) = member(raw, path) {
        return Some(found);
    }
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let inner = match first.parse::<usize>() {
        Ok(index) => items(raw).get(index).copied()?,
        Err(_) if rest.is_none() => return None,
        Err(_) => member(raw, first)?,
    };
    rest.map_or(Some(inner), |rest| step(inner, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: &str = r#"{"_id":"64b0c0ffee0123456789abcd","Level":1,"level":"low","big":900719925474099312345,"none":null,
 "user":{"userName":"ann"},"a.b":1,"list":[{"x":"y"}],"again":1,"again":2,"esc":"\ud83d\ude00\n","f":1735900000000.5}"#;

    #[test]
    fn a_record_is_kept_byte_for_byte() {
        let record = Record::parse(ODD.as_bytes()).unwrap();
        assert_eq!(record.json(), ODD);
        assert_eq!(record.line(), ODD.replace('\n', ""));
    }

    #[test]
    fn values_are_found_by_exact_key_and_path() {
        let record = Record::parse(ODD.as_bytes()).unwrap();
        let rows = [
            ("Level", Some("1")),
            ("level", Some("low")),
            ("LEVEL", None),
            ("big", Some("900719925474099312345")),
            ("none", None),
            ("user.userName", Some("ann")),
            ("a.b", Some("1")),
            ("list.0.x", Some("y")),
            ("list.1.x", None),
            ("again", Some("2")),
            ("esc", Some("😀\n")),
            ("user", Some(r#"{"userName":"ann"}"#)),
        ];
        for (path, expected) in rows {
            assert_eq!(record.text(path).as_deref(), expected, "{path}");
        }
        assert_eq!(record.id().as_deref(), Some("64b0c0ffee0123456789abcd"));
    }

    #[test]
    fn times_come_in_every_spelling() {
        let rows = [
            ("1735900000000", Some("2025-01-03T10:26:40Z")),
            ("1735900000000.75", Some("2025-01-03T10:26:40Z")),
            ("\"1735900000000\"", Some("2025-01-03T10:26:40Z")),
            ("1735900000", Some("2025-01-03T10:26:40Z")),
            ("\"2025-01-03T10:26:40.000Z\"", Some("2025-01-03T10:26:40Z")),
            ("\"2025-01-03T10:26:40\"", Some("2025-01-03T10:26:40Z")),
            ("null", None),
            ("\"soon\"", None),
            ("1e300", None),
            ("{}", None),
        ];
        for (json, expected) in rows {
            let raw = RawValue::from_string(json.to_owned()).unwrap();
            assert_eq!(time(&raw).map(|time| time.to_string()).as_deref(), expected, "{json}");
        }
    }
}
