//! One entry of a list, from whatever text it came as to a clean host name, address or path: rejected, never escaped.
//!
//! What passes here holds only `a-z 0-9 - .` (and `_`, where allowed), an address, or a path of harmless characters;
//! no appliance's language can read that as anything else. The order of the steps is that of the README.

use super::Scope;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use ipnet::IpNet;
use std::net::IpAddr;

/// How texts that leave something open are read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// What a bare name means.
    pub bare: Scope,
    /// What a leading `*.` means.
    pub star: Scope,
    /// Whether `_` may stand in labels left of the registrable domain.
    pub underscores: bool,
}

impl Default for Reading {
    fn default() -> Reading {
        Reading { bare: Scope::Subtree, star: Scope::Below, underscores: false }
    }
}

/// A clean value with its scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clean {
    /// What of it is meant.
    pub scope: Scope,
    /// A host name as A-labels, `host/path`, or an address or network in its canonical text.
    pub value: Box<str>,
}

const MAX_TEXT: usize = 2_048;
const MAX_PATH: usize = 255;

/// Cleans one text.
///
/// # Errors
/// Why it is refused, as a clause.
pub fn clean(text: &str, reading: Reading) -> Result<Clean, &'static str> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    if text.len() > MAX_TEXT {
        return Err("it is longer than any host name or path");
    }
    if text.is_empty() {
        return Err("it is empty");
    }
    if let Some(network) = network(text)? {
        return Ok(Clean { scope: Scope::Ip, value: network.into() });
    }
    let (text, marked) = unmark(text, reading);
    let (text, had_scheme) = match text
        .split_once(':')
        .and_then(|(scheme, rest)| Some((scheme, rest.strip_prefix("//")?)))
    {
        Some((scheme, rest)) if !scheme.is_empty() && scheme.bytes().all(|c| c.is_ascii_alphanumeric()) => (rest, true),
        _ => (text, false),
    };
    let (text, marked) = match marked {
        Some(_) => (text, marked),
        None => unmark(text, reading),
    };
    let end = text.find(['/', '?', '#', '\\']).unwrap_or(text.len());
    let (authority, tail) = text.split_at(end);
    if tail.starts_with(['?', '#', '\\']) && !had_scheme {
        return Err("it holds a character that no host name has");
    }
    // Without a scheme an `@` is no sign-in name but an attempt at something else.
    let host = if had_scheme { authority.rsplit('@').next().unwrap_or(authority) } else { authority };
    let host = without_port(host);
    let path = path(tail)?;
    if let Some(network) = network(host.trim_start_matches('[').trim_end_matches(']'))? {
        return match (path, marked) {
            ("", None) => Ok(Clean { scope: Scope::Ip, value: network.into() }),
            ("", Some(_)) => Err("an address has no names below it"),
            _ => Err("a path on an address cannot be expressed"),
        };
    }
    let name = host_name(host, reading.underscores)?;
    if path.is_empty() {
        return Ok(Clean { scope: marked.unwrap_or(reading.bare), value: name });
    }
    match marked {
        Some(_) => Err("a path belongs to one host, not to the names below it"),
        None => Ok(Clean { scope: Scope::Path, value: format!("{name}/{path}").into() }),
    }
}

