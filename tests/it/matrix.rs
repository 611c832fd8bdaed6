//! Every command of the real binary, every way it can end, every shape of output; and no secret in any of it.

use crate::support::site::{Site, log, serve};
use crate::support::{Process, Ran, wait_for};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

/// What talks to the service: any of them can be refused, find no answer, or be interrupted.
const ASKING: &[&str] = &[
    "report streams",
    "report categories",
    "block fetch --appliance zscaler",
    "block fetch --appliance fortigate --type allowed",
    "block render --appliance squid_dstdomain",
    "alerts list",
    "alerts show 0123456789abcdef01234567",
    "alerts read 0123456789abcdef01234567",
    "alerts unread 0123456789abcdef01234567",
    "alerts close 0123456789abcdef01234567 --as benign",
    "activities list",
    "activities show 97134000_15600_x",
    "activities feedback 97134000_15600_x --value Benign",
    "entities list",
    "subnets list",
    "files list",
    "api GET /api/discovery/streams/",
];

/// What ends well against a site with a log and a token of every right, by the shape of its results.
const WELL: &[(&str, Shape)] = &[
    ("upload --dry-run", Shape::Document),
    ("upload", Shape::Document),
    ("upload logs/a.log --log-type SQUID_NATIVE --snapshot august", Shape::Document),
    ("watch --once", Shape::Lines),
    ("status", Shape::Document),
    ("status --offline --stage confirmed --limit 5", Shape::Document),
    ("report streams", Shape::Document),
    ("report categories --data-source HQ --days 7", Shape::Document),
    ("block formats", Shape::Document),
    ("block formats --appliance bind_rpz", Shape::Document),
    ("block fetch --appliance zscaler", Shape::Text),
    ("catalog search dropbox", Shape::Document),
    ("catalog check", Shape::Document),
    ("discover logs/a.log --log-type SQUID_NATIVE", Shape::Document),
    ("alerts list", Shape::Lines),
    ("activities list", Shape::Lines),
    ("entities list", Shape::Lines),
    ("subnets list", Shape::Lines),
    ("files list", Shape::Lines),
    ("api GET /api/discovery/streams/", Shape::Text),
    ("whoami", Shape::Document),
    ("logout", Shape::Document),
    ("config show", Shape::Document),
    ("config check", Shape::Text),
    ("doctor", Shape::Document),
    ("completions bash", Shape::Text),
    ("completions fish", Shape::Text),
    ("man", Shape::Text),
];

/// What `--format json` makes of a command's results.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// One document, or nothing where there is nothing to say.
    Document,
    /// One object a line.
    Lines,
    /// Bytes that no format changes: scripts, pages.
    Text,
}

/// A site whose configuration signs in with a token of every right.
fn site() -> Site {
    let site = Site::with(&["--legacy-token", "all"]);
    site.configure("token_file = \"logweir-service/all.token\"", "HQ");
    site.sandbox.write("logs/a.log", &log(1, 20));
    site
}

/// What must not be shown anywhere.
fn hidden(site: &Site) -> Vec<String> {
    let read = |name: &str| std::fs::read_to_string(site.sandbox.path(&format!("logweir-service/{name}")));
    let secrets = ["all.token", "test.secret"].into_iter().filter_map(|name| read(name).ok());
    secrets.map(|text| text.trim().to_owned()).chain(["sig=", "Bearer ey", "Token 0"].map(str::to_owned)).collect()
}

#[track_caller]
fn keeps_secrets(hidden: &[String], what: &str, said: &str) {
    for secret in hidden {
        assert!(!said.contains(secret.as_str()), "{what} shows {secret}");
    }
}

