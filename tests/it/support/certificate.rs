//! Certificates made by `openssl` for tests: an application's own, and a server's under a private CA.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A private key with its certificate, in one PEM file.
pub struct Certificate {
    /// Key and certificate.
    pub pem: PathBuf,
    _dir: tempfile::TempDir,
}

fn openssl(dir: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(dir).output().expect("openssl starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Certificate {
    /// A self-signed certificate, as an application has one.
    pub fn self_signed(name: &str) -> Certificate {
        let dir = tempfile::tempdir().expect("a directory");
        let subject = format!("/CN={name}");
        openssl(
            dir.path(),
            &[
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &subject, "-keyout", "key.pem",
                "-out", "cert.pem",
            ],
        );
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("a PEM file");
        let pem = dir.path().join("both.pem");
        std::fs::write(&pem, read("key.pem") + &read("cert.pem")).expect("a file");
        Certificate { pem, _dir: dir }
    }

    /// A signed assertion with these claims, naming this algorithm in its header.
    pub fn assertion(&self, algorithm: &str, claims: &serde_json::Value) -> String {
        let pem = std::fs::read(&self.pem).expect("the PEM file");
        let certificate = CertificateDer::from_pem_slice(&pem).expect("a certificate");
        let PrivateKeyDer::Pkcs8(key) = PrivateKeyDer::from_pem_slice(&pem).expect("a key") else { panic!("PKCS#8") };
        let key = ring::rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()).expect("an RSA key");
        let thumbprint = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, &certificate));
        let header = serde_json::json!({ "alg": algorithm, "typ": "JWT", "x5t#S256": thumbprint });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let mut signature = vec![0; key.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        key.sign(&ring::signature::RSA_PSS_SHA256, &random, signed.as_bytes(), &mut signature).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
