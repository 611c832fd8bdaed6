//! What must hold between this host and the service of one tenant: secret, token, permissions, clock, data sources.

use super::{Context, Findings, connect};
use crate::config::{Config, Destination, credentials};
use crate::domain::{CallBudget, TenantName, Urgency};
use crate::error::{Error, Kind, Result};
use crate::logs::vendor;
use crate::service::scope::{OPERATIONS, suffices};
use crate::service::{FailureKind, Service, Stream};
use jiff::SignedDuration;
use std::sync::Arc;
use std::time::Duration;

/// How long the first answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// A clock further off than this is told; further than the second, and assertions and addresses are refused.
const TOLD: SignedDuration = SignedDuration::from_secs(30);
const TOO_FAR: SignedDuration = SignedDuration::from_secs(240);

/// What the configuration wants of the service: the feature, and the operation of the permission table.
fn wanted(config: &Config, name: &TenantName) -> Vec<(&'static str, &'static str)> {
    let feeds = config.feeds.iter().any(|feed| feed.tenant == *name);
    let mut wanted = Vec::new();
    if feeds {
        wanted.push(("upload logs", "upload"));
    }
    wanted.push(("read the continuous reports, to confirm uploads", "list_streams"));
    wanted
}

/// Tries one tenant, step by step.
pub(super) async fn tenant(
    context: &mut Context<'_>,
    config: &Config,
    name: &TenantName,
    findings: &mut Findings,
) -> Result<()> {
    let what = |step: &str| format!("tenant {name}: {step}");
    let service = match client(context, config, name, findings) {
        Ok(service) => service,
        Err((step, error)) => {
            findings.bad(&what(step), &error);
            return Ok(());
        }
    };
    findings.show(context)?;
    let token = service.token_roles().await;
    let signed_in = token.is_ok();
    let unreachable = token.as_ref().is_err_and(|failure| failure.kind == FailureKind::Unreachable);
    match token {
        Err(failure) => findings.bad(&what("token"), &Error::from(failure)),
        Ok(roles) if roles.is_empty() => findings.ok(&what("token"), "a legacy token has the rights of its maker"),
        Ok(roles) => permissions(&what("token"), &roles, &wanted(config, name), findings),
    }
    if unreachable {
        // The same network would be waited for once more.
        return Ok(());
    }
    match service.probe(PATIENCE).await {
        Err(failure) => {
            findings.bad(&what("service"), &Error::from(failure));
            return Ok(());
        }
        Ok(probe) => {
            findings.ok(&what("service"), format!("answers within {} ms", probe.took.as_millis()));
            clock(&what("clock"), probe.ahead, findings);
        }
    }
    findings.show(context)?;
    if !signed_in {
        return Ok(());
    }
    match service.streams().await {
        Err(failure) => findings.bad(&what("reports"), &Error::from(failure)),
        Ok(streams) => {
            findings.ok(&what("reports"), format!("{} continuous report(s)", streams.len()));
            data_sources(config, name, &streams, findings);
        }
    }
    Ok(())
}

/// A client of the tenant, or the step that failed.
fn client(
    context: &mut Context<'_>,
    config: &Config,
    name: &TenantName,
    findings: &mut Findings,
) -> std::result::Result<Service, (&'static str, Error)> {
    let what = |step: &str| format!("tenant {name}: {step}");
    let tenant = &config.tenants[name];
    let settings = if tenant.is_embedded() {
        let settings = connect::tenant_settings(context, config, name).map_err(|error| ("service", error))?;
        findings.ok(&what("service"), format!("embedded, in {}", connect::embedded_dir(config, name).display()));
        settings
    } else {
        let mut warnings = Vec::new();
        let credential =
            credentials::read(&tenant.auth, context.env, &mut warnings).map_err(|error| ("secret", error))?;
        let settings = connect::settings(name, tenant, config, credential).map_err(|error| ("secret", error))?;
        for warning in &warnings {
            findings.doubt(&what("secret"), warning, "whoever reads it can upload and read in the name of this host");
        }
        if warnings.is_empty() {
            findings.ok(&what("secret"), format!("there is one: {}", settings.auth.name()));
        }
        settings
    };
    // The ledger's budget belongs to the work that is shipped; a person's look is let through even when it is damaged.
    let budget: Arc<dyn CallBudget> = match connect::ledger(config) {
        Ok(ledger) if !tenant.is_embedded() => Arc::new(ledger),
        _ => Arc::new(connect::Unlimited),
    };
    Service::connect(settings, budget, Urgency::Human).map_err(|failure| {
        let step = if failure.kind == FailureKind::Credentials { "secret" } else { "address" };
        (step, Error::from(failure))
    })
}