/// Runs a command line with the configuration of the site; asserts its exit code and that it keeps secrets.
#[track_caller]
fn run(site: &Site, hidden: &[String], line: &str, more: &[&str], code: i32) -> Ran {
    let words: Vec<&str> = line.split(' ').chain(more.iter().copied()).collect();
    let ran = site.run(&words, code);
    keeps_secrets(hidden, line, &ran.stdout);
    keeps_secrets(hidden, line, &ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{line}: {}", ran.stderr);
    if code != 0 {
        let last = ran.stderr.lines().filter(|line| line.starts_with("error:")).count();
        assert_eq!(last, 1, "{line} {more:?}: one error, and which: {}", ran.stderr);
    }
    ran
}

/// Does the rows two at a time: most of their time is the start of a process.
fn each<T: Sync>(rows: &[T], check: impl Fn(&T) + Sync) {
    let (left, right) = rows.split_at(rows.len() / 2);
    std::thread::scope(|scope| {
        for part in [left, right] {
            scope.spawn(|| part.iter().for_each(&check));
        }
    });
}

#[test]
fn every_command_ends_well_in_every_format_and_shows_no_secret() {
    let site = site();
    let hidden = hidden(&site);
    run(&site, &hidden, "upload", &["-vvv"], 0);
    let seen = Mutex::new(BTreeSet::new());
    each(WELL, |(line, shape)| {
        seen.lock().expect("the list").insert(line.split(' ').next().expect("a word"));
        for format in ["text", "json", "csv"] {
            let ran = run(&site, &hidden, line, &["--format", format, "-vvv", "--log-format", "json"], 0);
            let logged = ran.stderr.lines().filter(|line| line.starts_with('{'));
            for entry in logged {
                serde_json::from_str::<serde_json::Value>(entry).unwrap_or_else(|error| panic!("{error}: {entry}"));
            }
            let documents = serde_json::Deserializer::from_str(&ran.stdout).into_iter::<serde_json::Value>();
            let documents: Result<Vec<_>, _> = documents.collect();
            match (format, shape) {
                ("json", Shape::Document) => {
                    assert!(documents.is_ok_and(|all| all.len() <= 1), "{line}: {}", ran.stdout);
                }
                ("json", Shape::Lines) => assert!(documents.is_ok(), "{line}: {}", ran.stdout),
                ("csv", Shape::Document | Shape::Lines) => {
                    let mut table = csv::Reader::from_reader(ran.stdout.as_bytes());
                    assert!(table.records().all(|row| row.is_ok()), "{line}: {}", ran.stdout);
                }
                _ => {}
            }
        }
    });
    for entry in walkdir::WalkDir::new(site.sandbox.path("state")).into_iter().flatten() {
        if entry.file_type().is_file() {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            keeps_secrets(&hidden, &entry.path().to_string_lossy(), &String::from_utf8_lossy(&bytes));
        }
    }
    // A command that is new belongs into one of the tables.
    let help = site.run(&["--help"], 0).stdout;
    let commands = help.split("says what each does):").nth(1).and_then(|rest| rest.split("Options:").next());
    let elsewhere = ["demo", "init", "serve", "login", "retry", "forget", "check", "records", "formats"];
    for name in commands
        .expect("the list")
        .lines()
        .flat_map(|line| line.get(18..).unwrap_or_default().split(", "))
        .map(str::trim)
    {
        let known = seen.lock().expect("the list").contains(name) || elsewhere.contains(&name) || name.is_empty();
        assert!(known, "{name} is in no table of this test");
    }
}

#[test]
fn a_wrong_flag_and_a_missing_configuration_end_with_2_and_say_which() {
    let site = site();
    let lines = WELL.iter().map(|(line, _)| *line).chain(["demo", "init", "serve", "login", "retry 1", "forget 1"]);
    let lines: Vec<&str> = lines.collect();
    each(&lines, |line| {
        let words: Vec<&str> = line.split(' ').chain(["--no-such-flag"]).collect();
        let ran = site.sandbox.run(&words, 2);
        assert!(ran.stderr.contains("--no-such-flag") && ran.stdout.is_empty(), "{line}: {}", ran.stderr);
        let free = ["demo", "init", "serve", "discover", "completions", "man", "catalog", "block formats"];
        if free.iter().any(|free| line.starts_with(free)) {
            return;
        }
        let words: Vec<&str> = line.split(' ').chain(["--config", "nowhere.toml"]).collect();
        let ran = site.sandbox.run(&words, 2);
        let said = ran.stderr.clone() + &ran.stdout;
        assert!(said.contains("nowhere.toml") && said.contains("logweir init"), "{line}: {said}");
    });
}

#[test]
fn what_the_service_refuses_ends_with_1_and_refused_credentials_with_4() {
    let mut site = site();
    let hidden = hidden(&site);
    let script = "[[fault]]\ncall = \"any\"\ntimes = 100000\nstatus = 400\nbody = '{\"detail\":\"No such thing\"}'\n";
    site.sandbox.write("faults.toml", script);
    site.service.kill().expect("it runs");
    site.service.wait().expect("it ends");
    site.service = serve(&site.sandbox, &site.addr, &["--faults", "faults.toml"]).0;
    let shipping = ["upload", "watch --once", "doctor"];
    let asking: Vec<&str> = ASKING.iter().copied().chain(shipping).collect();
    each(&asking, |line| {
        let ran = run(&site, &hidden, line, &[], 1);
        assert!((ran.stderr + &ran.stdout).contains("No such thing"), "{line}");
    });
    site.restart();
    site.sandbox.write("logweir-service/all.token", "0123456789abcdef");
    each(&[&asking[..], &["whoami"]].concat(), |line| {
        if *line == "whoami" {
            // A legacy token claims nothing, and nobody is asked.
            return;
        }
        let ran = run(&site, &hidden, line, &[], 4);
        assert!((ran.stderr + &ran.stdout).contains("Invalid token"), "{line}");
    });
    site.configure("client_secret_file = \"nowhere\"\ntenant_id = \"t\"\nclient_id = \"c\"", "HQ");
    each(&[&asking[..], &["whoami"]].concat(), |line| {
        let ran = run(&site, &hidden, line, &[], 4);
        assert!((ran.stderr + &ran.stdout).contains("cannot read the secret file"), "{line}");
    });
}

#[test]
fn what_is_left_out_ends_with_3_and_is_listed() {
    let site = site();
    let hidden = hidden(&site);
    std::fs::write(site.sandbox.path("logs/b.log"), b"\x28\xb5\x2f\xfdzstd").expect("a file");
    site.sandbox.write("list.txt", "a.example\nx y\n");
    let ran = run(&site, &hidden, "upload", &[], 3);
    assert!(ran.stderr.contains("b.log") && ran.stderr.contains("zstd"), "{}", ran.stderr);
    let ran = run(&site, &hidden, "block render --appliance squid_dstdomain --from list.txt", &[], 3);
    assert!(ran.stderr.contains("x y"), "{}", ran.stderr);
    let ran = run(&site, &hidden, "alerts close 0123456789abcdef01234567 --as benign", &[], 3);
    assert!(ran.stderr.contains("0123456789abcdef01234567"), "{}", ran.stderr);
}

#[test]
fn what_another_process_has_in_hand_ends_with_5() {
    let mut site = site();
    let hidden = hidden(&site);
    run(&site, &hidden, "serve --listen 127.0.0.1:0", &[], 5);
    site.service.kill().expect("it runs");
    site.service.wait().expect("it ends");
    let mut watch = site.sandbox.start(&["--config", "logweir.toml", "--quiet", "watch"]);
    wait_for("packing", || {
        let ran = site.sandbox.command(&["--config", "logweir.toml", "status", "--offline"]).output().expect("a run");
        String::from_utf8_lossy(&ran.stdout).contains("packed")
    });
    for line in ["retry 1", "forget 1"] {
        run(&site, &hidden, line, &[], 5);
    }
    watch.signal("-TERM");
    assert!(watch.ends_within(Duration::from_secs(10)).success());
    run(&site, &hidden, "forget 1", &[], 0);
    run(&site, &hidden, "retry 1", &[], 1);
    run(&site, &hidden, "forget 1", &[], 1);
}

#[test]
fn every_command_that_waits_can_be_interrupted_and_ends_with_130() {
    let site = site();
    // It takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let text = std::fs::read_to_string(site.sandbox.path("logweir.toml")).expect("the configuration");
    let addr = silent.local_addr().expect("an address").to_string();
    site.sandbox.write("logweir.toml", &text.replace(&site.addr, &addr));
    let lines: Vec<&str> = ASKING.iter().copied().chain(["upload", "watch --once --state-dir of-its-own"]).collect();
    interrupt(&site, &lines);
    // It gives up by itself after a while, and is not kept waiting for the others.
    interrupt(&site, &["doctor"]);
}

/// Starts all at once, for each waits for the same nothing, and interrupts each when it says so.
#[track_caller]
fn interrupt(site: &Site, lines: &[&str]) {
    let started: Vec<Process> = lines
        .iter()
        .enumerate()
        .map(|(number, line)| {
            let words: Vec<&str> = ["--config", "logweir.toml"].into_iter().chain(line.split(' ')).collect();
            let said = std::fs::File::create(site.sandbox.path(&format!("said.{number}"))).expect("a file");
            Process::of(site.sandbox.command(&words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said))
        })
        .collect();
    for (number, (line, mut process)) in lines.iter().zip(started).enumerate() {
        let said = || std::fs::read_to_string(site.sandbox.path(&format!("said.{number}"))).unwrap_or_default();
        wait_for(line, || said().contains("waiting for an answer from 127.0.0.1"));
        process.signal("-INT");
        let code = process.ends_within(Duration::from_secs(10)).code();
        let said = said();
        assert_eq!(code, Some(130), "{line}: {said}");
        assert!(said.contains("interrupted"), "{line}: {said}");
    }
}
