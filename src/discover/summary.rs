//! From the merged counts to the report: users, addresses and their apps out of the pairs, names out of the arenas.

use super::pseudonym::Pseudonyms;
use super::report::{
    Accuracy, App, Background, Baseline, Category, Day, Domain, Hour, Listing, Report, Rest, SCHEMA, Share, Source,
    Totals, Volume, Who, time_text,
};
use super::risk::{self, Level, Risk};
use super::table::{Index, NONE, Sum, halves};
use super::tags::{Tag, Tags};
use super::worker::{Traffic, Worker, address_of};
use crate::catalog::Kind;
use crate::logs::sketch::{Distinct, PerApp, Whole};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What an earlier report knew.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    /// Where it was read from.
    pub name: String,
    /// The last transaction in it.
    pub last_seen: Option<String>,
    /// Its apps, by id, with their names.
    pub apps: BTreeMap<u32, String>,
    /// Its unknown domains, if it lists them all.
    pub domains: Option<BTreeSet<String>>,
}

/// What a report is made with besides the counts.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Most rows of users, addresses and unknown domains.
    pub top: usize,
    /// Most users, addresses and hosts below an app, and apps below a user.
    pub detail: usize,
    /// Names or tokens.
    pub pseudonyms: Pseudonyms,
    /// What was decided about apps.
    pub tags: Tags,
    /// What to compare with.
    pub earlier: Option<Earlier>,
}

/// A group of actors (a user, an address) and one app of it.
#[derive(Clone, Copy)]
struct GroupUse {
    group: u32,
    app: u32,
    sum: Sum,
}

/// Actors by user or by address.
struct Groups {
    /// By actor; none when the actor has no user (address).
    of: Vec<u32>,
    /// One actor of each group, to name it by.
    example: Vec<u32>,
    sums: Vec<Sum>,
    partial: Vec<bool>,
    /// Sorted by group, then app.
    uses: Vec<GroupUse>,
}

impl Groups {
    /// Groups actors by what `key` hashes and `order` compares; the groups are numbered in that order.
    fn new(worker: &Worker, key: impl Fn(u32) -> Option<u64>, order: impl Fn(u32, u32) -> Ordering) -> Groups {
        let (mut index, mut met, mut of) = (Index::default(), Vec::new(), Vec::new());
        for actor in 0..worker.actors.entries.len() as u32 {
            let Some(hash) = key(actor) else {
                of.push(NONE);
                continue;
            };
            let found = index.find(hash, |group| order(met[group as usize], actor).is_eq());
            of.push(found.unwrap_or_else(|| {
                index.add(hash, met.len() as u32);
                met.push(actor);
                met.len() as u32 - 1
            }));
        }
        let mut sorted: Vec<u32> = (0..met.len() as u32).collect();
        sorted.sort_unstable_by(|one, other| order(met[*one as usize], met[*other as usize]));
        let mut rank = vec![0_u32; met.len()];
        (0_u32..).zip(&sorted).for_each(|(place, group)| rank[*group as usize] = place);
        of.iter_mut().filter(|group| **group != NONE).for_each(|group| *group = rank[*group as usize]);
        let (sums, partial) = (vec![Sum::default(); met.len()], vec![false; met.len()]);
        let example = sorted.iter().map(|group| met[*group as usize]).collect();
        let mut groups = Groups { of, example, sums, partial, uses: Vec::new() };
        for (group, entry) in groups.of.iter().zip(&worker.actors.entries).filter(|(group, _)| **group != NONE) {
            groups.sums[*group as usize].add(entry.sum);
            groups.partial[*group as usize] |= entry.partial;
        }
        let uses = worker.uses.iter().map(|(key, sum)| (halves(key), sum));
        groups.uses = uses
            .filter(|((actor, _), _)| groups.of[*actor as usize] != NONE)
            .map(|((actor, app), sum)| GroupUse { group: groups.of[actor as usize], app, sum })
            .collect();
        groups.uses.sort_unstable_by_key(|one| (one.group, one.app));
        groups.uses.dedup_by(|one, kept| {
            let same = (one.group, one.app) == (kept.group, kept.app);
            if same {
                kept.sum.add(one.sum);
            }
            same
        });
        groups
    }

