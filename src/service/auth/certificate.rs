//! Sign-in with a certificate: a signed statement instead of a secret.

use super::{Failure, FailureKind, Secret};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::{SystemTime, UNIX_EPOCH};
use url::Url;

/// The private key with the fingerprint of its certificate.
pub(super) struct Signer {
    key: ring::rsa::KeyPair,
    thumbprint: String,
}

impl Signer {
    pub(super) fn read(pem: &Secret) -> Result<Signer, Failure> {
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
    pub(super) fn assertion(&self, endpoint: &Url, client_id: &str) -> Result<String, Failure> {
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
