//! What the service remembers: applications, data sources, accepted uploads, totals. One JSON file, replaced atomically,
//! holds it; blobs lie beside it.

use crate::config::secret::Secret;
use crate::domain::{DataSource, LogType};
use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A registered application with its secret, shown once.
#[derive(Debug, Clone)]
pub struct Application {
    /// The tenant's id.
    pub tenant_id: String,
    /// The application's id.
    pub client_id: String,
    /// Its secret.
    pub secret: Secret,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RegisteredApplication {
    pub name: String,
    pub secret_hash: String,
    pub roles: Vec<String>,
}

/// A data source with its report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stream {
    pub id: String,
    pub name: String,
    pub log_type: String,
    pub snapshot: bool,
    pub history: u64,
    pub fails: u64,
    pub last_data_received: Option<String>,
    /// Lines of transactions imported.
    pub records: u64,
    pub bytes: u64,
    /// Transactions per app id.
    pub apps: BTreeMap<u32, u64>,
}

/// A `done_upload` that was accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Accepted {
    pub number: u64,
    pub blob: String,
    pub stream: String,
    pub processed: bool,
    pub lines: u64,
    pub records: u64,
    /// Why the parser refused it.
    pub refused: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub tenant_id: String,
    /// Signs addresses and tokens.
    pub key: String,
    pub applications: BTreeMap<String, RegisteredApplication>,
    pub streams: Vec<Stream>,
    pub accepted: Vec<Accepted>,
    /// Log type of each granted blob.
    pub granted: BTreeMap<String, String>,
    pub banned: BTreeSet<u32>,
}

impl State {
    pub(super) fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.name == name && !stream.snapshot)
    }
}

pub(super) struct Store {
    dir: PathBuf,
    state: Mutex<State>,
}

fn failed(dir: &Path, error: impl std::fmt::Display) -> Error {
    Error::failed(format!("cannot use the service directory {}", dir.display())).cause(error)
}

/// Random text of 128 bits.
pub(super) fn random() -> Result<String> {
    let bytes: [u8; 16] = ring::rand::generate(&ring::rand::SystemRandom::new())
        .map_err(|_| Error::failed("the system gives no random numbers"))?
        .expose();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, secret.as_bytes()))
}

impl Store {
    /// Opens the directory, making it if it is missing.
    pub(super) fn open(dir: &Path) -> Result<Store> {
        std::fs::create_dir_all(dir.join("blobs")).map_err(|error| failed(dir, error))?;
        let state = match std::fs::read(dir.join("service.json")) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| failed(dir, error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                // Apps that score 4 or less are banned until somebody decides otherwise.
                let risky = crate::catalog::all().iter().filter(|app| app.score <= 4).map(|app| app.id);
                State { tenant_id: random()?, key: random()?, banned: risky.collect(), ..State::default() }
            }
            Err(error) => return Err(failed(dir, error)),
        };
        let store = Store { dir: dir.to_path_buf(), state: Mutex::new(state) };
        store.change(|_| Ok(()))?;
        Ok(store)
    }

    /// Looks at the state.
    pub(super) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state; it is on disk when this returns.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let value = change(&mut state)?;
        let text = serde_json::to_vec(&*state).map_err(|error| failed(&self.dir, error))?;
        let (path, beside) = (self.dir.join("service.json"), self.dir.join("service.json.tmp"));
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&beside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&beside, &path)
        };
        write().map_err(|error| failed(&self.dir, error))?;
        Ok(value)
    }

    /// Where a blob lies. `name` was checked to be hexadecimal.
    pub(super) fn blob(&self, name: &str) -> PathBuf {
        self.dir.join("blobs").join(name)
    }
}

/// Registers an application that may use every discovery call, before the service runs.
///
/// # Errors
/// When the directory cannot be used.
pub fn register_application(dir: &Path, name: &str) -> Result<Application> {
    let (client_id, secret) = (random()?, random()?);
    let store = Store::open(dir)?;
    let tenant_id = store.change(|state| {
        let roles = vec!["discovery.manage".to_owned()];
        let application = RegisteredApplication { name: name.to_owned(), secret_hash: hash(&secret), roles };
        state.applications.insert(client_id.clone(), application);
        Ok(state.tenant_id.clone())
    })?;
    Ok(Application { tenant_id, client_id, secret: Secret::new(secret) })
}

/// Registers a data source, before the service runs; one of that name stays as it is.
///
/// # Errors
/// When the log type cannot be read or the directory cannot be used.
pub fn register_data_source(dir: &Path, name: &DataSource, log_type: &LogType) -> Result<()> {
    if crate::logs::vendor::find(log_type.as_str()).is_none() {
        let known: Vec<&str> = crate::logs::vendor::all().map(|format| format.log_type).collect();
        return Err(Error::usage(format!("the embedded service cannot read {log_type}"))
            .hint(format!("it reads: {}", known.join(", "))));
    }
    Store::open(dir)?.change(|state| {
        if state.stream(name.as_str()).is_none() {
            let stream = new_stream(name.as_str(), log_type.as_str(), false)?;
            state.streams.push(stream);
        }
        Ok(())
    })
}

pub(super) fn new_stream(name: &str, log_type: &str, snapshot: bool) -> Result<Stream> {
    Ok(Stream {
        id: random()?[..24].to_owned(),
        name: name.to_owned(),
        log_type: log_type.to_owned(),
        snapshot,
        history: 0,
        fails: 0,
        last_data_received: None,
        records: 0,
        bytes: 0,
        apps: BTreeMap::new(),
    })
}
