//! The normalised transaction, and the values it is made of: the same for every log type.

use super::scan::{find, prefix};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
#[inline]
pub fn number(text: &[u8]) -> Option<u64> {
    match text.len() {
        1..=8 => digits(text),
        9..=19 => {
            let (rest, eight) = text.split_at(text.len() - 8);
            let low = digits(eight)?;
            let (top, middle) = rest.split_at(rest.len().saturating_sub(8));
            let high = if top.is_empty() { 0 } else { digits(top)? };
            Some((high * 100_000_000 + digits(middle)?) * 100_000_000 + low)
        }
        _ => None,
    }
}

/// One to eight digits.
#[inline]
fn digits(text: &[u8]) -> Option<u64> {
    let empty = 64 - 8 * text.len() as u32;
    joined((prefix(text) ^ (ZEROS >> empty)) << empty)
}

/// Eight times the digit zero.
pub(super) const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Eight figures as a number, all at once; the lowest byte is the first: neighbours are joined to twos, twos to fours,
/// fours to eights. None if one is above nine.
#[inline]
pub(super) fn joined(figures: u64) -> Option<u64> {
    // A byte above nine sets the highest bit of its own or already has it.
    if (figures.wrapping_add(0x7676_7676_7676_7676) | figures) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let twos = (figures.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// A port: a number that fits one.
#[inline]
pub fn port(text: &[u8]) -> Option<u16> {
    if text.is_empty() {
        return None;
    }
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
    if let Some(v6) = ipv6(text) {
        return Some(IpAddr::V6(v6).to_canonical());
    }
    // With an IPv4 address at its end, or none at all.
    let v6: Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(IpAddr::V6(v6).to_canonical())
}

/// Eight groups of up to four hexadecimal digits; one run of zeros may be left out.
fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let (mut groups, mut count, mut gap) = ([0_u16; 8], 0, None);
    let mut at = 0;
    if text.starts_with(b"::") {
        (at, gap) = (2, Some(0));
    }
    while at < text.len() {
        let (mut value, start) = (0_u32, at);
        while let Some(digit) = text.get(at).and_then(|c| char::from(*c).to_digit(16)) {
            (value, at) = (value << 4 | digit, at + 1);
            if at - start > 4 {
                return None;
            }
        }
        if at == start {
            return None;
        }
        *groups.get_mut(count)? = value as u16;
        count += 1;
        match text.get(at..at + 2) {
            Some(b"::") if gap.is_none() => (gap, at) = (Some(count), at + 2),
            Some([b':', _]) => at += 1,
            // One character may be left: not a group with a colon in front of it.
            _ if at == text.len() => {}
            _ => return None,
        }
    }
    match gap {
        None => (count == 8).then(|| Ipv6Addr::from(groups)),
        Some(gap) if count < 8 => {
            groups.copy_within(gap..count, 8 - (count - gap));
            groups[gap..8 - (count - gap)].fill(0);
            Some(Ipv6Addr::from(groups))
        }
        Some(_) => None,
    }
}

#[inline]
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let length = text.len();
    if !(7..=15).contains(&length) {
        return None;
    }
    // A dot behind the last octet as well.
    let mut dotted = [b'.'; 16];
    if length < 8 {
        lay::<4>(text, &mut dotted)?
    } else {
        lay::<8>(text, &mut dotted)?
    }
    let (first, at) = octet(&dotted, 0)?;
    let (second, at) = octet(&dotted, at)?;
    let (third, at) = octet(&dotted, at)?;
    let (fourth, at) = octet(&dotted, at)?;
    (at == length + 1).then(|| Ipv4Addr::new(first, second, third, fourth))
}

/// Copies a text of up to twice `HALF` bytes, no fewer than `HALF`, in two moves that may overlap.
#[inline(always)]
fn lay<const HALF: usize>(text: &[u8], into: &mut [u8; 16]) -> Option<()> {
    let (first, last) = (text.first_chunk::<HALF>()?, text.last_chunk::<HALF>()?);
    *into.first_chunk_mut()? = *first;
    *into.get_mut(text.len() - HALF..)?.first_chunk_mut()? = *last;
    Some(())
}

