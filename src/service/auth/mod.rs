//! Tokens: fetched, kept in memory, renewed before they expire; one file per way to sign in.
//!
//! A token is good for one resource: the service's API, or Microsoft Graph. What a token claims is read unverified and
//! serves messages only; the service decides.

mod azure_cli;
mod certificate;
mod device;
mod managed;
mod workload;

pub use device::{DevicePrompt, Session, begin};
pub use managed::ManagedEndpoint;

use super::retry::patiently;
use super::transport::{API_ANSWER, body, clean, sentence, transport_failure};
use super::{AuthMethod, Failure, FailureKind, Settings};
use crate::config::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use certificate::Signer;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use url::Url;

/// The API's resource id in Entra, in every cloud.
const API: &str = "05a65629-4c1b-48c1-a78b-804c4abdd4af";
/// Renewed this long before the end, or a sixth of its life where that is less.
const EARLY: Duration = Duration::from_secs(300);
/// The longest answer of a token endpoint, in bytes.
const ANSWER: usize = 256 << 10;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource {
    /// The service.
    Api,
    /// Microsoft Graph.
    Graph,
}

impl Resource {
    /// The resource's name at the token endpoint.
    fn name(self, settings: &Settings) -> String {
        match self {
            Resource::Api => API.to_owned(),
            Resource::Graph => format!("https://{}", settings.cloud.graph()),
        }
    }

    /// The scope that asks for everything granted.
    fn scope(self, settings: &Settings) -> String {
        format!("{}/.default", self.name(settings))
    }
}

/// A token with the scheme it is sent under.
#[derive(Clone)]
pub(super) struct Token {
    scheme: &'static str,
    value: Secret,
    until: Option<Instant>,
    /// When a new one is fetched.
    renew: Option<Instant>,
}

impl Token {
    fn bearer(value: String, seconds: Option<u64>) -> Token {
        let good_for = Duration::from_secs(seconds.unwrap_or(3600).min(86_400));
        let until = Instant::now() + good_for;
        // A token that is good for minutes only is used for most of them.
        let renew = until - EARLY.min(good_for / 6);
        Token { scheme: "Bearer", value: Secret::new(value), until: Some(until), renew: Some(renew) }
    }

    pub(super) fn header(&self) -> String {
        format!("{} {}", self.scheme, self.value.expose())
    }

    /// Whether it is a legacy API token, which claims nothing.
    pub(super) fn legacy(&self) -> bool {
        self.scheme == "Token"
    }

    fn claims(&self) -> Value {
        let payload = self.value.expose().split('.').nth(1).unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// What the token allows: `roles` of an application, `scp` of a user.
    pub(super) fn scopes(&self) -> Vec<String> {
        let claims = self.claims();
        let roles = claims["roles"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let delegated = claims["scp"].as_str().unwrap_or_default().split_whitespace();
        roles.chain(delegated).map(clean).collect()
    }
}

/// Who is signed in, and what that allows; for people.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The way of signing in.
    pub method: &'static str,
    /// The Entra tenant, where told.
    pub tenant: Option<String>,
    /// The application, where told.
    pub application: Option<String>,
    /// The user, where one is signed in.
    pub user: Option<String>,
    /// Scopes held; empty for a legacy token.
    pub scopes: Vec<String>,
    /// How long the token is good.
    pub valid_for: Option<Duration>,
}

/// The tokens of one tenant.
pub(super) struct Tokens {
    settings: Settings,
    endpoint: Option<Url>,
    held: Mutex<BTreeMap<Resource, Token>>,
}

impl Tokens {
    pub(super) fn new(settings: &Settings) -> Result<Tokens, Failure> {
        let endpoint = settings.auth.tenant().map(|tenant| endpoint(settings, tenant, "token")).transpose()?;
        if let AuthMethod::Certificate { pem, .. } = &settings.auth {
            Signer::read(pem)?;
        }
        Ok(Tokens { settings: settings.clone(), endpoint, held: Mutex::default() })
    }

    /// Whether a refused token can be exchanged for a new one.
    pub(super) fn renewable(&self) -> bool {
        !matches!(self.settings.auth, AuthMethod::Token(_))
    }

    /// Forgets a token that was refused, unless another task already renewed it.
    pub(super) async fn forget(&self, refused: &Token) {
        self.held.lock().await.retain(|_, held| held.value != refused.value);
    }

