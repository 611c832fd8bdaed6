//! `logweir serve`: the embedded service, until interrupted.

use super::Context;
use crate::config::units;
use crate::domain::{ByteCount, DataSource, LogType};
use crate::embedded::faults::Faults;
use crate::embedded::{self, Envelope, NewApplication, Options, Rules, Throttle};
use crate::error::{Error, Result};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Run the embedded service: the same API on this host, for trying out and for offline discovery
#[derive(Debug, Args)]
pub struct Serve {
    /// Listen here; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8443", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Keep what arrives here
    #[arg(long, default_value = "logweir-service", value_name = "DIR")]
    dir: PathBuf,
    /// Register a data source on start, as NAME=LOG_TYPE, or with a [[layout]] of the configuration as LOG_TYPE; repeatable
    #[arg(long = "data-source", value_name = "NAME=LOG_TYPE", value_parser = data_source)]
    data_sources: Vec<(DataSource, LogType)>,
    /// Register an application of this name on start and print how to sign in as it
    #[arg(long, value_name = "NAME", value_parser = file_name)]
    application: Option<String>,
    /// Give the application this role; repeatable
    #[arg(long = "role", value_name = "ROLE", default_value = "discovery.manage", requires = "application")]
    roles: Vec<String>,
    /// Let the application sign in with this certificate in PEM as well
    #[arg(long, value_name = "FILE", requires = "application")]
    certificate: Option<PathBuf>,
    /// Register a legacy API token of this name on start and print where it lies
    #[arg(long, value_name = "NAME", value_parser = file_name)]
    legacy_token: Option<String>,
    /// Take this long before an uploaded log counts as processed
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = units::duration)]
    processing_delay: Duration,
    /// Keep processed logs up to this many bytes, newest first
    #[arg(long, default_value = "1GiB", value_name = "SIZE")]
    keep: ByteCount,
    /// Answer 429 to more API calls than this in a minute
    #[arg(long, default_value_t = 30, value_name = "N")]
    calls_a_minute: usize,
    /// Say no to calls over the budget in this way
    #[arg(long, value_enum, default_value_t, value_name = "WAY")]
    throttle: Throttle,
    /// Let tokens expire after this time
    #[arg(long, default_value = "1h", value_name = "DURATION", value_parser = units::duration)]
    token_good_for: Duration,
    /// Let upload addresses expire after this time
    #[arg(long, default_value = "1h", value_name = "DURATION", value_parser = units::duration)]
    address_good_for: Duration,
    /// Sign upload addresses under this version of the storage API, which decides how large a block may be
    #[arg(long, default_value = "2018-03-28", value_name = "DATE")]
    storage_version: String,
    /// Begin upload addresses with this, when a proxy stands in front
    #[arg(long, value_name = "URL")]
    storage_url: Option<String>,
    /// Wrap the list of continuous reports in this
    #[arg(long, value_enum, default_value_t, value_name = "SHAPE")]
    streams_as: Envelope,
    /// Raise an alert when a data source that usually delivers is silent for longer than this
    #[arg(long, default_value = "1h", value_name = "DURATION", value_parser = units::duration)]
    silent_after: Duration,
    /// Make these decisions about apps the verdict (CSV: app,tag), read again when the file changes
    #[arg(long, value_name = "FILE")]
    tags: Option<PathBuf>,
    /// Behave badly as this script says: status, delay, cut connection at the n-th call of a kind
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

fn data_source(text: &str) -> std::result::Result<(DataSource, LogType), String> {
    let (name, log_type) = text.rsplit_once('=').ok_or("write it as NAME=LOG_TYPE".to_owned())?;
    Ok((name.parse()?, log_type.parse()?))
}

/// A name that a file of the service's directory can have.
fn file_name(text: &str) -> std::result::Result<String, String> {
    let legal = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    if text.is_empty() || text.len() > 64 || text.starts_with('.') || !text.bytes().all(legal) {
        return Err("a name of letters, digits, '-', '_' and '.'".to_owned());
    }
    Ok(text.to_owned())
}

impl Serve {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let dir = context.env.cwd.join(&self.dir);
        let faults = self.faults.as_deref().map(|file| script(&context.env.cwd.join(file))).transpose()?;
        self.register(context, &dir)?;
        let rules = Rules {
            calls_a_minute: self.calls_a_minute,
            throttle: self.throttle,
            token_good_for: self.token_good_for,
            address_good_for: self.address_good_for,
            storage_version: self.storage_version,
            storage_url: self.storage_url,
            streams_as: self.streams_as,
            silent_after: self.silent_after,
        };
        let (listen, processing_delay, keep) = (self.listen, self.processing_delay, self.keep);
        let tags = self.tags.map(|file| context.env.cwd.join(file));
        let options = Options { listen, dir, processing_delay, keep, rules, faults: faults.unwrap_or_default(), tags };
        super::runtime()?.block_on(async {
            let stopped = super::interrupted()?;
            let running = embedded::start(options).await?;
            context.ui.line(format!("listening on http://{}", running.addr))?;
            context.ui.note(format!("the report of what arrives: http://{}/", running.addr));
            stopped.await;
            context.ui.note("stopping");
            running.stop().await;
            Ok(())
        })
    }

    /// Registers what was asked for, and prints the lines that belong into `[auth]`.
    fn register(&self, context: &mut Context<'_>, dir: &std::path::Path) -> Result<()> {
        if let Some(name) = &self.application {
            let read = |file: &PathBuf| {
                let path = context.env.cwd.join(file);
                std::fs::read(&path).map_err(|error| {
                    Error::usage(format!("cannot read the certificate {}", path.display())).cause(error)
                })
            };
            let certificate = self.certificate.as_ref().map(read).transpose()?;
            let new = NewApplication { name, roles: &self.roles, certificate: certificate.as_deref() };
            let application = embedded::register_application(dir, &new)?;
            let secret = dir.join(format!("{name}.secret"));
            write_secret(&secret, application.secret.expose())?;
            context.ui.line(format!("tenant_id = \"{}\"", application.tenant_id))?;
            context.ui.line(format!("client_id = \"{}\"", application.client_id))?;
            context.ui.line(format!("client_secret_file = \"{}\"", secret.display()))?;
        }
        if let Some(name) = &self.legacy_token {
            let file = dir.join(format!("{name}.token"));
            write_secret(&file, embedded::register_token(dir, name)?.expose())?;
            context.ui.line(format!("token_file = \"{}\"", file.display()))?;
        }
        self.data_sources.iter().try_for_each(|(name, log_type)| {
            let layout = super::inputs::layout(context, log_type.as_str())?;
            embedded::register_data_source(dir, name, log_type, layout.as_deref())
        })
    }
}

fn script(path: &std::path::Path) -> Result<Faults> {
    let failed = |error| Error::usage(format!("cannot read the fault script {}", path.display())).cause(error);
    Faults::parse(&std::fs::read_to_string(path).map_err(failed)?)
}

/// Writes a secret readable by its owner only.
pub(super) fn write_secret(path: &std::path::Path, secret: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let failed = |error| Error::failed(format!("cannot write {}", path.display())).cause(error);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(secret.as_bytes()).map_err(failed)
}
