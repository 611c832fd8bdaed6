//! From the configuration to a connected service client and an open ledger.

use super::Context;
use crate::config::credentials::{self, Credential};
use crate::config::{Config, Tenant};
use crate::domain::{TenantName, Urgency};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::service::{AuthMethod, Cloud, Service, Settings};
use std::sync::Arc;

/// Opens the ledger in the configured state directory, making the directory if it is missing.
pub(super) fn ledger(config: &Config) -> Result<Ledger> {
    use std::os::unix::fs::DirBuilderExt;
    let dir = &config.state_dir;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
        Error::failed(format!("cannot make the state directory {}", dir.display()))
            .cause(error)
            .hint("name another with --state-dir DIR, or make it and give it to the user logweir runs as")
    })?;
    Ok(Ledger::open(&dir.join("ledger.db"))?.with_budget(config.upload.calls_a_minute))
}

/// Connects to the service of one tenant; warnings about the secret's file are shown.
pub(super) fn service(
    context: &mut Context<'_>,
    config: &Config,
    name: &TenantName,
    ledger: &Ledger,
    urgency: Urgency,
) -> Result<Service> {
    let tenant = config.tenants.get(name).ok_or_else(|| missing(name, config))?;
    let mut warnings = Vec::new();
    let credential = credentials::read(&tenant.auth, context.env, &mut warnings)?;
    for warning in warnings {
        context.ui.warn(warning);
    }
    Ok(Service::connect(settings(name, tenant, config, credential)?, Arc::new(ledger.clone()), urgency)?)
}

fn missing(name: &TenantName, config: &Config) -> Error {
    let error = Error::usage(format!("no tenant {name} is configured"));
    if config.tenants.is_empty() {
        return error.hint("write a configuration with: logweir init, and name it with --config FILE");
    }
    let known: Vec<&str> = config.tenants.keys().map(TenantName::as_str).collect();
    error.hint(format!("configured are: {}", known.join(", ")))
}

fn settings(name: &TenantName, tenant: &Tenant, config: &Config, credential: Credential) -> Result<Settings> {
    let cloud: Cloud = tenant.cloud.parse().map_err(Error::usage)?;
    let auth = match credential {
        Credential::ClientSecret { tenant_id, client_id, secret } => {
            AuthMethod::ClientSecret { tenant_id, client_id, secret }
        }
        Credential::Certificate { tenant_id, client_id, pem } => AuthMethod::Certificate { tenant_id, client_id, pem },
        Credential::Token(token) => AuthMethod::Token(token),
    };
    Ok(Settings {
        tenant: name.clone(),
        base_url: tenant.url.clone(),
        cloud,
        allow_hosts: tenant.allow_hosts.clone(),
        authority: tenant.authority.clone(),
        auth,
        proxy: config.network.proxy.clone(),
        ca_file: config.network.ca_file.clone(),
    })
}
