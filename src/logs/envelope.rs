//! Takes off what syslog and collectors put in front of a record: RFC 3164, RFC 5424, octet counts, ISO times, relays.
//!
//! A relay puts its own header in front of the device's, so the shapes are tried up to three times. A header needs a
//! time of its own; a host name alone is never taken off. What the record itself begins with stays: a word that holds
//! `=`, `|`, `,`, `%` or a quote is no host and no tag.

use super::record::number;
use super::timestamp::starts_with_month;

/// How a log type's lines are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// The record starts the line.
    None,
    /// A plain file that collectors write with their own prefix at times: taken off where it stands.
    Optional,
    /// Relayed by syslog.
    Syslog,
}

impl Envelope {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Envelope::None => "plain",
            Envelope::Optional => "plain or relayed",
            Envelope::Syslog => "syslog",
        }
    }
}

/// What a header said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Header<'l> {
    /// Whether there was one.
    pub seen: bool,
    /// Whether it had a priority, which only syslog itself writes, or shows that a daemon took it off.
    pub priority: bool,
    /// The time as written; of several headers the last that has one with a year, else the last.
    pub time: &'l [u8],
    /// Whether that time is without a year.
    pub yearless: bool,
    /// The host name or address; of several headers the last.
    pub host: &'l [u8],
    /// The tag or RFC 5424 application name, without process number and colon.
    pub tag: &'l [u8],
    /// What follows the host: tag, message id and structured data as they stood.
    pub after_host: &'l [u8],
}

/// Takes the headers off a line.
pub fn strip(line: &[u8]) -> (Header<'_>, &[u8]) {
    let mut header = Header::default();
    let mut body = priority(&mut header, octets(line));
    for _ in 0..3 {
        let Some(rest) = one(&mut header, body) else { break };
        header.seen = true;
        body = rest;
    }
    (header, end(body))
}

/// A syslog daemon's escapes for line ends and NUL at the end of a line.
fn end(body: &[u8]) -> &[u8] {
    let mut body = body;
    while let [rest @ .., b'#', b'0', b'0' | b'1', b'0'..=b'7'] = body {
        body = rest;
    }
    body
}

/// `123 <`: the octet count of RFC 6587.
fn octets(line: &[u8]) -> &[u8] {
    let count = line.iter().take(6).position(|c| !c.is_ascii_digit()).unwrap_or(0);
    match line.get(count..) {
        Some([b' ', rest @ ..]) if count > 0 && rest.first() == Some(&b'<') => rest,
        _ => line,
    }
}

fn priority<'l>(header: &mut Header<'l>, line: &'l [u8]) -> &'l [u8] {
    let [b'<', rest @ ..] = line else { return line };
    let count = rest.iter().take(4).position(|c| !c.is_ascii_digit()).unwrap_or(0);
    match rest.get(count..) {
        Some([b'>', body @ ..]) if count > 0 => {
            (header.seen, header.priority) = (true, true);
            body.strip_prefix(b" ").unwrap_or(body)
        }
        _ => line,
    }
}

/// One header of any shape; `None` when the record starts here.
fn one<'l>(header: &mut Header<'l>, text: &'l [u8]) -> Option<&'l [u8]> {
    match text.first()? {
        b'1' if text.get(1) == Some(&b' ') => {
            let rest = &text[2..];
            if is_iso(rest) { rfc5424(header, rest) } else { meraki(header, rest) }
        }
        b'0'..=b'9' => iso(header, text)
            .or_else(|| kiwi(header, text))
            .or_else(|| unversioned(header, text))
            .or_else(|| collector(text)),
        b'A'..=b'Z' => rfc3164(header, text),
        _ => None,
    }
}

