//! `service.url = "embedded"`: one service for every process of a state directory, without a process of its own.
//!
//! Whoever has the lock of the directory serves; the others stand by and take over when it ends. The port is kept in a
//! file, so that addresses stay what they were, and so is the application that every process signs in as. Both files
//! are readable by their owner only. The port is none that the system gives to connections: nobody gets it by chance
//! in the moment between two who serve, and a client cannot connect to itself there.

use super::store::{fresh_application, lock};
use super::{Application, NewApplication, Options, Rules, bind, run};
use crate::config::secret::Secret;
use crate::error::{Error, Kind, Result};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How to reach it.
#[derive(Debug, Clone)]
pub struct Local {
    /// Its address.
    pub url: String,
    /// What to sign in as.
    pub application: Application,
    _part: Arc<Part>,
}

/// Our part in serving; with the last copy it ends, and what others asked of us meanwhile is answered first: a call cut
/// off in the middle would leave them unsure of a shipment.
#[derive(Debug)]
struct Part {
    end: watch::Sender<bool>,
    ended: Mutex<Receiver<()>>,
}

impl Drop for Part {
    fn drop(&mut self) {
        // Nobody listens when the service has ended by itself.
        let _ = self.end.send(true);
        if let Ok(ended) = self.ended.lock() {
            let _ = ended.recv_timeout(PATIENCE);
        }
    }
}

/// Address and application of a service.
type Found = (String, Application);

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
    let (tell, told): (Sender<Result<Found>>, Receiver<_>) = channel();
    let (end, ending) = watch::channel(false);
    let (alive, ended) = channel();
    let own = dir.to_path_buf();
    let thread = std::thread::Builder::new().name("embedded".to_owned()).spawn(move || {
        // Its end is the end of the thread, however that comes.
        let _alive: Sender<()> = alive;
        if let Err(error) = keep(&own, &tell, &ending) {
            tracing::error!("the embedded service ended: {}", error.one_line());
            // Who asked may have gone on long ago.
            let _ = tell.send(Err(error));
        }
    });
    thread.map_err(|error| Error::failed("cannot start the embedded service").cause(error))?;
    let part = Arc::new(Part { end, ended: Mutex::new(ended) });
    let (url, application) = told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        Err(Error::failed(format!("the embedded service in {} does not start", dir.display()))
            .hint("another logweir holds its lock and does not say where it listens: end that process"))
    })?;
    Ok(Local { url, application, _part: part })
}

/// Serves, or stands by until that is our turn.
fn keep(dir: &Path, tell: &Sender<Result<Found>>, ending: &watch::Receiver<bool>) -> Result<()> {
    let mut said = false;
    while !*ending.borrow() {
        match lock(dir) {
            Ok(lock) => return serve(dir, lock, tell, said, ending.clone()),
            Err(error) if error.kind() != Kind::Locked => return Err(error),
            Err(_) => {
                if let Some(found) = known(dir).filter(|_| !said) {
                    said = tell.send(Ok(found)).is_ok();
                }
                std::thread::sleep(LOOK);
            }
        }
    }
    Ok(())
}

/// Serves; whether somebody was `told` where already decides whether another port will do.
fn serve(
    dir: &Path,
    lock: std::fs::File,
    tell: &Sender<Result<Found>>,
    told: bool,
    mut ending: watch::Receiver<bool>,
) -> Result<()> {
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
        let listener = tokio::select! {
            listener = listen(known_port(dir), told) => listener?,
            _ = ending.wait_for(|&end| end) => return Ok(()),
        };
        let running = run(usual, lock, listener).await?;
        keep_private(&dir.join("port"), &running.addr.port().to_string())?;
        // Who asked may have been told by the service before us.
        let _ = tell.send(Ok((format!("http://{}", running.addr), application)));
        // An error means that nobody is left to tell us: the same.
        running.until(async move { drop(ending.wait_for(|&end| end).await) }).await;
        Ok(())
    })
}

/// Listens where the service was before, or, unless somebody was `told` that, elsewhere.
async fn listen(kept: Option<u16>, told: bool) -> Result<TcpListener> {
    const LOWEST: u32 = 10_240;
    const LINUX_DEFAULT: u32 = 32_768;
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let mut waits = 0;
    while let Some(port) = kept {
        match TcpListener::bind(at(port)).await {
            Ok(listener) => return Ok(listener),
            Err(_) if !told => break,
            Err(error) if waits % 60 == 0 => {
                // Clients of this process look for the service there and nowhere else.
                tracing::warn!("waiting for port {port} of the embedded service, which another program uses: {error}");
            }
            Err(_) => {}
        }
        waits += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let given = range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(LINUX_DEFAULT);
    // Two that start at once begin at different places.
    let start = jiff::Timestamp::now().subsec_nanosecond().unsigned_abs();
    let span = given.saturating_sub(LOWEST);
    for port in (0..span.min(1_000)).map(|step| LOWEST + start.wrapping_add(step) % span) {
        if let Ok(listener) = TcpListener::bind(at(u16::try_from(port).unwrap_or(0))).await {
            return Ok(listener);
        }
    }
    bind(at(0)).await
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

fn known(dir: &Path) -> Option<Found> {
    Some((format!("http://127.0.0.1:{}", known_port(dir)?), known_application(dir)?))
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

    #[tokio::test]
    async fn the_port_is_kept_when_it_is_free_and_none_that_connections_get() {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let given: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        let first = listen(None, false).await.unwrap();
        let port = first.local_addr().unwrap().port();
        assert!(port < given);
        let other = listen(Some(port), false).await.unwrap().local_addr().unwrap().port();
        assert!(other < given && other != port);
        // Whoever was told an address finds the service there, however long another program has it.
        let again = tokio::spawn(listen(Some(port), true));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!again.is_finished());
        drop(first);
        assert_eq!(again.await.unwrap().unwrap().local_addr().unwrap().port(), port);
    }

    #[test]
    fn two_of_one_directory_are_one_service() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (local(dir.path()).unwrap(), local(dir.path()).unwrap());
        assert_eq!(first.url, second.url);
        assert_eq!(first.application.secret, second.application.secret);
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join("local.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Whoever serves ends with the last copy, and the other takes over at the same address.
        let address = first.url.strip_prefix("http://").unwrap().to_owned();
        drop((first.clone(), first));
        let until = std::time::Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(std::time::Instant::now() < until, "nobody takes over");
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(second);
        assert!(std::net::TcpStream::connect(&address).is_err());
    }
}
