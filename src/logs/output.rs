//! Writes a record as one line of JSON or as one row of CSV: bytes become text here, lossily.

use super::Record;
use std::io::Write;

/// The fields of a record, in the order of every output.
pub const FIELDS: [&str; 12] = [
    "time",
    "src_ip",
    "user",
    "host",
    "url",
    "dst_ip",
    "dst_port",
    "bytes_up",
    "bytes_down",
    "bytes_total",
    "action",
    "device",
];

/// Appends the record as one JSON object and a line feed; what the line did not say is `null`. `origin` stands in place
/// of the address that the record has.
pub fn json(record: &Record<'_>, origin: Option<&str>, into: &mut Vec<u8>) {
    into.push(b'{');
    values(record, origin, |index, value| {
        if index > 0 {
            into.push(b',');
        }
        // Writing into memory does not fail.
        let _ = write!(into, "\"{}\":", FIELDS[index]);
        let _ = match value {
            Value::Nothing => into.write_all(b"null"),
            Value::Text(text) => text_json(text, into),
            Value::Shown(shown) => write!(into, "\"{shown}\""),
            Value::Count(count) => write!(into, "{count}"),
        };
    });
    into.extend_from_slice(b"}\n");
}

/// The values of the record as text, empty for what the line did not say; `origin` as in [`json`].
pub fn row(record: &Record<'_>, origin: Option<&str>) -> [String; FIELDS.len()] {
    let mut row = [const { String::new() }; FIELDS.len()];
    values(record, origin, |index, value| {
        row[index] = match value {
            Value::Nothing => String::new(),
            Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Value::Shown(shown) => shown.to_string(),
            Value::Count(count) => count.to_string(),
        };
    });
    row
}

enum Value<'v> {
    Nothing,
    Text(&'v [u8]),
    Shown(&'v dyn std::fmt::Display),
    Count(u64),
}

fn values(record: &Record<'_>, origin: Option<&str>, mut each: impl FnMut(usize, Value<'_>)) {
    let time = record.time.and_then(|time| jiff::Timestamp::from_microsecond(time).ok());
    fn shown<T: std::fmt::Display>(value: &Option<T>) -> Value<'_> {
        value.as_ref().map_or(Value::Nothing, |value| Value::Shown(value))
    }
    fn bytes(value: Option<&[u8]>) -> Value<'_> {
        value.map_or(Value::Nothing, Value::Text)
    }
    fn count(value: Option<u64>) -> Value<'static> {
        value.map_or(Value::Nothing, Value::Count)
    }
    let action = record.action.map(super::Action::as_str);
    each(0, shown(&time));
    each(1, if origin.is_some() { shown(&origin) } else { shown(&record.src_ip) });
    each(2, bytes(record.user));
    each(3, bytes(record.host));
    each(4, bytes(record.url));
    each(5, shown(&record.dst_ip));
    each(6, count(record.dst_port.map(u64::from)));
    each(7, count(record.bytes_up));
    each(8, count(record.bytes_down));
    each(9, count(record.bytes_total));
    each(10, shown(&action));
    each(11, bytes(record.device));
}

fn text_json(text: &[u8], into: &mut Vec<u8>) -> std::io::Result<()> {
    serde_json::to_writer(into, &String::from_utf8_lossy(text)).map_err(std::io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Action;

    #[test]
    fn a_record_is_one_line_of_json_with_every_field() {
        let record = Record {
            time: Some(1_709_633_730_412_000),
            src_ip: "2001:db8::1".parse().ok(),
            user: Some(b"a\"b\n\xff"),
            dst_port: Some(443),
            action: Some(Action::Blocked),
            ..Record::default()
        };
        let mut line = Vec::new();
        json(&record, None, &mut line);
        assert_eq!(line.iter().filter(|c| **c == b'\n').count(), 1);
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value.as_object().unwrap().len(), FIELDS.len());
        assert_eq!(value["time"], "2024-03-05T10:15:30.412Z");
        assert_eq!((&value["user"], &value["dst_port"]), (&"a\"b\n\u{fffd}".into(), &443.into()));
        assert_eq!((&value["host"], &value["action"]), (&serde_json::Value::Null, &"blocked".into()));
        assert_eq!((&*row(&record, None)[1], &*row(&record, None)[6]), ("2001:db8::1", "443"));
        assert_eq!(row(&record, Some("somebody"))[1], "somebody");
    }
}
