//! The client of the service's HTTP API: one handle, typed calls, one failure type.
//!
//! It owns tokens, retries and the wire shapes. It never prints, never stores a signed address, and never sends a
//! bearer token to storage. Every call to the API draws from the tenant's budget first.
//!
//! The documentation of a call says its permission, its units, and how its facts are known: *documented* by the vendor,
//! *seen in clients* that talk to the live service, or *inferred*; where it is not the first, the code takes more shapes
//! than one. "As the API fails" means: [`FailureKind::Credentials`] when token or secret is refused,
//! [`FailureKind::Forbidden`] with the scopes that would do and those held, [`FailureKind::Throttled`] and
//! [`FailureKind::Unreachable`] after the tries are used up, [`FailureKind::Refused`] for every other no.

pub mod activities;
pub mod alerts;
mod auth;
mod blob;
mod blocking;
pub mod dates;
mod discovery;
pub mod entities;
pub mod files;
pub mod filter;
pub mod graph;
mod pages;
mod probe;
mod raw;
pub mod records;
mod retry;
pub mod scope;
#[cfg(test)]
mod script;
pub mod siem;
pub mod subnets;
mod transport;

pub use auth::{DevicePrompt, Identity, ManagedEndpoint, Session, begin as begin_login};
pub use blob::{BlockLog, Growth, NoBlockLog, StoreOptions, Stored};
pub use blocking::{BlockType, BlockedApp};
pub use discovery::{Category, CategoryQuery, Grant, Provider, Receipt, Stream, Target};
pub use pages::{Direction, Page, Pages, Query};
pub use probe::Probe;
pub use records::Record;
pub use retry::WAITING;

use crate::config::secret::Secret;
use crate::domain::{CallBudget, TenantName, Urgency};
use crate::error::{Error, Kind};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// One of the clouds the service runs in; the table of hosts stands in [`Cloud::authority`] and [`Cloud::suffix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// Worldwide.
    Commercial,
    /// US government community.
    Gcc,
    /// US government community, high.
    GccHigh,
    /// US department of defence.
    Dod,
}

impl Cloud {
    /// The host that issues tokens.
    pub fn authority(self) -> &'static str {
        match self {
            Cloud::Commercial | Cloud::Gcc => "login.microsoftonline.com",
            Cloud::GccHigh | Cloud::Dod => "login.microsoftonline.us",
        }
    }

    /// The host of Microsoft Graph.
    pub fn graph(self) -> &'static str {
        match self {
            Cloud::Commercial | Cloud::Gcc => "graph.microsoft.com",
            Cloud::GccHigh => "graph.microsoft.us",
            Cloud::Dod => "dod-graph.microsoft.us",
        }
    }

    /// Every one, the usual one first.
    pub const ALL: [Cloud; 4] = [Cloud::Commercial, Cloud::Gcc, Cloud::GccHigh, Cloud::Dod];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Cloud::Commercial => "commercial",
            Cloud::Gcc => "gcc",
            Cloud::GccHigh => "gcc-high",
            Cloud::Dod => "dod",
        }
    }

    /// The cloud that an address of the API is in, as people paste it.
    ///
    /// # Errors
    /// [`FailureKind::Local`] when it is in none.
    pub fn of(address: &str) -> Result<Cloud, Failure> {
        let found = Cloud::ALL.into_iter().find(|cloud| transport::address(address, *cloud, &[]).is_ok());
        found.map_or_else(|| transport::address(address, Cloud::Commercial, &[]).map(|_| Cloud::Commercial), Ok)
    }

    /// What the API's host must end in.
    pub fn suffix(self) -> &'static str {
        match self {
            Cloud::Commercial => "portal.cloudappsecurity.com",
            Cloud::Gcc => "portal.cloudappsecuritygov.com",
            Cloud::GccHigh | Cloud::Dod => "portal.cloudappsecurity.us",
        }
    }
}

impl FromStr for Cloud {
    type Err = String;

    fn from_str(text: &str) -> Result<Cloud, String> {
        let known = Cloud::ALL.into_iter().find(|cloud| cloud.name() == text);
        known.ok_or_else(|| format!("{text:?} is none of {}", Cloud::ALL.map(Cloud::name).join(", ")))
    }
}

