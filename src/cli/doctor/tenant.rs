//! What must hold between this host and the service of one tenant: secret, token, permissions, clock, data sources.

use super::{Context, Findings, connect};
use crate::config::{Config, Destination, credentials};
use crate::domain::{CUSTOM_PARSER_ID, CallBudget, TenantName, Urgency};
use crate::error::{Error, Kind, Result};
use crate::logs::vendor;
use crate::service::{Failure, FailureKind, Query, Service, Stream, alerts, scope, subnets};
use jiff::SignedDuration;
use std::sync::Arc;
use std::time::Duration;

/// How long the first answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// A clock further off than this is told; further than the second, and assertions and addresses are refused.
const TOLD: SignedDuration = SignedDuration::from_secs(30);
const TOO_FAR: SignedDuration = SignedDuration::from_secs(240);

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
    let held = match service.token_roles().await {
        Ok(held) => Some(held),
        Err(failure) => {
            let unreachable = failure.kind == FailureKind::Unreachable;
            findings.bad(&what("token"), &Error::from(failure));
            if unreachable {
                // The same network would be waited for once more.
                return Ok(());
            }
            None
        }
    };
    match held.as_ref().map(|held| permission(config, name, held.as_deref())) {
        Some(Ok(said)) => findings.ok(&what("token"), said),
        Some(Err(error)) => findings.bad(&what("token"), &error),
        None => {}
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
    let Some(held) = held else { return Ok(()) };
    let held = held.as_deref();
    let reports = held.is_none_or(|held| scope::lacking(held, &[("discovery", "list_streams")]).is_empty());
    if !reports && config.needs(name).is_empty() {
        match another(&service, held.unwrap_or_default()).await {
            Ok(said) => findings.ok(&what("service"), said),
            Err(failure) => findings.bad(&what("service"), &Error::from(failure)),
        }
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

/// The scopes held beside those that the configuration needs; `held` is `None` for a legacy token.
fn permission(config: &Config, name: &TenantName, held: Option<&[String]>) -> Result<String> {
    let Some(held) = held else { return Ok("a legacy token has the rights of its maker".to_owned()) };
    let has = if held.is_empty() { "no scope at all".to_owned() } else { held.join(", ") };
    let needs = config.needs(name);
    let least = scope::least(&needs).join(", ");
    let lacking = scope::lacking(held, &needs);
    if lacking.is_empty() {
        let needed = if least.is_empty() { "nothing by itself".to_owned() } else { least };
        return Ok(format!("holds {has}; the configuration needs {needed}"));
    }
    let wanted = scope::least(&lacking).join(", ");
    Err(Error::new(Kind::Credentials, format!("the token lacks {wanted}"))
        .cause(format!("it holds {has}; the least for this configuration is {least}"))
        .hint(format!("add the permission {wanted} to the application in Entra and grant admin consent again")))
}

/// Asks for one record of whatever the scopes allow, where the reports are out of reach and nobody needs them.
async fn another(service: &Service, held: &[String]) -> std::result::Result<String, Failure> {
    for (permission, family) in [("alerts", &alerts::FAMILY), ("subnet", &subnets::FAMILY)] {
        if scope::lacking(held, &[(permission, "list")]).is_empty() {
            service.list(family, Query { limit: Some(1), ..Query::default() }).next().await?;
            return Ok(format!("answers for {}", family.name));
        }
    }
    Ok("not asked: the scopes held allow nothing".to_owned())
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
        let sends = feed.log_type.as_ref().map_or("auto", |log_type| log_type.as_str());
        let custom = feed.layout.as_ref().map(|_| CUSTOM_PARSER_ID);
        let ours = custom.or_else(|| vendor::find(sends).and_then(|format| format.id));
        match (ours, stream.log_type) {
            (Some(ours), Some(theirs)) if ours != theirs => findings.doubt(
                &what,
                format!("{source} is made for log type {theirs}, feed {} sends {sends} ({ours})", feed.name),
                "correct the feed's log_type, or make a data source for this one",
            ),
            _ => findings.ok(&what, format!("{source} exists")),
        }
    }
}
