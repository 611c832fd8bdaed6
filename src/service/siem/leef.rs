//! `LEEF:2.0|vendor|product|version|event id|^|key=value^key=value`.
//!
//! LEEF knows no escape: what would end a field, a header or a line becomes a blank, and in an address what may be
//! percent-encoded is. The separator is `^` and not the usual tab, since syslog daemons write control characters as
//! `#011`.

use super::{Event, PRODUCT, VENDOR, VERSION, breaks, cut};

/// The longest value.
const VALUE: usize = 4000;

fn value(text: &str) -> String {
    cut(text.trim(), VALUE).chars().map(|c| if c == '^' || breaks(c) { ' ' } else { c }).collect()
}

pub(super) fn line(event: &Event) -> String {
    let alert = &event.alert;
    // The one header field that is not ours is a number.
    let mut line = format!("LEEF:2.0|{VENDOR}|{PRODUCT}|{VERSION}|{}|^|", event.class());
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    // Digits without a devTimeFormat are milliseconds.
    let pairs = [
        ("devTime", number(event.at)),
        ("sev", number(event.severity.map(i64::from))),
        ("name", alert.title.clone()),
        ("alertId", alert.id.clone()),
        ("usrName", event.users.clone()),
        ("src", event.addresses.first().map(ToString::to_string).unwrap_or_default()),
        ("service", event.services.clone()),
        ("policy", event.policies.clone()),
        ("status", alert.status.clone()),
        ("resolution", alert.resolution.clone()),
        ("threatScore", number(event.score)),
        ("url", alert.url.replace('^', "%5E")),
        ("msg", alert.description.clone()),
    ];
    let written = pairs.iter().filter(|(_, text)| !text.trim().is_empty());
    line.push_str(&written.map(|(key, text)| format!("{key}={}", value(text))).collect::<Vec<_>>().join("^"));
    line
}

#[cfg(test)]
mod tests {
    use super::super::tests::hostile;
    use super::*;

    #[test]
    fn no_value_holds_a_separator_or_a_line_end() {
        let line = line(&Event::from(&hostile()));
        let text = r"a|b\c=d   suser=root  <0>1 CEF:0|x LEEF:2.0|  end";
        let expected = format!(
            "LEEF:2.0|Microsoft|Defender for Cloud Apps|v1|15859716|^|devTime=1735900000000^sev=9^name={text}^\
             alertId=64b0c0ffee0123456789abcd^usrName={text}, Bob^src=192.0.2.7^service=Office 365^policy=p^status=unread^\
             resolution=open^threatScore=12^url=https://contoso.example/?a=b%5Ec|d^msg={text}"
        );
        assert_eq!(line, expected);
    }
}
