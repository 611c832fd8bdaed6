//! Upload addresses at rest: sealed with a key that lies beside the ledger in a file of mode 0600.
//!
//! An address is the right to write a blob, and the reason why a broken upload of gigabytes can go on where it was. It
//! is kept so that a restart need not start over, and sealed so that a copy of the ledger (a backup, a support case)
//! gives nobody that right. Each seal is bound to its shipment. Without the key a new address is asked for.

use crate::config::secret::SafeUrl;
use crate::error::{Error, Result};
use crate::service::{Grant, Provider};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const KEY_LEN: usize = 32;

/// Seals and opens addresses.
pub(super) struct Seal {
    key: LessSafeKey,
    random: SystemRandom,
}

impl Seal {
    /// Reads the key of a state directory, or makes it.
    pub(super) fn open(state_dir: &Path) -> Result<Seal> {
        let path = state_dir.join("seal.key");
        let failed = |error: std::io::Error| {
            Error::failed(format!("cannot use the key file {}", path.display()))
                .cause(error)
                .hint("give the state directory to the user logweir runs as; a damaged key file may be deleted")
        };
        let random = SystemRandom::new();
        let mut key = [0_u8; KEY_LEN];
        match File::open(&path) {
            Ok(mut file) => file.read_exact(&mut key).map_err(failed)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                random.fill(&mut key).map_err(|_| Error::failed("the system gives no random numbers"))?;
                // Written beside and linked into place: another process sees a whole key or none.
                let beside = state_dir.join(format!("seal.key.{}", std::process::id()));
                let mut options = File::options();
                let mut file =
                    options.write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(failed)?;
                file.write_all(&key).and_then(|()| file.sync_all()).map_err(failed)?;
                let linked = std::fs::hard_link(&beside, &path);
                std::fs::remove_file(&beside).map_err(failed)?;
                match linked {
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Seal::open(state_dir),
                    linked => linked.map_err(failed)?,
                }
            }
            Err(error) => return Err(failed(error)),
        }
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).map_err(|_| Error::failed("the key file is unusable"))?;
        Ok(Seal { key: LessSafeKey::new(key), random })
    }

    /// Seals an address for one shipment. `None` when the system gives no random number: then it is not kept.
    pub(super) fn seal(&self, shipment: i64, grant: &Grant) -> Option<Vec<u8>> {
        let mut nonce = [0_u8; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let provider = if grant.provider == Provider::Aws { b'w' } else { b'z' };
        let mut text = vec![provider];
        text.extend_from_slice(grant.url.url().as_str().as_bytes());
        let bound = Aad::from(shipment.to_le_bytes());
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut text).ok()?;
        Some([&nonce[..], &text].concat())
    }

    /// Opens a sealed address; `None` when it is not ours, or damaged.
    pub(super) fn unseal(&self, shipment: i64, sealed: &[u8]) -> Option<Grant> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let mut text = text.to_vec();
        let bound = Aad::from(shipment.to_le_bytes());
        let open = self.key.open_in_place(Nonce::try_assume_unique_for_key(nonce).ok()?, bound, &mut text).ok()?;
        let (provider, url) = open.split_first()?;
        let provider = if *provider == b'w' { Provider::Aws } else { Provider::Azure };
        let url = url::Url::parse(std::str::from_utf8(url).ok()?).ok()?;
        Some(Grant { url: SafeUrl::new(url), provider })
    }
}

/// Whether the address says itself that it is no longer good: `se` of a signature, `X-Amz-Date` is left to storage.
pub(super) fn expired(grant: &Grant, now: i64) -> bool {
    let until = grant.url.url().query_pairs().find(|(name, _)| name == "se").map(|(_, value)| value.into_owned());
    let until = until.and_then(|text| {
        text.parse::<i64>().ok().or_else(|| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second))
    });
    until.is_some_and(|until| until <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn grant(query: &str) -> Grant {
        let url = url::Url::parse(&format!("https://acct.blob.core.windows.net/c/b?{query}")).unwrap();
        Grant { url: SafeUrl::new(url), provider: Provider::Azure }
    }

    #[test]
    fn a_sealed_address_shows_nothing_and_opens_for_its_shipment_only() {
        let dir = tempfile::tempdir().unwrap();
        let seal = Seal::open(dir.path()).unwrap();
        let sealed = seal.seal(7, &grant("sig=secret")).unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("sig="));
        let again = Seal::open(dir.path()).unwrap();
        assert_eq!(again.unseal(7, &sealed).unwrap().url.url().query(), Some("sig=secret"));
        assert!(again.unseal(8, &sealed).is_none());
        assert!(again.unseal(7, &sealed[..9]).is_none());
        let mode = std::fs::metadata(dir.path().join("seal.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_address_tells_its_end() {
        let rows =
            [("se=100&sig=x", true), ("se=1970-01-01T00%3A01%3A40Z", true), ("se=9999", false), ("sig=x", false)];
        for (query, expected) in rows {
            assert_eq!(expired(&grant(query), 500), expected, "{query}");
        }
    }
}