    fn users(worker: &Worker) -> Groups {
        let name = |actor: u32| worker.actors.entries[actor as usize].user.get(&worker.actors.names);
        let hashing = worker.shared.hashing;
        let key = |actor| Some(name(actor)).filter(|name| !name.is_empty()).map(|name| hashing.key(name).hash);
        Groups::new(worker, key, |one, other| name(one).cmp(name(other)))
    }

    fn addresses(worker: &Worker) -> Groups {
        let address = |actor: u32| worker.actors.entries[actor as usize].address;
        let key = |actor| address(actor).map(|address| worker.shared.hashing.address(address));
        Groups::new(worker, key, |one, other| address(one).cmp(&address(other)))
    }

    /// The groups of each app, largest first, at most `most`; and how many there are.
    fn by_app(&self, apps: usize, most: usize) -> (Vec<Vec<GroupUse>>, Vec<u64>) {
        let mut counts = vec![0_u64; apps];
        let mut top: Vec<Vec<GroupUse>> = vec![Vec::new(); apps];
        for one in &self.uses {
            counts[one.app as usize] += 1;
            let list = &mut top[one.app as usize];
            list.push(*one);
            // Cut now and then, so that a list never grows past a few times what is kept.
            if list.len() >= most.max(8) * 4 {
                cut(list, most, |group| group);
            }
        }
        top.iter_mut().for_each(|list| cut(list, most, |group| group));
        (top, counts)
    }
}

/// Largest first, equal ones in the order of `name`, and no more than `most`.
fn cut<N: Ord>(list: &mut Vec<GroupUse>, most: usize, name: impl Fn(u32) -> N) {
    let size = |one: &GroupUse| Reverse((one.sum.bytes, one.sum.count));
    list.sort_unstable_by(|one, other| {
        size(one).cmp(&size(other)).then_with(|| name(one.group).cmp(&name(other.group)))
    });
    list.truncate(most);
}

fn volume(traffic: &Traffic) -> Volume {
    let Traffic { sum, down, blocked, .. } = traffic;
    Volume { transactions: sum.count, bytes_up: sum.up, bytes_down: *down, bytes: sum.bytes, blocked: *blocked }
}

fn seen(traffic: &Traffic) -> (Option<String>, Option<String>) {
    if traffic.first > traffic.last {
        return (None, None);
    }
    (time_text(traffic.first), time_text(traffic.last))
}

fn share(name: String, sum: Sum) -> Share {
    Share { name, transactions: sum.count, bytes_up: sum.up, bytes: sum.bytes }
}

fn text(name: &[u8]) -> String {
    match name.first() {
        Some(0) => address_of(name).map_or_else(|| "\u{fffd}".to_owned(), |address| address.to_string()),
        _ => String::from_utf8_lossy(name).into_owned(),
    }
}

/// Where the catalogue's facts of each app lie while the report is made.
struct Facts {
    risk: Vec<Risk>,
    tag: Vec<Option<Tag>>,
    is_app: Vec<bool>,
}