/// The token's roles against what the configured features need.
fn permissions(what: &str, roles: &[String], wanted: &[(&str, &str)], findings: &mut Findings) {
    let mut complete = true;
    for (feature, name) in wanted {
        let Some(operation) = OPERATIONS.iter().find(|operation| operation.name == *name) else { continue };
        if suffices(roles, operation.scopes) {
            continue;
        }
        complete = false;
        // The most of them also covers what else is configured.
        let needed = operation.scopes.last().copied().unwrap_or_default();
        let error = Error::new(Kind::Credentials, format!("the token may not {feature}: it lacks {needed}"))
            .cause(format!("its roles are: {}", roles.join(", ")))
            .hint(format!("add the permission {needed} to the application in Entra and grant admin consent again"));
        findings.bad(what, &error);
    }
    if complete {
        findings.ok(what, format!("roles: {}", roles.join(", ")));
    }
}

fn clock(what: &str, ahead: Option<SignedDuration>, findings: &mut Findings) {
    const REMEDY: &str = "set this host's clock by the network: timedatectl set-ntp true, or chrony";
    let Some(ahead) = ahead else {
        return findings.ok(what, "the service's answers tell no time to compare with");
    };
    let way = if ahead.is_negative() { "behind" } else { "ahead of" };
    let off = format!("this host's clock is {:#} {way} the service's", ahead.abs());
    if ahead.abs() > TOO_FAR {
        findings.bad(what, &Error::failed(off).cause("sign-in and upload addresses depend on it").hint(REMEDY));
    } else if ahead.abs() > TOLD {
        findings.doubt(what, off, REMEDY);
    } else {
        findings.ok(what, format!("within {} s of the service's", ahead.abs().as_secs().max(1)));
    }
}

/// Every feed's data source, by its name and its log type.
fn data_sources(config: &Config, name: &TenantName, streams: &[Stream], findings: &mut Findings) {
    let what = format!("tenant {name}: data source");
    let embedded = config.tenants[name].is_embedded();
    for feed in config.feeds.iter().filter(|feed| feed.tenant == *name) {
        let Destination::DataSource(source) = &feed.destination else { continue };
        let Some(stream) = streams.iter().find(|stream| stream.name == source.as_str()) else {
            if embedded {
                findings.ok(&what, format!("{source}: made by the first upload"));
                continue;
            }
            let names = streams.iter().map(|stream| stream.name.as_str());
            let near = crate::config::nearest(source.as_str(), names).map(|near| format!("did you mean {near:?}?"));
            let error =
                Error::failed(format!("feed {}: the service has no data source {:?}", feed.name, source.as_str()));
            let make = "make it in the portal: Settings > Cloud Apps > Cloud Discovery > Automatic log upload > Add data source";
            findings.bad(&what, &error.hint(near.unwrap_or_else(|| make.to_owned())));
            continue;
        };
        let ours = vendor::find(feed.log_type.as_str()).and_then(|format| format.id).map(u64::from);
        match (ours, stream.log_type) {
            (Some(ours), Some(theirs)) if ours != theirs => findings.doubt(
                &what,
                format!("{source} is made for log type {theirs}, feed {} sends {} ({ours})", feed.name, feed.log_type),
                "correct the feed's log_type, or make a data source for this one",
            ),
            _ => findings.ok(&what, format!("{source} exists")),
        }
    }
}