    /// A token for the service's API that is good for a while.
    pub(super) async fn current(&self, client: &reqwest::Client) -> Result<Token, Failure> {
        self.token_for(client, Resource::Api).await
    }

    /// A token that is good for a while.
    pub(super) async fn token_for(&self, client: &reqwest::Client, resource: Resource) -> Result<Token, Failure> {
        // Held while fetching: tasks that need a token at the same moment share one call.
        let mut held = self.held.lock().await;
        if let Some(token) = held.get(&resource)
            && token.renew.is_none_or(|renew| renew > Instant::now())
        {
            return Ok(token.clone());
        }
        let token = self.fetch(client, resource).await?;
        held.insert(resource, token.clone());
        Ok(token)
    }

    async fn fetch(&self, client: &reqwest::Client, resource: Resource) -> Result<Token, Failure> {
        let settings = &self.settings;
        let scope = resource.scope(settings);
        let endpoint = || self.endpoint.as_ref().ok_or_else(|| Failure::new(FailureKind::Local, "no token endpoint"));
        let credentials = |more: Vec<(&'static str, String)>| {
            [vec![("grant_type", "client_credentials".to_owned()), ("scope", scope.clone())], more].concat()
        };
        let assertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = match &settings.auth {
            AuthMethod::Token(_) if resource == Resource::Graph => {
                return Err(Failure::new(FailureKind::Credentials, "a legacy token is no good at Microsoft Graph")
                    .hint("sign in as an application or a user: [auth] in the configuration"));
            }
            AuthMethod::Token(value) => {
                return Ok(Token { scheme: "Token", value: value.clone(), until: None, renew: None });
            }
            AuthMethod::ManagedIdentity { client_id, endpoint } => {
                return managed::token(endpoint, client_id.as_deref(), &resource.name(settings)).await;
            }
            AuthMethod::AzureCli { tenant_id, program } => {
                return azure_cli::token(program, tenant_id.as_deref(), &resource.name(settings)).await;
            }
            AuthMethod::User { store, .. } => {
                return device::renew(client, endpoint()?, store, &scope).await;
            }
            AuthMethod::ClientSecret { client_id, secret, .. } => {
                credentials(vec![("client_id", client_id.clone()), ("client_secret", secret.expose().to_owned())])
            }
            AuthMethod::Certificate { client_id, pem, .. } => credentials(vec![
                ("client_id", client_id.clone()),
                ("client_assertion_type", assertion.to_owned()),
                ("client_assertion", Signer::read(pem)?.assertion(endpoint()?, client_id)?),
            ]),
            AuthMethod::WorkloadIdentity { client_id, token_file, .. } => credentials(vec![
                ("client_id", client_id.clone()),
                ("client_assertion_type", assertion.to_owned()),
                ("client_assertion", workload::assertion(token_file)?),
            ]),
        };
        let granted = ask(client, endpoint()?, &form).await?;
        Ok(Token::bearer(granted.access_token, granted.seconds))
    }

    /// Who is signed in: asks for a token and reads what it claims.
    pub(super) async fn identity(&self, client: &reqwest::Client) -> Result<Identity, Failure> {
        let token = self.current(client).await?;
        let claims = token.claims();
        let claim = |names: &[&str]| names.iter().find_map(|name| claims[*name].as_str()).map(clean);
        Ok(Identity {
            method: self.settings.auth.name(),
            tenant: claim(&["tid"]).or_else(|| self.settings.auth.tenant().map(str::to_owned)),
            application: claim(&["appid", "azp"]),
            user: claim(&["upn", "unique_name", "preferred_username", "name"]),
            scopes: token.scopes(),
            valid_for: token.until.map(|until| until.saturating_duration_since(Instant::now())),
        })
    }
}

impl AuthMethod {
    /// The Entra tenant, where the method names one.
    fn tenant(&self) -> Option<&str> {
        match self {
            AuthMethod::ClientSecret { tenant_id, .. }
            | AuthMethod::Certificate { tenant_id, .. }
            | AuthMethod::WorkloadIdentity { tenant_id, .. }
            | AuthMethod::User { tenant_id, .. } => Some(tenant_id),
            AuthMethod::AzureCli { tenant_id, .. } => tenant_id.as_deref(),
            AuthMethod::Token(_) | AuthMethod::ManagedIdentity { .. } => None,
        }
    }

    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            AuthMethod::ClientSecret { .. } => "application with a secret",
            AuthMethod::Certificate { .. } => "application with a certificate",
            AuthMethod::WorkloadIdentity { .. } => "workload identity",
            AuthMethod::ManagedIdentity { .. } => "managed identity",
            AuthMethod::AzureCli { .. } => "Azure CLI session",
            AuthMethod::User { .. } => "user, by device code",
            AuthMethod::Token(_) => "legacy token",
        }
    }
}

