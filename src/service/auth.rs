//! Tokens: fetched, kept in memory, renewed before they expire.

use super::transport::{body, clean, sentence, transport_failure};
use super::{AuthMethod, Failure, FailureKind, Settings};
use crate::config::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;
use url::Url;

/// The scope of the API in every cloud: its resource id in Entra.
const SCOPE: &str = "05a65629-4c1b-48c1-a78b-804c4abdd4af/.default";
/// Renewed this long before the end.
const EARLY: Duration = Duration::from_secs(300);

/// A token with the scheme it is sent under.
#[derive(Clone)]
pub(super) struct Token {
    scheme: &'static str,
    value: Secret,
    until: Option<Instant>,
}

impl Token {
    pub(super) fn header(&self) -> String {
        format!("{} {}", self.scheme, self.value.expose())
    }

    /// The `roles` claim, unverified: it only serves messages.
    pub(super) fn roles(&self) -> Vec<String> {
        let payload = self.value.expose().split('.').nth(1).unwrap_or_default();
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')) else { return Vec::new() };
        let Ok(claims) = serde_json::from_slice::<serde_json::Value>(&bytes) else { return Vec::new() };
        let roles = claims.get("roles").and_then(|roles| roles.as_array());
        roles.into_iter().flatten().filter_map(|role| role.as_str().map(clean)).collect()
    }
}

/// The tokens of one tenant.
pub(super) struct Tokens {
    method: AuthMethod,
    endpoint: Option<Url>,
    held: Mutex<Option<Token>>,
}

impl Tokens {
    pub(super) fn new(settings: &Settings) -> Result<Tokens, Failure> {
        let tenant = match &settings.auth {
            AuthMethod::ClientSecret { tenant_id, .. } | AuthMethod::Certificate { tenant_id, .. } => Some(tenant_id),
            AuthMethod::Token(_) => None,
        };
        let endpoint = tenant.map(|tenant| token_endpoint(settings, tenant)).transpose()?;
        if let AuthMethod::Certificate { pem, .. } = &settings.auth {
            Signer::read(pem)?;
        }
        Ok(Tokens { method: settings.auth.clone(), endpoint, held: Mutex::new(None) })
    }

    /// Whether a refused token can be exchanged for a new one.
    pub(super) fn renewable(&self) -> bool {
        self.endpoint.is_some()
    }

    /// Forgets a token that was refused, unless another task already renewed it.
    pub(super) async fn forget(&self, refused: &Token) {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|held| held.value == refused.value) {
            *held = None;
        }
    }

    /// A token that is good for a while.
    pub(super) async fn current(&self, client: &reqwest::Client) -> Result<Token, Failure> {
        let Some(endpoint) = &self.endpoint else {
            let AuthMethod::Token(value) = &self.method else {
                return Err(Failure::new(FailureKind::Local, "no token endpoint"));
            };
            return Ok(Token { scheme: "Token", value: value.clone(), until: None });
        };
        let mut held = self.held.lock().await;
        if let Some(token) = &*held
            && token.until.is_none_or(|until| until > Instant::now() + EARLY)
        {
            return Ok(token.clone());
        }
        let token = self.fetch(client, endpoint).await?;
        *held = Some(token.clone());
        Ok(token)
    }

    async fn fetch(&self, client: &reqwest::Client, endpoint: &Url) -> Result<Token, Failure> {
        let mut form = vec![("grant_type", "client_credentials".to_owned()), ("scope", SCOPE.to_owned())];
        match &self.method {
            AuthMethod::ClientSecret { client_id, secret, .. } => {
                form.push(("client_id", client_id.clone()));
                form.push(("client_secret", secret.expose().to_owned()));
            }
            AuthMethod::Certificate { client_id, pem, .. } => {
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                form.push(("client_id", client_id.clone()));
                form.push(("client_assertion_type", kind.to_owned()));
                form.push(("client_assertion", Signer::read(pem)?.assertion(endpoint, client_id)?));
            }
            AuthMethod::Token(_) => {}
        }
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request =
            client.post(endpoint.clone()).header("content-type", "application/x-www-form-urlencoded").body(text);
        let host = endpoint.host_str().unwrap_or_default();
        let response = request.send().await.map_err(|error| {
            // Nothing happened at the service: asking for a token is always repeatable.
            Failure { kind: FailureKind::Unreachable, ..transport_failure(error, host) }
        })?;
        let status = response.status();
        let answer = body(response, 64 << 10, host).await?;
        if !status.is_success() {
            return Err(refused(status.as_u16(), &answer));
        }
        #[derive(serde::Deserialize)]
        struct Answer {
            access_token: String,
            #[serde(default)]
            expires_in: Option<serde_json::Value>,
        }
        let answer: Answer = serde_json::from_slice(&answer)
            .map_err(|_| Failure::new(FailureKind::Refused, "the token endpoint's answer holds no token"))?;
        // v1 endpoints send the number as text.
        let seconds = answer.expires_in.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
        let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(3600).min(86_400));
        Ok(Token { scheme: "Bearer", value: Secret::new(answer.access_token), until: Some(until) })
    }
}

