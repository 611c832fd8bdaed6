//! Dates as people write them, turned into the service's milliseconds.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// What "now" and "today" mean: handed in, so that a query can be tested.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The present moment.
    pub now: Timestamp,
    /// The zone of dates without one.
    pub zone: TimeZone,
}

impl Clock {
    /// The system's clock and zone.
    pub fn system() -> Clock {
        Clock { now: Timestamp::now(), zone: TimeZone::system() }
    }
}

/// Which end of a day a date without a time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Its first millisecond: `gte`, the start of a range.
    Start,
    /// Its last: `lte`, the end of a range.
    End,
}

/// How dates may be written, for messages.
pub const WRITTEN: &str =
    "write a date like 2026-03-01, \"2026-03-01 14:30\", 2026-03-01T14:30:00Z, now, today, yesterday, 24h or 7d (ago)";

/// Reads a date into Unix milliseconds.
///
/// # Errors
/// A sentence that shows how to write one.
pub fn millis(text: &str, edge: Edge, clock: &Clock) -> Result<i64, String> {
    let text = text.trim();
    let wrong = || format!("{text:?} is not a date: {WRITTEN}");
    let today = || clock.zone.to_datetime(clock.now).date();
    let moment = match text.to_ascii_lowercase().as_str() {
        "now" => Some(clock.now),
        "today" => day(today(), edge, clock),
        "yesterday" => today().yesterday().ok().and_then(|date| day(date, edge, clock)),
        digits if digits.bytes().all(|c| c.is_ascii_digit()) && !digits.is_empty() => match digits.len() {
            10 => digits.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()),
            13 => digits.parse().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            _ => None,
        },
        _ => ago(text, clock).or_else(|| calendar(text, edge, clock)),
    };
    moment.map(Timestamp::as_millisecond).ok_or_else(wrong)
}

fn day(date: Date, edge: Edge, clock: &Clock) -> Option<Timestamp> {
    let start = |date: Date| clock.zone.to_timestamp(date.to_datetime(Time::midnight())).ok();
    match edge {
        Edge::Start => start(date),
        Edge::End => start(date.tomorrow().ok()?)?.checked_sub(1.millisecond()).ok(),
    }
}

/// `24h`, `7d`, `2 weeks ago`.
fn ago(text: &str, clock: &Clock) -> Option<Timestamp> {
    let text = text.strip_suffix("ago").unwrap_or(text).trim();
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let number: i64 = text[..split].parse().ok().filter(|number| *number < 1_000_000)?;
    let minutes = match text[split..].trim() {
        "m" | "min" | "minute" | "minutes" => number,
        "h" | "hour" | "hours" => number * 60,
        "d" | "day" | "days" => number * 24 * 60,
        "w" | "week" | "weeks" => number * 7 * 24 * 60,
        _ => return None,
    };
    clock.now.checked_sub(minutes.minutes()).ok()
}

fn calendar(text: &str, edge: Edge, clock: &Clock) -> Option<Timestamp> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    if text.len() > 10
        && let Ok(local) = text.parse::<DateTime>()
    {
        return clock.zone.to_timestamp(local).ok();
    }
    if let Some((date, time)) = text.split_once(' ')
        && let (Ok(date), Ok(time)) = (date.parse::<Date>(), time.trim().parse::<Time>())
    {
        return clock.zone.to_timestamp(date.to_datetime(time)).ok();
    }
    text.parse::<Date>().ok().and_then(|date| day(date, edge, clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock { now: "2026-03-10T12:00:00Z".parse().unwrap(), zone: TimeZone::get("Europe/Berlin").unwrap() }
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        let rows = [
            ("now", Edge::Start, "2026-03-10T12:00:00Z"),
            ("today", Edge::Start, "2026-03-09T23:00:00Z"),
            ("today", Edge::End, "2026-03-10T22:59:59.999Z"),
            ("yesterday", Edge::Start, "2026-03-08T23:00:00Z"),
            ("24h", Edge::Start, "2026-03-09T12:00:00Z"),
            ("7d", Edge::Start, "2026-03-03T12:00:00Z"),
            ("2 weeks ago", Edge::Start, "2026-02-24T12:00:00Z"),
            ("2026-03-01", Edge::Start, "2026-02-28T23:00:00Z"),
            ("2026-03-01", Edge::End, "2026-03-01T22:59:59.999Z"),
            ("2026-03-01 14:30", Edge::Start, "2026-03-01T13:30:00Z"),
            ("2026-03-01T14:30:00", Edge::Start, "2026-03-01T13:30:00Z"),
            ("2026-03-01T14:30:00Z", Edge::End, "2026-03-01T14:30:00Z"),
            ("2026-03-01T14:30:00+05:30", Edge::End, "2026-03-01T09:00:00Z"),
            ("1735900000", Edge::Start, "2025-01-03T10:26:40Z"),
            ("1735900000000", Edge::Start, "2025-01-03T10:26:40Z"),
        ];
        for (text, edge, expected) in rows {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(millis(text, edge, &clock()), Ok(expected.as_millisecond()), "{text} {edge:?}");
        }
        for text in ["", "soon", "2026-13-01", "7", "99999999999999999999d", "2026-03-01 25:00", "-1d"] {
            assert!(millis(text, Edge::Start, &clock()).is_err(), "{text}");
        }
    }
}
