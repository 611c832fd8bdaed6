//! Publishing through the real binary: versions, guards, hooks that fail or hang, interruptions, and the watcher.

use crate::support::http::call;
use crate::support::site::Site;
use crate::support::{Certificate, Ran, Sandbox, have};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A sandbox with one list, its source, and more lines of its `[[block]]`.
struct Host {
    sandbox: Sandbox,
}

impl Host {
    fn new(appliance: &str, more: &str) -> Host {
        let host = Host { sandbox: Sandbox::new() };
        host.configure(appliance, more);
        host
    }

    fn configure(&self, appliance: &str, more: &str) {
        let text = format!(
            "[[block]]\nname = \"proxy\"\nappliance = \"{appliance}\"\noutput = \"out/list.txt\"\n\
             sources = [\"blocked.csv\"]\ndate = false\n{more}\n"
        );
        self.sandbox.write("logweir.toml", &text);
        self.sandbox.write("out/.keep", "");
    }

    /// Rows of `app domain`.
    fn block(&self, rows: &[(&str, &str)]) {
        let rows: String = rows.iter().map(|(app, domain)| format!("{domain},{app}\n")).collect();
        self.sandbox.write("blocked.csv", &format!("domain,app\n{rows}"));
    }

    fn many(&self, count: usize) {
        let names: Vec<String> = (0..count).map(|n| format!("n{n}.example")).collect();
        let rows: Vec<(&str, &str)> = names.iter().map(|name| ("App", name.as_str())).collect();
        self.block(&rows);
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> Ran {
        self.sandbox.run(&[&["--config", "logweir.toml", "block"], arguments].concat(), code)
    }

    #[track_caller]
    fn publish(&self, code: i32) -> Ran {
        self.run(&["publish"], code)
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.run(&[arguments, &["--format", "json"]].concat(), 0).stdout)
            .expect("one JSON document")
    }

    fn list(&self) -> String {
        std::fs::read_to_string(self.sandbox.path("out/list.txt")).unwrap_or_default()
    }

    /// The names in the list.
    fn names(&self) -> Vec<String> {
        self.list().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    fn states(&self) -> Vec<String> {
        let history = self.json(&["history"]);
        let rows = history["publications"].as_array().expect("rows");
        rows.iter().rev().map(|row| row["state"].as_str().expect("text").to_owned()).collect()
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.sandbox.command(&[&["--config", "logweir.toml"], arguments].concat());
        Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts"))
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that is gone already is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let sent = std::process::Command::new("kill").args([name, &id]).status().expect("kill starts");
        assert!(sent.success());
    }

    /// Its exit code, within the time.
    #[track_caller]
    fn ends(&mut self, within: Duration) -> Option<i32> {
        let until = Instant::now() + within;
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait().expect("a status") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not end within {within:?}");
    }
}

#[track_caller]
fn wait(what: &str, until: impl Fn() -> bool) {
    let end = Instant::now() + crate::support::PATIENCE;
    while !until() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn leftovers(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).expect("a directory").flatten();
    names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(".logweir"))
        .collect()
}

#[test]
fn versions_come_and_go_and_an_unchanged_list_is_not_touched() {
    let host = Host::new("squid_dstdomain", "validate = false");
    host.block(&[("A", "a.example"), ("A", "shared.example"), ("B", "shared.example")]);
    assert!(host.publish(0).stderr.contains("published  proxy version 1: +2 -0"));
    assert_eq!(host.names(), [".a.example", ".shared.example"]);
    let inode = |host: &Host| std::fs::metadata(host.sandbox.path("out/list.txt")).expect("the list").ino();
    let before = inode(&host);
    let again = host.run(&["publish", "--quiet"], 0);
    assert_eq!((again.stdout.as_str(), again.stderr.as_str()), ("", ""));
    assert_eq!(inode(&host), before);
    // Without app A, what B needs stays.
    host.block(&[("B", "shared.example"), ("B", "b.example")]);
    let report = host.json(&["publish"]);
    let list = &report["lists"][0];
    assert_eq!(list["apps_removed"], serde_json::json!(["A"]));
    assert_eq!(list["removed"][0]["value"], "a.example");
    assert_eq!(host.names(), [".b.example", ".shared.example"]);
    assert_eq!(host.states(), ["published", "published"]);
    assert!(leftovers(&host.sandbox.path("out")).is_empty());
}

