//! Files: the logs that were uploaded. No permission scope lets anybody in, only a legacy token.

use super::families::{iso, millis};
use super::insight::OWN_APP;
use super::lists::{Asked, Served, list};
use super::routes::{Api, Parameters, Refusal, answer, not_found};
use super::store::State as Kept;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

const SERVED: Served = Served {
    fields: &[
        ("service", "appId"),
        ("instance", "instId"),
        ("fileType", "ftype"),
        ("filename", "name"),
        ("fileId", "id|_id"),
        ("sharing", "facl"),
        ("extension", "extension"),
        ("mimeType", "mimeType"),
        ("modifiedDate", "modifiedDate"),
        ("createdDate", "createdDate"),
        ("owner.entity", "ownerAddress"),
        ("trashed", "isTrashed"),
        ("folder", "isFolder"),
        ("quarantined", "isQuarantined"),
    ],
    sort: &[("modifiedDate", "modifiedDate")],
    scan: None,
};

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/v1/files/", get(all).post(all)).route("/v1/files/{id}/", get(one))
}

/// The uploads as records; the enumerations come as pairs beside bare numbers, as the remote service has them.
fn documents(state: &Kept) -> Vec<Value> {
    let accepted = state.accepted.iter();
    accepted
        .map(|upload| {
            let name = format!("{}-{}.log", upload.log_type.to_lowercase(), upload.number);
            let stream = state.streams.iter().find(|stream| stream.id == upload.stream);
            let created = stream.and_then(|stream| stream.created.parse::<jiff::Timestamp>().ok()).unwrap_or_default();
            let created = created.as_millisecond();
            json!({
                "_id": upload.blob.get(..24).unwrap_or(&upload.blob), "id": format!("{}|{}", upload.stream, upload.blob), "name": name,
                "appId": OWN_APP, "appName": "Embedded service", "saasId": OWN_APP, "instId": 0,
                "fileType": [4, "TEXT"], "ftype": 4, "fileAccessLevel": [0, "PRIVATE"], "facl": 0, "fileStatus": [0, "EXISTS"], "fstat": 0,
                "extension": "log", "mimeType": "text/plain", "createdDate": created, "Created": created, "modifiedDate": created,
                "snapshotLastModifiedDate": iso(created), "ownerName": "logweir", "ownerAddress": "logweir", "isFolder": false,
                "isTrashed": false, "isQuarantined": false, "ftags": [], "fTags": [], "lines": upload.lines,
            })
        })
        .collect()
}

async fn all(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(query): Parameters,
    body: Bytes,
) -> Result<Response, Refusal> {
    api.admit(&headers, &[])?;
    let asked = Asked::read(&query, &body)?;
    list(&api.store.read(documents), &asked, &SERVED, millis())
}

async fn one(State(api): State<Api>, headers: HeaderMap, Path(id): Path<String>) -> Result<Response, Refusal> {
    api.admit(&headers, &[])?;
    let found = api.store.read(documents).into_iter().find(|file| file["_id"] == *id || file["id"] == *id);
    found.map(|file| answer(StatusCode::OK, &file)).ok_or_else(not_found)
}
