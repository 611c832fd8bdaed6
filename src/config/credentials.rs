//! Reads secrets: environment, then the file the configuration names, then systemd's credential directory.

use super::{Auth, Env, secret::Secret};
use crate::error::{Error, Kind, Result};
use std::path::{Path, PathBuf};

/// A sign-in method with its secret read.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Client credentials with a secret.
    ClientSecret {
        /// The Entra tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// The secret.
        secret: Secret,
    },
    /// Client credentials with a signed assertion.
    Certificate {
        /// The Entra tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// PEM text: private key and certificate.
        pem: Secret,
    },
    /// A legacy API token.
    Token(Secret),
    /// A person, by device code; the sign-in is kept in the state directory.
    User {
        /// The Entra tenant.
        tenant_id: String,
        /// The public client.
        client_id: String,
    },
    /// The identity that Azure gave this machine.
    ManagedIdentity {
        /// Which one, where there are several.
        client_id: Option<String>,
        /// The metadata service's scheme and host, when it is not the usual one.
        host: Option<String>,
        /// The Azure Arc agent's endpoint.
        arc: Option<String>,
    },
    /// A Kubernetes workload.
    WorkloadIdentity {
        /// The Entra tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// The file with the cluster's token.
        token_file: PathBuf,
    },
    /// The session of the Azure CLI.
    AzureCli {
        /// The Entra tenant, when it is not the session's own.
        tenant_id: Option<String>,
    },
}

/// The longest secret file that is read, in bytes.
const LONGEST: u64 = 64 << 10;

/// Reads the credential of a tenant. Warnings (a file that others may read) are added to `warnings`.
///
/// # Errors
/// Kind `Credentials` when no secret is found or a file cannot be read; kind `Usage` when an id is missing.
pub fn read(auth: &Auth, env: &Env, warnings: &mut Vec<String>) -> Result<Credential> {
    if let Some(method) = &auth.method {
        return without_secret(method, auth, env);
    }
    let directory = env.var("CREDENTIALS_DIRECTORY").map(Path::new);
    let stored = |name: &str| directory.map(|dir| dir.join(name)).filter(|path| path.is_file());
    // A file that only root reads is handed over by systemd under its own name: LoadCredential=client_secret:FILE.
    let handed = |path: &Path| match path.file_name().and_then(|name| stored(&name.to_string_lossy())) {
        Some(credential) if std::fs::File::open(path).is_err() => credential,
        _ => path.to_path_buf(),
    };
    if let Some(path) = &auth.certificate_file {
        let (tenant_id, client_id) = ids(auth)?;
        return Ok(Credential::Certificate {
            tenant_id,
            client_id,
            pem: from_file(&handed(path), directory, warnings)?,
        });
    }
    if let Some(secret) = env.var("LOGWEIR_CLIENT_SECRET") {
        let (tenant_id, client_id) = ids(auth)?;
        return Ok(Credential::ClientSecret { tenant_id, client_id, secret: Secret::new(secret.to_owned()) });
    }
    if let Some(path) = auth.client_secret_file.clone() {
        let (tenant_id, client_id) = ids(auth)?;
        return Ok(Credential::ClientSecret {
            tenant_id,
            client_id,
            secret: from_file(&handed(&path), directory, warnings)?,
        });
    }
    if let Some(token) = env.var("LOGWEIR_TOKEN") {
        return Ok(Credential::Token(Secret::new(token.to_owned())));
    }
    if let Some(path) = &auth.token_file {
        return Ok(Credential::Token(from_file(&handed(path), directory, warnings)?));
    }
    if let Some(path) = stored("client_secret") {
        let (tenant_id, client_id) = ids(auth)?;
        return Ok(Credential::ClientSecret { tenant_id, client_id, secret: from_file(&path, directory, warnings)? });
    }
    if let Some(path) = stored("certificate") {
        let (tenant_id, client_id) = ids(auth)?;
        return Ok(Credential::Certificate { tenant_id, client_id, pem: from_file(&path, directory, warnings)? });
    }
    if let Some(path) = stored("token") {
        return Ok(Credential::Token(from_file(&path, directory, warnings)?));
    }
    Err(Error::new(Kind::Credentials, "no credential is configured").hint(
        "set client_secret_file, certificate_file, token_file or method in [auth], or LOGWEIR_CLIENT_SECRET in the environment",
    ))
}

