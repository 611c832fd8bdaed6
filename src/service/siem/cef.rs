//! `CEF:0|vendor|product|version|class|name|severity|key=value …`.
//!
//! In the header `\` and `|` are escaped, in values `\`, `=` and line ends; no other control character gets through.
//! Values are cut at the lengths of the CEF dictionary. The labels of the custom strings are those of the vendor's own
//! agent where it had one \[seen in parsers\]: `portalURL`, `policyIDs`.

use super::{Event, PRODUCT, VENDOR, VERSION, breaks, cut};
use std::fmt::Write;
use std::net::IpAddr;

/// The longest name of an event.
const NAME: usize = 512;

fn header(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '|' => safe.extend(['\\', c]),
            c if breaks(c) => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

fn value(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '\\' | '=' => safe.extend(['\\', c]),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            c if breaks(c) => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

pub(super) fn line(event: &Event) -> String {
    let alert = &event.alert;
    let severity = event.severity.map_or_else(|| "Unknown".to_owned(), |severity| severity.to_string());
    let (class, name) = (event.class(), header(cut(&alert.title, NAME)));
    let mut line = format!("CEF:0|{VENDOR}|{PRODUCT}|{VERSION}|{class}|{name}|{severity}|");
    let mut separator = "";
    let mut put = |key: &str, text: &str, most: usize| {
        if !text.trim().is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(line, "{separator}{key}={}", value(cut(text, most)));
            separator = " ";
        }
    };
    let time = event.at.map(|at| at.to_string()).unwrap_or_default();
    put("externalId", &alert.id, 40);
    put("rt", &time, 20);
    put("start", &time, 20);
    put("end", &time, 20);
    put("msg", &alert.description, 1023);
    put("suser", &event.users, 1023);
    put("destinationServiceName", &event.services, 1023);
    if let Some(v4) = event.addresses.iter().find(|address| address.is_ipv4()) {
        put("src", &v4.to_string(), 45);
    }
    if let Some(v6) = event.addresses.iter().find(|address| matches!(address, IpAddr::V6(_))) {
        put("c6a2Label", "Source IPv6 Address", 1023);
        put("c6a2", &v6.to_string(), 45);
    }
    for (number, label, text) in [
        (1, "portalURL", &alert.url),
        (2, "status", &alert.status),
        (3, "resolution", &alert.resolution),
        (4, "policyIDs", &event.policies),
    ] {
        if !text.trim().is_empty() {
            put(&format!("cs{number}Label"), label, 1023);
            put(&format!("cs{number}"), text, 4000);
        }
    }
    if let Some(score) = event.score {
        put("cn1Label", "riskScore", 1023);
        put("cn1", &score.to_string(), 20);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::tests::hostile;
    use super::*;

    #[test]
    fn header_and_values_are_escaped_each_in_its_own_way() {
        let line = line(&Event::from(&hostile()));
        let expected = concat!(
            r"CEF:0|Microsoft|Defender for Cloud Apps|v1|15859716|a\|b\\c=d ^ suser=root  <0>1 CEF:0\|x LEEF:2.0\|  end|9|",
            r"externalId=64b0c0ffee0123456789abcd rt=1735900000000 start=1735900000000 end=1735900000000 ",
            r"msg=a|b\\c\=d ^ suser\=root\r\n<0>1 CEF:0|x LEEF:2.0|  end ",
            r"suser=a|b\\c\=d ^ suser\=root\r\n<0>1 CEF:0|x LEEF:2.0|  end, Bob ",
            r"destinationServiceName=Office 365 src=192.0.2.7 c6a2Label=Source IPv6 Address c6a2=2001:db8::1 ",
            r"cs1Label=portalURL cs1=https://contoso.example/?a\=b^c|d cs2Label=status cs2=unread cs3Label=resolution cs3=open ",
            r"cs4Label=policyIDs cs4=p cn1Label=riskScore cn1=12"
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn an_alert_of_nothing_is_still_an_event() {
        let record = super::super::Record::parse(b"{}").unwrap();
        assert_eq!(line(&Event::from(&record)), "CEF:0|Microsoft|Defender for Cloud Apps|v1|alert||Unknown|");
    }

    #[test]
    fn long_values_end_where_the_dictionary_says_and_before_they_are_escaped() {
        let json = format!(r#"{{"_id":"1","description":"{}"}}"#, "=".repeat(2000));
        let record = super::super::Record::parse(json.as_bytes()).unwrap();
        let line = line(&Event::from(&record));
        assert!(line.ends_with(&r"\=".repeat(1023)) && line.matches(r"\=").count() == 1023, "{line}");
    }
}
