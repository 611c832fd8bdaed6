//! A real Squid on the loopback in front of a site that always answers, with an access log as it writes them.

use super::daemon::{Daemon, free_port, ran, within};
use super::have;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A running Squid.
pub struct Squid {
    /// Where it listens on the loopback.
    pub port: u16,
    /// Its access log, in its native form.
    pub log: PathBuf,
    conf: PathBuf,
    name: String,
    _daemon: Daemon,
}

impl Squid {
    /// Starts one in a directory of its own; `rules` stand before `http_access allow all`. None when it is not installed.
    pub fn start(dir: &Path, rules: &str) -> Option<Squid> {
        if !have("squid") {
            return None;
        }
        let origin = origin();
        let port = free_port();
        std::fs::create_dir_all(dir).expect("a directory");
        // Squid started by root gives its rights away.
        for path in dir.ancestors().take_while(|path| path.starts_with(std::env::temp_dir())) {
            open(path);
        }
        let shown = dir.display();
        let conf = dir.join("squid.conf");
        std::fs::write(
            &conf,
            format!(
                "http_port 127.0.0.1:{port}\nvisible_hostname proxy.example\npid_filename {shown}/squid.pid\n\
                 access_log stdio:{shown}/access.log squid\nlogfile_rotate 0\ncache_log {shown}/cache.log\ncache_store_log none\n\
                 coredump_dir {shown}\ncache deny all\npinger_enable off\nnetdb_filename none\nshutdown_lifetime 0 seconds\n\
                 hosts_file {shown}/hosts\ncache_peer 127.0.0.1 parent {origin} 0 no-query originserver no-digest\n\
                 never_direct allow all\n{rules}\nhttp_access allow all\n"
            ),
        )
        .expect("a file");
        if !dir.join("hosts").exists() {
            std::fs::write(dir.join("hosts"), "").expect("a file");
        }
        let name = format!("t{port}");
        let shown_conf = conf.display().to_string();
        let daemon = Daemon::start(dir, "squid", &["-N", "-n", &name, "-f", &shown_conf], || {
            dir.join("squid.pid").exists() && TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(Squid { port, log: dir.join("access.log"), conf, name, _daemon: daemon })
    }

    /// The command that gives it an order, such as `reconfigure` or `rotate`.
    pub fn order(&self, order: &str) -> Vec<String> {
        let conf = self.conf.display().to_string();
        [&super::daemon::program("squid"), "-k", order, "-n", &self.name, "-f", &conf].map(str::to_owned).into()
    }

    /// Gives it an order.
    #[track_caller]
    pub fn obey(&self, order: &str) {
        let command = self.order(order);
        let arguments: Vec<&str> = command.iter().skip(1).map(String::as_str).collect();
        let (good, said) = ran(&command[0], &arguments);
        assert!(good, "{said}");
    }

    /// What its own check says about its configuration and lists: whether it took them, and its words.
    pub fn parse(&self) -> (bool, String) {
        ran("squid", &["-k", "parse", "-n", &self.name, "-f", &self.conf.display().to_string()])
    }

    /// The status with which it answers a request for a host.
    #[track_caller]
    pub fn status(&self, host: &str) -> u16 {
        let status = within(super::PATIENCE, || request(self.port, &format!("http://{host}/"), host));
        status.unwrap_or_else(|| panic!("no answer for {host}"))
    }
}

fn open(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if path != std::env::temp_dir() {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("it is ours");
    }
}

/// Asks a web server or proxy on the loopback for a target; the status.
pub fn request(port: u16, target: &str, host: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: test\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    // What came before the end is what counts.
    let _ = stream.read_to_string(&mut answer);
    answer.split(' ').nth(1)?.parse().ok()
}

/// A site that answers everything with 200 until the test binary ends; its port.
fn origin() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut head: Vec<u8> = Vec::new();
                let mut buffer = [0; 2048];
                while !head.windows(4).any(|end| *end == *b"\r\n\r\n") {
                    match stream.read(&mut buffer) {
                        Ok(length @ 1..) => head.extend(&buffer[..length]),
                        _ => return,
                    }
                }
                // A client that went away needs no answer.
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            });
        }
    });
    port
}
