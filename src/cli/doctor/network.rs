//! The way out: which proxy and which trust is in use, and where that was said.

use super::Findings;
use crate::config::secret::SafeUrl;
use crate::config::{Config, Env};
use crate::error::Error;
use std::time::Duration;
use url::Url;

/// How long a proxy may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// The variables that name a proxy for HTTPS, strongest first.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Where the system's certificates usually lie.
const STORES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
];

/// Whether every service is on this host: then neither proxy nor trust is needed.
fn all_local(config: &Config) -> bool {
    let local = |url: &str| url.starts_with("http://") || url == crate::config::EMBEDDED;
    config.tenants.values().all(|tenant| local(&tenant.url))
}

/// The proxy in use, and whether it accepts a connection.
pub(super) async fn proxy(env: &Env, config: &Config, findings: &mut Findings) {
    let from_env = || VARIABLES.iter().find_map(|name| Some((*name, env.var(name)?)));
    let (origin, text) = match (&config.network.proxy, from_env()) {
        (Some(proxy), _) => ("network.proxy", proxy.as_str()),
        // The environment's proxy is not asked for a service on this host.
        (None, Some(_)) if all_local(config) => return findings.ok("proxy", "none: the service is on this host"),
        (None, Some((name, proxy))) => (name, proxy),
        (None, None) => return findings.ok("proxy", "none: neither network.proxy nor HTTPS_PROXY is set"),
    };
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let parsed = Url::parse(&full).ok();
    let Some((url, host, port)) = parsed.and_then(|url| {
        let (host, port) = (url.host_str()?.to_owned(), url.port_or_known_default()?);
        Some((url, host, port))
    }) else {
        let error = Error::usage(format!("{origin} is not an address"));
        return findings.bad("proxy", &error.hint("write it as http://host:port"));
    };
    let shown = SafeUrl::new(url).to_string();
    let shown = shown.trim_end_matches('/');
    let except = env.var("NO_PROXY").or_else(|| env.var("no_proxy"));
    let except = except.map_or(String::new(), |hosts| format!(", not for NO_PROXY = {hosts}"));
    let bare = host.trim_matches(['[', ']']).to_owned();
    let connected = tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect((bare, port))).await;
    let why = match connected {
        Ok(Ok(_)) => return findings.ok("proxy", format!("{shown} from {origin} accepts connections{except}")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let error = Error::failed(format!("cannot connect to the proxy {shown} from {origin}")).cause(why);
    findings.bad("proxy", &error.hint(format!("correct {origin}, or let this host reach the proxy")));
}

/// The certificates that are trusted.
pub(super) fn trust(env: &Env, config: &Config, findings: &mut Findings) {
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().find_map(|name| Some((name, env.var(name)?)));
    let store = match named {
        Some((name, path)) => std::path::Path::new(path).exists().then(|| format!("{path} from {name}")),
        None => STORES.iter().find(|path| std::path::Path::new(path).exists()).map(|path| (*path).to_owned()),
    };
    let system = store.map(|path| format!("the system's trust store ({path})"));
    if let Some(file) = &config.network.ca_file {
        match certificates(file) {
            Ok(count) => {
                let system = system.unwrap_or_else(|| "no trust store of the system".to_owned());
                findings.ok("trust", format!("{count} certificate(s) of {} and {system}", file.display()));
            }
            Err(error) => findings.bad("trust", &error),
        }
        return;
    }
    match system {
        Some(system) => findings.ok("trust", system),
        None if all_local(config) => findings.ok("trust", "not needed: the service is on this host"),
        None => {
            let error = Error::failed("the system has no trust store, so that no certificate is trusted");
            findings.bad("trust", &error.hint("install the package ca-certificates, or name a CA in network.ca_file"));
        }
    }
}

/// How many certificates a PEM file holds.
fn certificates(file: &std::path::Path) -> crate::error::Result<usize> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let wrong = |why: String| {
        Error::usage(format!("cannot use the CA file {}", file.display()))
            .cause(why)
            .hint("network.ca_file names a PEM file with the CA's certificate, readable by the user logweir runs as")
    };
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let count = CertificateDer::pem_slice_iter(&pem).filter(Result::is_ok).count();
    if count == 0 { Err(wrong("it holds no certificate in PEM".to_owned())) } else { Ok(count) }
}
