//! Which records a report is about: time, network, user, app.

use crate::logs::Record;
use std::net::IpAddr;

/// An address range in prefix form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Addresses as 128 bits, IPv4 in its mapped form.
    first: u128,
    last: u128,
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

impl Network {
    /// Whether an address lies in the range.
    pub fn contains(self, address: IpAddr) -> bool {
        (self.first..=self.last).contains(&bits(address))
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong = || format!("{text:?} is not a network: write it like 192.0.2.0/24 or 2001:db8::/32");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let free = width
            - length
                .filter(|length| *length <= width)
                .map_or_else(|| length.map_or(Ok(width), |_| Err(wrong())), Ok)?;
        let mask = if free == 128 { u128::MAX } else { (1 << free) - 1 };
        Ok(Network { first: bits(address) & !mask, last: bits(address) | mask })
    }
}

/// A user name, or a pattern of one with `*` for anything; letter case of ASCII does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<u8>);

impl Pattern {
    /// A pattern as a person writes it.
    pub fn new(text: &str) -> Pattern {
        Pattern(text.as_bytes().to_ascii_lowercase())
    }

    /// Whether the pattern covers all of `name`.
    pub fn matches(&self, name: &[u8]) -> bool {
        let (pattern, mut p, mut n) = (&self.0, 0, 0);
        // Where the last star stands, and how much of the name it has taken.
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(c) if *c == name[n].to_ascii_lowercase() => (p, n) = (p + 1, n + 1),
                _ => {
                    let Some((at, taken)) = star else { return false };
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
            }
        }
        pattern[p..].iter().all(|c| *c == b'*')
    }
}

/// What is counted; empty lists and `None` admit everything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// From this time on, microseconds of the epoch.
    pub since: Option<i64>,
    /// Before this time.
    pub until: Option<i64>,
    /// Origin addresses in any of these.
    pub networks: Vec<Network>,
    /// Users that any of these covers.
    pub users: Vec<Pattern>,
    /// By position in the catalogue: only these apps, and no unknown domain.
    pub apps: Option<Vec<bool>>,
}

impl Filter {
    /// Whether a record may be counted, as far as that can be told without its app.
    #[inline]
    pub(super) fn admits(&self, record: &Record<'_>) -> bool {
        let timed = self.since.is_some() || self.until.is_some();
        (!timed
            || record
                .time
                .is_some_and(|time| self.since.is_none_or(|s| time >= s) && self.until.is_none_or(|u| time < u)))
            && (self.networks.is_empty()
                || record.src_ip.is_some_and(|ip| self.networks.iter().any(|network| network.contains(ip))))
            && (self.users.is_empty()
                || record.user.is_some_and(|user| self.users.iter().any(|pattern| pattern.matches(user))))
    }

    pub(super) fn keeps_app(&self, position: u32) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.get(position as usize).copied().unwrap_or(false))
    }

    pub(super) fn keeps_domains(&self) -> bool {
        self.apps.is_none()
    }

    /// Whether nothing is left out.
    pub fn is_open(&self) -> bool {
        let Filter { since, until, networks, users, apps } = self;
        since.is_none() && until.is_none() && networks.is_empty() && users.is_empty() && apps.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        let rows = [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
        ];
        for (network, address, inside) in rows {
            let network: Network = network.parse().expect("a network");
            assert_eq!(network.contains(address.parse().expect("an address")), inside, "{network:?} {address}");
        }
        for wrong in ["192.0.2.0/33", "192.0.2/24", "x", "", "2001:db8::/129", "192.0.2.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn patterns_cover_whole_names() {
        let rows = [
            ("ann", "ann", true),
            ("ann", "ANN", true),
            ("ann", "anna", false),
            ("an*", "anna", true),
            ("*\\ann", "CONTOSO\\ann", true),
            ("*@contoso.com", "ann@contoso.com", true),
            ("*a*b*c", "xaxbxbxc", true),
            ("*a*b*c", "xaxbxbx", false),
            ("*", "", true),
            ("", "x", false),
        ];
        for (pattern, name, covered) in rows {
            assert_eq!(Pattern::new(pattern).matches(name.as_bytes()), covered, "{pattern} {name}");
        }
    }
}
