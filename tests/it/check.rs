//! Understanding logs without sending them, on the real binary: `formats`, `records`, `check`.

use crate::support::{Ran, Sandbox};
use logweir::logs::{Certainty, vendor};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}

/// A line of Squid's, of this many days ago.
fn squid(days: u64, number: usize) -> String {
    let time = now() - days * 86_400 - 60;
    let url = format!("https://h{}.example.com/p{number}", number % 50);
    format!(
        "{time}.123    96 10.0.0.{} TCP_MISS/200 5120 GET {url} ann HIER_DIRECT/203.0.113.20 text/html\n",
        number % 200
    )
}

fn good(count: usize) -> String {
    (0..count).map(|number| squid(1, number)).collect()
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

fn check(sandbox: &Sandbox, arguments: &[&str], code: i32) -> Value {
    let arguments = [&["check", "--format", "json"], arguments].concat();
    json(&sandbox.run(&arguments, code))["files"][0].clone()
}

fn piped(sandbox: &Sandbox, arguments: &[&str], input: &[u8], code: i32) -> Ran {
    let mut child = sandbox
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let ran = Ran::from(child.wait_with_output().expect("it ends"));
    // It may have read enough before all was written.
    let _ = writer.join().expect("the writer");
    assert_eq!(ran.code, Some(code), "{arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
    ran
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text).expect("memory");
    gzip.finish().expect("memory")
}

fn sample(log_type: &str) -> PathBuf {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/logs");
    let vendors = std::fs::read_dir(logs).expect("samples");
    let found = vendors.map(|vendor| vendor.expect("a folder").path().join(format!("{log_type}.log")));
    found.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no sample of {log_type}"))
}

#[test]
fn formats_walk_the_registry_and_show_what_is_known_of_each() {
    let sandbox = Sandbox::new();
    let rows = json(&sandbox.run(&["formats", "list", "--format", "json"], 0));
    let rows = rows["log_types"].as_array().expect("rows").clone();
    assert_eq!(rows.len(), vendor::all().count());
    for format in vendor::all() {
        let row = rows.iter().find(|row| row["log_type"] == format.log_type).expect("a row");
        assert_eq!(row["certainty"] == "inferred", format.certainty == Certainty::Inferred);
        let text = std::fs::read_to_string(sample(format.log_type)).expect("a sample");
        assert_eq!(format.sample, text, "{} has the sample of another type", format.log_type);
        assert!(format.direction.len() > 20, "{} has no direction rule", format.log_type);
        assert!(!format.sample_line().is_empty(), "{}", format.log_type);
    }
    let shown = sandbox.run(&["formats", "show", "FORTIGATE_SYSLOG"], 0).stdout;
    for part in ["Fortinet FortiGate", "`srcip` is the client", "target IP", "set logtraffic all", "devid="] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let shown = json(&sandbox.run(&["formats", "show", "CORRATA", "--format", "json"], 0));
    assert_eq!(shown["certainty"], "inferred");
    assert!(sandbox.run(&["formats", "list", "--format", "csv"], 0).stdout.starts_with("log_type,id,product,"));
    let wrong = sandbox.run(&["formats", "show", "SQUID_NATIV"], 2);
    assert!(wrong.stderr.contains("did you mean SQUID_NATIVE?"), "{}", wrong.stderr);
}

#[test]
fn detect_names_the_type_the_runner_up_and_what_tells_them_apart() {
    let sandbox = Sandbox::new();
    let log = sandbox.write("access.log", &good(50));
    let ran = sandbox.run(&["formats", "detect", "access.log"], 0);
    assert!(ran.stdout.starts_with("access.log: SQUID_NATIVE (100 %)"), "{}", ran.stdout);
    let found = json(&sandbox.run(&["formats", "detect", "--format", "json", log.to_str().expect("UTF-8")], 0));
    let found = &found["files"][0];
    assert_eq!((&found["log_type"], &found["sure"]), (&"SQUID_NATIVE".into(), &true.into()));
    assert!(found["runner_up"].is_null() || found["apart"].is_string(), "{found}");
    // One line in a hundred of something else changes nothing.
    let noisy: String =
        (0..300).map(|n| if n % 100 == 7 { "reopened by logrotate\n".into() } else { squid(1, n) }).collect();
    sandbox.write("noisy.log", &noisy);
    sandbox.run(&["formats", "detect", "noisy.log"], 0);
    // What the header of a file says goes before what its lines look like.
    let wsa = sample("CISCO_IRONPORT_WSA_II");
    let ran = sandbox.run(&["formats", "detect", wsa.to_str().expect("UTF-8")], 0);
    assert!(ran.stdout.contains(": CISCO_IRONPORT_WSA_II ("), "{}", ran.stdout);
    // Two types in one file are said, and not acted on.
    let forti = std::fs::read_to_string(sample("FORTIGATE")).expect("a sample");
    sandbox.write("mixed.log", &(good(40) + &forti));
    let ran = sandbox.run(&["formats", "detect", "mixed.log"], 3);
    assert!(ran.stdout.contains("of the lines are"), "{}", ran.stdout);
    let refused = sandbox.run(&["records", "mixed.log"], 1);
    assert!(refused.stderr.contains("not certain") && refused.stderr.contains("--log-type"), "{}", refused.stderr);
    assert!(refused.stdout.is_empty());
}

#[test]
fn a_look_alike_is_none_of_the_types_and_is_called_by_its_name() {
    let sandbox = Sandbox::new();
    let nss = "2026-11-24 10:15:30\treason=Allowed\tevent_id=67\tprotocol=HTTPS\taction=Allowed\trequestsize=111\t\
               serverip=203.0.113.20\turl=app.example.com/\tproduct=NSS\tClientIP=192.0.2.10\n";
    sandbox.write("nss.log", &nss.repeat(20));
    let ran = sandbox.run(&["formats", "detect", "nss.log"], 3);
    assert!(ran.stdout.contains("none of the known log types") && ran.stdout.contains("Splunk"), "{}", ran.stdout);
    let found = check(&sandbox, &["nss.log"], 1);
    assert_eq!(
        (&found["verdict"], &found["log_type"], &found["summary"]),
        (&"refused".into(), &Value::Null, &Value::Null)
    );
    assert_eq!(found["findings"][0]["service"], "The log format doesn't match");
    assert!(found["findings"][0]["remedies"][0].as_str().is_some_and(|text| text.contains("QRadar")), "{found}");
    // Told what it should be, it says what it is instead.
    let found = check(&sandbox, &["--log-type", "ZSCALER_QRADAR_SYSLOG", "nss.log"], 1);
    assert!(found["findings"].to_string().contains("Splunk layout of NSS"), "{found}");
}

#[test]
fn records_are_one_line_per_line_of_the_log_in_its_order() {
    let sandbox = Sandbox::new();
    // Several chunks, so that threads finish out of order.
    let count = 20_000;
    let mut log = String::new();
    for number in 0..count {
        log.push_str(&if number % 97 == 3 { "garbage\r\n".to_owned() } else { squid(1, number) });
    }
    log.push_str("\n\0\0\n# comment\nlast line without an end");
    sandbox.write("access.log", &log);
    let out = sandbox.run(&["records", "--log-type", "SQUID_NATIVE", "access.log"], 0).stdout;
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), count + 4);
    for (number, line) in lines.iter().enumerate() {
        let value: Value = serde_json::from_str(line).expect("JSON");
        let transaction = number < count && number % 97 != 3;
        assert_eq!(value.is_null(), !transaction, "line {number}: {line}");
        if transaction {
            assert_eq!(value["url"], format!("https://h{}.example.com/p{number}", number % 50));
        }
    }
    // The same from a pipe, packed.
    let packed = piped(&sandbox, &["records", "-"], &gzip(log.as_bytes()), 0);
    assert_eq!(packed.stdout, out);
    let csv = sandbox.run(&["records", "--format", "csv", "access.log"], 0).stdout;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().expect("a heading").get(4), Some("url"));
    assert_eq!(reader.records().count(), (0..count).filter(|number| number % 97 != 3).count());
}

