//! Sign-in of a user by device code; the refresh token is kept in the state directory, for its owner only.

use super::{Granted, Token, ask, endpoint, granted, post, refused};
use crate::config::secret::Secret;
use crate::service::transport::clean;
use crate::service::{Failure, FailureKind, Settings, transport};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use url::Url;

/// The kept sign-in of a user.
#[derive(Debug, Clone)]
pub struct Session {
    /// The public client that was signed in to.
    pub client_id: String,
    refresh_token: Secret,
}

impl Session {
    /// Reads the file; `None` when nobody is signed in.
    ///
    /// # Errors
    /// [`FailureKind::Credentials`] when the file cannot be read or understood.
    pub fn read(path: &Path) -> Result<Option<Session>, Failure> {
        let wrong = |why: String| {
            Failure::new(
                FailureKind::Credentials,
                format!("the sign-in kept in {} cannot be used: {why}", path.display()),
            )
            .hint("sign in again: logweir login")
        };
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
        };
        let value: Value = serde_json::from_slice(&text).map_err(|_| wrong("it is no JSON".to_owned()))?;
        let word =
            |name: &str| value[name].as_str().map(str::to_owned).ok_or_else(|| wrong(format!("it lacks {name}")));
        Ok(Some(Session { client_id: word("client_id")?, refresh_token: Secret::new(word("refresh_token")?) }))
    }

    /// Writes beside and renames, readable by the owner only.
    fn write(&self, path: &Path) -> Result<(), Failure> {
        use std::os::unix::fs::OpenOptionsExt;
        let failed = |error: std::io::Error| {
            Failure::new(FailureKind::Local, format!("cannot keep the sign-in in {}: {error}", path.display()))
                .hint("give the state directory to the user logweir runs as, or name another with --state-dir DIR")
        };
        let beside = path.with_extension(format!("{}.tmp", std::process::id()));
        let text = json!({ "client_id": self.client_id, "refresh_token": self.refresh_token.expose() }).to_string();
        let write = || -> std::io::Result<()> {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, path)
        };
        write().map_err(failed)
    }
}

/// A sign-in under way: what to show the person, and how to wait for them.
#[derive(Debug)]
pub struct DevicePrompt {
    /// Where to go.
    pub address: String,
    /// What to type there.
    pub code: String,
    /// How long the code is good.
    pub good_for: Duration,
    client: reqwest::Client,
    token: Url,
    client_id: String,
    device_code: Secret,
    interval: Duration,
    /// What `slow_down` adds.
    step: Duration,
}

/// Asks for a code. `scope` names one permission such as `Discovery.manage`; all that were granted otherwise.
///
/// # Errors
/// As the endpoint refuses, with what to do.
pub async fn begin(
    settings: &Settings,
    tenant: &str,
    client_id: &str,
    scope: Option<&str>,
) -> Result<DevicePrompt, Failure> {
    let client = transport::client(settings, transport::Use::Api)?;
    let scope = format!("{}/{} offline_access openid profile", super::API, scope.unwrap_or(".default"));
    let form = [("client_id", client_id.to_owned()), ("scope", scope)];
    let (status, answer) = post(&client, &endpoint(settings, tenant, "devicecode")?, &form).await?;
    if status != 200 {
        return Err(refused(status, &answer));
    }
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let word = |name: &str| answer[name].as_str().map(clean).filter(|text| !text.is_empty());
    let address = word("verification_uri").or_else(|| word("verification_url"));
    let (Some(address), Some(code), Some(device_code)) = (address, word("user_code"), answer["device_code"].as_str())
    else {
        return Err(Failure::new(FailureKind::Refused, "the sign-in endpoint's answer holds no code"));
    };
    let seconds = |name: &str, usual: u64| Duration::from_secs(answer[name].as_u64().unwrap_or(usual));
    Ok(DevicePrompt {
        address,
        code,
        good_for: seconds("expires_in", 900).min(Duration::from_secs(3_600)),
        client,
        token: endpoint(settings, tenant, "token")?,
        client_id: client_id.to_owned(),
        device_code: Secret::new(device_code.to_owned()),
        interval: seconds("interval", 5).min(Duration::from_secs(60)),
        step: Duration::from_secs(5),
    })
}

