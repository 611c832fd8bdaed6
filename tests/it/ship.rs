//! Shipping with the real binary: what is joined, split, refused and put away; several processes; kills; a full disk.

use crate::support::site::{Site, log, serve};
use crate::support::{Process, Ran, wait_for};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A feed of the site's configuration.
fn feed(name: &str, pattern: &str, more: &str) -> String {
    format!(
        "[[feed]]\nname = \"{name}\"\npaths = [\"{pattern}\"]\nlog_type = \"SQUID_NATIVE\"\ndata_source = \"HQ\"\nsettle = \"0s\"\n{more}\n"
    )
}

/// Writes the configuration of the site with other upload settings and feeds.
fn configure(site: &Site, upload: &str, feeds: &str) {
    let (addr, auth) = (&site.addr, site.auth());
    let text = format!(
        "[service]\nurl = \"http://{addr}\"\nauthority = \"http://{addr}\"\nallow_hosts = [\"127.0.0.1\"]\n[auth]\n{auth}\
         [upload]\nscan_every = \"300ms\"\nconfirm_for = \"30s\"\nuncertain_for = \"2s\"\ncalls_a_minute = 100000\n{upload}\n{feeds}"
    );
    site.sandbox.write("logweir.toml", &text);
}

fn start(site: &Site, command: &str) -> Process {
    site.sandbox.start(&["--config", "logweir.toml", "--quiet", command])
}

fn signal(child: &Process, name: &str) {
    child.signal(name);
}

fn status(site: &Site) -> serde_json::Value {
    serde_json::from_str(&site.run(&["status", "--offline", "--format", "json", "--limit", "1000"], 0).stdout)
        .expect("one document")
}

/// Shipments of the ledger, newest first.
fn shipments(site: &Site) -> Vec<serde_json::Value> {
    status(site)["shipments"].as_array().expect("rows").clone()
}

fn accepted(site: &Site) -> usize {
    site.state()["accepted"].as_array().expect("a list").len()
}

/// Runs `upload` until it ends well and nothing is uncertain.
fn until_well(site: &Site) -> Option<Ran> {
    for _ in 0..40 {
        let last = site.sandbox.command(&["--config", "logweir.toml", "upload"]).output().expect("it starts");
        if last.status.success() {
            return Some(Ran::from(last));
        }
        std::thread::sleep(Duration::from_millis(400));
    }
    None
}

#[test]
fn small_files_become_one_shipment_and_every_line_arrives() {
    let site = Site::new();
    for number in 0..500 {
        site.sandbox.write(&format!("logs/{number}.log"), log(number, 3).trim_end());
    }
    site.run(&["upload"], 0);
    assert_eq!(site.imported(), 1500);
    let shipments = shipments(&site);
    assert_eq!((shipments.len(), &shipments[0]["files"]), (1, &500.into()));
    assert!(site.run(&["upload"], 0).stderr.contains("nothing new"));
}

#[test]
fn a_huge_log_goes_in_parts_and_a_forgotten_part_alone_goes_again() {
    let site = Site::new();
    configure(&site, "part_size = \"100kB\"", &feed("hq", "logs/*.log", "compression = \"none\""));
    // Lines that tell their number: no two parts are the same.
    let text: String = (0..40_000).map(|number| log(number, 1)).collect();
    site.sandbox.write("logs/a.log", &text);
    site.run(&["upload"], 0);
    assert_eq!(site.imported(), 40_000);
    let parts = accepted(&site);
    assert!(parts > 2, "{parts}");
    std::fs::copy(site.sandbox.path("logs/a.log"), site.sandbox.path("logs/copy.log")).expect("a copy");
    assert!(site.run(&["upload"], 0).stderr.contains("nothing new"), "a copy of it is known");
    site.run(&["forget", "2"], 0);
    site.run(&["upload"], 0);
    assert_eq!(accepted(&site), parts + 1);
}

