//! A signed assertion in place of a client secret: PS256 under a certificate that was registered with the application.

use super::store::RegisteredApplication;
use super::token::Refused;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::CertificateDer;
use serde_json::Value;

/// The longest an assertion may be good for, in seconds.
const LONGEST: u64 = 600;
/// Clocks may differ by this much.
const SKEW: u64 = 300;

/// Checks an assertion: signature, who it is for, who it is from, when it is good.
pub(super) fn check(
    assertion: &str,
    application: &RegisteredApplication,
    client_id: &str,
    endpoint: &str,
    now: u64,
) -> Result<(), Refused> {
    let malformed = || Refused::request(50_027, "JWT token is invalid or malformed.");
    let (signed, signature) = assertion.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
    let part = |text: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok() };
    let (Some(header), Some(claims)) = (part(header), part(claims)) else { return Err(malformed()) };
    if header["alg"] != "PS256" || header["typ"] != "JWT" {
        return Err(Refused::client(5_002_738, "Invalid JWT token. 'alg' must be PS256 and 'typ' JWT."));
    }
    let unknown = || {
        let message = "Client assertion failed signature validation: the certificate is not registered.";
        Refused::client(700_027, message)
    };
    let certificate = application.certificate.as_deref().and_then(|text| STANDARD.decode(text).ok());
    let certificate = certificate.ok_or_else(unknown)?;
    let thumbprint = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, &certificate));
    if header["x5t#S256"] != thumbprint.as_str() {
        return Err(unknown());
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
    if !verified(&certificate, signed.as_bytes(), &signature) {
        return Err(Refused::client(700_027, "Client assertion failed signature validation."));
    }
    if claims["iss"] != client_id || claims["sub"] != client_id {
        return Err(Refused::client(700_021, "Client assertion application identifier doesn't match 'client_id'."));
    }
    let audience = claims["aud"].as_str().and_then(|aud| aud.split_once("://")).map(|(_, rest)| rest);
    if audience != Some(endpoint) {
        return Err(Refused::client(700_023, "Client assertion audience claim does not match this endpoint."));
    }
    if claims["jti"].as_str().is_none_or(str::is_empty) {
        return Err(Refused::request(50_027, "JWT token is invalid or malformed: no 'jti'."));
    }
    let (from, until) = (claims["nbf"].as_u64(), claims["exp"].as_u64());
    let good = from.zip(until).is_some_and(|(from, until)| {
        from <= now + SKEW && until + SKEW > now && until > from && until - from <= LONGEST
    });
    if !good {
        return Err(Refused::client(700_024, "Client assertion is not within its valid time range."));
    }
    Ok(())
}

fn verified(certificate: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let der = CertificateDer::from(certificate);
    let algorithm = webpki::ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY;
    webpki::EndEntityCert::try_from(&der)
        .is_ok_and(|certificate| certificate.verify_signature(algorithm, message, signature).is_ok())
}
