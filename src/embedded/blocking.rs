//! Block scripts as text for the seven appliances, and the verdict as JSON pages.

use super::routes::{Api, MANAGE, Parameters, Refusal, answer, invalid, page_of};
use crate::block::official;
use crate::catalog;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/discovery_block_scripts/", get(block_scripts))
}

async fn block_scripts(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Result<Response, Refusal> {
    api.admit(&headers, MANAGE)?;
    let (banned, sanctioned) = api.store.read(|state| (state.banned.clone(), state.sanctioned.clone()));
    let want_banned = match query.get("type").map(String::as_str) {
        None | Some("banned") => true,
        Some("allowed") => false,
        Some(other) => return Err(invalid("type", other)),
    };
    // What is not banned is not therefore sanctioned; while nobody decided, the soundest apps are.
    let allowed = |app: &catalog::App| sanctioned.as_ref().map_or(app.score() >= 9, |ids| ids.contains(&app.id));
    let apps = catalog::all().iter().filter(|app| if want_banned { banned.contains(&app.id) } else { allowed(app) });
    let Some(format) = query.get("format") else {
        let list = apps.map(|app| json!({ "name": app.name, "appId": app.id, "domainList": app.domains })).collect();
        let number = |name: &str| query.get(name).and_then(|text| text.parse().ok());
        let (data, more) = page_of::<Value>(list, number("skip").unwrap_or(0), number("limit"));
        return Ok(answer(StatusCode::OK, &json!({ "data": data, "hasNext": more })));
    };
    let domains = apps.flat_map(|app| app.domains.iter().map(String::as_str));
    match format.parse().ok().and_then(|number| official::render(number, domains)) {
        Some(text) => Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()),
        None => Err(invalid("format", format)),
    }
}
