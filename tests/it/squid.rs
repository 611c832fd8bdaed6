//! Squid's own words: what a real squid logged, and a real rsyslog relayed, reads as what curl saw.

use crate::support::have;
use crate::support::squid::Squid;
use logweir::logs::{self, Line, Position, Visit, output, vendor};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The transactions of a log.
#[derive(Default)]
struct Records(Vec<Value>, Vec<String>);

impl Visit for Records {
    fn line(&mut self, _: Position, raw: &[u8], line: &Line<'_>) {
        match line {
            Line::Record(record) => {
                let mut text = Vec::new();
                output::json(record, None, &mut text);
                self.0.push(serde_json::from_slice(&text).expect("JSON"));
            }
            Line::Other => {}
            Line::Reject(why) => self.1.push(format!("{}: {}", why.reason(), String::from_utf8_lossy(raw))),
        }
    }

    fn merge(&mut self, later: Records) {
        self.0.extend(later.0);
        self.1.extend(later.1);
    }
}

#[track_caller]
fn read(log_type: &str, text: &str) -> Vec<Value> {
    let format = vendor::find(log_type).expect("a log type");
    let records = logs::read(format, text.as_bytes(), 1, Records::default).expect("readable");
    assert!(records.1.is_empty(), "{log_type}: {:#?}", records.1);
    records.0
}

const NAMES: [&str; 3] = ["www.example.com", "files.example.org", "banned.example.net"];

/// What is fetched: URL without port, user, what curl is told besides, and whether squid refuses it.
const FETCHES: [(&str, &str, &[&str], bool); 7] = [
    ("http://www.example.com:PORT/a/1000", "alice", &[], false),
    ("http://www.example.com:PORT/search/20?q=a+b&c=%20d", "bob", &[], false),
    ("http://files.example.org:PORT/big/300000", "alice", &[], false),
    ("http://files.example.org:PORT/not-there", "carol", &[], false),
    ("http://banned.example.net:PORT/x/5", "alice", &[], true),
    ("http://www.example.com:PORT/head/77", "alice", &["-I"], false),
    ("http://www.example.com:PORT/tunnel/4000", "alice", &["--proxytunnel"], false),
];

/// What curl saw of one fetch.
#[derive(Debug)]
struct Fetch {
    url: String,
    /// The status; that of the proxy's own answer where it refused.
    status: u16,
    /// Header and body of the answer, in bytes.
    bytes: u64,
    /// The body alone.
    body: u64,
}

/// A squid through which all was fetched, with what curl saw and the port of the site behind it.
struct Fetched {
    dir: tempfile::TempDir,
    _squid: Squid,
    fetches: Vec<Fetch>,
    port: u16,
}

fn fetched() -> Option<Fetched> {
    let helper = Path::new("/usr/lib/squid/basic_fake_auth");
    if !have("curl") || !helper.is_file() {
        return None;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path().display();
    let hosts: String = NAMES.iter().map(|name| format!("127.0.0.1 {name}\n")).collect();
    std::fs::write(dir.path().join("hosts"), hosts).expect("a file");
    let rules = format!(
        "access_log stdio:{at}/common.log common\naccess_log stdio:{at}/combined.log combined\nbuffered_logs off\nstrip_query_terms off\n\
         acl ours dstdomain {}\nalways_direct allow ours\nauth_param basic program {}\nacl known proxy_auth REQUIRED\n\
         acl banned dstdomain banned.example.net\nhttp_access deny !known\nhttp_access deny banned",
        NAMES.join(" "),
        helper.display()
    );
    let squid = Squid::start(dir.path(), &rules)?;
    let port = origin();
    let fetches = FETCHES
        .iter()
        .map(|(url, user, more, _)| fetch(squid.port, &url.replace("PORT", &port.to_string()), user, more));
    let fetches = fetches.collect();
    Some(Fetched { dir, _squid: squid, fetches, port })
}

/// Fetches a URL through the proxy with curl.
fn fetch(proxy: u16, url: &str, user: &str, more: &[&str]) -> Fetch {
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "60", "-o", "/dev/null", "-x", &format!("http://127.0.0.1:{proxy}")])
        .args(["--proxy-user", &format!("{user}:secret")])
        .args(["-w", "%{http_code} %{http_connect} %{size_header} %{size_download}"])
        .args(more)
        .arg(url)
        .output()
        .expect("curl runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: Vec<u64> = text.split_whitespace().map(|figure| figure.parse().expect("a figure")).collect();
    let [code, connect, header, body] = figures[..] else { panic!("{text}: {output:?}") };
    let status = u16::try_from(if code == 0 { connect } else { code }).expect("a status");
    Fetch { url: url.to_owned(), status, bytes: header + body, body }
}

