//! Guards: what no block list may take away, unless a person says so for that one entry.
//!
//! The table `protected.csv` holds names; the public suffix list, the kinds of addresses and the configuration's
//! `never_block` add theirs. An objection names the rule and how to override it. Guards look at what an entry *covers*,
//! so an entry that a target can only say more broadly is asked about again in its broader form.

use super::verdict::{Scope, is_below, network};
use ipnet::IpNet;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Names, one a line: `host,protects,rule,why`.
const TABLE: &str = include_str!("protected.csv");

/// Why a guard objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The rule's name.
    pub rule: &'static str,
    /// What would be lost: the protected name, or the kind of address.
    pub touches: Box<str>,
    /// Whether consent to the entry overrides it.
    pub by_consent: bool,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.touches)?;
        match (self.by_consent, self.rule) {
            (true, _) => f.write_str(" (consent to exactly this entry with consent or --consent)"),
            (false, NEVER_BLOCK) => f.write_str(" (take it out of never_block)"),
            (false, EXCEPTION) => f.write_str(" (take it out of exceptions)"),
            (false, _) => f.write_str(" (nothing overrides this)"),
        }
    }
}

const NEVER_BLOCK: &str = "never_block";
const EXCEPTION: &str = "exception";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protects {
    /// The name; names below it may be blocked.
    Name,
    /// The name and every name below it.
    Tree,
}

#[derive(Debug, Clone, Copy)]
struct Rule {
    name: &'static str,
    protects: Protects,
}

/// A million names are looked up, label by label.
type Fast = foldhash::fast::RandomState;

/// The rules in force.
#[derive(Debug, Clone)]
pub struct Guards {
    rules: HashMap<Box<str>, Rule, Fast>,
    /// Names that have a protected name below them, with one such name.
    above: HashMap<Box<str>, Box<str>, Fast>,
    never_networks: Vec<IpNet>,
    consent: HashSet<Box<str>>,
    excepted: HashSet<Box<str>>,
    excepted_networks: Vec<IpNet>,
    asleep: bool,
}

/// The rules of the table: host, what it protects, rule, why.
pub fn table() -> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static str)> {
    TABLE.lines().skip(1).filter_map(|line| {
        let mut cells = line.splitn(4, ',');
        Some((cells.next()?, cells.next()?, cells.next()?, cells.next()?))
    })
}

impl Guards {
    /// No rule at all: for reading back what was guarded before.
    pub fn none() -> Guards {
        Guards {
            rules: HashMap::default(),
            above: HashMap::default(),
            never_networks: Vec::new(),
            consent: HashSet::new(),
            excepted: HashSet::new(),
            excepted_networks: Vec::new(),
            asleep: true,
        }
    }