/// Takes one leading mark off: `*.` or `.`.
fn unmark(text: &str, reading: Reading) -> (&str, Option<Scope>) {
    if let Some(rest) = text.strip_prefix("*.") {
        return (rest, Some(reading.star));
    }
    match text.strip_prefix('.') {
        Some(rest) => (rest, Some(Scope::Subtree)),
        None => (text, None),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty()
                && port.len() <= 5
                && port.bytes().all(|c| c.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

/// The canonical text of an address or network; `None` when the text is neither.
fn network(text: &str) -> Result<Option<String>, &'static str> {
    // Names are the many; an address is digits and dots, or has a colon.
    if !text.contains(':') && !text.bytes().all(|c| c.is_ascii_digit() || c == b'.' || c == b'/') {
        return Ok(None);
    }
    let network = match (text.parse::<IpAddr>(), text.parse::<IpNet>()) {
        (Ok(address), _) => IpNet::from(address),
        (_, Ok(network)) => network.trunc(),
        _ => return Ok(None),
    };
    if let IpNet::V6(v6) = network
        && v6.addr().to_ipv4_mapped().is_some()
    {
        return Err("an IPv4 address in IPv6 clothes: write it as IPv4");
    }
    Ok(Some(network_text(&network)))
}

/// An address without a prefix length, a network with it.
pub fn network_text(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() { network.addr().to_string() } else { network.to_string() }
}

/// What of a tail is a path: without its slashes at the ends, query and fragment.
fn path(tail: &str) -> Result<&str, &'static str> {
    let tail = &tail[..tail.find(['?', '#']).unwrap_or(tail.len())];
    let path = tail.trim_start_matches('/').trim_end_matches('/');
    if path.is_empty() {
        return Ok("");
    }
    check_path(path)?;
    Ok(path)
}

/// Whether a path holds nothing that any appliance could read as more than a path.
pub(super) fn check_path(path: &str) -> Result<(), &'static str> {
    if path.len() > MAX_PATH {
        return Err("its path is longer than 255 characters");
    }
    if !path.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'/' | b'-' | b'_' | b'.' | b'~')) {
        return Err("its path holds more than letters, digits and / - _ . ~");
    }
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("its path has an empty or a dotted segment");
    }
    Ok(())
}

/// A host name as checked A-labels in lower case.
pub(super) fn host_name(host: &str, underscores: bool) -> Result<Box<str>, &'static str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let plain = host.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.');
    if plain && !host.contains("xn--") {
        check_name(host, underscores)?;
        return Ok(host.into());
    }
    if host.bytes().any(|c| c.is_ascii_whitespace()) {
        return Err("it holds a blank: one name a line");
    }
    let ascii = to_ascii(host).ok_or("it is no host name by the rules for internationalised names")?;
    check_name(&ascii, underscores)?;
    Ok(ascii.into())
}

/// UTS #46, non-transitional, with every `xn--` label decoded and encoded again.
fn to_ascii(host: &str) -> Option<String> {
    let encode = |text: &str| {
        // Underscores and hyphens are judged by `check_name`, which knows where they may stand.
        let ascii = Uts46::new().to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore);
        ascii.ok().map(std::borrow::Cow::into_owned)
    };
    let ascii = encode(host)?;
    if ascii.contains("xn--") {
        let (unicode, valid) = Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
        if valid.is_err() || encode(&unicode)? != ascii {
            return None;
        }
    }
    Some(ascii)
}