#[test]
fn a_rollback_stays_until_a_person_accepts_something_newer() {
    let host = Host::new("plain_domains", "");
    host.block(&[("A", "a.example")]);
    host.publish(0);
    let first = host.list();
    host.block(&[("A", "a.example"), ("A", "b.example")]);
    host.publish(0);
    assert!(host.run(&["rollback"], 0).stderr.contains("stays there until"));
    assert_eq!(host.list(), first);
    let held = host.publish(3);
    assert!(held.stderr.contains("went back to version 1") && held.stderr.contains("--accept"), "{}", held.stderr);
    assert_eq!(host.list(), first);
    host.run(&["publish", "--accept"], 0);
    assert_eq!(host.names(), ["a.example", "b.example"]);
    host.run(&["rollback", "1"], 0);
    assert_eq!(host.list(), first);
    assert!(host.run(&["rollback", "99"], 1).stderr.contains("no good version 99"));
    let history = host.run(&["history"], 0);
    assert!(history.stdout.contains("back to version 1"), "{}", history.stdout);
}

#[test]
fn too_large_a_change_and_an_empty_list_are_held_and_nothing_is_touched() {
    let host = Host::new("plain_domains", "max_change = \"20%\"");
    host.many(10);
    host.publish(0);
    let full = host.list();
    host.many(7);
    let held = host.publish(3);
    for part in ["0 entries would come and 3 go, of 10", "max_change is 20%, so at most 2", "--accept"] {
        assert!(held.stderr.contains(part), "{part}: {}", held.stderr);
    }
    host.block(&[]);
    let empty = host.run(&["publish", "--accept"], 3);
    assert!(
        empty.stderr.contains("the new list is empty") && empty.stderr.contains("--accept-empty"),
        "{}",
        empty.stderr
    );
    assert_eq!(host.list(), full);
    assert!(host.run(&["history"], 0).stderr.contains("proxy is held: the new list is empty"));
    host.many(7);
    host.run(&["publish", "--accept"], 0);
    assert_eq!(host.names().len(), 7);
    host.block(&[]);
    host.run(&["publish", "--accept-empty"], 0);
    assert!(host.names().is_empty());
}

#[test]
fn a_file_that_is_not_ours_is_kept_as_a_version_to_go_back_to() {
    let host = Host::new("plain_domains", "");
    host.block(&[("A", "a.example")]);
    host.sandbox.write("out/list.txt", "theirs.example\n");
    assert!(host.publish(3).stderr.contains("was not written by logweir"));
    assert_eq!(host.list(), "theirs.example\n");
    host.run(&["publish", "--accept"], 0);
    assert_eq!(host.names(), ["a.example"]);
    host.run(&["rollback"], 0);
    assert_eq!(host.list(), "theirs.example\n");
    assert_eq!(host.states(), ["found", "published", "published"]);
}

#[test]
fn a_list_that_another_hand_changed_is_written_again() {
    let host = Host::new("plain_domains", "");
    host.block(&[("A", "a.example")]);
    host.publish(0);
    host.sandbox.write("out/list.txt", "");
    assert!(host.publish(0).stderr.contains("changed by another hand"));
    assert_eq!(host.names(), ["a.example"]);
    std::fs::remove_file(host.sandbox.path("out/list.txt")).expect("the list");
    host.publish(0);
    assert_eq!(host.names(), ["a.example"]);
}

#[test]
fn mode_and_link_of_the_list_are_kept() {
    let host = Host::new("plain_domains", "");
    host.block(&[("A", "a.example")]);
    let real = host.sandbox.write("real/list.txt", "");
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o604)).expect("a mode");
    std::os::unix::fs::symlink(&real, host.sandbox.path("out/list.txt")).expect("a link");
    host.run(&["publish", "--accept"], 0);
    assert!(std::fs::symlink_metadata(host.sandbox.path("out/list.txt")).expect("the link").is_symlink());
    assert_eq!(std::fs::metadata(&real).expect("the list").permissions().mode() & 0o777, 0o604);
    assert_eq!(host.names(), ["a.example"]);
}

/// A hook that notes the list it saw and fails when a word stands in it.
const HOOK: &str =
    "after = [\"sh\", \"-c\", \"cat \\\"$LOGWEIR_OUTPUT\\\" >> seen; ! grep -q evil \\\"$LOGWEIR_OUTPUT\\\"\"]";