impl Fetched {
    /// A log of squid's, once it has all lines.
    fn log(&self, name: &str) -> String {
        let until = Instant::now() + crate::support::PATIENCE;
        loop {
            let text = std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
            if text.lines().count() >= self.fetches.len() && text.ends_with('\n') {
                return text;
            }
            assert!(Instant::now() < until, "{name} lacks lines:\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A server of plain HTTP whose answers are as long as the last part of the path says; 404 where that is no number.
fn origin() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

fn answer(mut stream: TcpStream) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
    let length = path.rsplit('/').next().and_then(|last| last.parse::<usize>().ok());
    let status = if length.is_some() { "200 OK" } else { "404 Not Found" };
    let body = vec![b'x'; length.unwrap_or(9)];
    let sent = if text.starts_with("HEAD") { 0 } else { body.len() };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // A client that has gone away got what it wanted.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body[..sent]));
}

fn compare(log: &str, records: &[Value], fetched: &Fetched) {
    let (fetches, port) = (&fetched.fetches, fetched.port);
    assert_eq!(records.len(), fetches.len(), "{log}: {records:#?}");
    for ((record, fetch), (_, user, more, refused)) in records.iter().zip(fetches).zip(&FETCHES) {
        let url = &fetch.url;
        let said = format!("{log}: {record} of {fetch:?}");
        let host = url.split(['/', ':']).nth(3).expect("a host");
        let tunnel = more.contains(&"--proxytunnel");
        assert_eq!(record["host"], host, "{said}");
        assert_eq!(record["dst_port"], port, "{said}");
        assert_eq!(record["src_ip"], "127.0.0.1", "{said}");
        assert_eq!(record["user"], *user, "{said}");
        assert_eq!(record["action"], if *refused { "blocked" } else { "allowed" }, "{said}");
        let expected = if tunnel { format!("{host}:{port}") } else { url.clone() };
        assert_eq!(record["url"], expected.as_str(), "{said}");
        let down = record["bytes_down"].as_u64().expect("bytes");
        // A tunnel's figure has squid's own answer and the origin's header in it.
        let fits = if tunnel { down >= fetch.body && down <= fetch.body + 1_000 } else { down == fetch.bytes };
        assert!(fits, "{said}");
        assert_eq!(
            fetch.status,
            if *refused {
                403
            } else if url.ends_with("not-there") {
                404
            } else {
                200
            },
            "{said}"
        );
    }
}

#[test]
fn a_real_squids_logs_say_what_curl_saw() {
    let Some(fetched) = fetched() else { return };
    for (name, log_type) in [("access.log", "SQUID_NATIVE"), ("common.log", "SQUID"), ("combined.log", "SQUID")] {
        let records = read(log_type, &fetched.log(name));
        compare(name, &records, &fetched);
        let now = jiff::Timestamp::now();
        for record in &records {
            let time: jiff::Timestamp = record["time"].as_str().expect("a time").parse().expect("RFC 3339");
            assert!((now - time).as_secs().abs() < 600, "{record}");
        }
    }
}

/// A listener that keeps all that comes.
fn collector() -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let kept: Arc<Mutex<Vec<u8>>> = Arc::default();
    let into = kept.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let into = into.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    into.lock().expect("a lock").extend_from_slice(&buffer[..count]);
                }
            });
        }
    });
    (port, kept)
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that is gone already is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_log_that_a_real_rsyslog_relays_reads_as_the_one_it_took() {
    if !have("rsyslogd") {
        return;
    }
    let Some(fetched) = fetched() else { return };
    let native = fetched.log("access.log");
    let expected = read("SQUID_NATIVE", &native);
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path().display();
    let relays = [
        ("RFC 3164", "RSYSLOG_TraditionalForwardFormat", "traditional"),
        ("RFC 5424", "RSYSLOG_SyslogProtocol23Format", "traditional"),
        ("RFC 5424, octet-counted", "RSYSLOG_SyslogProtocol23Format", "octet-counted"),
    ];
    let collectors = relays.map(|_| collector());
    let forward: String = relays
        .iter()
        .zip(&collectors)
        .map(|((_, template, framing), (port, _))| {
            format!(
                "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{port}\" protocol=\"tcp\" template=\"{template}\" \
                 TCP_Framing=\"{framing}\" action.resumeRetryCount=\"-1\")\n"
            )
        })
        .collect();
    let config = format!(
        "global(workDirectory=\"{at}\")\nmodule(load=\"imfile\")\n\
         input(type=\"imfile\" File=\"{}\" Tag=\"squid:\" Facility=\"local4\" Severity=\"info\")\n{forward}\
         action(type=\"omfile\" file=\"{at}/iso\" template=\"RSYSLOG_FileFormat\")\n\
         action(type=\"omfile\" file=\"{at}/old\" template=\"RSYSLOG_TraditionalFileFormat\")\n",
        fetched.dir.path().join("access.log").display()
    );
    std::fs::write(dir.path().join("rsyslog.conf"), config).expect("a file");
    let program = if std::path::Path::new("/usr/sbin/rsyslogd").is_file() { "/usr/sbin/rsyslogd" } else { "rsyslogd" };
    let server = Command::new(program)
        .args(["-n", "-iNONE", "-f"])
        .arg(dir.path().join("rsyslog.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _server = Running(server.expect("rsyslogd starts"));
    let lines = native.lines().count();
    let until = Instant::now() + crate::support::PATIENCE;
    let whole = |take: &dyn Fn() -> String| loop {
        let text = take();
        if text.lines().filter(|line| line.contains("127.0.0.1")).count() >= lines && text.ends_with('\n') {
            // What rsyslog says of itself is no part of squid's log.
            return text.lines().filter(|line| !line.contains("rsyslogd")).map(|line| format!("{line}\n")).collect();
        }
        assert!(Instant::now() < until, "{lines} lines have not come:\n{text}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let relayed = relays.iter().zip(&collectors).map(|((name, ..), (_, kept))| {
        let text: String = whole(&|| String::from_utf8_lossy(&kept.lock().expect("a lock")).into_owned());
        (*name, text)
    });
    let written = ["iso", "old"].map(|name| {
        let path = dir.path().join(name);
        let text: String = whole(&|| std::fs::read_to_string(&path).unwrap_or_default());
        (name, text)
    });
    for (name, text) in relayed.chain(written) {
        let found = read("SQUID_NATIVE_SYSLOG", &text);
        assert_eq!(found.len(), expected.len(), "{name}:\n{text}");
        for (found, expected) in found.iter().zip(&expected) {
            let mut found = found.clone();
            assert!(found["device"].is_string(), "{name}: {found}");
            found["device"] = Value::Null;
            assert_eq!(found, *expected, "{name}:\n{text}");
        }
    }
}