/// Makes the report.
pub(super) fn report(worker: &Worker, sources: Vec<Source>, options: &Options) -> Report {
    let catalog = worker.shared.catalog.clone();
    let facts = Facts {
        risk: catalog.apps().iter().map(risk::assess).collect(),
        tag: catalog.apps().iter().map(|app| options.tags.get(app.id)).collect(),
        is_app: catalog.apps().iter().map(|app| app.kind == Kind::App).collect(),
    };
    let users = Groups::users(worker);
    let user_name = |group: u32| {
        let actor = worker.actors.entries[users.example[group as usize] as usize];
        options.pseudonyms.user(actor.user.get(&worker.actors.names))
    };
    let user_rows = listing(worker, &users, &facts, options, user_name);
    let (top_users, user_counts) = users.by_app(worker.apps.len(), options.detail);
    let top_users = named(top_users, user_name);
    let category_users = category_users(worker, &users);
    let user_count = users.example.len() as u64;
    drop(users);

    let addresses = Groups::addresses(worker);
    let address_name = |group: u32| {
        let address = worker.actors.entries[addresses.example[group as usize] as usize].address;
        options.pseudonyms.address(address.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)))
    };
    let address_rows = listing(worker, &addresses, &facts, options, address_name);
    let (top_addresses, address_counts) = addresses.by_app(worker.apps.len(), options.detail);
    let top_addresses = named(top_addresses, address_name);
    let address_count = addresses.example.len() as u64;
    drop(addresses);

    let (hosts, host_counts) = hosts(worker, options.detail);
    let people = People { top_users, user_counts, top_addresses, address_counts, hosts, host_counts };
    let apps = apps(worker, &facts, people, options);
    let unknown = domains(worker, options);
    let background = background(worker);
    let partial = worker.dropped.actors != Sum::default();
    let whole = |exact: u64, sketch: &Whole| if partial { sketch.estimate() } else { exact };
    let to = |is: bool| {
        let mut sum = Volume::default();
        let all = worker.apps.iter().zip(&facts.is_app).filter(|(_, app)| **app == is);
        all.for_each(|(app, _)| sum.add(&volume(&app.traffic)));
        sum
    };
    let mut to_unknown = volume(&worker.dropped.other_domains);
    worker.domains.entries.iter().for_each(|domain| to_unknown.add(&volume(&domain.traffic)));
    let hosts_seen = match worker.dropped.some_hosts {
        false => worker.hosts.entries.len() as u64,
        true => worker.all_hosts.estimate(),
    };
    let count = |wanted: &dyn Fn(&App) -> bool| apps.iter().filter(|app| wanted(app)).count() as u64;
    let total = worker.total();
    let totals = Totals {
        volume: volume(&total),
        users: whole(user_count, &worker.all_users),
        addresses: whole(address_count, &worker.all_addresses),
        apps: apps.len() as u64,
        new_apps: count(&|app| app.new == Some(true)),
        high_risk_apps: count(&|app| app.risk.level == Level::High),
        unsanctioned_apps: count(&|app| app.tag == Some(Tag::Unsanctioned)),
        hosts: hosts_seen,
        unknown_domains: unknown.count,
        to_apps: to(true),
        to_background: to(false),
        to_unknown,
        unnamed: volume(&worker.unnamed),
    };
    let (first_seen, last_seen) = seen(&total);
    let baseline = options.earlier.as_ref().map(|earlier| Baseline {
        name: earlier.name.clone(),
        last_seen: earlier.last_seen.clone(),
        gone: (earlier.apps.iter())
            .filter(|(id, _)| !apps.iter().any(|app| app.id == **id))
            .map(|(_, name)| name.clone())
            .collect(),
    });
    Report {
        schema: SCHEMA,
        first_seen,
        last_seen,
        users: Listing { count: totals.users, ..user_rows },
        addresses: Listing { count: totals.addresses, ..address_rows },
        totals,
        sources,
        categories: categories(&apps, &category_users),
        apps,
        devices: worker.devices.entries.iter().map(|name| text(worker.devices.names.get(*name))).collect(),
        unknown_domains: unknown,
        background,
        timeline: timeline(worker),
        pseudonyms: options.pseudonyms.is_on(),
        baseline,
        accuracy: accuracy(worker),
    }
}

/// What is known about the users, addresses and hosts of each app, by position.
struct People {
    top_users: Vec<Vec<Share>>,
    user_counts: Vec<u64>,
    top_addresses: Vec<Vec<Share>>,
    address_counts: Vec<u64>,
    hosts: Vec<Vec<Share>>,
    host_counts: Vec<u64>,
}

fn named(lists: Vec<Vec<GroupUse>>, name: impl Fn(u32) -> String) -> Vec<Vec<Share>> {
    lists.into_iter().map(|list| list.into_iter().map(|one| share(name(one.group), one.sum)).collect()).collect()
}

