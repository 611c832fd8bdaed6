//! Files: the logs that were uploaded. No permission scope lets anybody in, only a legacy token.

use super::families::iso;
use super::insight::OWN_APP;
use super::lists::{Family, Served, reading};
use super::routes::Api;
use super::store::State as Kept;
use axum::Router;
use serde_json::{Value, json};

const FAMILY: Family = Family {
    path: "/v1/files/",
    scopes: &[],
    served: Served {
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
        hidden: &[],
    },
    documents: |store| store.read(documents),
    ids: &["_id", "id"],
};

pub(super) fn routes() -> Router<Api> {
    reading(&FAMILY)
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
