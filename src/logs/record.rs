//! The normalised transaction, and the values it is made of: the same for every log type.

use super::scan::{find, find3};
use std::net::{IpAddr, Ipv4Addr};

/// What became of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It went through.
    Allowed,
    /// It was refused.
    Blocked,
}

impl Action {
    /// The word of the output.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Allowed => "allowed",
            Action::Blocked => "blocked",
        }
    }
}

/// One transaction; what the line does not say is `None`. Text fields are slices of the line or of the parser's
/// scratch, unchecked bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record<'l> {
    /// Microseconds of the Unix epoch.
    pub time: Option<i64>,
    /// Who opened the connection, before address translation.
    pub src_ip: Option<IpAddr>,
    /// As logged, escapes undone; never a word for nobody.
    pub user: Option<&'l [u8]>,
    /// Host name or address asked for, without port.
    pub host: Option<&'l [u8]>,
    /// As logged, or rebuilt from its parts.
    pub url: Option<&'l [u8]>,
    /// The server's address.
    pub dst_ip: Option<IpAddr>,
    /// If written in the line.
    pub dst_port: Option<u16>,
    /// From the client.
    pub bytes_up: Option<u64>,
    /// To the client.
    pub bytes_down: Option<u64>,
    /// Both ways, where the line gives one figure.
    pub bytes_total: Option<u64>,
    /// What became of it.
    pub action: Option<Action>,
    /// The appliance that wrote the line.
    pub device: Option<&'l [u8]>,
}

impl Record<'_> {
    /// All bytes the line accounts for: the total it gives, or up and down together.
    pub fn bytes(&self) -> u64 {
        let both = self.bytes_up.unwrap_or(0).saturating_add(self.bytes_down.unwrap_or(0));
        self.bytes_total.unwrap_or(both)
    }
}

/// A number written in ASCII digits, nothing else.
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit <= 9).then(|| sum * 10 + u64::from(digit))
    })
}

/// A port: a number that fits one.
pub fn port(text: &[u8]) -> Option<u16> {
    number(text).and_then(|port| u16::try_from(port).ok())
}

/// An address in text form: IPv4, or IPv6 with or without brackets and zone. Mapped IPv4 comes out as IPv4.
pub fn address(text: &[u8]) -> Option<IpAddr> {
    if let Some(v4) = ipv4(text) {
        return Some(IpAddr::V4(v4));
    }
    if text.len() < 2 || text.len() > 64 || !text.contains(&b':') {
        return None;
    }
    let text = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]")).unwrap_or(text);
    let text = text.iter().position(|c| *c == b'%').map_or(text, |zone| &text[..zone]);
    let v6: std::net::Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(IpAddr::V6(v6).to_canonical())
}

fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    if !(7..=15).contains(&text.len()) {
        return None;
    }
    let (mut octets, mut at, mut value, mut digits) = ([0_u8; 4], 0_usize, 0_u32, 0_u32);
    for c in text {
        if *c == b'.' {
            if digits == 0 || at == 3 {
                return None;
            }
            octets[at] = u8::try_from(value).ok()?;
            (at, value, digits) = (at + 1, 0, 0);
            continue;
        }
        let digit = c.wrapping_sub(b'0');
        // A leading zero means octal to some and decimal to others: not an address.
        if digit > 9 || digits == 3 || (digits > 0 && value == 0) {
            return None;
        }
        (value, digits) = (value * 10 + u32::from(digit), digits + 1);
    }
    if at != 3 || digits == 0 {
        return None;
    }
    octets[3] = u8::try_from(value).ok()?;
    Some(Ipv4Addr::from(octets))
}

/// A value, unless it is empty or a placeholder for nothing.
pub fn present(text: &[u8]) -> Option<&[u8]> {
    let nothing = match text.len() {
        0 => true,
        1 => text == b"-",
        2 => text.eq_ignore_ascii_case(b"NA"),
        3 => text.eq_ignore_ascii_case(b"N/A"),
        4 => text.eq_ignore_ascii_case(b"None") || text.eq_ignore_ascii_case(b"NULL"),
        6 => text.eq_ignore_ascii_case(b"(null)"),
        13 => text.eq_ignore_ascii_case(b"Not available"),
        _ => false,
    };
    (!nothing).then_some(text)
}