    /// The rules of the table, with names and networks of the configuration's `never_block`, and the entries that a
    /// person consented to. Both lists are clean values.
    pub fn new<'n>(never_block: impl Iterator<Item = &'n str>, consent: impl Iterator<Item = &'n str>) -> Guards {
        let mut guards = Guards { asleep: false, consent: consent.map(Into::into).collect(), ..Guards::none() };
        for (host, protects, rule, _) in table() {
            let protects = if protects == "tree" { Protects::Tree } else { Protects::Name };
            guards.protect(host, Rule { name: rule, protects });
        }
        for value in never_block {
            match network(value) {
                Some(network) => guards.never_networks.push(network),
                None => guards.protect(value, Rule { name: NEVER_BLOCK, protects: Protects::Tree }),
            }
        }
        guards
    }

    /// The same guards, which also leave out these names with all below them, and what lies in these networks. Unlike
    /// `never_block`, an exception does not keep a broader entry from being blocked.
    #[must_use]
    pub fn except<'n>(mut self, exceptions: impl Iterator<Item = &'n str>) -> Guards {
        for value in exceptions {
            match network(value) {
                Some(network) => self.excepted_networks.push(network),
                None => drop(self.excepted.insert(value.into())),
            }
        }
        self
    }

    /// The exception that an entry lies in.
    fn excepted(&self, value: &str, scope: Scope) -> Option<Objection> {
        let object = |touches: Box<str>| Some(Objection { rule: EXCEPTION, touches, by_consent: false });
        if scope == Scope::Ip {
            let own = network(value)?;
            let around = self.excepted_networks.iter().find(|around| around.contains(&own))?;
            return object(around.to_string().into());
        }
        if self.excepted.contains(value) {
            return object(value.into());
        }
        let mut rest = value.split('/').next().unwrap_or(value);
        loop {
            if self.excepted.contains(rest) {
                return object(rest.into());
            }
            rest = rest.split_once('.')?.1;
        }
    }

    fn protect(&mut self, host: &str, rule: Rule) {
        self.rules.insert(host.into(), rule);
        let mut rest = host;
        while let Some((_, parent)) = rest.split_once('.') {
            self.above.entry(parent.into()).or_insert_with(|| host.into());
            rest = parent;
        }
    }

    /// The objection to an entry, if a guard has one.
    pub fn object(&self, value: &str, scope: Scope) -> Option<Objection> {
        if self.asleep {
            return None;
        }
        let nothing = self.excepted.is_empty() && self.excepted_networks.is_empty();
        if !nothing && let Some(objection) = self.excepted(value, scope) {
            return Some(objection);
        }
        let objection = match scope {
            Scope::Ip => self.object_to_network(value),
            _ => self.object_to_name(value, scope),
        }?;
        (!(objection.by_consent && self.consent.contains(value))).then_some(objection)
    }

    fn object_to_name(&self, value: &str, scope: Scope) -> Option<Objection> {
        let object = |rule: &'static str, touches: &str| {
            Some(Objection { rule, touches: touches.into(), by_consent: rule != NEVER_BLOCK })
        };
        let host = value.split('/').next().unwrap_or(value);
        // The name itself and everything above it: is it inside of something protected?
        let mut rest = host;
        loop {
            if let Some(rule) = self.rules.get(rest) {
                let hit = match rule.protects {
                    Protects::Tree => true,
                    // Single names below stay open to blocking, and so do single paths.
                    Protects::Name => rest == host && scope != Scope::Path,
                };
                if hit {
                    return object(rule.name, rest);
                }
            }
            match rest.split_once('.') {
                Some((_, parent)) => rest = parent,
                None => break,
            }
        }
        if matches!(scope, Scope::Subtree | Scope::Below)
            && let Some(below) = self.above.get(host)
        {
            return object(self.rules.get(below).map_or("protected", |rule| rule.name), below);
        }
        if scope != Scope::Path
            && psl::suffix(host.as_bytes()).is_some_and(|suffix| suffix.as_bytes() == host.as_bytes())
        {
            return object("public suffix", host);
        }
        None
    }

    fn object_to_network(&self, value: &str) -> Option<Objection> {
        let network = network(value)?;
        let object = |rule: &'static str, touches: String, by_consent: bool| {
            Some(Objection { rule, touches: touches.into(), by_consent })
        };
        let overlaps = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
        if let Some(kept) = self.never_networks.iter().find(|kept| overlaps(kept, &network)) {
            return object(NEVER_BLOCK, kept.to_string(), false);
        }
        let widest = if network.max_prefix_len() == 32 { 8 } else { 32 };
        if network.prefix_len() < widest {
            return object("address", format!("a network wider than /{widest}"), false);
        }
        let special =
            SPECIAL.iter().find(|(text, _)| text.parse::<IpNet>().is_ok_and(|special| overlaps(&special, &network)));
        special.and_then(|(text, what)| object("address", format!("{text}, {what}"), true))
    }
}

/// Addresses that are nobody's app.
const SPECIAL: [(&str, &str); 18] = [
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarks"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved, broadcast"),
    ("::/127", "unspecified, loopback"),
    ("64:ff9b::/96", "NAT64: all of IPv4"),
    ("2002::/16", "6to4"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
];