fn refused(status: u16, answer: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(answer);
    let kind =
        if (400..500).contains(&status) && status != 429 { FailureKind::Credentials } else { FailureKind::Unreachable };
    let mut failure = Failure::new(kind, format!("sign-in failed with {status}: {}", sentence(&text)));
    failure.status = Some(status);
    let hints = [
        ("AADSTS7000215", "the client secret is wrong: make sure it is the secret's value, not its id"),
        ("AADSTS7000222", "the client secret has expired: make a new one under Certificates & secrets"),
        ("AADSTS700016", "auth.client_id names no application of this tenant"),
        ("AADSTS90002", "auth.tenant_id names no tenant of this cloud"),
        ("AADSTS500011", "the tenant has no Defender for Cloud Apps"),
        ("AADSTS700027", "the certificate is not registered with the application"),
    ];
    failure.hint = hints.iter().find(|(code, _)| text.contains(code)).map(|(_, hint)| (*hint).to_owned());
    failure
}

fn token_endpoint(settings: &Settings, tenant: &str) -> Result<Url, Failure> {
    let local = |message: &str| Failure::new(FailureKind::Local, message);
    if !tenant.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_".contains(&c)) || tenant.is_empty() {
        return Err(local("auth.tenant_id is neither a GUID nor a domain"));
    }
    let authority = settings.authority.clone().unwrap_or_else(|| format!("https://{}", settings.cloud.authority()));
    let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
    let url = Url::parse(&url).map_err(|_| local("service.authority is not an address"))?;
    let loopback = url.host_str().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host));
    if url.scheme() == "https" || (url.scheme() == "http" && loopback) {
        return Ok(url);
    }
    Err(local("service.authority is not https"))
}

/// The private key with the fingerprint of its certificate.
struct Signer {
    key: ring::rsa::KeyPair,
    thumbprint: String,
}

impl Signer {
    fn read(pem: &Secret) -> Result<Signer, Failure> {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let wrong = |what: &str| {
            Failure::new(FailureKind::Credentials, format!("auth.certificate_file {what}"))
                .hint("it wants PEM: an RSA private key without a passphrase, and the certificate")
        };
        let bytes = pem.expose().as_bytes();
        let certificate = CertificateDer::from_pem_slice(bytes).map_err(|_| wrong("holds no certificate"))?;
        let key = match PrivateKeyDer::from_pem_slice(bytes).map_err(|_| wrong("holds no private key"))? {
            PrivateKeyDer::Pkcs8(key) => ring::rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => ring::rsa::KeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(wrong("holds a key that is not RSA")),
        };
        let key = key.map_err(|_| wrong("holds a private key that cannot be used"))?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &certificate);
        Ok(Signer { key, thumbprint: URL_SAFE_NO_PAD.encode(digest) })
    }

    /// A signed statement of who we are: PS256, good for five minutes.
    fn assertion(&self, endpoint: &Url, client_id: &str) -> Result<String, Failure> {
        let failed = |_| Failure::new(FailureKind::Credentials, "the assertion could not be signed");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let random = ring::rand::SystemRandom::new();
        let id: [u8; 16] = ring::rand::generate(&random).map_err(failed)?.expose();
        let header = serde_json::json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = serde_json::json!({
            "aud": endpoint.as_str(), "iss": client_id, "sub": client_id, "jti": URL_SAFE_NO_PAD.encode(id),
            "nbf": now.saturating_sub(30), "iat": now, "exp": now + 300,
        });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&ring::signature::RSA_PSS_SHA256, &random, signed.as_bytes(), &mut signature).map_err(failed)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
