//! The token endpoint, v2 and v1: client secret or signed assertion in, a token with v1-style claims out.

use super::routes::{Api, answer, now};
use super::store::{RegisteredApplication, hash};
use super::{assertion, graph, sign_in, store};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The API's resource id in Entra.
const RESOURCE: &str = "05a65629-4c1b-48c1-a78b-804c4abdd4af";
/// Microsoft Graph's.
const GRAPH: &str = "https://graph.microsoft.com";

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/{tenant}/oauth2/v2.0/token", post(token)).route("/{tenant}/oauth2/token", post(token))
}

/// A refusal with the code that the real endpoint gives.
pub(super) struct Refused {
    pub error: &'static str,
    pub code: u32,
    pub message: String,
}

impl Refused {
    /// A refusal of the client itself.
    pub(super) fn client(code: u32, message: impl Into<String>) -> Refused {
        Refused { error: "invalid_client", code, message: message.into() }
    }

    /// A refusal of the request's form.
    pub(super) fn request(code: u32, message: impl Into<String>) -> Refused {
        Refused { error: "invalid_request", code, message: message.into() }
    }

    pub(super) fn response(&self) -> Response {
        let status = if self.error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        let id = store::random().unwrap_or_default();
        let document = json!({
            "error": self.error,
            "error_description": format!("AADSTS{}: {} Trace ID: {id}", self.code, self.message),
            "error_codes": [self.code],
            "trace_id": id,
            "correlation_id": id,
        });
        answer(status, &document)
    }
}

async fn token(
    State(api): State<Api>,
    Path(tenant): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let endpoint = format!("{host}{}", uri.path());
    let v1 = !uri.path().contains("/v2.0/");
    match grant(&api, &tenant, &endpoint, v1, &form) {
        Ok(document) => answer(StatusCode::OK, &document),
        Err(refused) => refused.response(),
    }
}

fn grant(api: &Api, tenant: &str, endpoint: &str, v1: bool, form: &HashMap<String, String>) -> Result<Value, Refused> {
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let client_id = text("client_id");
    let (known, application) =
        api.store.read(|state| (state.tenant_id.clone(), state.applications.get(client_id).cloned()));
    if tenant != known {
        return Err(Refused::request(90_002, format!("Tenant '{}' not found.", short(tenant))));
    }
    let scope = text("scope").split_whitespace().next().unwrap_or_default();
    // A person asks for one permission or for all that were granted; an application can ask for all only.
    let asked = if v1 { text("resource") } else { scope.rsplit_once('/').map_or("", |(resource, _)| resource) };
    if let Some(signed_in) = sign_in::grant(api, if asked.is_empty() { RESOURCE } else { asked }, form) {
        return signed_in;
    }
    if text("grant_type") != "client_credentials" {
        let message = format!("The app requested an unsupported grant type '{}'.", short(text("grant_type")));
        return Err(Refused { error: "unsupported_grant_type", code: 70_003, message });
    }
    let asked = if v1 { text("resource") } else { text("scope").strip_suffix("/.default").unwrap_or_default() };
    if asked.is_empty() {
        let name = if v1 { "resource" } else { "scope" };
        return Err(Refused::request(900_144, format!("The request body must contain the parameter '{name}'.")));
    }
    if asked != RESOURCE && asked != GRAPH {
        let message = format!("The resource principal named {} was not found in the tenant.", short(asked));
        return Err(Refused { error: "invalid_resource", code: 500_011, message });
    }
    let Some(application) = application else {
        let message = format!("Application with identifier '{}' was not found in the directory.", short(client_id));
        return Err(Refused { error: "unauthorized_client", code: 700_016, message });
    };
    let by_certificate = !text("client_assertion").is_empty();
    if by_certificate {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        if text("client_assertion_type") != kind {
            return Err(Refused::request(700_025, format!("client_assertion_type must be {kind}.")));
        }
        assertion::check(text("client_assertion"), &application, client_id, endpoint, now())?;
    } else if text("client_secret").is_empty() {
        let message = "The request body must contain client_secret or client_assertion.";
        return Err(Refused::client(7_000_218, message));
    } else if hash(text("client_secret")) != application.secret_hash {
        return Err(Refused::client(7_000_215, "Invalid client secret provided."));
    }
    Ok(issue(api, client_id, asked, &application, by_certificate, None))
}

/// What a caller sent, short enough to be said back.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// A token with the claims of the v1 format, which the real endpoint issues for this API whatever endpoint is asked.
pub(super) fn issue(
    api: &Api,
    client_id: &str,
    resource: &str,
    application: &RegisteredApplication,
    by_certificate: bool,
    user: Option<&str>,
) -> Value {
    let tenant = api.store.read(|state| state.tenant_id.clone());
    let (issued, good_for) = (now(), api.rules.token_good_for.as_secs());
    let of_graph = |role: &&String| role.eq_ignore_ascii_case(graph::ROLE);
    let roles: Vec<&String> = application.roles.iter().filter(|role| of_graph(role) == (resource == GRAPH)).collect();
    let mut claims = json!({
        "aud": resource, "iss": format!("http://{}/{tenant}/", api.addr), "tid": tenant, "appid": client_id,
        "appidacr": if by_certificate { "2" } else { "1" }, "roles": roles, "ver": "1.0",
        "iat": issued, "nbf": issued, "exp": issued + good_for,
    });
    if let (Some(user), Value::Object(claims)) = (user, &mut claims) {
        // A person's token says in `scp` what an application's says in `roles`.
        claims.remove("roles");
        claims.insert("upn".to_owned(), user.into());
        claims.insert("scp".to_owned(), roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" ").into());
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({ "alg": "HS256", "typ": "JWT" })), encode(&claims));
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&api.key(), signed.as_bytes())));
    json!({ "token_type": "Bearer", "expires_in": good_for, "ext_expires_in": good_for, "access_token": token })
}
