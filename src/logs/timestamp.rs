//! The shapes in which appliances write the time; a date is worked out once per distinct day.
//!
//! The shape is seen from the text, so a vendor only names the field. Rules: epoch figures are UTC; an offset or zone
//! word in the text is obeyed; without one the text is taken as UTC, unless a [`Style`] says where the clock stood. A date without a year needs [`Clock::at`], which
//! says when the log was read: the year is the latest one that does not lie more than a day ahead of it. Without that it
//! gives no time rather than a guess.

use super::record::{ZEROS, joined, number};
use super::scan::find;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// The longest date and time of day that are joined to be read by a pattern.
const LONGEST: usize = 96;

/// How a log writes its times, where that is not seen from the text.
#[derive(Debug)]
pub struct Style {
    /// In the conversions of `strftime`.
    pub pattern: Option<&'static str>,
    /// Of times that name none; UTC otherwise.
    pub zone: Option<TimeZone>,
}

/// Reads times; remembers the last date.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    text: [u8; 10],
    day: i64,
    read_at: Option<i64>,
    style: Option<&'static Style>,
}

/// A date, a time of day and what follows it.
struct Parts<'t> {
    day: i64,
    clock: i64,
    rest: &'t [u8],
}

impl Clock {
    /// A clock for times of this style.
    pub fn new(style: Option<&'static Style>) -> Clock {
        Clock { style, ..Clock::default() }
    }

    /// From now on it can complete dates without a year, as [`Clock::at`] does.
    pub fn read_at(&mut self, read_at: i64) {
        self.read_at = Some(read_at);
    }

    /// A clock that can complete dates without a year: the log was read at this time, in microseconds of the epoch.
    pub fn at(read_at: i64) -> Clock {
        Clock { read_at: Some(read_at), ..Clock::default() }
    }

    /// Microseconds of the epoch out of a whole timestamp, in any of the shapes.
    pub fn read(&mut self, text: &[u8]) -> Option<i64> {
        let text = trim(text);
        if let Some(pattern) = self.pattern() {
            return self.by(pattern, text, b"");
        }
        if text.first()?.is_ascii_digit() {
            return match self.iso(text) {
                Some(parts) => self.utc(parts.day * DAY + parts.clock, parts.rest),
                None => epoch(text).or_else(|| self.day_first(text)).or_else(|| self.year_then_name(text)),
            };
        }
        self.named(text)
    }

    /// As [`Clock::read`], with the zone in a field of its own; one within the text goes before it.
    pub fn zoned(&mut self, text: &[u8], zone: &[u8]) -> Option<i64> {
        let text = trim(text);
        if let Some(pattern) = self.pattern() {
            return self.by(pattern, text, zone);
        }
        match self.iso(text) {
            Some(parts) if trim(parts.rest).is_empty() => self.utc(parts.day * DAY + parts.clock, zone),
            _ => self.read(text),
        }
    }

    /// Microseconds of the epoch out of date, time of day and zone in fields of their own; the zone may be empty.
    pub fn join(&mut self, date: &[u8], time: &[u8], zone: &[u8]) -> Option<i64> {
        if let Some(pattern) = self.pattern() {
            let (date, time, mut both) = (trim(date), trim(time), [b' '; LONGEST]);
            both.get_mut(..date.len())?.copy_from_slice(date);
            let end = date.len() + 1 + time.len();
            both.get_mut(date.len() + 1..end)?.copy_from_slice(time);
            return self.by(pattern, &both[..end], zone);
        }
        let day = self.date(trim(date))?;
        let (clock, rest) = clock(trim(time))?;
        let zone = if rest.is_empty() { zone } else { rest };
        self.utc(day * DAY + clock, zone)
    }

