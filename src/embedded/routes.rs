//! The API half: sign-in, discovery calls, block scripts; each refuses what the remote service refuses.

use super::store::{self, Accepted, Store, Stream};
use super::{storage, store::hash};
use crate::catalog;
use crate::logs::vendor;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const TOKEN_GOOD_FOR: u64 = 3_600;
const GLOBAL: &str = "Global View";

#[derive(Clone)]
struct Api {
    store: Arc<Store>,
    addr: SocketAddr,
    calls: Arc<Mutex<VecDeque<Instant>>>,
    calls_a_minute: usize,
}

/// An answer that says no; boxed, since most answers say yes.
struct Refusal(Box<Response>);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

type Parameters = Query<HashMap<String, String>>;

pub(super) fn router(store: Arc<Store>, addr: SocketAddr, calls_a_minute: usize) -> Router {
    let api = Api { store, addr, calls: Arc::default(), calls_a_minute };
    let mut router = Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(token))
        .route("/storage/uploads/{blob}", put(store_blob));
    // The portal's own prefix is an alias.
    for prefix in ["/api", "/cas/api"] {
        router = router
            .route(&format!("{prefix}/v1/discovery/upload_url/"), get(upload_url))
            .route(&format!("{prefix}/v1/discovery/done_upload/"), post(done_upload))
            .route(&format!("{prefix}/discovery/streams/"), get(streams))
            .route(&format!("{prefix}/v1/discovery/discovered_apps/categories/"), post(categories))
            .route(&format!("{prefix}/discovery_block_scripts/"), get(block_scripts));
    }
    router.fallback(not_found).layer(axum::extract::DefaultBodyLimit::max(1 << 20)).with_state(api)
}

fn answer(status: StatusCode, document: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

fn detail(status: StatusCode, text: &str) -> Refusal {
    Refusal(Box::new(answer(status, &json!({ "detail": text }))))
}

async fn not_found() -> Response {
    let page = "<!DOCTYPE html><html><head><title>Page not found</title></head><body>Page not found</body></html>";
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/html")], page).into_response()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Api {
    fn key(&self) -> hmac::Key {
        self.store.read(|state| hmac::Key::new(hmac::HMAC_SHA256, format!("token {}", state.key).as_bytes()))
    }

    /// The budget first, then the token, then its role: the order of the remote service.
    fn admit(&self, headers: &HeaderMap, roles: &[&str]) -> Result<(), Refusal> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while calls.front().is_some_and(|first| now.duration_since(*first) >= Duration::from_secs(60)) {
            calls.pop_front();
        }
        if calls.len() >= self.calls_a_minute {
            let wait = calls.front().map_or(60, |first| 60 - now.duration_since(*first).as_secs().min(59));
            let text = format!("Request was throttled. Expected available in {wait} seconds.");
            let mut refusal = detail(StatusCode::TOO_MANY_REQUESTS, &text);
            refusal.0.headers_mut().insert(header::RETRY_AFTER, wait.into());
            return Err(refusal);
        }
        calls.push_back(now);
        drop(calls);
        let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let granted = token.strip_prefix("Bearer ").and_then(|token| self.roles(token));
        let granted = granted.ok_or_else(|| detail(StatusCode::UNAUTHORIZED, "Invalid token"))?;
        if granted.iter().any(|role| roles.iter().any(|wanted| role.eq_ignore_ascii_case(wanted))) {
            return Ok(());
        }
        Err(detail(StatusCode::FORBIDDEN, "Insufficient role based permissions"))
    }

    /// The roles in a token of ours that is still good.
    fn roles(&self, token: &str) -> Option<Vec<String>> {
        let (signed, tag) = token.rsplit_once('.')?;
        hmac::verify(&self.key(), signed.as_bytes(), &URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split('.').nth(1)?).ok()?).ok()?;
        if claims["exp"].as_u64()? <= now() {
            return None;
        }
        claims["roles"].as_array()?.iter().map(|role| role.as_str().map(str::to_owned)).collect()
    }
}

const READ: &[&str] = &["discovery.read", "discovery.manage"];
const MANAGE: &[&str] = &["discovery.manage"];

