//! Sign-in as the identity that Azure gave this machine: the metadata service of a VM, or the Arc agent elsewhere.
//!
//! The metadata service answers plain HTTP on a link-local address, never through a proxy. Arc's agent first names a
//! file that only members of its group can read; what stands in it proves who asks. That file must lie where the agent
//! puts it: an answer may not point anywhere else.

use super::{Token, granted};
use crate::config::secret::Secret;
use crate::service::transport::{body, clean, sentence, transport_failure};
use crate::service::{Failure, FailureKind};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

const ANSWER: usize = 64 << 10;
/// The longest key file of the Arc agent [documented].
const LONGEST_KEY: u64 = 4_096;

/// Who hands out tokens to this machine.
#[derive(Debug, Clone)]
pub enum ManagedEndpoint {
    /// The metadata service of an Azure VM.
    Vm {
        /// Scheme and host; 169.254.169.254 outside tests.
        host: String,
    },
    /// The agent of Azure Arc on a machine elsewhere.
    Arc {
        /// The address of its token endpoint.
        endpoint: String,
        /// Where it puts its key files.
        keys: PathBuf,
    },
}

fn wrong(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Local, message)
}

pub(super) async fn token(
    endpoint: &ManagedEndpoint,
    client_id: Option<&str>,
    resource: &str,
) -> Result<Token, Failure> {
    let (url, version) = match endpoint {
        ManagedEndpoint::Vm { host } => {
            (format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/')), "2018-02-01")
        }
        ManagedEndpoint::Arc { endpoint, .. } => (endpoint.clone(), "2020-06-01"),
    };
    let mut url = Url::parse(&url).map_err(|_| wrong("the managed identity's endpoint is no address"))?;
    url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
    if let Some(client_id) = client_id {
        url.query_pairs_mut().append_pair("client_id", client_id);
    }
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(30))
        .build()
        .map_err(|error| wrong(format!("cannot set up HTTP: {}", error.without_url())))?;
    let (status, mut answer, challenge) = get(&client, &url, None).await?;
    if let (401, ManagedEndpoint::Arc { keys, .. }) = (status, endpoint) {
        let key = key(keys, &challenge)?;
        let second = get(&client, &url, Some(&key)).await?;
        if second.0 != 200 {
            return Err(refused(second.0, &second.1));
        }
        answer = second.1;
    } else if status != 200 {
        return Err(refused(status, &answer));
    }
    let granted = granted(&answer)
        .ok_or_else(|| Failure::new(FailureKind::Refused, "the managed identity's answer holds no token"))?;
    Ok(Token::bearer(granted.access_token, granted.seconds))
}

async fn get(client: &reqwest::Client, url: &Url, key: Option<&Secret>) -> Result<(u16, Vec<u8>, String), Failure> {
    let mut request = client.get(url.clone()).header("metadata", "true");
    if let Some(key) = key {
        request = request.header("authorization", format!("Basic {}", key.expose()));
    }
    let host = url.host_str().unwrap_or_default();
    let response = request.send().await.map_err(|error| {
        if error.is_connect() || error.is_timeout() {
            // Nothing listens: this is no matter of trying again.
            return wrong(format!("no managed identity: nothing answers at {host}")).hint(
                "this host is neither an Azure VM nor an Arc machine, or its agent does not run; sign in another way",
            );
        }
        Failure { kind: FailureKind::Unreachable, ..transport_failure(error, host) }
    })?;
    let status = response.status().as_u16();
    let challenge =
        response.headers().get("www-authenticate").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    Ok((status, body(response, ANSWER, host).await?, challenge))
}

/// Reads the key file that the agent's challenge names.
fn key(keys: &Path, challenge: &str) -> Result<Secret, Failure> {
    let path = challenge.split_once("realm=").map(|(_, path)| path.trim().trim_matches('"')).unwrap_or_default();
    let path = Path::new(path);
    let named = path.extension().is_some_and(|end| end == "key") && path.parent() == Some(keys);
    if !named {
        return Err(wrong(format!("the Arc agent names a key file outside {}", keys.display())));
    }
    let failed = |why: String| {
        Failure::new(
            FailureKind::Credentials,
            format!("cannot read the Arc agent's key file {}: {why}", path.display()),
        )
        .hint("add the user logweir runs as to the group himds")
    };
    let meta = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if meta.len() > LONGEST_KEY {
        return Err(failed(format!("it has {} bytes", meta.len())));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Ok(Secret::new(text.trim().to_owned()))
}

fn refused(status: u16, answer: &[u8]) -> Failure {
    let said = sentence(&String::from_utf8_lossy(answer));
    // The metadata service asks for patience with 404, 410, 429 and 5xx [documented].
    let passing = matches!(status, 404 | 410 | 429) || status >= 500;
    let kind = if passing { FailureKind::Unreachable } else { FailureKind::Credentials };
    let mut failure = Failure::new(kind, format!("the managed identity was refused with {status}: {}", clean(&said)));
    failure.status = Some(status);
    failure.hint = (status == 400).then(|| {
        "give the machine an identity, or name the right one in auth.client_id when it has several".to_owned()
    });
    failure
}
