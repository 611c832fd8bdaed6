//! `logweir serve`: the embedded service, until interrupted.

use super::Context;
use crate::config::units;
use crate::domain::{DataSource, LogType};
use crate::embedded::faults::Faults;
use crate::embedded::{self, Options};
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
    /// Register a data source on start, as NAME=LOG_TYPE; repeatable
    #[arg(long = "data-source", value_name = "NAME=LOG_TYPE", value_parser = data_source)]
    data_sources: Vec<(DataSource, LogType)>,
    /// Register an application of this name on start and print how to sign in as it
    #[arg(long, value_name = "NAME")]
    application: Option<String>,
    /// Take this long before an uploaded log counts as processed
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = units::duration)]
    processing_delay: Duration,
    /// Answer 429 to more API calls than this in a minute
    #[arg(long, default_value_t = 30, value_name = "N")]
    calls_a_minute: usize,
    /// Behave badly as this script says: status, delay, cut connection at the n-th call of a kind
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

fn data_source(text: &str) -> std::result::Result<(DataSource, LogType), String> {
    let (name, log_type) = text.rsplit_once('=').ok_or("write it as NAME=LOG_TYPE".to_owned())?;
    Ok((name.parse()?, log_type.parse()?))
}

impl Serve {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let dir = context.env.cwd.join(&self.dir);
        let faults =
            self.faults.as_deref().map(|file| script(&context.env.cwd.join(file))).transpose()?.unwrap_or_default();
        if let Some(name) = &self.application {
            let application = embedded::register_application(&dir, name)?;
            let secret = dir.join(format!("{name}.secret"));
            write_secret(&secret, application.secret.expose())?;
            context.ui.line(format!("tenant_id = \"{}\"", application.tenant_id))?;
            context.ui.line(format!("client_id = \"{}\"", application.client_id))?;
            context.ui.line(format!("client_secret_file = \"{}\"", secret.display()))?;
        }
        for (name, log_type) in &self.data_sources {
            embedded::register_data_source(&dir, name, log_type)?;
        }
        let options = Options {
            listen: self.listen,
            dir,
            processing_delay: self.processing_delay,
            calls_a_minute: self.calls_a_minute,
            faults,
        };
        super::runtime()?.block_on(async {
            let running = embedded::start(options).await?;
            context.ui.line(format!("listening on http://{}", running.addr))?;
            super::interrupted().await?;
            context.ui.note("stopping");
            running.stop().await;
            Ok(())
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
