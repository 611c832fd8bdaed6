//! The main job under bad luck, each piece of it at a chosen moment: kills at every stage, outages, expiries, clocks that
//! jump, disks that cannot be written.

use crate::support::site::{Site, log, serve};
use crate::support::{Process, have, root, wait_for};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Starts the site's service again with this script of faults.
fn respawn(site: &mut Site, script: &str, more: &[&str]) {
    site.sandbox.write("faults.toml", script);
    site.service.kill().expect("the service runs");
    site.service.wait().expect("it ends");
    site.service = serve(&site.sandbox, &site.addr, &[&["--faults", "faults.toml"], more].concat()).0;
}

fn fault(call: &str, nth: u32, what: &str) -> String {
    format!("[[fault]]\ncall = \"{call}\"\nnth = {nth}\n{what}\n")
}

fn start(site: &Site, command: &str) -> Process {
    site.sandbox.start(&["--config", "logweir.toml", "--quiet", command])
}

/// The stages of the ledger's shipments, newest first; none while there is no ledger.
fn stages(site: &Site) -> Vec<String> {
    let output =
        site.sandbox.command(&["--config", "logweir.toml", "status", "--offline", "--format", "json"]).output();
    let document: serde_json::Value = serde_json::from_slice(&output.expect("it starts").stdout).unwrap_or_default();
    let rows = document["shipments"].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| row["stage"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Runs `upload` until it ends well.
fn until_well(site: &Site) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let ran = site.sandbox.command(&["--config", "logweir.toml", "upload"]).output().expect("it starts");
        if ran.status.success() {
            return;
        }
        assert!(Instant::now() < until, "{}", String::from_utf8_lossy(&ran.stderr));
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Everything arrived once: so many lines, no blob finalised twice, a sound ledger, an empty spool.
#[track_caller]
fn all_arrived(site: &Site, what: &str, lines: u64) {
    assert_eq!(site.imported(), lines, "{what}");
    let state = site.state();
    let accepted = state["accepted"].as_array().expect("a list");
    let mut blobs: Vec<_> = accepted.iter().map(|entry| entry["blob"].to_string()).collect();
    blobs.sort();
    let all = blobs.len();
    blobs.dedup();
    assert_eq!(blobs.len(), all, "{what}: a blob was finalised twice");
    assert!(site.run(&["doctor"], 0).stdout.contains("passes its integrity check"), "{what}");
    assert_eq!(std::fs::read_dir(site.sandbox.path("state/spool")).expect("the spool").count(), 0, "{what}");
}

#[test]
fn a_kill_at_every_stage_loses_nothing_and_sends_nothing_twice() {
    // The call that is held at this moment, how, and the stage that the ledger shows meanwhile.
    let rows: [(&str, &str, &str, &str); 9] = [
        ("before the token is there", "token", "delay", "packed"),
        ("before the address is granted", "upload_url", "delay", "packed"),
        ("after the address was granted", "upload_url", "hold", "packed"),
        ("while it is stored", "put_blob", "delay", "packed"),
        ("when it is stored, and nobody knows", "put_blob", "hold", "packed"),
        ("when it is stored", "streams", "delay", "stored"),
        ("before it is finalised", "done_upload", "delay", "finalising"),
        ("when it is finalised, and nobody knows", "done_upload", "hold", "finalising"),
        ("before it is confirmed", "streams", "delay", "finalised"),
    ];
    for (what, call, how, stage) in rows {
        let mut site = Site::new();
        let text = log(1, 20);
        let path = site.sandbox.write("logs/a.log", &text);
        let nth = if stage == "finalised" { 2 } else { 1 };
        if how == "hold" {
            // What arrived may be processed late: nothing is sent again before that time is over.
            let config = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
            site.sandbox.write("logweir.toml", &config.replace("uncertain_for = \"2s\"", "uncertain_for = \"10m\""));
        }
        respawn(&mut site, &fault(call, nth, &format!("{how} = \"60s\"")), &[]);
        let mut run = start(&site, "upload");
        wait_for(what, || stages(&site) == [stage]);
        // The call itself comes right after the ledger's own step.
        std::thread::sleep(Duration::from_millis(150));
        run.cut();
        respawn(&mut site, "", &[]);
        until_well(&site);
        all_arrived(&site, what, 20);
        assert_eq!(std::fs::read_to_string(path).expect("the source"), text, "{what}: the source changed");
    }
}

/// A log of so many bytes, of few long lines, so that it is quickly read at the other end.
fn bulk(bytes: usize) -> (String, u64) {
    let now = jiff::Timestamp::now().as_second() - 600;
    let mut text = String::with_capacity(bytes + 8_192);
    let mut lines = 0;
    while text.len() < bytes {
        let filler = "x".repeat(7_900);
        text += &format!(
            "{now}.{:03} 87 192.0.2.10 TCP_MISS/200 {lines} GET http://www.dropbox.com/{filler} ann HIER_DIRECT/203.0.113.5 -\n",
            lines % 1000
        );
        lines += 1;
    }
    (text, lines)
}

#[test]
fn an_upload_of_more_than_64_mib_goes_on_by_block_after_a_kill() {
    let mut site = Site::new();
    let config = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    site.sandbox.write("logweir.toml", &(config + "compression = \"none\"\n"));
    let (text, lines) = bulk(72 << 20);
    site.sandbox.write("logs/a.log", &text);
    // Blocks of 4 MiB: the twelfth and all after it wait.
    respawn(&mut site, &fault("put_block", 12, "times = 1000\ndelay = \"60s\""), &[]);
    let mut run = start(&site, "upload");
    let blocks = |site: &Site| {
        let all = walkdir::WalkDir::new(site.sandbox.path("logweir-service/blobs")).into_iter().flatten();
        all.filter(|entry| entry.path().parent().is_some_and(|dir| dir.extension().is_some_and(|e| e == "blocks")))
            .count()
    };
    wait_for("eleven blocks", || blocks(&site) >= 11);
    std::thread::sleep(Duration::from_millis(300));
    run.cut();
    let kept = blocks(&site);
    assert_eq!(kept, 11);
    respawn(&mut site, "", &[]);
    let wire = crate::support::wire::Wire::before(&site.addr, None);
    let config = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    // Storage is reached at the address of before; the API through the wire, which counts.
    site.sandbox.write(
        "logweir.toml",
        &config.replace(&format!("url = \"http://{}\"", site.addr), &format!("url = \"http://{}\"", wire.addr)),
    );
    until_well(&site);
    let granted = wire.requests().iter().filter(|line| line.contains("/upload_url/")).count();
    assert_eq!(granted, 0, "it went on at the old address: {:?}", wire.requests());
    site.sandbox.write("logweir.toml", &config);
    all_arrived(&site, "resumed", lines);
}

#[test]
fn tokens_and_addresses_that_expire_under_way_are_replaced() {
    let config = |site: &Site| {
        let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
        site.sandbox.write("logweir.toml", &(text + "compression = \"none\"\n"));
    };
    // Tokens and addresses are good for two seconds, and a call in the middle takes three.
    for call in ["put_blob", "streams", "upload_url"] {
        let mut site = Site::with(&["--token-good-for", "2s", "--address-good-for", "2s"]);
        config(&site);
        site.sandbox.write("logs/a.log", &log(1, 20));
        respawn(&mut site, &fault(call, 1, "hold = \"3s\""), &["--token-good-for", "2s", "--address-good-for", "2s"]);
        until_well(&site);
        all_arrived(&site, call, 20);
    }
}

#[test]
fn a_watcher_outlasts_an_outage_and_sends_what_came_meanwhile() {
    let mut site = Site::new();
    let mut watch = start(&site, "watch");
    site.sandbox.write("logs/a.log", &log(1, 5));
    wait_for("the first log", || site.imported() == 5);
    site.service.kill().expect("it runs");
    site.service.wait().expect("it ends");
    site.sandbox.write("logs/b.log", &log(2, 5));
    std::fs::create_dir(site.sandbox.path("logs/new")).expect("a directory");
    std::thread::sleep(Duration::from_secs(2));
    site.sandbox.write("logs/c.log", &log(3, 5));
    site.service = serve(&site.sandbox, &site.addr, &[]).0;
    wait_for("what came meanwhile", || site.imported() == 15);
    watch.signal("-TERM");
    assert!(watch.ends_within(Duration::from_secs(10)).success());
    all_arrived(&site, "an outage", 15);
}

#[test]
fn sigterm_parks_what_is_under_way_and_ends_within_ten_seconds() {
    // The call that takes a minute, which of its kind, the stage meanwhile, and how long after that it is under way.
    let rows = [
        ("upload_url", 1, "packed", 150),
        ("put_blob", 1, "packed", 150),
        ("done_upload", 1, "finalising", 150),
        ("streams", 2, "finalised", 1_000),
    ];
    for (call, nth, stage, later) in rows {
        for command in ["watch", "upload"] {
            let mut site = Site::new();
            site.sandbox.write("logs/a.log", &log(1, 20));
            respawn(&mut site, &fault(call, nth, "times = 1000\ndelay = \"60s\""), &[]);
            let mut run = start(&site, command);
            wait_for(call, || stages(&site) == [stage]);
            std::thread::sleep(Duration::from_millis(later));
            run.signal("-TERM");
            let code = run.ends_within(Duration::from_secs(10)).code();
            assert_eq!(code, Some(if command == "watch" { 0 } else { 130 }), "{command} at {call}");
            respawn(&mut site, "", &[]);
            until_well(&site);
            all_arrived(&site, call, 20);
        }
    }
}

#[test]
fn new_directories_are_picked_up_below_a_pattern_that_goes_deep() {
    let site = Site::new();
    let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    // A scan by timer would come far too late.
    site.sandbox.write("logweir.toml", &text.replace("logs/*.log*", "logs/**/*.log").replace("\"200ms\"", "\"1h\""));
    std::fs::create_dir(site.sandbox.path("logs")).expect("a directory");
    let mut watch = start(&site, "watch");
    site.sandbox.write("logs/a.log", &log(1, 5));
    wait_for("the first log", || site.imported() == 5);
    site.sandbox.write("logs/2026/11/b.log", &log(2, 5));
    wait_for("a log in a new directory", || site.imported() == 10);
    site.sandbox.write("logs/2026/12/c.log", &log(3, 5));
    wait_for("a log in another one", || site.imported() == 15);
    watch.signal("-TERM");
    assert!(watch.ends_within(Duration::from_secs(10)).success());
}

#[test]
fn where_no_events_come_the_timer_finds_the_logs() {
    let site = Site::new();
    // The pattern's directory does not exist yet, so that nothing can be watched.
    let mut watch = start(&site, "watch");
    std::thread::sleep(Duration::from_millis(700));
    site.sandbox.write("logs/a.log", &log(1, 5));
    wait_for("the first log", || site.imported() == 5);
    watch.signal("-TERM");
    assert!(watch.ends_within(Duration::from_secs(10)).success());
}

#[test]
fn a_clock_that_jumps_neither_blocks_nor_repeats_anything() {
    if !have("faketime") {
        return;
    }
    let site = Site::new();
    let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    // The budget of calls is kept by the clock: it is small here.
    site.sandbox.write("logweir.toml", &text.replace("calls_a_minute = 100000", "calls_a_minute = 12"));
    for (number, jump) in ["+0", "+2h", "+0", "+30d", "+0"].iter().enumerate() {
        let number = u32::try_from(number).expect("small");
        site.sandbox.write(&format!("logs/{number}.log"), &log(number, 5));
        let started = Instant::now();
        let mut command = Command::new("faketime");
        command.args(["-f", jump, env!("CARGO_BIN_EXE_logweir"), "--config", "logweir.toml", "upload"]);
        command.current_dir(site.sandbox.path("")).env("LOGWEIR_STATE_DIR", site.sandbox.path("state"));
        let output = command.output().expect("faketime starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{jump}: {said}");
        assert!(started.elapsed() < Duration::from_secs(180), "{jump}: {said}");
        assert_eq!(site.imported(), u64::from(number + 1) * 5, "{jump}: {said}");
    }
    assert!(site.run(&["upload"], 0).stderr.contains("nothing new"));
}

#[test]
fn a_file_that_cannot_be_read_is_told_and_the_rest_is_shipped() {
    let site = Site::new();
    let closed = site.sandbox.write("logs/closed.log", &log(1, 5));
    site.sandbox.write("logs/open.log", &log(2, 5));
    let mut command = site.sandbox.command(&["--config", "logweir.toml", "upload"]);
    let user = 64_123;
    let reached = Command::new(env!("CARGO_BIN_EXE_logweir")).arg("--version").uid(user).gid(user).output();
    if root() {
        if !reached.is_ok_and(|output| output.status.success()) {
            // The build directory is closed to others here.
            return;
        }
        let dir = site.sandbox.path("");
        let owned = Command::new("chown").args(["-R", &user.to_string()]).arg(&dir).status().expect("chown starts");
        let kept = Command::new("chown").arg("0:0").arg(&closed).status().expect("chown starts");
        assert!(owned.success() && kept.success());
        command.uid(user).gid(user);
    }
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    if !root() {
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o0)).expect("a mode");
    }
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("closed.log") && said.contains("ermission denied") && said.contains("hint:"), "{said}");
    assert_eq!(site.imported(), 5);
}

#[test]
fn a_spool_that_cannot_be_written_costs_no_log() {
    if !root() {
        // Remounting takes root.
        return;
    }
    let site = Site::new();
    let state = site.sandbox.path("state");
    std::fs::create_dir_all(&state).expect("a directory");
    let mount = |arguments: &[&str]| {
        let output = Command::new("mount").args(arguments).arg(&state).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=64m", "tmpfs"]) {
        return;
    }
    struct Mounted<'m>(&'m std::path::Path);
    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            // One that is gone already is what is wanted.
            let _ = Command::new("umount").arg("-l").arg(self.0).status();
        }
    }
    let _mounted = Mounted(&state);
    site.sandbox.write("logs/a.log", &log(1, 5));
    site.run(&["upload"], 0);
    site.sandbox.write("logs/b.log", &log(2, 5));
    assert!(mount(&["-o", "remount,ro"]));
    let ran = site.run(&["upload"], 1);
    assert!(ran.stderr.contains("the ledger") && ran.stderr.contains("hint:"), "{}", ran.stderr);
    assert!(mount(&["-o", "remount,rw"]));
    site.run(&["upload"], 0);
    assert_eq!(site.imported(), 10);
}