/// How to sign in.
#[derive(Debug, Clone)]
pub enum AuthMethod {
    /// Application with a client secret.
    ClientSecret {
        /// The Entra tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// Its secret.
        secret: Secret,
    },
    /// Application with a certificate: a signed assertion instead of a secret.
    Certificate {
        /// The Entra tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// PEM text: private key and certificate.
        pem: Secret,
    },
    /// Legacy API token.
    Token(Secret),
    /// A person, signed in once by device code.
    User {
        /// The Entra tenant.
        tenant_id: String,
        /// The public client.
        client_id: String,
        /// The file that keeps the sign-in.
        store: PathBuf,
    },
    /// The identity that Azure gave this machine.
    ManagedIdentity {
        /// Which one, where there are several.
        client_id: Option<String>,
        /// Who hands out its tokens.
        endpoint: ManagedEndpoint,
    },
    /// Application with a federated credential: a token of the cluster instead of a secret.
    WorkloadIdentity {
        /// The Entra tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// The file with the cluster's token.
        token_file: PathBuf,
    },
    /// The session of the Azure CLI.
    AzureCli {
        /// The Entra tenant, when it is not the session's own.
        tenant_id: Option<String>,
        /// The program.
        program: PathBuf,
    },
}

/// What a client is made from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose budget is drawn from.
    pub tenant: TenantName,
    /// The API's address, with or without scheme, trailing slash or `/api`.
    pub base_url: String,
    /// Decides authority and allowed hosts.
    pub cloud: Cloud,
    /// Hosts accepted besides the cloud's own, for the API and for storage. Plain HTTP is spoken to loopback only.
    pub allow_hosts: Vec<String>,
    /// Where tokens come from instead of the cloud's authority.
    pub authority: Option<String>,
    /// Where Microsoft Graph is instead of the cloud's own host.
    pub graph: Option<String>,
    /// How to sign in.
    pub auth: AuthMethod,
    /// Explicit proxy.
    pub proxy: Option<String>,
    /// PEM file of a private CA.
    pub ca_file: Option<PathBuf>,
}

/// What sort of failure, and so what may be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Secret, certificate or token refused.
    Credentials,
    /// Signed in, but without the permission.
    Forbidden,
    /// The service knows no such data source.
    UnknownDataSource,
    /// The upload address expired or was refused: ask for a new one and start over.
    AddressExpired,
    /// Too many calls, also after waiting.
    Throttled,
    /// No answer: name, connection, TLS, time-out. The call did not take place.
    Unreachable,
    /// The answer was lost after the call was sent: it may have taken place.
    MaybeDone,
    /// The service answered and said no.
    Refused,
    /// Our side: settings, files.
    Local,
}

/// A failed call, in words that can be shown: no secret, no signed address.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What sort.
    pub kind: FailureKind,
    /// One sentence.
    pub message: String,
    /// What to do, where known.
    pub hint: Option<String>,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// How long the service asks to wait.
    pub(crate) retry_after: Option<std::time::Duration>,
    /// The answer's body, where a caller may still find what it asked for in it.
    pub(crate) body: Option<String>,
}

impl Failure {
    /// A failure without status or hint.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), hint: None, status: None, retry_after: None, body: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        let kind = match failure.kind {
            FailureKind::Credentials => Kind::Credentials,
            FailureKind::Local => Kind::Usage,
            _ => Kind::Failed,
        };
        let error = Error::new(kind, failure.message);
        match failure.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// A connected client of one tenant; cheap to clone.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    base: url::Url,
    api: reqwest::Client,
    storage: reqwest::Client,
    tokens: auth::Tokens,
    budget: Arc<dyn CallBudget>,
    urgency: Urgency,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({})", self.inner.base)
    }
}

impl Service {
    /// Checks the settings and makes the client; no call is made yet.
    ///
    /// # Errors
    /// [`FailureKind::Local`] for an address outside the cloud, an unreadable CA file or proxy; `Credentials` for a
    /// certificate that cannot be used.
    pub fn connect(settings: Settings, budget: Arc<dyn CallBudget>, urgency: Urgency) -> Result<Service, Failure> {
        let base = transport::base_url(&settings)?;
        let api = transport::client(&settings, transport::Use::Api)?;
        let storage = transport::client(&settings, transport::Use::Storage)?;
        let tokens = auth::Tokens::new(&settings)?;
        Ok(Service { inner: Arc::new(Inner { settings, base, api, storage, tokens, budget, urgency }) })
    }

    /// The scopes of the token, of an application or a user; `None` for a legacy token, which has its maker's rights.
    ///
    /// # Errors
    /// As the token endpoint fails.
    pub async fn token_roles(&self) -> Result<Option<Vec<String>>, Failure> {
        let token = self.inner.tokens.current(&self.inner.api).await?;
        Ok((!token.legacy()).then(|| token.scopes()))
    }

    /// The host of the API: what tells one tenant from another to a person.
    pub fn host(&self) -> String {
        self.inner.base.host_str().unwrap_or_default().to_owned()
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// As the token endpoint fails.
    pub async fn identity(&self) -> Result<Identity, Failure> {
        self.inner.tokens.identity(&self.inner.api).await
    }
}
