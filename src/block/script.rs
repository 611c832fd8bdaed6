//! Reads the service's own scripts: strictly where their form is known, tolerantly where only the appliance's language
//! is, and compares what they block with the verdict.
//!
//! The seven do not block the same: 102 and 120 take the names below, 135 takes the exact host only. What was fetched is
//! never changed; this only judges it.

use super::name::{self, Reading};
use super::verdict::Scope;
use std::collections::BTreeSet;

/// A host in a script, or a line that is none of the language's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'t> {
    /// The text that names a host, unchecked; or the line that is not understood.
    pub host: Result<&'t str, &'t str>,
    /// What the script means by it.
    pub scope: Option<Scope>,
    /// The line, from one.
    pub line: u32,
}

/// What a script says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What makes it unfit for use.
    pub faults: Vec<String>,
    /// Lines that were not understood, in the formats whose form is not known.
    pub unknown: Vec<u32>,
    /// The hosts it blocks, clean.
    pub hosts: BTreeSet<String>,
    /// Hosts of the verdict that it misses.
    pub missing: Vec<String>,
    /// Hosts it blocks that the verdict does not have.
    pub extra: Vec<String>,
}

/// Whether the form of a script is known well enough to refuse every other line.
pub fn is_strict(format: u16) -> bool {
    matches!(format, 102 | 120 | 135)
}

/// The number of the official script that a text looks like. The plain list of 120 reads as a list of domains.
pub fn recognise(text: &str) -> Option<u16> {
    const STARTS: [(&str, u16); 13] = [
        ("url.domain=", 102),
        ("dest_host=", 135),
        ("dest_domain=", 135),
        ("regex ", 104),
        ("object network ", 104),
        ("dynamic-filter ", 104),
        ("class-map ", 104),
        ("config webfilter ", 108),
        ("config firewall ", 108),
        ("set profiles ", 112),
        ("set shared profiles ", 112),
        ("set device-group ", 112),
        ("set security ", 129),
    ];
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', '!', ';']))?;
    STARTS.iter().find(|(start, _)| first.starts_with(start)).map(|(_, format)| *format)
}

/// The hosts of a script.
pub fn extract(format: u16, text: &str) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        let mut add = |host, scope| found.push(Found { host, scope, line: number });
        match format {
            102 => match trimmed.strip_prefix("url.domain=").and_then(|rest| rest.strip_suffix(" deny")) {
                Some(host) => add(Ok(host), Some(Scope::Subtree)),
                None => add(Err(trimmed), None),
            },
            135 => match trimmed.strip_prefix("dest_host=").and_then(|rest| rest.strip_suffix(" action=deny")) {
                Some(host) => add(Ok(host), Some(Scope::Exact)),
                None => add(Err(trimmed), None),
            },
            120 => match trimmed.strip_prefix('.') {
                Some(host) => add(Ok(host), Some(Scope::Subtree)),
                None => add(Ok(trimmed), Some(Scope::Exact)),
            },
            _ => tolerant(format, trimmed, &mut add),
        }
    }
    found
}

type Add<'a, 't> = dyn FnMut(Result<&'t str, &'t str>, Option<Scope>) + 'a;