#[test]
fn a_closed_pipe_ends_records_quietly() {
    let sandbox = Sandbox::new();
    sandbox.write("access.log", &good(30_000));
    let mut child = sandbox
        .command(&["records", "access.log"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut first).expect("a line");
    drop(stdout);
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert!(child.wait().expect("it ends").success());
    assert!(first.starts_with("{\"time\":") && said.is_empty(), "{said}");
}

#[test]
fn an_unreadable_file_changes_the_exit_code_and_not_the_rest() {
    let sandbox = Sandbox::new();
    sandbox.write("access.log", &good(3));
    sandbox.write("cut.log.gz", "");
    let packed = gzip(good(2_000).as_bytes());
    std::fs::write(sandbox.path("cut.log.gz"), &packed[..packed.len() / 2]).expect("a file");
    let ran = sandbox.run(&["records", "access.log", "missing.log"], 3);
    assert_eq!(ran.stdout.lines().count(), 3);
    assert!(ran.stderr.contains("missing.log"), "{}", ran.stderr);
    sandbox.run(&["records", "missing.log"], 1);
    let cut = sandbox.run(&["records", "cut.log.gz"], 3);
    assert!(cut.stdout.lines().count() > 500 && cut.stderr.contains("only up to line"), "{}", cut.stderr);
    let ran = sandbox.run(&["check", "access.log", "missing.log"], 3);
    assert!(ran.stdout.starts_with("access.log: accepted\n") && ran.stderr.contains("missing.log"), "{}", ran.stdout);
    sandbox.run(&["check", "missing.log"], 1);
    sandbox.run(&["formats", "detect", "missing.log"], 1);
    let found = check(&sandbox, &["cut.log.gz"], 1);
    assert!(found["findings"].to_string().contains("only up to line"), "{found}");
    sandbox.run(&["check", "--log-type", "SQUID_NATVE", "access.log"], 2);
    sandbox.run(&["check"], 2);
}

#[test]
fn check_ends_with_the_code_of_its_worst_verdict() {
    let sandbox = Sandbox::new();
    let old: String = (0..5).map(|number| squid(91, number)).collect();
    let rows: [(&str, String, i32, &str, &str); 6] = [
        ("good", good(20), 0, "accepted", ""),
        ("some garbage", good(20) + "garbage\n", 3, "accepted-with-loss", "1 of 21 lines cannot be read"),
        ("some old", good(20) + &old, 3, "accepted-with-loss", "5 of 25 transactions are more than 90 days old"),
        ("all old", old.clone(), 1, "refused", "Transactions are more than 90 days old"),
        ("no users", good(20).replace(" ann ", " - "), 3, "accepted-with-loss", "auth_param"),
        ("empty", String::new(), 1, "refused", "empty"),
    ];
    for (name, text, code, verdict, words) in rows {
        sandbox.write("a.log", &text);
        let found = check(&sandbox, &["a.log"], code);
        assert_eq!(found["verdict"], verdict, "{name}: {found}");
        assert!(words.is_empty() || found["findings"].to_string().contains(words), "{name}: {found}");
    }
    // The worst of several.
    sandbox.write("b.log", &good(5));
    sandbox.write("c.log", &old);
    let ran = sandbox.run(&["check", "b.log", "c.log"], 1);
    assert!(ran.stderr.contains("would refuse 1 of 2 logs"), "{}", ran.stderr);
    let csv = sandbox.run(&["check", "--format", "csv", "b.log", "c.log"], 1).stdout;
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let stdin = piped(&sandbox, &["check", "-"], good(9).as_bytes(), 0);
    assert!(stdin.stdout.starts_with("standard input: accepted\n"), "{}", stdin.stdout);
}

#[test]
fn the_document_of_check_carries_everything() {
    let sandbox = Sandbox::new();
    let text = good(400) + "# a comment\n" + &"broken\n".repeat(5) + &squid(100, 1);
    sandbox.write("a.log", &text);
    let found = check(&sandbox, &["a.log", "--top", "3"], 3);
    let summary = &found["summary"];
    assert_eq!((&summary["lines"], &summary["records"]), (&407.into(), &401.into()));
    assert_eq!((&summary["other"], &summary["rejected"]), (&1.into(), &5.into()));
    let reject = &summary["rejects"][0];
    assert_eq!((&reject["count"], &reject["examples"][0]["line"]), (&5.into(), &402.into()));
    assert_eq!(reject["examples"][0]["text"], "broken");
    assert_eq!(reject["examples"].as_array().map(Vec::len), Some(3));
    assert_eq!(summary["time"]["older_than_90_days"], 1);
    assert!(summary["time"]["older_share"].as_f64().is_some_and(|share| share > 0.002 && share < 0.003));
    assert_eq!(summary["direction"]["outbound_share"], 1.0);
    assert_eq!((&summary["users"], summary["top_hosts"].as_array().map(Vec::len)), (&1.into(), Some(3)));
    assert!((190..=210).contains(&summary["addresses"].as_u64().expect("a count")), "{}", summary["addresses"]);
    let field = |name: &str| summary["fields"].as_array().expect("fields").iter().find(|f| f["field"] == name).cloned();
    assert_eq!(field("url").expect("a field")["share"], 1.0);
    assert_eq!(field("bytes_up").expect("a field")["records"], 0);
    let extract = |name: &str| {
        let rows = summary["extracts"].as_array().expect("rows");
        rows.iter().find(|row| row["what"] == name).cloned().expect("a row")
    };
    assert_eq!((&extract("username")["service"], &extract("username")["share"]), (&true.into(), &1.0.into()));
    assert_eq!(extract("uploaded bytes")["service"], false);
    assert_eq!((&found["detection"]["sure"], &found["certainty"]), (&true.into(), &"public".into()));
    assert_eq!(found["apps"]["records"], 0);
    assert!(found["findings"].to_string().contains("apps that logweir knows"), "{found}");
    assert_eq!((&found["packing"], &found["encoding"]), (&"plain".into(), &"UTF-8".into()));
}

#[test]
fn hostile_bytes_reach_neither_the_terminal_nor_the_end_of_the_program() {
    let sandbox = Sandbox::new();
    let mut text = good(30).into_bytes();
    text.extend_from_slice(b"\x1b]0;owned\x07\x1b[2Jbroken \xff\xfe\xe2\x80\xae line\n");
    text.extend_from_slice(&[0, 1, 2, 3, b'\n']);
    text.extend_from_slice(&b"x".repeat(3 << 20));
    text.extend_from_slice(
        b"\n1709633730.412 96 10.0.0.1 TCP_MISS/200 1 GET http://\x1b[31mred/ ann HIER_DIRECT/- -\n",
    );
    std::fs::write(sandbox.path("h.log"), &text).expect("a file");
    let ran = sandbox.run(&["check", "--log-type", "SQUID_NATIVE", "h.log"], 3);
    assert!(ran.stdout.contains("\\u{1b}]0;owned") && ran.stdout.contains("longer than 1 MiB"), "{}", ran.stdout);
    let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!ran.stdout.contains(steers), "{:?}", ran.stdout);
    for hostile in [&b"\xff\xff\xff"[..], b"\0", b"\x1f\x8b", b"PK\x03\x04", b"\xff\xfe", b"#Fields:\n", b"CEF:0|"] {
        std::fs::write(sandbox.path("x.log"), hostile).expect("a file");
        for command in ["check", "records"] {
            let ran = Ran::from(sandbox.command(&[command, "x.log"]).output().expect("the binary starts"));
            assert!(ran.code.is_some_and(|code| code <= 3), "{command} {hostile:?}: {}", ran.stderr);
        }
    }
}

