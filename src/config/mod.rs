//! Configuration: flag > environment > file > default, each value with its origin, secrets apart.
//!
//! `file` holds what was typed, `resolve` makes the checked values that work starts from, `credentials` reads the
//! secrets when a command needs them. Nothing here reads the process environment: it is handed in as [`Env`].

mod block;
pub mod credentials;
mod file;
mod layout;
mod resolve;
pub mod secret;
pub mod units;

pub use crate::domain::nearest;
pub use block::BlockList;
pub use resolve::{Origin, Setting, load};

use crate::domain::{ByteCount, DataSource, Layout, LogType, TenantName};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The environment of the process: variables, working directory, and whether the three streams are terminals.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// Environment variables; values that are not UTF-8 are left out.
    pub vars: BTreeMap<String, String>,
    /// Where relative paths start.
    pub cwd: PathBuf,
    /// Whether standard output is a terminal.
    pub stdout_terminal: bool,
    /// Whether standard error is a terminal.
    pub stderr_terminal: bool,
    /// Whether standard input is a terminal: somebody can be asked.
    pub stdin_terminal: bool,
}

impl Env {
    /// The value of a variable that is set and not empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Every environment variable that logweir reads, with what it does; the README table is checked against this list.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("LOGWEIR_CONFIG", "the configuration file, as --config"),
    ("LOGWEIR_STATE_DIR", "where ledger and spool live, as --state-dir"),
    ("LOGWEIR_URL", "the service's address or \"embedded\", over [service] url"),
    ("LOGWEIR_CLIENT_SECRET", "the application's client secret"),
    ("LOGWEIR_TOKEN", "a legacy API token"),
    ("CREDENTIALS_DIRECTORY", "systemd's credentials: client_secret, certificate or token in it are read"),
    ("AZURE_TENANT_ID", "the Entra tenant, when auth.method is workload-identity and auth.tenant_id is not set"),
    ("AZURE_CLIENT_ID", "the application, when auth.method is workload-identity and auth.client_id is not set"),
    ("AZURE_FEDERATED_TOKEN_FILE", "the cluster's token, when auth.method is workload-identity"),
    ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "the metadata service, when auth.method is managed-identity"),
    ("IDENTITY_ENDPOINT", "the Azure Arc agent's endpoint, when auth.method is managed-identity"),
    ("HTTPS_PROXY", "the proxy, when [network] proxy is not set; ALL_PROXY as well"),
    ("NO_PROXY", "hosts that are reached without a proxy, wherever that is named"),
    ("SSL_CERT_FILE", "CAs trusted instead of the system's; SSL_CERT_DIR as well"),
    ("NO_COLOR", "not empty: no colour"),
];

/// The checked configuration a command works from.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from, if any.
    pub file: Option<PathBuf>,
    /// Ledger and spool live here.
    pub state_dir: PathBuf,
    /// Catalogue files of the user's own (`.csv`) and of the tenant (`.json`).
    pub catalog_files: Vec<PathBuf>,
    /// Files of address ranges of apps.
    pub address_files: Vec<PathBuf>,
    /// At least one, unless nothing was configured.
    pub tenants: BTreeMap<TenantName, Tenant>,
    /// Proxy and private CA.
    pub network: Network,
    /// How shipping behaves.
    pub upload: Upload,
    /// Layouts of the site's own.
    pub layouts: Vec<Arc<Layout>>,
    /// What to ship.
    pub feeds: Vec<Feed>,
    /// What to publish.
    pub blocks: Vec<BlockList>,
    /// Each value with where it came from, in the order of the file.
    pub settings: Vec<Setting>,
}

impl Config {
    /// The layout of this name.
    pub fn layout(&self, name: &str) -> Option<&Arc<Layout>> {
        self.layouts.iter().find(|layout| layout.name.as_str() == name)
    }

    /// The operations of the API that this configuration asks of a tenant, by family and name as the permission table
    /// has them: what the least permission follows from.
    pub fn needs(&self, tenant: &TenantName) -> Vec<(&'static str, &'static str)> {
        let ships = self.feeds.iter().any(|feed| feed.tenant == *tenant);
        let served =
            |list: &&BlockList| list.tenant == *tenant && list.sources.iter().any(|source| source == "service");
        // Whoever ships also reads the counters that confirm.
        let shipping: &[_] = if ships { &[("discovery", "upload"), ("discovery", "list_streams")] } else { &[] };
        let blocking: &[_] =
            if self.blocks.iter().any(|list| served(&list)) { &[("discovery", "block_script")] } else { &[] };
        [shipping, blocking].concat()
    }
}