/// Known shapes of the languages whose scripts nobody published.
fn tolerant<'t>(format: u16, line: &'t str, add: &mut Add<'_, 't>) {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let quoted = |text: &'t str| text.trim_matches('"');
    let starts = |known: &[&str]| words.first().is_some_and(|first| known.contains(first));
    match (format, words.as_slice()) {
        (104, ["regex", _, expression]) => match expression_host(quoted(expression)) {
            Some((host, scope)) => add(Ok(host), Some(scope)),
            None => add(Err(line), None),
        },
        (104, ["fqdn", host] | ["fqdn", "v4" | "v6", host]) => add(Ok(host), Some(Scope::Exact)),
        (104, ["host", address] | ["address", address, ..]) => add(Ok(address), None),
        (104, ["name", host]) => add(Ok(host), None),
        (104, _) => {
            const KNOWN: &[&str] = &[
                "!",
                "class-map",
                "match",
                "policy-map",
                "class",
                "reset",
                "drop-connection",
                "object",
                "object-group",
                "network-object",
                "access-list",
                "dynamic-filter",
                "parameters",
                "exit",
                "end",
                "description",
            ];
            if !starts(KNOWN) && !line.starts_with('!') {
                add(Err(line), None);
            }
        }
        (108, ["set", "url" | "fqdn" | "wildcard-fqdn", host]) => add(Ok(quoted(host)), None),
        (108, _) => {
            if !starts(&["config", "edit", "set", "next", "end", "unset", "delete"]) && !line.starts_with('#') {
                add(Err(line), None);
            }
        }
        (112, ["set", ..]) if words.contains(&"list") => {
            let members = words.iter().skip_while(|word| **word != "list").skip(1);
            for member in members.filter(|word| !matches!(**word, "[" | "]")) {
                add(Ok(quoted(member).trim_end_matches('/')), None);
            }
        }
        (129, ["set", "security", .., "value" | "dns-name", host])
            if line.contains("url-pattern") || line.contains("dns-name") =>
        {
            add(Ok(quoted(host)), None);
        }
        (129, ["set", "security", "address-book", .., address]) if address.parse::<ipnet::IpNet>().is_ok() => {
            add(Ok(address), None);
        }
        (112 | 129, ["set", ..]) => {}
        _ if line.starts_with(['#', '!']) => {}
        _ => add(Err(line), None),
    }
}

/// The host in a regular expression that has nothing but one in it.
fn expression_host(expression: &str) -> Option<(&str, Scope)> {
    let (rest, scope) = match expression {
        e if e.starts_with("(^|\\.)") => (&e[6..], Scope::Subtree),
        e if e.starts_with("\\.") => (&e[2..], Scope::Below),
        e if e.starts_with('^') => (&e[1..], Scope::Exact),
        e => (e, Scope::Subtree),
    };
    let rest = rest.strip_suffix('$').unwrap_or(rest);
    // The escapes stay in: a clean name has none, and `host_of` takes them out.
    (!rest.is_empty() && !rest.contains(['(', ')', '[', ']', '*', '+', '?', '|', '{', '}'])).then_some((rest, scope))
}

/// A clean host from the text of a script.
fn host_of(format: u16, text: &str) -> Result<String, &'static str> {
    let text = if format == 104 { text.replace("\\.", ".") } else { text.to_owned() };
    let clean = name::clean(&text, Reading { underscores: true, ..Reading::default() })?;
    Ok(clean.value.into())
}

const SHOWN: usize = 5;

/// Judges a fetched script; `verdict` is the verdict's domains, where the service gave them.
pub fn judge(format: u16, bytes: &[u8], verdict: Option<&[String]>) -> Judgement {
    let mut judgement = Judgement::default();
    let mut fault = |text: String| judgement.faults.push(text);
    let text = String::from_utf8_lossy(bytes);
    let start = text.trim_start().to_ascii_lowercase();
    if start.starts_with("<!doctype") || start.starts_with("<html") {
        fault("it is a web page, not a script: the sign-in page, most likely".to_owned());
        return judgement;
    }
    if start.starts_with('{') {
        fault("it is JSON, not a script: an error, most likely".to_owned());
        return judgement;
    }
    if bytes.iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t')) {
        fault("it holds control characters".to_owned());
    }
    let mut bad = Vec::new();
    for found in extract(format, &text) {
        let host = found.host.map_err(|line| (line, "the line is not of its language"));
        match host.and_then(|host| host_of(format, host).map_err(|why| (host, why))) {
            Ok(host) => {
                judgement.hosts.insert(host);
            }
            Err(_) if found.host.is_err() && !is_strict(format) => judgement.unknown.push(found.line),
            Err((text, why)) => bad.push(format!("line {}: {text:?}: {why}", found.line)),
        }
    }
    let more = bad.len().saturating_sub(SHOWN);
    judgement.faults.extend(bad.into_iter().take(SHOWN));
    if more > 0 {
        judgement.faults.push(format!("and {more} more lines"));
    }
    if let Some(verdict) = verdict {
        let wanted: BTreeSet<String> = verdict.iter().filter_map(|text| host_of(0, text).ok()).collect();
        judgement.missing = wanted.difference(&judgement.hosts).cloned().collect();
        judgement.extra = judgement.hosts.difference(&wanted).cloned().collect();
        if judgement.hosts.is_empty() && !wanted.is_empty() {
            judgement.faults.push(format!("it is empty, and the verdict has {} domains", wanted.len()));
        }
    }
    judgement
}