    fn pattern(&self) -> Option<&'static str> {
        self.style.and_then(|style| style.pattern)
    }

    /// A time on the wall as one of the epoch: by the zone that is written with it, else by that of the log.
    fn utc(&self, local: i64, zone: &[u8]) -> Option<i64> {
        let there = || self.style.and_then(|style| style.zone.as_ref()).filter(|_| trim(zone).is_empty());
        let Some(there) = there() else { return Some(local - offset(zone)?) };
        let local = jiff::Timestamp::from_microsecond(local).ok()?;
        let wall = jiff::tz::Offset::UTC.to_datetime(local);
        // Of an hour that comes twice, the first; of one that is left out, as if the clock had not been changed.
        Some(there.to_ambiguous_timestamp(wall).compatible().ok()?.as_microsecond())
    }

    /// A time written after a pattern.
    fn by(&self, pattern: &str, text: &[u8], zone: &[u8]) -> Option<i64> {
        let mut read = strtime::parse(pattern, text).ok()?;
        if read.timestamp().is_some() || read.offset().is_some() {
            return Some(read.to_timestamp().ok()?.as_microsecond());
        }
        let clock = read.to_time().ok()?;
        if read.to_date().is_err() {
            let [month, day] = [read.month()?, read.day()?].map(|figure| u64::from(figure.unsigned_abs()));
            let seconds = i64::from(clock.hour()) * 3_600 + i64::from(clock.minute()) * 60 + i64::from(clock.second());
            let year = self.year(month, day, seconds * SECOND)?;
            read.set_year(i16::try_from(year).ok()).ok()?;
        }
        let wall = read.to_date().ok()?.to_datetime(clock);
        self.utc(jiff::tz::Offset::UTC.to_timestamp(wall).ok()?.as_microsecond(), zone)
    }

    /// `yyyy-mm-dd hh:mm:ss`, the separators being any of the usual.
    fn iso<'t>(&mut self, text: &'t [u8]) -> Option<Parts<'t>> {
        let day = self.ten(text.first_chunk::<10>()?)?;
        let (clock, rest) = clock(text.get(11..)?)?;
        matches!(text[10], b' ' | b'T' | b't' | b'-' | b'_' | b',').then_some(Parts { day, clock, rest })
    }

    /// `yyyy?mm?dd`.
    fn ten(&mut self, text: &[u8; 10]) -> Option<i64> {
        if *text == self.text {
            return Some(self.day);
        }
        let [y1, y2, y3, y4, s1, m1, m2, s2, d1, d2] = *text;
        if s1 != s2 || !matches!(s1, b'-' | b'/' | b':' | b' ' | b'.') {
            return None;
        }
        let (year, month, day) = (number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?);
        let day = days(i64::try_from(year).ok()?, month, day)?;
        (self.text, self.day) = (*text, day);
        Some(day)
    }

    fn date(&mut self, text: &[u8]) -> Option<i64> {
        if let Some(ten) = text.first_chunk::<10>()
            && let Some(day) = self.ten(ten)
            && text.len() == 10
        {
            return Some(day);
        }
        let (day, rest) = loose(text)?;
        rest.is_empty().then_some(day)
    }

    /// `dd/Mmm/yyyy:hh:mm:ss zone`, `dd/mm/yyyy hh:mm:ss`, `dd.mm.yyyy ...`, `5Mar2024 hh:mm:ss`.
    fn day_first(&mut self, text: &[u8]) -> Option<i64> {
        let (day, rest) = loose(text)?;
        let (clock, rest) = clock(rest.get(1..)?)?;
        self.utc(day * DAY + clock, rest)
    }

    /// `2024 Mar 05 10:15:30`.
    fn year_then_name(&mut self, text: &[u8]) -> Option<i64> {
        let year = i64::try_from(number(text.get(..4)?)?).ok()?;
        let (month, rest) = name(text.get(5..)?)?;
        let (day, rest) = digits(trim(rest))?;
        let (clock, rest) = clock(trim(rest))?;
        self.utc(days(year, month, day)? * DAY + clock, rest)
    }

    /// `Mmm dd [yyyy] hh:mm:ss [zone] [yyyy]`, with or without a day of the week in front.
    fn named(&mut self, text: &[u8]) -> Option<i64> {
        let mut text = text;
        if name(text).is_none() {
            let after = text.get(3..)?;
            let comma = after.iter().position(|c| !c.is_ascii_alphabetic() && *c != b',')?;
            text = trim(&after[comma..]);
            if text.first()?.is_ascii_digit() {
                // `Tue, 05 Mar 2024 10:15:30 +0100`
                let (day, rest) = digits(text)?;
                let (month, rest) = name(trim(rest))?;
                let (year, rest) = digits(trim(rest))?;
                let (clock, rest) = clock(trim(rest))?;
                return self.utc(days(i64::try_from(year).ok()?, month, day)? * DAY + clock, rest);
            }
        }
        let (month, rest) = name(text)?;
        let (day, rest) = digits(trim(rest))?;
        let mut rest = trim(rest.strip_prefix(b",").unwrap_or(rest));
        let mut year = None;
        if rest.len() > 4 && rest[..4].iter().all(u8::is_ascii_digit) && !rest[4].is_ascii_digit() && rest[4] != b':' {
            year = number(&rest[..4]);
            rest = trim(&rest[5..]);
        }
        let (clock, rest) = clock(rest)?;
        let mut zone = trim(rest);
        if year.is_none() && zone.len() >= 4 && zone[zone.len() - 4..].iter().all(u8::is_ascii_digit) {
            let before = &zone[..zone.len() - 4];
            if before.is_empty() || before.ends_with(b" ") {
                year = number(&zone[zone.len() - 4..]);
                zone = trim(before);
            }
        }
        let year = match year {
            Some(year) => i64::try_from(year).ok()?,
            None => self.year(month, day, clock)?,
        };
        self.utc(days(year, month, day)? * DAY + clock, zone)
    }

    /// The latest year in which this moment is not more than a day ahead of when the log was read.
    fn year(&self, month: u64, day: u64, clock: i64) -> Option<i64> {
        let read_at = self.read_at?;
        let this = year_of(read_at.div_euclid(DAY));
        // 29 February may need a few steps.
        (this - 8..=this + 1)
            .rev()
            .find(|year| days(*year, month, day).is_some_and(|day| day * DAY + clock <= read_at.saturating_add(DAY)))
    }
}

