//! The pages of the reports: for a browser on this host, read only, without a sign-in.
//!
//! They show who used what, so they go to nobody else: the caller's address must be a loopback one, and so must the
//! name it was called by, or a web page elsewhere could have a browser here fetch them under a name of its own.

use super::routes::{Api, Refusal, broken, not_found};
use crate::discover::html;
use axum::Router;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/", get(global)).route("/reports/{id}", get(one))
}

/// Whether the name in `Host` is this host's own.
fn own_name(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn admit(headers: &HeaderMap, caller: SocketAddr) -> Result<(), Refusal> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if caller.ip().to_canonical().is_loopback() && own_name(host) {
        return Ok(());
    }
    let text = "The reports are shown on the host of the service only, under a loopback address.\n";
    Err(Refusal::from((StatusCode::FORBIDDEN, text).into_response()))
}

type Caller = ConnectInfo<SocketAddr>;

async fn global(State(api): State<Api>, ConnectInfo(caller): Caller, headers: HeaderMap) -> Result<Response, Refusal> {
    admit(&headers, caller)?;
    shown(&api, |api| Some(api.reports.global_page(&api.store))).await
}

async fn one(
    State(api): State<Api>,
    ConnectInfo(caller): Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    admit(&headers, caller)?;
    shown(&api, move |api| api.reports.page(&api.store, &id)).await
}

/// Draws the page off the threads that answer calls.
async fn shown(api: &Api, draw: impl FnOnce(&Api) -> Option<Arc<str>> + Send + 'static) -> Result<Response, Refusal> {
    let api = api.clone();
    let page = tokio::task::spawn_blocking(move || draw(&api)).await;
    let page = page.map_err(|error| broken(&crate::error::Error::failed("the page was not drawn").cause(error)))?;
    let page = page.ok_or_else(not_found)?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, format!("{}; frame-ancestors 'none'", html::policy())),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    Ok((headers, page.to_string()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_our_own() {
        for host in ["localhost", "LOCALHOST:8443", "127.0.0.1:1", "127.8.9.1", "[::1]:8443", "[::1]"] {
            assert!(own_name(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:8443", "192.0.2.1", "[2001:db8::1]:80", "127.0.0.1.example"]
        {
            assert!(!own_name(host), "{host}");
        }
    }
}