#[cfg(test)]
mod tests {
    use super::super::official::{OFFICIAL, render};
    use super::*;

    const DOMAINS: [&str; 3] = ["a.example", "b-c.example.net", "xn--bcher-kva.example"];

    fn strings(domains: &[&str]) -> Vec<String> {
        domains.iter().map(|domain| (*domain).to_owned()).collect()
    }

    #[test]
    fn what_the_service_writes_reads_back_to_the_verdict_in_all_seven_formats() {
        for official in OFFICIAL {
            let text = render(official.format, DOMAINS.into_iter()).unwrap();
            let judgement = judge(official.format, text.as_bytes(), Some(&strings(&DOMAINS)));
            assert_eq!(judgement.faults, Vec::<String>::new(), "{}", official.name);
            assert!(judgement.missing.is_empty() && judgement.extra.is_empty(), "{}: {judgement:?}", official.name);
            assert!(judgement.unknown.is_empty(), "{}", official.name);
            assert!(official.format == 120 || recognise(&text) == Some(official.format), "{}", official.name);
        }
    }

    #[test]
    fn a_script_that_misses_or_adds_a_domain_is_found_out() {
        for official in OFFICIAL {
            let text = render(official.format, ["a.example", "evil.example"].into_iter()).unwrap();
            let judgement = judge(official.format, text.as_bytes(), Some(&strings(&DOMAINS)));
            assert_eq!(judgement.missing, ["b-c.example.net", "xn--bcher-kva.example"], "{}", official.name);
            assert_eq!(judgement.extra, ["evil.example"], "{}", official.name);
        }
    }

    #[test]
    fn strict_formats_refuse_any_other_line_and_the_others_count_it() {
        for official in OFFICIAL {
            let text = render(official.format, DOMAINS.into_iter()).unwrap() + "some nonsense here\n";
            let judgement = judge(official.format, text.as_bytes(), None);
            if is_strict(official.format) {
                assert_eq!(judgement.faults.len(), 1, "{}", official.name);
            } else {
                assert_eq!((judgement.faults.len(), judgement.unknown.len()), (0, 1), "{}", official.name);
            }
        }
    }

    #[test]
    fn what_is_no_script_at_all_is_said_so() {
        let rows: [(&[u8], &str); 5] = [
            (b"<!DOCTYPE html><title>Sign in</title>", "web page"),
            (b"{\"error\":true}", "JSON"),
            (b"url.domain=a.example deny\n\x00", "control"),
            (b"url.domain=a.exa", "not of its language"),
            (b"", "empty"),
        ];
        for (bytes, expected) in rows {
            let judgement = judge(102, bytes, Some(&strings(&DOMAINS)));
            assert!(judgement.faults.iter().any(|fault| fault.contains(expected)), "{judgement:?}");
        }
    }

    #[test]
    fn mixed_case_and_names_below_occur_in_real_scripts() {
        let judgement =
            judge(120, b".Logz.io\r\n.files.Example.org\r\n", Some(&strings(&["logz.io", "files.example.org"])));
        assert!(judgement.faults.is_empty() && judgement.missing.is_empty() && judgement.extra.is_empty());
    }

    #[test]
    fn other_shapes_of_the_unpublished_languages_are_recognised() {
        let rows: [(u16, &str, &[&str]); 4] = [
            (
                104,
                "object network x\n fqdn v4 a.example\ndynamic-filter blacklist\n name b.example\n",
                &["a.example", "b.example"],
            ),
            (
                108,
                "config firewall address\nedit \"x\"\nset type fqdn\nset fqdn \"a.example\"\nnext\nend\n",
                &["a.example"],
            ),
            (112, "set shared profiles custom-url-category x list [ a.example/ *.a.example/ ]\n", &["a.example"]),
            (129, "set security address-book global address x dns-name a.example\n", &["a.example"]),
        ];
        for (format, text, hosts) in rows {
            let judgement = judge(format, text.as_bytes(), None);
            assert_eq!(judgement.hosts.iter().collect::<Vec<_>>(), hosts, "{format}");
            assert!(judgement.unknown.is_empty() && judgement.faults.is_empty(), "{judgement:?}");
        }
    }
}