#[test]
fn of_a_log_that_grew_only_the_new_end_goes_however_it_was_written_and_rotated() {
    let site = Site::new();
    // Lines that tell their number: a part of a log looks like no other.
    let lines = |from: u32, to: u32| (from..to).map(|number| log(number, 1)).collect::<String>();
    let log_file = site.sandbox.path("logs/access.log");
    let append = |text: &str| {
        let mut file = std::fs::File::options().append(true).open(&log_file).expect("the log");
        std::io::Write::write_all(&mut file, text.as_bytes()).expect("space");
    };
    let shipped = |what: &str, expected: u64| {
        site.run(&["upload"], 0);
        assert_eq!(site.imported(), expected, "{what}");
    };
    let all = lines(0, 2_000);
    site.sandbox.write("logs/access.log", &all);
    shipped("the first time", 2_000);
    append(&lines(2_000, 2_010));
    shipped("it was appended to", 2_010);
    append(lines(2_010, 2_020).trim_end());
    shipped("its last line has no end yet", 2_020);
    append("\n");
    append(&lines(2_020, 2_030));
    shipped("the end came", 2_030);
    // Fetched anew from elsewhere: another file of the same name.
    let longer = std::fs::read_to_string(&log_file).expect("the log") + &lines(2_030, 2_040);
    site.sandbox.write("logs/access.part", &longer);
    std::fs::rename(site.sandbox.path("logs/access.part"), &log_file).expect("a rename");
    shipped("it was replaced by a longer one", 2_040);
    // copytruncate: what came last is in the copy only, and the log begins anew.
    append(&lines(2_040, 2_050));
    std::fs::copy(&log_file, site.sandbox.path("logs/access.log.1")).expect("a copy");
    std::fs::write(&log_file, lines(3_000, 3_005)).expect("the log");
    shipped("it was copied and truncated", 2_055);
    std::fs::write(&log_file, lines(4_000, 4_100)).expect("the log");
    shipped("it was written anew, and longer", 2_155);
    assert!(site.run(&["upload"], 0).stderr.contains("nothing new"));
    // A person who wants the first part again gets that part.
    let first = shipments(&site).last().expect("the first shipment")["id"].to_string();
    site.run(&["forget", &first], 0);
    shipped("the first part was forgotten", 2_155 + 2_000);
}

#[test]
fn a_line_that_was_cut_in_two_when_its_log_was_shipped_arrives_whole() {
    let site = Site::new();
    let (text, end) = (log(1, 10), log(2, 1));
    let (half, rest) = end.split_at(40);
    let file = site.sandbox.write("logs/a.log", &format!("{text}{half}"));
    site.run(&["upload"], 0);
    assert_eq!(site.imported(), 10, "half a line is no transaction");
    std::fs::write(&file, format!("{text}{half}{rest}{}", log(3, 4))).expect("the log");
    site.run(&["upload"], 0);
    assert_eq!(site.imported(), 15);
}