/// Whether a text starts with a date that has no year, as RFC 3164 writes it.
pub(super) fn starts_with_month(text: &[u8]) -> bool {
    name(text).is_some_and(|(_, rest)| rest.first() == Some(&b' '))
}

/// Seconds, milliseconds, microseconds or nanoseconds of the epoch, told apart by their length.
pub(super) fn epoch(text: &[u8]) -> Option<i64> {
    if let Ok(text) = <&[u8; 14]>::try_from(text)
        && text[10] == b'.'
    {
        return milliseconds(text);
    }
    let point = find(text, 0, [b'.']);
    let (whole, dot) = (&text[..point], (point < text.len()).then_some(point));
    let value = i64::try_from(number(whole)?).ok()?;
    match (whole.len(), dot) {
        (9..=11, None) => value.checked_mul(SECOND),
        (9..=11, Some(dot)) => Some(value.checked_mul(SECOND)? + fraction(&text[dot + 1..])?),
        (12..=14, _) => value.checked_mul(1_000),
        (15..=16, _) => Some(value),
        (18..=19, _) => Some(value / 1_000),
        _ => None,
    }
}

/// `1700000000.123`: what proxies write on every line.
#[inline]
fn milliseconds(text: &[u8; 14]) -> Option<i64> {
    let (first, last) = (text.first_chunk::<8>()?, text.last_chunk::<8>()?);
    let hundreds = joined(u64::from_le_bytes(*first) ^ ZEROS)?;
    // Of the last eight bytes two were in the first; the point counts as a zero.
    let rest = (u64::from_le_bytes(*last) ^ ZEROS ^ u64::from(b'.' ^ b'0') << 32) >> 16 << 16;
    let rest = joined(rest)?;
    let (seconds, millis) = (hundreds * 100 + rest / 10_000, rest % 10_000);
    i64::try_from(seconds * 1_000_000 + millis * 1_000).ok()
}