fn listing(
    worker: &Worker,
    groups: &Groups,
    facts: &Facts,
    options: &Options,
    name: impl Fn(u32) -> String,
) -> Listing<Who> {
    let mut order: Vec<u32> = (0..groups.example.len() as u32).collect();
    order.sort_unstable_by_key(|group| {
        let sum = groups.sums[*group as usize];
        (Reverse((sum.bytes, sum.count)), *group)
    });
    let mut rest = Rest::default();
    for group in order.iter().skip(options.top) {
        let sum = groups.sums[*group as usize];
        rest.transactions += sum.count;
        rest.bytes = rest.bytes.saturating_add(sum.bytes);
    }
    order.truncate(options.top);
    let rows = order.into_iter().map(|group| {
        let from = groups.uses.partition_point(|one| one.group < group);
        let own = groups.uses[from..].iter().take_while(|one| one.group == group);
        let mut own: Vec<&GroupUse> = own.filter(|one| facts.is_app[one.app as usize]).collect();
        let sum = groups.sums[group as usize];
        let count = |wanted: &dyn Fn(usize) -> bool| own.iter().filter(|one| wanted(one.app as usize)).count() as u64;
        let (apps, unsanctioned, high_risk) = (
            own.len() as u64,
            count(&|app| facts.tag[app] == Some(Tag::Unsanctioned)),
            count(&|app| facts.risk[app].level == Level::High),
        );
        own.sort_unstable_by_key(|one| (Reverse((one.sum.bytes, one.sum.count)), one.app));
        let app_name = |app: u32| worker.shared.catalog.apps()[app as usize].name.clone();
        Who {
            name: name(group),
            apps,
            unsanctioned,
            high_risk,
            partial: groups.partial[group as usize],
            transactions: sum.count,
            bytes_up: sum.up,
            bytes: sum.bytes,
            top_apps: own.iter().take(options.detail).map(|one| share(app_name(one.app), one.sum)).collect(),
        }
    });
    Listing { count: groups.example.len() as u64, rows: rows.collect(), rest }
}

/// Different users per category; none where pairs were dropped.
fn category_users(worker: &Worker, users: &Groups) -> Option<BTreeMap<&'static str, u64>> {
    if worker.app_sketches {
        return None;
    }
    let apps = worker.shared.catalog.apps();
    let mut counts = BTreeMap::new();
    for own in users.uses.chunk_by(|one, other| one.group == other.group) {
        let mut categories: Vec<&'static str> = (own.iter().map(|one| &apps[one.app as usize]))
            .filter(|app| app.kind == Kind::App)
            .map(|app| app.category.id)
            .collect();
        categories.sort_unstable();
        categories.dedup();
        for category in categories {
            *counts.entry(category).or_default() += 1;
        }
    }
    Some(counts)
}

fn apps(worker: &Worker, facts: &Facts, people: People, options: &Options) -> Vec<App> {
    let mut devices = vec![0_u64; worker.apps.len()];
    worker.app_devices.iter().for_each(|key| devices[halves(key).0 as usize] += 1);
    let People { mut top_users, user_counts, mut top_addresses, address_counts, mut hosts, host_counts } = people;
    let catalog = worker.shared.catalog.clone();
    let mut apps = Vec::new();
    for (at, app) in catalog.apps().iter().enumerate() {
        let entry = &worker.apps[at];
        if !facts.is_app[at] || entry.traffic.sum.count == 0 {
            continue;
        }
        let sketched = |count: u64, sketch: Option<&PerApp>| match sketch {
            Some(sketch) if worker.dropped.uses != Sum::default() => sketch.estimate().max(count),
            _ => count,
        };
        let volume = volume(&entry.traffic);
        let (first_seen, last_seen) = seen(&entry.traffic);
        let mut days: Vec<Day> = (worker.days.slots.iter().zip(&entry.days))
            .filter(|(_, cell)| cell.count > 0)
            .map(|(day, cell)| Day { day: *day, transactions: cell.count, bytes_up: cell.up, bytes: cell.bytes })
            .collect();
        days.sort_unstable_by_key(|day| day.day);
        apps.push(App {
            id: app.id,
            name: app.name.clone(),
            category: app.category.id,
            category_name: app.category.name,
            risk: facts.risk[at].clone(),
            tag: facts.tag[at],
            new: options.earlier.as_ref().map(|earlier| !earlier.apps.contains_key(&app.id)),
            by_address: entry.by_address,
            users: sketched(user_counts[at], entry.sketch.as_ref().map(|sketch| &sketch.users)),
            addresses: sketched(address_counts[at], entry.sketch.as_ref().map(|sketch| &sketch.addresses)),
            devices: devices[at],
            blocked_share: volume.blocked_share(),
            volume,
            first_seen,
            last_seen,
            days,
            hours: entry.hours,
            top_users: std::mem::take(&mut top_users[at]),
            top_addresses: std::mem::take(&mut top_addresses[at]),
            hosts: std::mem::take(&mut hosts[at]),
            host_count: (!entry.partial_hosts).then_some(host_counts[at]),
        });
    }
    apps.sort_by_key(|app| (Reverse((app.volume.bytes, app.volume.transactions)), app.id));
    apps
}

