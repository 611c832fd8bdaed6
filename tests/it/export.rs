//! Alerts on their way to a SIEM: each once, through kills, restarts and dead receivers, to a real rsyslog.

use crate::support::front::Front;
use crate::support::site::Site;
use crate::support::{PATIENCE, Ran, Sandbox, have};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Alerts a minute apart, the last one an hour ago; `from` tells one seed's ids from another's.
fn seed(from: usize, count: usize) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_millis();
    let alert = |n: usize| {
        let at = now - 3_600_000 - (count - n) as u128 * 60_000;
        format!(
            r#"{{"_id":"64b0c0ffee0123456{:07}","timestamp":{at},"title":"Upload | of = \\ {n}","description":"two\nlines","severityValue":{},"statusValue":0,"resolutionStatusValue":0,"idValue":15859716,"entities":[{{"type":"account","label":"ann@contoso.example"}}]}}"#,
            from + n,
            n % 4
        )
    };
    format!("{{\"alerts\":[{}]}}", (0..count).map(alert).collect::<Vec<_>>().join(","))
}

/// rsyslog on a free port of this host, writing what arrives as it arrives.
struct Rsyslog {
    child: Child,
    port: String,
    sandbox: Sandbox,
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        // One that is gone already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Rsyslog {
    fn start() -> Rsyslog {
        let sandbox = Sandbox::new();
        let (port, got) = (sandbox.path("port"), sandbox.path("got.log"));
        let configuration = format!(
            "global(workDirectory=\"{}\" maxMessageSize=\"64k\")\nmodule(load=\"imtcp\")\n\
             template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"0\" listenPortFileName=\"{}\" ruleset=\"all\")\n\
             ruleset(name=\"all\") {{ action(type=\"omfile\" file=\"{}\" template=\"raw\") }}\n",
            sandbox.path("").display(),
            port.display(),
            got.display()
        );
        let file = sandbox.write("rsyslog.conf", &configuration);
        let child = Command::new("/usr/sbin/rsyslogd")
            .args(["-n", "-f"])
            .arg(file)
            .arg("-i")
            .arg(sandbox.path("pid"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("rsyslogd starts");
        let mut rsyslog = Rsyslog { child, port: String::new(), sandbox };
        let until = Instant::now() + PATIENCE;
        while rsyslog.port.is_empty() {
            assert!(Instant::now() < until, "rsyslogd does not listen");
            std::thread::sleep(Duration::from_millis(20));
            rsyslog.port = std::fs::read_to_string(&port).unwrap_or_default().trim().to_owned();
        }
        rsyslog
    }

    fn address(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// Sending process and alert of each message, in order of arrival.
    fn messages(&self) -> Vec<(u32, String)> {
        let text = std::fs::read_to_string(self.sandbox.path("got.log")).unwrap_or_default();
        let read = |line: &str| {
            let words: Vec<&str> = line.splitn(8, ' ').collect();
            assert!(words.len() == 8 && words[3] == "logweir" && words[5] == "alert", "{line}");
            let id = &line[line.find("64b0c0ffee").unwrap_or_else(|| panic!("{line}"))..][..24];
            (words[4].parse().expect("a process"), id.to_owned())
        };
        // The last line may be half written.
        text[..text.rfind('\n').map_or(0, |at| at + 1)].lines().map(read).collect()
    }

    /// The messages, once there are so many alerts among them.
    fn wait(&self, enough: impl Fn(&BTreeSet<String>) -> bool) -> Vec<(u32, String)> {
        let until = Instant::now() + PATIENCE;
        loop {
            let messages = self.messages();
            if enough(&messages.iter().map(|(_, id)| id.clone()).collect()) || Instant::now() > until {
                return messages;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What the ledger has as exported.
fn recorded(site: &Site) -> BTreeSet<String> {
    let ledger = rusqlite::Connection::open(site.sandbox.path("state/ledger.db")).expect("the ledger");
    // Killed before it had the table.
    let Ok(mut statement) = ledger.prepare("SELECT id FROM exported") else { return BTreeSet::new() };
    let ids = statement.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>();
    ids.expect("ids")
}

#[test]
fn exports_killed_at_random_skip_no_alert_and_repeat_only_what_was_not_recorded() {
    if !have("rsyslogd") {
        return;
    }
    const ALERTS: usize = 1_000;
    let mut site = Site::seeded(&["investigation.read"], &seed(0, ALERTS));
    let rsyslog = Rsyslog::start();
    let address = rsyslog.address();
    let export = ["alerts", "export", "--since", "30d", "--late", "20d", "--to", "cef", "--syslog", &address, "-q"];
    let arguments: Vec<&str> = ["--config", "logweir.toml"].into_iter().chain(export).collect();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut before: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    let mut kills = 0;
    let ended = loop {
        let known =
            if site.sandbox.path("state/ledger.db").exists() && kills > 0 { recorded(&site) } else { BTreeSet::new() };
        let mut child = site.sandbox.command(&arguments).stderr(Stdio::null()).spawn().expect("it starts");
        before.insert(child.id(), known);
        // A run to the end takes longer the slower the machine is; so does the time after which it is killed.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let until = Instant::now() + Duration::from_millis(20 + random % (60 + 10 * kills));
        let status = loop {
            match child.try_wait().expect("a child") {
                Some(status) => break Some(status),
                None if Instant::now() > until && kills < 60 => {
                    child.kill().expect("it runs");
                    child.wait().expect("it ends");
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        if let Some(status) = status {
            break status;
        }
        kills += 1;
        if site.sandbox.path("state/ledger.db").exists() {
            // Nothing is recorded that rsyslog did not get.
            let done = recorded(&site);
            let got = rsyslog.wait(|got| got.is_superset(&done));
            let got: BTreeSet<String> = got.into_iter().map(|(_, id)| id).collect();
            assert!(done.is_subset(&got), "{} recorded, but never delivered", done.difference(&got).count());
        }
    };
    assert_eq!(ended.code(), Some(0), "after {kills} kills");
    let messages = rsyslog.wait(|got| got.len() == ALERTS);
    let distinct: BTreeSet<&String> = messages.iter().map(|(_, id)| id).collect();
    assert_eq!(distinct.len(), ALERTS, "after {kills} kills");
    assert!(kills >= 5, "{kills} kills are too few to prove anything");
    for (process, id) in &messages {
        assert!(!before[process].contains(id), "{id} was sent again though it was recorded");
    }
    let repeated = messages.len() - ALERTS;
    assert!(repeated as u64 <= kills * 100, "{repeated} repeated by {kills} kills");
    // The next run has nothing to say; an alert that appears with an older time is exported alone.
    site.run(&export, 0);
    assert_eq!(rsyslog.messages().len(), messages.len());
    site.service.kill().expect("it runs");
    let mut all: serde_json::Value =
        serde_json::from_slice(&std::fs::read(site.sandbox.path("logweir-service/families.json")).expect("the state"))
            .expect("JSON");
    let late: serde_json::Value = serde_json::from_str(&seed(9_000_000, 40)).expect("JSON");
    let list = all["alerts"].as_array_mut().expect("alerts");
    list.insert(3, late["alerts"][0].clone());
    site.sandbox.write("logweir-service/families.json", &all.to_string());
    site.restart();
    site.run(&export, 0);
    let after = rsyslog.wait(|got| got.len() == ALERTS + 1);
    assert_eq!(after.len(), messages.len() + 1);
    assert_eq!(after.last().map(|(_, id)| id.as_str()), late["alerts"][0]["_id"].as_str());
}

#[test]
fn alerts_go_by_tls_to_a_receiver_whose_ca_is_named_and_to_no_other() {
    if !have("rsyslogd") || !have("openssl") {
        return;
    }
    let site = Site::seeded(&["investigation.read"], &seed(0, 150));
    let rsyslog = Rsyslog::start();
    let front = Front::before(&format!("127.0.0.1:{}", rsyslog.port), None);
    let address = format!("tcp+tls://{}", front.tls);
    let export = ["alerts", "export", "--since", "30d", "--to", "json", "--syslog", &address];
    let refused = site.run(&export, 1);
    assert!(refused.stderr.contains(&address) && refused.stderr.contains("certificate"), "{}", refused.stderr);
    let ca = front.ca.to_str().expect("UTF-8");
    site.run(&[&export[..], &["--syslog-ca", ca]].concat(), 0);
    let messages = rsyslog.wait(|got| got.len() == 150);
    assert_eq!(messages.len(), 150);
    let text = std::fs::read_to_string(rsyslog.sandbox.path("got.log")).expect("messages");
    let json = text.lines().next().and_then(|line| line.split_once(" alert - ")).expect("a message").1;
    let alert: serde_json::Value = serde_json::from_str(json).expect("the record");
    assert_eq!(alert["entities"][0]["label"], "ann@contoso.example");
}

#[test]
fn a_receiver_that_is_away_loses_nothing() {
    if !have("rsyslogd") {
        return;
    }
    let site = Site::seeded(&["investigation.read"], &seed(0, 120));
    // A port that was free a moment ago.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let away = format!("tcp://{gone}");
    let arguments = |address: &str| {
        ["alerts", "export", "--since", "30d", "--to", "leef", "--cursor", "siem", "--syslog", address]
            .map(str::to_owned)
    };
    let run = |address: &str, code: i32| {
        let arguments = arguments(address);
        site.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), code)
    };
    let ran = run(&away, 1);
    assert!(ran.stderr.contains("cannot connect") && ran.stderr.contains("0 alert(s) exported"), "{}", ran.stderr);
    let rsyslog = Rsyslog::start();
    run(&rsyslog.address(), 0);
    assert_eq!(rsyslog.wait(|got| got.len() == 120).len(), 120);
    run(&away, 0);
}

#[test]
fn each_alert_is_written_once_and_from_the_start_when_asked() {
    let site = Site::seeded(&["discovery.read"], &seed(0, 230));
    const EXPORT: [&str; 4] = ["alerts", "export", "--to", "json"];
    fn since<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&EXPORT[..], &["--since", "30d"], more].concat()
    }
    let export = EXPORT;
    let first = site.run(&export, 2);
    assert!(first.stderr.contains("--since"), "{}", first.stderr);
    let lines = |ran: Ran| ran.stdout.lines().count();
    assert_eq!(lines(site.run(&since(&[]), 0)), 230);
    assert_eq!(lines(site.run(&export, 0)), 0);
    // Every cursor, so every destination, gets them all.
    let other = site.run(&since(&["--cursor", "other", "-F", "severity eq high"]), 0);
    assert_eq!(other.stdout.lines().count(), 57);
    assert!(other.stderr.contains("57 alert(s) exported to other"), "{}", other.stderr);
    assert_eq!(lines(site.run(&since(&["--restart"]), 0)), 230);
    let cef = site.run(&["alerts", "export", "--to", "cef", "--since", "95m", "--cursor", "cef", "-q"], 0);
    assert_eq!((cef.stdout.lines().count(), cef.stderr.as_str()), (34, ""));
    for line in cef.stdout.lines() {
        assert!(
            line.starts_with("CEF:0|Microsoft|Defender for Cloud Apps|v1|15859716|Upload \\| of = \\\\ "),
            "{line}"
        );
        assert!(line.contains(" msg=two\\nlines suser=ann@contoso.example "), "{line}");
    }
    for (more, code, said) in [
        (&["--since", "soon"][..], 2, "write a date"),
        (&["--syslog", "udp://siem.example:514"], 2, "tcp://HOST:PORT"),
        (&["-F", "date gte 1d"], 2, "--since"),
        (&["--restart"], 2, "--since"),
        (&["--syslog-ca", "ca.pem"], 2, "--syslog"),
        (&["--since", "1d", "--syslog", "tcp+tls://127.0.0.1:1", "--syslog-ca", "nowhere.pem"], 2, "nowhere.pem"),
    ] {
        let ran = site.run(&[&export[..], more].concat(), code);
        assert!(ran.stderr.contains(said), "{more:?}: {}", ran.stderr);
    }
}

#[test]
fn two_exports_with_one_cursor_do_not_run_at_once() {
    let site = Site::seeded(&["investigation.read"], &seed(0, 5));
    // A receiver that takes the connection and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("tcp://{}", listener.local_addr().expect("an address"));
    let export = ["alerts", "export", "--since", "30d", "--to", "json", "--syslog", &address];
    let arguments: Vec<&str> = ["--config", "logweir.toml"].into_iter().chain(export).collect();
    let mut first = site.sandbox.command(&arguments).stderr(Stdio::null()).spawn().expect("it starts");
    let (stream, _) = listener.accept().expect("a connection");
    let second = site.run(&export, 5);
    assert!(second.stderr.contains("another logweir exports"), "{}", second.stderr);
    drop(stream);
    first.kill().expect("it runs");
    first.wait().expect("it ends");
}
