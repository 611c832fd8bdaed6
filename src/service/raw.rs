//! Any other call, with the client's sign-in, budget and retry.

use super::retry::{Repeat, call};
use super::{Failure, FailureKind, Service};
use reqwest::Method;

impl Service {
    /// Makes a call that has no method of its own here. `path` starts at the service's address, such as
    /// `/api/v1/alerts/`, and may have a query; a whole address is refused, since the token would go there. The answer
    /// comes as it is: signatures in it are the caller's to hide.
    ///
    /// # Errors
    /// [`FailureKind::Local`] for a path that is none; else as the API fails. Only GET is repeated when an answer is lost.
    pub async fn raw(&self, method: &Method, path: &str, body: Option<&str>) -> Result<Vec<u8>, Failure> {
        let wrong = |why: &str| {
            Failure::new(FailureKind::Local, format!("{path:?} {why}"))
                .hint("write the path only, such as /api/v1/alerts/ or alerts/")
        };
        if path.contains("://") || path.starts_with("//") || path.contains(char::is_control) {
            return Err(wrong("is no path"));
        }
        let path = path.trim_start_matches('/');
        let full = if path.starts_with("api/") || path.starts_with("cas/") {
            format!("/{path}")
        } else {
            format!("/api/v1/{path}")
        };
        let (path, query) = full.split_once('?').map_or((full.as_str(), None), |(path, query)| (path, Some(query)));
        let mut url = self.endpoint(path);
        url.set_query(query);
        // Dots in the path were resolved by now.
        if !url.path().starts_with("/api/") && !url.path().starts_with("/cas/") {
            return Err(wrong("leads out of the API"));
        }
        let what = format!("{method} {}", url.path());
        let repeat = if method == Method::GET { Repeat::Safe } else { Repeat::OnlyIfNotDone };
        let add = |request: reqwest::RequestBuilder| match body {
            Some(text) => request.header("content-type", "application/json").body(text.to_owned()),
            None => request,
        };
        call(repeat, || self.once(&what, method, &url, &add)).await
    }
}
