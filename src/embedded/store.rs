//! What the service remembers: applications, data sources, accepted uploads, totals. One JSON file, replaced atomically,
//! holds it; blobs lie beside it. Both stay bounded: old history, old blobs and uploads that were never finalised go.

use super::families::Families;
use crate::config::secret::Secret;
use crate::domain::{CUSTOM_PARSER, DataSource, Layout, LogType};
use crate::error::{Error, Kind, Result};
use crate::logs::custom::Layouts;
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
    /// DER in base64.
    #[serde(default)]
    pub certificate: Option<String>,
}

/// A data source with its report.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Stream {
    pub id: String,
    pub name: String,
    pub log_type: String,
    /// What its custom parser was told.
    pub layout: Option<Layout>,
    pub snapshot: bool,
    pub created: String,
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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Accepted {
    pub number: u64,
    pub blob: String,
    pub stream: String,
    pub log_type: String,
    pub processed: bool,
    pub lines: u64,
    pub records: u64,
    /// Why the parser refused it: what the governance log says.
    pub refused: Option<String>,
}

/// An upload address that was handed out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Granted {
    pub log_type: String,
    /// Unix seconds.
    pub until: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub tenant_id: String,
    /// Signs addresses and tokens.
    pub key: String,
    pub applications: BTreeMap<String, RegisteredApplication>,
    /// Hashes of legacy tokens by name.
    pub tokens: BTreeMap<String, String>,
    pub streams: Vec<Stream>,
    pub accepted: Vec<Accepted>,
    /// How many `done_upload` were accepted so far.
    pub taken: u64,
    pub granted: BTreeMap<String, Granted>,
    pub banned: BTreeSet<u32>,
    /// What a file of decisions sanctions; none while nobody decided.
    pub sanctioned: Option<BTreeSet<u32>>,
}

impl State {
    pub(super) fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.name == name && !stream.snapshot)
    }
}

/// Processed uploads that are remembered.
const HISTORY: usize = 20_000;
/// An upload that was not finalised this many seconds after its address expired is forgotten.
const UNFINISHED: u64 = 86_400;

/// Now, as the API writes times.
pub(super) fn timestamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

pub(super) struct Store {
    dir: PathBuf,
    state: Mutex<State>,
    /// What the further families remember.
    pub families: Families,
    /// What the custom parsers read with.
    pub layouts: Layouts,
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

/// Keeps a second service out of the directory for as long as the file is open. Taken before the state is read: what
/// one service reads while another one writes would be lost.
pub(super) fn lock(dir: &Path) -> Result<std::fs::File> {
    std::fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    let file = std::fs::File::create(dir.join("service.lock")).map_err(|error| failed(dir, error))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        Error::new(Kind::Locked, format!("another service runs in {}", dir.display()))
            .hint("name another directory with --dir DIR")
    })?;
    Ok(file)
}

impl Store {
    /// Opens the directory, making it if it is missing.
    pub(super) fn open(dir: &Path) -> Result<Store> {
        std::fs::create_dir_all(dir.join("blobs")).map_err(|error| failed(dir, error))?;
        let state = match std::fs::read(dir.join("service.json")) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| failed(dir, error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                // Apps that score 4 or less are banned until somebody decides otherwise.
                let risky = crate::catalog::all().iter().filter(|app| app.score() <= 4).map(|app| app.id);
                State { tenant_id: random()?, key: random()?, banned: risky.collect(), ..State::default() }
            }
            Err(error) => return Err(failed(dir, error)),
        };
        // What broke off when the service ended was never answered.
        let leftover = walkdir::WalkDir::new(dir.join("blobs")).into_iter().flatten();
        for entry in leftover.filter(|entry| entry.path().extension().is_some_and(|end| end == "tmp")) {
            std::fs::remove_file(entry.path()).map_err(|error| failed(dir, error))?;
        }
        let store = Store {
            dir: dir.to_path_buf(),
            state: Mutex::new(state),
            families: Families::open(dir)?,
            layouts: Layouts::default(),
        };
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

    /// Forgets what is old: history beyond the newest entries, blobs beyond `keep` bytes, uploads that were never
    /// finalised. Called now and then by the engine.
    pub(super) fn tidy(&self, keep: u64, now: u64) -> Result<()> {
        let (gone, blobs) = self.change(|state| {
            let processed = state.accepted.iter().filter(|accepted| accepted.processed).count();
            let mut surplus = processed.saturating_sub(HISTORY);
            state.accepted.retain(|accepted| {
                let goes = accepted.processed && surplus > 0;
                surplus -= usize::from(goes);
                !goes
            });
            let used: BTreeSet<String> = state.accepted.iter().map(|accepted| accepted.blob.clone()).collect();
            let old = |granted: &Granted| granted.until.saturating_add(UNFINISHED) < now;
            let gone: Vec<String> =
                state.granted.iter().filter(|(_, g)| old(g)).map(|(blob, _)| blob.clone()).collect();
            state.granted.retain(|_, granted| !old(granted));
            let gone: Vec<String> = gone.into_iter().filter(|blob| !used.contains(blob)).collect();
            let blobs: Vec<String> =
                state.accepted.iter().rev().filter(|a| a.processed).map(|a| a.blob.clone()).collect();
            Ok((gone, blobs))
        })?;
        let mut kept = 0;
        let surplus = blobs.into_iter().filter(|blob| {
            kept += std::fs::metadata(self.blob(blob)).map_or(0, |meta| meta.len());
            kept > keep
        });
        for blob in gone.into_iter().chain(surplus) {
            // What is not there needs no removing.
            let _ = std::fs::remove_file(self.blob(&blob));
            let _ = std::fs::remove_file(self.blob(&format!("{blob}.list")));
            let _ = std::fs::remove_dir_all(self.blob(&format!("{blob}.blocks")));
        }
        Ok(())
    }
}

