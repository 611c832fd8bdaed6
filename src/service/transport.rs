//! Clients, allowed hosts, and the one place where answers and transport errors become [`Failure`]s.

use super::retry::patiently;
use super::{Failure, FailureKind, Inner, Service, Settings};
use crate::config::secret::SafeUrl;
use reqwest::{Method, RequestBuilder, Response};
use std::time::Duration;
use url::Url;

/// Longest error body that is read, in bytes.
const ERROR_BODY: usize = 64 << 10;
/// Longest answer body that is read into memory: a block script of every allowed app stays far below.
const ANSWER_BODY: usize = 256 << 20;

/// Longest wait for an answer of the API.
pub(super) const API_ANSWER: Duration = Duration::from_secs(120);
/// Longest silence of storage.
pub(super) const STORAGE_SILENCE: Duration = Duration::from_secs(300);

/// What a client is for: the API may speak HTTP/2, storage speaks HTTP/1.1 with one connection per block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Api,
    Storage,
}

pub(super) fn client(settings: &Settings, what: Use) -> Result<reqwest::Client, Failure> {
    // A second installation fails because the first one stands: just what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let local = |message: String| Failure::new(FailureKind::Local, message);
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("logweir/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(20));
    builder = match what {
        Use::Api => builder.timeout(API_ANSWER),
        // A block on a slow line takes long; silence does not.
        Use::Storage => builder.http1_only().read_timeout(STORAGE_SILENCE),
    };
    if let Some(proxy) = &settings.proxy {
        let proxy = reqwest::Proxy::all(proxy).map_err(|_| local("network.proxy is not a proxy address".to_owned()))?;
        builder = builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_env()));
    } else if base_url(settings).is_ok_and(|base| loopback(&base)) {
        // A proxy of the environment cannot reach the embedded service on this host.
        builder = builder.no_proxy();
    }
    if let Some(file) = &settings.ca_file {
        let pem = std::fs::read(file).map_err(|error| local(format!("cannot read {}: {error}", file.display())))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|_| local(format!("{} holds no PEM certificates", file.display())))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| local(format!("cannot set up HTTPS: {}", error.without_url())))
}

fn allowed(host: &str, suffixes: &[&str]) -> bool {
    let host = host.to_ascii_lowercase();
    suffixes.iter().any(|suffix| {
        let suffix = suffix.trim_start_matches('.').to_ascii_lowercase();
        host == suffix || host.ends_with(&format!(".{suffix}"))
    })
}

fn loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn check_scheme(url: &Url, allow: &[&str]) -> bool {
    let listed = url.host_str().is_some_and(|host| allowed(host, allow));
    url.scheme() == "https" || (url.scheme() == "http" && loopback(url) && listed)
}

/// The API's address from what people paste: scheme, trailing slash and `/api` are optional.
pub(super) fn base_url(settings: &Settings) -> Result<Url, Failure> {
    let allow: Vec<&str> = settings.allow_hosts.iter().map(String::as_str).collect();
    address(&settings.base_url, settings.cloud, &allow)
}

/// The same for an address that is not configured yet.
pub(super) fn address(pasted: &str, cloud: super::Cloud, allow: &[&str]) -> Result<Url, Failure> {
    let text = pasted.trim().trim_end_matches('/');
    let text = text.strip_suffix("/api").unwrap_or(text);
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let wrong = |why: &str| {
        let message = format!("the service address {pasted:?} {why}");
        Failure::new(FailureKind::Local, message)
            .hint("copy the API URL from the portal: Settings > Cloud Apps > System > About")
    };
    let url = Url::parse(&full).map_err(|_| wrong("is not an address"))?;
    if !check_scheme(&url, allow) {
        return Err(wrong("is not https"));
    }
    let suffixes = [allow, &[cloud.suffix()]].concat();
    if !url.host_str().is_some_and(|host| allowed(host, &suffixes)) {
        return Err(wrong(&format!("is not under {}; list a private link in service.allow_hosts", cloud.suffix())));
    }
    Ok(url)
}

/// Whether a token may be sent there: the host itself or below it, or one that the settings allow.
pub(super) fn trusted(settings: &Settings, url: &Url, host: &str) -> bool {
    let allow: Vec<&str> = settings.allow_hosts.iter().map(String::as_str).collect();
    let scheme = check_scheme(url, &allow);
    scheme && url.host_str().is_some_and(|own| allowed(own, &[host]) || allowed(own, &allow))
}

/// Refuses to send a log anywhere but to known storage.
pub(super) fn check_storage(settings: &Settings, url: &Url) -> Result<(), Failure> {
    let mut suffixes = vec!["blob.core.windows.net", "blob.core.usgovcloudapi.net", "amazonaws.com"];
    let allow: Vec<&str> = settings.allow_hosts.iter().map(String::as_str).collect();
    let scheme = check_scheme(url, &allow);
    suffixes.extend(allow);
    if scheme && url.host_str().is_some_and(|host| allowed(host, &suffixes)) {
        return Ok(());
    }
    let message =
        format!("the service named an upload address that is no known storage: {}", SafeUrl::new(url.clone()));
    Err(Failure::new(FailureKind::Refused, message)
        .hint("if it is a private link, list its host in service.allow_hosts"))
}