/// What a poll's answer asks for.
enum Poll {
    Done(Granted),
    Again { slower: bool },
}

impl DevicePrompt {
    #[cfg(test)]
    pub(super) fn shorten_waits(&mut self) {
        self.step = Duration::from_millis(1);
    }

    /// Waits until the person has signed in, and keeps the sign-in in `store`.
    ///
    /// # Errors
    /// [`FailureKind::Credentials`] when they declined or the code expired; else as the endpoint fails.
    pub async fn wait(mut self, store: &Path) -> Result<(), Failure> {
        let until = Instant::now() + self.good_for;
        let expired = || {
            Failure::new(FailureKind::Credentials, "the code expired before anybody signed in with it")
                .hint("start over: logweir login")
        };
        loop {
            tokio::time::sleep(self.interval).await;
            match self.poll().await? {
                Poll::Done(Granted { refresh_token: Some(token), .. }) => {
                    return Session { client_id: self.client_id, refresh_token: Secret::new(token) }.write(store);
                }
                Poll::Done(_) => {
                    return Err(Failure::new(FailureKind::Refused, "the sign-in gave no refresh token")
                        .hint("the application must be a public client with the delegated permission offline_access"));
                }
                _ if Instant::now() > until => return Err(expired()),
                Poll::Again { slower: true } => self.interval += self.step,
                Poll::Again { slower: false } => {}
            }
        }
    }

    async fn poll(&self) -> Result<Poll, Failure> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code".to_owned()),
            ("client_id", self.client_id.clone()),
            ("device_code", self.device_code.expose().to_owned()),
        ];
        let (status, answer) = match post(&self.client, &self.token, &form).await {
            Ok(answer) => answer,
            // The person is typing; a moment without network does not end that.
            Err(failure) if failure.kind == FailureKind::Unreachable => return Ok(Poll::Again { slower: true }),
            Err(failure) => return Err(failure),
        };
        if status == 200 {
            return granted(&answer)
                .map(Poll::Done)
                .ok_or_else(|| Failure::new(FailureKind::Refused, "the sign-in endpoint's answer holds no token"));
        }
        let error: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let ended = |what: &str| Failure::new(FailureKind::Credentials, what).hint("start over: logweir login");
        match error["error"].as_str().unwrap_or_default() {
            "authorization_pending" => Ok(Poll::Again { slower: false }),
            "slow_down" => Ok(Poll::Again { slower: true }),
            "authorization_declined" | "access_denied" => Err(ended("the sign-in was declined")),
            "expired_token" => Err(ended("the code expired before anybody signed in with it")),
            "bad_verification_code" => Err(ended("the endpoint does not know the code any more")),
            _ if status >= 500 || status == 429 => Ok(Poll::Again { slower: true }),
            _ => Err(refused(status, &answer)),
        }
    }
}

/// A token from the kept sign-in; a new refresh token replaces the old one.
pub(super) async fn renew(client: &reqwest::Client, token: &Url, store: &Path, scope: &str) -> Result<Token, Failure> {
    let session = Session::read(store)?.ok_or_else(|| {
        Failure::new(FailureKind::Credentials, "nobody is signed in").hint("sign in with: logweir login")
    })?;
    let form = [
        ("grant_type", "refresh_token".to_owned()),
        ("client_id", session.client_id.clone()),
        ("refresh_token", session.refresh_token.expose().to_owned()),
        ("scope", format!("{scope} offline_access")),
    ];
    let granted = ask(client, token, &form).await?;
    if let Some(fresh) = granted.refresh_token {
        // Two processes may do this at once; either token is good.
        Session { refresh_token: Secret::new(fresh), ..session }.write(store)?;
    }
    Ok(Token::bearer(granted.access_token, granted.seconds))
}
