//! The discovery calls: upload address, finalisation, continuous reports, categories.

use super::routes::{Api, MANAGE, Parameters, READ, Refusal, answer, broken, detail, invalid, page_of, refuse};
use super::store::{self, Accepted, Stream};
use super::{Envelope, storage};
use crate::catalog;
use crate::domain::{CUSTOM_PARSER, CUSTOM_PARSER_ID, DataSource, Layout};
use crate::logs::vendor;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const GLOBAL: &str = "Global View";
const GLOBAL_ID: &str = "000000000000000000000000";
/// Longest file or report name, in bytes.
const LONGEST_NAME: usize = 1_024;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/discovery/upload_url/", get(upload_url))
        .route("/v1/discovery/done_upload/", post(done_upload))
        .route("/discovery/streams/", get(streams))
        .route("/v1/discovery/data_sources/", get(data_sources).post(make_data_source))
        .route("/v1/discovery/discovered_apps/categories/", post(categories))
}

async fn upload_url(State(api): State<Api>, headers: HeaderMap, Query(query): Parameters) -> Result<Response, Refusal> {
    api.admit(&headers, MANAGE)?;
    let text = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let (filename, source) = (text("filename"), text("source"));
    if filename.is_empty() || filename.len() > LONGEST_NAME {
        return Err(invalid("filename", if filename.is_empty() { "" } else { "a name of this length" }));
    }
    if vendor::find(source).is_none() && source != CUSTOM_PARSER {
        return Err(invalid("source", source));
    }
    let query = storage::grant(&api, source).map_err(|error| broken(&error))?;
    let base = api.rules.storage_url.clone().unwrap_or_else(|| format!("http://{}", api.addr));
    let url = format!("{}/storage/uploads/{query}", base.trim_end_matches('/'));
    Ok(answer(StatusCode::OK, &json!({ "url": url, "provider": "azure" })))
}

/// The fields of a body in JSON or as a form: the service takes both.
fn fields(body: &[u8]) -> serde_json::Map<String, Value> {
    let form = || url::form_urlencoded::parse(body).into_owned().map(|(k, v)| (k, Value::from(v))).collect();
    serde_json::from_slice(body).unwrap_or_else(|_| form())
}

async fn done_upload(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    api.admit(&headers, MANAGE)?;
    let fields = fields(&body);
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let url = url::Url::parse(text("uploadUrl")).map_err(|_| invalid("uploadUrl", "what is no address"))?;
    let blob = url.path().strip_prefix("/storage/uploads/").unwrap_or_default().to_owned();
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    if !storage::verify(&api.store, &blob, &query) {
        return Err(invalid("uploadUrl", "an address that is none of ours, or has expired,"));
    }
    if !api.store.blob(&blob).is_file() {
        return Err(detail(StatusCode::BAD_REQUEST, "Nothing was stored under uploadUrl."));
    }
    let name = text("inputStreamName");
    if name.trim().is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(invalid("inputStreamName", "what is no name"));
    }
    let snapshot = fields.get("uploadAsSnapshot").is_some_and(|value| *value == true || *value == "true");
    let accepted = api.store.change(|state| {
        let log_type = state.granted.get(&blob).map(|granted| granted.log_type.clone()).unwrap_or_default();
        let known = state.stream(name).map(|stream| stream.id.clone());
        let stream = match known {
            Some(id) if !snapshot => id,
            _ if snapshot => {
                let stream = store::new_stream(name, &log_type, true)?;
                let id = stream.id.clone();
                state.streams.push(stream);
                id
            }
            _ => return Ok(None),
        };
        state.taken += 1;
        let accepted = Accepted { number: state.taken, blob, stream: stream.clone(), log_type, ..Accepted::default() };
        state.accepted.push(accepted);
        Ok(Some(stream))
    });
    match accepted {
        Err(error) => Err(broken(&error)),
        Ok(Some(stream)) => Ok(answer(StatusCode::OK, &json!({ "success": true, "inputStreamId": stream }))),
        Ok(None) => {
            let code = "CONSOLE_DISCOVERY_SETTINGS_PARSE_LOG_TASK_ERROR_NOT_FOUND_INPUT_STREAM";
            Err(refuse(StatusCode::BAD_REQUEST, &json!({ "errorMessageCode": code, "error": true })))
        }
    }
}

