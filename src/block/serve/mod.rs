//! The published lists over HTTP or HTTPS, for appliances that pull. Read-only: GET and HEAD of what the ledger has.
//!
//! What is handed out is the content of the version in force as the ledger keeps it, so that a file on disk that is
//! being replaced, or was damaged, cannot reach an appliance. When the ledger cannot be read, the last good copy is.

mod listen;

use super::publish::is_script;
use crate::error::{Error, Result};
use crate::ledger::{Ledger, Publication};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How to serve.
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What is served.
    pub ledger: Ledger,
    /// The one login that is let in.
    pub login: Option<Login>,
    /// Certificate and key.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// A name and password, kept as a digest that is compared in constant time.
#[derive(Clone)]
pub struct Login(blake3::Hash);

impl Login {
    /// From `name:password`.
    pub fn new(pair: &str) -> Login {
        Login(blake3::hash(format!("Basic {}", STANDARD.encode(pair)).as_bytes()))
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(header::AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
        // Equality of hashes takes the same time wherever they differ.
        self.0 == blake3::hash(sent)
    }
}

/// TLS from PEM text.
///
/// # Errors
/// When one of them holds no certificate or no key, or they do not belong together.
pub fn tls(certificate: &[u8], key: &[u8]) -> Result<Arc<rustls::ServerConfig>> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::usage("the TLS certificate cannot be read").cause(error))?;
    if chain.is_empty() {
        return Err(Error::usage("the TLS certificate file holds no certificate").hint("it wants PEM text"));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| Error::usage("the TLS key file holds no private key").hint("it wants PEM text, not encrypted"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| Error::usage("the TLS certificate and key do not serve").cause(error))?;
    Ok(Arc::new(config))
}

/// One file as it is handed out.
#[derive(Debug, Clone)]
struct Served {
    name: String,
    bytes: Bytes,
    tag: String,
    kind: &'static str,
}

/// The version of a list that was looked at last.
#[derive(Debug, Clone)]
struct Version {
    number: u32,
    at: i64,
    files: Vec<Served>,
}

struct Shelf {
    ledger: Ledger,
    login: Option<Login>,
    versions: Mutex<HashMap<String, Arc<Version>>>,
}

/// A server that runs until stopped.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Running {
    /// Ends it; answers under way have some seconds.
    pub async fn stop(self) {
        // A receiver that is gone has stopped already.
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(Duration::from_secs(5), self.server).await;
    }
}

/// Starts the server.
///
/// # Errors
/// When the address is taken.
pub async fn start(options: Options) -> Result<Running> {
    let failed = |error: std::io::Error| {
        Error::failed(format!("cannot listen on {}", options.listen))
            .cause(error)
            .hint("choose another with --listen ADDRESS; port 0 takes a free one")
    };
    let listener = tokio::net::TcpListener::bind(options.listen).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let shelf = Shelf { ledger: options.ledger, login: options.login, versions: Mutex::default() };
    let router = Router::new().fallback(answer).with_state(Arc::new(shelf));
    let listener = listen::Connections::new(listener, addr, options.tls);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(async move {
            // Dropping the sender stops it as well.
            let _ = stopped.await;
        });
        if let Err(error) = served.await {
            tracing::error!("serving the lists ended: {error}");
        }
    });
    Ok(Running { addr, stop, server })
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

async fn answer(State(shelf): State<Arc<Shelf>>, request: Request) -> Response {
    if shelf.login.as_ref().is_some_and(|login| !login.admits(request.headers())) {
        let mut response = plain(StatusCode::UNAUTHORIZED, "a name and a password are wanted\n");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Basic realm=\"logweir\""));
        return response;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let path = request.uri().path().trim_matches('/').to_owned();
    let looked = tokio::task::spawn_blocking(move || shelf.find(&path)).await;
    match looked {
        Ok(Found::File(version, at)) => hand_out(request.headers(), &version.files[at], version.at),
        Ok(Found::Index(text)) => {
            (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
        }
        Ok(Found::Nothing) => plain(StatusCode::NOT_FOUND, "no such list\n"),
        Ok(Found::Unreadable) | Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "the lists cannot be read now\n"),
    }
}

enum Found {
    File(Arc<Version>, usize),
    Index(String),
    Nothing,
    Unreadable,
}

impl Shelf {
    fn find(&self, path: &str) -> Found {
        if path.is_empty() {
            return self.index();
        }
        let (list, file) = path.split_once('/').unwrap_or((path, ""));
        let version = match self.version(list) {
            Ok(Some(version)) => version,
            Ok(None) => return Found::Nothing,
            Err(()) => return Found::Unreadable,
        };
        // A list of one file needs no file name.
        let at = match file {
            "" => (version.files.len() == 1).then_some(0),
            file => version.files.iter().position(|served| served.name == file),
        };
        at.map_or(Found::Nothing, |at| Found::File(version, at))
    }

    fn index(&self) -> Found {
        let Ok(lists) = self.ledger.lists() else { return Found::Unreadable };
        let mut text = String::new();
        for list in lists {
            if let Ok(Some(version)) = self.version(&list) {
                text.extend(version.files.iter().map(|file| format!("/{list}/{}\n", file.name)));
            }
        }
        Found::Index(text)
    }

    /// The version in force, read again when there is another one.
    fn version(&self, list: &str) -> std::result::Result<Option<Arc<Version>>, ()> {
        let last = || self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(list).cloned();
        let published = match self.ledger.published(list) {
            Ok(Some(published)) => published,
            Ok(None) => return Ok(None),
            // The last good copy.
            Err(_) => return last().map(Some).ok_or(()),
        };
        if let Some(last) = last().filter(|last| last.number == published.version) {
            return Ok(Some(last));
        }
        let Ok(version) = self.load(list, &published) else { return last().map(Some).ok_or(()) };
        let version = Arc::new(version);
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(list.to_owned(), version.clone());
        Ok(Some(version))
    }

    fn load(&self, list: &str, published: &Publication) -> Result<Version> {
        let files = self.ledger.published_files(list, published.version)?;
        let pages = files.into_iter().filter(|file| !is_script(file)).map(|file| Served {
            name: file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            tag: format!("\"{}\"", &blake3::hash(&file.bytes).to_hex()[..32]),
            kind: kind(&file.path),
            bytes: file.bytes.into(),
        });
        Ok(Version { number: published.version, at: published.at, files: pages.collect() })
    }
}

fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("csv") => "text/csv; charset=utf-8",
        Some("pac") => "application/x-ns-proxy-autoconfig",
        _ => "text/plain; charset=utf-8",
    }
}

/// The file, or that it is the one the caller has.
fn hand_out(headers: &HeaderMap, file: &Served, at: i64) -> Response {
    let changed = Timestamp::from_second(at).unwrap_or_default();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let same = match (text(header::IF_NONE_MATCH), text(header::IF_MODIFIED_SINCE)) {
        (Some(tags), _) => {
            tags.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == "*" || tag == file.tag)
        }
        (None, Some(since)) => {
            DateTimeParser::new().parse_timestamp(since).is_ok_and(|since| changed.as_second() <= since.as_second())
        }
        (None, None) => false,
    };
    let modified = DateTimePrinter::new().timestamp_to_rfc9110_string(&changed).unwrap_or_default();
    // The appliance asks again each time, and is told when nothing changed.
    let head = [
        (header::ETAG, file.tag.clone()),
        (header::LAST_MODIFIED, modified),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    if same {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (StatusCode::OK, head, [(header::CONTENT_TYPE, file.kind)], Body::from(file.bytes.clone())).into_response()
}
