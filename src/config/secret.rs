//! Values that cannot be printed by accident: [`Secret`] shows nothing, [`SafeUrl`] hides query and user info.

use std::fmt;

/// Text that must not reach any output; only [`Secret::expose`] gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An address whose query may be a signature: shown as scheme, host and path only.
#[derive(Clone, PartialEq, Eq)]
pub struct SafeUrl(url::Url);

impl SafeUrl {
    /// Wraps an address.
    pub fn new(url: url::Url) -> SafeUrl {
        SafeUrl(url)
    }

    /// The address itself, for the one place that calls it.
    pub fn url(&self) -> &url::Url {
        &self.0
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or(""))?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path())
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafeUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_shows_what_it_hides() {
        let secret = Secret::new("s3cret".to_owned());
        assert_eq!(format!("{secret} {secret:?}"), "*** Secret(***)");
        let url = url::Url::parse("https://user:pw@acct.blob.core.windows.net/c/b?sv=1&sig=abc#f").unwrap();
        let shown = format!("{0} {0:?}", SafeUrl::new(url));
        assert!(!shown.contains("sig=") && !shown.contains("pw") && shown.contains("acct.blob.core.windows.net/c/b"));
    }
}
