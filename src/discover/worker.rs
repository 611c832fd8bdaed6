//! What one thread counts: nothing is allocated for what was seen before.
//!
//! A line names a *destination* (an app of the catalogue, or a registrable domain that no app has) through its host, and
//! an *actor*: a user at an address. Sums are kept per destination, per actor, and per actor and app; users, addresses
//! and their apps all follow from these when the log has been read. [`super::bounds`] keeps the tables within limits,
//! [`super::batch`] adds up what the lines had once who and where are known.

use super::batch::{Batch, Place};
use super::filter::Filter;
use super::key::{Hashing, Held, Kept, Key};
use super::table::{Index, NONE, Name, Names, Pairs, Sum, Sums};
use crate::catalog::Catalog;
use crate::logs::sketch::{PerApp, PerDomain, Whole};
use crate::logs::{Action, Record};
use std::collections::{BTreeMap, HashMap};
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
    /// The same in every worker.
    pub hashing: Hashing,
}

impl Shared {
    /// Whether a line belongs to the app that the server's address lies in: the host name says nothing about it.
    #[inline]
    fn by_address(&self, host: &[u8], address: IpAddr) -> bool {
        self.catalog.has_ranges()
            && self.catalog.position(host).is_none()
            && self.catalog.lookup_address(address).is_some()
    }

    /// The hash of who an actor is: the user, or the address of nobody known.
    pub(super) fn who(&self, user: &[u8], address: Option<IpAddr>) -> u64 {
        match (user, address) {
            (b"", Some(address)) => self.hashing.address(address),
            (user, _) => self.hashing.key(user).hash,
        }
    }
}

/// A host name, or the address of a line without one (the octets after a zero byte). As long as a line of the cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Host {
    pub name: Held<34>,
    pub destination: u32,
    pub sum: Sum,
}

/// A user at an address; either may be missing, not both.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Actor {
    pub address: Option<IpAddr>,
    /// Some of its apps were dropped to keep the limits.
    pub partial: bool,
    /// Empty for nobody.
    pub user: Held<18>,
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
    pub(super) fn add(&mut self, other: &Traffic) {
        self.sum.add(other.sum);
        self.down = self.down.saturating_add(other.down);
        self.blocked += other.blocked;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
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
    pub device: u32,
}

/// A registrable domain, or an address, that no app has.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
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
    pub(super) fn new() -> Interned<E> {
        Interned { index: Index::default(), names: Names::default(), entries: Vec::new() }
    }

    pub(super) fn full(&self, most: usize, bytes: usize) -> bool {
        self.entries.len() >= most || self.names.bytes() >= bytes
    }
}

/// The days met, in order of appearance.
#[derive(Debug, Default, Clone)]
pub(super) struct Days {
    pub slots: Vec<i32>,
    by_day: BTreeMap<i32, u16>,
}

impl Days {
    /// The slot of a day; none when there are too many days.
    pub(super) fn slot(&mut self, day: i32) -> Option<usize> {
        if let Some(slot) = self.by_day.get(&day) {
            return Some(usize::from(*slot));
        }
        if self.slots.len() >= MOST_DAYS {
            return None;
        }
        let slot = self.slots.len();
        self.by_day.insert(day, slot as u16);
        self.slots.push(day);
        Some(slot)
    }
}

