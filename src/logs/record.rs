//! The normalised transaction: the same fields for every log type.

use std::net::IpAddr;

/// What became of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It went through.
    Allowed,
    /// It was refused.
    Blocked,
}

/// One transaction; what the line does not say is `None`. Text fields are slices of the line, unchecked bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record<'l> {
    /// Microseconds of the Unix epoch.
    pub time: Option<i64>,
    /// Who opened the connection.
    pub src_ip: Option<IpAddr>,
    /// As logged.
    pub user: Option<&'l [u8]>,
    /// Host name or address asked for, without port.
    pub host: Option<&'l [u8]>,
    /// As logged.
    pub url: Option<&'l [u8]>,
    /// The server's address.
    pub dst_ip: Option<IpAddr>,
    /// If written in the line.
    pub dst_port: Option<u16>,
    /// From the client.
    pub bytes_up: Option<u64>,
    /// To the client.
    pub bytes_down: Option<u64>,
    /// What became of it.
    pub action: Option<Action>,
}

/// A number written in ASCII digits, nothing else.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit <= 9).then(|| sum * 10 + u64::from(digit))
    })
}

pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A value, unless it is one of the words for nobody or nothing.
pub(super) fn present(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty() && text != b"-").then_some(text)
}

/// Host and port of a URL, of `host:port`, or of a bare host.
pub(super) fn host_and_port(url: &[u8]) -> (Option<&[u8]>, Option<u16>) {
    let rest = match url.windows(3).position(|three| three == b"://") {
        Some(at) => &url[at + 3..],
        None => url,
    };
    let end = rest.iter().position(|c| matches!(c, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let authority = &rest[..end];
    let authority = authority.iter().rposition(|c| *c == b'@').map_or(authority, |at| &authority[at + 1..]);
    let (host, port) = if authority.starts_with(b"[") {
        let close = authority.iter().position(|c| *c == b']').unwrap_or(authority.len() - 1);
        (&authority[1..close.max(1)], authority.get(close + 1..).and_then(|rest| rest.strip_prefix(b":")))
    } else {
        match authority.iter().rposition(|c| *c == b':') {
            Some(at) => (&authority[..at], Some(&authority[at + 1..])),
            None => (authority, None),
        }
    };
    (present(host), port.and_then(number).and_then(|port| u16::try_from(port).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_come_out_of_every_form_of_url() {
        let rows: [(&str, Option<&str>, Option<u16>); 8] = [
            ("http://www.example.com/a?b", Some("www.example.com"), None),
            ("https://u:p@h.example:8443/", Some("h.example"), Some(8443)),
            ("h.example:443", Some("h.example"), Some(443)),
            ("http://[2001:db8::1]:80/x", Some("2001:db8::1"), Some(80)),
            ("http://[", None, None),
            ("-", None, None),
            ("", None, None),
            ("h.example:99999", Some("h.example"), None),
        ];
        for (url, host, port) in rows {
            assert_eq!(host_and_port(url.as_bytes()), (host.map(str::as_bytes), port), "{url}");
        }
    }

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(number(b"1234"), Some(1234));
        for text in [&b""[..], b"-1", b"1.5", b"99999999999999999999"] {
            assert_eq!(number(text), None);
        }
    }
}