#[test]
fn a_hook_that_fails_brings_the_last_good_version_back() {
    let host = Host::new("plain_domains", HOOK);
    host.block(&[("A", "a.example")]);
    host.publish(0);
    let good = host.list();
    host.block(&[("A", "a.example"), ("A", "evil.example")]);
    let failed = host.publish(1);
    for part in ["the hook of the list proxy failed", "version 1 is back in place, and the hook took it"] {
        assert!(failed.stderr.contains(part), "{part}: {}", failed.stderr);
    }
    assert_eq!(host.list(), good);
    assert_eq!(host.states(), ["published", "failed"]);
    let seen = std::fs::read_to_string(host.sandbox.path("seen")).expect("what the hook saw");
    let seen: Vec<&str> = seen.lines().filter(|line| line.ends_with(".example")).collect();
    assert_eq!(seen, ["a.example", "a.example", "evil.example", "a.example"]);
}

#[test]
fn a_first_version_whose_hook_fails_leaves_no_list() {
    let host = Host::new("plain_domains", HOOK);
    host.block(&[("A", "evil.example")]);
    assert!(host.publish(1).stderr.contains("what was there before is there again"));
    assert!(!host.sandbox.path("out/list.txt").exists());
    host.configure("plain_domains", "after = [\"no-such-program\"]");
    assert!(host.publish(1).stderr.contains("no-such-program is not on the PATH"));
    assert!(!host.sandbox.path("out/list.txt").exists());
}

#[test]
fn a_hook_that_hangs_is_killed_at_its_limit() {
    let host = Host::new("plain_domains", "after = [\"sleep\", \"600\"]\nafter_limit = \"300ms\"");
    host.block(&[("A", "a.example")]);
    let started = Instant::now();
    let hung = host.publish(1);
    assert!(hung.stderr.contains("hung") && hung.stderr.contains("300ms"), "{}", hung.stderr);
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(!host.sandbox.path("out/list.txt").exists());
}

#[test]
fn a_hook_sees_no_secret() {
    let host = Host::new("plain_domains", "after = [\"sh\", \"-c\", \"env > seen\"]");
    host.block(&[("A", "a.example")]);
    let mut command = host.sandbox.command(&["--config", "logweir.toml", "block", "publish"]);
    command.env("LOGWEIR_CLIENT_SECRET", "s3cret").env("LOGWEIR_TOKEN", "t0ken");
    assert!(command.output().expect("it runs").status.success());
    let seen = std::fs::read_to_string(host.sandbox.path("seen")).expect("the environment");
    assert!(seen.contains("LOGWEIR_LIST=proxy") && seen.contains("LOGWEIR_VERSION=1"), "{seen}");
    assert!(!seen.contains("s3cret") && !seen.contains("t0ken"), "{seen}");
}

#[test]
fn an_interruption_during_the_hook_takes_the_version_back() {
    let host =
        Host::new("plain_domains", "after = [\"sh\", \"-c\", \"test ! -e slow || { touch hooking; sleep 600; }\"]");
    host.block(&[("A", "a.example")]);
    host.publish(0);
    let good = host.list();
    host.block(&[("A", "a.example"), ("A", "b.example")]);
    host.sandbox.write("slow", "");
    let mut running = host.start(&["block", "publish"]);
    wait("the hook", || host.sandbox.path("hooking").exists());
    assert!(host.list().contains("b.example"));
    // Nobody else may publish meanwhile.
    assert!(host.publish(5).stderr.contains("another logweir"));
    running.signal("-INT");
    assert_eq!(running.ends(Duration::from_secs(10)), Some(130));
    assert_eq!(host.list(), good);
    assert_eq!(host.states(), ["published", "failed"]);
}

#[test]
fn a_kill_during_the_hook_is_found_out_and_put_right_by_the_next_run() {
    let host =
        Host::new("plain_domains", "after = [\"sh\", \"-c\", \"test ! -e slow || { touch hooking; sleep 20; }\"]");
    host.block(&[("A", "a.example")]);
    host.publish(0);
    let good = host.list();
    host.block(&[("A", "a.example"), ("A", "b.example")]);
    host.sandbox.write("slow", "");
    let mut running = host.start(&["block", "publish"]);
    wait("the hook", || host.sandbox.path("hooking").exists());
    running.0.kill().expect("it runs");
    running.0.wait().expect("it ends");
    assert_eq!(host.states(), ["published", "writing"]);
    std::fs::remove_file(host.sandbox.path("slow")).expect("the mark");
    // Meanwhile the verdict went back to what is in force: the list must, too.
    host.block(&[("A", "a.example")]);
    assert!(host.publish(0).stderr.contains("had been cut off"));
    assert_eq!(host.list(), good);
    assert_eq!(host.states(), ["published", "interrupted", "published"]);
}

