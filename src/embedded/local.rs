//! `service.url = "embedded"`: one service for every process of a state directory, without a process of its own.
//!
//! Whoever has the lock of the directory serves; the others stand by and take over when it ends. The port is kept in a
//! file, so that addresses stay what they were, and so is the application that every process signs in as. Both files
//! are readable by their owner only.

use super::store::{fresh_application, lock};
use super::{Application, NewApplication, Options, Rules, run};
use crate::config::secret::Secret;
use crate::error::{Error, Kind, Result};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How to reach it.
#[derive(Debug, Clone)]
pub struct Local {
    /// Its address.
    pub url: String,
    /// What to sign in as.
    pub application: Application,
}

/// Every role there is, on a service that is one's own.
const ROLES: [&str; 4] = ["discovery.manage", "investigation.manage", "settings.manage", "cloudapp-discovery.read.all"];

/// How long the service may take to start, here or in another process.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often who stands by looks whether the service has ended.
const LOOK: Duration = Duration::from_millis(100);

/// Serves from `dir` for as long as this process lives, unless another process does.
///
/// # Errors
/// When the directory cannot be used or no port is free.
pub fn local(dir: &Path) -> Result<Local> {
    let failed = |error| Error::failed(format!("cannot make the service directory {}", dir.display())).cause(error);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let (tell, told): (Sender<Result<Local>>, Receiver<_>) = channel();
    let own = dir.to_path_buf();
    let thread = std::thread::Builder::new().name("embedded".to_owned()).spawn(move || {
        if let Err(error) = keep(&own, &tell) {
            tracing::error!("the embedded service ended: {}", error.one_line());
            // Who asked may have gone on long ago.
            let _ = tell.send(Err(error));
        }
    });
    thread.map_err(|error| Error::failed("cannot start the embedded service").cause(error))?;
    told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        Err(Error::failed(format!("the embedded service in {} does not start", dir.display()))
            .hint("another logweir holds its lock and does not say where it listens: end that process"))
    })
}

/// Serves, or stands by until that is our turn.
fn keep(dir: &Path, tell: &Sender<Result<Local>>) -> Result<()> {
    let mut said = false;
    loop {
        match lock(dir) {
            Ok(lock) => return serve(dir, lock, tell),
            Err(error) if error.kind() != Kind::Locked => return Err(error),
            Err(_) => {
                if let Some(local) = known(dir).filter(|_| !said) {
                    said = tell.send(Ok(local)).is_ok();
                }
                std::thread::sleep(LOOK);
            }
        }
    }
}

fn serve(dir: &Path, lock: std::fs::File, tell: &Sender<Result<Local>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Error::failed("cannot start the embedded service").cause(error))?;
    let application = match known_application(dir) {
        Some(application) => application,
        None => {
            let roles = ROLES.map(str::to_owned);
            let made = fresh_application(dir, &NewApplication { name: "local", roles: &roles, certificate: None })?;
            let (tenant_id, client_id, secret) = (&made.tenant_id, &made.client_id, made.secret.expose());
            let text = serde_json::json!({ "tenant_id": tenant_id, "client_id": client_id, "secret": secret });
            keep_private(&dir.join("local.json"), &text.to_string())?;
            made
        }
    };
    runtime.block_on(async {
        let rules = Rules { calls_a_minute: usize::MAX, ..Rules::default() };
        let usual = Options { dir: dir.to_path_buf(), processing_delay: Duration::ZERO, rules, ..Options::default() };
        let mut port = known_port(dir).unwrap_or(0);
        if port != 0 && tokio::net::TcpListener::bind(("127.0.0.1", port)).await.is_err() {
            // Somebody else has it now.
            port = 0;
        }
        let running = run(Options { listen: SocketAddr::from(([127, 0, 0, 1], port)), ..usual }, lock).await?;
        keep_private(&dir.join("port"), &running.addr.port().to_string())?;
        // Who asked may have been told by the service before us.
        let _ = tell.send(Ok(Local { url: format!("http://{}", running.addr), application }));
        running.ended().await;
        Ok(())
    })
}

fn known_port(dir: &Path) -> Option<u16> {
    std::fs::read_to_string(dir.join("port")).ok()?.trim().parse().ok()
}

fn known_application(dir: &Path) -> Option<Application> {
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("local.json")).ok()?).ok()?;
    let text = |name: &str| kept[name].as_str().map(str::to_owned);
    let secret = Secret::new(text("secret")?);
    Some(Application { tenant_id: text("tenant_id")?, client_id: text("client_id")?, secret })
}

fn known(dir: &Path) -> Option<Local> {
    Some(Local { url: format!("http://127.0.0.1:{}", known_port(dir)?), application: known_application(dir)? })
}

/// Replaces a file that only its owner may read; others see the old or the new one.
fn keep_private(path: &Path, text: &str) -> Result<()> {
    let failed = |error| Error::failed(format!("cannot write {}", path.display())).cause(error);
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_one_directory_are_one_service() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (local(dir.path()).unwrap(), local(dir.path()).unwrap());
        assert_eq!(first.url, second.url);
        assert_eq!(first.application.secret, second.application.secret);
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join("local.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
