//! Sign-in of a person by device code: the code's endpoint, the page where it is typed, the grants that follow.
//!
//! Codes live in memory for 15 minutes; refresh tokens are signed, and good until the service's key changes. Any user
//! name is believed: this is the embedded service, on loopback. The application's roles become the user's scopes.

use super::routes::{Api, answer, now};
use super::store::random;
use super::token::{Refused, issue};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// How long a code is good, in seconds.
const GOOD_FOR: u64 = 900;
/// How long a client shall wait between two polls, in seconds.
const INTERVAL: u64 = 1;
/// Most codes that wait at once.
const MOST: usize = 1_000;

/// A code that was given out.
struct Waiting {
    code: String,
    client_id: String,
    until: u64,
    /// The user, once signed in; `None` inside when they declined.
    decided: Option<Option<String>>,
    polled: u64,
}

/// The codes given out, by device code.
#[derive(Default)]
pub(super) struct Codes(Mutex<BTreeMap<String, Waiting>>);

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/{tenant}/oauth2/v2.0/devicecode", post(begin)).route("/devicelogin", get(form).post(decide))
}

async fn begin(State(api): State<Api>, Path(tenant): Path<String>, body: Bytes) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let client_id = form.get("client_id").cloned().unwrap_or_default();
    let (known, exists) =
        api.store.read(|state| (state.tenant_id.clone(), state.applications.contains_key(&client_id)));
    if tenant != known {
        return Refused::request(90_002, "Tenant not found.").response();
    }
    if !exists {
        let message = "Application was not found in the directory.".to_owned();
        return Refused { error: "unauthorized_client", code: 700_016, message }.response();
    }
    let (Ok(device), Ok(code)) = (random(), random()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let code = code[..8].to_uppercase();
    let mut codes = api.codes.0.lock().unwrap_or_else(PoisonError::into_inner);
    codes.retain(|_, waiting| waiting.until > now());
    if codes.len() >= MOST {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    codes.insert(
        device.clone(),
        Waiting { code: code.clone(), client_id, until: now() + GOOD_FOR, decided: None, polled: 0 },
    );
    let page = format!("http://{}/devicelogin", api.addr);
    answer(
        StatusCode::OK,
        &json!({
            "user_code": code, "device_code": device, "verification_uri": page, "expires_in": GOOD_FOR, "interval": INTERVAL,
            "message": format!("To sign in, open {page} and enter the code {code}."),
        }),
    )
}

async fn form() -> Response {
    let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form method=\"post\"><p>Code <input name=\"code\">\
        <p>User <input name=\"user\"><p><button name=\"answer\" value=\"yes\">Sign in</button> \
        <button name=\"answer\" value=\"no\">Decline</button></form></body></html>";
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

async fn decide(State(api): State<Api>, body: Bytes) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default().trim();
    let (code, user) = (text("code").to_uppercase(), text("user"));
    let declined = text("answer") == "no";
    let legal = !user.is_empty() && user.len() <= 256 && !user.chars().any(char::is_control);
    let mut codes = api.codes.0.lock().unwrap_or_else(PoisonError::into_inner);
    let found =
        codes.values_mut().find(|waiting| waiting.code == code && waiting.until > now() && waiting.decided.is_none());
    match found {
        Some(waiting) if declined || legal => {
            waiting.decided = Some((!declined).then(|| user.to_owned()));
            (StatusCode::OK, "Done; go back to the device.").into_response()
        }
        Some(_) => (StatusCode::BAD_REQUEST, "Name a user.").into_response(),
        None => (StatusCode::BAD_REQUEST, "No such code.").into_response(),
    }
}

/// The grants of a signed-in person; `None` for another kind of grant.
pub(super) fn grant(api: &Api, resource: &str, form: &HashMap<String, String>) -> Option<Result<Value, Refused>> {
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    match text("grant_type") {
        "urn:ietf:params:oauth:grant-type:device_code" => {
            Some(by_code(api, resource, text("client_id"), text("device_code")))
        }
        "refresh_token" => Some(by_refresh(api, resource, text("client_id"), text("refresh_token"))),
        _ => None,
    }
}

fn by_code(api: &Api, resource: &str, client_id: &str, device: &str) -> Result<Value, Refused> {
    let said = |error: &'static str, code: u32, message: &str| Refused { error, code, message: message.to_owned() };
    let mut codes = api.codes.0.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(waiting) = codes.get_mut(device).filter(|waiting| waiting.client_id == client_id) else {
        return Err(said("bad_verification_code", 70_018, "Invalid verification code."));
    };
    if waiting.until <= now() {
        return Err(said("expired_token", 70_020, "The code has expired."));
    }
    let user = match waiting.decided.take() {
        None => {
            let hasty = std::mem::replace(&mut waiting.polled, now()) + INTERVAL > now();
            return Err(if hasty {
                said("slow_down", 70_021, "Poll more slowly.")
            } else {
                said("authorization_pending", 70_016, "Pending end-user authorization.")
            });
        }
        Some(user) => user,
    };
    codes.remove(device);
    drop(codes);
    let user = user.ok_or_else(|| said("authorization_declined", 70_019, "The user declined."))?;
    for_user(api, resource, client_id, &user)
}

fn by_refresh(api: &Api, resource: &str, client_id: &str, token: &str) -> Result<Value, Refused> {
    let ended =
        || Refused { error: "invalid_grant", code: 700_082, message: "The refresh token is not good.".to_owned() };
    let (signed, tag) = token.rsplit_once('.').ok_or_else(ended)?;
    let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| ended())?;
    hmac::verify(&api.key(), format!("refresh {signed}").as_bytes(), &tag).map_err(|_| ended())?;
    let kept = URL_SAFE_NO_PAD.decode(signed).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let kept = kept.filter(|kept| kept["client_id"] == *client_id).ok_or_else(ended)?;
    for_user(api, resource, client_id, kept["user"].as_str().unwrap_or_default())
}

fn for_user(api: &Api, resource: &str, client_id: &str, user: &str) -> Result<Value, Refused> {
    let application = api.store.read(|state| state.applications.get(client_id).cloned());
    let application = application.ok_or_else(|| Refused {
        error: "unauthorized_client",
        code: 700_016,
        message: "No such application.".to_owned(),
    })?;
    let mut document = issue(api, client_id, resource, &application, false, Some(user));
    let signed = URL_SAFE_NO_PAD
        .encode(json!({ "client_id": client_id, "user": user, "id": random().unwrap_or_default() }).to_string());
    let tag = hmac::sign(&api.key(), format!("refresh {signed}").as_bytes());
    document["refresh_token"] = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)).into();
    Ok(document)
}