/// What a token endpoint gave.
struct Granted {
    access_token: String,
    seconds: Option<u64>,
    refresh_token: Option<String>,
}

fn granted(answer: &[u8]) -> Option<Granted> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    // v1 endpoints and the metadata service send the number as text.
    let seconds = answer["expires_in"].as_u64().or_else(|| answer["expires_in"].as_str()?.parse().ok());
    let text = |name: &str| answer[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Some(Granted { access_token: text("access_token")?, seconds, refresh_token: text("refresh_token") })
}

/// Posts a form and returns status and answer. Asking for a token is always repeatable.
async fn post(client: &reqwest::Client, url: &Url, form: &[(&str, String)]) -> Result<(u16, Vec<u8>), Failure> {
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = client.post(url.clone()).header("content-type", "application/x-www-form-urlencoded").body(text);
    let host = url.host_str().unwrap_or_default();
    let unreachable = |error| {
        let failure = transport_failure(error, host);
        let kind = if failure.kind == FailureKind::MaybeDone { FailureKind::Unreachable } else { failure.kind };
        Failure { kind, ..failure }
    };
    let answer = patiently(&format!("a token from {host}"), API_ANSWER, || true, request.send()).await;
    let response = answer.map_err(unreachable)?;
    let status = response.status().as_u16();
    Ok((status, body(response, ANSWER, host).await?))
}

async fn ask(client: &reqwest::Client, url: &Url, form: &[(&str, String)]) -> Result<Granted, Failure> {
    let (status, answer) = post(client, url, form).await?;
    if status != 200 {
        return Err(refused(status, &answer));
    }
    granted(&answer).ok_or_else(|| Failure::new(FailureKind::Refused, "the token endpoint's answer holds no token"))
}

/// What to do about an error code of the token endpoint.
const HINTS: &[(&str, &str)] = &[
    ("AADSTS7000215", "the client secret is wrong: make sure it is the secret's value, not its id"),
    ("AADSTS7000222", "the client secret has expired: make a new one under Certificates & secrets"),
    ("AADSTS700016", "auth.client_id names no application of this tenant"),
    ("AADSTS90002", "auth.tenant_id names no tenant of this cloud"),
    ("AADSTS500011", "the tenant has no Defender for Cloud Apps"),
    ("AADSTS700027", "the certificate is not registered with the application"),
    ("AADSTS7000218", "the application is no public client: allow public client flows under Authentication"),
    ("AADSTS65001", "nobody consented to the permission: grant it in Entra, or sign in as an administrator"),
    ("AADSTS70021", "no federated credential of the application matches: check issuer, subject and audience"),
    ("AADSTS700213", "no federated credential of the application matches: check issuer, subject and audience"),
    ("invalid_grant", "the sign-in has ended: logweir login"),
];

fn refused(status: u16, answer: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(answer);
    let final_answer = (400..500).contains(&status) && status != 429;
    let kind = if final_answer { FailureKind::Credentials } else { FailureKind::Unreachable };
    let mut failure = Failure::new(kind, format!("sign-in failed with {status}: {}", sentence(&text)));
    failure.status = Some(status);
    failure.hint = HINTS.iter().find(|(code, _)| text.contains(code)).map(|(_, hint)| (*hint).to_owned());
    failure
}

/// An address at the tenant's authority.
fn endpoint(settings: &Settings, tenant: &str, what: &str) -> Result<Url, Failure> {
    let local = |message: &str| Failure::new(FailureKind::Local, message);
    if !tenant.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_".contains(&c)) || tenant.is_empty() {
        return Err(local("auth.tenant_id is neither a GUID nor a domain"));
    }
    let authority = settings.authority.clone().unwrap_or_else(|| format!("https://{}", settings.cloud.authority()));
    let url = format!("{}/{tenant}/oauth2/v2.0/{what}", authority.trim_end_matches('/'));
    let url = Url::parse(&url).map_err(|_| local("service.authority is not an address"))?;
    let loopback = url.host_str().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host));
    if url.scheme() == "https" || (url.scheme() == "http" && loopback) {
        return Ok(url);
    }
    Err(local("service.authority is not https"))
}

#[cfg(test)]
mod tests;
