//! Sign-in as a Kubernetes workload: the token that the cluster projects into the pod is the assertion.

use crate::service::{Failure, FailureKind};
use std::path::Path;

/// The longest projected token that is read, in bytes.
const LONGEST: u64 = 64 << 10;

/// The assertion; read anew each time, since the cluster replaces it every hour.
pub(super) fn assertion(file: &Path) -> Result<String, Failure> {
    let failed = |why: String| {
        Failure::new(FailureKind::Credentials, format!("cannot read the workload's token {}: {why}", file.display()))
            .hint("label the pod azure.workload.identity/use: \"true\", or name the file in auth.federated_token_file")
    };
    let meta = std::fs::metadata(file).map_err(|error| failed(error.to_string()))?;
    if meta.len() > LONGEST {
        return Err(failed(format!("it has {} bytes", meta.len())));
    }
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    Ok(text.to_owned())
}