#[test]
fn every_encoding_arrives_and_what_cannot_be_shipped_is_said_once() {
    let site = Site::new();
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(log(1, 10).encode_utf16().collect::<Vec<_>>())
        .flat_map(u16::to_le_bytes)
        .collect();
    site.sandbox.write("logs/bom.log", &format!("\u{feff}{}", log(2, 10)));
    std::fs::write(site.sandbox.path("logs/utf16.log"), utf16).expect("a file");
    site.sandbox.write("logs/plain.log", &log(3, 10));
    site.sandbox.write("logs/empty.log", "");
    for (name, mark) in [("whole.log", 4), ("damaged.log", 5)] {
        let path = site.sandbox.write(&format!("logs/{name}"), &log(mark, 10));
        assert!(Command::new("gzip").arg(&path).status().expect("gzip starts").success());
    }
    let damaged = site.sandbox.path("logs/damaged.log.gz");
    let mut bytes = std::fs::read(&damaged).expect("the file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&damaged, bytes).expect("the file");
    std::fs::write(site.sandbox.path("logs/old.log.xz"), b"\xfd7zXZ\0....").expect("a file");
    let first = site.run(&["upload"], 3);
    assert!(first.stderr.contains("damaged") && first.stderr.contains("xz"), "{}", first.stderr);
    assert_eq!(site.imported(), 40);
    std::fs::remove_file(damaged).expect("the file");
    let again = site.run(&["upload"], 0);
    assert!(!again.stderr.contains("xz") && !again.stderr.contains("empty"), "{}", again.stderr);
    let skipped = status(&site)["skipped"].to_string();
    assert!(skipped.contains("it is empty") && skipped.contains("xz"), "{skipped}");
}

#[test]
fn sources_are_put_away_only_when_finalised_and_never_a_file_that_took_their_name() {
    let mut site = Site::new();
    let feeds = feed("keep", "logs/keep/*", "")
        + &feed("delete", "logs/delete/*", "after = \"delete\"")
        + &feed("archive", "logs/archive/*", "after = \"archive:old\"");
    configure(&site, "", &feeds);
    for (number, name) in ["keep", "delete", "archive"].iter().enumerate() {
        site.sandbox.write(&format!("logs/{name}/a.log"), &log(number as u32, 5));
    }
    site.service.kill().expect("the service runs");
    site.service.wait().expect("it ends");
    let mut down = start(&site, "upload");
    wait_for("packing", || {
        let ledger = site.sandbox.path("state/ledger.db").exists();
        ledger && shipments(&site).len() == 3
    });
    down.kill().expect("it runs");
    down.wait().expect("it ends");
    // Rotation meanwhile: the shipped file has another name now, and another one has its name.
    let (old, new) = (site.sandbox.path("logs/delete/a.log"), site.sandbox.path("logs/delete/a.log.1"));
    std::fs::rename(&old, &new).expect("a rename");
    site.sandbox.write("logs/delete/a.log", &log(7, 5));
    site.service = serve(&site.sandbox, &site.addr, &[]).0;
    until_well(&site).expect("it ends well");
    site.run(&["upload"], 0);
    assert_eq!(site.imported(), 20);
    let exists = |name: &str| site.sandbox.path(name).exists();
    assert!(exists("logs/keep/a.log") && exists("old/a.log") && !exists("logs/archive/a.log"));
    assert!(!old.exists() && !new.exists(), "both were shipped, so both are deleted");
}

#[test]
fn two_watchers_and_cron_on_the_same_folders_ship_nothing_twice() {
    let site = Site::new();
    let mut watchers = [start(&site, "watch"), start(&site, "watch")];
    for number in 0..60_u32 {
        let beside = site.sandbox.write(&format!("logs/{number}.part"), &log(number, 10));
        std::fs::rename(beside, site.sandbox.path(&format!("logs/{number}.log"))).expect("a rename");
        if number % 20 == 10 {
            let mut cron = start(&site, "upload");
            let mut other = start(&site, "upload");
            assert!(cron.wait().expect("it ends").success());
            assert!(other.wait().expect("it ends").success());
        }
    }
    wait_for("shipping", || site.imported() >= 600);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(site.imported(), 600);
    for watcher in &mut watchers {
        signal(watcher, "-TERM");
        let stopped = Instant::now();
        assert!(watcher.wait().expect("it ends").success());
        assert!(stopped.elapsed() < Duration::from_secs(10));
    }
    assert!(std::fs::read_dir(site.sandbox.path("state/owners")).expect("the directory").next().is_none());
}

#[test]
fn a_shipment_in_the_hands_of_another_process_is_not_a_persons_to_order() {
    let mut site = Site::new();
    site.service.kill().expect("the service runs");
    site.service.wait().expect("it ends");
    site.sandbox.write("logs/a.log", &log(1, 3));
    let mut watch = start(&site, "watch");
    wait_for("packing", || site.sandbox.path("state/ledger.db").exists() && shipments(&site).len() == 1);
    for order in ["retry", "forget"] {
        let ran = site.run(&[order, "1"], 5);
        assert!(ran.stderr.contains("has shipment 1 in hand"), "{}", ran.stderr);
    }
    signal(&watch, "-TERM");
    assert!(watch.wait().expect("it ends").success());
    site.run(&["forget", "1"], 0);
}

#[test]
fn a_reload_takes_a_sound_configuration_and_keeps_the_old_one_otherwise() {
    let site = Site::new();
    let arguments = ["--config", "logweir.toml", "watch"];
    let said = std::fs::File::create(site.sandbox.path("said")).expect("a file");
    let mut watch = Process::of(site.sandbox.command(&arguments).stderr(said));
    let said = || std::fs::read_to_string(site.sandbox.path("said")).unwrap_or_default();
    site.sandbox.write("logs/a.log", &log(1, 5));
    wait_for("shipping", || site.imported() == 5);
    let good = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    site.sandbox.write("logweir.toml", &good.replace("settle", "setle"));
    signal(&watch, "-HUP");
    wait_for("the complaint", || said().contains("the former one stays in force"));
    site.sandbox.write("logs/b.log", &log(2, 5));
    wait_for("shipping with the old one", || site.imported() == 10);
    site.sandbox.write("logweir.toml", &(good + &feed("more", "more/*.log", "")));
    signal(&watch, "-HUP");
    wait_for("the reload", || said().contains("was reloaded"));
    site.sandbox.write("more/c.log", &log(3, 5));
    wait_for("shipping what is new", || site.imported() == 15);
    signal(&watch, "-TERM");
    assert!(watch.wait().expect("it ends").success());
}

#[test]
fn the_outage_of_one_tenant_does_not_delay_another() {
    let site = Site::new();
    let (addr, auth) = (&site.addr, site.auth());
    let place =
        |url: &str| format!("url = \"http://{url}\"\nauthority = \"http://{url}\"\nallow_hosts = [\"127.0.0.1\"]\n");
    let text = format!(
        "[service]\n{}[auth]\n{auth}[tenant.down.service]\n{}[tenant.down.auth]\n{auth}\
         [upload]\nscan_every = \"300ms\"\ncalls_a_minute = 100000\n{}{}",
        place(addr),
        place("127.0.0.1:9"),
        feed("a", "logs/*.down", "tenant = \"down\""),
        feed("b", "logs/*.log", "")
    );
    site.sandbox.write("logweir.toml", &text);
    site.sandbox.write("logs/first.down", &log(1, 5));
    let mut watch = start(&site, "watch");
    wait_for("packing", || site.sandbox.path("state/ledger.db").exists() && shipments(&site).len() == 1);
    for number in 2..5 {
        site.sandbox.write(&format!("logs/{number}.log"), &log(number, 5));
        wait_for("shipping of the other tenant", || site.imported() == u64::from(number - 1) * 5);
    }
    signal(&watch, "-TERM");
    assert!(watch.wait().expect("it ends").success());
}

#[test]
fn expired_tokens_and_addresses_and_a_storm_of_429_cost_no_line() {
    let site = Site::new();
    site.sandbox.write("logs/a.log", &log(1, 20));
    let fault = |call: &str, nth: u32, what: &str| format!("[[fault]]\ncall = \"{call}\"\nnth = {nth}\n{what}\n");
    let wait = "headers = { retry-after = \"0\" }";
    let script = fault("upload_url", 1, "status = 401")
        + &fault("put_blob", 1, "status = 403")
        + &(2..5).map(|nth| fault("upload_url", nth, &format!("status = 429\n{wait}"))).collect::<String>()
        + &(1..4).map(|nth| fault("done_upload", nth, &format!("status = 429\n{wait}"))).collect::<String>()
        + &fault("streams", 1, &format!("status = 429\n{wait}"));
    site.sandbox.write("faults.toml", &script);
    let mut site = site;
    site.service.kill().expect("the service runs");
    site.service.wait().expect("it ends");
    site.service = serve(&site.sandbox, &site.addr, &["--faults", "faults.toml"]).0;
    until_well(&site).expect("it ends well");
    assert_eq!(site.imported(), 20);
}

/// At least 200 kills, of runs and of watchers, with the service failing in between and going down for a moment.
#[test]
fn kills_at_any_moment_lose_nothing_and_send_nothing_twice() {
    let mut site = Site::new();
    configure(&site, "", &feed("hq", "logs/*.log*", "join_count = 4"));
    let script: String = ["upload_url", "put_blob", "done_upload", "streams"]
        .iter()
        .flat_map(|call| [("drop = \"after\"", 7), ("status = 503", 12), ("drop = \"during\"", 19)].map(|f| (*call, f)))
        .map(|(call, (what, nth))| format!("[[fault]]\ncall = \"{call}\"\nnth = {nth}\n{what}\n"))
        .collect();
    site.sandbox.write("faults.toml", &script);
    let lines = 25;
    let mut contents = Vec::new();
    let (live, mut appended) = (site.sandbox.path("logs/live.log"), String::new());
    for kill in 0..200_u64 {
        if kill % 5 == 3 {
            // A log that grows all the while, and is shipped as it grows.
            let text: String =
                (0..10).map(|line| log(u32::try_from(10_000 + kill * 10 + line).expect("small"), 1)).collect();
            let mut file = std::fs::File::options().create(true).append(true).open(&live).expect("the log");
            std::io::Write::write_all(&mut file, text.as_bytes()).expect("space");
            appended += &text;
        }
        if kill % 2 == 0 {
            let number = u32::try_from(kill).expect("small");
            let text = log(number, lines);
            let beside = site.sandbox.write(&format!("logs/f{kill}.part"), &text);
            let path = site.sandbox.path(&format!("logs/f{kill}.log"));
            std::fs::rename(beside, &path).expect("a rename");
            contents.push((path, text));
        }
        let mut run = start(&site, if kill % 3 == 0 { "watch" } else { "upload" });
        // Spread over start, packing, storing and finalising; the same every time.
        std::thread::sleep(Duration::from_millis(5 + kill * 37 % 110));
        run.kill().expect("it runs or has ended");
        run.wait().expect("it ends");
        if kill % 50 == 49 {
            site.service.kill().expect("the service runs");
            site.service.wait().expect("it ends");
            site.service = serve(&site.sandbox, &site.addr, &["--faults", "faults.toml"]).0;
        }
    }
    until_well(&site).expect("in the end it goes well");
    let (shipments, state) = (shipments(&site), site.state());
    let mut blobs: Vec<&str> =
        state["accepted"].as_array().expect("a list").iter().filter_map(|a| a["blob"].as_str()).collect();
    let all = blobs.len();
    blobs.sort_unstable();
    blobs.dedup();
    assert_eq!(blobs.len(), all, "a blob was finalised twice");
    contents.push((live, appended));
    let all: usize = contents.iter().map(|(_, text)| text.lines().count()).sum();
    assert_eq!(site.imported(), all as u64, "{shipments:#?}");
    for (path, text) in contents {
        assert_eq!(std::fs::read_to_string(path).expect("the source"), text, "a source file changed");
    }
    assert!(site.run(&["doctor"], 0).stdout.contains("passes its integrity check"));
    let spool = std::fs::read_dir(site.sandbox.path("state/spool")).expect("the spool").count();
    assert_eq!(spool, 0, "the spool is empty when everything arrived");
}

#[test]
fn a_full_disk_loses_nothing_and_shipping_resumes_by_itself() {
    let site = Site::new();
    let state = site.sandbox.path("state");
    std::fs::create_dir_all(&state).expect("a directory");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(&state).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        // Mounting takes root; without it there is no small disk to fill.
        return;
    }
    struct Mounted<'m>(&'m std::path::Path);
    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(self.0).status();
        }
    }
    let _mounted = Mounted(&state);
    configure(&site, "", &feed("hq", "logs/*.log", "compression = \"none\""));
    site.sandbox.write("logs/a.log", &log(1, 10));
    site.run(&["upload"], 0);
    std::fs::write(state.join("ballast"), vec![0; 20 << 20]).expect("a file");
    site.sandbox.write("logs/b.log", &log(2, 60_000));
    let full = site.run(&["upload"], 1);
    assert!(full.stderr.contains("full") || full.stderr.contains("free space"), "{}", full.stderr);
    assert_eq!(site.imported(), 10);
    std::fs::remove_file(state.join("ballast")).expect("the file");
    site.run(&["upload"], 0);
    assert_eq!(site.imported(), 60_010);
}

#[test]
fn processes_that_start_together_all_open_a_new_state_directory() {
    let site = Site::new();
    site.sandbox.write("logs/a.log", &log(1, 5));
    // One round in eighty went wrong while the switch to the write-ahead log did not wait for others.
    for round in 0..60 {
        let state = format!("fresh/{round}");
        let arguments = ["--config", "logweir.toml", "--state-dir", &state, "--quiet", "upload", "--dry-run"];
        let start = |_| site.sandbox.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut together: Vec<Child> = (0..6).map(start).collect::<Result<_, _>>().expect("they start");
        for process in &mut together {
            assert!(process.wait().expect("it ends").success(), "round {round}");
        }
    }
}
