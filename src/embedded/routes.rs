//! What every call has in common: the list of families, admission (budget, then token, then role), and the shapes of
//! refusals.

use super::reports::Reports;
use super::store::Store;
use super::{
    Rules, Throttle, activities, alerts, blocking, discovery, entities, files, graph, page, sign_in, storage, subnets,
    token,
};
use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The families of the API: each lists its calls with paths below `/api`.
const FAMILIES: [fn() -> Router<Api>; 7] = [
    discovery::routes,
    blocking::routes,
    alerts::routes,
    activities::routes,
    entities::routes,
    subnets::routes,
    files::routes,
];

/// What each call works with.
#[derive(Clone)]
pub(super) struct Api {
    pub store: Arc<Store>,
    pub reports: Arc<Reports>,
    pub addr: SocketAddr,
    pub rules: Arc<Rules>,
    pub codes: Arc<sign_in::Codes>,
    calls: Arc<Mutex<VecDeque<Instant>>>,
}

/// An answer that says no; boxed, since most answers say yes.
pub(super) struct Refusal(Box<Response>);

impl From<Response> for Refusal {
    fn from(response: Response) -> Refusal {
        Refusal(Box::new(response))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// The query of a call.
pub(super) type Parameters = Query<HashMap<String, String>>;

/// Who calls, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// Roles, lower case; `None` for a legacy token, which has every right of its maker.
    pub roles: Option<Vec<String>>,
}

/// A permission that includes every discovery call, and one that only reads.
pub(super) const READ: &[&str] = &["discovery.read", "discovery.manage"];
pub(super) const MANAGE: &[&str] = &["discovery.manage"];

pub(super) fn router(store: Arc<Store>, reports: Arc<Reports>, addr: SocketAddr, rules: Rules) -> Router {
    let api = Api { store, reports, addr, rules: Arc::new(rules), codes: Arc::default(), calls: Arc::default() };
    let families = FAMILIES.iter().fold(Router::new(), |all, family| all.merge(family()));
    Router::new()
        .merge(token::routes())
        .merge(storage::routes())
        .merge(graph::routes())
        .merge(sign_in::routes())
        .merge(page::routes())
        .nest("/api", families.clone())
        // The portal's own prefix is an alias.
        .nest("/cas/api", families)
        .fallback(elsewhere)
        .layer(axum::extract::DefaultBodyLimit::max(1 << 20))
        .with_state(api)
}

/// A JSON answer.
pub(super) fn answer(status: StatusCode, document: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

/// A refusal as most calls word it.
pub(super) fn detail(status: StatusCode, text: &str) -> Refusal {
    Refusal(Box::new(answer(status, &json!({ "detail": text }))))
}

/// A refusal that is this JSON document.
pub(super) fn refuse(status: StatusCode, document: &Value) -> Refusal {
    Refusal(Box::new(answer(status, document)))
}

/// A parameter's value that is not allowed.
pub(super) fn invalid(field: &str, value: &str) -> Refusal {
    let error = json!({
        "error": format!("{value} is not valid"),
        "errorMessageCode": "CONSOLE_FORMS_NOT_VALID_VALUE",
        "errorMessageParams": { "value": value },
    });
    refuse(StatusCode::BAD_REQUEST, &json!({ field: [error], "error": true }))
}

/// What does not exist: a page, as the remote service shows one.
pub(super) fn not_found() -> Refusal {
    Refusal(Box::new(page(StatusCode::NOT_FOUND, "Page not found")))
}

/// Our own failure: a page, as the remote service shows one.
pub(super) fn broken(error: &crate::error::Error) -> Refusal {
    tracing::error!("{}", error.one_line());
    Refusal(Box::new(page(StatusCode::INTERNAL_SERVER_ERROR, "Internal error")))
}

fn page(status: StatusCode, title: &str) -> Response {
    let text = format!(
        "<!DOCTYPE html><html><head><title>{title}</title><script>var __LOGWEIR_CONSTS = {{}};</script></head><body>{title}</body></html>"
    );
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
}

/// What is no route: a path of the API without its last slash is redirected, which costs a POST its body; all else is a
/// page.
async fn elsewhere(uri: Uri) -> Response {
    let path = uri.path();
    let of_the_api = path.starts_with("/api/") || path.starts_with("/cas/api/");
    if of_the_api && !path.ends_with('/') {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, format!("{path}/{query}"))]).into_response();
    }
    page(StatusCode::NOT_FOUND, "Page not found")
}