/// The hour of the line before: most lines are of the same.
#[derive(Debug, Clone, Copy, Default)]
struct Hour {
    start: i64,
    /// Nothing before there was a line.
    length: u64,
    moment: u32,
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
    pub unnamed: Traffic,
    pub days: Days,
    /// Twenty-four for each day met.
    pub hours: Vec<Cell>,
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
    pub batch: Batch,
    /// Domains and the hashes of who was there, on their way into the sketches.
    pub marks: Vec<(u32, u64)>,
    /// Lines that went where the filters leave things out, since this was last asked.
    pub skipped: u64,
    last_device: u32,
    last_hour: Hour,
    /// Whether nothing is filtered out.
    open: bool,
    /// Whether the catalogue has address ranges.
    ranges: bool,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, limits: Limits) -> Worker {
        let apps = vec![App { device: NONE, ..App::default() }; shared.catalog.apps().len()];
        let (open, ranges) = (shared.filter.is_open(), shared.catalog.has_ranges());
        Worker {
            shared,
            limits,
            unnamed: Traffic::default(),
            days: Days::default(),
            hours: Vec::new(),
            hosts: Interned::new(),
            actors: Interned::new(),
            domains: Interned::new(),
            apps,
            uses: Sums::default(),
            seen: Pairs::default(),
            domain_sketches: None,
            app_sketches: false,
            devices: Interned::new(),
            app_devices: Pairs::default(),
            dropped: Dropped::default(),
            all_users: Whole::default(),
            all_addresses: Whole::default(),
            all_hosts: Whole::default(),
            all_domains: Whole::default(),
            batch: Batch::default(),
            marks: Vec::new(),
            skipped: 0,
            last_device: NONE,
            last_hour: Hour::default(),
            open,
            ranges,
        }
    }

    /// Takes a record; false if the filters leave it out. It is counted by [`Worker::flush`] at the latest.
    #[inline]
    pub(super) fn add(&mut self, record: &Record<'_>) -> bool {
        if !self.open && !self.shared.filter.admits(record) {
            return false;
        }
        let moment = record.time.map_or(NONE, |time| self.moment(time));
        let device = record.device.map_or(NONE, |device| self.device(device));
        let hashing = &self.shared.hashing;
        let (line, text) = self.batch.next();
        let address = |address: IpAddr, kept: &mut Kept| kept.set(&octets(address), hashing, &mut Vec::new());
        line.place = match (record.host, record.dst_ip) {
            (Some(host), Some(server)) if self.ranges && self.shared.by_address(host, server) => {
                address(server, &mut line.host);
                Place::Address
            }
            (Some(host), _) => {
                line.host.set(cut(host), hashing, text);
                Place::Host
            }
            (None, Some(server)) => {
                address(server, &mut line.host);
                Place::Address
            }
            (None, None) => Place::Nowhere,
        };
        match record.user {
            Some(user) if !user.is_empty() => line.user.set(cut(user), hashing, text),
            _ => line.user.clear(),
        }
        line.actor = hashing.actor(line.user.hash(), record.src_ip);
        line.address = record.src_ip;
        line.sum = Sum { count: 1, up: record.bytes_up.unwrap_or(0), bytes: record.bytes() };
        line.down = record.bytes_down.unwrap_or(0);
        line.blocked = record.action == Some(Action::Blocked);
        (line.time, line.moment, line.device) = (record.time, moment, device);
        if self.batch.is_full() {
            self.flush();
        }
        true
    }

    /// What everything adds up to.
    pub(super) fn total(&self) -> Traffic {
        let mut total = self.unnamed;
        total.add(&self.dropped.other_domains);
        self.apps.iter().for_each(|app| total.add(&app.traffic));
        self.domains.entries.iter().for_each(|domain| total.add(&domain.traffic));
        total
    }

    /// Where the hour of a time, in UTC, stands in `hours`.
    #[inline]
    fn moment(&mut self, time: i64) -> u32 {
        let Hour { start, length, moment } = self.last_hour;
        if (time.wrapping_sub(start) as u64) < length { moment } else { self.other_hour(time).unwrap_or(NONE) }
    }

    #[cold]
    fn other_hour(&mut self, time: i64) -> Option<u32> {
        const HOUR: i64 = 3_600_000_000;
        let hour = time.div_euclid(HOUR);
        let slot = self.days.slot(i32::try_from(hour.div_euclid(24)).ok()?)?;
        self.hours.resize(self.days.slots.len() * 24, Cell::default());
        let moment = slot as u32 * 24 + hour.rem_euclid(24) as u32;
        self.last_hour = Hour { start: hour.checked_mul(HOUR)?, length: HOUR as u64, moment };
        Some(moment)
    }

    #[inline]
    pub(super) fn find_host(&self, key: &Key<'_>) -> Option<u32> {
        let Interned { index, names, entries } = &self.hosts;
        index.find(key.hash, |n| entries[n as usize].name.is(key, names))
    }

    /// The number of a host as the log has it: new, or written in another way than before.
    #[cold]
    pub(super) fn other_host(&mut self, name: &[u8]) -> u32 {
        self.host(lower(name, &mut [0; LONGEST_NAME]))
    }

    /// The number of a host.
    #[cold]
    pub(super) fn host(&mut self, name: &[u8]) -> u32 {
        let key = self.shared.hashing.key(name);
        if let Some(n) = self.find_host(&key) {
            return n;
        }
        if self.hosts.full(self.limits.hosts, self.limits.names) {
            self.shed_hosts();
        }
        let destination = self.resolve(name);
        self.all_hosts.add(key.hash);
        self.put_host(&key, destination, Sum::default())
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

    pub(super) fn find_domain(&self, name: &[u8]) -> Option<u32> {
        let Interned { index, names, entries } = &self.domains;
        index.find(self.shared.hashing.key(name).hash, |n| names.get(entries[n as usize].name) == name)
    }

    /// The number of a domain.
    pub(super) fn domain(&mut self, name: &[u8]) -> u32 {
        if let Some(n) = self.find_domain(name) {
            return n;
        }
        if self.domains.full(self.limits.domains, self.limits.names) {
            self.shed_domains();
        }
        let hash = self.shared.hashing.key(name).hash;
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

    /// A user, nobody when there is no name.
    pub(super) fn user<'n>(&self, name: &'n [u8]) -> Key<'n> {
        if name.is_empty() { Key::nobody() } else { self.shared.hashing.key(name) }
    }

    #[inline]
    pub(super) fn find_actor(&self, hash: u64, user: &Key<'_>, address: Option<IpAddr>) -> Option<u32> {
        let Interned { index, names, entries } = &self.actors;
        index.find(hash, |n| {
            let actor = &entries[n as usize];
            actor.user.is(user, names) && actor.address == address
        })
    }

    #[cold]
    pub(super) fn new_actor(&mut self, hash: u64, user: &Key<'_>, address: Option<IpAddr>, sum: Sum) -> u32 {
        if self.actors.full(self.limits.actors, self.limits.names) {
            self.shed_actors();
        }
        if !user.name.is_empty() {
            self.all_users.add(user.hash);
        }
        if let Some(address) = address {
            self.all_addresses.add(self.shared.hashing.address(address));
        }
        let n = self.actors.entries.len() as u32;
        let user = Held::new(user.name, &mut self.actors.names);
        self.actors.index.add(hash, n);
        self.actors.entries.push(Actor { address, partial: false, user, sum });
        n
    }

    #[inline]
    fn device(&mut self, name: &[u8]) -> u32 {
        let name = cut(name);
        let last = self.devices.entries.get(self.last_device as usize);
        if last.is_none_or(|last| self.devices.names.get(*last) != name) {
            self.last_device = self.device_number(name);
        }
        self.last_device
    }

    /// The number of an appliance; none when there are too many.
    pub(super) fn device_number(&mut self, name: &[u8]) -> u32 {
        let hash = self.shared.hashing.key(name).hash;
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
fn octets(address: IpAddr) -> [u8; 17] {
    let mapped = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let mut key = [0; 17];
    key[1..].copy_from_slice(&mapped.octets());
    key
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