fn hosts(worker: &Worker, most: usize) -> (Vec<Vec<Share>>, Vec<u64>) {
    let raw = |host: u32| worker.hosts.entries[host as usize].name.get(&worker.hosts.names);
    let mut counts = vec![0_u64; worker.apps.len()];
    let mut lists: Vec<Vec<GroupUse>> = vec![Vec::new(); worker.apps.len()];
    for (at, host) in (0_u32..).zip(&worker.hosts.entries) {
        if let Some(list) = lists.get_mut(host.destination as usize) {
            counts[host.destination as usize] += 1;
            list.push(GroupUse { group: at, app: host.destination, sum: host.sum });
            if list.len() >= most.max(8) * 4 {
                cut(list, most, raw);
            }
        }
    }
    lists.iter_mut().for_each(|list| cut(list, most, raw));
    (named(lists, |host| text(raw(host))), counts)
}

fn domains(worker: &Worker, options: &Options) -> Listing<Domain> {
    let entries = &worker.domains.entries;
    let mut people = vec![0_u64; entries.len()];
    match &worker.domain_sketches {
        Some(sketches) => people.iter_mut().zip(sketches).for_each(|(n, sketch)| *n = sketch.estimate()),
        None => {
            for (domain, _) in visitors(worker) {
                people[domain as usize] += 1;
            }
        }
    }
    let mut order: Vec<usize> = (0..entries.len()).collect();
    let size = |at: &usize| Reverse((entries[*at].traffic.sum.bytes, entries[*at].traffic.sum.count));
    let raw = |at: &usize| worker.domains.names.get(entries[*at].name);
    order.sort_unstable_by(|one, other| size(one).cmp(&size(other)).then_with(|| raw(one).cmp(raw(other))));
    let dropped = worker.dropped.other_domains.sum;
    let mut rest = Rest { transactions: dropped.count, bytes: dropped.bytes };
    for at in order.iter().skip(options.top) {
        rest.transactions += entries[*at].traffic.sum.count;
        rest.bytes = rest.bytes.saturating_add(entries[*at].traffic.sum.bytes);
    }
    let count =
        if worker.dropped.domains == Sum::default() { entries.len() as u64 } else { worker.all_domains.estimate() };
    let known = options.earlier.as_ref().and_then(|earlier| earlier.domains.as_ref());
    let rows = order.into_iter().take(options.top).map(|at| {
        let domain = text(raw(&at));
        let (first_seen, last_seen) = seen(&entries[at].traffic);
        let new = known.map(|known| !known.contains(&domain));
        Domain { domain, users: people[at], volume: volume(&entries[at].traffic), first_seen, last_seen, new }
    });
    Listing { count, rows: rows.collect(), rest }
}

