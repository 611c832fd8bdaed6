//! What bounds shipping, and what ends it: the spool's size, the bandwidth, a service that says no for good.

use crate::support::root;
use crate::support::site::{Site, log, serve};
use std::time::{Duration, Instant};

/// Adds lines to a part of the site's configuration.
fn configure(site: &Site, part: &str, lines: &str) {
    let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    site.sandbox.write("logweir.toml", &text.replacen(&format!("{part}\n"), &format!("{part}\n{lines}\n"), 1));
}

fn respawn(site: &mut Site, more: &[&str]) {
    site.service.kill().expect("the service runs");
    site.service.wait().expect("it ends");
    site.service = serve(&site.sandbox, &site.addr, more).0;
}

/// Bytes in the spool.
fn spooled(site: &Site) -> u64 {
    let files = std::fs::read_dir(site.sandbox.path("state/spool")).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
}

/// A log of so many lines that look like no other's.
fn own(number: u32, lines: u32) -> String {
    (0..lines).map(|line| log(number * lines + line, 1)).collect()
}

#[test]
fn the_spool_stays_within_its_size_while_the_service_refuses_and_empties_by_itself() {
    let mut site = Site::new();
    configure(&site, "[upload]", "spool_max = \"1MB\"\nbandwidth = \"100MB\"");
    configure(&site, "settle = \"0s\"", "compression = \"none\"\njoin_size = \"0\"");
    for number in 0..20 {
        site.sandbox.write(&format!("logs/{number:02}.log"), &own(number, 1_500));
    }
    site.sandbox.write("faults.toml", "[[fault]]\ncall = \"upload_url\"\ntimes = 100000\nstatus = 400\n");
    respawn(&mut site, &["--faults", "faults.toml"]);
    let full = site.run(&["upload"], 1);
    assert!(full.stderr.contains("the spool is full"), "{}", full.stderr);
    let used = spooled(&site);
    assert!(used > 300_000 && used <= 1_000_000, "{used} bytes in the spool");
    assert_eq!(site.imported(), 0);
    respawn(&mut site, &[]);
    site.run(&["upload"], 0);
    assert_eq!((site.imported(), spooled(&site)), (30_000, 0));
}

#[test]
fn the_bandwidth_of_the_configuration_holds() {
    let site = Site::new();
    configure(&site, "[upload]", "bandwidth = \"400kB\"");
    configure(&site, "settle = \"0s\"", "compression = \"none\"");
    let text = own(1, 10_000);
    site.sandbox.write("logs/a.log", &text);
    let started = Instant::now();
    site.run(&["upload"], 0);
    // The last piece, of 256 KiB at most, goes out when its turn begins.
    let least = Duration::from_secs_f64((text.len() as f64 - 262_144.0) / 400_000.0);
    assert!(started.elapsed() >= least, "{:?} for {} bytes", started.elapsed(), text.len());
    assert_eq!(site.imported(), 10_000);
}

#[test]
fn success_false_is_a_failure_that_holds_the_log_until_a_person_has_looked() {
    let mut site = Site::new();
    site.sandbox.write("logs/a.log", &log(1, 6));
    let script = "[[fault]]\ncall = \"done_upload\"\ntimes = 3\nstatus = 200\nbody = '{\"success\":false}'\n";
    site.sandbox.write("faults.toml", script);
    respawn(&mut site, &["--faults", "faults.toml"]);
    let refused = site.run(&["upload"], 1);
    assert!(
        refused.stderr.contains("success: false") && refused.stderr.contains("logweir retry 1"),
        "{}",
        refused.stderr
    );
    let status = site.run(&["status", "--offline"], 0).stdout;
    assert!(status.contains("held") && status.contains("success: false"), "{status}");
    assert!(site.run(&["upload"], 0).stderr.contains("nothing new"), "what is held waits for a person");
    assert_eq!(site.imported(), 0);
    site.run(&["retry", "1"], 0);
    site.run(&["upload"], 0);
    assert_eq!(site.imported(), 6);
}

#[test]
fn root_is_warned_where_the_state_belongs_to_somebody_else() {
    if !root() {
        return;
    }
    let site = Site::new();
    site.sandbox.write("logs/a.log", &log(1, 3));
    assert!(!site.run(&["upload"], 0).stderr.contains("runs as root"));
    std::os::unix::fs::chown(site.sandbox.path("state"), Some(64_123), None).expect("root may");
    let warned = site.run(&["upload"], 0);
    assert!(warned.stderr.contains("sudo -u '#64123' logweir"), "{}", warned.stderr);
}

#[test]
fn the_same_log_under_two_feeds_is_two_shipments_and_each_goes_once() {
    let site = Site::new();
    let path = site.sandbox.path("logweir.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    let feed = text[text.find("[[feed]]").expect("a feed")..].to_owned();
    let second = feed.replace("name = \"hq\"", "name = \"branch\"").replace("\"HQ\"", "\"Branch\"");
    site.sandbox.write("logweir.toml", &(text + &second));
    site.sandbox.write("logs/a.log", &log(1, 7));
    site.run(&["upload"], 0);
    std::fs::rename(site.sandbox.path("logs/a.log"), site.sandbox.path("logs/a.log.1")).expect("a rename");
    assert!(site.run(&["upload"], 0).stderr.contains("nothing new"));
    assert_eq!(site.imported(), 14);
    let streams = site.run(&["report", "streams", "--format", "csv"], 0).stdout;
    for name in ["HQ", "Branch"] {
        let row = streams.lines().find(|line| line.starts_with(&format!("{name},"))).expect("a row");
        assert_eq!(row.split(',').nth(2), Some("1"), "{streams}");
    }
}
