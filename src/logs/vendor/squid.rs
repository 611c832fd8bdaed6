//! Squid (access.log), native format: <https://wiki.squid-cache.org/Features/LogFormat>.
//!
//! `time elapsed client result/status bytes method url user hierarchy/peer type`, blanks in any number. The bytes are
//! those sent to the client; what the client sent is not in the line. The time is UTC in seconds with milliseconds. A
//! `CONNECT` names `host:port` instead of a URL.

use crate::logs::record::{address, host_and_port, number, present};
use crate::logs::{Action, Format, Line, Record};

pub(super) const FORMATS: &[Format] =
    &[Format { log_type: "SQUID_NATIVE", id: 155, product: "Squid (native)", parse: native }];

fn native<'l>(line: &'l [u8], into: &mut Record<'l>) -> Line {
    let mut words = line.split(|c| *c == b' ' || *c == b'\t').filter(|word| !word.is_empty());
    let mut fields = [&b""[..]; 9];
    for field in &mut fields {
        let Some(word) = words.next() else { return Line::Reject("fewer fields than the native format has") };
        *field = word;
    }
    let [time, elapsed, client, result, bytes, _method, url, user, peer] = fields;
    let Some(time) = epoch(time) else { return Line::Reject("the first field is not a time") };
    if number(elapsed.strip_prefix(b"-").unwrap_or(elapsed)).is_none() {
        return Line::Reject("the second field is not a duration");
    }
    let Some(slash) = result.iter().position(|c| *c == b'/') else {
        return Line::Reject("the fourth field is not a result and a status");
    };
    let Some(bytes) = number(bytes) else { return Line::Reject("the fifth field is not a number of bytes") };
    let (host, port) = host_and_port(url);
    into.time = Some(time);
    into.src_ip = address(client);
    into.user = present(user);
    into.host = host;
    into.url = present(url);
    into.dst_ip = peer.iter().position(|c| *c == b'/').and_then(|at| address(&peer[at + 1..]));
    into.dst_port = port;
    into.bytes_down = Some(bytes);
    let (result, status) = (&result[..slash], &result[slash + 1..]);
    let denied = result.windows(6).any(|six| six == b"DENIED") || status == b"403";
    into.action = Some(if denied { Action::Blocked } else { Action::Allowed });
    Line::Record
}

/// `1700000000.123` in microseconds.
fn epoch(text: &[u8]) -> Option<i64> {
    let dot = text.iter().position(|c| *c == b'.')?;
    let (seconds, millis) = (number(&text[..dot])?, &text[dot + 1..]);
    if !(9..=11).contains(&dot) || millis.len() != 3 {
        return None;
    }
    i64::try_from(seconds * 1_000_000 + number(millis)? * 1_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "1795190400.123    87 192.0.2.10 TCP_TUNNEL/200 4321 CONNECT www.dropbox.com:443 ann HIER_DIRECT/203.0.113.5 -";

    fn parse(line: &str) -> (Line, Record<'_>) {
        let mut record = Record::default();
        (FORMATS[0].line(line.as_bytes(), &mut record), record)
    }

    #[test]
    fn a_tunnel_gives_every_field_it_has() {
        let (line, record) = parse(GOOD);
        assert_eq!(line, Line::Record);
        assert_eq!(record.time, Some(1_795_190_400_123_000));
        assert_eq!(record.host, Some(&b"www.dropbox.com"[..]));
        assert_eq!((record.dst_port, record.bytes_down, record.bytes_up), (Some(443), Some(4321), None));
        assert_eq!((record.user, record.action), (Some(&b"ann"[..]), Some(Action::Allowed)));
        assert_eq!(record.dst_ip, address(b"203.0.113.5"));
    }

    #[test]
    fn denials_are_blocked_and_other_lines_are_not_errors() {
        let denied = GOOD.replace("TCP_TUNNEL/200", "TCP_DENIED/407");
        let (_, record) = parse(&denied);
        assert_eq!(record.action, Some(Action::Blocked));
        assert_eq!(parse("").0, Line::Other);
        assert_eq!(parse("# comment").0, Line::Other);
        assert!(matches!(
            parse("Nov 23 10:00:00 host sshd[1]: Accepted publickey for ann from x port y").0,
            Line::Reject(_)
        ));
    }

    #[test]
    fn no_truncation_of_a_good_line_panics() {
        for end in 0..GOOD.len() {
            parse(&GOOD[..end]);
        }
    }
}
