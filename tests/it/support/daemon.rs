//! Real servers next to the test: started in the foreground, waited for, ended with the test.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A server that ends with the test.
pub struct Daemon {
    child: Child,
    log: std::path::PathBuf,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that is gone already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    /// Starts a program in the foreground, with its output in a file of this directory, and waits until it answers.
    #[track_caller]
    pub fn start(dir: &Path, program_name: &str, arguments: &[&str], answers: impl Fn() -> bool) -> Daemon {
        let log = dir.join(format!("{program_name}.out"));
        let out = std::fs::File::create(&log).expect("a file");
        let error = out.try_clone().expect("a second handle");
        let mut command = Command::new(program(program_name));
        command.args(arguments).current_dir(dir).stdin(Stdio::null()).stdout(out).stderr(error);
        let mut daemon = Daemon { child: command.spawn().expect("it starts"), log };
        let answered = within(super::PATIENCE, || {
            daemon.ended().then(|| panic!("{program_name} ended: {}", daemon.said()));
            answers().then_some(())
        });
        assert!(answered.is_some(), "{program_name} does not answer: {}", daemon.said());
        daemon
    }

    fn ended(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_some()
    }

    /// What it wrote.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends it a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().expect("kill starts");
        assert!(sent.success());
    }
}

/// Asks again until there is an answer or the time is over.
pub fn within<T>(time: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + time;
    loop {
        match ask() {
            Some(answer) => return Some(answer),
            None if Instant::now() > until => return None,
            None => std::thread::sleep(Duration::from_millis(40)),
        }
    }
}

/// The path of a program that may stand where only administrators look.
pub fn program(name: &str) -> String {
    let admin = Path::new("/usr/sbin").join(name);
    if admin.is_file() { admin.display().to_string() } else { name.to_owned() }
}

/// Runs a program to its end; what it wrote, with whether it ended well.
pub fn ran(program_name: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program(program_name)).args(arguments).stdin(Stdio::null()).output().expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// A port on the loopback that nothing uses, for UDP and TCP: of this test alone, and below those that the system gives to
/// outgoing connections, so that it is still free when a server is started on it, or started again.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const ALL: u32 = 22_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Several test processes begin at different places.
    let own = std::process::id().wrapping_mul(7_919);
    for _ in 0..ALL {
        let number = own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % ALL;
        let port = u16::try_from(FIRST + number).expect("below 65536");
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