async fn token(State(api): State<Api>, Path(tenant): Path<String>, body: Bytes) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let refuse = |code: u32, message: &str| {
        let description = format!("AADSTS{code}: {message}");
        answer(
            StatusCode::UNAUTHORIZED,
            &json!({ "error": "invalid_client", "error_description": description, "error_codes": [code] }),
        )
    };
    let (known_tenant, application) =
        api.store.read(|state| (state.tenant_id.clone(), state.applications.get(text("client_id")).cloned()));
    if tenant != known_tenant {
        return refuse(90002, "the tenant was not found.");
    }
    let Some(application) = application else { return refuse(700016, "the application was not found in the tenant.") };
    if text("grant_type") != "client_credentials" || text("scope").is_empty() {
        return answer(StatusCode::BAD_REQUEST, &json!({ "error": "invalid_request" }));
    }
    if hash(text("client_secret")) != application.secret_hash {
        return refuse(7000215, "Invalid client secret provided.");
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims =
        json!({ "appid": text("client_id"), "roles": application.roles, "ver": "1.0", "exp": now() + TOKEN_GOOD_FOR });
    let signed = format!("{}.{}", encode(&json!({ "alg": "HS256", "typ": "JWT" })), encode(&claims));
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&api.key(), signed.as_bytes())));
    answer(StatusCode::OK, &json!({ "token_type": "Bearer", "expires_in": TOKEN_GOOD_FOR, "access_token": token }))
}

async fn upload_url(State(api): State<Api>, headers: HeaderMap, Query(query): Parameters) -> Result<Response, Refusal> {
    api.admit(&headers, MANAGE)?;
    let text = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let wrong = |field: &str, value: &str| {
        let error =
            json!({ "error": format!("{value} is not valid"), "errorMessageCode": "CONSOLE_FORMS_NOT_VALID_VALUE" });
        Refusal(Box::new(answer(StatusCode::BAD_REQUEST, &json!({ field: [error], "error": true }))))
    };
    if text("filename").is_empty() {
        return Err(wrong("filename", ""));
    }
    let source = text("source").to_owned();
    if vendor::find(&source).is_none() {
        return Err(wrong("source", &source));
    }
    let granted = store::random().and_then(|blob| {
        api.store.change(|state| {
            state.granted.insert(blob.clone(), source);
            Ok(())
        })?;
        Ok(blob)
    });
    let blob = granted.map_err(|error| detail(StatusCode::INTERNAL_SERVER_ERROR, &error.one_line()))?;
    let url = format!("http://{}/storage/uploads/{blob}?{}", api.addr, storage::signed(&api.store, &blob));
    Ok(answer(StatusCode::OK, &json!({ "url": url, "provider": "azure" })))
}

async fn store_blob(
    State(api): State<Api>,
    Path(blob): Path<String>,
    Query(query): Parameters,
    headers: HeaderMap,
    body: Body,
) -> Response {
    storage::put(&api.store, &blob, &query, &headers, body).await
}

async fn done_upload(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    api.admit(&headers, MANAGE)?;
    let bad = |text: &str| detail(StatusCode::BAD_REQUEST, text);
    let form = || url::form_urlencoded::parse(&body).into_owned().map(|(k, v)| (k, Value::from(v))).collect();
    let fields: serde_json::Map<String, Value> = serde_json::from_slice(&body).unwrap_or_else(|_| form());
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let url = url::Url::parse(text("uploadUrl")).map_err(|_| bad("uploadUrl is not an address"))?;
    let blob = url.path().strip_prefix("/storage/uploads/").unwrap_or_default().to_owned();
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    if !storage::verify(&api.store, &blob, &query) {
        return Err(bad("uploadUrl is none of ours, or has expired"));
    }
    if !api.store.blob(&blob).is_file() {
        return Err(bad("nothing was stored under uploadUrl"));
    }
    let name = text("inputStreamName");
    let snapshot = fields.get("uploadAsSnapshot").is_some_and(|value| value == true || value == "true");
    let accepted = api.store.change(|state| {
        let log_type = state.granted.get(&blob).cloned().unwrap_or_default();
        let known = state.stream(name).map(|stream| stream.id.clone());
        let stream = match known {
            Some(id) if !snapshot => id,
            _ if snapshot && !name.is_empty() => {
                let stream = store::new_stream(name, &log_type, true)?;
                let id = stream.id.clone();
                state.streams.push(stream);
                id
            }
            _ => return Ok(None),
        };
        let number = state.accepted.len() as u64 + 1;
        let accepted =
            Accepted { number, blob, stream: stream.clone(), processed: false, lines: 0, records: 0, refused: None };
        state.accepted.push(accepted);
        Ok(Some(stream))
    });
    match accepted {
        Err(error) => Err(detail(StatusCode::INTERNAL_SERVER_ERROR, &error.one_line())),
        Ok(Some(stream)) => Ok(answer(StatusCode::OK, &json!({ "success": true, "inputStreamId": stream }))),
        Ok(None) => {
            let code = "CONSOLE_DISCOVERY_SETTINGS_PARSE_LOG_TASK_ERROR_NOT_FOUND_INPUT_STREAM";
            Err(Refusal(Box::new(answer(StatusCode::BAD_REQUEST, &json!({ "errorMessageCode": code, "error": true })))))
        }
    }
}