/// Digits after the point as microseconds; digits past the sixth are checked and dropped.
fn fraction(digits: &[u8]) -> Option<i64> {
    let value = match digits.len() {
        1..=6 => number(digits)? * POWERS[6 - digits.len()],
        7..=12 => number(digits)? / POWERS[digits.len() - 6],
        _ => return None,
    };
    i64::try_from(value).ok()
}

const POWERS: [u64; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

fn trim(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let [b' ' | b'[' | b'"' | b'(', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b']' | b'"' | b')'] = text {
        text = rest;
    }
    text
}

/// `h:mm:ss` with an optional fraction and AM or PM, in microseconds of the day, and what follows.
fn clock(text: &[u8]) -> Option<(i64, &[u8])> {
    // The everyday shape first.
    if let Some([h1, h2, b':', m1, m2, b':', s1, s2]) = text.first_chunk::<8>() {
        let two = |tens: u8, ones: u8| {
            let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
            (tens <= 9 && ones <= 9).then(|| i64::from(tens) * 10 + i64::from(ones))
        };
        return end_of_clock(two(*h1, *h2)?, two(*m1, *m2)?, two(*s1, *s2)?, &text[8..]);
    }
    let (hours, rest) = digits(text)?;
    let (minutes, rest) = digits(rest.strip_prefix(b":")?)?;
    let (seconds, rest) = match rest.strip_prefix(b":") {
        Some(rest) => digits(rest)?,
        None => (0, rest),
    };
    let small = |value: u64| i64::try_from(value).ok().filter(|value| *value < 100);
    end_of_clock(small(hours)?, small(minutes)?, small(seconds)?, rest)
}

fn end_of_clock(hours: i64, minutes: i64, seconds: i64, rest: &[u8]) -> Option<(i64, &[u8])> {
    let (micros, rest) = match rest {
        [b'.' | b',', digits @ ..] if digits.first().is_some_and(u8::is_ascii_digit) => {
            let end = digits.iter().position(|c| !c.is_ascii_digit()).unwrap_or(digits.len());
            (fraction(&digits[..end])?, &digits[end..])
        }
        _ => (0, rest),
    };
    let (hours, rest) = match rest {
        [b' ', b'A' | b'a', b'M' | b'm', rest @ ..] => (hours % 12, rest),
        [b' ', b'P' | b'p', b'M' | b'm', rest @ ..] => (hours % 12 + 12, rest),
        _ => (hours, rest),
    };
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    Some(((hours * 3_600 + minutes * 60 + seconds) * SECOND + micros, rest))
}

/// Words for zones, in minutes east. Words that several countries use mean what the appliance vendors' home does.
const ZONES: [(&str, i64); 22] = [
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("WET", 0),
    ("BST", 60),
    ("CET", 60),
    ("WEST", 60),
    ("CEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("MSK", 180),
    ("IST", 330),
    ("JST", 540),
    ("KST", 540),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
];

/// An offset in microseconds: `Z`, `+01:00`, `+0100`, `+11`, `UTC`, ` PDT`, or nothing for UTC.
fn offset(text: &[u8]) -> Option<i64> {
    let text = trim(text);
    let minutes = match text {
        [] | [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), digits @ ..] => {
            let digit = |at: usize| digits.get(at).map(|c| c.wrapping_sub(b'0')).filter(|d| *d <= 9).map(i64::from);
            let hours = digit(0)? * 10 + digit(1)?;
            let rest = digits.get(2..)?;
            let minutes = match rest.strip_prefix(b":").unwrap_or(rest) {
                [] => 0,
                [tens @ b'0'..=b'5', ones @ b'0'..=b'9'] => i64::from(tens - b'0') * 10 + i64::from(ones - b'0'),
                _ => return None,
            };
            let east = hours * 60 + minutes;
            if east > 15 * 60 {
                return None;
            }
            if *sign == b'-' { -east } else { east }
        }
        word => ZONES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word))?.1,
    };
    Some(minutes * 60 * SECOND)
}

fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((number(&text[..end])?, &text[end..]))
}

/// A month's name in English, short or long, and what follows.
fn name(text: &[u8]) -> Option<(u64, &[u8])> {
    const NAMES: &[u8] = b"janfebmaraprmayjunjulaugsepoctnovdec";
    let three = text.first_chunk::<3>()?.map(|c| c.to_ascii_lowercase());
    let month = NAMES.chunks(3).position(|name| name == three)?;
    let end = text.iter().position(|c| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    Some((month as u64 + 1, &text[end..]))
}

/// A date that starts with the day, and what follows: `05/Mar/2024`, `05/03/2024`, `5.3.2024`, `5Mar2024`, `2024-3-5`.
fn loose(text: &[u8]) -> Option<(i64, &[u8])> {
    let (first, rest) = digits(text)?;
    let rest = match rest {
        [b'/' | b'-' | b'.' | b' ', rest @ ..] => rest,
        rest => rest,
    };
    let (month, rest) = name(rest).or_else(|| digits(rest))?;
    let rest = match rest {
        [b'/' | b'-' | b'.' | b' ', rest @ ..] => rest,
        rest => rest,
    };
    let (last, rest) = digits(rest)?;
    let (year, day) = if first > 31 { (first, last) } else { (if last < 100 { last + 2000 } else { last }, first) };
    Some((days(i64::try_from(year).ok()?, month, day)?, rest))
}

/// Days of the epoch of a date of the Gregorian calendar, if there is such a date.
fn days(year: i64, month: u64, day: u64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) || !(1970..=2200).contains(&year) {
        return None;
    }
    let (month, day) = (i64::try_from(month).ok()?, i64::try_from(day).ok()?);
    // March is the first month, so that the leap day ends the year.
    let year = year - i64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468)
}