/// The strict grammar of a host name in a block list.
pub(super) fn check_name(name: &str, underscores: bool) -> Result<(), &'static str> {
    if name.len() > 253 {
        return Err("it is longer than 253 characters");
    }
    let mut labels = 0;
    let mut last = "";
    for label in name.split('.') {
        labels += 1;
        last = label;
        if label.is_empty() {
            return Err("it has an empty label");
        }
        if label.len() > 63 {
            return Err("a label of it is longer than 63 characters");
        }
        let bytes = label.as_bytes();
        if bytes[0] == b'-' || bytes[bytes.len() - 1] == b'-' {
            return Err("a label of it begins or ends with a hyphen");
        }
        if !bytes.iter().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_')) {
            return Err("it holds a character that no host name has");
        }
    }
    if labels < 2 {
        return Err("it has one label only: a whole top-level domain, or a local name");
    }
    if last.bytes().all(|c| c.is_ascii_digit()) {
        return Err("its last label is all digits: neither a name nor an address");
    }
    if last.starts_with("rpz-") {
        return Err("its last label means something else in response policy zones");
    }
    if name.contains('_') {
        if !underscores {
            return Err("it holds an underscore; allow these with underscores");
        }
        let registrable = psl::domain_str(name).unwrap_or(name);
        if registrable.contains('_') {
            return Err("an underscore stands in its registrable domain");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Scope, String), &'static str> {
        clean(text, Reading::default()).map(|clean| (clean.scope, clean.value.into()))
    }

    #[test]
    fn every_spelling_becomes_one_clean_value() {
        use Scope::{Below, Ip, Path, Subtree};
        let rows = [
            ("example-storage.com", Subtree, "example-storage.com"),
            (" Example-Storage.COM. ", Subtree, "example-storage.com"),
            (".Logz.io", Subtree, "logz.io"),
            ("*.example-chat.net", Below, "example-chat.net"),
            ("http://*.example-chat.net", Below, "example-chat.net"),
            ("https://user:pw@example.com:8443/?q=1#f", Subtree, "example.com"),
            ("example.com:443", Subtree, "example.com"),
            ("https://example.com/drive/", Path, "example.com/drive"),
            ("example.com/a/B_c~d.e?x", Path, "example.com/a/B_c~d.e"),
            ("bücher.example", Subtree, "xn--bcher-kva.example"),
            ("faß.example", Subtree, "xn--fa-hia.example"),
            ("XN--bcher-kva.example", Subtree, "xn--bcher-kva.example"),
            ("bücher。example", Subtree, "xn--bcher-kva.example"),
            ("192.0.2.10", Ip, "192.0.2.10"),
            ("192.0.2.10/32", Ip, "192.0.2.10"),
            ("192.0.2.77/24", Ip, "192.0.2.0/24"),
            ("http://192.0.2.10:80/", Ip, "192.0.2.10"),
            ("2001:DB8:0::1", Ip, "2001:db8::1"),
            ("2001:db8::1/32", Ip, "2001:db8::/32"),
            ("https://[2001:db8::1]:443/", Ip, "2001:db8::1"),
        ];
        for (text, scope, value) in rows {
            assert_eq!(read(text), Ok((scope, value.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_not_clean_is_refused_and_never_escaped() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = format!("{}example", "abcdefg.".repeat(32));
        let rows = [
            "",
            " ",
            "com",
            "localhost",
            ".",
            "..",
            "*",
            "*.*.example",
            "a..example",
            "a.example..",
            "-a.example",
            "a-.example",
            "a b.example",
            "a.example\ndhcp-script=/bin/sh",
            "a.example\r\n$INCLUDE /etc/passwd",
            "x } } flush ruleset",
            "semi;colon.example",
            "quo\"te.example",
            "back\\slash.example",
            "a.example#b",
            "a#b.example",
            "a@b.example",
            "a.example b.example",
            "/a/b/",
            "a,b.example",
            "a'b.example",
            "$(id).example",
            "`id`.example",
            "a.example\0",
            "32.10.2.0.192.rpz-ip",
            "under_score.example",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "192.0.2.010",
            "::ffff:192.0.2.1",
            "*.192.0.2.1",
            "192.0.2.1/a",
            "*.example.com/a",
            "example.com/a b",
            "example.com/a;b",
            "example.com/a\"",
            "example.com/../a",
            "example.com/a//b",
            "example.com/%0a",
            "xn--a.example",
            "xn--.example",
            "xn--bcher-kva-.example",
            "\u{202e}moc.example",
            "a\u{0}.example",
            "a.example?x",
            "ⓔ xample.com",
            &long_label,
            &long_name,
        ];
        for text in rows {
            assert!(read(text).is_err(), "{text:?} became {:?}", read(text));
        }
    }

    #[test]
    fn underscores_need_the_option_and_stay_left_of_the_registrable_domain() {
        let reading = Reading { underscores: true, ..Reading::default() };
        assert_eq!(&*clean("a_b.example.com", reading).unwrap().value, "a_b.example.com");
        assert!(clean("a_b.com", reading).is_err());
    }

    #[test]
    fn cleaning_is_stable() {
        for text in ["bücher.example", "*.A.example", "example.com/a/b/", "192.0.2.77/24", "2001:db8::1"] {
            let first = clean(text, Reading::default()).unwrap();
            let again = clean(&first.value, Reading { bare: first.scope, ..Reading::default() }).unwrap();
            assert_eq!(first, again, "{text}");
        }
    }
}
