//! Block lists through the real binary, and what real name servers make of them.

use crate::support::{Sandbox, have};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn render_accounts_for_every_entry_and_says_what_was_left_out() {
    let sandbox = Sandbox::new();
    sandbox.write("list.txt", "a.example\n*.b.example\nwww.a.example\nlogin.microsoftonline.com\nx y\n192.0.2.1\n");
    let ran = sandbox.run(&["block", "render", "--appliance", "squid_dstdomain", "--from", "list.txt", "--no-date"], 3);
    let lines: Vec<&str> = ran.stdout.lines().skip(1).collect();
    assert_eq!(lines, [".a.example", ".b.example"]);
    for part in ["widened", "sign-in", "refused: it holds a blank", "not expressible", "6 entries: 1 as meant"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}

#[test]
fn strict_writes_nothing_when_an_entry_is_not_as_meant() {
    let sandbox = Sandbox::new();
    sandbox.write("list.txt", "*.b.example\n");
    let arguments =
        ["block", "render", "--appliance", "unbound_local_zone", "--from", "list.txt", "-o", "out", "--strict"];
    assert!(sandbox.run(&arguments, 1).stderr.contains("nothing was written"));
    assert!(!sandbox.path("out").exists());
}

#[test]
fn several_targets_and_files_go_into_a_directory_and_json_tells_all() {
    let sandbox = Sandbox::new();
    sandbox.write("list.csv", "value,scope,app\na.example,subtree,Example Share\n");
    let both = ["block", "render", "--appliance", "haproxy_acl_files", "--appliance", "bind_rpz", "--from", "list.csv"];
    assert!(sandbox.run(&both, 2).stderr.contains("-o"));
    sandbox.run(&[&both[..], &["-o", "lists"]].concat(), 0);
    for name in ["haproxy_acl_files.exact.lst", "haproxy_acl_files.suffix.lst", "bind_rpz.rpz"] {
        assert!(sandbox.path("lists").join(name).is_file(), "{name}");
    }
    let ran = sandbox.run(&[&both[..], &["--format", "json"]].concat(), 0);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    assert_eq!(document["lists"][1]["summary"]["as_meant"], 1);
    assert_eq!(document["lists"][0]["entries"][0]["app"], "Example Share");
}

#[test]
fn mistakes_are_told_before_anything_is_read() {
    let sandbox = Sandbox::new();
    let rows: [(&[&str], &str); 3] = [
        (&["--appliance", "skuid_dstdomain"], "squid_dstdomain"),
        (&["--appliance", "bind_rpz", "--set", "zone=a;b"], "a domain name"),
        (&["--appliance", "bind_rpz", "--set", "colour=red"], "no parameter"),
    ];
    for (arguments, expected) in rows {
        let ran = sandbox.run(&[&["block", "render", "--from", "no-such-file"], arguments].concat(), 2);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // One that is gone already is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks a name server on the loopback for an address and returns the answer's code: 0 answered, 2 failed, 3 no such name.
fn ask(port: u16, name: &str) -> Option<u8> {
    let mut query = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).expect("a label"));
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(3))).expect("a time limit");
    socket.send_to(&query, ("127.0.0.1", port)).ok()?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).ok()?;
    (length > 3).then(|| answer[3] & 0x0f)
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").expect("a socket").local_addr().expect("its address").port()
}

#[test]
fn unbound_blocks_the_name_and_all_below_and_nothing_else() {
    if !have("unbound") || !have("unbound-checkconf") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write("list.txt", "blocked.example\n");
    let render = ["block", "render", "--appliance", "unbound_local_zone", "--from", "list.txt", "-o", "list.conf"];
    sandbox.run(&render, 0);
    let port = free_port();
    let dir = sandbox.path("").display().to_string();
    let conf = format!(
        "server:\n  directory: \"{dir}\"\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  interface: 127.0.0.1@{port}\n  \
         do-daemonize: no\n  use-syslog: no\n  logfile: \"\"\n  local-zone: \"example.\" transparent\n  \
         local-data: \"example. A 192.0.2.1\"\n  local-data: \"notblocked.example. A 192.0.2.2\"\n  \
         local-data: \"other.example. A 192.0.2.3\"\nremote-control:\n  control-enable: no\ninclude: \"{dir}/list.conf\"\n"
    );
    let conf = sandbox.write("unbound.conf", &conf);
    let checked = Command::new(program("unbound-checkconf")).arg(&conf).output().expect("it starts");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let child = Command::new(program("unbound"))
        .args(["-d", "-c"])
        .arg(&conf)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let _server = Server(child);
    let until = Instant::now() + Duration::from_secs(10);
    while ask(port, "other.example").is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    let rows = [
        ("blocked.example", 3),
        ("www.blocked.example", 3),
        ("a.b.blocked.example", 3),
        ("notblocked.example", 0),
        ("example", 0),
        ("other.example", 0),
    ];
    for (name, code) in rows {
        assert_eq!(ask(port, name), Some(code), "{name}");
    }
}

/// The path of a program that may stand where only administrators look.
fn program(name: &str) -> String {
    let admin = Path::new("/usr/sbin").join(name);
    if admin.is_file() { admin.display().to_string() } else { name.to_owned() }
}
