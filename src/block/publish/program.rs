//! Runs programs of the host: the one that checks a list, and the hook. An argument vector, never a shell; a time limit;
//! its whole process group ends with it; it sees none of our secrets.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Says when to stop.
pub type Stop = watch::Receiver<bool>;

/// Resolves when asked to stop; never when nobody can ask any more.
pub async fn stopped(stop: &mut Stop) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With success; what it said.
    Well(String),
    /// With this status; what it said.
    Badly(String, String),
    /// It was killed at the time limit.
    Late,
    /// It was killed because we were asked to stop.
    Stopped,
    /// It could not be started.
    Missing(String),
}

/// Bytes of its output that are kept, from the end.
const TAIL: usize = 8_192;
/// Between asking a program to end and killing it; and how long its last words are waited for.
const GRACE: Duration = Duration::from_secs(1);
/// Variables that programs do not get.
const SECRET: [&str; 3] = ["LOGWEIR_CLIENT_SECRET", "LOGWEIR_TOKEN", "CREDENTIALS_DIRECTORY"];

/// The path of a program: on the PATH, or where only administrators look.
pub fn find(program: &str, path: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let admin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(path).chain(admin).map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// Runs a program to its end.
pub async fn run(
    program: &Path,
    arguments: &[OsString],
    variables: &[(&str, OsString)],
    limit: Duration,
    stop: &mut Stop,
) -> Ended {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    for name in SECRET {
        command.env_remove(name);
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ended::Missing(error.to_string()),
    };
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    let out = listen(child.stdout.take());
    let err = listen(child.stderr.take());
    let status = tokio::select! {
        status = child.wait() => status,
        () = tokio::time::sleep(limit) => {
            end(&mut child, group).await;
            return Ended::Late;
        }
        () = stopped(stop) => {
            end(&mut child, group).await;
            return Ended::Stopped;
        }
    };
    let mut said = String::new();
    for (kept, reading) in [err, out] {
        // What a program left running in the background still holds the pipe: it is not waited for.
        let _ = tokio::time::timeout(GRACE, reading).await;
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        said.push_str(&String::from_utf8_lossy(kept.make_contiguous()));
    }
    match status {
        Ok(status) if status.success() => Ended::Well(said),
        Ok(status) => Ended::Badly(status.to_string(), said),
        Err(error) => Ended::Missing(error.to_string()),
    }
}

async fn end(child: &mut tokio::process::Child, group: Option<rustix::process::Pid>) {
    let signal = |signal| {
        if let Some(group) = group {
            // A group that is gone already is what is wanted.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    };
    signal(rustix::process::Signal::TERM);
    let _ = tokio::time::timeout(GRACE, child.wait()).await;
    signal(rustix::process::Signal::KILL);
    let _ = child.wait().await;
}

/// The end of what comes, as far as it has come; and the task that reads it.
fn listen(stream: Option<impl AsyncRead + Unpin + Send + 'static>) -> (Arc<Mutex<VecDeque<u8>>>, JoinHandle<()>) {
    let kept = Arc::new(Mutex::new(VecDeque::new()));
    let into = Arc::clone(&kept);
    let reading = tokio::spawn(async move {
        let Some(mut stream) = stream else { return };
        let mut buffer = [0; 4_096];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            let mut kept = into.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(&buffer[..length]);
            let over = kept.len().saturating_sub(TAIL);
            kept.drain(..over);
        }
    });
    (kept, reading)
}

/// What a program said, as one line for a message: its last lines.
pub fn last_words(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    async fn sh(script: &str, limit: Duration, stop: &mut Stop) -> Ended {
        let arguments = ["-c".into(), script.into()];
        run(Path::new("/bin/sh"), &arguments, &[("LOGWEIR_LIST", "proxy".into())], limit, stop).await
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn each_end_is_told_apart() {
        let (_tell, mut stop) = watch::channel(false);
        assert_eq!(sh("echo $LOGWEIR_LIST", LONG, &mut stop).await, Ended::Well("proxy\n".to_owned()));
        let Ended::Badly(status, said) = sh("echo no >&2; exit 3", LONG, &mut stop).await else { panic!("it failed") };
        assert!(status.contains('3') && said == "no\n", "{status} {said}");
        let missing = run(Path::new("/no/such/program"), &[], &[], LONG, &mut stop).await;
        assert!(matches!(missing, Ended::Missing(_)));
    }

    #[tokio::test]
    async fn a_program_that_hangs_ends_with_all_its_children() {
        let (tell, mut stop) = watch::channel(false);
        let started = Instant::now();
        let ended = sh("trap '' TERM; sleep 600 & sleep 600", Duration::from_millis(100), &mut stop).await;
        assert_eq!(ended, Ended::Late);
        tell.send(true).unwrap();
        assert_eq!(sh("sleep 600", Duration::from_secs(600), &mut stop).await, Ended::Stopped);
        assert!(started.elapsed() < Duration::from_secs(300));
    }

    #[tokio::test]
    async fn what_stays_in_the_background_is_not_waited_for() {
        let (_tell, mut stop) = watch::channel(false);
        let started = Instant::now();
        assert_eq!(sh("sleep 100 & echo done", LONG, &mut stop).await, Ended::Well("done\n".to_owned()));
        assert!(started.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn the_last_lines_are_told() {
        assert_eq!(last_words("a\n\nb\nc \nd\n"), "b / c / d");
        assert_eq!(last_words(""), "");
    }
}
