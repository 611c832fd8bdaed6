//! What one thread counts: three probes a line, nothing allocated for what was seen before.
//!
//! A line names a *destination* (an app of the catalogue, or a registrable domain that no app has) through its host, and
//! an *actor*: a user at an address. Sums are kept per destination, per actor, and per actor and app; users, addresses
//! and their apps all follow from these when the log has been read. [`super::bounds`] keeps the tables within limits.

use super::filter::Filter;
use super::table::{Index, NONE, Name, Names, Pairs, Sum, Sums, pair};
use crate::catalog::Catalog;
use crate::logs::sketch::{PerApp, PerDomain, Whole};
use crate::logs::{Action, Record};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

/// Names are cut to this many bytes.
pub(super) const LONGEST_NAME: usize = 255;
/// More days than this are not told apart.
pub(super) const MOST_DAYS: usize = 1_000;
/// More appliances than this are not told apart.
pub(super) const MOST_DEVICES: usize = 10_000;
/// The line names no destination.
pub(super) const UNNAMED: u32 = NONE;
/// The destination is filtered out.
pub(super) const SKIPPED: u32 = NONE - 1;

/// How much one worker keeps exactly; sketches take over beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Users at addresses.
    pub actors: usize,
    /// Pairs of an actor and an app.
    pub uses: usize,
    /// Pairs of an actor and an unknown domain.
    pub seen: usize,
    /// Unknown domains.
    pub domains: usize,
    /// Host names.
    pub hosts: usize,
    /// Bytes of names of each kind.
    pub names: usize,
}

impl Limits {
    /// What `threads` workers may keep so that all together stay below 200 MiB.
    pub fn for_threads(threads: usize) -> Limits {
        let share = |pairs: usize| (pairs * 2 / threads.max(1)).max(1_000);
        Limits {
            actors: share(170_000),
            uses: share(250_000),
            seen: share(365_000),
            domains: share(90_000),
            hosts: share(60_000),
            names: share(8 << 20),
        }
    }

    /// What the result of `n` merged workers may keep.
    pub(super) fn times(self, n: usize) -> Limits {
        Limits {
            actors: self.actors * n,
            uses: self.uses * n,
            seen: self.seen * n,
            domains: self.domains * n,
            hosts: self.hosts * n,
            names: self.names * n,
        }
    }
}

/// What all workers look things up in.
pub(super) struct Shared {
    pub catalog: Arc<Catalog>,
    pub positions: HashMap<u32, u32>,
    pub filter: Filter,
    pub hash: foldhash::quality::FixedState,
}

impl Shared {
    /// The hash of a name; the same in every worker.
    #[inline]
    pub(super) fn name(&self, name: &[u8]) -> u64 {
        let mut hasher = self.hash.build_hasher();
        hasher.write(name);
        hasher.finish()
    }

    /// Whether a line belongs to the app that the server's address lies in: the host name says nothing about it.
    #[inline]
    fn by_address(&self, host: &[u8], address: IpAddr) -> bool {
        self.catalog.has_ranges()
            && self.catalog.position(host).is_none()
            && self.catalog.lookup_address(address).is_some()
    }

    /// The hash of an address.
    #[inline]
    pub(super) fn address(&self, address: IpAddr) -> u64 {
        let mut hasher = self.hash.build_hasher();
        match address {
            IpAddr::V4(v4) => hasher.write_u64(u64::from(u32::from(v4))),
            IpAddr::V6(v6) => hasher.write_u128(u128::from(v6)),
        }
        hasher.finish()
    }
}

/// A host name, or the address of a line without one (the octets after a zero byte).
#[derive(Debug, Clone, Copy)]
pub(super) struct Host {
    pub name: Name,
    pub destination: u32,
    pub sum: Sum,
}

/// A user at an address; either may be missing, not both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Actor {
    pub address: Option<IpAddr>,
    /// Some of its apps were dropped to keep the limits.
    pub partial: bool,
    /// Empty for nobody.
    pub user: Name,
    pub sum: Sum,
}

