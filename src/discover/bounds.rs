//! Keeps a worker within its limits, and says how far off that makes its figures.
//!
//! A table that is full drops the lighter half of its entries. Whatever is not listed afterwards is known to add up to
//! no more than what was dropped, so one bound per table holds for every entry: one that is missing has at most that
//! much, one that is listed misses at most that much (the frequent-items summaries of Misra and Gries work so). Totals,
//! apps and categories are never dropped. Distinct counts that relied on dropped entries go on in sketches.

use super::key::{Held, Key};
use super::table::{NONE, Sum, Sums, halves, pair};
use super::worker::{Actor, App, Cell, Domain, Host, Interned, Limits, SKIPPED, UNNAMED, Worker};
use crate::logs::sketch::PerDomain;

/// What decides between two entries: their share of all transactions and of all bytes.
struct Scale {
    count: f64,
    bytes: f64,
}

impl Scale {
    fn of(total: Sum) -> Scale {
        Scale { count: 1.0 / total.count.max(1) as f64, bytes: 1.0 / total.bytes.max(1) as f64 }
    }

    fn weight(&self, sum: Sum) -> f64 {
        sum.count as f64 * self.count + sum.bytes as f64 * self.bytes
    }
}

/// Which of these to keep: the heavier half, fewer where many weigh the same as the middle one.
fn heavier(weights: &[f64]) -> impl Fn(usize) -> bool + '_ {
    let mut sorted = weights.to_vec();
    let middle = sorted.len() / 2;
    let bar = if sorted.is_empty() { 0.0 } else { *sorted.select_nth_unstable_by(middle, f64::total_cmp).1 };
    move |at| weights[at] > bar
}

/// Raises `bound` by the largest figures of what is dropped.
fn give_up(bound: &mut Sum, dropped: impl Iterator<Item = Sum>) {
    let mut largest = Sum::default();
    dropped.for_each(|sum| largest.raise(sum));
    bound.add(largest);
}

impl Worker {
    /// Drops the lighter half of the pairs of actor and app.
    pub(super) fn shed_uses(&mut self) {
        self.start_app_sketches();
        let scale = Scale::of(self.total().sum);
        let pairs: Vec<(u64, Sum)> = std::mem::take(&mut self.uses).iter().collect();
        let weights: Vec<f64> = pairs.iter().map(|(_, sum)| scale.weight(*sum)).collect();
        let keep = heavier(&weights);
        let gone = || pairs.iter().enumerate().filter(|(at, _)| !keep(*at)).map(|(_, pair)| *pair);
        give_up(&mut self.dropped.uses, gone().map(|(_, sum)| sum));
        for (key, _) in gone() {
            self.actors.entries[halves(key).0 as usize].partial = true;
        }
        for (at, (key, sum)) in pairs.iter().enumerate() {
            if keep(at) {
                self.uses.add(*key, *sum);
            }
        }
    }

    /// Drops the lighter half of the actors, and their pairs.
    pub(super) fn shed_actors(&mut self) {
        self.start_app_sketches();
        self.start_domain_sketches();
        let scale = Scale::of(self.total().sum);
        let weights: Vec<f64> = self.actors.entries.iter().map(|actor| scale.weight(actor.sum)).collect();
        let keep = heavier(&weights);
        let old = std::mem::replace(&mut self.actors, Interned::new());
        let gone = old.entries.iter().enumerate().filter(|(at, _)| !keep(*at));
        give_up(&mut self.dropped.actors, gone.map(|(_, actor)| actor.sum));
        let mut numbers = vec![NONE; old.entries.len()];
        for (at, actor) in old.entries.iter().enumerate().filter(|(at, _)| keep(*at)) {
            numbers[at] = self.actors.entries.len() as u32;
            let user = self.user(actor.user.get(&old.names));
            self.actors.index.add(self.shared.hashing.actor(user.hash, actor.address), numbers[at]);
            let user = Held::new(user.name, &mut self.actors.names);
            self.actors.entries.push(Actor { user, ..*actor });
        }
        let (mut kept, mut largest) = (Sums::default(), Sum::default());
        for (key, sum) in self.uses.iter() {
            let (actor, app) = halves(key);
            match numbers[actor as usize] {
                NONE => largest.raise(sum),
                number => _ = kept.add(pair(number, app), sum),
            }
        }
        self.uses = kept;
        self.dropped.uses.add(largest);
    }

