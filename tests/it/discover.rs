//! `logweir discover` on the real binary: totals against awk, hostile names, filters, baseline, pseudonyms, the page.

use crate::support::{Sandbox, have, pypi};
use serde_json::Value;
use std::process::{Command, Stdio};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/logs/squid/SQUID_NATIVE.log");
const SQUID: [&str; 2] = ["--log-type", "SQUID_NATIVE"];

pub fn discover(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let all: Vec<&str> =
        ["discover", "--format", "json"].into_iter().chain(SQUID).chain(arguments.iter().copied()).collect();
    serde_json::from_str(&sandbox.run(&all, 0).stdout).expect("one JSON document")
}

pub fn line(second: usize, client: &str, result: &str, bytes: u64, target: &str, user: &str) -> String {
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

fn awk(script: &str, file: &str) -> Vec<u64> {
    // mawk is what tests/run.sh installs; any awk counts the same.
    let program = if have("mawk") { "mawk" } else { "awk" };
    let output = Command::new(program).args([script, file]).stdin(Stdio::null()).output().expect("awk starts");
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
pub fn generated(lines: usize) -> String {
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
    assert_eq!(ours(&discover(&sandbox, &[SAMPLE])), awk(AWK, SAMPLE));
    let log = sandbox.write("large.log", &generated(40_000));
    let log = log.to_str().expect("UTF-8");
    let expected = awk(AWK, log);
    assert_eq!(ours(&discover(&sandbox, &[log])), expected);
    assert_eq!(ours(&discover(&sandbox, &["--threads", "1", "*.log"])), expected);
    if have("gzip") {
        assert!(Command::new("gzip").args(["-k", "-1", log]).status().expect("gzip starts").success());
        assert_eq!(ours(&discover(&sandbox, &["large.log.gz"])), expected);
        let twice = discover(&sandbox, &["."]);
        assert_eq!(
            (twice["totals"]["transactions"].as_u64(), twice["sources"][1]["name"].as_str()),
            (Some(80_000), Some("large.log.gz"))
        );
    }
}

/// Counts of a plain awk script over the records that are expected of each sample, one JSON object a line.
const AWK_RECORDS: &str = r#"
function value(key,  at, rest) {
  at = index($0, "\"" key "\":"); if (!at) return ""
  rest = substr($0, at + length(key) + 3)
  if (substr(rest, 1, 1) == "\"") { match(rest, /^"([^"\\]|\\.)*"/); return substr(rest, 2, RLENGTH - 2) }
  match(rest, /^[^,}]*/); rest = substr(rest, 1, RLENGTH); return rest == "null" ? "" : rest
}
/^\{/ {
  n++; if (value("action") == "blocked") blocked++
  total = value("bytes_total"); bytes += total == "" ? value("bytes_up") + value("bytes_down") : total
  if (value("user") != "") users[value("user")]; if (value("src_ip") != "") addresses[value("src_ip")]
}
END { for (u in users) nu++; for (a in addresses) na++; printf "%d %.0f %d %d %d", n, bytes, blocked, nu, na }"#;

#[test]
fn totals_equal_what_awk_counts_on_every_sample() {
    let sandbox = Sandbox::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for golden in std::fs::read_dir(root.join("tests/golden")).expect("the expected records").flatten() {
        let golden = golden.path();
        let name = golden.file_name().and_then(|name| name.to_str()).expect("UTF-8");
        let Some(log_type) = name.strip_suffix(".jsonl") else { continue };
        let mut logs = walkdir::WalkDir::new(root.join("samples/logs")).into_iter().flatten();
        let log = logs.find(|entry| entry.path().file_stem().is_some_and(|stem| stem == log_type));
        let log = log.unwrap_or_else(|| panic!("no sample of {log_type}")).into_path();
        // Layouts of a site's own are no log types.
        if log.parent().is_some_and(|dir| dir.ends_with("layouts")) {
            continue;
        }
        let expected = awk(AWK_RECORDS, golden.to_str().expect("UTF-8"));
        let log = log.to_str().expect("UTF-8");
        let ran = sandbox.run(&["discover", log, "--log-type", log_type, "--format", "json", "--top", "1"], 0);
        let report: Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
        let totals = ["transactions", "bytes", "blocked", "users", "addresses"].map(|key| &report["totals"][key]);
        assert_eq!(totals.map(|total| total.as_u64().expect("a number")).to_vec(), expected, "{log_type}");
        seen += 1;
    }
    assert!(seen >= 70, "{seen} samples");
}

/// Two million lines of sixty thousand users: far more than one read, and more than any buffer.
#[test]
fn totals_equal_what_awk_counts_on_two_hundred_megabytes() {
    let sandbox = Sandbox::new();
    let part = generated(100_000);
    let mut log = std::io::BufWriter::new(std::fs::File::create(sandbox.path("large.log")).expect("a file"));
    let mut written = 0;
    for site in 0.. {
        let part = part.replace(" user", &format!(" site{site}user"));
        std::io::Write::write_all(&mut log, part.as_bytes()).expect("room");
        written += part.len();
        if written >= 200_000_000 {
            break;
        }
    }
    drop(log);
    let path = sandbox.path("large.log");
    let path = path.to_str().expect("UTF-8");
    assert_eq!(ours(&discover(&sandbox, &[path])), awk(AWK, path));
}

/// `UPDATE_GOLDEN=1` writes the session into README.
#[test]
fn readme_shows_a_real_session() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).expect("README.md");
    let said = Sandbox::new().run(&["discover", SAMPLE, "--top", "3"], 0).stdout;
    let typed = "$ logweir discover samples/logs/squid/SQUID_NATIVE.log --top 3\n";
    let start = readme.find(typed).expect("the session") + typed.len();
    let end = start + readme[start..].find("```").expect("its end");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, format!("{}{said}{}", &readme[..start], &readme[end..])).expect("README.md");
        return;
    }
    assert_eq!(&readme[start..end], said, "UPDATE_GOLDEN=1 writes it");
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
    // With the log type given, every line is rejected: the report says so, and the exit code.
    let ran = sandbox.run(&["discover", "noise.txt", "--log-type", "SQUID_NATIVE"], 3);
    assert!(
        ran.stdout.contains("Nothing was counted") && ran.stderr.contains("no line of noise.txt"),
        "{}",
        ran.stderr
    );
    // Where nothing can be written, nothing is read first, and nothing is left behind.
    for place in [["--html", "no/such/page.html"], ["--json", "."], ["--csv", "key"]] {
        let ran = sandbox.run(&["discover", SAMPLE, place[0], place[1]], 1);
        assert!(ran.stdout.is_empty() && ran.stderr.starts_with("error: "), "{place:?}\n{}", ran.stderr);
    }
    sandbox.run(&["discover", "absent.log", "--html", "page.html"], 1);
    assert!(!sandbox.path("page.html").exists() && !sandbox.path(".page.html.logweir").exists());
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
    // The block list with its account, and the records in every format; the tokens are those of the report.
    sandbox.write("tags.csv", "app,tag\nGitHub,unsanctioned\n");
    let hidden = ["a.log", "--pseudonymise", "key", "--log-type", "SQUID_NATIVE"];
    let run = |before: &[&str], after: &[&str]| {
        let ran = sandbox.run(&[before, &hidden, after].concat(), 0);
        ran.stdout + &ran.stderr
    };
    let listed = run(&["discover"], &["--tags", "tags.csv", "--block", "squid_dstdomain"]);
    assert!(listed.contains(".github.com"), "{listed}");
    let records = [run(&["records"], &[]), run(&["records"], &["--format", "csv"])];
    let written = run(&["records"], &["--parquet", "r.parquet"]);
    let row: Value = serde_json::from_str(&records[0]).expect("one record");
    let address = first["addresses"]["rows"][0]["name"].as_str().expect("a name");
    assert_eq!((&row["user"], &row["src_ip"]), (&name(&first).into(), &address.into()));
    assert_eq!((&row["host"], &row["url"]), (&"github.com".into(), &Value::Null));
    assert!(records[1].contains(address), "{}", records[1]);
    for text in [&listed, &records[0], &records[1], &written] {
        assert!(!text.contains("annabel") && !text.contains("192.0.2.77"), "{text}");
    }
    if let Some(python) = pypi("duckdb") {
        let query = "import duckdb; print(duckdb.sql(\"select * from 'r.parquet'\").fetchall())";
        let mut command = Command::new(python);
        let output = command.args(["-c", query]).current_dir(sandbox.path(".")).output().expect("python starts");
        let rows = String::from_utf8_lossy(&output.stdout);
        assert!(rows.contains(address) && rows.contains(&name(&first)), "{rows}");
        assert!(!rows.contains("annabel") && !rows.contains("192.0.2.77"), "{rows}");
    }
}

