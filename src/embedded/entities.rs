//! Entities: the users and addresses that appeared in logs; list, fetch, tree.

use super::families::{Entity, iso};
use super::insight::OWN_APP;
use super::lists::{Family, Served, reading};
use super::routes::{Api, Refusal, answer, invalid, not_found};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const READ: &[&str] = &["investigation.read", "investigation.manage"];

const FAMILY: Family = Family {
    path: "/v1/entities/",
    scopes: READ,
    served: Served {
        fields: &[
            ("type", "type"),
            ("isAdmin", "isAdmin"),
            ("entity", "id"),
            ("userGroups", "userGroups.*._id"),
            ("app", "appData.saas"),
            ("instance", "appData.instance"),
            ("isExternal", "isExternal"),
            ("domain", "domain"),
            ("organization", "organization"),
            ("lastSeen", "lastSeen"),
            ("status", "status"),
            ("score", "threatScore"),
        ],
        sort: &[("date", "lastSeen"), ("severity", "threatScore"), ("lastSeen", "lastSeen")],
        scan: None,
        hidden: &[],
    },
    documents: |store| {
        store.families.read(|kept| kept.entities.iter().map(|(name, entity)| document(name, entity)).collect())
    },
    ids: &[],
};

pub(super) fn routes() -> Router<Api> {
    reading(&FAMILY).route("/v1/entities/{key}/", get(one)).route("/v1/entities/{key}/retrieve_tree/", get(tree))
}

/// The record as the remote service shapes it, the odd text in `username` included.
fn document(name: &str, entity: &Entity) -> Value {
    let domain = name.rsplit_once('@').map(|(_, domain)| domain);
    // A user is type 2, an account is type 1: an address is where a user acts from.
    let kind = if entity.address { 1 } else { 2 };
    json!({
        "type": kind, "status": 2, "displayName": name, "id": name, "_id": super::store::hash(name)[..24].to_owned(),
        "userGroups": [], "identifiers": [], "isAdmin": false, "isExternal": false, "isFake": false,
        "appData": { "appId": OWN_APP, "name": "Embedded service", "saas": OWN_APP, "instance": 0 },
        "email": domain.map(|_| name), "domain": domain, "organization": null, "role": null, "threatScore": null,
        "lastSeen": iso(entity.last_seen), "ii": format!("{OWN_APP}|0|{name}"),
        "username": format!("{{'id': '{}', 'saas': {OWN_APP}, 'inst': 0}}", name.replace('\'', "\\'")),
        "transactions": entity.transactions, "bytesUp": entity.bytes_up, "bytesDown": entity.bytes_down,
    })
}

/// The entity that a key of base64 names; a broken key is a bad request, as the remote service has it.
fn named(api: &Api, key: &str) -> Result<(String, Entity), Refusal> {
    let object = STANDARD.decode(key).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let id = object.as_ref().and_then(|object| object["id"].as_str()).ok_or_else(|| invalid("pk", key))?;
    let found = api.store.families.read(|kept| kept.entities.get(id).cloned());
    found.map(|entity| (id.to_owned(), entity)).ok_or_else(not_found)
}

async fn one(State(api): State<Api>, headers: HeaderMap, Path(key): Path<String>) -> Result<Response, Refusal> {
    api.admit(&headers, READ)?;
    let (name, entity) = named(&api, &key)?;
    Ok(answer(StatusCode::OK, &document(&name, &entity)))
}

async fn tree(State(api): State<Api>, headers: HeaderMap, Path(key): Path<String>) -> Result<Response, Refusal> {
    api.admit(&headers, READ)?;
    let (name, entity) = named(&api, &key)?;
    let accounts: Vec<Value> = api.store.families.read(|kept| {
        entity
            .accounts
            .iter()
            .filter_map(|name| kept.entities.get(name).map(|account| document(name, account)))
            .collect()
    });
    Ok(answer(StatusCode::OK, &json!({ "user": document(&name, &entity), "accounts": accounts })))
}