/// What a destination adds up to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic {
    pub sum: Sum,
    pub down: u64,
    pub blocked: u64,
    /// Microseconds of the epoch; `first > last` when no line had a time.
    pub first: i64,
    pub last: i64,
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic { sum: Sum::default(), down: 0, blocked: 0, first: i64::MAX, last: i64::MIN }
    }
}

impl Traffic {
    #[inline]
    fn count(&mut self, line: &One) {
        self.sum.add(line.sum);
        self.down = self.down.saturating_add(line.down);
        self.blocked += u64::from(line.blocked);
        if let Some(time) = line.time {
            self.first = self.first.min(time);
            self.last = self.last.max(time);
        }
    }

    pub(super) fn add(&mut self, other: &Traffic) {
        self.sum.add(other.sum);
        self.down = self.down.saturating_add(other.down);
        self.blocked += other.blocked;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// What is counted of one line.
struct One {
    sum: Sum,
    down: u64,
    blocked: bool,
    time: Option<i64>,
}

/// An hour or a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub count: u64,
    pub up: u64,
    pub bytes: u64,
    pub blocked: u64,
}

impl Cell {
    pub(super) fn add(&mut self, other: Cell) {
        self.count += other.count;
        self.up = self.up.saturating_add(other.up);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.blocked += other.blocked;
    }
}

/// Who used an app, when the pairs no longer fit.
#[derive(Debug, Clone, Default)]
pub(super) struct AppSketch {
    pub users: PerApp,
    pub addresses: PerApp,
}

/// One app of the catalogue.
#[derive(Debug, Clone, Default)]
pub(super) struct App {
    pub traffic: Traffic,
    /// Recognised by address at least once.
    pub by_address: bool,
    /// Some of its host names were dropped to keep the limits.
    pub partial_hosts: bool,
    pub hours: [u64; 24],
    /// By slot of [`Days`].
    pub days: Vec<Cell>,
    pub sketch: Option<Box<AppSketch>>,
    device: u32,
}

/// A registrable domain, or an address, that no app has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Domain {
    pub name: Name,
    pub traffic: Traffic,
}

/// Names under numbers.
#[derive(Debug, Default, Clone)]
pub(super) struct Interned<E> {
    pub index: Index,
    pub names: Names,
    pub entries: Vec<E>,
}

impl<E> Interned<E> {
    pub(super) fn full(&self, most: usize, bytes: usize) -> bool {
        self.entries.len() >= most || self.names.bytes() >= bytes
    }
}

/// The days met, in order of appearance.
#[derive(Debug, Default, Clone)]
pub(super) struct Days {
    pub slots: Vec<i32>,
    by_day: BTreeMap<i32, u16>,
    last: Option<(i32, usize)>,
}

impl Days {
    /// The slot of a day; none when there are too many days.
    #[inline]
    pub(super) fn slot(&mut self, day: i32) -> Option<usize> {
        if let Some((last, slot)) = self.last
            && last == day
        {
            return Some(slot);
        }
        let slot = match self.by_day.get(&day) {
            Some(slot) => usize::from(*slot),
            None if self.slots.len() >= MOST_DAYS => return None,
            None => {
                let slot = self.slots.len();
                self.by_day.insert(day, slot as u16);
                self.slots.push(day);
                slot
            }
        };
        self.last = Some((day, slot));
        Some(slot)
    }
}

/// What was dropped to keep the limits, so that every figure can say how far off it may be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dropped {
    /// An actor that is not listed has at most this, a listed one misses at most this.
    pub actors: Sum,
    pub uses: Sum,
    pub domains: Sum,
    pub hosts: Sum,
    /// Host names are missing, of apps or of domains: how many there were is no longer known exactly.
    pub some_hosts: bool,
    /// What dropped domains add up to.
    pub other_domains: Traffic,
}

