//! IP address ranges: list, create, replace, delete, with the remote service's checks and oddities.

use super::families::{Kept, millis};
use super::lists::{Family, Served, reading};
use super::routes::{Api, Refusal, answer, broken, invalid, not_found};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{self, post};
use serde_json::{Value, json};
use std::net::IpAddr;

const READ: &[&str] = &["settings.read", "settings.manage", "investigation.read", "investigation.manage"];
const MANAGE: &[&str] = &["settings.manage", "investigation.manage"];
/// Most ranges that are kept.
const MOST: usize = 10_000;

const FAMILY: Family = Family {
    path: "/v1/subnet/",
    scopes: READ,
    served: Served {
        fields: &[("category", "category"), ("tags", "tags.*.id"), ("builtIn", "builtIn")],
        sort: &[("name", "name"), ("category", "category"), ("tags", "tags.0.name")],
        scan: None,
        hidden: &[],
    },
    documents: |store| store.families.read(|kept| kept.subnets.clone()),
    ids: &["_id"],
};

pub(super) fn routes() -> Router<Api> {
    // The introduction of the documentation spells the list without a version.
    const UNVERSIONED: Family = Family { path: "/subnet/", ids: &[], ..FAMILY };
    reading(&FAMILY)
        .merge(reading(&UNVERSIONED))
        .route("/v1/subnet/create_rule/", post(create))
        .route("/v1/subnet/{id}/update_rule/", post(update))
        .route("/v1/subnet/{id}/", routing::delete(delete))
}

/// A network as a record holds it: the text as typed, the address in expanded IPv6, the mask counted there.
fn network(text: &str) -> Option<Value> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits): (IpAddr, u8) = (address.parse().ok()?, bits.parse().ok()?);
    let (mapped, mask) = match address {
        IpAddr::V4(address) => (address.to_ipv6_mapped(), bits.checked_add(96).filter(|_| bits <= 32)?),
        IpAddr::V6(address) => (address, Some(bits).filter(|bits| *bits <= 128)?),
    };
    let expanded = mapped.segments().map(|segment| format!("{segment:04x}")).join(":");
    Some(json!({ "originalString": text, "mask": mask, "address": expanded }))
}

/// A tag by id or name; a new name makes a new tag.
fn tag(kept: &mut Kept, word: &str, now: i64) -> crate::error::Result<Value> {
    let known = kept.subnets.iter().filter_map(|range| range["tags"].as_array()).flatten();
    let same = |tag: &&Value| tag["id"] == *word || tag["name"] == *word;
    if let Some(tag) = known.clone().find(same) {
        return Ok(tag.clone());
    }
    Ok(
        json!({ "id": kept.id(now)?, "_id": null, "name": word, "description": null, "nameTemplate": null, "status": 0 }),
    )
}

/// The record that a body asks for, or the field that is wrong. What the body leaves out is emptied.
fn record(
    kept: &mut Kept,
    id: &str,
    request: &Value,
    now: i64,
) -> crate::error::Result<Result<Value, (&'static str, String)>> {
    let name = request["name"].as_str().map(str::trim).unwrap_or_default();
    if name.is_empty() || name.len() > 256 {
        return Ok(Err(("name", name.chars().take(80).collect())));
    }
    // The check for a unique name passes over the record itself only when the body says which that is.
    let own = request["_id"].as_str().unwrap_or_default();
    if kept.subnets.iter().any(|range| range["name"] == *name && range["_id"] != *own) {
        return Ok(Err(("name", name.to_owned())));
    }
    let category = request["category"].as_u64().or_else(|| request["category"].as_str()?.parse().ok());
    let Some(category) = category.filter(|category| *category <= 6) else {
        return Ok(Err(("category", request["category"].to_string())));
    };
    let networks: Vec<&Value> = request["subnets"].as_array().into_iter().flatten().collect();
    let parsed: Option<Vec<Value>> = networks.iter().map(|text| network(text.as_str()?)).collect();
    let Some(subnets) = parsed.filter(|list| !list.is_empty()) else {
        return Ok(Err(("subnets", request["subnets"].to_string().chars().take(80).collect())));
    };
    let words: Vec<String> =
        request["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let tags = words.iter().map(|word| tag(kept, word, now)).collect::<crate::error::Result<Vec<_>>>()?;
    let overrides = request["overrideOrganization"] == true || request["overrideOrganization"] == "true";
    let organization = request["organization"].as_str().filter(|_| overrides);
    #[expect(clippy::cast_precision_loss, reason = "the remote service sends such a float")]
    let modified = now as f64 + 0.5;
    Ok(Ok(json!({
        "_id": id, "_tid": 1, "name": name, "category": category, "subnets": subnets, "tags": tags,
        "organization": organization, "location": null, "lastModified": modified, "builtIn": false,
    })))
}

fn body(bytes: &Bytes) -> Result<Value, Refusal> {
    // The content type is not looked at: clients send JSON under other names.
    serde_json::from_slice(bytes).map_err(|_| invalid("body", "what is no JSON"))
}

async fn create(State(api): State<Api>, headers: HeaderMap, bytes: Bytes) -> Result<Response, Refusal> {
    api.admit(&headers, MANAGE)?;
    let (request, now) = (body(&bytes)?, millis());
    let made = api.store.families.change(now, |kept| {
        if kept.subnets.len() >= MOST {
            return Ok(Err(("subnets", format!("more than {MOST} ranges"))));
        }
        let id = kept.id(now)?;
        Ok(record(kept, &id, &request, now)?.map(|range| {
            kept.subnets.push(range);
            id
        }))
    });
    match made.map_err(|error| broken(&error))? {
        Ok(id) => Ok(answer(StatusCode::OK, &Value::String(id))),
        Err((field, value)) => Err(invalid(field, &value)),
    }
}

async fn update(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    api.admit(&headers, MANAGE)?;
    let (request, now) = (body(&bytes)?, millis());
    let changed = api.store.families.change(now, |kept| {
        let Some(at) = kept.subnets.iter().position(|range| range["_id"] == *id) else { return Ok(None) };
        Ok(Some(record(kept, &id, &request, now)?.map(|range| kept.subnets[at] = range)))
    });
    match changed.map_err(|error| broken(&error))? {
        None => Err(not_found()),
        Some(Err((field, value))) => Err(invalid(field, &value)),
        Some(Ok(())) => Ok(answer(StatusCode::OK, &Value::String(id))),
    }
}

async fn delete(State(api): State<Api>, headers: HeaderMap, Path(id): Path<String>) -> Result<Response, Refusal> {
    api.admit(&headers, MANAGE)?;
    let gone = api.store.families.change(millis(), |kept| {
        let before = kept.subnets.len();
        kept.subnets.retain(|range| range["_id"] != *id);
        Ok(kept.subnets.len() < before)
    });
    if gone.map_err(|error| broken(&error))? { Ok(answer(StatusCode::OK, &json!({}))) } else { Err(not_found()) }
}