/// The ways to sign in that need no secret of our own.
fn without_secret(method: &str, auth: &Auth, env: &Env) -> Result<Credential> {
    let text = |name: &str| env.var(name).map(str::to_owned);
    match method {
        "device-code" => ids(auth).map(|(tenant_id, client_id)| Credential::User { tenant_id, client_id }),
        "managed-identity" => Ok(Credential::ManagedIdentity {
            client_id: auth.client_id.clone(),
            host: text("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
            arc: text("IDENTITY_ENDPOINT"),
        }),
        "azure-cli" => Ok(Credential::AzureCli { tenant_id: auth.tenant_id.clone() }),
        // What the cluster sets fills what the file leaves out.
        _ => {
            let auth = Auth {
                tenant_id: auth.tenant_id.clone().or_else(|| text("AZURE_TENANT_ID")),
                client_id: auth.client_id.clone().or_else(|| text("AZURE_CLIENT_ID")),
                ..auth.clone()
            };
            let (tenant_id, client_id) = ids(&auth)?;
            let file = auth.federated_token_file.or_else(|| text("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from));
            let token_file = file.ok_or_else(|| {
                Error::new(Kind::Credentials, "the cluster gave this workload no token")
                    .hint("label the pod azure.workload.identity/use: \"true\", or set auth.federated_token_file")
            })?;
            Ok(Credential::WorkloadIdentity { tenant_id, client_id, token_file })
        }
    }
}

fn ids(auth: &Auth) -> Result<(String, String)> {
    match (&auth.tenant_id, &auth.client_id) {
        (Some(tenant), Some(client)) => Ok((tenant.clone(), client.clone())),
        _ => Err(Error::usage("[auth] lacks tenant_id or client_id")
            .hint("both stand on the overview page of the app registration in Entra")),
    }
}

/// The secret in a file, without the blanks around it. A warning is added when others may read the file, unless it lies
/// in the `private` directory of the service manager.
///
/// # Errors
/// Kind `Credentials`, when it cannot be read, is empty, or is too long for a secret.
pub fn from_file(path: &Path, private: Option<&Path>, warnings: &mut Vec<String>) -> Result<Secret> {
    let failed = |why: String| {
        Error::new(Kind::Credentials, format!("cannot read the secret file {}", path.display()))
            .cause(why)
            .hint("the file must be readable by the user logweir runs as, and by nobody else")
    };
    let meta = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if meta.len() > LONGEST {
        return Err(failed(format!("it has {} bytes; no secret is that long", meta.len())));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // systemd keeps its directory to the service; the group bits there are the mask of an access list.
        let kept = private.is_some_and(|dir| path.starts_with(dir));
        if !kept && meta.permissions().mode() & 0o077 != 0 {
            warnings.push(format!("the secret file {} can be read by others: chmod 600 it", path.display()));
        }
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn auth(path: &Path) -> Auth {
        let text = |t: &str| Some(t.to_owned());
        Auth {
            tenant_id: text("t"),
            client_id: text("c"),
            client_secret_file: Some(path.to_path_buf()),
            ..Auth::default()
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_warned_about() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "s3cret\n").unwrap();
        for (mode, expected) in [(0o644, 1), (0o600, 0)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let mut warnings = Vec::new();
            let read = read(&auth(&path), &Env::default(), &mut warnings).unwrap();
            assert!(matches!(&read, Credential::ClientSecret { secret, .. } if secret.expose() == "s3cret"));
            assert_eq!(warnings.len(), expected, "{mode:o}");
            assert!(!format!("{read:?}").contains("s3cret"));
        }
    }

    #[test]
    fn a_file_that_only_root_reads_is_taken_from_systemd_under_its_own_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("own_name"), "handed over").unwrap();
        let vars = [("CREDENTIALS_DIRECTORY".to_owned(), dir.path().display().to_string())].into();
        let env = Env { vars, ..Env::default() };
        let read = read(&auth(Path::new("/nowhere/own_name")), &env, &mut Vec::new()).unwrap();
        assert!(matches!(&read, Credential::ClientSecret { secret, .. } if secret.expose() == "handed over"));
        super::read(&auth(Path::new("/nowhere/another")), &env, &mut Vec::new()).unwrap_err();
    }

    #[test]
    fn a_missing_secret_is_a_credentials_error_with_a_hint() {
        let error = read(&auth(Path::new("/nowhere/secret")), &Env::default(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), Kind::Credentials);
        assert!(error.hint_text().is_some());
    }
}