fn is_iso(text: &[u8]) -> bool {
    matches!(text.first_chunk::<11>(), Some([_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b't']))
        && text[..4].iter().all(u8::is_ascii_digit)
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

/// `Mmm dd [yyyy] hh:mm:ss [zone] [yyyy]`, also after a day of the week.
fn rfc3164<'l>(header: &mut Header<'l>, text: &'l [u8]) -> Option<&'l [u8]> {
    let mut at = 0;
    if !starts_with_month(text) {
        if text.get(3) != Some(&b' ') || !starts_with_month(text.get(4..)?) {
            return None;
        }
        at = 4;
    }
    at += 4;
    // Day of the month, possibly padded.
    while text.get(at) == Some(&b' ') {
        at += 1;
    }
    let day = text.get(at..)?.iter().take(3).position(|c| !c.is_ascii_digit()).filter(|n| *n > 0)?;
    at += day;
    let mut yearless = true;
    let rest = text.get(at..)?.strip_prefix(b" ")?;
    at += 1;
    if rest.len() > 5 && rest[..4].iter().all(u8::is_ascii_digit) && rest[4] == b' ' {
        yearless = false;
        at += 5;
    }
    let clock = text.get(at..)?;
    if !matches!(clock.first_chunk::<8>()?, [_, _, b':', _, _, b':', _, _]) {
        return None;
    }
    let length = clock.iter().position(|c| !matches!(c, b'0'..=b'9' | b':' | b'.')).unwrap_or(clock.len());
    let length = if clock[..length].ends_with(b":") { length - 1 } else { length };
    at += length;
    let mut end = at;
    let mut rest = &text[at..];
    // A zone word, and the year where the C library puts it.
    if let [b' ', after @ ..] = rest {
        let (zone, behind) = word(after);
        let (year, _) = word(behind);
        if (2..=5).contains(&zone.len()) && zone.iter().all(u8::is_ascii_uppercase) {
            if yearless && year.len() == 4 && number(year).is_some_and(|year| (1970..2200).contains(&year)) {
                yearless = false;
                end = at + 1 + zone.len() + 5;
                rest = &text[end..];
            } else if !yearless || matches!(zone, b"UTC" | b"GMT" | b"CET" | b"CEST") {
                end = at + 1 + zone.len();
                rest = &text[end..];
            }
        } else if yearless && zone.len() == 4 && number(zone).is_some_and(|year| (1970..2200).contains(&year)) {
            yearless = false;
            end = at + 5;
            rest = &text[end..];
        }
    }
    take_time(header, &text[..end], yearless);
    host_and_tag(header, rest)
}

/// `2024-03-05T10:15:30.123456+01:00 host `.
fn iso<'l>(header: &mut Header<'l>, text: &'l [u8]) -> Option<&'l [u8]> {
    if !is_iso(text) {
        return None;
    }
    let (time, rest) = word(text);
    take_time(header, time, false);
    host_and_tag(header, rest)
}

fn take_time<'l>(header: &mut Header<'l>, time: &'l [u8], yearless: bool) {
    if header.time.is_empty() || header.yearless || !yearless {
        (header.time, header.yearless) = (time, yearless);
    }
}

fn is_host(word: &[u8]) -> bool {
    // Figures alone are a process number or the record's own.
    !word.iter().all(u8::is_ascii_digit)
        && word.len() <= 255
        && word.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_' | b':' | b'/' | b'>'))
}

/// `name[123]:`, `name:`, `(name-1):`, a lone `:`; never the start of a CEF or LEEF record.
fn tag_name(word: &[u8]) -> Option<&[u8]> {
    let name = word.strip_suffix(b":")?;
    let name = match memchr::memchr(b'[', name) {
        Some(at) if name.ends_with(b"]") => &name[..at],
        Some(_) => return None,
        None => name,
    };
    let name = name.strip_prefix(b"(").and_then(|name| name.strip_suffix(b")")).unwrap_or(name);
    let fits = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_' | b'/');
    (name.iter().all(fits) && name != b"CEF" && name != b"LEEF").then_some(name)
}

/// The host and the tag behind a time; either may be missing.
fn host_and_tag<'l>(header: &mut Header<'l>, text: &'l [u8]) -> Option<&'l [u8]> {
    let mut text = text.strip_prefix(b":").unwrap_or(text);
    header.tag = &[];
    while let [b' ', rest @ ..] = text {
        text = rest;
    }
    let (first, rest) = word(text);
    if is_host(first) && !first.ends_with(b":") && !rest.is_empty() {
        header.host = first;
        text = rest;
        while let [b' ', rest @ ..] = text {
            text = rest;
        }
    } else if let Some(name) = first.strip_suffix(b":")
        && is_host(name)
        && !rest.starts_with(b" ")
        && rest.first().is_some_and(|c| *c == b'%')
    {
        // Cisco's `host: %ASA-...`.
        header.host = name;
        text = rest;
    }
    header.after_host = text;
    let (first, rest) = word(text);
    if let Some(name) = tag_name(first) {
        header.tag = name;
        text = rest;
        while let [b' ', rest @ ..] = text {
            text = rest;
        }
    }
    Some(text)
}