/// Real files that `auto` rightly holds: lines of the activity log are few among others, or a third of the lines is of
/// another message.
const HELD: &[&str] = &["BARRACUDA_NEXT_GEN_FW", "JUNIPER_SRX_SD_SYSLOG"];

#[test]
fn every_real_file_is_checked_sanely() {
    let corpus = std::env::var_os("LOGWEIR_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    if !corpus.is_dir() {
        println!("no corpus here: set LOGWEIR_CORPUS to check real files");
        return;
    }
    let sandbox = Sandbox::new();
    let logs = walkdir::WalkDir::new(&corpus).into_iter().flatten().map(walkdir::DirEntry::into_path);
    let logs: Vec<PathBuf> = logs.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    assert!(logs.len() > 40);
    let names: Vec<&str> = logs.iter().filter_map(|path| path.to_str()).collect();
    let mut wrong = Vec::new();
    // Real lines are years old: the service would refuse every one of them for that.
    let document = json(&sandbox.run(&[&["check", "--format", "json"], &names[..]].concat(), 1));
    for (path, found) in logs.iter().zip(document["files"].as_array().expect("files")) {
        let folder = path.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
        let sure = found["detection"]["sure"] == true;
        if folder == "_LOOKALIKES" && sure {
            wrong.push(format!("{}: taken for {}", path.display(), found["log_type"]));
        }
        // Where a collector took the headers off, nothing is left to tell a syslog type from its plain sibling.
        let plain = |name: &str| name.trim_end_matches("_SYSLOG").to_owned();
        if folder != "_LOOKALIKES" && sure && found["log_type"].as_str().map(plain) != Some(plain(&folder)) {
            wrong.push(format!("{}: sure of {}", path.display(), found["log_type"]));
        }
        if folder != "_LOOKALIKES" && !sure && !HELD.contains(&folder.as_str()) {
            wrong.push(format!("{}: not sure of {}", path.display(), found["log_type"]));
        }
        if found["findings"].as_array().is_none_or(Vec::is_empty) && folder != "_LOOKALIKES" {
            wrong.push(format!("{}: nothing found wrong with lines of years ago", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn upload_ships_what_auto_is_sure_of_and_holds_the_rest() {
    let sandbox = Sandbox::new();
    sandbox.write("a.log", &good(30));
    let forti = std::fs::read_to_string(sample("FORTIGATE")).expect("a sample");
    sandbox.write("forti.log", &forti);
    sandbox.write("mixed.log", &(good(40) + &forti));
    let upload = ["upload", "--dry-run", "--data-source", "HQ", "--log-type", "auto"];
    let run = |files: &[&str], code: i32| sandbox.run(&[&upload[..], files].concat(), code);
    assert!(run(&["a.log"], 0).stdout.contains("a.log"));
    let ran = run(&["a.log", "mixed.log"], 1);
    assert!(ran.stdout.contains("a.log") && !ran.stdout.contains("mixed.log"), "{}", ran.stdout);
    assert!(ran.stderr.contains("mixed.log") && ran.stderr.contains("not certain"), "{}", ran.stderr);
    let ran = run(&["mixed.log"], 1);
    assert!(ran.stderr.contains("--log-type"), "{}", ran.stderr);
    let ran = run(&["a.log", "forti.log"], 2);
    assert!(ran.stderr.contains("more than one log type") && ran.stderr.contains("FORTIGATE"), "{}", ran.stderr);
}