/// The year a day of the epoch lies in.
fn year_of(day: i64) -> i64 {
    let guess = 1970 + day / 366;
    (guess..guess + 3).rev().find(|year| days(*year, 1, 1).is_some_and(|first| first <= day)).unwrap_or(guess)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(rfc3339: &str) -> i64 {
        rfc3339.parse::<jiff::Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn every_shape_gives_the_moment_it_names() {
        let rows = [
            ("2024-03-05 10:15:30", "2024-03-05T10:15:30Z"),
            ("2024/03/05 10:15:30", "2024-03-05T10:15:30Z"),
            ("2024:03:05-10:15:30", "2024-03-05T10:15:30Z"),
            ("2024 03 05 10:15:30 +01:00", "2024-03-05T09:15:30Z"),
            ("2024-03-05T10:15:30.123456+01:00", "2024-03-05T09:15:30.123456Z"),
            ("2024-03-05T10:15:30.5Z", "2024-03-05T10:15:30.5Z"),
            ("2024-03-05 10:15:30 UTC", "2024-03-05T10:15:30Z"),
            ("2024-03-05 10:15:30.123 +0530", "2024-03-05T04:45:30.123Z"),
            ("2024-3-5 10:15:30", "2024-03-05T10:15:30Z"),
            ("[05/Mar/2024:10:15:30 +0100]", "2024-03-05T09:15:30Z"),
            ("13/Mar/2020:21:14:41.850 +0000", "2020-03-13T21:14:41.85Z"),
            ("05/03/2024 10:15:30", "2024-03-05T10:15:30Z"),
            ("5Mar2024 1:15:30", "2024-03-05T01:15:30Z"),
            ("Mar 05 2024 10:15:30 EST", "2024-03-05T15:15:30Z"),
            ("Mar  5 2024 10:15:30.000", "2024-03-05T10:15:30Z"),
            ("Tue Mar  5 10:15:30 2024", "2024-03-05T10:15:30Z"),
            ("Mon Oct 02 16:21:40 UTC 2017", "2017-10-02T16:21:40Z"),
            ("Tue, 05 Mar 2024 10:15:30 +0100", "2024-03-05T09:15:30Z"),
            ("2024 Mar 05 10:15:30", "2024-03-05T10:15:30Z"),
            ("1709633730", "2024-03-05T10:15:30Z"),
            ("1709633730.412", "2024-03-05T10:15:30.412Z"),
            ("1709633730412", "2024-03-05T10:15:30.412Z"),
            ("1709633730412345678", "2024-03-05T10:15:30.412345Z"),
            ("2024-02-29 23:59:60", "2024-03-01T00:00:00Z"),
            ("2024-03-05 01:15:30 PM", "2024-03-05T13:15:30Z"),
        ];
        for (text, expected) in rows {
            assert_eq!(Clock::default().read(text.as_bytes()), Some(micros(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_gives_none() {
        let rows = [
            "",
            "-",
            "x",
            "2024-13-05 10:15:30",
            "2023-02-29 10:15:30",
            "2024-03-05 24:15:30",
            "2024-03-05",
            "17096337",
            "99/99/9999 10:15:30",
            "Mar 05",
            "Foo 05 2024 10:15:30",
            "Mar 05 10:15:30",
            "2024-03-05 10:15:30 XYZ",
            "2024-03-05 10:15:30 +9900",
            "99999999999999999999",
        ];
        for text in rows {
            assert_eq!(Clock::default().read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_date_without_year_takes_the_latest_that_is_not_ahead() {
        let mut clock = Clock::at(micros("2026-01-03T00:00:00Z"));
        assert_eq!(clock.read(b"Dec 31 23:00:00"), Some(micros("2025-12-31T23:00:00Z")));
        assert_eq!(clock.read(b"Jan  2 23:00:00"), Some(micros("2026-01-02T23:00:00Z")));
        assert_eq!(clock.read(b"Feb 29 23:00:00"), Some(micros("2024-02-29T23:00:00Z")));
    }

    #[test]
    fn fields_apart_are_joined_and_the_day_is_remembered() {
        let mut clock = Clock::default();
        for second in 10..20 {
            let time = format!("10:15:{second}");
            let expected = micros(&format!("2024-03-05T10:15:{second}Z"));
            assert_eq!(clock.join(b"2024-03-05", time.as_bytes(), b""), Some(expected));
        }
        assert_eq!(clock.join(b"05Mar2024", b"9:15:30", b"+0100"), Some(micros("2024-03-05T08:15:30Z")));
        assert_eq!(clock.join(b"\"2024-03-06\"", b"10:15:30", b"\"UTC\""), Some(micros("2024-03-06T10:15:30Z")));
        assert_eq!(clock.join(b"2024-02-30", b"10:15:30", b""), None);
    }

    #[test]
    fn every_day_of_a_century_agrees_with_the_library() {
        let mut date = jiff::civil::date(1999, 12, 1);
        for _ in 0..36_600 {
            let expected = date.since(jiff::civil::date(1970, 1, 1)).unwrap().get_days();
            let [year, month, day] = [i64::from(date.year()), date.month().into(), date.day().into()];
            let found = days(year, month.unsigned_abs(), day.unsigned_abs());
            assert_eq!(found, Some(i64::from(expected)), "{date}");
            assert_eq!(year_of(i64::from(expected)), year);
            date = date.tomorrow().unwrap();
        }
    }
}
