//! `logweir discover` on the real binary: totals against awk, hostile names, filters, baseline, pseudonyms, the page.

use crate::support::{Sandbox, have};
use serde_json::Value;
use std::process::{Command, Stdio};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/logs/squid/SQUID_NATIVE.log");
const SQUID: [&str; 2] = ["--log-type", "SQUID_NATIVE"];

fn discover(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let all: Vec<&str> =
        ["discover", "--format", "json"].into_iter().chain(SQUID).chain(arguments.iter().copied()).collect();
    serde_json::from_str(&sandbox.run(&all, 0).stdout).expect("one JSON document")
}

fn line(second: usize, client: &str, result: &str, bytes: u64, target: &str, user: &str) -> String {
    format!(
        "{}.000 5 {client} {result} {bytes} CONNECT {target}:443 {user} HIER_DIRECT/203.0.113.5 -\n",
        1_795_158_014 + second
    )
}

/// Counts of a plain awk script over the raw lines: transactions, bytes, refused ones, users, addresses, and the same
/// of one app.
const AWK: &str = r#"
NF >= 10 {
  n++; bytes += $5; if ($4 ~ /DENIED/ || $4 ~ /\/403$/) blocked++
  if ($8 != "-") users[$8]; addresses[$3]
  host = $7; sub(/^[a-z]+:\/\//, "", host); sub(/[:\/].*/, "", host)
  if (host ~ /(^|\.)github\.com$/) { an++; abytes += $5; if ($8 != "-") ausers[$8] }
}
END { for (u in users) nu++; for (a in addresses) na++; for (u in ausers) nau++
  printf "%d %.0f %d %d %d %d %.0f %d", n, bytes, blocked, nu, na, an, abytes, nau }"#;

fn awk(log: &str) -> Vec<u64> {
    let output = Command::new("awk").args([AWK, log]).stdin(Stdio::null()).output().expect("awk starts");
    let text = String::from_utf8(output.stdout).expect("text");
    text.split(' ').map(|number| number.parse().expect("a number")).collect()
}

fn ours(report: &Value) -> Vec<u64> {
    let totals = &report["totals"];
    let apps = report["apps"].as_array().expect("apps");
    let app = apps.iter().find(|app| app["name"] == "GitHub").expect("GitHub in the log");
    let keys = ["transactions", "bytes", "blocked", "users", "addresses"].map(|key| &totals[key]);
    let numbers = keys.into_iter().chain(["transactions", "bytes", "users"].map(|key| &app[key]));
    numbers.map(|number| number.as_u64().expect("a number")).collect()
}

/// A log large enough for many chunks, the same every time.
fn generated(lines: usize) -> String {
    let hosts = ["github.com", "www.dropbox.com", "chatgpt.com", "a.unknown-site.example", "b.other-site.example"];
    let mut state = 7_u64;
    let mut random = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    (0..lines)
        .map(|at| {
            let user = random(3_000);
            let client = format!("10.0.{}.{}", user / 250, user % 250);
            let result = if random(20) == 0 { "TCP_DENIED/403" } else { "TCP_TUNNEL/200" };
            let name = if user % 9 == 0 { "-".to_owned() } else { format!("user{user}") };
            line(at / 50, &client, result, random(1 << 24), hosts[random(5) as usize], &name)
        })
        .collect()
}

#[test]
fn totals_equal_what_awk_counts_on_the_sample_and_on_a_generated_log_in_every_packing() {
    let sandbox = Sandbox::new();
    assert_eq!(ours(&discover(&sandbox, &[SAMPLE])), awk(SAMPLE));
    let log = sandbox.write("large.log", &generated(120_000));
    let log = log.to_str().expect("UTF-8");
    let expected = awk(log);
    assert_eq!(ours(&discover(&sandbox, &[log])), expected);
    assert_eq!(ours(&discover(&sandbox, &["--threads", "1", "*.log"])), expected);
    if have("gzip") {
        assert!(Command::new("gzip").args(["-k", "-1", log]).status().expect("gzip starts").success());
        assert_eq!(ours(&discover(&sandbox, &["large.log.gz"])), expected);
        let twice = discover(&sandbox, &["."]);
        assert_eq!(
            (twice["totals"]["transactions"].as_u64(), twice["sources"][1]["name"].as_str()),
            (Some(240_000), Some("large.log.gz"))
        );
    }
}

#[test]
fn standard_input_is_read_and_a_closed_pipe_ends_quietly() {
    let sandbox = Sandbox::new();
    let arguments = ["discover", "-", "--log-type", "SQUID_NATIVE"];
    let log = std::fs::File::open(SAMPLE).expect("the sample");
    let output = sandbox.command(&arguments).stdin(log).output().expect("the binary starts");
    assert!(String::from_utf8_lossy(&output.stdout).contains("GitHub"));
    let log = std::fs::File::open(SAMPLE).expect("the sample");
    let mut child =
        sandbox.command(&arguments).stdin(log).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn mistakes_say_what_to_do() {
    let sandbox = Sandbox::new();
    sandbox.write("tags.csv", "app,tag\nno such app,sanctioned\n");
    sandbox.write("key", "short");
    sandbox.write("other.json", "{}");
    sandbox.write("noise.txt", "nothing that a firewall writes\n");
    let rows: [(&[&str], i32, &str); 9] = [
        (&["absent.log"], 1, "absent.log"),
        (&["*.nothing"], 2, "no file matches"),
        (&[SAMPLE, "--log-type", "SQUID_NATIV"], 2, "did you mean SQUID_NATIVE"),
        (&[SAMPLE, "--network", "192.0.2.0/99"], 2, "192.0.2.0/24"),
        (&[SAMPLE, "--app", "Dropbpx"], 2, "did you mean Dropbox"),
        (&[SAMPLE, "--since", "yesterday"], 2, "2026-11-20"),
        (&[SAMPLE, "--tags", "tags.csv"], 2, "line 2"),
        (&[SAMPLE, "--pseudonymise", "key"], 2, "/dev/urandom"),
        (&[SAMPLE, "--baseline", "other.json"], 2, "--json"),
    ];
    for (arguments, code, said) in rows {
        let all: Vec<&str> = ["discover"].into_iter().chain(arguments.iter().copied()).collect();
        let ran = sandbox.run(&all, code);
        assert!(ran.stderr.contains(said) && ran.stdout.is_empty(), "{arguments:?}\n{}", ran.stderr);
    }
    let ran = sandbox.run(&["discover", "noise.txt"], 1);
    assert!(ran.stderr.contains("--log-type"), "{}", ran.stderr);
    // One unreadable input among good ones: the report comes, the exit code tells.
    let ran = sandbox.run(&["discover", SAMPLE, "absent.log", "--log-type", "SQUID_NATIVE"], 3);
    assert!(ran.stdout.contains("GitHub") && ran.stderr.contains("absent.log"), "{}", ran.stderr);
}

#[test]
fn what_is_new_since_the_last_run_and_what_was_decided_is_told() {
    let sandbox = Sandbox::new();
    sandbox.write("old.log", &line(0, "192.0.2.1", "TCP_TUNNEL/200", 10, "github.com", "ann"));
    let both = line(0, "192.0.2.1", "TCP_TUNNEL/200", 10, "github.com", "ann")
        + &line(1, "192.0.2.2", "TCP_TUNNEL/200", 20, "www.dropbox.com", "bob")
        + &line(2, "192.0.2.2", "TCP_DENIED/403", 30, "www.dropbox.com", "bob");
    sandbox.write("new.log", &both);
    sandbox.write("tags.csv", "app,tag\nDropbox,unsanctioned\n");
    discover(&sandbox, &["old.log", "--json", "old.json"]);
    let report = discover(&sandbox, &["new.log", "--baseline", "old.json", "--tags", "tags.csv"]);
    let app = |at: usize, key: &str| report["apps"][at][key].clone();
    assert_eq!((app(0, "name"), app(0, "new"), app(0, "tag")), ("Dropbox".into(), true.into(), "unsanctioned".into()));
    assert_eq!((app(1, "name"), app(1, "new"), app(1, "tag")), ("GitHub".into(), false.into(), Value::Null));
    assert_eq!(app(0, "blocked_share"), 0.5);
    let only = discover(&sandbox, &["new.log", "--tags", "tags.csv", "--only-unsanctioned"]);
    assert_eq!((only["totals"]["transactions"].as_u64(), only["totals"]["apps"].as_u64()), (Some(2), Some(1)));
}

#[test]
fn what_the_tags_ban_becomes_a_block_list_with_the_account_of_every_entry() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", &line(0, "192.0.2.1", "TCP_TUNNEL/200", 10, "github.com", "ann"));
    sandbox.write("tags.csv", "app,tag\nMEGA,unsanctioned\nGitHub,sanctioned\n");
    let base = ["discover", "a.log", "--log-type", "SQUID_NATIVE", "--tags", "tags.csv", "--block"];
    let run = |more: &[&str], code| sandbox.run(&[&base[..], more].concat(), code);
    let alone = run(&["squid_dstdomain"], 0);
    assert!(alone.stdout.contains("\n.mega.nz\n") && !alone.stdout.contains("github"), "{}", alone.stdout);
    assert!(alone.stderr.contains("squid_dstdomain: "), "{}", alone.stderr);
    let beside = run(&["squid_dstdomain", "-o", "out.txt", "--format", "json"], 0);
    let report: Value = serde_json::from_str(&beside.stdout).expect("one JSON document");
    assert_eq!(report["apps"][0]["name"], "GitHub");
    assert!(beside.stderr.contains("out.txt"), "{}", beside.stderr);
    let text = |name: &str| std::fs::read_to_string(sandbox.path(name)).expect("a list");
    assert!(text("out.txt").contains("\n.mega.nz\n"));
    run(&["squid_dstdomain", "--block", "bind_rpz", "-o", "lists"], 0);
    assert_eq!(walkdir::WalkDir::new(sandbox.path("lists")).min_depth(1).into_iter().count(), 2);
    // What a guard keeps is told.
    let guarded = run(&["squid_dstdomain", "--never-block", "mega.nz"], 0);
    assert!(!guarded.stdout.contains("\n.mega.nz\n") && guarded.stderr.contains("mega.nz"), "{}", guarded.stderr);
    let rows: [(&[&str], &str); 3] = [
        (&["squid_dstdomai"], "did you mean squid_dstdomain"),
        (&["squid_dstdomain", "--format", "csv"], "-o"),
        (&["squid_dstdomain", "--block", "bind_rpz"], "-o"),
    ];
    for (more, said) in rows {
        let ran = run(more, 2);
        assert!(ran.stderr.contains(said) && ran.stdout.is_empty(), "{more:?}\n{}", ran.stderr);
    }
}

#[test]
fn pseudonyms_hide_every_user_and_address_in_every_output_and_stay_the_same() {
    let sandbox = Sandbox::new();
    sandbox.write("key", "0123456789abcdef0123456789abcdef");
    sandbox.write("a.log", &line(0, "192.0.2.77", "TCP_TUNNEL/200", 10, "github.com", "annabel"));
    let arguments = [
        "a.log",
        "--pseudonymise",
        "key",
        "--html",
        "p.html",
        "--json",
        "p.json",
        "--csv",
        "csv",
        "--log-type",
        "SQUID_NATIVE",
    ];
    let all: Vec<&str> = ["discover"].into_iter().chain(arguments).collect();
    let mut texts = vec![sandbox.run(&all, 0).stdout];
    for entry in walkdir::WalkDir::new(sandbox.path("csv")).into_iter().flatten().filter(|entry| entry.path().is_file())
    {
        texts.push(std::fs::read_to_string(entry.path()).expect("text"));
    }
    texts.extend(["p.html", "p.json"].map(|name| std::fs::read_to_string(sandbox.path(name)).expect("text")));
    assert!(texts.len() >= 12);
    for text in &texts {
        assert!(!text.contains("annabel") && !text.contains("192.0.2.77"), "{text}");
    }
    let name = |report: &Value| report["users"]["rows"][0]["name"].as_str().expect("a name").to_owned();
    let again = discover(&sandbox, &["a.log", "--pseudonymise", "key"]);
    let first: Value = serde_json::from_str(texts.last().expect("the JSON")).expect("JSON");
    assert!(name(&first) == name(&again) && name(&again).starts_with("user-"));
}

/// Names that would do harm where they are not treated as text.
const HOSTILE: [&str; 5] =
    ["<script>document.title='taken'</script>", "=cmd|'/c'!A1", "a\u{202e}nna", "x\u{1b}[2Jy", "\"onload=\"z"];

#[test]
fn hostile_names_are_text_everywhere() {
    let sandbox = Sandbox::new();
    let log: String =
        HOSTILE.iter().map(|name| line(0, "192.0.2.1", "TCP_TUNNEL/200", 5, "github.com", name)).collect();
    sandbox.write("h.log", &log);
    let ran = sandbox.run(
        &["discover", "h.log", "--html", "h.html", "--csv", "csv", "--log-type", "SQUID_NATIVE", "--title", "<b>T</b>"],
        0,
    );
    assert!(!ran.stdout.contains(['\u{1b}', '\u{202e}']), "{}", ran.stdout);
    let page = std::fs::read_to_string(sandbox.path("h.html")).expect("the page");
    assert_eq!((page.matches("<script").count(), page.contains("<b>T</b>")), (2, false));
    assert!(!page.contains(['\u{1b}', '\u{202e}']) && !page.contains("src="));
    // The one address in it is the name of SVG's vocabulary, which nobody fetches.
    assert_eq!(page.matches("http:").count(), page.matches("http://www.w3.org/2000/svg").count());
    let users = std::fs::read_to_string(sandbox.path("csv/users.csv")).expect("the table");
    assert!(users.contains("'=cmd"), "{users}");
}

#[test]
fn a_real_browser_runs_the_page_without_a_complaint_and_follows_a_link_to_an_app() {
    if !have("chromium") {
        return;
    }
    let sandbox = Sandbox::new();
    let log: String =
        HOSTILE.iter().map(|name| line(0, "192.0.2.1", "TCP_TUNNEL/200", 9_000_000_000, "github.com", name)).collect();
    sandbox.write("h.log", &(log + &generated(3_000)));
    let report = discover(&sandbox, &["h.log", "--html", "h.html"]);
    let github = report["apps"].as_array().expect("apps").iter().find(|app| app["name"] == "GitHub").expect("GitHub");
    let url = format!("file://{}#app-{}", sandbox.path("h.html").display(), github["id"]);
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000"])
        .arg(format!("--user-data-dir={}", sandbox.path("profile").display()))
        .args(["--dump-dom", &url])
        .output()
        .expect("chromium starts");
    let (shown, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("CONSOLE"), "{said}");
    assert!(shown.contains("aria-expanded=\"true\"") && shown.contains("Why this risk"), "the link opened nothing");
    assert!(shown.contains("&lt;script&gt;document.title") && !shown.contains("<title>taken"), "a name was run");
    assert!(shown.contains("Show all") || shown.contains("200 more"), "the users were not drawn");
}

/// More users, hosts and domains than are kept exactly: the data of the process is capped at 200 MiB, and the totals and
/// every distinct count within its declared error are those of the log.
#[test]
fn a_large_site_is_counted_within_two_hundred_mebibytes() {
    let sandbox = Sandbox::new();
    let (lines, users) = (250_000, 100_000);
    let log: String = (0..lines)
        .map(|at| {
            let user = at % users;
            let client = format!("10.{}.{}.{}", user / 65_536, user / 256 % 256, user % 256);
            let host = format!("host{at}.site{}.example.com", at % 200_000);
            line(at / 100, &client, "TCP_TUNNEL/200", 1_000, &host, &format!("user{user}"))
        })
        .collect();
    sandbox.write("wide.log", &log);
    let binary = env!("CARGO_BIN_EXE_logweir");
    let script = format!(
        "ulimit -d 204800 && exec {binary} discover wide.log --log-type SQUID_NATIVE --format json --top 5 --threads 2"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(sandbox.path(".")).env("LOGWEIR_STATE_DIR", sandbox.path("state"));
    let output = command.stdin(Stdio::null()).output().expect("the shell starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let total = |key: &str| report["totals"][key].as_u64().expect("a number");
    assert_eq!(
        (total("transactions"), total("bytes"), total("users")),
        (lines as u64, lines as u64 * 1_000, users as u64)
    );
    // Host names no longer fit: the number is an estimate, and the report says so and how good it is.
    let told = report["accuracy"].as_array().expect("rows").iter().find(|row| row["figures"] == "number of host names");
    let told = told.expect("a row about hosts");
    assert_eq!(told["exact"], false);
    assert!(told["method"].as_str().is_some_and(|method| method.contains("standard error 0.8 %")), "{told}");
    assert!(total("hosts").abs_diff(lines as u64) < lines as u64 / 25, "{} hosts", total("hosts"));
}