/// `1 time host app process message-id structured-data message`; devices that stop after the host are believed.
fn rfc5424<'l>(header: &mut Header<'l>, text: &'l [u8]) -> Option<&'l [u8]> {
    let (time, rest) = word(text);
    take_time(header, time, false);
    header.tag = &[];
    let (host, after) = word(rest);
    if !is_host(host) {
        header.after_host = rest;
        return Some(rest);
    }
    if host != b"-" {
        header.host = host;
    }
    header.after_host = after;
    let (app, rest) = word(after);
    let (process, rest) = word(rest);
    let (message, rest) = word(rest);
    let short = |word: &[u8]| {
        !word.is_empty() && word.len() <= 128 && !word.iter().any(|c| matches!(c, b'=' | b'|' | b',' | b'"'))
    };
    if !(short(app) && short(process) && short(message)) {
        return Some(after);
    }
    match rest {
        [b'-', b' ', message @ ..] => {
            header.tag = app;
            Some(message.strip_prefix("\u{feff}".as_bytes()).unwrap_or(message))
        }
        b"-" => {
            header.tag = app;
            Some(&[])
        }
        [b'[', ..] => {
            header.tag = app;
            Some(structured(rest))
        }
        _ => Some(after),
    }
}

/// The message behind structured data. Data that is all there is, is the record itself.
fn structured(text: &[u8]) -> &[u8] {
    let (mut at, mut quoted) = (0, false);
    while let Some(c) = text.get(at) {
        match c {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b']' if !quoted && text.get(at + 1) != Some(&b'[') => {
                return match text.get(at + 2..) {
                    Some(message) if !message.is_empty() => message,
                    _ => text,
                };
            }
            _ => {}
        }
        at += 1;
    }
    text
}

/// `1709633730.412345678 NAME `, behind a `1 ` that is there already.
fn meraki<'l>(header: &mut Header<'l>, text: &'l [u8]) -> Option<&'l [u8]> {
    let (time, rest) = word(text);
    let dot = memchr::memchr(b'.', time).unwrap_or(time.len());
    if !(9..=11).contains(&dot)
        || number(&time[..dot]).is_none()
        || (dot < time.len() && number(&time[dot + 1..]).is_none())
    {
        return None;
    }
    let (name, rest) = word(rest);
    if !is_host(name) {
        return None;
    }
    take_time(header, time, false);
    header.host = name;
    header.after_host = rest;
    Some(rest)
}

/// The same without the version figure: a syslog daemon has taken that for its own header's, priority and all.
fn unversioned<'l>(header: &mut Header<'l>, text: &'l [u8]) -> Option<&'l [u8]> {
    let (time, rest) = word(text);
    let fraction = time.len().checked_sub(memchr::memchr(b'.', time)? + 1)?;
    if fraction < 6 || !rest.first()?.is_ascii_alphabetic() {
        return None;
    }
    let rest = meraki(header, text)?;
    header.priority = true;
    Some(rest)
}

/// Kiwi Syslog's file: `yyyy-mm-dd hh:mm:ss<TAB>Local4.Info<TAB>sender<TAB>`; also `yyyy Mmm dd hh:mm:ss from->to `.
fn kiwi<'l>(header: &mut Header<'l>, text: &'l [u8]) -> Option<&'l [u8]> {
    let (time, rest) = text.split_at_checked(19)?;
    if time[4] == b'-' && time[10] == b' ' && time[13] == b':' {
        // Blanks instead of the first tab occur in pasted files.
        let mut parts = rest.trim_ascii_start().splitn(3, |c| *c == b'\t');
        let (level, sender, message) = (parts.next()?, parts.next()?, parts.next()?);
        if memchr::memchr(b'.', level).is_none() || !level.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'.') {
            return None;
        }
        take_time(header, time, false);
        header.host = sender;
        header.after_host = message;
        return Some(message);
    }
    let (time, rest) = text.split_at_checked(20)?;
    if time[4] == b' ' && starts_with_month(&time[5..]) && time[14] == b':' && rest.starts_with(b" ") {
        take_time(header, time, false);
        return host_and_tag(header, rest);
    }
    None
}

