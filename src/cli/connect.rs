//! From the configuration to a connected service client and an open ledger.

use super::Context;
use crate::config::credentials::{self, Credential};
use crate::config::{Config, Tenant};
use crate::domain::{CallBudget, TenantName, Urgency};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::service::{AuthMethod, Cloud, ManagedEndpoint, Service, Settings};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
    let settings = tenant_settings(context, config, name)?;
    let budget: Arc<dyn CallBudget> = match urgency {
        _ if config.tenants.get(name).is_some_and(Tenant::is_embedded) => Arc::new(Unlimited),
        Urgency::Human if !context.ui.quiet => Arc::new(ToldBudget { ledger: ledger.clone(), told: Mutex::default() }),
        _ => Arc::new(ledger.clone()),
    };
    Ok(Service::connect(settings, budget, urgency)?)
}

/// The budget of the embedded service: nobody else is to be spared.
pub(super) struct Unlimited;

impl CallBudget for Unlimited {
    fn take(&self, _: &TenantName, _: Urgency) -> Result<Duration> {
        Ok(Duration::ZERO)
    }
}

/// A budget that tells a person when it makes them wait.
struct ToldBudget {
    ledger: Ledger,
    told: Mutex<Option<Instant>>,
}

impl CallBudget for ToldBudget {
    fn take(&self, tenant: &TenantName, urgency: Urgency) -> Result<Duration> {
        let wait = self.ledger.take(tenant, urgency)?;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|last| last.elapsed() > Duration::from_secs(20));
        if wait > Duration::from_millis(500) && due {
            *told = Some(Instant::now());
            super::stderr_line("waiting: this minute's calls to the service are used up");
        }
        Ok(wait)
    }
}

fn missing(name: &TenantName, config: &Config) -> Error {
    if config.tenants.is_empty() {
        return Error::usage("no service is configured")
            .hint("write a configuration with: logweir init, and name it with --config FILE");
    }
    let error = Error::usage(format!("no tenant {name} is configured"));
    let known: Vec<&str> = config.tenants.keys().map(TenantName::as_str).collect();
    error.hint(format!("configured are: {}", known.join(", ")))
}

/// Where the sign-in of a user of this tenant is kept.
pub(super) fn session(config: &Config, name: &TenantName) -> PathBuf {
    config.state_dir.join(format!("login-{name}.json"))
}

/// Who hands out tokens to this machine: the Arc agent where there is one, else the VM's metadata service.
fn machine(host: Option<String>, arc: Option<String>) -> ManagedEndpoint {
    let agent = std::path::Path::new("/opt/azcmagent/bin/himds").is_file();
    let usual = || "http://localhost:40342/metadata/identity/oauth2/token".to_owned();
    match arc.or_else(|| (agent && host.is_none()).then(usual)) {
        Some(endpoint) => ManagedEndpoint::Arc { endpoint, keys: "/var/opt/azcmagent/tokens".into() },
        None => ManagedEndpoint::Vm { host: host.unwrap_or_else(|| "http://169.254.169.254".to_owned()) },
    }
}

/// The settings of a tenant's client, the credential read; warnings about the secret's file are shown.
pub(super) fn tenant_settings(context: &mut Context<'_>, config: &Config, name: &TenantName) -> Result<Settings> {
    let tenant = config.tenants.get(name).ok_or_else(|| missing(name, config))?;
    if tenant.is_embedded() {
        return embedded(context, config, name);
    }
    let mut warnings = Vec::new();
    let credential = credentials::read(&tenant.auth, context.env, &mut warnings)?;
    for warning in warnings {
        context.ui.warn(warning);
    }
    settings(name, tenant, config, credential)
}

/// Where the embedded service of a tenant keeps what arrives.
pub(super) fn embedded_dir(config: &Config, name: &TenantName) -> PathBuf {
    config.state_dir.join("embedded").join(name.as_str())
}

/// Starts the embedded service of a tenant, once in a process, and signs in there. Neither proxy nor private CA stands
/// between.
fn embedded(context: &mut Context<'_>, config: &Config, name: &TenantName) -> Result<Settings> {
    let dir = embedded_dir(config, name);
    let local = match context.embedded.get(&dir) {
        Some(local) => local.clone(),
        None => crate::embedded::local(&dir)?,
    };
    context.embedded.insert(dir, local.clone());
    let crate::embedded::Application { tenant_id, client_id, secret } = local.application;
    Ok(Settings {
        tenant: name.clone(),
        base_url: local.url.clone(),
        cloud: Cloud::Commercial,
        allow_hosts: vec!["127.0.0.1".to_owned()],
        authority: Some(local.url.clone()),
        graph: Some(local.url),
        auth: AuthMethod::ClientSecret { tenant_id, client_id, secret },
        proxy: None,
        ca_file: None,
    })
}

/// The settings of a tenant's client with this credential.
pub(super) fn settings(
    name: &TenantName,
    tenant: &Tenant,
    config: &Config,
    credential: Credential,
) -> Result<Settings> {
    let cloud: Cloud = tenant.cloud.parse().map_err(Error::usage)?;
    let auth = match credential {
        Credential::ClientSecret { tenant_id, client_id, secret } => {
            AuthMethod::ClientSecret { tenant_id, client_id, secret }
        }
        Credential::Certificate { tenant_id, client_id, pem } => AuthMethod::Certificate { tenant_id, client_id, pem },
        Credential::Token(token) => AuthMethod::Token(token),
        Credential::User { tenant_id, client_id } => {
            AuthMethod::User { tenant_id, client_id, store: session(config, name) }
        }
        Credential::ManagedIdentity { client_id, host, arc } => {
            AuthMethod::ManagedIdentity { client_id, endpoint: machine(host, arc) }
        }
        Credential::WorkloadIdentity { tenant_id, client_id, token_file } => {
            AuthMethod::WorkloadIdentity { tenant_id, client_id, token_file }
        }
        Credential::AzureCli { tenant_id } => AuthMethod::AzureCli { tenant_id, program: "az".into() },
    };
    Ok(Settings {
        tenant: name.clone(),
        base_url: tenant.url.clone(),
        cloud,
        allow_hosts: tenant.allow_hosts.clone(),
        authority: tenant.authority.clone(),
        graph: tenant.graph.clone(),
        auth,
        proxy: config.network.proxy.clone(),
        ca_file: config.network.ca_file.clone(),
    })
}