/// The state of one thread.
#[derive(Clone)]
pub(super) struct Worker {
    pub shared: Arc<Shared>,
    pub limits: Limits,
    pub total: Traffic,
    pub unnamed: Traffic,
    pub days: Days,
    pub hours: Vec<[Cell; 24]>,
    pub hosts: Interned<Host>,
    pub actors: Interned<Actor>,
    pub domains: Interned<Domain>,
    pub apps: Vec<App>,
    pub uses: Sums,
    pub seen: Pairs,
    /// Once set, `seen` is empty and stays so.
    pub domain_sketches: Option<Vec<PerDomain>>,
    pub app_sketches: bool,
    pub devices: Interned<Name>,
    pub app_devices: Pairs,
    pub dropped: Dropped,
    pub all_users: Whole,
    pub all_addresses: Whole,
    pub all_hosts: Whole,
    pub all_domains: Whole,
    last_device: u32,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, limits: Limits) -> Worker {
        let apps = vec![App { device: NONE, ..App::default() }; shared.catalog.apps().len()];
        let interned = || Interned { index: Index::default(), names: Names::default(), entries: Vec::new() };
        Worker {
            shared,
            limits,
            total: Traffic::default(),
            unnamed: Traffic::default(),
            days: Days::default(),
            hours: Vec::new(),
            hosts: Interned { index: Index::default(), names: Names::default(), entries: Vec::new() },
            actors: Interned { index: Index::default(), names: Names::default(), entries: Vec::new() },
            domains: Interned { index: Index::default(), names: Names::default(), entries: Vec::new() },
            apps,
            uses: Sums::default(),
            seen: Pairs::default(),
            domain_sketches: None,
            app_sketches: false,
            devices: interned(),
            app_devices: Pairs::default(),
            dropped: Dropped::default(),
            all_users: Whole::default(),
            all_addresses: Whole::default(),
            all_hosts: Whole::default(),
            all_domains: Whole::default(),
            last_device: NONE,
        }
    }

    /// Counts a record; false if the filters leave it out.
    #[inline]
    pub(super) fn add(&mut self, record: &Record<'_>) -> bool {
        if !self.shared.filter.admits(record) {
            return false;
        }
        let sum = Sum { count: 1, up: record.bytes_up.unwrap_or(0), bytes: record.bytes() };
        let destination = self.destination(record, sum);
        if destination == SKIPPED {
            return false;
        }
        let actor = self.actor(record, sum);
        let blocked = record.action == Some(Action::Blocked);
        let line = One { sum, down: record.bytes_down.unwrap_or(0), blocked, time: record.time };
        self.total.count(&line);
        let moment = record.time.and_then(|time| self.moment(time));
        let cell = Cell { count: 1, up: sum.up, bytes: sum.bytes, blocked: u64::from(blocked) };
        if let Some((slot, hour)) = moment {
            self.hours[slot][hour].add(cell);
        }
        let device = record.device.map_or(NONE, |device| self.device(device));
        match destination {
            UNNAMED => self.unnamed.count(&line),
            app if (app as usize) < self.apps.len() => {
                let entry = &mut self.apps[app as usize];
                entry.traffic.count(&line);
                if let Some((slot, hour)) = moment {
                    entry.hours[hour] += 1;
                    if entry.days.len() <= slot {
                        entry.days.resize(slot + 1, Cell::default());
                    }
                    entry.days[slot].add(cell);
                }
                if entry.device != device {
                    entry.device = device;
                    if device != NONE {
                        self.app_devices.add(pair(app, device));
                    }
                }
                if actor != NONE && self.uses.add(pair(actor, app), sum) {
                    self.used(actor, app);
                }
            }
            domain => {
                let at = domain as usize - self.apps.len();
                self.domains.entries[at].traffic.count(&line);
                if actor != NONE {
                    self.saw(actor, at as u32);
                }
            }
        }
        true
    }

    /// A pair of actor and app that is new, or was dropped before.
    fn used(&mut self, actor: u32, app: u32) {
        if self.app_sketches {
            self.sketch_use(actor, app);
        }
        if self.uses.len() >= self.limits.uses {
            self.shed_uses();
        }
    }

    #[inline]
    pub(super) fn saw(&mut self, actor: u32, domain: u32) {
        if self.domain_sketches.is_some() {
            self.sketch_seen(actor, domain);
            return;
        }
        self.seen.add(pair(actor, domain));
        if self.seen.len() >= self.limits.seen {
            self.start_domain_sketches();
        }
    }

    /// Day slot and hour of a time, in UTC.
    #[inline]
    fn moment(&mut self, time: i64) -> Option<(usize, usize)> {
        let hour = time.div_euclid(3_600_000_000);
        let slot = self.days.slot(i32::try_from(hour.div_euclid(24)).ok()?)?;
        if self.hours.len() <= slot {
            self.hours.resize(slot + 1, [Cell::default(); 24]);
        }
        Some((slot, hour.rem_euclid(24) as usize))
    }

    #[inline]
    fn destination(&mut self, record: &Record<'_>, sum: Sum) -> u32 {
        let mut buffer = [0_u8; LONGEST_NAME];
        let key: &[u8] = match (record.host, record.dst_ip) {
            (Some(host), Some(address)) if self.shared.by_address(host, address) => octets(address, &mut buffer),
            (Some(host), _) => lower(host, &mut buffer),
            (None, Some(address)) => octets(address, &mut buffer),
            (None, None) => return UNNAMED,
        };
        let hash = self.shared.name(key);
        let Interned { index, names, entries } = &mut self.hosts;
        match index.find(hash, |n| names.get(entries[n as usize].name) == key) {
            Some(n) => {
                let host = &mut entries[n as usize];
                host.sum.add(sum);
                host.destination
            }
            None => self.new_host(key, hash, sum),
        }
    }

    #[cold]
    fn new_host(&mut self, key: &[u8], hash: u64, sum: Sum) -> u32 {
        if self.hosts.full(self.limits.hosts, self.limits.names) {
            self.shed_hosts();
        }
        let destination = self.resolve(key);
        self.all_hosts.add(hash);
        let name = self.hosts.names.add(key);
        self.hosts.index.add(hash, self.hosts.entries.len() as u32);
        self.hosts.entries.push(Host { name, destination, sum });
        destination
    }

    /// The destination of a host: its app by name, else by address, else its registrable domain.
    fn resolve(&mut self, key: &[u8]) -> u32 {
        let shared = self.shared.clone();
        let mut text = Vec::new();
        let (name, address): (&[u8], _) = match address_of(key) {
            Some(address) => {
                text.extend_from_slice(address.to_string().as_bytes());
                (&text, Some(address))
            }
            None => (key, None),
        };
        let by_name = if address.is_none() { shared.catalog.position(name) } else { None };
        let by_address =
            || address.and_then(|address| shared.positions.get(&shared.catalog.lookup_address(address)?.id)).copied();
        if let Some(position) = by_name.or_else(by_address) {
            if !shared.filter.keeps_app(position) {
                return SKIPPED;
            }
            self.apps[position as usize].by_address |= by_name.is_none();
            return position;
        }
        if !shared.filter.keeps_domains() {
            return SKIPPED;
        }
        let domain = crate::catalog::registrable(name).filter(|_| address.is_none()).unwrap_or(name);
        self.domain(domain) + self.apps.len() as u32
    }

    /// The number of a domain.
    pub(super) fn domain(&mut self, name: &[u8]) -> u32 {
        let hash = self.shared.name(name);
        let Interned { index, names, entries } = &self.domains;
        if let Some(n) = index.find(hash, |n| names.get(entries[n as usize].name) == name) {
            return n;
        }
        if self.domains.full(self.limits.domains, self.limits.names) {
            self.shed_domains();
        }
        self.all_domains.add(hash);
        let n = self.domains.entries.len() as u32;
        let name = self.domains.names.add(name);
        self.domains.index.add(hash, n);
        self.domains.entries.push(Domain { name, traffic: Traffic::default() });
        if let Some(sketches) = &mut self.domain_sketches {
            sketches.push(PerDomain::default());
        }
        n
    }

    #[inline]
    fn actor(&mut self, record: &Record<'_>, sum: Sum) -> u32 {
        let user = cut(record.user.unwrap_or_default());
        if user.is_empty() && record.src_ip.is_none() {
            return NONE;
        }
        let hash = self.actor_hash(user, record.src_ip);
        match self.find_actor(hash, user, record.src_ip) {
            Some(n) => {
                self.actors.entries[n as usize].sum.add(sum);
                n
            }
            None => self.new_actor(hash, user, record.src_ip, sum),
        }
    }

    #[inline]
    pub(super) fn actor_hash(&self, user: &[u8], address: Option<IpAddr>) -> u64 {
        let left = if user.is_empty() { 0 } else { self.shared.name(user) };
        let right = address.map_or(0, |address| self.shared.address(address));
        (left.rotate_left(23) ^ right).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[inline]
    pub(super) fn find_actor(&self, hash: u64, user: &[u8], address: Option<IpAddr>) -> Option<u32> {
        let Interned { index, names, entries } = &self.actors;
        index.find(hash, |n| {
            let actor = &entries[n as usize];
            actor.address == address && names.get(actor.user) == user
        })
    }

    #[cold]
    pub(super) fn new_actor(&mut self, hash: u64, user: &[u8], address: Option<IpAddr>, sum: Sum) -> u32 {
        if self.actors.full(self.limits.actors, self.limits.names) {
            self.shed_actors();
        }
        if !user.is_empty() {
            self.all_users.add(self.shared.name(user));
        }
        if let Some(address) = address {
            self.all_addresses.add(self.shared.address(address));
        }
        let n = self.actors.entries.len() as u32;
        let user = self.actors.names.add(user);
        self.actors.index.add(hash, n);
        self.actors.entries.push(Actor { address, partial: false, user, sum });
        n
    }

    #[inline]
    fn device(&mut self, name: &[u8]) -> u32 {
        let name = cut(name);
        if let Some(last) = self.devices.entries.get(self.last_device as usize)
            && self.devices.names.get(*last) == name
        {
            return self.last_device;
        }
        self.last_device = self.device_number(name);
        self.last_device
    }

    /// The number of an appliance; none when there are too many.
    pub(super) fn device_number(&mut self, name: &[u8]) -> u32 {
        let hash = self.shared.name(name);
        let Interned { index, names, entries } = &mut self.devices;
        if let Some(n) = index.find(hash, |n| names.get(entries[n as usize]) == name) {
            return n;
        }
        if entries.len() >= MOST_DEVICES {
            return NONE;
        }
        let n = entries.len() as u32;
        entries.push(names.add(name));
        index.add(hash, n);
        n
    }
}