/// `192.0.2.1:514 : local4.info `.
fn collector(text: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(&text[..text.len().min(60)], b" : ")?;
    let sender = &text[..at];
    let digits = |c: &u8| c.is_ascii_digit() || matches!(c, b'.' | b':');
    let (level, rest) = word(&text[at + 3..]);
    (sender.iter().all(digits) && memchr::memchr(b'.', level).is_some()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_comes_off_and_says_what_it_says() {
        // line, body, host, tag, time
        let rows: [(&str, &str, &str, &str, &str); 29] = [
            (
                "<40>Dec 21 07:49:02 hosting03 squid[54]: 1196341497.777 x",
                "1196341497.777 x",
                "hosting03",
                "squid",
                "Dec 21 07:49:02",
            ),
            (
                "<40>Dec 21 07:49:02 hosting03 : 1196341497.777 x",
                "1196341497.777 x",
                "hosting03",
                "",
                "Dec 21 07:49:02",
            ),
            ("Oct 22 01:27:16 pluto squid: 1259845087.188 x", "1259845087.188 x", "pluto", "squid", "Oct 22 01:27:16"),
            (
                "Mar  5 10:15:30 proxy (squid-1): 1709633730.412 x",
                "1709633730.412 x",
                "proxy",
                "squid-1",
                "Mar  5 10:15:30",
            ),
            ("<189>date=2024-03-05 time=11:15:30", "date=2024-03-05 time=11:15:30", "", "", ""),
            ("<118> Feb  4 11:00:54 fp01 SFIMS: Protocol: TCP", "Protocol: TCP", "fp01", "SFIMS", "Feb  4 11:00:54"),
            (
                "<168>Mar 05 2010 11:06:12 ciscoasa : %ASA-6-305011: Built",
                "%ASA-6-305011: Built",
                "ciscoasa",
                "",
                "Mar 05 2010 11:06:12",
            ),
            ("<164>Jan 31 2020 17:24:03: %ASA-4-402119: IPSEC", "%ASA-4-402119: IPSEC", "", "", "Jan 31 2020 17:24:03"),
            (
                "<191>Aug  1 14:01:20 abc-asa1: %ASA-6-302013: Built",
                "%ASA-6-302013: Built",
                "abc-asa1",
                "",
                "Aug  1 14:01:20",
            ),
            (
                "<166>2018-06-27T12:17:46Z asa : %ASA-3-710003: TCP",
                "%ASA-3-710003: TCP",
                "asa",
                "",
                "2018-06-27T12:17:46Z",
            ),
            ("Aug 02 2010 10:36:14 PDT fw : %FWSM-6-1: x", "%FWSM-6-1: x", "fw", "", "Aug 02 2010 10:36:14 PDT"),
            (
                "<14>1 2020-10-09T18:39:02-04:00 fw.example - - - - 1,2020/10/09",
                "1,2020/10/09",
                "fw.example",
                "-",
                "2020-10-09T18:39:02-04:00",
            ),
            (
                "<134>1 2022-01-18T11:01:53.520Z c1 LEEF:2.0|V|P|V|E|^|src=192.0.2.0^dst=x",
                "LEEF:2.0|V|P|V|E|^|src=192.0.2.0^dst=x",
                "c1",
                "",
                "2022-01-18T11:01:53.520Z",
            ),
            (
                "<14>1 2024-03-05T10:15:30.123+01:00 srx RT_FLOW - CLOSE [junos@2636 a=\"b]c\"]",
                "[junos@2636 a=\"b]c\"]",
                "srx",
                "RT_FLOW",
                "2024-03-05T10:15:30.123+01:00",
            ),
            (
                "<14>1 2024-03-05T10:15:30Z h app 1 ID [x@1 a=\"b\"][y@1 c=\"d\"] text",
                "text",
                "h",
                "app",
                "2024-03-05T10:15:30Z",
            ),
            ("83 <40>Dec 21 07:49:02 h squid: 1196341497.777 x", "1196341497.777 x", "h", "squid", "Dec 21 07:49:02"),
            (
                "<134>1 1709633730.412345678 MX01 urls src=192.0.2.10:50100",
                "urls src=192.0.2.10:50100",
                "MX01",
                "",
                "1709633730.412345678",
            ),
            (
                "Mar  5 10:15:31 relay 1 1709633730.412345678 MX01 urls src=x",
                "urls src=x",
                "MX01",
                "",
                "1709633730.412345678",
            ),
            (
                "2010-08-11 08:33:40\tLocal4.Info\t192.0.2.2\tAug 11 2009 11:28:02: %FWSM-6-302013: B",
                "%FWSM-6-302013: B",
                "192.0.2.2",
                "",
                "Aug 11 2009 11:28:02",
            ),
            (
                "2010-08-11 08:33:40    Local4.Info\t192.0.2.2\tAug 11 2009 11:28:02: %FWSM-6-302013: B",
                "%FWSM-6-302013: B",
                "192.0.2.2",
                "",
                "Aug 11 2009 11:28:02",
            ),
            (
                "192.0.2.2:514 : local4.info Aug 02 2010 10:36:14: %FWSM-6-305011: B",
                "%FWSM-6-305011: B",
                "",
                "",
                "Aug 02 2010 10:36:14",
            ),
            (
                "2024 Mar 05 10:15:30 192.0.2.1->192.0.2.2 %ASA-6-1: x",
                "%ASA-6-1: x",
                "192.0.2.1->192.0.2.2",
                "",
                "2024 Mar 05 10:15:30",
            ),
            (
                "Sep 23 13:54:55 relay rt: 2017-09-23T13:54:54Z dev1 %ASA-6-1: x",
                "%ASA-6-1: x",
                "dev1",
                "",
                "2017-09-23T13:54:54Z",
            ),
            (
                "Mon Oct 02 16:21:40 UTC 2017 zscaler-nss: LEEF:1.0|Z|N|4|NA|a=b",
                "LEEF:1.0|Z|N|4|NA|a=b",
                "",
                "zscaler-nss",
                "Mon Oct 02 16:21:40 UTC 2017",
            ),
            ("Mar  5 10:15:30 fw CEF: 0|Check Point|x", "CEF: 0|Check Point|x", "fw", "", "Mar  5 10:15:30"),
            ("Jan 28 01:28:35 1,2014/01/28 01:28:35,0072", "1,2014/01/28 01:28:35,0072", "", "", "Jan 28 01:28:35"),
            (
                "Aug 18 12:30:46 10.8.24.10 #Fields: date time",
                "#Fields: date time",
                "10.8.24.10",
                "",
                "Aug 18 12:30:46",
            ),
            (
                "Aug 18 12:30:46 10.8.24.10 2016-08-18 05:30:54 12 192.0.2.1#015",
                "2016-08-18 05:30:54 12 192.0.2.1",
                "10.8.24.10",
                "",
                "Aug 18 12:30:46",
            ),
            (
                "2023-04-05T19:56:42.387000Z  waf01 TR 1.1.1.1 80",
                "TR 1.1.1.1 80",
                "waf01",
                "",
                "2023-04-05T19:56:42.387000Z",
            ),
        ];
        for (line, body, host, tag, time) in rows {
            let (header, found) = strip(line.as_bytes());
            assert_eq!(String::from_utf8_lossy(found), body, "{line}");
            let said = [header.host, header.tag, header.time].map(String::from_utf8_lossy);
            assert_eq!(said, [host, tag, time], "{line}");
            assert!(header.seen, "{line}");
        }
    }

    #[test]
    fn records_without_a_header_are_left_alone() {
        let rows = [
            "1709633730.412     96 192.0.2.10 TCP_TUNNEL/200 5120 CONNECT x:443 - HIER_DIRECT/203.0.113.20 -",
            "1,2024/03/05 10:15:42,0123,TRAFFIC,end",
            "2024-03-05 10:15:30 184 192.0.2.10 jdoe",
            "date=2024-03-05 time=11:15:30 devname=\"fw01\"",
            "CEF:0|Vendor|Product|1|2|3|4|src=192.0.2.1",
            "%ASA-6-302013: Built outbound",
            "192.0.2.10 - jdoe [05/Mar/2024:10:15:30 +0100] \"GET / HTTP/1.1\" 200 5120 TCP_TUNNEL:HIER_DIRECT",
            "",
            "<",
            "<999999>x",
            "Marble 5 10",
        ];
        for line in rows {
            let (header, body) = strip(line.as_bytes());
            assert_eq!(String::from_utf8_lossy(body), line);
            assert!(!header.seen, "{line}");
        }
    }
}
