//! The engine against a plain model of the same sums, exact, bounded, on one thread and on several.

use super::report::Report;
use super::worker::Limits;
use super::{Engine, Filter, Options};
use crate::catalog::{Catalog, Kind};
use crate::logs::{Action, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// Room for everything in the tests.
const ROOMY: Limits =
    Limits { actors: 1 << 20, uses: 1 << 20, seen: 1 << 20, domains: 1 << 20, hosts: 1 << 20, names: 1 << 26 };
/// Hardly any room.
const TIGHT: Limits = Limits { actors: 200, uses: 400, seen: 300, domains: 50, hosts: 60, names: 1 << 16 };

#[derive(Debug, Clone)]
struct Line {
    user: Option<String>,
    address: IpAddr,
    host: String,
    up: u64,
    down: u64,
    blocked: bool,
    time: i64,
}

/// Lines that look random and are the same every time; small numbers are much more frequent than large ones.
fn lines(n: u64, users: u64, hosts: u64) -> Vec<Line> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |most: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let unit = (state >> 11) as f64 / (1_u64 << 53) as f64;
        ((unit * unit * unit) * most as f64) as u64
    };
    let known: Vec<&str> =
        crate::catalog::all().iter().flat_map(|app| app.domains.iter().map(String::as_str)).collect();
    (0..n)
        .map(|i| {
            let user = random(users);
            let host = random(hosts);
            let host = match host % 3 {
                0 if host % 2 == 0 => format!("h{host}.a-place-that-has-a-long-name.site{}.example.com", host % 7),
                0 => format!("h{host}.site{}.example.com", host % 7),
                1 => format!("www.domain{host}.com"),
                _ => format!("W{}.{}", host % 5, known[host as usize % known.len()]),
            };
            // Some names are longer than what an entry has room for; a host is written in more than one way.
            let user_name = match user % 7 {
                0 => format!("user{user}@a.department.of.contoso.example"),
                1 => format!("CONTOSO\\user.number.{user}"),
                _ => format!("user{user}"),
            };
            let host = match i % 5 {
                0 => format!("{host}."),
                1 => host.to_ascii_uppercase(),
                _ => host,
            };
            Line {
                user: (user % 11 != 3).then_some(user_name),
                address: Ipv4Addr::from(0xc000_0200 + (user % 200) as u32 * 3).into(),
                host,
                up: random(10_000),
                down: random(1_000_000),
                blocked: random(10) == 7,
                time: 1_795_000_000_000_000 + (i * 97_000_003) as i64,
            }
        })
        .collect()
}

fn record(line: &Line) -> Record<'_> {
    Record {
        time: Some(line.time),
        src_ip: Some(line.address),
        user: line.user.as_deref().map(str::as_bytes),
        host: Some(line.host.as_bytes()),
        bytes_up: Some(line.up),
        bytes_down: Some(line.down),
        action: Some(if line.blocked { Action::Blocked } else { Action::Allowed }),
        ..Record::default()
    }
}

