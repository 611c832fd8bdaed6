//! Alerts: what the engine found; list, fetch, read and unread, close.

use super::families::{Kept, millis};
use super::lists::{Asked, Family, Served, matching, reading};
use super::routes::{Api, Refusal, answer, broken, invalid, not_found};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};

const READ: &[&str] = &["discovery.read", "discovery.manage", "investigation.read", "investigation.manage"];
const CLOSE: &[&str] = &["discovery.manage", "investigation.manage"];

const FAMILY: Family = Family {
    path: "/v1/alerts/",
    scopes: READ,
    served: Served {
        fields: &[
            ("entity.entity", "entities.*.id"),
            ("entity.ip", "entities.*.label"),
            ("entity.service", "entities.*.id"),
            ("entity.instance", "entities.*.inst"),
            ("entity.policy", "entities.*.id"),
            ("entity.file", "entities.*.id"),
            ("alertOpen", "open"),
            ("severity", "severityValue"),
            ("resolutionStatus", "resolutionStatusValue"),
            ("read", "read"),
            ("date", "timestamp"),
            ("resolutionDate", "closedTime"),
            ("risk", "severityValue"),
            ("alertType", "idValue"),
            ("id", "_id"),
            ("source", "stories"),
        ],
        sort: &[("date", "timestamp"), ("severity", "severityValue")],
        scan: None,
        hidden: &["open", "read"],
    },
    documents: |store| store.families.read(searchable),
    ids: &["_id"],
};

/// A way to close: its word, its number, and the reasons it takes.
struct Way {
    word: &'static str,
    resolution: u8,
    reasons: &'static [u64],
}

const WAYS: &[Way] = &[
    Way { word: "benign", resolution: 4, reasons: &[2, 4, 5, 6] },
    Way { word: "false_positive", resolution: 3, reasons: &[0, 1, 3, 4] },
    Way { word: "true_positive", resolution: 5, reasons: &[] },
];

pub(super) fn routes() -> Router<Api> {
    reading(&FAMILY)
        .route("/v1/alerts/{id}/read/", post(|api, headers, id| mark(api, headers, id, 1)))
        .route("/v1/alerts/{id}/unread/", post(|api, headers, id| mark(api, headers, id, 0)))
        .route("/v1/alerts/close_benign/", post(|api, headers, body| close(api, headers, body, &WAYS[0])))
        .route("/v1/alerts/close_false_positive/", post(|api, headers, body| close(api, headers, body, &WAYS[1])))
        .route("/v1/alerts/close_true_positive/", post(|api, headers, body| close(api, headers, body, &WAYS[2])))
}

/// The documents with what filters look at and the records do not hold.
fn searchable(kept: &Kept) -> Vec<Value> {
    kept.alerts
        .iter()
        .map(|alert| {
            let mut alert = alert.clone();
            alert["open"] = (alert["resolutionStatusValue"] == 0).into();
            alert["read"] = (alert["statusValue"] != 0).into();
            alert
        })
        .collect()
}

async fn mark(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(id): Path<String>,
    status: u8,
) -> Result<Response, Refusal> {
    api.admit(&headers, READ)?;
    let changed = api.store.families.change(millis(), |kept| {
        let found = kept.alerts.iter_mut().find(|alert| alert["_id"] == *id);
        Ok(found.map(|alert| alert["statusValue"] = status.into()).is_some())
    });
    // What the remote service answers is documented nowhere; an empty object says that it went well.
    if changed.map_err(|error| broken(&error))? { Ok(answer(StatusCode::OK, &json!({}))) } else { Err(not_found()) }
}

async fn close(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Bytes,
    way: &'static Way,
) -> Result<Response, Refusal> {
    api.admit(&headers, CLOSE)?;
    let request: Value = serde_json::from_slice(&body).map_err(|_| invalid("body", "what is no JSON"))?;
    let reason = request.get("reasonId").filter(|reason| !reason.is_null());
    if let Some(reason) = reason
        && !reason.as_u64().is_some_and(|number| way.reasons.contains(&number))
    {
        return Err(invalid("reasonId", &reason.to_string()));
    }
    let filters = Asked::read(&std::collections::HashMap::new(), &body)?.filters()?;
    let now = millis();
    let wanted: Vec<String> = match &request["filters"]["id"]["eq"] {
        Value::Array(ids) => ids.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(id) => vec![id.clone()],
        _ => Vec::new(),
    };
    let documents = api.store.families.read(searchable);
    let ids: Vec<String> = matching(documents.iter(), &filters, &FAMILY.served, now)?
        .into_iter()
        .filter_map(|alert| alert["_id"].as_str().map(str::to_owned))
        .collect();
    api.store
        .families
        .change(now, |kept| {
            for alert in kept.alerts.iter_mut().filter(|alert| ids.iter().any(|id| alert["_id"] == **id)) {
                alert["resolutionStatusValue"] = way.resolution.into();
                alert["statusValue"] = 2.into();
                alert["closedTime"] = now.into();
                alert["reasonId"] = reason.cloned().unwrap_or_default();
                alert["comment"] = request["comment"].clone();
            }
            Ok(())
        })
        .map_err(|error| broken(&error))?;
    let mut document = json!({ format!("closed_{}", way.word): ids.len() });
    let missing: Vec<&String> = wanted.iter().filter(|id| !ids.contains(id)).collect();
    if !missing.is_empty() {
        document["alertsNotFound"] = json!(missing);
    }
    Ok(answer(StatusCode::OK, &document))
}
