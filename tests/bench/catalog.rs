//! Host names a second that the compiled-in catalogue recognises on one core, next to a plain hash map of domains.
//!
//! `cargo bench --bench catalog`. The answers of both are compared before anything is timed. Time is the processor time
//! of the one thread, so that a busy machine does not change the figures much.

use logweir::catalog;
use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

/// Few enough to lie in the cache, as a host does that was just cut out of a line; too many to be learnt by heart.
const HOSTS: usize = 1 << 14;

/// How often they are looked up.
const ROUNDS: usize = 64;

fn main() -> std::io::Result<()> {
    let started = processor_time();
    let records = catalog::all().len();
    let build = processor_time().saturating_sub(started);
    let map: HashMap<&str, u32> =
        catalog::all().iter().flat_map(|app| app.domains.iter().map(|domain| (domain.as_str(), app.id))).collect();
    let domains: Vec<&str> = map.keys().copied().collect();
    let mut out = std::io::stdout();
    writeln!(out, "{records} records, {} domains, ready in {:.2} ms", domains.len(), build.as_secs_f64() * 1e3)?;
    for (name, known) in [("no known host", 0), ("two in three known", 2), ("every host known", 3)] {
        let hosts = hosts(&domains, known);
        let hosts: Vec<&[u8]> = hosts.iter().map(|host| host.as_bytes()).collect();
        for host in &hosts {
            assert_eq!(catalog::lookup(host).map(|app| app.id), plain(&map, host), "{}", String::from_utf8_lossy(host));
        }
        let ours = best(|| hosts.iter().filter(|host| catalog::lookup(host).is_some()).count());
        let theirs = best(|| hosts.iter().filter(|host| plain(&map, host).is_some()).count());
        let rate = |time: Duration| (HOSTS * ROUNDS) as f64 / time.as_secs_f64() / 1e6;
        writeln!(out, "{name:>20}: {:6.1} million/s; plain map {:6.1} million/s", rate(ours), rate(theirs))?;
    }
    Ok(())
}

/// As many hosts as asked, `known` in three below domains of the table; one in sixteen in capitals.
fn hosts(domains: &[&str], known: usize) -> Vec<String> {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap_or(0)
    };
    let under = ["", "www.", "api.", "eu-west-1.prod.", "login.", "cdn-17.static.", "mail.", "u4711."];
    let top = ["com", "net", "org", "io", "de", "co.uk", "internal", "example"];
    let mut make = |_| {
        let prefix = under[next(under.len())];
        let host = if next(3) < known {
            format!("{prefix}{}", domains[next(domains.len())])
        } else {
            format!("{prefix}site{}.{}", next(90_000), top[next(top.len())])
        };
        if next(16) == 0 { host.to_ascii_uppercase() } else { host }
    };
    (0..HOSTS).map(&mut make).collect()
}

/// The obvious way: ask a map for the name, then for what follows each dot.
fn plain(map: &HashMap<&str, u32>, host: &[u8]) -> Option<u32> {
    let lower = String::from_utf8_lossy(host).to_ascii_lowercase();
    let mut name = lower.as_str();
    loop {
        if let Some(id) = map.get(name) {
            return Some(*id);
        }
        name = &name[name.find('.')? + 1..];
    }
}

fn best(work: impl Fn() -> usize) -> Duration {
    let timed = |_| {
        let start = processor_time();
        for _ in 0..ROUNDS {
            std::hint::black_box(work());
        }
        processor_time().saturating_sub(start)
    };
    (0..5).map(timed).min().unwrap_or_default()
}

/// The processor time that this thread has used, as the kernel keeps it.
fn processor_time() -> Duration {
    // The kernel brings the figure up to date when the thread gives the processor away.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with scheduler statistics");
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok()).expect("a figure");
    Duration::from_nanos(nanoseconds)
}