#[inline]
fn cut(name: &[u8]) -> &[u8] {
    &name[..name.len().min(LONGEST_NAME)]
}

/// A host in lower case without a final dot; copied only where that changes it.
#[inline]
fn lower<'l>(host: &'l [u8], buffer: &'l mut [u8; LONGEST_NAME]) -> &'l [u8] {
    let host = cut(host);
    let host = host.strip_suffix(b".").unwrap_or(host);
    if !host.iter().any(u8::is_ascii_uppercase) {
        return host;
    }
    let copy = &mut buffer[..host.len()];
    copy.copy_from_slice(host);
    copy.make_ascii_lowercase();
    copy
}

/// The key of an address that stands for a host.
fn octets(address: IpAddr, buffer: &mut [u8; LONGEST_NAME]) -> &[u8] {
    let mapped = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    buffer[1..17].copy_from_slice(&mapped.octets());
    &buffer[..17]
}

/// The address that a host is, as a key of [`octets`] or in text.
pub(super) fn address_of(key: &[u8]) -> Option<IpAddr> {
    if let Some(octets) = key.strip_prefix(&[0])
        && let Ok(octets) = <[u8; 16]>::try_from(octets)
    {
        return Some(IpAddr::from(octets).to_canonical());
    }
    if !key.last().is_some_and(|c| c.is_ascii_hexdigit() || *c == b']') {
        return None;
    }
    let text = key.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(key);
    std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}