fn stream_document(stream: &Stream) -> Value {
    let custom = (stream.log_type == CUSTOM_PARSER).then_some(CUSTOM_PARSER_ID);
    let log_type = vendor::find(&stream.log_type).and_then(|format| format.id).or(custom);
    json!({
        "_id": stream.id, "displayName": stream.name, "logType": log_type, "receiverType": "ftp",
        "streamType": if stream.snapshot { 5 } else { 1 }, "snapshotData": stream.snapshot,
        "created": stream.created, "lastModified": stream.last_data_received.as_ref().unwrap_or(&stream.created),
        "lastDataReceived": stream.last_data_received,
        "logFilesHistoryCount": stream.history, "logFilesFailsCount": stream.fails,
        "anonymizeUsers": false, "comment": "embedded service",
    })
}

async fn streams(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Refusal> {
    api.admit(&headers, READ)?;
    let mut list = api.store.read(|state| {
        let continuous = || state.streams.iter().filter(|stream| !stream.snapshot);
        let mut list = vec![json!({
            "_id": GLOBAL_ID, "displayName": GLOBAL, "streamType": 3, "globalAggregated": true,
            "logFilesHistoryCount": continuous().map(|s| s.history).sum::<u64>(),
            "logFilesFailsCount": continuous().map(|s| s.fails).sum::<u64>(),
            "lastDataReceived": continuous().filter_map(|s| s.last_data_received.clone()).max(),
        })];
        list.extend(state.streams.iter().map(stream_document));
        list
    });
    let document = match api.rules.streams_as {
        Envelope::Streams => json!({ "streams": list }),
        Envelope::Data => json!({ "data": list }),
        Envelope::List => Value::Array(list),
        // One bare object, as the documentation's sample has it: the newest data source.
        Envelope::Object => list.pop().unwrap_or_default(),
    };
    Ok(answer(StatusCode::OK, &document))
}

async fn categories(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    api.admit(&headers, READ)?;
    let query = fields(&body);
    let id = query.get("streamId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let apps: Option<BTreeSet<u32>> = api.store.read(|state| {
        let global = id == GLOBAL_ID;
        let mut streams = state.streams.iter().filter(|s| s.id == id || (global && !s.snapshot)).peekable();
        (global || streams.peek().is_some()).then(|| streams.flat_map(|stream| stream.apps.keys().copied()).collect())
    });
    let apps = apps.ok_or_else(|| invalid("streamId", &id))?;
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for app in catalog::all().iter().filter(|app| apps.contains(&app.id)) {
        *totals.entry(app.category.id).or_default() += 1;
    }
    let list: Vec<Value> = totals.iter().map(|(id, total)| json!({ "id": id, "total": total })).collect();
    // Numbers arrive as text from clients that send a form.
    let number = |name: &str| query.get(name).and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()));
    let (data, more) = page_of(list, number("skip").unwrap_or(0), number("limit"));
    Ok(answer(StatusCode::OK, &json!({ "data": data, "hasNext": more })))
}

fn data_source_document(stream: &Stream) -> Value {
    json!({ "_id": stream.id, "displayName": stream.name, "logType": stream.log_type, "receiverType": "ftp" })
}

/// Data sources and how one is made: undocumented, seen in a client.
async fn data_sources(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Result<Response, Refusal> {
    api.admit(&headers, READ)?;
    let number = |name: &str| query.get(name).and_then(|value| value.parse::<u64>().ok());
    let list: Vec<Value> =
        api.store.read(|state| state.streams.iter().filter(|s| !s.snapshot).map(data_source_document).collect());
    let (data, more) = page_of(list, number("skip").unwrap_or(0), number("limit"));
    Ok(answer(StatusCode::OK, &json!({ "data": data, "hasNext": more })))
}

/// Makes a data source; one of that name stays as it is, but for the layout that its custom parser is told.
async fn make_data_source(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    api.admit(&headers, MANAGE)?;
    let fields = fields(&body);
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let Ok(name) = text("displayName").parse::<DataSource>() else {
        return Err(invalid("displayName", text("displayName")));
    };
    let log_type = text("logType");
    let layout = match fields.get("layout").map(|layout| serde_json::from_value::<Layout>(layout.clone())) {
        None => None,
        Some(Ok(layout)) if log_type == CUSTOM_PARSER => {
            api.store.layouts.format(&layout).map_err(|error| invalid("layout", &error.one_line()))?;
            Some(layout)
        }
        Some(Ok(_)) => return Err(invalid("logType", log_type)),
        Some(Err(error)) => return Err(invalid("layout", &error.to_string())),
    };
    if layout.is_none() && vendor::find(log_type).is_none() {
        return Err(invalid("logType", log_type));
    }
    let made =
        api.store.change(|state| store::data_source(state, &name, log_type, layout.as_ref()).map(data_source_document));
    made.map(|document| answer(StatusCode::OK, &document)).map_err(|error| broken(&error))
}