fn report(lines: &[Line], limits: Limits, threads: usize, filter: Filter) -> Report {
    let engine = Engine::with_limits(Catalog::builtin(), filter, limits, 7);
    std::thread::scope(|scope| {
        for part in lines.chunks(lines.len().div_ceil(threads)) {
            let engine = &engine;
            scope.spawn(move || {
                let mut counting = engine.counting();
                part.iter().for_each(|line| counting.record(&record(line)));
            });
        }
    });
    engine.report(Vec::new(), &Options { top: usize::MAX, detail: 1_000, ..Options::default() })
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Model {
    count: u64,
    up: u64,
    bytes: u64,
    blocked: u64,
    users: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
    hosts: BTreeSet<String>,
}

impl Model {
    fn add(&mut self, line: &Line) {
        self.count += 1;
        self.up += line.up;
        self.bytes += line.up + line.down;
        self.blocked += u64::from(line.blocked);
        self.users.extend(line.user.clone());
        self.addresses.insert(line.address);
        self.hosts.insert(canonical(&line.host));
    }
}

fn models<'l>(lines: &'l [Line], key: impl Fn(&'l Line) -> Option<String>) -> BTreeMap<String, Model> {
    let mut models = BTreeMap::<String, Model>::new();
    for line in lines {
        if let Some(key) = key(line) {
            models.entry(key).or_default().add(line);
        }
    }
    models
}

fn app_of(line: &Line) -> Option<String> {
    let app = crate::catalog::lookup(line.host.as_bytes())?;
    (app.kind == Kind::App).then(|| app.id.to_string())
}

/// A host as it is told: in lower case, without a final dot.
fn canonical(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn domain_of(line: &Line) -> Option<String> {
    let known = crate::catalog::lookup(line.host.as_bytes()).is_some();
    let name = canonical(&line.host);
    let domain = || crate::catalog::registrable(name.as_bytes()).map(|d| String::from_utf8_lossy(d).into_owned());
    if known { None } else { domain() }
}

#[test]
fn every_figure_equals_a_plain_count_on_any_number_of_threads() {
    let lines = lines(16_000, 600, 2_000);
    let apps = models(&lines, app_of);
    let users = models(&lines, |line| line.user.clone());
    let domains = models(&lines, domain_of);
    for threads in [1, 3] {
        let report = report(&lines, ROOMY, threads, Filter::default());
        assert!(report.accuracy.iter().all(|row| row.exact));
        assert_eq!(report.totals.volume.transactions, 16_000);
        let got: BTreeMap<String, Model> = (report.apps.iter())
            .map(|app| {
                let model = Model {
                    count: app.volume.transactions,
                    up: app.volume.bytes_up,
                    bytes: app.volume.bytes,
                    blocked: app.volume.blocked,
                    users: app.top_users.iter().map(|user| user.name.clone()).collect(),
                    addresses: app.top_addresses.iter().map(|one| one.name.parse().unwrap()).collect(),
                    hosts: app.hosts.iter().map(|host| host.name.clone()).collect(),
                };
                assert_eq!((app.users, app.addresses), (model.users.len() as u64, model.addresses.len() as u64));
                assert_eq!(app.hosts.iter().map(|host| host.transactions).sum::<u64>(), app.volume.transactions);
                assert_eq!(app.days.iter().map(|day| day.bytes).sum::<u64>(), app.volume.bytes);
                assert_eq!(app.hours.iter().sum::<u64>(), app.volume.transactions);
                (app.id.to_string(), model)
            })
            .collect();
        assert_eq!(got, apps);
        assert_eq!(report.users.rows.len(), users.len());
        for row in &report.users.rows {
            let model = &users[&row.name];
            assert_eq!((row.transactions, row.bytes_up, row.bytes), (model.count, model.up, model.bytes));
            let own = lines.iter().filter(|line| line.user.as_ref() == Some(&row.name)).filter_map(app_of);
            assert_eq!(row.apps, own.collect::<BTreeSet<_>>().len() as u64, "{}", row.name);
        }
        assert_eq!(report.unknown_domains.rows.len(), domains.len());
        for row in &report.unknown_domains.rows {
            let model = &domains[&row.domain];
            assert_eq!((row.volume.transactions, row.volume.bytes), (model.count, model.bytes), "{}", row.domain);
            let nobody =
                lines.iter().filter(|line| line.user.is_none() && domain_of(line).as_ref() == Some(&row.domain));
            let nobody: BTreeSet<IpAddr> = nobody.map(|line| line.address).collect();
            assert_eq!(row.users, (model.users.len() + nobody.len()) as u64, "{}", row.domain);
        }
        assert_eq!(report.timeline.iter().map(|hour| hour.transactions).sum::<u64>(), 16_000);
    }
}

#[test]
fn beyond_the_limits_totals_stay_exact_and_every_bound_holds() {
    let lines = lines(30_000, 4_000, 6_000);
    let apps = models(&lines, app_of);
    let users = models(&lines, |line| line.user.clone());
    let domains = models(&lines, domain_of);
    for threads in [1, 3] {
        let report = report(&lines, TIGHT, threads, Filter::default());
        let inexact: Vec<&str> = report.accuracy.iter().filter(|row| !row.exact).map(|row| row.figures).collect();
        assert!(inexact.len() >= 8, "{inexact:?}");
        assert_eq!(report.totals.volume.transactions, 30_000);
        assert_eq!(report.apps.len(), apps.len());
        for app in &report.apps {
            let model = &apps[&app.id.to_string()];
            assert_eq!((app.volume.transactions, app.volume.bytes), (model.count, model.bytes), "{}", app.name);
            let (estimate, truth) = (app.users as f64, model.users.len() as f64);
            assert!((estimate - truth).abs() <= truth * 4.0 * 0.023 + 1.5, "{}: {estimate} for {truth}", app.name);
        }
        let bound = bound(&report, "traffic per user and per address");
        for row in &report.users.rows {
            let model = &users[&row.name];
            // A user has several addresses, so several actors, each of which may miss as much.
            let room = bound * model.addresses.len().max(1) as u64;
            assert!(row.transactions <= model.count && row.transactions + room >= model.count, "{row:?}");
        }
        let bound = self::bound(&report, "traffic per unknown domain");
        let listed: BTreeMap<&str, u64> =
            report.unknown_domains.rows.iter().map(|row| (row.domain.as_str(), row.volume.transactions)).collect();
        for (domain, model) in &domains {
            let count = listed.get(domain.as_str()).copied().unwrap_or(0);
            assert!(count <= model.count && count + bound >= model.count, "{domain}: {count} of {}", model.count);
        }
        let all = report.totals.unknown_domains as f64;
        assert!((all - domains.len() as f64).abs() < domains.len() as f64 * 0.05, "{all} for {}", domains.len());
        let everything = report.totals.to_apps.transactions
            + report.totals.to_background.transactions
            + report.totals.to_unknown.transactions;
        assert_eq!(everything, 30_000);
    }
}

/// The transactions in the sentence of a bound.
fn bound(report: &Report, figures: &str) -> u64 {
    let row = report.accuracy.iter().find(|row| row.figures == figures).expect("such figures");
    assert!(!row.exact, "{figures}");
    let words: Vec<&str> = row.method.split(' ').collect();
    let at = words.iter().position(|word| *word == "transactions").expect("a bound");
    words[at - 1].parse().expect("a number")
}

#[test]
fn filters_leave_out_what_they_say() {
    let lines = lines(5_000, 50, 300);
    let first = &lines[0];
    let whole = report(&lines, ROOMY, 1, Filter::default());
    let until = lines[1_000].time;
    let timed = report(&lines, ROOMY, 1, Filter { until: Some(until), ..Filter::default() });
    assert_eq!(timed.totals.volume.transactions, 1_000);
    let network = vec![format!("{}/32", first.address).parse().unwrap()];
    let networked = report(&lines, ROOMY, 1, Filter { networks: network, ..Filter::default() });
    let from_there = lines.iter().filter(|line| line.address == first.address).count() as u64;
    assert_eq!((networked.totals.volume.transactions, networked.totals.addresses), (from_there, 1));
    let one = whole.apps[0].id;
    let apps = Catalog::builtin().apps().iter().map(|app| app.id == one).collect();
    let only = report(&lines, ROOMY, 1, Filter { apps: Some(apps), ..Filter::default() });
    assert_eq!(only.totals.volume, whole.apps[0].volume);
    assert_eq!((only.apps.len(), only.unknown_domains.count, only.background.len()), (1, 0, 0));
}

#[test]
fn a_line_without_anything_is_counted_and_harms_nothing() {
    let engine = Engine::with_limits(Catalog::builtin(), Filter::default(), ROOMY, 7);
    engine.add(&Record::default());
    engine.add(&Record { time: Some(i64::MAX), bytes_down: Some(u64::MAX), ..Record::default() });
    engine.add(&Record { time: Some(i64::MIN), bytes_up: Some(u64::MAX), host: Some(b""), ..Record::default() });
    engine.add(&Record { dst_ip: Some(Ipv4Addr::LOCALHOST.into()), user: Some(&[0xff; 5_000]), ..Record::default() });
    let report = engine.report(Vec::new(), &Options { top: 10, detail: 10, ..Options::default() });
    assert_eq!((report.totals.volume.transactions, report.totals.unnamed.transactions), (4, 2));
    assert_eq!(report.totals.volume.bytes, u64::MAX);
    let domains: Vec<&str> = report.unknown_domains.rows.iter().map(|row| row.domain.as_str()).collect();
    assert_eq!(domains, ["", "127.0.0.1"]);
    let page = super::html::page(&report, "t", "m");
    assert!(page.contains("127.0.0.1"));
}

#[test]
fn the_same_report_comes_out_whatever_the_threads() {
    let lines = lines(20_000, 300, 900);
    let json = |threads| serde_json::to_string(&report(&lines, ROOMY, threads, Filter::default())).unwrap();
    assert_eq!(json(1), json(4));
}

#[test]
fn a_page_of_a_thousand_apps_and_ten_thousand_users_stays_below_two_megabytes() {
    let mut lines = lines(40_000, 12_000, 30_000);
    let known: Vec<String> =
        crate::catalog::all().iter().filter(|app| app.kind == Kind::App).map(|app| app.domains[0].clone()).collect();
    for (at, line) in lines.iter_mut().enumerate() {
        line.user = Some(format!("firstname.lastname{}@contoso.example", at % 10_000));
        line.address = Ipv4Addr::from(0x0a00_0000 + (at % 10_000) as u32).into();
        if at % 2 == 0 {
            line.host = format!("w{}.{}", at % 9, known[at / 2 % known.len()]);
        }
    }
    let report = report(&lines, ROOMY, 2, Filter::default());
    assert!(report.apps.len() >= known.len() * 9 / 10 && report.users.rows.len() == 10_000);
    let page = super::html::page(&report, "Large", "now");
    assert!(page.len() < 2_000_000, "{}", page.len());
    assert!(page.contains("lastname9999@contoso.example") || page.contains("more are not listed"));
}