    /// Drops the lighter half of the unknown domains; hosts that led to them are looked up again when they come.
    pub(super) fn shed_domains(&mut self) {
        self.start_domain_sketches();
        self.mark();
        let scale = Scale::of(self.total().sum);
        let weights: Vec<f64> = self.domains.entries.iter().map(|domain| scale.weight(domain.traffic.sum)).collect();
        let keep = heavier(&weights);
        let old = std::mem::replace(&mut self.domains, Interned::new());
        let sketches = self.domain_sketches.replace(Vec::new()).unwrap_or_default();
        let mut numbers = vec![NONE; old.entries.len()];
        let mut largest = Sum::default();
        for ((at, domain), sketch) in old.entries.iter().enumerate().zip(sketches) {
            if !keep(at) {
                largest.raise(domain.traffic.sum);
                self.dropped.other_domains.add(&domain.traffic);
                continue;
            }
            numbers[at] = self.domains.entries.len() as u32;
            let name = old.names.get(domain.name);
            self.domains.index.add(self.shared.hashing.key(name).hash, numbers[at]);
            let name = self.domains.names.add(name);
            self.domains.entries.push(Domain { name, ..*domain });
            self.domain_sketches.get_or_insert_default().push(sketch);
        }
        self.dropped.domains.add(largest);
        let apps = self.apps.len() as u32;
        self.keep_hosts(|_, destination| match destination {
            UNNAMED | SKIPPED => Some(destination),
            app if app < apps => Some(app),
            domain => match numbers[(domain - apps) as usize] {
                NONE => None,
                number => Some(apps + number),
            },
        });
    }

    /// Drops the lighter half of the host names.
    pub(super) fn shed_hosts(&mut self) {
        let scale = Scale::of(self.total().sum);
        let weights: Vec<f64> = self.hosts.entries.iter().map(|host| scale.weight(host.sum)).collect();
        let keep = heavier(&weights);
        let apps = self.apps.len() as u32;
        let mut largest = Sum::default();
        for (at, host) in self.hosts.entries.iter().enumerate().filter(|(_, host)| host.destination < apps) {
            if !keep(at) {
                largest.raise(host.sum);
                self.apps[host.destination as usize].partial_hosts = true;
            }
        }
        self.dropped.hosts.add(largest);
        self.keep_hosts(|at, destination| keep(at).then_some(destination));
    }

    /// Rebuilds the hosts from those that `keep` gives a destination.
    fn keep_hosts(&mut self, keep: impl Fn(usize, u32) -> Option<u32>) {
        self.dropped.some_hosts = true;
        let old = std::mem::replace(&mut self.hosts, Interned::new());
        for (at, host) in old.entries.iter().enumerate() {
            if let Some(destination) = keep(at, host.destination) {
                let key = self.shared.hashing.key(host.name.get(&old.names));
                self.put_host(&key, destination, host.sum);
            }
        }
    }

    /// Adds a host that is not there; its number.
    pub(super) fn put_host(&mut self, key: &Key<'_>, destination: u32, sum: Sum) -> u32 {
        let n = self.hosts.entries.len() as u32;
        self.hosts.index.add(key.hash, n);
        let name = Held::new(key.name, &mut self.hosts.names);
        self.hosts.entries.push(Host { name, destination, sum });
        n
    }

    /// From here on users and addresses per app are also counted in sketches.
    pub(super) fn start_app_sketches(&mut self) {
        if !std::mem::replace(&mut self.app_sketches, true) {
            let keys: Vec<u64> = self.uses.iter().map(|(key, _)| key).collect();
            for key in keys {
                let (actor, app) = halves(key);
                self.sketch_use(actor, app);
            }
        }
    }