/// What the network did, as a failure. Nothing of the address is kept.
pub(super) fn transport_failure(error: reqwest::Error, host: &str) -> Failure {
    let (connect, timeout) = (error.is_connect(), error.is_timeout());
    let error = error.without_url();
    let mut why = error.to_string();
    let mut source = std::error::Error::source(&error);
    let mut causes = String::new();
    while let Some(cause) = source {
        why = cause.to_string();
        causes = format!("{causes} {why}");
        source = cause.source();
    }
    let (kind, hint) = if causes.contains("certificate") {
        // Another try meets the same certificate.
        (
            FailureKind::Refused,
            "its certificate is not trusted here: name the CA, or that of a proxy that opens TLS, in network.ca_file",
        )
    } else if ["unsuccessful", "authorization required"].iter().any(|said| causes.contains(said)) {
        (
            FailureKind::Refused,
            "the proxy refuses: check network.proxy or HTTPS_PROXY, its user and password, and its rules for this host",
        )
    } else {
        let kind = if connect { FailureKind::Unreachable } else { FailureKind::MaybeDone };
        (kind, "check name resolution, the proxy and the firewall on the way: logweir doctor")
    };
    let why = if timeout { "time-out".to_owned() } else { clean(&why) };
    Failure::new(kind, format!("no answer from {host}: {why}")).hint(hint)
}

/// Reads a body up to `limit` bytes; more is cut.
pub(super) async fn body(mut response: Response, limit: usize, host: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport_failure(error, host))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= limit {
            bytes.truncate(limit);
            break;
        }
    }
    Ok(bytes)
}

