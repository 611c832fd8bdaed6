//! Activities: processed and refused logs, changes of the verdict; list with scan mode, fetch, feedback.

use super::families::millis;
use super::lists::{Family, Served, reading};
use super::routes::{Api, Refusal, answer, broken, invalid, not_found};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};

const READ: &[&str] = &["investigation.read", "investigation.manage"];

const FAMILY: Family = Family {
    path: "/v1/activities/",
    scopes: READ,
    served: Served {
        fields: &[
            ("service", "appId"),
            ("activity.id", "_id"),
            ("activity.eventType", "eventTypeName"),
            ("activity.eventActionType", "eventTypeName"),
            ("activity.actionType", "eventTypeName"),
            ("activityObject", "mainInfo.eventObjects.*.id"),
            ("actionType", "eventTypeName"),
            ("text", "description"),
            ("date", "timestamp"),
            ("created", "created"),
            ("source", "source"),
            ("user.username", "user.userName"),
            ("entity", "user.userName"),
            ("ip.address", "device.clientIP"),
            ("location.country", "location.countryCode"),
            ("userAgent.userAgent", "device.userAgent"),
        ],
        sort: &[("date", "timestamp"), ("created", "created")],
        scan: Some("created"),
        hidden: &[],
    },
    documents: |store| store.families.read(|kept| kept.activities.clone()),
    ids: &["_id"],
};

pub(super) fn routes() -> Router<Api> {
    reading(&FAMILY)
        // The one path of the API without a slash at its end.
        .route("/v1/activities/{id}/feedback", post(feedback))
}

async fn feedback(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    api.admit(&headers, READ)?;
    let request: Value = serde_json::from_slice(&body).map_err(|_| invalid("body", "what is no JSON"))?;
    let value = request.get("feedbackValue").or_else(|| request.get("feedback")).and_then(Value::as_str);
    let value = value.filter(|text| !text.is_empty()).ok_or_else(|| invalid("feedbackValue", ""))?.to_owned();
    let kept = api.store.families.change(millis(), |kept| {
        let found = kept.activities.iter_mut().find(|activity| activity["_id"] == *id);
        Ok(found.map(|activity| activity["feedback"] = value.into()).is_some())
    });
    if kept.map_err(|error| broken(&error))? { Ok(answer(StatusCode::OK, &json!({}))) } else { Err(not_found()) }
}