    pub(super) fn sketch_use(&mut self, actor: u32, app: u32) {
        let actor = self.actors.entries[actor as usize];
        let sketch = self.apps[app as usize].sketch.get_or_insert_default();
        let user = actor.user.get(&self.actors.names);
        if !user.is_empty() {
            sketch.users.add(self.shared.hashing.key(user).hash);
        }
        if let Some(address) = actor.address {
            sketch.addresses.add(self.shared.hashing.address(address));
        }
    }

    /// From here on the users of unknown domains are counted in sketches only.
    pub(super) fn start_domain_sketches(&mut self) {
        if self.domain_sketches.is_some() {
            return;
        }
        let mut sketches = vec![PerDomain::default(); self.domains.entries.len()];
        for key in std::mem::take(&mut self.seen).iter() {
            let (actor, domain) = halves(key);
            sketches[domain as usize].add(self.who(actor));
        }
        self.domain_sketches = Some(sketches);
    }

    fn who(&self, actor: u32) -> u64 {
        let actor = &self.actors.entries[actor as usize];
        self.shared.who(actor.user.get(&self.actors.names), actor.address)
    }

    /// Takes over everything that `other` counted. `limits` are those of the result.
    pub(super) fn absorb(&mut self, mut other: Worker, limits: Limits) {
        self.limits = limits;
        self.flush();
        other.flush();
        if other.app_sketches {
            self.start_app_sketches();
        }
        if self.app_sketches {
            other.start_app_sketches();
        }
        if other.domain_sketches.is_some() {
            self.start_domain_sketches();
        }
        if self.domain_sketches.is_some() {
            other.start_domain_sketches();
        }
        self.unnamed.add(&other.unnamed);
        self.all_users.merge(&other.all_users);
        self.all_addresses.merge(&other.all_addresses);
        self.all_hosts.merge(&other.all_hosts);
        self.all_domains.merge(&other.all_domains);
        let bounds = |d: &super::worker::Dropped| [d.actors, d.uses, d.domains, d.hosts];
        let theirs = bounds(&other.dropped);
        let mine = &mut self.dropped;
        for (bound, more) in
            [&mut mine.actors, &mut mine.uses, &mut mine.domains, &mut mine.hosts].into_iter().zip(theirs)
        {
            bound.add(more);
        }
        mine.other_domains.add(&other.dropped.other_domains);
        mine.some_hosts |= other.dropped.some_hosts;

        let slots = self.absorb_days(&other);
        let devices: Vec<u32> =
            other.devices.entries.iter().map(|name| self.device_number(other.devices.names.get(*name))).collect();
        for key in other.app_devices.iter() {
            let (app, device) = halves(key);
            if devices[device as usize] != NONE {
                self.app_devices.add(pair(app, devices[device as usize]));
            }
        }
        for (mine, theirs) in self.apps.iter_mut().zip(std::mem::take(&mut other.apps)) {
            absorb_app(mine, theirs, &slots);
        }
        // Domains are dropped while others are added: where one landed is only known at the end.
        let names = std::mem::replace(&mut other.domains, Interned::new());
        let sketches = other.domain_sketches.take();
        for (at, domain) in names.entries.iter().enumerate() {
            let n = self.domain(names.names.get(domain.name)) as usize;
            self.domains.entries[n].traffic.add(&domain.traffic);
            if let (Some(mine), Some(theirs)) = (&mut self.domain_sketches, &sketches) {
                mine[n].merge(&theirs[at]);
            }
        }
        drop(sketches);
        self.absorb_hosts(std::mem::replace(&mut other.hosts, Interned::new()), &names);
        self.absorb_actors(other, &names);
    }

    fn absorb_days(&mut self, other: &Worker) -> Vec<Option<usize>> {
        let slots: Vec<Option<usize>> = other.days.slots.iter().map(|day| self.days.slot(*day)).collect();
        self.hours.resize(self.days.slots.len() * 24, Cell::default());
        for (slot, hours) in slots.iter().zip(other.hours.chunks(24)) {
            let Some(slot) = *slot else { continue };
            self.hours[slot * 24..].iter_mut().zip(hours).for_each(|(mine, theirs)| mine.add(*theirs));
        }
        slots
    }