/// What an application is registered with.
#[derive(Debug, Clone, Copy)]
pub struct NewApplication<'n> {
    /// Its name; an application of that name keeps its id and gets everything else anew.
    pub name: &'n str,
    /// What it may do.
    pub roles: &'n [String],
    /// A certificate in PEM that it may sign in with.
    pub certificate: Option<&'n [u8]>,
}

/// Registers an application, before the service runs.
///
/// # Errors
/// When the certificate cannot be read or the directory cannot be used.
pub fn register_application(dir: &Path, new: &NewApplication<'_>) -> Result<Application> {
    let _lock = lock(dir)?;
    fresh_application(dir, new)
}

/// The same for who holds the lock.
pub(super) fn fresh_application(dir: &Path, new: &NewApplication<'_>) -> Result<Application> {
    let certificate = new.certificate.map(certificate).transpose()?;
    let (fresh_id, secret) = (random()?, random()?);
    let store = Store::open(dir)?;
    let (tenant_id, client_id) = store.change(|state| {
        let known = state.applications.iter().find(|(_, known)| known.name == new.name).map(|(id, _)| id.clone());
        let client_id = known.unwrap_or(fresh_id);
        let roles = new.roles.iter().map(|role| role.to_ascii_lowercase()).collect();
        let secret_hash = hash(&secret);
        let application = RegisteredApplication { name: new.name.to_owned(), secret_hash, roles, certificate };
        state.applications.insert(client_id.clone(), application);
        Ok((state.tenant_id.clone(), client_id))
    })?;
    Ok(Application { tenant_id, client_id, secret: Secret::new(secret) })
}

/// The certificate of a PEM file as base64 DER, if an assertion could be verified with it.
fn certificate(pem: &[u8]) -> Result<String> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let wrong = |why: &str| Error::usage("the application's certificate cannot be used").cause(why);
    let der = CertificateDer::from_pem_slice(pem).map_err(|_| wrong("the file holds no certificate in PEM"))?;
    webpki::EndEntityCert::try_from(&der).map_err(|error| wrong(&format!("it is no X.509 v3 certificate: {error}")))?;
    Ok(base64::engine::general_purpose::STANDARD.encode(&der))
}

/// Registers a legacy API token with every right, before the service runs; one of that name is replaced.
///
/// # Errors
/// When the directory cannot be used.
pub fn register_token(dir: &Path, name: &str) -> Result<Secret> {
    let _lock = lock(dir)?;
    let token = format!("{}{}", random()?, random()?);
    Store::open(dir)?.change(|state| {
        state.tokens.insert(name.to_owned(), hash(&token));
        Ok(())
    })?;
    Ok(Secret::new(token))
}

/// Registers a data source, before the service runs; one of that name stays as it is, but for the layout that its
/// custom parser is told.
///
/// # Errors
/// When the log type or the layout cannot be read or the directory cannot be used.
pub fn register_data_source(dir: &Path, name: &DataSource, log_type: &LogType, layout: Option<&Layout>) -> Result<()> {
    if layout.is_none() && crate::logs::vendor::find(log_type.as_str()).is_none() {
        let known: Vec<&str> = crate::logs::vendor::all().map(|format| format.log_type).collect();
        return Err(Error::usage(format!("the embedded service cannot read {log_type}"))
            .hint(format!("it reads: {}", known.join(", "))));
    }
    let _lock = lock(dir)?;
    let store = Store::open(dir)?;
    if let Some(layout) = layout {
        store.layouts.format(layout)?;
    }
    store.change(|state| data_source(state, name, log_type.as_str(), layout).map(|_| ()))
}

/// The data source of this name, made if it is missing; its custom parser reads this layout from now on.
pub(super) fn data_source<'s>(
    state: &'s mut State,
    name: &DataSource,
    log_type: &str,
    layout: Option<&Layout>,
) -> Result<&'s Stream> {
    let known = state.streams.iter().position(|stream| stream.name == name.as_str() && !stream.snapshot);
    let at = match known {
        Some(at) => at,
        None => {
            state.streams.push(new_stream(name.as_str(), log_type, false)?);
            state.streams.len() - 1
        }
    };
    let stream = &mut state.streams[at];
    if let Some(layout) = layout {
        (stream.log_type, stream.layout) = (CUSTOM_PARSER.to_owned(), Some(layout.clone()));
    }
    Ok(stream)
}

pub(super) fn new_stream(name: &str, log_type: &str, snapshot: bool) -> Result<Stream> {
    Ok(Stream {
        id: random()?[..24].to_owned(),
        name: name.to_owned(),
        log_type: log_type.to_owned(),
        snapshot,
        created: timestamp(),
        ..Stream::default()
    })
}