/// One tenant: where its service is and how to sign in.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// The service's address as the portal shows it.
    pub url: String,
    /// `commercial`, `gcc`, `gcc-high` or `dod`.
    pub cloud: String,
    /// Host names accepted besides the cloud's own.
    pub allow_hosts: Vec<String>,
    /// The token authority instead of the cloud's own.
    pub authority: Option<String>,
    /// Where Microsoft Graph is instead of the cloud's own host.
    pub graph: Option<String>,
    /// How to sign in.
    pub auth: Auth,
}

/// The `service.url` that means the embedded service, in this process and with its state in the state directory.
pub const EMBEDDED: &str = "embedded";

impl Tenant {
    /// Whether its service is the embedded one.
    pub fn is_embedded(&self) -> bool {
        self.url == EMBEDDED
    }
}

/// The `[auth]` of a tenant; which method applies is decided when the secret is read.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// The Entra tenant.
    pub tenant_id: Option<String>,
    /// The application.
    pub client_id: Option<String>,
    /// File with the client secret.
    pub client_secret_file: Option<PathBuf>,
    /// PEM file with key and certificate.
    pub certificate_file: Option<PathBuf>,
    /// File with a legacy API token.
    pub token_file: Option<PathBuf>,
    /// One of [`METHODS`], for signing in without a secret of our own.
    pub method: Option<String>,
    /// File with the token that the cluster gives a workload.
    pub federated_token_file: Option<PathBuf>,
}

/// The ways to sign in that `auth.method` names.
pub const METHODS: [&str; 4] = ["device-code", "managed-identity", "workload-identity", "azure-cli"];

/// Proxy and private CA.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// `http://host:port`.
    pub proxy: Option<String>,
    /// PEM file added to the system's trust store.
    pub ca_file: Option<PathBuf>,
}

/// How hard to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Follows the bottleneck.
    Auto,
    /// 1 (fastest) to [`Level::STRONGEST`] (smallest).
    Fixed(u8),
}

impl Level {
    /// The level that compresses most.
    pub const STRONGEST: u8 = 12;
}

/// How shipping behaves.
#[derive(Debug, Clone)]
pub struct Upload {
    /// How hard to compress.
    pub level: Level,
    /// Most bytes the spool may hold.
    pub spool_max: ByteCount,
    /// Bytes a second to storage; `None` for no cap.
    pub bandwidth: Option<ByteCount>,
    /// How long one pass waits for the counters to confirm; later passes look again.
    pub confirm_for: Duration,
    /// How long a lost `done_upload` waits for the counters before it counts as not arrived.
    pub uncertain_for: Duration,
    /// Time between scans that no event caused.
    pub scan_every: Duration,
    /// Calls a tenant's budget has in a minute.
    pub calls_a_minute: u32,
    /// Packed bytes after which a huge log is continued in another shipment.
    pub part_size: ByteCount,
}

/// What happens to a source file once its shipment is finalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// Nothing.
    Keep,
    /// Removed.
    Delete,
    /// Moved here, never over another file.
    Archive(PathBuf),
}

/// Where a feed's logs arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// An existing data source and its continuous report.
    DataSource(DataSource),
    /// A snapshot report of this name.
    Snapshot(String),
}

/// One `[[feed]]`.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Its name, unique.
    pub name: String,
    /// Glob patterns, absolute.
    pub paths: Vec<String>,
    /// Glob patterns left out.
    pub exclude: Vec<String>,
    /// Whose feed it is.
    pub tenant: TenantName,
    /// What the service is told that the logs are; `None` when that is seen from each file.
    pub log_type: Option<LogType>,
    /// How they are read here, where the configuration says that.
    pub layout: Option<Arc<Layout>>,
    /// Where it arrives.
    pub destination: Destination,
    /// How long a file must stand still.
    pub settle: Duration,
    /// What happens to the source afterwards.
    pub after: After,
    /// Whether that waits until the service's counters have confirmed the log.
    pub after_confirmed: bool,
    /// Whether a log that the service would refuse is held instead of shipped.
    pub hold: bool,
    /// Whether to compress at all.
    pub gzip: bool,
    /// How small files are joined.
    pub join: Join,
}

/// Limits within which the small files of a feed become one shipment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Join {
    /// Raw bytes of a shipment; a larger file goes alone. Zero joins nothing.
    pub size: ByteCount,
    /// Files of a shipment.
    pub count: u64,
    /// How long a settled file waits for company.
    pub age: Duration,
}

impl Default for Join {
    fn default() -> Join {
        Join { size: ByteCount(1 << 30), count: 1_000, age: Duration::ZERO }
    }
}
