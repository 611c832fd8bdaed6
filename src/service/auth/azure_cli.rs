//! Sign-in with the session of the Azure CLI: `az account get-access-token`.

use super::{HINTS, Token};
use crate::service::transport::clean;
use crate::service::{Failure, FailureKind};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) async fn token(program: &Path, tenant: Option<&str>, resource: &str) -> Result<Token, Failure> {
    let failed = |what: String| Failure::new(FailureKind::Credentials, what);
    let mut command = tokio::process::Command::new(program);
    command.args(["account", "get-access-token", "--output", "json", "--resource", resource]);
    if let Some(tenant) = tenant {
        command.args(["--tenant", tenant]);
    }
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await;
    let output = output.map_err(|_| failed("the Azure CLI did not answer within a minute".to_owned()))?;
    let output = output.map_err(|error| {
        failed(format!("cannot start the Azure CLI {}: {error}", program.display()))
            .hint("install it and sign in with: az login; or sign in another way")
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let known = HINTS.iter().find(|(code, _)| said.contains(code)).map(|(_, hint)| *hint);
        return Err(failed(format!("the Azure CLI has no token for us: {}", clean(&said)))
            .hint(known.unwrap_or("sign in with: az login")));
    }
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let token =
        answer["accessToken"].as_str().ok_or_else(|| failed("the Azure CLI's answer holds no token".to_owned()))?;
    // Older versions give a local time only; then a short life is assumed.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let until = answer["expires_on"].as_u64().or_else(|| answer["expires_on"].as_str()?.parse().ok());
    Ok(Token::bearer(token.to_owned(), Some(until.map_or(600, |until| until.saturating_sub(now)))))
}