/// Each domain with each of its users (addresses, where nobody is named) once.
fn visitors(worker: &Worker) -> Vec<(u32, u64)> {
    let who = |actor: u32| {
        let actor = &worker.actors.entries[actor as usize];
        worker.shared.who(actor.user.get(&worker.actors.names), actor.address)
    };
    let mut pairs: Vec<(u32, u64)> =
        (worker.seen.iter().map(halves)).map(|(actor, domain)| (domain, who(actor))).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

fn background(worker: &Worker) -> Vec<Background> {
    let seen = (worker.shared.catalog.apps().iter().zip(&worker.apps))
        .filter(|(app, entry)| app.kind != Kind::App && entry.traffic.sum.count > 0);
    let mut list: Vec<Background> = seen
        .map(|(app, entry)| Background {
            id: app.id,
            name: app.name.clone(),
            kind: app.kind.name(),
            volume: volume(&entry.traffic),
        })
        .collect();
    list.sort_by_key(|one| (Reverse((one.volume.bytes, one.volume.transactions)), one.id));
    list
}

fn categories(apps: &[App], users: &Option<BTreeMap<&'static str, u64>>) -> Vec<Category> {
    let mut by_id: BTreeMap<&'static str, Category> = BTreeMap::new();
    for app in apps {
        let category = by_id.entry(app.category).or_insert_with(|| Category {
            id: app.category,
            name: app.category_name,
            apps: 0,
            users: users.as_ref().map(|users| users.get(app.category).copied().unwrap_or(0)),
            volume: Volume::default(),
        });
        category.apps += 1;
        category.volume.add(&app.volume);
    }
    let mut list: Vec<Category> = by_id.into_values().collect();
    list.sort_by_key(|one| (Reverse((one.volume.bytes, one.volume.transactions)), one.id));
    list
}

fn timeline(worker: &Worker) -> Vec<Hour> {
    let mut hours: Vec<Hour> = (worker.days.slots.iter().zip(worker.hours.chunks(24)))
        .flat_map(|(day, cells)| (0_i64..).zip(cells).map(move |(hour, cell)| (i64::from(*day) * 24 + hour, cell)))
        .filter(|(_, cell)| cell.count > 0)
        .map(|(hour, cell)| Hour {
            hour,
            transactions: cell.count,
            bytes_up: cell.up,
            bytes: cell.bytes,
            blocked: cell.blocked,
        })
        .collect();
    hours.sort_unstable_by_key(|hour| hour.hour);
    hours
}

/// Says of each sort of figure whether it is exact, and if not, how far off it may be.
fn accuracy(worker: &Worker) -> Vec<Accuracy> {
    let none = Sum::default();
    let dropped = &worker.dropped;
    let exact = |figures| Accuracy { figures, exact: true, method: "counted exactly".to_owned() };
    let bounded = |figures, one: &str, bound: Sum| match bound == none {
        true => exact(figures),
        false => Accuracy {
            figures,
            exact: false,
            method: format!(
                "the heaviest are kept: {one} listed is low by at most {} transactions and {} bytes, none left out is \
                 above that",
                bound.count, bound.bytes
            ),
        },
    };
    fn sketched<const P: u32>(figures: &'static str, exact: bool) -> Accuracy {
        let method = match exact {
            true => "counted exactly".to_owned(),
            false => format!("HyperLogLog, standard error {:.1} %", Distinct::<P>::error() * 100.0),
        };
        Accuracy { figures, exact, method }
    }
    let mut pairs = dropped.uses;
    pairs.raise(dropped.actors);
    vec![
        exact("transactions, bytes, blocked, first and last seen, per app, per category and in total"),
        sketched::<14>("number of users and addresses in total", dropped.actors == none),
        sketched::<11>("number of users and addresses per app", dropped.uses == none),
        bounded("traffic per user and per address", "a user at one address", dropped.actors),
        bounded("apps per user, users and addresses per app", "an app of a user at one address", pairs),
        sketched::<14>("number of host names", !dropped.some_hosts),
        bounded("traffic per host name", "a host name", dropped.hosts),
        sketched::<14>("number of unknown domains", dropped.domains == none),
        bounded("traffic per unknown domain", "a domain", dropped.domains),
        sketched::<6>("number of users per unknown domain", worker.domain_sketches.is_none()),
    ]
}
