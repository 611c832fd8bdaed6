//! Cloud apps by host name or address: our own table, with what the user and the tenant know laid over it.
//!
//! * One CSV per category of the service stands beside this file and is compiled in; `table` reads them.
//! * `names` finds the longest suffix on labels, `ranges` the longest address prefix; neither allocates.
//! * `layers` puts the user's files and the tenant's apps over the compiled-in table; in a [`Catalog`] a domain
//!   belongs to one app only.
//!
//! The compiled-in [`Catalog`] is built on first use: a command that never asks for it pays nothing.

mod layers;
mod names;
mod ranges;
mod table;
mod traits;

#[cfg(test)]
mod tests;

pub use layers::{Builder, FIRST_TENANT_ID, FIRST_USER_ID, Mistake};
pub use table::{CATEGORIES, COLUMNS, Category};
pub use traits::{Trait, Traits, word};

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

/// What a record of the catalogue stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Something that people choose to use: what a discovery report is about.
    #[default]
    App,
    /// What apps, systems and browsers need to work: content delivery, updates, certificates.
    Infrastructure,
    /// What pages load on their own: advertising, analytics, consent banners.
    PageNoise,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 3] = [Kind::App, Kind::Infrastructure, Kind::PageNoise];

    /// Its word in files and output.
    pub fn name(self) -> &'static str {
        match self {
            Kind::App => "app",
            Kind::Infrastructure => "infrastructure",
            Kind::PageNoise => "page-noise",
        }
    }
}

/// One record: a cloud app, or what belongs to none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its number, which stays.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its category.
    pub category: &'static Category,
    /// App, infrastructure or page noise.
    pub kind: Kind,
    /// The country its owner sits in, ISO 3166 (two capitals), where known.
    pub seat: Option<String>,
    /// What is known about it.
    pub traits: Traits,
    /// The year its traits were last checked, where known.
    pub checked: Option<u16>,
    /// Its domains in lower case; each covers the names below it.
    pub domains: Vec<String>,
}

impl App {
    /// Whether the app has a trait; `None` where nobody knows.
    pub fn has(&self, which: Trait) -> Option<bool> {
        self.traits.get(which)
    }

    /// 1 (risky) to 10 (sound): 5, one more for each safeguard, less for what lets data out unseen.
    pub fn score(&self) -> u8 {
        let yes = |which: &Trait| self.has(*which) == Some(true);
        let safeguards = [Trait::Sso, Trait::Mfa, Trait::AuditLog, Trait::Soc2, Trait::Iso27001];
        let exposures = [Trait::NoAccount, Trait::RemoteControl, Trait::Tunnel, Trait::Personal, Trait::PublicLinks];
        let plus = safeguards.iter().filter(|which| yes(which)).count();
        let minus = exposures.iter().filter(|which| yes(which)).count();
        u8::try_from((5 + plus).saturating_sub(minus).clamp(1, 10)).unwrap_or(1)
    }
}

/// What an app was recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// The host name.
    Name,
    /// The destination's address, through a file of address ranges.
    Address,
}

/// A catalogue ready to be asked. Make one with [`Builder`], or take the compiled-in one.
#[derive(Debug)]
pub struct Catalog {
    apps: Vec<App>,
    names: names::Names,
    ranges: ranges::Ranges,
}

static BUILTIN: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::index(table::builtin(), Vec::new())));

impl Catalog {
    /// The compiled-in catalogue, shared.
    pub fn builtin() -> Arc<Catalog> {
        BUILTIN.clone()
    }

    fn index(apps: Vec<App>, ranges: Vec<ranges::Range>) -> Catalog {
        let domains = apps.iter().zip(0_u32..).flat_map(|(app, i)| app.domains.iter().map(move |d| (d.as_str(), i)));
        let names = names::Names::build(domains);
        Catalog { apps, names, ranges: ranges::Ranges::build(ranges) }
    }

    /// Every record; [`Catalog::position`] counts in this order.
    pub fn apps(&self) -> &[App] {
        &self.apps
    }

    /// The record with this number.
    pub fn app(&self, id: u32) -> Option<&App> {
        self.apps.iter().find(|app| app.id == id)
    }

    /// The record that a host name belongs to: longest suffix on labels, in any letter case.
    pub fn lookup(&self, host: &[u8]) -> Option<&App> {
        self.position(host).and_then(|at| self.apps.get(at as usize))
    }

    /// As [`Catalog::lookup`], but where the record stands in [`Catalog::apps`].
    pub fn position(&self, host: &[u8]) -> Option<u32> {
        self.names.find(host)
    }

    /// The record whose address ranges hold `address`: longest prefix.
    pub fn lookup_address(&self, address: IpAddr) -> Option<&App> {
        self.ranges.find(address).and_then(|at| self.apps.get(at as usize))
    }

    /// Whether there are address ranges at all.
    pub fn has_ranges(&self) -> bool {
        !self.ranges.is_empty()
    }

    /// The record of a log line: by its host name, else (also when the host is an address) by address.
    pub fn identify(&self, host: Option<&[u8]>, address: Option<IpAddr>) -> Option<(&App, By)> {
        if let Some(app) = host.and_then(|host| self.lookup(host)) {
            return Some((app, By::Name));
        }
        if !self.has_ranges() {
            return None;
        }
        let literal = || host.and_then(literal);
        let app = literal().or(address).and_then(|address| self.lookup_address(address))?;
        Some((app, By::Address))
    }
}

/// A host that is an address, with or without the brackets of a URL.
fn literal(host: &[u8]) -> Option<IpAddr> {
    let host = host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(host);
    std::str::from_utf8(host).ok()?.parse().ok()
}

/// Every record of the compiled-in catalogue.
pub fn all() -> &'static [App] {
    &BUILTIN.apps
}

/// The record of the compiled-in catalogue that a host name belongs to.
pub fn lookup(host: &[u8]) -> Option<&'static App> {
    BUILTIN.lookup(host)
}

/// The longest host name.
const LONGEST_NAME: usize = 253;

/// The registrable domain of a host name: the public suffix and one label. `None` for a public suffix itself, for
/// a name without a known suffix, and for an address.
pub fn registrable(host: &[u8]) -> Option<&[u8]> {
    let name = host.strip_suffix(b".").unwrap_or(host);
    let mut lower = [0_u8; LONGEST_NAME];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let domain = psl::domain(lower).filter(|domain| domain.suffix().is_known())?;
    let length = domain.as_bytes().len();
    name.len().checked_sub(length).map(|start| &name[start..])
}
