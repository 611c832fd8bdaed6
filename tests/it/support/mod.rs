//! A sandbox for the real binary: its own directory, a cleared environment, and a full report when it surprises.

pub mod azurite;
pub mod browser;
pub mod certificate;
pub mod daemon;
pub mod dns;
pub mod front;
pub mod http;
pub mod site;
pub mod squid;
pub mod wire;

pub use certificate::Certificate;

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// A temporary directory in which `logweir` runs.
pub struct Sandbox {
    dir: tempfile::TempDir,
}

impl Sandbox {
    /// A fresh one.
    pub fn new() -> Sandbox {
        Sandbox { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file inside, making its directories.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// The binary with these arguments, a cleared environment and a state directory of the sandbox.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logweir"));
        command.args(arguments).current_dir(self.dir.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("LOGWEIR_STATE_DIR", self.path("state"));
        command
    }

    /// Starts the binary; it ends with the test at the latest. Its streams go nowhere unless they were set.
    pub fn start(&self, arguments: &[&str]) -> Process {
        let mut command = self.command(arguments);
        Process::of(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// Runs the binary and expects this exit code.
    #[track_caller]
    pub fn run(&self, arguments: &[&str], code: i32) -> Ran {
        let output = self.command(arguments).output().expect("the binary starts");
        let ran = Ran::from(output);
        assert_eq!(
            ran.code,
            Some(code),
            "logweir {arguments:?} in {:?}\n--- stdout\n{}\n--- stderr\n{}",
            listing(self.dir.path()),
            ran.stdout,
            ran.stderr
        );
        ran
    }
}

/// A process that ends with the test, however the test ends.
pub struct Process(Child);

impl Process {
    /// Starts a command.
    pub fn of(command: &mut Command) -> Process {
        Process(command.spawn().expect("it starts"))
    }

    /// Sends a signal, such as `-TERM`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let asked = Command::new("kill").args([name, &self.id().to_string()]).status().expect("kill starts");
        assert!(asked.success(), "kill {name}");
    }

    /// Ends it as a power cut would.
    pub fn cut(&mut self) {
        // One that is gone already is what is wanted.
        let _ = self.kill();
        let _ = self.wait();
    }

    /// Its end, which must come within this time.
    #[track_caller]
    pub fn ends_within(&mut self, time: Duration) -> ExitStatus {
        let until = Instant::now() + time;
        loop {
            if let Some(status) = self.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < until, "it still runs after {time:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.cut();
    }
}

/// How long a test waits for what must come: on a machine that is busy with other tests, too. It costs nothing when all
/// is well.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `done` says so; a test that waits in vain fails.
#[track_caller]
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Whether the tests run as root, who may mount and become others.
pub fn root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id starts");
    output.stdout.starts_with(b"0\n")
}

/// How a run ended.
pub struct Ran {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

fn listing(dir: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(dir).into_iter().flatten().map(walkdir::DirEntry::into_path).collect()
}

/// Whether a program is on the PATH. In CI a missing one is a failure.
pub fn have(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
        || Path::new("/usr/sbin").join(program).is_file();
    assert!(found || std::env::var_os("CI").is_none(), "{program} is missing; tests/run.sh installs it");
    found
}

/// A program of an npm package that tests/run.sh installs. In CI a missing one is a failure.
pub fn npm(program: &str) -> Option<PathBuf> {
    let cache =
        std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let path = cache?.join("logweir-tests/npm/node_modules/.bin").join(program);
    let found = path.is_file();
    assert!(found || std::env::var_os("CI").is_none(), "{program} is missing; tests/run.sh installs it");
    found.then_some(path)
}

/// The Python that has a PyPI package which tests/run.sh installs. In CI a missing one is a failure.
pub fn pypi(module: &str) -> Option<PathBuf> {
    let cache =
        std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let path = cache?.join("logweir-tests/python/bin/python");
    // Looked up, not imported: some take seconds for that.
    let look = format!("import importlib.util, sys; sys.exit(importlib.util.find_spec('{module}') is None)");
    let found = Command::new(&path).args(["-c", &look]).output().is_ok_and(|output| output.status.success());
    assert!(found || std::env::var_os("CI").is_none(), "{module} is missing; tests/run.sh installs it");
    found.then_some(path)
}
