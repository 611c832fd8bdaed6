//! Keyed, stable tokens in place of users and addresses: the same key gives the same token in every run and output.

use super::worker::LONGEST_NAME;
use ring::hmac;
use std::net::IpAddr;

/// The least bytes of a key that are worth the name.
const LEAST_KEY: usize = 16;
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Makes tokens; `Pseudonyms::off` shows names as they are.
#[derive(Clone, Default)]
pub struct Pseudonyms {
    key: Option<hmac::Key>,
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.key.is_some() { "Pseudonyms(on)" } else { "Pseudonyms(off)" })
    }
}

impl Pseudonyms {
    /// Names as they are.
    pub fn off() -> Pseudonyms {
        Pseudonyms::default()
    }

    /// Tokens under the contents of a key file; white space around them does not count.
    ///
    /// # Errors
    /// When the key is too short to be one.
    pub fn keyed(file: &[u8]) -> Result<Pseudonyms, String> {
        let key = file.trim_ascii();
        if key.len() < LEAST_KEY {
            return Err(format!("the key has {} bytes, fewer than {LEAST_KEY}", key.len()));
        }
        Ok(Pseudonyms { key: Some(hmac::Key::new(hmac::HMAC_SHA256, key)) })
    }

    /// Whether names are replaced.
    pub fn is_on(&self) -> bool {
        self.key.is_some()
    }

    /// A user as shown.
    pub fn user(&self, name: &[u8]) -> String {
        let name = &name[..name.len().min(LONGEST_NAME)];
        self.token("user", name).unwrap_or_else(|| String::from_utf8_lossy(name).into_owned())
    }

    /// An origin address as shown.
    pub fn address(&self, address: IpAddr) -> String {
        let text = address.to_string();
        self.token("addr", text.as_bytes()).unwrap_or(text)
    }

    /// `kind-` and 60 bits of HMAC-SHA-256 over kind and name.
    fn token(&self, kind: &str, name: &[u8]) -> Option<String> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(name);
        let tag = context.sign();
        let bits = tag.as_ref().iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let letters = (0..12).map(|i| char::from(LETTERS[(bits >> (5 * i)) as usize & 31]));
        Some(std::iter::once(kind).chain(["-"]).flat_map(str::chars).chain(letters).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_stable_keyed_and_apart() {
        let one = Pseudonyms::keyed(b"0123456789abcdef\n").expect("a key");
        let same = Pseudonyms::keyed(b"0123456789abcdef").expect("a key");
        let other = Pseudonyms::keyed(b"0123456789abcdeg").expect("a key");
        let ann = one.user(b"ann");
        assert!(ann.starts_with("user-") && ann.len() == 17, "{ann}");
        assert_eq!(ann, same.user(b"ann"));
        assert_ne!(ann, other.user(b"ann"));
        assert_ne!(ann, one.user(b"bob"));
        let address = "192.0.2.1".parse().expect("an address");
        assert_ne!(one.address(address)[5..], one.user(b"192.0.2.1")[5..]);
        assert_eq!(Pseudonyms::off().user(b"ann"), "ann");
        assert!(Pseudonyms::keyed(b"short").is_err());
        assert_eq!(format!("{one:?}"), "Pseudonyms(on)");
    }
}