fn stream_document(stream: &Stream) -> Value {
    let log_type = vendor::find(&stream.log_type).map(|format| format.id);
    json!({
        "_id": stream.id, "displayName": stream.name, "logType": log_type, "receiverType": "ftp",
        "streamType": if stream.snapshot { 5 } else { 1 }, "lastDataReceived": stream.last_data_received,
        "logFilesHistoryCount": stream.history, "logFilesFailsCount": stream.fails,
        "comment": "embedded service",
    })
}

async fn streams(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Refusal> {
    api.admit(&headers, READ)?;
    let list = api.store.read(|state| {
        let continuous = || state.streams.iter().filter(|stream| !stream.snapshot);
        let mut list = vec![json!({
            "_id": "000000000000000000000000", "displayName": GLOBAL, "streamType": 3,
            "logFilesHistoryCount": continuous().map(|s| s.history).sum::<u64>(),
            "logFilesFailsCount": continuous().map(|s| s.fails).sum::<u64>(),
            "lastDataReceived": continuous().filter_map(|s| s.last_data_received.clone()).max(),
        })];
        list.extend(state.streams.iter().map(stream_document));
        list
    });
    Ok(answer(StatusCode::OK, &json!({ "streams": list })))
}

/// The page asked for: `skip` and `limit`, at most 100.
fn page<T>(list: Vec<T>, skip: u64, limit: Option<u64>) -> (Vec<T>, bool) {
    let (skip, limit) = (usize::try_from(skip).unwrap_or(usize::MAX), limit.unwrap_or(100).min(100));
    let limit = usize::try_from(limit).unwrap_or(100);
    let more = list.len() > skip.saturating_add(limit);
    (list.into_iter().skip(skip).take(limit).collect(), more)
}

async fn categories(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    api.admit(&headers, READ)?;
    let query: Value =
        serde_json::from_slice(&body).map_err(|_| detail(StatusCode::BAD_REQUEST, "the body is not JSON"))?;
    let id = query["streamId"].as_str().unwrap_or_default().to_owned();
    let apps: Option<Vec<u32>> = api.store.read(|state| {
        let global = id == "0".repeat(24);
        let mut streams = state.streams.iter().filter(|s| s.id == id || (global && !s.snapshot)).peekable();
        (global || streams.peek().is_some()).then(|| streams.flat_map(|stream| stream.apps.keys().copied()).collect())
    });
    let apps = apps.ok_or_else(|| detail(StatusCode::BAD_REQUEST, "streamId is not known"))?;
    let mut totals: BTreeMap<&str, std::collections::BTreeSet<u32>> = BTreeMap::new();
    for app in catalog::all().iter().filter(|app| apps.contains(&app.id)) {
        totals.entry(&app.category).or_default().insert(app.id);
    }
    let list: Vec<Value> = totals.iter().map(|(id, apps)| json!({ "id": id, "total": apps.len() })).collect();
    let (data, more) = page(list, query["skip"].as_u64().unwrap_or(0), query["limit"].as_u64());
    Ok(answer(StatusCode::OK, &json!({ "data": data, "hasNext": more })))
}

async fn block_scripts(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Result<Response, Refusal> {
    api.admit(&headers, MANAGE)?;
    let banned = api.store.read(|state| state.banned.clone());
    let want_banned = match query.get("type").map(String::as_str) {
        None | Some("banned") => true,
        Some("allowed") => false,
        Some(_) => return Err(detail(StatusCode::BAD_REQUEST, "type is banned or allowed")),
    };
    // What is not banned is not therefore sanctioned; the soundest apps are.
    let apps = catalog::all().iter().filter(|app| if want_banned { banned.contains(&app.id) } else { app.score >= 9 });
    let Some(format) = query.get("format") else {
        let list = apps.map(|app| json!({ "name": app.name, "appId": app.id, "domainList": app.domains })).collect();
        let number = |name: &str| query.get(name).and_then(|text| text.parse().ok());
        let (data, more) = page::<Value>(list, number("skip").unwrap_or(0), number("limit"));
        return Ok(answer(StatusCode::OK, &json!({ "data": data, "hasNext": more })));
    };
    let format = format.parse().unwrap_or(0);
    match crate::block::official::render(format, apps.flat_map(|app| app.domains.iter().copied())) {
        Some(text) => Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()),
        None => Err(detail(StatusCode::BAD_REQUEST, "format is not known")),
    }
}