    fn absorb_hosts(&mut self, hosts: Interned<Host>, domains: &Interned<Domain>) {
        let apps = self.apps.len() as u32;
        for host in &hosts.entries {
            let key = self.shared.hashing.key(host.name.get(&hosts.names));
            if let Some(n) = self.find_host(&key) {
                self.hosts.entries[n as usize].sum.add(host.sum);
                continue;
            }
            if self.hosts.full(self.limits.hosts, self.limits.names) {
                self.shed_hosts();
            }
            let destination = match host.destination {
                UNNAMED | SKIPPED => host.destination,
                app if app < apps => app,
                domain => {
                    let name = domains.names.get(domains.entries[(domain - apps) as usize].name);
                    match self.find_domain(name) {
                        Some(number) => apps + number,
                        None => continue,
                    }
                }
            };
            self.put_host(&key, destination, host.sum);
        }
    }

    /// Actors with their pairs. First all actors, so that their final numbers are known; then the pairs.
    fn absorb_actors(&mut self, mut other: Worker, domains: &Interned<Domain>) {
        for actor in &other.actors.entries {
            let user = self.user(actor.user.get(&other.actors.names));
            let hash = self.shared.hashing.actor(user.hash, actor.address);
            match self.find_actor(hash, &user, actor.address) {
                Some(n) => {
                    let mine = &mut self.actors.entries[n as usize];
                    mine.sum.add(actor.sum);
                    mine.partial |= actor.partial;
                }
                None => {
                    let n = self.new_actor(hash, &user, actor.address, actor.sum);
                    self.actors.entries[n as usize].partial = actor.partial;
                }
            }
        }
        let numbers: Vec<Option<(u32, u64)>> = (other.actors.entries.iter())
            .map(|actor| {
                let user = self.user(actor.user.get(&other.actors.names));
                let hash = self.shared.hashing.actor(user.hash, actor.address);
                let who = self.shared.who(user.name, actor.address);
                self.find_actor(hash, &user, actor.address).map(|n| (n, who))
            })
            .collect();
        other.actors = Interned::new();
        let mut largest = Sum::default();
        for (key, sum) in std::mem::take(&mut other.uses).iter() {
            let (actor, app) = halves(key);
            match numbers[actor as usize] {
                None => largest.raise(sum),
                Some((actor, _)) => {
                    if self.uses.add(pair(actor, app), sum) && self.uses.len() >= self.limits.uses {
                        self.shed_uses();
                    }
                }
            }
        }
        self.dropped.uses.add(largest);
        let places: Vec<Option<u32>> =
            domains.entries.iter().map(|domain| self.find_domain(domains.names.get(domain.name))).collect();
        for key in std::mem::take(&mut other.seen).iter() {
            let (actor, domain) = halves(key);
            if let (Some((actor, who)), Some(domain)) = (numbers[actor as usize], places[domain as usize]) {
                self.saw(actor, domain, who);
            }
        }
        self.mark();
    }
}

fn absorb_app(mine: &mut App, theirs: App, slots: &[Option<usize>]) {
    mine.traffic.add(&theirs.traffic);
    mine.by_address |= theirs.by_address;
    mine.partial_hosts |= theirs.partial_hosts;
    mine.hours.iter_mut().zip(theirs.hours).for_each(|(mine, theirs)| *mine += theirs);
    for (slot, cell) in slots.iter().zip(&theirs.days) {
        if let Some(slot) = *slot {
            if mine.days.len() <= slot {
                mine.days.resize(slot + 1, Default::default());
            }
            mine.days[slot].add(*cell);
        }
    }
    match (&mut mine.sketch, theirs.sketch) {
        (Some(mine), Some(theirs)) => {
            mine.users.merge(&theirs.users);
            mine.addresses.merge(&theirs.addresses);
        }
        (mine @ None, theirs) => *mine = theirs,
        (Some(_), None) => {}
    }
}
