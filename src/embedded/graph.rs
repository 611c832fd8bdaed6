//! Microsoft Graph's share: streams, discovered apps, their users and addresses, from what was imported.

use super::families::{Usage, day, iso, millis};
use super::routes::{Api, Parameters, Refusal, answer, refuse};
use crate::catalog::{Catalog, Trait};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The permission, as a token holds it.
pub(super) const ROLE: &str = "cloudapp-discovery.read.all";
const PAGE: usize = 100;
const STREAMS: &str = "/beta/security/dataDiscovery/cloudAppDiscovery/uploadedStreams";

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(STREAMS, get(streams))
        .route(&format!("{STREAMS}/{{stream}}/{{function}}"), get(apps))
        .route(&format!("{STREAMS}/{{stream}}/{{function}}/{{app}}"), get(app))
        .route(&format!("{STREAMS}/{{stream}}/{{function}}/{{app}}/{{relation}}"), get(relation))
}

fn error(status: StatusCode, code: &str, message: &str) -> Refusal {
    refuse(status, &json!({ "error": { "code": code, "message": message } }))
}

fn missing() -> Refusal {
    error(StatusCode::NOT_FOUND, "ResourceNotFound", "Resource not found.")
}

/// Token, then permission; the service's budget of calls is not Graph's.
fn admit(api: &Api, headers: &HeaderMap) -> Result<(), Refusal> {
    let credential = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let roles = credential.strip_prefix("Bearer ").and_then(|token| api.roles(token));
    let roles = roles
        .ok_or_else(|| error(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", "Access token is invalid."))?;
    if roles.iter().any(|role| role.eq_ignore_ascii_case(ROLE)) {
        return Ok(());
    }
    Err(error(StatusCode::FORBIDDEN, "Forbidden", "Missing application roles."))
}

/// A page of 100 with the link to the next one.
fn paged(headers: &HeaderMap, uri: &Uri, list: Vec<Value>) -> Result<Response, Refusal> {
    let mut pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let skip = pairs.iter().find(|(name, _)| name == "$skip").map_or(Some(0), |(_, text)| text.parse::<usize>().ok());
    let skip = skip.ok_or_else(|| error(StatusCode::BAD_REQUEST, "BadRequest", "Invalid $skip."))?;
    let more = list.len() > skip.saturating_add(PAGE);
    let mut document = json!({ "value": list.into_iter().skip(skip).take(PAGE).collect::<Vec<_>>() });
    if more {
        pairs.retain(|(name, _)| name != "$skip");
        pairs.push(("$skip".to_owned(), (skip + PAGE).to_string()));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        document["@odata.nextLink"] = format!("http://{host}{}?{query}", uri.path()).into();
    }
    Ok(answer(StatusCode::OK, &document))
}

async fn streams(State(api): State<Api>, headers: HeaderMap, uri: Uri) -> Result<Response, Refusal> {
    admit(&api, &headers)?;
    let list = api.store.read(|state| {
        let document = |stream: &super::store::Stream| {
            json!({
                "id": stream.id, "displayName": stream.name, "description": "embedded service", "createdDateTime": stream.created,
                "lastModifiedDateTime": stream.created, "lastDataReceivedDateTime": stream.last_data_received,
                "logFileCount": stream.history, "logDataProvider": null, "receiverProtocol": "ftp", "isSnapshotReport": stream.snapshot,
                "anonymizeUserData": false, "anonymizeMachineData": false,
                "supportedEntityTypes": ["userName", "ipAddress"], "supportedTrafficTypes": ["downloadedBytes", "uploadedBytes"],
            })
        };
        state.streams.iter().map(document).collect()
    });
    paged(&headers, &uri, list)
}

/// The days of `aggregatedAppsDetails(period=duration'P30D')`, with or without its namespace.
fn days(function: &str) -> Result<i64, Refusal> {
    let function = function.strip_prefix("microsoft.graph.security.").unwrap_or(function);
    let period =
        function.strip_prefix("aggregatedAppsDetails(period=duration'").and_then(|rest| rest.strip_suffix("')"));
    match period {
        Some("P7D") => Ok(7),
        Some("P30D") => Ok(30),
        Some("P90D") => Ok(90),
        Some(_) => Err(error(StatusCode::BAD_REQUEST, "BadRequest", "period is P7D, P30D or P90D.")),
        None => Err(missing()),
    }
}

/// The usage of a stream since the first day of the period.
fn usage(api: &Api, stream: &str, function: &str) -> Result<(BTreeMap<u32, Usage>, i64), Refusal> {
    let from = day(millis()) - days(function)?;
    if !api.store.read(|state| state.streams.iter().any(|known| known.id == stream)) {
        return Err(missing());
    }
    let mut usage = api.store.families.read(|kept| kept.usage.get(stream).cloned().unwrap_or_default());
    for app in usage.values_mut() {
        app.days.retain(|day, _| *day >= from);
        app.users.retain(|_, day| *day >= from);
        app.addresses.retain(|_, day| *day >= from);
    }
    usage.retain(|_, app| !app.days.is_empty());
    Ok((usage, from))
}

/// The category in Graph's spelling: `SAASDB_CATEGORY_CLOUD_STORAGE` is `cloudStorage`.
fn category(id: &str) -> String {
    let words = id.trim_start_matches("SAASDB_CATEGORY_").split('_').enumerate();
    let cased = words.map(|(at, word)| {
        let lower = word.to_lowercase();
        if at == 0 { lower } else { lower[..1].to_uppercase() + &lower[1..] }
    });
    cased.collect()
}

fn document(id: u32, usage: &Usage) -> Option<Value> {
    let catalog = Catalog::builtin();
    let app = catalog.app(id)?;
    let sum = |count: fn(&super::families::Day) -> u64| usage.days.values().map(count).fold(0, u64::saturating_add);
    Some(json!({
        "id": id.to_string(), "displayName": app.name, "category": category(app.category.id), "riskScore": app.score(),
        "tags": [], "domains": app.domains, "userCount": usage.users.len(), "ipAddressCount": usage.addresses.len(),
        "transactionCount": sum(|day| day.transactions), "uploadNetworkTrafficInBytes": sum(|day| day.bytes_up),
        "downloadNetworkTrafficInBytes": sum(|day| day.bytes_down), "lastSeenDateTime": iso(usage.last_seen),
    }))
}

/// `riskScore le 4 and category eq 'cloudStorage'`: the part of the filter language that stands between constants.
fn passes(app: &Value, expression: &str) -> Option<bool> {
    expression.split(" and ").try_fold(true, |all, part| {
        let mut words = part.trim().splitn(3, ' ');
        let (field, operator, wanted) = (words.next()?, words.next()?, words.next()?.trim());
        let value = app.get(field)?;
        let fits = match wanted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            Some(text) => {
                let same = value.as_str()? == text.replace("''", "'");
                match operator {
                    "eq" => same,
                    "ne" => !same,
                    _ => return None,
                }
            }
            None => {
                let (value, wanted) = (value.as_i64()?, wanted.parse::<i64>().ok()?);
                match operator {
                    "eq" => value == wanted,
                    "ne" => value != wanted,
                    "le" => value <= wanted,
                    "ge" => value >= wanted,
                    _ => return None,
                }
            }
        };
        Some(all && fits)
    })
}

async fn apps(
    State(api): State<Api>,
    headers: HeaderMap,
    Path((stream, function)): Path<(String, String)>,
    Query(query): Parameters,
    uri: Uri,
) -> Result<Response, Refusal> {
    admit(&api, &headers)?;
    let (usage, _) = usage(&api, &stream, &function)?;
    let mut list: Vec<Value> = usage.iter().filter_map(|(id, usage)| document(*id, usage)).collect();
    if let Some(expression) = query.get("$filter") {
        let bad = || error(StatusCode::BAD_REQUEST, "BadRequest", "Invalid filter clause.");
        let fits = list.iter().map(|app| passes(app, expression)).collect::<Option<Vec<_>>>().ok_or_else(bad)?;
        let mut fits = fits.into_iter();
        list.retain(|_| fits.next().unwrap_or(false));
    }
    paged(&headers, &uri, list)
}

async fn app(
    State(api): State<Api>,
    headers: HeaderMap,
    Path((stream, function, id)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    admit(&api, &headers)?;
    let (usage, _) = usage(&api, &stream, &function)?;
    let id = id.parse().map_err(|_| missing())?;
    let found = usage.get(&id).and_then(|usage| document(id, usage)).ok_or_else(missing)?;
    Ok(answer(StatusCode::OK, &found))
}

async fn relation(
    State(api): State<Api>,
    headers: HeaderMap,
    Path((stream, function, id, relation)): Path<(String, String, String, String)>,
    uri: Uri,
) -> Result<Response, Refusal> {
    admit(&api, &headers)?;
    let (usage, _) = usage(&api, &stream, &function)?;
    let id: u32 = id.parse().map_err(|_| missing())?;
    let usage = usage.get(&id).ok_or_else(missing)?;
    let named = |key: &str, names: &BTreeMap<String, i64>| names.keys().map(|name| json!({ key: name })).collect();
    match relation.as_str() {
        "users" => paged(&headers, &uri, named("userIdentifier", &usage.users)),
        "ipAddresses" => paged(&headers, &uri, named("ipAddress", &usage.addresses)),
        "appInfo" => {
            let catalog = Catalog::builtin();
            let app = catalog.app(id).ok_or_else(missing)?;
            let known = Trait::ALL.iter().filter_map(|which| Some((which.key().to_owned(), app.has(*which)?.into())));
            let mut info: Map<String, Value> = known.collect();
            info.insert("headquarters".to_owned(), json!(app.seat));
            info.insert("isHipaaCompliant".to_owned(), json!(app.has(Trait::Hipaa)));
            Ok(answer(StatusCode::OK, &Value::Object(info)))
        }
        _ => Err(missing()),
    }
}