/// Whether an entry takes in a name: what `explain` asks.
pub fn takes(value: &str, scope: Scope, host: &str) -> bool {
    match scope {
        Scope::Exact => value == host,
        Scope::Subtree => value == host || is_below(host, value),
        Scope::Below => is_below(host, value),
        Scope::Path => value.split('/').next() == Some(host),
        Scope::Ip => match (network(value), network(host)) {
            (Some(broad), Some(one)) => broad.contains(&one),
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guards() -> Guards {
        Guards::new(
            ["contoso.com", "198.51.100.0/24"].into_iter(),
            ["github.io", "192.168.7.0/24", "cdn.jsdelivr.net"].into_iter(),
        )
    }

    fn rule(value: &str, scope: Scope) -> Option<&'static str> {
        guards().object(value, scope).map(|objection| objection.rule)
    }

    #[test]
    fn each_guard_speaks_for_what_an_entry_covers() {
        use Scope::{Below, Exact, Ip, Path, Subtree};
        let rows = [
            ("example-storage.com", Subtree, None),
            ("login.microsoftonline.com", Exact, Some("sign-in")),
            ("microsoftonline.com", Subtree, Some("sign-in")),
            ("microsoftonline.com", Below, Some("sign-in")),
            ("x.login.microsoftonline.com", Exact, Some("sign-in")),
            ("login.microsoftonline.com/a", Path, Some("sign-in")),
            ("contoso.portal.cloudappsecurity.com", Exact, Some("service")),
            ("contoso.com", Exact, Some("never_block")),
            ("www.contoso.com", Subtree, Some("never_block")),
            ("notcontoso.com", Subtree, None),
            ("co.uk", Subtree, Some("public suffix")),
            ("co.uk", Exact, Some("public suffix")),
            ("github.io", Subtree, None),
            ("someone.github.io", Subtree, None),
            ("cdn.jsdelivr.net", Subtree, None),
            ("jsdelivr.net", Subtree, Some("shared host")),
            ("192.0.2.10", Ip, None),
            ("203.0.113.0/24", Ip, None),
            ("198.51.100.7", Ip, Some("never_block")),
            ("198.51.0.0/16", Ip, Some("never_block")),
            ("10.1.2.3", Ip, Some("address")),
            ("192.168.7.0/24", Ip, None),
            ("192.168.0.0/16", Ip, Some("address")),
            ("8.0.0.0/7", Ip, Some("address")),
            ("2001:db8::/31", Ip, Some("address")),
            ("2001:db8::1", Ip, None),
            ("fe80::1", Ip, Some("address")),
            ("::1", Ip, Some("address")),
        ];
        for (value, scope, expected) in rows {
            assert_eq!(rule(value, scope), expected, "{value} {scope}");
        }
    }

    #[test]
    fn an_objection_says_how_to_override_it() {
        let text = |value, scope| guards().object(value, scope).unwrap().to_string();
        assert!(text("co.uk", Scope::Subtree).contains("--consent"));
        assert!(text("contoso.com", Scope::Exact).contains("take it out of never_block"));
        assert!(text("8.0.0.0/7", Scope::Ip).contains("nothing overrides"));
    }

    #[test]
    fn an_exception_leaves_out_what_lies_in_it_and_no_broader_entry() {
        let guards = guards().except(["share.example", "203.0.113.0/24"].into_iter());
        let rows = [
            ("share.example", Scope::Subtree, true),
            ("www.share.example", Scope::Exact, true),
            ("share.example/path", Scope::Path, true),
            ("example", Scope::Exact, false),
            ("notshare.example", Scope::Subtree, false),
            ("203.0.113.9", Scope::Ip, true),
            ("203.0.112.0/23", Scope::Ip, false),
        ];
        for (value, scope, left_out) in rows {
            let objection = guards.object(value, scope).filter(|objection| objection.rule == EXCEPTION);
            assert_eq!(objection.is_some(), left_out, "{value}");
        }
        let text = guards.object("share.example", Scope::Exact).unwrap().to_string();
        assert!(text.contains("take it out of exceptions"), "{text}");
    }

    #[test]
    fn the_table_is_clean() {
        let mut seen = HashSet::new();
        for (host, protects, rule, why) in table() {
            // Local names may have one label.
            assert!(rule == "local name" || super::super::name::check_name(host, false).is_ok(), "{host}");
            assert!(["name", "tree"].contains(&protects), "{host}: {protects}");
            assert!(
                ["sign-in", "update", "security", "service", "shared host", "local name"].contains(&rule),
                "{rule}"
            );
            assert!(!why.is_empty() && seen.insert(host), "{host}");
        }
        assert!(seen.len() > 80);
    }

    #[test]
    fn an_entry_takes_in_what_its_scope_says() {
        let rows = [
            ("x.example", Scope::Subtree, "x.example", true),
            ("x.example", Scope::Subtree, "a.b.x.example", true),
            ("x.example", Scope::Subtree, "notx.example", false),
            ("x.example", Scope::Below, "x.example", false),
            ("x.example", Scope::Exact, "www.x.example", false),
            ("192.0.2.0/24", Scope::Ip, "192.0.2.9", true),
        ];
        for (value, scope, host, expected) in rows {
            assert_eq!(takes(value, scope, host), expected, "{value} {scope} {host}");
        }
    }
}