#[test]
fn a_kill_at_any_moment_leaves_the_old_or_the_new_list_and_the_next_run_goes_on() {
    let host = Host::new("plain_domains", "after = [\"sh\", \"-c\", \"sleep 0.05\"]\nmax_change = \"any\"");
    let rounds: [Vec<String>; 2] = ["a", "b"].map(|app| (0..300).map(|n| format!("{app}{n}.example")).collect());
    let block = |round: usize| {
        let rows: Vec<(&str, &str)> = rounds[round % 2].iter().map(|name| ("App", name.as_str())).collect();
        host.block(&rows);
    };
    block(0);
    host.publish(0);
    let mut before = host.list();
    for round in 1..14 {
        block(round);
        let mut running = host.start(&["block", "publish"]);
        std::thread::sleep(Duration::from_millis(u64::try_from(round).expect("small") * 14));
        // One that is done already was not killed, and that is a moment too.
        let _ = running.0.kill();
        running.0.wait().expect("it ends");
        let names = host.names();
        let whole =
            |wanted: &Vec<String>| names.len() == wanted.len() && wanted.iter().all(|name| names.contains(name));
        assert!(host.list() == before || whole(&rounds[round % 2]), "round {round}: {} lines", names.len());
        host.publish(0);
        assert_eq!(host.names().len(), 300);
        assert!(whole(&rounds[round % 2]) || host.list() != before);
        before = host.list();
        assert!(leftovers(&host.sandbox.path("out")).is_empty());
    }
    assert!(host.states().iter().all(|state| state == "published" || state == "interrupted"));
}

/// A program of this name on the PATH that ends so.
fn program(host: &Host, name: &str, script: &str) -> String {
    let path = host.sandbox.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    format!("{}:/usr/bin:/bin", host.sandbox.path("bin").display())
}

#[test]
fn what_the_real_program_refuses_is_not_published() {
    let host = Host::new("squid_dstdomain", "");
    host.block(&[("A", "a.example")]);
    let path = program(&host, "squid", "cat \"$4\" > conf; echo 'FATAL: no good' >&2; exit 1");
    let output = host
        .sandbox
        .command(&["--config", "logweir.toml", "block", "publish"])
        .env("PATH", path)
        .output()
        .expect("it runs");
    let ran = Ran::from(output);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("squid refuses the list proxy") && ran.stderr.contains("no good"), "{}", ran.stderr);
    let conf = std::fs::read_to_string(host.sandbox.path("conf")).expect("what the program was given");
    assert!(conf.contains("out/.list.txt.logweir"), "{conf}");
    assert!(!host.sandbox.path("out/list.txt").exists());
    assert!(leftovers(&host.sandbox.path("out")).is_empty());
    assert_eq!(host.states(), Vec::<String>::new());
}

#[test]
fn a_place_that_cannot_be_written_is_told_and_nothing_is_recorded() {
    let host = Host::new("plain_domains", "");
    host.block(&[("A", "a.example")]);
    let text = std::fs::read_to_string(host.sandbox.path("logweir.toml")).expect("the configuration");
    for output in ["/sys/logweir-list.txt", "no/such/directory/list.txt"] {
        host.sandbox.write("logweir.toml", &text.replace("out/list.txt", output));
        let ran = host.publish(1);
        assert!(ran.stderr.contains("cannot write") && ran.stderr.contains("hint:"), "{}", ran.stderr);
    }
    assert_eq!(host.states(), Vec::<String>::new());
}

#[test]
fn a_source_that_fails_changes_nothing() {
    let host = Host::new("plain_domains", "");
    host.block(&[("A", "a.example")]);
    host.publish(0);
    let good = host.list();
    std::fs::remove_file(host.sandbox.path("blocked.csv")).expect("the source");
    assert!(host.publish(1).stderr.contains("cannot read the list"));
    assert_eq!(host.list(), good);
}