/// Seconds of the Unix epoch.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Api {
    /// What signs tokens.
    pub(super) fn key(&self) -> hmac::Key {
        self.store.read(|state| hmac::Key::new(hmac::HMAC_SHA256, format!("token {}", state.key).as_bytes()))
    }

    /// The budget first, then the token, then its role: the order of the remote service.
    pub(super) fn admit(&self, headers: &HeaderMap, roles: &[&str]) -> Result<Caller, Refusal> {
        self.draw()?;
        let credential = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let caller = match credential.split_once(' ') {
            Some(("Bearer", token)) => self.roles(token).map(|roles| Caller { roles: Some(roles) }),
            Some(("Token", token)) => self.legacy(token).then_some(Caller { roles: None }),
            _ => None,
        };
        let caller = caller.ok_or_else(|| detail(StatusCode::UNAUTHORIZED, "Invalid token"))?;
        let held = |role: &String| roles.iter().any(|wanted| role.eq_ignore_ascii_case(wanted));
        if caller.roles.as_ref().is_none_or(|granted| granted.iter().any(held)) {
            return Ok(caller);
        }
        Err(detail(StatusCode::FORBIDDEN, "Insufficient role based permissions"))
    }

    /// Takes a call out of the tenant's budget.
    fn draw(&self) -> Result<(), Refusal> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while calls.front().is_some_and(|first| now.duration_since(*first) >= Duration::from_secs(60)) {
            calls.pop_front();
        }
        if calls.len() < self.rules.calls_a_minute {
            calls.push_back(now);
            return Ok(());
        }
        let wait = calls.front().map_or(60, |first| 60 - now.duration_since(*first).as_secs().min(59));
        let text = format!("Request was throttled. Expected available in {wait} seconds.");
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut refusal = match self.rules.throttle {
            Throttle::Full | Throttle::Text => detail(status, &text),
            Throttle::Header | Throttle::Bare => Refusal(Box::new(status.into_response())),
        };
        if matches!(self.rules.throttle, Throttle::Full | Throttle::Header) {
            refusal.0.headers_mut().insert(header::RETRY_AFTER, wait.into());
        }
        Err(refusal)
    }

    /// The roles in a token of ours that is still good.
    pub(super) fn roles(&self, token: &str) -> Option<Vec<String>> {
        let (signed, tag) = token.rsplit_once('.')?;
        hmac::verify(&self.key(), signed.as_bytes(), &URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split('.').nth(1)?).ok()?).ok()?;
        if claims["exp"].as_u64()? <= now() {
            return None;
        }
        if let Some(scopes) = claims["scp"].as_str() {
            return Some(scopes.split_whitespace().map(str::to_owned).collect());
        }
        claims["roles"].as_array()?.iter().map(|role| role.as_str().map(str::to_owned)).collect()
    }

    fn legacy(&self, token: &str) -> bool {
        let hash = super::store::hash(token);
        self.store.read(|state| state.tokens.values().any(|known| *known == hash))
    }
}

/// The page asked for: `skip` and `limit`, at most 100.
pub(super) fn page_of<T>(list: Vec<T>, skip: u64, limit: Option<u64>) -> (Vec<T>, bool) {
    let (skip, limit) = (usize::try_from(skip).unwrap_or(usize::MAX), limit.unwrap_or(100).min(100));
    let limit = usize::try_from(limit).unwrap_or(100);
    let more = list.len() > skip.saturating_add(limit);
    (list.into_iter().skip(skip).take(limit).collect(), more)
}