/// The octet at `at`, and where the next one starts, behind a dot.
#[inline(always)]
fn octet(text: &[u8; 16], at: usize) -> Option<(u8, usize)> {
    const DOT: u8 = b'.'.wrapping_sub(b'0');
    // An address has no more than sixteen bytes: nothing is missed by starting over behind them.
    let digit = |at: usize| text[at % 16].wrapping_sub(b'0');
    let first = digit(at);
    if first > 9 {
        return None;
    }
    let second = digit(at + 1);
    if second == DOT {
        return Some((first, at + 2));
    }
    // A leading zero means octal to some and decimal to others: not an address.
    if second > 9 || first == 0 {
        return None;
    }
    let two = first * 10 + second;
    let third = digit(at + 2);
    if third == DOT {
        return Some((two, at + 3));
    }
    let three = u32::from(two) * 10 + u32::from(third);
    if third > 9 || three > 255 || digit(at + 3) != DOT {
        return None;
    }
    Some((three as u8, at + 4))
}

/// A value, unless it is empty or a placeholder for nothing.
#[inline]
pub fn present(text: &[u8]) -> Option<&[u8]> {
    // The words for nothing begin with one of these.
    match text.first()? {
        b'-' | b'N' | b'n' | b'(' => named(text),
        _ => Some(text),
    }
}

#[inline(never)]
fn named(text: &[u8]) -> Option<&[u8]> {
    let nothing = match text.len() {
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
#[inline]
pub(super) fn somebody(text: &[u8]) -> Option<&[u8]> {
    let text = present(text)?;
    // The first letters of the words above, and a bracket.
    if !matches!(text.first()? | 0x20, b'a' | b'n' | b'u' | b'[' | b'{') {
        return Some(text);
    }
    let nobody = NOBODY.iter().any(|word| word.len() == text.len() && text.eq_ignore_ascii_case(word.as_bytes()));
    (!nobody).then_some(text)
}

/// Host and port of a URL, of `host:port`, or of a bare host.
pub fn host_and_port(url: &[u8]) -> (Option<&[u8]>, Option<u16>) {
    let mut rest = url;
    let mut end = find(rest, 0, ENDS);
    // A scheme is letters, digits, `+`, `-`, `.`; the colon of `host:port` has no slashes behind it.
    let in_scheme = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.');
    if let Some(behind) = rest[end..].strip_prefix(b"://")
        && url[..end].iter().all(in_scheme)
    {
        rest = behind;
        end = find(rest, 0, ENDS);
    }
    // Nearly always the first of these ends the host, or a port and one more do.
    let (host, port) = match rest.get(end) {
        None | Some(b'/' | b'?' | b'#') => (&rest[..end], None),
        Some(b':') => {
            let behind = &rest[end + 1..];
            let length = behind.iter().take(PORT).take_while(|c| c.is_ascii_digit()).count();
            match behind.get(length) {
                None | Some(b'/' | b'?' | b'#') => (&rest[..end], port(&behind[..length])),
                Some(_) => authority(rest),
            }
        }
        Some(_) => authority(rest),
    };
    (present(host), port)
}

/// What ends a host, or tells that it has more about it than a port.
const ENDS: [u8; 6] = *b":/?#@[";
/// Digits of the longest port.
const PORT: usize = 5;

/// Host and port out of what may have a user, brackets or several colons in it.
#[cold]
fn authority(rest: &[u8]) -> (&[u8], Option<u16>) {
    let authority = &rest[..find(rest, 0, *b"/?#")];
    let authority = match memchr::memrchr(b'@', authority) {
        Some(at) => &authority[at + 1..],
        None => authority,
    };
    if authority.starts_with(b"[") {
        let close = authority.iter().position(|c| *c == b']').unwrap_or(authority.len() - 1);
        let digits = authority.get(close + 1..).and_then(|rest| rest.strip_prefix(b":"));
        return (&authority[1..close.max(1)], digits.and_then(port));
    }
    match authority.split_at_checked(find(authority, 0, [b':']) + 1) {
        None => (authority, None),
        // More than one colon without brackets: a bare IPv6 address.
        Some((_, more)) if more.contains(&b':') => (authority, None),
        Some((host, digits)) => (&host[..host.len() - 1], port(digits)),
    }
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
        // What is made of the pieces of addresses, right or wrong.
        let pieces = ["1", "abcd", "0", "12345", "g", "", "192.0.2.1", "FFFF"];
        let mut dice = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..dice % 10 {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(dice >> 33) as usize % pieces.len()]);
                text.push_str([":", ":", ":", "::", "."][(dice >> 40) as usize % 5]);
            }
            dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15).rotate_left(9);
            for text in [text.as_str(), text.strip_suffix(':').unwrap_or(&text)] {
                let expected = text.parse().ok().map(|ip: IpAddr| ip.to_canonical());
                assert_eq!(address(text.as_bytes()), expected, "{text}");
            }
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
