//! `logweir block serve`: the published lists over HTTP or HTTPS, for appliances that pull.

use super::{Context, connect};
use crate::block::serve::{self, Login, Options};
use crate::config::credentials;
use crate::config::secret::Secret;
use crate::error::{Error, Result};
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Serve the published lists to appliances that pull them
#[derive(Debug, Args)]
pub struct Serve {
    /// Listen here; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8480", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Speak TLS with this certificate, in PEM with its chain
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Want the login in this file, as NAME:PASSWORD
    #[arg(long, value_name = "FILE")]
    login_file: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        let ledger = connect::ledger(&config)?;
        let login = match &self.login_file {
            Some(path) => {
                let pair = secret(context, path)?;
                let sound = |(name, password): (&str, &str)| !name.is_empty() && !password.is_empty();
                if !pair.expose().split_once(':').is_some_and(sound) {
                    return Err(Error::usage(format!("{} holds no login", path.display()))
                        .hint("one line: a name, a colon, a password"));
                }
                Some(Login::new(pair.expose()))
            }
            None => None,
        };
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                let path = context.env.cwd.join(certificate);
                let certificate = std::fs::read(&path)
                    .map_err(|error| Error::usage(format!("cannot read {}", path.display())).cause(error))?;
                Some(serve::tls(&certificate, secret(context, key)?.expose().as_bytes())?)
            }
            _ => None,
        };
        if !self.listen.ip().is_loopback() {
            match (&login, &tls) {
                (Some(_), None) => {
                    context.ui.warn("the password crosses the network in clear; give --tls-cert and --tls-key")
                }
                (None, _) => {
                    context.ui.note("whoever reaches the address can read the lists; --login-file asks for a login")
                }
                (Some(_), Some(_)) => {}
            }
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        let options = Options { listen: self.listen, ledger, login, tls };
        crate::cli::runtime()?.block_on(async {
            let stopped = crate::cli::interrupted()?;
            let running = serve::start(options).await?;
            context.ui.line(format!("listening on {scheme}://{}", running.addr))?;
            stopped.await;
            context.ui.note("stopping");
            running.stop().await;
            Ok(())
        })
    }
}

/// What stands in a secret file; a person is warned when others may read it.
fn secret(context: &mut Context<'_>, path: &Path) -> Result<Secret> {
    let mut warnings = Vec::new();
    let private = context.env.var("CREDENTIALS_DIRECTORY").map(Path::new);
    let secret = credentials::from_file(&context.env.cwd.join(path), private, &mut warnings)?;
    for warning in warnings {
        context.ui.warn(warning);
    }
    Ok(secret)
}