#[test]
fn an_address_range_names_the_app_of_lines_whose_host_name_says_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("nets.csv", "203.0.113.0/28,1001\n");
    sandbox.write("logweir.toml", "address_files = [\"nets.csv\"]\n");
    let target = |host: &str| line(0, "192.0.2.1", "TCP_TUNNEL/200", 10, host, "ann");
    // All of them went to 203.0.113.5; a host name that the catalogue knows is believed first.
    sandbox.write("a.log", &(target("203.0.113.5") + &target("nobody-knows.example") + &target("github.com")));
    let report = discover(&sandbox, &["a.log", "--config", "logweir.toml"]);
    let apps = report["apps"].as_array().expect("apps");
    let told: Vec<_> = apps.iter().map(|app| (&app["name"], &app["transactions"], &app["by_address"])).collect();
    let (dropbox, github) = ("Dropbox".into(), "GitHub".into());
    let counts: (Value, Value) = (2.into(), 1.into());
    assert_eq!(told, [(&dropbox, &counts.0, &true.into()), (&github, &counts.1, &false.into())]);
    assert_eq!(report["totals"]["unknown_domains"], 0);
    let text = sandbox.run(&["discover", "a.log", "--config", "logweir.toml", "--log-type", "SQUID_NATIVE"], 0).stdout;
    assert!(text.contains("Dropbox [by address]"), "{text}");
}

/// Names that would do harm where they are not treated as text.
pub const HOSTILE: [&str; 5] =
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