#[test]
fn exceptions_end_dates_and_strictness_are_kept() {
    let host = Host::new("plain_domains", "exceptions = [\"partner.example\"]\nnever_block = [\"contoso.com\"]");
    host.sandbox.write(
        "blocked.csv",
        "domain,until\nold.example,2020-01-31\nnow.example,2999-12-31\nwww.partner.example,\nmail.contoso.com,\n",
    );
    let ran = host.publish(0);
    assert_eq!(host.names(), ["now.example"]);
    for part in ["protected  proxy: www.partner.example: exception", "take it out of never_block"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    host.configure("hosts_file", "strict = true");
    let strict = host.publish(1);
    assert!(strict.stderr.contains("not as meant") && strict.stderr.contains("strict = false"), "{}", strict.stderr);
}

#[test]
fn mistakes_in_the_configuration_are_told_by_config_check() {
    let host = Host::new("squid_dstdomian", "set = { colour = \"red\" }\n");
    let ran = host.sandbox.run(&["config", "check", "--config", "logweir.toml"], 2);
    assert!(ran.stderr.contains("did you mean squid_dstdomain?"), "{}", ran.stderr);
    host.configure("squid_dstdomain", "set = { colour = \"red\" }\n");
    let ran = host.sandbox.run(&["config", "check", "--config", "logweir.toml"], 2);
    assert!(ran.stderr.contains("no parameter \"colour\""), "{}", ran.stderr);
    host.configure("squid_dstdomain", "");
    assert!(host.run(&["publish", "--list", "prox"], 2).stderr.contains("did you mean proxy?"));
}

#[test]
fn the_watcher_publishes_by_its_interval_and_ends_when_told() {
    let host = Host::new("plain_domains", "every = \"300ms\"");
    host.block(&[("A", "a.example")]);
    let mut watcher = host.start(&["watch"]);
    wait("the first publication", || host.list().contains("a.example"));
    host.block(&[("A", "a.example"), ("A", "b.example")]);
    wait("the next publication", || host.list().contains("b.example"));
    watcher.signal("-TERM");
    assert_eq!(watcher.ends(Duration::from_secs(10)), Some(0));
    host.block(&[("A", "c.example")]);
    host.sandbox.run(&["watch", "--once", "--config", "logweir.toml"], 0);
    assert_eq!(host.names(), ["c.example"]);
}

#[test]
fn a_diff_shows_what_would_come_and_go_and_the_scripts_that_lead_there_and_back() {
    let host = Host::new("cisco_asa_regex", "max_change = \"any\"");
    host.block(&[("A", "a.example"), ("B", "b.example")]);
    host.publish(0);
    let undo = std::fs::read_to_string(host.sandbox.path("out/list.inverse.txt")).expect("the inverse");
    assert!(undo.contains("no policy-map"), "{undo}");
    host.block(&[("B", "b.example"), ("C", "c.example")]);
    let ran = host.run(&["diff"], 0);
    assert!(
        ran.stdout.contains("+       subtree  c.example") && ran.stdout.contains("-       subtree  a.example"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("apps added: C") && ran.stderr.contains("apps removed: A"), "{}", ran.stderr);
    let script = host.run(&["diff", "--script"], 0).stdout;
    host.publish(0);
    assert_eq!(std::fs::read_to_string(host.sandbox.path("out/list.delta.txt")).expect("the delta"), script);
    assert_eq!(host.run(&["diff", "1", "2", "--script"], 0).stdout, script);
    let back = host.run(&["diff", "2", "1", "--script"], 0).stdout;
    assert_eq!(host.run(&["diff", "1", "2", "--inverse"], 0).stdout, back);
    assert_eq!(std::fs::read_to_string(host.sandbox.path("out/list.inverse.txt")).expect("the inverse"), back);
    assert!(host.run(&["diff"], 0).stderr.contains("no difference"));
    // A delta that was used and put away is no reason to publish again.
    std::fs::remove_file(host.sandbox.path("out/list.delta.txt")).expect("the delta");
    assert!(host.publish(0).stderr.contains("unchanged"));
    let document = host.json(&["diff", "0", "2"]);
    assert_eq!(document["added"].as_array().expect("rows").len(), 2);
    assert!(host.run(&["diff", "1", "9"], 1).stderr.contains("has no version 9"));
    host.configure("plain_domains", "");
    assert!(host.run(&["diff", "1", "1", "--script"], 2).stderr.contains("takes the whole list"));
}

#[test]
fn explain_tells_app_source_list_and_time_and_what_an_appliance_cannot_say() {
    let host = Host::new("hosts_file", "");
    host.sandbox
        .write("blocked.csv", "domain,app,reason\nshare.example,Share,no contract\nlogin.microsoftonline.com,Trap,\n");
    host.publish(0);
    let ran = host.run(&["explain", "https://share.example/some/page"], 0);
    for part in ["subtree share.example", "Share", "no contract", "blocked.csv", "proxy"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let below = host.run(&["explain", "www.share.example"], 0);
    assert!(below.stderr.contains("hosts_file cannot say that"), "{}", below.stderr);
    let document = host.json(&["explain", "www.share.example"]);
    assert_eq!(document["lists"][0]["blocked"], false);
    assert_eq!(document["lists"][0]["entries"][0]["asked_for_by"][0]["app"], "Share");
    let guarded = host.run(&["explain", "login.microsoftonline.com"], 0);
    assert!(guarded.stderr.contains("does not block it") && guarded.stderr.contains("sign-in"), "{}", guarded.stderr);
    assert!(host.run(&["explain", "not a name"], 2).stderr.contains("no name or address"));
}

/// `logweir block serve` with its address.
fn serve(host: &Host, more: &[&str]) -> (Running, String) {
    use std::io::{BufRead, BufReader};
    let mut server = host.start(&[&["block", "serve", "--listen", "127.0.0.1:0"], more].concat());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().expect("a pipe")).read_line(&mut line).expect("the address");
    let address = line.trim().rsplit(' ').next().expect("an address").to_owned();
    (server, address)
}

#[test]
fn appliances_pull_the_version_in_force_and_are_told_when_nothing_changed() {
    let host = Host::new("plain_domains", "");
    host.block(&[("A", "a.example")]);
    host.publish(0);
    let (mut server, address) = serve(&host, &[]);
    let url = format!("{address}/proxy");
    let first = call("GET", &url, &[], "").expect("an answer");
    assert_eq!((first.status, first.body.as_str()), (200, host.list().as_str()));
    assert_eq!(first.headers["content-type"], "text/plain; charset=utf-8");
    let head = call("HEAD", &format!("{address}/proxy/list.txt"), &[], "").expect("an answer");
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    assert_eq!(head.headers["content-length"], first.bytes.len().to_string());
    let (tag, date) = (first.headers["etag"].clone(), first.headers["last-modified"].clone());
    for (name, value) in [("if-none-match", &*tag), ("if-none-match", "\"x\", *"), ("if-modified-since", &*date)] {
        let same = call("GET", &url, &[(name, value)], "").expect("an answer");
        assert_eq!((same.status, same.bytes.len()), (304, 0), "{name}: {value}");
    }
    let old = call("GET", &url, &[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], "").expect("an answer");
    assert_eq!(old.status, 200);
    // A damaged file on disk reaches no appliance; a new version does.
    host.sandbox.write("out/list.txt", "damaged");
    assert_eq!(call("GET", &url, &[], "").expect("an answer").body, first.body);
    host.block(&[("A", "a.example"), ("A", "b.example")]);
    host.publish(0);
    let next = call("GET", &url, &[("if-none-match", &tag)], "").expect("an answer");
    assert_eq!((next.status, next.body.as_str()), (200, host.list().as_str()));
    for (method, path, status) in [
        ("POST", "/proxy", 405),
        ("DELETE", "/proxy", 405),
        ("GET", "/other", 404),
        ("GET", "/proxy/../../etc/passwd", 404),
        ("GET", "/proxy/other.txt", 404),
    ] {
        assert_eq!(
            call(method, &format!("{address}{path}"), &[], "").expect("an answer").status,
            status,
            "{method} {path}"
        );
    }
    assert_eq!(call("GET", &address, &[], "").expect("an answer").body, "/proxy/list.txt\n");
    server.signal("-TERM");
    assert_eq!(server.ends(Duration::from_secs(10)), Some(0));
}

#[test]
fn the_list_server_wants_its_login_and_speaks_tls() {
    let host = Host::new("plain_domains", "");
    host.block(&[("A", "a.example")]);
    host.publish(0);
    let login = host.sandbox.write("login", "edl:p4ss:word\n");
    std::fs::set_permissions(&login, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let certificate = Certificate::self_signed("localhost");
    let pem = certificate.pem.to_str().expect("UTF-8");
    let (_server, address) = serve(&host, &["--login-file", "login", "--tls-cert", pem, "--tls-key", pem]);
    let port = address.rsplit(':').next().expect("a port").to_owned();
    assert!(address.starts_with("https://"));
    let curl = |more: &[&str]| {
        let url = format!("https://127.0.0.1:{port}/proxy");
        let output = std::process::Command::new("curl")
            .args(["-sk", "--noproxy", "*", "-w", "%{http_code}"])
            .args(more)
            .arg(url)
            .output()
            .expect("curl starts");
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(curl(&[]).ends_with("401"));
    assert!(curl(&["-u", "edl:wrong"]).ends_with("401"));
    assert_eq!(curl(&["-u", "edl:p4ss:word"]), format!("{}200", host.list()));
    host.sandbox.write("login", "no-colon\n");
    let broken = host.run(&["serve", "--login-file", "login"], 2);
    assert!(broken.stderr.contains("holds no login") && !broken.stderr.contains("no-colon"), "{}", broken.stderr);
    let half = host.run(&["serve", "--tls-cert", pem], 2);
    assert!(half.stderr.contains("--tls-key"), "{}", half.stderr);
}

#[test]
fn a_service_that_is_down_leaves_the_list_as_it_is() {
    let mut site = Site::new();
    let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    let block = "[[block]]\nappliance = \"plain_domains\"\noutput = \"list.txt\"\n";
    site.sandbox.write("logweir.toml", &format!("{text}{block}"));
    let banned =
        call("GET", &format!("http://{}/api/discovery_block_scripts/", site.addr), &[], "").expect("an answer");
    assert_eq!(banned.status, 401);
    site.run(&["block", "publish"], 0);
    let list = std::fs::read(site.sandbox.path("list.txt")).expect("the list");
    site.service.kill().expect("it runs");
    site.service.wait().expect("it ends");
    let mut running = Running(
        site.sandbox
            .command(&["--config", "logweir.toml", "block", "publish"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts"),
    );
    // The client goes on trying; a person who does not want to wait ends it.
    let mut said = String::new();
    let mut lines = std::io::BufReader::new(running.0.stderr.take().expect("a pipe"));
    std::io::BufRead::read_line(&mut lines, &mut said).expect("text");
    assert!(said.contains("trying again"), "{said}");
    running.signal("-INT");
    assert_eq!(running.ends(Duration::from_secs(10)), Some(130));
    assert_eq!(std::fs::read(site.sandbox.path("list.txt")).expect("the list"), list);
    assert!(site.run(&["block", "history"], 0).stdout.contains("published"));
}

/// Loads version 1, then the delta, then its inverse, then version 2, and compares what the kernel holds.
const NFT: &str = "set -eu\nPATH=$PATH:/usr/sbin:/sbin\nshow() { nft list table inet mdca_block; }\n\
                   nft -f one.nft\nshow >first\nnft -f delta.nft\nshow >second\nnft -f inverse.nft\nshow >back\n\
                   nft -f two.nft\nshow >whole\ncmp first back\ncmp second whole\n! cmp -s first second\n";

#[test]
fn the_kernel_takes_a_delta_and_its_inverse_of_nftables() {
    let allowed = || {
        let unshared = std::process::Command::new("unshare").args(["-n", "true"]).output();
        unshared.is_ok_and(|output| output.status.success())
    };
    if !have("nft") || !have("unshare") || !allowed() {
        return;
    }
    let host = Host::new("nftables_set", "max_change = \"any\"\nvalidate = false");
    for (version, addresses) in [
        ("one.nft", &["192.0.2.1", "198.51.100.0/24", "2001:db8::1", "203.0.113.64/26"][..]),
        ("two.nft", &["192.0.2.0/25", "2001:db8:1::/48", "203.0.113.64/26", "203.0.113.9"][..]),
    ] {
        let rows: Vec<(&str, &str)> = addresses.iter().map(|address| ("App", *address)).collect();
        host.block(&rows);
        host.publish(0);
        host.sandbox.write(version, &host.list());
    }
    host.sandbox.write("delta.nft", &host.run(&["diff", "1", "2", "--script"], 0).stdout);
    host.sandbox.write("inverse.nft", &host.run(&["diff", "1", "2", "--inverse"], 0).stdout);
    let output = std::process::Command::new("unshare")
        .args(["-n", "bash", "-c", NFT])
        .current_dir(host.sandbox.path(""))
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{output:?}");
}