/// The body of a successful answer: one that is larger than any real one is refused, not cut.
async fn whole(response: Response, what: &str, host: &str) -> Result<Vec<u8>, Failure> {
    let bytes = body(response, ANSWER_BODY + 1, host).await?;
    if bytes.len() > ANSWER_BODY {
        let most = ANSWER_BODY >> 20;
        return Err(Failure::new(FailureKind::Refused, format!("{what}: the answer is larger than {most} MiB")));
    }
    Ok(bytes)
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(text: &str) -> Option<u64> {
    let text = text.trim();
    let date = || {
        let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        u64::try_from(until.duration_since(jiff::Timestamp::now()).as_secs()).ok()
    };
    text.parse().ok().or_else(date)
}

/// An unsuccessful answer as a failure.
pub(super) async fn refused(response: Response, what: &str, host: &str) -> Failure {
    let status = response.status().as_u16();
    let header = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(retry_after);
    let bytes = body(response, ERROR_BODY, host).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let said = sentence(&text);
    let mut message = format!("{what}: the service answered {status}");
    if !said.is_empty() {
        message = format!("{message}: {said}");
    }
    let throttled = status == 429 || text.contains("throttled");
    let kind = match status {
        _ if text.contains("NOT_FOUND_INPUT_STREAM") => FailureKind::UnknownDataSource,
        401 => FailureKind::Credentials,
        403 => FailureKind::Forbidden,
        _ if throttled => FailureKind::Throttled,
        _ => FailureKind::Refused,
    };
    let hint = match kind {
        FailureKind::UnknownDataSource => Some("name an existing data source: logweir report streams lists them"),
        FailureKind::Credentials => {
            Some("the credential was refused: renew the client secret or token, then logweir doctor")
        }
        FailureKind::Forbidden => Some("grant the application Discovery.manage and consent again, then logweir doctor"),
        _ => None,
    };
    let wait = header.or_else(|| throttled.then(|| seconds_in(&text)).flatten()).or(throttled.then_some(60));
    let retry_after = wait.map(|seconds: u64| Duration::from_secs(seconds.min(600)));
    let body = (!text.is_empty()).then(|| text.into_owned());
    Failure { kind, message, hint: hint.map(str::to_owned), status: Some(status), retry_after, body }
}

/// The number in front of the word "second" in "throttled … in 42 seconds".
fn seconds_in(text: &str) -> Option<u64> {
    let before = &text[..text.find(" second")?];
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// One readable sentence out of a JSON, XML, HTML or plain error body.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}').trim();
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(text) {
        return clean(&json_sentence(&json));
    }
    if text.starts_with("<?xml") || text.starts_with("<Error") {
        let inside = |tag: &str| {
            let from = text.find(&format!("<{tag}>"))? + tag.len() + 2;
            text[from..].find('<').map(|length| &text[from..from + length])
        };
        let said = [inside("Code"), inside("Message")].into_iter().flatten().collect::<Vec<_>>();
        // Storage echoes the signed address in longer elements; only these two are shown.
        return clean(&said.join(": "));
    }
    if text.starts_with('<') {
        let title = text.find("<title>").and_then(|from| text[from + 7..].split('<').next());
        return clean(title.unwrap_or("an HTML page"));
    }
    clean(text)
}

fn json_sentence(json: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    for key in ["error_description", "detail", "message", "errorMessageCode", "error"] {
        if let Some(said) = json.get(key).and_then(text) {
            return said;
        }
    }
    // Graph's: {"error": {"code": "BadRequest", "message": "…"}}
    if let Some(inner) = json.get("error").filter(|inner| inner.is_object()) {
        return json_sentence(inner);
    }
    if let Some(list) = json.get("errors").and_then(|errors| errors.as_array()) {
        return list.iter().filter_map(|e| e.get("error").and_then(text)).collect::<Vec<_>>().join("; ");
    }
    // Per-field lists: {"filters": [{"error": "x is not valid"}]}
    let fields = json.as_object().into_iter().flatten();
    let said = fields.filter_map(|(field, list)| Some(format!("{field}: {}", list.get(0)?.get("error")?.as_str()?)));
    said.collect::<Vec<_>>().join("; ")
}

/// Text without control characters or signatures, cut to a sentence's length.
pub(super) fn clean(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let shown = words.map(|word| if word.contains("sig=") || word.contains("sig%3D") { "***" } else { word });
    shown.collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

impl Service {
    pub(super) fn endpoint(&self, path: &str) -> Url {
        let mut url = self.inner.base.clone();
        url.set_path(path);
        url
    }

    /// One call to the API: budget, token, answer; a 401 renews the token once. No retry here.
    pub(super) async fn once(
        &self,
        what: &str,
        method: &Method,
        url: &Url,
        add: &(dyn Fn(RequestBuilder) -> RequestBuilder + Sync),
    ) -> Result<Vec<u8>, Failure> {
        let Inner { api, tokens, .. } = &*self.inner;
        let host = self.inner.base.host_str().unwrap_or_default();
        for renewed in [false, true] {
            self.take_call().await?;
            let token = tokens.current(api).await?;
            let request = add(api.request(method.clone(), url.clone())).header("authorization", token.header());
            let answer = patiently(&format!("an answer from {host}"), API_ANSWER, || true, request.send()).await;
            let response = answer.map_err(|error| transport_failure(error, host))?;
            if response.status().as_u16() == 401 && !renewed && tokens.renewable() {
                tokens.forget(&token).await;
                continue;
            }
            if response.status().is_success() {
                return whole(response, what, host).await;
            }
            let mut failure = refused(response, what, host).await;
            if failure.kind == FailureKind::Forbidden {
                failure.hint = Some(super::scope::forbidden(method, url.path(), &token));
            }
            return Err(failure);
        }
        Err(Failure::new(FailureKind::Credentials, format!("{what}: the service refused a fresh token")))
    }

    /// Waits until the tenant's budget has a call for us.
    async fn take_call(&self) -> Result<(), Failure> {
        loop {
            let taken = self.inner.budget.take(&self.inner.settings.tenant, self.inner.urgency);
            let wait = taken.map_err(|error| Failure::new(FailureKind::Local, error.one_line()))?;
            if wait.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_bodies_of_every_shape_become_one_sentence() {
        let rows = [
            (r#"{"detail":"Invalid token"}"#, "Invalid token"),
            (r#"{"error":{"code":"c","message":"m"}}"#, "m"),
            (r#"{"errors":[{"error":"a"},{"error":"b"}]}"#, "a; b"),
            (r#"{"filters":[{"error":"x is not valid"}],"error":true}"#, "filters: x is not valid"),
            ("<?xml version=\"1.0\"?><Error><Code>C</Code><Message>M\nm</Message><D>sig=1</D></Error>", "C: M m"),
            ("<html><head><title>Page not found</title></head>", "Page not found"),
            ("", ""),
            ("plain\x1b[2J https://h/?sig=abc text", "plain [2J *** text"),
        ];
        for (body, expected) in rows {
            assert_eq!(sentence(body), expected, "{body}");
        }
        assert_eq!(retry_after(" 17 "), Some(17));
        let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(100);
        let date = soon.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        assert!((98..=100).contains(&retry_after(&date).unwrap()), "{date}");
        for text in ["soon", "-3", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(retry_after(text), None, "{text}");
        }
        assert_eq!(seconds_in("Request was throttled. Expected available in 42 seconds."), Some(42));
    }

    #[test]
    fn hosts_match_on_labels_only() {
        assert!(allowed("a.blob.core.windows.net", &["blob.core.windows.net"]));
        assert!(!allowed("evilblob.core.windows.net.example", &["blob.core.windows.net"]));
        assert!(!allowed("xblob.core.windows.net", &["blob.core.windows.net"]));
    }
}