/// The words that stand for nobody, beyond those of [`present`].
const NOBODY: [&str; 8] = [
    "anonymous",
    "No Authentication Required",
    "Not Found",
    "Unknown",
    "UNDISCLOSED",
    "[ANON]",
    "ANON",
    "unauthenticated",
];

/// A user name, unless it stands for nobody.
pub(super) fn somebody(text: &[u8]) -> Option<&[u8]> {
    let text = present(text)?;
    let nobody = NOBODY.iter().any(|word| word.len() == text.len() && text.eq_ignore_ascii_case(word.as_bytes()));
    (!nobody).then_some(text)
}

/// Host and port of a URL, of `host:port`, or of a bare host.
pub fn host_and_port(url: &[u8]) -> (Option<&[u8]>, Option<u16>) {
    // A scheme is letters, digits, `+`, `-`, `.`; the colon of `host:port` has no slashes behind it.
    let colon = find(url, 0, b':');
    let in_scheme = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.');
    let rest = match url[colon..].strip_prefix(b"://") {
        Some(rest) if url[..colon].iter().all(in_scheme) => rest,
        _ => url,
    };
    let authority = &rest[..find3(rest, 0, *b"/?#")];
    let authority = match find(authority, 0, b'@') {
        at if at < authority.len() => &authority[memchr::memrchr(b'@', authority).unwrap_or(at) + 1..],
        _ => authority,
    };
    let (host, digits) = if authority.starts_with(b"[") {
        let close = authority.iter().position(|c| *c == b']').unwrap_or(authority.len() - 1);
        (&authority[1..close.max(1)], authority.get(close + 1..).and_then(|rest| rest.strip_prefix(b":")))
    } else {
        match authority.split_at_checked(find(authority, 0, b':') + 1) {
            None => (authority, None),
            // More than one colon without brackets: a bare IPv6 address.
            Some((_, more)) if find(more, 0, b':') < more.len() => (authority, None),
            Some((host, digits)) => (&host[..host.len() - 1], Some(digits)),
        }
    };
    (present(host), digits.and_then(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_come_out_of_every_form_of_url() {
        let rows: [(&str, Option<&str>, Option<u16>); 10] = [
            ("http://www.example.com/a?b", Some("www.example.com"), None),
            ("https://u:p@h.example:8443/", Some("h.example"), Some(8443)),
            ("h.example:443", Some("h.example"), Some(443)),
            ("http://[2001:db8::1]:80/x", Some("2001:db8::1"), Some(80)),
            ("http://[", None, None),
            ("-", None, None),
            ("", None, None),
            ("h.example:99999", Some("h.example"), None),
            ("tunnel://h.example:443/", Some("h.example"), Some(443)),
            ("h.example/a?u=http://other.example/", Some("h.example"), None),
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
        assert_eq!((port(b"443"), port(b"77777")), (Some(443), None));
    }

    #[test]
    fn addresses_are_those_the_standard_library_reads() {
        let rows = [
            "192.0.2.1",
            "0.0.0.0",
            "255.255.255.255",
            "256.1.1.1",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1..2.3",
            "x.x.x.x",
            "",
            "1.2.3.4 ",
            "21.259.351.45",
            "2001:db8::10",
            "::",
            "::1",
            "1234",
        ];
        for text in rows {
            assert_eq!(address(text.as_bytes()), text.parse().ok(), "{text}");
        }
        assert_eq!(address(b"[2001:db8::1%eth0]"), "2001:db8::1".parse().ok());
        assert_eq!(address(b"::ffff:192.0.2.1"), "192.0.2.1".parse().ok());
    }

    #[test]
    fn nobody_is_no_user() {
        for text in ["", "-", "N/A", "NA", "none", "NULL", "Not available", "anonymous", "Unknown", "not found"] {
            assert_eq!(somebody(text.as_bytes()), None, "{text}");
        }
        assert_eq!(somebody(b"jdoe"), Some(&b"jdoe"[..]));
    }
}
