//! A sandbox for the real binary: its own directory, a cleared environment, and a full report when it surprises.

pub mod azurite;
pub mod certificate;
pub mod daemon;
pub mod dns;
pub mod front;
pub mod http;
pub mod site;
pub mod squid;
pub mod wire;

pub use certificate::Certificate;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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
